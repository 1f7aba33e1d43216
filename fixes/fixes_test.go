package fixes_test

import (
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
)

// TestKinds: every kind of finding was shown by some host in some test, and what any host showed is a kind. The files
// that it reads are held against the hosts by the tests that have them.
func TestKinds(t *testing.T) {
	names := map[string]bool{}
	for _, f := range fixes.All() {
		if names[f.Name()] {
			t.Errorf("two fixes are called %s", f.Name())
		}
		names[f.Name()] = true
		for _, err := range fix.Validate(f.Name(), f.Kinds()) {
			t.Error(err)
		}
		shown := fixtest.Testimony(t, strings.ReplaceAll(f.Name(), "-", ""))
		well := 0
		for _, k := range f.Kinds() {
			if shown[k.ID] == "" {
				t.Errorf("no host shows %s", k.ID)
			}
			delete(shown, k.ID)
			if k.Status == fix.OK {
				well++
			}
		}
		for id, host := range shown {
			t.Errorf("%s shows %s, which is no kind of %s", host, id, f.Name())
		}
		if well == 0 {
			t.Errorf("%s has nothing to say of a host that is well", f.Name())
		}
	}
}

// TestWordsAreInTables: what users read of a finding, its evidence and its steps stands in the tables of its fix.
func TestWordsAreInTables(t *testing.T) {
	dirs := []string{"fixtest/netrc"}
	for _, f := range fixes.All() {
		dirs = append(dirs, strings.ReplaceAll(f.Name(), "-", ""))
	}
	for _, dir := range dirs {
		found, err := fixtest.Sentences(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range found {
			t.Errorf("%s: say it in kinds.go or words.go", s)
		}
		wrong, err := fixtest.Unfilled(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wrong {
			t.Error(w)
		}
	}
}
