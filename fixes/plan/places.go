package plan

import (
	"context"

	"github.com/lixfix/lixfix/platform"
)

// placed is an ability of a step: it tells which names it writes to itself. What tools write for it is theirs to guard.
type placed interface{ places() []string }

func (s WriteFile) places() []string { return []string{s.Name} }
func (s SetMode) places() []string   { return []string{s.Name} }
func (s SetLink) places() []string   { return []string{s.Name} }

// Guarded returns an error that wraps a *platform.Untrusted where steps write to a name that somebody else than root
// can turn elsewhere meanwhile; then root would write wherever they like, and the machine refuses it.
func Guarded(ctx context.Context, v platform.View, steps ...Step) error {
	for _, s := range steps {
		p, ok := s.(placed)
		if !ok {
			continue
		}
		for _, name := range p.places() {
			if err := v.Guarded(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Steps are the steps of the plan, in their order.
func (p Plan) Steps() []Step {
	steps := make([]Step, len(p.Entries))
	for i, e := range p.Entries {
		steps[i] = e.Step
	}
	return steps
}
