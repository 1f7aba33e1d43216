package plan

import (
	"context"

	"github.com/lixfix/lixfix/platform"
)

// Pass is one walk over steps: the machine that they are compared with, and what their kinds have read of it so far. A
// run of a plan is one pass, so that a step need not cost a reading of its own.
type Pass struct {
	view  platform.View
	fresh bool
	torn  bool
	kept  map[any]Kept
	of    *Pass // the pass that this one tries steps for
}

// Kept is what a kind of step keeps in a pass, such as a list that many steps are compared with.
type Kept interface {
	// Fork returns a copy in which steps can be tried without touching the original. It may copy lazily: the original
	// does not change in the meantime.
	Fork() Kept
	// Renew forgets what was read of the machine, because somebody else may have changed it; the next step reads it again.
	Renew()
}

// NewPass returns a pass over the steps of a plan that is only looked at, not run.
func NewPass(v platform.View) *Pass { return &Pass{view: v} }

// View is the machine.
func (p *Pass) View() platform.View { return p.view }

// Fresh returns the context for readings that the pass keeps: while a plan is run they come from the machine itself,
// not from what is remembered of the time when the plan was made.
func (p *Pass) Fresh(ctx context.Context) context.Context {
	if p.fresh {
		return platform.Fresh(ctx)
	}
	return ctx
}

// Torn reports whether an earlier attempt at the write being applied may have been interrupted.
func (p *Pass) Torn() bool { return p.torn }

// Keep returns what the kinds of steps that share the type K keep in a pass. first makes it if there is none yet.
func Keep[K Kept](p *Pass, first func(*Pass) K) K {
	var key K // a nil pointer of its type
	if k, ok := p.kept[key].(K); ok {
		return k
	}
	var k K
	if p.of != nil {
		k = Keep(p.of, first).Fork().(K)
	} else {
		k = first(p)
	}
	if p.kept == nil {
		p.kept = map[any]Kept{}
	}
	p.kept[key] = k
	return k
}

// fork returns a pass in which steps can be tried without touching p.
func (p *Pass) fork() *Pass { return &Pass{view: p.view, fresh: p.fresh, of: p} }

// renew has everything read anew.
func (p *Pass) renew() {
	for _, k := range p.kept {
		k.Renew()
	}
}
