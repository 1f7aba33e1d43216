package netrc

import "github.com/lixfix/lixfix/fixes/fix"

var (
	private = &fix.Kind{
		ID: "netrc/private", Status: fix.OK, Title: "no other user can read /etc/nix/netrc",
		Means: "The passwords in it are as safe as they can be in a file. A host without the file has none to lose.",
	}
	readable = &fix.Kind{
		ID: "netrc/readable", Status: fix.AtRisk, Title: "other users can read /etc/nix/netrc",
		Means: "Nix sends the passwords in it to the servers that it downloads from. Whoever reads them can do the same.",
		Says:  "other users can read {file}, which has mode {mode}",
		Remedies: []fix.Remedial{{
			Class: fix.Safe, Changes: "lets only its owner read {file}", Undo: "sets the old mode again",
		}},
	}
)

// Words of evidence and of steps.
const (
	closed           = "mode 0600"
	modeIs fix.Words = "mode {mode}"
	keep             = "keep passwords from other users"
)
