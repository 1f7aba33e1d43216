package stuck

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
)

// offspring is the reason of a process that waits for its children.
func (s *snapshot) offspring(p *proc) (reason, bool) {
	r := reason{sure: Certain, any: true}
	// launch-builder becomes the builder, so what ended beside it was not that but pasta, whatever its name.
	launch := slices.ContainsFunc(p.children, func(c *proc) bool { return !c.gone && c.State != 'Z' && c.Name == "launch-builder" })
	pastaDead := false
	var pasta, launcher *proc
	for _, c := range p.children {
		if c.gone {
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
			left := s.leftover(c)
			if left != nil {
				return reason{kind: kinds.BuilderLeftover, sure: Certain, text: "the build is done, its log is open", waits: []wait{{kind: EdgeChild, proc: left, sure: Certain}}}, true
			}
			if c.second.state == 'Z' && c.first.state == 'Z' && p.ticks() == 0 {
				return reason{kind: kinds.BuilderDefunct, sure: Likely, text: "did not notice that its builder ended"}, true
			}
			continue
		case c.State == 'Z':
			continue
		case c.role == Hook && s.idleHook(c):
			// It was told that no machine is free, and is kept to be asked again.
			continue
		case c.role == Builder, c.role == Hook, c.role == Helper, c.role == Client:
			r.waits = append(r.waits, wait{kind: EdgeChild, proc: c, sure: Certain})
		}
	}
	if launch && pastaDead {
		return reason{kind: kinds.SandboxNetwork, sure: Certain, text: "pasta died: the build has no network"}, true
	}
	if launcher != nil && pasta != nil && s.age(launcher) >= pastaTime {
		// The launcher becomes the builder as soon as there is a network.
		return reason{sure: Certain, text: "waits for the network of its build", waits: []wait{{kind: EdgeChild, proc: pasta, sure: Certain}}}, true
	}
	if len(r.waits) == 0 {
		return reason{kind: kinds.Working, sure: Certain, text: "finishes a build"}, p.reaped
	}
	r.text = "waits for its build"
	if n := len(r.waits); n > 1 {
		r.text = fmt.Sprintf("waits for %d processes", n)
	}
	helper := r.waits[0].proc
	if len(r.waits) == 1 && (helper.role == Helper || helper.role == Client) {
		r.text = "waits for " + short(plain(helper.Name), 20)
		if p.role == Worker || len(s.heldBy(p.PID, lockOutput)) > 0 {
			r.kind, r.sure = hookOf(helper, s.builders[helper.uid] != ""), Likely
		}
	}
	return r, true
}

// idleHook reports whether a build hook has nothing to do.
func (s *snapshot) idleHook(p *proc) bool {
	_, talks := s.network(p)
	return !talks && len(p.children) == 0 && !p.stopped() && len(s.heldBy(p.PID, lockSlot)) == 0 && len(s.waitsAt(p.PID)) == 0
}

// leftover returns a process of the build user of a builder that has ended.
func (s *snapshot) leftover(z *proc) *proc {
	if s.builders[z.uid] == "" {
		return nil
	}
	for _, pid := range s.order {
		q := s.procs[pid]
		if q != z && q.uid == z.uid && !q.gone && q.State != 'Z' {
			return q
		}
	}
	return nil
}

// subtree returns a process, its descendants and, for a build user, its other processes.
func (s *snapshot) subtree(p *proc) []*proc {
	list := []*proc{}
	seen := map[*proc]bool{}
	var walk func(q *proc)
	walk = func(q *proc) {
		if seen[q] || q.gone {
			return
		}
		seen[q] = true
		list = append(list, q)
		for _, c := range q.children {
			walk(c)
		}
	}
	walk(p)
	if s.builders[p.uid] != "" && p.uid != 0 {
		for _, pid := range s.order {
			if q := s.procs[pid]; q.uid == p.uid {
				walk(q)
			}
		}
	}
	return list
}

// quiet is how long nothing may be heard of a build until that is worth a look: compilers, linkers and tests are silent
// for longer than a moment.
const quiet = time.Minute

func (s *snapshot) explainBuilder(p *proc) reason {
	var ticks, moved uint64
	var stopped []*proc
	all := s.subtree(p)
	for _, q := range all {
		ticks += q.ticks()
		moved += q.moved()
		if q.stopped() {
			stopped = append(stopped, q)
		}
	}
	if ticks > 0 || moved > 0 {
		return reason{kind: kinds.BuilderBusy, sure: Certain, text: "builds, " + s.buildText(ticks, moved)}
	}
	if len(stopped) > 0 {
		return reason{sure: Certain, text: "asleep, a process of it is stopped", waits: []wait{{kind: EdgeChild, proc: stopped[0], sure: Certain}}}
	}
	if r, ok := s.builderLock(p); ok {
		return r
	}
	for _, q := range all {
		if q != p && (q.role == Client || q.role == Hook) {
			return reason{sure: Certain, text: "waits for a Nix that it started", waits: []wait{{kind: EdgeChild, proc: q, sure: Certain}}}
		}
	}
	for _, q := range all {
		if q == p {
			continue
		}
		if r, ok := s.uninterruptible(q); ok {
			return r
		}
	}
	sure := Certain
	if p.hidden["io"] {
		sure = Likely
	}
	text := "0 % CPU, no I/O, silent"
	for _, q := range all {
		r, ok := s.network(q)
		switch {
		case ok && r.kind == kinds.NetworkLost:
			r.waits = nil
			return r
		case ok:
			text = "silent, talks to " + r.peer
		}
	}
	return reason{kind: kinds.BuilderSilent, sure: sure, text: text, idle: s.silence(p)}
}

// builderLock is the reason of a build that waits for a lock of its own, such as that of a cache which builds share: not
// Nix's, so that it says nothing of what Nix waits for. Only what descends from a process is asked: that is what it waits
// for, while others of the build may wait for it.
func (s *snapshot) builderLock(p *proc) (reason, bool) {
	for _, q := range descendants(p) {
		if q.role == Client || q.role == Hook {
			continue // a Nix inside of the build: its locks are Nix's
		}
		lfs := s.waitsAt(q.PID)
		switch {
		case len(lfs) == 0:
		case q != p:
			return reason{sure: Certain, text: "waits for a process of its own", waits: []wait{{kind: EdgeChild, proc: q, sure: Certain}}}, true
		default:
			return reason{
				kind: kinds.BuilderWaitsForLock, sure: Certain, text: "waits for a lock, which is not Nix's",
				waits: []wait{{kind: EdgeLockWait, lock: lfs[0], sure: Certain}},
			}, true
		}
		if len(lfs) > 0 || !s.callsOK {
			continue
		}
		if t, ok := inCall(q, s.calls.Flock); ok && q == p {
			return reason{
				kind: kinds.Unknown, sure: Certain,
				text: short("waits for a lock held out of sight, "+plain(q.fds[int(t.call.Args[0])]), column),
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
			if !seen[c] && !c.gone && c.State != 'Z' {
				seen[c] = true
				list = append(list, c)
			}
		}
	}
	return list
}

// silence is how long nothing was heard of a build, or of a program that Nix runs: since it last wrote to its log, or
// since it last started a process, whatever is less.
func (s *snapshot) silence(p *proc) time.Duration {
	d := s.age(p)
	for _, q := range s.subtree(p) {
		d = min(d, s.age(q))
		if slices.ContainsFunc(q.children, func(c *proc) bool { return c.gone }) {
			return 0 // one has ended while it was watched
		}
	}
	if at := s.loggedAt(p); !at.IsZero() {
		d = min(d, time.Since(at))
	}
	return max(d, 0)
}

// loggedAt is when something was last written to the log of a build, zero where that is not known.
func (s *snapshot) loggedAt(p *proc) time.Time {
	for q, n := p, 0; q != nil && n < 64; q, n = s.procs[q.Parent], n+1 {
		if !q.logged.IsZero() {
			return q.logged
		}
		if q.PID == q.Parent {
			break
		}
	}
	return time.Time{}
}

func (s *snapshot) buildText(ticks, moved uint64) string {
	if ticks > 0 && s.gap > 0 {
		return fmt.Sprintf("%d %% CPU", max(1, int(float64(ticks)/s.gap.Seconds()+0.5)))
	}
	return bytesText(moved) + " in a moment"
}

func (s *snapshot) explainHook(p *proc) reason {
	if r, ok := s.queued(p); ok {
		return r
	}
	for _, c := range p.children {
		if c.gone || c.State == 'Z' {
			continue
		}
		r := s.explainHelper(c)
		switch {
		case r.kind == kinds.NetworkLost || r.kind == kinds.AsksForPassword || r.kind == kinds.Downloading && s.share(c) > 0:
			return reason{sure: r.sure, text: "builds on another machine", waits: []wait{{kind: EdgeChild, proc: c, sure: Certain}}}
		}
		return reason{kind: kinds.RemoteBuilder, sure: Likely, text: "builds on another machine", waits: []wait{{kind: EdgeChild, proc: c, sure: Certain}}}
	}
	if r, ok := s.network(p); ok {
		return r
	}
	if p.ticks() > 0 || p.moved() > 0 {
		return reason{kind: kinds.Working, sure: Certain, text: "works"}
	}
	return reason{kind: kinds.RemoteBuilder, sure: Guess, text: "offers builds to other machines"}
}

func (s *snapshot) explainHelper(p *proc) reason {
	if p.stopped() {
		return s.stoppedReason(p)
	}
	// Somebody who reads the terminal waits for a password or an answer; the progress bar hides the question.
	if s.callsOK {
		for _, q := range s.subtree(p) {
			for _, t := range q.second.threads {
				if !t.call.Known || t.call.N != s.calls.Read {
					continue
				}
				target := q.fds[int(t.call.Args[0])]
				if target == "/dev/tty" || strings.HasPrefix(target, "/dev/pts/") {
					return reason{kind: kinds.AsksForPassword, sure: Likely, text: short(plain(q.program()), 16) + " reads the terminal"}
				}
			}
		}
	}
	for _, q := range s.subtree(p) {
		if r, ok := s.network(q); ok && r.kind != kinds.Downloading {
			if p.role == Helper && s.underHook(p) {
				return reason{kind: kinds.RemoteBuilder, sure: Likely, text: r.text, peer: r.peer, idle: r.idle}
			}
			return r
		}
	}
	return reason{kind: kinds.RunsAProgram, sure: Likely, text: s.busyText(p), idle: s.hookSilence(p)}
}

func (s *snapshot) underHook(p *proc) bool {
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
	last := func(n int) string { return p.arg(len(p.argv) - n) }
	switch {
	case strings.HasSuffix(last(1), ".drv"), strings.HasSuffix(last(1), ".drv.chroot"):
		return kinds.PreBuildHook
	case buildUser, strings.HasSuffix(last(2), ".drv"):
		return kinds.DiffHook
	}
	return kinds.PostBuildHook
}

// hookSilence is how long nothing was heard of such a program, 0 while it works.
func (s *snapshot) hookSilence(p *proc) time.Duration {
	for _, q := range descendants(p) {
		if q.ticks() > 0 || q.moved() > 0 {
			return 0
		}
	}
	return s.silence(p)
}

// explainPasta says what what gives the network to a build is doing.
func (s *snapshot) explainPasta(p *proc) reason {
	parent := s.procs[p.Parent]
	if parent != nil {
		for _, c := range parent.children {
			if c.Name == "launch-builder" && !c.gone && c.State != 'Z' && s.age(c) >= pastaTime {
				return reason{kind: kinds.SandboxNetwork, sure: Certain, text: "has not set up the network"}
			}
		}
	}
	return reason{text: s.busyText(p), sure: Certain}
}
