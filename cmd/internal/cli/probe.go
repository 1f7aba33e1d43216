package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// prober is "lixfix probe".
type prober struct{ *app }

func (p prober) command() *cobra.Command {
	var o sandbox.Options
	var paste bool
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Look at the network of the build sandbox from inside",
		Long: "Run a small build whose builder is lixfix itself. It reports what it sees in the\n" +
			"Linux build sandbox: resolv.conf, interfaces, routes, and what each name server\n" +
			"answers. The build needs no network and, where a daemon builds, no root. Its\n" +
			"output and derivation are removed again. What stays is a log of a few kilobytes\n" +
			"and, until the next garbage collection, a copy of lixfix in the store.\n\n" +
			"--text prints what to paste into a bug report to the Lix developers: resolv.conf\n" +
			"of the host and of the sandbox, versions and settings. Names of users, groups\n" +
			"and machines, domains and addresses are replaced, the same name always by the\n" +
			"same word; tokens and passwords are taken out. Read it before you send it.\n\n" +
			exitHelp(Healthy, Problems, Usage, Failed, Hangup, Interrupt, Terminated) + "\n" +
			"1 means that the name cannot be looked up in the sandbox, or that no build can\n" +
			"start there; 3 that nothing could be built, for example because there is no Nix,\n" +
			"or because the build had to wait for something else.",
		Example: "  lixfix probe\n  lixfix probe --name git.example.org\n  lixfix probe --text\n  lixfix probe --format json",
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&o.Name, "name", sandbox.DefaultName, "`NAME` to look up")
	cmd.Flags().StringVar(&o.Store, "store", "",
		"build in this `STORE`: a directory, daemon or local (default: the daemon where there is one)")
	cmd.Flags().BoolVar(&o.All, "all", false, "wait for every server, even those that no program would have asked")
	cmd.Flags().BoolVar(&paste, "text", false, "print what to paste into a bug report")
	p.verbosely(cmd)
	cmd.Args = p.noArgs
	cmd.RunE = p.run(func(ctx context.Context, _ *cobra.Command, _ []string) (Code, error) {
		switch {
		case !sandbox.ValidName(o.Name):
			return Usage, usagef("give a name such as "+sandbox.DefaultName, "--name: %q is not a valid host name", o.Name)
		case !sandbox.ValidStore(o.Store):
			return Usage, usagef("give an absolute directory, daemon or local", "--store: %q is not a store to build in", o.Store)
		}
		return p.probe(ctx, o, paste)
	})
	return cmd
}

func (p prober) probe(ctx context.Context, o sandbox.Options, paste bool) (Code, error) {
	b, ok := p.Host.(platform.Builder)
	if !ok || p.Host.Facts().OS != platform.Linux {
		return Failed, fmt.Errorf("probe: builds on %s have no sandbox with a network of its own",
			render.System(p.Host.Facts().OS))
	}
	program, err := p.Program()
	if err != nil {
		return Failed, fmt.Errorf("probe: find the lixfix program, which is the builder: %w", err)
	}
	o.Builder, o.Settings = program, paste
	o.Waiting = func(what string) { p.progress.Line(what) }
	res, err := probe.Run(ctx, b, o)
	p.progress.Close()
	if err != nil {
		return Failed, err
	}
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		next := "Only a copy of lixfix was left behind, in the store."
		if len(res.Left) > 0 {
			next = "Left in the store: " + strings.Join(res.Left, " ")
		}
		return codeOf(cause), &failure{code: codeOf(cause), err: fmt.Errorf("probe: %w", cause), next: next}
	}
	r := p.hosted("probe")
	r.Probe, r.Summary = &res, res.Verdict()
	code := Healthy
	switch {
	case res.Unknown():
		code = Failed
	case !res.Works():
		code = Problems
	}
	if paste {
		heading := fmt.Sprintf("`%s probe --text`, version %s", Program, p.Version)
		r.Paste = append([]string{heading, ""}, probe.Paste(ctx, b, o, res)...)
		// Who asks for what can be pasted gets nothing else, in JSON either.
		r.Probe, r.Summary = nil, readFirst
		return p.emit(r, code, func(t *render.Text) { t.Verbatim(r.Paste) })
	}
	return p.emit(r, code, func(t *render.Text) { t.Probe(*r) })
}
