package procfs

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// Connection is a line of /proc/PID/net/tcp or tcp6, which tell of the network namespace of the process PID.
type Connection struct {
	Remote      netip.AddrPort
	State       int // as the kernel counts them: 1 is established, 2 is connecting
	Unsent      uint64
	Retransmits int
	Inode       uint64
}

// ParseConnections reads such a file. Lines that it cannot read are left out.
func ParseConnections(data []byte) []Connection {
	var list []Connection
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 10 || !strings.HasSuffix(f[0], ":") {
			continue
		}
		remote, ok := parseAddress(f[2])
		state, err := strconv.ParseUint(f[3], 16, 8)
		if !ok || err != nil {
			continue
		}
		c := Connection{Remote: remote, State: int(state)}
		unsent, _, _ := strings.Cut(f[4], ":")
		if c.Unsent, err = strconv.ParseUint(unsent, 16, 32); err != nil {
			continue
		}
		again, err := strconv.ParseUint(f[6], 16, 16)
		if err != nil {
			continue
		}
		c.Retransmits = int(again)
		if c.Inode, err = strconv.ParseUint(f[9], 10, 64); err != nil {
			continue
		}
		list = append(list, c)
	}
	return list
}

// parseAddress reads "0100007F:1F90": words of four bytes in the order of the machine, and a port.
func parseAddress(s string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
}
