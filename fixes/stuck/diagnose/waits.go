package diagnose

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/proclocks"
	"github.com/lixfix/lixfix/platform/words"
)

// lockWait is the reason of a process that stands in the kernel's queue.
func lockWait(lf *observe.LockFile) reason {
	r := reason{sure: Certain, waits: []wait{{kind: EdgeLockWait, lock: lf, sure: Certain}}}
	kind := kindOf(lf)
	what := map[lockKind]string{
		lockOutput: waitsForPath, lockGC: waitsForCollector, lockBig: waitsForStore,
		lockProfile: waitsForProfile, lockFetch: waitsForFetch, lockMain: waitsForMachine,
		lockUpload: waitsForUpload,
	}[kind]
	r.text = what
	switch kind {
	case lockOutput:
		r.kind = kinds.WaitsForStorePath
	case lockGC:
		r.kind = kinds.WaitsForGC
		if shared := !slices.ContainsFunc(lf.Locks, func(l lockLine) bool { return l.Write }); shared {
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
		r.kind, r.text = kinds.Unknown, waitsForLock
	}
	return r
}

// queued is the reason of a process with a thread in the kernel's queue for a lock.
func queued(s *scene, p *proc) (reason, bool) {
	for _, lf := range s.WaitsAt(p.PID) {
		return lockWait(lf), true
	}
	if !s.CallsOK {
		return reason{}, false
	}
	if t, ok := p.InCall(s.Calls.Flock); ok {
		// In a PID namespace of its own, the kernel leaves out locks whose holders are outside.
		name := path.Base(p.FDs[int(t.Call.Args[0])])
		return reason{kind: kinds.Unknown, sure: Certain, text: waitsForLockUnseen.Fill(fix.With{"lock": say.Plain(name)})}, true
	}
	return reason{}, false
}

// database is the reason of a process that retries because somebody writes to a database.
func database(s *scene, p *proc) (reason, bool) {
	often, retrying := retries(s, p)
	if !retrying && often < 5 {
		return reason{}, false
	}
	for _, kind := range []lockKind{lockShm, lockDB, lockCache} {
		lf, pid, _ := writerOf(s, kind, p.PID)
		if lf == nil {
			continue
		}
		opened := slices.ContainsFunc(lf.Locks, func(l lockLine) bool { return l.PID == p.PID })
		for _, target := range p.FDs {
			// Another file of the same database, whose name only adds "-shm" or "-wal".
			opened = opened || strings.HasPrefix(target, strings.TrimSuffix(lf.Path, "-shm"))
		}
		if kind != lockCache {
			opened = opened || opensStore(s, p)
		}
		if !opened || pid == p.PID {
			continue
		}
		if !heldBefore(s, lf, pid) {
			// Somebody else wrote a moment ago: there is a queue, and it moves.
			return reason{kind: kinds.Working, sure: Likely, text: waitsForTurn}, true
		}
		r := reason{kind: kinds.SQLiteBusy, sure: Certain, text: retriesDatabase, waits: []wait{{kind: EdgePoll, lock: lf, sure: Certain}}}
		if kind == lockCache {
			r.kind, r.text = kinds.EvalCacheLocked, retriesCache
		}
		if p.Hidden["syscall"] {
			r.sure = Likely
			r.waits[0].kind, r.waits[0].sure = EdgeGuess, Likely
		}
		return r, true
	}
	return reason{}, false
}

// heldBefore reports whether a process held a lock on a file exclusively at the first look as well.
func heldBefore(s *scene, lf *observe.LockFile, pid int) bool {
	return slices.ContainsFunc(s.Earlier, func(l proclocks.Lock) bool { return l.File == lf.File && l.PID == pid && l.Write && !l.Waiting })
}

// opensStore reports whether a process has the local store open, which holds a shared lock for life.
func opensStore(s *scene, p *proc) bool {
	for _, lf := range s.Locks {
		if kindOf(lf) == lockBig && slices.ContainsFunc(lf.Locks, func(l lockLine) bool { return l.PID == p.PID }) {
			return true
		}
	}
	return false
}

// silentGC is the reason of a process that wants to register a root while a garbage collector holds its lock: no
// message is printed and no queue formed.
func silentGC(s *scene, p *proc) (reason, bool) {
	for _, lf := range s.Locks {
		if kindOf(lf) != lockGC {
			continue
		}
		hs := holdersOf(lf)
		if len(hs) == 0 || slices.Contains(hs, p.PID) || !slices.ContainsFunc(lf.Locks, func(l lockLine) bool { return l.Write }) {
			continue
		}
		often, retrying := retries(s, p)
		connected := false
		for inode := range p.Sockets {
			sock, ok := s.Sockets[inode]
			if !ok || sock.TCP {
				continue
			}
			peer := s.Sockets[sock.Peer]
			if strings.HasSuffix(peer.Path, "/gc-socket/socket") || strings.HasSuffix(sock.Path, "/gc-socket/socket") && sock.State != platform.SocketListening ||
				sock.Peer == 0 && sock.State == platform.SocketEstablished && pendingAt(s, "/gc-socket/socket") {
				connected = true
			}
		}
		if !connected && (!retrying || often < 4 || !opensStore(s, p)) {
			continue
		}
		r := reason{kind: kinds.WaitsForGCSilent, sure: Certain, text: waitsForCollectorSilently, waits: []wait{{kind: EdgePoll, lock: lf, sure: Certain}}}
		if !connected {
			r.sure, r.waits[0].sure = Likely, Likely
		}
		return r, true
	}
	return reason{}, false
}

// pendingAt reports whether a listener of this name has connections that it did not accept.
func pendingAt(s *scene, suffix string) bool {
	for _, sock := range s.Sockets {
		if sock.State == platform.SocketListening && sock.Received > 0 && strings.HasSuffix(sock.Path, suffix) {
			return true
		}
	}
	return false
}

// polling is the reason of a process that retries every few seconds: Lix and Nix do so for the locks of outputs, for
// build users and for slots of remote machines, and the kernel knows of no waiter.
func polling(s *scene, p *proc) (reason, bool) {
	proven := !p.Hidden["syscall"] && s.CallsOK
	if proven {
		if !pollsBriefly(s, p) {
			return reason{}, false
		}
	} else if p.Switches() > 4 || cpuShare(s, p) > 0.1 || !opensStore(s, p) {
		return reason{}, false
	}
	mine := heldBy(s, p.PID, lockOutput)
	var want, all []*observe.LockFile
	for _, lf := range s.Locks {
		if kindOf(lf) != lockOutput || slices.Contains(holdersOf(lf), p.PID) || len(lf.Locks) == 0 {
			continue
		}
		all = append(all, lf)
		if slices.Contains(p.Roots, strings.TrimSuffix(path.Base(lf.Path), ".lock")) {
			want = append(want, lf)
		}
	}
	poll := func(lf *observe.LockFile, kind EdgeKind, sure Certainty) wait {
		return wait{kind: kind, lock: lf, sure: sure}
	}
	if len(want) > 0 {
		r := reason{kind: kinds.WaitsForOutputLock, sure: Certain, text: retriesLock}
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
		if n, full := allHeld(s, s.Pool); full {
			r := reason{kind: kinds.NoFreeBuildUser, sure: sure, text: waitsForOneOf.Fill(fix.With{"all": words.Count(n, buildUser)})}
			for _, lf := range s.Locks {
				if kindOf(lf) == lockUser {
					r.waits = append(r.waits, poll(lf, EdgePoll, sure))
				}
			}
			r.any = true
			return r, true
		}
	}
	// One who keeps a build hook that has nothing to do was told that no machine is free.
	asks := slices.ContainsFunc(p.children, func(c *proc) bool { return c.role == Hook && !c.Gone })
	if n, full := allHeld(s, s.Load); full && asks && len(mine) == 0 {
		if !proven && len(all) > 0 {
			sure = Guess
		}
		return slotless(s, n, sure), true
	}
	if len(mine) == 0 && len(p.Roots) == 0 && len(all) > 0 && (!proven || p.Untold) {
		r := reason{kind: kinds.WaitsForOutputLock, sure: Likely, text: probablyWaitsForLock}
		if len(all) > 1 {
			r.sure = Guess
		}
		for _, lf := range all {
			r.waits = append(r.waits, poll(lf, EdgeGuess, r.sure))
		}
		return r, true
	}
	if len(mine) == 0 {
		if n, full := allHeld(s, s.Load); full {
			return slotless(s, n, sure), true
		}
	}
	return reason{}, false
}

// slotless is the reason of a process that waits for a slot of a remote machine.
func slotless(s *scene, n int, sure Certainty) reason {
	r := reason{kind: kinds.NoMachineSlot, sure: sure, text: waitsForOneOf.Fill(fix.With{"all": words.Count(n, remoteSlot)}), any: true}
	for _, lf := range s.Locks {
		if kindOf(lf) == lockSlot {
			r.waits = append(r.waits, wait{kind: EdgePoll, lock: lf, sure: sure})
		}
	}
	return r
}

// pollsBriefly reports whether the main thread waits with a limit of time, as one that retries every few seconds does.
func pollsBriefly(s *scene, p *proc) bool {
	return slices.ContainsFunc(p.Second.Threads, func(t observe.Thread) bool {
		d, ok := timeoutOf(s, t)
		return ok && t.ID == p.PID && d > 0 && d <= 5*time.Minute
	})
}
