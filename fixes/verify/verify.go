// Package verify shows by real builds whether Nix works for users: each login shell of the host looks for the client, the
// client asks the daemon, and the daemon builds. It is drawn as a ladder, and the first rung that is broken says what to
// do next.
package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixbuild"
)

// Mark is what a rung came to, in the words of the ladder of the daemon.
type Mark string

// Marks of a rung.
const (
	Holds     Mark = "holds"
	Broken    Mark = "broken"
	Unknown   Mark = "unknown"
	NotLooked Mark = "not-looked-at"
)

// status is what a mark would be of a finding: how bad it is, is ordered there.
var status = map[Mark]fix.Status{NotLooked: fix.NotApplicable, Holds: fix.OK, Unknown: fix.Unknown, Broken: fix.Broken}

var signs = map[Mark]string{Holds: figure.Good, Broken: figure.Bad, Unknown: figure.Unknown, NotLooked: figure.Skipped}

// The names of the rungs, from the first one up. There is one of the first for each login shell.
const (
	Shell      = string(nixbuild.Shell)
	Connection = string(nixbuild.Connection)
	Build      = string(nixbuild.Building)
	Names      = "names"
)

// next are the commands that say more about a rung that is broken, by system.
var next = map[string]map[string][]string{
	Shell: {
		platform.Linux:  {"lixfix explain shell-hook/not-found"},
		platform.Darwin: {"lixfix explain shell-hook/not-found"},
	},
	Connection: {platform.Linux: {"lixfix check daemon"}, platform.Darwin: {"lixfix check sequoia"}},
	Build:      {platform.Linux: {"lixfix check daemon", "lixfix check stuck"}, platform.Darwin: {"lixfix check sequoia"}},
	Names:      {platform.Linux: {"lixfix check resolv-conf", "lixfix probe"}},
}

// Rung is one of them, for people and programs.
type Rung struct {
	Name  string `json:"name"`
	Shell string `json:"shell,omitempty"` // of a rung "shell": its program
	Mark  Mark   `json:"mark"`
	Says  string `json:"says,omitempty"`
	// Next are commands that say more, where it is broken or unknown.
	Next []string `json:"next,omitempty"`
	// Error is the last error of Nix, where it is what the rung broke with.
	Error string `json:"error,omitempty"`
}

// Ladder is all of them, the first one first.
type Ladder struct {
	As     string   `json:"as"` // who asked: the user who called sudo, and never root where there are others
	Rungs  []Rung   `json:"rungs"`
	Left   []string `json:"left,omitempty"` // store paths that could not be removed again
	Millis float64  `json:"ms"`
}

// Means are what there is to verify with.
type Means struct {
	Shells []string `json:"shells,omitempty"` // programs, at most one of each kind
	Tools  string   `json:"tools,omitempty"`  // the directory of the tools of Nix, where there is no such shell
}

// Find looks for login shells, in /etc/shells and in /etc/passwd, and for the tools of Nix. Of two programs of one shell,
// one that only root can have put there is taken.
func Find(ctx context.Context, v platform.View) (Means, error) {
	var m Means
	m.Tools, _ = nixbuild.Tools(ctx, v)
	var candidates []string
	list, err := platform.ReadSmall(ctx, v, "/etc/shells")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("look for login shells: %w", err)
	}
	for line := range strings.Lines(string(list)) {
		candidates = append(candidates, strings.TrimSpace(line))
	}
	passwd, err := v.ReadFile(ctx, accounts.PasswdFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("look for login shells: %w", err)
	}
	for _, u := range accounts.Users(passwd) {
		candidates = append(candidates, u.Shell)
	}
	for _, name := range platform.LoginShells {
		var there, trusted string
		for _, c := range candidates {
			if !path.IsAbs(c) || path.Clean(c) != c || path.Base(c) != name {
				continue
			}
			if _, err := v.Stat(ctx, c); err != nil {
				continue
			}
			there = cmp.Or(there, c)
			if _, err := v.Trusted(ctx, c); err == nil && trusted == "" {
				trusted = c
			}
		}
		if c := cmp.Or(trusted, there); c != "" {
			m.Shells = append(m.Shells, c)
		}
	}
	return m, nil
}

// Look is the rung of names: whether a build can look one up. It is looked at where a build works.
type Look func(ctx context.Context) Rung

// Run builds in each of the shells, side by side, or with the tools where there is no shell. names may be nil. It ends
// within a few minutes, whatever hangs, and removes what it has made.
func Run(ctx context.Context, b platform.Builder, m Means, names Look) Ladder {
	began := b.Now()
	as := b.Invoker(ctx)
	l := Ladder{As: as.Name}
	var results []nixbuild.Result
	switch {
	case len(m.Shells) > 0:
		var ways []nixbuild.Through
		for _, shell := range m.Shells {
			ways = append(ways, nixbuild.Through{Tools: m.Tools, Socket: installation.Socket, Shell: shell})
		}
		results = nixbuild.RunAll(ctx, b, ways...)
	case m.Tools != "":
		results = nixbuild.RunAll(ctx, b, nixbuild.Through{Tools: m.Tools, Socket: installation.Socket})
	default:
		results = []nixbuild.Result{{Outcome: nixbuild.Failed, Stage: nixbuild.Shell, Why: "there is no Nix in any of the usual places"}}
	}
	for i, r := range results {
		shell := ""
		if len(m.Shells) > 0 {
			shell = m.Shells[i]
		}
		l.Rungs = append(l.Rungs, shellRung(shell, m, r))
		l.Left = append(l.Left, r.Left...)
	}
	l.Rungs = append(l.Rungs, together(nixbuild.Connection, m.Shells, results), together(nixbuild.Building, m.Shells, results))
	if names != nil {
		rung := Rung{Name: Names, Mark: NotLooked}
		if l.rung(Build).Mark == Holds && ctx.Err() == nil {
			rung = names(ctx)
			rung.Name = Names
		}
		l.Rungs = append(l.Rungs, rung)
	}
	for i, r := range l.Rungs {
		if r.Mark == Broken || r.Mark == Unknown {
			l.Rungs[i].Next = next[r.Name][b.Facts().OS]
		}
	}
	l.Millis = float64(b.Now().Sub(began).Microseconds()) / 1000
	return l
}

// Alone looks again where no daemon is needed, because the store is one user's: the tools build in it as that user. It
// takes the place of what asking for a daemon has shown.
func (l *Ladder) Alone(ctx context.Context, b platform.Builder, m Means, owner platform.Account, names Look) {
	began := b.Now()
	r := nixbuild.Run(ctx, b, nixbuild.Through{Tools: m.Tools, Owner: &owner})
	l.Left = append(l.Left, r.Left...)
	writes, built := Rung{Name: Connection, Mark: NotLooked}, Rung{Name: Build, Mark: NotLooked}
	writes.Mark, writes.Says = at(nixbuild.Connection, r)
	built.Mark, built.Says = at(nixbuild.Building, r)
	switch writes.Mark {
	case Holds:
		writes.Says = "no daemon is needed: Nix writes to the store as " + owner.Name
	case Broken:
		writes.Says = "Nix cannot write to the store as " + owner.Name + ": " + r.Why
	}
	if built.Mark == Broken {
		built.Says = "Nix cannot build as " + owner.Name + ": " + r.Why
	}
	for _, one := range []*Rung{&writes, &built} {
		if one.Mark == Broken && r.Outcome == nixbuild.Failed {
			one.Error = r.Why
		}
		if one.Mark == Broken || one.Mark == Unknown {
			one.Next = []string{"lixfix check"}
		}
	}
	for i, rung := range l.Rungs {
		switch rung.Name {
		case Connection:
			l.Rungs[i] = writes
		case Build:
			l.Rungs[i] = built
		case Names:
			if names != nil && built.Mark == Holds && ctx.Err() == nil {
				l.Rungs[i] = names(ctx)
				l.Rungs[i].Name = Names
				if mark := l.Rungs[i].Mark; mark == Broken || mark == Unknown {
					l.Rungs[i].Next = next[Names][b.Facts().OS]
				}
			}
		}
	}
	l.As = owner.Name
	l.Millis += float64(b.Now().Sub(began).Microseconds()) / 1000
}

// shellRung says whether a shell finds the client.
func shellRung(shell string, m Means, r nixbuild.Result) Rung {
	rung := Rung{Name: Shell, Shell: shell, Mark: Holds}
	switch {
	case r.Stage == nixbuild.Shell && r.Outcome == nixbuild.Untried, r.Stage == "":
		rung.Mark, rung.Says = Unknown, r.Why
	case r.Stage == nixbuild.Shell:
		rung.Mark, rung.Says = Broken, "does not find nix: "+r.Why
		if r.Outcome == nixbuild.Late || shell == "" {
			rung.Says = r.Why
		}
	case shell == "":
		rung.Mark, rung.Says = NotLooked, "no "+words(platform.LoginShells, "or")+" on this host; used the tools in "+m.Tools
	case r.Terminal:
		rung.Says = "finds " + r.Found + ", but only when interactive"
	default:
		rung.Says = "finds " + r.Found
	}
	return rung
}

// together is a rung that all shells stand on: it is as bad as it is for the worst of them.
func together(stage nixbuild.Stage, shells []string, results []nixbuild.Result) Rung {
	rung := Rung{Name: string(stage), Mark: NotLooked}
	var in []string // the shells it is so in
	came := 0
	for i, r := range results {
		mark, says := at(stage, r)
		if mark == NotLooked {
			continue
		}
		came++
		if fix.Compare(status[mark], status[rung.Mark]) > 0 {
			rung.Mark, rung.Says, in = mark, says, nil
			rung.Error = ""
			if mark == Broken && r.Outcome == nixbuild.Failed {
				rung.Error = r.Why
			}
		}
		if mark == rung.Mark && len(shells) > 0 {
			in = append(in, path.Base(shells[i]))
		}
	}
	if rung.Mark != Holds && len(in) > 0 && len(in) < came {
		rung.Says = "in " + words(in, "and") + ": " + rung.Says
	}
	return rung
}

// at is what a build says of a stage.
func at(stage nixbuild.Stage, r nixbuild.Result) (Mark, string) {
	order := []nixbuild.Stage{"", nixbuild.Shell, nixbuild.Connection, nixbuild.Building}
	far, asked := slices.Index(order, r.Stage), slices.Index(order, stage)
	switch {
	case far < asked:
		return NotLooked, ""
	case far == asked && r.Outcome == nixbuild.Untried:
		return Unknown, r.Why
	case far == asked && r.Outcome != nixbuild.Built && stage == nixbuild.Connection:
		return Broken, "the client cannot reach the daemon: " + r.Why
	case far == asked && r.Outcome != nixbuild.Built:
		return Broken, "the daemon cannot build: " + r.Why
	case stage == nixbuild.Connection:
		return Holds, "the client reaches the daemon"
	}
	return Holds, fmt.Sprintf("built in %.1f s", r.Took.Seconds())
}

func (l Ladder) rung(name string) Rung {
	if i := slices.IndexFunc(l.Rungs, func(r Rung) bool { return r.Name == name }); i >= 0 {
		return l.Rungs[i]
	}
	return Rung{Name: name, Mark: NotLooked}
}

// Worst is the first of the rungs that are broken, or else that are unknown; nil where there is none.
func (l Ladder) Worst() *Rung {
	for _, mark := range []Mark{Broken, Unknown} {
		if i := slices.IndexFunc(l.Rungs, func(r Rung) bool { return r.Mark == mark }); i >= 0 {
			return &l.Rungs[i]
		}
	}
	return nil
}

// Status is what all rungs come to. It is ok only where something was built.
func (l Ladder) Status() fix.Status {
	switch worst := l.Worst(); {
	case worst != nil && worst.Mark == Broken:
		return fix.Broken
	case worst != nil, l.rung(Build).Mark != Holds:
		return fix.Unknown
	}
	return fix.OK
}

// Subject is what a rung is about, for people.
func (r Rung) Subject() string {
	if r.Shell != "" {
		return path.Base(r.Shell)
	}
	return r.Name
}

// String is a rung as a sentence without a full stop.
func (r Rung) String() string {
	if r.Shell != "" && r.Mark == Unknown {
		return r.Subject() + ": " + r.Says // what kept it from an answer may be about something else
	}
	if r.Shell != "" {
		return r.Subject() + " " + r.Says
	}
	return r.Says
}

// Who is the user that the build ran as, for people: "works for nobody" would say the opposite.
func (l Ladder) Who() string {
	if l.As == "nobody" {
		return "the user nobody"
	}
	return l.As
}

// Figure is the ladder, the first rung on top, as it is climbed.
func (l Ladder) Figure() figure.Figure {
	var f figure.Figure
	for _, r := range l.Rungs {
		says := r.Says
		if r.Mark == NotLooked && says == "" {
			says = "not looked at"
		}
		f.Rows = append(f.Rows, figure.Row{Mark: signs[r.Mark], Cells: []string{r.Subject(), says}})
	}
	return f
}

// words joins words as a sentence does.
func words(all []string, last string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " " + last + " " + all[len(all)-1]
}

// Verdict is what the ladder comes to, in a sentence.
func (l Ladder) Verdict() string {
	switch worst := l.Worst(); {
	case worst != nil && worst.Mark == Broken:
		return worst.String()
	case worst != nil:
		return "could not tell: " + worst.String()
	case l.rung(Build).Mark != Holds:
		return "could not tell: nothing was built"
	}
	return "Nix works for " + l.Who()
}
