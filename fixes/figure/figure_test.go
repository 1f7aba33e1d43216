package figure

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func row(depth int, mark string, cells ...string) Row {
	return Row{Depth: depth, Mark: mark, Cells: cells}
}

func TestLines(t *testing.T) {
	unsure := row(2, Root, "lock")
	unsure.Unsure = true
	for _, c := range []struct {
		name string
		Figure
		want []string
	}{
		{name: "none", want: []string{}},
		{
			name: "a ladder",
			Figure: Figure{Rows: []Row{
				row(0, Good, "store", "is there"), row(0, Bad, "configuration", strings.Repeat("x", 70)), row(0, Skipped, "socket", "not looked at"),
			}},
			want: []string{
				"✓ store          is there", "✗ configuration  " + strings.Repeat("x", 62) + "…", "· socket         not looked at",
			},
		},
		{
			name: "a tree",
			Figure: Figure{Right: 10, Rows: []Row{
				row(0, "", "nix build", "waits"), row(1, "", "worker"), unsure, row(2, "", "for x"), row(1, "", "builder", "much longer than ten"),
				row(2, "", "sleep"), row(0, "", "(likely)"),
			}},
			want: []string{
				"nix build" + strings.Repeat(" ", 61) + "waits", "├─ worker", "│  ├┄ ► lock", "│  └─ for x",
				"└─ builder" + strings.Repeat(" ", 60) + "much long…", "   └─ sleep", "(likely)",
			},
		},
		{
			name:   "a long name",
			Figure: Figure{Right: 10, Rows: []Row{row(0, "", strings.Repeat("a", 50)+strings.Repeat("b", 50), "waits")}},
			want:   []string{strings.Repeat("a", 36) + "…" + strings.Repeat("b", 37) + " waits"},
		},
	} {
		got := c.Lines()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
		if i := slices.IndexFunc(got, func(l string) bool { return utf8.RuneCountInString(l) > Columns }); i >= 0 {
			t.Errorf("%s: %q", c.name, got[i])
		}
	}
}

func TestQuote(t *testing.T) {
	if got := Quote("a \"b\\\"\nc\x1b[31m"); got != `"a \"b\\\"\nc?[31m"` {
		t.Error(got)
	}
}
