package render

import (
	"fmt"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/redact"
	"github.com/lixfix/lixfix/platform/words"
)

// looks are how a status is spelled and coloured.
var looks = map[fix.Status]struct {
	word  string
	color color
}{
	fix.OK:            {"ok", green},
	fix.AtRisk:        {"at risk", yellow},
	fix.Broken:        {"broken", red},
	fix.NotApplicable: {"n/a", dim},
	fix.Unknown:       {"unknown", yellow},
}

const (
	statusWidth = len("at risk") + 2
	label       = 8 // columns of what stands before a remedy
	evidence    = 8 // rows that are shown of one finding
)

// Fixes shows what was found: a line for each fix and, below it, what is not ok.
func (t *Text) Fixes(fixes []Fix) {
	wide := 0
	for _, f := range fixes {
		wide = max(wide, width(t.clean(f.Name)))
	}
	for _, f := range fixes {
		if t.skip(f) {
			continue
		}
		look := looks[f.Status]
		if t.Named && f.Picture != nil {
			t.picture(f)
			continue
		}
		notable := notable(f.Findings)
		head := t.padded(piece{text: look.word, color: look.color, width: statusWidth}) +
			t.padded(piece{text: f.Name, color: bold, width: wide + 2})
		hang := statusWidth + wide + 2
		for n, l := range wrap(t.clean(headline(f)), t.Width-hang) {
			if n > 0 {
				head = strings.Repeat(" ", hang)
			}
			t.b.WriteString(head + l + "\n")
		}
		for _, finding := range notable {
			t.finding(finding, finding.Summary == worst(f))
		}
		if len(notable) > 0 {
			t.blank()
		}
	}
}

// picture shows every finding with its drawing, which takes the place of the evidence.
func (t *Text) picture(f Fix) {
	for i, finding := range f.Findings {
		if t.Quiet && finding.Status == fix.OK {
			continue
		}
		look := looks[finding.Status]
		t.line(0, piece{text: look.word, color: look.color, width: statusWidth}, piece{text: finding.ID, color: bold})
		const indent = 2
		t.para(indent, piece{}, finding.Summary)
		if i < len(f.Picture.Figures) && len(f.Picture.Figures[i].Rows) > 0 {
			t.blank()
			t.figure(f.Picture.Figures[i])
			t.blank()
		}
		if finding.Reason != "" {
			t.para(indent, piece{text: "reason", width: label}, finding.Reason)
		}
		if t.Verbose {
			t.evidence(indent, finding.Evidence)
		}
		switch {
		case finding.Remedy == nil:
		case finding.Status == fix.OK && finding.Remedy.Class == fix.Advice:
			t.para(indent, piece{text: "note", width: label}, finding.Remedy.Changes) // there is nothing to mend
		default:
			t.remedy(indent, *finding.Remedy)
		}
		t.blank()
	}
	for _, n := range f.Picture.Notes {
		t.para(0, piece{text: "not seen", color: yellow, width: len("not seen") + 2}, n)
	}
	if len(f.Picture.Notes) > 0 {
		t.blank()
	}
}

// Verbatim writes lines as they are laid out: only what a terminal would act on is replaced.
func (t *Text) Verbatim(lines []string) {
	for _, l := range lines {
		words := strings.Split(redact.Secrets(l), " ") // which can have spaces in them
		for i, w := range words {
			w = Clean(w)
			if t.ASCII {
				w = toASCII(drawn.Replace(w))
			}
			words[i] = w
		}
		t.b.WriteString(strings.TrimRight(strings.Join(words, " "), " ") + "\n")
	}
}

// skip reports whether a fix is not worth a line: it does not apply, or all is well and only problems are wanted.
func (t *Text) skip(f Fix) bool {
	switch f.Status {
	case fix.NotApplicable:
		return !t.Named && (!t.Verbose || t.Quiet)
	case fix.OK:
		return t.Quiet
	}
	return false
}

// notable are the findings that need more than the line of their fix.
func notable(all []fix.Finding) []fix.Finding {
	var some []fix.Finding
	for _, f := range all {
		if f.Status != fix.OK && f.Status != fix.NotApplicable {
			some = append(some, f)
		}
	}
	return some
}

// worst is the summary of the worst finding.
func worst(f Fix) string {
	for _, finding := range f.Findings {
		if finding.Status == f.Status {
			return finding.Summary
		}
	}
	return f.Title
}

// headline is what the line of a fix says: its worst finding, and how many more there are.
func headline(f Fix) string {
	text := worst(f)
	if n := len(notable(f.Findings)) - 1; n > 0 {
		text += fmt.Sprintf(" (and %s)", words.Count(n, "more finding"))
	}
	return text
}

// finding shows one of them; its summary may stand in the line above already.
func (t *Text) finding(f fix.Finding, said bool) {
	look := looks[f.Status]
	const indent = 4
	t.line(2, piece{text: look.word, color: look.color, width: statusWidth}, piece{text: f.ID, color: bold})
	if !said {
		t.para(indent, piece{}, f.Summary)
	}
	if f.Reason != "" {
		t.para(indent, piece{text: "reason", width: label}, f.Reason)
	}
	if f.NeedsRoot {
		t.para(indent, piece{text: "run", width: label}, "it with sudo: root can tell")
	}
	t.evidence(indent, f.Evidence)
	if f.Remedy != nil {
		t.remedy(indent, *f.Remedy)
	}
}

func (t *Text) evidence(indent int, all []fix.Evidence) {
	if len(all) == 0 {
		return
	}
	shown := all
	if len(all) > evidence && !t.Verbose {
		shown = all[:evidence-1]
	}
	var rows [][]string
	for _, e := range shown {
		rows = append(rows, []string{e.Source, orDash(e.Expected), orDash(e.Observed)})
	}
	if !t.table(indent, []string{"where", "expected", "found"}, rows) {
		for _, e := range shown {
			t.para(indent, piece{}, e.Source)
			t.para(indent+2, piece{text: "expected", color: dim, width: 10}, orDash(e.Expected))
			t.para(indent+2, piece{text: "found", color: dim, width: 10}, orDash(e.Observed))
		}
	}
	if n := len(all) - len(shown); n > 0 {
		t.line(indent, piece{text: fmt.Sprintf("… and %d more (-v shows all)", n)})
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// remedy says what can be done, who may decide on it, and how it is taken back.
func (t *Text) remedy(indent int, r fix.Remedy) {
	class := map[fix.Class]string{
		fix.Safe:   "safe",
		fix.Risky:  "risky: asks a person, or needs --accept",
		fix.Advice: "for you to do; lixfix does not do it",
	}[r.Class]
	if r.Class == fix.Advice && r.Command != "" {
		class = "for you to decide" // the command may be one of lixfix itself
	}
	text := r.Changes
	if class != "" {
		text += " (" + class + ")"
	}
	t.para(indent, piece{text: "remedy", width: label}, text)
	if r.Undo != "" {
		t.para(indent, piece{text: "undo", width: label}, r.Undo)
	}
	if r.Command != "" {
		t.line(indent, piece{text: "run", width: label}, piece{text: r.Command, color: bold})
	}
}

// System names an operating system.
func System(os string) string {
	switch os {
	case platform.Darwin:
		return "macOS"
	case platform.Linux:
		return "Linux"
	}
	return os
}

// HostName names the operating system with its version: "macOS 15.1".
func HostName(f platform.Facts) string {
	name := f.Product
	if name == "" {
		name = System(f.OS)
	}
	switch {
	case f.Version == "" && f.OS == platform.Darwin:
		name += " (version unknown)"
	case f.Version != "" && !strings.Contains(name, f.Version):
		name += " " + f.Version
	}
	return name
}
