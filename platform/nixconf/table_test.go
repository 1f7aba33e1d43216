package nixconf

import (
	"slices"
	"strings"
	"testing"
)

// TestEntries reads each line by its name, and all lines of it.
func TestEntries(t *testing.T) {
	var names []string
	for line := range strings.Lines(settingsText) {
		if name, _, ok := strings.Cut(line, "\t"); ok {
			names = append(names, name)
		}
	}
	if len(names) < 200 {
		t.Fatalf("%d lines", len(names))
	}
	for _, name := range names {
		list := entries(name)
		n := 0
		for _, other := range names {
			if other == name {
				n++
			}
		}
		if len(list) != n || slices.ContainsFunc(list, func(e entry) bool { return e.name != name }) {
			t.Errorf("%s: %+v, want %d", name, list, n)
		}
	}
	for _, name := range []string{"", "#", "sandbo", "andbox", "sandbox\tsandbox", "sandbox\t", names[0] + "\n", "\n" + names[1]} {
		if list := entries(name); list != nil {
			t.Errorf("%q: %+v", name, list)
		}
	}
}
