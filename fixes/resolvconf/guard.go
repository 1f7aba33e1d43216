package resolvconf

import (
	"context"
	"errors"
	"fmt"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// guard turns the remedies that would write where somebody else than root can turn the names into advice, which says
// whose the place is. What cannot be told is left to the plan, which is refused then.
func (s *survey) guard(ctx context.Context, causes []cause) {
	for i := range causes {
		x := &causes[i]
		if x.remedy == nil || !x.does() {
			continue
		}
		err := plan.Guarded(ctx, s.v, x.steps...)
		if err == nil && (x.edit != nil || x.open) {
			err = s.v.Guarded(ctx, conf.File)
		}
		u, ok := errors.AsType[*platform.Untrusted](err)
		if !ok {
			continue
		}
		x.evidence = append(x.evidence, fix.Evidence{
			Source: u.Dir, Expected: "only root can change it", Observed: u.Whose() + " can",
		})
		x.remedy = &fix.Remedy{Class: fix.Advice, Changes: fmt.Sprintf(
			"%s; lixfix does not do that as root, because %s can change %s and could have the write land elsewhere: do it "+
				"as that user, or let only root change %s and repair again", x.remedy.Changes, u.Whose(), u.Dir, u.Dir)}
		x.steps, x.edit, x.open = nil, nil, false
	}
}
