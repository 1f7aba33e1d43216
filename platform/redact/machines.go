package redact

import (
	"net/netip"
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

// hiddenPath stands for a path on a server: it names projects.
const hiddenPath = "[path]"

var (
	url    = pattern.New(`(?i)([a-z][a-z0-9+.-]*://)([^\s/?#'"<>` + "`" + `\\]*)([^\s'"<>` + "`" + `]*)`)
	login  = pattern.New(`([\p{L}\p{N}_][\p{L}\p{N}\p{M}._%+-]*)@(` + label + `(?:\.` + label + `)*)`)
	flake  = pattern.New(`(?i)(\b(?:github|gitlab|sourcehut):)~?([^\s/'"]+)/[^\s'"]+`)
	dotted = pattern.New(label + `(?:\.` + label + `)+\.?`)
	ipName = pattern.New(`\bip-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}\b`)
)

// publicHosts are those that everybody uses who uses Nix, with all that is below them.
var publicHosts = set("nixos.org", "lix.systems", "nix-community.org", "localhost", "example.invalid")

// publicPaths are those of them whose paths say what is fetched, and not of whom.
var publicPaths = set("nixos.org", "lix.systems")

// among reports whether a host is one of a set, or in a domain that is.
func among(all map[string]bool, host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for host != "" {
		if all[host] {
			return true
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return false
}

func isPublic(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	switch host {
	case "gitlab.com", "github.com", "codeberg.org", "api.github.com", "raw.githubusercontent.com",
		"codeload.github.com",
		"nix-community.cachix.org", "install.determinate.systems", "ip6-localhost", "ip6-loopback":
		return true
	}
	// The name of a cache on cachix.org is chosen by its owner.
	return among(publicHosts(), host)
}

// common are domains that all the world has.
var common = set(
	"lan", "local", "internal", "intranet", "corp", "localdomain", "home", "arpa", "com", "org", "net", "example",
	"test",
	"invalid", "svc", "cluster", "cluster.local", "svc.cluster.local", "home.arpa", "localhost", "local.lan",
)

// topLevel are domains that no file's name ends in.
var topLevel = set(
	"com", "org", "net", "io", "dev", "de", "fr", "uk", "eu", "edu", "gov", "mil", "local", "lan", "internal",
	"corp", "home",
	"intranet", "localdomain", "test", "example", "invalid", "cloud", "systems", "tech", "ai", "ch", "at", "nl",
	"be", "it", "es",
	"cz", "se", "fi", "dk", "us", "ca", "jp", "cn", "ru", "br", "au", "info", "biz", "xyz", "me", "arpa", "network",
	"online", "site",
	"software", "team", "zone", "company", "solutions", "work", "agency", "host", "server", "private", "onion", "ts",
)

// machines knows machines and domains by their names.
type machines struct {
	*table
	short string // the name of this one, without its domain
}

// this makes the name of this machine known: in full and in short, and the domain that it is in.
func (m *machines) this(name string) {
	full := strings.Trim(key(name), ".")
	m.add(full, own)
	if short, in, ok := strings.Cut(full, "."); ok {
		m.add(short, own)
		m.domain(in)
		full = short
	}
	if m.short == "" && !harmless(full) {
		m.short = full
	}
}

// domain makes a domain known.
func (m *machines) domain(name string) {
	if d := strings.Trim(key(name), "."); !common()[d] {
		m.add(d, domain)
	}
}

// machine makes the name of another machine known, or another name of this one.
func (m *machines) machine(name string) {
	name = strings.Trim(key(name), ".")
	first, in, _ := strings.Cut(name, ".")
	switch {
	case isPublic(name), strings.HasPrefix(name, "localhost"), strings.HasPrefix(name, "ip6-"):
	case first == m.short:
		m.add(name, own)
		m.domain(in)
	default:
		m.add(name, machine)
	}
}

// host is the pseudonym of a machine, which is made known.
func (m *machines) host(name string) string {
	k := strings.Trim(key(name), ".")
	first, _, _ := strings.Cut(k, ".")
	if harmless(k) || isPublic(k) || common()[k] || pseudonym.MatchString(first) {
		return name
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return name // the rules for addresses come later
	}
	m.machine(k)
	if m.kinds[k] == account {
		return name
	}
	return m.given(k)
}

// mayDotted reports whether dotted may replace something: whether a name ends as one of DNS does, or as one that is known.
func (m *machines) mayDotted(s string) bool {
	for {
		i := strings.IndexByte(s, '.')
		if i < 0 {
			return false
		}
		s = s[i+1:]
		end := strings.IndexFunc(s, func(r rune) bool { return !inWord(r) && r != '_' && r != '-' })
		if end < 0 {
			end = len(s)
		}
		last := strings.ToLower(strings.TrimRight(s[:end], "-"))
		if topLevel()[last] || m.ends[last] {
			return true
		}
		s = s[end:]
	}
}

// dotted replaces a name with dots where it is one of DNS.
func (m *machines) dotted(found []string) string {
	name := strings.ToLower(strings.TrimSuffix(found[0], "."))
	dot := strings.Repeat(".", strings.Count(found[0], ".")-strings.Count(name, "."))
	first, rest, _ := strings.Cut(name, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if isPublic(name) || pseudonym.MatchString(name) || pseudonym.MatchString(first) && (rest == "" || pseudonym.MatchString(strings.Split(rest,
		".")[0])) {
		return found[0]
	}
	if of, ok := m.kinds[name]; ok && of != person && of != account {
		return m.given(name) + dot
	}
	for in := rest; in != ""; _, in, _ = strings.Cut(in, ".") {
		if m.kinds[in] == domain {
			return m.host(name) + dot
		}
	}
	if last == "arpa" || topLevel()[last] && strings.Trim(first, "0123456789") != "" {
		return m.host(name) + dot
	}
	return found[0]
}

// inURL replaces the host in the address of a service, and its path where that names people.
func inURL(n *Names, m []string) string {
	scheme, authority, path := m[1], m[2], m[3]
	info, at := "", ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		info, at, authority = authority[:i], "@", authority[i+1:]
		if info != Mark && !strings.HasSuffix(info, ":"+Mark) {
			info = n.users.user(info)
		} else if user, _, ok := strings.Cut(info, ":"); ok {
			info = n.users.user(user) + ":" + Mark
		}
	}
	port := ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		authority, port = authority[:i], authority[i:]
	}
	if authority == "" {
		return scheme + info + at + port + path // a file
	}
	const ends = ".,;:!)]}" // of a sentence
	bare := strings.TrimRight(path, ends)
	if strings.HasSuffix(path, Mark) {
		bare = path
	}
	host := strings.TrimRight(authority, ".,;:!)}")
	switch {
	case strings.Trim(bare, "/") == "", bare == "/[path", among(publicPaths(), host):
	case strings.EqualFold(host, "github.com") && strings.HasPrefix(strings.ToLower(path), "/nixos/"):
	default:
		path = "/" + hiddenPath + path[len(bare):]
	}
	return scheme + info + at + n.machines.host(host) + authority[len(host):] + port + path
}

// userAtHost replaces an e-mail address, or a user on a host.
func userAtHost(n *Names, m []string) string {
	for _, unit := range []string{"service", "socket", "mount", "timer", "scope", "slice", "target"} {
		if strings.HasSuffix(m[2], "."+unit) {
			return m[0] // an instance of a unit of systemd
		}
	}
	return n.users.user(m[1]) + "@" + n.machines.host(m[2])
}
