// Package sandbox asks the build sandbox: it builds a derivation that looks around inside, with the Nix that is there, and
// reads what its builder saw. What that means for lookups is for others to say.
package sandbox

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	// Mode is the first argument of lixfix where it is the builder of the probe. The derivation gives it, so that no
	// environment can choose it. Behind it come the nonce, the name to look up, the output to write the nonce to, and how
	// far to look.
	Mode = "sandbox-probe-builder"
	// ModeAll and ModeEnough are the last argument: whether every server is waited for.
	ModeAll    = "all"
	ModeEnough = "enough"
	// Prefix starts the line in which the builder reports; a Report as JSON follows.
	Prefix = "LIXFIX-PROBE-1 "
	// DefaultName is looked up unless Options name another.
	DefaultName = "cache.nixos.org"
)

// The files of the sandbox that are reported.
const (
	ResolvConf = "/etc/resolv.conf"
	NSSwitch   = "/etc/nsswitch.conf"
	Hosts      = "/etc/hosts"
)

// Report is what the builder saw, as one line of JSON behind the prefix of the probe.
type Report struct {
	Nonce string `json:"nonce"`
	UID   int    `json:"uid"`
	GID   int    `json:"gid"`
	Cwd   string `json:"cwd"`
	NetNS string `json:"net_ns"` // "net:[4026533257]"; empty where it could not be read
	// UserNS is the user namespace, "user:[4026531837]".
	UserNS string `json:"user_ns"`
	// Files are /etc/resolv.conf, /etc/nsswitch.conf and /etc/hosts, by name.
	Files      map[string]File `json:"files"`
	Interfaces []Interface     `json:"interfaces"`
	Routes     []Route         `json:"routes"`
	// RouteWait is how many milliseconds the builder waited for an address and a default route on eth0, because pasta
	// sets them after the link; 0 where they were there or there is no eth0.
	RouteWait float64 `json:"route_wait_ms"`
	RouteLate bool    `json:"route_late"` // it had to wait
	Queries   []Query `json:"queries"`
	Tun       string  `json:"tun"` // /dev/net/tun inside: "present", "absent", or an error
	// Cut names what is longer than is reported: a file, "interfaces", "routes" or "servers".
	Cut []string `json:"cut,omitempty"`
}

// File is one file of the sandbox.
type File struct {
	Data  []byte `json:"data,omitempty"`  // base64 in JSON, so that no byte of it can reach a terminal
	Error string `json:"error,omitempty"` // class of the error: "absent", "denied", "directory", or its text
	Link  string `json:"link,omitempty"`  // where the name is a symbolic link, its target
}

// Interface is one network interface.
type Interface struct {
	Name      string   `json:"name"`
	Up        bool     `json:"up"`
	Loopback  bool     `json:"loopback"`
	Addresses []string `json:"addresses"` // with prefix length: "169.254.1.2/16"
}

// Route is one line of the routing tables.
type Route struct {
	Family    int    `json:"family"` // 4 or 6
	To        string `json:"to"`     // "0.0.0.0/0"
	Via       string `json:"via"`    // gateway; empty for none
	Interface string `json:"interface"`
}

// Query is one question put to one name server.
type Query struct {
	Server   string `json:"server"`   // address, as the file writes it
	Protocol string `json:"protocol"` // "udp" or "tcp"
	Name     string `json:"name"`
	Type     string `json:"type"` // "A" or "AAAA"
	// Error is the class of the failure: "timeout", "refused" (the port), "unreachable", "denied", "not-waited" where the
	// verdict stood before, or its text; empty where an answer came, whatever it says.
	Error   string   `json:"error,omitempty"`
	RCode   int      `json:"rcode"` // of the answer; -1 without one
	Answers []string `json:"answers,omitempty"`
	Millis  float64  `json:"ms"`
	// Truncated: the answer did not fit, and has to be asked for over TCP.
	Truncated bool `json:"truncated,omitempty"`
	// Lame: the server knows nothing and refers to nobody, so that resolvers turn to the next one.
	Lame bool `json:"lame,omitempty"`
	// Fallback marks a server that no file names: 127.0.0.1, which is asked where there is no other.
	Fallback bool `json:"fallback,omitempty"`
}

// Says is the answer in words.
func (q Query) Says() string {
	if q.Error != "" {
		return q.Error
	}
	// RFC 1035, 4.1.1.
	switch q.RCode {
	case 0:
		if len(q.Answers) == 0 {
			return "no such record"
		}
		return strings.Join(q.Answers, " ")
	case 1:
		return "FORMERR"
	case 2:
		return "SERVFAIL"
	case 3:
		return "NXDOMAIN"
	case 4:
		return "NOTIMP"
	case 5:
		return "REFUSED"
	}
	return fmt.Sprintf("rcode %d", q.RCode)
}

// Result is one run of the probe, whatever came of it.
type Result struct {
	// Report is nil where no builder reported.
	Report *Report `json:"report,omitempty"`
	// Outcome says how far it came; see the constants.
	Outcome Outcome `json:"outcome"`
	// Implementation and Version are of who built it (the daemon, not the client): "Lix" "2.95.3", "Nix" "2.8.0";
	// empty where it could not be told.
	Implementation string `json:"implementation,omitempty"`
	Version        string `json:"version,omitempty"`
	// Client names what was asked: "nix (Nix) 2.8.0".
	Client string `json:"client,omitempty"`
	Daemon bool   `json:"daemon"` // built by a daemon
	// DaemonSince is when that daemon was started; zero where that could not be told.
	DaemonSince time.Time `json:"-"`

	Trusted *bool    `json:"trusted"` // by the daemon; nil where it could not be told
	Sandbox bool     `json:"sandbox"` // judged by what was seen inside
	Network Network  `json:"network,omitempty"`
	Millis  float64  `json:"ms"`
	Stderr  []string `json:"stderr,omitempty"` // last lines, without control characters, at most 20
	Pasta   []string `json:"pasta,omitempty"`  // what pasta said, where it reached us
	Exit    int      `json:"exit"`             // of the tool; -1 where it did not run to its end
	// Reason says in a sentence why nobody reported, or what else is to be known; empty for a report as it should be.
	Reason string `json:"reason,omitempty"`
	// Hook is the daemon's post-build-hook, which it ran on the output of the probe, because it takes an empty one only from
	// users whom it trusts; empty where there is none, or none was run.
	Hook string `json:"hook,omitempty"`
	// PastaDead says that a pasta that had ended was seen while Nix still waited for it.
	PastaDead bool `json:"pasta_dead,omitempty"`
	// Settings are those that matter here, where Options asked for them; SettingsError says why there are none.
	Settings      []Setting `json:"settings,omitempty"`
	SettingsError string    `json:"settings_error,omitempty"`
	// Left are the store paths that the probe could not remove again.
	Left []string `json:"left,omitempty"`
}

// Unknown reports whether nothing can be said of the sandbox, because nothing was built.
func (r Result) Unknown() bool {
	switch r.Outcome {
	case Ran, SetupFailed, SetupTimeout, PastaNotRun:
		return false
	}
	return true
}

// Outcome is how far a probe came.
type Outcome string

const (
	Ran           Outcome = "ran"            // the builder reported
	NoNix         Outcome = "no-nix"         // no nix on this host
	NoDaemon      Outcome = "no-daemon"      // the daemon is not there
	BadConfig     Outcome = "bad-config"     // nix.conf cannot be read by nix
	SetupFailed   Outcome = "setup-failed"   // failed before the builder, for example a dangling /etc/resolv.conf
	SetupTimeout  Outcome = "setup-timeout"  // "sandbox network setup timed out", or a dead pasta seen while waiting
	PastaNotRun   Outcome = "pasta-not-run"  // pasta could not be executed
	NoLog         Outcome = "no-log"         // it built, and nobody has its words
	Waiting       Outcome = "waiting"        // for something that has nothing to do with the sandbox: see Reason
	DynamicBinary Outcome = "dynamic-binary" // this lixfix is dynamically linked, so that it cannot be a builder
	Interrupted   Outcome = "interrupted"
	Other         Outcome = "other" // see Stderr
)

// Network is what the builder had for a network.
type Network string

const (
	HostNetwork  Network = "host"   // the host's own namespace: Nix, or Lix without pasta
	PastaNetwork Network = "pasta"  // eth0 with pasta's address
	LateNetwork  Network = "late"   // eth0 without an address or a route, even after waiting
	NoTun        Network = "empty"  // only lo, and that down: /dev/net/tun is missing
	Closed       Network = "closed" // only lo, up: not a fixed-output build
	OtherNetwork Network = "other"  // another namespace than this process's, and none that Lix makes
)

// Options are what a probe is to do.
type Options struct {
	Name string // to look up; "" for cache.nixos.org
	// Store is the value of --store: a directory, "daemon" or "local"; "" for the daemon where there is a socket of one.
	Store string
	// Builder is the absolute name of the program that looks from inside: lixfix itself.
	Builder string
	// Extra are further settings, name and value, for A/B runs: {"pasta-path", ""}, {"sandbox", "false"},
	// {"extra-sandbox-paths", "/etc/resolv.conf=FILE"}.
	Extra [][2]string
	// All waits for every server, also for those that no program would have asked.
	All bool
	// Settings asks Nix for its settings as well.
	Settings bool
	// Blocked says in a sentence what a client of Nix waits for that has nothing to do with the sandbox: a lock, a build
	// user, a daemon that is stopped. "" for nothing, or where nobody knows; nil where nobody can say.
	Blocked func(ctx context.Context, client int) string
	// Waiting is called after five seconds with what it waits for, and again when that changes; nil for nobody.
	Waiting func(what string)
}
