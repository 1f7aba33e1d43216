package render

import (
	"fmt"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/words"
)

// Tally counts what was found.
type Tally struct {
	Checked  int // fixes that apply
	Broken   int // findings
	AtRisk   int
	Unknown  int
	ForRoot  int      // of Unknown, those that root could tell
	NotHere  []string // names of fixes that do not apply
	Repairer []string // names of fixes with broken findings
}

// Count counts what was found.
func Count(fixes []Fix) Tally {
	var t Tally
	for _, f := range fixes {
		if f.Status == fix.NotApplicable {
			t.NotHere = append(t.NotHere, f.Name)
			continue
		}
		t.Checked++
		broken := false
		for _, finding := range f.Findings {
			switch finding.Status {
			case fix.Broken:
				t.Broken++
				broken = true
			case fix.AtRisk:
				t.AtRisk++
			case fix.Unknown:
				t.Unknown++
				if finding.NeedsRoot {
					t.ForRoot++
				}
			}
		}
		if broken {
			t.Repairer = append(t.Repairer, f.Name)
		}
	}
	return t
}

// String says it in a few words: "all well", or "1 problem, 2 at risk".
func (t Tally) String() string {
	var parts []string
	if t.Broken > 0 {
		parts = append(parts, words.Count(t.Broken, "problem"))
	}
	if t.AtRisk > 0 {
		parts = append(parts, itoa(t.AtRisk)+" at risk")
	}
	if t.Unknown > 0 {
		s := itoa(t.Unknown) + " could not be checked"
		if t.ForRoot > 0 {
			s += " (root can tell"
			if t.ForRoot < t.Unknown {
				s += " of " + itoa(t.ForRoot)
			}
			s += ")"
		}
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return "all well"
	}
	return strings.Join(parts, ", ")
}

// nothingHere names the fixes that have looked, and found nothing here that they are about. The system would be a wrong
// reason for these. said says it of all of them.
func nothingHere(fixes []Fix) (names []string, said string) {
	for _, f := range fixes {
		if f.Status == fix.NotApplicable && len(f.Findings) > 0 {
			names = append(names, f.Name)
			said = f.Findings[0].Summary
		}
	}
	if len(names) > 1 {
		said = strings.Join(names, ", ") + " have found nothing to look at"
	}
	return names, said
}

// CheckVerdict is the last line of "lixfix check".
func CheckVerdict(r Report) string {
	var b strings.Builder
	b.WriteString("lixfix " + r.Lixfix + ": ")
	switch len(r.Waiting) {
	case 0:
	case 1:
		switch w := r.Waiting[0]; {
		case w.Trouble != "":
			b.WriteString("the journal of an unfinished repair cannot be used; ")
		case w.Undo:
			b.WriteString("an unfinished undo waits; ")
		default:
			b.WriteString("an unfinished repair waits; ")
		}
	default:
		b.WriteString(itoa(len(r.Waiting)) + " unfinished repairs wait; ")
	}
	t := Count(r.Fixes)
	if t.Checked == 0 {
		b.WriteString("nothing to check on this host: ")
		here, said := nothingHere(r.Fixes)
		switch len(t.NotHere) {
		case 0:
			b.WriteString("there are no fixes")
		case len(here):
			b.WriteString(said)
		case 1:
			b.WriteString(t.NotHere[0] + " does not apply to " + System(r.Host.OS))
		default:
			b.WriteString(strings.Join(t.NotHere, ", ") + " do not apply to " + System(r.Host.OS))
		}
	} else {
		fixes := "fixes"
		if t.Checked == 1 {
			fixes = "fix"
		}
		fmt.Fprintf(&b, "%d %s checked on %s: %s", t.Checked, fixes, HostName(r.Host.Facts), t)
	}
	if n := len(r.Problems); n > 0 {
		b.WriteString("; " + words.Count(n, "thing") + " could not be read")
	}
	return b.String()
}

// ChangeVerdict is the last line of a command that changes the host.
func ChangeVerdict(r Report) string {
	o := r.Outcome
	found := Count(r.Fixes)
	if r.After != nil {
		found = Count(r.After)
	}
	name := ""
	if len(r.Fixes) > 0 {
		name = r.Fixes[0].Name
	} else if r.Plan != nil {
		name = r.Plan.Fix
	}
	is := ""
	if found.Checked > 0 {
		is = "; now: " + found.String()
	}
	done := fmt.Sprintf("%d of %s", o.Done, words.Count(o.Total, "step"))
	var s string
	switch o.Result {
	case NothingToDo:
		s = "nothing to do"
		switch {
		case len(r.Undecided) == 1:
			s = "nothing was changed: a risky remedy waits for --accept " + r.Undecided[0].ID + "; " + found.String()
		case len(r.Undecided) > 1:
			s = "nothing was changed: " + itoa(len(r.Undecided)) + " risky remedies wait for --accept; " + found.String()
		case found.Broken+found.Unknown > 0:
			s = "lixfix can do nothing here: " + found.String()
		case found.AtRisk > 0:
			s = "nothing is broken, and nothing was changed: " + found.String()
		case found.Checked > 0:
			s += ": " + found.String()
		}
	case NotApplicable:
		s = name + " does not apply to " + System(r.Host.OS) + "; nothing to do"
	case DryRun:
		s = "dry run: " + words.Count(o.Total, "step") + " to do; nothing was changed"
	case NotStarted:
		s = "nothing was changed"
	case Finished:
		steps := words.Count(o.Total, "step")
		if o.Done != o.Total {
			steps = done
		}
		switch {
		case r.Plan != nil && r.Plan.Undoes != "" && len(r.Refused) > 0:
			s = "taken back, except for " + words.Count(len(r.Refused), "step") + is
		case r.Plan != nil && r.Plan.Undoes != "":
			s = "taken back in " + steps + is
		case o.Error != "":
			s = "not repaired, with " + steps + " done" + is
		case found.Broken+found.Unknown == 0:
			s = "repaired in " + steps + is
		default:
			s = steps + " done" + is
		}
	case Undone:
		s = "everything was taken back" + is
	case PartlyUndone:
		s = "taken back, except for " + words.Count(len(r.Refused), "step") + is
	case Abandoned:
		s = "nothing was changed: it failed before the first change"
		if o.Ended {
			s = "nothing was changed: it was ended before the first change"
		}
	case Unfinished:
		s = "not finished: " + done + " done"
		switch {
		case o.Back:
			s = "not finished: it is being taken back"
		case r.Plan != nil && r.Plan.Undoes != "":
			s = "not finished: " + r.Plan.Undoes + " is being taken back, " + done + " done"
		}
	}
	return "lixfix " + r.Lixfix + ": " + s
}

// verdict is the last line, and there is always one.
func verdict(w *writer, r Report) {
	c := green
	switch {
	case r.Exit != 0:
		c = red
	case Count(r.Fixes).AtRisk > 0 && r.After == nil:
		c = yellow
	}
	w.colored(0, piece{}, c, r.Summary)
}

// unread names what could not be read.
func unread(w *writer, all []string) {
	if len(all) == 0 {
		return
	}
	w.blank()
	for _, p := range all {
		w.para(0, piece{text: "not read", color: yellow, width: len("not read") + 2}, p)
	}
}
