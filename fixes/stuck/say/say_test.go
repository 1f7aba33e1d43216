package say

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCommand(t *testing.T) {
	got := Command([]string{
		"nix", "build", "--option", "access-tokens", "github.com=abc", "--access-tokens", "x=y", "git+https://me:pass@host/x?token=1", "https://host/@x",
		"--option=access-tokens=abc", "a\x1b[31m",
	})
	want := []string{
		"nix", "build", "--option", "access-tokens", "[redacted]", "--access-tokens", "[redacted]", "git+https://[redacted]@host/x?token=[redacted]", "https://host/@x",
		"--option=access-tokens=[redacted]", "a?[31m",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTexts(t *testing.T) {
	const lock = "/nix/store/8pnb3avp19z84cnqr76k16av27rx3kb1-slow-a.lock"
	if got := ShortPath(lock); got != "/nix/store/8pnb3avp…-slow-a.lock" {
		t.Error(got)
	}
	if got := Middle(strings.Repeat("ab", 40), 21); utf8.RuneCountInString(got) != 21 {
		t.Error(got)
	}
}
