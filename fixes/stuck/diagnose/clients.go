package diagnose

import (
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
)

func explainClient(s *scene, p *proc) reason {
	if r, ok := unread(s, p); ok {
		return r
	}
	if cpuShare(s, p) >= 0.3 && p.evaluates() && !building(s, p) && (p.pair == nil || !building(s, p.pair)) {
		r := reason{kind: kinds.Evaluating, sure: Certain, text: evaluates.Fill(fix.With{"cpu": int(cpuShare(s, p)*100 + 0.5)})}
		moved := p.Moved()
		if p.pair != nil {
			moved += p.pair.Moved()
		}
		switch {
		case collects(s, p):
			r.kind, r.text = kinds.CollectingGarbage, collectsGarbage
		case moved > copies:
			r = reason{kind: kinds.CopyingToStore, sure: Likely, text: hashes.Fill(fix.With{"amount": say.Bytes(moved)})}
		case p.Hidden["io"]:
			r.sure = Likely
		}
		if r.kind == kinds.Evaluating {
			r.text += growth(p)
		}
		return r
	}
	if r, ok := storeWork(s, p); ok {
		return r
	}
	if collects(s, p) && (p.Ticks() > 0 || p.Moved() > 0) {
		return reason{kind: kinds.CollectingGarbage, sure: Certain, text: collectsGarbage}
	}
	if len(heldBy(s, p.PID, lockGC)) > 0 {
		return reason{kind: kinds.CollectingGarbage, sure: Likely, text: collectsIdle}
	}
	if r, ok := unaccepted(s, p); ok {
		return r
	}
	if p.pair != nil {
		w := p.pair
		kind := map[string]EdgeKind{bySocket: EdgeSocket, byArgument: EdgeArgument, byUnit: EdgeUnit, byElimination: EdgeLeft}[p.pairedBy]
		own := explain(s, w)
		if slices.ContainsFunc(own.waits, func(next wait) bool { return next.kind == EdgeOutput && next.proc == p }) {
			return slowReader(s, p)
		}
		if own.kind == kinds.WaitsForClient {
			if r, ok := overNetwork(s, p); ok {
				return r
			}
			if r, ok := awaitsInput(s, p); ok {
				return r
			}
			return quietClient(s, p, w)
		}
		text := waitsForDaemon
		if cpuShare(s, p) >= 0.05 && building(s, w) {
			text = printsLog
		}
		return reason{sure: Certain, text: text, waits: []wait{{kind: kind, proc: w, sure: p.pairing()}}}
	}
	if r, ok := idleWork(s, p); ok {
		return r
	}
	if r, ok := awaitsInput(s, p); ok {
		return r
	}
	return quietClient(s, p, nil)
}

// evaluates reports whether a command evaluates Nix code at all.
func (p *proc) evaluates() bool {
	switch p.Program() {
	case "nix-store", "nix-collect-garbage", "nix-copy-closure", "nix-hash", "nix-channel":
		return false
	case "nix", "lix":
		return !slices.Contains([]string{"store", "copy", "hash", "key", "nar", "log", "daemon", "doctor"}, p.Arg(1))
	}
	return true
}

// building reports whether a process runs builds, here or on another machine.
func building(s *scene, p *proc) bool {
	if _, ok := blockedWrite(s, p); ok && p.role == Worker {
		return true
	}
	return slices.ContainsFunc(p.children, func(c *proc) bool {
		return !c.Gone && c.State != 'Z' && (c.role == Builder || c.role == Hook && !idleHook(s, c))
	})
}

// growth says how much memory a process took while it was watched.
func growth(p *proc) string {
	if n := p.Grown(); n > 1<<20 {
		return memoryGrows.Fill(fix.With{"amount": say.Bytes(n)})
	}
	return ""
}

// quietClient is the reason of a client that nothing else explains.
func quietClient(s *scene, p, w *proc) reason {
	moved := p.Moved()
	if w != nil {
		moved += w.Moved()
	}
	switch {
	case moved > copies:
		return reason{kind: kinds.CopyingToStore, sure: Likely, text: hashes.Fill(fix.With{"amount": say.Bytes(moved)})}
	case p.evaluates() && (cpuShare(s, p) > 0.05 || p.Ticks() > 2 || p.Runs()):
		return reason{kind: kinds.Evaluating, sure: Likely, text: works.Fill(fix.With{"cpu": int(cpuShare(s, p)*100 + 0.5), "more": growth(p)})}
	case moved > 64<<10:
		return reason{kind: kinds.CopyingToStore, sure: Likely, text: copiesNow.Fill(fix.With{"amount": say.Bytes(moved)})}
	case p.Ticks() > 0 || moved > 0:
		return reason{kind: kinds.Working, sure: Likely, text: worksLittle}
	case w != nil:
		return reason{kind: kinds.WaitsForClient, sure: Likely, text: idleWaitedFor}
	}
	return unexplained(s, p, idleUnexplained)
}

// awaitsInput is the reason of a client that waits for what it is told: by a person in nix repl, where that is its purpose, or
// on its standard input, as to a question that the progress bar may hide.
func awaitsInput(s *scene, p *proc) (reason, bool) {
	if p.Ticks() > 0 {
		return reason{}, false
	}
	if p.Program() == "nix" && p.Arg(1) == "repl" || p.Program() == "nix-repl" {
		return reason{kind: kinds.Working, sure: Likely, text: waitsForTyping}, true
	}
	name := readsFrom(s, p)
	if t, ok := p.InCall(s.Calls.Read); !ok || name == "" || t.Call.Args[0] != 0 && !observe.Terminal(name) {
		return reason{}, false
	}
	if !observe.Terminal(name) && !observe.Passes(name) {
		return reason{}, false
	}
	return reason{kind: kinds.WaitsForInput, sure: Certain, text: readsInput, at: name}, true
}

func collects(s *scene, p *proc) bool {
	if slices.Contains(p.Argv, "--gc") || p.Program() == "nix-collect-garbage" || slices.Contains(p.Argv, "collect-garbage") {
		return p.role == Client && (p.pair == nil || opensStore(s, p))
	}
	return len(heldBy(s, p.PID, lockGC)) > 0
}

// unaccepted is the reason of a client whose connection nobody has accepted.
func unaccepted(s *scene, p *proc) (reason, bool) {
	if p.pair != nil {
		return reason{}, false
	}
	hanging := false
	for inode := range p.Sockets {
		sock, ok := s.Sockets[inode]
		if ok && !sock.TCP && sock.State == platform.SocketEstablished && sock.Peer == 0 && sock.Path == "" {
			hanging = true
		}
	}
	blind := p.Hidden["fd"] && !opensStore(s, p)
	pending := pendingAt(s, "/daemon-socket/socket")
	if !hanging && (!blind || !pending) {
		return reason{}, false
	}
	sure := Certain
	if blind {
		sure = Likely
	}
	for _, pid := range s.Order {
		l := s.procs[pid]
		if l.role != Listener {
			continue
		}
		r := reason{sure: sure, text: unanswered, waits: []wait{{kind: EdgeConnect, proc: l, sure: sure}}}
		if !l.Stopped() {
			r.kind = kinds.DaemonNotAccepting
			if l.Files > 0 && l.Opened >= l.Files {
				// A limit that was lowered afterwards leaves more of them open than it allows.
				r.text = filesAllOpen.Fill(fix.With{"count": l.Files})
			}
		}
		return r, true
	}
	return reason{kind: kinds.DaemonNotAccepting, sure: Likely, text: unanswered}, true
}
