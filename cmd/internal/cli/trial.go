package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/verify"
	"github.com/lixfix/lixfix/platform"
)

// trial shows whether a change helps: by a build at the end of its plan, and by what there was before and is afterwards.
type trial struct {
	change   *change
	before   *fix.Picture // of what a repair starts from; nil where nothing is drawn
	probed   *fix.Probed  // the same by an experiment; nil where there was none
	after    *fix.Probed  // of what the repair has come to; nil where there was none
	passive  bool         // make none
	unproven error        // all steps are done, and what they were for was not reached
}

// prove ends a plan that is for builds with one, so that whoever finishes it later does that as well.
func (t *trial) prove(ctx context.Context, p *plan.Plan) {
	c := t.change
	if p.Empty() || !c.fix.Doc().Builds || c.app.replay != nil { // a record is not built on
		return
	}
	m, err := verify.Find(ctx, c.memo)
	proof, ok := step.NewTryBuild(m)
	switch {
	case err != nil:
		p.Notes = append(p.Notes, "no test build afterwards: "+message(err))
	case !ok && c.app.Host.Facts().OS != platform.Linux: // macOS always has shells: there is nothing to say of it
	case !ok:
		p.Notes = append(p.Notes, "no test build afterwards: found neither a login shell nor the Nix tools")
	default:
		p.Entries = append(p.Entries, plan.Entry{Step: proof, For: p.Entries[0].For})
	}
}

// depict keeps what there is to be moved, so that it can be said afterwards whether it did.
func (t *trial) depict(ctx context.Context) {
	c := t.change
	d, ok := c.fix.(fix.Drawer)
	if !ok || !c.fix.AppliesTo(c.app.Host.Facts()) {
		return
	}
	p, err := guarded(ctx, detectLimit, func(ctx context.Context) (fix.Picture, error) {
		return d.Draw(ctx, c.app.Host, c.settings)
	})
	if err != nil {
		c.app.log.Debug("what is to be moved could not be drawn", "error", err)
		return
	}
	t.before = &p
}

// worthwhile looks closer once more, after a repair, and reports why it is not worth keeping.
func (t *trial) worthwhile(ctx context.Context) error {
	c := t.change
	p, ok := c.fix.(fix.Prober)
	e := c.look.experiment(nil)
	if !ok || t.probed == nil || e == nil {
		return nil
	}
	after, err := c.look.probed(ctx, p, *e, c.settings)
	if err != nil {
		return fmt.Errorf("check whether the repair helped: %w", err)
	}
	t.after = &after
	return p.Judge(*t.probed, after)
}

// helpless is the error of a repair of which everything is done, and which did not come to what it is for.
func (t *trial) helpless(why *plan.Unproven, id string) error {
	c := t.change
	name := ""
	if c.fix != nil {
		name = " " + c.fix.Name()
	}
	next := fmt.Sprintf("sudo %[1]s check%[2]s shows what is still wrong, sudo %[1]s undo %[3]s takes the repair back", c.app.Name, name, id)
	if errors.Is(why, step.ErrNotBuilt) {
		next = c.app.Name + " verify shows where a build breaks, " + next
	}
	return &failure{code: Problems, err: fmt.Errorf("every change was made, but that was not enough: %w", why), next: next}
}
