// Package mactools stands in for the tools of macOS that read and change its
// directory, its services and its process table, on the Macs of package mac.
//
// What the tools print and return follows Apple's DSTools-162 source and
// captures of real Macs. Interactive dscl, authentication and the plist verbs
// (-readpl and its kin) are not there.
package mactools

import (
	"fmt"
	"path/filepath"

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

// Run does what a call of the tool at place, as "/usr/bin/dscl", does to the Mac below root. Caller is the process that a
// fault would strike.
func Run(root, place string, args []string, caller int) mac.Outcome {
	name := filepath.Base(place)
	run, ok := byName[name]
	if !ok || mac.Tools()[name] != place {
		return mac.Outcome{Stderr: fmt.Appendf(nil, "%s is no tool of macOS known here\n", place), Exit: mac.Broken}
	}
	return mac.Do(root, name, args, caller, func(s *mac.Session) int { return run(s, args) })
}
