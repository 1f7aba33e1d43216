package render

import (
	"io"
	"strings"

	"github.com/lixfix/lixfix/platform/words"
)

// Style says how text is to look.
type Style struct {
	Width   int  // columns; 0 for 80
	Color   bool // whether escape sequences may be used
	ASCII   bool // whether the terminal shows nothing else
	Verbose bool // unfold
	Quiet   bool // problems and results only
	// Rename puts the name that the program was called by into a text; nil where that is its own.
	Rename func(string) string
	Named  bool // the user named the fixes: also show those that do not apply
}

const (
	usual    = 80
	broadest = 100 // lines longer than that are hard to read
	narrow   = 40
)

// color is one that can be read on a light and on a dark background.
type color string

const (
	plain  color = ""
	bold   color = "1"
	dim    color = "2"
	red    color = "31"
	green  color = "32"
	yellow color = "33"
)

// Text lays out a report for people. Colour is never the only carrier of a meaning.
type Text struct {
	Style
	b  strings.Builder
	on string // what commands that are shown need, to look at the same host: "", or a flag
}

// NewText returns an empty page.
func NewText(s Style) *Text {
	if s.Width == 0 {
		s.Width = usual
	}
	s.Width = min(max(s.Width, narrow), broadest)
	return &Text{Style: s}
}

// WriteTo writes the page and empties it.
func (t *Text) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, t.b.String())
	t.b.Reset()
	return int64(n), err
}

// String returns the page.
func (t *Text) String() string { return t.b.String() }

// clean is Clean for this terminal.
func (t *Text) clean(s string) string {
	if t.Rename != nil {
		s = t.Rename(s)
	}
	s = Clean(s)
	if t.ASCII {
		s = toASCII(s)
	}
	return s
}

// paint colours text that has its final width already.
func (t *Text) paint(c color, s string) string {
	if !t.Color || c == plain || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// piece is a part of a line.
type piece struct {
	text  string
	color color
	width int // pad to that many columns
}

func (t *Text) blank() {
	if s := t.b.String(); s != "" && !strings.HasSuffix(s, "\n\n") {
		t.b.WriteByte('\n')
	}
}

// line writes pieces without wrapping; commands are copied, and so kept whole.
func (t *Text) line(indent int, pieces ...piece) {
	t.b.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+t.pieces(pieces), " ") + "\n")
}

func (t *Text) pieces(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(t.padded(p))
	}
	return b.String()
}

func (t *Text) padded(p piece) string {
	s := t.clean(p.text)
	return t.paint(p.color, s) + strings.Repeat(" ", max(p.width-width(s), 0))
}

// para writes text, wrapped, behind a label; further lines start below the text.
func (t *Text) para(indent int, label piece, text string) { t.colored(indent, label, plain, text) }

func (t *Text) colored(indent int, label piece, c color, text string) {
	head := t.padded(label)
	hang := indent + max(label.width, width(t.clean(label.text)))
	for n, l := range wrap(t.clean(text), t.Width-hang) {
		if n == 0 {
			t.b.WriteString(strings.Repeat(" ", indent) + head)
		} else {
			t.b.WriteString(strings.Repeat(" ", hang))
		}
		t.b.WriteString(t.paint(c, l) + "\n")
	}
}

// wrap breaks text between words. A word that is longer than a line, such as a path, stays whole.
func wrap(text string, columns int) []string {
	columns = max(columns, 16)
	var lines []string
	var line strings.Builder
	wide := 0 // of the line
	for word := range strings.FieldsSeq(text) {
		w := width(word)
		switch {
		case line.Len() == 0:
		case wide+1+w <= columns:
			line.WriteByte(' ')
			wide++
		default:
			lines = append(lines, line.String())
			line.Reset()
			wide = 0
		}
		line.WriteString(word)
		wide += w
	}
	return append(lines, line.String())
}

// table writes rows under a dim heading, in columns as wide as their widest cell. It reports false, and writes
// nothing, where that does not fit.
func (t *Text) table(indent int, heading []string, rows [][]string) bool {
	const gap = 2
	widths := make([]int, len(heading))
	clean := make([][]string, 0, len(rows)+1)
	for _, row := range append([][]string{heading}, rows...) {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = t.clean(c)
			widths[i] = max(widths[i], width(cells[i]))
		}
		clean = append(clean, cells)
	}
	total := indent - gap
	for _, w := range widths {
		total += w + gap
	}
	if total > t.Width {
		return false
	}
	for n, row := range clean {
		c := plain
		if n == 0 {
			c = dim
		}
		pieces := make([]piece, len(row))
		for i, cell := range row {
			pieces[i] = piece{text: cell, color: c, width: widths[i] + gap}
		}
		t.line(indent, pieces...)
	}
	return true
}

// Wrap breaks text between words into lines of at most that many columns.
func Wrap(text string, columns int) []string { return wrap(text, columns) }

// Steps returns "1 step" or "3 steps".
func Steps(n int) string { return words.Count(n, "step") }
