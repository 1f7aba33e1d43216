package observe

import "time"

// Options say what to look at.
type Options struct {
	Gap      time.Duration // between the samples; 0 for 400 ms
	PID      int           // of the one invocation to explain: its client, worker or builder; 0 for all
	StoreDir string        // "" for /nix/store
	StateDir string        // "" for /nix/var/nix
	Group    string        // of the build users; "" for nixbld
	Start    string        // of the process with the number PID; "" for whichever has it
}

func (o Options) store() string {
	if o.StoreDir != "" {
		return o.StoreDir
	}
	return "/nix/store"
}

func (o Options) state() string {
	if o.StateDir != "" {
		return o.StateDir
	}
	return "/nix/var/nix"
}

// Limit is something that could not be seen.
type Limit struct {
	ID        string `json:"id"`
	What      string `json:"what"`
	NeedsRoot bool   `json:"needs_root,omitempty"`
	Command   string `json:"command,omitempty"` // that would
}
