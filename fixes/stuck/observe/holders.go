package observe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/proclocks"
	"github.com/lixfix/lixfix/platform/words"
)

// LockTable is where Linux lists all locks on files.
const LockTable = "/proc/locks"

func (c *collector) readLocks(ctx context.Context) ([]proclocks.Lock, error) {
	var locks []proclocks.Lock
	err := c.v.Burst(ctx, LockTable, func(f platform.Files) error {
		data, err := f.Read(LockTable)
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
	for _, pid := range c.Order {
		for file := range c.Procs[pid].paths {
			known[file] = true
		}
		for _, target := range c.Procs[pid].FDs {
			if c.Procs[pid].Deep && (strings.HasSuffix(target, ".lock") || strings.Contains(path.Base(target), ".sqlite")) {
				open = add(open, target)
			}
		}
	}
	err := c.v.Burst(ctx, c.States[0], func(f platform.Files) error {
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
		for _, state := range c.States {
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
		for _, store := range c.Stores {
			names, err := f.OwnedNames(store)
			if errors.Is(err, platform.ErrUntrusted) {
				got.others = add(got.others, store)
			}
			if err != nil {
				continue
			}
			n := 0
			for _, name := range names {
				if !say.IsStoreLock(name) {
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
		c.limit("directories", unsafeDirectory.Fill(words.With{"directory": say.Plain(got.others[0])}), false)
	}
	c.paths, c.made, c.Pool, c.Load, c.Dotfile = got.paths, got.made, got.pool, got.load, got.dot
}

// pathOf returns the name of a locked file, exact where it was read from an open one.
func pathOf(c *collector, file proclocks.File) (name string, exact bool) {
	if c.opened == nil {
		c.opened = map[proclocks.File]string{}
		for _, pid := range slices.Backward(c.Order) {
			maps.Copy(c.opened, c.Procs[pid].paths)
		}
	}
	if name, ok := c.opened[file]; ok {
		return name, true
	}
	return c.paths[file], false
}

// owners are the processes that hold locks on files of Nix, whatever they are, and those in front of whom a process of
// Nix queues.
func owners(c *collector, locks []proclocks.Lock) []*Process {
	queues := map[proclocks.File]bool{}
	for _, l := range locks {
		if p := c.Procs[l.PID]; l.Waiting && p != nil && p.Deep {
			queues[l.File] = true
		}
	}
	var list []*Process
	for _, l := range locks {
		p := c.Procs[l.PID]
		if p == nil || p.Deep {
			continue
		}
		name, _ := pathOf(c, l.File)
		if name != "" || queues[l.File] {
			list = append(list, p)
			list = append(list, p.Children...)
		}
	}
	return list
}

// tabulate arranges the locks by file.
func (c *collector) tabulate(ctx context.Context, locks []proclocks.Lock) {
	// POSIX and flock locks on one file do not see each other, but both are shown at the file.
	files := map[proclocks.File]*LockFile{}
	for _, l := range locks {
		lf := files[l.File]
		if lf == nil {
			lf = &LockFile{File: l.File}
			lf.Path, lf.Exact = pathOf(c, l.File)
			// The lock of an output is removed by who held it, so it is as old as the file.
			if made := c.made[l.File]; !made.IsZero() && say.IsStoreLock(lf.Path) {
				lf.Held = max(0, c.v.Now().Sub(made))
			}
			files[l.File] = lf
			c.Locks = append(c.Locks, lf)
		}
		if l.Waiting {
			lf.Waiting = append(lf.Waiting, l)
		} else {
			lf.Locks = append(lf.Locks, l)
		}
	}
	c.openers = c.findOpeners(ctx, sought(c))
	for _, lf := range c.Locks {
		c.inherited(ctx, lf)
		if lf.Path == "" {
			fromWaiter(c, lf)
		}
	}
	c.unlisted(ctx)
}

// unlisted finds who holds a lock that somebody waits for and that the table does not show: in a PID namespace the
// kernel leaves out every lock whose taker has ended, although a child that inherited the open file keeps it. Its
// fdinfo still has the lock.
func (c *collector) unlisted(ctx context.Context) {
	for _, pid := range c.Order {
		p := c.Procs[pid]
		name := queuesFor(c, p)
		if name == "" {
			continue
		}
		t, _ := p.InCall(c.Calls.Flock)
		waits := proclocks.Lock{Kind: proclocks.Flock, Waiting: true, Write: t.Call.Args[1]&1 == 0, PID: pid, End: -1}
		if i := slices.IndexFunc(c.Locks, func(lf *LockFile) bool { return lf.Path == name && lf.Exact && len(lf.Locks) > 0 }); i >= 0 {
			c.Locks[i].Waiting = append(c.Locks[i].Waiting, waits)
			continue
		}
		keeper, held := c.keeper(ctx, name)
		if keeper == 0 {
			continue
		}
		held.PID, waits.File = keeper, held.File
		c.Locks = append(c.Locks, &LockFile{File: held.File, Path: name, Exact: true, Locks: []proclocks.Lock{held}, Waiting: []proclocks.Lock{waits}})
		if h := c.Procs[keeper]; !h.Deep {
			c.deepen(ctx, []*Process{h})
			h.Second = h.First
		}
	}
}

// fromWaiter names the file of a lock by what a process that waits for it is waiting with.
func fromWaiter(c *collector, lf *LockFile) {
	for _, w := range lf.Waiting {
		p := c.Procs[w.PID]
		if p == nil {
			continue
		}
		for _, t := range p.Second.Threads {
			if c.CallsOK && t.Call.Known && t.Call.N == c.Calls.Flock {
				if name, ok := p.FDs[int(t.Call.Args[0])]; ok {
					lf.Path, lf.Exact = name, true
					return
				}
			}
		}
	}
}

// inherited finds who keeps a lock that was taken by a process that does not have the file open any more: an open file,
// and the flock on it, passes to children.
func (c *collector) inherited(ctx context.Context, lf *LockFile) {
	for i, l := range lf.Locks {
		if l.Kind == proclocks.Posix {
			continue
		}
		if p := c.Procs[l.PID]; !p.ended() && (p.FDs == nil || slices.ContainsFunc(p.Held, func(h proclocks.Lock) bool { return h.File == l.File })) {
			continue
		}
		if !c.Procs[l.PID].ended() && lf.Path == "" {
			continue
		}
		if pid := keepers(c)[keptLock{l.File, l.Kind}]; pid > 0 {
			lf.Locks[i].PID = pid
		}
		list := c.openers[lf.Path]
		if c.Procs[lf.Locks[i].PID].ended() && lf.Path != "" && c.facts.Root() && len(list) > 0 {
			lf.Locks[i].PID = list[0].pid
			p := c.Procs[list[0].pid]
			c.deepen(ctx, []*Process{p})
			p.Second = p.First
		}
	}
}

// keptLock is a lock as those who keep it have it.
type keptLock struct {
	file proclocks.File
	kind string
}

// keepers are the processes that keep locks, by what they have open.
func keepers(c *collector) map[keptLock]int {
	if c.kept == nil {
		c.kept = map[keptLock]int{}
		for _, pid := range slices.Backward(c.Order) {
			for _, h := range c.Procs[pid].Held {
				c.kept[keptLock{h.File, h.Kind}] = pid
			}
		}
	}
	return c.kept
}
