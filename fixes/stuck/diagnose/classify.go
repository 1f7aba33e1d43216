package diagnose

import (
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/stuck/observe"
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

// classify says what every process is, and pairs workers with clients.
func classify(s *scene) {
	var procs []*proc
	for _, pid := range s.Order {
		if p := s.procs[pid]; p.Deep && !p.Gone {
			procs = append(procs, p)
		}
	}
	for _, p := range procs {
		classifyDaemon(s, p)
	}
	for _, p := range procs {
		if p.role != other {
			continue
		}
		parent := s.procs[p.Parent]
		name := p.Program()
		switch {
		case name == "build-remote" || p.Arg(0) == "build-remote" || slices.Contains(p.Argv, "__build-remote") || p.Name == "build-remote":
			p.role = Hook
		case p.Name == "launch-builder":
			p.role = Builder
		case slices.Contains(commands, name) && len(p.Argv) > 0 && (observe.NixName(p.Name) || strings.HasPrefix(p.Name, "nix")):
			if name == "nix-store" && slices.Contains(p.Argv, "--serve") {
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
			if c.Gone {
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
			case givesNetwork(s, c):
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
		if s.Builders[p.UID] != "" && p.UID != 0 {
			p.role = Builder
		} else if holdsAny(s, p) {
			p.role = Stranger
		} else if p.Reader {
			p.role = Reader
		}
	}
	pairUp(s, procs)
}

// givesNetwork tells a pasta, under whatever name, from other children of a worker: it runs as the build user, as the
// build does, but leads no session of its own.
func givesNetwork(s *scene, p *proc) bool {
	parent := s.procs[p.Parent]
	if parent == nil || p.Session == p.PID || p.State == 'Z' {
		return false
	}
	return slices.ContainsFunc(parent.children, func(c *proc) bool {
		return c != p && !c.Gone && c.State != 'Z' && c.UID == p.UID &&
			(c.Name == "launch-builder" || s.Builders[p.UID] != "" && c.Session == c.PID)
	})
}

// classifyDaemon recognises listeners and workers.
func classifyDaemon(s *scene, p *proc) {
	name := p.Program()
	if name != "nix-daemon" && name != "nix" && p.Name != "nix-daemon" {
		return
	}
	isDaemon := name == "nix-daemon" || name == "nix" && p.Arg(1) == "daemon"
	if n, ok := procfs.Serves(p.Argv); ok {
		p.role, p.client = Worker, n
		if parent := s.procs[p.Parent]; parent != nil && parent != p && slices.Equal(parent.Argv, p.Argv) {
			p.role, p.client = Builder, 0 // forked from a worker, and not yet what it is to become
		}
		return
	}
	if !isDaemon && p.Name != "nix-daemon" {
		return
	}
	if p.Peer > 0 {
		p.role = Worker // systemd has accepted the connection
		return
	}
	if slices.Contains(p.Argv, "--stdio") {
		p.role = Remote
		return
	}
	// Started without arguments there is no room for the number, so a child of a daemon is taken for its worker.
	if parent := s.procs[p.Parent]; parent != nil && parent.PID != p.PID && parent.Deep &&
		(parent.Program() == "nix-daemon" || parent.Name == "nix-daemon") && parent.Arg(1) != "--for" {
		if _, ok := observe.Digits(parent.Arg(1)); !ok {
			p.role = Worker
			return
		}
	}
	p.role = Listener
}

// holdsAny reports whether the process holds a lock on a file of Nix, or one that a process of Nix waits for.
func holdsAny(s *scene, p *proc) bool {
	for _, lf := range s.Locks {
		if kindOf(lf) == lockOther && len(lf.Waiting) == 0 {
			continue
		}
		for _, l := range lf.Locks {
			if l.PID == p.PID {
				return true
			}
		}
	}
	return false
}

// pairUp finds the client of every worker.
func pairUp(s *scene, procs []*proc) {
	owner := map[uint64]*proc{}
	for _, p := range procs {
		if p.role == Client || p.role == Hook || p.role == Helper || p.role == Builder {
			for inode := range p.Sockets {
				owner[inode] = p
			}
		}
	}
	for _, w := range procs {
		if w.role != Worker {
			continue
		}
		pairOne(s, w, owner, procs)
		if w.pair != nil && w.pair.role == Client && w.pair.pair == nil {
			w.pair.pair = w
			w.pair.pairedBy = w.pairedBy
		}
	}
	eliminate(s, procs)
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
func eliminate(s *scene, procs []*proc) {
	if s.Hides("other-users") {
		return
	}
	only := func(w *proc) *proc {
		var one *proc
		for _, c := range procs {
			if c.role != Client || c.pair != nil || c.Gone || c.Start > w.Start || !sameNamespace(c, w) || opensStore(s, c) || !mayTalk(s, c) {
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
			if w.role == Worker && w.pair == nil && w.client == 0 && w.Peer == 0 && !w.orphan && w.Hidden["fd"] {
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
func mayTalk(s *scene, c *proc) bool {
	if c.FDs == nil {
		return true
	}
	for inode := range c.Sockets {
		if sock, ok := s.Sockets[inode]; ok && !sock.TCP && strings.HasSuffix(s.Sockets[sock.Peer].Path, "/daemon-socket/socket") {
			return true
		}
	}
	return false
}

func pairOne(s *scene, w *proc, owner map[uint64]*proc, procs []*proc) {
	// The sockets tell for certain, but whose they are only root may see.
	connected, closed := false, false
	for inode := range w.Sockets {
		sock, ok := s.Sockets[inode]
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
	if c := clientNumbered(s, w, w.client, procs); c != nil {
		w.pair, w.pairedBy = c, byArgument
		return
	}
	// The name of a unit is not written for this, so nobody is taken for gone because of it.
	if c := clientNumbered(s, w, w.Peer, procs); c != nil && w.client == 0 {
		w.pair, w.pairedBy = c, byUnit
		return
	}
	outside := w.NS != "" && s.Self != "" && w.NS != s.Self || len(w.Status.NSPID) > 1
	w.orphan = closed || w.client > 0 && !connected && !outside && !w.Cut && !s.Hides("other-users")
	if connected && !closed {
		w.orphan = false
	}
}

// clientNumbered finds the client of a worker by its number, which is the one in the worker's PID namespace and can have been
// given out again since.
func clientNumbered(s *scene, w *proc, number int, procs []*proc) *proc {
	if number <= 0 {
		return nil
	}
	for _, c := range procs {
		pid := c.PID
		if n := c.Status.NSPID; len(n) > 0 {
			pid = n[len(n)-1]
		}
		if pid != number || c.role != Client && c.role != Hook && c.role != Builder && c.role != Helper {
			continue
		}
		if c.Start <= w.Start && sameNamespace(c, w) {
			return c
		}
	}
	if p := s.procs[number]; p != nil && !p.Gone && p.Start <= w.Start && (w.NS == "" || w.NS == s.Self) {
		// Not a command of Nix by its name: a program that uses Nix's library.
		return p
	}
	return nil
}

func sameNamespace(a, b *proc) bool {
	if a.NS != "" && b.NS != "" {
		return a.NS == b.NS
	}
	return len(a.Status.NSPID) == len(b.Status.NSPID)
}

// Questions asks what is to be looked at more closely.
func (s *Scene) Questions() observe.Questions {
	var q observe.Questions
	for _, pid := range s.Order {
		p := s.procs[pid]
		if !p.Deep || p.Gone || p.role == other {
			continue
		}
		q.Parts = append(q.Parts, pid)
		if p.role == Worker && p.orphan && !p.Stopped() {
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
			if p.Second.State == 'Z' && parent != nil && (parent.role == Worker || parent.role == Client) && !parent.Stopped() &&
				leftover(s, p) == nil {
				q.Zombies = append(q.Zombies, pid)
			}
		}
	}
	return q
}
