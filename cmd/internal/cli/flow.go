package cli

import (
	"context"
	"fmt"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
)

// proposal is a plan on its way to being done.
type proposal struct {
	show     page   // the plan, and what belongs to it
	question string // "Apply this plan", to which the number of steps is added
	steps    int
	dry      Code // of a dry run
	// begin opens the journal of what is done; nil makes one of the plan in the report.
	begin    func() (*journal.Journal, error)
	back     bool // what the journal has done is taken back
	rollback bool // what was done is taken back where a step fails
}

// propose shows a plan, stops there where it is to be a dry run, asks once, writes the plan down and does it. dir is
// locked, nil for a dry run.
func (c *change) propose(ctx context.Context, dir *journal.Dir, how ask, p proposal) (Code, error) {
	if how.dry {
		c.report.Outcome.Result, c.report.Outcome.Total = render.DryRun, p.steps
		return c.say.done(p.dry, c.say.with(p.show))
	}
	c.app.page(p.show)
	if !how.yes {
		if err := c.consent(ctx, fmt.Sprintf("%s (%s)?", p.question, render.Steps(p.steps)), p.show); err != nil {
			return c.say.failed(err, c.say.verdict)
		}
	}
	if ctx.Err() != nil {
		return c.say.fail(context.Cause(ctx))
	}
	if p.begin == nil {
		p.begin = func() (*journal.Journal, error) {
			j, err := dir.Create(*c.report.Plan, c.app.Now())
			if err != nil {
				return nil, fmt.Errorf("write the plan down: %w", err)
			}
			return j, nil
		}
	}
	j, err := p.begin()
	if err != nil {
		return c.say.fail(err)
	}
	if p.back {
		return c.takeBack(ctx, j, nil)
	}
	return c.finish(ctx, j, c.drive(ctx, j, false, c.app.sig.stop), p.rollback)
}

// ready stamps a plan and shows it to the report and to whoever follows.
func (c *change) ready(p *plan.Plan) error {
	if err := c.stamp(p); err != nil {
		return err
	}
	c.planned(p)
	c.report.Outcome.Total = len(p.Entries)
	return nil
}
