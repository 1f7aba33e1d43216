package stuck

import (
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
)

// Kinds of actions.
const (
	actEnd      = "end"
	actContinue = "continue"
)

// actions are what lixfix may do about a situation. The decision table allows no others: what has no client any more
// is ended, what is stopped is continued, and everything else is ended only when the user names it. The first of those
// is always the same one, whoever looks: the culprit.
func (s *snapshot) actions(k *fix.Kind, o *outcome) []Action {
	var list []Action
	add := func(a *Action) {
		if a != nil && !slices.ContainsFunc(list, func(b Action) bool { return b.PID == a.PID && b.Kind == a.Kind }) {
			list = append(list, *a)
		}
	}
	switch k {
	case kinds.WorkerOrphaned, kinds.OutputLockHolderOrphaned:
		if o.root.stopped() {
			add(s.resume(o.root))
		}
		add(s.end(o.root, kinds.BuildLost, true, false))
	case kinds.BuildUserLeaked:
		for _, q := range s.subtree(o.root) {
			if q.uid == o.root.uid {
				add(s.end(q, kinds.LeakLost, true, false))
			}
		}
	case kinds.BuilderLeftover:
		add(s.end(o.root, kinds.LeftoverLost, true, false))
	case kinds.GCStopped, kinds.WorkerStopped, kinds.ClientStopped, kinds.DaemonStopped, kinds.ReaderStopped, kinds.SQLiteBusy:
		if o.root != nil && o.root.stopped() {
			add(s.resume(o.root))
		}
	case kinds.BuilderStopped:
		for _, q := range s.subtree(s.wholeBuild(o.root)) {
			if q.stopped() {
				add(s.resume(q))
			}
		}
	}
	if p := s.culprit(k, o); p != nil {
		a := s.end(p, s.costs(p), false, true)
		add(a)
		if a != nil && alien(p) {
			// A lock belongs to an open file, and passes to children: it is free when none of them has it any more.
			for _, q := range s.sharers(p, o.lastLock) {
				if b := s.end(q, s.costs(q), false, true); b != nil {
					b.With = p.PID
					add(b)
				}
			}
		}
	}
	// Whoever is in the way can be named: a garbage collection, or the command whose build everybody waits for.
	for _, p := range slices.Backward(append([]*proc{o.holder}, o.path...)) {
		if c := clientOf(p); c != nil && c.role == Client && !dangerous(c) {
			add(s.end(c, s.costs(c), false, true))
		}
	}
	return list
}

// costs are what is lost with a process.
func (s *snapshot) costs(p *proc) string {
	switch {
	case p.role == Reader:
		return kinds.ReaderLost
	case p.role != Client:
		return kinds.StrangerLost
	case s.collects(p):
		return kinds.CollectorLost
	case !s.building(p) && p.pair == nil:
		return kinds.RunLost
	}
	return kinds.RunBuildLost
}

// culprit is the one process with whose end a chain goes on: its root, or the command that its root works for. It is nil
// where that is not for lixfix to end, or cannot be told; whoever waits is never ended in its place.
func (s *snapshot) culprit(k *fix.Kind, o *outcome) *proc {
	if o.cycle != nil {
		return s.victim(o)
	}
	p := o.root
	switch k {
	case kinds.ForeignLockHolder:
		if p = o.lastHolder; !alien(p) {
			p = nil
		}
	case kinds.HeldByDebugger:
		if p != nil {
			p = s.procs[p.status.Tracer]
		}
	case kinds.GCStopped, kinds.WorkerStopped, kinds.ClientStopped, kinds.DaemonStopped, kinds.BuilderStopped, kinds.ReaderStopped, kinds.DaemonNotAccepting,
		kinds.WorkerOrphaned, kinds.OutputLockHolderOrphaned, kinds.BuildUserLeaked, kinds.BuilderLeftover, kinds.IOWait:
		return nil // it is continued, or ended without being named, or no signal helps
	default:
		p = s.behind(p)
	}
	if p == nil || dangerous(p) {
		return nil
	}
	return p
}

// behind returns the command for whose sake a process runs, or the process itself where it is a reader.
func (s *snapshot) behind(p *proc) *proc {
	for n := 0; p != nil && n < 64; p, n = s.procs[p.Parent], n+1 {
		switch p.role {
		case Client, Worker:
			if c := clientOf(p); c != nil && c.role == Client {
				return c
			}
			return nil
		case Reader:
			return p
		case Builder, Hook, Helper, Pasta:
		default:
			return nil
		}
	}
	return nil
}

// victim is the command of a ring that is ended: the outermost where one command runs the others, else the youngest,
// which has the least to lose.
func (s *snapshot) victim(o *outcome) *proc {
	var young *proc
	for _, p := range o.cycle {
		c := s.behind(p)
		if c != nil && (young == nil || c.Start > young.Start || c.Start == young.Start && c.PID > young.PID) {
			young = c
		}
	}
	for n := 0; young != nil && n < 64; n++ {
		outer := s.behind(s.procs[young.Parent])
		if outer == nil || outer == young {
			break
		}
		young = outer
	}
	if young != nil && dangerous(young) {
		return nil
	}
	return young
}

// sharers are the processes that have inherited a lock from another one.
func (s *snapshot) sharers(p *proc, lf *lockFile) []*proc {
	var list []*proc
	if lf == nil {
		return nil
	}
	for _, q := range descendants(p)[1:] {
		for _, h := range q.held {
			if h.File == lf.file && !slices.Contains(list, q) {
				list = append(list, q)
			}
		}
	}
	return list
}

// wholeBuild returns the first process of a build.
func (s *snapshot) wholeBuild(p *proc) *proc {
	for q, n := s.procs[p.Parent], 0; q != nil && q.role == Builder && n < 64; q, n = s.procs[q.Parent], n+1 {
		p = q
	}
	return p
}

// dangerous reports whether ending a command could harm the store.
func dangerous(p *proc) bool {
	if p.role != Client {
		return false
	}
	for _, a := range p.argv {
		switch a {
		case "--repair", "--import", "--optimise", "--load-db":
			return true
		}
	}
	return slices.Contains(p.argv, "optimise") || slices.Contains(p.argv, "repair")
}

// clientOf returns the command behind a process.
func clientOf(p *proc) *proc {
	switch {
	case p == nil:
		return nil
	case p.role == Client:
		return p
	case p.role == Worker && p.pair != nil && p.pair.role == Client && !p.orphan && p.pairing() == Certain:
		return p.pair
	}
	return nil
}

// touchable reports whether a signal may be sent to a process at all.
func (s *snapshot) touchable(p *proc) bool {
	if p == nil || p.PID < 2 || p.gone || p.State == 'Z' || p.second.state == 'D' || !p.second.ok || !s.ours(p) {
		return false
	}
	for q, n := s.procs[s.selfPID], 0; q != nil && n < 64; q, n = s.procs[q.Parent], n+1 {
		if q == p {
			return false
		}
		if q.PID == q.Parent {
			break
		}
	}
	return true
}

// ours reports whether a process belongs to this host, and not to a container: it is in lixfix's PID namespace, or in
// one that a Nix of this host made for the sandbox of a build.
func (s *snapshot) ours(p *proc) bool {
	for n := 0; p != nil && n < 64; p, n = s.procs[p.Parent], n+1 {
		if p.ns == "" || s.self == "" || p.ns == s.self {
			return true
		}
		if p.role != Builder {
			return false
		}
	}
	return false
}

func (s *snapshot) end(p *proc, costs string, kill, named bool) *Action {
	if !s.touchable(p) {
		return nil
	}
	e := s.ending(p)
	a := &Action{
		Kind: actEnd, PID: p.PID, Name: s.describe(p), UID: p.uid, Start: p.start(), What: "end " + s.describe(p), Costs: costs,
		Kill: kill || e.kill, How: e.how, Grace: e.grace, Named: named,
	}
	return a
}

func (s *snapshot) resume(p *proc) *Action {
	if !s.touchable(p) || p.second.state != 'T' {
		return nil
	}
	return &Action{Kind: actContinue, PID: p.PID, Name: s.describe(p), UID: p.uid, Start: p.start(), What: "continue " + s.describe(p), Costs: kinds.NothingLost}
}
