// Package known has pages about troubles that lixfix recognises by what programs print, and has no fix for. Where a fix
// comes to find one of them, its page goes to that fix, with the ID that it has here.
package known

import (
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
)

// Pages returns all pages. Their remedies are advice.
func Pages() []*fix.Kind {
	return slices.Concat(accounts(), configuration(), daemon(), volume(), launchd(), shell(), certificates(), store(), home())
}

// Page returns the page with an ID, nil for none.
func Page(id string) *fix.Kind {
	for _, k := range Pages() {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// System is the only system that a page is about, "" for any.
func System(id string) string {
	for _, k := range slices.Concat(volume(), launchd()) {
		if k.ID == id {
			return platform.Darwin
		}
	}
	return ""
}

// do is advice: what the user can do, and a command, "" for none.
func do(what, command string) []fix.Remedial {
	return []fix.Remedial{{Class: fix.Advice, Changes: fix.Words(what), Command: fix.Words(command)}}
}

// nix and installer are places of the sources.
const (
	nix       = "https://github.com/NixOS/nix/issues/"
	installer = "https://github.com/DeterminateSystems/nix-installer/issues/"
	darwin    = "https://github.com/nix-darwin/nix-darwin/issues/"
)
