package cli

import (
	"context"
	"fmt"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/record"
	"github.com/lixfix/lixfix/platform/systemd"
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

// looker looks at the host, or at a record of one, as all commands do.
type looker struct {
	*app
	// scoped gives those who look a view that records; nil where they see the host or the record itself.
	scoped   func(scope string, v platform.View) *record.View
	surveyed func() error // what the survey that all share has asked in vain
}

// through is the view of those who look, in their own scope. missing is the error where they asked what is not in the
// record.
func (l *looker) through(scope string, v platform.View) (view platform.View, missing func() error) {
	var seen *record.View
	switch {
	case l.scoped != nil:
		seen = l.scoped(scope, v)
	case l.replay != nil:
		seen = l.replay.View(scope)
	default:
		return v, func() error { return nil }
	}
	return seen, func() error {
		all := seen.Missing()
		if len(all) == 0 {
			return nil
		}
		const few = 3
		more := ""
		if n := len(all) - few; n > 0 {
			all, more = all[:few], fmt.Sprintf(", and %d more", n)
		}
		return fmt.Errorf("%w: %s%s", record.ErrNotRecorded, strings.Join(all, ", "), more)
	}
}

// hasten has the kernel begin what it takes long for, if this is about to be a check of this host: so early that the command
// line is not understood yet. A guess that is wrong costs milliseconds.
func hasten(cfg Config) {
	host, can := cfg.Host.(interface{ Hasten(name string) })
	given := func(arg string) bool { return slices.Contains(cfg.Args, arg) }
	if !can || !given("check") || slices.ContainsFunc(cfg.Args, func(arg string) bool { return strings.HasPrefix(arg, "--host") }) {
		return
	}
	all := !slices.ContainsFunc(cfg.Fixes, func(f fix.Fix) bool { return given(f.Name()) })
	for _, f := range cfg.Fixes {
		if h, ok := f.(fix.Hastener); ok && (all || given(f.Name())) {
			host.Hasten(h.Hastens())
		}
	}
}

// survey reads what Nix is here, for the report and for all that look with the context that it returns.
func (l *looker) survey(ctx context.Context, r *render.Report) context.Context {
	v, missing := l.through(surveyScope, l.Host)
	l.surveyed = missing
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

// experiment is what a fix is given to look closer with, nil where this host or this program has no means. On a record, it
// is the one that was made where it was recorded. v is what through has returned.
func (l *looker) experiment(v platform.View) *fix.Experiment {
	seen, _ := v.(*record.View)
	if l.replay != nil {
		if seen == nil || !l.replay.Manifest.Probed {
			return nil
		}
		return &fix.Experiment{Host: record.Builder{View: seen}, Tried: tried(seen, nil)}
	}
	b, ok := l.Host.(platform.Builder)
	if !ok {
		return nil
	}
	program, err := l.Program()
	if err != nil {
		l.log.Debug("no experiments: the program does not find itself", "error", err)
		return nil
	}
	e := &fix.Experiment{Host: b, Program: program, Waiting: func(what string) { l.progress.Line(what) }}
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
func (l *looker) probed(ctx context.Context, p fix.Prober, e fix.Experiment, s fix.Settings) (fix.Probed, error) {
	l.progress.Now("a build looks at its sandbox")
	defer l.progress.Close()
	return guarded(ctx, probeLimit, func(ctx context.Context) (fix.Probed, error) { return p.Probe(ctx, e, s) })
}

// detect asks one fix, which may look closer where it can and closer is set. The error says why it could not tell.
func (l *looker) detect(ctx context.Context, f fix.Fix, v platform.View, s fix.Settings, closer bool) (render.Fix, error) {
	out := render.Fix{Name: f.Name(), Title: f.Doc().Title}
	if !f.AppliesTo(v.Facts()) {
		out.Status = fix.NotApplicable
		l.event(render.Event{Event: render.Found, Fix: &out})
		return out, nil
	}
	v, missing := l.through(f.Name(), v)
	picture, err := fix.Picture{}, error(nil)
	prober, can := f.(fix.Prober)
	if e := l.experiment(v); can && closer && e != nil {
		var probed fix.Probed
		if probed, err = l.probed(ctx, prober, *e, s); err == nil {
			out.Probed = &probed
		}
		picture.Findings = probed.Findings
	} else {
		picture, err = l.picture(ctx, f, v, s)
	}
	gap := missing()
	if gap == nil && l.surveyed != nil {
		gap = l.surveyed()
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
	out.Findings, out.Status = renamed(findings, l.as), fix.Worst(findings)
	l.event(render.Event{Event: render.Found, Fix: &out})
	return out, err
}

// found is what detect returns, of an experiment that has been made, for a fix that draws nothing.
func (l *looker) found(f fix.Fix, probed fix.Probed) render.Fix {
	out := render.Fix{Name: f.Name(), Title: f.Doc().Title, Probed: &probed, Status: fix.Worst(probed.Findings)}
	out.Findings = renamed(probed.Findings, l.as)
	l.event(render.Event{Event: render.Found, Fix: &out})
	return out
}

// notChecked is the ID of a finding that says that a fix could not look.
func notChecked(f fix.Fix) string { return f.Name() + "/not-checked" }

// picture only looks.
func (l *looker) picture(ctx context.Context, f fix.Fix, v platform.View, s fix.Settings) (fix.Picture, error) {
	return guarded(ctx, detectLimit, func(ctx context.Context) (fix.Picture, error) {
		if d, ok := f.(fix.Drawer); ok {
			return d.Draw(ctx, v, s)
		}
		findings, err := f.Detect(ctx, v, s)
		return fix.Picture{Findings: findings}, err
	})
}

// detectAll asks fixes side by side and returns their answers in the order of the fixes.
func (l *looker) detectAll(ctx context.Context, fixes []fix.Fix, settings []fix.Settings, closer bool) []render.Fix {
	return l.detectEach(ctx, fixes, settings, closer, func(int, render.Fix) {})
}

// detectEach is detectAll that calls then for each answer as soon as it is there, several at once.
func (l *looker) detectEach(
	ctx context.Context, fixes []fix.Fix, settings []fix.Settings, closer bool, then func(i int, found render.Fix),
) []render.Fix {
	out := make([]render.Fix, len(fixes))
	errs := make([]error, len(fixes))
	view := platform.NewMemo(l.Host) // so that detectors that ask the same spawn a tool once
	var all sync.WaitGroup
	for i, f := range fixes {
		all.Go(func() {
			out[i], errs[i] = l.detect(ctx, f, view, settings[i], closer)
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
		l.log.Debug("not everything could be checked", "error", message(many))
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
