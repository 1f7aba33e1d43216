// Macbox runs lixfix on a simulated Mac, as if it were root there. "make demo" and the tests that kill lixfix use it;
// it is not part of a release.
//
//	macbox list                     the states that a Mac can be in
//	macbox seed STATE ROOT [USERS]  make a Mac in that state below the empty directory ROOT
//	macbox run ROOT [ARGUMENT...]   run lixfix on it
//	macbox fast ROOT [ARGUMENT...]  the same, with no process of their own for its tools
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"github.com/lixfix/lixfix/cmd/internal/cli"
	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// usual is the number of build users that the installers make.
const usual = 32

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "macbox:", err)
		code = 2
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	switch {
	case len(args) == 1 && args[0] == "list":
		for _, v := range mac.Variants(usual) {
			fmt.Fprintf(os.Stdout, "%-24s %s\n", v.Name, v.Doc)
		}
		return 0, nil
	case len(args) >= 3 && len(args) <= 4 && args[0] == "seed":
		users := usual
		if len(args) == 4 {
			n, err := strconv.Atoi(args[3])
			if err != nil {
				return 0, err
			}
			users = n
		}
		return 0, seed(args[1], args[2], users)
	case len(args) >= 2 && (args[0] == "run" || args[0] == "fast"):
		root, err := filepath.Abs(args[1])
		if err != nil {
			return 0, err
		}
		host := platformtest.Host
		if args[0] == "fast" {
			host = platformtest.Inside
			// It runs for a moment, and nobody measures its memory.
			debug.SetGCPercent(400)
		}
		return cli.Run(context.Background(), cli.Config{
			Host: host(root, 0), Fixes: fixes.All(), Args: args[2:], Name: "lixfix", Version: "0.1.0",
		}), nil
	}
	return 0, errors.New("usage: macbox list | seed STATE ROOT [USERS] | run ROOT [ARGUMENT...] | fast ROOT [ARGUMENT...]")
}

func seed(state, root string, users int) error {
	for _, v := range mac.Variants(users) {
		if v.Name != state {
			continue
		}
		defer platformtest.Clean()
		m, err := platformtest.Mac(root, mac.Options{Version: v.Version})
		if err != nil {
			return err
		}
		return v.Seed(m)
	}
	return fmt.Errorf("no state is called %q; see \"macbox list\"", state)
}
