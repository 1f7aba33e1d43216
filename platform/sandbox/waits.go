package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
)

const (
	// waitLimit is how long a probe waits for what has nothing to do with it: another probe would wait as long.
	waitLimit = 10 * time.Second
	// lookAfter is when to ask what it waits for, and lookAgain whether that is still so.
	lookAfter = 6 * time.Second
	lookAgain = 4 * time.Second
)

// errWaits ends a tool that waits for something else than what is probed.
var errWaits = errors.New("it waits for something else")

// waits are the lines in which Nix and Lix say what they wait for. Not all of it is said: a client of a stopped daemon, and
// one that registers a root while a stopped garbage collection holds its lock, are silent.
var waits = pattern.New(`(?m)^.*\bwaiting for (a free build user|UID to build|lock on|exclusive access|the big (?:garbage collector|Nix store) lock)[^\n]*`)

// watchdog looks after a tool that takes its time.
type watchdog struct {
	p     *prober
	heard int // of what the tool has said, up to the end of a line
	mu    sync.Mutex
	pid   int
	line  string // in which it says what it waits for
	since time.Time
	built bool // the builder was started
	why   string
}

// longestLine is where a line that has not ended is given up: no line of Nix's that matters is as long.
const longestLine = 64 << 10

// hear takes what the tool has said so far, and reads only what is new: a log may have millions of lines.
func (w *watchdog) hear(stderr []byte) bool {
	fresh := stderr[w.heard:]
	if end := bytes.LastIndexByte(fresh, '\n'); end >= 0 {
		w.heard += end + 1 // the line behind it is read again when there is more of it
	} else if len(fresh) > longestLine {
		w.heard = len(stderr)
	}
	var at [][]int
	if bytes.Contains(fresh, []byte("waiting for ")) { // most lines are about something else
		at = waits.FindAllIndex(fresh, -1)
	}
	rest := fresh
	if n := len(at); n > 0 {
		rest = fresh[at[n-1][1]:]
	}
	building := bytes.Contains(rest, []byte("building '"))
	w.mu.Lock()
	defer w.mu.Unlock()
	line := w.line
	switch n := len(at); {
	case building:
		line = ""
	case n > 0:
		line = Plain(string(fresh[at[n-1][0]:at[n-1][1]]))
	}
	w.built = w.built || building || bytes.Contains(fresh, []byte("building '"))
	if line != w.line {
		w.line, w.since = line, time.Now()
	}
	return false
}

// look asks every now and then what the tool waits for, and ends it where that is something else than a network.
func (w *watchdog) look(ctx context.Context, end context.CancelCauseFunc) {
	next := time.After(lookAfter)
	seen := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
		next = time.After(lookAgain)
		w.mu.Lock()
		pid, built, line, over := w.pid, w.built, w.line, w.line != "" && time.Since(w.since) > waitLimit
		w.mu.Unlock()
		if built && line == "" {
			continue
		}
		why := w.p.waitsFor(ctx, pid)
		if over || why != "" && seen != "" {
			w.mu.Lock()
			w.why = reasonFor(line, why)
			w.mu.Unlock()
			end(errWaits)
			return
		}
		seen = why
	}
}

func reasonFor(line, why string) string {
	switch {
	case why == "":
		return fmt.Sprintf("Nix says \"%s\", still so after %s", line, waitLimit)
	case line == "":
		return fmt.Sprintf("%s, still so after %s", why, waitLimit)
	}
	return fmt.Sprintf("%s; Nix says \"%s\", still so after %s", why, line, waitLimit)
}

// waitsFor is what a client waits for; "" where that is its own work, or nobody knows.
func (p *prober) waitsFor(ctx context.Context, pid int) string {
	if pid == 0 || p.o.Blocked == nil {
		return ""
	}
	return Plain(p.o.Blocked(ctx, pid))
}

// patient runs a tool as run does, and ends it where it waits for a lock, a build user, the garbage collector or a daemon
// that is stopped. held says what that was; it is empty for a tool that was not ended.
func (p *prober) patient(
	ctx context.Context, limit time.Duration, tool string, started func(int), args ...string,
) (built platform.Built, held string, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	w := &watchdog{p: p}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.look(ctx, end)
	}()
	built, err = p.nix.b.Build(ctx, platform.Build{
		Tool: p.nix.dir + "/" + tool, Args: p.nix.in(args), As: p.nix.as, Remote: p.nix.remote, Limit: limit,
		Started: func(pid int) {
			w.mu.Lock()
			w.pid = pid
			w.mu.Unlock()
			if started != nil {
				started(pid)
			}
		},
		Enough: w.hear,
	})
	gaveUp := errors.Is(context.Cause(ctx), errWaits)
	end(nil)
	<-watched
	if gaveUp {
		held = w.why
	}
	return built, held, err
}

// held ends the probe where it had to wait for something else.
func (p *prober) held(why string) bool {
	if why != "" {
		p.end(Waiting, why)
	}
	return why != ""
}

// greeted takes what the daemon said of itself. One that is stopped takes the connection and never says a word.
func (p *prober) greeted(g greeting) bool {
	switch {
	case p.held(g.held):
		return false
	case errors.Is(g.err, context.DeadlineExceeded):
		p.end(Waiting, fmt.Sprintf("the daemon takes connections, but has said nothing for %s: it is stopped, or waits for something itself", pingLimit))
		return false
	}
	p.result.Trusted, p.greeting = g.trusted, g.version
	return true
}
