package nixconf

import (
	"fmt"
	"slices"
	"strings"
)

// sets reports whether a line gives a setting a value, and which. Words are cut as Nix cuts them.
func sets(line, name string) (value string, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	words := strings.FieldsFunc(line, blank)
	if len(words) < 2 || words[0] != name || words[1] != "=" {
		return "", false
	}
	return strings.Join(words[2:], " "), true
}

// blank reports whether Nix cuts words at a rune (tokenizeString in util of Nix).
func blank(r rune) bool { return strings.ContainsRune(" \t\n\r", r) }

// Value returns what the last line of the text that sets name gives it. Included files are not read.
func Value(data []byte, name string) (value string, ok bool) {
	for line := range strings.Lines(string(data)) {
		if v, set := sets(line, name); set {
			value, ok = v, true
		}
	}
	return value, ok
}

// Without returns the text without the lines that set name. A comment at the end of such a line stays, as a line of its
// own; every other line stays as it is, byte for byte.
func Without(data []byte, name string) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		if _, set := sets(line, name); !set {
			b.WriteString(line)
		} else if i := strings.IndexByte(line, '#'); i >= 0 {
			b.WriteString(line[i:])
		}
	}
	return []byte(b.String())
}

// With returns the text in which name has this value: the last line that sets it is changed, or else a line added at
// the end. Its comment stays, and every other line, byte for byte. The error says why the value cannot be written.
func With(data []byte, name, value string) ([]byte, error) {
	if strings.ContainsFunc(value, func(r rune) bool { return r == '#' || r < ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("%q cannot be a value of %s in nix.conf", value, name)
	}
	setting := strings.TrimRight(name+" = "+value, " ")
	lines := slices.Collect(strings.Lines(string(data)))
	for i, line := range slices.Backward(lines) {
		if _, set := sets(line, name); !set {
			continue
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		tail := line[len(strings.TrimRight(line, "\r\n")):]
		if c := strings.IndexByte(line, '#'); c >= 0 {
			tail = " " + line[c:]
		}
		lines[i] = indent + setting + tail
		return []byte(strings.Join(lines, "")), nil
	}
	text := string(data)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return []byte(text + setting + "\n"), nil
}
