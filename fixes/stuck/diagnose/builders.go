package diagnose

import (
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/say"
)

// offspring is the reason of a process that waits for its children.
func offspring(s *scene, p *proc) (reason, bool) {
	r := reason{sure: Certain, any: true}
	// launch-builder becomes the builder, so what ended beside it was not that but pasta, whatever its name.
	launch := slices.ContainsFunc(p.children, func(c *proc) bool { return !c.Gone && c.State != 'Z' && c.Name == "launch-builder" })
	pastaDead := false
	var pasta, launcher *proc
	for _, c := range p.children {
		if c.Gone {
			continue
		}
		if c.Name == "launch-builder" {
			launcher = c
		}
		switch {
		case c.role == Pasta, launch && c.State == 'Z':
			pastaDead = pastaDead || c.State == 'Z'
			if c.State != 'Z' {
				pasta = c
			}
			continue
		case c.State == 'Z' && c.role == Builder:
			left := leftover(s, c)
			if left != nil {
				return reason{
					kind: kinds.BuilderLeftover, sure: Certain, text: doneLogOpen,
					waits: []wait{{kind: EdgeChild, proc: left, sure: Certain}},
				}, true
			}
			if c.Second.State == 'Z' && c.First.State == 'Z' && p.Ticks() == 0 {
				return reason{kind: kinds.BuilderDefunct, sure: Likely, text: missedEnd}, true
			}
			continue
		case c.State == 'Z':
			continue
		case c.role == Hook && idleHook(s, c):
			// It was told that no machine is free, and is kept to be asked again.
			continue
		case c.role == Builder, c.role == Hook, c.role == Helper, c.role == Client:
			r.waits = append(r.waits, wait{kind: EdgeChild, proc: c, sure: Certain})
		}
	}
	if launch && pastaDead {
		return reason{kind: kinds.SandboxNetwork, sure: Certain, text: pastaDied}, true
	}
	if launcher != nil && pasta != nil && ageOf(s, launcher) >= pastaTime {
		// The launcher becomes the builder as soon as there is a network.
		return reason{
			sure: Certain, text: waitsForNetwork,
			waits: []wait{{kind: EdgeChild, proc: pasta, sure: Certain}},
		}, true
	}
	if len(r.waits) == 0 {
		return reason{kind: kinds.Working, sure: Certain, text: finishes}, p.Reaped
	}
	r.text = waitsForBuild
	if n := len(r.waits); n > 1 {
		r.text = waitsForProcesses.Fill(fix.With{"count": n})
	}
	helper := r.waits[0].proc
	if len(r.waits) == 1 && (helper.role == Helper || helper.role == Client) {
		r.text = waitsForOne.Fill(fix.With{"process": say.Short(say.Plain(helper.Name), 20)})
		if p.role == Worker || len(heldBy(s, p.PID, lockOutput)) > 0 {
			r.kind, r.sure = hookOf(helper, s.Builders[helper.UID] != ""), Likely
		}
	}
	return r, true
}

// idleHook reports whether a build hook has nothing to do.
func idleHook(s *scene, p *proc) bool {
	_, talks := overNetwork(s, p)
	return !talks && len(p.children) == 0 && !p.Stopped() && len(heldBy(s, p.PID, lockSlot)) == 0 && len(s.WaitsAt(p.PID)) == 0
}

// leftover returns a process of the build user of a builder that has ended.
func leftover(s *scene, z *proc) *proc {
	if s.Builders[z.UID] == "" {
		return nil
	}
	for _, pid := range s.Order {
		q := s.procs[pid]
		if q != z && q.UID == z.UID && !q.Gone && q.State != 'Z' {
			return q
		}
	}
	return nil
}

// subtree returns a process, its descendants and, for a build user, its other processes.
func subtree(s *scene, p *proc) []*proc {
	list := []*proc{}
	seen := map[*proc]bool{}
	var walk func(q *proc)
	walk = func(q *proc) {
		if seen[q] || q.Gone {
			return
		}
		seen[q] = true
		list = append(list, q)
		for _, c := range q.children {
			walk(c)
		}
	}
	walk(p)
	if s.Builders[p.UID] != "" && p.UID != 0 {
		for _, pid := range s.Order {
			if q := s.procs[pid]; q.UID == p.UID {
				walk(q)
			}
		}
	}
	return list
}

// quiet is how long nothing may be heard of a build until that is worth a look: compilers, linkers and tests are silent
// for longer than a moment.
const quiet = time.Minute

// lively is how often a build wakes up between the samples that does more than look at a clock now and then.
const lively = 20

func explainBuilder(s *scene, p *proc) reason {
	var ticks, moved, wakes uint64
	var stopped []*proc
	all := subtree(s, p)
	for _, q := range all {
		ticks += q.Ticks()
		moved += q.Moved()
		wakes += q.Switches()
		if q.Stopped() {
			stopped = append(stopped, q)
		}
	}
	if ticks > 0 || moved > 0 {
		return reason{kind: kinds.BuilderBusy, sure: Certain, text: buildsAt.Fill(fix.With{"how": buildText(s, ticks, moved)})}
	}
	if p.Hidden["io"] && wakes >= lively {
		// On a busy host a build that writes much gets less than a tick, and what it writes is not shown to others.
		return reason{kind: kinds.BuilderBusy, sure: Likely, text: buildsWaking.Fill(fix.With{"count": wakes})}
	}
	if slices.ContainsFunc(all, func(q *proc) bool { return q.Runs() }) {
		// It would build, were the processor not busy with something else.
		return reason{kind: kinds.BuilderBusy, sure: Likely, text: buildsUnscheduled}
	}
	if len(stopped) > 0 {
		return reason{
			sure: Certain, text: asleepOverStopped,
			waits: []wait{{kind: EdgeChild, proc: stopped[0], sure: Certain}},
		}
	}
	if r, ok := builderLock(s, p); ok {
		return r
	}
	for _, q := range all {
		if q != p && (q.role == Client || q.role == Hook) {
			return reason{
				sure: Certain, text: waitsForOwnNix,
				waits: []wait{{kind: EdgeChild, proc: q, sure: Certain}},
			}
		}
	}
	for _, q := range all {
		if q == p {
			continue
		}
		if r, ok := uninterruptible(q); ok {
			return r
		}
	}
	sure := Certain
	if p.Hidden["io"] {
		sure = Likely
	}
	text := silentBuild
	for _, q := range all {
		r, ok := overNetwork(s, q)
		switch {
		case ok && r.kind == kinds.NetworkLost:
			r.waits = nil
			return r
		case ok:
			text = silentTalking.Fill(fix.With{"peer": r.peer})
		}
	}
	return reason{kind: kinds.BuilderSilent, sure: sure, text: text, idle: silence(s, p)}
}

// builderLock is the reason of a build that waits for a lock of its own, such as that of a cache which builds share: not
// Nix's, so that it says nothing of what Nix waits for. Only what descends from a process is asked: that is what it waits
// for, while others of the build may wait for it.
func builderLock(s *scene, p *proc) (reason, bool) {
	for _, q := range descendants(p) {
		if q.role == Client || q.role == Hook {
			continue // a Nix inside of the build: its locks are Nix's
		}
		lfs := s.WaitsAt(q.PID)
		switch {
		case len(lfs) == 0:
		case q != p:
			return reason{
				sure: Certain, text: waitsForOwn,
				waits: []wait{{kind: EdgeChild, proc: q, sure: Certain}},
			}, true
		default:
			return reason{
				kind: kinds.BuilderWaitsForLock, sure: Certain, text: waitsForForeignLock,
				waits: []wait{{kind: EdgeLockWait, lock: lfs[0], sure: Certain}},
			}, true
		}
		if len(lfs) > 0 || !s.CallsOK {
			continue
		}
		if t, ok := q.InCall(s.Calls.Flock); ok && q == p {
			return reason{
				kind: kinds.Unknown, sure: Certain,
				text: say.Short(waitsForUnseenLock.Fill(fix.With{"file": say.Plain(q.FDs[int(t.Call.Args[0])])}), Column),
			}, true
		}
	}
	return reason{}, false
}

// descendants returns a process and those that it started, and so on.
func descendants(p *proc) []*proc {
	list, seen := []*proc{p}, map[*proc]bool{p: true}
	for i := 0; i < len(list); i++ {
		for _, c := range list[i].children {
			if !seen[c] && !c.Gone && c.State != 'Z' {
				seen[c] = true
				list = append(list, c)
			}
		}
	}
	return list
}

// silence is how long nothing was heard of a build, or of a program that Nix runs: since it last wrote to its log, or
// since it last started a process, whatever is less.
func silence(s *scene, p *proc) time.Duration {
	d := ageOf(s, p)
	for _, q := range subtree(s, p) {
		d = min(d, ageOf(s, q))
		if slices.ContainsFunc(q.children, func(c *proc) bool { return c.Gone }) {
			return 0 // one has ended while it was watched
		}
	}
	if at := loggedAt(s, p); !at.IsZero() {
		d = min(d, s.Now.Sub(at))
	}
	return max(d, 0)
}

// loggedAt is when something was last written to the log of a build, zero where that is not known.
func loggedAt(s *scene, p *proc) time.Time {
	for q, n := p, 0; q != nil && n < 64; q, n = s.procs[q.Parent], n+1 {
		if !q.Logged.IsZero() {
			return q.Logged
		}
		if q.PID == q.Parent {
			break
		}
	}
	return time.Time{}
}

func buildText(s *scene, ticks, moved uint64) string {
	if ticks > 0 && s.Gap > 0 {
		return percent.Fill(fix.With{"cpu": max(1, int(float64(ticks)/s.Gap.Seconds()+0.5))})
	}
	return movedNow.Fill(fix.With{"amount": say.Bytes(moved)})
}

func explainHook(s *scene, p *proc) reason {
	if r, ok := queued(s, p); ok {
		return r
	}
	for _, c := range p.children {
		if c.Gone || c.State == 'Z' {
			continue
		}
		r := explainHelper(s, c)
		switch {
		case r.kind == kinds.NetworkLost || r.kind == kinds.AsksForPassword || r.kind == kinds.Downloading && cpuShare(s, c) > 0:
			return reason{
				sure: r.sure, text: buildsElsewhere,
				waits: []wait{{kind: EdgeChild, proc: c, sure: Certain}},
			}
		}
		return reason{
			kind: kinds.RemoteBuilder, sure: Likely, text: buildsElsewhere,
			waits: []wait{{kind: EdgeChild, proc: c, sure: Certain}},
		}
	}
	if r, ok := overNetwork(s, p); ok {
		return r
	}
	if p.Ticks() > 0 || p.Moved() > 0 {
		return reason{kind: kinds.Working, sure: Certain, text: "works"}
	}
	return reason{kind: kinds.RemoteBuilder, sure: Guess, text: offersBuilds}
}

func explainHelper(s *scene, p *proc) reason {
	if p.Stopped() {
		return stoppedReason(s, p)
	}
	// Somebody who reads the terminal waits for a password or an answer; the progress bar hides the question.
	if s.CallsOK {
		for _, q := range subtree(s, p) {
			for _, t := range q.Second.Threads {
				if !t.Call.Known || t.Call.N != s.Calls.Read {
					continue
				}
				target := q.FDs[int(t.Call.Args[0])]
				if target == "/dev/tty" || strings.HasPrefix(target, "/dev/pts/") {
					return reason{kind: kinds.AsksForPassword, sure: Likely, text: readsTerminal.Fill(fix.With{"program": say.Short(say.Plain(q.Program()), 16)})}
				}
			}
		}
	}
	for _, q := range subtree(s, p) {
		if r, ok := overNetwork(s, q); ok && r.kind != kinds.Downloading {
			if p.role == Helper && underHook(s, p) {
				return reason{kind: kinds.RemoteBuilder, sure: Likely, text: r.text, peer: r.peer, idle: r.idle}
			}
			return r
		}
	}
	return reason{kind: kinds.RunsAProgram, sure: Likely, text: busyText(s, p), idle: hookSilence(s, p)}
}

func underHook(s *scene, p *proc) bool {
	for q, n := s.procs[p.Parent], 0; q != nil && n < 16; q, n = s.procs[q.Parent], n+1 {
		if q.role == Hook {
			return true
		}
		if q.Parent == q.PID {
			return false
		}
	}
	return false
}

// pastaTime is how long pasta may take to set up a network; real ones take milliseconds.
const pastaTime = 5 * time.Second

// hookOf tells which of the programs in nix.conf a child of a worker is, by the arguments that Nix gives it: the
// pre-build-hook gets the derivation and, in a sandbox, its root; the diff-hook the two outputs, the derivation and a
// directory, and it runs as the build user; the post-build-hook gets none. https://docs.lix.systems/manual/lix/stable/command-ref/conf-file.html
func hookOf(p *proc, buildUser bool) *fix.Kind {
	last := func(n int) string { return p.Arg(len(p.Argv) - n) }
	switch {
	case strings.HasSuffix(last(1), ".drv"), strings.HasSuffix(last(1), ".drv.chroot"):
		return kinds.PreBuildHook
	case buildUser, strings.HasSuffix(last(2), ".drv"):
		return kinds.DiffHook
	}
	return kinds.PostBuildHook
}

// hookSilence is how long nothing was heard of such a program, 0 while it works.
func hookSilence(s *scene, p *proc) time.Duration {
	for _, q := range descendants(p) {
		if q.Ticks() > 0 || q.Moved() > 0 {
			return 0
		}
	}
	return silence(s, p)
}

// explainPasta says what what gives the network to a build is doing.
func explainPasta(s *scene, p *proc) reason {
	parent := s.procs[p.Parent]
	if parent != nil {
		for _, c := range parent.children {
			if c.Name == "launch-builder" && !c.Gone && c.State != 'Z' && ageOf(s, c) >= pastaTime {
				return reason{kind: kinds.SandboxNetwork, sure: Certain, text: noNetworkYet}
			}
		}
	}
	return reason{text: busyText(s, p), sure: Certain}
}
