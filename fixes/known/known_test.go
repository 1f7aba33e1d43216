package known_test

import (
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/known"
)

// Pages have all that the page of a kind has, and belong to no fix yet.
func TestPages(t *testing.T) {
	found := map[string]bool{}
	for _, f := range fixes.All() {
		for _, k := range f.Kinds() {
			found[k.ID] = true
		}
	}
	by := map[string][]*fix.Kind{}
	for _, k := range known.Pages() {
		by[k.Fix()] = append(by[k.Fix()], k)
		switch {
		case found[k.ID]:
			t.Errorf("%s is found by a fix: its messages belong to the kind", k.ID)
		case len(k.Messages) == 0:
			t.Errorf("%s: nobody comes to the page without a message", k.ID)
		case k.Status == fix.Broken && len(k.Remedies) == 0:
			t.Errorf("%s does not say what to do", k.ID)
		case known.Page(k.ID) == nil || known.Page(k.ID).ID != k.ID:
			t.Errorf("%s is not found", k.ID)
		}
		for _, r := range k.Remedies {
			if r.Class != fix.Advice {
				t.Errorf("%s: nothing carries out its remedy", k.ID)
			}
			if strings.HasSuffix(string(r.Changes), ".") {
				t.Errorf("%s: %q ends in a full stop", k.ID, r.Changes)
			}
		}
		if !strings.HasSuffix(k.Means, ".") {
			t.Errorf("%s: %q is no sentence", k.ID, k.Means)
		}
	}
	for name, kinds := range by {
		for _, err := range fix.Validate(name, kinds) {
			t.Error(err)
		}
	}
	if known.Page("no/page") != nil {
		t.Error("a page that is not there was found")
	}
}
