package redact

import (
	"fmt"
	"net/netip"
	"strings"
)

// Shapes of what is numbered, where it has to stay readable for what reads it. None of them is anybody's.
var (
	shapes4    = netip.MustParsePrefix("198.18.0.0/15")      // for benchmarks (RFC 2544)
	shapes6    = netip.MustParsePrefix("2001:db8:5afe::/48") // within what documentation has (RFC 3849)
	shapesLink = netip.MustParsePrefix("fe80::5afe:0:0/96")
)

const (
	shapeMAC  = "02:00:5a:"
	shapeUUID = "00000000-0000-4000-8000-"
	shapeID   = "5afe0000000000000000"
	shape999  = "999.0."
	shapeSix  = "::::"
	// systemUUID is how macOS begins those of its own accounts, which are the same on every Mac.
	systemUUID = "ffffeeee-dddd-cccc-bbbb-aaaa"
)

// sorts are what things that are numbered are called where they are counted.
var sorts = map[string]string{
	"ipv4": "address", "ipv6": "address", "private-ipv4": "address", "unique-local-ipv6": "address",
	"link-local-ipv6": "address", "malformed-ipv4": "address", "malformed-ipv6": "address", "mac": "hardware address",
	"uuid": "UUID", "id": "machine ID", "serial": "serial number",
}

// shapeOf is the ith thing of a sort.
func shapeOf(what string, i int) string {
	switch what {
	case "ipv4":
		a := shapes4.Addr().As4()
		a[1] += byte(i >> 16 & 1)
		a[2], a[3] = byte(i>>8), byte(i)
		return netip.AddrFrom4(a).String()
	case "ipv6", "link-local-ipv6":
		in := shapes6
		if what != "ipv6" {
			in = shapesLink
		}
		a := in.Addr().As16()
		a[13], a[14], a[15] = byte(i>>16), byte(i>>8), byte(i)
		return netip.AddrFrom16(a).String()
	case "malformed-ipv4":
		return fmt.Sprintf("%s%d.%d", shape999, i>>8&0xff, i&0xff)
	case "malformed-ipv6":
		return fmt.Sprintf("%s%x", shapeSix, i)
	case "mac":
		return fmt.Sprintf("%s%02x:%02x:%02x", shapeMAC, i>>16&0xff, i>>8&0xff, i&0xff)
	case "uuid":
		return fmt.Sprintf("%s%012d", shapeUUID, i)
	case "id":
		return fmt.Sprintf("%s%012d", shapeID, i)
	case "serial":
		return fmt.Sprintf("SERIAL%06d", i)
	}
	return fmt.Sprintf("%s%d", what, i)
}

// isShape reports whether a thing is one that shapeOf has made, so that redacting twice is redacting once.
func isShape(what, thing string) bool {
	switch what {
	case "ipv4", "ipv6", "link-local-ipv6":
		a, err := netip.ParseAddr(thing)
		return err == nil && (shapes4.Contains(a) || shapes6.Contains(a) || shapesLink.Contains(a))
	case "malformed-ipv4":
		return strings.HasPrefix(thing, shape999)
	case "malformed-ipv6":
		return strings.HasPrefix(thing, shapeSix)
	case "mac":
		return strings.HasPrefix(thing, shapeMAC)
	case "uuid":
		return strings.HasPrefix(thing, shapeUUID) || strings.HasPrefix(thing, systemUUID)
	case "id":
		return strings.HasPrefix(thing, shapeID)
	case "serial":
		return strings.HasPrefix(thing, "SERIAL")
	}
	return false
}

// asked are words that lixfix's own questions are made of. Where somebody is called like one of them, it is left alone
// in a record: a name that is in every path gives nobody away, and without it no question would find its answer.
var asked = set(
	"etc", "usr", "bin", "sbin", "lib", "lib64", "libexec", "var", "run", "dev", "proc", "sys", "tmp", "opt", "root", "home",
	"users", "library", "system", "private", "volumes", "applications", "nix", "lix", "conf", "config", "daemon", "store", "db",
	"profiles", "profile", "gcroots", "temproots", "userpool", "userpool2", "default", "local", "share", "state", "log", "lock",
	"passwd", "group", "groups", "hosts", "hostname", "resolv", "resolve", "systemd", "network", "net", "stub", "launchdaemons",
	"launchagents", "plist", "service", "socket", "target", "wants", "unit", "units", "self", "stat", "status", "task", "fd",
	"fdinfo", "ns", "mnt", "pid", "user", "tcp", "tcp6", "cmdline", "environ", "mounts", "mountinfo", "locks", "uptime",
	"version", "kernel", "sysctl", "random", "receipt", "json", "installer", "sandbox", "build", "builds", "drvs", "current",
	"load", "gc", "big", "sqlite", "shm", "wal", "dscl", "ps", "lsof", "launchctl", "journalctl", "systemctl", "ip", "nft",
	"rule", "show", "print", "list", "read", "readall", "name", "names", "path", "src", "info", "data", "main", "test", "apps",
	"nixos", "darwin", "org", "com", "io", "github", "server", "client", "worker", "machines", "netrc", "registry", "true",
	"false", "yes", "no", "d", "x86_64", "aarch64", "amd64", "arm64", "linux", "macos", "file", "files", "the", "and", "for", "not",
)
