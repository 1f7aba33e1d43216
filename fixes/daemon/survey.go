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
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/nixdaemon"
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

// process is one that runs as the daemon.
type process struct {
	pid     int
	program string // as the kernel has it; "" where lixfix may not know
	removed bool
	stopped bool // by a signal
}

// survey is all that the fix knows of the host. Reading decides nothing.
type survey struct {
	v     platform.View
	facts platform.Facts
	found *installation.Found
	conf  *nixconf.Config // nil where there is no Nix

	booted    bool
	bootedErr error
	container string // the file that says that this is one; "" for none
	wsl       bool
	enforcing bool // SELinux

	named   string // the file that says that /nix is a mount; "" for none
	mounted bool   // it is, or nobody can say
	ro      string // the mount point that /nix/var/nix is on, where that is read-only
	nix     entry  // /nix

	units    map[string]systemd.Unit
	unitsErr error
	offered  map[string]bool  // units that the default profile has
	hidden   map[string]entry // files of masked units in the directories behind the mask
	program  entry            // what the daemon's program leads to
	running  []process        // of the unit of the daemon

	path     string // of the socket
	dir      entry
	sock     entry
	guarded  bool      // only root can change the socket's directory
	wanted   directory // as the tmpfiles.d of the installation has it
	groups   []accounts.Group
	linkable string // what the link of sockets.target to the socket is to lead to
	wants    entry  // the directory of that link

	read      map[need]bool
	listening bool
	listErr   error
	answer    nixdaemon.Answer
	greetErr  error
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
	s.path = installation.Socket
	if u := s.units[socketUnit]; u.Condition == systemd.Present && path.IsAbs(u.Last("Socket", "ListenStream")) {
		s.path = u.Last("Socket", "ListenStream")
	}
	s.dir, s.sock = s.at(ctx, path.Dir(s.path)), s.at(ctx, s.path)
	s.guarded = v.Guarded(ctx, s.path) == nil
	s.tmpfiles(ctx)
	s.daemonProgram(ctx)
	s.processes(ctx)
	return s
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
	_ = s.v.Burst(ctx, "the kernel's version", func(f platform.Files) error {
		if data, err := f.Read("/proc/sys/kernel/osrelease"); err == nil {
			s.wsl = strings.Contains(strings.ToLower(string(data)), "microsoft")
		}
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
		s.mounted = slices.ContainsFunc(points, func(w []string) bool { return w[4] == "/nix" })
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
	if u, err := systemd.Find(ctx, s.v, "nix.mount"); err == nil && u.Condition == systemd.Present && s.named == "" {
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
			data, err := platform.ReadSmall(ctx, s.v, path.Join(dir, n))
			if err != nil {
				continue
			}
			if d, ok := parseTmpfiles(string(data), path.Dir(s.path), s.groups); ok {
				d.from = path.Join(dir, n)
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
		if err != nil {
			return directory{}, false
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
	_ = s.v.Burst(ctx, "the processes of the daemon", func(f platform.Files) error {
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
			dir := root + "/system.slice/" + serviceUnit
			for _, group := range []string{dir + "/supervisor", dir} { // DelegateSubgroup= of Lix
				data, err := f.Read(group + "/cgroup.procs")
				if err != nil {
					continue
				}
				for line := range strings.Lines(string(data)) {
					if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 0 && len(s.running) < 64 {
						s.running = append(s.running, process{pid: pid})
					}
				}
			}
		}
		slices.SortFunc(s.running, func(a, b process) int { return a.pid - b.pid })
		for i := range s.running {
			p := &s.running[i]
			dir := "/proc/" + strconv.Itoa(p.pid)
			// Builds are in the group as well, and whoever builds decides what their processes are: only root's own are
			// the daemon.
			if data, err := f.Read(dir + "/status"); err != nil || !rootsOwn(string(data)) {
				continue
			}
			if link, err := f.Link(dir + "/exe"); err == nil {
				p.program, p.removed = strings.CutSuffix(link, " (deleted)")
			}
			if data, err := f.Read(dir + "/stat"); err == nil {
				if _, rest, ok := strings.Cut(string(data), ") "); ok {
					p.stopped = strings.HasPrefix(rest, "T")
				}
			}
		}
		return nil
	})
}

// rootsOwn reports whether a process is root's, by all four of its user IDs (proc_pid_status(5)).
func rootsOwn(status string) bool {
	for line := range strings.Lines(status) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			w := strings.Fields(ids)
			return len(w) == 4 && !slices.ContainsFunc(w, func(id string) bool { return id != "0" })
		}
	}
	return false
}

// want reads a part that costs something, once.
func (s *survey) want(ctx context.Context, n need) {
	if s.read[n] {
		return
	}
	s.read[n] = true
	switch n {
	case listeners:
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
		s.running = nil
		s.processes(ctx)
	case states:
		s.state, s.stateErr = systemd.Show(ctx, s.v, socketUnit, serviceUnit)
		s.log = logLines(ctx, s.v)
	}
}

// logLines are the last lines of the daemon's log, for people to read; nothing is decided by them.
func logLines(ctx context.Context, v platform.View) []string {
	out, err := v.Query(ctx, "/usr/bin/journalctl", "-q", "--no-pager", "-b", "-o", "cat", "-n", "20",
		"_SYSTEMD_UNIT="+serviceUnit, "+", "UNIT="+serviceUnit, "+", "UNIT="+socketUnit)
	if err != nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-6):]
}

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
