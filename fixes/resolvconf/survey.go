package resolvconf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	"github.com/lixfix/lixfix/platform/nixconf"
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

// nixFacts are what is known of the Nix or Lix of the host.
type nixFacts struct {
	program string // "" where there is none
	client  string // "nix (Lix, like Nix) 2.95.3"
	lix     bool
	known   bool // which it is
	major   int
	minor   int
	version string

	settings  bool   // could be read
	broken    string // why nix could not be asked: its last words
	pasta     string // value of pasta-path
	hasPasta  bool   // it knows the setting
	confPasta *nixconf.Setting
	conf      nixconf.Conf
	paths     []string // of sandbox-paths: "target=source?"
	sandbox   string   // "true", "false", "relaxed", "" where it is not known
	group     string
	present   bool // there is a store, a configuration or a program
}

// asked is what a server said to root.
type asked struct {
	address    netip.Addr
	lines      []int // of the file
	udp, tcp   dnsquery.Answer
	aaaa       dnsquery.Answer
	udpR, tcpR Reach
	overTCP    bool // readers are to ask over TCP alone
	lost       bool // the first question had no answer, the second one had
}

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

// askServers asks every server of the file, and those of the host itself, which resolvers and pasta turn to where the
// file names none.
func (s *survey) askServers(ctx context.Context) {
	for _, list := range [][]conf.Server{conf.Glibc(s.data), conf.Go(s.data), conf.Pasta(s.data)} {
		for _, server := range list {
			s.list(server.Address, server.Line)
		}
	}
	for _, d := range conf.Differences(s.data) {
		s.list(d.Address, d.Line)
	}
	s.list(loop4, 0)
	s.askFrom(ctx, 0, lookup.Read(s.data, nil))
}

// list adds a server to those that are asked.
func (s *survey) list(a netip.Addr, line int) {
	if !a.IsUnspecified() {
		i := slices.IndexFunc(s.servers, func(o asked) bool { return o.address == a })
		if i < 0 && len(s.servers) < askedMost {
			s.servers = append(s.servers, asked{address: a})
			i = len(s.servers) - 1
		}
		if i >= 0 && line > 0 && !slices.Contains(s.servers[i].lines, line) {
			s.servers[i].lines = append(s.servers[i].lines, line)
		}
	}
}

// askReplaced asks the servers of the file that stands for resolv.conf in the sandbox.
func (s *survey) askReplaced(ctx context.Context) {
	before := len(s.servers)
	for _, r := range s.replaced {
		if r.Target == conf.File {
			for _, server := range conf.Glibc(r.Data) {
				s.list(server.Address, 0)
			}
			s.askFrom(ctx, before, lookup.Read(r.Data, nil))
		}
	}
}

// askFrom asks the servers from the nth on.
func (s *survey) askFrom(ctx context.Context, n int, set lookup.Settings) {
	var all sync.WaitGroup
	for i := n; i < len(s.servers); i++ {
		all.Go(func() { s.servers[i].ask(ctx, s.v, s.name, set) })
	}
	all.Wait()
	// The name that is asked for by default exists, whoever says that it does not.
	known := s.name == probe.DefaultName || slices.ContainsFunc(s.servers, func(a asked) bool {
		return len(a.udp.Addresses)+len(a.tcp.Addresses)+len(a.aaaa.Addresses) > 0
	})
	for i := range s.servers {
		s.servers[i].judge(known)
	}
}

// ask puts the questions to a server, the second when the first is answered: a server that limits how much it is asked
// drops what comes at once. Silence is judged by the time that readers give it, and asked again, as they do. TCP is asked
// where readers turn to it, and where silence may be that of UDP alone.
func (a *asked) ask(ctx context.Context, v platform.View, name string, set lookup.Settings) {
	limit := min(set.Timeout, mostLimit)
	one := func(ctx context.Context, p dnsquery.Protocol, kind dnsquery.Type, limit time.Duration) dnsquery.Answer {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		answer, err := v.Ask(ctx, dnsquery.Server(a.address), p, name, kind)
		if err != nil {
			return dnsquery.Answer{RCode: -1, Error: dnsquery.Cancelled}
		}
		return answer
	}
	a.tcp = dnsquery.Answer{RCode: -1, Error: dnsquery.NotWaited}
	if set.TCP {
		a.overTCP = true
		a.tcp = one(ctx, dnsquery.TCP, dnsquery.A, limit)
		a.udp, a.aaaa = a.tcp, a.tcp
		if a.tcp.Answered() {
			a.aaaa = one(ctx, dnsquery.TCP, dnsquery.AAAA, limit)
		}
		return
	}
	early, answered := context.WithCancel(ctx)
	defer answered()
	silent := make(chan struct{})
	after := func(d time.Duration) bool {
		select {
		case <-early.Done():
			return false
		case <-silent:
		case <-time.After(d):
		}
		return true
	}
	var rest sync.WaitGroup
	again := dnsquery.Answer{RCode: -1, Error: dnsquery.NotWaited}
	rest.Go(func() {
		if set.Attempts > 1 && after(limit/2) {
			again = one(early, dnsquery.UDP, dnsquery.A, limit)
		}
	})
	rest.Go(func() {
		if after(time.Second) {
			a.tcp = one(early, dnsquery.TCP, dnsquery.A, min(limit, tcpLimit))
		}
	})
	a.udp = one(ctx, dnsquery.UDP, dnsquery.A, limit)
	if a.udp.Error == dnsquery.Timeout {
		close(silent)
	} else {
		answered()
	}
	rest.Wait()
	if a.udp.Error == dnsquery.Timeout && again.Answered() {
		a.lost, a.udp = true, again
		a.udp.Took += limit // that a reader had waited before it asked again
	}
	a.aaaa = a.udp
	switch {
	case a.udp.Answered() && a.udp.Truncated && !a.tcp.Answered():
		a.tcp = one(ctx, dnsquery.TCP, dnsquery.A, limit)
	case a.udp.Answered() && !a.udp.Truncated:
		a.aaaa = one(ctx, dnsquery.UDP, dnsquery.AAAA, limit)
	}
}

// judge says what the answers are good for; known, that some server has an address for the name.
func (a *asked) judge(known bool) {
	a.tcpR = a.reach(a.tcp, known)
	if a.overTCP {
		a.udpR = a.tcpR
		return
	}
	a.udpR = a.reach(a.udp, known)
	if a.udp.Answered() && a.udp.Truncated {
		if a.udpR = a.tcpR; a.tcpR != Answers && a.tcpR != Nameless {
			a.udpR = Truncates
		}
	}
}

func (a *asked) reach(answer dnsquery.Answer, known bool) Reach {
	switch {
	case answer.Good() && answer.Lame:
		return Fails
	case answer.Good() && known && !answer.Truncated && len(answer.Addresses)+len(a.aaaa.Addresses) == 0:
		return Nameless
	case answer.Good():
		return Answers
	case answer.Answered():
		return Fails
	case answer.Error == dnsquery.Timeout:
		return Silent
	case answer.Error == dnsquery.Refused:
		return Refuses
	case answer.Error == dnsquery.Unreachable, answer.Error == dnsquery.Denied:
		return Unreachable
	}
	return Unasked
}

// server returns what a server said, nil where it was not asked.
func (s *survey) server(a netip.Addr) *asked {
	i := slices.IndexFunc(s.servers, func(o asked) bool { return o.address == a })
	if i < 0 {
		return nil
	}
	return &s.servers[i]
}

// text says what became of a question: "answers in 3 ms".
func (a *asked) text() string {
	if a.overTCP {
		return "TCP " + outcome(a.tcp)
	}
	return "UDP " + outcome(a.udp) + ", TCP " + outcome(a.tcp)
}

func outcome(a dnsquery.Answer) string {
	switch {
	case a.Good() && a.RCode == dnsquery.NXDomain:
		return "answers that there is no such name"
	case a.Good() && a.Truncated:
		return "answers with what does not fit"
	case a.Good() && len(a.Addresses) == 0:
		return "answers without an address"
	case a.Good():
		return fmt.Sprintf("answers in %d ms", a.Took.Milliseconds())
	case a.Answered():
		return "answers with " + rcode(a.RCode)
	case a.Error == dnsquery.Timeout:
		return fmt.Sprintf("silent for %.0f s", a.Took.Seconds())
	case a.Error == dnsquery.NotWaited:
		return "not asked"
	}
	return a.Error
}

func rcode(n int) string {
	switch n {
	case dnsquery.ServFail:
		return "SERVFAIL"
	case dnsquery.RefusedQ:
		return "REFUSED"
	}
	return "code " + strconv.Itoa(n)
}

var versionForm = regexp.MustCompile(`^\S+ \((.+)\) (\d+)\.(\d+)\S*$`)

// readNix finds out what nix it is and what its settings are.
func (s *survey) readNix(ctx context.Context) {
	n := &s.nix
	for _, dir := range platform.NixDirs(s.v.Facts().Root()) {
		if program := dir + "/nix"; exists(ctx, s.v, program) {
			n.program = program
			break
		}
	}
	n.present = n.program != "" || exists(ctx, s.v, nixconf.File) || exists(ctx, s.v, "/nix/store")
	c, confErr := nixconf.Read(ctx, s.v, nixconf.File)
	n.conf = c
	var all sync.WaitGroup
	var shown []byte
	var showErr error
	if n.program != "" {
		all.Go(func() {
			out, err := s.v.Query(ctx, n.program, "--version")
			if err != nil {
				return
			}
			first, _, _ := strings.Cut(string(out), "\n")
			if m := versionForm.FindStringSubmatch(strings.TrimSpace(first)); m != nil {
				n.client, n.known, n.lix = strings.TrimSpace(first), true, strings.Contains(m[1], "Lix")
				n.major, _ = strconv.Atoi(m[2])
				n.minor, _ = strconv.Atoi(m[3])
				n.version = strings.TrimPrefix(n.client[strings.LastIndexByte(n.client, ' ')+1:], "v")
			}
		})
		all.Go(func() {
			const feature = "--extra-experimental-features"
			// The old spelling works everywhere; newer ones warn about it on standard error, which is not looked at.
			shown, showErr = s.v.Query(ctx, n.program, feature, "nix-command", "show-config", "--json")
			if showErr != nil {
				shown, showErr = s.v.Query(ctx, n.program, feature, "nix-command", "config", "show", "--json")
			}
		})
		all.Wait()
		if showErr == nil {
			showErr = n.parse(shown)
		}
		if showErr != nil {
			n.broken = showErr.Error()
			switch e, ok := errors.AsType[*platform.ToolError](showErr); {
			case ok && e.Last() != "":
				n.broken = e.Last()
			case ok && e.Err != nil:
				n.broken = e.Err.Error()
			}
		}
	}
	if p, ok := c["pasta-path"]; ok {
		n.confPasta = &p
	}
	if n.settings || confErr != nil {
		return
	}
	// Without nix, its file tells what was written down, and not what was compiled in.
	if n.confPasta != nil {
		n.pasta, n.hasPasta = n.confPasta.Value, true
	}
	n.paths = paths(c)
	n.sandbox, n.group = c["sandbox"].Value, c["build-users-group"].Value
	if n.group == "" {
		n.group = "nixbld"
	}
}

// parse reads the settings as nix prints them.
func (n *nixFacts) parse(data []byte) error {
	var all map[string]struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return fmt.Errorf("read the settings of nix: %w", err)
	}
	text := func(name string) (string, bool) {
		raw, ok := all[name]
		var s string
		if json.Unmarshal(raw.Value, &s) != nil {
			s = string(raw.Value) // a boolean
		}
		return s, ok
	}
	n.pasta, n.hasPasta = text("pasta-path")
	n.sandbox, _ = text("sandbox")
	n.group, _ = text("build-users-group")
	n.paths = sandboxPaths(all["sandbox-paths"].Value)
	n.settings = true
	return nil
}

// findUser finds the user that builds: the first of the group, or lixfix's own where nobody else is to build.
func (s *survey) findUser(ctx context.Context) {
	if s.nix.group == "" {
		if s.nix.settings {
			s.user = who{UID: s.v.Facts().UID, GID: -1, Name: "the user who builds", Known: true}
		}
		return
	}
	data, err := s.v.ReadFile(ctx, accounts.GroupFile)
	if err != nil {
		return
	}
	group, ok := accounts.GroupByName(accounts.Groups(data), s.nix.group)
	if !ok {
		return
	}
	s.user = who{GID: group.GID}
	if len(group.Members) == 0 {
		return
	}
	s.user.Name = group.Members[0]
	if data, err = s.v.ReadFile(ctx, accounts.PasswdFile); err != nil {
		return
	}
	if u, ok := accounts.ByName(accounts.Users(data), s.user.Name); ok {
		s.user.UID, s.user.Known = u.UID, true
	}
}

// quoted reports whether pasta-path consists of quotes, which Nix takes for a name.
func (n *nixFacts) quoted() bool { return n.pasta != "" && strings.Trim(n.pasta, `"'`) == "" }

// usesPasta reports whether builds are to have a network of their own.
func (n *nixFacts) usesPasta() bool { return n.hasPasta && n.pasta != "" && (!n.known || n.lix) }

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

var passtVersion = regexp.MustCompile(`\b(20\d\d)_(\d\d)_(\d\d)\.[0-9a-f]{7}`)

// readPasta looks at the program that pasta-path names. It is not run: lixfix is root, and pasta is not to be.
func (s *survey) readPasta(ctx context.Context) {
	if !s.nix.usesPasta() || s.nix.quoted() {
		if s.nix.quoted() {
			s.runs = No
		}
		return
	}
	if !path.IsAbs(s.nix.pasta) {
		s.runs = No
		return
	}
	s.pasta = follow(ctx, s.v, s.nix.pasta)
	switch {
	case s.pasta.shape == Hidden:
		return
	case s.pasta.shape != Regular:
		s.runs = No
		return
	}
	if s.user.Known {
		s.runs = Yes
		for _, d := range s.pasta.dirs {
			s.runs = both(s.runs, s.user.may(d, 1))
		}
		s.runs = both(s.runs, s.user.may(s.pasta.last(), 1))
		if s.pasta.info.Mode.Perm()&0o111 == 0 {
			s.runs = No
		}
	}
	data, err := s.v.ReadFile(ctx, s.pasta.end)
	if err != nil {
		return
	}
	s.era = eraOf(data)
}

// eraOf tells from the text in the program what pasta it is. Debian's of 2023 does not know its version, but none of
// that time has the option --dns-host.
func eraOf(program []byte) Era {
	if m := passtVersion.FindSubmatch(program); m != nil {
		year, _ := strconv.Atoi(string(m[1]))
		month, _ := strconv.Atoi(string(m[2]))
		switch when := year*100 + month; {
		case when >= 202610:
			return Era2026
		case when > 202505:
			return UnknownEra // when it began to keep both families is not known
		case when >= 202412:
			return Era2025
		}
		return Era2023
	}
	switch text := string(program); {
	case strings.Contains(text, "dns-host"):
		return Era2025
	case strings.Contains(text, "dns-forward"):
		return Era2023
	}
	return UnknownEra
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
