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

func (a *app) reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report [FIX]",
		Short: "Describe what was found, for pasting into an issue",
		Long: paragraph("Describe what was found on this host, as Markdown for pasting into an issue: by one fix, or by "+
			"every fix whose status is not ok."+named) + exitHelp(reportCodes...),
		Example: "  lixfix report\n" + a.example("  lixfix report %s"),
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return a.unknownFix(args[0])
		}
		return nil
	}
	a.hostFlag(cmd)
	a.recordFlag(cmd)
	cmd.RunE = a.run(func(ctx context.Context, _ *cobra.Command, _ []string) (Code, error) {
		return a.describeAll(ctx)
	})
	for _, f := range a.Fixes {
		cmd.AddCommand(a.reportOne(f))
	}
	return cmd
}

func (a *app) reportOne(f fix.Fix) *cobra.Command {
	cmd := &cobra.Command{
		Use:   f.Name(),
		Short: "Describe what " + f.Name() + " has found",
		Long: paragraph("Describe what "+f.Name()+" has found on this host, as Markdown for pasting into an issue."+named) +
			exitHelp(reportCodes...),
		Example: fmt.Sprintf("  lixfix report %[1]s\n  sudo lixfix report %[1]s", f.Name()),
	}
	lookFlags(cmd, f)
	a.hostFlag(cmd)
	a.recordFlag(cmd)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef(a.Name+" report describes every fix that is not ok", "report: one fix, or none for all")
		}
		return nil
	}
	cmd.RunE = a.run(func(ctx context.Context, cmd *cobra.Command, _ []string) (Code, error) {
		s, err := a.settingsOf(f, cmd.Flags())
		if err != nil {
			return Usage, err
		}
		if !f.AppliesTo(a.Host.Facts()) {
			return Failed, fmt.Errorf("%s does not apply to %s", f.Name(), render.System(a.Host.Facts().OS))
		}
		return a.describe(ctx, f, s)
	})
	return cmd
}

// describe prints what is to be pasted of one fix.
func (a *app) describe(ctx context.Context, f fix.Fix, s fix.Settings) (Code, error) {
	lines, err := a.pasted(ctx, f, s)
	if err != nil {
		return Failed, err
	}
	return a.pasteWith(ctx, "report "+f.Name(), lines, []fix.Fix{f}, []fix.Settings{s})
}

// describeAll prints what is to be pasted of all fixes that are not ok.
func (a *app) describeAll(ctx context.Context) (Code, error) {
	settings := make([]fix.Settings, len(a.Fixes))
	for i, f := range a.Fixes {
		s, err := a.settingsOf(f, nil)
		if err != nil {
			return Usage, err
		}
		settings[i] = s
	}
	var lines []string
	for i, found := range a.detectAll(ctx, a.Fixes, settings, false) {
		if found.Status == fix.OK || found.Status == fix.NotApplicable {
			continue
		}
		more, err := a.pasted(ctx, a.Fixes[i], settings[i])
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
	return a.pasteWith(ctx, "report", lines, a.Fixes, settings)
}

// pasteWith is paste, with a record of the host beside it where that is wanted.
func (a *app) pasteWith(ctx context.Context, command string, lines []string, of []fix.Fix, settings []fix.Settings) (Code, error) {
	if !a.withRecord {
		return a.paste(command, lines, nil)
	}
	if a.replay != nil {
		return Usage, a.unrecorded("--" + withRecordFlag)
	}
	r := a.hosted("record")
	if err := a.record(ctx, r, of, settings, recording{}); err != nil {
		return codeOf(err), err
	}
	a.notice("wrote " + r.Record.File + ": look at it, and attach it to the same issue")
	lines = append(lines, "", "A record of this host is attached: `"+r.Record.File+"`.")
	return a.paste(command, lines, r.Record)
}

// pasted is what is to be pasted of one fix: its findings, and what it adds itself.
func (a *app) pasted(ctx context.Context, f fix.Fix, s fix.Settings) ([]string, error) {
	v, missing := a.through(f.Name(), a.Host)
	lines, err := guarded(ctx, detectLimit, func(ctx context.Context) ([]string, error) {
		if r, ok := f.(fix.Reporter); ok {
			return r.Paste(ctx, v, s)
		}
		found, err := f.Detect(ctx, v, s)
		if err != nil {
			return nil, err
		}
		names, _ := a.through(reportScope, a.Host)
		return pageOf(f, found, a.Host.Facts(), redact.Read(ctx, names)), nil
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
func (a *app) paste(command string, lines []string, with *render.Record) (Code, error) {
	r := a.report("report")
	r.Record = with
	head := fmt.Sprintf("`%s %s`, version %s", program, command, a.Version)
	if a.replay != nil {
		head += ", of a host that was recorded on " + a.recorded().When()
	}
	r.Paste = append([]string{head, ""}, lines...)
	r.Summary = readFirst
	return a.emit(r, Healthy, func(t *render.Text) { t.Verbatim(r.Paste) })
}
