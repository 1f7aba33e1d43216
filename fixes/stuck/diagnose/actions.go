package diagnose

import (
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
)

// Kinds of actions.
const (
	ActEnd      = "end"
	actContinue = "continue"
)

// actionsFor are what lixfix may do about a situation. The decision table allows no others: what has no client any more
// is ended, what is stopped is continued, and everything else is ended only when the user names it. The first of those
// is always the same one, whoever looks: the culprit.
func actionsFor(s *scene, k *fix.Kind, o *outcome) []Action {
	var list []Action
	add := func(a *Action) {
		if a != nil && !slices.ContainsFunc(list, func(b Action) bool { return b.PID == a.PID && b.Kind == a.Kind }) {
			list = append(list, *a)
		}
	}
	switch k {
	case kinds.WorkerOrphaned, kinds.OutputLockHolderOrphaned:
		if o.root.Stopped() {
			add(toContinue(s, o.root))
		}
		add(toEnd(s, o.root, kinds.BuildLost, true, false))
	case kinds.BuildUserLeaked:
		for _, q := range subtree(s, o.root) {
			if q.UID == o.root.UID {
				add(toEnd(s, q, kinds.LeakLost, true, false))
			}
		}
	case kinds.BuilderLeftover:
		add(toEnd(s, o.root, kinds.LeftoverLost, true, false))
	case kinds.GCStopped, kinds.WorkerStopped, kinds.ClientStopped, kinds.DaemonStopped, kinds.ReaderStopped, kinds.SQLiteBusy:
		if o.root != nil && o.root.Stopped() {
			add(toContinue(s, o.root))
		}
	case kinds.BuilderStopped:
		for _, q := range subtree(s, wholeBuild(s, o.root)) {
			if q.Stopped() {
				add(toContinue(s, q))
			}
		}
	}
	if p := culprit(s, k, o); p != nil {
		a := toEnd(s, p, costOf(s, p), false, true)
		add(a)
		if a != nil && alien(p) {
			// A lock belongs to an open file, and passes to children: it is free when none of them has it any more.
			for _, q := range sharers(p, o.lastLock) {
				if b := toEnd(s, q, costOf(s, q), false, true); b != nil {
					b.With = p.PID
					add(b)
				}
			}
		}
	}
	// Whoever is in the way can be named: a garbage collection, or the command whose build everybody waits for.
	for _, p := range slices.Backward(append([]*proc{o.holder}, o.path...)) {
		if c := clientOf(p); c != nil && c.role == Client && !dangerous(c) {
			add(toEnd(s, c, costOf(s, c), false, true))
		}
	}
	return list
}

// costOf are what is lost with a process.
func costOf(s *scene, p *proc) string {
	switch {
	case p.role == Reader:
		return kinds.ReaderLost
	case p.role != Client:
		return kinds.StrangerLost
	case collects(s, p):
		return kinds.CollectorLost
	case !building(s, p) && p.pair == nil:
		return kinds.RunLost
	}
	return kinds.RunBuildLost
}

// culprit is the one process with whose end a chain goes on: its root, or the command that its root works for. It is nil
// where that is not for lixfix to end, or cannot be told; whoever waits is never ended in its place.
func culprit(s *scene, k *fix.Kind, o *outcome) *proc {
	if o.cycle != nil {
		return victim(s, o)
	}
	p := o.root
	switch k {
	case kinds.ForeignLockHolder:
		if p = o.lastHolder; !alien(p) {
			p = nil
		}
	case kinds.HeldByDebugger:
		if p != nil {
			p = s.procs[p.Status.Tracer]
		}
	case kinds.GCStopped, kinds.WorkerStopped, kinds.ClientStopped, kinds.DaemonStopped, kinds.BuilderStopped, kinds.ReaderStopped, kinds.DaemonNotAccepting,
		kinds.WorkerOrphaned, kinds.OutputLockHolderOrphaned, kinds.BuildUserLeaked, kinds.BuilderLeftover, kinds.IOWait:
		return nil // it is continued, or ended without being named, or no signal helps
	default:
		p = behind(s, p)
	}
	if p == nil || dangerous(p) {
		return nil
	}
	return p
}

// behind returns the command for whose sake a process runs, or the process itself where it is a reader.
func behind(s *scene, p *proc) *proc {
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
func victim(s *scene, o *outcome) *proc {
	var young *proc
	for _, p := range o.cycle {
		c := behind(s, p)
		if c != nil && (young == nil || c.Start > young.Start || c.Start == young.Start && c.PID > young.PID) {
			young = c
		}
	}
	for n := 0; young != nil && n < 64; n++ {
		outer := behind(s, s.procs[young.Parent])
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
func sharers(p *proc, lf *observe.LockFile) []*proc {
	var list []*proc
	if lf == nil {
		return nil
	}
	for _, q := range descendants(p)[1:] {
		for _, h := range q.Held {
			if h.File == lf.File && !slices.Contains(list, q) {
				list = append(list, q)
			}
		}
	}
	return list
}

// wholeBuild returns the first process of a build.
func wholeBuild(s *scene, p *proc) *proc {
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
	for _, a := range p.Argv {
		switch a {
		case "--repair", "--import", "--optimise", "--load-db":
			return true
		}
	}
	return slices.Contains(p.Argv, "optimise") || slices.Contains(p.Argv, "repair")
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
func touchable(s *scene, p *proc) bool {
	if p == nil || p.PID < 2 || p.Gone || p.State == 'Z' || p.Second.State == 'D' || !p.Second.OK || !ours(s, p) {
		return false
	}
	for q, n := s.procs[s.SelfPID], 0; q != nil && n < 64; q, n = s.procs[q.Parent], n+1 {
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
func ours(s *scene, p *proc) bool {
	for n := 0; p != nil && n < 64; p, n = s.procs[p.Parent], n+1 {
		if p.NS == "" || s.Self == "" || p.NS == s.Self {
			return true
		}
		if p.role != Builder {
			return false
		}
	}
	return false
}

func toEnd(s *scene, p *proc, costs string, kill, named bool) *Action {
	if !touchable(s, p) {
		return nil
	}
	e := endingOf(s, p)
	a := &Action{
		Kind: ActEnd, PID: p.PID, Name: describe(s, p), UID: p.UID, Start: p.StartID(), What: toEndIt.Fill(fix.With{"process": describe(s, p)}), Costs: costs,
		Kill: kill || e.kill, How: e.how, Grace: e.grace, Named: named,
	}
	return a
}

func toContinue(s *scene, p *proc) *Action {
	if !touchable(s, p) || p.Second.State != 'T' {
		return nil
	}
	return &Action{Kind: actContinue, PID: p.PID, Name: describe(s, p), UID: p.UID, Start: p.StartID(), What: toContinueIt.Fill(fix.With{"process": describe(s, p)}), Costs: kinds.NothingLost}
}
