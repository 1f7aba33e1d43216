package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/platform"
)

const (
	// waitLimit is how long a probe waits for what has nothing to do with it: another probe would wait as long.
	waitLimit = 10 * time.Second
	// lookAfter is when to ask what it waits for, and lookAgain whether that is still so.
	lookAfter = 6 * time.Second
	lookAgain = 4 * time.Second

	// stuckHint is how to find out what holds a probe up.
	stuckHint = "; \"lixfix check stuck\" tells what to do about it"
)

// errWaits ends a tool that waits for something else than what is probed.
var errWaits = errors.New("it waits for something else")

// waits are the lines in which Nix and Lix say what they wait for. Not all of it is said: a client of a stopped daemon, and
// one that registers a root while a stopped garbage collection holds its lock, are silent.
var waits = regexp.MustCompile(`(?m)^.*\bwaiting for (a free build user|UID to build|lock on|exclusive access|the big (?:garbage collector|Nix store) lock)[^\n]*`)

// holding are the situations of the fix stuck in which a build waits for what has nothing to do with its network.
var holding = []string{
	"stuck/waits-for-output-lock", "stuck/output-lock-holder-orphaned", "stuck/waits-for-store-path",
	"stuck/no-free-build-user", "stuck/build-user-leaked", "stuck/waits-for-gc", "stuck/waits-for-gc-silent",
	"stuck/gc-stopped", "stuck/gc-waits-for-client", "stuck/foreign-lock-holder", "stuck/store-upgrade",
	"stuck/profile-locked", "stuck/sqlite-busy", "stuck/sqlite-dotfile", "stuck/worker-stopped",
	"stuck/daemon-stopped", "stuck/daemon-not-accepting", "stuck/deadlock-cycle", "stuck/hold-and-wait",
	"stuck/io-wait", "stuck/disk-full", "stuck/post-build-hook", "stuck/pre-build-hook", "stuck/client-stopped",
}

// watchdog looks after a tool that takes its time.
type watchdog struct {
	p     *prober
	mu    sync.Mutex
	pid   int
	line  string // in which it says what it waits for
	since time.Time
	built bool // the builder was started
	why   string
}

// hear takes what the tool has said so far.
func (w *watchdog) hear(stderr []byte) bool {
	line := ""
	at := waits.FindAllIndex(stderr, -1)
	built := bytes.Contains(stderr, []byte("building '"))
	if n := len(at); n > 0 && !bytes.Contains(stderr[at[n-1][1]:], []byte("building '")) {
		line = plain(string(stderr[at[n-1][0]:at[n-1][1]]))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.built = built; line != w.line {
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
		return fmt.Sprintf("Nix says \"%s\", and that went on for %s%s", line, waitLimit, stuckHint)
	case line == "":
		return fmt.Sprintf("%s, and that went on for %s%s", why, waitLimit, stuckHint)
	}
	return fmt.Sprintf("%s; Nix says \"%s\", and that went on for %s%s", why, line, waitLimit, stuckHint)
}

// waitsFor asks the fix stuck what a client waits for; "" where that is its own work, or nobody knows.
func (p *prober) waitsFor(ctx context.Context, pid int) string {
	if pid == 0 {
		return ""
	}
	r, err := stuck.Look(ctx, p.b, stuck.Options{PID: pid})
	if err != nil {
		return ""
	}
	for _, d := range r.Diagnoses {
		if slices.Contains(holding, d.ID) {
			return plain(d.Sentence)
		}
	}
	return ""
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
		p.end(Waiting, fmt.Sprintf("the daemon takes connections and has said nothing for %s: it is stopped, or waits itself%s",
			pingLimit, stuckHint))
		return false
	}
	p.result.Trusted, p.greeting = g.trusted, g.version
	return true
}
