package daemon

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixbuild"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/redact"
	"github.com/lixfix/lixfix/platform/systemd"
)

// Units of the daemon.
const (
	socketUnit   = "nix-daemon.socket"
	serviceUnit  = "nix-daemon.service"
	templateUnit = "nix-daemon@.service"
	profileUnits = installation.StateDir + "/profiles/default/lib/systemd/system"
)

// need is a part of the survey that costs something, and is read when a rung asks for it.
type need int

const (
	listeners need = iota // the kernel's list of sockets
	greeting              // a connection to the daemon
	atWork                // who would notice that the daemon is started again
	states                // what systemd says; the only one that runs a tool
)

// entry is what stands at a name, or why that is not known.
type entry struct {
	platform.FileInfo
	err error
}

func (e entry) there() bool   { return e.err == nil }
func (e entry) missing() bool { return gone(e.err) }

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

// survey is all that the fix knows of the host. Reading decides nothing.
type survey struct {
	v     platform.View
	facts platform.Facts
	found *installation.Found
	conf  *nixconf.Config // nil where there is no Nix

	booted    bool
	bootedErr error
	initd     initd  // what starts services where that is not systemd
	container string // the file that says that this is one; "" for none
	enforcing bool   // SELinux

	named   string // the file that says that /nix is a mount; "" for none
	mounted bool   // it is, or nobody can say
	own     bool   // it is a mount of its own
	ro      string // the mount point that /nix/var/nix is on, where that is read-only
	nix     entry  // /nix

	units    map[string]systemd.Unit
	unitsErr error
	offered  map[string]bool   // units that the default profile has
	hidden   map[string]entry  // files of masked units in the directories behind the mask
	program  entry             // what the daemon's program leads to
	running  []systemd.Process // in the unit of the daemon, builds among them
	tools    string            // the directory of the tools of Nix; "" for none

	path     string // of the socket
	dir      entry
	sock     entry
	dirWas   fs.FileMode // what stands there, also where a plan is to change it
	sockWas  fs.FileMode
	guarded  bool      // only root can change the socket's directory
	wanted   directory // as the tmpfiles.d of the installation has it
	groups   []accounts.Group
	login    accounts.User // who runs lixfix, where /etc/passwd has them
	linkable string        // what the link of sockets.target to the socket is to lead to
	wants    entry         // the directory of that link

	read      map[need]bool
	listening bool
	listErr   error
	answer    nixdaemon.Answer
	greetErr  error
	busy      string // who is at work with the daemon, in words; "" for nobody
	busyErr   error
	state     map[string]systemd.State
	stateErr  error
	free      uint64
	freeErr   error
	log       []string
}

// directory is a line of tmpfiles.d(5).
type directory struct {
	mode  fs.FileMode
	group string
	gid   int
	from  string // "" where there is none, and the values are those of all installers
}

// look reads what the files tell.
func look(ctx context.Context, v platform.View) *survey {
	s := &survey{v: v, facts: v.Facts(), read: map[need]bool{}, units: map[string]systemd.Unit{}, mounted: true}
	in := installation.Of(ctx, v)
	s.found = in.Found(ctx)
	s.booted, s.bootedErr = systemd.Booted(ctx, v)
	s.surroundings(ctx)
	s.nix = s.at(ctx, "/nix")
	s.mounts(ctx)
	if !s.found.Present.Known() || !s.found.Present.Value {
		return s
	}
	s.conf = in.Config(ctx)
	s.unitFiles(ctx)
	if data, err := platform.ReadSmall(ctx, v, accounts.GroupFile); err == nil {
		s.groups = accounts.Groups(data)
	}
	s.login.GID = -1
	if data, err := platform.ReadSmall(ctx, v, accounts.PasswdFile); err == nil {
		if u, ok := accounts.ByUID(accounts.Users(data), s.facts.UID); ok {
			s.login = u
		}
	}
	s.path = installation.Socket
	if u := s.units[socketUnit]; u.Condition == systemd.Present && path.IsAbs(u.Last("Socket", "ListenStream")) && s.roots(ctx, u) {
		s.path = path.Clean(u.Last("Socket", "ListenStream"))
	}
	s.dir, s.sock = s.at(ctx, path.Dir(s.path)), s.at(ctx, s.path)
	s.dirWas, s.sockWas = s.dir.Mode, s.sock.Mode
	s.guarded = v.Guarded(ctx, s.path) == nil
	s.tmpfiles(ctx)
	s.daemonProgram(ctx)
	s.tools, _ = nixbuild.Tools(ctx, v)
	return s
}

// roots reports whether nobody but root has a say in a unit: where the store is a user's, the units of its profile are,
// and root sets no modes of what they name. Who is not root changes nothing.
func (s *survey) roots(ctx context.Context, u systemd.Unit) bool {
	if !s.facts.Root() {
		return true
	}
	for _, file := range append([]string{u.File}, u.DropIns...) {
		if _, err := s.v.Trusted(ctx, file); err != nil {
			return false
		}
	}
	return true
}

func (s *survey) at(ctx context.Context, name string) entry {
	info, err := s.v.Stat(ctx, name)
	return entry{info, err}
}

// surroundings finds out what kind of host this is.
func (s *survey) surroundings(ctx context.Context) {
	for _, name := range []string{"/.dockerenv", "/run/.containerenv", "/run/systemd/container"} {
		if s.at(ctx, name).there() {
			s.container = name
			break
		}
	}
	s.initd = findInit(ctx, s.v)
	_ = s.v.Burst(ctx, "SELinux", func(f platform.Files) error {
		if data, err := f.Read("/sys/fs/selinux/enforce"); err == nil {
			s.enforcing = strings.TrimSpace(string(data)) == "1"
		}
		return nil
	})
}

// mounts finds out whether /nix is to be a mount, and is one.
func (s *survey) mounts(ctx context.Context) {
	var points [][]string
	err := s.v.Burst(ctx, "the mounts", func(f platform.Files) error {
		data, err := f.Read("/proc/self/mountinfo")
		for line := range strings.Lines(string(data)) {
			if w := strings.Fields(line); len(w) > 6 {
				points = append(points, w)
			}
		}
		return err
	})
	if err == nil && len(points) > 0 {
		s.own = slices.ContainsFunc(points, func(w []string) bool { return w[4] == "/nix" })
		s.mounted = s.own
		on := "/"
		for _, w := range points { // the last one on a name is the one that is seen
			at := w[4]
			if at != "/" && !strings.HasPrefix(installation.StateDir+"/", at+"/") || len(at) < len(on) {
				continue
			}
			on, s.ro = at, ""
			if slices.Contains(strings.Split(w[5], ","), "ro") || slices.Contains(strings.Split(w[len(w)-1], ","), "ro") {
				s.ro = at
			}
		}
	}
	if data, err := platform.ReadSmall(ctx, s.v, "/etc/fstab"); err == nil {
		for line := range strings.Lines(string(data)) {
			w := strings.Fields(line)
			if len(w) > 3 && !strings.HasPrefix(w[0], "#") && path.Clean(w[1]) == "/nix" && !slices.Contains(strings.Split(w[3], ","), "noauto") {
				s.named = "/etc/fstab"
			}
		}
	}
	if u, err := systemd.Read(ctx, s.v, "nix.mount"); err == nil && u.Condition == systemd.Present && s.named == "" {
		s.named = u.File
	}
}

// unitFiles reads the units.
func (s *survey) unitFiles(ctx context.Context) {
	s.offered, s.hidden = map[string]bool{}, map[string]entry{}
	for _, name := range []string{socketUnit, serviceUnit, templateUnit} {
		u, err := systemd.Find(ctx, s.v, name)
		if err != nil {
			s.unitsErr = errors.Join(s.unitsErr, err)
			continue
		}
		s.units[name] = u
		if u.Condition == systemd.Masked {
			for _, dir := range systemd.Dirs {
				s.hidden[path.Join(dir, name)] = s.at(ctx, path.Join(dir, name))
			}
		}
		file := path.Join(profileUnits, name)
		if _, err := s.v.Trusted(ctx, file); err == nil {
			s.offered[name] = true
		}
	}
	s.wants = s.at(ctx, systemd.Units+"/sockets.target.wants")
	u := s.units[socketUnit]
	s.linkable = u.File
	if u.Link != "" && path.IsAbs(u.Link) {
		s.linkable = u.Link
	}
}

// tmpfiles finds out how the directory of the socket is to be.
func (s *survey) tmpfiles(ctx context.Context) {
	s.wanted = directory{mode: 0o755}
	for _, dir := range []string{"/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"} {
		names, err := s.v.ReadDir(ctx, dir)
		if err != nil {
			continue
		}
		for _, n := range names {
			if !strings.HasPrefix(n, "nix") || !strings.HasSuffix(n, ".conf") {
				continue
			}
			file := path.Join(dir, n)
			if _, err := s.v.Trusted(ctx, file); err != nil && s.facts.Root() {
				continue // installers link them into the store, which can be a user's
			}
			data, err := platform.ReadSmall(ctx, s.v, file)
			if err != nil {
				continue
			}
			if d, ok := parseTmpfiles(string(data), path.Dir(s.path), s.groups); ok {
				d.from = file
				s.wanted = d
				return
			}
		}
	}
}

// parseTmpfiles takes from a file of tmpfiles.d(5) how a directory of root's is to be.
func parseTmpfiles(text, dir string, groups []accounts.Group) (directory, bool) {
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		if len(w) < 5 || strings.TrimRight(w[0], "!+-=~^") != "d" || path.Clean(w[1]) != dir || w[3] != "root" && w[3] != "0" {
			continue
		}
		mode, err := strconv.ParseUint(strings.TrimLeft(w[2], "~:"), 8, 12)
		if err != nil || mode&0o002 != 0 {
			return directory{}, false // in a directory that all can write to, anybody can be the daemon
		}
		d := directory{mode: fs.FileMode(mode) & fs.ModePerm, group: w[4]}
		if w[4] != "root" && w[4] != "0" {
			g, ok := accounts.GroupByName(groups, w[4])
			if !ok {
				return directory{}, false
			}
			d.gid = g.GID
		}
		return d, true
	}
	return directory{}, false
}

// daemonProgram looks whether the program of the daemon is there.
func (s *survey) daemonProgram(ctx context.Context) {
	d := s.found.Daemon.Value
	if d == nil || d.Program == "" {
		s.program.err = errors.New("no unit names the program of the daemon")
		return
	}
	to, err := s.v.Trusted(ctx, d.Program)
	if to == "" {
		s.program.err = err
		return
	}
	if s.program = s.at(ctx, d.Program); s.program.there() && s.program.Mode&fs.ModeSymlink != 0 {
		s.program = s.at(ctx, to)
	}
}

// processes are those in the control group of the daemon's unit.
func (s *survey) processes(ctx context.Context) {
	list, err := systemd.Processes(ctx, s.v, serviceUnit)
	if err == nil {
		s.running = list
	}
}

// daemons are the processes of the unit that are the daemon and its workers: builds are in the unit as well, and other
// programs of root's, such as hooks.
func (s *survey) daemons() []systemd.Process {
	var list []systemd.Process
	for _, p := range s.running {
		// Where lixfix is not root it is not told which programs root's processes have.
		if p.Root && (p.Program == "" || slices.Contains([]string{"nix", "nix-daemon", "determinate-nixd"}, path.Base(p.Program))) {
			list = append(list, p)
		}
	}
	return list
}

// runs reports whether the service does. Its workers can outlive it: systemd ends only the daemon itself (KillMode=process),
// and they end when their clients have. Where systemd does not say, a process is a service that runs.
func (s *survey) runs(ctx context.Context) bool {
	if len(s.daemons()) == 0 {
		return false
	}
	s.want(ctx, states)
	st := s.state[serviceUnit].Active
	return s.stateErr != nil || st != "inactive" && st != "failed"
}

// want reads a part that costs something, once.
func (s *survey) want(ctx context.Context, n need) {
	if s.read[n] {
		return
	}
	s.read[n] = true
	switch n {
	case listeners:
		s.processes(ctx)
		list, err := s.v.Sockets(ctx)
		s.listErr = err
		for _, k := range list {
			if !k.TCP && k.State == platform.SocketListening && k.Path == s.path {
				s.listening = true
			}
		}
	case greeting:
		// A daemon that systemd has only just started can take as long as that on a busy machine.
		for range 2 {
			if s.answer, s.greetErr = s.v.Greet(ctx, s.path); s.greetErr != nil || s.answer.Outcome != nixdaemon.Silent {
				break
			}
		}
		if s.greetErr == nil && !s.answer.Up() {
			s.free, s.freeErr = s.v.Free(ctx, installation.StateDir)
		}
		s.processes(ctx) // of a service that was started by this
	case atWork:
		s.busy, s.busyErr = systemd.Clients(ctx, s.v, serviceUnit, s.path)
	case states:
		s.processes(ctx)
		s.state, s.stateErr = systemd.Show(ctx, s.v, socketUnit, serviceUnit)
		s.log = logLines(ctx, s.v)
	}
}

// logLines are the last lines of the daemon's log, for people to read; nothing is decided by them. Everybody can write
// lines that say UNIT= of themselves: only those of the first process are systemd's.
func logLines(ctx context.Context, v platform.View) []string {
	out, err := v.Query(ctx, "/usr/bin/journalctl", "-q", "--no-pager", "-b", "-o", "cat", "-n", "20",
		"_SYSTEMD_UNIT="+serviceUnit, "+", "_PID=1", "UNIT="+serviceUnit, "+", "_PID=1", "UNIT="+socketUnit)
	if err != nil {
		return nil
	}
	return lastLines(string(out))
}

// lastLines are the last different lines of a log, cut to what can be read at a glance.
func lastLines(text string) []string {
	const most, longest = 6, 200
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.ToValidUTF8(colours.ReplaceAllString(line, ""), "\ufffd"))
		if line == "" || slices.Contains(lines, line) {
			continue
		}
		lines = append(lines, line)
		if len(lines) > most {
			lines = lines[1:]
		}
	}
	for i, line := range lines {
		lines[i] = redact.Cut(line, longest)
	}
	return lines
}

// colours are what daemons colour their messages with, also in a log. An escape that begins no colour goes as well: with
// what is around it taken out, it could.
var colours = pattern.New(`\x1b(?:\[[0-?]*[ -/]*[@-~])?`)

// socket, service and template are the units. starts is the one that systemd starts for a connection.
func (s *survey) socket() systemd.Unit   { return s.units[socketUnit] }
func (s *survey) service() systemd.Unit  { return s.units[serviceUnit] }
func (s *survey) template() systemd.Unit { return s.units[templateUnit] }
func (s *survey) accepts() bool          { return s.socket().On("Socket", "Accept") }

func (s *survey) starts() systemd.Unit {
	if s.accepts() {
		return s.template()
	}
	return s.service()
}
