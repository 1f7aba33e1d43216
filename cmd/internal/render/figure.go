package render

import (
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/platform/redact"
)

// figure draws a picture: a table as other tables, and what is a list or a tree as it is laid out.
func (w *writer) figure(f figure.Figure) {
	f.Rows = slices.Clone(f.Rows)
	cells := make([][]string, len(f.Rows))
	for i := range f.Rows {
		// Before anything is shortened: half of a secret does not look like one.
		for _, c := range f.Rows[i].Cells {
			cells[i] = append(cells[i], redact.Secrets(c))
		}
		f.Rows[i].Cells = cells[i]
	}
	switch {
	case len(f.Heading) == 0:
		w.verbatim(f.Lines())
	case !w.table(2, f.Heading, cells):
		for _, row := range cells {
			w.para(2, piece{text: row[0], width: 10}, strings.Join(row[1:], " → "))
		}
	}
}
