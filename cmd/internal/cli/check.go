package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/systemd"
)

// look is how a check is asked for.
type look struct {
	strict, again bool
	closer        closer
	output        string // file for the metrics, "" for standard output
}

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FIX...]",
		Short: "Look for known issues; change nothing",
		Long: paragraph("Look for known issues: all of them, or those of the fixes that you name. Nothing is changed. Root "+
			"is needed only for what other users cannot read; the last line tells you if that matters here.") +
			exitHelp(checkCodes...) + "\nIf several apply: 4, then 1, then 3.",
		Example: "  lixfix check\n  lixfix check --strict --format json\n  lixfix check -v\n" + a.drawExamples() +
			"\n  lixfix check --format prometheus\n  sudo lixfix check --format prometheus --output /srv/metrics/lixfix.prom",
	}
	a.looking(cmd)
	for _, f := range a.Fixes {
		cmd.AddCommand(a.checkOne(f))
	}
	return cmd
}

var checkCodes = []Code{Healthy, Problems, Usage, Failed, Waiting, Hangup, Interrupt, Terminated}

// checkOne is the check of one fix, which has that fix's flags. More fixes can be named behind it.
func (a *app) checkOne(f fix.Fix) *cobra.Command {
	name := f.Name()
	cmd := &cobra.Command{
		Use:   name + " [FIX...]",
		Short: f.Doc().Title,
		Long: paragraph("Check whether "+f.Doc().Title+". Nothing is changed. \"lixfix list "+name+"\" lists what it can find.") +
			exitHelp(checkCodes...),
		Example: "  lixfix check " + name,
	}
	if _, ok := f.(fix.Drawer); ok {
		cmd.Annotations = map[string]string{draws: ""}
		cmd.Example += "\n  lixfix check " + name + " --watch\n  lixfix check " + name + " --format dot"
		cmd.Long += "\n\n" + strings.TrimSpace(paragraph("If you name only this fix, it also draws a picture; --format dot then prints "+
			"that picture for Graphviz."))
	}
	a.looking(cmd, f)
	return cmd
}

// looking gives a command that checks its flags, those of a fix as well, and what it does.
func (a *app) looking(cmd *cobra.Command, of ...fix.Fix) {
	var how look
	cmd.Flags().BoolVar(&how.strict, "strict", false, "also exit with 1 if something is only at risk")
	a.verbosely(cmd)
	a.hostFlag(cmd)
	measured(cmd, &how.output)
	for _, f := range of {
		if _, ok := f.(fix.Drawer); ok {
			cmd.Flags().BoolVar(&how.again, "watch", false,
				"keep checking until nothing waits any more, or until Ctrl-C; --format jsonl prints a line for each change")
		}
		lookFlags(cmd, f)
	}
	a.closerFlags(cmd, &how.closer, of...)
	cmd.ValidArgsFunction = a.completeFixes
	cmd.RunE = a.run(func(ctx context.Context, cmd *cobra.Command, args []string) (Code, error) {
		names := make([]string, 0, len(of)+len(args))
		for _, f := range of {
			names = append(names, f.Name())
		}
		return a.check(ctx, cmd, append(names, args...), how)
	})
}

func (a *app) check(ctx context.Context, cmd *cobra.Command, names []string, how look) (Code, error) {
	if err := how.closer.valid(); err != nil {
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
	if err := a.lookable(cmd, wanted, len(names) > 0, how.again); err != nil {
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
	if a.replay != nil {
		probed := a.replay.Manifest.Probed
		switch {
		case how.again:
			return Usage, a.unrecorded("--watch")
		case how.closer.probe && !probed:
			return Usage, a.unrecorded("--probe, which this record was made without,")
		}
		how.closer.probe = probed && !how.closer.passive // it looks as it was recorded
	}
	if err := a.measurable(how); err != nil {
		return Usage, err
	}
	if how.again {
		return a.watch(ctx, wanted[0].(fix.Drawer), settings[0], how.strict) // lookable has seen to that
	}
	r := a.hosted("check")
	began := a.Now()
	code, err := a.checkOnce(ctx, r, wanted, settings, how.strict, how.closer.wanted(len(names) > 0))
	if err != nil {
		return code, err
	}
	show := func(t *render.Text) {
		t.Named = len(names) > 0
		t.Check(*r)
	}
	if a.format == prometheusFormat {
		return a.measure(ctx, r, code, began, how.output, show)
	}
	if p := drawn(*r); p != nil && len(names) > 0 {
		r.Graph = p.Graph
		if a.format == dotFormat {
			r.Exit = int(code)
			_, _ = io.WriteString(a.out, a.recorded().Dot()+render.Dot(p.Dot))
			return code, nil
		}
	} else if a.format == dotFormat {
		return Failed, a.undrawn(*r)
	}
	return a.emit(r, code, show)
}

// survey reads what Nix is here, for the report and for all that look with the context that it returns.
func (a *app) survey(ctx context.Context, r *render.Report) context.Context {
	v, missing := a.through(surveyScope, a.Host)
	a.surveyed = missing
	in := installation.At(v)
	page, err := guarded(ctx, detectLimit, func(ctx context.Context) (installation.Page, error) {
		return in.Found(ctx).Brief(), nil
	})
	if err != nil {
		page.Summary = "could not tell what Nix is here: " + message(err)
	}
	r.Installation = &page
	return systemd.Share(installation.Share(ctx, in))
}

// checkOnce looks and fills the report.
func (a *app) checkOnce(ctx context.Context, r *render.Report, wanted []fix.Fix, settings []fix.Settings, strict, closer bool) (Code, error) {
	ctx = a.survey(ctx, r)
	r.Fixes = a.detectAll(ctx, wanted, settings, closer)
	if ctx.Err() != nil {
		return Failed, &failure{code: codeOf(context.Cause(ctx)), err: context.Cause(ctx), next: "Run it again; nothing was changed."}
	}
	// Read last, so that a repair that ended meanwhile is not reported as unfinished.
	journals := ledger{a}
	all, err := journals.waits(r)
	tally := render.Count(r.Fixes)
	if err != nil {
		r.Problems = append(r.Problems, message(err))
		tally.Unknown++
	}
	for _, err := range journals.strange() {
		r.Problems = append(r.Problems, message(err))
		tally.Unknown++
	}
	r.Summary = render.CheckVerdict(*r)
	return verdict(len(all) > 0, tally, strict), nil
}
