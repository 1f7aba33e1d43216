package diagnose

import (
	"slices"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/platform/proclocks"
)

// outcome is where a chain of processes that wait for each other ends.
type outcome struct {
	start  *proc
	path   []*proc     // from the start to the root
	kinds  []*fix.Kind // of the situations on the way, the nearest first
	sures  []Certainty // of the kinds
	waits  []wait
	sure   Certainty
	root   *proc
	reason reason            // of the root
	lock   *observe.LockFile // the first on the way
	holder *proc             // of that lock
	// Likewise, the last on the way.
	lastLock   *observe.LockFile
	lastHolder *proc
	cycle      []*proc
}

// kind names the situation: what is wrong at the end of the chain if something is, else why it has to wait.
func (o *outcome) kind() *fix.Kind {
	if o.cycle != nil {
		polls := 0
		for _, w := range o.waits {
			if w.kind == EdgePoll || w.kind == EdgeGuess {
				polls++
			}
		}
		if polls == len(o.waits) {
			if !o.lasting() {
				return kinds.WaitsForOutputLock
			}
			return kinds.HoldAndWait
		}
		return kinds.DeadlockCycle
	}
	if len(o.kinds) == 0 {
		return kinds.Unknown
	}
	first, last := o.kinds[0], o.kinds[len(o.kinds)-1]
	switch last {
	case kinds.WorkerOrphaned:
		if len(o.kinds) > 1 && (first == kinds.WaitsForOutputLock || first == kinds.WaitsForStorePath) {
			return kinds.OutputLockHolderOrphaned
		}
		return last
	case kinds.ClientStopped, kinds.WorkerStopped:
		if slices.Contains(o.kinds, kinds.SQLiteBusy) {
			return kinds.SQLiteBusy
		}
		return last
	case kinds.RemoteBuilder, kinds.AsksForPassword, kinds.NetworkLost, kinds.DownloadStalled, kinds.OutputNotRead:
		return last
	}
	if usual(last) == fix.Broken {
		return last
	}
	// A build that is only silent is a reason to look at it, and to its own command; who waits for it waits for a build.
	if last == kinds.Unknown && len(o.kinds) > 1 || last == kinds.BuilderSilent || last == kinds.RunsAProgram || fix.Compare(usual(first), usual(last)) >= 0 {
		return first
	}
	return last
}

// lasting reports whether every lock of a ring has been held for longer than a command takes to let go of one that it
// cannot use.
func (o *outcome) lasting() bool {
	const long = 30 * time.Second
	return !slices.ContainsFunc(o.waits, func(w wait) bool { return w.lock == nil || w.lock.Held < long })
}

// certainty is that of what the situation is named for: how sure the rest of the chain is does not matter then.
func (o *outcome) certainty() Certainty {
	if o.cycle != nil && o.kind() == kinds.HoldAndWait {
		return weaker(o.sure, Likely) // a build of one of them could end in a moment
	}
	if o.cycle != nil || len(o.sures) != len(o.kinds) || len(o.kinds) == 0 {
		return o.sure
	}
	k, sure := o.kind(), Certain
	if k == kinds.OutputLockHolderOrphaned {
		k = kinds.WorkerOrphaned
	}
	for i, c := range o.sures {
		sure = weaker(sure, c)
		if o.kinds[i] == k {
			return sure
		}
	}
	return o.sure
}

// status is that of the situation, which for some kinds depends on more than the kind.
func (o *outcome) status() fix.Status {
	k := o.kind()
	switch k {
	case kinds.SQLiteBusy:
		if o.root == nil || !o.root.Stopped() {
			return fix.AtRisk
		}
	case kinds.BuilderSilent, kinds.PreBuildHook, kinds.PostBuildHook, kinds.DiffHook:
		if o.reason.idle < quiet {
			return fix.OK
		}
	}
	return k.Status
}

// usual is the status that findings of a kind have where nothing special makes them worse.
func usual(k *fix.Kind) fix.Status {
	if len(k.Also) > 0 {
		return k.Also[0]
	}
	return k.Status
}

// isPosix reports whether a lock belongs to a process and not to an open file, so that nothing can have inherited it. Who
// holds one and cannot be seen is elsewhere, as in a container, and may well be a Nix.
func isPosix(lf *observe.LockFile) bool {
	return slices.ContainsFunc(lf.Locks, func(l lockLine) bool { return l.Kind == proclocks.Posix && l.Write })
}

// alien reports whether a process is no part of Nix; who cannot be seen is taken for one.
func alien(p *proc) bool { return p == nil || p.role == Stranger || p.role == other }

const maxSteps = 20000 // of one search; queues of thousands were seen, rings of rings were not

type walker struct {
	*scene
	reasons map[*proc]reason
	steps   int
}

func (w *walker) reason(p *proc) reason {
	if r, ok := w.reasons[p]; ok {
		return r
	}
	r := explain(w.scene, p)
	w.reasons[p] = r
	return r
}

// follow goes from a process to what it waits for, and from there on.
func (w *walker) follow(start *proc) *outcome {
	w.steps = 0
	o := w.from(start, nil)
	o.start = start
	return o
}

func (w *walker) from(p *proc, path []*proc) *outcome {
	w.steps++
	r := w.reason(p)
	leaf := &outcome{path: append(slices.Clone(path), p), sure: r.sure, root: p, reason: r}
	if r.kind != nil {
		leaf.kinds, leaf.sures = []*fix.Kind{r.kind}, []Certainty{r.sure}
	}
	var best *outcome
	for _, next := range r.waits {
		targets := []*proc{next.proc}
		if next.lock != nil {
			targets = nil
			for _, pid := range holdersOf(next.lock) {
				targets = append(targets, w.procs[pid])
			}
		}
		for _, t := range targets {
			var o *outcome
			switch {
			case t == nil || w.steps > maxSteps || len(path) > 64:
				o = &outcome{path: leaf.path, sure: r.sure, root: p, reason: r}
			case t == p:
				continue
			case slices.Contains(leaf.path, t):
				cycle := leaf.path[slices.Index(leaf.path, t):]
				o = &outcome{path: leaf.path, sure: Certain, root: t, reason: w.reason(t), cycle: cycle}
			default:
				o = w.from(t, leaf.path)
			}
			sure, k := weaker(next.sure, r.sure), r.kind
			if next.lock != nil && alien(t) && (t != nil || !isPosix(next.lock)) {
				// Whatever a lock is for, what holds it decides whether that ends by itself.
				k = kinds.ForeignLockHolder
				if t == nil {
					// The locks of Nix end with the process that took them, so who keeps one beyond that is likely a stranger.
					sure = weaker(sure, Likely)
				}
			}
			o.sure = weaker(o.sure, sure)
			// Inside of a ring, only what is part of it counts.
			if o.cycle == nil || slices.Contains(o.cycle, p) {
				o.waits = append([]wait{next}, o.waits...)
			}
			if k != nil {
				o.kinds = append([]*fix.Kind{k}, o.kinds...)
				o.sures = append([]Certainty{sure}, o.sures...)
			} else if len(o.sures) > 0 {
				o.sures[0] = weaker(o.sures[0], sure)
			}
			if next.lock != nil {
				o.lock, o.holder = next.lock, t
				if o.lastLock == nil {
					o.lastLock, o.lastHolder = next.lock, t
				}
			}
			if best == nil {
				best = o
			} else if n := fix.Compare(o.status(), best.status()); n != 0 && r.any == (n < 0) {
				best = o
			}
		}
	}
	if best == nil {
		return leaf
	}
	return best
}
