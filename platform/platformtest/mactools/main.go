// Command mactools stands in for the tools of macOS that read and change its
// directory, its services and its process table. It is one program under many
// names: the name it is called by says which tool it is, and the folder that
// its usr/bin, bin or usr/sbin lies in is the Mac it works on, see package mac.
// It reads no environment variable, since callers clean the environment.
//
// What the tools print and return follows Apple's DSTools-162 source and
// captures of real Macs. Interactive dscl, authentication and the plist verbs
// (-readpl and its kin) are not there.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// tool does a tool's work and gives its exit status. It calls s.Read or s.Write
// before anything that could be seen.
type tool func(s *mac.Session, args []string) int

var byName = map[string]tool{
	"dscl":         dscl,
	"dscacheutil":  dscacheutil,
	"dsmemberutil": dsmemberutil,
	"dseditgroup":  dseditgroup,
	"launchctl":    launchctl,
	"ps":           ps,
	"sw_vers":      swVers,
	"id":           id,
	"tccutil":      tccutil,
	"lsof":         lsof,
}

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
	name := filepath.Base(self)
	run, ok := byName[name]
	if !ok {
		fail(fmt.Errorf("%s is no tool of macOS known here", name))
	}
	root, ok := strings.CutSuffix(self, mac.Tools()[name])
	if !ok {
		fail(fmt.Errorf("%s is not at its place, %s", self, mac.Tools()[name]))
	}
	if root == "" {
		root = "/"
	}
	s, err := mac.Begin(root, name, os.Args[1:])
	if err != nil {
		fail(err)
	}
	s.Exit(run(s, os.Args[1:]))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "mactools:", err)
	os.Exit(mac.Broken)
}
