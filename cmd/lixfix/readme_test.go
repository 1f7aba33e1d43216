package main_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// consoles are the blocks of a Markdown page that show a terminal.
var consoles = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")

// TestREADME plays the terminals in README.md, one after the other, on one Mac that was upgraded to macOS 15. What they
// show is what lixfix prints there, where "…" on a line of its own leaves lines out, and within a line what differs each
// time. With LIXFIX_UPDATE set it writes what is printed into the page; then leave out what nobody needs.
func TestREADME(t *testing.T) {
	const name = "../../README.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(page, []byte("\n")); n > 150 {
		t.Errorf("README.md has %d lines; it is for users, and they have no time: at most 150", n)
	}
	var upgraded mac.Variant
	for _, v := range mac.Variants(32) {
		if v.Name == "upgraded-15" {
			upgraded = v
		}
	}
	m := newMac(t, upgraded)
	played := 0
	after := consoles.ReplaceAllFunc(page, func(block []byte) []byte {
		body := string(consoles.FindSubmatch(block)[1])
		var b strings.Builder
		for _, part := range strings.SplitAfter("\n"+body, "\n$ ")[1:] {
			part = strings.TrimSuffix(part, "\n$ ")
			line, shown, _ := strings.Cut(part, "\n")
			words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "sudo "))
			if len(words) == 0 || words[0] != "lixfix" {
				t.Errorf("a terminal of README.md runs %q", line)
				continue
			}
			played++
			_, out := run(t, m, words[1:]...)
			b.WriteString("$ " + strings.TrimSpace(line) + "\n")
			if !shows(shown, out) {
				t.Errorf("README.md, %s:\n%s\nlixfix prints:\n%s", line, shown, out)
			}
			b.WriteString(changing.ReplaceAllString(out, "…"))
		}
		return []byte("```console\n" + b.String() + "```")
	})
	if played == 0 {
		t.Error("README.md shows no terminal")
	}
	if os.Getenv("LIXFIX_UPDATE") != "" {
		if err := os.WriteFile(name, after, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// shows reports whether a text with "…" for what is left out is what was printed. A command whose output is left out
// altogether shows nothing.
func shows(text, out string) bool {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return true
	}
	var parts []string
	for line := range strings.SplitSeq(text, "\n") {
		if line == "…" {
			parts = append(parts, `(?s:.*?)`)
			continue
		}
		words := strings.Split(line, "…")
		for i, w := range words {
			words[i] = regexp.QuoteMeta(w)
		}
		parts = append(parts, strings.Join(words, `[^\n]*`)+`\n`)
	}
	return regexp.MustCompile(`^` + strings.Join(parts, "") + `$`).MatchString(strings.TrimRight(out, "\n") + "\n")
}
