// Package diagnose tells, of a host that was looked at, what every process is to Nix, what each command waits for, and what
// may be done about it. It is pure: a snapshot in, a report out.
package diagnose

import (
	"github.com/lixfix/lixfix/fixes/stuck/observe"
)

// proc is a process and the part that it plays.
type proc struct {
	*observe.Process
	role     Role
	client   int // the number of its client, as its arguments have it
	children []*proc
	pair     *proc // a worker's client, a client's worker
	pairedBy string
	orphan   bool
}

// Scene is a host whose processes are known for what they are to Nix.
type Scene = scene

type scene struct {
	*observe.Snapshot
	procs   map[int]*proc
	readers map[string][]*proc // of pipes that others wait to write to, by name
	// unsettled says that nothing explains some process; doubtful, that what explains one may be over in a moment.
	unsettled, doubtful bool
}

// Of tells what every process of a host is to Nix, and pairs workers with clients.
func Of(snapshot *observe.Snapshot) *Scene {
	s := &scene{Snapshot: snapshot, procs: make(map[int]*proc, len(snapshot.Procs)), readers: map[string][]*proc{}}
	for pid, p := range snapshot.Procs {
		s.procs[pid] = &proc{Process: p}
	}
	same := func(list []*observe.Process) []*proc {
		var own []*proc
		for _, p := range list {
			own = append(own, s.procs[p.PID])
		}
		return own
	}
	for pid, p := range snapshot.Procs {
		s.procs[pid].children = same(p.Children)
	}
	for name, list := range snapshot.Readers {
		s.readers[name] = same(list)
	}
	classify(s)
	return s
}
