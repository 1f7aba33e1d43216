package draw

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/say"
)

func FuzzTree(f *testing.F) {
	f.Add("nix-build", "waits")
	f.Add(strings.Repeat("ä", 100), strings.Repeat("b", 100))
	f.Fuzz(func(t *testing.T, title, text string) {
		r := &diagnose.Report{
			Processes: []diagnose.Process{{Node: "process:2", Title: say.Plain(title), Text: say.Plain(text)}, {Node: "process:3", Title: say.Plain(title)}},
			Edges:     []diagnose.Edge{{From: "process:2", To: "process:3"}, {From: "process:3", To: "process:2"}},
		}
		for _, line := range Tree(r, diagnose.Diagnosis{Subject: "process:2", Root: "process:3"}) {
			if utf8.RuneCountInString(line) > figure.Columns {
				t.Errorf("%d characters: %q", utf8.RuneCountInString(line), line)
			}
		}
		_ = Dot(r)
	})
}
