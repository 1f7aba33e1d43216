package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
)

func (a *app) undoCommand() *cobra.Command {
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
			ids, _, _ := journal.IDs(a.Host.StateDir())
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef(a.called(cmd)+" --help", "undo takes one ID, not %d", len(args))
		}
		return nil
	}
	a.askFlags(cmd, &how)
	cmd.RunE = a.run(func(ctx context.Context, cmd *cobra.Command, args []string) (Code, error) {
		return a.undo(ctx, cmd, args, how)
	})
	return cmd
}

func (a *app) undo(ctx context.Context, cmd *cobra.Command, args []string, how ask) (Code, error) {
	c := a.change("undo")
	id := strings.Join(args, "")
	all, err := a.waits(c.report)
	switch {
	case err != nil:
		return Failed, err
	case len(all) > 0 && (id == "" || slices.ContainsFunc(all, func(w journal.Waiting) bool { return w.ID == id || w.Undoes == id })):
		return c.unfinished(ctx, cmd, args, how, true)
	case len(all) > 0:
		return c.fail(a.waiting(all))
	}
	if known, _, err := journal.IDs(a.Host.StateDir()); err == nil && len(known) == 0 && id == "" {
		return c.nothing("no repair was made on this host; nothing to take back")
	}
	if !a.Host.Facts().Root() {
		return c.fail(a.needRoot(cmd, args, nil))
	}
	dir, err := c.open()
	if err != nil {
		return c.fail(err)
	}
	defer dir.Close()
	return c.past(ctx, dir, id, how)
}

// past takes back a repair that has ended: that of the ID, or else the last one.
func (c *change) past(ctx context.Context, dir *journal.Dir, id string, how ask) (Code, error) {
	a := c.app
	past, err := a.target(id)
	if err != nil {
		return c.fail(err)
	}
	if past == nil {
		return c.nothing("no repair was made on this host; nothing to take back")
	}
	switch past.Outcome {
	case journal.Undone:
		return c.nothing(past.Plan.ID + " was taken back already; nothing to do")
	case journal.Partly:
		return c.nothing(fmt.Sprintf("%s was taken back already, except for %s that had changed; nothing to do",
			past.Plan.ID, render.Steps(len(past.Left()))))
	case journal.Abandoned:
		return c.nothing(past.Plan.ID + " failed before it changed anything; nothing to take back")
	}
	if why := a.takenBack(*past); why != "" {
		return c.nothing(why)
	}
	return c.reverse(ctx, dir, *past, how)
}

// takenBack says that a finished repair was taken back and another one has come after that; "" where it is not so. What
// the host looks like does not tell: the later repair may have set the same values, and they are its to take back.
func (a *app) takenBack(past journal.Repair) string {
	all, _ := journal.History(a.Host.StateDir(), step.Kinds()) // what cannot be read took nothing back
	i := slices.IndexFunc(all, func(r journal.Repair) bool {
		return r.Plan.Undoes == past.Plan.ID && r.Outcome == journal.Finished
	})
	if i < 0 {
		return ""
	}
	for _, r := range slices.Backward(all[i+1:]) {
		if r.Plan.Undoes == "" && r.Plan.Fix == past.Plan.Fix && (r.Outcome == journal.Finished || r.Outcome == journal.Partly) {
			return fmt.Sprintf("%s was taken back already, and repaired again by %s; nothing to do", past.Plan.ID, r.Plan.ID)
		}
	}
	return "" // what was left alone then may be free now
}

// target finds the repair to take back: the one of the ID, else the last one that changed something. A repair that took
// another back is passed over, so that undo twice does not go on to older repairs.
func (a *app) target(id string) (*journal.Repair, error) {
	if id != "" {
		past, err := journal.Find(a.Host.StateDir(), id, step.Kinds())
		if errors.Is(err, journal.ErrNotFound) {
			return nil, &failure{code: Usage, err: err, next: "sudo " + a.Name + " history lists the repairs"}
		}
		if err != nil {
			return nil, a.unreadable(err)
		}
		if past.Plan.Undoes != "" {
			return nil, &failure{
				code: Unsafe, err: fmt.Errorf("%s took %s back, and an undo cannot be undone", id, past.Plan.Undoes),
				next: "repair again: sudo " + a.Name + " repair " + past.Plan.Fix,
			}
		}
		return &past, nil
	}
	all, errs := journal.History(a.Host.StateDir(), step.Kinds())
	// What is no file at all holds no repair; the command has named it.
	errs = slices.DeleteFunc(errs, isStrange)
	if len(errs) > 0 {
		return nil, &failure{
			code: Failed, err: fmt.Errorf("find the last repair: %w", errs[0]),
			next: "name the repair to take back: sudo " + a.Name + " undo ID; sudo " + a.Name + " history says what to do about the journal",
		}
	}
	for _, past := range slices.Backward(all) {
		if past.Plan.Undoes == "" && past.Outcome != journal.Abandoned {
			return &past, nil
		}
	}
	return nil, nil //nolint:nilnil // no repair is an answer
}

// reverse plans and does the way back from a finished repair.
func (c *change) reverse(ctx context.Context, dir *journal.Dir, past journal.Repair, how ask) (Code, error) {
	c.know(past.Plan)
	inv, refused, err := c.inverse(ctx, past)
	if ctx.Err() != nil {
		return c.fail(context.Cause(ctx))
	}
	if err != nil {
		return c.fail(fmt.Errorf("look at what %s did: %w", past.Plan.ID, err))
	}
	if err := c.ready(&inv); err != nil {
		return c.fail(err)
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
		return c.nothing(past.Plan.ID + " is taken back already; nothing to do")
	case inv.Empty():
		c.report.Outcome.Result = render.NothingToDo
		return c.done(Unsafe, c.with(show))
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
func (c *change) inverse(ctx context.Context, past journal.Repair) (plan.Plan, []render.Refused, error) {
	inv := past.Plan.Inverse(past.Marks)
	verdicts, err := plan.Preview(ctx, c.memo, inv)
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
