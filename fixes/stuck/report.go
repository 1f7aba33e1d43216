package stuck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/platform"
)

// Options say what to look at.
type Options struct {
	Gap      time.Duration // between the samples; 0 for 400 ms
	PID      int           // of the one invocation to explain: its client, worker or builder; 0 for all
	StoreDir string        // "" for /nix/store
	StateDir string        // "" for /nix/var/nix
	Group    string        // of the build users; "" for nixbld
	start    string        // of the process with the number PID; "" for whichever has it
}

func (o Options) store() string {
	if o.StoreDir != "" {
		return o.StoreDir
	}
	return "/nix/store"
}

func (o Options) state() string {
	if o.StateDir != "" {
		return o.StateDir
	}
	return "/nix/var/nix"
}

// Schema is the version of a Report's JSON form.
const Schema = 1

// Report is what was seen, and what it means.
type Report struct {
	Schema    int         `json:"schema"`
	Diagnoses []Diagnosis `json:"diagnoses"` // the worst first; one per invocation
	Processes []Process   `json:"processes"` // that take part
	Locks     []Lock      `json:"locks"`
	Edges     []Edge      `json:"edges"`
	Limits    []Limit     `json:"limits,omitempty"` // what could not be seen
	GapMS     int64       `json:"gap_ms"`           // between the samples
	pid       int         // of the invocation that was asked for; 0 for all
	start     string      // of that process; "" where there is none
	// For developers only, who are sent them with a paste.
	surroundings []string
	connections  []string
}

// Diagnosis explains one invocation.
type Diagnosis struct {
	Kind      *fix.Kind  `json:"-"`
	Variant   string     `json:"-"`  // of its summary
	Case      string     `json:"-"`  // of its remedy
	With      fix.With   `json:"-"`  // parameters of both
	ID        string     `json:"id"` // "stuck/waits-for-output-lock"
	Status    fix.Status `json:"status"`
	Certainty Certainty  `json:"certainty"`
	Sentence  string     `json:"sentence"` // without a full stop
	Advice    string     `json:"advice,omitempty"`
	Subject   string     `json:"subject,omitempty"` // the node of the invocation
	Root      string     `json:"root,omitempty"`    // the node that everything waits for
	Chain     []string   `json:"chain,omitempty"`   // nodes, from the subject to the root
	Cycle     []string   `json:"cycle,omitempty"`   // nodes of a ring
	Causes    []string   `json:"causes,omitempty"`  // situations on the way, the nearest first
	Actions   []Action   `json:"actions,omitempty"`
	// End is the one process with whose end the chain would go on, whoever looks; 0 for none.
	End int `json:"end,omitempty"`
}

// Action is something that lixfix may do, when a person decides so.
type Action struct {
	Kind  string `json:"kind"` // "end" or "continue"
	PID   int    `json:"pid"`
	Start string `json:"start"`
	Name  string `json:"name"`
	UID   int    `json:"uid"`
	What  string `json:"what"`
	Costs string `json:"costs"` // what is lost
	Kill  bool   `json:"kill,omitempty"`
	Grace int    `json:"grace_ms,omitempty"` // until SIGKILL; 0 for five seconds
	How   string `json:"how,omitempty"`      // what is special about its end
	With  int    `json:"with,omitempty"`     // it is ended together with this process
	// Named actions are taken only for a process that the user names with --end.
	Named bool `json:"named,omitempty"`
}

// Process is a node of the graph.
type Process struct {
	Node    string   `json:"node"` // "process:3510"
	PID     int      `json:"pid"`
	Start   string   `json:"start"`
	Parent  int      `json:"parent"`
	Role    Role     `json:"role"`
	Title   string   `json:"title"`
	Text    string   `json:"text"` // what it does
	Command []string `json:"command"`
	UID     int      `json:"uid"`
	User    string   `json:"user"`
	State   string   `json:"state"`
	Seconds int64    `json:"seconds"` // how long it has been there
	CPU     float64  `json:"cpu"`     // share of a processor
	Moved   uint64   `json:"moved"`   // bytes between the samples
	RSSKiB  int64    `json:"rss_kib"`
	Client  int      `json:"client,omitempty"` // of a worker
	// Pairing says how sure its client is, "" for certain.
	Pairing Certainty `json:"pairing,omitempty"`
	Threads []Thread  `json:"threads"`
	Blocked string    `json:"blocked_signals"`
	Pending string    `json:"pending_signals"`
	Hidden  []string  `json:"hidden,omitempty"` // what could not be read
}

// Thread is a thread of a process.
type Thread struct {
	ID      int    `json:"id"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Syscall int64  `json:"syscall"` // -1 for none or unknown
	Channel string `json:"channel,omitempty"`
}

// Lock is a node of the graph.
type Lock struct {
	Node    string `json:"node"` // "lock:/nix/var/nix/gc.lock"
	Path    string `json:"path"`
	File    string `json:"file"`  // device and inode
	Exact   bool   `json:"exact"` // the path was read from an open file
	Holders []int  `json:"holders"`
	Waiters []int  `json:"waiters,omitempty"` // in the kernel's queue
}

// Edge says that one node waits for another, or that a lock is held by a process.
type Edge struct {
	From      string    `json:"from"`
	To        string    `json:"to"`
	Kind      EdgeKind  `json:"kind"`
	Certainty Certainty `json:"certainty"`
}

// Limit is something that could not be seen.
type Limit struct {
	ID        string `json:"id"`
	What      string `json:"what"`
	NeedsRoot bool   `json:"needs_root,omitempty"`
	Command   string `json:"command,omitempty"` // that would
}

func node(p *proc) string { return "process:" + strconv.Itoa(p.PID) }

func (lf *lockFile) node() string {
	if lf.path == "" {
		return "lock:" + lf.file.String()
	}
	return "lock:" + lf.path
}

// report explains every invocation of a snapshot.
func (s *snapshot) report(opts Options) *Report {
	w := &walker{snapshot: s, reasons: map[*proc]reason{}}
	r := &Report{Schema: Schema, GapMS: s.gap.Milliseconds(), pid: opts.PID}
	for _, l := range s.limits {
		if l.NeedsRoot {
			l.Command = "sudo lixfix check stuck"
		}
		r.Limits = append(r.Limits, l)
	}
	g := &graph{w: w, report: r, nodes: map[string]bool{}, edges: map[Edge]bool{}}
	reached := map[*proc]bool{}
	var diagnoses []*outcome
	for _, p := range s.subjects() {
		o := w.follow(p)
		for _, q := range o.path {
			if q != p {
				reached[q] = true
			}
		}
		diagnoses = append(diagnoses, o)
	}
	for _, pid := range s.order {
		p := s.procs[pid]
		if reached[p] || !p.deep || p.gone {
			continue
		}
		switch {
		case p.role == Worker && (p.orphan || p.pair == nil || p.pair.role == other):
			diagnoses = append(diagnoses, w.follow(p))
			for _, q := range diagnoses[len(diagnoses)-1].path {
				reached[q] = true
			}
		case p.role == Listener && p.stopped(), p.role == Remote:
			diagnoses = append(diagnoses, w.follow(p))
		}
	}
	diagnoses = append(diagnoses, s.leaked(w, reached)...)
	diagnoses = append(diagnoses, s.deserted()...)
	if s.dotfile != "" && !s.databaseOpen() {
		diagnoses = append(diagnoses, &outcome{kinds: []*fix.Kind{kinds.SQLiteDotfile}, sure: Likely})
	}
	if s.full() != "" && len(diagnoses) > 0 {
		diagnoses = append(diagnoses, &outcome{kinds: []*fix.Kind{kinds.DiskFull}, sure: Likely})
	}
	asked := s.procs[opts.PID]
	if asked != nil {
		r.start = asked.start()
	}
	another := asked != nil && opts.start != "" && opts.start != r.start
	concerned := s.concerned(opts.PID, diagnoses)
	for _, o := range diagnoses {
		if opts.PID != 0 && (another || !concerned(o)) {
			continue
		}
		d := s.diagnosis(o)
		r.Diagnoses = append(r.Diagnoses, d)
		if o.start != nil {
			g.add(o.start)
		}
		for _, p := range o.path {
			g.add(p)
		}
		// Nothing is ended that is not shown.
		for _, a := range d.Actions {
			g.add(s.procs[a.PID])
		}
	}
	r.surroundings = s.hostFacts()
	for _, p := range r.Processes {
		r.connections = append(r.connections, s.queues(s.procs[p.PID])...)
	}
	slices.SortStableFunc(r.Diagnoses, func(a, b Diagnosis) int { return fix.Compare(b.Status, a.Status) })
	slices.SortFunc(r.Processes, func(a, b Process) int { return a.PID - b.PID })
	if len(r.Diagnoses) == 0 {
		r.Diagnoses = append(r.Diagnoses, s.nothing(opts, asked, another))
	}
	return r
}

// nothing is the diagnosis of a host on which nothing runs that was asked for.
func (s *snapshot) nothing(opts Options, asked *proc, another bool) Diagnosis {
	variant, status, sure := "", fix.OK, Certain
	switch {
	case another:
		variant = kinds.Reused
	case opts.start != "" && asked == nil:
		variant = kinds.Ended
	case opts.PID != 0 && asked == nil:
		variant = kinds.Missing
	case opts.PID != 0:
		variant = kinds.Foreign
	case s.hides("other-users"):
		// There may be any number of them.
		variant, status, sure = kinds.Hidden, fix.Unknown, Guess
	case s.hides("pid-namespace"):
		variant = kinds.Inside
	}
	d := s.found(kinds.NothingRunning, variant, status, fix.With{"pid": opts.PID})
	d.Certainty = sure
	return d
}

// hostFacts are facts about the host that matter to those who develop Nix.
func (s *snapshot) hostFacts() []string {
	var list []string
	for i, dir := range slices.Concat(s.stores, s.states) {
		what := "store"
		if i >= len(s.stores) {
			what = "state of Nix"
		}
		if m, ok := s.mount(dir); ok {
			free := ""
			if n, ok := s.free[dir]; ok {
				free = ", " + bytesText(n) + " free"
			}
			list = append(list, fmt.Sprintf("%s on %s%s", what, plain(m.Type), free))
		}
	}
	return append(list, count(len(s.builders), "build user"))
}

// queues tells how much waits to be read from the sockets between processes: what is queued for one that does not read
// says who is not listening.
func (s *snapshot) queues(p *proc) []string {
	var list []string
	for inode, fd := range p.sockets {
		sock, ok := s.sockets[inode]
		if !ok {
			continue
		}
		what := "unix, " + count(int(sock.Received), "byte") + " not read"
		switch {
		case sock.State == platform.SocketListening && !sock.TCP:
			what = "listens, " + count(int(sock.Received), "connection") + " not accepted"
		case sock.State == platform.SocketListening:
			what = "listens"
		case sock.TCP:
			what = fmt.Sprintf("TCP, state %d, idle for %s, %d retransmits", sock.State, seconds(sock.Idle), sock.Retransmits)
		case sock.Peer == 0:
			what += ", no other side"
		}
		list = append(list, fmt.Sprintf("%s: socket %d: %s", s.title(p), fd, what))
	}
	slices.Sort(list)
	return list
}

// concerned returns a function that reports whether an outcome explains a process: one that the process is part of or,
// where it is part of none, such as sudo or a script that runs Nix, what it has started.
func (s *snapshot) concerned(pid int, all []*outcome) func(*outcome) bool {
	part := func(o *outcome) bool { return slices.ContainsFunc(o.path, func(p *proc) bool { return p.PID == pid }) }
	if slices.ContainsFunc(all, part) {
		return part
	}
	return func(o *outcome) bool {
		if o.start == nil {
			return false
		}
		for q, n := s.procs[o.start.Parent], 0; q != nil && n < 64 && q.PID > 1; q, n = s.procs[q.Parent], n+1 {
			if q.PID == pid {
				return o.start.role == Client
			}
		}
		return false
	}
}

// subjects are the invocations: commands of users, not those that run inside of a build.
func (s *snapshot) subjects() []*proc {
	var list []*proc
	for _, pid := range s.order {
		p := s.procs[pid]
		if p.role != Client || p.gone || p.State == 'Z' {
			continue
		}
		inside := false
		for q, n := s.procs[p.Parent], 0; q != nil && n < 64 && q.PID != q.Parent; q, n = s.procs[q.Parent], n+1 {
			if q.role == Builder || q.role == Client {
				inside = true
			}
		}
		if !inside {
			list = append(list, p)
		}
	}
	return list
}

// leaked finds processes of build users that belong to no build.
func (s *snapshot) leaked(w *walker, reached map[*proc]bool) []*outcome {
	var list []*outcome
	for _, pid := range s.order {
		p := s.procs[pid]
		if s.builders[p.uid] == "" || p.uid == 0 || p.gone || p.State == 'Z' || reached[p] || p.role != Builder {
			continue
		}
		parent := s.procs[p.Parent]
		if parent != nil && parent.role != other && parent.role != Stranger {
			continue
		}
		taken := false
		for _, lf := range s.locks {
			taken = taken || s.kind(lf) == lockUser && strings.HasSuffix(lf.path, "/"+strconv.Itoa(p.uid)) && len(lf.locks) > 0
		}
		if taken {
			continue
		}
		list = append(list, &outcome{start: p, path: []*proc{p}, kinds: []*fix.Kind{kinds.BuildUserLeaked}, sure: Certain, root: p, reason: w.reason(p)})
	}
	return list
}

// deserted finds workers whose daemon is gone while their client still waits.
func (s *snapshot) deserted() []*outcome {
	var list []*outcome
	for _, pid := range s.order {
		p := s.procs[pid]
		// Of what was not looked at, nothing is said to be well.
		if p.role != Worker || p.orphan || p.gone || p.cut || p.pair == nil || p.client == 0 {
			continue
		}
		// A worker of a socket unit is a child of systemd from the start; its number is padded with spaces.
		if p.arg(1) == "--for" && strings.HasSuffix(p.arg(2), " ") {
			continue
		}
		if parent := s.procs[p.Parent]; parent != nil && parent.role != Listener && (p.Parent == 1 || parent.role == other && !parent.deep) {
			list = append(list, &outcome{start: p, path: []*proc{p}, kinds: []*fix.Kind{kinds.WorkerWithoutListener}, sure: Certain, root: p})
		}
	}
	return list
}

// databaseOpen reports whether anybody has the database of a store open.
func (s *snapshot) databaseOpen() bool {
	for _, p := range s.procs {
		for _, target := range p.fds {
			if strings.HasSuffix(target, "/db/db.sqlite") {
				return true
			}
		}
	}
	return false
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
	g.report.Processes = append(g.report.Processes, g.w.process(p, r))
	for _, next := range r.waits {
		if next.proc != nil {
			g.edge(Edge{From: node(p), To: node(next.proc), Kind: next.kind, Certainty: next.sure})
			g.add(next.proc)
			continue
		}
		lf := next.lock
		g.edge(Edge{From: node(p), To: lf.node(), Kind: next.kind, Certainty: next.sure})
		if g.nodes[lf.node()] {
			continue
		}
		g.nodes[lf.node()] = true
		l := Lock{Node: lf.node(), Path: lf.path, File: lf.file.String(), Exact: lf.exact, Holders: lf.holders()}
		for _, line := range lf.waiting {
			l.Waiters = append(l.Waiters, line.PID)
		}
		g.report.Locks = append(g.report.Locks, l)
		for _, pid := range l.Holders {
			if h := g.w.procs[pid]; h != nil {
				g.edge(Edge{From: lf.node(), To: node(h), Kind: EdgeHeld, Certainty: Certain})
				g.add(h)
			}
		}
	}
	// A worker without its client is half of the picture.
	if p.role == Worker && p.pair != nil && p.pair.role == Client {
		g.add(p.pair)
	}
}

func (s *snapshot) process(p *proc, r reason) Process {
	out := Process{
		Node: node(p), PID: p.PID, Start: p.start(), Parent: p.Parent, Role: p.role, Title: s.title(p), Text: r.text,
		UID: p.uid, User: s.user(p.uid), State: string(rune(p.State)), Seconds: int64(s.age(p).Seconds()), CPU: s.share(p), Moved: p.moved(),
		RSSKiB: p.status.RSSKiB, Blocked: fmt.Sprintf("%016x", p.status.Blocked), Pending: fmt.Sprintf("%016x", p.status.Pending),
	}
	if p.second.ok {
		out.State = string(rune(p.second.state))
	}
	if p.role == Worker && p.pair != nil {
		out.Client = p.pair.PID
		if sure := p.pairing(); sure != Certain {
			out.Pairing = sure
		}
	}
	out.Command = command(p.argv)
	for _, t := range p.second.threads {
		th := Thread{ID: t.id, Name: plain(t.name), State: string(rune(t.state)), Syscall: -1, Channel: plain(t.wchan)}
		if t.call.Known {
			th.Syscall = t.call.N
		}
		out.Threads = append(out.Threads, th)
	}
	for key := range p.hidden {
		out.Hidden = append(out.Hidden, key)
	}
	slices.Sort(out.Hidden)
	return out
}

// Process returns the process of a node, nil when it is none of the report.
func (r *Report) Process(n string) *Process {
	for i := range r.Processes {
		if r.Processes[i].Node == n {
			return &r.Processes[i]
		}
	}
	return nil
}
