package main

import (
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/lixfix/lixfix/fixes/figure"
)

// Measures of a drawing, in CSS pixels. It fits a narrow phone, so that its text is never shrunk.
const (
	svgWide   = 288
	svgLine   = 18 // from one line of text to the next
	svgPad    = 9  // above and below the text of a box
	svgGap    = 12 // between boxes
	svgIndent = 16 // of a row of a tree, below what it hangs from
	svgGlyph  = 7  // of a character, at most on average
	svgEdge   = 3
)

// classOf says how a row is drawn. Its mark is drawn as text as well: colours are not for everybody.
var classOf = map[string]string{
	figure.Good: "good", figure.Risk: "risk", figure.Bad: "bad", figure.Unknown: "risk", figure.Skipped: "skipped", figure.Root: "bad",
}

// words of marks, for those who hear the drawing.
var wordOf = map[string]string{
	figure.Good: "holds", figure.Risk: "is at risk", figure.Bad: "is broken", figure.Unknown: "is unknown", figure.Skipped: "was not checked",
	figure.Root: "is what everything waits for",
}

// drawing draws a figure: boxes from the top, a list one below the other, a tree with what each hangs from. says is the
// sentence below it.
func drawing(f figure.Figure, title, says string) template.HTML {
	if len(f.Rows) == 0 {
		return ""
	}
	tree := false
	for _, r := range f.Rows {
		tree = tree || r.Depth > 0
	}
	var b, heard strings.Builder
	y := svgEdge
	var tops []int // by depth: the middle of the last box there
	for i, r := range f.Rows {
		x := svgEdge + r.Depth*svgIndent
		wide := svgWide - svgEdge - x
		name := strings.Join(strings.Fields(r.Cells[0]), " ")
		lines := broken(strings.TrimSpace(r.Mark+" "+name), (wide-2*svgPad)/svgGlyph)
		bold := len(lines)
		rest := strings.TrimSpace(strings.Join(r.Cells[1:], " "))
		if rest != "" {
			lines = append(lines, broken(rest, (wide-2*svgPad)/svgGlyph)...)
		}
		high := 2*svgPad + svgLine*len(lines) - 4
		middle := y + high/2
		switch {
		case r.Depth > 0:
			from := x - svgIndent + svgIndent/2
			fmt.Fprintf(&b, `<path d="M%d %dV%dH%d"%s/>`, from, tops[r.Depth-1], middle, x, dashed(r.Unsure))
		case i > 0 && !tree:
			fmt.Fprintf(&b, `<path d="M%d %dv-%d"/>`, svgWide/2, y, svgGap)
		}
		tops = append(tops[:r.Depth], y+high)
		fmt.Fprintf(&b, `<g class="%s"><rect x="%d" y="%d" width="%d" height="%d" rx="5"/>`, classOf[r.Mark], x, y, wide, high)
		for n, line := range lines {
			class := ""
			if n < bold {
				class = ` class="name"`
			}
			fmt.Fprintf(&b, `<text x="%d" y="%d"%s>%s</text>`, x+svgPad, y+svgPad+12+n*svgLine, class, template.HTMLEscapeString(line))
		}
		b.WriteString("</g>")
		y += high + svgGap
		heard.WriteString(strings.TrimSpace(name + " " + wordOf[r.Mark]))
		if rest != "" {
			heard.WriteString(": " + rest)
		}
		heard.WriteString(". ")
	}
	tall := y - svgGap + svgEdge
	return template.HTML(fmt.Sprintf( //nolint:gosec // all texts are escaped
		`<figure><svg viewBox="0 0 %d %d" width="%d" role="img" aria-labelledby="drawing-title drawing-text"><title id="drawing-title">%s</title><desc id="drawing-text">%s</desc>%s</svg><figcaption>%s.</figcaption></figure>`+"\n",
		svgWide, tall, svgWide, template.HTMLEscapeString(title), template.HTMLEscapeString(strings.TrimSpace(heard.String())), b.String(), template.HTMLEscapeString(says)))
}

func dashed(unsure bool) string {
	if unsure {
		return ` class="unsure"`
	}
	return ""
}

// broken breaks a text into lines of n characters at most: between words, or in a word that is longer.
func broken(text string, n int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		for utf8.RuneCountInString(word) > n {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			r := []rune(word)
			lines, word = append(lines, string(r[:n])), string(r[n:])
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > n:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
