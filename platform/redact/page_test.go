package redact

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPage(t *testing.T) {
	p := NewPage(wonderland())
	p.Line("`stuck/x` (%s): %s", kindOfStatus("ok"), "it hangs for mallory [x](y) <b> @alice `")
	p.Heading("%s", "a # heading ``` of\nalice")
	p.Item("%d things, %s, %s, %t", 3, errors.New("none"), []string{"alice", "b"}, true)
	p.Item("%s", "")
	p.Code([]string{"```", "~~~ ````x", "accepted connection from pid 1, user mallory", "a\x1b[31m\u202e", "12345 alice"}, 9)
	want := []string{
		"`stuck/x` (ok): `it hangs for user1 [x](y) <b> @user2 '`", "", "### `a # heading ''' of user2`", "",
		"- 3 things, `none`, `[user2 b]`, true", "- `(nothing)`", "```", "'''", "~~~ '''`x", "accepted…",
		"a [31m\uFFFD", "12345 …", "```",
	}
	got := p.Lines()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type kindOfStatus string

// markdown fails where text of the host has left its code spans and blocks.
func markdown(t *testing.T, n *Names, s string) {
	t.Helper()
	p := NewPage(n)
	p.Heading("own %s own", s)
	p.Item("own %s own %s", s, s)
	p.Code([]string{s, s}, 40)
	lines := p.Lines()
	inside := false
	for _, l := range lines {
		if strings.ContainsAny(l, "\n\r") {
			t.Fatalf("%q has several lines", l)
		}
		if strings.HasPrefix(strings.TrimSpace(l), fence) {
			if l != fence {
				t.Fatalf("%q opens a block", l)
			}
			inside = !inside
			continue
		}
		if inside || l == "" {
			continue
		}
		// In a line, every second piece is a span; the others are lixfix's own.
		own := ""
		pieces := strings.Split(l, "`")
		for i := 0; i < len(pieces); i += 2 {
			own += pieces[i] + "|"
		}
		if own != "### own | own|" && own != "- own | own ||" {
			t.Fatalf("%q has left its span", l)
		}
	}
	if inside || len(lines) != 7 {
		t.Fatalf("%q", lines)
	}
}
