package stuck_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
)

// given are the parameters that a diagnosis has for the words of its kind.
var given = []string{
	"age", "culprit", "debugger", "dotfile", "file", "full", "holder", "idle", "lock", "logged", "loss", "number", "owner", "peer",
	"pid", "process", "processes", "ring", "slots", "users",
}

// TestKinds: the table is whole, its words have only parameters that there are, and a remedy that names a command says what
// that costs.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, err := range fix.Validate("stuck", stuck.New().Kinds()) {
		t.Error(err)
	}
	for _, k := range kinds.All {
		words := []fix.Words{k.Says}
		for _, w := range k.Or {
			words = append(words, w)
		}
		for _, r := range k.Remedies {
			words = append(words, r.Changes, r.Command, r.Undo)
			if named := r.Command == kinds.EndCommand; named != (r.Case == kinds.Named) || named && !strings.Contains(string(r.Changes), "{culprit}") {
				t.Errorf("%s, case %q: %q with %q", k.ID, r.Case, r.Changes, r.Command)
			}
		}
		for _, w := range words {
			for _, p := range w.Parameters() {
				if !slices.Contains(given, p) {
					t.Errorf("%s: no diagnosis has {%s}", k.ID, p)
				}
			}
		}
	}
}
