package diagnose

import (
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
)

// What a signal does to a process of Nix is not what it does to others: Nix blocks SIGTERM, SIGINT and SIGHUP and has a
// thread take them, which then asks the others to stop. Seen: a client of Lix 2.95.3 that waits for the greeting of its
// daemon is never asked, nor are Lix 2.95.3 and Nix 2.8 while they evaluate; workers of Nix have lost the thread in a fork.

const sigTerm = 1 << 14 // in a mask of signals

// briefly is how long a process gets of which it is known that it ends on SIGKILL alone.
const briefly = 500 // milliseconds

// ending is what it takes to end a process.
type ending struct {
	kill  bool   // SIGTERM may not be enough
	grace int    // milliseconds until SIGKILL; 0 for graceMS
	how   string // what there is to say about it beforehand; "" for nothing
}

func endingOf(s *scene, p *proc) ending {
	sure := func(why string) ending {
		return ending{true, briefly, kinds.SureKill.Fill(fix.With{"why": why})}
	}
	may := func(why string) ending {
		return ending{true, 0, kinds.MayKill.Fill(fix.With{"why": why})}
	}
	e := ending{}
	switch {
	case p.Second.State == 'T' || p.Second.State == 't':
		e = sure(kinds.WhyStopped)
	case ignoresTerm(s, p):
		e = sure(kinds.WhyBlocks)
	case p.role == Client && waitsForGreeting(s, p):
		if e = may(kinds.WhyGreeting); lix(p) {
			e = sure(kinds.WhyGreeting)
		}
	case p.role == Client && explain(s, p).kind == kinds.Evaluating:
		if e = may(kinds.WhyEvaluate); lix(p) {
			e = sure(kinds.WhyEvaluate)
		}
	}
	if p.role == Worker && (lix(p) || p.Arg(1) == "--for") {
		said := kinds.LixBug
		if e.how != "" {
			said = e.how + "; " + said
		}
		e.how = said
	}
	return e
}

// waitsForGreeting reports whether a client has said nothing to a daemon process yet, as far as that can be told: nobody
// accepted its connection, or who did is stopped.
func waitsForGreeting(s *scene, p *proc) bool {
	if p.pair != nil {
		return p.pair.Stopped()
	}
	_, waits := unaccepted(s, p)
	return waits
}

// lix tells Lix from other implementations: its thread for signals has a name.
func lix(p *proc) bool {
	return strings.Contains(p.Exe, "-lix-") ||
		slices.ContainsFunc(p.Second.Threads, func(t observe.Thread) bool { return t.Name == "signal handler" })
}

// ignoresTerm reports whether SIGTERM will not reach a process: it is blocked, and no thread takes it up. Workers of
// Nix are so, because the thread does not survive the fork.
func ignoresTerm(s *scene, p *proc) bool {
	if p.Status.Blocked&sigTerm == 0 || !s.CallsOK || p.Hidden["syscall"] {
		return false
	}
	return !slices.ContainsFunc(p.Second.Threads, func(t observe.Thread) bool { return t.Call.Known && t.Call.N == s.Calls.Sigtimedwait })
}
