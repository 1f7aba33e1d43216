package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/cmd/internal/render"
)

// TestOutcomeChanged: programs that call lixfix are told whether this command has changed the host, whatever became of it.
func TestOutcomeChanged(t *testing.T) {
	changed := func(r result) bool {
		t.Helper()
		o := r.report().Outcome
		if o == nil {
			t.Fatalf("no outcome: %s", r.out)
		}
		return o.Changed
	}
	w := newWorld(t, "red", "pink", "red")
	run := func(want bool, code Code, args ...string) {
		t.Helper()
		if got := changed(w.run(append(args, "--format", "json")...).ends(code)); got != want {
			t.Errorf("%s: changed: %v", strings.Join(args, " "), got)
		}
	}
	run(false, Problems, "repair", "paint", "--dry-run")
	run(false, NoConsent, "repair", "paint")
	w.readOnly("1")
	run(false, Failed, "repair", "paint", "--yes") // the first write finds that it has left everything as it was
	w.readOnly("2")
	run(true, Failed, "repair", "paint", "--yes", "--rollback-on-failure") // what was taken back was changed
	run(true, Waiting, "repair", "paint", "--yes")
	run(false, Waiting, "repair", "paint", "--yes")
	run(false, Waiting, "resume", "--yes") // goes on with the second write, which fails again
	w.host.onWrite = nil
	run(false, Waiting, "resume", "--dry-run")
	run(true, Healthy, "resume", "--yes")
	run(false, Healthy, "repair", "paint", "--yes")
	run(false, Healthy, "resume", "--yes")
	run(true, Healthy, "undo", "--yes")
	run(false, Healthy, "undo", "--yes")
}

// TestEventsTellWhatActs: whoever reads the events of a lixfix that was killed knows whether something may have been done.
func TestEventsTellWhatActs(t *testing.T) {
	w := newWorld(t, "red")
	begun := 0
	for line := range strings.Lines(w.run("repair", "paint", "--yes", "--format", "jsonl").ends(Healthy).out) {
		var e struct {
			Event string
			Step  render.At
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Event == "step-begin" && e.Step.Acts {
			begun++
		}
	}
	if begun != 1 {
		t.Errorf("%d steps that act have begun, want 1", begun)
	}
}
