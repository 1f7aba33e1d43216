package render

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/redact"
)

// longest is how many bytes of one value are shown. Names, paths and error lines are far shorter; what is longer was
// made to fill the screen.
const longest = 8 << 10

// enough is how many bytes of one value are looked at for secrets. They can make a text shorter, never its rest known.
const enough = 64 << 10

// escapes are the sequences that terminals act on: CSI, the strings (OSC, DCS, SOS, PM, APC) up to their end, and the
// short ones; each also with the C1 character that stands for ESC and the next.
var escapes = pattern.New(
	`(?s)(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]` +
		`|(?:\x1b[\]PX^_]|[\x{9d}\x{90}\x{98}\x{9e}\x{9f}]).*?(?:\x07|\x1b\\|\x{9c})` +
		`|\x1b[ -/]*[0-~]?`)

// Clean makes text from the host safe to print in a line: what a terminal would act on, and characters that cannot be
// seen or that turn the order of the others around, become "�", and any white space a single space. They are not
// just dropped, because then two names that differ would look the same. Secrets become "[redacted]": all text that
// lixfix prints comes through here, and JSON and logs through hideJSON and LogAttr.
func Clean(s string) string {
	cut := len(s) > enough
	s = strings.ToValidUTF8(clip(s, enough), "\uFFFD")
	if strings.ContainsFunc(s, hidden) {
		s = escapes.ReplaceAllString(s, "\uFFFD")
		s = strings.Map(func(r rune) rune {
			if hidden(r) {
				return '\uFFFD'
			}
			return r
		}, s)
	}
	// Before white space is made one, because a secret can end with its line, and before it is cut, because half of a
	// secret does not look like one.
	s = redact.Secrets(s)
	cut = cut || len(s) > longest
	s = strings.Join(strings.Fields(clip(s, longest)), " ")
	if cut {
		s += "…"
	}
	return s
}

// clip cuts a text to n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[:n]
	for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if r, n := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && n == 1 {
		s = s[:len(s)-1]
	}
	return s
}

// hidden reports whether r must not reach a terminal: control characters but white space, and all of the categories
// format (bidirectional controls, zero-width characters, tags), private use, surrogate and unassigned.
func hidden(r rune) bool {
	switch {
	case r == ' ', r == '\n', r == '\t', r == '\r', r == utf8.RuneError:
		return false
	case unicode.IsSpace(r):
		return false
	case r == '\u115F', r == '\u1160', r == '\u3164', r == '\uFFA0', r == '\u2800', r == '\u034F':
		return true // fillers: letters and marks without a shape
	case r >= '\uFE00' && r <= '\uFE0F', r >= 0xE0100 && r <= 0xE01EF:
		return true // variation selectors
	}
	return !unicode.IsGraphic(r)
}

// ascii replaces what lixfix itself prints beyond ASCII, and the rest by "?".
var ascii = strings.NewReplacer("…", "...", "–", "-", "→", "->", "\uFFFD", "?", "‘", "'", "’", "'", "“", `"`, "”", `"`, "—", "-", "×", "x")

// drawn replaces what drawings are made of by as many columns of ASCII.
var drawn = strings.NewReplacer("├", "|", "└", "`", "│", "|", "─", "-", "┄", ".", "►", ">", "…", "~",
	"✓", "+", "✗", "x", "·", "-")

func toASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, ascii.Replace(s))
}

// width is the number of columns of s on a terminal.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			n++
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
			r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
			r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd):
			n += 2
		default:
			n++
		}
	}
	return n
}
