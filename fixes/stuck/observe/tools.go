package observe

import (
	"context"
	"errors"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/processes"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
	"github.com/lixfix/lixfix/platform/words"
)

// withTools reads what can be told without /proc: on macOS, with ps and lsof.
func (c *collector) withTools(ctx context.Context) error {
	v := c.v
	first, err := processes.Details(ctx, v)
	if err != nil {
		return err
	}
	began := v.Now()
	now := time.Time{}
	for _, d := range first {
		p := &Process{Stat: procfs.Stat{PID: d.PID, Parent: d.Parent, Session: d.Group, Threads: 1}, UID: d.UID, started: d.Started, Argv: d.Arguments}
		p.Name = path.Base(p.Program())
		p.Start = uint64(max(0, d.Start.Unix())) * procfs.TicksPerSecond
		p.First = toolSample(d)
		p.State = p.First.State
		p.Status.RSSKiB = int64(d.RSSKiB)
		p.Hidden = map[string]bool{"syscall": true, "fd": true, "io": true}
		c.Procs[p.PID] = p
		c.Order = append(c.Order, p.PID)
		if d.Self {
			c.SelfPID = d.Parent
		}
		if d.Start.After(now) {
			now = d.Start
		}
	}
	c.Uptime = float64(now.Unix())
	c.accounts(ctx)
	children(c)
	for _, p := range candidates(c) {
		p.Deep = true
	}
	gap := c.opts.Gap
	if gap == 0 {
		gap = defaultGap
	}
	// ps tells processor time in hundredths of a second.
	if err := v.Pause(ctx, "a second look at the processes", gap); err != nil {
		return err
	}
	second, err := processes.Details(platform.Fresh(ctx), v)
	if err != nil {
		return err
	}
	c.Gap = v.Now().Sub(began)
	for _, d := range second {
		if p := c.Procs[d.PID]; p != nil && p.started == d.Started {
			p.Second = toolSample(d)
			p.State = p.Second.State
		}
	}
	for _, p := range c.Procs {
		p.Gone = !p.Second.OK
	}
	c.openLocks(ctx)
	return nil
}

func toolSample(d processes.Detail) Sample {
	state := d.State
	switch state {
	case 'U':
		state = 'D'
	case 'I':
		state = 'S'
	}
	return Sample{
		OK: true, State: state, cpu: uint64(d.CPU / (10 * time.Millisecond)), rss: int64(d.RSSKiB) / 4,
		Threads: []Thread{{ID: d.PID, State: state}},
	}
}

// openLocks takes whoever has the lock of a store path open for its holder: who only tries for it opens it for
// microseconds.
func (c *collector) openLocks(ctx context.Context) {
	out, err := c.v.Query(ctx, processes.Lsof, "-nP", "-Fpfn", "-c", "nix")
	if err != nil {
		// It ends with 1, and says nothing, when there is no such process.
		var tool *platform.ToolError
		if !errors.As(err, &tool) || tool.Err != nil || tool.Exit != 1 || tool.Stdout+tool.Stderr != "" {
			c.limit("lsof", openLocksUnseen.Fill(words.With{"error": say.Plain(err.Error())}), false)
		}
		return
	}
	files := map[string]*LockFile{}
	pid := 0
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		switch line[0] {
		case 'p':
			pid, _ = strconv.Atoi(line[1:])
		case 'n':
			name := line[1:]
			big := strings.HasSuffix(name, "/db/big-lock")
			if !big && !say.IsStoreLock(name) || c.Procs[pid] == nil {
				continue
			}
			lf := files[name]
			if lf == nil {
				lf = &LockFile{Path: name, Exact: true}
				files[name] = lf
				c.Locks = append(c.Locks, lf)
			}
			lf.Locks = append(lf.Locks, proclocks.Lock{Kind: proclocks.Flock, Write: !big, PID: pid, End: -1})
		}
	}
}
