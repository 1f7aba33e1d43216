package stuck

import (
	"fmt"
	"slices"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/platform"
)

// Certainty says how well a statement is founded.
type Certainty string

// Degrees of certainty.
const (
	Certain Certainty = "certain" // the kernel says so
	Likely  Certainty = "likely"  // one reading of the facts that fits, and no other is known
	Guess   Certainty = "guess"
)

func weaker(a, b Certainty) Certainty {
	order := []Certainty{Certain, Likely, Guess}
	return order[max(slices.Index(order, a), slices.Index(order, b), 0)]
}

// EdgeKind says how one thing waits for another.
type EdgeKind string

// Kinds of edges.
const (
	EdgeSocket   EdgeKind = "socket"     // a client for its worker, seen at both ends of their socket
	EdgeArgument EdgeKind = "argument"   // the same, from the number in the worker's arguments
	EdgeUnit     EdgeKind = "unit"       // the same, from the name of the worker's unit
	EdgeLeft     EdgeKind = "left-over"  // the same, because no other command can be the worker's client
	EdgeChild    EdgeKind = "child"      // a process for one that it started
	EdgeLockWait EdgeKind = "lock-wait"  // a process stands in the kernel's queue for a lock
	EdgePoll     EdgeKind = "poll"       // a process tries for a lock again and again
	EdgeGuess    EdgeKind = "poll-guess" // the same, where which lock it is could not be read
	EdgeHeld     EdgeKind = "lock-held"  // a lock is held by a process
	EdgeConnect  EdgeKind = "connect"    // a client's connection is not accepted
	EdgeClient   EdgeKind = "reads"      // a worker reads what its client says next
	EdgeOutput   EdgeKind = "writes"     // a process for one that has to read what it writes
)

// wait is one thing that a process waits for.
type wait struct {
	kind EdgeKind
	proc *proc
	lock *lockFile // then proc is nil, and who holds the lock is looked up
	sure Certainty
}

// reason is why a process does not go on, or what it is doing.
type reason struct {
	kind  *fix.Kind // nil when it only passes on what it waits for
	sure  Certainty
	text  string // at most 38 characters
	waits []wait
	any   bool   // it goes on as long as one of them does
	at    string // the file, where it waits for one
	how   string // the variant of the summary; "" where the kind alone decides
	peer  string
	idle  time.Duration
}

const (
	idleNetwork = 10 * time.Second // of silence, until a download is called stalled
	copies      = 8 << 20          // bytes between the samples; evaluating reads less
)

func (s *snapshot) timeout(t thread) (time.Duration, bool) {
	if !s.callsOK {
		return 0, false
	}
	return s.calls.Timeout(t.call)
}

// share is the part of one processor that a process used between the samples.
func (s *snapshot) share(p *proc) float64 {
	if s.gap <= 0 {
		return 0
	}
	return float64(p.ticks()) / (s.gap.Seconds() * 100)
}

// inCall reports whether a thread is in one of some system calls, in both samples.
func inCall(p *proc, calls ...int64) (thread, bool) {
	for _, t := range p.second.threads {
		if t.call.Known && slices.Contains(calls, t.call.N) {
			for _, b := range p.first.threads {
				if b.id == t.id && b.call.Known && slices.Contains(calls, b.call.N) {
					return t, true
				}
			}
		}
	}
	return thread{}, false
}

// sleeping reports whether the process waits out a time, as one that retries does.
func (s *snapshot) retries(p *proc) (often int, ok bool) {
	often = int(p.switches())
	if s.gap > 0 {
		often = int(float64(often) * float64(time.Second) / float64(s.gap))
	}
	if p.hidden["syscall"] || !s.callsOK {
		return often, often >= 5 && s.share(p) < 0.2
	}
	for _, sm := range []sample{p.first, p.second} {
		for _, t := range sm.threads {
			if t.call.Known && (t.call.N == s.calls.Nanosleep || t.call.N == s.calls.ClockNanosleep) {
				return often, true
			}
		}
	}
	return often, false
}

// explain says what a process is doing.
func (s *snapshot) explain(p *proc) reason {
	if p.stopped() && p.role != Stranger {
		return s.stoppedReason(p)
	}
	if r, ok := s.uninterruptible(p); ok {
		return r
	}
	switch p.role {
	case Client:
		return s.explainClient(p)
	case Worker, Remote:
		return s.explainWorker(p)
	case Builder:
		return s.explainBuilder(p)
	case Hook:
		return s.explainHook(p)
	case Helper:
		return s.explainHelper(p)
	case Pasta:
		return s.explainPasta(p)
	case Reader:
		return s.explainReader(p)
	case Listener:
		return reason{text: "waits for connections", sure: Certain}
	case Stranger:
		text := "not a part of Nix"
		if p.stopped() {
			text = "not a part of Nix, stopped"
		}
		return reason{text: text, sure: Certain}
	}
	return reason{text: s.busyText(p), sure: Certain}
}

func (s *snapshot) busyText(p *proc) string {
	switch {
	case s.share(p) >= 0.005:
		return fmt.Sprintf("%d %% CPU", int(s.share(p)*100+0.5))
	case p.moved() > 0:
		return "reads and writes"
	}
	return "asleep"
}

func (s *snapshot) stoppedReason(p *proc) reason {
	r := reason{sure: Certain, text: "stopped"}
	switch {
	case p.second.state == 't':
		// What holds it is the debugger, and SIGCONT changes nothing.
		r.kind, r.text = kinds.HeldByDebugger, "held by a debugger out of sight"
		if p.status.Tracer > 0 {
			r.text = short("held by "+s.tracer(p), column)
		}
	case len(s.heldBy(p.PID, lockGC)) > 0:
		r.kind = kinds.GCStopped
	case p.role == Client:
		r.kind = kinds.ClientStopped
	case p.role == Worker && p.orphan:
		r.kind, r.text = kinds.WorkerOrphaned, "stopped, and its client is gone"
	case p.role == Worker, p.role == Remote, p.role == Hook:
		r.kind = kinds.WorkerStopped
	case p.role == Listener:
		r.kind = kinds.DaemonStopped
	case p.role == Reader:
		r.kind = kinds.ReaderStopped
	default:
		r.kind = kinds.BuilderStopped
	}
	return r
}

// tracer names who traces a process.
func (s *snapshot) tracer(p *proc) string {
	if t := s.procs[p.status.Tracer]; t != nil {
		return fmt.Sprintf("%s %d (%s)", plain(t.Name), t.PID, s.user(t.uid))
	}
	return fmt.Sprintf("process %d", p.status.Tracer)
}

// uninterruptible tells of a process that sleeps in the kernel and cannot be woken, in the same place both times.
func (s *snapshot) uninterruptible(p *proc) (reason, bool) {
	for _, t := range p.second.threads {
		if t.state != 'D' {
			continue
		}
		for _, b := range p.first.threads {
			if b.id == t.id && b.state == 'D' && b.call == t.call && b.wchan == t.wchan && p.switches() <= 1 && p.moved() == 0 {
				text := "waits for a disk or a file system"
				if t.wchan != "" {
					text = "uninterruptible, in " + t.wchan
				}
				return reason{kind: kinds.IOWait, sure: Certain, text: plain(text)}, true
			}
		}
	}
	return reason{}, false
}

// network is the reason of a process with a connection to another machine.
func (s *snapshot) network(p *proc) (reason, bool) {
	var worst *reason
	for inode := range p.sockets {
		sock, ok := s.sockets[inode]
		if !ok || !sock.TCP {
			continue
		}
		var r reason
		before := s.before[inode]
		since := sock.Idle
		switch {
		case sock.State == platform.SocketSynSent:
			r = reason{kind: kinds.NetworkLost, sure: Certain, text: "connects, and nobody answers"}
		case sock.Retransmits > 0 && sock.Unacked > 0:
			r = reason{kind: kinds.NetworkLost, sure: Certain, text: "sends again and again, no answer"}
		case sock.State == platform.SocketEstablished && before.Inode != 0 && sock.BytesReceived > before.BytesReceived:
			r = reason{kind: kinds.Downloading, sure: Certain, text: "downloads"}
		case sock.State == platform.SocketEstablished && since > idleNetwork:
			r = reason{kind: kinds.DownloadStalled, sure: Likely, text: "no byte came in for " + seconds(since)}
		case sock.State == platform.SocketEstablished && since > 2*time.Second:
			r = reason{kind: kinds.Downloading, sure: Likely, text: "no byte came in for " + seconds(since)}
		default:
			r = reason{kind: kinds.Downloading, sure: Likely, text: "talks to another machine"}
		}
		r.peer, r.idle = sock.Remote.String(), since
		if worst == nil || fix.Compare(usual(r.kind), usual(worst.kind)) > 0 || r.kind == worst.kind && r.idle > worst.idle {
			worst = &r
		}
	}
	if worst == nil {
		return reason{}, false
	}
	return *worst, true
}

// work is the reason of a process that has the store open, or opens it: a worker, or a client without a daemon.
func (s *snapshot) work(p *proc) (reason, bool) {
	if r, ok := s.queued(p); ok {
		return r, true
	}
	if r, ok := s.offspring(p); ok {
		return r, true
	}
	if s.share(p) < 0.3 {
		if r, ok := s.silentGC(p); ok {
			return r, true
		}
		if r, ok := s.database(p); ok {
			return r, true
		}
	}
	return reason{}, false
}

// idleWork is asked when nothing else explains a process: what it waits for without a trace in the kernel.
func (s *snapshot) idleWork(p *proc) (reason, bool) {
	if r, ok := s.polling(p); ok {
		return r, true
	}
	if r, ok := s.network(p); ok {
		return r, true
	}
	if !p.hidden["syscall"] && s.callsOK && s.pollsBriefly(p) {
		return s.unexplained(p, "retries, for nothing that can be seen"), true
	}
	return reason{}, false
}

// unexplained is the reason of a process that nothing explains. That may be so for a moment only: what it wants has
// become free and it has not tried again yet, or it is between two things. Look then looks again.
func (s *snapshot) unexplained(p *proc, text string) reason {
	// Of what was not looked at nothing more shows by waiting; of what others may not look into, something may.
	s.unsettled = s.unsettled || !p.cut
	if p.cut {
		text = "not looked at closely, it has too much open"
	}
	return reason{kind: kinds.Unknown, sure: Guess, text: text}
}

func (s *snapshot) explainWorker(p *proc) reason {
	if p.orphan {
		return reason{kind: kinds.WorkerOrphaned, sure: Certain, text: "its client is gone"}
	}
	if r, ok := s.unread(p); ok {
		return r
	}
	if r, ok := s.unreadUnseen(p); ok {
		return r
	}
	if r, ok := s.work(p); ok {
		return r
	}
	if s.collects(p) {
		if p.ticks() > 0 || p.moved() > 0 {
			return reason{kind: kinds.CollectingGarbage, sure: Certain, text: "collects garbage"}
		}
		return reason{kind: kinds.CollectingGarbage, sure: Likely, text: "collects garbage, idle for a moment"}
	}
	if s.share(p) >= 0.05 || p.moved() > 64<<10 {
		if p.moved() > copies/8 && s.share(p) < 0.8 {
			return reason{kind: kinds.CopyingToStore, sure: Likely, text: "copies, " + bytesText(p.moved()) + " in a moment"}
		}
		return reason{kind: kinds.Working, sure: Certain, text: s.busyText(p)}
	}
	if s.callsOK {
		for _, t := range p.second.threads {
			if t.id != p.PID || !t.call.Known || t.call.N != s.calls.Read {
				continue
			}
			if sock, ok := s.sockets[s.socketAt(p, int(t.call.Args[0]))]; ok && !sock.TCP {
				return reason{kind: kinds.WaitsForClient, sure: Certain, text: "waits for what its client says"}
			}
		}
	}
	if r, ok := s.idleWork(p); ok {
		return r
	}
	if p.pair != nil && p.pair.role == Client && s.share(p.pair) >= 0.05 {
		return reason{kind: kinds.WaitsForClient, sure: Likely, text: "idle while its client works"}
	}
	if s.full() != "" {
		return reason{kind: kinds.DiskFull, sure: Likely, text: "the disk is full"}
	}
	return s.unexplained(p, "idle, for no reason that shows")
}

func (s *snapshot) socketAt(p *proc, fd int) uint64 {
	for inode, n := range p.sockets {
		if n == fd {
			return inode
		}
	}
	return 0
}

// full returns a directory of Nix on a file system without free space.
func (s *snapshot) full() string {
	for dir, n := range s.free {
		if n < 1<<20 {
			return dir
		}
	}
	return ""
}

// age is how long a process has been there.
func (s *snapshot) age(p *proc) time.Duration {
	return time.Duration((s.uptime - float64(p.Start)/100) * float64(time.Second)).Truncate(time.Second)
}
