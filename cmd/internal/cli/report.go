package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/redact"
)

// readFirst is what is said of text that is made to be pasted.
const readFirst = "read it before you send it"

var reportCodes = []Code{Healthy, Usage, Failed, Hangup, Interrupt, Terminated}

const named = " Names of users, groups and machines, domains and addresses are replaced, the same name by the same word, and " +
	"tokens and passwords are taken out; names of packages stay. Read it before you send it. Nothing is sent, and nothing is changed."

// describer is "lixfix report".
type describer struct {
	*app
	look       *looker
	withRecord bool // --with-record
}

func newDescriber(a *app) *describer { return &describer{app: a, look: &looker{app: a}} }

func (d *describer) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report [FIX]",
		Short: "Describe what was found, for pasting into an issue",
		Long: paragraph("Describe what was found on this host, as Markdown for pasting into an issue: by one fix, or by "+
			"every fix whose status is not ok."+named) + exitHelp(reportCodes...),
		Example: "  lixfix report\n" + d.catalogue.example("  lixfix report %s"),
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return d.catalogue.unknownFix(args[0])
		}
		return nil
	}
	d.hostFlag(cmd)
	d.recordFlag(cmd)
	cmd.RunE = d.run(func(ctx context.Context, _ *cobra.Command, _ []string) (Code, error) {
		return d.describeAll(ctx)
	})
	for _, f := range d.Fixes {
		cmd.AddCommand(d.one(f))
	}
	return cmd
}

func (d *describer) one(f fix.Fix) *cobra.Command {
	cmd := &cobra.Command{
		Use:   f.Name(),
		Short: "Describe what " + f.Name() + " has found",
		Long: paragraph("Describe what "+f.Name()+" has found on this host, as Markdown for pasting into an issue."+named) +
			exitHelp(reportCodes...),
		Example: fmt.Sprintf("  lixfix report %[1]s\n  sudo lixfix report %[1]s", f.Name()),
	}
	lookFlags(cmd, f)
	d.hostFlag(cmd)
	d.recordFlag(cmd)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef(d.Name+" report describes every fix that is not ok", "report: one fix, or none for all")
		}
		return nil
	}
	cmd.RunE = d.run(func(ctx context.Context, cmd *cobra.Command, _ []string) (Code, error) {
		s, err := options{d.app}.of(f, cmd.Flags())
		if err != nil {
			return Usage, err
		}
		if !f.AppliesTo(d.Host.Facts()) {
			return Failed, fmt.Errorf("%s does not apply to %s", f.Name(), render.System(d.Host.Facts().OS))
		}
		return d.describe(ctx, f, s)
	})
	return cmd
}

const withRecordFlag = "with-record"

// recordFlag gives a command that describes the host the flag to record it as well.
func (d *describer) recordFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.withRecord, withRecordFlag, false, "write a record of this host as well, as \"lixfix record\" does, and name it")
}

// describe prints what is to be pasted of one fix.
func (d *describer) describe(ctx context.Context, f fix.Fix, s fix.Settings) (Code, error) {
	lines, err := pasted(ctx, d.look, f, s)
	if err != nil {
		return Failed, err
	}
	return d.pasteWith(ctx, "report "+f.Name(), lines, []fix.Fix{f}, []fix.Settings{s})
}

// describeAll prints what is to be pasted of all fixes that are not ok.
func (d *describer) describeAll(ctx context.Context) (Code, error) {
	settings := make([]fix.Settings, len(d.Fixes))
	for i, f := range d.Fixes {
		s, err := options{d.app}.of(f, nil)
		if err != nil {
			return Usage, err
		}
		settings[i] = s
	}
	var lines []string
	for i, found := range d.look.detectAll(ctx, d.Fixes, settings, false) {
		if found.Status == fix.OK || found.Status == fix.NotApplicable {
			continue
		}
		more, err := pasted(ctx, d.look, d.Fixes[i], settings[i])
		if err != nil {
			return Failed, err
		}
		lines = append(append(lines, more...), "")
	}
	if ctx.Err() != nil {
		return Failed, context.Cause(ctx)
	}
	if len(lines) == 0 {
		lines = []string{"lixfix found no known problem on this host, as far as it could tell."}
	}
	return d.pasteWith(ctx, "report", lines, d.Fixes, settings)
}

// pasteWith is paste, with a record of the host beside it where that is wanted.
func (d *describer) pasteWith(ctx context.Context, command string, lines []string, of []fix.Fix, settings []fix.Settings) (Code, error) {
	if !d.withRecord {
		return d.paste(command, lines, nil)
	}
	if d.replay != nil {
		return Usage, d.unrecorded("--" + withRecordFlag)
	}
	r := d.hosted("record")
	err := recorder{d.app}.write(ctx, r, of, settings, recording{})
	if err != nil {
		return codeOf(err), err
	}
	d.notice("wrote " + r.Record.File + ": look at it, and attach it to the same issue")
	lines = append(lines, "", "A record of this host is attached: `"+r.Record.File+"`.")
	return d.paste(command, lines, r.Record)
}

// pasted is what is to be pasted of one fix: its findings, and what it adds itself.
func pasted(ctx context.Context, l *looker, f fix.Fix, s fix.Settings) ([]string, error) {
	v, missing := l.through(f.Name(), l.Host)
	lines, err := guarded(ctx, detectLimit, func(ctx context.Context) ([]string, error) {
		if r, ok := f.(fix.Reporter); ok {
			return r.Paste(ctx, v, s)
		}
		found, err := f.Detect(ctx, v, s)
		if err != nil {
			return nil, err
		}
		names, _ := l.through(reportScope, l.Host)
		return pageOf(f, found, l.Host.Facts(), redact.Read(ctx, names)), nil
	})
	if gap := missing(); gap != nil {
		err = gap
	}
	if err != nil {
		return nil, fmt.Errorf("report %s: %w", f.Name(), err)
	}
	return lines, nil
}

// pageOf makes Markdown of findings.
func pageOf(f fix.Fix, found []fix.Finding, facts platform.Facts, names *redact.Names) []string {
	page := redact.NewPage(names)
	page.Heading("%s: %s", redact.Own(f.Name()), redact.Own(f.Doc().Title))
	for _, one := range found {
		page.Item("%s (%s): %s", one.ID, redact.Own(one.Status), one.Summary)
		if one.Reason != "" {
			page.Line("  - why lixfix could not tell: %s", one.Reason)
		}
		for _, e := range one.Evidence {
			switch {
			case e.Expected == "" && e.Observed == "":
				page.Line("  - %s", e.Source)
			default:
				page.Line("  - %s: %s, and should be %s", e.Source, e.Observed, e.Expected)
			}
		}
	}
	page.Heading("Host")
	who := redact.Own("an ordinary user")
	if facts.Root() {
		who = "root"
	}
	page.Item("%s, %s, looked at as %s", render.HostName(facts), facts.Arch, who)
	return page.Lines()
}

// paste prints lines of Markdown, behind one that tells what they are.
func (d *describer) paste(command string, lines []string, with *render.Record) (Code, error) {
	r := d.report("report")
	r.Record = with
	head := fmt.Sprintf("`%s %s`, version %s", program, command, d.Version)
	if d.replay != nil {
		head += ", of a host that was recorded on " + d.recorded().When()
	}
	r.Paste = append([]string{head, ""}, lines...)
	r.Summary = readFirst
	return d.emit(r, Healthy, func(t *render.Text) { t.Verbatim(r.Paste) })
}
