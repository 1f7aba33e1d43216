package render

import (
	"strconv"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform/words"
)

// Plan shows what a plan does: folded, or a line a step when verbose. Below stands its picture, the zero value for none.
func (t *Text) Plan(p plan.Plan, drawn figure.Figure) {
	if p.Empty() {
		return
	}
	t.blank()
	what := "Plan"
	if p.Undoes != "" {
		what = "Plan to take back " + p.Undoes
	}
	t.line(0, piece{text: what + ": " + words.Count(len(p.Entries), "step"), color: bold})
	t.steps(p.Entries)
	if len(drawn.Rows) > 0 {
		t.blank()
		t.line(0, piece{text: drawn.Title, color: bold})
		t.figure(drawn)
	}
	if len(p.Settings) > 0 {
		t.blank()
		t.line(0, piece{text: "Settings", color: bold})
		var rows [][]string
		for _, s := range p.Settings {
			rows = append(rows, []string{s.Name, s.Value, s.Source})
		}
		if !t.table(2, []string{"name", "value", "from"}, rows) {
			for _, row := range rows {
				t.para(2, piece{}, row[0]+" = "+row[1]+" ("+row[2]+")")
			}
		}
	}
	t.notes(p.Notes)
}

func (t *Text) notes(notes []string) {
	if len(notes) == 0 {
		return
	}
	t.blank()
	t.line(0, piece{text: "Notes", color: bold})
	for _, n := range notes {
		t.para(2, piece{text: "-", width: 2}, n)
	}
}

// steps lists entries with their numbers in the plan.
func (t *Text) steps(entries []plan.Entry) {
	groups := Groups(entries)
	if t.Verbose {
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
		t.para(2, piece{text: labels[i], color: dim, width: wide + 2}, g.Text)
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

// Refused shows steps that are left alone.
func (t *Text) Refused(heading string, refused []Refused) {
	if len(refused) == 0 {
		return
	}
	t.blank()
	t.line(0, piece{text: heading, color: bold})
	const most = 20
	for i, r := range refused {
		if i == most && !t.Verbose {
			t.para(2, piece{text: "-", width: 2}, itoa(len(refused)-most)+" more (-v shows all)")
			break
		}
		t.para(2, piece{text: "-", width: 2}, r.Step+": "+r.Reason)
	}
}
