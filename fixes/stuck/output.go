package stuck

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
)

// What a process prints has to be read by somebody: a worker's log by its client, a client's by a terminal or by what
// is behind a pipe. Where nobody reads, everybody in front waits in write(2), and Nix has no limit of time for that.

const (
	outlets = 4       // processes behind one another that only pass on what they read, such as tee
	backlog = 4 << 10 // bytes that a client has not read, beside which its worker may well be blocked
)

// blocked is a process that cannot write: the same file in both samples, and not a byte in between.
func (s *snapshot) blocked(p *proc) (target string, ok bool) {
	t, ok := s.writing(p)
	if !ok || p.second.io.WrittenCalls != p.first.io.WrittenCalls {
		return "", false
	}
	target = p.fds[int(t.call.Args[0])]
	return target, target != ""
}

// writing returns the thread that is in write(2) on the same file in both samples.
func (s *snapshot) writing(p *proc) (thread, bool) {
	if !s.callsOK {
		return thread{}, false
	}
	t, ok := inCall(p, s.calls.Writes...)
	if !ok {
		return t, false
	}
	for _, b := range p.first.threads {
		if b.id == t.id && b.call.Args[0] != t.call.Args[0] {
			return thread{}, false
		}
	}
	return t, true
}

// terminal reports whether a file is a terminal's.
func terminal(name string) bool {
	return name == "/dev/tty" || name == "/dev/console" || strings.HasPrefix(name, "/dev/pts/") ||
		strings.HasPrefix(name, "/dev/tty")
}

// passes reports whether what is written to a file is to be read by another process.
func passes(name string) bool {
	return strings.HasPrefix(name, "pipe:[") || strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "/dev/") &&
		!terminal(name)
}

// unread is the reason of a process whose output nobody reads.
func (s *snapshot) unread(p *proc) (reason, bool) {
	target, ok := s.blocked(p)
	switch {
	case !ok:
		return reason{}, false
	case terminal(target):
		s.doubtful = true
		return reason{kind: kinds.OutputNotRead, sure: Certain, text: "its terminal takes no more output", at: target}, true
	case strings.HasPrefix(target, "socket:["):
		return s.unreadSocket(p, target)
	case !passes(target):
		return reason{}, false
	}
	r := reason{sure: Certain, any: true, text: "waits until its output is read", at: target}
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
func (s *snapshot) unreadSocket(p *proc, target string) (reason, bool) {
	inode, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]"), 10, 64)
	sock, known := s.sockets[inode]
	if err != nil || !known || sock.TCP {
		return reason{}, false
	}
	if p.pair == nil {
		s.doubtful = true
		return reason{kind: kinds.OutputNotRead, sure: Likely, text: "its client does not read", at: target}, true
	}
	return reason{
		sure: Certain, text: "waits until its client reads", at: target,
		waits: []wait{{kind: EdgeOutput, proc: p.pair, sure: Certain}},
	}, true
}

// unreadUnseen is the reason of a worker that may not be looked into, and whose client stopped, or left unread what the
// worker sent. The queues of sockets are shown to everybody, but not whose they are.
func (s *snapshot) unreadUnseen(p *proc) (reason, bool) {
	if !p.hidden["fd"] || p.pair == nil || s.share(p) >= 0.05 {
		return reason{}, false
	}
	sure := Likely
	switch {
	case p.pair.fds != nil:
		full := false
		for inode := range p.pair.sockets {
			full = full || s.leftUnread(inode)
		}
		if !full {
			return reason{}, false
		}
	default:
		n := 0
		for inode, sock := range s.sockets {
			if !sock.TCP && sock.State == platform.SocketEstablished && s.leftUnread(inode) &&
				strings.HasSuffix(s.sockets[sock.Peer].Path, "/daemon-socket/socket") {
				n++
			}
		}
		workers := 0
		for _, q := range s.procs {
			if q.role == Worker && q.pair != nil && q.hidden["fd"] && q.pair.fds == nil {
				workers++
			}
		}
		switch {
		case n == 0:
			return reason{}, false
		case workers > n && !p.pair.stopped():
			return reason{}, false // it may be that of any of them
		}
	}
	return reason{
		sure: sure, text: "probably waits until its client reads",
		waits: []wait{{kind: EdgeOutput, proc: p.pair, sure: sure}},
	}, true
}

// leftUnread reports whether much waits to be read from a socket, in both looks.
func (s *snapshot) leftUnread(inode uint64) bool {
	a, before := s.before[inode]
	b, now := s.sockets[inode]
	return before && now && a.Received >= backlog && b.Received >= backlog
}

// slowReader is the reason of a client that has left unread what its worker wrote to it.
func (s *snapshot) slowReader(p *proc) reason {
	if s.share(p) >= 0.02 || p.moved() > 0 {
		return reason{kind: kinds.Working, sure: Certain, text: "prints the log of its build"}
	}
	s.doubtful = true
	return reason{kind: kinds.OutputNotRead, sure: Likely, text: "reads nothing of what its build says"}
}

// explainReader says what a process does that reads what a command prints.
func (s *snapshot) explainReader(p *proc) reason {
	if r, ok := s.unread(p); ok {
		return r
	}
	switch name := s.reads(p); {
	case terminal(name):
		s.doubtful = true
		return reason{kind: kinds.OutputNotRead, sure: Certain, text: "waits for a key and reads no further", at: name, how: kinds.Key}
	case s.share(p) >= 0.02 || p.moved() > 0:
		return reason{kind: kinds.Working, sure: Certain, text: "reads on, slowly"}
	}
	s.doubtful = true
	return reason{kind: kinds.OutputNotRead, sure: Certain, text: "sleeps and does not read", how: kinds.Asleep}
}

// reads is the name of what a process is in read(2) on, in both samples.
func (s *snapshot) reads(p *proc) string {
	if !s.callsOK {
		return ""
	}
	t, ok := inCall(p, s.calls.Read)
	if !ok {
		return ""
	}
	return p.fds[int(t.call.Args[0])]
}

// seekReaders finds the processes that read what others wait to write to.
func (c *collector) seekReaders(ctx context.Context) {
	c.readers = map[string][]*proc{}
	seen := map[string]bool{}
	for range outlets {
		names := map[string]bool{}
		for _, pid := range c.order {
			p := c.procs[pid]
			if !p.deep || p.gone || !p.reader && !nixName(p.Name) {
				continue
			}
			for _, t := range p.first.threads {
				if !c.callsOK || !t.call.Known || !slices.Contains(c.calls.Writes, t.call.N) {
					continue
				}
				if name := p.fds[int(t.call.Args[0])]; passes(name) && !seen[name] {
					names[name], seen[name] = true, true
				}
			}
		}
		if len(names) == 0 {
			return
		}
		for name, list := range c.find(ctx, names) {
			c.readers[name] = c.readersOf(ctx, name, list)
		}
		for _, list := range c.readers {
			c.deepen(ctx, list)
			for _, p := range list {
				p.reader = true
			}
		}
	}
}

// readersOf returns those who have a file open to read from it.
func (c *collector) readersOf(ctx context.Context, name string, list []opener) []*proc {
	found := make(chan int, len(list))
	_ = c.v.Burst(ctx, "who reads "+name, func(f platform.Files) error {
		for _, o := range list {
			if data, err := f.Read(fmt.Sprintf("%s/fdinfo/%d", procfs.Dir(o.pid), o.fd)); err == nil &&
				procfs.ParseOpened(data).Reads() {
				found <- o.pid
			}
		}
		return nil
	})
	var readers []*proc
	for {
		select {
		case pid := <-found:
			if p := c.procs[pid]; p != nil && pid != c.selfPID && !slices.Contains(readers, p) {
				readers = append(readers, p)
			}
			continue
		default:
		}
		return readers
	}
}
