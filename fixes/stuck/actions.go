package stuck

import (
	"fmt"
	"slices"
)

const sigTerm = 1 << 14 // in a mask of signals

// actions are what lixfix may do about a situation. The decision table allows no others: what has no client any more
// is ended, what is stopped is continued, and everything else is ended only when the user names it.
func (s *snapshot) actions(id string, o *outcome) []Action {
	var list []Action
	add := func(a *Action) {
		if a != nil && !slices.ContainsFunc(list, func(b Action) bool { return b.PID == a.PID && b.Kind == a.Kind }) {
			list = append(list, *a)
		}
	}
	switch id {
	case idWorkerOrphaned, idHolderOrphaned:
		if o.root.stopped() {
			add(s.resume(o.root))
		}
		add(s.end(o.root, "the build that it runs, which starts from zero; the store is not harmed", true, false))
	case idUserLeaked:
		for _, q := range s.subtree(o.root) {
			if q.uid == o.root.uid {
				add(s.end(q, "nothing: its build has ended", true, false))
			}
		}
	case idBuilderLeftover:
		add(s.end(o.root, "what that process does; the build then completes", true, false))
	case idGCStopped, idWorkerStopped, idClientStopped, idDaemonStopped, idSQLiteBusy:
		if o.root != nil && o.root.stopped() {
			add(s.resume(o.root))
		}
	case idBuilderStopped:
		for _, q := range s.subtree(o.root) {
			if q.stopped() {
				add(s.resume(q))
			}
		}
	case idDeadlock:
		add(s.end(outermost(o), "its run; builds that are done stay", false, true))
	case idHoldAndWait:
		var young *proc
		for _, p := range o.cycle {
			if c := clientOf(p); c != nil && (young == nil || c.Start > young.Start || c.Start == young.Start && c.PID > young.PID) {
				young = c
			}
		}
		add(s.end(young, "its run; builds that are done stay", false, true))
	case idForeign:
		if o.holder != nil && o.holder.uid == s.facts.UID {
			add(s.end(o.holder, "whatever it does", false, true))
		}
	}
	// Whoever is in the way can be named: a garbage collection, or the command whose build everybody waits for.
	for _, p := range append(slices.Clone(o.path), o.holder) {
		c := clientOf(p)
		if c == nil || c.role != Client {
			continue
		}
		costs := "its run, and the build in progress, which starts from zero; outputs that are done stay"
		if s.collects(c) {
			costs = "nothing: a collection can be ended at any time"
		}
		if dangerous(c) {
			continue
		}
		add(s.end(c, costs, false, true))
	}
	return list
}

// dangerous reports whether ending a command could harm the store.
func dangerous(p *proc) bool {
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

// outermost returns the command of a ring that a user started: the one that no other is an ancestor of.
func outermost(o *outcome) *proc {
	for _, p := range o.path {
		if c := clientOf(p); c != nil {
			return c
		}
	}
	return nil
}

// touchable reports whether a signal may be sent to a process at all.
func (s *snapshot) touchable(p *proc) bool {
	if p == nil || p.PID < 2 || p.gone || p.State == 'Z' || p.second.state == 'D' || !p.second.ok {
		return false
	}
	if p.ns != "" && s.self != "" && p.ns != s.self {
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

func (s *snapshot) end(p *proc, costs string, kill, named bool) *Action {
	if !s.touchable(p) {
		return nil
	}
	what := "end " + s.describe(p)
	if s.ignoresTerm(p) {
		what += fmt.Sprintf(" (process %d takes no SIGTERM)", p.PID)
	}
	return &Action{Kind: "end", PID: p.PID, Name: s.describe(p), UID: p.uid, Start: p.start(), What: what, Costs: costs, Kill: kill, Named: named}
}

// ignoresTerm reports whether SIGTERM will not reach a process: it is blocked, and no thread takes it up. Workers of
// Nix are so, because the thread does not survive the fork.
func (s *snapshot) ignoresTerm(p *proc) bool {
	if p.status.Blocked&sigTerm == 0 || !s.callsOK || p.hidden["syscall"] {
		return false
	}
	return !slices.ContainsFunc(p.second.threads, func(t thread) bool { return t.call.Known && t.call.N == s.calls.Sigtimedwait })
}

func (s *snapshot) resume(p *proc) *Action {
	if !s.touchable(p) || p.second.state != 'T' {
		return nil
	}
	return &Action{Kind: "continue", PID: p.PID, Name: s.describe(p), UID: p.uid, Start: p.start(), What: "continue " + s.describe(p), Costs: "nothing"}
}
