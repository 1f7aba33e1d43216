package stuck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
)

const (
	defaultGap   = 400 * time.Millisecond
	confirmTime  = 5 * time.Second
	settleTime   = 6 * time.Second         // until one that retries every five has done so
	doubtTime    = 2500 * time.Millisecond // until one that writes to a slow reader has gone on
	deepTime     = 2 * time.Second         // for one process: reading its arguments can wait for a lock of that process
	maxDeep      = 2000                    // processes; a host that runs more builds than this is not read further
	threadSlack  = 16                      // threads that a process may have started between the looks
	maxLogs      = 64                      // logs of builds of one process
	pageSize     = 4 << 10                 // bytes, at least; ARM has larger ones as well
	maxLockStats = 20000                   // lock files in the store that are looked at, without root
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
	exe      string // its program; "" where that may not be read
	status   procfs.Status
	ns       string // of process IDs, as its link reads
	net      string // network namespace, likewise
	mountNS  string
	userNS   string
	fds      map[int]string
	sockets  map[uint64]int // inode → file descriptor
	held     []proclocks.Lock
	paths    map[proclocks.File]string
	wants    *openFile // its list of the store paths that it wants
	untold   bool      // that list was not read
	roots    []string  // names of the store paths in it: they are protected from the garbage collector
	logs     []openFile
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
	reader   bool      // reads what a command cannot go on writing
	cut      bool      // not all of it was looked at
	reaped   bool      // a builder of it ended while it was watched
	logged   time.Time // when it last wrote to the log of its build
	opened   int       // files that it has open, also those that were not looked at
	files    int       // that it may have open; 0 where that could not be read
}

// stopped reports whether the process is stopped, in both samples.
func (p *proc) stopped() bool {
	return (p.first.state == 'T' || p.first.state == 't') && (p.second.state == 'T' || p.second.state == 't')
}

// runs reports whether a process wanted a processor in both samples, as on a busy host it may without getting much of one.
func (p *proc) runs() bool { return p.first.state == 'R' && p.second.state == 'R' }

// ended reports whether a process is not there any more, or is a zombie, which has nothing open.
func (p *proc) ended() bool { return p == nil || p.gone || p.State == 'Z' || p.second.state == 'Z' }

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
	mountNS  string
	userNS   string
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
	openers  map[string][]opener          // of locked files, by name
	kept     map[keptLock]int             // who keeps locks
	opened   map[proclocks.File]string    // names of locked files, by who has them open
	states   []string                     // directories such as /nix/var/nix
	stores   []string
	users    map[int]string
	builders map[int]string // build users, by ID
	pool     []string       // files of the user pool
	load     []string       // files that stand for slots of remote machines
	dotfile  string         // lock directory of a database without WAL
	free     map[string]uint64
	limits   []Limit
	skipped  int         // processes beyond maxDeep, or of users whose processes cannot be read
	late     map[int]int // processes of a user that could not be read in time
	files    budget      // of open files that are looked at
	names    budget      // of open files whose names are looked at
	threads  budget
	readers  map[string][]*proc // of pipes that others wait to write to, by name
	// unsettled says that nothing explains some process; doubtful, that what explains one may be over in a moment.
	unsettled, doubtful bool
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

// observeHost reads the host twice.
func observeHost(ctx context.Context, v platform.View, opts Options) (*snapshot, error) {
	if v.Facts().OS != platform.Linux {
		return collectWithTools(ctx, v, opts)
	}
	return collect(ctx, v, opts)
}

// collect reads the host twice.
func collect(ctx context.Context, v platform.View, opts Options) (*snapshot, error) {
	c := &collector{v: v, opts: opts, snapshot: &snapshot{
		facts: v.Facts(), procs: map[int]*proc{}, paths: map[proclocks.File]string{},
		users: map[int]string{}, builders: map[int]string{}, free: map[string]uint64{}, late: map[int]int{},
		files:   budget{each: filesEach, user: filesUser, all: filesAll, users: map[int]int{}},
		names:   budget{each: filesEach, user: namesUser, all: namesAll, users: map[int]int{}},
		threads: budget{each: threadsEach, user: threadsUser, all: threadsAll, users: map[int]int{}},
	}}
	c.calls, c.callsOK = procfs.CallsOf(c.facts.Arch)
	if err := c.shallow(ctx); err != nil {
		return nil, err
	}
	c.accounts(ctx)
	c.states, c.stores = []string{opts.state()}, []string{opts.store()}
	c.children()
	c.deepen(ctx, c.candidates())
	c.deepen(ctx, c.tracers())
	c.directories()
	locks, err := c.readLocks(ctx)
	if err != nil {
		return nil, err
	}
	c.earlier = locks
	c.knownFiles(ctx, locks)
	c.deepen(ctx, c.owners(locks))
	c.deepen(ctx, c.candidates())
	c.seekReaders(ctx)
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
	return c.snapshot, nil
}

// Questions are what can be asked when it is known what the processes are to Nix. Processes are named by their numbers.
type Questions struct {
	Leaving []int // may be about to end
	Zombies []int // builders that have ended, whose parents may be about to notice
	Wanting []int // keep lists of the store paths that they want, if they are Nix's
	Logging []int // write the logs of builds
	Parts   []int // all that are part of anything
}

// closer looks at what is asked, and then at what is not about processes.
func closer(ctx context.Context, v platform.View, opts Options, s *snapshot, q Questions) error {
	c := &collector{v: v, opts: opts, snapshot: s}
	if err := c.confirm(ctx, q.Leaving, q.Zombies); err != nil {
		return err
	}
	if c.facts.OS != platform.Linux {
		c.limit("macos", "who holds a lock, who queues for it, and in which system call a process is: macOS tells nobody. "+
			"\"sudo sample PID 1\" shows where one process waits", false)
		if !c.facts.Root() {
			c.limit("root", "which lock files other users' processes have open", true)
		}
		return nil
	}
	c.temproots(ctx, q.Wanting)
	c.logs(ctx, q.Logging)
	c.surroundings(ctx, q.Parts)
	return nil
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
		mount  string
		user   string
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
		s.mount, _ = f.Link("/proc/self/ns/mnt")
		s.user, _ = f.Link("/proc/self/ns/user")
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
	c.procs, c.order, c.boot, c.uptime, c.mounts, c.selfPID = s.procs, s.order, s.boot, s.uptime, s.mounts, s.pid
	c.self, c.net, c.mountNS, c.userNS = s.self, s.net, s.mount, s.user
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

// tracers are the debuggers of what was looked at.
func (c *collector) tracers() []*proc {
	var list []*proc
	for _, pid := range c.order {
		if p := c.procs[pid]; p.deep && !p.gone && p.status.Tracer > 0 {
			if t := c.procs[p.status.Tracer]; t != nil {
				list = append(list, t)
			}
		}
	}
	return list
}

// nixName tells by its name whether a process may be one of Nix's own; its arguments decide.
func nixName(name string) bool {
	name = strings.TrimPrefix(name, ".")
	return strings.HasPrefix(name, "nix") || name == "build-remote" || name == "lix"
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
		c.within(ctx, procfs.Dir(pid), p, func(f platform.Files, q *proc) {
			q.second = readSample(f, q,
				len(q.first.threads)+threadSlack)
		})
	}
	c.gap = time.Since(began)
	return nil
}

// confirm gives workers the time that they take to notice by themselves that their client is gone, for which up to two
// seconds were seen, or that their builder has ended.
func (c *collector) confirm(ctx context.Context, leaving, zombies []int) error {
	for deadline := time.Now().Add(confirmTime); ; {
		left := 0
		for i, pid := range slices.Concat(leaving, zombies) {
			p := c.procs[pid]
			if p == nil || p.gone {
				continue
			}
			id, state, err := platform.Identity(ctx, c.v, pid)
			worker := i < len(leaving)
			if errors.Is(err, platform.ErrGone) || err == nil && (id.Start != p.start() || state == 'Z' && worker) {
				p.gone = true
				if parent := c.procs[p.Parent]; parent != nil && !worker {
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

// accounts reads the names of users, and who is a build user.
func (c *collector) accounts(ctx context.Context) {
	var users []accounts.User
	if data, err := c.v.ReadFile(ctx, accounts.PasswdFile); err == nil {
		users = accounts.Users(data)
	}
	for _, u := range users {
		if _, taken := c.users[u.UID]; !taken {
			c.users[u.UID] = u.Name
		}
	}
	name := c.opts.Group
	if name == "" {
		name = installation.Of(ctx, c.v).Builders(ctx).Value.Name
	}
	if name == "" {
		name = "nixbld" // what every installer calls it, where nix.conf cannot be read or names none
	}
	data, err := c.v.ReadFile(ctx, accounts.GroupFile)
	if err != nil {
		return
	}
	group, _ := accounts.GroupByName(accounts.Groups(data), name)
	for _, member := range group.Members {
		if u, ok := accounts.ByName(users, member); ok && u.UID != 0 {
			c.builders[u.UID] = u.Name
		}
	}
}

// surroundings looks at what is not about processes, and says what could not be seen of those that are part of anything.
func (c *collector) surroundings(ctx context.Context, parts []int) {
	for _, dir := range slices.Concat(c.states, c.stores) {
		if n, err := c.v.Free(ctx, dir); err == nil {
			c.free[dir] = n
		}
	}
	for _, pid := range parts {
		p := c.procs[pid]
		if p.gone {
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
		c.limit("many", fmt.Sprintf("%d more processes that may be of Nix: "+
			"%d are read, and none of who makes that slow", c.skipped, maxDeep), false)
	}
	c.unlooked()
}
