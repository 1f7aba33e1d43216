package stuck

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/processes"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/proclocks"
)

// collectWithTools looks at what can be told without /proc: on macOS, with ps and lsof.
func collectWithTools(ctx context.Context, v platform.View, opts Options) (*snapshot, error) {
	c := &collector{v: v, opts: opts, snapshot: &snapshot{
		facts: v.Facts(), procs: map[int]*proc{}, paths: map[proclocks.File]string{},
		users: map[int]string{}, builders: map[int]string{}, free: map[string]uint64{},
		states: []string{opts.state()}, stores: []string{opts.store()},
	}}
	first, err := processes.Details(ctx, v)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	now := time.Time{}
	for _, d := range first {
		p := &proc{Stat: procfs.Stat{PID: d.PID, Parent: d.Parent, Session: d.Group, Threads: 1}, uid: d.UID, started: d.Started, argv: d.Arguments}
		p.Name = path.Base(p.program())
		p.Start = uint64(max(0, d.Start.Unix())) * procfs.TicksPerSecond
		p.first = toolSample(d)
		p.State = p.first.state
		p.status.RSSKiB = int64(d.RSSKiB)
		p.hidden = map[string]bool{"syscall": true, "fd": true, "io": true}
		c.procs[p.PID] = p
		c.order = append(c.order, p.PID)
		if d.Self {
			c.selfPID = d.Parent
		}
		if d.Start.After(now) {
			now = d.Start
		}
	}
	c.uptime = float64(now.Unix())
	c.accounts(ctx)
	c.children()
	for _, p := range c.candidates() {
		p.deep = true
	}
	gap := opts.Gap
	if gap == 0 {
		gap = defaultGap
	}
	// ps tells processor time in hundredths of a second.
	select {
	case <-time.After(gap):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	second, err := processes.Details(platform.Fresh(ctx), v)
	if err != nil {
		return nil, err
	}
	c.gap = time.Since(began)
	for _, d := range second {
		if p := c.procs[d.PID]; p != nil && p.started == d.Started {
			p.second = toolSample(d)
			p.State = p.second.state
		}
	}
	for _, p := range c.procs {
		p.gone = !p.second.ok
	}
	c.openLocks(ctx)
	return c.snapshot, nil
}

func toolSample(d processes.Detail) sample {
	state := d.State
	switch state {
	case 'U':
		state = 'D'
	case 'I':
		state = 'S'
	}
	return sample{
		ok: true, state: state, cpu: uint64(d.CPU / (10 * time.Millisecond)), rss: int64(d.RSSKiB) / 4,
		threads: []thread{{id: d.PID, state: state}},
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
			c.limit("lsof", "which lock files are open, so who waits for whose build: "+plain(err.Error()), false)
		}
		return
	}
	files := map[string]*lockFile{}
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
			if !big && !isStoreLock(name) || c.procs[pid] == nil {
				continue
			}
			lf := files[name]
			if lf == nil {
				lf = &lockFile{path: name, exact: true}
				files[name] = lf
				c.locks = append(c.locks, lf)
			}
			lf.locks = append(lf.locks, proclocks.Lock{Kind: proclocks.Flock, Write: !big, PID: pid, End: -1})
		}
	}
}

// start names the start of a process as platform.Identity does.
func (p *proc) start() string {
	if p.started != "" {
		return p.started
	}
	return fmt.Sprint(p.Start)
}
