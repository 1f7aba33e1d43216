package render

// Text is a page for people, and what can stand on it: a method each. How a page looks is up to its view, and how lines
// are laid out up to the writer that all views share. Colour is never the only carrier of a meaning.
type Text struct{ *writer }

// NewText returns an empty page.
func NewText(s Style) *Text { return &Text{newWriter(s)} }

// Check shows the whole of "lixfix check".
func (t *Text) Check(r Report) { checkView{t.writer}.show(r) }

// Fixes shows what was found: a line for each fix and, below it, what is not ok.
func (t *Text) Fixes(fixes []Fix) { findingsView{t.writer}.show(fixes) }

// Found shows what a repair starts from.
func (t *Text) Found(r Report) { changeView{t.writer}.found(r) }

// Remaining introduces what resume or undo is going to do.
func (t *Text) Remaining(r Report, heading string) { changeView{t.writer}.remaining(r, heading) }

// Ended shows how it went, and what is true now.
func (t *Text) Ended(r Report) { changeView{t.writer}.ended(r) }

// History shows what was done on this host, the oldest first.
func (t *Text) History(r Report) { historyView{t.writer}.show(r) }

// SetAside says which journal was moved out of the way, and what is not known any more.
func (t *Text) SetAside(r Report) { historyView{t.writer}.setAside(r) }

// List shows the registry.
func (t *Text) List(r Report) { explainView{t.writer}.registry(r) }

// Kinds lists kinds of findings.
func (t *Text) Kinds(all []Kind) { explainView{t.writer}.kinds(0, all) }

// ExplainKind is the page of one kind of finding.
func (t *Text) ExplainKind(k Kind) { explainView{t.writer}.kind(k) }

// Explain shows the documentation of fixes.
func (t *Text) Explain(r Report) { explainView{t.writer}.show(r) }

// Matches shows what a text points to.
func (t *Text) Matches(all []Match) { matchView{t.writer}.show(all) }

// After says below the output of a command what it points to, in few lines, none longer than the terminal.
func (t *Text) After(all []Match) { matchView{t.writer}.after(all) }

// Host shows what Nix is on the host, each fact with where it was read.
func (t *Text) Host(r Report) { hostView{t.writer}.show(r) }

// Probe shows what was seen in the build sandbox.
func (t *Text) Probe(r Report) { probeView{t.writer}.show(r) }

// Built shows how far a build came, as a ladder.
func (t *Text) Built(r Report) { buildView{t.writer}.show(r) }

// Record tells what is in a record that was made.
func (t *Text) Record(r Report) { recordView{t.writer}.show(r) }

// Recorded is the first line of every page about a host in a file; nothing for one that is none.
func (t *Text) Recorded(r *Recorded) { recordView{t.writer}.recorded(r) }

// Verbatim writes lines as they are laid out: only what a terminal would act on is replaced.
func (t *Text) Verbatim(lines []string) { t.verbatim(lines) }

// Verdict is the last line, and there is always one.
func (t *Text) Verdict(r Report) { verdict(t.writer, r) }

// Summary shows nothing else.
func (t *Text) Summary(r Report) { t.para(0, piece{}, r.Summary) }

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
