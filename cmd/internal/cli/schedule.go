package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/schedule"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
)

// executable is the name of the running program, without links.
func executable() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(name)
}

// scheduler is "lixfix schedule".
type scheduler struct{ *app }

func (s scheduler) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule {install|remove}",
		Short: "Check this host after every boot",
		Long: "Check this host after every boot, and so after every upgrade of the system.\n" +
			"The check changes nothing. On Linux it reports to the systemd journal\n" +
			"(journalctl -u lixfix-check.service), on macOS to /var/log/lixfix.log. With\n" +
			"\"install --prometheus FILE\" it runs every hour too, and writes metrics.\n\n" + exitHelp(Healthy, Usage),
		Example: "  lixfix schedule install --help",
	}
	cmd.Args = s.noArgs
	cmd.RunE = s.run(func(context.Context, *cobra.Command, []string) (Code, error) {
		return Usage, usagef("use "+s.Name+" schedule install or "+s.Name+" schedule remove", "schedule: install or remove?")
	})
	metrics := ""
	install := s.one("install", "Install the job", func(ctx context.Context, c *change) (plan.Plan, error) {
		name, err := s.Program()
		if err != nil {
			return plan.Plan{}, fmt.Errorf("find the program that the job is to run: %w", err)
		}
		return schedule.Install(ctx, c.memo, name, metrics)
	}, "With --prometheus, the job also runs every hour, and writes metrics to a file for node_exporter's textfile collector. "+
		"On Linux, the hourly runs begin at the next boot, or now with \"sudo systemctl start lixfix-check.timer\". To change the "+
		"job, install it again with other options.")
	install.Example += "\n  sudo lixfix schedule install --prometheus /var/lib/node_exporter/lixfix.prom"
	install.Flags().StringVar(&metrics, "prometheus", "", "also run every hour, and write metrics to `FILE`, an absolute name that ends in .prom")
	_ = install.MarkFlagFilename("prometheus", "prom")
	cmd.AddCommand(
		install,
		s.one("remove", "Remove the job", func(ctx context.Context, c *change) (plan.Plan, error) {
			return schedule.Remove(ctx, c.memo)
		}, "This also removes the file of metrics that the job wrote."))
	return cmd
}

func (s scheduler) one(name, short string, draw func(context.Context, *change) (plan.Plan, error), more string) *cobra.Command {
	var how ask
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Long: short + ". As with a repair, the plan is shown before anything is\n" +
			"asked, and \"lixfix undo\" takes it back.\n\n" + paragraph(more) + changing(),
		Example: fmt.Sprintf("  lixfix schedule %[1]s --dry-run\n  sudo lixfix schedule %[1]s", name),
	}
	cmd.Args = s.noArgs
	how.flags(s.app, cmd)
	cmd.RunE = s.run(func(ctx context.Context, cmd *cobra.Command, _ []string) (Code, error) {
		c := newChange(s.app, "schedule")
		if !how.dry && !s.Host.Facts().Root() {
			return c.say.fail(s.needRoot(cmd, nil, nil))
		}
		return s.schedule(ctx, c, name, how, draw)
	})
	return cmd
}

func (s scheduler) schedule(ctx context.Context, c *change, name string, how ask, draw func(context.Context, *change) (plan.Plan, error)) (Code, error) {
	var dir *journal.Dir
	if !how.dry {
		var err error
		if dir, err = c.open(how.wait); err != nil {
			return c.say.fail(err)
		}
		defer dir.Close()
	}
	all, err := c.journals.waits(c.report)
	if err == nil && len(all) > 0 {
		err = c.journals.waiting(all)
	}
	if err != nil {
		return c.say.fail(err)
	}
	p, err := draw(ctx, c)
	if err != nil {
		return c.say.fail(fmt.Errorf("plan to %s the job: %w", name, err))
	}
	if p.Empty() {
		return c.say.nothing(map[string]string{"install": "the job is installed already; nothing to do", "remove": "no job is installed; nothing to do"}[name])
	}
	if err := c.ready(&p); err != nil {
		return c.say.fail(err)
	}
	_, reports := schedule.File(c.memo.Facts())
	return c.propose(ctx, dir, how, proposal{
		show: func(t *render.Text) {
			t.Remaining(*c.report, "To "+name+" the job that checks this host after every boot (it reports to "+reports+"):")
		},
		question: "Do this", steps: len(p.Entries), dry: Problems,
	})
}
