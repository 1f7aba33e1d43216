package words

import (
	"fmt"
	"strings"
)

// Template is a text with parameters in it: "{count} of {all} are missing".
type Template string

// With are the parameters of a template, by name. Values are formatted as by fmt.Sprint.
type With map[string]any

// Fill puts the parameters in. A parameter that has no value stays as it is written.
func (t Template) Fill(p With) string {
	text := string(t)
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for {
		before, name, after, ok := next(text)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if v, ok := p[name]; ok {
			fmt.Fprint(&b, v)
		} else {
			b.WriteString("{" + name + "}")
		}
		text = after
	}
}

// General is the text for people who have no finding before them: "{server}" becomes "SERVER".
func (t Template) General() string {
	p := With{}
	for _, name := range t.Parameters() {
		p[name] = strings.ToUpper(strings.ReplaceAll(name, "_", "-"))
	}
	return t.Fill(p)
}

// Parameters are the names of the parameters in the text.
func (t Template) Parameters() []string {
	var names []string
	for text := string(t); ; {
		_, name, after, ok := next(text)
		if !ok {
			return names
		}
		names, text = append(names, name), after
	}
}

// next finds the first parameter in a text: a small letter in braces, and small letters, digits and "_" after it. A brace
// that belongs to none stays in before.
func next(text string) (before, name, after string, ok bool) {
	for at := 0; ; {
		open := strings.IndexByte(text[at:], '{')
		if open < 0 {
			return text, "", "", false
		}
		at += open + 1
		rest := strings.TrimLeft(text[at:], "abcdefghijklmnopqrstuvwxyz0123456789_")
		name = text[at : len(text)-len(rest)]
		if name != "" && 'a' <= name[0] && name[0] <= 'z' && strings.HasPrefix(rest, "}") {
			return text[:at-1], name, rest[1:], true
		}
	}
}
