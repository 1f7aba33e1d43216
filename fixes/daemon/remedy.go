package daemon

import (
	"context"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/systemd"
)

// remedy makes the plan for what was found. A rung that is mended lets the next one be seen, as far as files tell: what
// is broken there is mended by the same plan. What comes after that shows when the daemon is to answer.
func remedy(ctx context.Context, s *survey, found []fix.Finding, r fix.Request) plan.Plan {
	var p plan.Plan
	starts := false
	for _, f := range found {
		var last []plan.Entry // what starts the daemon, once all files are as they are to be
		for n, ok := 0, true; ok && n < len(ladder); n++ {
			if f.Remedy == nil || f.Remedy.Class == fix.Advice || !r.Allowed(f.ID, f.Remedy.Class) {
				if n > 0 {
					p.Notes = append(p.Notes, leftBroken.Fill(fix.With{"id": f.ID, "summary": f.Summary}))
				}
				break
			}
			if n > 0 {
				p.Notes = append(p.Notes, mendedToo.Fill(fix.With{"summary": f.Summary}))
			}
			files, after := steps(ctx, s, f)
			p.Entries = append(p.Entries, entries(f.ID, files)...)
			if last == nil {
				last = entries(f.ID, after)
			}
			f, ok = foresee(ctx, s, f)
		}
		starts = starts || last != nil
		p.Entries = append(p.Entries, last...)
	}
	if p.Empty() {
		return p
	}
	first := p.Entries[0].For
	if m, err := managed(s); !starts && err == nil && m.starts(s) && !heard(ctx, s) {
		p.Entries = append(p.Entries, entries(first, m.start(ctx, s))...)
	}
	p.Entries = append(p.Entries, entries(first, []plan.Step{step.AwaitDaemon{Socket: s.path}})...)
	return p
}

func entries(id string, steps []plan.Step) []plan.Entry {
	var all []plan.Entry
	for _, st := range steps {
		all = append(all, plan.Entry{Step: st, For: id})
	}
	return all
}

// heard reports whether somebody listens at the socket. Root can ask, whatever its modes are.
func heard(ctx context.Context, s *survey) bool {
	s.want(ctx, greeting)
	return s.greetErr == nil && s.answer.Outcome != nixdaemon.NoConnection
}

// foresee mends a rung in the survey, and finds what is broken above it, as far as files tell.
func foresee(ctx context.Context, s *survey, f fix.Finding) (fix.Finding, bool) {
	switch {
	case f.Is(unitMissing), f.Is(masked):
		s.units = maps.Clone(s.units)
		for name, u := range s.units {
			if u.Condition != systemd.Present && (s.offered[name] || behind(s, name) != "") {
				u.Condition = systemd.Present
				s.units[name] = u
			}
		}
	case f.Is(dirMode):
		s.dir.Mode = fs.ModeDir | s.wanted.mode
	case f.Is(socketMode):
		s.sock.Mode = fs.ModeSocket | 0o666
	default:
		return fix.Finding{}, false
	}
	saw := socketRung(s)
	for len(saw.wants) > 0 {
		if slices.ContainsFunc(saw.wants, func(n need) bool { return n == greeting || n == states }) {
			return fix.Finding{}, false // that is about the host as it is
		}
		for _, n := range saw.wants {
			s.want(ctx, n)
		}
		saw = socketRung(s)
	}
	if saw.found == nil || !saw.found.Is(dirMissing) && !saw.found.Is(dirMode) && !saw.found.Is(socketMode) {
		return fix.Finding{}, false
	}
	return *saw.found, true
}

// steps are those for a finding: what they do to files, and what starts the daemon after that.
func steps(ctx context.Context, s *survey, f fix.Finding) (files, after []plan.Step) {
	dir := path.Dir(s.path)
	reload := step.ReloadUnits{Why: filesChanged}
	switch {
	case f.Is(stopped), f.Is(startLimit), f.Is(socketFailed), f.Is(oomKilled):
		return nil, start(ctx, s)
	case f.Is(needsReload), f.Is(bootRace):
		return nil, append([]plan.Step{reload}, start(ctx, s)...)
	case f.Is(dirMissing):
		files = []plan.Step{step.MakeDir{
			Name: dir, Mode: s.wanted.mode, GID: s.wanted.gid, Sockets: []string{path.Base(s.path)}, Why: holdsSocket,
		}}
		if s.listening {
			return files, remake(s, f)
		}
		return files, start(ctx, s)
	case f.Is(dirMode):
		return []plan.Step{step.SetMode{Name: dir, From: s.dirWas.Perm(), To: s.wanted.mode, Why: letUsersIn}}, nil
	case f.Is(socketMode):
		return []plan.Step{step.SetMode{Name: s.path, From: s.sockWas.Perm(), To: 0o666, Why: letUsersIn}}, nil
	case f.Is(socketMissing), f.Is(socketLost):
		return nil, remake(s, f)
	case f.Is(disabled):
		return wantedBy(s, s.linkable), append([]plan.Step{reload}, start(ctx, s)...)
	case f.Is(masked):
		return unmask(s), append([]plan.Step{reload}, start(ctx, s)...)
	case f.Is(unitMissing):
		for _, u := range []string{socketUnit, serviceUnit, templateUnit} {
			if s.offered[u] && s.units[u].Condition == systemd.Missing {
				files = append(files, link(u))
			}
		}
		if len(s.socket().Wanted) == 0 {
			files = append(files, wantedBy(s, path.Join(profileUnits, socketUnit))...)
		}
		return files, append([]plan.Step{reload}, start(ctx, s)...)
	case f.Is(suspended):
		i := slices.IndexFunc(s.daemons(), isStopped)
		if i < 0 {
			return nil, nil
		}
		return []plan.Step{step.ContinueProcess{Process: s.daemons()[i].ProcessID, Name: theDaemon}}, nil
	case f.Is(older), f.Is(deleted):
		return nil, renew(s, f)
	}
	return nil, nil
}

// start starts the socket and, where that is not for systemd to do at each connection, the service: undo stops both, and
// a service that only runs would go on listening.
func start(ctx context.Context, s *survey) []plan.Step {
	one := step.StartUnit{Unit: socketUnit, With: []string{serviceUnit}, On: true, Why: answer}
	switch {
	case alone(s):
		one = step.StartUnit{Unit: serviceUnit, On: true, Why: answer}
	case s.accepts(), s.runs(ctx):
		one.With = nil
	}
	// Lix since 2.94 tries the socket first, for root as well: one that is left would be worse than none.
	if s.sock.missing() && s.dir.there() && s.guarded {
		one.Sockets = []string{s.path}
	}
	return []plan.Step{step.ResetFailed{Units: append([]string{one.Unit}, one.With...), Why: afterFailing}, one}
}

// idleAt is the socket that nobody may be at work with when a step is done, where nobody has decided that it may be.
func idleAt(s *survey, f fix.Finding) string {
	if f.Remedy.Class == fix.Safe && len(s.running) > 0 {
		return s.path
	}
	return ""
}

// remake starts the socket anew. While the service of a classic socket runs, systemd refuses to.
func remake(s *survey, f fix.Finding) []plan.Step {
	steps := []plan.Step{step.ReloadUnits{Why: readWithout}}
	if len(s.daemons()) > 0 {
		steps = append(steps, step.StopUnit{Unit: serviceUnit, Idle: idleAt(s, f), Why: notBeside})
	}
	return append(
		steps, step.ResetFailed{Units: []string{socketUnit, serviceUnit}, Why: afterFailing},
		step.RestartUnit{Unit: socketUnit, Start: true, Why: answer},
	)
}

// renew has the daemon that is installed now answer, in the place of an older one.
func renew(s *survey, f fix.Finding) []plan.Step {
	steps := []plan.Step{step.ReloadUnits{Why: startsOld}}
	if s.accepts() && s.answer.Peer.PID == 1 {
		return append(
			steps, step.StopUnit{Unit: serviceUnit, Idle: idleAt(s, f), Why: startsEach},
			step.ResetFailed{Units: []string{socketUnit}, Why: socketAfterFailing}, step.RestartUnit{Unit: socketUnit, Start: true, Why: answer},
		)
	}
	return append(steps, step.RestartUnit{Unit: serviceUnit, Idle: idleAt(s, f), Why: startNew})
}

// unmask removes masks, and links what an installer's mask has taken the place of.
func unmask(s *survey) []plan.Step {
	var steps []plan.Step
	for _, name := range []string{socketUnit, serviceUnit, templateUnit} {
		u := s.units[name]
		if u.Condition != systemd.Masked || u.Link == "" {
			continue
		}
		to := ""
		if behind(s, name) == "" && s.offered[name] {
			to = path.Join(profileUnits, name)
		}
		steps = append(steps, step.SetLink{Name: u.File, From: u.Link, To: to, Why: startsNoMasked})
	}
	if len(s.socket().Wanted) == 0 {
		to := behind(s, socketUnit)
		if to == "" {
			to = path.Join(profileUnits, socketUnit)
		}
		steps = append(steps, wantedBy(s, to)...)
	}
	return steps
}

// link is an installer's link of a unit.
func link(unit string) step.SetLink {
	return step.SetLink{Name: path.Join(systemd.Units, unit), To: path.Join(profileUnits, unit), Why: hasNone}
}

// wantedBy makes the link that has sockets.target start the socket, in a directory that "systemctl disable" removes with
// the last one in it.
func wantedBy(s *survey, to string) []plan.Step {
	dir := path.Join(systemd.Units, "sockets.target.wants")
	var steps []plan.Step
	if s.wants.missing() {
		steps = append(steps, step.MakeDir{Name: dir, Mode: 0o755, Names: []string{socketUnit}, Why: holdsLinks})
	}
	return append(steps, step.SetLink{Name: path.Join(dir, socketUnit), To: to, Why: atBoot})
}

// behind is the file of a unit that a mask hides; "" for none.
func behind(s *survey, unit string) string {
	i := slices.Index(systemd.Dirs, path.Dir(s.units[unit].File))
	if i < 0 {
		return ""
	}
	for _, dir := range systemd.Dirs[i+1:] {
		if e, ok := s.hidden[path.Join(dir, unit)]; ok && e.there() && e.Mode&fs.ModeSymlink == 0 {
			return path.Join(dir, unit)
		}
	}
	return ""
}
