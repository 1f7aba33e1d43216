package diagnose

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/fixes/stuck/say"
)

func node(p *proc) string { return "process:" + strconv.Itoa(p.PID) }

func lockNode(lf *observe.LockFile) string {
	if lf.Path == "" {
		return "lock:" + lf.File.String()
	}
	return "lock:" + lf.Path
}

// graph gathers what the diagnoses refer to.
type graph struct {
	w      *walker
	report *Report
	nodes  map[string]bool
	edges  map[Edge]bool
}

func (g *graph) edge(e Edge) {
	if !g.edges[e] {
		g.edges[e] = true
		g.report.Edges = append(g.report.Edges, e)
	}
}

// add adds a process and everything that it waits for.
func (g *graph) add(p *proc) {
	if p == nil || g.nodes[node(p)] {
		return
	}
	g.nodes[node(p)] = true
	r := g.w.reason(p)
	g.report.Processes = append(g.report.Processes, processNode(g.w.scene, p, r))
	for _, next := range r.waits {
		if next.proc != nil {
			g.edge(Edge{From: node(p), To: node(next.proc), Kind: next.kind, Certainty: next.sure})
			g.add(next.proc)
			continue
		}
		lf := next.lock
		g.edge(Edge{From: node(p), To: lockNode(lf), Kind: next.kind, Certainty: next.sure})
		if g.nodes[lockNode(lf)] {
			continue
		}
		g.nodes[lockNode(lf)] = true
		l := Lock{Node: lockNode(lf), Path: lf.Path, File: lf.File.String(), Exact: lf.Exact, Holders: holdersOf(lf)}
		for _, line := range lf.Waiting {
			l.Waiters = append(l.Waiters, line.PID)
		}
		g.report.Locks = append(g.report.Locks, l)
		for _, pid := range l.Holders {
			if h := g.w.procs[pid]; h != nil {
				g.edge(Edge{From: lockNode(lf), To: node(h), Kind: EdgeHeld, Certainty: Certain})
				g.add(h)
			}
		}
	}
	// A worker without its client is half of the picture.
	if p.role == Worker && p.pair != nil && p.pair.role == Client {
		g.add(p.pair)
	}
}

func processNode(s *scene, p *proc, r reason) Process {
	out := Process{
		Node: node(p), PID: p.PID, Start: p.StartID(), Parent: p.Parent, Role: p.role, Title: title(s, p), Text: r.text,
		UID: p.UID, User: s.User(p.UID), Named: s.Named(p.UID), State: string(rune(p.State)), Seconds: int64(ageOf(s, p).Seconds()), CPU: cpuShare(s, p), Moved: p.Moved(),
		RSSKiB: p.Status.RSSKiB, Blocked: fmt.Sprintf("%016x", p.Status.Blocked), Pending: fmt.Sprintf("%016x", p.Status.Pending),
	}
	if p.Second.OK {
		out.State = string(rune(p.Second.State))
	}
	if p.role == Worker && p.pair != nil {
		out.Client = p.pair.PID
		if sure := p.pairing(); sure != Certain {
			out.Pairing = sure
		}
	}
	out.Command = say.Command(p.Argv)
	for _, t := range p.Second.Threads {
		th := Thread{ID: t.ID, Name: say.Plain(t.Name), State: string(rune(t.State)), Syscall: -1, Channel: say.Plain(t.Wchan)}
		if t.Call.Known {
			th.Syscall = t.Call.N
		}
		out.Threads = append(out.Threads, th)
	}
	for key := range p.Hidden {
		out.Hidden = append(out.Hidden, key)
	}
	slices.Sort(out.Hidden)
	return out
}
