package messages

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What stands in a text before a letter or digit.
const (
	gapBefore   = 1 << iota // anything at all
	quoteBefore             // a quotation mark
	colonBefore             // a colon
	commaBefore             // a comma
	lineBefore              // the beginning of a line
)

// char is a letter or digit of a text.
type char struct {
	r      rune // in lower case
	at     int  // its offset
	line   int  // from 1
	block  int  // counts blank lines
	before uint8
}

const quotationMarks = "'\"`´‘’‚“”„«»‹›"

// scan calls emit with each letter and digit of a text, in order. Colours, and what logs put before each line, are left
// out.
func scan(text string, emit func(char)) {
	c := char{line: 1, before: gapBefore | lineBefore}
	structured := false // a line of --log-format internal-json
	begin := func(i int) int {
		i += prefix(text[i:])
		structured = strings.HasPrefix(text[i:], "@nix {")
		return i
	}
	empty := true // whether the line has had no letter so far
	newline := func() {
		if empty {
			c.block++
		}
		c.line++
		c.before |= gapBefore | lineBefore
		empty = true
	}
	for i := begin(0); i < len(text); {
		b := text[i]
		switch b {
		case '\n':
			newline()
			i = begin(i + 1)
			continue
		case '\r':
			// Alone, it begins a line anew, as progress bars do.
			if i++; i < len(text) && text[i] != '\n' && text[i] != '\r' {
				c.before |= gapBefore | lineBefore
			}
			continue
		case 0x1b, '\\', '^':
			if n := escape(text[i:]); n > 0 {
				i += n
				continue
			}
			if structured && b == '\\' && i+1 < len(text) && text[i+1] == 'n' {
				c.before |= gapBefore | lineBefore
				i += 2
				continue
			}
		}
		r, n := rune(b), 1
		if b >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(text[i:])
		}
		switch {
		case lettered(r):
			empty = false
			c.r, c.at = lower(r), i
			emit(c)
			c.before = 0
		case unicode.IsMark(r):
		case strings.ContainsRune(quotationMarks, r):
			c.before |= gapBefore | quoteBefore
		case r == ':':
			c.before |= gapBefore | colonBefore
		case r == ',':
			c.before |= gapBefore | commaBefore
		default:
			c.before |= gapBefore
		}
		i += n
	}
}

func lettered(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z'
	}
	return unicode.IsLetter(r) || unicode.Is(unicode.Nd, r)
}

func lower(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(r)
}

// escapes are the ways in which the character that begins a colour reaches a text that was copied.
var escapes = []string{"\x1b", `\e`, `\x1b`, `\033`, `\u001b`, "^["}

// longestEscape is how many bytes of a sequence are looked at.
const longestEscape = 64

// escape is the length of the control sequence that a text begins with, 0 for none.
func escape(s string) int {
	n := 0
	for _, e := range escapes {
		if strings.HasPrefix(s, e) {
			n = len(e)
			break
		}
	}
	if n == 0 || n == len(s) {
		return n
	}
	s = s[:min(len(s), longestEscape)]
	switch s[n] {
	case '[': // ECMA-48, 5.4
		for i := n + 1; i < len(s); i++ {
			if s[i] >= '@' && s[i] <= '~' {
				return i + 1
			}
			if s[i] < ' ' || s[i] > '?' {
				return i
			}
		}
	case ']': // a title or a link, up to BEL or ESC \
		for i := n + 1; i < len(s); i++ {
			if s[i] == '\a' {
				return i + 1
			}
			if s[i] == 0x1b {
				return min(i+2, len(s))
			}
		}
	}
	if s[0] != 0x1b {
		return 0 // it is text
	}
	return n
}

// longestPrefix is how many bytes at the beginning of a line are looked at for what a log has put there.
const longestPrefix = 200

// prefix is the length of what a log puts before a line: the time, the host and the program, as journalctl and syslog
// have it, and the name of a build, as "nix build -L" has it.
func prefix(line string) int {
	if len(line) > longestPrefix {
		line = line[:longestPrefix]
	}
	n := clock(line)
	if n > 0 {
		// A host, and a program with its number: "hall nix-daemon[812]: ".
		host := strings.IndexByte(line[n:], ' ')
		if host > 0 {
			if end := strings.Index(line[n+host:], ": "); end > 0 && !strings.ContainsAny(line[n+host+1:n+host+end], " \n") {
				n += host + end + 2
			}
		}
	}
	// Nix repeats the last lines of a build that failed behind "       > ".
	if quoted := strings.TrimLeft(line[n:], " "); n == 0 && strings.HasPrefix(quoted, "> ") {
		return len(line) - len(quoted) + 2
	}
	for i := n; i < len(line); i++ {
		switch b := line[i]; {
		case b == '>' && i > n && i+1 < len(line) && line[i+1] == ' ':
			return i + 2
		case b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("+-._?=", b) >= 0:
		default:
			return n
		}
	}
	return n
}

// clock is the length of a time and the blank behind it: "Nov 29 13:16:54 " or "2026-11-29T13:16:54+0000 ".
func clock(s string) int {
	end := strings.IndexByte(s, ' ')
	switch {
	case end >= len("2006-01-02T15:04:05") && form(s[:19], "0000-00-00T00:00:00"):
		return end + 1
	case len(s) > 15 && form(s[:15], "Aaa d0 00:00:00"):
		if end = strings.IndexByte(s[15:], ' '); end >= 0 && (end == 0 || s[15] == '.') {
			return 15 + end + 1
		}
	}
	return 0
}

// form reports whether a text has a form, in which 0 stands for a digit, d for a digit or a blank, and A and a for letters.
func form(s, like string) bool {
	for i := range len(like) {
		b, ok := s[i], false
		digit := b >= '0' && b <= '9'
		switch like[i] {
		case '0':
			ok = digit
		case 'd':
			ok = digit || b == ' '
		case 'A':
			ok = b >= 'A' && b <= 'Z'
		case 'a':
			ok = b >= 'a' && b <= 'z'
		default:
			ok = b == like[i]
		}
		if !ok {
			return false
		}
	}
	return true
}

// plain is a text without control sequences.
func plain(s string) string {
	if strings.IndexByte(s, 0x1b) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if n := 0; s[i] == 0x1b {
			if n = escape(s[i:]); n > 0 {
				i += n
				continue
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// compact is a text as words run together.
func compact(text string) string {
	var b strings.Builder
	scan(text, func(c char) { b.WriteRune(c.r) })
	return b.String()
}
