package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
)

const keep = 90 * 24 * time.Hour // the age up to which --prune leaves journals

// historian is "lixfix history".
type historian struct {
	*app
	look     *looker
	journals ledger
}

func newHistorian(a *app) historian {
	return historian{app: a, look: &looker{app: a}, journals: ledger{a}}
}

func (h historian) command() *cobra.Command {
	var prune bool
	var aside string
	age := ageValue(keep)
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List what was done on this host",
		Long: "List the repairs that were made on this host: when, by which version, and how\n" +
			"they ended. Their journals can hold configuration, so only root can read them,\n" +
			"and their contents are never printed. A repair whose journal was removed can no\n" +
			"longer be taken back.\n\n" +
			"A journal stops every repair if it is damaged, if a newer lixfix made it, or if\n" +
			"other users could have written it. --set-aside moves it out of the way and\nkeeps it.\n\n" +
			exitHelp(Healthy, Usage, Failed, Waiting, Unsafe, NoConsent, Busy),
		Example: "  sudo lixfix history\n  sudo lixfix history --prune --older-than 30d",
	}
	cmd.Args = h.noArgs
	cmd.Flags().BoolVar(&prune, "prune", false, "remove the journals of finished repairs")
	cmd.Flags().Var(&age, "older-than", "with --prune: only those of that `AGE`, such as 90d or 12h")
	cmd.Flags().StringVar(&aside, "set-aside", "", "move a journal that cannot be used out of the way: the `ID` of its repair")
	cmd.RunE = h.run(func(ctx context.Context, cmd *cobra.Command, _ []string) (Code, error) {
		switch {
		case cmd.Flags().Changed("set-aside") && prune:
			return Usage, usagef("leave one of them out", "--set-aside and --prune do not go together")
		case cmd.Flags().Changed("set-aside"):
			return h.setAside(ctx, cmd, aside)
		case prune:
			return h.prune(cmd, time.Duration(age))
		case cmd.Flags().Changed("older-than"):
			return Usage, usagef("add --prune", "--older-than: it says what --prune removes")
		}
		return h.history(cmd)
	})
	return cmd
}

// setAside moves a journal out of the way that nothing can be done with, and says what is not known any more.
func (h historian) setAside(ctx context.Context, cmd *cobra.Command, id string) (Code, error) {
	if !h.Host.Facts().Root() {
		return NoConsent, h.needRoot(cmd, nil, nil)
	}
	dir, err := journal.Lock(h.Host.StateDir(), step.Kinds())
	if err != nil {
		return Failed, err
	}
	defer dir.Close()
	aside, err := dir.SetAside(id)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return Usage, &failure{code: Usage, err: err, next: "sudo " + h.Name + " history lists the repairs"}
	case errors.Is(err, journal.ErrReadable):
		return Unsafe, &failure{
			code: Unsafe, err: fmt.Errorf("%w, so nothing has to be set aside", err),
			next: fmt.Sprintf("sudo %[1]s resume or sudo %[1]s undo settles an unfinished repair", h.Name),
		}
	case err != nil:
		return Failed, err
	}
	r := h.hosted("history")
	r.SetAside = &render.Aside{ID: aside.ID, File: aside.File, Reason: message(aside.Why)}
	if aside.Version != "" && aside.Version != h.Version {
		r.Notes = append(r.Notes, "lixfix "+aside.Version+" made it, and can still use it under its old name.")
	}
	if aside.Began {
		r.Notes = append(r.Notes, "Which steps of this repair were done, and what was there before, is no longer known, so it can be neither "+
			"finished nor taken back.")
		r.Notes = append(r.Notes, "A service that it stopped may still be down. \""+h.Name+" check\" shows how things are now, and a repair mends what is broken.")
	} else {
		r.Notes = append(r.Notes, "That repair cannot be taken back any more.")
	}
	r.Fixes = h.look.detectAll(ctx, h.Fixes, make([]fix.Settings, len(h.Fixes)), false)
	r.Summary = render.CheckVerdict(*r)
	return h.emit(r, Healthy, func(t *render.Text) {
		t.SetAside(*r)
		t.Fixes(r.Fixes)
		t.Verdict(*r)
	})
}

// ageValue is a duration that can also be given in days and weeks.
type ageValue time.Duration

// String implements pflag.Value.
func (v *ageValue) String() string {
	if d := time.Duration(*v); d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return time.Duration(*v).String()
}

// Set implements pflag.Value.
func (v *ageValue) Set(s string) error {
	unit := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	var d time.Duration
	var err error
	if s != "" && unit[s[len(s)-1]] > 0 {
		var n int
		n, err = strconv.Atoi(s[:len(s)-1])
		if n > 100_000 {
			err = strconv.ErrRange
		}
		d = time.Duration(n) * unit[s[len(s)-1]]
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d < 0 {
		return errors.New("an age is a number of days, such as 90d, of weeks, such as 12w, or of hours, such as 36h")
	}
	*v = ageValue(d)
	return nil
}

// Type implements pflag.Value.
func (v *ageValue) Type() string { return "age" }

func (h historian) history(cmd *cobra.Command) (Code, error) {
	r := h.hosted("history")
	show := func(t *render.Text) { t.History(*r) }
	ids, strange, err := journal.IDs(h.Host.StateDir())
	switch {
	case err != nil:
		return Failed, err
	case len(ids)+len(strange) == 0:
		r.Summary = fmt.Sprintf("lixfix %s: no repair was made on this host", h.Version)
		return h.emit(r, Healthy, show)
	case !h.Host.Facts().Root():
		for _, id := range ids {
			r.History = append(r.History, render.Past{ID: id, Began: stamped(id)})
		}
		for _, err := range strange {
			r.Problems = append(r.Problems, message(err))
		}
		r.Summary = fmt.Sprintf("lixfix %s: %s; only root can read more", h.Version, repairs(len(ids)))
		if _, err := h.emit(r, NoConsent, show); err != nil {
			return Failed, err
		}
		return NoConsent, h.needRoot(cmd, nil, nil)
	}
	all, errs := journal.History(h.Host.StateDir(), step.Kinds())
	for _, past := range all {
		r.History = append(r.History, pastOf(past))
	}
	for _, err := range errs {
		r.Problems = append(r.Problems, message(err))
	}
	for _, id := range journal.Unusable(errs) {
		r.Problems = append(r.Problems, h.journals.aside(id)+" moves it out of the way")
	}
	code := Healthy
	r.Summary = fmt.Sprintf("lixfix %s: %s", h.Version, repairs(len(all)))
	if len(errs) > 0 {
		code = Failed
		r.Summary += fmt.Sprintf("; %d could not be read", len(errs))
	}
	return h.emit(r, code, show)
}

func repairs(n int) string {
	if n == 1 {
		return "1 repair"
	}
	return strconv.Itoa(n) + " repairs"
}

// stamped is the time in an ID.
func stamped(id string) *time.Time {
	const layout = "20060102-150405"
	if len(id) < len(layout) {
		return nil
	}
	t, err := time.Parse(layout, id[:len(layout)])
	if err != nil {
		return nil
	}
	return &t
}

func pastOf(past journal.Repair) render.Past {
	out := render.Past{
		ID: past.Plan.ID, Began: &past.Began, Fix: past.Plan.Fix, Outcome: string(past.Outcome),
		Version: past.Plan.Version, Undoes: past.Plan.Undoes, Total: len(past.Plan.Entries),
	}
	switch {
	case out.Outcome == "" && (past.Back || past.Plan.Undoes != ""):
		out.Outcome = "undoing"
	case out.Outcome == "":
		out.Outcome = "unfinished"
	}
	if !past.Ended.IsZero() {
		out.Ended = &past.Ended
	}
	for _, m := range past.Marks {
		if m == plan.Done || m == plan.Already {
			out.Done++
		}
	}
	return out
}

func (h historian) prune(cmd *cobra.Command, age time.Duration) (Code, error) {
	if !h.Host.Facts().Root() {
		return NoConsent, h.needRoot(cmd, nil, nil)
	}
	dir, err := journal.Lock(h.Host.StateDir(), step.Kinds())
	if err != nil {
		return Failed, err
	}
	defer dir.Close()
	r := h.hosted("history")
	gone, err := dir.Prune(h.Now().Add(-age))
	slices.Sort(gone)
	r.Pruned = gone
	v := ageValue(age)
	r.Summary = fmt.Sprintf("lixfix %s: removed %s older than %s", h.Version, journals(len(gone)), v.String())
	code := Healthy
	if err != nil {
		code = Failed
	}
	if _, emitErr := h.emit(r, code, func(t *render.Text) { t.History(*r) }); emitErr != nil {
		return Failed, emitErr
	}
	return code, err
}

func journals(n int) string {
	if n == 1 {
		return "1 journal"
	}
	return strconv.Itoa(n) + " journals"
}
