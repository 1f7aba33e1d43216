package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// ask says how a command that changes the host is confirmed.
type ask struct {
	yes      bool
	dry      bool
	rollback bool
	accept   []string
	passive  bool
	unproven bool          // no build at the end shows whether it has helped
	wait     time.Duration // for another lixfix to end
}

const limitFlag = "limit"

// changing are the exit codes of the commands that change the host.
func changing() string {
	return exitHelp(Healthy, Problems, Usage, Failed, Waiting, Unsafe, NoConsent, Busy, Hangup, Interrupt, Terminated)
}

// repairer is "lixfix repair".
type repairer struct{ *app }

func (r repairer) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "repair FIX",
		Short: "Repair a known issue: show the plan, ask, do it",
		Long: "Repair a known issue. lixfix shows the plan before it asks. It writes each step\n" +
			"to a journal before it takes it, so a repair that is cut short can be finished\n" +
			"(lixfix resume) or taken back (lixfix undo).\n\n" + changing(),
		Example: "  lixfix repair --help\n  lixfix list",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return r.catalogue.unknownFix(args[0])
			}
			return nil
		},
	}
	cmd.RunE = r.run(func(context.Context, *cobra.Command, []string) (Code, error) {
		return Usage, usagef("known are: "+strings.Join(r.catalogue.names(), ", "), "repair: which fix?")
	})
	for _, f := range r.Fixes {
		cmd.AddCommand(r.one(f))
	}
	return cmd
}

// variables says what stands in brackets behind the flags of a fix; nothing where no flag has a variable.
func variables(f fix.Fix) string {
	if !slices.ContainsFunc(f.Options(), func(o fix.Option) bool { return o.Env != "" }) {
		return ""
	}
	return paragraph("If you leave out a flag that has a variable in [brackets], lixfix takes its value from that variable of " +
		"the environment.")
}

func (r repairer) one(f fix.Fix) *cobra.Command {
	var how ask
	cmd := &cobra.Command{
		Use:     f.Name(),
		Short:   f.Doc().Title,
		Long:    paragraph("Repair this: "+f.Doc().Title+". See \"lixfix explain "+f.Name()+"\".") + variables(f) + changing(),
		Example: fmt.Sprintf("  lixfix repair %[1]s --dry-run\n  sudo lixfix repair %[1]s\n  sudo lixfix repair %[1]s --yes --rollback-on-failure", f.Name()),
	}
	cmd.Args = r.noArgs
	flags := cmd.Flags()
	flags.SortFlags = false
	for _, o := range f.Options() {
		usage := o.Usage
		if o.Env != "" {
			usage += " [" + o.Env + "]"
		}
		switch {
		case o.Name == noConfirm:
		case o.Bool:
			flags.Bool(o.Name, false, usage)
		default:
			flags.Var(new(optionValue), o.Name, usage)
		}
	}
	how.flags(r.app, cmd)
	flags.StringArrayVar(&how.accept, "accept", nil, "agree to a risky remedy: the `ID` of its finding (can be repeated)")
	if _, ok := f.(fix.Prober); ok {
		flags.BoolVar(&how.passive, "passive", false, "run no build; a repair that does not help then stays")
	}
	if f.Doc().Builds {
		flags.BoolVar(&how.unproven, "no-verify", false, "skip the build at the end that shows whether the repair helped")
	}
	flags.BoolVar(&how.rollback, "rollback-on-failure", false, "take everything back if a step fails")
	r.hostFlag(cmd)
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, _ []string) (Code, error) {
		return r.repair(ctx, cmd, f, how)
	})
	return cmd
}

// optionValue is the value of an option that is not boolean. The fix says which values are good.
type optionValue string

// String implements pflag.Value.
func (v *optionValue) String() string { return string(*v) }

// Set implements pflag.Value.
func (v *optionValue) Set(s string) error {
	*v = optionValue(s)
	return nil
}

// Type implements pflag.Value.
func (v *optionValue) Type() string { return "VALUE" }

// flags adds what all commands that change the host have in common.
func (how *ask) flags(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == noConfirm {
			name = "yes"
		}
		return pflag.NormalizedName(name)
	})
	flags.BoolVar(&how.yes, "yes", false, "do not ask (also --no-confirm); agrees to safe remedies only")
	flags.BoolVar(&how.dry, "dry-run", false, "stop after showing the plan")
	flags.DurationVar(&how.wait, "wait", 0, "while another lixfix is at work, wait for it up to `TIME`, such as 90s or 5m")
	flags.DurationVar(&a.limit, limitFlag, 0, "stop after `TIME`, such as 15m: the step in flight is finished, as with SIGTERM")
	a.verbosely(cmd)
}

// allowed decides which remedies may become part of a plan. Risky ones need a person, who is going to see the plan and
// to be asked, or their ID on the command line.
func (how ask) allowed(id string, c fix.Class) bool {
	switch c {
	case fix.Safe:
		return true
	case fix.Risky:
		return !how.yes || slices.Contains(how.accept, id)
	}
	return false
}

func (r repairer) repair(ctx context.Context, cmd *cobra.Command, f fix.Fix, how ask) (Code, error) {
	c := newChange(r.app, "repair")
	c.fix, c.trial.passive = f, how.passive
	for _, id := range how.accept {
		if fix.KindOf(f, id) == nil {
			return Usage, usagef("IDs are shown by: "+r.Name+" check -v", "--accept: %q is not a finding of %s", id, f.Name())
		}
	}
	c.report.Accepted = how.accept
	given := options{r.app}
	var err error
	if c.settings, err = given.of(f, cmd.Flags()); err != nil {
		return Usage, err
	}
	unasked, err := given.unasked(f)
	if err != nil {
		return Usage, err
	}
	if !cmd.Flags().Changed("yes") {
		how.yes = unasked
	}

	if !f.AppliesTo(r.Host.Facts()) {
		c.report.Fixes = []render.Fix{{Name: f.Name(), Title: f.Doc().Title, Status: fix.NotApplicable}}
		c.report.Outcome.Result = render.NotApplicable
		return c.say.done(Healthy, c.say.verdict)
	}
	if r.replay != nil {
		if !how.dry {
			return Usage, r.unrecorded("a repair without --dry-run")
		}
		return r.prepare(ctx, c, nil, how)
	}
	if how.dry {
		switch busy, err := journal.Busy(r.Host.StateDir()); {
		case err != nil:
			return Failed, err
		case busy:
			return c.say.fail(journal.ErrBusy)
		}
		all, err := c.journals.waits(c.report)
		if err != nil {
			return Failed, err
		}
		if len(all) > 0 {
			return c.say.fail(c.journals.waiting(all))
		}
		return r.prepare(ctx, c, nil, how)
	}
	if !r.Host.Facts().Root() {
		if all, err := c.journals.waits(c.report); err == nil && len(all) > 0 {
			return c.say.fail(c.journals.waiting(all))
		}
		return c.say.fail(r.needRoot(cmd, nil, f))
	}
	// Locked before anything is read, so that what is shown is what is applied.
	dir, err := c.open(how.wait)
	if err != nil {
		return c.say.fail(err)
	}
	defer dir.Close()
	all, err := c.journals.waits(c.report)
	if err == nil && len(all) > 0 {
		err = c.journals.waiting(all)
	}
	if err != nil {
		return c.say.fail(err)
	}
	return r.prepare(ctx, c, dir, how)
}

// prepare looks and plans, and does what there is to do. dir is nil for a dry run.
func (r repairer) prepare(ctx context.Context, c *change, dir *journal.Dir, how ask) (Code, error) {
	found, detectErr := c.look.detect(ctx, c.fix, c.memo, c.settings, !c.trial.passive)
	if ctx.Err() != nil {
		return c.say.fail(context.Cause(ctx))
	}
	c.report.Fixes, c.trial.before, c.trial.probed = []render.Fix{found}, found.Picture, found.Probed
	show := func(t *render.Text) { t.Found(*c.report) }
	if detectErr != nil {
		return c.say.failed(detectErr, show)
	}
	for _, id := range how.accept {
		if !slices.ContainsFunc(found.Findings, func(f fix.Finding) bool { return f.ID == id }) {
			r.notice("--accept " + id + ": there is no such finding on this host")
		}
	}
	v, missing := c.look.through(c.fix.Name(), c.memo)
	p, err := guarded(ctx, detectLimit, func(ctx context.Context) (plan.Plan, error) {
		return c.fix.Plan(ctx, v, fix.Request{Settings: c.settings, Allowed: how.allowed, Random: r.Random, Probed: c.trial.probed})
	})
	if ctx.Err() != nil {
		return c.say.fail(context.Cause(ctx))
	}
	if gap := missing(); gap != nil {
		err = gap
	}
	if err != nil {
		return c.say.failed(fmt.Errorf("plan the repair %s: %w", c.fix.Name(), err), show)
	}
	p.Fix = c.fix.Name()
	if !how.unproven {
		c.trial.prove(ctx, &p)
	}
	if v, missing = c.look.through(c.fix.Name(), r.Host); true {
		err = guardedPlan(ctx, v, p)
	}
	if gap := missing(); gap != nil {
		err = gap
	}
	if err != nil {
		return c.say.failed(err, show)
	}
	if err := c.ready(&p); err != nil {
		return c.say.failed(err, show)
	}
	c.report.Lasting = lasting(p, nil)
	c.report.Undecided = undecided(c, found.Findings, how)
	if p.Empty() {
		c.report.Outcome.Result = render.NothingToDo
		return c.say.done(verdict(false, render.Count(c.report.Fixes), false), c.say.with(show))
	}
	return c.propose(ctx, dir, how, proposal{
		show: show, question: "Apply this plan", steps: len(p.Entries), dry: Problems, rollback: how.rollback,
	})
}

// guardedPlan refuses a plan that would write where somebody else than root can turn the names, or that would take
// something from a file which is no step.
func guardedPlan(ctx context.Context, v platform.View, p plan.Plan) error {
	err := plan.Guarded(ctx, v, p.Steps()...)
	if u, ok := errors.AsType[*platform.Untrusted](err); ok {
		return &fix.Refusal{
			ID: p.Fix, Reason: u.Error() + ", so that root's write could land elsewhere",
			Next: fmt.Sprintf("Let only root change it: \"sudo chown root %[1]s && sudo chmod go-w %[1]s\"; then run the command "+
				"again.", platform.Quote(u.Dir)),
		}
	}
	if errors.Is(err, platform.ErrIrreplaceable) {
		return &fix.Refusal{ID: p.Fix, Reason: err.Error(), Next: nextOf(err)}
	}
	return err
}

// undecided are the risky remedies that --yes does not decide for.
func undecided(c *change, found []fix.Finding, how ask) []render.Undecided {
	var list []render.Undecided
	for _, f := range found {
		if f.Remedy == nil || f.Remedy.Class != fix.Risky || how.allowed(f.ID, fix.Risky) ||
			slices.ContainsFunc(list, func(u render.Undecided) bool { return u.ID == f.ID }) {
			continue
		}
		ids := strings.Join(append(slices.Clone(how.accept), f.ID), " --accept ")
		command := "sudo " + c.app.Name + " repair " + c.fix.Name() + " --yes --accept " + ids
		list = append(list, render.Undecided{ID: f.ID, Changes: f.Remedy.Changes, Command: command})
	}
	return list
}
