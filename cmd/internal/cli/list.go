package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
)

func (a *app) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the known issues",
		Long:    "List the issues that this version of lixfix knows, and whether they can occur on\nthis host.\n\n" + exitHelp(Healthy, Usage),
		Example: "  lixfix list\n  lixfix list --format json",
	}
	cmd.Args = a.noArgs
	cmd.RunE = a.run(func(context.Context, *cobra.Command, []string) (Code, error) {
		r := a.hosted("list")
		here := 0
		for _, f := range a.Fixes {
			l := render.Listed{Name: f.Name(), Title: f.Doc().Title, Applies: f.AppliesTo(r.Host.Facts)}
			if l.Applies {
				here++
			} else {
				l.Why = "it does not apply to " + render.System(r.Host.OS)
			}
			r.Listed = append(r.Listed, l)
		}
		r.Summary = fmt.Sprintf("lixfix %s: %d known, %d can occur here", a.Version, len(r.Listed), here)
		return a.emit(r, Healthy, func(t *render.Text) { t.List(*r) })
	})
	return cmd
}
