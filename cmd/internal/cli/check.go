package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
)

func (a *app) checkCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "check [FIX...]",
		Short: "Look for known issues; change nothing",
		Long: "Look for known issues: all, or those of the named fixes. Nothing is changed, and\n" +
			"root is needed only where the host lets nobody else look; the last line says so.\n\n" +
			exitHelp(Healthy, Problems, Usage, Failed, Waiting, Hangup, Interrupt, Terminated) + "\n" +
			"If several hold: 4, then 1, then 3.",
		Example:           "  lixfix check\n  lixfix check --strict --format json\n  lixfix check -v",
		ValidArgsFunction: a.completeFixes,
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 1 also for what is only at risk")
	a.verbosely(cmd)
	cmd.RunE = a.run(func(ctx context.Context, _ *cobra.Command, args []string) (Code, error) {
		return a.check(ctx, args, strict)
	})
	return cmd
}

func (a *app) check(ctx context.Context, names []string, strict bool) (Code, error) {
	wanted := a.Fixes
	if len(names) > 0 {
		wanted = nil
		seen := map[string]bool{}
		for _, name := range names {
			i := a.find(name)
			if i < 0 {
				return Usage, a.unknownFix(name)
			}
			if !seen[name] {
				seen[name] = true
				wanted = append(wanted, a.Fixes[i])
			}
		}
	}
	settings := make([]fix.Settings, len(wanted))
	for i, f := range wanted {
		s, err := a.settingsOf(f, nil)
		if err != nil {
			return Usage, err
		}
		settings[i] = s
	}
	r := a.hosted("check")
	r.Fixes = a.detectAll(ctx, wanted, settings)
	if ctx.Err() != nil {
		return Failed, &failure{code: codeOf(context.Cause(ctx)), err: context.Cause(ctx), next: "Run it again; nothing was changed."}
	}
	// Read last, so that a repair that ended meanwhile is not reported as unfinished.
	ids, err := journal.Unfinished(a.Host.StateDir())
	r.Unfinished = ids
	tally := render.Count(r.Fixes)
	if err != nil {
		r.Problems = append(r.Problems, message(err))
		tally.Unknown++
	}
	r.Summary = render.CheckVerdict(*r)
	return a.emit(r, verdict(len(ids) > 0, tally, strict), func(t *render.Text) {
		t.Named = len(names) > 0
		t.Check(*r)
	})
}
