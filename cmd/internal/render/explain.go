package render

import (
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/words"
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
	if n := len(r.Known); n > 0 {
		t.blank()
		t.para(0, piece{}, words.Count(n, "more problem")+" without a fix: \"lixfix explain\" recognises their messages, \"lixfix list known\" lists them")
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

// ExplainKind is the page of one kind of finding.
func (t *Text) ExplainKind(k Kind) {
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
	t.here(k.Here)
	t.list("Sources", k.Sources)
	t.blank()
	if k.Unfixed {
		t.para(0, piece{}, unfixed)
		return
	}
	name, _, _ := strings.Cut(k.ID, "/")
	if k.Here == nil {
		t.line(0, piece{text: "here?", width: label + 1}, piece{text: "lixfix explain " + k.ID + " --here", color: bold})
	}
	t.line(0, piece{text: "look", width: label + 1}, piece{text: "lixfix check " + name + t.on, color: bold})
	t.line(0, piece{text: "more", width: label + 1}, piece{text: "lixfix explain " + name, color: bold})
}

// unfixed is said of what only has a page.
const unfixed = "lixfix recognises this problem from error messages. It has no fix for it yet, and does not check for it."

// here shows what a look at this host has come to.
func (t *Text) here(h *Here) {
	if h == nil {
		return
	}
	t.blank()
	t.line(0, piece{text: "On this host", color: bold})
	if h.Is == Confirmed {
		look := looks[h.Finding.Status]
		t.para(2, piece{text: look.word, color: look.color, width: statusWidth}, h.Finding.Summary)
		t.evidence(2, h.Finding.Evidence)
		if h.Finding.Remedy != nil {
			t.remedy(2, *h.Finding.Remedy)
		}
		return
	}
	t.para(2, piece{}, h.words())
}

// words say what a look has come to.
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

// mostCandidates is how many of the kinds that a message points to are named.
const mostCandidates = 4

// Matches shows what a text points to.
func (t *Text) Matches(all []Match) {
	for i, m := range all {
		if i > 0 {
			t.blank()
		}
		t.match(m)
	}
}

func (t *Text) match(m Match) {
	const wide = label + 1
	switch {
	case len(m.Kinds) == 1:
		t.para(0, piece{text: m.Kinds[0].ID, color: bold, width: width(t.clean(m.Kinds[0].ID)) + 2}, m.Kinds[0].Title)
	case len(m.Kinds) == 0:
		t.line(0, piece{text: strings.Join(m.Fixes, ", "), color: bold})
	default:
		t.para(0, piece{}, "one of "+words.Count(len(m.Kinds), "finding")+"; the message alone does not say which")
	}
	if m.Number > 0 {
		t.para(2, piece{text: "line", width: wide}, itoa(m.Number)+": "+m.Line)
	}
	if !m.Sure {
		t.para(2, piece{text: "unsure", color: yellow, width: wide}, "the text only looks like this: "+m.Message)
	}
	if len(m.Kinds) > 1 {
		t.candidates(m.Kinds)
	} else if len(m.Kinds) == 1 && m.Kinds[0].Here != nil {
		t.para(2, piece{text: "here", width: wide}, m.Kinds[0].Here.words())
	}
	if len(m.Kinds) == 1 && m.Kinds[0].Unfixed {
		t.para(2, piece{text: "note", width: wide}, "lixfix has no fix for it yet; the page says what you can do")
	}
	if len(m.Kinds) == 1 || len(m.Kinds) > 0 && m.Kinds[0].Here != nil && m.Kinds[0].Here.Is == Confirmed {
		t.line(2, piece{text: "more", width: wide}, piece{text: "lixfix explain " + m.Kinds[0].ID + t.on, color: bold})
	}
	if len(m.Fixes) > 0 {
		t.line(2, piece{text: "look", width: wide}, piece{text: "lixfix check " + strings.Join(m.Fixes, " ") + t.on, color: bold})
	}
}

// candidates lists kinds; where this host was looked at, those that say something.
func (t *Text) candidates(all []Candidate) {
	shown := all
	if all[0].Here != nil {
		shown = nil
		for _, c := range all {
			if c.Here.Is == Confirmed || c.Here.Is == NotKnown {
				shown = append(shown, c)
			}
		}
		if len(shown) == 0 {
			t.para(4, piece{}, "none of them is confirmed here")
			return
		}
	}
	for i, c := range shown {
		if i == mostCandidates && len(shown) > mostCandidates+1 {
			t.line(4, piece{text: "and " + itoa(len(shown)-i) + " more", color: dim})
			return
		}
		text := c.Title
		if c.Here != nil {
			text = c.Here.words()
		}
		t.para(4, piece{text: c.ID, color: bold, width: width(t.clean(c.ID)) + 2}, text)
	}
}

// After says below the output of a command what it points to: in mostAfter lines at most, none longer than the terminal.
func (t *Text) After(all []Match) {
	const (
		mostAfter = 6
		each      = 3
		mark      = "lixfix: "
	)
	cut := func(indent string, c color, text string) {
		text = t.clean(text)
		for width(text)+len(indent) > t.Width {
			runes := []rune(text)
			text = string(runes[:len(runes)-2]) + "…"
		}
		t.b.WriteString(indent + t.paint(c, text) + "\n")
	}
	indent := strings.Repeat(" ", len(mark))
	for i, m := range all {
		if i == mostAfter/each {
			return
		}
		first := func(h *Here) string {
			if h == nil {
				return ""
			}
			return " (" + h.verdict() + ")"
		}
		next := "lixfix check " + strings.Join(m.Fixes, " ")
		switch {
		case len(m.Kinds) == 0:
			cut(mark, bold, "this message points to "+strings.Join(m.Fixes, ", "))
		case len(m.Kinds) == 1 || m.Kinds[0].Here != nil && m.Kinds[0].Here.Is == Confirmed:
			k := m.Kinds[0]
			cut(mark, bold, k.ID+first(k.Here)+": "+k.Title)
			next = "lixfix explain " + k.ID
			if k.Here != nil && k.Here.Is == Confirmed && k.Here.Finding.Remedy != nil && k.Here.Finding.Remedy.Command != "" {
				next = k.Here.Finding.Remedy.Command
			}
		case len(m.Fixes) == 0: // lixfix has no fix for any of them, and so nothing to check
			cut(mark, bold, "one of "+words.Count(len(m.Kinds), "finding")+", such as "+m.Kinds[0].ID+": "+m.Kinds[0].Title)
			next = "lixfix explain " + m.Kinds[0].ID
		default:
			cut(mark, bold, "one of "+words.Count(len(m.Kinds), "finding")+" of "+strings.Join(m.Fixes, ", ")+first(m.Kinds[0].Here))
		}
		cut(indent, plain, m.Line)
		t.line(len(mark), piece{text: "next:", width: len("next: ")}, piece{text: next, color: bold})
	}
}

// Explain shows the documentation of fixes.
func (t *Text) Explain(r Report) {
	for _, e := range r.Explained {
		t.blank()
		t.para(0, piece{text: e.Name, color: bold, width: width(t.clean(e.Name)) + 2}, e.Title)
		t.list("Symptoms", e.Symptoms)
		t.section("Cause", e.Cause)
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
		t.blank()
		const label = 9
		t.line(0, piece{text: "look", width: label}, piece{text: "lixfix check " + e.Name + t.on, color: bold})
		t.line(0, piece{text: "preview", width: label}, piece{text: "lixfix repair " + e.Name + " --dry-run" + t.on, color: bold})
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
