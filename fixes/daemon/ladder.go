package daemon

import (
	"context"
	"fmt"
	"slices"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
)

// Mark is what a look at a rung came to.
type Mark string

// Marks of a rung.
const (
	Holds     Mark = "holds"
	AtRisk    Mark = "at-risk" // holds now, and will not
	Broken    Mark = "broken"
	Unknown   Mark = "unknown" // could not be looked at; the ladder is climbed on, for the next rung may tell
	NotLooked Mark = "not-looked-at"
)

// sight is what one look came to. Where it wants something that was not read yet, it says nothing else.
type sight struct {
	mark  Mark
	says  string
	found *fix.Finding
	end   bool // there is nothing above it
	wants []need
}

func holds(says string) sight { return sight{mark: Holds, says: says} }

func unsure(says string) sight { return sight{mark: Unknown, says: says} }

// finds is a sight with a finding, whose status is the mark.
func finds(f fix.Finding) sight {
	s := sight{mark: Broken, says: f.Summary, found: &f}
	switch f.Status {
	case fix.AtRisk:
		s.mark = AtRisk
	case fix.OK, fix.NotApplicable:
		s.mark, s.end = Holds, true
	case fix.Unknown:
		s.mark, s.end = Unknown, true
	case fix.Broken:
	}
	return s
}

func wants(n ...need) sight { return sight{wants: n} }

// rung is one look: pure, at what the survey has. Of what it finds, kinds are those that pages show there; what the states
// of units tell is found at any of the rungs that need them.
type rung struct {
	name  string
	look  func(*survey) sight
	kinds []*fix.Kind
}

// ladder is climbed from the first one up. The first that is broken is the finding; what stands above it stands on it,
// and is not looked at.
var ladder = []rung{
	{"store", storeRung, []*fix.Kind{notHere, notNeeded, notMounted}},
	{"configuration", configurationRung, []*fix.Kind{configError}},
	{"program", programRung, []*fix.Kind{programMissing}},
	{"units", unitRung, []*fix.Kind{unitMissing, unitDangling, unitBad, masked, templateMissing}},
	{"socket", socketRung, []*fix.Kind{dirMissing, dirOwner, dirMode, notInGroup, socketMissing, notASocket, socketMode}},
	{"connection", connectionRung, []*fix.Kind{
		selinux, disabled, stopped, startLimit, socketFailed, serviceFails, oomKilled, diskFull, readOnly, conditionFailed, needsReload, bootRace,
		socketLost, staleSocket, noInit,
	}},
	{"greeting", greetingRung, []*fix.Kind{suspended, silent, closes, notAllowed, notNix, tooOld, refuses}},
	{"release", releaseRung, []*fix.Kind{older, deleted}},
	{"access", accessRung, []*fix.Kind{serviceAlone}},
}

// Rung is a look at one rung, for people and programs.
type Rung struct {
	Name    string `json:"name"`
	Mark    Mark   `json:"mark"`
	Says    string `json:"says,omitempty"`
	Finding string `json:"finding,omitempty"`
}

// Ladder is all of them, the first one first.
type Ladder struct {
	Schema   int    `json:"schema"`
	Rungs    []Rung `json:"rungs"`
	Socket   string `json:"socket,omitempty"`
	Version  string `json:"version,omitempty"`  // of the daemon that answers, as it says
	Protocol string `json:"protocol,omitempty"` // "1.35"
	Trust    string `json:"trust,omitempty"`
}

// climb looks at the rungs, reading what each wants.
func climb(ctx context.Context, s *survey) (Ladder, []fix.Finding) {
	l := Ladder{Schema: 1, Socket: s.path}
	var found []fix.Finding
	over := false
	for _, r := range ladder {
		if over {
			l.Rungs = append(l.Rungs, Rung{Name: r.name, Mark: NotLooked})
			continue
		}
		saw := r.look(s)
		for len(saw.wants) > 0 {
			for _, n := range saw.wants {
				s.want(ctx, n)
			}
			saw = r.look(s)
		}
		one := Rung{Name: r.name, Mark: saw.mark, Says: saw.says}
		if saw.found != nil {
			one.Finding = saw.found.ID
			found = append(found, *saw.found)
		}
		l.Rungs = append(l.Rungs, one)
		over = saw.end || saw.mark == Broken
	}
	if s.read[greeting] && s.answer.Up() {
		major, minor := s.answer.Minor()
		l.Version, l.Protocol, l.Trust = s.answer.Version, fmt.Sprintf("%d.%d", major, minor), string(s.answer.Trust)
	}
	if len(found) == 0 {
		version := ""
		if l.Version != "" {
			version = daemonSays.Fill(fix.With{"version": l.Version, "protocol": l.Protocol})
		}
		found = append(found, answers.Found(fix.With{"version": version}, fix.Evidence{
			Source: s.path, Expected: aGreeting, Observed: oneAfter.Fill(fix.With{"ms": s.answer.Took.Milliseconds()}),
		}))
	}
	return l, found
}

var _ fix.Sketcher = daemon{}

// Sketch implements fix.Sketcher: the ladder, and where on it a finding is.
func (daemon) Sketch(k *fix.Kind) (figure.Figure, string) {
	at := slices.IndexFunc(ladder, func(r rung) bool { return slices.Contains(r.kinds, k) })
	if at < 0 && k != answers {
		return figure.Figure{}, ""
	}
	var l Ladder
	for i, r := range ladder {
		one := Rung{Name: r.name, Mark: Holds}
		saw := finds(fix.Finding{Status: k.Status})
		switch {
		case i == at:
			one.Mark, one.Says = saw.mark, k.Title
		case at >= 0 && i > at && (saw.end || saw.mark == Broken):
			one.Mark = NotLooked
		}
		l.Rungs = append(l.Rungs, one)
	}
	says := rungsStand
	if k != answers {
		says += aboutRung.Fill(fix.With{"rung": ladder[at].name})
	}
	return l.figure(), says
}
