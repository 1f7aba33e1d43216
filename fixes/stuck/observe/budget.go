package observe

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/words"
)

// Any user can have any number of processes that are called like those of Nix, with any number of threads and open
// files. So root's processes and those of build users are read first, then those of others, those with the fewest
// files and threads first: a real command has tens of them, and is read although the same user makes noise. What is
// left over was not looked at, and that is said.
const (
	filesEach   = 4096  // open files of one process that are looked at
	filesUser   = 8192  // of all processes of a user but root
	filesAll    = 65536 // of all
	namesUser   = 16384 // likewise, where nothing but the names of open files is read
	namesAll    = 131072
	threadsEach = 512 // threads of one process
	threadsUser = 4096
	threadsAll  = 32768
	lateUser    = 2 // processes of a user that could not be read in time, before the others are given up
)

// budget bounds what is looked at of something that users can have much of.
type budget struct {
	each, user, all int
	spent           int
	users           map[int]int // spent, by who started the process
}

// left is how much may be looked at of a process.
func (b *budget) left(p *Process) int {
	n := min(b.each, b.all-b.spent)
	if !p.Status.Runs(0) {
		n = min(n, b.user-b.users[p.owner()])
	}
	return max(n, 0)
}

// spend notes how much was looked at.
func (b *budget) spend(p *Process, n int) {
	b.spent += n
	b.users[p.owner()] += n
}

// rank is the order in which processes are looked at.
func rank(c *collector, p *Process) int {
	if p.Status.Runs(0) {
		return 0
	}
	if c.Builders[p.owner()] != "" && p.Status.Runs(p.owner()) {
		return 1
	}
	return 2
}

// ranked sorts processes whose status was read: the likeliest ones of Nix first.
func ranked(c *collector, list []*Process) []*Process {
	slices.SortStableFunc(list, func(a, b *Process) int {
		return cmp.Or(rank(c, a)-rank(c, b), a.Status.FDSize+a.Threads-b.Status.FDSize-b.Threads, a.PID-b.PID)
	})
	return list
}

// deepen reads everything about some processes.
func (c *collector) deepen(ctx context.Context, list []*Process) {
	list = slices.DeleteFunc(slices.Clone(list), func(p *Process) bool { return p.Deep || p.Gone })
	n := 0
	for _, p := range c.Procs {
		if p.Deep {
			n++
		}
	}
	list = ranked(c, c.withStatus(ctx, list))
	var read []*Process
	seen := map[*Process]bool{}
	for _, p := range list {
		if seen[p] {
			continue
		}
		seen[p] = true
		if n >= maxDeep || c.late[p.UID] >= lateUser && p.UID != 0 {
			c.skipped++
			continue
		}
		n++
		most := c.threads.left(p)
		ok := c.within(ctx, procfs.Dir(p.PID), p, func(f platform.Files, q *Process) { readDeep(f, q, most) })
		p.Deep = true
		if !ok {
			p.Hidden = map[string]bool{"everything": true}
			c.late[p.UID]++
			c.limit("unreadable", unreadInTime.Fill(words.With{"pid": p.PID, "limit": deepTime}), false)
			continue
		}
		c.threads.spend(p, len(p.First.Threads))
		read = append(read, p)
	}
	c.opened, c.kept = nil, nil // there are more of them now
	for _, p := range ranked(c, read) {
		if p.Gone {
			continue
		}
		most := c.files.left(p)
		if !c.within(ctx, openFilesOf.Fill(words.With{"pid": p.PID}), p, func(f platform.Files,
			q *Process,
		) {
			readFiles(f, q, most)
		}) {
			p.Hidden[someFiles], p.Cut = true, true
			continue
		}
		c.files.spend(p, min(p.Opened, most))
	}
}

// within reads of one process within a time limit. What was read counts where that was enough; where it was not, f
// may go on for a while, beside the reading of the next process: it writes to nothing but the process that it is given.
func (c *collector) within(ctx context.Context, what string, p *Process, f func(platform.Files, *Process)) bool {
	ctx, cancel := context.WithTimeout(ctx, deepTime)
	defer cancel()
	q := *p
	q.Hidden = maps.Clone(p.Hidden)
	if q.Hidden == nil {
		q.Hidden = map[string]bool{}
	}
	if c.v.Burst(ctx, what, func(files platform.Files) error { f(files, &q); return nil }) != nil {
		return false
	}
	*p = q
	return true
}

// withStatus reads whose processes are, before anything else of them.
func (c *collector) withStatus(ctx context.Context, list []*Process) []*Process {
	pids := make([]int, 0, len(list))
	for _, p := range list {
		pids = append(pids, p.PID)
	}
	found := make(chan map[int]procfs.Status, 1)
	err := c.v.Burst(ctx, "whose processes there are", func(f platform.Files) error {
		all := make(map[int]procfs.Status, len(pids))
		for _, pid := range pids {
			if data, err := f.Read(procfs.Dir(pid) + "/status"); err == nil {
				all[pid] = procfs.ParseStatus(data)
			}
		}
		found <- all
		return nil
	})
	if err != nil {
		return list
	}
	all := <-found
	for _, p := range list {
		p.Status = all[p.PID]
	}
	return list
}

// unlooked says of which processes not everything was looked at.
func unlooked(c *collector) {
	files, threads := map[string]int{}, map[string]int{}
	for _, pid := range c.Order {
		if p := c.Procs[pid]; !p.Gone {
			if p.Hidden[someFiles] {
				files[c.User(p.owner())]++
			}
			if p.Hidden[someThreads] {
				threads[c.User(p.owner())]++
			}
		}
	}
	if len(files) > 0 {
		c.limit("open-files", tooManyFiles.Fill(words.With{"processes": tally(files)}), false)
	}
	if len(threads) > 0 {
		c.limit("threads", tooManyThreads.Fill(words.With{"processes": tally(threads)}), false)
	}
}

// tally names users with so many processes each, the most first.
func tally(users map[string]int) string {
	const most = 3
	names := slices.SortedFunc(maps.Keys(users), func(a, b string) int {
		return cmp.Or(users[b]-users[a],
			strings.Compare(a, b))
	})
	var list []string
	for i, name := range names {
		if i == most {
			list = append(list, moreUsers.Fill(words.With{"count": len(names) - most}))
			break
		}
		n := processCount.Fill(words.With{"count": users[name]})
		if users[name] == 1 {
			n = oneProcess
		}
		list = append(list, countOf.Fill(words.With{"count": n, "user": name}))
	}
	return strings.Join(list, ", ")
}
