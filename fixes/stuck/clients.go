package stuck

import (
	"fmt"
	"slices"

	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/platform"
)

func (s *snapshot) explainClient(p *proc) reason {
	if r, ok := s.unread(p); ok {
		return r
	}
	if s.share(p) >= 0.3 && p.evaluates() && !s.building(p) && (p.pair == nil || !s.building(p.pair)) {
		r := reason{kind: kinds.Evaluating, sure: Certain, text: fmt.Sprintf("evaluates, %d %% CPU", int(s.share(p)*100+0.5))}
		moved := p.moved()
		if p.pair != nil {
			moved += p.pair.moved()
		}
		switch {
		case s.collects(p):
			r.kind, r.text = kinds.CollectingGarbage, "collects garbage"
		case moved > copies:
			r = reason{kind: kinds.CopyingToStore, sure: Likely, text: "hashes or copies, " + bytesText(moved) + " in a moment"}
		case p.hidden["io"]:
			r.sure = Likely
		}
		if r.kind == kinds.Evaluating {
			r.text += growth(p)
		}
		return r
	}
	if r, ok := s.work(p); ok {
		return r
	}
	if s.collects(p) && (p.ticks() > 0 || p.moved() > 0) {
		return reason{kind: kinds.CollectingGarbage, sure: Certain, text: "collects garbage"}
	}
	if len(s.heldBy(p.PID, lockGC)) > 0 {
		return reason{kind: kinds.CollectingGarbage, sure: Likely, text: "collects garbage, idle for a moment"}
	}
	if r, ok := s.unaccepted(p); ok {
		return r
	}
	if p.pair != nil {
		w := p.pair
		kind := map[string]EdgeKind{bySocket: EdgeSocket, byArgument: EdgeArgument, byUnit: EdgeUnit, byElimination: EdgeLeft}[p.pairedBy]
		own := s.explain(w)
		if slices.ContainsFunc(own.waits, func(next wait) bool { return next.kind == EdgeOutput && next.proc == p }) {
			return s.slowReader(p)
		}
		if own.kind == kinds.WaitsForClient {
			if r, ok := s.network(p); ok {
				return r
			}
			if r, ok := s.input(p); ok {
				return r
			}
			return s.quietClient(p, w)
		}
		text := "waits for its daemon process"
		if s.share(p) >= 0.05 && s.building(w) {
			text = "prints the log of its build"
		}
		return reason{sure: Certain, text: text, waits: []wait{{kind: kind, proc: w, sure: p.pairing()}}}
	}
	if r, ok := s.idleWork(p); ok {
		return r
	}
	if r, ok := s.input(p); ok {
		return r
	}
	return s.quietClient(p, nil)
}

// evaluates reports whether a command evaluates Nix code at all.
func (p *proc) evaluates() bool {
	switch p.program() {
	case "nix-store", "nix-collect-garbage", "nix-copy-closure", "nix-hash", "nix-channel":
		return false
	case "nix", "lix":
		return !slices.Contains([]string{"store", "copy", "hash", "key", "nar", "log", "daemon", "doctor"}, p.arg(1))
	}
	return true
}

// building reports whether a process runs builds, here or on another machine.
func (s *snapshot) building(p *proc) bool {
	if _, ok := s.blocked(p); ok && p.role == Worker {
		return true
	}
	return slices.ContainsFunc(p.children, func(c *proc) bool {
		return !c.gone && c.State != 'Z' && (c.role == Builder || c.role == Hook && !s.idleHook(c))
	})
}

// growth says how much memory a process took while it was watched.
func growth(p *proc) string {
	if n := p.grown(); n > 1<<20 {
		return ", memory +" + bytesText(n)
	}
	return ""
}

// quietClient is the reason of a client that nothing else explains.
func (s *snapshot) quietClient(p, w *proc) reason {
	moved := p.moved()
	if w != nil {
		moved += w.moved()
	}
	switch {
	case moved > copies:
		return reason{kind: kinds.CopyingToStore, sure: Likely, text: "hashes or copies, " + bytesText(moved) + " in a moment"}
	case p.evaluates() && (s.share(p) > 0.05 || p.ticks() > 2 || p.runs()):
		return reason{kind: kinds.Evaluating, sure: Likely, text: fmt.Sprintf("works, %d %% CPU%s", int(s.share(p)*100+0.5), growth(p))}
	case moved > 64<<10:
		return reason{kind: kinds.CopyingToStore, sure: Likely, text: "copies, " + bytesText(moved) + " in a moment"}
	case p.ticks() > 0 || moved > 0:
		return reason{kind: kinds.Working, sure: Likely, text: "works a little"}
	case w != nil:
		return reason{kind: kinds.WaitsForClient, sure: Likely, text: "idle, and its worker waits for it"}
	}
	return s.unexplained(p, "idle, for no reason that shows")
}

// input is the reason of a client that waits for what it is told: by a person in nix repl, where that is its purpose, or
// on its standard input, as to a question that the progress bar may hide.
func (s *snapshot) input(p *proc) (reason, bool) {
	if p.ticks() > 0 {
		return reason{}, false
	}
	if p.program() == "nix" && p.arg(1) == "repl" || p.program() == "nix-repl" {
		return reason{kind: kinds.Working, sure: Likely, text: "waits for what is typed"}, true
	}
	name := s.reads(p)
	if t, ok := inCall(p, s.calls.Read); !ok || name == "" || t.call.Args[0] != 0 && !terminal(name) {
		return reason{}, false
	}
	if !terminal(name) && !passes(name) {
		return reason{}, false
	}
	return reason{kind: kinds.WaitsForInput, sure: Certain, text: "reads its standard input", at: name}, true
}

func (s *snapshot) collects(p *proc) bool {
	if slices.Contains(p.argv, "--gc") || p.program() == "nix-collect-garbage" || slices.Contains(p.argv, "collect-garbage") {
		return p.role == Client && (p.pair == nil || s.opensStore(p))
	}
	return len(s.heldBy(p.PID, lockGC)) > 0
}

// unaccepted is the reason of a client whose connection nobody has accepted.
func (s *snapshot) unaccepted(p *proc) (reason, bool) {
	if p.pair != nil {
		return reason{}, false
	}
	hanging := false
	for inode := range p.sockets {
		sock, ok := s.sockets[inode]
		if ok && !sock.TCP && sock.State == platform.SocketEstablished && sock.Peer == 0 && sock.Path == "" {
			hanging = true
		}
	}
	blind := p.hidden["fd"] && !s.opensStore(p)
	pending := s.pendingAt("/daemon-socket/socket")
	if !hanging && (!blind || !pending) {
		return reason{}, false
	}
	sure := Certain
	if blind {
		sure = Likely
	}
	for _, pid := range s.order {
		l := s.procs[pid]
		if l.role != Listener {
			continue
		}
		r := reason{sure: sure, text: "connected, and nobody answers", waits: []wait{{kind: EdgeConnect, proc: l, sure: sure}}}
		if !l.stopped() {
			r.kind = kinds.DaemonNotAccepting
			if l.files > 0 && l.opened >= l.files {
				// A limit that was lowered afterwards leaves more of them open than it allows.
				r.text = fmt.Sprintf("the daemon's %d files are all open", l.files)
			}
		}
		return r, true
	}
	return reason{kind: kinds.DaemonNotAccepting, sure: Likely, text: "connected, and nobody answers"}, true
}
