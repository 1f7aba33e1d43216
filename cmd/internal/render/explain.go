package render

import (
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/words"
)

// explainView is what lixfix knows: its fixes, and the kinds of what they find.
type explainView struct{ *writer }

// registry lists the fixes, and says which of them do not apply here.
func (v explainView) registry(r Report) {
	wide := 0
	for _, l := range r.Listed {
		wide = max(wide, width(v.clean(l.Name)))
	}
	for _, l := range r.Listed {
		text := l.Title
		if !l.Applies {
			text += " (not here: " + l.Why + ")"
		}
		v.para(0, piece{text: l.Name, color: bold, width: wide + 2}, text)
	}
	if n := len(r.Known); n > 0 {
		v.blank()
		v.para(0, piece{}, words.Count(n, "more problem")+" without a fix: \"lixfix explain\" recognises their messages, \"lixfix list known\" lists them")
	}
}

// kinds lists kinds of findings.
func (v explainView) kinds(indent int, all []Kind) {
	var rows [][]string
	for _, k := range all {
		rows = append(rows, []string{k.ID, looks[k.Status].word, classes(k), k.Title})
	}
	if v.table(indent, []string{"finding", "says", "remedy", "what it is"}, rows) {
		return
	}
	for i, k := range all {
		v.line(indent, piece{text: k.ID, color: bold})
		about := rows[i][1]
		if rows[i][2] != "-" {
			about += ", " + rows[i][2]
		}
		v.para(indent+2, piece{}, k.Title+" ("+about+")")
	}
}

// classes are the classes of a kind's remedies: "safe, advice".
func classes(k Kind) string {
	var found []string
	for _, c := range []fix.Class{fix.Safe, fix.Risky, fix.Advice} {
		for _, r := range k.Remedies {
			if r.Class == c {
				found = append(found, string(c))
				break
			}
		}
	}
	return orDash(strings.Join(found, ", "))
}

// meanings of the classes of remedies.
var meanings = map[fix.Class]string{
	fix.Safe: "safe: --yes is enough", fix.Risky: "risky: you decide", fix.Advice: "advice: yours to do",
}

// kind is the page of one kind of finding.
func (v explainView) kind(k Kind) {
	look := looks[k.Status]
	v.own = messages(Report{Kinds: []Kind{k}})
	v.para(0, piece{text: k.ID, color: bold, width: width(v.clean(k.ID)) + 2}, k.Title)
	v.line(0, piece{text: "status", width: label + 2}, piece{text: look.word, color: look.color})
	for _, s := range k.Also {
		v.line(0, piece{text: "or", width: label + 2}, piece{text: looks[s].word, color: looks[s].color})
	}
	v.section("What it means", k.Means)
	v.bullets("What you may see", k.Messages)
	for i, r := range k.Remedies {
		heading := "What to do"
		if i == 0 {
			v.blank()
			v.line(0, piece{text: heading, color: bold})
		} else {
			v.blank()
		}
		indent := 2
		if r.When != "" {
			v.para(indent, piece{text: "when", width: label}, r.When)
		}
		v.para(indent, piece{text: "class", width: label}, meanings[r.Class])
		v.para(indent, piece{text: "does", width: label}, r.Changes)
		if r.Command != "" {
			v.line(indent, piece{text: "run", width: label}, piece{text: r.Command, color: bold})
		}
		if r.Undo != "" {
			v.para(indent, piece{text: "undo", width: label}, r.Undo)
		}
	}
	v.here(k.Here)
	v.bullets("Sources", k.Sources)
	v.blank()
	if k.Unfixed {
		v.para(0, piece{}, unfixed)
		return
	}
	name, _, _ := strings.Cut(k.ID, "/")
	if k.Here == nil {
		v.line(0, piece{text: "here?", width: label + 1}, piece{text: "lixfix explain " + k.ID + " --here", color: bold})
	}
	v.line(0, piece{text: "look", width: label + 1}, piece{text: "lixfix check " + name + v.on, color: bold})
	v.line(0, piece{text: "more", width: label + 1}, piece{text: "lixfix explain " + name, color: bold})
}

// unfixed is said of what only has a page.
const unfixed = "lixfix recognises this problem from error messages. It has no fix for it yet, and does not check for it."

// here shows what a look at this host has come to.
func (v explainView) here(h *Here) {
	if h == nil {
		return
	}
	v.blank()
	v.line(0, piece{text: "On this host", color: bold})
	if h.Is == Confirmed {
		look := looks[h.Finding.Status]
		v.para(2, piece{text: look.word, color: look.color, width: statusWidth}, h.Finding.Summary)
		findingsView(v).evidence(2, h.Finding.Evidence)
		if h.Finding.Remedy != nil {
			findingsView(v).remedy(2, *h.Finding.Remedy)
		}
		return
	}
	v.para(2, piece{}, h.words())
}

// verdict is what a look has come to, without why.
func (h Here) verdict() string {
	switch h.Is {
	case Confirmed:
		return "confirmed"
	case NotKnown:
		return "could not tell"
	case NotLooked:
		return "not looked for"
	}
	return "not confirmed here"
}

// words say what a look has come to, and why.
func (h Here) words() string {
	why := h.Why
	switch {
	case h.Is == Confirmed:
		why = h.Finding.Summary
	case h.Is == NotKnown && h.NeedsRoot:
		why += "; root could"
	case why == "":
		return h.verdict()
	}
	return h.verdict() + ": " + why
}

// show shows the documentation of fixes.
func (v explainView) show(r Report) {
	for _, e := range r.Explained {
		v.blank()
		v.para(0, piece{text: e.Name, color: bold, width: width(v.clean(e.Name)) + 2}, e.Title)
		v.bullets("Symptoms", e.Symptoms)
		v.section("Cause", e.Cause)
		v.section("What the repair changes", e.Changes)
		v.section("How to undo", e.Undo)
		for _, s := range e.More {
			v.section(s.Heading, s.Text)
		}
		if len(e.Kinds) > 0 {
			v.blank()
			v.line(0, piece{text: "Findings", color: bold})
			v.kinds(2, e.Kinds)
		}
		v.options(e.Options)
		v.bullets("Sources", e.Sources)
		v.blank()
		const label = 9
		v.line(0, piece{text: "look", width: label}, piece{text: "lixfix check " + e.Name + v.on, color: bold})
		v.line(0, piece{text: "preview", width: label}, piece{text: "lixfix repair " + e.Name + " --dry-run" + v.on, color: bold})
		v.line(0, piece{text: "repair", width: label}, piece{text: "sudo lixfix repair " + e.Name, color: bold})
	}
	if r.Summary != "" {
		v.blank()
		v.para(0, piece{}, r.Summary)
	}
}

func (v explainView) options(all []Option) {
	if len(all) == 0 {
		return
	}
	v.blank()
	v.line(0, piece{text: "Options", color: bold})
	for _, o := range all {
		v.line(2, piece{text: o.Flag})
		v.para(6, piece{}, o.Usage)
		if o.Env != "" {
			v.para(6, piece{}, "in the environment: "+o.Env)
		}
	}
}
