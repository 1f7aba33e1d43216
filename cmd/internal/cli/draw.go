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

// lookable refuses what the named fixes cannot do.
func (c checker) lookable(cmd *cobra.Command, wanted []fix.Fix, named, again bool) error {
	one := named && len(wanted) == 1
	for _, f := range wanted {
		for _, o := range f.Options() {
			if fl := cmd.Flags().Lookup(o.Name); o.Look && fl != nil && fl.Changed && !one {
				return usagef("name the fix alone: "+c.Name+" check "+f.Name()+" --"+o.Name, "--%s is an option of %s", o.Name, f.Name())
			}
		}
	}
	what := ""
	switch {
	case again && c.format == dotFormat:
		return usagef("leave one of them out", "--watch and --format dot do not go together")
	case again && c.format == jsonFormat && !c.events:
		return usagef("use --format jsonl, which prints a line for each change", "--watch and --format json do not go together: JSON is one document")
	case again:
		what = "--watch"
	case c.format == dotFormat:
		what = "--format dot"
	default:
		return nil
	}
	if one {
		if _, ok := wanted[0].(fix.Drawer); ok {
			return nil
		}
	}
	return usagef("name one of these, alone: "+strings.Join(c.catalogue.drawers(), ", "), "%s is for a fix that can be drawn", what)
}

// drawn is the picture of the only fix of a report, nil where there is none.
func drawn(r render.Report) *fix.Picture {
	if len(r.Fixes) != 1 {
		return nil
	}
	return r.Fixes[0].Picture
}

// undrawn says why there is no picture.
func undrawn(r render.Report) error {
	for _, f := range r.Fixes {
		for _, found := range f.Findings {
			if found.Reason != "" {
				return fmt.Errorf("%s: %s", f.Name, found.Reason)
			}
		}
	}
	return errors.New(r.Summary)
}
