package resolvconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
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
		if why := s.keeps(ctx, x); why != "" {
			x.remedy = &fix.Remedy{Class: fix.Advice, Changes: fmt.Sprintf(
				"%s; lixfix does not do that, because %s: do it in an editor that writes into the file itself", x.remedy.Changes, why)}
			x.steps, x.edit, x.open = nil, nil, false
			continue
		}
		err := plan.Guarded(ctx, s.v, x.steps...)
		if err == nil && (x.edit != nil || x.open) {
			err = s.v.Guarded(ctx, conf.File)
		}
		if err == nil && x.opensWay() {
			err = s.guardWay(ctx)
		}
		u, ok := errors.AsType[*platform.Untrusted](err)
		if !ok {
			if err != nil && x.opensWay() {
				x.remedy = &fix.Remedy{Class: fix.Advice, Changes: fmt.Sprintf(
					"%s; lixfix does not do that, because it could not tell who else than root can change the way there: %v",
					x.remedy.Changes, err)}
				x.steps, x.edit, x.open = nil, nil, false
			}
			continue
		}
		x.evidence = append(x.evidence, fix.Evidence{
			Source: u.Dir, Expected: "only root can change it", Observed: u.Whose() + " can",
		})
		could, instead := "have the write land elsewhere", "do it as that user, or "
		if x.opensWay() {
			could, instead = "choose which file of root's that is", ""
		}
		x.remedy = &fix.Remedy{Class: fix.Advice, Changes: fmt.Sprintf(
			"%s; lixfix does not do that as root, because %s can change %s and could %s: %slet only root change %s and "+
				"repair again", x.remedy.Changes, u.Whose(), u.Dir, could, instead, u.Dir)}
		x.steps, x.edit, x.open = nil, nil, false
	}
}

// opensWay reports whether a remedy gives others rights on what /etc/resolv.conf leads to.
func (x *cause) opensWay() bool {
	return slices.ContainsFunc(x.steps, func(s plan.Step) bool { _, ok := s.(step.SetMode); return ok })
}

// guardWay returns an error that wraps a *platform.Untrusted where others than root could have had a say in where
// /etc/resolv.conf leads. They would have root give everybody a file that nobody but root may read.
func (s *survey) guardWay(ctx context.Context) error {
	for _, link := range s.way.turns {
		if err := s.v.Guarded(ctx, link); err != nil {
			return err
		}
	}
	return nil
}

// keeps says what of a file a rewrite would lose, which puts a new file in its place; "" for nothing.
func (s *survey) keeps(ctx context.Context, x *cause) string {
	var names []string
	if x.edit != nil {
		names = append(names, conf.File)
	}
	for _, s := range x.steps {
		if w, ok := s.(step.WriteFile); ok && w.Before != nil {
			names = append(names, w.Name)
		}
	}
	for _, name := range names {
		info, err := s.v.Stat(ctx, name)
		switch {
		case err != nil || !info.Mode.IsRegular():
		case info.Links > 1:
			return fmt.Sprintf("%s has %d names (hard links), and the others would keep the old text", name, info.Links)
		case info.Mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0:
			return fmt.Sprintf("%s has the mode %s, whose special bits are nobody's mistake that lixfix knows", name, info.Mode)
		}
	}
	return ""
}
