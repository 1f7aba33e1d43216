package daemon

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzLog: whatever stands in the journal, what is shown of it is short, and no text of it colours a terminal.
func FuzzLog(f *testing.F) {
	f.Add("accepted connection from pid 7, user alice\n\x1b[31;1merror:\x1b[0m processing connection\n")
	f.Add("same\nsame\r\n\x00\xff\n" + strings.Repeat("x", 10000))
	f.Fuzz(func(t *testing.T, text string) {
		lines := lastLines(text)
		if len(lines) > 6 {
			t.Errorf("%d lines", len(lines))
		}
		seen := map[string]bool{}
		for _, line := range lines {
			if line == "" || utf8.RuneCountInString(line) > 210 || !utf8.ValidString(line) || strings.Contains(line, "\n") || colours.MatchString(line) {
				t.Errorf("%q", line)
			}
			seen[line] = true
		}
	})
}

// FuzzTmpfiles: no file of tmpfiles.d opens the directory of the socket to everybody.
func FuzzTmpfiles(f *testing.F) {
	f.Add("d /nix/var/nix/daemon-socket 0755 root root - -\n")
	f.Add("d! /nix/var/nix/daemon-socket/ ~:0777 0 0\nd /x")
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := parseTmpfiles(text, "/nix/var/nix/daemon-socket", nil); ok && (d.mode&0o002 != 0 || d.mode&^0o777 != 0 || d.gid != 0) {
			t.Errorf("%+v", d)
		}
	})
}

// TestLog: lines of the same text are one, and the last ones are kept.
func TestLog(t *testing.T) {
	got := lastLines("a\nb\nb\n\x1b[31mc\x1b[0m\n\nd\ne\nf\ng\n")
	if strings.Join(got, "|") != "b|c|d|e|f|g" {
		t.Errorf("%q", got)
	}
}
