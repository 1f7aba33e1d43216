package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
)

// resumer is "lixfix resume", and what goes on with an unfinished repair.
type resumer struct{ *app }

func (r resumer) command() *cobra.Command {
	var how ask
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Finish a repair that was cut short",
		Long: "Finish a repair that was cut short by a signal, a crash or a step that failed.\n" +
			"Its journal says which steps are done. lixfix shows the rest, asks once, and\n" +
			"does it; if the host has changed since, it refuses. If an undo was cut short, it\n" +
			"finishes the undo.\n\n" + changing(),
		Example: "  lixfix resume --dry-run\n  sudo lixfix resume",
	}
	cmd.Args = r.noArgs
	how.flags(r.app, cmd)
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, _ []string) (Code, error) {
		c := newChange(r.app, "resume")
		all, err := c.journals.waits(c.report)
		if err != nil {
			return Failed, err
		}
		if len(all) == 0 {
			return c.say.nothing("no unfinished repair waits; nothing to do")
		}
		return r.unfinished(ctx, c, cmd, nil, how, false)
	})
	return cmd
}

// unfinished goes on with the unfinished repair, forwards or, with undo, back. An undo that was cut short keeps its
// direction, whichever command goes on with it: half of a way and half of the other lead nowhere.
func (r resumer) unfinished(ctx context.Context, c *change, cmd *cobra.Command, args []string, how ask, undo bool) (Code, error) {
	if !r.Host.Facts().Root() {
		// Journals can hold secrets, so that nobody else can read them, not even for a dry run.
		return c.say.fail(r.needRoot(cmd, args, nil))
	}
	dir, err := c.open(how.wait)
	if err != nil {
		return c.say.fail(err)
	}
	defer dir.Close()
	j, err := dir.Open()
	switch {
	case err != nil:
		return c.say.fail(c.journals.unreadable(err))
	case j == nil && undo:
		// It was killed when all was done but for the end of its journal, which opening has written.
		c.report.Unfinished = nil
		return undoer(r).past(ctx, c, dir, strings.Join(args, ""), how)
	case j == nil:
		return c.say.nothing("no unfinished repair waits; nothing to do")
	}
	c.know(j.Plan)
	back := j.Back() || undo && j.Plan.Undoes == ""
	c.say.undoing = back || j.Plan.Undoes != ""
	o := c.report.Outcome
	o.ID, o.Total, o.Done = j.Plan.ID, len(j.Plan.Entries), held(j)
	c.report.Left = &render.LeftToDo{ID: o.ID, Began: j.Began, Done: o.Done, Total: o.Total}
	todo := ahead(j, back)
	c.planned(&todo)
	head := whatWaits(j, back)
	if how.dry {
		c.report.Unfinished = []string{o.ID}
	}
	question := "Finish this repair"
	switch {
	case j.Back() || j.Plan.Undoes != "":
		question = "Go on taking this repair back"
	case back:
		question = "Take this repair back"
	}
	begun := false
	code, err := c.propose(ctx, dir, how, proposal{
		show: func(t *render.Text) { t.Remaining(*c.report, head) }, question: question, steps: len(todo.Entries), dry: Waiting,
		begin: func() (*journal.Journal, error) {
			begun = true
			if !back {
				c.trial.depict(ctx)
			}
			return j, nil
		},
		back: back,
	})
	if !begun {
		j.Close()
	}
	return code, err
}

// whatWaits says what waits and what is going to be done about it.
func whatWaits(j *journal.Journal, back bool) string {
	began := j.Began.UTC().Format("2006-01-02 15:04 UTC")
	steps := fmt.Sprintf("%d of %s", held(j), render.Steps(len(j.Plan.Entries)))
	switch {
	case j.Plan.Undoes != "":
		return fmt.Sprintf("The undo of the repair %s began on %s and has done %s. To be done now:", j.Plan.Undoes, began, steps)
	case j.Back():
		return fmt.Sprintf("The repair %s began on %s and is being taken back; %s are left. To be taken back now:", j.Plan.ID, began, steps)
	case back:
		return fmt.Sprintf("The repair %s began on %s and has done %s. To be taken back now:", j.Plan.ID, began, steps)
	}
	return fmt.Sprintf("The repair %s began on %s and has done %s. To be done now:", j.Plan.ID, began, steps)
}

// know finds the fix of a plan. Of its settings, those that went into the plan decide what is looked at afterwards.
func (c *change) know(p plan.Plan) {
	if i := c.app.catalogue.find(p.Fix); i >= 0 {
		c.fix = c.app.Fixes[i]
		c.settings = recall(c.fix, p)
	}
}

// recall gives the fix the settings that a plan was made with.
func recall(f fix.Fix, p plan.Plan) fix.Settings {
	s := fix.Settings{}
	for _, o := range f.Options() {
		for _, given := range p.Settings {
			if given.Name == o.Name {
				s[o.Name] = fix.Setting{Value: given.Value, Source: given.Source}
			}
		}
	}
	return s
}

// ahead is what a run of the journal has left to do, as a plan that is only shown.
func ahead(j *journal.Journal, back bool) plan.Plan {
	marks := j.Marks()
	if back {
		p := j.Plan.Inverse(marks)
		p.ID, p.Version, p.Made = j.Plan.ID, j.Plan.Version, j.Plan.Made
		return p
	}
	p := j.Plan
	p.Entries = nil
	for i, e := range j.Plan.Entries {
		if m := marks[i]; m != plan.Done && m != plan.Already && m != plan.Skipped {
			p.Entries = append(p.Entries, e)
		}
	}
	return p
}
