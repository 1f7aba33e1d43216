package render

import (
	"strings"

	"github.com/lixfix/lixfix/platform/words"
)

// changeView is what a command is going to do to the host, and what came of it.
type changeView struct{ *writer }

// found shows what a repair starts from.
func (v changeView) found(r Report) {
	findingsView(v).show(r.Fixes)
	if r.Plan != nil {
		planView(v).show(*r.Plan, r.Drawn)
	}
	v.refused("Nobody can take this back", r.Lasting)
	v.undecided(r.Undecided)
	v.blank()
}

// undecided says what a decision would do.
func (v changeView) undecided(all []Undecided) {
	if len(all) == 0 {
		return
	}
	v.blank()
	v.line(0, piece{text: "Not in the plan, because it is risky and nobody has decided on it", color: bold})
	for _, u := range all {
		v.para(2, piece{text: "--accept " + u.ID, color: bold, width: width("--accept "+u.ID) + 2}, u.Changes)
		v.line(2, piece{text: "run", width: label}, piece{text: u.Command, color: bold})
	}
}

// remaining introduces what resume or undo is going to do.
func (v changeView) remaining(r Report, heading string) {
	v.para(0, piece{}, heading)
	if r.Plan != nil {
		planView(v).show(*r.Plan, r.Drawn)
	}
	v.refused("Left alone, because the host has changed since", r.Refused)
	v.refused("Nobody can take this back", r.Lasting)
	v.blank()
}

// ended shows how it went, and what is true now.
func (v changeView) ended(r Report) {
	o := r.Outcome
	v.refused("Not taken back", r.Refused)
	v.refused("Failed, but the rest does not depend on it", o.Skipped)
	v.services(o)
	v.blank()
	findingsView(v).show(r.After)
	if r.Moved != "" {
		v.blank()
		v.para(0, piece{}, r.Moved)
	}
	if o.Result == Finished && o.ID != "" && !v.Quiet && (r.Plan == nil || r.Plan.Undoes == "" && len(r.Lasting) < len(r.Plan.Entries)) {
		v.blank()
		v.line(0, piece{text: "take it back with", width: 19}, piece{text: "sudo lixfix undo " + o.ID, color: bold})
	}
	v.next(r)
	v.blank()
	verdict(v.writer, r)
}

// services says whether what was stopped runs again, unless all went well.
func (v changeView) services(o *Outcome) {
	for _, s := range o.Services {
		switch {
		case !s.Running:
			v.colored(0, piece{text: "NOT DONE", color: red, width: len("NOT DONE") + 2}, red, s.Start)
		case o.Result != Finished && o.Result != Undone:
			v.para(0, piece{text: "done", width: len("NOT DONE") + 2}, s.Start)
		}
	}
}

func (v changeView) next(r Report) {
	o := r.Outcome
	if o.Result != Unfinished {
		return
	}
	v.blank()
	v.para(0, piece{}, itoa(o.Done)+" of "+words.Count(o.Total, "step")+" done; the journal "+o.ID+" knows which.")
	for _, c := range o.Next {
		what := map[string]string{"resume": "finish it", "undo": "take it back"}[lastWord(c)]
		if undoing := o.Back || r.Plan != nil && r.Plan.Undoes != ""; undoing {
			what = "go on"
		}
		v.line(2, piece{text: what, width: 14}, piece{text: c, color: bold})
	}
}

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// refused shows steps that are left alone.
func (v changeView) refused(heading string, refused []Refused) {
	if len(refused) == 0 {
		return
	}
	v.blank()
	v.line(0, piece{text: heading, color: bold})
	const most = 20
	for i, r := range refused {
		if i == most && !v.Verbose {
			v.para(2, piece{text: "-", width: 2}, itoa(len(refused)-most)+" more (-v shows all)")
			break
		}
		v.para(2, piece{text: "-", width: 2}, r.Step+": "+r.Reason)
	}
}
