package redact

import (
	"net/netip"
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

// How they look.
var (
	quad     = pattern.New(`(^|[^\p{L}\p{N}.])([0-9]{1,3}(?:\.[0-9]{1,3}){3})`)
	hardware = pattern.New(`(?i)(^|[^0-9a-z:-])((?:[0-9a-f]{2}:){5}[0-9a-f]{2}|` +
		`(?:[0-9a-f]{2}-){5}[0-9a-f]{2})\b`)
	uuid      = pattern.New(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	publicKey = pattern.New(`(\b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-[\w-]+|` +
		`sk-[\w@.-]+) )AAAA[A-Za-z0-9+/]{20,}={0,2}`)
	enx         = pattern.New(`(\b[ew][a-z]x)([0-9a-f]{12})\b`) // interfaces that systemd names by their MAC
	fingerprint = pattern.New(`\bSHA256:[A-Za-z0-9+/]{43}`)
	id32        = pattern.New(`[0-9a-fA-F]{32,}`)
	sixes       = pattern.New(`[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*(?:%[\w.-]+)?`)
)

// addresses knows addresses, and IDs of machines, by how they look.
type addresses struct{ *table }

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

// of is what is told of an address: all of it where it is the same on every host, and else what sort it is.
func (in addresses) of(a netip.Addr) string {
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
		if in.shaped {
			return "" // that network is nobody else's
		}
		what = "private-ipv4"
	case a.Is4():
		what = "ipv4"
	case a.IsPrivate():
		if in.shaped {
			return ""
		}
		what = "unique-local-ipv6"
	case a.IsLinkLocalUnicast():
		what = "link-local-ipv6"
	}
	s := in.numbered(what, a.String())
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

// ipv4 replaces an address, and what would be one if its numbers were not too high.
func (in addresses) ipv4(m []string) string {
	a, err := netip.ParseAddr(m[2])
	if err != nil {
		return m[1] + in.numbered("malformed-ipv4", m[2])
	}
	if s := in.of(a); s != "" {
		return m[1] + s
	}
	return m[0]
}

// ipv6 replaces addresses in all the forms that they have: short, with an IPv4 address in them, with an interface.
func (in addresses) ipv6(s string) string {
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
				if h := in.of(a); h != "" {
					if in.shaped && a.Is4In6() {
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
				if h := in.of(a); h != "" {
					return text[:len(text)-len(p)] + h
				}
				return m[0]
			}
		}
		if hardware.MatchString(text) && len(strings.Trim(text, ":.")) == 17 {
			return m[0]
		}
		if strings.Count(text, ":") >= 4 && strings.ContainsAny(text, "0123456789abcdefABCDEF") {
			return in.numbered("malformed-ipv6", strings.ToLower(text))
		}
		return m[0]
	})
}

// machineID replaces 32 digits, as machine-id(5) has them, that stand alone.
func (in addresses) machineID(s string) string {
	return replace(id32, s, func(m []string, before, after string) string {
		if len(m[0]) != 32 || before != "" && isAlnum(before[len(before)-1]) || after != "" && isAlnum(after[0]) ||
			strings.HasSuffix(before, "/nix/store/") || strings.Trim(m[0], "0") == "" || strings.HasSuffix(before,
			"md5:") {
			return m[0]
		}
		return in.numbered("id", strings.ToLower(m[0]))
	})
}
