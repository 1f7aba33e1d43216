// Lixfix finds and repairs known issues of Lix and Nix installations.
package main

import (
	"context"
	"os"

	"github.com/lixfix/lixfix/cmd/internal/cli"
	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/platform"
)

// version is set by the linker.
var version string

func main() {
	os.Exit(cli.Run(context.Background(), cli.Config{
		Host: platform.Local(), Fixes: fixes.All(), Args: os.Args[1:], Name: os.Args[0], Version: version,
	}))
}
