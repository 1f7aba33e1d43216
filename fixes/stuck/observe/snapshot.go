// Package observe reads what the kernel tells of the processes, locks and sockets of a host, twice within half a second. It
// decides nothing: what a process is to Nix, and why it waits, is told by the room diagnose.
package observe

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
	"github.com/lixfix/lixfix/platform/words"
)

// OpenFile is a file that a process has open, by the text of its link, which is never followed.
type OpenFile struct {
	procfs.Opened
	name  string
	locks []proclocks.Lock // that are held through it
}

// Thread is one thread of a process at one time.
type Thread struct {
	ID    int
	Name  string
	State byte
	Call  procfs.Call
	Wchan string
}

// Sample is what changes while a process runs.
type Sample struct {
	OK       bool // it was read
	State    byte
	cpu      uint64 // ticks
	switches uint64
	IO       procfs.IO
	rss      int64 // pages
	Threads  []Thread
}

// Process is a process. What only those have that were looked at closely is empty in others.
type Process struct {
	procfs.Stat
	UID      int
	Children []*Process
	Deep     bool            // it was looked at closely
	Gone     bool            // it ended while it was read
	Hidden   map[string]bool // what may not be read: "fd", "io", "ns", "syscall", "some files", "some threads", "everything"
	Cut      bool            // not all of it was looked at

	Argv    []string
	Exe     string // its program; "" where that may not be read
	Status  procfs.Status
	NS      string // PID namespace, as its link reads; so are the others
	net     string
	mountNS string
	userNS  string
	started string // on macOS, as ps has it
	Peer    int    // number of its client, as the name of its unit has it; 0 for none

	First  Sample
	Second Sample

	FDs     map[int]string // what is open, by file descriptor; nil where that may not be read
	Sockets map[uint64]int // file descriptors, by inode
	Held    []proclocks.Lock
	Opened  int                       // files that it has open, also those that were not looked at
	Files   int                       // files that it may have open; 0 where that could not be read
	paths   map[proclocks.File]string // of the files in Held

	wants  *OpenFile // its list of the store paths that it wants
	Untold bool      // that list was not read
	Roots  []string  // names of the store paths in it: they are protected from the garbage collector
	logs   []OpenFile
	Logged time.Time // when it last wrote to the log of a build
	Reader bool      // it has open what another one cannot go on writing
	Reaped bool      // a builder of it ended while it was watched
}

// Snapshot is everything that was read.
type Snapshot struct {
	Procs   map[int]*Process
	Order   []int                 // numbers of the processes, ascending
	Readers map[string][]*Process // who reads what others wait to write to, by the name of the file
	Locks   []*LockFile
	Earlier []proclocks.Lock           // the lock table of the first look
	Sockets map[uint64]platform.Socket // by inode, at the second look
	Before  map[uint64]platform.Socket // likewise, at the first

	Calls   procfs.Calls  // numbers of system calls
	CallsOK bool          // they are known for this architecture
	Uptime  float64       // seconds, at the first look
	Now     time.Time     // at the last one, by the clock of the host
	Gap     time.Duration // that really passed between the samples
	SelfPID int           // of lixfix
	Self    string        // PID namespace of lixfix

	States   []string          // directories such as /nix/var/nix
	Stores   []string          // directories such as /nix/store
	Builders map[int]string    // names of build users, by ID
	Pool     []string          // files that stand for build users
	Load     []string          // files that stand for slots of remote machines
	Dotfile  string            // lock directory of a database without WAL; "" for none
	Free     map[string]uint64 // bytes on the file systems of the directories
	Limits   []Limit

	facts   platform.Facts
	users   map[int]string // names of all users, by ID
	mounts  []procfs.Mount
	net     string // network namespace of lixfix
	mountNS string
	userNS  string
	sockErr error // why Sockets is nil
	skipped int   // processes beyond maxDeep, or of users whose processes cannot be read
}

// LockFile is a file with the locks on it.
type LockFile struct {
	File    proclocks.File
	Path    string
	Exact   bool          // the path was read from an open file and not found by its inode
	Held    time.Duration // at least this long; 0 where that could not be told
	Locks   []proclocks.Lock
	Waiting []proclocks.Lock
}

// owner is the user who started a process: a program with the set-user-ID bit runs as another.
func (p *Process) owner() int {
	if len(p.Status.UIDs) > 0 {
		return p.Status.UIDs[0]
	}
	return p.UID
}

// Program returns the name under which a process was started.
func (p *Process) Program() string {
	if len(p.Argv) == 0 || p.Argv[0] == "" {
		return p.Name
	}
	return strings.TrimPrefix(path.Base(strings.TrimLeft(p.Argv[0], "-")), ".")
}

// Arg returns an argument of the process, "" where there is none.
func (p *Process) Arg(i int) string {
	if i >= 0 && i < len(p.Argv) {
		return p.Argv[i]
	}
	return ""
}

// Hides reports whether something could not be seen, by the ID of the limit.
func (s *Snapshot) Hides(id string) bool {
	return slices.ContainsFunc(s.Limits, func(l Limit) bool { return l.ID == id })
}

// InCall reports whether a thread of the process is in one of some system calls, in both samples.
func (p *Process) InCall(calls ...int64) (Thread, bool) {
	for _, t := range p.Second.Threads {
		if t.Call.Known && slices.Contains(calls, t.Call.N) {
			for _, b := range p.First.Threads {
				if b.ID == t.ID && b.Call.Known && slices.Contains(calls, b.Call.N) {
					return t, true
				}
			}
		}
	}
	return Thread{}, false
}

// device returns the device that the lock table shows for a file: that of its mount, which some file systems do not
// show in stat(2).
func (s *Snapshot) device(name string) (major, minor uint64, ok bool) {
	m, ok := s.Mount(name)
	return m.Major, m.Minor, ok
}

// Mount returns what a file is on.
func (s *Snapshot) Mount(name string) (procfs.Mount, bool) {
	best, found := -1, procfs.Mount{}
	for _, m := range s.mounts {
		if len(m.Point) >= best && (m.Point == "/" || name == m.Point || strings.HasPrefix(name, m.Point+"/")) {
			best, found = len(m.Point), m
		}
	}
	return found, best >= 0
}

// WaitsAt returns the locks in whose kernel queue a process stands.
func (s *Snapshot) WaitsAt(pid int) []*LockFile {
	var list []*LockFile
	for _, lf := range s.Locks {
		if slices.ContainsFunc(lf.Waiting, func(l proclocks.Lock) bool { return l.PID == pid }) {
			list = append(list, lf)
		}
	}
	return list
}

// Stopped reports whether the process is stopped, in both samples.
func (p *Process) Stopped() bool {
	return (p.First.State == 'T' || p.First.State == 't') && (p.Second.State == 'T' || p.Second.State == 't')
}

// Runs reports whether a process wanted a processor in both samples, as on a busy host it may without getting much of one.
func (p *Process) Runs() bool { return p.First.State == 'R' && p.Second.State == 'R' }

// ended reports whether a process is not there any more, or is a zombie, which has nothing open.
func (p *Process) ended() bool { return p == nil || p.Gone || p.State == 'Z' || p.Second.State == 'Z' }

// Ticks is the processor time used between the samples.
func (p *Process) Ticks() uint64 { return p.Second.cpu - min(p.First.cpu, p.Second.cpu) }

// Switches is how often the process went to sleep and woke up between the samples.
func (p *Process) Switches() uint64 {
	return p.Second.switches - min(p.First.switches, p.Second.switches)
}

// Moved is how many bytes the process read and wrote between the samples.
func (p *Process) Moved() uint64 {
	a, b := p.First.IO, p.Second.IO
	return b.ReadCalls - min(a.ReadCalls, b.ReadCalls) + b.WrittenCalls - min(a.WrittenCalls, b.WrittenCalls)
}

// Grown is how many bytes of memory the process took between the samples.
func (p *Process) Grown() uint64 {
	return uint64(max(0, p.Second.rss-p.First.rss)) * pageSize
}

// limit records something that could not be seen.
func (s *Snapshot) limit(id, what string, root bool) {
	for i := range s.Limits {
		if s.Limits[i].ID == id {
			return
		}
	}
	s.Limits = append(s.Limits, Limit{ID: id, What: what, NeedsRoot: root})
}

// NixName tells by its name whether a process may be one of Nix's own; its arguments decide.
func NixName(name string) bool {
	name = strings.TrimPrefix(name, ".")
	return strings.HasPrefix(name, "nix") || name == "build-remote" || name == "lix"
}

// User names a user as it is fit to print.
func (s *Snapshot) User(uid int) string {
	if name := s.users[uid]; name != "" {
		return say.Plain(name)
	}
	return unnamed.Fill(words.With{"uid": uid})
}

// Named reports whether the name of a user is known.
func (s *Snapshot) Named(uid int) bool { return s.users[uid] != "" }

// StartID names the start of a process as platform.Identity does.
func (p *Process) StartID() string {
	if p.started != "" {
		return p.started
	}
	return fmt.Sprint(p.Start)
}
