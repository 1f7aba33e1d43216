package render

import (
	"strings"

	"github.com/lixfix/lixfix/platform/words"
)

// Check shows the whole of "lixfix check".
func (t *Text) Check(r Report) {
	if r.Installation != nil && !t.Quiet && !t.Named {
		t.para(0, piece{}, r.Installation.Summary)
		t.blank()
	}
	t.Waiting(r)
	t.Fixes(r.Fixes)
	t.problems(r.Problems)
	if r.Moved != "" {
		t.blank()
		t.para(0, piece{}, r.Moved)
	}
	t.blank()
	t.Verdict(r)
}

// Waiting tells of unfinished repairs.
func (t *Text) Waiting(r Report) {
	const wide = len("unfinished") + 2
	way := func(what, command string) {
		t.line(2, piece{text: what, width: 14}, piece{text: command, color: bold})
	}
	for _, w := range r.Waiting {
		label, text := piece{text: "unfinished", color: red, width: wide}, w.ID+" (or another lixfix is at work on it)"
		if w.Undo {
			text = w.ID + ": it was being taken back (or another lixfix is at work on it)"
		}
		if w.Trouble != "" {
			label.text, text = "unusable", w.ID+": "+w.Trouble
		}
		t.para(0, label, text)
		switch {
		case w.Trouble != "":
			way("move it away", w.Next)
		case w.Undo:
			way("go on", "sudo lixfix undo")
		default:
			way("finish it", "sudo lixfix resume")
			way("take it back", "sudo lixfix undo")
		}
	}
	if len(r.Waiting) > 0 {
		t.blank()
	}
}

func (t *Text) problems(all []string) {
	if len(all) == 0 {
		return
	}
	t.blank()
	for _, p := range all {
		t.para(0, piece{text: "not read", color: yellow, width: len("not read") + 2}, p)
	}
}

// Verdict is the last line, and there is always one.
func (t *Text) Verdict(r Report) {
	c := green
	switch {
	case r.Exit != 0:
		c = red
	case Count(r.Fixes).AtRisk > 0 && r.After == nil:
		c = yellow
	}
	t.colored(0, piece{}, c, r.Summary)
}

// Found shows what a repair starts from.
func (t *Text) Found(r Report) {
	t.Fixes(r.Fixes)
	if r.Plan != nil {
		t.Plan(*r.Plan, r.Drawn)
	}
	t.Refused("Nobody can take this back", r.Lasting)
	t.undecided(r.Undecided)
	t.blank()
}

// undecided says what a decision would do.
func (t *Text) undecided(all []Undecided) {
	if len(all) == 0 {
		return
	}
	t.blank()
	t.line(0, piece{text: "Not in the plan, because it is risky and nobody has decided on it", color: bold})
	for _, u := range all {
		t.para(2, piece{text: "--accept " + u.ID, color: bold, width: width("--accept "+u.ID) + 2}, u.Changes)
		t.line(2, piece{text: "run", width: label}, piece{text: u.Command, color: bold})
	}
}

// Remaining introduces what resume or undo is going to do.
func (t *Text) Remaining(r Report, heading string) {
	t.para(0, piece{}, heading)
	if r.Plan != nil {
		t.Plan(*r.Plan, r.Drawn)
	}
	t.Refused("Left alone, because the host has changed since", r.Refused)
	t.Refused("Nobody can take this back", r.Lasting)
	t.blank()
}

// Ended shows how it went, and what is true now.
func (t *Text) Ended(r Report) {
	o := r.Outcome
	t.Refused("Not taken back", r.Refused)
	t.Refused("Failed, but the rest does not depend on it", o.Skipped)
	t.services(o)
	t.blank()
	t.Fixes(r.After)
	if r.Moved != "" {
		t.blank()
		t.para(0, piece{}, r.Moved)
	}
	if o.Result == Finished && o.ID != "" && !t.Quiet && (r.Plan == nil || r.Plan.Undoes == "" && len(r.Lasting) < len(r.Plan.Entries)) {
		t.blank()
		t.line(0, piece{text: "take it back with", width: 19}, piece{text: "sudo lixfix undo " + o.ID, color: bold})
	}
	t.next(r)
	t.blank()
	t.Verdict(r)
}

// services says whether what was stopped runs again, unless all went well.
func (t *Text) services(o *Outcome) {
	for _, s := range o.Services {
		switch {
		case !s.Running:
			t.colored(0, piece{text: "NOT DONE", color: red, width: len("NOT DONE") + 2}, red, s.Start)
		case o.Result != Finished && o.Result != Undone:
			t.para(0, piece{text: "done", width: len("NOT DONE") + 2}, s.Start)
		}
	}
}

func (t *Text) next(r Report) {
	o := r.Outcome
	if o.Result != Unfinished {
		return
	}
	t.blank()
	t.para(0, piece{}, itoa(o.Done)+" of "+words.Count(o.Total, "step")+" done; the journal "+o.ID+" knows which.")
	for _, c := range o.Next {
		what := map[string]string{"resume": "finish it", "undo": "take it back"}[lastWord(c)]
		if undoing := o.Back || r.Plan != nil && r.Plan.Undoes != ""; undoing {
			what = "go on"
		}
		t.line(2, piece{text: what, width: 14}, piece{text: c, color: bold})
	}
}

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// History shows what was done on this host, the oldest first.
func (t *Text) History(r Report) {
	undone := map[string]bool{}
	for _, p := range r.History {
		if p.Outcome == "finished" {
			undone[p.Undoes] = true
		}
	}
	var rows [][]string
	for _, p := range r.History {
		began := "-"
		if p.Began != nil {
			began = p.Began.UTC().Format("2006-01-02 15:04")
		}
		outcome := orDash(p.Outcome)
		switch {
		case p.Outcome == "finished" && p.Undoes != "":
			outcome = "took back " + tail(p.Undoes)
		case p.Outcome == "undoing" && p.Undoes != "":
			outcome = "taking back " + tail(p.Undoes) + ", unfinished"
		case p.Outcome == "undoing":
			outcome = "being taken back, unfinished"
		case p.Outcome == "finished" && undone[p.ID]:
			outcome = "taken back"
		}
		rows = append(rows, []string{p.ID, began, orDash(p.Fix), orDash(p.Version), outcome})
	}
	if len(rows) > 0 && !t.table(0, []string{"id", "began (UTC)", "fix", "by", "outcome"}, rows) {
		for _, row := range rows {
			t.line(0, piece{text: row[0], color: bold})
			t.para(2, piece{}, row[2]+", "+row[1]+" UTC, lixfix "+row[3]+": "+row[4])
		}
	}
	for _, id := range r.Pruned {
		t.line(0, piece{text: "removed", width: 9}, piece{text: id})
	}
	t.problems(r.Problems)
	if len(rows) > 0 || len(r.Pruned) > 0 || len(r.Problems) > 0 {
		t.blank()
	}
	t.para(0, piece{}, r.Summary)
}

// SetAside says which journal was moved out of the way, and what is not known any more.
func (t *Text) SetAside(r Report) {
	const wide = len("kept as") + 2
	t.para(0, piece{text: "set aside", color: bold, width: len("set aside") + 2}, r.SetAside.ID)
	t.para(2, piece{text: "because", width: wide}, r.SetAside.Reason)
	t.line(2, piece{text: "kept as", width: wide}, piece{text: r.SetAside.File})
	t.notes(r.Notes)
	t.blank()
}

// tail is the end of an ID, by which people tell it from others.
func tail(id string) string {
	return "…" + id[strings.LastIndexByte(id, '-')+1:]
}

// Problem shows an error and what can be done about it.
func (t *Text) Problem(p Problem) {
	t.para(0, piece{text: "error:", color: red, width: len("error: ")}, p.Message)
	next := piece{text: "next:", color: bold, width: len("error: ")}
	switch {
	case p.Typed:
		t.line(0, next, piece{text: p.Next}) // to be copied: whole
	case p.Next != "":
		t.para(0, next, p.Next)
	}
}

// Summary shows nothing else.
func (t *Text) Summary(r Report) { t.para(0, piece{}, r.Summary) }
