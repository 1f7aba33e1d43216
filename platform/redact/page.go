package redact

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Page is a report in Markdown, to be pasted. What comes from the host stands in code spans and code blocks only: there
// it can be no heading, no link, no HTML and nobody's @name. It is written out at the end, because a name that its last
// line tells of can stand in the first.
type Page struct {
	names *Names
	parts []part
}

// part is a line of the page, or a code block.
type part struct {
	format string
	args   []any
	block  []string
	width  int // characters of a line of the block; 0 for as many as there are
	isCode bool
}

// Own are lixfix's own words, as an argument of a line.
type Own string

// NewPage returns an empty page.
func NewPage(n *Names) *Page { return &Page{names: n} }

// Line adds a line. The format is lixfix's own Markdown; arguments that are text are the host's and become code spans,
// and numbers and truth values stay as they are.
func (p *Page) Line(format string, args ...any) {
	p.parts = append(p.parts, part{format: format, args: args})
}

// Heading adds a heading. Its format is as that of Line.
func (p *Page) Heading(format string, args ...any) {
	if len(p.parts) > 0 {
		p.Line("")
	}
	p.Line("### "+format, args...)
	p.Line("")
}

// Item adds an item of a list. Its format is as that of Line.
func (p *Page) Item(format string, args ...any) { p.Line("- "+format, args...) }

// Code adds a code block with lines of the host. They are cut to width characters, if that is not 0.
func (p *Page) Code(lines []string, width int) {
	p.parts = append(p.parts, part{block: lines, width: width, isCode: true})
}

// Lines returns the page.
func (p *Page) Lines() []string {
	for _, one := range p.parts {
		p.names.Learn(one.block...)
		for _, a := range one.args {
			if s, ok := text(a); ok {
				p.names.Learn(s)
			}
		}
	}
	var out []string
	for _, one := range p.parts {
		if one.isCode {
			out = append(out, p.code(one)...)
			continue
		}
		args := make([]any, len(one.args))
		for i, a := range one.args {
			args[i] = a
			if s, ok := text(a); ok {
				args[i] = p.span(s)
			}
		}
		out = append(out, fmt.Sprintf(one.format, args...))
	}
	return out
}

// text reports whether an argument is one of the host's, and what it says.
func text(a any) (string, bool) {
	switch a := a.(type) {
	case string:
		return visible(a), true
	case error:
		return visible(a.Error()), true
	case fmt.Stringer:
		return visible(a.String()), true
	}
	switch reflect.ValueOf(a).Kind() {
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct, reflect.Pointer:
		return visible(fmt.Sprint(a)), true
	default:
		return "", false // numbers, and the constants of lixfix's own types
	}
}

// span is text of the host within a line.
func (p *Page) span(s string) string {
	s = strings.TrimSpace(strings.ReplaceAll(p.names.Text(visible(s)), "`", "'"))
	if s == "" {
		s = "(nothing)"
	}
	return "`" + s + "`"
}

const fence = "```"

// code is a block of lines of the host. No line in it can end it.
func (p *Page) code(b part) []string {
	out := []string{fence}
	for _, l := range b.block {
		l = strings.ReplaceAll(p.names.Text(visible(l)), fence, "'''")
		if b.width > 0 {
			l = Cut(l, b.width)
		}
		out = append(out, strings.TrimRight(l, " "))
	}
	return append(out, fence)
}

// visible makes one line of a text, without what is not seen or acts on a terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '\uFFFD'
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case !unicode.IsGraphic(r):
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
