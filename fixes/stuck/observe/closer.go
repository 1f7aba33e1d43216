package observe

import (
	"context"
	"errors"
	"slices"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/words"
)

// Questions are what can be asked when it is known what the processes are to Nix. Processes are named by their numbers.
type Questions struct {
	Leaving []int // may be about to end
	Zombies []int // builders that have ended, whose parents may be about to notice
	Wanting []int // keep lists of the store paths that they want, if they are Nix's
	Logging []int // write the logs of builds
	Parts   []int // all that are part of anything
}

// Closer looks at what is asked, and then at what is not about processes.
func Closer(ctx context.Context, v platform.View, opts Options, s *Snapshot, q Questions) error {
	c := &collector{v: v, opts: opts, Snapshot: s}
	if err := c.confirm(ctx, q.Leaving, q.Zombies); err != nil {
		return err
	}
	if c.facts.OS != platform.Linux {
		c.limit("macos", macOSTellsNobody, false)
		if !c.facts.Root() {
			c.limit("root", othersLockFiles, true)
		}
		return nil
	}
	c.temproots(ctx, q.Wanting)
	c.logs(ctx, q.Logging)
	c.surroundings(ctx, q.Parts)
	c.Now = v.Now()
	return nil
}

// confirm gives workers the time that they take to notice by themselves that their client is gone, for which up to two
// seconds were seen, or that their builder has ended.
func (c *collector) confirm(ctx context.Context, leaving, zombies []int) error {
	for deadline := c.v.Now().Add(confirmTime); ; {
		left := 0
		for i, pid := range slices.Concat(leaving, zombies) {
			p := c.Procs[pid]
			if p == nil || p.Gone {
				continue
			}
			id, state, err := platform.Identity(ctx, c.v, pid)
			worker := i < len(leaving)
			if errors.Is(err, platform.ErrGone) || err == nil && (id.Start != p.StartID() || state == 'Z' && worker) {
				p.Gone = true
				if parent := c.Procs[p.Parent]; parent != nil && !worker {
					parent.Reaped = true
				}
				continue
			}
			left++
		}
		if left == 0 || c.v.Now().After(deadline) {
			return nil
		}
		if err := c.v.Pause(ctx, "processes that are about to end", confirmTime/20); err != nil {
			return err
		}
	}
}

// surroundings looks at what is not about processes, and says what could not be seen of those that are part of anything.
func (c *collector) surroundings(ctx context.Context, parts []int) {
	for _, dir := range slices.Concat(c.States, c.Stores) {
		if n, err := c.v.Free(ctx, dir); err == nil {
			c.Free[dir] = n
		}
	}
	for _, pid := range parts {
		p := c.Procs[pid]
		if p.Gone {
			continue
		}
		if p.Hidden["fd"] || p.Hidden["syscall"] {
			if c.facts.Root() {
				c.limit("caged", noPtrace, false)
				continue
			}
			c.limit("root", rootsHidden, true)
		}
	}
	if c.sockErr != nil && c.facts.OS == platform.Linux {
		c.limit("sockets", peersUnseen.Fill(words.With{"error": c.sockErr.Error()}), false)
	}
	if !c.CallsOK {
		c.limit("calls", callsUnknown.Fill(words.With{"arch": c.facts.Arch}), false)
	}
	if c.skipped > 0 {
		c.limit("many", tooManyProcesses.Fill(words.With{"count": c.skipped, "limit": maxDeep}), false)
	}
	unlooked(c)
}
