package daemon

import (
	"io/fs"
	"path"
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform/systemd"
)

const answer = "so that the daemon answers"

// remedy makes the steps for what was found. Pure: it reads nothing.
func remedy(s *survey, found []fix.Finding, allowed func(string, fix.Class) bool) []plan.Entry {
	var entries []plan.Entry
	for _, f := range found {
		if f.Remedy == nil || f.Remedy.Class == fix.Advice || !allowed(f.ID, f.Remedy.Class) {
			continue
		}
		for _, st := range s.steps(f) {
			entries = append(entries, plan.Entry{Step: st, For: f.ID})
		}
	}
	return entries
}

func (s *survey) steps(f fix.Finding) []plan.Step {
	dir := path.Dir(s.path)
	reload := step.ReloadUnits{Why: "their files have changed"}
	switch {
	case f.Is(stopped), f.Is(startLimit), f.Is(socketFailed), f.Is(oomKilled):
		return s.start()
	case f.Is(needsReload):
		return append([]plan.Step{reload}, s.start()...)
	case f.Is(dirMissing):
		made := step.MakeDir{
			Name: dir, Mode: s.wanted.mode, GID: s.wanted.gid, Sockets: []string{path.Base(s.path)}, Why: "the daemon's socket stands in it",
		}
		return append([]plan.Step{made}, s.start()...)
	case f.Is(dirMode):
		return []plan.Step{step.SetMode{Name: dir, From: s.dir.Mode.Perm(), To: s.wanted.mode, Why: "let users reach the daemon"}}
	case f.Is(socketMode):
		return []plan.Step{step.SetMode{Name: s.path, From: s.sock.Mode.Perm(), To: 0o666, Why: "let users reach the daemon"}}
	case f.Is(socketMissing), f.Is(socketLost):
		return s.remake()
	case f.Is(disabled):
		return append(append(s.wantedBy(s.linkable), reload), s.start()...)
	case f.Is(masked):
		return s.unmask()
	case f.Is(unitMissing):
		var steps []plan.Step
		for _, u := range []string{socketUnit, serviceUnit, templateUnit} {
			if s.offered[u] && s.units[u].Condition == systemd.Missing {
				steps = append(steps, s.link(u))
			}
		}
		if len(s.socket().Wanted) == 0 {
			steps = append(steps, s.wantedBy(path.Join(profileUnits, socketUnit))...)
		}
		return append(append(steps, reload), s.start()...)
	}
	return nil
}

// start starts the socket and, where that is not for systemd to do at each connection, the service: undo stops both, and
// a service that only runs would go on listening.
func (s *survey) start() []plan.Step {
	units := []string{socketUnit, serviceUnit}
	switch {
	case s.alone():
		units = []string{serviceUnit}
	case s.accepts():
		units = units[:1]
	}
	steps := []plan.Step{step.ResetFailed{Units: units, Why: "it does not start them before"}}
	for _, u := range units {
		if u == serviceUnit && len(s.running) > 0 {
			continue
		}
		steps = append(steps, step.StartUnit{Unit: u, On: true, Why: answer})
	}
	return steps
}

// remake starts the socket anew. While the service of a classic socket runs, systemd refuses to.
func (s *survey) remake() []plan.Step {
	steps := []plan.Step{step.ReloadUnits{Why: "it may have read them when they were not there"}}
	if len(s.running) > 0 {
		steps = append(steps, step.StopUnit{Unit: serviceUnit, Why: "systemd opens no socket beside it"})
	}
	return append(
		steps, step.ResetFailed{Units: []string{socketUnit, serviceUnit}, Why: "it does not start them before"},
		step.RestartUnit{Unit: socketUnit, Why: answer},
	)
}

// unmask removes masks, and links what an installer's mask has taken the place of.
func (s *survey) unmask() []plan.Step {
	var steps []plan.Step
	for _, name := range []string{socketUnit, serviceUnit, templateUnit} {
		u := s.units[name]
		if u.Condition != systemd.Masked || u.Link == "" {
			continue
		}
		to := ""
		if s.behind(name) == "" && s.offered[name] {
			to = path.Join(profileUnits, name)
		}
		steps = append(steps, step.SetLink{Name: u.File, From: u.Link, To: to, Why: "systemd starts no unit that is masked"})
	}
	if len(s.socket().Wanted) == 0 {
		to := s.behind(socketUnit)
		if to == "" {
			to = path.Join(profileUnits, socketUnit)
		}
		steps = append(steps, s.wantedBy(to)...)
	}
	steps = append(steps, step.ReloadUnits{Why: "their files have changed"})
	return append(steps, s.start()...)
}

// link is an installer's link of a unit.
func (s *survey) link(unit string) step.SetLink {
	return step.SetLink{Name: path.Join(systemd.Units, unit), To: path.Join(profileUnits, unit), Why: "systemd has no such unit"}
}

// wantedBy makes the link that has sockets.target start the socket, in a directory that "systemctl disable" removes with
// the last one in it.
func (s *survey) wantedBy(to string) []plan.Step {
	dir := path.Join(systemd.Units, "sockets.target.wants")
	var steps []plan.Step
	if s.wants.missing() {
		steps = append(steps, step.MakeDir{Name: dir, Mode: 0o755, Names: []string{socketUnit}, Why: "links of units stand in it"})
	}
	return append(steps, step.SetLink{Name: path.Join(dir, socketUnit), To: to, Why: "start it at boot"})
}

// behind is the file of a unit that a mask hides; "" for none.
func (s *survey) behind(unit string) string {
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
