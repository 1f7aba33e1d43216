package render

import (
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
)

// List shows the registry.
func (t *Text) List(r Report) {
	wide := 0
	for _, l := range r.Listed {
		wide = max(wide, width(t.clean(l.Name)))
	}
	for _, l := range r.Listed {
		text := l.Title
		if !l.Applies {
			text += " (not here: " + l.Why + ")"
		}
		t.para(0, piece{text: l.Name, color: bold, width: wide + 2}, text)
	}
}

// Kinds lists kinds of findings.
func (t *Text) Kinds(all []Kind) { t.kinds(0, all) }

func (t *Text) kinds(indent int, all []Kind) {
	var rows [][]string
	for _, k := range all {
		rows = append(rows, []string{k.ID, looks[k.Status].word, classes(k), k.Title})
	}
	if t.table(indent, []string{"finding", "says", "remedy", "what it is"}, rows) {
		return
	}
	for i, k := range all {
		t.line(indent, piece{text: k.ID, color: bold})
		about := rows[i][1]
		if rows[i][2] != "-" {
			about += ", " + rows[i][2]
		}
		t.para(indent+2, piece{}, k.Title+" ("+about+")")
	}
}

// classes are the classes of a kind's remedies: "safe, advice".
func classes(k Kind) string {
	var words []string
	for _, c := range []fix.Class{fix.Safe, fix.Risky, fix.Advice} {
		for _, r := range k.Remedies {
			if r.Class == c {
				words = append(words, string(c))
				break
			}
		}
	}
	return orDash(strings.Join(words, ", "))
}

// meanings of the classes of remedies.
var meanings = map[fix.Class]string{
	fix.Safe: "safe: --yes is enough", fix.Risky: "risky: you decide", fix.Advice: "advice: yours to do",
}

// ExplainKind is the page of one kind of finding, of the named fix.
func (t *Text) ExplainKind(k Kind, name string) {
	look := looks[k.Status]
	t.para(0, piece{text: k.ID, color: bold, width: width(t.clean(k.ID)) + 2}, k.Title)
	t.line(0, piece{text: "status", width: label + 2}, piece{text: look.word, color: look.color})
	for _, s := range k.Also {
		t.line(0, piece{text: "or", width: label + 2}, piece{text: looks[s].word, color: looks[s].color})
	}
	t.section("What it means", k.Means)
	t.list("What you may see", k.Messages)
	for i, r := range k.Remedies {
		heading := "What to do"
		if i == 0 {
			t.blank()
			t.line(0, piece{text: heading, color: bold})
		} else {
			t.blank()
		}
		indent := 2
		if r.When != "" {
			t.para(indent, piece{text: "when", width: label}, r.When)
		}
		t.para(indent, piece{text: "class", width: label}, meanings[r.Class])
		t.para(indent, piece{text: "does", width: label}, r.Changes)
		if r.Command != "" {
			t.line(indent, piece{text: "run", width: label}, piece{text: r.Command, color: bold})
		}
		if r.Undo != "" {
			t.para(indent, piece{text: "undo", width: label}, r.Undo)
		}
	}
	t.list("Sources", k.Sources)
	t.blank()
	t.line(0, piece{text: "look", width: label + 1}, piece{text: "lixfix check " + name, color: bold})
	t.line(0, piece{text: "more", width: label + 1}, piece{text: "lixfix explain " + name, color: bold})
}

// Explain shows the documentation of fixes.
func (t *Text) Explain(r Report) {
	for _, e := range r.Explained {
		t.blank()
		t.para(0, piece{text: e.Name, color: bold, width: width(t.clean(e.Name)) + 2}, e.Title)
		t.section("The text matches", e.Matched)
		if e.Matched == "" {
			t.list("Symptoms", e.Symptoms)
		}
		t.section("Cause", e.Cause)
		if e.Matched == "" {
			t.section("What the repair changes", e.Changes)
			t.section("How to undo", e.Undo)
			for _, s := range e.More {
				t.section(s.Heading, s.Text)
			}
			if len(e.Kinds) > 0 {
				t.blank()
				t.line(0, piece{text: "Findings", color: bold})
				t.kinds(2, e.Kinds)
			}
			t.options(e.Options)
			t.list("Sources", e.Sources)
		}
		t.blank()
		const label = 9
		if e.Matched != "" {
			t.line(0, piece{text: "more", width: label}, piece{text: "lixfix explain " + e.Name, color: bold})
		}
		t.line(0, piece{text: "look", width: label}, piece{text: "lixfix check " + e.Name, color: bold})
		t.line(0, piece{text: "preview", width: label}, piece{text: "lixfix repair " + e.Name + " --dry-run", color: bold})
		t.line(0, piece{text: "repair", width: label}, piece{text: "sudo lixfix repair " + e.Name, color: bold})
	}
	if r.Summary != "" {
		t.blank()
		t.para(0, piece{}, r.Summary)
	}
}

func (t *Text) section(heading, text string) {
	if text == "" {
		return
	}
	t.blank()
	t.line(0, piece{text: heading, color: bold})
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		t.para(2, piece{}, paragraph)
	}
}

func (t *Text) list(heading string, items []string) {
	if len(items) == 0 {
		return
	}
	t.blank()
	t.line(0, piece{text: heading, color: bold})
	for _, i := range items {
		t.para(2, piece{text: "-", width: 2}, i)
	}
}

func (t *Text) options(all []Option) {
	if len(all) == 0 {
		return
	}
	t.blank()
	t.line(0, piece{text: "Options", color: bold})
	for _, o := range all {
		t.line(2, piece{text: o.Flag})
		t.para(6, piece{}, o.Usage)
		if o.Env != "" {
			t.para(6, piece{}, "in the environment: "+o.Env)
		}
	}
}
