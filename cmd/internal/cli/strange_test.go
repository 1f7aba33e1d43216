package cli

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStrangeJournals puts FIFOs into the state directory, on which whoever opens them waits for ever. Every command
// that lists journals names them and goes on.
func TestStrangeJournals(t *testing.T) {
	w := newWorld(t, "red", "pink")
	w.run("repair", "paint", "--yes").ends(Healthy)
	for _, name := range []string{"20240101-000000-x", "20240101-000001-y.unfinished"} {
		if err := syscall.Mkfifo(filepath.Join(w.state(), name+".jsonl"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	named := []string{"-x.jsonl is a FIFO", "-y.unfinished.jsonl is a FIFO", "lixfix did not open it"}
	unwrapped := func(r result) result {
		// Long messages are folded at the width of the terminal.
		r.out, r.err = strings.Join(strings.Fields(r.out), " "), strings.Join(strings.Fields(r.err), " ")
		return r
	}
	unwrapped(w.run("history").ends(Failed)).says("1 repair", "2 could not be read").says(named...)
	unwrapped(w.run("check").ends(Failed)).says(named...)
	unwrapped(w.run("resume").ends(Healthy)).says("no unfinished repair waits").says(named...)
	unwrapped(w.run("repair", "paint", "--dry-run").ends(Healthy)).says(named...)
	if doc := w.run("repair", "paint", "--dry-run", "--format", "json").ends(Healthy).report(); len(doc.Problems) != 2 {
		t.Errorf("%q", doc.Problems)
	}
	unwrapped(w.run("undo", "20240101-000000-x", "--yes").ends(Failed)).says("FIFO")
	unwrapped(w.run("undo", "--yes").ends(Healthy)).says("taken back").says(named...)
	unwrapped(w.run("history", "--prune", "--older-than", "0s").ends(Healthy)).says("removed 2 journals")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}
