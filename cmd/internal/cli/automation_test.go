package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/step"
)

func TestHelpAutomation(t *testing.T) {
	out := newWorld(t).run("help", "automation").ends(Healthy).out
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, e := range []string{render.Found, render.Planned, render.Verdict, "step-begin", "--wait", "--yes", "/var/lib/lixfix"} {
		if !strings.Contains(out, e) {
			t.Errorf("%s is missing", e)
		}
	}
	if !strings.Contains(out, exitHelp()) {
		t.Error("the exit codes are missing")
	}
}

// Lix finds the link lix-fix, and the user types that.
func TestHelpShowsTheNameThatWasUsed(t *testing.T) {
	w := newWorld(t)
	w.name = "lix-fix"
	for _, args := range [][]string{{"--help"}, {"check", "--help"}, {"repair", "paint", "--help"}, {"help", "automation"}} {
		out := w.run(args...).ends(Healthy).out
		if strings.Contains(out, "  lixfix ") || !strings.Contains(out, "lix-fix ") {
			t.Errorf("%v:\n%s", args, out)
		}
	}
}

// events are the lines of --format jsonl.
func (r result) events() []render.Event {
	r.t.Helper()
	var all []render.Event
	for line := range strings.Lines(r.out) {
		var e struct {
			render.Event
			// In place of those of the event.
			Plan   json.RawMessage `json:"plan"`
			Report json.RawMessage `json:"report"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			r.t.Fatalf("%v: %s", err, line)
		}
		if len(e.Report) > 0 {
			report, err := decodeReport(e.Report)
			if err != nil {
				r.t.Fatalf("%v: %s", err, line)
			}
			e.Event.Report = &report
		}
		all = append(all, e.Event)
	}
	return all
}

func TestEvents(t *testing.T) {
	w := newWorld(t, "red", "blue", "green")
	r := w.run("repair", "paint", "--yes", "--format", "jsonl").ends(Healthy)
	r.valid()
	var names []string
	for _, e := range r.events() {
		names = append(names, e.Event)
	}
	want := []string{"found", "planned", "step-begin", "step-done", "step-begin", "step-done", "found", "verdict"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	all := r.events()
	first, last := all[0], all[len(all)-1]
	if first.Fix.Status != "broken" || all[2].Step.Kind != "write-file" || all[len(all)-2].Fix.Status != "ok" ||
		last.Report.Outcome.Result != render.Finished || last.Report.Exit != 0 {
		t.Errorf("%s", r.out)
	}

	w = newWorld(t, "red")
	if e := w.run("check", "--format=jsonl").ends(Problems).events(); len(e) != 2 || e[1].Report.Exit != int(Problems) {
		t.Errorf("check: %+v", e)
	}
	if r := w.run("check", "--nonsense", "--format=jsonl").ends(Usage); !strings.HasPrefix(r.err, "{") {
		t.Errorf("an error of usage: %s", r.err)
	}
}

func TestWait(t *testing.T) {
	w := newWorld(t, "red")
	other, err := journal.Lock(w.state(), step.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	w.run("repair", "paint", "--yes").ends(Busy)
	began := time.Now()
	w.run("repair", "paint", "--yes", "--wait", "300ms").ends(Busy)
	if d := time.Since(began); d < 300*time.Millisecond {
		t.Errorf("waited for %v only", d)
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = other.Close() })
	w.run("repair", "paint", "--yes", "--wait", "1m").ends(Healthy)
	if w.walls() != "blue" {
		t.Errorf("the wall is %s", w.walls())
	}
}
