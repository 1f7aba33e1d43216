package redact

import (
	"net/netip"
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

// hiddenPath stands for a path on a server: it names projects.
const hiddenPath = "[path]"

var (
	url   = pattern.New(`(?i)([a-z][a-z0-9+.-]*://)([^\s/?#'"<>` + "`" + `\\]*)([^\s'"<>` + "`" + `]*)`)
	login = pattern.New(`([\p{L}\p{N}_][\p{L}\p{N}\p{M}._%+-]*)@(` + label + `(?:\.` + label + `)*)`)
	flake = pattern.New(`(?i)(\b(?:github|gitlab|sourcehut):)~?([^\s/'"]+)/[^\s'"]+`)

	dotted   = pattern.New(label + `(?:\.` + label + `)+\.?`)
	quad     = pattern.New(`(^|[^\p{L}\p{N}.])([0-9]{1,3}(?:\.[0-9]{1,3}){3})`)
	hardware = pattern.New(`(?i)(^|[^0-9a-z:-])((?:[0-9a-f]{2}:){5}[0-9a-f]{2}|` +
		`(?:[0-9a-f]{2}-){5}[0-9a-f]{2})\b`)
	uuid      = pattern.New(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	publicKey = pattern.New(`(\b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-[\w-]+|` +
		`sk-[\w@.-]+) )AAAA[A-Za-z0-9+/]{20,}={0,2}`)
	enx         = pattern.New(`(\b[ew][a-z]x)([0-9a-f]{12})\b`) // interfaces that systemd names by their MAC
	ipName      = pattern.New(`\bip-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}\b`)
	fingerprint = pattern.New(`\bSHA256:[A-Za-z0-9+/]{43}`)
	id32        = pattern.New(`[0-9a-fA-F]{32,}`)
	sixes       = pattern.New(`[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*(?:%[\w.-]+)?`)
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

// url replaces the host in the address of a service, and its path where that names people.
func (n *Names) url(m []string) string {
	scheme, authority, path := m[1], m[2], m[3]
	info, at := "", ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		info, at, authority = authority[:i], "@", authority[i+1:]
		if info != Mark && !strings.HasSuffix(info, ":"+Mark) {
			info = n.user(info)
		} else if user, _, ok := strings.Cut(info, ":"); ok {
			info = n.user(user) + ":" + Mark
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
	return scheme + info + at + n.host(host) + authority[len(host):] + port + path
}

// login replaces an e-mail address, or a user on a host.
func (n *Names) login(m []string) string {
	for _, unit := range []string{"service", "socket", "mount", "timer", "scope", "slice", "target"} {
		if strings.HasSuffix(m[2], "."+unit) {
			return m[0] // an instance of a unit of systemd
		}
	}
	return n.user(m[1]) + "@" + n.host(m[2])
}

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

// mayDotted reports whether dotted may replace something: whether a name ends as one of DNS does, or as one that is known.
func (n *Names) mayDotted(s string) bool {
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
		if topLevel()[last] || n.ends[last] {
			return true
		}
		s = s[end:]
	}
}

// dotted replaces a name with dots where it is one of DNS.
func (n *Names) dotted(m []string) string {
	name := strings.ToLower(strings.TrimSuffix(m[0], "."))
	dot := strings.Repeat(".", strings.Count(m[0], ".")-strings.Count(name, "."))
	first, rest, _ := strings.Cut(name, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if isPublic(name) || pseudonym.MatchString(name) || pseudonym.MatchString(first) && (rest == "" || pseudonym.MatchString(strings.Split(rest,
		".")[0])) {
		return m[0]
	}
	if of, ok := n.kinds[name]; ok && of != person && of != account {
		return n.given(name) + dot
	}
	for in := rest; in != ""; _, in, _ = strings.Cut(in, ".") {
		if n.kinds[in] == domain {
			return n.host(name) + dot
		}
	}
	if last == "arpa" || topLevel()[last] && strings.Trim(first, "0123456789") != "" {
		return n.host(name) + dot
	}
	return m[0]
}

// numbered is a pseudonym in brackets, the same for the same thing.
func (n *Names) numbered(what, thing string) string {
	if n.shaped && isShape(what, thing) {
		return thing
	}
	n.used[sorts[what]]++
	if n.addrs[thing] == "" {
		p := "[" + n.next(what+"-") + "]"
		if n.shaped {
			p = shapeOf(what, n.counts[what+"-"])
		}
		n.addrs[thing] = p
	}
	return n.addrs[thing]
}

// well are addresses that are the same for everybody: public resolvers, and what systems and hypervisors make up.
var well = set(
	"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "149.112.112.112", "2606:4700:4700::1111",
	"2606:4700:4700::1001",
	"2001:4860:4860::8888", "2001:4860:4860::8844", "2620:fe::fe", "2620:fe::9", "100.100.100.100",
	"fd7a:115c:a1e0::53", "10.255.255.254",
	"10.0.2.3", "192.168.122.1", "168.63.129.16", "169.254.169.254", "169.254.169.253",
	"64:ff9b:1:4b8e:472e:a5c8:a9fe:101", "64:ff9b:1:4b8e:472e:a5c8:a9fe:102", // what Lix gives to sandboxes
)

// shared are addresses that carrier-grade NAT and VPNs give out (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// address is what is told of an address: all of it where it is the same on every host, and else what sort it is.
func (n *Names) address(a netip.Addr) string {
	zone := a.Zone()
	a = a.WithZone("").Unmap()
	if well()[a.String()] || a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.Is4() &&
		a.IsLinkLocalUnicast() ||
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || isMask(a) {
		return ""
	}
	what := "ipv6"
	switch {
	case a.Is4() && (a.IsPrivate() || shared.Contains(a)):
		if n.shaped {
			return "" // that network is nobody else's
		}
		what = "private-ipv4"
	case a.Is4():
		what = "ipv4"
	case a.IsPrivate():
		if n.shaped {
			return ""
		}
		what = "unique-local-ipv6"
	case a.IsLinkLocalUnicast():
		what = "link-local-ipv6"
	}
	s := n.numbered(what, a.String())
	if zone != "" {
		s += "%" + zone
	}
	return s
}

// isMask reports whether an address is a mask of a network: ones and then zeros.
func isMask(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	return b[0] == 255 && ^v&(^v+1) == 0
}

func (n *Names) ipv4(m []string) string {
	a, err := netip.ParseAddr(m[2])
	if err != nil {
		return m[1] + n.numbered("malformed-ipv4", m[2])
	}
	if s := n.address(a); s != "" {
		return m[1] + s
	}
	return m[0]
}

// ipv6 replaces addresses in all the forms that they have: short, with an IPv4 address in them, with an interface.
func (n *Names) ipv6(s string) string {
	return replace(sixes, s, func(m []string, before, after string) string {
		text := m[0]
		if before != "" && (isAlnum(before[len(before)-1]) || before[len(before)-1] == '_') ||
			after != "" && (isAlnum(after[0]) || after[0] == '_') {
			// The end of a word such as std::string, or more digits than an address has.
			if strings.Count(text, ":") < 4 {
				return text
			}
		}
		// A full stop or a colon behind it ends the sentence.
		for range 3 {
			if a, err := netip.ParseAddr(text); err == nil {
				if h := n.address(a); h != "" {
					if n.shaped && a.Is4In6() {
						h = "::ffff:" + h // no resolver takes one for the other
					}
					return h + m[0][len(text):]
				}
				return m[0]
			}
			cut := strings.TrimRight(text, ".:")
			if cut == text || cut == "" {
				break
			}
			text = text[:len(text)-1]
		}
		text = m[0]
		if p := strings.TrimLeft(text, ":."); p != text {
			if a, err := netip.ParseAddr(strings.TrimRight(p, ":.")); err == nil && a.Is6() {
				if h := n.address(a); h != "" {
					return text[:len(text)-len(p)] + h
				}
				return m[0]
			}
		}
		if hardware.MatchString(text) && len(strings.Trim(text, ":.")) == 17 {
			return m[0]
		}
		if strings.Count(text, ":") >= 4 && strings.ContainsAny(text, "0123456789abcdefABCDEF") {
			return n.numbered("malformed-ipv6", strings.ToLower(text))
		}
		return m[0]
	})
}

// machineID replaces 32 digits, as machine-id(5) has them, that stand alone.
func machineID(n *Names, s string) string {
	return replace(id32, s, func(m []string, before, after string) string {
		if len(m[0]) != 32 || before != "" && isAlnum(before[len(before)-1]) || after != "" && isAlnum(after[0]) ||
			strings.HasSuffix(before, "/nix/store/") || strings.Trim(m[0], "0") == "" || strings.HasSuffix(before,
			"md5:") {
			return m[0]
		}
		return n.numbered("id", strings.ToLower(m[0]))
	})
}
