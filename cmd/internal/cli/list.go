package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
)

func (a *app) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [FIX | known]",
		Short: "List the known issues, or the findings of a fix",
		Long: paragraph("List the issues that this version of lixfix knows, and whether they can occur on this host; or what the named "+
			"fix can find. \"lixfix list known\" lists the problems that lixfix recognises by their messages but cannot fix "+
			"yet. --format json prints everything.") +
			exitHelp(Healthy, Usage),
		Example:           "  lixfix list\n  lixfix list --format json\n" + a.example("  lixfix list %s"),
		ValidArgsFunction: a.completeFixes,
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return usagef(a.Name+" list FIX", "list: one fix at a time")
		case len(args) == 1 && a.find(args[0]) < 0 && args[0] != listKnown:
			return a.unknownFix(args[0])
		}
		return nil
	}
	cmd.RunE = a.run(func(_ context.Context, _ *cobra.Command, args []string) (Code, error) {
		r := a.hosted("list")
		if len(args) == 1 && args[0] == listKnown {
			r.Known = a.unfixed()
			r.Summary = fmt.Sprintf("lixfix %s: %d known without a fix", a.Version, len(r.Known))
			return a.emit(r, Healthy, func(t *render.Text) { t.Kinds(r.Known) })
		}
		if len(args) == 1 {
			f := a.Fixes[a.find(args[0])]
			l := a.listed(f, r.Host.OS)
			r.Listed = []render.Listed{l}
			r.Summary = fmt.Sprintf("lixfix %s: %s has %d findings", a.Version, f.Name(), len(l.Kinds))
			return a.emit(r, Healthy, func(t *render.Text) { t.Kinds(l.Kinds) })
		}
		here := 0
		for _, f := range a.Fixes {
			l := a.listed(f, r.Host.OS)
			if l.Applies {
				here++
			}
			r.Listed = append(r.Listed, l)
		}
		r.Known = a.unfixed()
		r.Summary = fmt.Sprintf("lixfix %s: %d known, %d can occur here", a.Version, len(r.Listed), here)
		return a.emit(r, Healthy, func(t *render.Text) { t.List(*r) })
	})
	return cmd
}

// listKnown is the word for what has no fix. No fix is called so.
const listKnown = "known"

// unfixed are the pages about what no fix finds.
func (a *app) unfixed() []render.Kind {
	var all []render.Kind
	for _, k := range a.Known {
		one := kindOf(k)
		one.Unfixed = true
		all = append(all, one)
	}
	return all
}

func (a *app) listed(f fix.Fix, os string) render.Listed {
	l := render.Listed{Name: f.Name(), Title: f.Doc().Title, Applies: f.AppliesTo(a.Host.Facts()), Kinds: kindsOf(f)}
	if !l.Applies {
		l.Why = "it does not apply to " + render.System(os)
	}
	return l
}

// kindsOf is the table of a fix as it is printed.
func kindsOf(f fix.Fix) []render.Kind {
	var all []render.Kind
	for _, k := range f.Kinds() {
		all = append(all, kindOf(k))
	}
	return all
}

func kindOf(k *fix.Kind) render.Kind {
	out := render.Kind{
		ID: k.ID, Title: k.Title, Status: k.Status, Also: k.Also, Means: k.Means, Messages: k.Messages, Refusal: k.Refusal,
		Sources: k.Sources,
	}
	for _, r := range k.Remedies {
		one := render.KindOfRemedy{
			When: r.When, Class: r.Class, Changes: r.Changes.General(), Command: r.Command.General(), Undo: r.Undo.General(),
		}
		if one.Command == "" {
			one.Command = k.Command(r)
		}
		out.Remedies = append(out.Remedies, one)
	}
	return out
}

// example is a line with the first fix.
func (a *app) example(format string) string {
	if len(a.Fixes) == 0 {
		return ""
	}
	return fmt.Sprintf(format, a.Fixes[0].Name())
}
