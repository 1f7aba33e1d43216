package render

import (
	"io"
	"strings"

	"github.com/lixfix/lixfix/platform/redact"
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

// writer lays out lines, paragraphs and tables. It knows nothing of what they are about.
type writer struct {
	Style
	b  strings.Builder
	on string // what commands that are shown need, to look at the same host: "", or a flag
	// own are texts of lixfix's, in which there is no secret.
	own map[string]bool
}

func newWriter(s Style) *writer {
	if s.Width == 0 {
		s.Width = usual
	}
	s.Width = min(max(s.Width, narrow), broadest)
	return &writer{Style: s}
}

// WriteTo writes the page and empties it.
func (w *writer) WriteTo(to io.Writer) (int64, error) {
	n, err := io.WriteString(to, w.b.String())
	w.b.Reset()
	return int64(n), err
}

// String returns the page.
func (w *writer) String() string { return w.b.String() }

// clean is Clean for this terminal.
func (w *writer) clean(s string) string {
	if w.Rename != nil {
		s = w.Rename(s)
	}
	if !w.own[s] {
		s = Clean(s)
	}
	if w.ASCII {
		s = toASCII(s)
	}
	return s
}

// paint colours text that has its final width already.
func (w *writer) paint(c color, s string) string {
	if !w.Color || c == plain || s == "" {
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

func (w *writer) blank() {
	if s := w.b.String(); s != "" && !strings.HasSuffix(s, "\n\n") {
		w.b.WriteByte('\n')
	}
}

// line writes pieces without wrapping; commands are copied, and so kept whole.
func (w *writer) line(indent int, pieces ...piece) {
	w.b.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+w.pieces(pieces), " ") + "\n")
}

func (w *writer) pieces(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(w.padded(p))
	}
	return b.String()
}

func (w *writer) padded(p piece) string {
	s := w.clean(p.text)
	return w.paint(p.color, s) + strings.Repeat(" ", max(p.width-width(s), 0))
}

// para writes text, wrapped, behind a label; further lines start below the text.
func (w *writer) para(indent int, label piece, text string) { w.colored(indent, label, plain, text) }

func (w *writer) colored(indent int, label piece, c color, text string) {
	head := w.padded(label)
	hang := indent + max(label.width, width(w.clean(label.text)))
	for n, l := range wrap(w.clean(text), w.Width-hang) {
		if n == 0 {
			w.b.WriteString(strings.Repeat(" ", indent) + head)
		} else {
			w.b.WriteString(strings.Repeat(" ", hang))
		}
		w.b.WriteString(w.paint(c, l) + "\n")
	}
}

// verbatim writes lines as they are laid out: only what a terminal would act on is replaced.
func (w *writer) verbatim(lines []string) {
	for _, l := range lines {
		parts := strings.Split(redact.Secrets(l), " ") // which can have spaces in them
		for i, part := range parts {
			part = Clean(part)
			if w.ASCII {
				part = toASCII(drawn.Replace(part))
			}
			parts[i] = part
		}
		w.b.WriteString(strings.TrimRight(strings.Join(parts, " "), " ") + "\n")
	}
}

// section writes paragraphs below a heading; nothing for no text.
func (w *writer) section(heading, text string) {
	if text == "" {
		return
	}
	w.blank()
	w.line(0, piece{text: heading, color: bold})
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		w.para(2, piece{}, paragraph)
	}
}

// bullets writes a list below a heading; nothing for no items.
func (w *writer) bullets(heading string, items []string) {
	if len(items) == 0 {
		return
	}
	w.blank()
	w.line(0, piece{text: heading, color: bold})
	for _, i := range items {
		w.para(2, piece{text: "-", width: 2}, i)
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
func (w *writer) table(indent int, heading []string, rows [][]string) bool {
	const gap = 2
	widths := make([]int, len(heading))
	clean := make([][]string, 0, len(rows)+1)
	for _, row := range append([][]string{heading}, rows...) {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = w.clean(c)
			widths[i] = max(widths[i], width(cells[i]))
		}
		clean = append(clean, cells)
	}
	total := indent - gap
	for _, columns := range widths {
		total += columns + gap
	}
	if total > w.Width {
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
		w.line(indent, pieces...)
	}
	return true
}

// Wrap breaks text between words into lines of at most that many columns.
func Wrap(text string, columns int) []string { return wrap(text, columns) }

// Steps returns "1 step" or "3 steps".
func Steps(n int) string { return words.Count(n, "step") }
