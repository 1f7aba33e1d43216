package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/ui"
	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// change is one command that changes the host, from the first look to the last.
type change struct {
	app      *app
	fix      fix.Fix // nil where this lixfix does not know it
	settings fix.Settings
	memo     *platform.Memo // one reading for looking and planning
	report   *render.Report
	before   *fix.Picture // of what a repair starts from; nil where nothing is drawn
	probed   *fix.Probed  // the same by an experiment; nil where there was none
	passive  bool         // make none
	unproven error        // all steps are done, and what they were for was not reached
	undoing  bool         // what is left afterwards was there before, and is no failure
}

func (a *app) change(command string) *change {
	r := a.hosted(command)
	r.Outcome = &render.Outcome{Result: render.NotStarted}
	for _, err := range a.strange() {
		r.Problems = append(r.Problems, message(err))
		a.notice(message(err))
	}
	return &change{app: a, memo: platform.NewMemo(a.Host), report: r}
}

// strange returns an error for each entry of the state directory that is called like a journal and is no file. An error
// of the directory itself shows where the journals are read.
func (a *app) strange() []error {
	if a.replay != nil {
		return nil // the journals here are those of this machine
	}
	_, strange, _ := journal.IDs(a.Host.StateDir())
	return strange
}

// isStrange tells what is no file at all from a file that may be a journal.
func isStrange(err error) bool { return errors.Is(err, journal.ErrStrange) }

// stamp gives a plan what is the program's to say.
func (c *change) stamp(p *plan.Plan) error {
	var random [2]byte
	if _, err := io.ReadFull(c.app.Random, random[:]); err != nil {
		return fmt.Errorf("choose an ID: %w", err)
	}
	now := c.app.Now().UTC()
	p.Schema, p.ID, p.Version, p.Made, p.Host = plan.Schema, journal.NewID(now, p.Fix, random), c.app.Version, now, c.memo.Facts()
	return nil
}

// consent asks the user once. The plan is drawn on the terminal where standard output does not show it.
func (c *change) consent(ctx context.Context, question string, draw func(*render.Text)) error {
	a := c.app
	tty, err := a.OpenTTY()
	if err != nil {
		a.log.Debug("no terminal", "error", err)
		return &failure{
			code: NoConsent, err: errors.New("cannot ask for consent: there is no terminal"),
			next: "run it in a terminal, or add --yes to skip the question",
		}
	}
	defer tty.Close()
	if a.format == jsonFormat || !a.stdout.Is {
		t := render.NewText(a.style(ui.Describe(tty, a.Getenv)))
		draw(t)
		if _, err := t.WriteTo(tty); err != nil {
			return &failure{code: NoConsent, err: fmt.Errorf("show the plan on the terminal: %w", err)}
		}
	}
	yes, err := ui.Confirm(ctx, tty, question)
	var s *signalled
	switch {
	case errors.As(err, &s) && codeOf(err) != Interrupt:
		return err
	case err != nil || !yes:
		return &failure{code: NoConsent, err: errors.New("not confirmed; nothing was changed")}
	}
	return nil
}

// tracker follows a run and remembers what the user has to be told of it.
type tracker struct {
	change  *change
	entries []plan.Entry
	back    bool
	groups  []render.Group
	of      []int // entry → group
	current int
	flying  bool // a step that acts has begun, and not ended
	changed bool // one has done something to the host, or may have
	holds   []plan.Hold
	service map[string]int // hold → index in services
	stopped []render.Service
	refused []render.Refused
	failed  []render.Refused // optional steps
}

func (c *change) tracker(p plan.Plan, back bool) *tracker {
	t := &tracker{
		change: c, entries: p.Entries, back: back, groups: render.Groups(p.Entries), of: make([]int, len(p.Entries)),
		current: -1, service: map[string]int{},
	}
	for g, group := range t.groups {
		for i := group.First; i <= group.Last; i++ {
			t.of[i] = g
		}
	}
	return t
}

// observe implements plan.Driver.Observe.
func (t *tracker) observe(e plan.Event) {
	t.follow(e)
	reason := ""
	if e.Err != nil {
		reason = message(e.Err)
	}
	t.change.app.event(render.StepEvent(e, reason))
	progress := t.change.app.progress
	at := fmt.Sprintf("[%d/%d] ", e.Index+1, e.Count)
	text := render.Clean(e.Step.String())
	switch e.Phase {
	case plan.Refused:
		t.refused = append(t.refused, render.Refused{Step: e.Step.String(), Reason: reason})
		progress.Line(at + "refused: " + text)
	case plan.Tolerated:
		t.failed = append(t.failed, render.Refused{Step: e.Step.String(), Reason: reason})
		progress.Line(at + "failed, going on: " + text)
	case plan.Failed:
		progress.Line(at + "failed: " + text)
	case plan.Starting, plan.WasSo:
		if progress.Rewrites() && !t.change.app.verbose {
			progress.Now(at + render.Clean(render.Short(e.Step)))
			return
		}
		t.announce(e, at, text)
	}
}

// announce prints a line for each group of steps when the first of it comes up.
func (t *tracker) announce(e plan.Event, at, text string) {
	progress := t.change.app.progress
	g := t.of[e.Index]
	_, write := e.Step.(plan.Write)
	alone := t.change.app.verbose || e.Step.Kind() != t.entries[e.Index].Step.Kind() && !write
	switch {
	case alone:
		progress.Line(at + text)
	case g != t.current:
		t.current = g
		group := t.groups[g]
		at = fmt.Sprintf("[%s/%d] ", render.Span(group.First, group.Last), e.Count)
		text = render.Clean(group.Text)
		if t.back && write {
			text = "take back: " + text
		}
		progress.Line(at + text)
	}
}

// follow keeps track of whether the host was changed, and of what is held, such as a stopped service.
func (t *tracker) follow(e plan.Event) {
	switch e.Phase {
	case plan.Starting:
		t.flying = plan.Acts(e.Step)
	case plan.Finished, plan.Failed, plan.Tolerated:
		// A step that is not begun has failed on what it found.
		t.changed = t.changed || t.flying && !plan.IsUnwritten(e.Err)
		t.flying = false
	}
	if h, ok := e.Step.(plan.Hold); ok && e.Phase == plan.Starting {
		if _, known := t.service[h.String()]; !known {
			t.service[h.String()] = len(t.stopped)
			t.stopped = append(t.stopped, render.Service{Stop: h.String(), Start: h.Release().String()})
			t.holds = append(t.holds, h)
		}
		t.stopped[t.service[h.String()]].Running = false
		return
	}
	for i, h := range t.holds {
		if release := h.Release(); e.Phase == plan.Finished && release.Kind() == e.Step.Kind() && release.String() == e.Step.String() {
			t.stopped[i].Running = true
		}
	}
}

// drive runs what is left of a journal's plan, or takes back what was done of it.
func (c *change) drive(ctx context.Context, j *journal.Journal, back bool, stop func() error) error {
	t := c.tracker(j.Plan, back)
	d := plan.Driver{Host: c.memo, Log: j, Observe: t.observe, Stop: stop, Leave: j.Plan.Undoes != ""}
	run := d.Run
	if back {
		run = d.Rollback
	}
	c.app.sig.applying(true)
	restore := unsuspendable()
	err := run(ctx, j.Plan)
	restore()
	c.app.sig.applying(false)
	c.app.progress.Close()
	if !slices.ContainsFunc(j.Plan.Entries, func(e plan.Entry) bool { _, ok := e.Step.(plan.Check); return ok }) {
		// Nothing was read since somebody was asked, so what is remembered tells what was true then.
		c.memo = platform.NewMemo(c.app.Host)
	}

	o := c.report.Outcome
	o.ID, o.Total, o.Done, o.Back = j.Plan.ID, len(j.Plan.Entries), held(j), back
	o.Changed = o.Changed || t.changed
	for _, s := range t.stopped {
		o.Services = slices.DeleteFunc(o.Services, func(old render.Service) bool { return old.Stop == s.Stop })
		o.Services = append(o.Services, s)
	}
	o.Skipped = append(o.Skipped, t.failed...)
	c.report.Refused = append(c.report.Refused, t.refused...)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("ended by %w: %w", context.Cause(ctx), err)
	}
	return err
}

// held counts the steps that hold: done, or so before.
func held(j *journal.Journal) int {
	n := 0
	for _, m := range j.Marks() {
		if m == plan.Done || m == plan.Already {
			n++
		}
	}
	return n
}

// finish ends a journal after a run forwards and looks at the host again.
func (c *change) finish(ctx context.Context, j *journal.Journal, runErr error, rollback bool) (Code, error) {
	o := c.report.Outcome
	if j.Plan.Undoes != "" {
		c.undoing = true
		if _, ok := errors.AsType[*plan.RefusedSteps](runErr); ok {
			runErr = nil // they are shown
		}
	}
	if runErr == nil && j.Plan.Undoes == "" {
		if why := c.worthwhile(ctx); why != nil && ctx.Err() == nil {
			return c.discard(ctx, j, why)
		}
	}
	if unproven, ok := errors.AsType[*plan.Unproven](runErr); ok && !rollback && ctx.Err() == nil {
		// All of it is done, and stays: what is told of it is that it has not helped, and the next look tells why.
		c.unproven = c.helpless(unproven, j.Plan.ID)
		runErr = nil
	}
	switch {
	case runErr == nil:
		o.Result = render.Finished
		code := Healthy
		if j.Plan.Undoes != "" {
			c.foldRefused()
			if len(c.report.Refused) > 0 {
				code = Unsafe
			}
		}
		if err := j.End(journal.Finished, c.app.Now()); err != nil {
			// All steps are done and marked; only the name of the journal still says otherwise.
			o.Result = render.Unfinished
			o.Next = c.ways(err)
			return c.failed(err, c.ended)
		}
		return c.look(ctx, code)
	case !j.Touched():
		o.Result, o.Ended = render.Abandoned, interrupted(runErr)
		if err := j.End(journal.Abandoned, c.app.Now()); err != nil {
			runErr = errors.Join(runErr, err)
		}
		return c.failed(runErr, c.ended)
	case rollback && !interrupted(runErr):
		c.app.notice("a step failed: " + message(runErr))
		c.app.notice("taking back what was done")
		return c.takeBack(ctx, j, runErr)
	}
	o.Result, o.Next = render.Unfinished, c.ways(runErr)
	return c.failed(c.left(runErr), c.ended)
}

func interrupted(err error) bool {
	var s *signalled
	return errors.As(err, &s) || errors.Is(err, context.Canceled)
}

// left adds to an error what can be done about the unfinished repair. That it waits outranks that a step failed; a
// refusal or a signal tells more.
func (c *change) left(err error) error {
	code := codeOf(err)
	if code == Failed || code == NoConsent {
		code = Waiting
	}
	ways := c.ways(err)
	next := ways[0] + " takes back what was done, and leaves alone what others have changed; resume refuses while those changes are there"
	switch {
	case c.undoing:
		next = ways[0] + " finishes taking it back"
	case len(ways) > 1:
		next = ways[0] + " finishes it, " + ways[1] + " takes it back"
	}
	if own := nextOf(err); own != "" {
		next = strings.TrimRight(own, ".") + ". Then: " + next
	}
	return &failure{code: code, err: err, next: next}
}

// ways are the commands that go on from a repair that err has left unfinished. Where the host has changed, going on
// would overwrite what somebody else has set, so only the way back is open. An undo goes on as an undo; the other way is
// a new repair.
func (c *change) ways(err error) []string {
	undo := "sudo " + c.app.Name + " undo"
	if c.undoing || errors.Is(err, plan.ErrConflict) {
		return []string{undo}
	}
	return []string{"sudo " + c.app.Name + " resume", undo}
}

// takeBack rolls a journal back. cause is why, nil where the user asked for it.
func (c *change) takeBack(ctx context.Context, j *journal.Journal, cause error) (Code, error) {
	o := c.report.Outcome
	c.undoing = true
	err := j.TurnBack()
	if err == nil {
		err = c.drive(ctx, j, true, c.app.sig.stop)
	}
	end := journal.Undone
	o.Result = render.Undone
	if _, ok := errors.AsType[*plan.RefusedSteps](err); ok {
		end, o.Result = journal.Partly, render.PartlyUndone
		c.foldRefused()
		err = nil
	}
	if err == nil {
		err = j.End(end, c.app.Now())
	}
	switch {
	case err != nil:
		o.Result, o.Next = render.Unfinished, c.ways(err)
		if cause != nil {
			err = fmt.Errorf("%w; taking it back failed, too: %w", cause, err)
		}
		return c.failed(c.left(err), c.ended)
	case cause != nil:
		return c.failed(cause, c.ended)
	case o.Result == render.PartlyUndone:
		return c.look(ctx, Unsafe)
	}
	return c.look(ctx, Healthy)
}

// foldRefused takes the steps that macOS refused to take back for what they are: refused.
func (c *change) foldRefused() {
	c.report.Refused = append(c.report.Refused, c.report.Outcome.Skipped...)
	c.report.Outcome.Skipped = nil
}

// look asks the fix again, now that the host has changed, and ends the command. A repair that left problems is no
// success; for undo they are to be expected.
func (c *change) look(ctx context.Context, code Code) (Code, error) {
	var err error
	if c.fix != nil {
		settings := c.settings
		if c.before != nil && c.before.Again != nil {
			settings = c.before.Again
		}
		var after render.Fix
		after, err = c.app.detect(ctx, c.fix, c.memo, settings, !c.passive && !c.undoing)
		c.report.After = []render.Fix{after}
		c.app.log.Debug("looked again", "fix", after.Name, "status", after.Status, "error", err)
		if ctx.Err() != nil {
			c.report.After = nil
			err = fmt.Errorf("all steps are done, but the check of the result was cut short: %w", context.Cause(ctx))
			return c.failed(err, c.ended)
		}
		if d, ok := c.fix.(fix.Drawer); ok && c.before != nil && after.Picture != nil && !c.undoing {
			c.report.Moved = d.Moved(*c.before, *after.Picture)
		}
		if code == Healthy && !c.undoing {
			code = verdict(false, render.Count(c.report.After), false)
		}
	}
	if c.unproven != nil {
		return c.failed(c.unproven, c.ended)
	}
	return c.done(code, c.ended)
}

// helpless is the error of a repair of which everything is done, and which did not come to what it is for.
func (c *change) helpless(why *plan.Unproven, id string) error {
	name := ""
	if c.fix != nil {
		name = " " + c.fix.Name()
	}
	next := fmt.Sprintf("sudo %[1]s check%[2]s shows what is still wrong, sudo %[1]s undo %[3]s takes the repair back", c.app.Name, name, id)
	if errors.Is(why, step.ErrNotBuilt) {
		next = c.app.Name + " verify shows where a build breaks, " + next
	}
	return &failure{code: Problems, err: fmt.Errorf("all steps are done, but that was not enough: %w", why), next: next}
}

// open locks the state directory, once another lixfix has left it, if the user wants to wait for that. The caller
// closes it.
func (c *change) open() (*journal.Dir, error) {
	const pause = 100 * time.Millisecond
	a := c.app
	for until := time.Now().Add(a.wait); ; time.Sleep(pause) {
		dir, err := journal.Lock(a.Host.StateDir(), step.Kinds())
		if !errors.Is(err, journal.ErrBusy) || !time.Now().Before(until) {
			return dir, err
		}
		if why := a.sig.stop(); why != nil {
			return nil, &failure{code: codeOf(why), err: why, next: "Run it again; nothing was changed."}
		}
		a.progress.Now("another lixfix is at work; waiting for it")
	}
}

// planned shows a plan to the report and to whoever follows.
func (c *change) planned(p *plan.Plan) {
	c.report.Plan = p
	if at := c.app.find(p.Fix); at >= 0 {
		c.report.Drawn = figure.Change(p.Places, c.app.Fixes[at].Doc().Places)
	}
	c.app.event(render.Event{Event: render.Planned, Plan: p})
}

// waiting is the error where an unfinished repair has to be dealt with first.
func (a *app) waiting(all []journal.Waiting) error {
	var ids, nexts []string
	for _, w := range all {
		ids = append(ids, w.ID)
		switch {
		case w.Trouble != nil:
			nexts = append(nexts, "its journal cannot be used ("+message(w.Trouble)+"); move it away: "+a.aside(w.ID))
		case w.Undo:
			nexts = append(nexts, "sudo "+a.Name+" undo finishes taking it back")
		default:
			nexts = append(nexts, fmt.Sprintf("sudo %[1]s resume finishes it, sudo %[1]s undo takes it back", a.Name))
		}
	}
	slices.Sort(nexts)
	return &failure{
		code: Waiting, err: fmt.Errorf("%w: %s", journal.ErrUnfinished, strings.Join(ids, ", ")),
		next: strings.Join(slices.Compact(nexts), "; "),
	}
}

// aside is the command that moves a journal out of the way.
func (a *app) aside(id string) string {
	return "sudo " + a.Name + " history --set-aside " + platform.Quote(id)
}

// waits looks for unfinished repairs and puts them into a report.
func (a *app) waits(r *render.Report) ([]journal.Waiting, error) {
	if a.replay != nil {
		return nil, nil // as strange
	}
	all, err := journal.Waits(a.Host.StateDir(), step.Kinds())
	for _, w := range all {
		r.Unfinished = append(r.Unfinished, w.ID)
		out := render.Waiting{ID: w.ID, Undo: w.Undo}
		if w.Trouble != nil {
			out.Trouble, out.Next = message(w.Trouble), a.aside(w.ID)
		}
		r.Waiting = append(r.Waiting, out)
	}
	return all, err
}
