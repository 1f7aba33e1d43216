package cli

import (
	"errors"
	"fmt"
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

// lookFlags adds the options of a fix that matter for looking.
func lookFlags(cmd *cobra.Command, f fix.Fix) {
	cmd.Flags().SortFlags = false
	for _, o := range f.Options() {
		if !o.Look {
			continue
		}
		usage := o.Usage
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

// flagOfAFix is the error for a flag that another fix has, or a bare command lacks; nil where no fix has it.
func (a *app) flagOfAFix(cmd *cobra.Command, flag string) error {
	for cmd.HasParent() && cmd.Parent().HasParent() {
		cmd = cmd.Parent()
	}
	if cmd.Name() != "check" && cmd.Name() != "report" {
		return nil
	}
	for _, f := range a.Fixes {
		for _, o := range f.Options() {
			if o.Look && o.Name == flag {
				return usagef(a.called(cmd)+" "+f.Name()+" --"+flag, "--%s is an option of %s", flag, f.Name())
			}
		}
	}
	return nil
}

// lookable refuses what the named fixes cannot do.
func (a *app) lookable(cmd *cobra.Command, wanted []fix.Fix, named, again bool) error {
	one := named && len(wanted) == 1
	for _, f := range wanted {
		for _, o := range f.Options() {
			if fl := cmd.Flags().Lookup(o.Name); o.Look && fl != nil && fl.Changed && !one {
				return usagef("name the fix alone: "+a.Name+" check "+f.Name()+" --"+o.Name, "--%s is an option of %s", o.Name, f.Name())
			}
		}
	}
	what := ""
	switch {
	case again && a.format == dotFormat:
		return usagef("leave one of them out", "--watch and --format dot do not go together")
	case again && a.format == jsonFormat && !a.events:
		return usagef("use --format jsonl, which prints a line for each change", "--watch and --format json do not go together: JSON is one document")
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
