package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/ui"
	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// change is one command that changes the host, from the first look to the last.
type change struct {
	app      *app
	fix      fix.Fix // nil where this lixfix does not know it
	settings fix.Settings
	memo     *platform.Memo // one reading for looking and planning
	report   *render.Report // which say prints
	look     *looker
	journals ledger
	trial    *trial
	say      *speaker
}

func newChange(a *app, command string) *change {
	r := a.hosted(command)
	r.Outcome = &render.Outcome{Result: render.NotStarted}
	c := &change{
		app: a, memo: platform.NewMemo(a.Host), report: r, look: &looker{app: a}, journals: ledger{a},
		say: &speaker{app: a, report: r},
	}
	c.trial = &trial{change: c}
	for _, err := range c.journals.strange() {
		r.Problems = append(r.Problems, message(err))
		a.notice(message(err))
	}
	return c
}

// stamp gives a plan what is the program's to say.
func (c *change) stamp(p *plan.Plan) error {
	var random [2]byte
	if _, err := io.ReadFull(c.app.Random, random[:]); err != nil {
		return fmt.Errorf("choose an ID: %w", err)
	}
	now := c.app.Now().UTC()
	p.Schema, p.ID, p.Version, p.Made, p.Host = plan.Schema, journal.NewID(now, p.Fix, random), c.app.Version, now, c.memo.Facts()
	return nil
}

// consent asks the user once. The plan is drawn on the terminal where standard output does not show it.
func (c *change) consent(ctx context.Context, question string, draw func(*render.Text)) error {
	a := c.app
	tty, err := a.OpenTTY()
	if err != nil {
		a.log.Debug("no terminal", "error", err)
		return &failure{
			code: NoConsent, err: errors.New("cannot ask for consent: there is no terminal"),
			next: "run it in a terminal, or add --yes to skip the question",
		}
	}
	defer tty.Close()
	if a.format == jsonFormat || !a.stdout.Is {
		t := render.NewText(a.style(ui.Describe(tty, a.Getenv)))
		draw(t)
		if _, err := t.WriteTo(tty); err != nil {
			return &failure{code: NoConsent, err: fmt.Errorf("show the plan on the terminal: %w", err)}
		}
	}
	yes, err := ui.Confirm(ctx, tty, question)
	var s *signalled
	switch {
	case errors.As(err, &s) && codeOf(err) != Interrupt:
		return err
	case err != nil || !yes:
		return &failure{code: NoConsent, err: errors.New("not confirmed; nothing was changed")}
	}
	return nil
}

// drive runs what is left of a journal's plan, or takes back what was done of it.
func (c *change) drive(ctx context.Context, j *journal.Journal, back bool, stop func() error) error {
	t := c.tracker(j.Plan, back)
	d := plan.Driver{Host: c.memo, Log: j, Observe: t.observe, Stop: stop, Leave: j.Plan.Undoes != ""}
	run := d.Run
	if back {
		run = d.Rollback
	}
	c.app.sig.applying(true)
	restore := unsuspendable()
	err := run(ctx, j.Plan)
	restore()
	c.app.sig.applying(false)
	c.app.progress.Close()
	if !slices.ContainsFunc(j.Plan.Entries, func(e plan.Entry) bool { _, ok := e.Step.(plan.Check); return ok }) {
		// Nothing was read since somebody was asked, so what is remembered tells what was true then.
		c.memo = platform.NewMemo(c.app.Host)
	}

	o := c.report.Outcome
	o.ID, o.Total, o.Done, o.Back = j.Plan.ID, len(j.Plan.Entries), held(j), back
	o.Changed = o.Changed || t.changed
	for _, s := range t.stopped {
		o.Services = slices.DeleteFunc(o.Services, func(old render.Service) bool { return old.Stop == s.Stop })
		o.Services = append(o.Services, s)
	}
	o.Skipped = append(o.Skipped, t.failed...)
	c.report.Refused = append(c.report.Refused, t.refused...)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("ended by %w: %w", context.Cause(ctx), err)
	}
	return err
}

// held counts the steps that hold: done, or so before.
func held(j *journal.Journal) int {
	n := 0
	for _, m := range j.Marks() {
		if m == plan.Done || m == plan.Already {
			n++
		}
	}
	return n
}

// finish ends a journal after a run forwards and looks at the host again.
func (c *change) finish(ctx context.Context, j *journal.Journal, runErr error, rollback bool) (Code, error) {
	o := c.report.Outcome
	if j.Plan.Undoes != "" {
		c.say.undoing = true
		if _, ok := errors.AsType[*plan.RefusedSteps](runErr); ok {
			runErr = nil // they are shown
		}
	}
	if runErr == nil && j.Plan.Undoes == "" {
		if why := c.trial.worthwhile(ctx); why != nil && ctx.Err() == nil {
			return c.discard(ctx, j, why)
		}
	}
	if unproven, ok := errors.AsType[*plan.Unproven](runErr); ok && !rollback && ctx.Err() == nil {
		// All of it is done, and stays: what is told of it is that it has not helped, and the next look tells why.
		c.trial.unproven = c.trial.helpless(unproven, j.Plan.ID)
		runErr = nil
	}
	switch {
	case runErr == nil:
		o.Result = render.Finished
		code := Healthy
		if j.Plan.Undoes != "" {
			c.say.foldRefused()
			if len(c.report.Refused) > 0 {
				code = Unsafe
			}
		}
		if err := j.End(journal.Finished, c.app.Now()); err != nil {
			// All steps are done and marked; only the name of the journal still says otherwise.
			o.Result = render.Unfinished
			o.Next = c.say.ways(err)
			return c.say.failed(err, c.say.ended)
		}
		return c.lookAgain(ctx, code)
	case !j.Touched():
		o.Result, o.Ended = render.Abandoned, interrupted(runErr)
		if err := j.End(journal.Abandoned, c.app.Now()); err != nil {
			runErr = errors.Join(runErr, err)
		}
		return c.say.failed(runErr, c.say.ended)
	case rollback && !interrupted(runErr):
		c.app.notice("a step failed: " + message(runErr))
		c.app.notice("taking back what was done")
		return c.takeBack(ctx, j, runErr)
	}
	o.Result, o.Next = render.Unfinished, c.say.ways(runErr)
	return c.say.failed(c.say.left(runErr), c.say.ended)
}

func interrupted(err error) bool {
	var s *signalled
	return errors.As(err, &s) || errors.Is(err, context.Canceled)
}

// takeBack rolls a journal back. cause is why, nil where the user asked for it.
func (c *change) takeBack(ctx context.Context, j *journal.Journal, cause error) (Code, error) {
	o := c.report.Outcome
	c.say.undoing = true
	err := j.TurnBack()
	if err == nil {
		err = c.drive(ctx, j, true, c.app.sig.stop)
	}
	end := journal.Undone
	o.Result = render.Undone
	if _, ok := errors.AsType[*plan.RefusedSteps](err); ok {
		end, o.Result = journal.Partly, render.PartlyUndone
		c.say.foldRefused()
		err = nil
	}
	if err == nil {
		err = j.End(end, c.app.Now())
	}
	switch {
	case err != nil:
		o.Result, o.Next = render.Unfinished, c.say.ways(err)
		if cause != nil {
			err = fmt.Errorf("%w; taking it back failed, too: %w", cause, err)
		}
		return c.say.failed(c.say.left(err), c.say.ended)
	case cause != nil:
		return c.say.failed(cause, c.say.ended)
	case o.Result == render.PartlyUndone:
		return c.lookAgain(ctx, Unsafe)
	}
	return c.lookAgain(ctx, Healthy)
}

// discard takes a repair back that has not helped.
func (c *change) discard(ctx context.Context, j *journal.Journal, why error) (Code, error) {
	c.app.notice("the repair did not help: " + message(why))
	c.app.notice("taking back what was done")
	return c.takeBack(ctx, j, &failure{
		code: Failed, err: fmt.Errorf("the repair did not help, and was taken back: %w", why),
		next: fmt.Sprintf("%s check %s shows what is left", c.app.Name, c.fix.Name()),
	})
}

// lookAgain asks the fix again, now that the host has changed, and ends the command. A repair that left problems is no
// success; for undo they are to be expected.
func (c *change) lookAgain(ctx context.Context, code Code) (Code, error) {
	var err error
	if c.fix != nil {
		settings := c.settings
		if c.trial.before != nil && c.trial.before.Again != nil {
			settings = c.trial.before.Again
		}
		var after render.Fix
		if c.trial.after != nil && c.trial.before == nil && !c.say.undoing {
			// It was made just now, to see whether the repair is worth keeping, and nothing was done since.
			after = c.look.found(c.fix, *c.trial.after)
		} else {
			after, err = c.look.detect(ctx, c.fix, c.memo, settings, !c.trial.passive && !c.say.undoing)
		}
		c.report.After = []render.Fix{after}
		c.app.log.Debug("looked again", "fix", after.Name, "status", after.Status, "error", err)
		if ctx.Err() != nil {
			c.report.After = nil
			err = fmt.Errorf("all steps are done, but the check of the result was cut short: %w", context.Cause(ctx))
			return c.say.failed(err, c.say.ended)
		}
		if d, ok := c.fix.(fix.Drawer); ok && c.trial.before != nil && after.Picture != nil && !c.say.undoing {
			c.report.Moved = d.Moved(*c.trial.before, *after.Picture)
		}
		if code == Healthy && !c.say.undoing {
			code = verdict(false, render.Count(c.report.After), false)
		}
	}
	if c.trial.unproven != nil {
		return c.say.failed(c.trial.unproven, c.say.ended)
	}
	return c.say.done(code, c.say.ended)
}

// open locks the state directory, once another lixfix has left it, if the user wants to wait for that long. The
// caller closes it.
func (c *change) open(wait time.Duration) (*journal.Dir, error) {
	const pause = 100 * time.Millisecond
	a := c.app
	for until := time.Now().Add(wait); ; time.Sleep(pause) {
		dir, err := journal.Lock(a.Host.StateDir(), step.Kinds())
		if !errors.Is(err, journal.ErrBusy) || !time.Now().Before(until) {
			return dir, err
		}
		if why := a.sig.stop(); why != nil {
			return nil, &failure{code: codeOf(why), err: why, next: "Run it again; nothing was changed."}
		}
		a.progress.Now("another lixfix is at work; waiting for it")
	}
}

// planned shows a plan to the report and to whoever follows.
func (c *change) planned(p *plan.Plan) {
	c.report.Plan = p
	if at := c.app.catalogue.find(p.Fix); at >= 0 {
		c.report.Drawn = figure.Change(p.Places, c.app.Fixes[at].Doc().Places)
	}
	c.app.event(render.Event{Event: render.Planned, Plan: p})
}
