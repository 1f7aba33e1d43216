package diagnose

import (
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/platform"
)

// blockedWrite is a process that cannot write: the same file in both samples, and not a byte in between.
func blockedWrite(s *scene, p *proc) (target string, ok bool) {
	t, ok := writing(s, p)
	if !ok || p.Second.IO.WrittenCalls != p.First.IO.WrittenCalls {
		return "", false
	}
	target = p.FDs[int(t.Call.Args[0])]
	return target, target != ""
}

// writing returns the thread that is in write(2) on the same file in both samples.
func writing(s *scene, p *proc) (observe.Thread, bool) {
	if !s.CallsOK {
		return observe.Thread{}, false
	}
	t, ok := p.InCall(s.Calls.Writes...)
	if !ok {
		return t, false
	}
	for _, b := range p.First.Threads {
		if b.ID == t.ID && b.Call.Args[0] != t.Call.Args[0] {
			return observe.Thread{}, false
		}
	}
	return t, true
}

// unread is the reason of a process whose output nobody reads.
func unread(s *scene, p *proc) (reason, bool) {
	target, ok := blockedWrite(s, p)
	switch {
	case !ok:
		return reason{}, false
	case observe.Terminal(target):
		s.doubtful = true
		return reason{kind: kinds.OutputNotRead, sure: Certain, text: terminalFull, at: target}, true
	case strings.HasPrefix(target, "socket:["):
		return unreadSocket(s, p, target)
	case !observe.Passes(target):
		return reason{}, false
	}
	r := reason{sure: Certain, any: true, text: waitsForReader, at: target}
	for _, q := range s.readers[target] {
		if q != p {
			r.waits = append(r.waits, wait{kind: EdgeOutput, proc: q, sure: Certain})
		}
	}
	switch {
	case len(r.waits) == 0 && !strings.HasPrefix(target, "pipe:["):
		return reason{}, false // a file, not a FIFO
	case len(r.waits) == 0:
		r.kind, r.sure = kinds.OutputNotRead, Likely
		s.doubtful = true
	}
	return r, true
}

// unreadSocket is the reason of a worker whose client does not read.
func unreadSocket(s *scene, p *proc, target string) (reason, bool) {
	inode, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]"), 10, 64)
	sock, known := s.Sockets[inode]
	if err != nil || !known || sock.TCP {
		return reason{}, false
	}
	if p.pair == nil {
		s.doubtful = true
		return reason{kind: kinds.OutputNotRead, sure: Likely, text: clientReadsNot, at: target}, true
	}
	return reason{
		sure: Certain, text: waitsForClientRead, at: target,
		waits: []wait{{kind: EdgeOutput, proc: p.pair, sure: Certain}},
	}, true
}

// unreadUnseen is the reason of a worker that may not be looked into, and whose client stopped, or left unread what the
// worker sent. The queues of sockets are shown to everybody, but not whose they are.
func unreadUnseen(s *scene, p *proc) (reason, bool) {
	if !p.Hidden["fd"] || p.pair == nil || cpuShare(s, p) >= 0.05 {
		return reason{}, false
	}
	sure := Likely
	switch {
	case p.pair.FDs != nil:
		full := false
		for inode := range p.pair.Sockets {
			full = full || leftUnread(s, inode)
		}
		if !full {
			return reason{}, false
		}
	default:
		n := 0
		for inode, sock := range s.Sockets {
			if !sock.TCP && sock.State == platform.SocketEstablished && leftUnread(s, inode) &&
				strings.HasSuffix(s.Sockets[sock.Peer].Path, "/daemon-socket/socket") {
				n++
			}
		}
		workers := 0
		for _, q := range s.procs {
			if q.role == Worker && q.pair != nil && q.Hidden["fd"] && q.pair.FDs == nil {
				workers++
			}
		}
		switch {
		case n == 0:
			return reason{}, false
		case workers > n && !p.pair.Stopped():
			return reason{}, false // it may be that of any of them
		}
	}
	return reason{
		sure: sure, text: probablyWaitsForClient,
		waits: []wait{{kind: EdgeOutput, proc: p.pair, sure: sure}},
	}, true
}

// leftUnread reports whether much waits to be read from a socket, in both looks.
func leftUnread(s *scene, inode uint64) bool {
	a, before := s.Before[inode]
	b, now := s.Sockets[inode]
	return before && now && a.Received >= observe.Backlog && b.Received >= observe.Backlog
}

// slowReader is the reason of a client that has left unread what its worker wrote to it.
func slowReader(s *scene, p *proc) reason {
	if cpuShare(s, p) >= 0.02 || p.Moved() > 0 {
		return reason{kind: kinds.Working, sure: Certain, text: printsLog}
	}
	s.doubtful = true
	return reason{kind: kinds.OutputNotRead, sure: Likely, text: readsNothing}
}

// explainReader says what a process does that reads what a command prints.
func explainReader(s *scene, p *proc) reason {
	if r, ok := unread(s, p); ok {
		return r
	}
	switch name := readsFrom(s, p); {
	case observe.Terminal(name):
		s.doubtful = true
		return reason{kind: kinds.OutputNotRead, sure: Certain, text: waitsForKey, at: name, how: kinds.Key}
	case cpuShare(s, p) >= 0.02 || p.Moved() > 0:
		return reason{kind: kinds.Working, sure: Certain, text: readsSlowly}
	}
	s.doubtful = true
	return reason{kind: kinds.OutputNotRead, sure: Certain, text: sleepsUnread, how: kinds.Asleep}
}

// readsFrom is the name of what a process is in read(2) on, in both samples.
func readsFrom(s *scene, p *proc) string {
	if !s.CallsOK {
		return ""
	}
	t, ok := p.InCall(s.Calls.Read)
	if !ok {
		return ""
	}
	return p.FDs[int(t.Call.Args[0])]
}
