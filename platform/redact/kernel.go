package redact

import (
	encodinghex "encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

// routes are the tables of the kernel, which write addresses as bare numbers: IPv6 as it is sent, IPv4 in the order of
// the machine.
func routes(data []byte, four bool, address func(netip.Addr) netip.Addr) []byte {
	form := bare6
	if four {
		form = bare4
	}
	return form.ReplaceAllFunc(data, func(m []byte) []byte {
		raw, err := encodinghex.DecodeString(string(m))
		if err != nil {
			return m
		}
		if len(raw) == 4 {
			slices.Reverse(raw)
		}
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return m
		}
		to := address(a).AsSlice()
		if len(to) != len(raw) {
			return m
		}
		if len(raw) == 4 {
			slices.Reverse(to)
			return []byte(strings.ToUpper(encodinghex.EncodeToString(to)))
		}
		return []byte(encodinghex.EncodeToString(to))
	})
}

var (
	bare4 = pattern.New(`\b[0-9A-F]{8}\b`)
	bare6 = pattern.New(`\b[0-9a-f]{32}\b`)
)

// connections are /proc/PID/net/tcp, which writes addresses as words of four bytes in the order of the machine.
func connections(data []byte, address func(netip.Addr) netip.Addr) []byte {
	return hexAddress.ReplaceAllFunc(data, func(m []byte) []byte {
		raw, err := encodinghex.DecodeString(string(m[:len(m)-5]))
		if err != nil {
			return m
		}
		swap := func(b []byte) {
			for i := 0; i+4 <= len(b); i += 4 {
				slices.Reverse(b[i : i+4])
			}
		}
		swap(raw) // of machines that count from the lowest byte, as all do that Lix is built for
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return m
		}
		to := address(a).AsSlice()
		if a.Is4In6() {
			b := netip.AddrFrom16(address(a).As16())
			to = b.AsSlice()
		}
		if len(to) != len(raw) {
			return m
		}
		swap(to)
		return append([]byte(strings.ToUpper(encodinghex.EncodeToString(to))), m[len(m)-5:]...)
	})
}

var hexAddress = pattern.New(`\b(?:[0-9A-F]{32}|[0-9A-F]{8}):[0-9A-F]{4}\b`)
