package sandbox

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

// ended is how a call of a tool of Nix ended, for classify to judge.
type ended struct {
	exit   int
	stderr []byte
	report bool // the builder reported
	// pastaDead: a pasta that had ended was seen while Nix waited for it.
	pastaDead bool
}

var (
	// noDaemon: CppNix; Lix; either, where the daemon refuses the user.
	noDaemon = pattern.New(`cannot connect to (?:socket at|daemon at)|could not connect to any lix socket|` +
		`is not allowed to connect to the (?:Nix|Lix) daemon|cannot open connection to remote store 'daemon'`)
	// badConfig are the messages of Nix and Lix for a nix.conf that they do not read.
	badConfig = pattern.New(`syntax error in configuration line|illegal configuration line|` +
		`file '[^']*' included from '[^']*' not found|(?:option|setting) '[^']*' has (?:an )?invalid value|` +
		`configuration setting '[^']*' should (?:have|be)|reading (?:the )?(?:configuration )?file '[^']*nix\.conf'|` +
		`opening file '[^']*nix\.conf'`)
	noPasta = pattern.New(`could not exec pasta: .*`)
	// notExecuted: Lix 2.93 says this of pasta, and Nix of a builder.
	// The name may itself be quotes, as people write them into nix.conf.
	notExecuted = pattern.New(`(?:executing '(.*)'|running (/\S+)): .*`)
	timedOut    = pattern.New(`sandbox network setup timed out`)
	setUp       = pattern.New(`while (?:setting up|waiting for) the build environment|` +
		`getting attributes of path '|opening file '|reading from file`)
	ourBuilder   = pattern.New(`/[a-z0-9]{32}-` + BuilderName + `$`)
	firstError   = pattern.New(`error: *(\S.*)`)
	interruption = pattern.New(`interrupted by the user`)
)

// BuilderName is what the copy of lixfix in the store is called.
const BuilderName = "lixfix-probe"

// classify tells from the messages of a tool of Nix how far the probe came, and why not farther. What it knows was
// seen on Nix 2.8, 2.26 and 2.34 and on Lix 2.93 and 2.95.
func classify(e ended) (Outcome, string) {
	if e.report {
		return Ran, ""
	}
	text := strings.Join(lines(e.stderr, 1000), "\n")
	// Lix 2.93 starts a pasta that cannot be executed, says so, and waits for the network all the same.
	waited := e.pastaDead || timedOut.MatchString(text)
	switch m := notExecuted.FindStringSubmatch(text); {
	case noPasta.MatchString(text):
		return PastaNotRun, noPasta.FindString(text)
	case m != nil && ourBuilder.MatchString(m[1]+m[2]):
		return DynamicBinary, "the builder could not be executed in the sandbox: " + m[0]
	case m != nil && waited:
		return PastaNotRun, m[0]
	case waited && e.pastaDead:
		return SetupTimeout, "pasta exited, and Nix kept waiting for the network that pasta was to set up"
	case waited:
		return SetupTimeout, "Nix gave up waiting for the network of the sandbox"
	case noDaemon.MatchString(text):
		return NoDaemon, complaint(text)
	case badConfig.MatchString(text):
		return BadConfig, complaint(text)
	case e.exit == 0:
		return NoLog, "the build succeeded, but Nix kept no log of it (keep-build-log)"
	case interruption.MatchString(text):
		return Interrupted, ""
	case setUp.MatchString(text):
		// What comes later is what came of it.
		_, after, _ := strings.Cut(text, "the build environment")
		if m := firstError.FindStringSubmatch(after); m != nil {
			return SetupFailed, m[1]
		}
		return SetupFailed, complaint(text)
	}
	return Other, complaint(text)
}

// complaint is the last error in a text, with the line that it is about.
func complaint(text string) string {
	all := strings.Split(text, "\n")
	for _, line := range slices.Backward(all) {
		_, what, ok := strings.Cut(line, "error:")
		if what = strings.TrimSpace(what); ok && what != "" {
			return what
		}
	}
	if len(all) > 0 {
		return strings.TrimSpace(all[len(all)-1])
	}
	return ""
}

// pastaWords are the lines of pasta, which Lix lets through as they are, before the build: neither Nix nor the builder
// is speaking yet.
func pastaWords(stderr []byte) []string {
	var out []string
	for _, line := range lines(stderr, 1000) {
		if strings.HasPrefix(line, "building '") {
			break
		}
		known := strings.HasPrefix(line, "this derivation will be built") || strings.HasPrefix(line, "these ") ||
			strings.HasPrefix(line, " ") || strings.HasPrefix(line, "warning: ") || strings.HasPrefix(line, "error")
		if !known || strings.Contains(line, "pasta exited") || noPasta.MatchString(line) {
			out = append(out, line)
		}
	}
	return out
}

// The addresses that Lix gives to the sandbox behind pasta (lix/libstore/platform/linux.hh).
var (
	pasta4 = netip.MustParseAddr("169.254.1.2")
	pasta6 = netip.MustParseAddr("64:ff9b:1:4b8e:472e:a5c8:a9fe:102")
)

// network tells what the builder had for a network; host is the network namespace of this process, "" where it could
// not be read.
func network(r *Report, host string) Network {
	if r.NetNS != "" && r.NetNS == host {
		return HostNetwork
	}
	var lo, eth0 *Interface
	others := false
	for i := range r.Interfaces {
		switch n := &r.Interfaces[i]; {
		case n.Loopback:
			lo = n
		case n.Name == "eth0":
			eth0 = n
		default:
			// A new namespace may have tunnels of the kernel's own making, which are down.
			others = others || n.Up
		}
	}
	switch {
	case others:
		return OtherNetwork
	case eth0 != nil:
		ours := slices.ContainsFunc(eth0.Addresses, func(s string) bool {
			p, err := netip.ParsePrefix(s)
			return err == nil && (p.Addr() == pasta4 || p.Addr() == pasta6)
		})
		routed := slices.ContainsFunc(r.Routes, func(route Route) bool {
			p, err := netip.ParsePrefix(route.To)
			return err == nil && p.Bits() == 0 && route.Interface == "eth0"
		})
		global := slices.ContainsFunc(eth0.Addresses, func(s string) bool {
			p, err := netip.ParsePrefix(s)
			return err == nil && !p.Addr().IsLinkLocalUnicast()
		})
		switch {
		case ours && routed:
			return PastaNetwork
		case ours, !routed && !global:
			return LateNetwork
		}
		return OtherNetwork
	case lo != nil && lo.Up:
		return Closed
	}
	return NoTun
}

// sandboxed reports whether the builder was in a sandbox; host is the user namespace of this process.
func sandboxed(r *Report, host string) bool {
	// What every sandbox has by default; none of it is a builder's outside of one.
	inUserNS := r.UID == 1000 && r.GID == 100 && r.UserNS != "" && r.UserNS != host
	return r.Cwd == "/build" || inUserNS
}
