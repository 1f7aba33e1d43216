package cli

import (
	"fmt"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/plan"
)

// tracker follows a run and remembers what the user has to be told of it.
type tracker struct {
	change  *change
	entries []plan.Entry
	back    bool
	groups  []render.Group
	of      []int // entry → group
	current int
	flying  bool // a step that acts has begun, and not ended
	changed bool // one has done something to the host, or may have
	holds   []plan.Hold
	service map[string]int // hold → index in services
	stopped []render.Service
	refused []render.Refused
	failed  []render.Refused // optional steps
}

func (c *change) tracker(p plan.Plan, back bool) *tracker {
	t := &tracker{
		change: c, entries: p.Entries, back: back, groups: render.Groups(p.Entries), of: make([]int, len(p.Entries)),
		current: -1, service: map[string]int{},
	}
	for g, group := range t.groups {
		for i := group.First; i <= group.Last; i++ {
			t.of[i] = g
		}
	}
	return t
}

// observe implements plan.Driver.Observe.
func (t *tracker) observe(e plan.Event) {
	t.follow(e)
	reason := ""
	if e.Err != nil {
		reason = message(e.Err)
	}
	t.change.app.event(render.StepEvent(e, reason))
	progress := t.change.app.progress
	at := fmt.Sprintf("[%d/%d] ", e.Index+1, e.Count)
	text := render.Clean(e.Step.String())
	switch e.Phase {
	case plan.Refused:
		t.refused = append(t.refused, render.Refused{Step: e.Step.String(), Reason: reason})
		progress.Line(at + "refused: " + text)
	case plan.Tolerated:
		t.failed = append(t.failed, render.Refused{Step: e.Step.String(), Reason: reason})
		progress.Line(at + "failed, going on: " + text)
	case plan.Failed:
		progress.Line(at + "failed: " + text)
	case plan.Starting, plan.WasSo:
		if progress.Rewrites() && !t.change.app.verbose {
			progress.Now(at + render.Clean(render.Short(e.Step)))
			return
		}
		t.announce(e, at, text)
	}
}

// announce prints a line for each group of steps when the first of it comes up.
func (t *tracker) announce(e plan.Event, at, text string) {
	progress := t.change.app.progress
	g := t.of[e.Index]
	_, write := e.Step.(plan.Write)
	alone := t.change.app.verbose || e.Step.Kind() != t.entries[e.Index].Step.Kind() && !write
	switch {
	case alone:
		progress.Line(at + text)
	case g != t.current:
		t.current = g
		group := t.groups[g]
		at = fmt.Sprintf("[%s/%d] ", render.Span(group.First, group.Last), e.Count)
		text = render.Clean(group.Text)
		if t.back && write {
			text = "take back: " + text
		}
		progress.Line(at + text)
	}
}

// follow keeps track of whether the host was changed, and of what is held, such as a stopped service.
func (t *tracker) follow(e plan.Event) {
	switch e.Phase {
	case plan.Starting:
		t.flying = plan.Acts(e.Step)
	case plan.Finished, plan.Failed, plan.Tolerated:
		// A step that is not begun has failed on what it found.
		t.changed = t.changed || t.flying && !plan.IsUnwritten(e.Err)
		t.flying = false
	}
	if h, ok := e.Step.(plan.Hold); ok && e.Phase == plan.Starting {
		if _, known := t.service[h.String()]; !known {
			t.service[h.String()] = len(t.stopped)
			t.stopped = append(t.stopped, render.Service{Stop: h.String(), Start: h.Release().String()})
			t.holds = append(t.holds, h)
		}
		t.stopped[t.service[h.String()]].Running = false
		return
	}
	for i, h := range t.holds {
		if release := h.Release(); e.Phase == plan.Finished && release.Kind() == e.Step.Kind() && release.String() == e.Step.String() {
			t.stopped[i].Running = true
		}
	}
}
