package daemon

import (
	"context"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform/systemd"
)

// manager is what starts services on a host: all of the ladder that differs between systemd, launchd and those that
// lixfix knows by name only. The other rungs look at files, at the socket and at what answers there.
type manager interface {
	// units looks whether it has the daemon's services, right and not switched off.
	units(*survey) sight
	// cause says why there is no daemon. how is "missing", where the socket's file is, "refused", where nobody listens, or
	// "closed", where the connection is.
	cause(s *survey, how string) sight
	// serves reports whether it only listens for a daemon that does not run: that is none. Where it cannot tell yet, it
	// wants something.
	serves(*survey) (is bool, more []need)
	// starts reports whether it would start a daemon, and start has it do so.
	starts(*survey) bool
	start(context.Context, *survey) []plan.Step
}

// managed is the manager of the host. The error is that of the look for systemd.
func managed(s *survey) (manager, error) {
	switch {
	case s.bootedErr != nil:
		return nil, s.bootedErr
	case s.booted:
		return bySystemd{}, nil
	}
	return byOthers{}, nil
}

// unitRung: what starts services has the daemon's.
func unitRung(s *survey) sight {
	m, err := managed(s)
	if err != nil {
		return unsure(err.Error())
	}
	return m.units(s)
}

// causeOf says why there is no daemon.
func causeOf(s *survey, how string) sight {
	m, err := managed(s)
	if err != nil {
		return cannotTell(s, whetherSystemd, err)
	}
	if how == "closed" {
		if saw, ok := turnedAway(s); ok {
			return saw
		}
	}
	return m.cause(s, how)
}

// unlessAlive is a broken finding, or one at risk where a daemon serves all the same. That somebody listens for one is no
// daemon, and neither is a worker that is left of one.
func unlessAlive(s *survey, f fix.Finding) sight {
	if !s.read[listeners] {
		return wants(listeners)
	}
	if m, err := managed(s); s.listening && err == nil {
		serves, more := m.serves(s)
		if len(more) > 0 {
			return wants(more...)
		}
		if serves {
			f.Status = fix.AtRisk
			f.Evidence = append(f.Evidence, evidence(s.path, "", allTheSame))
		}
	}
	return finds(f)
}

// bySystemd is systemd, as the first process of the host.
type bySystemd struct{}

func (bySystemd) units(s *survey) sight { return systemdUnits(s) }

func (bySystemd) cause(s *survey, how string) sight {
	switch {
	case !s.read[states]:
		return wants(states)
	case len(s.running) > 0 && !s.read[atWork]:
		return wants(atWork)
	case s.stateErr != nil:
		return cannotTell(s, whatSystemdSays, s.stateErr)
	}
	f := byState(s, how)
	if len(s.log) > 0 {
		f.Evidence = append(f.Evidence, evidence(theLog, "", strings.Join(s.log, "; ")))
	}
	return finds(f)
}

func (bySystemd) serves(s *survey) (bool, []need) {
	if !s.read[states] {
		return false, []need{states}
	}
	only := s.stateErr == nil && s.state[socketUnit].Active == "active" && s.state[serviceUnit].Active != "active"
	return !only, nil
}

func (bySystemd) starts(s *survey) bool {
	return s.unitsErr == nil && (s.socket().Condition == systemd.Present || alone(s))
}

func (bySystemd) start(ctx context.Context, s *survey) []plan.Step { return start(ctx, s) }

// byOthers is whatever starts services where systemd does not. lixfix says what the host has, and leaves it to people.
type byOthers struct{}

func (byOthers) units(s *survey) sight {
	switch {
	case s.initd.name != "" && s.initd.has != "":
		return holds(serviceOf.Fill(fix.With{"service": s.initd.has, "name": s.initd.name}))
	case s.initd.name != "":
		return unsure(noKnownService.Fill(fix.With{"name": s.initd.name}))
	}
	return unsure(notSystemd)
}

func (byOthers) cause(s *survey, how string) sight {
	if how == "closed" {
		return finds(closes.Found(nil, evidence(s.path, aGreeting, endOfFile)))
	}
	return finds(withoutSystemd(s, how))
}

func (byOthers) serves(*survey) (bool, []need)              { return true, nil }
func (byOthers) starts(*survey) bool                        { return false }
func (byOthers) start(context.Context, *survey) []plan.Step { return nil }
