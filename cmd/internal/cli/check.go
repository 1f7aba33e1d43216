package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/installation"
)

func (a *app) checkCommand() *cobra.Command {
	var strict, again bool
	var how closer
	cmd := &cobra.Command{
		Use:   "check [FIX...]",
		Short: "Look for known issues; change nothing",
		Long: "Look for known issues: all, or those of the named fixes. Nothing is changed, and\n" +
			"root is needed only where the host lets nobody else look; the last line says so.\n\n" +
			exitHelp(Healthy, Problems, Usage, Failed, Waiting, Hangup, Interrupt, Terminated) + "\n" +
			"If several hold: 4, then 1, then 3.",
		Example:           "  lixfix check\n  lixfix check --strict --format json\n  lixfix check -v\n" + a.drawExamples(),
		Annotations:       map[string]string{draws: ""},
		ValidArgsFunction: a.completeFixes,
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 1 also for what is only at risk")
	a.verbosely(cmd)
	if len(a.drawers()) > 0 {
		cmd.Flags().BoolVar(&again, "watch", false, "look again and again, until nothing waits any more or Ctrl-C; with --format jsonl a line for each change (for "+
			strings.Join(a.drawers(), ", ")+", named alone)")
		cmd.Long += "\n\n" + strings.Join(render.Wrap("A fix that can be drawn is drawn when it is the only one named; --format dot then prints it in the language of Graphviz.", helpWidth), "\n")
	}
	a.lookFlags(cmd)
	a.closerFlags(cmd, &how)
	cmd.RunE = a.run(func(ctx context.Context, cmd *cobra.Command, args []string) (Code, error) {
		return a.check(ctx, cmd, args, strict, again, how)
	})
	return cmd
}

func (a *app) check(ctx context.Context, cmd *cobra.Command, names []string, strict, again bool, how closer) (Code, error) {
	if err := how.valid(); err != nil {
		return Usage, err
	}
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
	if err := a.lookable(cmd, wanted, len(names) > 0, again); err != nil {
		return Usage, err
	}
	settings := make([]fix.Settings, len(wanted))
	for i, f := range wanted {
		s, err := a.settingsOf(f, cmd.Flags())
		if err != nil {
			return Usage, err
		}
		settings[i] = s
	}
	if again {
		return a.watch(ctx, wanted[0].(fix.Drawer), settings[0], strict) // lookable has seen to that
	}
	r := a.hosted("check")
	code, err := a.checkOnce(ctx, r, wanted, settings, strict, how.wanted(len(names) > 0))
	if err != nil {
		return code, err
	}
	if p := drawn(*r); p != nil && len(names) > 0 {
		r.Graph = p.Graph
		if a.format == dotFormat {
			r.Exit = int(code)
			_, _ = io.WriteString(a.out, render.Dot(p.Dot))
			return code, nil
		}
	} else if a.format == dotFormat {
		return Failed, a.undrawn(*r)
	}
	return a.emit(r, code, func(t *render.Text) {
		t.Named = len(names) > 0
		t.Check(*r)
	})
}

// survey reads what Nix is here, for the report and for all that look with the context that it returns.
func (a *app) survey(ctx context.Context, r *render.Report) context.Context {
	in := installation.At(a.Host)
	page, err := guarded(ctx, detectLimit, func(ctx context.Context) (installation.Page, error) {
		return in.Found(ctx).Brief(), nil
	})
	if err != nil {
		page.Summary = "what Nix is here could not be read: " + message(err)
	}
	r.Installation = &page
	return installation.Share(ctx, in)
}

// checkOnce looks and fills the report.
func (a *app) checkOnce(ctx context.Context, r *render.Report, wanted []fix.Fix, settings []fix.Settings, strict, closer bool) (Code, error) {
	ctx = a.survey(ctx, r)
	r.Fixes = a.detectAll(ctx, wanted, settings, closer)
	if ctx.Err() != nil {
		return Failed, &failure{code: codeOf(context.Cause(ctx)), err: context.Cause(ctx), next: "Run it again; nothing was changed."}
	}
	// Read last, so that a repair that ended meanwhile is not reported as unfinished.
	all, err := a.waits(r)
	tally := render.Count(r.Fixes)
	if err != nil {
		r.Problems = append(r.Problems, message(err))
		tally.Unknown++
	}
	for _, err := range a.strange() {
		r.Problems = append(r.Problems, message(err))
		tally.Unknown++
	}
	r.Summary = render.CheckVerdict(*r)
	return verdict(len(all) > 0, tally, strict), nil
}
