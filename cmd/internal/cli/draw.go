package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
)

// dotFormat is only for commands with the annotation draws.
const (
	dotFormat = "dot"
	draws     = "draws"
)

// readFirst is what is said of text that is made to be pasted.
const readFirst = "read it before you send it"

// drawers are the names of the fixes that can be drawn.
func (a *app) drawers() []string {
	var names []string
	for _, f := range a.Fixes {
		if _, ok := f.(fix.Drawer); ok {
			names = append(names, f.Name())
		}
	}
	return names
}

func (a *app) drawExamples() string {
	var lines []string
	for _, name := range a.drawers() {
		lines = append(lines, "  lixfix check "+name, "  lixfix check "+name+" --watch", "  lixfix check "+name+" --format dot")
	}
	return strings.Join(lines, "\n")
}

// lookFlags adds the options that matter for looking.
func (a *app) lookFlags(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	for _, f := range a.Fixes {
		for _, o := range f.Options() {
			if !o.Look || cmd.Flags().Lookup(o.Name) != nil {
				continue
			}
			usage := f.Name() + ": " + o.Usage
			if o.Env != "" {
				usage += " [" + o.Env + "]"
			}
			if o.Bool {
				cmd.Flags().Bool(o.Name, false, usage)
			} else {
				cmd.Flags().Var(new(optionValue), o.Name, usage)
			}
		}
	}
}

// lookable refuses what the named fixes cannot do.
func (a *app) lookable(cmd *cobra.Command, wanted []fix.Fix, named, again bool) error {
	one := named && len(wanted) == 1
	known := map[string]bool{}
	for _, f := range a.Fixes {
		for _, o := range f.Options() {
			if fl := cmd.Flags().Lookup(o.Name); !o.Look || fl == nil || !fl.Changed || known[o.Name] {
				continue
			}
			if !one || !slices.ContainsFunc(wanted[0].Options(), func(p fix.Option) bool { return p.Look && p.Name == o.Name }) {
				return usagef("name the fix alone: "+a.Name+" check "+f.Name()+" --"+o.Name, "--%s is an option of %s", o.Name, f.Name())
			}
			known[o.Name] = true
		}
	}
	what := ""
	switch {
	case again && a.format == dotFormat:
		return usagef("leave one of them out", "--watch and --format dot do not go together")
	case again && a.format == jsonFormat && !a.events:
		return usagef("use --format jsonl, which prints a line for each change", "--watch and --format json do not go together: that is one document")
	case again:
		what = "--watch"
	case a.format == dotFormat:
		what = "--format dot"
	default:
		return nil
	}
	if one {
		if _, ok := wanted[0].(fix.Drawer); ok {
			return nil
		}
	}
	return usagef("name one of these, alone: "+strings.Join(a.drawers(), ", "), "%s is for a fix that can be drawn", what)
}

// drawn is the picture of the only fix of a report, nil where there is none.
func drawn(r render.Report) *fix.Picture {
	if len(r.Fixes) != 1 {
		return nil
	}
	return r.Fixes[0].Picture
}

// undrawn says why there is no picture.
func (a *app) undrawn(r render.Report) error {
	for _, f := range r.Fixes {
		for _, found := range f.Findings {
			if found.Reason != "" {
				return fmt.Errorf("%s: %s", f.Name, found.Reason)
			}
		}
	}
	return errors.New(r.Summary)
}

func (a *app) reportCommand() *cobra.Command {
	var names []string
	var known []fix.Reporter
	for _, f := range a.Fixes {
		if r, ok := f.(fix.Reporter); ok {
			names, known = append(names, f.Name()), append(known, r)
		}
	}
	example := ""
	for _, name := range names {
		example += fmt.Sprintf("  lixfix report %[1]s\n  sudo lixfix report %[1]s\n", name)
	}
	if example == "" {
		example = "  lixfix list"
	}
	cmd := &cobra.Command{
		Use:   "report FIX",
		Short: "Describe what was found, to be pasted into an issue",
		Long: "Describe what was found on this host as Markdown, to be pasted into an issue for\n" +
			"the Lix developers: what hangs, versions, the settings that matter, and the last\n" +
			"lines that the daemon logged. Names of users, groups and machines, domains and\n" +
			"addresses are replaced, the same name by the same word, and tokens and passwords\n" +
			"are taken out; names of packages stay. Read it before you send it. Nothing is\n" +
			"sent, nothing is changed, and no Nix is run for it.\n\n" + exitHelp(Healthy, Usage, Failed, Hangup, Interrupt, Terminated),
		Example: strings.TrimSuffix(example, "\n"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || !slices.Contains(names, args[0]) {
			return usagef("can be reported: "+strings.Join(names, ", "), "report: which fix?")
		}
		return nil
	}
	a.lookFlags(cmd)
	cmd.RunE = a.run(func(ctx context.Context, cmd *cobra.Command, args []string) (Code, error) {
		f := known[slices.Index(names, args[0])]
		if err := a.lookable(cmd, []fix.Fix{f}, true, false); err != nil {
			return Usage, err
		}
		s, err := a.settingsOf(f, cmd.Flags())
		if err != nil {
			return Usage, err
		}
		r := a.report("report")
		if !f.AppliesTo(a.Host.Facts()) {
			return Failed, fmt.Errorf("%s does not apply to %s", f.Name(), render.System(a.Host.Facts().OS))
		}
		r.Paste, err = guarded(ctx, detectLimit, func(ctx context.Context) ([]string, error) { return f.Paste(ctx, a.Host, s) })
		if err != nil {
			return Failed, fmt.Errorf("report %s: %w", f.Name(), err)
		}
		r.Paste = append([]string{fmt.Sprintf("`%s report %s`, version %s", program, f.Name(), a.Version), ""}, r.Paste...)
		r.Summary = readFirst
		return a.emit(r, Healthy, func(t *render.Text) { t.Verbatim(r.Paste) })
	})
	return cmd
}
