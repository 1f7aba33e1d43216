package observe

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
)

// readFiles reads what the process has open, up to so many files, and the locks that it holds through them.
func readFiles(f platform.Files, p *Process, most int) {
	dir := procfs.Dir(p.PID)
	names, more, err := f.Some(dir+"/fd", most)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			p.Hidden["fd"] = true
		}
		return
	}
	p.Opened = len(names)
	if more {
		p.Hidden[someFiles], p.Cut = true, true
		// Since Linux 6.2 the directory has their number for its size.
		if info, err := f.Stat(dir + "/fd"); err == nil {
			p.Opened = max(p.Opened, int(info.Size))
		}
	}
	p.FDs, p.Sockets, p.paths = map[int]string{}, map[uint64]int{}, map[proclocks.File]string{}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		target, err := f.Link(dir + "/fd/" + name)
		if err != nil {
			continue
		}
		p.FDs[fd] = target
		if rest, ok := strings.CutPrefix(target, "socket:["); ok {
			if inode, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64); err == nil {
				p.Sockets[inode] = fd
			}
			continue
		}
		// A device is no lock; a store for tests may lie in /dev/shm.
		if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "/dev/") && !strings.HasPrefix(target, "/dev/shm/") {
			continue
		}
		data, err := f.Read(dir + "/fdinfo/" + name)
		if err != nil {
			continue
		}
		locks := proclocks.ParseInfo(data)
		p.remember(target, data, locks)
		for _, l := range locks {
			p.Held = append(p.Held, l)
			p.paths[l.File] = strings.TrimSuffix(target, " (deleted)")
		}
	}
}

// remember keeps what tells one of its files from others of the same name.
func (p *Process) remember(name string, fdinfo []byte, locks []proclocks.Lock) {
	switch {
	case strings.HasSuffix(name, "/temproots/"+strconv.Itoa(p.PID)):
		p.wants = &OpenFile{Opened: procfs.ParseOpened(fdinfo), name: name, locks: locks}
	case strings.Contains(name, "/log/nix/drvs/") && len(p.logs) < maxLogs:
		p.logs = append(p.logs, OpenFile{Opened: procfs.ParseOpened(fdinfo), name: name, locks: locks})
	}
}

// directories learns from open files where the store and its state are, for stores that are not in /nix.
func directories(c *collector) {
	for _, pid := range c.Order {
		for _, target := range c.Procs[pid].FDs {
			dir, file := path.Split(target)
			switch {
			case file == "big-lock" && strings.HasSuffix(dir, "/db/"):
				c.States = add(c.States, strings.TrimSuffix(dir, "/db/"))
			case strings.HasSuffix(target, ".lock") && say.IsStoreLock(target):
				c.Stores = add(c.Stores, path.Clean(dir))
			}
		}
	}
}

// add adds what is not in a list yet.
func add(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}
