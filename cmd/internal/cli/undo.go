package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// undoer is "lixfix undo".
type undoer struct{ *app }

func (u undoer) command() *cobra.Command {
	var how ask
	cmd := &cobra.Command{
		Use:   "undo [ID]",
		Short: "Take a repair back",
		Long: "Take a repair back: the unfinished one, else the last one, or the one whose ID\n" +
			"you name (\"lixfix history\" lists them). A step whose value has changed since is\n" +
			"left alone, and lixfix says why; the rest is taken back. Run it again to finish\n" +
			"an undo that was cut short.\n\n" + changing(),
		Example: "  sudo lixfix undo --dry-run\n  sudo lixfix undo\n  sudo lixfix history",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			ids, _, _ := journal.IDs(u.Host.StateDir())
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef(u.called(cmd)+" --help", "undo takes one ID, not %d", len(args))
		}
		return nil
	}
	how.flags(u.app, cmd)
	cmd.RunE = u.run(func(ctx context.Context, cmd *cobra.Command, args []string) (Code, error) {
		return u.undo(ctx, cmd, args, how)
	})
	return cmd
}

func (u undoer) undo(ctx context.Context, cmd *cobra.Command, args []string, how ask) (Code, error) {
	c := newChange(u.app, "undo")
	id := strings.Join(args, "")
	all, err := c.journals.waits(c.report)
	switch {
	case err != nil:
		return Failed, err
	case len(all) > 0 && (id == "" || slices.ContainsFunc(all, func(w journal.Waiting) bool { return w.ID == id || w.Undoes == id })):
		return resumer(u).unfinished(ctx, c, cmd, args, how, true)
	case len(all) > 0:
		return c.say.fail(c.journals.waiting(all))
	}
	if known, _, err := journal.IDs(u.Host.StateDir()); err == nil && len(known) == 0 && id == "" {
		return c.say.nothing("no repair was made on this host; nothing to take back")
	}
	if !u.Host.Facts().Root() {
		return c.say.fail(u.needRoot(cmd, args, nil))
	}
	dir, err := c.open(how.wait)
	if err != nil {
		return c.say.fail(err)
	}
	defer dir.Close()
	return u.past(ctx, c, dir, id, how)
}

// past takes back a repair that has ended: that of the ID, or else the last one.
func (u undoer) past(ctx context.Context, c *change, dir *journal.Dir, id string, how ask) (Code, error) {
	past, err := c.journals.target(id)
	if err != nil {
		return c.say.fail(err)
	}
	if past == nil {
		return c.say.nothing("no repair was made on this host; nothing to take back")
	}
	switch past.Outcome {
	case journal.Undone:
		return c.say.nothing(past.Plan.ID + " was taken back already; nothing to do")
	case journal.Partly:
		return c.say.nothing(fmt.Sprintf("%s was taken back already, except for %s that had changed; nothing to do",
			past.Plan.ID, render.Steps(len(past.Left()))))
	case journal.Abandoned:
		return c.say.nothing(past.Plan.ID + " failed before it changed anything; nothing to take back")
	}
	if why := c.journals.takenBack(*past); why != "" {
		return c.say.nothing(why)
	}
	return u.reverse(ctx, c, dir, *past, how)
}

// reverse plans and does the way back from a finished repair.
func (u undoer) reverse(ctx context.Context, c *change, dir *journal.Dir, past journal.Repair, how ask) (Code, error) {
	c.know(past.Plan)
	inv, refused, err := inverse(ctx, c.memo, past)
	if ctx.Err() != nil {
		return c.say.fail(context.Cause(ctx))
	}
	if err != nil {
		return c.say.fail(fmt.Errorf("look at what %s did: %w", past.Plan.ID, err))
	}
	if err := c.ready(&inv); err != nil {
		return c.say.fail(err)
	}
	c.report.Lasting, c.report.Refused = lasting(past.Plan, past.Marks), refused
	heading := fmt.Sprintf("The repair %s was made on %s.", past.Plan.ID, past.Began.UTC().Format("2006-01-02 15:04 UTC"))
	show := func(t *render.Text) { t.Remaining(*c.report, heading) }
	left := len(refused) + len(c.report.Lasting)
	dry := Problems
	if left > 0 {
		dry = Unsafe
	}
	switch {
	case inv.Empty() && left == 0:
		return c.say.nothing(past.Plan.ID + " is taken back already; nothing to do")
	case inv.Empty():
		c.report.Outcome.Result = render.NothingToDo
		return c.say.done(Unsafe, c.say.with(show))
	}
	return c.propose(ctx, dir, how, proposal{show: show, question: "Take this back", steps: len(inv.Entries), dry: dry})
}

// lasting are the writes of a plan that nobody can take back, of those that were done where marks tell.
func lasting(p plan.Plan, marks []plan.Mark) []render.Refused {
	var all []render.Refused
	for i, e := range p.Entries {
		if w, ok := e.Step.(plan.Lasting); ok && (marks == nil || marks[i] == plan.Done) {
			all = append(all, render.Refused{Step: e.Step.String(), Reason: w.Lasting()})
		}
	}
	return all
}

// inverse is the plan that takes a repair back, without the steps that are back already and without those whose value
// somebody has changed since: the second result.
func inverse(ctx context.Context, memo *platform.Memo, past journal.Repair) (plan.Plan, []render.Refused, error) {
	inv := past.Plan.Inverse(past.Marks)
	verdicts, err := plan.Preview(ctx, memo, inv)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	var refused []render.Refused
	var entries []plan.Entry
	writes := 0
	for i, e := range inv.Entries {
		if _, ok := e.Step.(plan.Write); ok {
			late := plan.IsLate(e.Step)
			switch {
			case verdicts[i].State == plan.Applied && late:
				// Only after the steps before it can it be told.
			case verdicts[i].State == plan.Applied:
				continue
			case verdicts[i].State == plan.Pending:
				writes++
			default:
				refused = append(refused, render.Refused{Step: e.Step.String(), Reason: verdicts[i].Reason})
				continue
			}
		}
		entries = append(entries, e)
	}
	if writes == 0 {
		entries = nil
	}
	if len(refused) > 0 {
		inv.Places = nil // they are of the whole way back
	}
	inv.Entries = entries
	return inv, refused, nil
}
