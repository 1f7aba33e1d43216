package stuck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
)

const (
	defaultGap   = 400 * time.Millisecond
	confirmTime  = 5 * time.Second
	settleTime   = 6 * time.Second // until one that retries every five has done so
	deepTime     = 2 * time.Second // for one process: reading its arguments can wait for a lock of that process
	maxDeep      = 2000            // processes; a host that runs more builds than this is not read further
	maxFiles     = 4096            // open files of one process
	pageSize     = 4 << 10         // bytes, at least; ARM has larger ones as well
	maxLockStats = 20000           // lock files in the store that are looked at, without root
)

// thread is one thread of a process at one time.
type thread struct {
	id    int
	name  string
	state byte
	call  procfs.Call
	wchan string
}

// sample is what changes while a process runs.
type sample struct {
	ok       bool
	state    byte
	cpu      uint64 // ticks
	switches uint64
	io       procfs.IO
	rss      int64 // pages
	threads  []thread
}

// proc is a process.
type proc struct {
	procfs.Stat
	uid      int
	started  string // on macOS, as ps has it
	deep     bool
	argv     []string
	status   procfs.Status
	ns       string // of process IDs, as its link reads
	net      string // network namespace, likewise
	fds      map[int]string
	sockets  map[uint64]int // inode → file descriptor
	held     []proclocks.Lock
	paths    map[proclocks.File]string
	roots    []string // names of the store paths that it has protected from the garbage collector
	first    sample
	second   sample
	gone     bool            // ended while it was read
	hidden   map[string]bool // what only root may read
	role     Role
	client   int // the number of its client, as its arguments have it
	peer     int // the same, as the name of its unit has it
	children []*proc
	pair     *proc // a worker's client, a client's worker
	pairedBy string
	orphan   bool
	reaped   bool      // a builder of it ended while it was watched
	logged   time.Time // when it last wrote to the log of its build
	opened   int       // files that it has open, also those that were not looked at
	files    int       // that it may have open; 0 where that could not be read
}

// stopped reports whether the process is stopped, in both samples.
func (p *proc) stopped() bool {
	return (p.first.state == 'T' || p.first.state == 't') && (p.second.state == 'T' || p.second.state == 't')
}

// ticks is the processor time used between the samples.
func (p *proc) ticks() uint64 { return p.second.cpu - min(p.first.cpu, p.second.cpu) }

// switches is how often the process went to sleep and woke up between the samples.
func (p *proc) switches() uint64 { return p.second.switches - min(p.first.switches, p.second.switches) }

// moved is how many bytes the process read and wrote between the samples.
func (p *proc) moved() uint64 {
	a, b := p.first.io, p.second.io
	return b.ReadCalls - min(a.ReadCalls, b.ReadCalls) + b.WrittenCalls - min(a.WrittenCalls, b.WrittenCalls)
}

// grown is how many bytes of memory the process took between the samples.
func (p *proc) grown() uint64 {
	return uint64(max(0, p.second.rss-p.first.rss)) * pageSize
}

// snapshot is everything that was read.
type snapshot struct {
	facts    platform.Facts
	calls    procfs.Calls
	callsOK  bool
	boot     string
	uptime   float64
	gap      time.Duration // that really passed between the samples
	self     string        // PID namespace of lixfix
	net      string        // network namespace of lixfix
	selfPID  int
	procs    map[int]*proc
	order    []int // of procs
	locks    []*lockFile
	sockets  map[uint64]platform.Socket
	before   map[uint64]platform.Socket
	sockErr  error
	mounts   []procfs.Mount
	paths    map[proclocks.File]string
	made     map[proclocks.File]time.Time // when lock files were made
	earlier  []proclocks.Lock             // those of the first look
	states   []string                     // directories such as /nix/var/nix
	stores   []string
	users    map[int]string
	builders map[int]string // build users, by ID
	pool     []string       // files of the user pool
	load     []string       // files that stand for slots of remote machines
	dotfile  string         // lock directory of a database without WAL
	free     map[string]uint64
	limits   []Limit
	skipped  int // processes beyond maxDeep
	// unsettled says that nothing explains some process.
	unsettled bool
}

// lockFile is a file with the locks on it.
type lockFile struct {
	file    proclocks.File
	path    string
	exact   bool          // the path was read from an open file and not found by its inode
	held    time.Duration // at least this long; 0 where that could not be told
	locks   []proclocks.Lock
	waiting []proclocks.Lock
}

type collector struct {
	*snapshot
	v    platform.View
	opts Options
}

// collect reads the host twice.
func collect(ctx context.Context, v platform.View, opts Options) (*snapshot, error) {
	c := &collector{v: v, opts: opts, snapshot: &snapshot{
		facts: v.Facts(), procs: map[int]*proc{}, paths: map[proclocks.File]string{},
		users: map[int]string{}, builders: map[int]string{}, free: map[string]uint64{},
	}}
	c.calls, c.callsOK = procfs.CallsOf(c.facts.Arch)
	if err := c.shallow(ctx); err != nil {
		return nil, err
	}
	c.accounts(ctx)
	c.states, c.stores = []string{opts.state()}, []string{opts.store()}
	c.children()
	c.deepen(ctx, c.candidates())
	c.directories()
	locks, err := c.readLocks(ctx)
	if err != nil {
		return nil, err
	}
	c.earlier = locks
	c.knownFiles(ctx, locks)
	c.deepen(ctx, c.owners(locks))
	c.deepen(ctx, c.candidates())
	c.before, c.sockErr = c.readSockets(ctx)
	if c.anything() {
		if err := c.again(ctx); err != nil {
			return nil, err
		}
		if locks, err = c.readLocks(ctx); err != nil {
			return nil, err
		}
	}
	c.sockets, c.sockErr = c.readSockets(ctx)
	c.elsewhere(ctx)
	c.tabulate(ctx, locks)
	c.classify()
	if err := c.confirm(ctx); err != nil {
		return nil, err
	}
	c.temproots(ctx)
	c.surroundings(ctx)
	return c.snapshot, nil
}

// anything reports whether there is a reason to look a second time.
func (c *collector) anything() bool {
	for _, p := range c.procs {
		if p.deep {
			return true
		}
	}
	return false
}

// shallow reads one file of every process.
func (c *collector) shallow(ctx context.Context) error {
	type seen struct {
		procs  map[int]*proc
		order  []int
		boot   string
		self   string
		net    string
		uptime float64
		mounts []procfs.Mount
		pid    int
	}
	s := seen{procs: map[int]*proc{}}
	err := c.v.Burst(ctx, "/proc", func(f platform.Files) error {
		pids, err := procfs.PIDs(f)
		if err != nil {
			return err
		}
		if data, err := f.Read("/proc/uptime"); err == nil {
			word, _, _ := strings.Cut(string(data), " ")
			s.uptime, _ = strconv.ParseFloat(word, 64)
		}
		if data, err := f.Read("/proc/sys/kernel/random/boot_id"); err == nil {
			s.boot = string(bytes.TrimSpace(data))
		}
		s.self, _ = f.Link("/proc/self/ns/pid")
		s.net, _ = f.Link("/proc/self/ns/net")
		if own, err := f.Link("/proc/self"); err == nil {
			s.pid, _ = strconv.Atoi(own)
		}
		if data, err := f.Read("/proc/self/mountinfo"); err == nil {
			s.mounts = procfs.ParseMounts(data)
		}
		s.procs = make(map[int]*proc, len(pids))
		for _, pid := range pids {
			dir := procfs.Dir(pid)
			data, err := f.Read(dir + "/stat")
			if err != nil {
				continue // it has ended
			}
			st, err := procfs.ParseStat(data)
			if err != nil {
				continue
			}
			p := &proc{Stat: st, uid: -1}
			if info, err := f.Stat(dir); err == nil {
				p.uid = info.UID
			}
			s.procs[pid] = p
			s.order = append(s.order, pid)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the processes: %w", err)
	}
	slices.Sort(s.order)
	c.procs, c.order, c.boot, c.self, c.net, c.uptime, c.mounts, c.selfPID = s.procs, s.order, s.boot, s.self, s.net, s.uptime, s.mounts, s.pid
	if len(s.mounts) > 0 && c.procs[1] == nil {
		c.limit("other-users", "processes of other users are hidden (/proc is mounted with hidepid)", true)
	}
	if s.self != "" && s.self != procfs.InitialPIDNamespace {
		c.limit("pid-namespace", "lixfix runs in a PID namespace of its own, as in a container: processes outside, and the locks that they hold, cannot be seen; "+
			"run it on the host if Nix runs there", false)
	}
	return nil
}

// limit records something that could not be seen.
func (s *snapshot) limit(id, what string, root bool) {
	for i := range s.limits {
		if s.limits[i].ID == id {
			return
		}
	}
	s.limits = append(s.limits, Limit{ID: id, What: what, NeedsRoot: root})
}

// children links every process to its parent.
func (c *collector) children() {
	for _, pid := range c.order {
		c.procs[pid].children = nil
	}
	for _, pid := range c.order {
		p := c.procs[pid]
		if parent := c.procs[p.Parent]; parent != nil && parent != p {
			parent.children = append(parent.children, p)
		}
	}
}

// candidates are Nix's own processes, what descends from them, and processes of build users.
func (c *collector) candidates() []*proc {
	var list []*proc
	seen := map[int]bool{}
	var add func(p *proc)
	add = func(p *proc) {
		if seen[p.PID] {
			return
		}
		seen[p.PID] = true
		list = append(list, p)
		for _, child := range p.children {
			add(child)
		}
	}
	for _, pid := range c.order {
		p := c.procs[pid]
		_, build := c.builders[p.uid]
		if nixName(p.Name) || build && p.uid != 0 {
			add(p)
		}
	}
	return list
}

// nixName tells by its name whether a process may be one of Nix's own; its arguments decide.
func nixName(name string) bool {
	name = strings.TrimPrefix(name, ".")
	return strings.HasPrefix(name, "nix") || name == "build-remote" || name == "lix"
}

// deepen reads everything about some processes.
func (c *collector) deepen(ctx context.Context, list []*proc) {
	n := 0
	for _, p := range c.procs {
		if p.deep {
			n++
		}
	}
	for _, p := range list {
		if p.deep || p.gone {
			continue
		}
		if n >= maxDeep {
			c.skipped++
			continue
		}
		n++
		dctx, cancel := context.WithTimeout(ctx, deepTime)
		q := *p
		q.hidden = map[string]bool{}
		err := c.v.Burst(dctx, procfs.Dir(p.PID), func(f platform.Files) error {
			readDeep(f, &q)
			return nil
		})
		cancel()
		p.deep = true
		if err != nil {
			// q may still be written to.
			p.hidden = map[string]bool{"everything": true}
			c.limit("unreadable", fmt.Sprintf("process %d could not be read within %s: something holds the lock of its memory", p.PID, deepTime), false)
			continue
		}
		q.deep, q.children = true, p.children
		*p = q
	}
}

// readDeep reads what does not change, and the first sample.
func readDeep(f platform.Files, p *proc) {
	dir := procfs.Dir(p.PID)
	data, err := f.Read(dir + "/cmdline")
	if procfs.Gone(err) {
		p.gone = true
		return
	}
	p.argv = procfs.ParseArguments(data)
	if p.ns, err = f.Link(dir + "/ns/pid"); errors.Is(err, fs.ErrPermission) {
		p.hidden["ns"] = true
	}
	p.net, _ = f.Link(dir + "/ns/net")
	if nixName(p.Name) {
		if data, err = f.Read(dir + "/cgroup"); err == nil {
			p.peer = unitPeer(data)
		}
	}
	p.first = readSample(f, p)
	readFiles(f, p)
	if data, err = f.Read(dir + "/limits"); err == nil {
		p.files = fileLimit(data)
	}
}

// unit is what systemd calls the service of one connection: its number, and the process and user ID of who connected.
// Newer versions add to the process the ID of its pidfd. https://www.freedesktop.org/software/systemd/man/systemd.socket.html
var unit = regexp.MustCompile(`(?m)/nix-daemon@\d+-(\d+)(?:_\d+)?-\d+\.service$`)

// unitPeer returns the process that a unit was started for, 0 where the control group names none.
func unitPeer(cgroup []byte) int {
	m := unit.FindSubmatch(cgroup)
	if m == nil {
		return 0
	}
	n, _ := digits(string(m[1]))
	return n
}

// fileLimit returns how many files a process may have open, 0 where limits does not tell.
func fileLimit(limits []byte) int {
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				n, _ := strconv.Atoi(f[0]) // "unlimited" is no number
				return n
			}
		}
	}
	return 0
}

// readSample reads what changes.
func readSample(f platform.Files, p *proc) sample {
	dir := procfs.Dir(p.PID)
	var s sample
	data, err := f.Read(dir + "/stat")
	if err != nil {
		p.gone = p.gone || procfs.Gone(err)
		return s
	}
	st, err := procfs.ParseStat(data)
	if err != nil || st.Start != p.Start {
		p.gone = true
		return s
	}
	s.state, s.cpu, s.rss = st.State, st.CPU, st.RSS
	p.Parent, p.Name = st.Parent, st.Name
	if data, err = f.Read(dir + "/status"); err == nil {
		p.status = procfs.ParseStatus(data)
		if p.status.UID >= 0 {
			p.uid = p.status.UID
		}
	}
	if data, err = f.Read(dir + "/io"); err == nil {
		s.io = procfs.ParseIO(data)
	} else if errors.Is(err, fs.ErrPermission) {
		p.hidden["io"] = true
	}
	tasks, err := f.Names(dir + "/task")
	if err != nil {
		p.gone = p.gone || procfs.Gone(err)
		return s
	}
	for _, name := range tasks {
		task := dir + "/task/" + name
		t := thread{}
		if t.id, err = strconv.Atoi(name); err != nil {
			continue
		}
		if data, err = f.Read(task + "/stat"); err != nil {
			continue
		}
		if st, err := procfs.ParseStat(data); err == nil {
			t.name, t.state = st.Name, st.State
		}
		if data, err = f.Read(task + "/status"); err == nil {
			s.switches += procfs.ParseStatus(data).Switches
		}
		if data, err = f.Read(task + "/syscall"); err == nil {
			t.call = procfs.ParseCall(data)
		} else if errors.Is(err, fs.ErrPermission) {
			// What wchan says to strangers is "0", so it is not asked.
			p.hidden["syscall"] = true
		}
		if !p.hidden["syscall"] {
			if data, err = f.Read(task + "/wchan"); err == nil && string(data) != "0" {
				t.wchan = string(bytes.TrimSpace(data))
			}
		}
		s.threads = append(s.threads, t)
	}
	slices.SortFunc(s.threads, func(a, b thread) int { return a.id - b.id })
	s.ok = true
	return s
}

// readFiles reads what the process has open, and the locks that it holds through it.
func readFiles(f platform.Files, p *proc) {
	dir := procfs.Dir(p.PID)
	names, err := f.Names(dir + "/fd")
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			p.hidden["fd"] = true
		}
		return
	}
	p.opened = len(names)
	p.fds, p.sockets, p.paths = map[int]string{}, map[uint64]int{}, map[proclocks.File]string{}
	for i, name := range names {
		if i == maxFiles {
			p.hidden["some files"] = true
			break
		}
		fd, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		target, err := f.Link(dir + "/fd/" + name)
		if err != nil {
			continue
		}
		p.fds[fd] = target
		if rest, ok := strings.CutPrefix(target, "socket:["); ok {
			if inode, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64); err == nil {
				p.sockets[inode] = fd
			}
			continue
		}
		if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "/dev/") {
			continue
		}
		if strings.Contains(target, "/log/nix/drvs/") {
			// Through the process, which can see another tree of files. A link is not followed by Stat.
			if info, err := f.Stat("/proc/" + strconv.Itoa(p.PID) + "/root" + target); err == nil && info.Modified.After(p.logged) {
				p.logged = info.Modified
			}
		}
		data, err := f.Read(dir + "/fdinfo/" + name)
		if err != nil {
			continue
		}
		for _, l := range proclocks.ParseInfo(data) {
			p.held = append(p.held, l)
			p.paths[l.File] = strings.TrimSuffix(target, " (deleted)")
		}
	}
}

// again takes the second sample.
func (c *collector) again(ctx context.Context) error {
	began := time.Now()
	gap := c.opts.Gap
	if gap == 0 {
		gap = defaultGap
	}
	select {
	case <-time.After(gap):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, pid := range c.order {
		p := c.procs[pid]
		if !p.deep || p.gone || p.hidden["everything"] {
			continue
		}
		dctx, cancel := context.WithTimeout(ctx, deepTime)
		q := *p
		q.hidden = map[string]bool{}
		err := c.v.Burst(dctx, procfs.Dir(pid), func(f platform.Files) error {
			q.second = readSample(f, &q)
			return nil
		})
		cancel()
		if err != nil {
			continue
		}
		for key := range p.hidden {
			q.hidden[key] = true
		}
		*p = q
	}
	c.gap = time.Since(began)
	return nil
}

// directories learns from open files where the store and its state are, for stores that are not in /nix.
func (c *collector) directories() {
	for _, pid := range c.order {
		for _, target := range c.procs[pid].fds {
			dir, file := path.Split(target)
			switch {
			case file == "big-lock" && strings.HasSuffix(dir, "/db/"):
				c.states = add(c.states, strings.TrimSuffix(dir, "/db/"))
			case strings.HasSuffix(target, ".lock") && isStoreLock(target):
				c.stores = add(c.stores, path.Clean(dir))
			}
		}
	}
}

func add(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

// isStoreLock tells from its name whether a file is the lock of a store path: 32 characters of a hash and a name.
func isStoreLock(name string) bool {
	base, ok := strings.CutSuffix(path.Base(name), ".lock")
	return ok && len(base) > 33 && base[32] == '-' && !strings.ContainsFunc(base[:32], func(r rune) bool {
		return !strings.ContainsRune("0123456789abcdfghijklmnpqrsvwxyz", r)
	})
}

func (c *collector) readLocks(ctx context.Context) ([]proclocks.Lock, error) {
	var locks []proclocks.Lock
	err := c.v.Burst(ctx, "/proc/locks", func(f platform.Files) error {
		data, err := f.Read("/proc/locks")
		if err != nil {
			return err
		}
		locks, _ = proclocks.Parse(data)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the locks: %w", err)
	}
	return locks, nil
}

func (c *collector) readSockets(ctx context.Context) (map[uint64]platform.Socket, error) {
	list, err := c.v.Sockets(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[uint64]platform.Socket, len(list))
	for _, s := range list {
		if s.Inode != 0 {
			all[s.Inode] = s
		}
	}
	return all, nil
}

// elsewhere adds the connections in other network namespaces: a fixed-output build has one of its own, in which pasta
// gives it the network.
func (c *collector) elsewhere(ctx context.Context) {
	var where []int // a process in each of them
	seen := map[string]bool{"": true, c.net: true}
	for _, pid := range c.order {
		if p := c.procs[pid]; p.deep && !p.gone && len(p.sockets) > 0 && !seen[p.net] {
			seen[p.net] = true
			where = append(where, pid)
		}
	}
	if len(where) == 0 || c.sockets == nil {
		return
	}
	var found []procfs.Connection
	err := c.v.Burst(ctx, "the connections of builds", func(f platform.Files) error {
		for _, pid := range where {
			for _, table := range []string{"/net/tcp", "/net/tcp6"} {
				if data, err := f.Read(procfs.Dir(pid) + table); err == nil {
					found = append(found, procfs.ParseConnections(data)...)
				}
			}
		}
		return nil
	})
	if err != nil {
		return
	}
	for _, l := range found {
		if _, known := c.sockets[l.Inode]; !known && l.Inode != 0 && l.State != platform.SocketListening {
			// How long it is idle is not told there.
			c.sockets[l.Inode] = platform.Socket{
				Inode: l.Inode, TCP: true, State: l.State, Remote: l.Remote, Retransmits: l.Retransmits, Unacked: int(min(l.Unsent, 1)),
			}
		}
	}
}

// device returns the device that the lock table shows for a file: that of its mount, which some file systems do not
// show in stat(2).
func (s *snapshot) device(name string) (major, minor uint64, ok bool) {
	m, ok := s.mount(name)
	return m.Major, m.Minor, ok
}

// mount returns what a file is on.
func (s *snapshot) mount(name string) (procfs.Mount, bool) {
	best, found := -1, procfs.Mount{}
	for _, m := range s.mounts {
		if len(m.Point) >= best && (m.Point == "/" || name == m.Point || strings.HasPrefix(name, m.Point+"/")) {
			best, found = len(m.Point), m
		}
	}
	return found, best >= 0
}

// knownFiles finds the inodes of the lock files whose names are known. Their directories may be searched by everybody,
// although the files themselves are root's.
func (c *collector) knownFiles(ctx context.Context, locks []proclocks.Lock) {
	type found struct {
		paths map[proclocks.File]string
		made  map[proclocks.File]time.Time
		pool  []string
		load  []string
		dot   string
	}
	got := found{paths: map[proclocks.File]string{}, made: map[proclocks.File]time.Time{}}
	wanted := map[uint64]bool{}
	for _, l := range locks {
		wanted[l.File.Inode] = true
	}
	known := map[proclocks.File]bool{}
	var open []string
	for _, pid := range c.order {
		for file := range c.procs[pid].paths {
			known[file] = true
		}
		for _, target := range c.procs[pid].fds {
			if c.procs[pid].deep && (strings.HasSuffix(target, ".lock") || strings.Contains(path.Base(target), ".sqlite")) {
				open = add(open, target)
			}
		}
	}
	err := c.v.Burst(ctx, c.states[0], func(f platform.Files) error {
		look := func(name string) bool {
			info, err := f.Stat(name)
			if err != nil {
				return false
			}
			major, minor, ok := c.device(name)
			if ok && wanted[info.Inode] {
				file := proclocks.File{Major: major, Minor: minor, Inode: info.Inode}
				got.paths[file], got.made[file] = name, info.Modified
			}
			return info.Mode.IsDir()
		}
		within := func(dir string, each func(name string)) {
			names, err := f.Names(dir)
			if err != nil {
				return
			}
			slices.Sort(names)
			for _, name := range names {
				look(dir + "/" + name)
				each(dir + "/" + name)
			}
		}
		for _, state := range c.states {
			for _, name := range []string{"/gc.lock", "/db/big-lock", "/db/db.sqlite", "/db/db.sqlite-shm"} {
				look(state + name)
			}
			if look(state + "/db/db.sqlite.lock") {
				got.dot = state + "/db/db.sqlite.lock"
			}
			for _, dir := range []string{"/userpool", "/userpool2"} {
				within(state+dir, func(name string) { got.pool = append(got.pool, name) })
			}
			within(state+"/temproots", func(string) {})
			within(state+"/current-load", func(name string) {
				if base := path.Base(name); base != "main-lock" && !strings.HasSuffix(base, ".upload-lock") {
					got.load = append(got.load, name)
				}
			})
			within(state+"/profiles", func(string) {})
		}
		for _, name := range open {
			look(name)
		}
		// The store can have hundreds of thousands of entries, so it is listed only for locks that are still nameless.
		nameless := slices.ContainsFunc(locks, func(l proclocks.Lock) bool {
			_, ok := got.paths[l.File]
			return !ok && !known[l.File] && l.Kind == proclocks.Flock && l.Write
		})
		if !nameless {
			return nil
		}
		for _, store := range c.stores {
			names, err := f.Names(store)
			if err != nil {
				continue
			}
			n := 0
			for _, name := range names {
				if !isStoreLock(name) {
					continue
				}
				if n++; n > maxLockStats {
					break
				}
				look(store + "/" + name)
			}
		}
		return nil
	})
	if err != nil {
		return
	}
	c.paths, c.made, c.pool, c.load, c.dotfile = got.paths, got.made, got.pool, got.load, got.dot
}

// pathOf returns the name of a locked file, exact where it was read from an open one.
func (c *collector) pathOf(file proclocks.File) (name string, exact bool) {
	for _, pid := range c.order {
		if name, ok := c.procs[pid].paths[file]; ok {
			return name, true
		}
	}
	return c.paths[file], false
}

// owners are the processes that hold locks on files of Nix, whatever they are, and those in front of whom a process of
// Nix queues.
func (c *collector) owners(locks []proclocks.Lock) []*proc {
	queues := map[proclocks.File]bool{}
	for _, l := range locks {
		if p := c.procs[l.PID]; l.Waiting && p != nil && p.deep {
			queues[l.File] = true
		}
	}
	var list []*proc
	for _, l := range locks {
		p := c.procs[l.PID]
		if p == nil || p.deep {
			continue
		}
		name, _ := c.pathOf(l.File)
		if name != "" || queues[l.File] {
			list = append(list, p)
			list = append(list, p.children...)
		}
	}
	return list
}

// confirm gives workers the time that they take to notice by themselves that their client is gone, for which up to two
// seconds were seen, or that their builder has ended.
func (c *collector) confirm(ctx context.Context) error {
	for deadline := time.Now().Add(confirmTime); ; {
		left := 0
		for _, p := range c.procs {
			parent := c.procs[p.Parent]
			orphan := p.role == Worker && p.orphan && !p.stopped()
			defunct := p.role == Builder && p.second.state == 'Z' && parent != nil && (parent.role == Worker || parent.role == Client) &&
				!parent.stopped() && c.leftover(p) == nil
			if p.gone || !orphan && !defunct {
				continue
			}
			id, state, err := platform.Identity(ctx, c.v, p.PID)
			if errors.Is(err, platform.ErrGone) || err == nil && (id.Start != p.start() || state == 'Z' && orphan) {
				p.gone = true
				if defunct {
					parent.reaped = true
				}
				continue
			}
			left++
		}
		if left == 0 || time.Now().After(deadline) {
			return nil
		}
		select {
		case <-time.After(confirmTime / 20):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tabulate arranges the locks by file.
func (c *collector) tabulate(ctx context.Context, locks []proclocks.Lock) {
	// POSIX and flock locks on one file do not see each other, but both are shown at the file.
	files := map[proclocks.File]*lockFile{}
	for _, l := range locks {
		lf := files[l.File]
		if lf == nil {
			lf = &lockFile{file: l.File}
			lf.path, lf.exact = c.pathOf(l.File)
			// The lock of an output is removed by who held it, so it is as old as the file.
			if made := c.made[l.File]; !made.IsZero() && isStoreLock(lf.path) {
				lf.held = max(0, time.Since(made))
			}
			files[l.File] = lf
			c.locks = append(c.locks, lf)
		}
		if l.Waiting {
			lf.waiting = append(lf.waiting, l)
		} else {
			lf.locks = append(lf.locks, l)
		}
	}
	for _, lf := range c.locks {
		c.inherited(ctx, lf)
		if lf.path == "" {
			c.fromWaiter(lf)
		}
	}
	c.unlisted(ctx)
}

// unlisted finds who holds a lock that somebody waits for and that the table does not show: in a PID namespace the
// kernel leaves out every lock whose taker has ended, although a child that inherited the open file keeps it. Its
// fdinfo still has the lock.
func (c *collector) unlisted(ctx context.Context) {
	for _, pid := range c.order {
		p := c.procs[pid]
		if !p.deep || p.gone || !c.callsOK || len(c.waitsAt(pid)) > 0 {
			continue
		}
		t, ok := inCall(p, c.calls.Flock)
		name := p.fds[int(t.call.Args[0])]
		if !ok || name == "" {
			continue
		}
		waits := proclocks.Lock{Kind: proclocks.Flock, Waiting: true, Write: t.call.Args[1]&1 == 0, PID: pid, End: -1}
		if i := slices.IndexFunc(c.locks, func(lf *lockFile) bool { return lf.path == name && lf.exact && len(lf.locks) > 0 }); i >= 0 {
			c.locks[i].waiting = append(c.locks[i].waiting, waits)
			continue
		}
		keeper, held := c.keeper(ctx, name)
		if keeper == 0 {
			continue
		}
		held.PID, waits.File = keeper, held.File
		c.locks = append(c.locks, &lockFile{file: held.File, path: name, exact: true, locks: []proclocks.Lock{held}, waiting: []proclocks.Lock{waits}})
		if h := c.procs[keeper]; !h.deep {
			c.deepen(ctx, []*proc{h})
			h.second = h.first
		}
	}
}

// keeper returns a process that holds a flock on a file through what it has open, 0 for none that may be looked into.
func (c *collector) keeper(ctx context.Context, name string) (int, proclocks.Lock) {
	type found struct {
		pid  int
		lock proclocks.Lock
	}
	got, order := new(found), c.order
	err := c.v.Burst(ctx, "who has "+name+" open", func(f platform.Files) error {
		for _, pid := range order {
			dir := procfs.Dir(pid)
			names, err := f.Names(dir + "/fd")
			if err != nil {
				continue
			}
			for _, fd := range names {
				if target, err := f.Link(dir + "/fd/" + fd); err != nil || target != name {
					continue
				}
				data, err := f.Read(dir + "/fdinfo/" + fd)
				if err != nil {
					continue
				}
				for _, l := range proclocks.ParseInfo(data) {
					if l.Kind == proclocks.Flock {
						got.pid, got.lock = pid, l
						return nil
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, proclocks.Lock{} // got may still be written to
	}
	return got.pid, got.lock
}

// fromWaiter names the file of a lock by what a process that waits for it is waiting with.
func (c *collector) fromWaiter(lf *lockFile) {
	for _, w := range lf.waiting {
		p := c.procs[w.PID]
		if p == nil {
			continue
		}
		for _, t := range p.second.threads {
			if c.callsOK && t.call.Known && t.call.N == c.calls.Flock {
				if name, ok := p.fds[int(t.call.Args[0])]; ok {
					lf.path, lf.exact = name, true
					return
				}
			}
		}
	}
}

// inherited finds who keeps a lock that was taken by a process that does not have the file open any more: an open file,
// and the flock on it, passes to children.
func (c *collector) inherited(ctx context.Context, lf *lockFile) {
	for i, l := range lf.locks {
		if l.Kind == proclocks.Posix {
			continue
		}
		if p := c.procs[l.PID]; p != nil && (p.fds == nil || slices.ContainsFunc(p.held, func(h proclocks.Lock) bool { return h.File == l.File })) {
			continue
		}
		if c.procs[l.PID] != nil && lf.path == "" {
			continue
		}
		for _, pid := range c.order {
			p := c.procs[pid]
			if slices.ContainsFunc(p.held, func(h proclocks.Lock) bool { return h.File == l.File && h.Kind == l.Kind }) {
				lf.locks[i].PID = pid
				break
			}
		}
		if c.procs[lf.locks[i].PID] == nil && lf.path != "" && c.facts.Root() {
			if pid := c.opener(ctx, lf.path); pid > 0 {
				lf.locks[i].PID = pid
				c.deepen(ctx, []*proc{c.procs[pid]})
				p := c.procs[pid]
				p.second = p.first
			}
		}
	}
}

// opener returns a process that has a file open.
func (c *collector) opener(ctx context.Context, name string) int {
	found := 0
	order := c.order
	err := c.v.Burst(ctx, "/proc", func(f platform.Files) error {
		for _, pid := range order {
			dir := procfs.Dir(pid) + "/fd"
			names, err := f.Names(dir)
			if err != nil {
				continue
			}
			for _, fd := range names {
				if target, err := f.Link(dir + "/" + fd); err == nil && target == name {
					found = pid
					return nil
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0
	}
	return found
}

// temproots reads which store paths the workers want. Root alone may.
func (c *collector) temproots(ctx context.Context) {
	for _, pid := range c.order {
		p := c.procs[pid]
		if !p.deep || p.gone {
			continue
		}
		name := ""
		for fd, target := range p.fds {
			if strings.Contains(target, "/temproots/") {
				// Through the process, because the daemon can see another tree of files than lixfix.
				name = procfs.Dir(pid) + "/fd/" + strconv.Itoa(fd)
			}
		}
		if name == "" {
			continue
		}
		var roots []string
		err := c.v.Burst(ctx, name, func(f platform.Files) error {
			data, err := f.Read(name)
			if err != nil {
				return err
			}
			for root := range strings.SplitSeq(string(data), "\x00") {
				if root != "" {
					roots = append(roots, path.Base(root))
				}
			}
			return nil
		})
		if err == nil {
			p.roots = roots
		}
	}
}

// accounts reads the names of users, and who is a build user.
func (c *collector) accounts(ctx context.Context) {
	byName := map[string]int{}
	if data, err := c.v.ReadFile(ctx, "/etc/passwd"); err == nil {
		for line := range strings.Lines(string(data)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) < 3 {
				continue
			}
			if uid, err := strconv.Atoi(f[2]); err == nil {
				byName[f[0]] = uid
				if _, taken := c.users[uid]; !taken {
					c.users[uid] = f[0]
				}
			}
		}
	}
	group := "nixbld"
	if c.opts.Group != "" {
		group = c.opts.Group
	}
	if data, err := c.v.ReadFile(ctx, "/etc/group"); err == nil {
		for line := range strings.Lines(string(data)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) < 4 || f[0] != group {
				continue
			}
			for name := range strings.SplitSeq(f[3], ",") {
				if uid, ok := byName[name]; ok && uid != 0 {
					c.builders[uid] = name
				}
			}
		}
	}
}

// surroundings looks at what is not about processes.
func (c *collector) surroundings(ctx context.Context) {
	for _, dir := range slices.Concat(c.states, c.stores) {
		if n, err := c.v.Free(ctx, dir); err == nil {
			c.free[dir] = n
		}
	}
	for _, pid := range c.order {
		p := c.procs[pid]
		if !p.deep || p.gone || p.role == other {
			continue
		}
		if p.hidden["fd"] || p.hidden["syscall"] {
			if c.facts.Root() {
				c.limit("caged", "what processes wait for, which files they have open and whom their sockets belong to: this root may not look into "+
					"the processes of others (it lacks CAP_SYS_PTRACE, as in a container)", false)
				continue
			}
			c.limit("root", "what root's processes wait for, which files they have open and whom their sockets belong to", true)
		}
	}
	if c.sockErr != nil && c.facts.OS == platform.Linux {
		c.limit("sockets", "who talks to whom: "+c.sockErr.Error(), false)
	}
	if !c.callsOK {
		c.limit("calls", "which system call a process is in: the numbers of "+c.facts.Arch+" are not known to lixfix", false)
	}
	if c.skipped > 0 {
		c.limit("many", fmt.Sprintf("%d more processes of Nix: only %d are read", c.skipped, maxDeep), false)
	}
}
