package diagnose

import (
	"fmt"
	"slices"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/fixes/stuck/say"
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
	lock *observe.LockFile // then proc is nil, and who holds the lock is looked up
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

func timeoutOf(s *scene, t observe.Thread) (time.Duration, bool) {
	if !s.CallsOK {
		return 0, false
	}
	return s.Calls.Timeout(t.Call)
}

// cpuShare is the part of one processor that a process used between the samples.
func cpuShare(s *scene, p *proc) float64 {
	if s.Gap <= 0 {
		return 0
	}
	return float64(p.Ticks()) / (s.Gap.Seconds() * 100)
}

// sleeping reports whether the process waits out a time, as one that retries does.
func retries(s *scene, p *proc) (often int, ok bool) {
	often = int(p.Switches())
	if s.Gap > 0 {
		often = int(float64(often) * float64(time.Second) / float64(s.Gap))
	}
	if p.Hidden["syscall"] || !s.CallsOK {
		return often, often >= 5 && cpuShare(s, p) < 0.2
	}
	for _, sm := range []observe.Sample{p.First, p.Second} {
		for _, t := range sm.Threads {
			if t.Call.Known && (t.Call.N == s.Calls.Nanosleep || t.Call.N == s.Calls.ClockNanosleep) {
				return often, true
			}
		}
	}
	return often, false
}

// explain says what a process is doing.
func explain(s *scene, p *proc) reason {
	if p.Stopped() && p.role != Stranger {
		return stoppedReason(s, p)
	}
	if r, ok := uninterruptible(p); ok {
		return r
	}
	switch p.role {
	case Client:
		return explainClient(s, p)
	case Worker, Remote:
		return explainWorker(s, p)
	case Builder:
		return explainBuilder(s, p)
	case Hook:
		return explainHook(s, p)
	case Helper:
		return explainHelper(s, p)
	case Pasta:
		return explainPasta(s, p)
	case Reader:
		return explainReader(s, p)
	case Listener:
		return reason{text: waitsForConnections, sure: Certain}
	case Stranger:
		text := notNix
		if p.Stopped() {
			text = notNixStopped
		}
		return reason{text: text, sure: Certain}
	}
	return reason{text: busyText(s, p), sure: Certain}
}

func busyText(s *scene, p *proc) string {
	switch {
	case cpuShare(s, p) >= 0.005:
		return percent.Fill(fix.With{"cpu": int(cpuShare(s, p)*100 + 0.5)})
	case p.Moved() > 0:
		return readsAndWrites
	}
	return "asleep"
}

func stoppedReason(s *scene, p *proc) reason {
	r := reason{sure: Certain, text: "stopped"}
	switch {
	case p.Second.State == 't':
		// What holds it is the debugger, and SIGCONT changes nothing.
		r.kind, r.text = kinds.HeldByDebugger, heldUnseen
		if p.Status.Tracer > 0 {
			r.text = say.Short(heldByDebugger.Fill(fix.With{"debugger": tracerName(s, p)}), Column)
		}
	case len(heldBy(s, p.PID, lockGC)) > 0:
		r.kind = kinds.GCStopped
	case p.role == Client:
		r.kind = kinds.ClientStopped
	case p.role == Worker && p.orphan:
		r.kind, r.text = kinds.WorkerOrphaned, stoppedClientGone
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

// tracerName names who traces a process.
func tracerName(s *scene, p *proc) string {
	if t := s.procs[p.Status.Tracer]; t != nil {
		return fmt.Sprintf("%s %d (%s)", say.Plain(t.Name), t.PID, s.User(t.UID))
	}
	return processNamed.Fill(fix.With{"pid": p.Status.Tracer})
}

// uninterruptible tells of a process that sleeps in the kernel and cannot be woken, in the same place both times.
func uninterruptible(p *proc) (reason, bool) {
	for _, t := range p.Second.Threads {
		if t.State != 'D' {
			continue
		}
		for _, b := range p.First.Threads {
			if b.ID == t.ID && b.State == 'D' && b.Call == t.Call && b.Wchan == t.Wchan && p.Switches() <= 1 && p.Moved() == 0 {
				text := waitsForDisk
				if t.Wchan != "" {
					text = uninterruptibleIn.Fill(fix.With{"place": t.Wchan})
				}
				return reason{kind: kinds.IOWait, sure: Certain, text: say.Plain(text)}, true
			}
		}
	}
	return reason{}, false
}

// overNetwork is the reason of a process with a connection to another machine.
func overNetwork(s *scene, p *proc) (reason, bool) {
	var worst *reason
	for inode := range p.Sockets {
		sock, ok := s.Sockets[inode]
		if !ok || !sock.TCP {
			continue
		}
		var r reason
		before := s.Before[inode]
		since := sock.Idle
		switch {
		case sock.State == platform.SocketSynSent:
			r = reason{kind: kinds.NetworkLost, sure: Certain, text: connectsUnanswered}
		case sock.Retransmits > 0 && sock.Unacked > 0:
			r = reason{kind: kinds.NetworkLost, sure: Certain, text: sendsUnanswered}
		case sock.State == platform.SocketEstablished && before.Inode != 0 && sock.BytesReceived > before.BytesReceived:
			r = reason{kind: kinds.Downloading, sure: Certain, text: "downloads"}
		case sock.State == platform.SocketEstablished && since > idleNetwork:
			r = reason{kind: kinds.DownloadStalled, sure: Likely, text: noByteFor.Fill(fix.With{"time": say.Seconds(since)})}
		case sock.State == platform.SocketEstablished && since > 2*time.Second:
			r = reason{kind: kinds.Downloading, sure: Likely, text: noByteFor.Fill(fix.With{"time": say.Seconds(since)})}
		default:
			r = reason{kind: kinds.Downloading, sure: Likely, text: talksElsewhere}
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

// storeWork is the reason of a process that has the store open, or opens it: a worker, or a client without a daemon.
func storeWork(s *scene, p *proc) (reason, bool) {
	if r, ok := queued(s, p); ok {
		return r, true
	}
	if r, ok := offspring(s, p); ok {
		return r, true
	}
	if cpuShare(s, p) < 0.3 {
		if r, ok := silentGC(s, p); ok {
			return r, true
		}
		if r, ok := database(s, p); ok {
			return r, true
		}
	}
	return reason{}, false
}

// idleWork is asked when nothing else explains a process: what it waits for without a trace in the kernel.
func idleWork(s *scene, p *proc) (reason, bool) {
	if r, ok := polling(s, p); ok {
		return r, true
	}
	if r, ok := overNetwork(s, p); ok {
		return r, true
	}
	if !p.Hidden["syscall"] && s.CallsOK && pollsBriefly(s, p) {
		return unexplained(s, p, retriesUnseen), true
	}
	return reason{}, false
}

// unexplained is the reason of a process that nothing explains. That may be so for a moment only: what it wants has
// become free and it has not tried again yet, or it is between two things. Look then looks again.
func unexplained(s *scene, p *proc, text string) reason {
	// Of what was not looked at nothing more shows by waiting; of what others may not look into, something may.
	s.unsettled = s.unsettled || !p.Cut
	if p.Cut {
		text = notLookedClosely
	}
	return reason{kind: kinds.Unknown, sure: Guess, text: text}
}

func explainWorker(s *scene, p *proc) reason {
	if p.orphan {
		return reason{kind: kinds.WorkerOrphaned, sure: Certain, text: clientGone}
	}
	if r, ok := unread(s, p); ok {
		return r
	}
	if r, ok := unreadUnseen(s, p); ok {
		return r
	}
	if r, ok := storeWork(s, p); ok {
		return r
	}
	if collects(s, p) {
		if p.Ticks() > 0 || p.Moved() > 0 {
			return reason{kind: kinds.CollectingGarbage, sure: Certain, text: collectsGarbage}
		}
		return reason{kind: kinds.CollectingGarbage, sure: Likely, text: collectsIdle}
	}
	if cpuShare(s, p) >= 0.05 || p.Moved() > 64<<10 {
		if p.Moved() > copies/8 && cpuShare(s, p) < 0.8 {
			return reason{kind: kinds.CopyingToStore, sure: Likely, text: copiesNow.Fill(fix.With{"amount": say.Bytes(p.Moved())})}
		}
		return reason{kind: kinds.Working, sure: Certain, text: busyText(s, p)}
	}
	if s.CallsOK {
		for _, t := range p.Second.Threads {
			if t.ID != p.PID || !t.Call.Known || t.Call.N != s.Calls.Read {
				continue
			}
			if sock, ok := s.Sockets[socketAt(p, int(t.Call.Args[0]))]; ok && !sock.TCP {
				return reason{kind: kinds.WaitsForClient, sure: Certain, text: waitsForClient}
			}
		}
	}
	if r, ok := idleWork(s, p); ok {
		return r
	}
	if p.pair != nil && p.pair.role == Client && cpuShare(s, p.pair) >= 0.05 {
		return reason{kind: kinds.WaitsForClient, sure: Likely, text: idleWhileClient}
	}
	if fullDisk(s) != "" {
		return reason{kind: kinds.DiskFull, sure: Likely, text: diskFull}
	}
	return unexplained(s, p, idleUnexplained)
}

func socketAt(p *proc, fd int) uint64 {
	for inode, n := range p.Sockets {
		if n == fd {
			return inode
		}
	}
	return 0
}

// fullDisk returns a directory of Nix on a file system without free space.
func fullDisk(s *scene) string {
	for dir, n := range s.Free {
		if n < 1<<20 {
			return dir
		}
	}
	return ""
}

// ageOf is how long a process has been there.
func ageOf(s *scene, p *proc) time.Duration {
	return time.Duration((s.Uptime - float64(p.Start)/100) * float64(time.Second)).Truncate(time.Second)
}

const Column = 38 // characters of the right column of the tree
