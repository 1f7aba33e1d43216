package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
)

// lister is "lixfix list".
type lister struct{ *app }

func (ls lister) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [FIX | known]",
		Short: "List the known issues, or the findings of a fix",
		Long: paragraph("List the issues that this version of lixfix knows, and whether they can occur on this host; or what the named "+
			"fix can find. \"lixfix list known\" lists the problems that lixfix recognises by their messages but cannot fix "+
			"yet. --format json prints everything.") +
			exitHelp(Healthy, Usage),
		Example:           "  lixfix list\n  lixfix list --format json\n" + ls.catalogue.example("  lixfix list %s"),
		ValidArgsFunction: ls.catalogue.completeFixes,
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return usagef(ls.Name+" list FIX", "list: one fix at a time")
		case len(args) == 1 && ls.catalogue.find(args[0]) < 0 && args[0] != listKnown:
			return ls.catalogue.unknownFix(args[0])
		}
		return nil
	}
	cmd.RunE = ls.run(func(_ context.Context, _ *cobra.Command, args []string) (Code, error) {
		r := ls.hosted("list")
		if len(args) == 1 && args[0] == listKnown {
			r.Known = ls.catalogue.unfixed()
			r.Summary = fmt.Sprintf("lixfix %s: %d known without a fix", ls.Version, len(r.Known))
			return ls.emit(r, Healthy, func(t *render.Text) { t.Kinds(r.Known) })
		}
		if len(args) == 1 {
			f := ls.Fixes[ls.catalogue.find(args[0])]
			l := ls.listed(f, r.Host.OS)
			r.Listed = []render.Listed{l}
			r.Summary = fmt.Sprintf("lixfix %s: %s has %d findings", ls.Version, f.Name(), len(l.Kinds))
			return ls.emit(r, Healthy, func(t *render.Text) { t.Kinds(l.Kinds) })
		}
		here := 0
		for _, f := range ls.Fixes {
			l := ls.listed(f, r.Host.OS)
			if l.Applies {
				here++
			}
			r.Listed = append(r.Listed, l)
		}
		r.Known = ls.catalogue.unfixed()
		r.Summary = fmt.Sprintf("lixfix %s: %d known, %d can occur here", ls.Version, len(r.Listed), here)
		return ls.emit(r, Healthy, func(t *render.Text) { t.List(*r) })
	})
	return cmd
}

// listKnown is the word for what has no fix. No fix is called so.
const listKnown = "known"

func (ls lister) listed(f fix.Fix, os string) render.Listed {
	l := render.Listed{Name: f.Name(), Title: f.Doc().Title, Applies: f.AppliesTo(ls.Host.Facts()), Kinds: kindsOf(f)}
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
