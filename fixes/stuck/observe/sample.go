package observe

import (
	"context"
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
	deepTime     = 2 * time.Second // for one process: reading its arguments can wait for a lock of that process
	maxDeep      = 2000            // processes; a host that runs more builds than this is not read further
	threadSlack  = 16              // threads that a process may have started between the looks
	maxLogs      = 64              // logs of builds of one process
	pageSize     = 4 << 10         // bytes, at least; ARM has larger ones as well
	maxLockStats = 20000           // lock files in the store that are looked at, without root
)

// collector reads a snapshot.
type collector struct {
	*Snapshot
	v    platform.View
	opts Options

	paths   map[proclocks.File]string    // names of lock files
	made    map[proclocks.File]time.Time // when they were made
	openers map[string][]opener          // who has locked files open, by name
	opened  map[proclocks.File]string    // names of locked files, by who has them open
	kept    map[keptLock]int             // who keeps locks
	late    map[int]int                  // processes of a user that could not be read in time
	files   budget                       // of open files that are looked at
	names   budget                       // of open files whose names are looked at
	threads budget
}

func newCollector(v platform.View, opts Options) *collector {
	return &collector{
		v: v, opts: opts, late: map[int]int{},
		files:   budget{each: filesEach, user: filesUser, all: filesAll, users: map[int]int{}},
		names:   budget{each: filesEach, user: namesUser, all: namesAll, users: map[int]int{}},
		threads: budget{each: threadsEach, user: threadsUser, all: threadsAll, users: map[int]int{}},
		Snapshot: &Snapshot{
			facts: v.Facts(), Now: v.Now(), Procs: map[int]*Process{}, users: map[int]string{}, Builders: map[int]string{}, Free: map[string]uint64{},
			States: []string{opts.state()}, Stores: []string{opts.store()},
		},
	}
}

// Look reads the host twice, with Options.Gap between the looks.
func Look(ctx context.Context, v platform.View, opts Options) (*Snapshot, error) {
	c := newCollector(v, opts)
	if c.facts.OS != platform.Linux {
		return c.Snapshot, c.withTools(ctx)
	}
	c.Calls, c.CallsOK = procfs.CallsOf(c.facts.Arch)
	if err := c.first(ctx); err != nil {
		return nil, err
	}
	locks := c.Earlier
	if anything(c) {
		if err := c.again(ctx); err != nil {
			return nil, err
		}
		var err error
		if locks, err = c.readLocks(ctx); err != nil {
			return nil, err
		}
	}
	if anything(c) {
		c.Sockets, c.sockErr = c.readSockets(ctx)
	}
	c.elsewhere(ctx)
	c.tabulate(ctx, locks)
	if c.Sockets == nil && c.sockErr == nil && anything(c) { // who keeps a lock was found by what is open
		c.Sockets, c.sockErr = c.readSockets(ctx)
	}
	return c.Snapshot, nil
}

// first is the first look. From what is known of all processes it goes on to those that may matter: what is called like
// Nix and what descends from it, then who traces these, then who holds a lock on a file that they have shown, then who
// reads what they write.
func (c *collector) first(ctx context.Context) error {
	if err := c.shallow(ctx); err != nil {
		return err
	}
	c.accounts(ctx) // before candidates, which knows build users by them
	children(c)
	c.deepen(ctx, candidates(c))
	c.deepen(ctx, tracers(c))
	directories(c) // before the files in them are looked up
	locks, err := c.readLocks(ctx)
	if err != nil {
		return err
	}
	c.Earlier = locks
	c.knownFiles(ctx, locks)
	c.deepen(ctx, owners(c, locks))
	c.deepen(ctx, candidates(c)) // some have changed their names by now
	c.seekReaders(ctx)
	if anything(c) { // sockets are looked at for what a process does with them, and the kernel has many
		c.Before, c.sockErr = c.readSockets(ctx)
	}
	return nil
}

// anything reports whether there is a reason to look a second time.
func anything(c *collector) bool {
	for _, p := range c.Procs {
		if p.Deep {
			return true
		}
	}
	return false
}

// shallow reads one file of every process.
func (c *collector) shallow(ctx context.Context) error {
	type seen struct {
		procs  map[int]*Process
		order  []int
		self   string
		net    string
		mount  string
		user   string
		uptime float64
		mounts []procfs.Mount
		pid    int
	}
	s := seen{procs: map[int]*Process{}}
	err := c.v.Burst(ctx, "/proc", func(f platform.Files) error {
		pids, err := procfs.PIDs(f)
		if err != nil {
			return err
		}
		if data, err := f.Read("/proc/uptime"); err == nil {
			word, _, _ := strings.Cut(string(data), " ")
			s.uptime, _ = strconv.ParseFloat(word, 64)
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
		s.procs = make(map[int]*Process, len(pids))
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
			p := &Process{Stat: st, UID: -1}
			if info, err := f.Stat(dir); err == nil {
				p.UID = info.UID
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
	c.Procs, c.Order, c.Uptime, c.mounts, c.SelfPID = s.procs, s.order, s.uptime, s.mounts, s.pid
	c.Self, c.net, c.mountNS, c.userNS = s.self, s.net, s.mount, s.user
	if len(s.mounts) > 0 && c.Procs[1] == nil {
		c.limit("other-users", hidepid, true)
	}
	if s.self != "" && s.self != procfs.InitialPIDNamespace {
		c.limit("pid-namespace", ownNamespace, false)
	}
	return nil
}

// children links every process to its parent.
func children(c *collector) {
	for _, pid := range c.Order {
		c.Procs[pid].Children = nil
	}
	for _, pid := range c.Order {
		p := c.Procs[pid]
		if parent := c.Procs[p.Parent]; parent != nil && parent != p {
			parent.Children = append(parent.Children, p)
		}
	}
}

// candidates are Nix's own processes, what descends from them, and processes of build users.
func candidates(c *collector) []*Process {
	var list []*Process
	seen := map[int]bool{}
	var add func(p *Process)
	add = func(p *Process) {
		if seen[p.PID] {
			return
		}
		seen[p.PID] = true
		list = append(list, p)
		for _, child := range p.Children {
			add(child)
		}
	}
	for _, pid := range c.Order {
		p := c.Procs[pid]
		_, build := c.Builders[p.UID]
		if NixName(p.Name) || build && p.UID != 0 {
			add(p)
		}
	}
	return list
}

// tracers are the debuggers of what was looked at.
func tracers(c *collector) []*Process {
	var list []*Process
	for _, pid := range c.Order {
		if p := c.Procs[pid]; p.Deep && !p.Gone && p.Status.Tracer > 0 {
			if t := c.Procs[p.Status.Tracer]; t != nil {
				list = append(list, t)
			}
		}
	}
	return list
}

// again takes the second sample.
func (c *collector) again(ctx context.Context) error {
	began := c.v.Now()
	gap := c.opts.Gap
	if gap == 0 {
		gap = defaultGap
	}
	if err := c.v.Pause(ctx, "a second look at the processes", gap); err != nil {
		return err
	}
	for _, pid := range c.Order {
		p := c.Procs[pid]
		if !p.Deep || p.Gone || p.Hidden["everything"] {
			continue
		}
		c.within(ctx, procfs.Dir(pid), p, func(f platform.Files, q *Process) {
			q.Second = readSample(f, q,
				len(q.First.Threads)+threadSlack)
		})
	}
	c.Gap = c.v.Now().Sub(began)
	return nil
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
			c.Builders[u.UID] = u.Name
		}
	}
}
