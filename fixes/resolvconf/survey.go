package resolvconf

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

const tunDevice = "/dev/net/tun"

// survey is all that was read of the host, without building anything. It decides nothing.
type survey struct {
	facts   platform.Facts
	name    string // that servers are asked for
	way     trace
	data    []byte
	dataErr error
	header  string
	nixos   bool
	mounted bool
	boxed   bool // in a container
	nix     nixFacts
	user    who
	mounts  []Replaced // files that sandbox-paths puts over those of the sandbox
	daemon  daemonFacts
	servers servers
	tun     trace
	pasta   trace     // the program
	era     Era       // of the program
	routes  [2]Routes // IPv4, IPv6
	iface   string
	rules   ruleFacts
	nss     string    // the hosts line of the host
	changed time.Time // when /etc/resolv.conf, what it leads to, or nsswitch.conf was last written to
	domains string    // what resolvectl tells of routed domains
}

// look reads the host. name is what servers are asked for.
func look(ctx context.Context, v platform.View, name string) *survey {
	s := &survey{facts: v.Facts(), name: name}
	// What takes time goes side by side; nobody writes to what another one reads.
	var all sync.WaitGroup
	all.Go(func() {
		s.readNix(ctx, v)
		// pasta asks as a build user, and so does a build without it: a rule that drops what they ask decides whether names
		// resolve. Only root can read the rules; for others a build has to tell.
		if s.nix.usesPasta() || s.nix.present && s.facts.Root() {
			s.rules.read(ctx, v, s.nix.usesPasta())
		}
	})
	all.Go(func() {
		s.readFile(ctx, v)
		s.servers.ask(ctx, v, s.name, s.data)
	})
	all.Go(func() { s.readRoutes(ctx, v) })
	all.Wait()
	s.daemon.read(ctx, v, s.way.end)
	s.readUser(ctx, v)
	s.readMounts(ctx, v)
	if i := slices.IndexFunc(s.mounts, func(r Replaced) bool { return r.Target == conf.File }); i >= 0 {
		s.servers.askMore(ctx, v, s.name, s.mounts[i].Data)
	}
	s.tun = follow(ctx, v, tunDevice)
	s.readPasta(ctx, v)
	return s
}

// exists reports whether a name is there; what cannot be looked at is not taken for absent.
func exists(ctx context.Context, v platform.View, name string) bool {
	_, err := v.Stat(ctx, name)
	return !errors.Is(err, fs.ErrNotExist)
}

// asking runs the first tool of a name that is there; ok is false where none is, or where it fails.
func asking(ctx context.Context, v platform.View, tool string, args ...string) (out string, ok bool) {
	for _, name := range platform.SystemTool(tool) {
		if !exists(ctx, v, name) {
			continue
		}
		data, err := v.Query(ctx, name, args...)
		return string(data), err == nil
	}
	return "", false
}

func (s *survey) readFile(ctx context.Context, v platform.View) {
	s.way = follow(ctx, v, conf.File)
	if s.way.shape == Regular {
		s.data, s.dataErr = platform.ReadUpTo(ctx, v, conf.File, conf.Limit)
	}
	s.header = conf.Header(s.data)
	s.nixos = exists(ctx, v, "/etc/NIXOS")
	if list, err := mounts(ctx, v); err == nil {
		s.mounted = slices.Contains(list, conf.File) || s.way.end != "" && slices.Contains(list, s.way.end)
	}
	s.boxed = exists(ctx, v, "/.dockerenv") || exists(ctx, v, "/run/.containerenv")
	if data, err := platform.ReadSmall(ctx, v, nsswitch); err == nil {
		s.nss = hostsLine(data)
	}
	if info, err := v.Stat(ctx, nsswitch); err == nil {
		s.changed = info.Modified
	}
	for _, n := range slices.Concat(s.way.links, []node{{info: s.way.info}}) {
		if n.info.Modified.After(s.changed) {
			s.changed = n.info.Modified
		}
	}
	// Only who reads this file and not the stub's can miss domains.
	if s.way.end == "/run/systemd/resolve/resolv.conf" {
		s.domains, _ = asking(ctx, v, "resolvectl", "domain")
	}
}

// hostsLine are the sources of an nsswitch.conf, as words.
func hostsLine(data []byte) string {
	var words []string
	for _, s := range lookup.Sources(data) {
		words = append(words, s.Name)
		if len(s.Actions) > 0 {
			words = append(words, "["+strings.Join(s.Actions, " ")+"]")
		}
	}
	return strings.Join(words, " ")
}

// readRoutes reads the routing tables. (proc_pid_net(5), net/ipv6/route.c of Linux).
func (s *survey) readRoutes(ctx context.Context, v platform.View) {
	const rejected = 0x200
	better := func(i int, r Routes, iface string) {
		if r == DefaultRoute && s.routes[i] != DefaultRoute {
			s.routes[i] = r
			if s.iface == "" {
				s.iface = iface
			}
		}
		if s.routes[i] == NoRoutes {
			s.routes[i] = r
		}
	}
	if data, err := v.ReadFile(ctx, "/proc/net/route"); err == nil {
		s.routes[0] = NoRoutes
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) < 8 || f[0] == "Iface" || f[0] == "lo" {
				continue
			}
			if f[1] == "00000000" && f[7] == "00000000" {
				better(0, DefaultRoute, f[0])
			} else {
				better(0, LocalRoutes, f[0])
			}
		}
	}
	data, err := v.ReadFile(ctx, "/proc/net/ipv6_route")
	if errors.Is(err, fs.ErrNotExist) && s.routes[0] != "" {
		s.routes[1] = NoRoutes // a kernel without IPv6
		return
	}
	if err != nil {
		return
	}
	s.routes[1] = NoRoutes
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[9] == "lo" || strings.HasPrefix(f[0], "fe8") || strings.HasPrefix(f[0], "ff") {
			continue
		}
		if flags, err := strconv.ParseUint(f[8], 16, 64); err != nil || flags&rejected != 0 {
			continue
		}
		if f[1] == "00" && strings.Trim(f[0], "0") == "" {
			better(1, DefaultRoute, f[9])
		} else {
			better(1, LocalRoutes, f[9])
		}
	}
}
