package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
)

// needRoot is the error of a command that changes the host and was not started by root. lixfix never starts itself
// again: the user sees and types the line.
func (a *app) needRoot(cmd *cobra.Command, args []string, f fix.Fix) error {
	return &failure{code: NoConsent, err: errNeedsRoot(cmd), next: options{a}.sudo(cmd, args, f), typed: true}
}

type needsRootError string

func (e needsRootError) Error() string { return string(e) + " needs root" }

func errNeedsRoot(cmd *cobra.Command) error {
	return needsRootError(strings.TrimPrefix(cmd.CommandPath(), program+" "))
}

// sudo is the command line as it has to be typed for root. sudo drops the environment, so what was set there for the
// fix becomes a flag.
func (op options) sudo(cmd *cobra.Command, args []string, f fix.Fix) string {
	words := append([]string{"sudo", op.app.Name}, strings.Fields(cmd.CommandPath())[1:]...)
	given := map[string]bool{}
	cmd.Flags().Visit(func(fl *pflag.Flag) {
		given[fl.Name] = true
		words = append(words, flagWords(fl)...)
	})
	if f != nil {
		for _, o := range f.Options() {
			v := op.env(o)
			switch {
			case v == "":
			case o.Name == noConfirm:
				if on, err := truth(v); err == nil && on && !given["yes"] {
					words = append(words, "--yes")
				}
			case given[o.Name]:
			case o.Bool:
				if on, err := truth(v); err == nil && on {
					words = append(words, "--"+o.Name)
				}
			default:
				words = append(words, "--"+o.Name+"="+v)
			}
		}
	}
	words = append(words, args...)
	for i, w := range words {
		words[i] = platform.Quote(w)
	}
	return strings.Join(words, " ")
}

func flagWords(fl *pflag.Flag) []string {
	if many, ok := fl.Value.(pflag.SliceValue); ok {
		var words []string
		for _, v := range many.GetSlice() {
			words = append(words, "--"+fl.Name+"="+v)
		}
		return words
	}
	if fl.Value.Type() == "bool" && fl.Value.String() == "true" {
		return []string{"--" + fl.Name}
	}
	return []string{"--" + fl.Name + "=" + fl.Value.String()}
}

// longestName is how long the name may be that lixfix was called by, in bytes.
const longestName = 200
