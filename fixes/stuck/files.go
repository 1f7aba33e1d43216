package stuck

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
)

// readFiles reads what the process has open, up to so many files, and the locks that it holds through them.
func readFiles(f platform.Files, p *proc, most int) {
	dir := procfs.Dir(p.PID)
	names, more, err := f.Some(dir+"/fd", most)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			p.hidden["fd"] = true
		}
		return
	}
	p.opened = len(names)
	if more {
		p.hidden["some files"], p.cut = true, true
		// Since Linux 6.2 the directory has their number for its size.
		if info, err := f.Stat(dir + "/fd"); err == nil {
			p.opened = max(p.opened, int(info.Size))
		}
	}
	p.fds, p.sockets, p.paths = map[int]string{}, map[uint64]int{}, map[proclocks.File]string{}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		target, err := f.Link(dir + "/fd/" + name)
		if err != nil {
			continue
		}
		p.fds[fd] = target
		if rest, ok := strings.CutPrefix(target, "socket:["); ok {
			if inode, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64); err == nil {
				p.sockets[inode] = fd
			}
			continue
		}
		if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "/dev/") {
			continue
		}
		data, err := f.Read(dir + "/fdinfo/" + name)
		if err != nil {
			continue
		}
		locks := proclocks.ParseInfo(data)
		p.remember(target, data, locks)
		for _, l := range locks {
			p.held = append(p.held, l)
			p.paths[l.File] = strings.TrimSuffix(target, " (deleted)")
		}
	}
}

// remember keeps what tells one of its files from others of the same name.
func (p *proc) remember(name string, fdinfo []byte, locks []proclocks.Lock) {
	switch {
	case strings.HasSuffix(name, "/temproots/"+strconv.Itoa(p.PID)):
		p.wants = &openFile{Opened: procfs.ParseOpened(fdinfo), name: name, locks: locks}
	case strings.Contains(name, "/log/nix/drvs/") && len(p.logs) < maxLogs:
		p.logs = append(p.logs, openFile{Opened: procfs.ParseOpened(fdinfo), name: name, locks: locks})
	}
}

// directories learns from open files where the store and its state are, for stores that are not in /nix.
func (c *collector) directories() {
	for _, pid := range c.order {
		for _, target := range c.procs[pid].fds {
			dir, file := path.Split(target)
			switch {
			case file == "big-lock" && strings.HasSuffix(dir, "/db/"):
				c.states = add(c.states, strings.TrimSuffix(dir, "/db/"))
			case strings.HasSuffix(target, ".lock") && isStoreLock(target):
				c.stores = add(c.stores, path.Clean(dir))
			}
		}
	}
}

func add(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

// isStoreLock tells from its name whether a file is the lock of a store path: 32 characters of a hash and a name.
func isStoreLock(name string) bool {
	base, ok := strings.CutSuffix(path.Base(name), ".lock")
	return ok && len(base) > 33 && base[32] == '-' && !strings.ContainsFunc(base[:32], func(r rune) bool {
		return !strings.ContainsRune("0123456789abcdfghijklmnpqrsvwxyz", r)
	})
}
