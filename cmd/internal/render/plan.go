package render

import (
	"strconv"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform/words"
)

// planView is what a plan does.
type planView struct{ *writer }

// show shows what a plan does: folded, or a line a step when verbose. Below stands its picture, the zero value for none.
func (v planView) show(p plan.Plan, drawn figure.Figure) {
	if p.Empty() {
		return
	}
	v.blank()
	what := "Plan"
	if p.Undoes != "" {
		what = "Plan to take back " + p.Undoes
	}
	v.line(0, piece{text: what + ": " + words.Count(len(p.Entries), "step"), color: bold})
	v.steps(p.Entries)
	if len(drawn.Rows) > 0 {
		v.blank()
		v.line(0, piece{text: drawn.Title, color: bold})
		v.figure(drawn)
	}
	if len(p.Settings) > 0 {
		v.blank()
		v.line(0, piece{text: "Settings", color: bold})
		var rows [][]string
		for _, s := range p.Settings {
			rows = append(rows, []string{s.Name, s.Value, s.Source})
		}
		if !v.table(2, []string{"name", "value", "from"}, rows) {
			for _, row := range rows {
				v.para(2, piece{}, row[0]+" = "+row[1]+" ("+row[2]+")")
			}
		}
	}
	v.bullets("Notes", p.Notes)
}

// steps lists entries with their numbers in the plan.
func (v planView) steps(entries []plan.Entry) {
	groups := Groups(entries)
	if v.Verbose {
		groups = groups[:0]
		for i, e := range entries {
			text := e.Step.String()
			if e.Optional {
				text += " (the plan goes on if this fails)"
			}
			groups = append(groups, Group{First: i, Last: i, Text: text})
		}
	}
	labels := make([]string, len(groups))
	wide := 0
	for i, g := range groups {
		labels[i] = Span(g.First, g.Last)
		wide = max(wide, width(labels[i]))
	}
	for i, g := range groups {
		v.para(2, piece{text: labels[i], color: dim, width: wide + 2}, g.Text)
	}
}

// Span names the steps from index first to last as people count them.
func Span(first, last int) string {
	s := strconv.Itoa(first + 1)
	if last > first {
		s += "–" + strconv.Itoa(last+1)
	}
	return s
}
