package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/ui"
	"github.com/lixfix/lixfix/fixes/fix"
)

// watchPause is between two looks.
const watchPause = time.Second

// watcher is "lixfix check FIX --watch".
type watcher struct {
	*app
	checker  checker
	fix      fix.Drawer
	settings fix.Settings // of the next look
	strict   bool
	screen   *ui.Screen // nil where pictures are printed one below the other
}

// watch looks until nothing waits any more. On a terminal each picture takes the place of the one before; elsewhere
// there is a new one only when something that matters has changed.
func (w *watcher) watch(ctx context.Context) (Code, error) {
	if w.stdout.Rewrite && w.format == text {
		w.screen = ui.NewScreen(w.out, w.Stdout)
	}
	var first, last *fix.Picture
	for {
		r := w.hosted("check")
		code, err := w.lookQuietly(ctx, r)
		if ctx.Err() != nil {
			return w.stopped(ctx)
		}
		if err != nil {
			return code, err
		}
		p := drawn(*r)
		over := p == nil || p.Moves
		if p != nil {
			r.Graph = p.Graph
			if over && first != nil {
				r.Moved = w.fix.Moved(*first, *p)
			}
		}
		switch {
		case w.screen != nil:
			r.Exit = int(code)
			w.screen.Draw(w.drawn(r), over)
		case over || last == nil || p.Key != last.Key:
			if last != nil && w.format == text {
				_, _ = w.out.Write([]byte("\n" + w.Now().UTC().Format("15:04:05 UTC") + "\n"))
			}
			_, err = w.emit(r, code, drawCheck(r))
		}
		if over || err != nil || w.out.Err() != nil {
			return code, err
		}
		if first == nil {
			first = p
			if p.Again != nil {
				w.settings = p.Again
			}
		}
		last = p
		select {
		case <-time.After(watchPause):
		case <-ctx.Done():
			return w.stopped(ctx)
		}
	}
}

// lookQuietly looks once. What was found is told with the whole picture, and only when that has changed.
func (w *watcher) lookQuietly(ctx context.Context, r *render.Report) (Code, error) {
	defer func(events bool) { w.events = events }(w.events)
	w.events = false
	return w.checker.once(ctx, r, []fix.Fix{w.fix}, []fix.Settings{w.settings}, w.strict, false)
}

// drawCheck draws the page of a check that names its fix.
func drawCheck(r *render.Report) func(*render.Text) {
	return func(t *render.Text) {
		t.Named = true
		t.Check(*r)
	}
}

// drawn is the page of one look, for the screen.
func (w *watcher) drawn(r *render.Report) string {
	style := w.style(w.stdout)
	style.Width = w.screen.Width()
	t := render.NewText(style)
	drawCheck(r)(t)
	return t.String()
}

// stopped ends a watch that a signal has ended.
func (w *watcher) stopped(ctx context.Context) (Code, error) {
	if w.screen != nil {
		w.screen.Close()
	}
	why := context.Cause(ctx)
	return codeOf(why), &failure{code: codeOf(why), err: fmt.Errorf("stopped watching: %w", why), next: "Nothing was changed."}
}
