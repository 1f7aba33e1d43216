// Command mactool is one program under the names of all tools that package mactools stands in for: the name it is called by
// says which tool it is, and the folder that its usr/bin, bin or usr/sbin lies in is the Mac it works on, see package mac. It
// reads no environment variable, since callers clean the environment.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
	"github.com/lixfix/lixfix/platform/platformtest/mactools"
)

func main() {
	self := os.Args[0]
	if !strings.Contains(self, "/") {
		// Found on PATH: the program's own path tells which Mac it is of.
		self, _ = os.Executable()
	}
	self, err := filepath.Abs(self)
	if err != nil {
		fail(err)
	}
	place, ok := mac.Tools()[filepath.Base(self)]
	if !ok {
		fail(fmt.Errorf("%s is no tool of macOS known here", filepath.Base(self)))
	}
	root, ok := strings.CutSuffix(self, place)
	if !ok {
		fail(fmt.Errorf("%s is not at its place, %s", self, place))
	}
	if root == "" {
		root = "/"
	}
	did := mactools.Run(root, place, os.Args[1:], os.Getppid())
	_, out := os.Stdout.Write(did.Stdout)
	_, err = os.Stderr.Write(did.Stderr)
	if out != nil || err != nil {
		os.Exit(mac.Broken)
	}
	os.Exit(did.Exit)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "mactool:", err)
	os.Exit(mac.Broken)
}
