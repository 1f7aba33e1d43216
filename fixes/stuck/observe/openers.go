package observe

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
	"github.com/lixfix/lixfix/platform/words"
)

// opener is a process that has a file open.
type opener struct{ pid, fd int }

// sought are the files of which it has to be found out who has them open: of those who are said to hold them, some have
// ended, or the lock table does not show the lock.
func sought(c *collector) map[string]bool {
	names := map[string]bool{}
	ended := func(l proclocks.Lock) bool { return l.Kind != proclocks.Posix && c.Procs[l.PID].ended() }
	for _, lf := range c.Locks {
		if lf.Path != "" && c.facts.Root() && slices.ContainsFunc(lf.Locks, ended) {
			names[lf.Path] = true
		}
	}
	for _, pid := range c.Order {
		if name := queuesFor(c, c.Procs[pid]); name != "" {
			names[name] = true
		}
	}
	return names
}

// queuesFor is the file on which a process waits in flock(2), though the lock table shows nothing of that; "" for none.
func queuesFor(c *collector, p *Process) string {
	if !p.Deep || p.Gone || !c.CallsOK {
		return ""
	}
	t, ok := p.InCall(c.Calls.Flock)
	if !ok || len(c.WaitsAt(p.PID)) > 0 {
		return ""
	}
	return p.FDs[int(t.Call.Args[0])]
}

// walk is the search for who has files open, as far as it has come.
type walk struct {
	names  map[string]bool
	found  map[string][]opener
	budget budget
	cut    []int // processes of which not all names were read
}

const openersMost = 64 // of one file

func (w *walk) add(name string, o opener) {
	if w.names[name] && len(w.found[name]) < openersMost {
		w.found[name] = append(w.found[name], o)
	}
}

// findOpeners finds who has files open, by their names, in one walk over all processes.
func (c *collector) findOpeners(ctx context.Context, names map[string]bool) map[string][]opener {
	if len(names) == 0 {
		return nil
	}
	known := &walk{names: names, found: map[string][]opener{}}
	var rest []*Process
	for _, pid := range c.Order {
		p := c.Procs[pid]
		if p.FDs == nil {
			rest = append(rest, p)
			continue
		}
		for fd, target := range p.FDs {
			known.add(target, opener{pid, fd})
		}
	}
	w := &walk{names: names, found: map[string][]opener{}, budget: c.names}
	w.budget.users = maps.Clone(c.names.users)
	// After an error it may go on, so that it reads no process that others write to, and what it has found is not used then.
	var copies []Process
	for _, p := range ranked(c, c.withStatus(ctx, rest)) {
		copies = append(copies, *p)
	}
	err := c.v.Burst(ctx, "who has locked files open", func(f platform.Files) error {
		for i := range copies {
			w.of(f, &copies[i])
		}
		return nil
	})
	if err != nil {
		c.limit("openers", openersUnseen.Fill(words.With{"error": say.Plain(err.Error())}), false)
		return known.found
	}
	c.names = w.budget
	for _, pid := range w.cut {
		c.Procs[pid].Hidden = map[string]bool{someFiles: true}
	}
	for name, list := range w.found {
		known.found[name] = append(known.found[name], list...)
	}
	for _, list := range known.found {
		slices.SortFunc(list, func(a, b opener) int { return cmp.Or(a.pid-b.pid, a.fd-b.fd) })
	}
	return known.found
}

// of looks at the names of what one process has open.
func (w *walk) of(f platform.Files, p *Process) {
	dir := procfs.Dir(p.PID) + "/fd"
	fds, more, err := f.Some(dir, w.budget.left(p))
	if err != nil {
		return
	}
	if more {
		w.cut = append(w.cut, p.PID)
	}
	w.budget.spend(p, len(fds))
	for _, name := range fds {
		fd, bad := strconv.Atoi(name)
		if target, err := f.Link(dir + "/" + name); err == nil && bad == nil {
			w.add(target, opener{p.PID, fd})
		}
	}
}

// keeper returns a process that holds a flock on a file through what it has open, 0 for none that may be looked into.
func (c *collector) keeper(ctx context.Context, name string) (int, proclocks.Lock) {
	type found struct {
		pid  int
		lock proclocks.Lock
	}
	got, list := make(chan found, 1), c.openers[name]
	err := c.v.Burst(ctx, "who has "+name+" open", func(f platform.Files) error {
		for _, o := range list {
			data, err := f.Read(procfs.Dir(o.pid) + "/fdinfo/" + strconv.Itoa(o.fd))
			if err != nil {
				continue
			}
			for _, l := range proclocks.ParseInfo(data) {
				if l.Kind == proclocks.Flock {
					got <- found{o.pid, l}
					return nil
				}
			}
		}
		got <- found{}
		return nil
	})
	if err != nil {
		return 0, proclocks.Lock{}
	}
	k := <-got
	return k.pid, k.lock
}
