package plan

import (
	"context"
	"path"

	"github.com/lixfix/lixfix/platform"
)

// Guarded returns an error that wraps a *platform.Untrusted where steps write to a name that somebody else than root
// can turn elsewhere meanwhile; then root would write wherever they like, and the machine refuses it. It returns that of
// Barred where the target itself forbids a step. What a step makes is root's, and names in it are as safe as its own.
func Guarded(ctx context.Context, v platform.View, steps ...Step) error {
	made := map[string]bool{}
	for _, s := range steps {
		p, ok := s.(Placed)
		if !ok {
			continue
		}
		for _, name := range p.Places() {
			made[name] = true
			if made[path.Dir(name)] {
				continue
			}
			if err := v.Guarded(ctx, name); err != nil {
				return err
			}
		}
		if b, ok := s.(Barred); ok {
			if err := b.Barred(ctx, v); err != nil {
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
