package stuck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
)

func (c *collector) readLocks(ctx context.Context) ([]proclocks.Lock, error) {
	var locks []proclocks.Lock
	err := c.v.Burst(ctx, "/proc/locks", func(f platform.Files) error {
		data, err := f.Read("/proc/locks")
		if err != nil {
			return err
		}
		locks, _ = proclocks.Parse(data)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the locks: %w", err)
	}
	return locks, nil
}

// device returns the device that the lock table shows for a file: that of its mount, which some file systems do not
// show in stat(2).
func (s *snapshot) device(name string) (major, minor uint64, ok bool) {
	m, ok := s.mount(name)
	return m.Major, m.Minor, ok
}

// mount returns what a file is on.
func (s *snapshot) mount(name string) (procfs.Mount, bool) {
	best, found := -1, procfs.Mount{}
	for _, m := range s.mounts {
		if len(m.Point) >= best && (m.Point == "/" || name == m.Point || strings.HasPrefix(name, m.Point+"/")) {
			best, found = len(m.Point), m
		}
	}
	return found, best >= 0
}

// knownFiles finds the inodes of the lock files whose names are known. Their directories may be searched by everybody,
// although the files themselves are root's.
func (c *collector) knownFiles(ctx context.Context, locks []proclocks.Lock) {
	type found struct {
		paths map[proclocks.File]string
		made  map[proclocks.File]time.Time
		pool  []string
		load  []string
		dot   string
		// others are directories that others can change. What they have put there is looked at, but not opened.
		others []string
	}
	got := found{paths: map[proclocks.File]string{}, made: map[proclocks.File]time.Time{}}
	wanted := map[uint64]bool{}
	for _, l := range locks {
		wanted[l.File.Inode] = true
	}
	known := map[proclocks.File]bool{}
	var open []string
	for _, pid := range c.order {
		for file := range c.procs[pid].paths {
			known[file] = true
		}
		for _, target := range c.procs[pid].fds {
			if c.procs[pid].deep && (strings.HasSuffix(target, ".lock") || strings.Contains(path.Base(target), ".sqlite")) {
				open = add(open, target)
			}
		}
	}
	err := c.v.Burst(ctx, c.states[0], func(f platform.Files) error {
		look := func(name string) bool {
			info, err := f.Stat(name)
			if err != nil {
				return false
			}
			major, minor, ok := c.device(name)
			if ok && wanted[info.Inode] {
				file := proclocks.File{Major: major, Minor: minor, Inode: info.Inode}
				got.paths[file], got.made[file] = name, info.Modified
			}
			return info.Mode.IsDir()
		}
		within := func(dir string, each func(name string)) {
			names, err := f.OwnedNames(dir)
			if errors.Is(err, platform.ErrUntrusted) {
				got.others = add(got.others, dir)
			}
			if err != nil {
				return
			}
			slices.Sort(names)
			for _, name := range names {
				look(dir + "/" + name)
				each(dir + "/" + name)
			}
		}
		for _, state := range c.states {
			for _, name := range []string{"/gc.lock", "/db/big-lock", "/db/db.sqlite", "/db/db.sqlite-shm"} {
				look(state + name)
			}
			if look(state + "/db/db.sqlite.lock") {
				got.dot = state + "/db/db.sqlite.lock"
			}
			for _, dir := range []string{"/userpool", "/userpool2"} {
				within(state+dir, func(name string) { got.pool = append(got.pool, name) })
			}
			within(state+"/temproots", func(string) {})
			within(state+"/current-load", func(name string) {
				if base := path.Base(name); base != "main-lock" && !strings.HasSuffix(base, ".upload-lock") {
					got.load = append(got.load, name)
				}
			})
			within(state+"/profiles", func(string) {})
		}
		for _, name := range open {
			look(name)
		}
		// The store can have hundreds of thousands of entries, so it is listed only for locks that are still nameless.
		nameless := slices.ContainsFunc(locks, func(l proclocks.Lock) bool {
			_, ok := got.paths[l.File]
			return !ok && !known[l.File] && l.Kind == proclocks.Flock && l.Write
		})
		if !nameless {
			return nil
		}
		for _, store := range c.stores {
			names, err := f.OwnedNames(store)
			if errors.Is(err, platform.ErrUntrusted) {
				got.others = add(got.others, store)
			}
			if err != nil {
				continue
			}
			n := 0
			for _, name := range names {
				if !isStoreLock(name) {
					continue
				}
				if n++; n > maxLockStats {
					break
				}
				look(store + "/" + name)
			}
		}
		return nil
	})
	if err != nil {
		return
	}
	if len(got.others) > 0 && len(locks) > 0 {
		c.limit("directories", "which lock files there are in "+plain(got.others[0])+": another user can change that directory, "+
			"so lixfix does not list it; that user can run lixfix", false)
	}
	c.paths, c.made, c.pool, c.load, c.dotfile = got.paths, got.made, got.pool, got.load, got.dot
}

// pathOf returns the name of a locked file, exact where it was read from an open one.
func (c *collector) pathOf(file proclocks.File) (name string, exact bool) {
	if c.opened == nil {
		c.opened = map[proclocks.File]string{}
		for _, pid := range slices.Backward(c.order) {
			maps.Copy(c.opened, c.procs[pid].paths)
		}
	}
	if name, ok := c.opened[file]; ok {
		return name, true
	}
	return c.paths[file], false
}

// owners are the processes that hold locks on files of Nix, whatever they are, and those in front of whom a process of
// Nix queues.
func (c *collector) owners(locks []proclocks.Lock) []*proc {
	queues := map[proclocks.File]bool{}
	for _, l := range locks {
		if p := c.procs[l.PID]; l.Waiting && p != nil && p.deep {
			queues[l.File] = true
		}
	}
	var list []*proc
	for _, l := range locks {
		p := c.procs[l.PID]
		if p == nil || p.deep {
			continue
		}
		name, _ := c.pathOf(l.File)
		if name != "" || queues[l.File] {
			list = append(list, p)
			list = append(list, p.children...)
		}
	}
	return list
}

// tabulate arranges the locks by file.
func (c *collector) tabulate(ctx context.Context, locks []proclocks.Lock) {
	// POSIX and flock locks on one file do not see each other, but both are shown at the file.
	files := map[proclocks.File]*lockFile{}
	for _, l := range locks {
		lf := files[l.File]
		if lf == nil {
			lf = &lockFile{file: l.File}
			lf.path, lf.exact = c.pathOf(l.File)
			// The lock of an output is removed by who held it, so it is as old as the file.
			if made := c.made[l.File]; !made.IsZero() && isStoreLock(lf.path) {
				lf.held = max(0, time.Since(made))
			}
			files[l.File] = lf
			c.locks = append(c.locks, lf)
		}
		if l.Waiting {
			lf.waiting = append(lf.waiting, l)
		} else {
			lf.locks = append(lf.locks, l)
		}
	}
	c.openers = c.find(ctx, c.sought())
	for _, lf := range c.locks {
		c.inherited(ctx, lf)
		if lf.path == "" {
			c.fromWaiter(lf)
		}
	}
	c.unlisted(ctx)
}

// unlisted finds who holds a lock that somebody waits for and that the table does not show: in a PID namespace the
// kernel leaves out every lock whose taker has ended, although a child that inherited the open file keeps it. Its
// fdinfo still has the lock.
func (c *collector) unlisted(ctx context.Context) {
	for _, pid := range c.order {
		p := c.procs[pid]
		name := c.queuesFor(p)
		if name == "" {
			continue
		}
		t, _ := inCall(p, c.calls.Flock)
		waits := proclocks.Lock{Kind: proclocks.Flock, Waiting: true, Write: t.call.Args[1]&1 == 0, PID: pid, End: -1}
		if i := slices.IndexFunc(c.locks, func(lf *lockFile) bool { return lf.path == name && lf.exact && len(lf.locks) > 0 }); i >= 0 {
			c.locks[i].waiting = append(c.locks[i].waiting, waits)
			continue
		}
		keeper, held := c.keeper(ctx, name)
		if keeper == 0 {
			continue
		}
		held.PID, waits.File = keeper, held.File
		c.locks = append(c.locks, &lockFile{file: held.File, path: name, exact: true, locks: []proclocks.Lock{held}, waiting: []proclocks.Lock{waits}})
		if h := c.procs[keeper]; !h.deep {
			c.deepen(ctx, []*proc{h})
			h.second = h.first
		}
	}
}

// fromWaiter names the file of a lock by what a process that waits for it is waiting with.
func (c *collector) fromWaiter(lf *lockFile) {
	for _, w := range lf.waiting {
		p := c.procs[w.PID]
		if p == nil {
			continue
		}
		for _, t := range p.second.threads {
			if c.callsOK && t.call.Known && t.call.N == c.calls.Flock {
				if name, ok := p.fds[int(t.call.Args[0])]; ok {
					lf.path, lf.exact = name, true
					return
				}
			}
		}
	}
}

// inherited finds who keeps a lock that was taken by a process that does not have the file open any more: an open file,
// and the flock on it, passes to children.
func (c *collector) inherited(ctx context.Context, lf *lockFile) {
	for i, l := range lf.locks {
		if l.Kind == proclocks.Posix {
			continue
		}
		if p := c.procs[l.PID]; !p.ended() && (p.fds == nil || slices.ContainsFunc(p.held, func(h proclocks.Lock) bool { return h.File == l.File })) {
			continue
		}
		if !c.procs[l.PID].ended() && lf.path == "" {
			continue
		}
		if pid := c.keepers()[keptLock{l.File, l.Kind}]; pid > 0 {
			lf.locks[i].PID = pid
		}
		list := c.openers[lf.path]
		if c.procs[lf.locks[i].PID].ended() && lf.path != "" && c.facts.Root() && len(list) > 0 {
			lf.locks[i].PID = list[0].pid
			p := c.procs[list[0].pid]
			c.deepen(ctx, []*proc{p})
			p.second = p.first
		}
	}
}

// keptLock is a lock as those who keep it have it.
type keptLock struct {
	file proclocks.File
	kind string
}

// keepers are the processes that keep locks, by what they have open.
func (c *collector) keepers() map[keptLock]int {
	if c.kept == nil {
		c.kept = map[keptLock]int{}
		for _, pid := range slices.Backward(c.order) {
			for _, h := range c.procs[pid].held {
				c.kept[keptLock{h.File, h.Kind}] = pid
			}
		}
	}
	return c.kept
}
