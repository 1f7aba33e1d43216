// Lixfix finds and repairs known issues of Lix and Nix installations.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/lixfix/lixfix/cmd/internal/builder"
	"github.com/lixfix/lixfix/cmd/internal/cli"
	"github.com/lixfix/lixfix/cmd/internal/runner"
	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/known"
	"github.com/lixfix/lixfix/platform"
)

// version is set by the linker.
var version string

func main() {
	if len(os.Args) > 1 && runner.Monitor(os.Args[1:]) {
		os.Exit(runner.Watch(os.Args[1:]))
	}
	var inherited []int
	if slices.Contains(os.Args, "run") {
		inherited = platform.Inherited()
	}
	if err := platform.Seal(); err != nil {
		fmt.Fprintln(os.Stderr, "lixfix: keep inherited files from other programs: "+err.Error())
		os.Exit(3)
	}
	if len(os.Args) == 0 { // execve(2) needs no arguments, not even a name
		os.Args = []string{""}
	}
	if args := os.Args[1:]; builder.Wanted(args) {
		if err := builder.Run(context.Background(), platform.Local(), args, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, "lixfix: "+err.Error())
			os.Exit(1)
		}
		return
	}
	os.Exit(cli.Run(context.Background(), cli.Config{
		Host: platform.Local(), Fixes: fixes.All(), Known: known.Pages(), Inherited: inherited, Args: os.Args[1:], Name: os.Args[0],
		Version: version,
	}))
}
