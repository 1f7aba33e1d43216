package render

import (
	"fmt"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
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

// findingsView is what fixes have found.
type findingsView struct{ *writer }

// show shows what was found: a line for each fix and, below it, what is not ok.
func (v findingsView) show(fixes []Fix) {
	wide := 0
	for _, f := range fixes {
		wide = max(wide, width(v.clean(f.Name)))
	}
	for _, f := range fixes {
		if v.skip(f) {
			continue
		}
		look := looks[f.Status]
		if v.Named && f.Picture != nil {
			v.picture(f)
			continue
		}
		notable := notable(f.Findings)
		head := v.padded(piece{text: look.word, color: look.color, width: statusWidth}) +
			v.padded(piece{text: f.Name, color: bold, width: wide + 2})
		hang := statusWidth + wide + 2
		for n, l := range wrap(v.clean(headline(f)), v.Width-hang) {
			if n > 0 {
				head = strings.Repeat(" ", hang)
			}
			v.b.WriteString(head + l + "\n")
		}
		for _, finding := range notable {
			v.finding(finding, finding.Summary == worst(f))
		}
		if len(notable) > 0 {
			v.blank()
		}
	}
}

// picture shows every finding with its drawing, which takes the place of the evidence.
func (v findingsView) picture(f Fix) {
	for i, finding := range f.Findings {
		if v.Quiet && finding.Status == fix.OK {
			continue
		}
		look := looks[finding.Status]
		v.line(0, piece{text: look.word, color: look.color, width: statusWidth}, piece{text: finding.ID, color: bold})
		const indent = 2
		v.para(indent, piece{}, finding.Summary)
		if i < len(f.Picture.Figures) && len(f.Picture.Figures[i].Rows) > 0 {
			v.blank()
			v.figure(f.Picture.Figures[i])
			v.blank()
		}
		if finding.Reason != "" {
			v.para(indent, piece{text: "reason", width: label}, finding.Reason)
		}
		if v.Verbose {
			v.evidence(indent, finding.Evidence)
		}
		switch {
		case finding.Remedy == nil:
		case finding.Status == fix.OK && finding.Remedy.Class == fix.Advice:
			v.para(indent, piece{text: "note", width: label}, finding.Remedy.Changes) // there is nothing to mend
		default:
			v.remedy(indent, *finding.Remedy)
		}
		v.blank()
	}
	for _, n := range f.Picture.Notes {
		v.para(0, piece{text: "not seen", color: yellow, width: len("not seen") + 2}, n)
	}
	if len(f.Picture.Notes) > 0 {
		v.blank()
	}
}

// skip reports whether a fix is not worth a line: it does not apply, or all is well and only problems are wanted.
func (v findingsView) skip(f Fix) bool {
	switch f.Status {
	case fix.NotApplicable:
		return !v.Named && (!v.Verbose || v.Quiet)
	case fix.OK:
		return v.Quiet
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
func (v findingsView) finding(f fix.Finding, said bool) {
	look := looks[f.Status]
	const indent = 4
	v.line(2, piece{text: look.word, color: look.color, width: statusWidth}, piece{text: f.ID, color: bold})
	if !said {
		v.para(indent, piece{}, f.Summary)
	}
	if f.Reason != "" {
		v.para(indent, piece{text: "reason", width: label}, f.Reason)
	}
	if f.NeedsRoot {
		v.para(indent, piece{text: "run", width: label}, "it with sudo: root can tell")
	}
	v.evidence(indent, f.Evidence)
	if f.Remedy != nil {
		v.remedy(indent, *f.Remedy)
	}
}

func (v findingsView) evidence(indent int, all []fix.Evidence) {
	if len(all) == 0 {
		return
	}
	shown := all
	if len(all) > evidence && !v.Verbose {
		shown = all[:evidence-1]
	}
	var rows [][]string
	for _, e := range shown {
		rows = append(rows, []string{e.Source, orDash(e.Expected), orDash(e.Observed)})
	}
	if !v.table(indent, []string{"where", "expected", "found"}, rows) {
		for _, e := range shown {
			v.para(indent, piece{}, e.Source)
			v.para(indent+2, piece{text: "expected", color: dim, width: 10}, orDash(e.Expected))
			v.para(indent+2, piece{text: "found", color: dim, width: 10}, orDash(e.Observed))
		}
	}
	if n := len(all) - len(shown); n > 0 {
		v.line(indent, piece{text: fmt.Sprintf("… and %d more (-v shows all)", n)})
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// remedy says what can be done, who may decide on it, and how it is taken back.
func (v findingsView) remedy(indent int, r fix.Remedy) {
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
	v.para(indent, piece{text: "remedy", width: label}, text)
	if r.Undo != "" {
		v.para(indent, piece{text: "undo", width: label}, r.Undo)
	}
	if r.Command != "" {
		v.line(indent, piece{text: "run", width: label}, piece{text: r.Command, color: bold})
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
