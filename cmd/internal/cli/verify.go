package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/fixes/verify"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// verifier is "lixfix verify".
type verifier struct {
	*app
	look    *looker
	explain explainer
}

func newVerifier(a *app) verifier {
	e := newExplainer(a)
	return verifier{app: a, look: e.look, explain: e}
}

func (v verifier) command() *cobra.Command {
	name := ""
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Show by a real build whether Nix works, in each login shell",
		Long: paragraph("Build something tiny and, if that fails, say where it breaks: the shell does not find nix, the client cannot "+
			"reach the daemon, the daemon cannot build, or (on Linux) builds cannot resolve names. The derivation is a few bytes "+
			"and needs no network, no substituter and no other store path. It is deleted again; on Linux, a copy of lixfix stays "+
			"in the store until the next garbage collection.") +
			paragraph("It builds once in each of bash, zsh and fish that this host has. Each is started as a fresh login shell that "+
				"inherits nothing from yours. As root, lixfix runs these shells as the user who called sudo or, without sudo, as the "+
				"user nobody, for whom only the system's startup files count. If the store belongs to a single user and needs no "+
				"daemon, Nix builds as that user instead.") +
			exitHelp(Healthy, Problems, Usage, Failed, Hangup, Interrupt, Terminated),
		Example: "  lixfix verify\n  sudo lixfix verify\n  lixfix verify --format json",
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&name, "name", sandbox.DefaultName, "host `NAME` for the build to look up (Linux)")
	cmd.Args = v.noArgs
	cmd.RunE = v.run(func(ctx context.Context, _ *cobra.Command, _ []string) (Code, error) {
		if !sandbox.ValidName(name) {
			return Usage, usagef("give a name such as "+sandbox.DefaultName, "--name: %q is not a valid host name", name)
		}
		return v.verify(ctx, name)
	})
	return cmd
}

func (v verifier) verify(ctx context.Context, name string) (Code, error) {
	b, ok := v.Host.(platform.Builder)
	if !ok {
		return Failed, fmt.Errorf("verify: lixfix cannot start a build on %s", render.System(v.Host.Facts().OS))
	}
	means, err := verify.Find(ctx, b)
	if err != nil {
		return Failed, err
	}
	v.progress.Now("building in each login shell")
	var names verify.Look
	if b.Facts().OS == platform.Linux {
		names = func(ctx context.Context) verify.Rung { return v.lookUp(ctx, b, name) }
	}
	l := verify.Run(ctx, b, means, names)
	if err := v.alone(ctx, b, &l, means, names); err != nil && ctx.Err() == nil {
		return codeOf(err), err
	}
	v.progress.Close()
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		next := "The build left nothing behind."
		if len(l.Left) > 0 {
			next = "Left in the store until the next garbage collection: " + strings.Join(l.Left, " ")
		}
		return codeOf(cause), &failure{code: codeOf(cause), err: fmt.Errorf("verify: %w", cause), next: next}
	}
	v.point(&l)
	r := v.hosted("verify")
	r.Verify, r.Summary = &l, l.Verdict()
	return v.emit(r, map[fix.Status]Code{fix.OK: Healthy, fix.Broken: Problems, fix.Unknown: Failed}[l.Status()],
		func(t *render.Text) { t.Built(*r) })
}

// alone says of a store that is one user's that no daemon is needed for it. Root, whose shells run as somebody else, has
// its owner build in it.
func (v verifier) alone(ctx context.Context, b platform.Builder, l *verify.Ladder, m verify.Means, names verify.Look) error {
	const notNeeded = "daemon/not-needed"
	i := slices.IndexFunc(l.Rungs, func(r verify.Rung) bool { return r.Name == verify.Connection })
	k := v.catalogue.kind(notNeeded)
	if i < 0 || k == nil || l.Rungs[i].Mark != verify.Holds && l.Rungs[i].Mark != verify.Broken {
		return nil
	}
	found, err := v.look.detect(ctx, v.catalogue.fixOf(k), v.Host, nil, false)
	if err != nil {
		return fmt.Errorf("look whether a daemon is needed: %w", err)
	}
	if !slices.ContainsFunc(found.Findings, func(f fix.Finding) bool { return f.ID == notNeeded }) {
		return nil // then the rungs say what there is to say
	}
	switch {
	case l.Rungs[i].Mark == verify.Holds:
		l.Rungs[i].Says = "no daemon is needed: Nix writes to the store directly"
	case v.Host.Facts().UID == 0 && m.Tools != "":
		owner, err := b.Owner(ctx, "/")
		if err != nil {
			return fmt.Errorf("find out who owns the store: %w", err)
		}
		l.Alone(ctx, b, m, owner, names)
	}
	return nil
}

// point adds to the rungs that are broken the page of what their errors point to, and names lixfix as it was called.
func (v verifier) point(l *verify.Ladder) {
	for i := range l.Rungs {
		r := &l.Rungs[i]
		if r.Error != "" {
			if id := v.pointsTo("error: " + r.Error); id != "" {
				r.Next = slices.Insert(slices.Clone(r.Next), 0, "lixfix explain "+id)
			}
		}
		r.Next = slices.Clone(r.Next)
		for n := range r.Next {
			r.Next[n] = v.as(r.Next[n])
		}
	}
}

// pointsTo is the first finding that an error surely points to and that this host can have; "" for none.
func (v verifier) pointsTo(text string) string {
	for _, m := range v.catalogue.index().Find(text) {
		for _, k := range m.Kinds {
			if m.Sure && v.explain.possible(k) {
				return k.ID
			}
		}
	}
	return ""
}

// lookUp has a build look a name up.
func (v verifier) lookUp(ctx context.Context, b platform.Builder, name string) verify.Rung {
	program, err := v.Program()
	if err != nil {
		return verify.Rung{Mark: verify.Unknown, Says: "cannot find the lixfix program, which would be the builder: " + err.Error()}
	}
	res, err := probe.Run(ctx, b, sandbox.Options{Name: name, Builder: program, Waiting: func(what string) { v.progress.Line(what) }})
	if err != nil {
		return verify.Rung{Mark: verify.Unknown, Says: err.Error()}
	}
	rung := verify.Rung{Mark: verify.Holds, Says: res.Verdict()}
	switch works, known := res.Resolves(); {
	case !known:
		rung.Mark = verify.Unknown
	case !works:
		rung.Mark = verify.Broken
	}
	return rung
}
