package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
)

// What a process prints has to be read by somebody: a worker's log by its client, a client's by a terminal or by what
// is behind a pipe. Where nobody reads, everybody in front waits in write(2), and Nix has no limit of time for that.

const (
	outlets = 4       // processes behind one another that only pass on what they read, such as tee
	Backlog = 4 << 10 // bytes that a client has not read, beside which its worker may well be blocked
)

// Terminal reports whether a file is a terminal's.
func Terminal(name string) bool {
	return name == "/dev/tty" || name == "/dev/console" || strings.HasPrefix(name, "/dev/pts/") ||
		strings.HasPrefix(name, "/dev/tty")
}

// Passes reports whether what is written to a file is to be read by another process.
func Passes(name string) bool {
	return strings.HasPrefix(name, "pipe:[") || strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "/dev/") &&
		!Terminal(name)
}

// seekReaders finds the processes that read what others wait to write to.
func (c *collector) seekReaders(ctx context.Context) {
	c.Readers = map[string][]*Process{}
	seen := map[string]bool{}
	for range outlets {
		names := map[string]bool{}
		for _, pid := range c.Order {
			p := c.Procs[pid]
			if !p.Deep || p.Gone || !p.Reader && !NixName(p.Name) {
				continue
			}
			for _, t := range p.First.Threads {
				if !c.CallsOK || !t.Call.Known || !slices.Contains(c.Calls.Writes, t.Call.N) {
					continue
				}
				if name := p.FDs[int(t.Call.Args[0])]; Passes(name) && !seen[name] {
					names[name], seen[name] = true, true
				}
			}
		}
		if len(names) == 0 {
			return
		}
		for name, list := range c.findOpeners(ctx, names) {
			c.Readers[name] = c.readersOf(ctx, name, list)
		}
		for _, list := range c.Readers {
			c.deepen(ctx, list)
			for _, p := range list {
				p.Reader = true
			}
		}
	}
}

// readersOf returns those who have a file open to read from it.
func (c *collector) readersOf(ctx context.Context, name string, list []opener) []*Process {
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
	var readers []*Process
	for {
		select {
		case pid := <-found:
			if p := c.Procs[pid]; p != nil && pid != c.SelfPID && !slices.Contains(readers, p) {
				readers = append(readers, p)
			}
			continue
		default:
		}
		return readers
	}
}
