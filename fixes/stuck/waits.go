package stuck

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/proclocks"
)

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
		r.kind = kinds.WaitsForStorePath
	case lockGC:
		r.kind = kinds.WaitsForGC
		if shared := !slices.ContainsFunc(lf.locks, func(l lockLine) bool { return l.Write }); shared {
			r.kind = kinds.GCWaitsForClient
		}
	case lockBig:
		r.kind = kinds.StoreUpgrade
	case lockProfile:
		r.kind = kinds.ProfileLocked
	case lockFetch:
		r.kind = kinds.FetchLocked
	case lockMain, lockUpload:
		r.kind = kinds.UploadLock
	default:
		r.kind, r.text = kinds.Unknown, "waits for a lock"
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
		return reason{kind: kinds.Unknown, sure: Certain, text: "waits for the lock " + plain(name) + ", held out of sight"}, true
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
			return reason{kind: kinds.Working, sure: Likely, text: "waits its turn at the database"}, true
		}
		r := reason{kind: kinds.SQLiteBusy, sure: Certain, text: "retries, the database is locked", waits: []wait{{kind: EdgePoll, lock: lf, sure: Certain}}}
		if kind == lockCache {
			r.kind, r.text = kinds.EvalCacheLocked, "retries, its cache is locked"
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
		r := reason{kind: kinds.WaitsForGCSilent, sure: Certain, text: "waits for the collector, silently", waits: []wait{{kind: EdgePoll, lock: lf, sure: Certain}}}
		if !connected {
			r.sure, r.waits[0].sure = Likely, Likely
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
		r := reason{kind: kinds.WaitsForOutputLock, sure: Certain, text: "waits for a lock, retries every 5 s"}
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
			r := reason{kind: kinds.NoFreeBuildUser, sure: sure, text: fmt.Sprintf("waits for one of %s", count(n, "build user"))}
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
	if len(mine) == 0 && len(p.roots) == 0 && len(all) > 0 && (!proven || p.untold) {
		r := reason{kind: kinds.WaitsForOutputLock, sure: Likely, text: "probably waits for a lock"}
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
	r := reason{kind: kinds.NoMachineSlot, sure: sure, text: fmt.Sprintf("waits for one of %s", count(n, "remote slot")), any: true}
	for _, lf := range s.locks {
		if s.kind(lf) == lockSlot {
			r.waits = append(r.waits, wait{kind: EdgePoll, lock: lf, sure: sure})
		}
	}
	return r
}

// pollsBriefly reports whether the main thread waits with a limit of time, as one that retries every few seconds does.
func (s *snapshot) pollsBriefly(p *proc) bool {
	return slices.ContainsFunc(p.second.threads, func(t thread) bool {
		d, ok := s.timeout(t)
		return ok && t.id == p.PID && d > 0 && d <= 5*time.Minute
	})
}
