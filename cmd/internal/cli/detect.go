package cli

import (
	"context"
	"fmt"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/record"
)

const (
	// detectLimit is how long a detector may take. Reading the largest directory seen takes two seconds.
	detectLimit = time.Minute
	// probeLimit is how long an experiment may take: Lix waits for the network of a sandbox for more than two minutes,
	// and there can be a few builds.
	probeLimit = 12 * time.Minute
)

// guarded runs f with a time limit and turns a panic into an error. It returns at the limit, or when ctx ends, even if
// f does not.
func guarded[T any](ctx context.Context, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s: %w", limit, context.DeadlineExceeded))
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		var out answer
		defer func() {
			if p := recover(); p != nil {
				out.err = fmt.Errorf("internal error: %v at %s", p, thrower(debug.Stack()))
			}
			done <- out
		}()
		out.value, out.err = f(ctx)
	}()
	select {
	case out := <-done:
		return out.value, out.err
	case <-ctx.Done():
		select {
		case out := <-done:
			return out.value, out.err
		case <-time.After(100 * time.Millisecond): // what honours ctx ends by now, with a better error
		}
		var none T
		return none, context.Cause(ctx)
	}
}

// experiment is what a fix is given to look closer with, nil where this host or this program has no means. On a record, it
// is the one that was made where it was recorded. v is what through has returned.
func (a *app) experiment(v platform.View) *fix.Experiment {
	seen, _ := v.(*record.View)
	if a.replay != nil {
		if seen == nil || !a.replay.Manifest.Probed {
			return nil
		}
		return &fix.Experiment{Host: record.Builder{View: seen}, Tried: tried(seen, nil)}
	}
	b, ok := a.Host.(platform.Builder)
	if !ok {
		return nil
	}
	program, err := a.Program()
	if err != nil {
		a.log.Debug("no experiments: the program does not find itself", "error", err)
		return nil
	}
	e := &fix.Experiment{Host: b, Program: program, Waiting: func(what string) { a.progress.Line(what) }}
	if seen != nil {
		e.Host, e.Tried = record.Builder{View: seen, Live: b}, tried(seen, b)
	}
	return e
}

// tried keeps what is tried out on a host.
func tried(v *record.View, on platform.Builder) func([]string, any, func(platform.Builder) error) error {
	return func(what []string, into any, do func(platform.Builder) error) error {
		return v.Tried(what, into, func() error { return do(on) })
	}
}

// probed looks closer.
func (a *app) probed(ctx context.Context, p fix.Prober, e fix.Experiment, s fix.Settings) (fix.Probed, error) {
	a.progress.Now("a build looks at its sandbox")
	defer a.progress.Close()
	return guarded(ctx, probeLimit, func(ctx context.Context) (fix.Probed, error) { return p.Probe(ctx, e, s) })
}

// detect asks one fix, which may look closer where it can and closer is set. The error says why it could not tell.
func (a *app) detect(ctx context.Context, f fix.Fix, v platform.View, s fix.Settings, closer bool) (render.Fix, error) {
	out := render.Fix{Name: f.Name(), Title: f.Doc().Title}
	if !f.AppliesTo(v.Facts()) {
		out.Status = fix.NotApplicable
		a.event(render.Event{Event: render.Found, Fix: &out})
		return out, nil
	}
	v, missing := a.through(f.Name(), v)
	picture, err := fix.Picture{}, error(nil)
	prober, can := f.(fix.Prober)
	if e := a.experiment(v); can && closer && e != nil {
		var probed fix.Probed
		if probed, err = a.probed(ctx, prober, *e, s); err == nil {
			out.Probed = &probed
		}
		picture.Findings = probed.Findings
	} else {
		picture, err = a.picture(ctx, f, v, s)
	}
	gap := missing()
	if gap == nil && a.surveyed != nil {
		gap = a.surveyed()
	}
	if gap != nil {
		picture, err = fix.Picture{}, gap // what was found without it is guessed
	}
	findings := picture.Findings
	if _, ok := f.(fix.Drawer); ok && err == nil {
		out.Picture = &picture
	}
	if err != nil {
		findings = append(findings, fix.Finding{
			ID: notChecked(f), Status: fix.Unknown, Summary: "could not be checked", Reason: message(err),
		})
		err = fmt.Errorf("check %s: %w", f.Name(), err)
	}
	out.Findings, out.Status = a.renamed(findings), fix.Worst(findings)
	a.event(render.Event{Event: render.Found, Fix: &out})
	return out, err
}

// notChecked is the ID of a finding that says that a fix could not look.
func notChecked(f fix.Fix) string { return f.Name() + "/not-checked" }

// picture only looks.
func (a *app) picture(ctx context.Context, f fix.Fix, v platform.View, s fix.Settings) (fix.Picture, error) {
	return guarded(ctx, detectLimit, func(ctx context.Context) (fix.Picture, error) {
		if d, ok := f.(fix.Drawer); ok {
			return d.Draw(ctx, v, s)
		}
		findings, err := f.Detect(ctx, v, s)
		return fix.Picture{Findings: findings}, err
	})
}

// detectAll asks fixes side by side and returns their answers in the order of the fixes.
func (a *app) detectAll(ctx context.Context, fixes []fix.Fix, settings []fix.Settings, closer bool) []render.Fix {
	return a.detectEach(ctx, fixes, settings, closer, func(int, render.Fix) {})
}

// detectEach is detectAll that calls then for each answer as soon as it is there, several at once.
func (a *app) detectEach(
	ctx context.Context, fixes []fix.Fix, settings []fix.Settings, closer bool, then func(i int, found render.Fix),
) []render.Fix {
	out := make([]render.Fix, len(fixes))
	errs := make([]error, len(fixes))
	view := platform.NewMemo(a.Host) // so that detectors that ask the same spawn a tool once
	var all sync.WaitGroup
	for i, f := range fixes {
		all.Go(func() {
			out[i], errs[i] = a.detect(ctx, f, view, settings[i], closer)
			then(i, out[i])
		})
	}
	all.Wait()
	var many *multierror.Error
	for _, err := range errs {
		if err != nil {
			many = multierror.Append(many, err)
		}
	}
	if many != nil {
		a.log.Debug("not everything could be checked", "error", message(many))
	}
	return out
}

// thrower finds in a stack the place that panicked, without the folders of the machine that built the program.
func thrower(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "panic(") && i+3 < len(lines) {
			file, _, _ := strings.Cut(strings.TrimSpace(lines[i+3]), " ")
			return path.Base(file)
		}
	}
	return "an unknown place"
}
