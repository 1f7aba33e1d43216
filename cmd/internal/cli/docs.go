package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/fixes/fix"
)

// Commands returns the commands with their texts and flags, for a program that documents them. They are not to be run.
func Commands(fixes []fix.Fix) *cobra.Command {
	cfg := Config{Fixes: fixes, Name: program, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}
	root := commandTree{newApp(cfg)}.root()
	root.InitDefaultHelpCmd()
	return root
}

// Program is the name that the texts call the program by.
const Program = program
