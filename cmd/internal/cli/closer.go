package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/fixes/fix"
)

// closer says whether fixes may look closer than by reading the host: by a build.
type closer struct {
	probe   bool
	passive bool
}

// flags adds the flags of check. probers are the fixes that can look closer.
func (how *closer) flags(cmd *cobra.Command, probers []string, of ...fix.Fix) {
	names := strings.Join(probers, ", ")
	if names == "" {
		return
	}
	cmd.Flags().BoolVar(&how.probe, "probe", false, "also run a build that looks from inside, even if you name no fix "+
		"("+names+")")
	cmd.Flags().BoolVar(&how.passive, "passive", false, "only read; run no build, even if you name a fix")
	// Behind a fix that builds nothing, they are for those that are named beside it.
	for _, f := range of {
		if _, ok := f.(fix.Prober); !ok {
			_ = cmd.Flags().MarkHidden("probe")
			_ = cmd.Flags().MarkHidden("passive")
		}
	}
}

func (how closer) valid() error {
	if how.probe && how.passive {
		return usagef("leave one of them out", "--probe and --passive do not go together")
	}
	return nil
}

// wanted reports whether to look closer. Who names a fix wants to know; a bare check only reads.
func (how closer) wanted(named bool) bool { return !how.passive && (how.probe || named) }
