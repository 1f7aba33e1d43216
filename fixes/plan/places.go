package plan

import (
	"context"
	"path"

	"github.com/lixfix/lixfix/platform"
)

// Guarded returns an error that wraps a *platform.Untrusted if steps write to a name that anybody but root can point
// elsewhere in the meantime: root would write wherever they like, so the machine refuses. It returns the error of Barred
// if the target itself forbids a step. What a step makes is root's, and names in it are as safe as its own.
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
