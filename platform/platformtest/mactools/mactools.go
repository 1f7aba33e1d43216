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
	run := at(place)
	if run == nil {
		return mac.Outcome{Stderr: fmt.Appendf(nil, "%s is no tool of macOS known here\n", place), Exit: mac.Broken}
	}
	return mac.Do(root, name, args, caller, func(s *mac.Session) int { return run(s, args) })
}

// Within is Run in the process of the caller. It reports false, and has done nothing, if that takes a process.
func Within(root, place string, args []string) (mac.Outcome, bool) {
	run := at(place)
	if run == nil {
		return mac.Outcome{}, false
	}
	return mac.Within(root, filepath.Base(place), args, func(s *mac.Session) int { return run(s, args) })
}

// at returns the tool at a place, nil if there is none.
func at(place string) tool {
	name := filepath.Base(place)
	if mac.Tools()[name] != place {
		return nil
	}
	return byName[name]
}
