package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
)

// Schema is the version of a Report's JSON form.
const Schema = 1

// Report is what was seen, and what it means.
type Report struct {
	Schema    int             `json:"schema"`
	Diagnoses []Diagnosis     `json:"diagnoses"` // the worst first; one per invocation
	Processes []Process       `json:"processes"` // that take part
	Locks     []Lock          `json:"locks"`
	Edges     []Edge          `json:"edges"`
	Limits    []observe.Limit `json:"limits,omitempty"` // what could not be seen
	GapMS     int64           `json:"gap_ms"`           // between the samples
	// Asked is the process that was asked for, 0 for all, and AskedStart its start, "" where there is none.
	Asked      int    `json:"-"`
	AskedStart string `json:"-"`
	// Unsettled says that nothing explains some process; Doubtful, that what explains one may be over in a moment.
	Unsettled bool `json:"-"`
	Doubtful  bool `json:"-"`
	// For developers only, who are sent them with a paste.
	Surroundings []string `json:"-"`
	Connections  []string `json:"-"`
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
	Named   bool     `json:"-"` // User is a name, and not only a number
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

// Explain says what every invocation waits for.
func (s *Scene) Explain(opts observe.Options) *Report {
	w := &walker{scene: s, reasons: map[*proc]reason{}}
	r := &Report{Schema: Schema, GapMS: s.Gap.Milliseconds(), Asked: opts.PID}
	for _, l := range s.Limits {
		if l.NeedsRoot {
			l.Command = seeMore
		}
		r.Limits = append(r.Limits, l)
	}
	g := &graph{w: w, report: r, nodes: map[string]bool{}, edges: map[Edge]bool{}}
	reached := map[*proc]bool{}
	var diagnoses []*outcome
	for _, p := range subjects(s) {
		o := w.follow(p)
		for _, q := range o.path {
			if q != p {
				reached[q] = true
			}
		}
		diagnoses = append(diagnoses, o)
	}
	for _, pid := range s.Order {
		p := s.procs[pid]
		if reached[p] || !p.Deep || p.Gone {
			continue
		}
		switch {
		case p.role == Worker && (p.orphan || p.pair == nil || p.pair.role == other):
			diagnoses = append(diagnoses, w.follow(p))
			for _, q := range diagnoses[len(diagnoses)-1].path {
				reached[q] = true
			}
		case p.role == Listener && p.Stopped(), p.role == Remote:
			diagnoses = append(diagnoses, w.follow(p))
		}
	}
	diagnoses = append(diagnoses, leaked(s, w, reached)...)
	diagnoses = append(diagnoses, deserted(s)...)
	if s.Dotfile != "" && !databaseOpen(s) {
		diagnoses = append(diagnoses, &outcome{kinds: []*fix.Kind{kinds.SQLiteDotfile}, sure: Likely})
	}
	if fullDisk(s) != "" && len(diagnoses) > 0 {
		diagnoses = append(diagnoses, &outcome{kinds: []*fix.Kind{kinds.DiskFull}, sure: Likely})
	}
	asked := s.procs[opts.PID]
	if asked != nil {
		r.AskedStart = asked.StartID()
	}
	another := asked != nil && opts.Start != "" && opts.Start != r.AskedStart
	concerned := concerns(s, opts.PID, diagnoses)
	for _, o := range diagnoses {
		if opts.PID != 0 && (another || !concerned(o)) {
			continue
		}
		d := diagnosisOf(s, o)
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
	r.Surroundings = hostFacts(s)
	for _, p := range r.Processes {
		r.Connections = append(r.Connections, socketQueues(s, s.procs[p.PID])...)
	}
	slices.SortStableFunc(r.Diagnoses, func(a, b Diagnosis) int { return fix.Compare(b.Status, a.Status) })
	slices.SortFunc(r.Processes, func(a, b Process) int { return a.PID - b.PID })
	if len(r.Diagnoses) == 0 {
		r.Diagnoses = append(r.Diagnoses, nothing(s, opts, asked, another))
	}
	r.Unsettled, r.Doubtful = s.unsettled, s.doubtful
	return r
}

// nothing is the diagnosis of a host on which nothing runs that was asked for.
func nothing(s *scene, opts observe.Options, asked *proc, another bool) Diagnosis {
	variant, status, sure := "", fix.OK, Certain
	switch {
	case another:
		variant = kinds.Reused
	case opts.Start != "" && asked == nil:
		variant = kinds.Ended
	case opts.PID != 0 && asked == nil:
		variant = kinds.Missing
	case opts.PID != 0:
		variant = kinds.Foreign
	case s.Hides("other-users"):
		// There may be any number of them.
		variant, status, sure = kinds.Hidden, fix.Unknown, Guess
	case s.Hides("pid-namespace"):
		variant = kinds.Inside
	}
	d := newDiagnosis(kinds.NothingRunning, variant, status, fix.With{"pid": opts.PID})
	d.Certainty = sure
	return d
}

// concerns returns a function that reports whether an outcome explains a process: one that the process is part of or,
// where it is part of none, such as sudo or a script that runs Nix, what it has started.
func concerns(s *scene, pid int, all []*outcome) func(*outcome) bool {
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
func subjects(s *scene) []*proc {
	var list []*proc
	for _, pid := range s.Order {
		p := s.procs[pid]
		if p.role != Client || p.Gone || p.State == 'Z' {
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
func leaked(s *scene, w *walker, reached map[*proc]bool) []*outcome {
	var list []*outcome
	for _, pid := range s.Order {
		p := s.procs[pid]
		if s.Builders[p.UID] == "" || p.UID == 0 || p.Gone || p.State == 'Z' || reached[p] || p.role != Builder {
			continue
		}
		parent := s.procs[p.Parent]
		if parent != nil && parent.role != other && parent.role != Stranger {
			continue
		}
		taken := false
		for _, lf := range s.Locks {
			taken = taken || kindOf(lf) == lockUser && strings.HasSuffix(lf.Path, "/"+strconv.Itoa(p.UID)) && len(lf.Locks) > 0
		}
		if taken {
			continue
		}
		list = append(list, &outcome{start: p, path: []*proc{p}, kinds: []*fix.Kind{kinds.BuildUserLeaked}, sure: Certain, root: p, reason: w.reason(p)})
	}
	return list
}

// deserted finds workers whose daemon is gone while their client still waits.
func deserted(s *scene) []*outcome {
	var list []*outcome
	for _, pid := range s.Order {
		p := s.procs[pid]
		// Of what was not looked at, nothing is said to be well.
		if p.role != Worker || p.orphan || p.Gone || p.Cut || p.pair == nil || p.client == 0 {
			continue
		}
		// A worker of a socket unit is a child of systemd from the start; its number is padded with spaces.
		if p.Arg(1) == "--for" && strings.HasSuffix(p.Arg(2), " ") {
			continue
		}
		if parent := s.procs[p.Parent]; parent != nil && parent.role != Listener && (p.Parent == 1 || parent.role == other && !parent.Deep) {
			list = append(list, &outcome{start: p, path: []*proc{p}, kinds: []*fix.Kind{kinds.WorkerWithoutListener}, sure: Certain, root: p})
		}
	}
	return list
}

// databaseOpen reports whether anybody has the database of a store open.
func databaseOpen(s *scene) bool {
	for _, p := range s.procs {
		for _, target := range p.FDs {
			if strings.HasSuffix(target, "/db/db.sqlite") {
				return true
			}
		}
	}
	return false
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
