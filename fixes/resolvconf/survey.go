package resolvconf

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lixfix/lixfix/platform"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

const (
	tunDevice   = "/dev/net/tun"
	optionsMost = 32               // that are shown
	askedMost   = 8                // servers that are asked; who lists more has other worries
	stubServer  = "127.0.0.53"     // of systemd-resolved
	tcpLimit    = 2 * time.Second  // where nobody reads over TCP
	mostLimit   = 10 * time.Second // for one question, where resolv.conf lets readers wait for longer
)

// survey is all that was read of the host, without building anything.
type survey struct {
	v        platform.View
	name     string // that servers are asked for
	way      trace
	data     []byte
	dataErr  error
	header   string
	owner    Owner
	nixos    bool
	mounted  bool
	stuck    bool // immutable
	nix      nixFacts
	user     who
	file     Truth
	path     Truth
	closed   []node
	replaced []Replaced
	daemon   daemonFacts
	servers  []asked
	tun      trace
	tunShut  []node // directories on the way to it that build users cannot enter
	tunState Tun
	tunErr   error
	pasta    trace // the program
	runs     Truth
	era      Era
	routes   [2]Routes // IPv4, IPv6
	iface    string
	rules    []string // of the firewall that look at users
	drops    bool     // one of them drops what the build user sends
	rulesErr string   // why they could not be read
	denied   []string // by AppArmor

	kernelLog string    // where that is written
	nss       string    // the hosts line of the host
	changed   time.Time // when /etc/resolv.conf, what it leads to, or nsswitch.conf was last written to
	domains   string    // what resolvectl tells of routed domains
	world     World
	predicts  Prediction
}

// look reads the host. name is what servers are asked for.
func look(ctx context.Context, v platform.View, name string) *survey {
	s := &survey{v: v, name: name}
	// What takes time goes side by side; nobody writes to what another one reads.
	var all sync.WaitGroup
	all.Go(func() { s.readNix(ctx) })
	all.Go(func() {
		s.readFile(ctx)
		s.askServers(ctx)
	})
	all.Go(func() { s.readRules(ctx) })
	all.Go(func() { s.readRoutes(ctx) })
	all.Wait()
	s.readDaemon(ctx)

	s.findUser(ctx)
	s.file, s.path, s.closed = s.way.open(s.user)
	s.readReplaced(ctx)
	s.askReplaced(ctx)
	s.readTun(ctx)
	s.readPasta(ctx)
	s.judgeRules()
	s.world = s.makeWorld()
	s.predicts = s.predict(s.world)
	return s
}

// exists reports whether a name is there; what cannot be looked at is not taken for absent.
func exists(ctx context.Context, v platform.View, name string) bool {
	_, err := v.Stat(ctx, name)
	return !errors.Is(err, fs.ErrNotExist)
}

func (s *survey) readFile(ctx context.Context) {
	s.way = follow(ctx, s.v, conf.File)
	if s.way.shape == Regular {
		s.data, s.dataErr = platform.ReadUpTo(ctx, s.v, conf.File, conf.Limit)
	}
	s.header = conf.Header(s.data)
	s.nixos = exists(ctx, s.v, "/etc/NIXOS")
	if list, err := mounts(ctx, s.v); err == nil {
		s.mounted = slices.Contains(list, conf.File) || s.way.end != "" && slices.Contains(list, s.way.end)
	}
	container := exists(ctx, s.v, "/.dockerenv") || exists(ctx, s.v, "/run/.containerenv")
	if s.way.shape == Regular {
		for _, tool := range platform.SystemTool("lsattr") {
			if !exists(ctx, s.v, tool) {
				continue
			}
			if out, err := s.v.Query(ctx, tool, "-d", "--", s.way.end); err == nil {
				flags, _, _ := strings.Cut(string(out), " ")
				s.stuck = strings.Contains(flags, "i")
			}
			break
		}
	}
	s.owner = ownerOf(&s.way, s.header, s.nixos, s.mounted, s.stuck, container)
	if data, err := platform.ReadSmall(ctx, s.v, nsswitch); err == nil {
		for line := range strings.Lines(string(data)) {
			line, _, _ = strings.Cut(line, "#")
			if words := strings.Fields(line); len(words) > 1 && words[0] == "hosts:" {
				s.nss = strings.Join(words[1:], " ")
			}
		}
	}
	if info, err := s.v.Stat(ctx, nsswitch); err == nil {
		s.changed = info.Modified
	}
	for _, n := range slices.Concat(s.way.links, []node{{info: s.way.info}}) {
		if n.info.Modified.After(s.changed) {
			s.changed = n.info.Modified
		}
	}
	if s.way.end == "/run/systemd/resolve/resolv.conf" {
		for _, tool := range platform.SystemTool("resolvectl") {
			if !exists(ctx, s.v, tool) {
				continue
			}
			if out, err := s.v.Query(ctx, tool, "domain"); err == nil {
				s.domains = string(out)
			}
			break
		}
	}
}

func (s *survey) readTun(ctx context.Context) {
	s.tun = follow(ctx, s.v, tunDevice)
	info := s.tun.info
	switch {
	case s.tun.shape == Hidden:
		s.tunErr = s.tun.err
		return
	case s.tun.shape == Missing, s.tun.shape == Dangling, s.tun.shape == Loop:
		s.tunState = TunMissing
		return
	case !isTun(info):
		// Lix only looks whether there is something of that name.
		s.tunState = TunClosed
		return
	}
	user := s.user
	if !user.Known {
		user = who{UID: -2, GID: -2, Known: true} // what is open for a user that nothing belongs to is open for all
	}
	open := user.may(s.tun.last(), 6)
	for _, d := range s.tun.dirs {
		passes := user.may(d, 1)
		if passes == No {
			s.tunShut = append(s.tunShut, d)
		}
		open = both(open, passes)
	}
	if !s.user.Known && open == No {
		open = Unclear
	}
	s.tunState = map[Truth]Tun{Yes: TunOpen, No: TunClosed, Unclear: TunHidden}[open]
}

// isTun reports whether a file is the device that makes network interfaces (devices.txt of Linux).
func isTun(info platform.FileInfo) bool {
	const major, minor = 10, 200
	return info.Mode&fs.ModeCharDevice != 0 && info.Major == major && info.Minor == minor
}

// readRoutes reads the routing tables. (proc_pid_net(5), net/ipv6/route.c of Linux).
func (s *survey) readRoutes(ctx context.Context) {
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
	if data, err := s.v.ReadFile(ctx, "/proc/net/route"); err == nil {
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
	data, err := s.v.ReadFile(ctx, "/proc/net/ipv6_route")
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

// readRules looks for rules that treat users differently, and for what AppArmor denied pasta. Only root can.
func (s *survey) readRules(ctx context.Context) {
	if !s.v.Facts().Root() {
		s.rulesErr = "only root can read the rules of the firewall"
		return
	}
	type call struct {
		tool string
		args []string
	}
	calls := []call{
		{"nft", []string{"list", "ruleset"}},
		{"iptables-save", nil},
		{"ip6tables-save", nil},
		{"ip", []string{"rule", "show"}},
		{"ip", []string{"-6", "rule", "show"}},
		{"dmesg", nil},
	}
	const denial = `apparmor="DENIED"`
	found, failed := make([][]string, len(calls)), make([]error, len(calls))
	var all sync.WaitGroup
	for i, c := range calls {
		all.Go(func() {
			for _, tool := range platform.SystemTool(c.tool) {
				if !exists(ctx, s.v, tool) {
					continue
				}
				out, err := s.v.Query(ctx, tool, c.args...)
				if err != nil {
					failed[i] = err // perhaps a kernel without that firewall
					return
				}
				for line := range strings.Lines(string(out)) {
					if c.tool == "dmesg" && strings.Contains(line, denial) ||
						slices.ContainsFunc(ruleWords[c.tool], func(w string) bool { return strings.Contains(line, w) }) {
						found[i] = append(found[i], strings.TrimSpace(line))
					}
				}
				return
			}
		})
	}
	all.Wait()
	last := len(calls) - 1
	for i, list := range found[:last] {
		s.rules = append(s.rules, list...)
		if failed[i] != nil {
			s.rulesErr = failed[i].Error()
		}
	}
	s.kernelLog = "dmesg"
	if failed[last] != nil {
		// The job that checks after each start of the system may not read the kernel's own log.
		s.kernelLog = "journalctl -k"
		out, err := s.v.Query(ctx, "/usr/bin/journalctl", "-q", "--no-pager", "-b", "-k", "-o", "cat", "-n", "10000")
		if err == nil {
			found[last] = strings.Split(strings.TrimSpace(string(out)), "\n")
		}
	}
	for _, line := range found[last] {
		if !strings.Contains(line, denial) {
			continue
		}
		if strings.Contains(line, `profile="pasta"`) || strings.Contains(line, `profile="passt"`) || strings.Contains(line,
			"/pasta") {
			s.denied = append(s.denied, line)
		}
	}
}

// makeWorld puts together what a prediction needs.
func (s *survey) makeWorld() World {
	n, shape := &s.nix, s.way.shape
	if s.dataErr != nil {
		shape = Hidden
	}
	return World{
		Lix: n.lix || !n.known && n.hasPasta, Major: n.major, Minor: n.minor,
		Pasta: n.usesPasta(), PastaRuns: s.runs, Era: s.era,
		Replaced: s.replaced,
		Tun:      s.tunState, Shape: shape, Data: s.data, FileOpen: s.fileOpen(), PathOpen: s.path,
		V4: s.routes[0], V6: s.routes[1], Template: s.iface, Long: s.long,
		Ask: func(a netip.Addr, tcp bool) Reach {
			server := s.server(a)
			switch {
			case server == nil:
				return Unasked
			case tcp:
				return server.tcpR
			}
			return server.udpR
		},
	}
}

// long reports whether what a server answers over UDP does not fit.
func (s *survey) long(a netip.Addr) bool {
	server := s.server(a)
	return server != nil && server.udp.Answered() && server.udp.Truncated
}

// fileOpen is whether the build user may read the file itself, whatever is in its way: a mount has found it already.
func (s *survey) fileOpen() Truth {
	switch {
	case s.way.shape != Regular:
		return Unclear
	case s.user.Known:
		return s.user.may(s.way.last(), 4)
	case s.way.info.Mode.Perm()&0o004 != 0 && !s.way.info.ACL:
		return Yes
	}
	return Unclear
}

// predict follows a world through what builds on this host.
func (s *survey) predict(w World) Prediction {
	if s.nix.sandbox == "false" || s.nix.sandbox == "relaxed" {
		// Fixed-output builds see the host as it is, as a build user.
		w.Pasta, w.Lix = false, false
		if w.PathOpen == No {
			w.FileOpen = No
		}
		if w.Shape == Dangling || w.Shape == Loop {
			w.Shape = Missing
		}
	}
	p := Predict(w)
	if !s.nix.known && !s.nix.settings {
		// Which of both it is is not known; a prediction counts that holds for both.
		w.Lix, w.Pasta = !w.Lix, false
		if o := Predict(w); o.Works != p.Works {
			p.Works, p.Why = Unclear, "it is not known whether Nix or Lix builds here"
		}
	}
	if s.nix.sandbox != "false" && s.nix.sandbox != "relaxed" {
		p = s.through(w, p)
	}
	if apart := s.daemon.apart(); apart != "" && p.Works != Unclear {
		p.Works, p.Why = Unclear, apart
	}
	if p.Works == Yes && s.drops {
		p.Works, p.Why = No, "a rule of the firewall drops what build users send"
	}
	return p
}
