package observe

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
	"github.com/lixfix/lixfix/platform/words"
)

// temproots reads which store paths the processes of Nix want. Each writes them to STATE/temproots/PID, and keeps a
// lock on that file.
//
// That file is read under this name and not through the link of the process. Any user can have a link whose text looks
// so, to any file. The name is safe: only root can have put the file there, which is looked at on the way to it. That
// the process has this very file open is then told by the device and the inode in its fdinfo, which the kernel
// writes. The process has to be wholly root's, on this host: its number is part of the name. Its mount namespace may
// be another one, because nothing is looked for through it, and NixOS, where the store is mounted read-only, gives
// every worker its own.
//
// Of what else processes keep such lists, it is not told what they want. A user's own installation is one of these,
// unless that user runs lixfix.
func (c *collector) temproots(ctx context.Context, pids []int) {
	var untold []int
	for _, pid := range pids {
		p := c.Procs[pid]
		if p.Gone || p.wants == nil {
			continue
		}
		roots, err := c.readRoots(ctx, p)
		if err != nil {
			p.Untold = true
			untold = append(untold, pid)
			continue
		}
		p.Roots = roots
	}
	if len(untold) > 0 && c.facts.Root() {
		c.limit("temproots", rootsUnread.Fill(words.With{"processes": wanting(untold)}), false)
	}
}

// wanting names processes that want something.
func wanting(pids []int) string {
	if len(pids) == 1 {
		return wantsOne.Fill(words.With{"process": enumerate(pids)})
	}
	return wantMany.Fill(words.With{"processes": enumerate(pids)})
}

// enumerate names processes, the first of them.
func enumerate(pids []int) string {
	const most = 3
	if len(pids) == 1 {
		return processNumber.Fill(words.With{"pid": pids[0]})
	}
	var list []string
	for i, pid := range pids {
		if i == most {
			return processesAndMore.Fill(words.With{"pids": strings.Join(list, ", "), "count": len(pids) - most})
		}
		list = append(list, strconv.Itoa(pid))
	}
	return processNumbers.Fill(words.With{"pids": strings.Join(list, ", ")})
}

// readRoots returns the base names of the store paths that a process wants.
func (c *collector) readRoots(ctx context.Context, p *Process) ([]string, error) {
	o := *p.wants
	state, found := strings.CutSuffix(o.name, "/temproots/"+strconv.Itoa(p.PID))
	if !found || !slices.Contains(c.States, state) || !believed(c, p) {
		return nil, platform.ErrThroughProcess
	}
	// After an error the function may still be running, so that the result passes a channel.
	result := make(chan []string, 1)
	err := c.v.Burst(ctx, o.name, func(f platform.Files) error {
		data, info, err := f.Owned(o.name)
		if err != nil {
			return err
		}
		if !sameFile(c, o, info) {
			return fs.ErrNotExist // another file has this name now
		}
		var roots []string
		for root := range strings.SplitSeq(string(data), "\x00") {
			if root != "" {
				roots = append(roots, path.Base(root))
			}
		}
		result <- roots
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-result, nil
}

// believed reports whether a process is root's, or of the user who runs lixfix, and of the host that lixfix sees.
func believed(c *collector, p *Process) bool {
	return (p.Status.Runs(0) || p.Status.Runs(c.facts.UID)) && c.Self != "" && p.NS == c.Self &&
		c.userNS != "" && p.userNS == c.userNS
}

// sameFile reports whether an open file is the one that was found under its name. The lock table and mountinfo have the same
// device for a file, which can differ from that of stat(2).
func sameFile(c *collector, o OpenFile, info platform.FileInfo) bool {
	major, minor, ok := c.device(o.name)
	if !ok {
		return false
	}
	for _, l := range o.locks {
		if l.File == (proclocks.File{Major: major, Minor: minor, Inode: info.Inode}) {
			return true
		}
	}
	// The number of a mount of another namespace is not in the list.
	i := slices.IndexFunc(c.mounts, func(m procfs.Mount) bool { return m.ID == o.Mount && m.ID != 0 })
	return i >= 0 && o.Inode != 0 && o.Inode == info.Inode && c.mounts[i].Major == major && c.mounts[i].Minor == minor
}

// logs looks when builds last wrote to their logs, at the files that have these names for lixfix.
func (c *collector) logs(ctx context.Context, pids []int) {
	type asked struct {
		p    *Process
		logs []OpenFile
		mine bool // its names mean the same as here
	}
	var list []asked
	for _, pid := range pids {
		if p := c.Procs[pid]; !p.Gone && len(p.logs) > 0 {
			list = append(list, asked{p, p.logs, c.mountNS != "" && p.mountNS == c.mountNS})
		}
	}
	if len(list) == 0 {
		return
	}
	type written struct {
		p    *Process
		info platform.FileInfo
	}
	found := make(chan written, len(list)*maxLogs)
	_ = c.v.Burst(ctx, "the logs of builds", func(f platform.Files) error {
		for _, a := range list {
			for _, o := range a.logs {
				info, err := f.Stat(o.name)
				// Nothing but a time is taken from it, so name and inode will do, and before Linux 5.14 the name alone.
				if err == nil && info.Mode.IsRegular() && (o.Inode == info.Inode || o.Inode == 0 && a.mine) {
					found <- written{a.p, info}
				}
			}
		}
		return nil
	})
	seen := map[*Process]bool{}
	for done := false; !done; {
		select {
		case w := <-found:
			seen[w.p] = true
			if w.info.Modified.After(w.p.Logged) {
				w.p.Logged = w.info.Modified
			}
		default:
			done = true
		}
	}
	var unseen []int
	for _, a := range list {
		if !seen[a.p] {
			unseen = append(unseen, a.p.PID)
		}
	}
	if len(unseen) > 0 {
		c.limit("logs", logsUnseen.Fill(words.With{"processes": enumerate(unseen)}), !c.facts.Root())
	}
}
