package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/known"
	"github.com/lixfix/lixfix/fixes/messages"
	"github.com/lixfix/lixfix/platform"
)

// explainer is "lixfix explain".
type explainer struct {
	*app
	look *looker
}

func newExplainer(a *app) explainer { return explainer{app: a, look: &looker{app: a}} }

func (e explainer) command() *cobra.Command {
	here := false
	cmd := &cobra.Command{
		Use:   "explain {FIX | FIX/FINDING | ERROR TEXT... | -}",
		Short: "Explain a known issue, a finding, or an error",
		Long: paragraph("Explain a known issue: its symptoms, its cause, what the repair changes, and how that is undone. Or explain "+
			"one finding, by the ID that a check prints. Or find what an error text points to: given as arguments or, with \"-\", on "+
			"standard input, as a line or as a whole log of up to 16 MiB. It shows five lines at most, the most telling one "+
			"first.") +
			paragraph("--here also checks whether this host has the issue; --host checks the host in a record.") + exitHelp(Healthy, Problems, Usage) + "\n" +
			"1 means that no known issue matches.",
		Example: "  lixfix list\n" + e.catalogue.exampleKind() +
			"  lixfix explain \"the user '_nixbld1' in the group 'nixbld' does not exist\"\n  lixfix explain - <build.log",
		ValidArgsFunction: e.catalogue.completeKinds,
	}
	cmd.Flags().BoolVar(&here, "here", false, "check whether this host has it, and print the evidence")
	e.hostFlag(cmd)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usagef("put the error text in quotes, behind --", "%w", err)
	})
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("name one of: "+strings.Join(e.catalogue.names(), ", ")+"; or paste an error in quotes", "explain: what?")
		}
		return nil
	}
	cmd.RunE = e.run(func(ctx context.Context, _ *cobra.Command, args []string) (Code, error) {
		return e.explain(ctx, args, here || e.replay != nil)
	})
	return cmd
}

// explain explains what the arguments name: a fix, a finding, a page, or else a text.
func (e explainer) explain(ctx context.Context, args []string, here bool) (Code, error) {
	r := e.report("explain")
	if len(args) == 1 {
		if i := e.catalogue.find(args[0]); i >= 0 {
			r.Explained = []render.Explained{explained(e.Fixes[i])}
			if here && e.replay != nil {
				return Usage, usagef(e.Name+" check "+args[0]+" --host FILE", "--host is for findings and for error texts")
			}
			if here {
				return Usage, usagef(e.Name+" check "+args[0], "--here is for findings and for error texts")
			}
			return e.emit(r, Healthy, func(t *render.Text) { t.Explain(*r) })
		}
		if k := e.catalogue.kind(args[0]); k != nil {
			return e.explainKind(ctx, r, k, here)
		}
		if name, _, ok := strings.Cut(args[0], "/"); ok && e.catalogue.find(name) >= 0 && !strings.Contains(args[0], " ") {
			return Usage, e.noSuchFinding(e.Fixes[e.catalogue.find(name)], args[0])
		}
	}
	words, err := e.pastedText(args)
	if err != nil {
		return codeOf(err), err
	}
	found := e.catalogue.index().Find(words)
	if len(found) == 0 {
		r.Summary = "no known issue matches this text"
		if near := nearName(words, e.catalogue.names()); near != "" {
			r.Summary += fmt.Sprintf("; did you mean \"%s explain %s\"?", e.Name, near)
		} else {
			r.Summary += "; \"" + e.Name + " check\" looks for problems on this host"
		}
		return e.emit(r, Problems, func(t *render.Text) { t.Summary(*r) })
	}
	r.Matches = e.matched(found)
	if here {
		e.confirm(ctx, r.Matches)
	}
	return e.emit(r, Healthy, func(t *render.Text) { t.Matches(r.Matches) })
}

// nearName is the fix that a single word is a misspelling of, "" for none.
func nearName(word string, names []string) string {
	const longest = 64
	if len(word) > longest || strings.ContainsAny(word, " \n") {
		return ""
	}
	return nearest(word, names)
}

// pastedText is the text that the arguments stand for.
func (e explainer) pastedText(args []string) (string, error) {
	words := strings.Join(args, " ")
	if words == "-" {
		data, err := io.ReadAll(io.LimitReader(e.Stdin, messages.Longest+1))
		if err != nil {
			return "", fmt.Errorf("read standard input: %w", err)
		}
		words = string(data)
	}
	if len(words) > messages.Longest {
		return "", usagef("keep only the part about the error, for example: tail -c 16M LOG | "+e.Name+" explain -", "explain: the text is longer than %d MiB",
			messages.Longest>>20)
	}
	if strings.TrimSpace(words) == "" {
		return "", &failure{code: Usage, err: errors.New("explain: the text is empty")}
	}
	return words, nil
}

func (e explainer) noSuchFinding(f fix.Fix, id string) error {
	var ids []string
	for _, k := range slices.Concat(f.Kinds(), e.Known) {
		ids = append(ids, k.ID)
	}
	return usagef(e.Name+" list "+f.Name()+" lists its findings", "%q is not a finding of %s%s", id, f.Name(), didYouMean(id, ids))
}

func (e explainer) explainKind(ctx context.Context, r *render.Report, k *fix.Kind, here bool) (Code, error) {
	out := kindOf(k)
	f := e.catalogue.fixOf(k)
	out.Unfixed = f == nil
	if here {
		h := e.here(ctx, []*fix.Kind{k})[k.ID]
		out.Here = &h
	}
	r.Kinds = []render.Kind{out}
	return e.emit(r, Healthy, func(t *render.Text) { t.ExplainKind(out) })
}

// matched are matches as they are printed.
func (e explainer) matched(found []messages.Match) []render.Match {
	var all []render.Match
	for _, m := range found {
		one := render.Match{Line: m.Line, Number: m.Number, Message: m.Message, Sure: m.Sure, Fixes: m.Fixes}
		for _, k := range m.Kinds {
			one.Kinds = append(one.Kinds, render.Candidate{ID: k.ID, Title: k.Title, Status: k.Status, Unfixed: e.catalogue.fixOf(k) == nil})
		}
		all = append(all, one)
	}
	return all
}

// here looks whether this host has kinds, by ID. Nothing is built for it.
func (e explainer) here(ctx context.Context, kinds []*fix.Kind) map[string]render.Here {
	var wanted []fix.Fix
	var settings []fix.Settings
	for _, k := range kinds {
		f := e.catalogue.fixOf(k)
		if f == nil || slices.ContainsFunc(wanted, func(o fix.Fix) bool { return o.Name() == f.Name() }) {
			continue
		}
		s, err := options{e.app}.of(f, nil)
		if err != nil {
			e.log.Debug("settings of the environment are left out", "fix", f.Name(), "error", err)
		}
		wanted, settings = append(wanted, f), append(settings, s)
	}
	found := e.look.detectAll(e.look.survey(ctx, e.report("")), wanted, settings, false)
	all := map[string]render.Here{}
	for _, k := range kinds {
		f := e.catalogue.fixOf(k)
		if f == nil {
			all[k.ID] = render.Here{Is: render.NotLooked, Why: "lixfix has no fix for it yet, and so cannot check for it"}
			if os := known.System(k.ID); os != "" && os != e.Host.Facts().OS {
				all[k.ID] = render.Here{Is: render.Absent, Why: "it is about " + render.System(os)}
			}
			continue
		}
		i := slices.IndexFunc(wanted, func(o fix.Fix) bool { return o.Name() == f.Name() })
		all[k.ID] = hereIs(k, found[i], wanted[i], e.Host.Facts())
	}
	return all
}

// hereIs says whether a kind is among what a fix has found.
func hereIs(k *fix.Kind, found render.Fix, f fix.Fix, on platform.Facts) render.Here {
	if found.Status == fix.NotApplicable && !f.AppliesTo(on) {
		return render.Here{Is: render.Absent, Why: "it does not apply to " + render.System(on.OS)}
	}
	var unknown *fix.Finding
	for i, one := range found.Findings {
		switch {
		case one.ID == k.ID && one.Status != fix.Unknown:
			return render.Here{Is: render.Confirmed, Finding: &found.Findings[i]}
		case one.Status == fix.Unknown && (unknown == nil || one.ID == k.ID):
			unknown = &found.Findings[i]
		}
	}
	if unknown != nil {
		why := unknown.Reason
		if why == "" {
			why = unknown.Summary
		}
		return render.Here{Is: render.NotKnown, Why: why, NeedsRoot: unknown.NeedsRoot, Finding: unknown}
	}
	return render.Here{Is: render.Absent}
}

// confirm fills in which candidates this host has. A candidate that it has comes first.
func (e explainer) confirm(ctx context.Context, all []render.Match) {
	var kinds []*fix.Kind
	for _, m := range all {
		for _, c := range m.Kinds {
			if k := e.catalogue.kind(c.ID); k != nil && !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
	}
	here := e.here(ctx, kinds)
	for _, m := range all {
		for i := range m.Kinds {
			h := here[m.Kinds[i].ID]
			m.Kinds[i].Here = &h
		}
		slices.SortStableFunc(m.Kinds, func(x, y render.Candidate) int { return x.Here.Is.Rank() - y.Here.Is.Rank() })
	}
}

// possible reports whether a host of this system can have a finding.
func (e explainer) possible(k *fix.Kind) bool {
	system := e.Host.Facts()
	if f := e.catalogue.fixOf(k); f != nil {
		return f.AppliesTo(system)
	}
	os := known.System(k.ID)
	return os == "" || os == system.OS
}

// narrow leaves out of a match what only hosts of another system can have, where anything else is left.
func (e explainer) narrow(m *messages.Match) {
	var kinds []*fix.Kind
	var fixes []string
	for _, k := range m.Kinds {
		if !e.possible(k) {
			continue
		}
		kinds = append(kinds, k)
		if f := e.catalogue.fixOf(k); f != nil && !slices.Contains(fixes, f.Name()) {
			fixes = append(fixes, f.Name())
		}
	}
	if len(kinds) > 0 {
		m.Kinds, m.Fixes = kinds, fixes
	}
}

func explained(f fix.Fix) render.Explained {
	d := f.Doc()
	e := render.Explained{
		Name: f.Name(), Title: d.Title, Symptoms: append([]string{}, d.Symptoms...), Cause: d.Cause,
		Changes: d.Changes, Undo: d.Undo, Sources: append([]string{}, d.Sources...),
	}
	e.Kinds = kindsOf(f)
	for _, s := range d.More {
		e.More = append(e.More, render.Section(s))
	}
	for _, o := range f.Options() {
		opt := render.Option{Flag: "--" + o.Name, Env: o.Env, Usage: o.Usage}
		if o.Name == noConfirm {
			opt.Flag = "--yes"
			if opt.Usage == "" {
				opt.Usage = "do not ask; agrees to safe remedies only"
			}
		} else if !o.Bool {
			opt.Flag += " VALUE"
		}
		e.Options = append(e.Options, opt)
	}
	return e
}
