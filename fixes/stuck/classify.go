package stuck

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
)

// Role says what a process is to Nix.
type Role string

// Roles of processes.
const (
	Client   Role = "client"   // a command that a user runs
	Listener Role = "listener" // the daemon that accepts connections
	Worker   Role = "worker"   // the daemon's process for one client
	Builder  Role = "builder"  // runs a derivation, or descends from what does
	Hook     Role = "hook"     // hands builds to other machines
	Pasta    Role = "pasta"    // gives the network to a fixed-output build
	Helper   Role = "helper"   // any other child, such as ssh or git
	Remote   Role = "remote"   // serves a client on another machine
	Reader   Role = "reader"   // reads what a command prints
	Stranger Role = "stranger" // is no part of Nix and holds one of its locks
	other    Role = ""
)

// commands are the programs that users start.
var commands = []string{
	"nix", "nix-build", "nix-shell", "nix-store", "nix-env", "nix-instantiate", "nix-collect-garbage", "nix-channel",
	"nix-copy-closure", "nix-prefetch-url", "nix-hash", "nix-eval-jobs", "nix-fast-build", "lix",
}

func digits(s string) (int, bool) {
	// The place for the number is padded, with NUL or with spaces.
	n, err := strconv.Atoi(strings.Trim(s, " \x00"))
	return n, err == nil && n > 0
}

// program returns the name under which a process was started.
func (p *proc) program() string {
	if len(p.argv) == 0 || p.argv[0] == "" {
		return p.Name
	}
	return strings.TrimPrefix(path.Base(strings.TrimLeft(p.argv[0], "-")), ".")
}

func (p *proc) arg(i int) string {
	if i >= 0 && i < len(p.argv) {
		return p.argv[i]
	}
	return ""
}

// classify says what every process is, and pairs workers with clients.
func (s *snapshot) classify() {
	var procs []*proc
	for _, pid := range s.order {
		if p := s.procs[pid]; p.deep && !p.gone {
			procs = append(procs, p)
		}
	}
	for _, p := range procs {
		s.classifyDaemon(p)
	}
	for _, p := range procs {
		if p.role != other {
			continue
		}
		parent := s.procs[p.Parent]
		name := p.program()
		switch {
		case name == "build-remote" || p.arg(0) == "build-remote" || slices.Contains(p.argv, "__build-remote") || p.Name == "build-remote":
			p.role = Hook
		case p.Name == "launch-builder":
			p.role = Builder
		case slices.Contains(commands, name) && len(p.argv) > 0 && (nixName(p.Name) || strings.HasPrefix(p.Name, "nix")):
			if name == "nix-store" && slices.Contains(p.argv, "--serve") {
				p.role = Remote
				break
			}
			p.role = Client
		case parent != nil && strings.HasPrefix(p.Name, "pasta"):
			p.role = Pasta
		}
	}
	// What descends from them, in the order of descent.
	var descend func(p *proc, role Role)
	descend = func(p *proc, role Role) {
		for _, c := range p.children {
			if c.gone {
				continue
			}
			if c.role == Client && role == Builder {
				// A Nix inside of a build is a client as well, and the build waits for it.
				descend(c, Builder)
				continue
			}
			if c.role != other {
				continue
			}
			switch {
			case role == Builder, role == Helper, role == Pasta:
				c.role = role
			case s.givesNetwork(c):
				c.role = Pasta
			case p.role == Hook || p.role == Remote:
				c.role = Helper
			case c.Session == c.PID || c.State == 'Z':
				// A builder leads a session of its own; git, ssh and the hooks of nix.conf stay in that of their parent.
				c.role = Builder
			default:
				c.role = Helper
			}
			descend(c, c.role)
		}
	}
	for _, p := range procs {
		switch p.role {
		case Client, Worker, Hook, Remote:
			descend(p, p.role)
		case Builder, Pasta:
			descend(p, p.role)
		}
	}
	for _, p := range procs {
		if p.role != other {
			continue
		}
		if s.builders[p.uid] != "" && p.uid != 0 {
			p.role = Builder
		} else if s.holdsAny(p) {
			p.role = Stranger
		} else if p.reader {
			p.role = Reader
		}
	}
	s.pairUp(procs)
}

// givesNetwork tells a pasta, under whatever name, from other children of a worker: it runs as the build user, as the
// build does, but leads no session of its own.
func (s *snapshot) givesNetwork(p *proc) bool {
	parent := s.procs[p.Parent]
	if parent == nil || p.Session == p.PID || p.State == 'Z' {
		return false
	}
	return slices.ContainsFunc(parent.children, func(c *proc) bool {
		return c != p && !c.gone && c.State != 'Z' && c.uid == p.uid &&
			(c.Name == "launch-builder" || s.builders[p.uid] != "" && c.Session == c.PID)
	})
}

// classifyDaemon recognises listeners and workers.
func (s *snapshot) classifyDaemon(p *proc) {
	name := p.program()
	if name != "nix-daemon" && name != "nix" && p.Name != "nix-daemon" {
		return
	}
	isDaemon := name == "nix-daemon" || name == "nix" && p.arg(1) == "daemon"
	if n, ok := procfs.Serves(p.argv); ok {
		p.role, p.client = Worker, n
		if parent := s.procs[p.Parent]; parent != nil && parent != p && slices.Equal(parent.argv, p.argv) {
			p.role, p.client = Builder, 0 // forked from a worker, and not yet what it is to become
		}
		return
	}
	if !isDaemon && p.Name != "nix-daemon" {
		return
	}
	if p.peer > 0 {
		p.role = Worker // systemd has accepted the connection
		return
	}
	if slices.Contains(p.argv, "--stdio") {
		p.role = Remote
		return
	}
	// Started without arguments there is no room for the number, so a child of a daemon is taken for its worker.
	if parent := s.procs[p.Parent]; parent != nil && parent.PID != p.PID && parent.deep &&
		(parent.program() == "nix-daemon" || parent.Name == "nix-daemon") && parent.arg(1) != "--for" {
		if _, ok := digits(parent.arg(1)); !ok {
			p.role = Worker
			return
		}
	}
	p.role = Listener
}

// holdsAny reports whether the process holds a lock on a file of Nix, or one that a process of Nix waits for.
func (s *snapshot) holdsAny(p *proc) bool {
	for _, lf := range s.locks {
		if s.kind(lf) == lockOther && len(lf.waiting) == 0 {
			continue
		}
		for _, l := range lf.locks {
			if l.PID == p.PID {
				return true
			}
		}
	}
	return false
}

// pairUp finds the client of every worker.
func (s *snapshot) pairUp(procs []*proc) {
	owner := map[uint64]*proc{}
	for _, p := range procs {
		if p.role == Client || p.role == Hook || p.role == Helper || p.role == Builder {
			for inode := range p.sockets {
				owner[inode] = p
			}
		}
	}
	for _, w := range procs {
		if w.role != Worker {
			continue
		}
		s.pairOne(w, owner, procs)
		if w.pair != nil && w.pair.role == Client && w.pair.pair == nil {
			w.pair.pair = w
			w.pair.pairedBy = w.pairedBy
		}
	}
	s.eliminate(procs)
}

// Ways to find the client of a worker, the best first. The last two only make it likely.
const (
	bySocket      = "socket"
	byArgument    = "argument"
	byUnit        = "unit"
	byElimination = "elimination"
)

// pairing tells how sure a pair is.
func (p *proc) pairing() Certainty {
	if p.pairedBy == byUnit || p.pairedBy == byElimination {
		return Likely
	}
	return Certain
}

// eliminate pairs what is left: a worker that does not name its client, with the only command that can be it. Workers
// of a daemon that was started without arguments are such, for everybody but root, who sees the sockets.
func (s *snapshot) eliminate(procs []*proc) {
	if s.hides("other-users") {
		return
	}
	only := func(w *proc) *proc {
		var one *proc
		for _, c := range procs {
			if c.role != Client || c.pair != nil || c.gone || c.Start > w.Start || !sameNamespace(c, w) || s.opensStore(c) || !s.mayTalk(c) {
				continue
			}
			if one != nil {
				return nil
			}
			one = c
		}
		return one
	}
	for again := true; again; {
		again = false
		takers := map[*proc][]*proc{}
		for _, w := range procs {
			if w.role == Worker && w.pair == nil && w.client == 0 && w.peer == 0 && !w.orphan && w.hidden["fd"] {
				if c := only(w); c != nil {
					takers[c] = append(takers[c], w)
				}
			}
		}
		for c, workers := range takers {
			if len(workers) == 1 {
				w := workers[0]
				w.pair, c.pair, w.pairedBy, c.pairedBy = c, w, byElimination, byElimination
				again = true
			}
		}
	}
}

// mayTalk reports whether a command may be connected to a daemon: for certain not, where its open files can be seen.
func (s *snapshot) mayTalk(c *proc) bool {
	if c.fds == nil {
		return true
	}
	for inode := range c.sockets {
		if sock, ok := s.sockets[inode]; ok && !sock.TCP && strings.HasSuffix(s.sockets[sock.Peer].Path, "/daemon-socket/socket") {
			return true
		}
	}
	return false
}

func (s *snapshot) pairOne(w *proc, owner map[uint64]*proc, procs []*proc) {
	// The sockets tell for certain, but whose they are only root may see.
	connected, closed := false, false
	for inode := range w.sockets {
		sock, ok := s.sockets[inode]
		if !ok || sock.TCP || !strings.HasSuffix(sock.Path, "/daemon-socket/socket") {
			continue
		}
		if sock.State == platform.SocketListening {
			continue
		}
		connected = true
		if sock.Peer == 0 {
			closed = true
			continue
		}
		if c := owner[sock.Peer]; c != nil {
			w.pair, w.pairedBy = c, bySocket
			return
		}
	}
	if c := s.named(w, w.client, procs); c != nil {
		w.pair, w.pairedBy = c, byArgument
		return
	}
	// The name of a unit is not written for this, so nobody is taken for gone because of it.
	if c := s.named(w, w.peer, procs); c != nil && w.client == 0 {
		w.pair, w.pairedBy = c, byUnit
		return
	}
	outside := w.ns != "" && s.self != "" && w.ns != s.self || len(w.status.NSPID) > 1
	w.orphan = closed || w.client > 0 && !connected && !outside && !w.cut && !s.hides("other-users")
	if connected && !closed {
		w.orphan = false
	}
}

// named finds the client of a worker by its number, which is the one in the worker's PID namespace and can have been
// given out again since.
func (s *snapshot) named(w *proc, number int, procs []*proc) *proc {
	if number <= 0 {
		return nil
	}
	for _, c := range procs {
		pid := c.PID
		if n := c.status.NSPID; len(n) > 0 {
			pid = n[len(n)-1]
		}
		if pid != number || c.role != Client && c.role != Hook && c.role != Builder && c.role != Helper {
			continue
		}
		if c.Start <= w.Start && sameNamespace(c, w) {
			return c
		}
	}
	if p := s.procs[number]; p != nil && !p.gone && p.Start <= w.Start && (w.ns == "" || w.ns == s.self) {
		// Not a command of Nix by its name: a program that uses Nix's library.
		return p
	}
	return nil
}

func (s *snapshot) hides(id string) bool {
	return slices.ContainsFunc(s.limits, func(l Limit) bool { return l.ID == id })
}

func sameNamespace(a, b *proc) bool {
	if a.ns != "" && b.ns != "" {
		return a.ns == b.ns
	}
	return len(a.status.NSPID) == len(b.status.NSPID)
}

// questions asks what is to be looked at more closely.
func (s *snapshot) questions() Questions {
	var q Questions
	for _, pid := range s.order {
		p := s.procs[pid]
		if !p.deep || p.gone || p.role == other {
			continue
		}
		q.Parts = append(q.Parts, pid)
		if p.role == Worker && p.orphan && !p.stopped() {
			q.Leaving = append(q.Leaving, pid)
		}
		if p.role != Stranger {
			q.Wanting = append(q.Wanting, pid)
		}
		switch p.role {
		case Worker, Client, Remote:
			q.Logging = append(q.Logging, pid)
		case Builder:
			parent := s.procs[p.Parent]
			if p.second.state == 'Z' && parent != nil && (parent.role == Worker || parent.role == Client) && !parent.stopped() &&
				s.leftover(p) == nil {
				q.Zombies = append(q.Zombies, pid)
			}
		}
	}
	return q
}
