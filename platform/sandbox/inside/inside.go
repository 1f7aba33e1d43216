// Package inside is what the probe does in the build sandbox, where lixfix itself is the builder.
package inside

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/sandbox"
)

const (
	// wait is for the address and the route that pasta sets after it has set the link up.
	wait = 2 * time.Second
	// total is for everything that the builder does.
	total = 25 * time.Second

	fileLimit      = 16 << 10 // bytes of a file; resolv.conf has some hundred, but a hosts file may be a block list
	interfaceLimit = 64
	routeLimit     = 128
	serverLimit    = 8
)

// Who is the process that looks.
type Who struct {
	UID, GID int
	Cwd      string
}

// Look reports what can be seen from here; with all, also what no program would wait for. It always reports: what could
// not be seen is part of it.
func Look(ctx context.Context, v platform.View, who Who, nonce, name string, all bool) sandbox.Report {
	ctx, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	r := sandbox.Report{
		Nonce: nonce, UID: who.UID, GID: who.GID, Cwd: who.Cwd, Files: map[string]sandbox.File{},
		NetNS: link(ctx, v, "/proc/self/ns/net"), UserNS: link(ctx, v, "/proc/self/ns/user"),
	}
	began := time.Now()
	r.RouteLate = awaitRoute(ctx, v)
	if r.RouteLate {
		r.RouteWait = millis(time.Since(began))
	}
	var data []byte // of resolv.conf, as resolvers read it
	for _, f := range []string{sandbox.ResolvConf, sandbox.NSSwitch, sandbox.Hosts} {
		file := read(ctx, v, f)
		if f == sandbox.ResolvConf {
			data = file.Data
		}
		if len(file.Data) > fileLimit {
			file.Data, r.Cut = shorter(file.Data, name), append(r.Cut, f)
		}
		r.Files[f] = file
	}
	r.Tun = tun(ctx, v)
	r.Interfaces = interfaces()
	if len(r.Interfaces) > interfaceLimit {
		r.Interfaces, r.Cut = r.Interfaces[:interfaceLimit], append(r.Cut, "interfaces")
	}
	r.Routes = routes(ctx, v)
	if len(r.Routes) > routeLimit {
		// The default routes say most.
		slices.SortStableFunc(r.Routes, func(a, b sandbox.Route) int { return bits(a) - bits(b) })
		r.Routes, r.Cut = r.Routes[:routeLimit], append(r.Cut, "routes")
	}
	servers := Servers(data)
	if len(servers) > serverLimit {
		servers, r.Cut = servers[:serverLimit], append(r.Cut, "servers")
	}
	r.Queries = ask(ctx, data, servers, name, all)
	return r
}

func link(ctx context.Context, v platform.View, name string) string {
	info, err := v.Stat(ctx, name)
	if err != nil {
		return ""
	}
	return info.Target
}

// awaitRoute waits where pasta has not finished: it sets the link up first, and that is all that Lix waits for. It
// reports whether it had to wait.
func awaitRoute(ctx context.Context, v platform.View) bool {
	late := false
	for deadline := time.Now().Add(wait); ; {
		list := interfaces()
		i := slices.IndexFunc(list, func(i sandbox.Interface) bool { return i.Name == "eth0" })
		// Where anything else is up, eth0 is a host's own, perhaps without a cable: pasta makes one interface.
		other := slices.ContainsFunc(list, func(i sandbox.Interface) bool { return i.Up && !i.Loopback && i.Name != "eth0" })
		if i < 0 || other || finished(list[i], routes(ctx, v)) {
			return late
		}
		late = true
		if ctx.Err() != nil || time.Now().After(deadline) {
			return late
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// finished reports whether an interface has an address that is not of its link alone, and a default route.
func finished(i sandbox.Interface, list []sandbox.Route) bool {
	global := slices.ContainsFunc(i.Addresses, func(s string) bool {
		p, err := netip.ParsePrefix(s)
		// pasta's own address is link-local as well: 169.254.1.2.
		return err == nil && (p.Addr().Is4() || !p.Addr().IsLinkLocalUnicast())
	})
	return global && slices.ContainsFunc(list, func(r sandbox.Route) bool { return r.Interface == i.Name && bits(r) == 0 })
}

func bits(r sandbox.Route) int {
	p, err := netip.ParsePrefix(r.To)
	if err != nil {
		return 128
	}
	return p.Bits()
}

func read(ctx context.Context, v platform.View, name string) (f sandbox.File) {
	if info, err := v.Stat(ctx, name); err == nil {
		f.Link = info.Target
	}
	data, err := v.ReadFile(ctx, name)
	if err != nil {
		f.Error = class(err)
		// ReadFile refuses everything that is not a regular file with one error; a directory has been seen here.
		if _, dir := v.ReadDir(ctx, name); errors.Is(err, platform.ErrNotRegular) && dir == nil {
			f.Error = "directory"
		}
	}
	f.Data = data
	return f
}

// shorter is what resolvers make something of in a file that is too long to be reported: no comments, of a block list of
// hosts only the lines of the name.
func shorter(data []byte, name string) []byte {
	var out []byte
	for line := range bytes.Lines(data) {
		words := bytes.Fields(line)
		if len(words) == 0 || words[0][0] == '#' || line[0] == ';' {
			continue
		}
		if _, err := netip.ParseAddr(string(words[0])); err == nil && !bytes.Contains(line, []byte(strings.TrimSuffix(name, "."))) {
			continue
		}
		if len(out)+len(line) > fileLimit {
			continue // a shorter one may matter more
		}
		out = append(out, line...)
	}
	return out
}

func class(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "absent"
	case errors.Is(err, fs.ErrPermission):
		return "denied"
	case errors.Is(err, syscall.EISDIR):
		return "directory"
	case errors.Is(err, syscall.ELOOP):
		return "loop"
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

func tun(ctx context.Context, v platform.View) string {
	if _, err := v.Stat(ctx, "/dev/net/tun"); err != nil {
		return class(err)
	}
	return "present"
}

func interfaces() []sandbox.Interface {
	out := []sandbox.Interface{}
	list, err := net.Interfaces()
	if err != nil {
		return out
	}
	for _, i := range list {
		one := sandbox.Interface{
			Name: i.Name, Up: i.Flags&net.FlagUp != 0, Loopback: i.Flags&net.FlagLoopback != 0, Addresses: []string{},
		}
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			one.Addresses = append(one.Addresses, a.String())
		}
		out = append(out, one)
	}
	return out
}

// routes are those of both families; a table that cannot be read has none.
func routes(ctx context.Context, v platform.View) []sandbox.Route {
	out := []sandbox.Route{}
	if data, err := v.ReadFile(ctx, "/proc/net/route"); err == nil {
		out = append(out, routes4(data)...)
	}
	if data, err := v.ReadFile(ctx, "/proc/net/ipv6_route"); err == nil {
		out = append(out, routes6(data)...)
	}
	return out
}

const (
	routeUp     = 0x1   // RTF_UP
	routeReject = 0x200 // RTF_REJECT
)

// routes4 reads /proc/net/route: one line of headings, then words, addresses as numbers in the machine's byte order.
func routes4(data []byte) []sandbox.Route {
	var out []sandbox.Route
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		to, ok1 := address4(f[1])
		via, ok2 := address4(f[2])
		mask, ok3 := address4(f[7])
		flags, err := strconv.ParseUint(f[3], 16, 32)
		if !ok1 || !ok2 || !ok3 || err != nil || flags&routeUp == 0 || flags&routeReject != 0 {
			continue
		}
		m := mask.As4()
		ones, _ := net.IPMask(m[:]).Size()
		r := sandbox.Route{Family: 4, To: netip.PrefixFrom(to, ones).String(), Interface: f[0]}
		if !via.IsUnspecified() {
			r.Via = via.String()
		}
		out = append(out, r)
	}
	return out
}

func address4(word string) (netip.Addr, bool) {
	n, err := strconv.ParseUint(word, 16, 32)
	if err != nil {
		return netip.Addr{}, false
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(n))
	return netip.AddrFrom4(b), true
}

// routes6 reads /proc/net/ipv6_route: to, its length, from, its length, via, metric, two counters, flags, interface.
func routes6(data []byte) []sandbox.Route {
	var out []sandbox.Route
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 10 {
			continue
		}
		to, err1 := hex.DecodeString(f[0])
		via, err2 := hex.DecodeString(f[4])
		length, err3 := strconv.ParseUint(f[1], 16, 8)
		flags, err4 := strconv.ParseUint(f[8], 16, 32)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil || len(to) != 16 || len(via) != 16 ||
			flags&routeUp == 0 || flags&routeReject != 0 {
			continue
		}
		a := netip.AddrFrom16([16]byte(to))
		// What every interface has, and the machine's own addresses, would drown the rest.
		if f[9] == "lo" || length == 128 || a.IsMulticast() {
			continue
		}
		r := sandbox.Route{Family: 6, To: netip.PrefixFrom(a, int(length)).String(), Interface: f[9]}
		if v := netip.AddrFrom16([16]byte(via)); !v.IsUnspecified() {
			r.Via = v.String()
		}
		out = append(out, r)
	}
	return out
}

// Servers are the addresses of a resolv.conf that anybody could take for name servers, in order and once each. It is
// more generous than any of the resolvers: which of them reads what is for the reader of the report to tell.
func Servers(data []byte) []string {
	var out []string
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if _, err := netip.ParseAddr(f[1]); err == nil && !slices.Contains(out, f[1]) {
			out = append(out, f[1])
		}
	}
	return out
}

// fallback is who resolvers ask where no server is named (resolv.conf(5)).
const fallback = "127.0.0.1"

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
