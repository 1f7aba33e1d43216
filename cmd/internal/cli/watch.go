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

// watch looks until nothing waits any more. On a terminal each picture takes the place of the one before; elsewhere
// there is a new one only when something that matters has changed.
func (a *app) watch(ctx context.Context, f fix.Drawer, s fix.Settings, strict bool) (Code, error) {
	var screen *ui.Screen
	if a.stdout.Rewrite && a.format == text {
		screen = ui.NewScreen(a.out, a.Stdout)
	}
	var first, last *fix.Picture
	for {
		r := a.hosted("check")
		code, err := a.lookQuietly(ctx, r, f, s, strict)
		if ctx.Err() != nil {
			return a.unwatched(ctx, screen)
		}
		if err != nil {
			return code, err
		}
		p := drawn(*r)
		over := p == nil || p.Moves
		if p != nil {
			r.Graph = p.Graph
			if over && first != nil {
				r.Moved = f.Moved(*first, *p)
			}
		}
		switch {
		case screen != nil:
			r.Exit = int(code)
			screen.Draw(a.watched(r, screen.Width()), over)
		case over || last == nil || p.Key != last.Key:
			if last != nil && a.format == text {
				_, _ = a.out.Write([]byte("\n" + a.Now().UTC().Format("15:04:05 UTC") + "\n"))
			}
			_, err = a.emit(r, code, drawCheck(r))
		}
		if over || err != nil || a.out.Err() != nil {
			return code, err
		}
		if first == nil {
			first = p
			if p.Again != nil {
				s = p.Again
			}
		}
		last = p
		select {
		case <-time.After(watchPause):
		case <-ctx.Done():
			return a.unwatched(ctx, screen)
		}
	}
}

// lookQuietly looks once. What was found is told with the whole picture, and only when that has changed.
func (a *app) lookQuietly(ctx context.Context, r *render.Report, f fix.Fix, s fix.Settings, strict bool) (Code, error) {
	defer func(events bool) { a.events = events }(a.events)
	a.events = false
	return a.checkOnce(ctx, r, []fix.Fix{f}, []fix.Settings{s}, strict, false)
}

// drawCheck draws the page of a check that names its fix.
func drawCheck(r *render.Report) func(*render.Text) {
	return func(t *render.Text) {
		t.Named = true
		t.Check(*r)
	}
}

// watched is the page of one look.
func (a *app) watched(r *render.Report, width int) string {
	style := a.style(a.stdout)
	style.Width = width
	t := render.NewText(style)
	drawCheck(r)(t)
	return t.String()
}

// unwatched ends a watch that a signal has ended.
func (a *app) unwatched(ctx context.Context, screen *ui.Screen) (Code, error) {
	if screen != nil {
		screen.Close()
	}
	why := context.Cause(ctx)
	return codeOf(why), &failure{code: codeOf(why), err: fmt.Errorf("stopped watching: %w", why), next: "Nothing was changed."}
}
