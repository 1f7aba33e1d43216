package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
)

// look is how a check is asked for.
type look struct {
	strict, again bool
	closer        closer
	output        string // file for the metrics, "" for standard output
}

// checker is "lixfix check".
type checker struct {
	*app
	look     *looker
	journals ledger
}

func newChecker(a *app) checker {
	return checker{app: a, look: &looker{app: a}, journals: ledger{a}}
}

func (c checker) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FIX...]",
		Short: "Look for known issues; change nothing",
		Long: paragraph("Look for known issues: all of them, or those of the fixes that you name. Nothing is changed. Root "+
			"is needed only for what other users cannot read; the last line tells you if that matters here.") +
			exitHelp(checkCodes...) + "\nIf several apply: 4, then 1, then 3.",
		Example: "  lixfix check\n  lixfix check --strict --format json\n  lixfix check -v\n" + c.catalogue.drawExamples() +
			"\n  lixfix check --format prometheus\n  sudo lixfix check --format prometheus --output /srv/metrics/lixfix.prom",
	}
	c.flags(cmd)
	for _, f := range c.Fixes {
		cmd.AddCommand(c.one(f))
	}
	return cmd
}

var checkCodes = []Code{Healthy, Problems, Usage, Failed, Waiting, Hangup, Interrupt, Terminated}

// checkOne is the check of one fix, which has that fix's flags. More fixes can be named behind it.
func (c checker) one(f fix.Fix) *cobra.Command {
	name := f.Name()
	cmd := &cobra.Command{
		Use:   name + " [FIX...]",
		Short: f.Doc().Title,
		Long: paragraph("Look for this: "+f.Doc().Title+". Nothing is changed. \"lixfix list "+name+"\" lists what it can find.") +
			exitHelp(checkCodes...),
		Example: "  lixfix check " + name,
	}
	if _, ok := f.(fix.Drawer); ok {
		cmd.Annotations = map[string]string{draws: ""}
		cmd.Example += "\n  lixfix check " + name + " --watch\n  lixfix check " + name + " --format dot"
		cmd.Long += "\n\n" + strings.TrimSpace(paragraph("If you name only this fix, it also draws a picture; --format dot then prints "+
			"that picture for Graphviz."))
	}
	c.flags(cmd, f)
	return cmd
}

// looking gives a command that checks its flags, those of a fix as well, and what it does.
func (c checker) flags(cmd *cobra.Command, of ...fix.Fix) {
	var how look
	cmd.Flags().BoolVar(&how.strict, "strict", false, "also exit with 1 if something is only at risk")
	c.verbosely(cmd)
	c.hostFlag(cmd)
	measured(cmd, &how.output)
	for _, f := range of {
		if _, ok := f.(fix.Drawer); ok {
			cmd.Flags().BoolVar(&how.again, "watch", false,
				"keep checking until nothing waits any more, or until Ctrl-C; --format jsonl prints a line for each change")
		}
		lookFlags(cmd, f)
	}
	how.closer.flags(cmd, c.catalogue.probers(), of...)
	cmd.ValidArgsFunction = c.catalogue.completeFixes
	cmd.RunE = c.run(func(ctx context.Context, cmd *cobra.Command, args []string) (Code, error) {
		names := make([]string, 0, len(of)+len(args))
		for _, f := range of {
			names = append(names, f.Name())
		}
		return c.check(ctx, cmd, append(names, args...), how)
	})
}

func (c checker) check(ctx context.Context, cmd *cobra.Command, names []string, how look) (Code, error) {
	if err := how.closer.valid(); err != nil {
		return Usage, err
	}
	wanted, err := c.catalogue.wanted(names)
	if err != nil {
		return Usage, err
	}
	if err := c.lookable(cmd, wanted, len(names) > 0, how.again); err != nil {
		return Usage, err
	}
	settings := make([]fix.Settings, len(wanted))
	for i, f := range wanted {
		s, err := options{c.app}.of(f, cmd.Flags())
		if err != nil {
			return Usage, err
		}
		settings[i] = s
	}
	if c.replay != nil {
		probed := c.replay.Manifest.Probed
		switch {
		case how.again:
			return Usage, c.unrecorded("--watch")
		case how.closer.probe && !probed:
			return Usage, c.unrecorded("--probe, which this record was made without,")
		}
		how.closer.probe = probed && !how.closer.passive // it looks as it was recorded
	}
	metrics := meter{app: c.app, file: how.output}
	if err := metrics.measurable(how.again); err != nil {
		return Usage, err
	}
	if how.again {
		// lookable has seen to that
		w := watcher{app: c.app, checker: c, fix: wanted[0].(fix.Drawer), settings: settings[0], strict: how.strict}
		return w.watch(ctx)
	}
	r := c.hosted("check")
	began := c.Now()
	code, err := c.once(ctx, r, wanted, settings, how.strict, how.closer.wanted(len(names) > 0))
	if err != nil {
		return code, err
	}
	show := func(t *render.Text) {
		t.Named = len(names) > 0
		t.Check(*r)
	}
	if c.format == prometheusFormat {
		return metrics.measure(ctx, r, code, began, show)
	}
	if p := drawn(*r); p != nil && len(names) > 0 {
		r.Graph = p.Graph
		if c.format == dotFormat {
			r.Exit = int(code)
			_, _ = io.WriteString(c.out, c.recorded().Dot()+render.Dot(p.Dot))
			return code, nil
		}
	} else if c.format == dotFormat {
		return Failed, undrawn(*r)
	}
	return c.emit(r, code, show)
}

// checkOnce looks and fills the report.
func (c checker) once(ctx context.Context, r *render.Report, wanted []fix.Fix, settings []fix.Settings, strict, closer bool) (Code, error) {
	ctx = c.look.survey(ctx, r)
	r.Fixes = c.look.detectAll(ctx, wanted, settings, closer)
	if ctx.Err() != nil {
		return Failed, &failure{code: codeOf(context.Cause(ctx)), err: context.Cause(ctx), next: "Run it again; nothing was changed."}
	}
	// Read last, so that a repair that ended meanwhile is not reported as unfinished.
	all, err := c.journals.waits(r)
	tally := render.Count(r.Fixes)
	if err != nil {
		r.Problems = append(r.Problems, message(err))
		tally.Unknown++
	}
	for _, err := range c.journals.strange() {
		r.Problems = append(r.Problems, message(err))
		tally.Unknown++
	}
	r.Summary = render.CheckVerdict(*r)
	return verdict(len(all) > 0, tally, strict), nil
}
