package stuck

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/proclocks"
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
	id    string // of the decision table, without "stuck/"; "" when it only passes on what it waits for
	sure  Certainty
	text  string // at most 38 characters
	waits []wait
	any   bool // it goes on as long as one of them does
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
	if p.second.state == 't' && p.status.Tracer > 0 {
		r.text = fmt.Sprintf("stopped by a debugger, process %d", p.status.Tracer)
	}
	switch {
	case len(s.heldBy(p.PID, lockGC)) > 0:
		r.id = idGCStopped
	case p.role == Client:
		r.id = idClientStopped
	case p.role == Worker && p.orphan:
		r.id, r.text = idWorkerOrphaned, "stopped, and its client is gone"
	case p.role == Worker, p.role == Remote, p.role == Hook:
		r.id = idWorkerStopped
	case p.role == Listener:
		r.id = idDaemonStopped
	default:
		r.id = idBuilderStopped
	}
	return r
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
				return reason{id: idIOWait, sure: Certain, text: plain(text)}, true
			}
		}
	}
	return reason{}, false
}

// lockWait is the reason of a process that stands in the kernel's queue.
func (s *snapshot) lockWait(lf *lockFile) reason {
	r := reason{sure: Certain, waits: []wait{{kind: EdgeLockWait, lock: lf, sure: Certain}}}
	kind := s.kind(lf)
	what := map[lockKind]string{
		lockOutput: "waits to add the same path", lockGC: "waits for the collector's lock", lockBig: "waits for the store's lock",
		lockProfile: "waits for the profile's lock", lockFetch: "waits for another fetch", lockMain: "waits to choose a machine",
		lockUpload: "waits to copy to a machine",
	}[kind]
	r.text = what
	switch kind {
	case lockOutput:
		r.id = idWaitsStorePath
	case lockGC:
		r.id = idWaitsGC
		if shared := !slices.ContainsFunc(lf.locks, func(l lockLine) bool { return l.Write }); shared {
			r.id = idGCWaits
		}
	case lockBig:
		r.id = idStoreUpgrade
	case lockProfile:
		r.id = idProfileLocked
	case lockFetch:
		r.id = idFetchLocked
	case lockMain, lockUpload:
		r.id = idUploadLock
	default:
		r.id, r.text = idUnknown, "waits for a lock"
	}
	for _, pid := range lf.holders() {
		h := s.procs[pid]
		if h == nil || h.role == Stranger || h.role == other {
			r.id = idForeign
		}
		if h == nil {
			// The locks of Nix end with the process that took them, so who keeps one beyond that is likely a stranger.
			r.sure = Likely
		}
	}
	return r
}

// queued is the reason of a process with a thread in the kernel's queue for a lock.
func (s *snapshot) queued(p *proc) (reason, bool) {
	for _, lf := range s.waitsAt(p.PID) {
		return s.lockWait(lf), true
	}
	if !s.callsOK {
		return reason{}, false
	}
	if t, ok := inCall(p, s.calls.Flock); ok {
		// In a PID namespace of its own, the kernel leaves out locks whose holders are outside.
		name := path.Base(p.fds[int(t.call.Args[0])])
		return reason{id: idUnknown, sure: Certain, text: "waits for the lock " + plain(name) + ", held out of sight"}, true
	}
	return reason{}, false
}

// database is the reason of a process that retries because somebody writes to a database.
func (s *snapshot) database(p *proc) (reason, bool) {
	often, retrying := s.retries(p)
	if !retrying && often < 5 {
		return reason{}, false
	}
	for _, kind := range []lockKind{lockShm, lockDB, lockCache} {
		lf, pid, _ := s.writer(kind, p.PID)
		if lf == nil {
			continue
		}
		opened := slices.ContainsFunc(lf.locks, func(l lockLine) bool { return l.PID == p.PID })
		for _, target := range p.fds {
			// Another file of the same database, whose name only adds "-shm" or "-wal".
			opened = opened || strings.HasPrefix(target, strings.TrimSuffix(lf.path, "-shm"))
		}
		if kind != lockCache {
			opened = opened || s.opensStore(p)
		}
		if !opened || pid == p.PID {
			continue
		}
		if !s.heldBefore(lf, pid) {
			// Somebody else wrote a moment ago: there is a queue, and it moves.
			return reason{id: idWorking, sure: Likely, text: "waits its turn at the database"}, true
		}
		r := reason{id: idSQLiteBusy, sure: Certain, text: "retries, the database is locked", waits: []wait{{kind: EdgePoll, lock: lf, sure: Certain}}}
		if kind == lockCache {
			r.id, r.text = idCacheLocked, "retries, its cache is locked"
		}
		if p.hidden["syscall"] {
			r.sure = Likely
			r.waits[0].kind, r.waits[0].sure = EdgeGuess, Likely
		}
		return r, true
	}
	return reason{}, false
}

// heldBefore reports whether a process held a lock on a file exclusively at the first look as well.
func (s *snapshot) heldBefore(lf *lockFile, pid int) bool {
	return slices.ContainsFunc(s.earlier, func(l proclocks.Lock) bool { return l.File == lf.file && l.PID == pid && l.Write && !l.Waiting })
}

// opensStore reports whether a process has the local store open, which holds a shared lock for life.
func (s *snapshot) opensStore(p *proc) bool {
	for _, lf := range s.locks {
		if s.kind(lf) == lockBig && slices.ContainsFunc(lf.locks, func(l lockLine) bool { return l.PID == p.PID }) {
			return true
		}
	}
	return false
}

// silentGC is the reason of a process that wants to register a root while a garbage collector holds its lock: no
// message is printed and no queue formed.
func (s *snapshot) silentGC(p *proc) (reason, bool) {
	for _, lf := range s.locks {
		if s.kind(lf) != lockGC {
			continue
		}
		hs := lf.holders()
		if len(hs) == 0 || slices.Contains(hs, p.PID) || !slices.ContainsFunc(lf.locks, func(l lockLine) bool { return l.Write }) {
			continue
		}
		often, retrying := s.retries(p)
		connected := false
		for inode := range p.sockets {
			sock, ok := s.sockets[inode]
			if !ok || sock.TCP {
				continue
			}
			peer := s.sockets[sock.Peer]
			if strings.HasSuffix(peer.Path, "/gc-socket/socket") || strings.HasSuffix(sock.Path, "/gc-socket/socket") && sock.State != platform.SocketListening ||
				sock.Peer == 0 && sock.State == platform.SocketEstablished && s.pendingAt("/gc-socket/socket") {
				connected = true
			}
		}
		if !connected && (!retrying || often < 4 || !s.opensStore(p)) {
			continue
		}
		r := reason{id: idWaitsGCSilent, sure: Certain, text: "waits for the collector, silently", waits: []wait{{kind: EdgePoll, lock: lf, sure: Certain}}}
		if !connected {
			r.sure, r.waits[0].sure = Likely, Likely
		}
		if h := s.procs[hs[0]]; h == nil || h.role == Stranger || h.role == other {
			r.id = idForeign
		}
		return r, true
	}
	return reason{}, false
}

// pendingAt reports whether a listener of this name has connections that it did not accept.
func (s *snapshot) pendingAt(suffix string) bool {
	for _, sock := range s.sockets {
		if sock.State == platform.SocketListening && sock.Received > 0 && strings.HasSuffix(sock.Path, suffix) {
			return true
		}
	}
	return false
}

// polling is the reason of a process that retries every few seconds: Lix and Nix do so for the locks of outputs, for
// build users and for slots of remote machines, and the kernel knows of no waiter.
func (s *snapshot) polling(p *proc) (reason, bool) {
	proven := !p.hidden["syscall"] && s.callsOK
	if proven {
		if !s.pollsBriefly(p) {
			return reason{}, false
		}
	} else if p.switches() > 4 || s.share(p) > 0.1 || !s.opensStore(p) {
		return reason{}, false
	}
	mine := s.heldBy(p.PID, lockOutput)
	var want, all []*lockFile
	for _, lf := range s.locks {
		if s.kind(lf) != lockOutput || slices.Contains(lf.holders(), p.PID) || len(lf.locks) == 0 {
			continue
		}
		all = append(all, lf)
		if slices.Contains(p.roots, strings.TrimSuffix(path.Base(lf.path), ".lock")) {
			want = append(want, lf)
		}
	}
	poll := func(lf *lockFile, kind EdgeKind, sure Certainty) wait { return wait{kind: kind, lock: lf, sure: sure} }
	if len(want) > 0 {
		r := reason{id: idWaitsOutput, sure: Certain, text: "waits for a lock, retries every 5 s"}
		for _, lf := range want {
			r.waits = append(r.waits, poll(lf, EdgePoll, Certain))
		}
		return r, true
	}
	sure := Certain
	if !proven {
		sure = Likely
	}
	if len(mine) > 0 {
		if n, full := s.allHeld(s.pool); full {
			r := reason{id: idNoUser, sure: sure, text: fmt.Sprintf("waits for one of %s", count(n, "build user"))}
			for _, lf := range s.locks {
				if s.kind(lf) == lockUser {
					r.waits = append(r.waits, poll(lf, EdgePoll, sure))
				}
			}
			r.any = true
			return r, true
		}
	}
	// One who keeps a build hook that has nothing to do was told that no machine is free.
	asks := slices.ContainsFunc(p.children, func(c *proc) bool { return c.role == Hook && !c.gone })
	if n, full := s.allHeld(s.load); full && asks && len(mine) == 0 {
		if !proven && len(all) > 0 {
			sure = Guess
		}
		return s.slotless(n, sure), true
	}
	if len(mine) == 0 && len(p.roots) == 0 && len(all) > 0 && !proven {
		r := reason{id: idWaitsOutput, sure: Likely, text: "probably waits for a lock"}
		if len(all) > 1 {
			r.sure = Guess
		}
		for _, lf := range all {
			r.waits = append(r.waits, poll(lf, EdgeGuess, r.sure))
		}
		return r, true
	}
	if len(mine) == 0 {
		if n, full := s.allHeld(s.load); full {
			return s.slotless(n, sure), true
		}
	}
	return reason{}, false
}

// slotless is the reason of a process that waits for a slot of a remote machine.
func (s *snapshot) slotless(n int, sure Certainty) reason {
	r := reason{id: idNoSlot, sure: sure, text: fmt.Sprintf("waits for one of %s", count(n, "remote slot")), any: true}
	for _, lf := range s.locks {
		if s.kind(lf) == lockSlot {
			r.waits = append(r.waits, wait{kind: EdgePoll, lock: lf, sure: sure})
		}
	}
	return r
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
			r = reason{id: idNetworkLost, sure: Certain, text: "connects, and nobody answers"}
		case sock.Retransmits > 0 && sock.Unacked > 0:
			r = reason{id: idNetworkLost, sure: Certain, text: "sends again and again, no answer"}
		case sock.State == platform.SocketEstablished && before.Inode != 0 && sock.BytesReceived > before.BytesReceived:
			r = reason{id: idDownloading, sure: Certain, text: "downloads"}
		case sock.State == platform.SocketEstablished && since > idleNetwork:
			r = reason{id: idStalled, sure: Likely, text: "no byte came in for " + seconds(since)}
		case sock.State == platform.SocketEstablished && since > 2*time.Second:
			r = reason{id: idDownloading, sure: Likely, text: "no byte came in for " + seconds(since)}
		default:
			r = reason{id: idDownloading, sure: Likely, text: "talks to another machine"}
		}
		r.peer, r.idle = sock.Remote.String(), since
		if worst == nil || severityOf(r.id) > severityOf(worst.id) || r.id == worst.id && r.idle > worst.idle {
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
	s.unsettled = s.unsettled || !p.hidden["syscall"]
	return reason{id: idUnknown, sure: Guess, text: text}
}

// pollsBriefly reports whether the main thread waits with a limit of time, as one that retries every few seconds does.
func (s *snapshot) pollsBriefly(p *proc) bool {
	return slices.ContainsFunc(p.second.threads, func(t thread) bool {
		d, ok := s.timeout(t)
		return ok && t.id == p.PID && d > 0 && d <= 5*time.Minute
	})
}

// offspring is the reason of a process that waits for its children.
func (s *snapshot) offspring(p *proc) (reason, bool) {
	r := reason{sure: Certain, any: true}
	// launch-builder becomes the builder, so what ended beside it was not that but pasta, whatever its name.
	launch := slices.ContainsFunc(p.children, func(c *proc) bool { return !c.gone && c.State != 'Z' && c.Name == "launch-builder" })
	pastaDead := false
	for _, c := range p.children {
		if c.gone {
			continue
		}
		switch {
		case c.role == Pasta, launch && c.State == 'Z':
			pastaDead = pastaDead || c.State == 'Z'
			continue
		case c.State == 'Z' && c.role == Builder:
			left := s.leftover(c)
			if left != nil {
				return reason{id: idBuilderLeftover, sure: Certain, text: "the build is done, its log is open", waits: []wait{{kind: EdgeChild, proc: left, sure: Certain}}}, true
			}
			if c.second.state == 'Z' && c.first.state == 'Z' && p.ticks() == 0 {
				return reason{id: idBuilderDefunct, sure: Likely, text: "did not notice that its builder ended"}, true
			}
			continue
		case c.State == 'Z':
			continue
		case c.role == Hook && s.idleHook(c):
			// It was told that no machine is free, and is kept to be asked again.
			continue
		case c.role == Builder, c.role == Hook, c.role == Helper:
			r.waits = append(r.waits, wait{kind: EdgeChild, proc: c, sure: Certain})
		}
	}
	if launch && pastaDead {
		return reason{id: idSandboxNetwork, sure: Certain, text: "pasta died: the build has no network"}, true
	}
	if len(r.waits) == 0 {
		return reason{id: idWorking, sure: Certain, text: "finishes a build"}, p.reaped
	}
	r.text = "waits for its build"
	if n := len(r.waits); n > 1 {
		r.text = fmt.Sprintf("waits for %d processes", n)
	}
	helper := r.waits[0].proc
	if len(r.waits) == 1 && helper.role == Helper {
		r.text = "waits for " + short(plain(helper.program()), 20)
		if p.role == Worker || len(s.heldBy(p.PID, lockOutput)) > 0 {
			r.id, r.sure = idPostBuildHook, Likely
		}
	}
	return r, true
}

// idleHook reports whether a build hook has nothing to do.
func (s *snapshot) idleHook(p *proc) bool {
	_, talks := s.network(p)
	return !talks && len(p.children) == 0 && !p.stopped() && len(s.heldBy(p.PID, lockSlot)) == 0 && len(s.waitsAt(p.PID)) == 0
}

// leftover returns a process of the build user of a builder that has ended.
func (s *snapshot) leftover(z *proc) *proc {
	if s.builders[z.uid] == "" {
		return nil
	}
	for _, pid := range s.order {
		q := s.procs[pid]
		if q != z && q.uid == z.uid && !q.gone && q.State != 'Z' {
			return q
		}
	}
	return nil
}

func (s *snapshot) explainClient(p *proc) reason {
	if s.share(p) >= 0.3 && !slices.ContainsFunc(p.children, func(c *proc) bool { return c.role == Builder }) {
		r := reason{id: idEvaluating, sure: Certain, text: fmt.Sprintf("evaluates, %d %% CPU", int(s.share(p)*100+0.5))}
		moved := p.moved()
		if p.pair != nil {
			moved += p.pair.moved()
		}
		switch {
		case s.collects(p):
			r.id, r.text = idCollecting, "collects garbage"
		case moved > copies:
			r = reason{id: idCopying, sure: Likely, text: "hashes or copies, " + bytesText(moved) + " in a moment"}
		case p.hidden["io"]:
			r.sure = Likely
		}
		if grown := p.grown(); r.id == idEvaluating && grown > 1<<20 {
			r.text += ", memory +" + bytesText(grown)
		}
		return r
	}
	if r, ok := s.work(p); ok {
		return r
	}
	if s.collects(p) && (p.ticks() > 0 || p.moved() > 0) {
		return reason{id: idCollecting, sure: Certain, text: "collects garbage"}
	}
	if len(s.heldBy(p.PID, lockGC)) > 0 {
		return reason{id: idCollecting, sure: Likely, text: "collects garbage, idle for a moment"}
	}
	if r, ok := s.unaccepted(p); ok {
		return r
	}
	if p.pair != nil {
		w := p.pair
		kind := map[string]EdgeKind{bySocket: EdgeSocket, byArgument: EdgeArgument, byUnit: EdgeUnit, byElimination: EdgeLeft}[p.pairedBy]
		own := s.explain(w)
		if own.id == idWaitsClient {
			if r, ok := s.network(p); ok {
				return r
			}
			return s.quietClient(p, w)
		}
		return reason{sure: Certain, text: "waits for its daemon process", waits: []wait{{kind: kind, proc: w, sure: p.pairing()}}}
	}
	if r, ok := s.idleWork(p); ok {
		return r
	}
	return s.quietClient(p, nil)
}

// quietClient is the reason of a client that nothing else explains.
func (s *snapshot) quietClient(p, w *proc) reason {
	moved := p.moved()
	if w != nil {
		moved += w.moved()
	}
	switch {
	case moved > copies:
		return reason{id: idCopying, sure: Likely, text: "hashes or copies, " + bytesText(moved) + " in a moment"}
	case s.share(p) > 0.05 || p.ticks() > 2:
		return reason{id: idEvaluating, sure: Likely, text: fmt.Sprintf("works, %d %% CPU", int(s.share(p)*100+0.5))}
	case moved > 64<<10:
		return reason{id: idCopying, sure: Likely, text: "copies, " + bytesText(moved) + " in a moment"}
	case p.ticks() > 0 || moved > 0:
		return reason{id: idWorking, sure: Likely, text: "works a little"}
	case w != nil:
		return reason{id: idWaitsClient, sure: Likely, text: "idle, and its worker waits for it"}
	}
	return s.unexplained(p, "idle, for no reason that shows")
}

func (s *snapshot) collects(p *proc) bool {
	if slices.Contains(p.argv, "--gc") || p.program() == "nix-collect-garbage" || slices.Contains(p.argv, "collect-garbage") {
		return p.role == Client && (p.pair == nil || s.opensStore(p))
	}
	return len(s.heldBy(p.PID, lockGC)) > 0
}

// unaccepted is the reason of a client whose connection nobody has accepted.
func (s *snapshot) unaccepted(p *proc) (reason, bool) {
	if p.pair != nil {
		return reason{}, false
	}
	hanging := false
	for inode := range p.sockets {
		sock, ok := s.sockets[inode]
		if ok && !sock.TCP && sock.State == platform.SocketEstablished && sock.Peer == 0 && sock.Path == "" {
			hanging = true
		}
	}
	blind := p.hidden["fd"] && !s.opensStore(p)
	pending := s.pendingAt("/daemon-socket/socket")
	if !hanging && (!blind || !pending) {
		return reason{}, false
	}
	sure := Certain
	if blind {
		sure = Likely
	}
	for _, pid := range s.order {
		l := s.procs[pid]
		if l.role != Listener {
			continue
		}
		r := reason{sure: sure, text: "connected, and nobody answers", waits: []wait{{kind: EdgeConnect, proc: l, sure: sure}}}
		if !l.stopped() {
			r.id = idNotAccepting
			if l.files > 0 && l.opened >= l.files {
				// A limit that was lowered afterwards leaves more of them open than it allows.
				r.text = fmt.Sprintf("the daemon's %d files are all open", l.files)
			}
		}
		return r, true
	}
	return reason{id: idNotAccepting, sure: Likely, text: "connected, and nobody answers"}, true
}

func (s *snapshot) explainWorker(p *proc) reason {
	if p.orphan {
		return reason{id: idWorkerOrphaned, sure: Certain, text: "its client is gone"}
	}
	if r, ok := s.work(p); ok {
		return r
	}
	if s.collects(p) {
		if p.ticks() > 0 || p.moved() > 0 {
			return reason{id: idCollecting, sure: Certain, text: "collects garbage"}
		}
		return reason{id: idCollecting, sure: Likely, text: "collects garbage, idle for a moment"}
	}
	if s.share(p) >= 0.05 || p.moved() > 64<<10 {
		if p.moved() > copies/8 && s.share(p) < 0.8 {
			return reason{id: idCopying, sure: Likely, text: "copies, " + bytesText(p.moved()) + " in a moment"}
		}
		return reason{id: idWorking, sure: Certain, text: s.busyText(p)}
	}
	if s.callsOK {
		for _, t := range p.second.threads {
			if t.id != p.PID || !t.call.Known || t.call.N != s.calls.Read {
				continue
			}
			if sock, ok := s.sockets[s.socketAt(p, int(t.call.Args[0]))]; ok && !sock.TCP {
				return reason{id: idWaitsClient, sure: Certain, text: "waits for what its client says"}
			}
		}
	}
	if r, ok := s.idleWork(p); ok {
		return r
	}
	if p.pair != nil && p.pair.role == Client && s.share(p.pair) >= 0.05 {
		return reason{id: idWaitsClient, sure: Likely, text: "idle while its client works"}
	}
	if s.full() != "" {
		return reason{id: idDiskFull, sure: Likely, text: "the disk is full"}
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

// subtree returns a process, its descendants and, for a build user, its other processes.
func (s *snapshot) subtree(p *proc) []*proc {
	list := []*proc{}
	seen := map[*proc]bool{}
	var walk func(q *proc)
	walk = func(q *proc) {
		if seen[q] || q.gone {
			return
		}
		seen[q] = true
		list = append(list, q)
		for _, c := range q.children {
			walk(c)
		}
	}
	walk(p)
	if s.builders[p.uid] != "" && p.uid != 0 {
		for _, pid := range s.order {
			if q := s.procs[pid]; q.uid == p.uid {
				walk(q)
			}
		}
	}
	return list
}

func (s *snapshot) explainBuilder(p *proc) reason {
	var ticks, moved uint64
	var stopped []*proc
	all := s.subtree(p)
	for _, q := range all {
		ticks += q.ticks()
		moved += q.moved()
		if q.stopped() {
			stopped = append(stopped, q)
		}
	}
	if ticks > 0 || moved > 0 {
		return reason{id: idBuilderBusy, sure: Certain, text: "builds, " + s.buildText(ticks, moved)}
	}
	if len(stopped) > 0 {
		return reason{id: idBuilderStopped, sure: Certain, text: "asleep, a process of it is stopped", waits: []wait{{kind: EdgeChild, proc: stopped[0], sure: Certain}}}
	}
	for _, q := range all {
		if q != p && (q.role == Client || q.role == Hook) {
			return reason{sure: Certain, text: "waits for a Nix that it started", waits: []wait{{kind: EdgeChild, proc: q, sure: Certain}}}
		}
	}
	for _, q := range all {
		if q == p {
			continue
		}
		if r, ok := s.uninterruptible(q); ok {
			return r
		}
	}
	sure := Certain
	if p.hidden["io"] {
		sure = Likely
	}
	text := "0 % CPU, no I/O, silent"
	for _, q := range all {
		r, ok := s.network(q)
		switch {
		case ok && r.id == idNetworkLost:
			r.waits = nil
			return r
		case ok:
			text = "silent, talks to " + r.peer
		}
	}
	return reason{id: idBuilderSilent, sure: sure, text: text}
}

// logged says when something of a build was last written to its log. That is compressed, and lags behind.
func (s *snapshot) logged(p *proc) string {
	for q, n := p, 0; q != nil && n < 64; q, n = s.procs[q.Parent], n+1 {
		if !q.logged.IsZero() {
			return fmt.Sprintf(", its log written %s ago", seconds(time.Since(q.logged)))
		}
		if q.PID == q.Parent {
			break
		}
	}
	return ""
}

func (s *snapshot) buildText(ticks, moved uint64) string {
	if ticks > 0 && s.gap > 0 {
		return fmt.Sprintf("%d %% CPU", max(1, int(float64(ticks)/s.gap.Seconds()+0.5)))
	}
	return bytesText(moved) + " in a moment"
}

func (s *snapshot) explainHook(p *proc) reason {
	if r, ok := s.queued(p); ok {
		return r
	}
	for _, c := range p.children {
		if c.gone || c.State == 'Z' {
			continue
		}
		r := s.explainHelper(c)
		switch {
		case r.id == idNetworkLost || r.id == idAsksPassword || r.id == idDownloading && s.share(c) > 0:
			return reason{id: "", sure: r.sure, text: "builds on another machine", waits: []wait{{kind: EdgeChild, proc: c, sure: Certain}}}
		}
		return reason{id: idRemoteBuilder, sure: Likely, text: "builds on another machine", waits: []wait{{kind: EdgeChild, proc: c, sure: Certain}}}
	}
	if r, ok := s.network(p); ok {
		return r
	}
	if p.ticks() > 0 || p.moved() > 0 {
		return reason{id: idWorking, sure: Certain, text: "works"}
	}
	return reason{id: idRemoteBuilder, sure: Guess, text: "offers builds to other machines"}
}

func (s *snapshot) explainHelper(p *proc) reason {
	if p.stopped() {
		return s.stoppedReason(p)
	}
	// Somebody who reads the terminal waits for a password or an answer; the progress bar hides the question.
	if s.callsOK {
		for _, q := range s.subtree(p) {
			for _, t := range q.second.threads {
				if !t.call.Known || t.call.N != s.calls.Read {
					continue
				}
				target := q.fds[int(t.call.Args[0])]
				if target == "/dev/tty" || strings.HasPrefix(target, "/dev/pts/") {
					return reason{id: idAsksPassword, sure: Likely, text: short(plain(q.program()), 16) + " reads the terminal"}
				}
			}
		}
	}
	for _, q := range s.subtree(p) {
		if r, ok := s.network(q); ok && r.id != idDownloading {
			if p.role == Helper && s.underHook(p) {
				return reason{id: idRemoteBuilder, sure: Likely, text: r.text, peer: r.peer, idle: r.idle}
			}
			return r
		}
	}
	return reason{id: idHelper, sure: Likely, text: s.busyText(p)}
}

func (s *snapshot) underHook(p *proc) bool {
	for q, n := s.procs[p.Parent], 0; q != nil && n < 16; q, n = s.procs[q.Parent], n+1 {
		if q.role == Hook {
			return true
		}
		if q.Parent == q.PID {
			return false
		}
	}
	return false
}

// age is how long a process has been there.
func (s *snapshot) age(p *proc) time.Duration {
	return time.Duration((s.uptime - float64(p.Start)/100) * float64(time.Second)).Truncate(time.Second)
}
