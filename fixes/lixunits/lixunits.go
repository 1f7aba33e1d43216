// Package lixunits finds hosts whose units do not fit the Lix that they have, or are about to get. Since 2.95, Lix has
// systemd start a service for each connection, and upgrades do not bring its template. All of it is read from files, so
// that it is found while everything still works, in containers, and before an upgrade.
package lixunits

import (
	"context"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/systemd"
)

const (
	socketUnit   = "nix-daemon.socket"
	serviceUnit  = "nix-daemon.service"
	templateUnit = "nix-daemon@.service"
	profileUnits = installation.StateDir + "/profiles/default/lib/systemd/system"

	optTo = "to"
	// since is the first release of Lix whose socket wants the template.
	since = "2.95"
)

type lixUnits struct{}

// New returns the fix.
func New() fix.Fix { return lixUnits{} }

func (lixUnits) Name() string                    { return "lix-units" }
func (lixUnits) Kinds() []*fix.Kind              { return table }
func (lixUnits) AppliesTo(f platform.Facts) bool { return f.OS == platform.Linux }

func (lixUnits) Options() []fix.Option {
	return []fix.Option{{
		Name: optTo, Usage: "say what an upgrade to this `release` of Lix would do, such as 2.95", Look: true, Check: release,
	}}
}

var releaseForm = pattern.New(`^2\.[0-9]{1,3}(\.[0-9]{1,3})?$`)

func release(v string) error {
	if !releaseForm.MatchString(v) {
		return fmt.Errorf("%q is not a release of Lix, such as 2.95 or 2.95.1", v)
	}
	return nil
}

func (lixUnits) Doc() fix.Doc {
	return fix.Doc{
		Title: "the daemon's units do not fit the release of Lix", Builds: true,
		Symptoms: []string{reset, refused, queue},
		Cause: "Up to 2.94, one nix-daemon.service serves all. Since 2.95, nix-daemon.socket has Accept=yes, and systemd starts " +
			"nix-daemon@.service for each connection. Installers linked the first two units to the default profile, " +
			"and upgrading the profile replaces what the links lead to. Nothing links the third. Everything works " +
			"until systemd reads its units again, at the latest at the next boot; \"systemctl status\" calls the " +
			"socket healthy even then.",
		Changes: "It adds the template as a link or a copy, whichever the host's other units are, and has systemd " +
			"read its units again. It starts the socket only if that has failed, and leaves running daemons alone.",
		Undo: "\"lixfix undo\" removes the template and stops the socket if the repair has started it.",
		More: []fix.Section{{
			Heading: "Before an upgrade",
			Text: "\"lixfix check lix-units --to 2.95\" exits with 1 and says what to do where an upgrade to that release would break this host. " +
				"It reads files only, needs no root, and is meant for installers and their preflight as well.",
		}},
		Sources: sources,
	}
}

// survey is all that the fix knows of the host.
type survey struct {
	found   *installation.Found
	units   map[string]systemd.Unit
	err     error
	profile map[string][]systemd.Setting // the default profile's units
	offered map[string]*step.FileState   // the same as files, for copies
	copies  map[string]*step.FileState   // units in /etc/systemd/system that are no links
	booted  bool
	running bool // a socket that listens, or a service: what systemd has read before works
	failed  bool // the socket
	asked   bool // whether systemd was asked
}

func look(ctx context.Context, v platform.View) *survey {
	s := &survey{found: installation.Of(ctx, v).Found(ctx), units: map[string]systemd.Unit{}, profile: map[string][]systemd.Setting{}}
	s.offered, s.copies = map[string]*step.FileState{}, map[string]*step.FileState{}
	s.booted, _ = systemd.Booted(ctx, v)
	for _, name := range []string{socketUnit, serviceUnit, templateUnit} {
		u, err := systemd.Find(ctx, v, name)
		if err != nil {
			s.err = err
			return s
		}
		s.units[name] = u
		if u.Condition == systemd.Present && u.Link == "" && path.Dir(u.File) == systemd.Units {
			if is, err := step.ReadFileState(ctx, v, u.File); err == nil && is != nil {
				s.copies[name] = is
			}
		}
		file := path.Join(profileUnits, name)
		// Root takes from there what systemd will run as root, so nobody else may have put it there.
		if _, err := v.Trusted(ctx, file); err != nil {
			continue
		}
		if data, err := platform.ReadSmall(ctx, v, file); err == nil {
			s.profile[name] = systemd.Parse(data)
			s.offered[name] = step.NewFileState(platform.Content{Data: slices.Clone(data), Mode: 0o644})
		}
	}
	if s.booted && s.wantsTemplate() && s.units[templateUnit].Condition != systemd.Present {
		// What is at risk and what is broken, only systemd knows.
		if states, err := systemd.Show(ctx, v, socketUnit, serviceUnit); err == nil {
			s.asked = true
			socket, service := states[socketUnit], states[serviceUnit]
			s.failed = socket.Active == "failed"
			s.running = service.Active == "active" || socket.Active == "active" && !socket.Accept
		}
	}
	return s
}

// wantsTemplate reports whether the socket that systemd would read starts a service for each connection.
func (s *survey) wantsTemplate() bool {
	u := s.units[socketUnit]
	return u.Condition == systemd.Present && u.On("Socket", "Accept")
}

// diagnose is pure.
func diagnose(s *survey, to string) []fix.Finding {
	if s.err != nil {
		f := unknown.Found(nil)
		f.Reason = s.err.Error()
		return []fix.Finding{f}
	}
	socket, service, template := s.units[socketUnit], s.units[serviceUnit], s.units[templateUnit]
	switch {
	case s.found.Manager.Value == installation.NixOS:
		return []fix.Finding{notHere.Found(fix.With{"why": byNixOS})}
	case socket.Condition != systemd.Present:
		return []fix.Finding{notHere.Found(fix.With{"why": noSocket})}
	}
	if s.wantsTemplate() && template.Condition != systemd.Present {
		return []fix.Finding{s.missing()}
	}
	if to != "" {
		return []fix.Finding{s.upgrade(to)}
	}
	var found []fix.Finding
	if s.wantsTemplate() {
		for _, link := range service.Wanted {
			found = append(found, bothEnabled.Found(fix.With{"link": link},
				fix.Evidence{Source: link, Expected: noLink, Observed: aLink}))
		}
		if service.Condition == systemd.Present && len(service.All("Unit", "Conflicts")) == 0 && !shared(socket, service) {
			f := mixed.Found(fix.With{"socket": socket.File, "service": service.File, "says": wantsEach},
				fix.Evidence{Source: service.File, Expected: "Conflicts=" + socketUnit, Observed: noSuchLine})
			f.Remedy = mixed.Remedy(s.rewritable(), nil)
			found = append(found, f)
		}
	}
	if !s.wantsTemplate() && slices.Contains(service.All("Unit", "Conflicts"), socketUnit) && !shared(socket, service) {
		f := mixed.Found(fix.With{"socket": socket.File, "service": service.File, "says": startsOne},
			fix.Evidence{Source: service.File, Expected: notConflicting, Observed: "Conflicts=" + socketUnit})
		f.Remedy = mixed.Remedy(s.rewritable(), fix.With{"socket": socket.File})
		found = append(found, f)
	}
	if f, ok := s.old(); ok {
		found = append(found, f)
	}
	if len(found) == 0 {
		form := oneForAll
		if s.wantsTemplate() {
			form = oneForEach
		}
		found = append(found, complete.Found(fix.With{"form": form}, fix.Evidence{Source: socket.File, Expected: "", Observed: form}))
	}
	return found
}

// shared reports whether two units are links into the same directory.
func shared(a, b systemd.Unit) bool { return a.Link != "" && path.Dir(a.Link) == path.Dir(b.Link) }

// missing is the finding for a socket whose template is not there.
func (s *survey) missing() fix.Finding {
	socket := s.units[socketUnit]
	with := fix.With{"file": socket.File}
	f := templateMissing.Found(with, fix.Evidence{Source: templateUnit, Expected: aUnit, Observed: string(s.units[templateUnit].Condition)})
	f.Remedy = templateMissing.Remedy(s.form(), with)
	if s.running || !s.asked {
		f.Status = fix.AtRisk
	}
	return f
}

// form is how the template is to be added.
func (s *survey) form() string {
	socket, template := s.units[socketUnit], s.units[templateUnit]
	switch {
	case len(s.profile[templateUnit]) == 0, template.Condition != systemd.Missing, path.Dir(socket.File) != systemd.Units:
		return "advice"
	case socket.Link == "":
		return "copy"
	case path.Dir(socket.Link) != profileUnits:
		return "advice"
	}
	return "link"
}

// upgrade says what an upgrade to a release would do to a host whose units are complete now.
func (s *survey) upgrade(to string) fix.Finding {
	socket := s.units[socketUnit]
	why := ""
	switch target := (nixconf.Release{Implementation: nixconf.Lix, Version: to}); {
	case !target.AtLeast(since):
		why = hasOneForAll
	case s.units[templateUnit].Condition == systemd.Present:
		why = templateThere.Fill(fix.With{"file": s.units[templateUnit].File})
	case path.Dir(socket.File) != systemd.Units:
		why = byDistribution.Fill(fix.With{"file": socket.File})
	default:
		return upgradeBreaks.Found(fix.With{"to": lix.Fill(fix.With{"version": to}), "dir": systemd.Units},
			fix.Evidence{Source: systemd.Units + "/" + templateUnit, Expected: aUnit, Observed: "nothing"})
	}
	return ready.Found(fix.With{"to": lix.Fill(fix.With{"version": to}), "why": why})
}

// old is the finding for copies whose release is not the profile's.
func (s *survey) old() (fix.Finding, bool) {
	for _, name := range []string{templateUnit, serviceUnit} {
		u := s.units[name]
		if u.Condition != systemd.Present || u.Link != "" || path.Dir(u.File) != systemd.Units || len(s.profile[name]) == 0 {
			continue
		}
		is, has := program(u.Settings), program(s.profile[name])
		a, okA := installation.ReleaseOf(is)
		b, okB := installation.ReleaseOf(has)
		if okA && okB && is != has {
			f := copiesOld.Found(fix.With{"file": u.File, "old": a.String(), "new": b.String()},
				fix.Evidence{Source: u.File, Expected: "ExecStart=" + has, Observed: "ExecStart=" + is})
			f.Remedy = copiesOld.Remedy(s.rewritable(), nil)
			return f, true
		}
	}
	return fix.Finding{}, false
}

// rewritable is the case of the remedy for copies: "copy" where all that are units of the daemon can be had from the
// default profile.
func (s *survey) rewritable() string {
	for _, name := range []string{socketUnit, serviceUnit} {
		if s.offered[name] == nil {
			return "advice"
		}
	}
	if len(s.copies) == 0 {
		return "advice"
	}
	return "copy"
}

// rewrite makes the copies those of the default profile, the template among them where it has one.
func (s *survey) rewrite() []plan.Step {
	var steps []plan.Step
	// The socket last: it is what makes the others needed.
	for _, name := range []string{templateUnit, serviceUnit, socketUnit} {
		is, has := s.copies[name], s.offered[name]
		switch at := path.Join(systemd.Units, name); {
		case has == nil:
		case is == nil && name == templateUnit && s.units[name].Condition == systemd.Missing:
			steps = append(steps, step.WriteFile{Name: at, After: has, Why: maySocketStart})
		case is != nil && is.SHA256 != has.SHA256:
			same := step.NewFileState(platform.Content{Data: has.Data(), Mode: is.Mode, UID: is.UID, GID: is.GID})
			steps = append(steps, step.WriteFile{Name: at, Before: is, After: same, Why: asProfile})
		}
	}
	return steps
}

// program is what a unit starts.
func program(settings []systemd.Setting) string {
	all := systemd.Unit{Settings: settings}.All("Service", "ExecStart")
	if len(all) != 1 {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimLeft(all[0], "@-:+!"), " ")
	return first
}

// remedy is pure.
func remedy(s *survey, found []fix.Finding, r fix.Request) []plan.Entry {
	var entries []plan.Entry
	for _, f := range found {
		if f.Remedy == nil || f.Remedy.Class == fix.Advice || !r.Allowed(f.ID, f.Remedy.Class) {
			continue
		}
		for _, st := range s.steps(f) {
			if !slices.ContainsFunc(entries, func(e plan.Entry) bool { return reflect.DeepEqual(e.Step, st) }) { // one step can mend two
				entries = append(entries, plan.Entry{Step: st, For: f.ID})
			}
		}
	}
	if len(entries) == 0 || !s.booted {
		return entries
	}
	id := entries[0].For
	entries = append(entries, plan.Entry{Step: step.AwaitDaemon{Socket: installation.Socket}, For: id})
	return entries
}

func (s *survey) steps(f fix.Finding) []plan.Step {
	reload := step.ReloadUnits{Why: filesChanged}
	var steps []plan.Step
	switch {
	case f.Is(templateMissing):
		const why = socketStarts
		at := path.Join(systemd.Units, templateUnit)
		if s.form() == "copy" {
			steps = append(steps, step.WriteFile{Name: at, After: s.offered[templateUnit], Why: why})
		} else {
			steps = append(steps, step.SetLink{Name: at, To: path.Join(profileUnits, templateUnit), Why: why})
		}
	case f.Is(copiesOld), f.Is(mixed):
		steps = s.rewrite()
	case f.Is(bothEnabled):
		for _, link := range s.units[serviceUnit].Wanted {
			if path.Dir(path.Dir(link)) != systemd.Units {
				continue
			}
			if to := s.units[serviceUnit].WantedTo[link]; to != "" {
				steps = append(steps, step.SetLink{Name: link, From: to, Why: startsDaemon})
			}
		}
	}
	if len(steps) == 0 || !s.booted {
		return steps
	}
	steps = append(steps, reload)
	if f.Is(templateMissing) && s.asked && !s.running {
		steps = append(steps, step.ResetFailed{Units: []string{socketUnit}, Why: afterFailing})
		if s.failed {
			steps = append(steps, step.StartUnit{Unit: socketUnit, On: true, Why: soItAnswers})
		}
	}
	return steps
}

func (lixUnits) Detect(ctx context.Context, v platform.View, set fix.Settings) ([]fix.Finding, error) {
	return diagnose(look(ctx, v), set[optTo].Value), nil
}

func (lixUnits) Plan(ctx context.Context, v platform.View, r fix.Request) (plan.Plan, error) {
	s := look(ctx, v)
	return plan.Plan{Entries: remedy(s, diagnose(s, ""), r)}, nil
}
