package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

type platformView = platform.View

func TestRepair(t *testing.T) {
	w := newWorld(t, "red", "blue", "pink")
	r := w.answer("y\n", "repair", "paint").ends(Healthy)
	r.says("Apply this plan (2 steps)? [y/N]", "rewrite /walls/1: paint it blue", "repaired in 2 steps; now: all well",
		"[1/2]", "sudo lixfix undo 20260102-0304")
	if got := w.walls(); got != "blue blue blue" {
		t.Errorf("the walls are %s", got)
	}
	if j := w.journals(); len(j) != 1 || strings.Contains(j[0], "unfinished") {
		t.Errorf("journals: %v", j)
	}
	// Standard output is no terminal, so the plan has to be on the terminal as well.
	if !strings.Contains(r.tty, "Plan: 2 steps") || strings.Contains(r.out, "[y/N]") || strings.Contains(r.out, "[1/2]") {
		t.Errorf("wrong streams:\n%s\n--\n%s\n--\n%s", r.out, r.err, r.tty)
	}
	w.run("repair", "paint").ends(Healthy).says("nothing to do: all well")
	w.run("check").ends(Healthy)
}

func TestRepairJSON(t *testing.T) {
	w := newWorld(t, "red", "dark")
	doc := w.run("repair", "paint", "--yes", "--format", "json").ends(Failed).report()
	if doc.Outcome.Result != render.Finished || len(doc.After) != 1 || doc.Outcome.Done != 1 {
		t.Errorf("got %+v", doc.Outcome)
	}
	w = newWorld(t, "red")
	if r := w.run("repair", "paint", "--yes", "--format", "json").ends(Healthy); r.err != "" {
		t.Errorf("standard error: %s", r.err)
	}
}

func TestRepairConsent(t *testing.T) {
	for _, answer := range []string{"", "\n", "n\n", "no\n", "yes", "maybe\n", "yesterday\n", strings.Repeat("y", 300) + "\n"} {
		t.Run(fmt.Sprintf("%.10q", answer), func(t *testing.T) {
			w := newWorld(t, "red")
			w.answer(answer, "repair", "paint").ends(NoConsent).says("not confirmed; nothing was changed")
			if w.walls() != "red" || len(w.journals()) > 0 {
				t.Error("something was changed")
			}
		})
	}
	w := newWorld(t, "red")
	w.answer("YES\n", "repair", "paint").ends(Healthy)
}

func TestRepairWithoutTerminal(t *testing.T) {
	w := newWorld(t, "red")
	w.run("repair", "paint").ends(NoConsent).says("there is no terminal", "--yes")
	w.run("repair", "paint", "--format", "json").ends(NoConsent)
	if w.walls() != "red" || len(w.journals()) > 0 {
		t.Error("something was changed")
	}
}

func TestRepairUnasked(t *testing.T) {
	for _, how := range []string{"--yes", "--no-confirm", "variable"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t, "red")
			args := []string{"repair", "paint", how}
			if how == "variable" {
				w.env["PAINT_NO_CONFIRM"] = "1"
				args = args[:2]
			}
			w.run(args...).ends(Healthy)
		})
	}
	w := newWorld(t, "red")
	w.env["PAINT_NO_CONFIRM"] = "perhaps"
	w.run("repair", "paint").ends(Usage).says("PAINT_NO_CONFIRM")
	w.env["PAINT_NO_CONFIRM"] = "true"
	w.run("repair", "paint", "--yes=false").ends(NoConsent)
}

func TestRepairNeedsRoot(t *testing.T) {
	w := newWorld(t, "red").user()
	w.env["PAINT_TINT"] = "blue's"
	w.env["PAINT_NO_CONFIRM"] = "true"
	r := w.run("repair", "paint", "--all", "-v", "--accept", "paint/wall-1", "--accept=paint/wall-2").ends(NoConsent)
	const line = `next:  sudo lixfix repair paint --all --verbose --accept=paint/wall-1 --accept=paint/wall-2 '--tint=blue'\''s' --yes` + "\n"
	if !strings.Contains(r.err, line) {
		t.Errorf("got %q, want %q", r.err, line)
	}
	w.run("repair", "paint", "--format", "json").ends(NoConsent)
	if _, err := os.Stat(w.state()); err == nil {
		t.Error("a state directory was made")
	}
	w.run("repair", "paint", "--dry-run").ends(Problems).says("dry run: 1 step to do")
}

func TestRepairDryRun(t *testing.T) {
	w := newWorld(t, "red", "wet")
	r := w.run("repair", "paint", "--dry-run").ends(Problems)
	r.says("Plan: 2 steps", "dry run: 2 steps to do; nothing was changed")
	w.run("repair", "paint", "--dry-run", "--yes").ends(Problems).says("Plan: 1 step")
	if w.walls() != "red wet" || len(w.journals()) > 0 {
		t.Error("something was changed")
	}
	w = newWorld(t, "blue", "gone")
	w.run("repair", "paint", "--dry-run").ends(Problems).says("lixfix can do nothing here: 1 problem")
	w = newWorld(t, "blue", "dark")
	w.run("repair", "paint", "--dry-run").ends(Failed)
	w = newWorld(t, "blue")
	w.run("repair", "paint", "--dry-run").ends(Healthy).says("nothing to do: all well")
}

// The plan of a dry run is what a repair journals, byte for byte.
func TestDryRunPrintsTheJournaledPlan(t *testing.T) {
	w := newWorld(t, "red", "pink")
	at := w.now
	dry := w.run("repair", "paint", "--dry-run", "--format", "json").ends(Problems)
	w.now = at
	w.run("repair", "paint", "--yes").ends(Healthy)
	data, err := os.ReadFile(filepath.Join(w.state(), w.journals()[0]))
	if err != nil {
		t.Fatal(err)
	}
	var shown struct {
		Plan json.RawMessage `json:"plan"`
	}
	var kept struct {
		Plan json.RawMessage `json:"plan"`
	}
	head, _, _ := bytes.Cut(data, []byte("\n"))
	if err := errors.Join(json.Unmarshal([]byte(dry.out), &shown), json.Unmarshal(head, &kept)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(shown.Plan, kept.Plan) || len(kept.Plan) == 0 {
		t.Errorf("shown  %s\nstored %s", shown.Plan, kept.Plan)
	}
}

func TestRepairRisky(t *testing.T) {
	w := newWorld(t, "red", "wet")
	w.run("repair", "paint", "--yes").ends(Problems).says("risky: asks a person, or needs --accept", "1 step done; now: 1 problem")
	if got := w.walls(); got != "blue wet" {
		t.Errorf("the walls are %s", got)
	}
	w.run("repair", "paint", "--yes").ends(Problems).
		says("--accept paint/wall-2  paints it", "nothing was changed: a risky remedy waits for --accept paint/wall-2; 1 problem")
	w.run("repair", "paint", "--yes", "--accept", "glaze/wall-2").ends(Usage)
	w.run("repair", "paint", "--yes", "--accept", "paint/wall-9").ends(Problems).says("there is no such finding")
	w.run("repair", "paint", "--yes", "--accept", "paint/wall-2").ends(Healthy)

	w = newWorld(t, "wet")
	w.answer("y\n", "repair", "paint").ends(Healthy)
}

func TestRepairSettings(t *testing.T) {
	w := newWorld(t, "red")
	w.env["PAINT_TINT"] = "ultraviolet"
	w.run("repair", "paint", "--dry-run").ends(Usage).says("PAINT_TINT: nobody can see that")
	w.env["PAINT_TINT"] = "green"
	w.run("repair", "paint", "--dry-run").ends(Problems).says("paint it green", "environment")
	w.env["PAINT_TINT"] = ""
	w.run("repair", "paint", "--dry-run").ends(Problems).says("paint it blue")
}

func TestRepairElsewhere(t *testing.T) {
	w := newWorld(t)
	w.paint.elsewhere = true
	w.user()
	w.run("repair", "paint").ends(Healthy).says("paint does not apply to Linux; nothing to do")
	w.run("repair", "paint", "--format", "json").ends(Healthy)
}

func TestRepairRefusals(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		code Code
		says string
	}{
		{"unsafe", &fix.Refusal{Reason: "the wall bears weight", Next: "ask an architect"}, Unsafe, "next: ask an architect"},
		{"busy", plan.Hint(fmt.Errorf("%w: 1", step.ErrBusy), "wait"), Unsafe, "next: wait"},
		{"failed", errors.New("no plan"), Failed, "plan the repair paint: no plan"},
		{"denied", &platform.ToolError{Tool: "/usr/bin/dscl", Exit: 40}, NoConsent, "dscl"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "red")
			w.paint.planError = test.err
			w.run("repair", "paint", "--yes").ends(test.code).says(test.says, "broken paint wall 1 is red")
			doc := w.run("repair", "paint", "--yes", "--format", "json").ends(test.code).report()
			if doc.Outcome.Result != render.NotStarted || doc.Outcome.Error == "" {
				t.Errorf("got %+v", doc.Outcome)
			}
		})
	}
	w := newWorld(t)
	w.paint.hook = nil
	if err := os.Remove(filepath.Join(w.root, "walls")); err != nil {
		t.Fatal(err)
	}
	w.run("repair", "paint", "--yes").ends(Failed).says("check paint: ")
}

// cut makes the write of a wall fail.
func (w *world) cut(wall string) {
	w.host.onWrite = func(name string) error {
		if name == "/walls/"+wall {
			return errors.New("the brush broke")
		}
		return nil
	}
}

func TestRepairFails(t *testing.T) {
	w := newWorld(t, "red", "pink", "red")
	w.cut("2")
	r := w.run("repair", "paint", "--yes").ends(Waiting)
	r.says("the brush broke", "1 of 3 steps done", "sudo lixfix resume", "sudo lixfix undo", "[2/3] failed")
	if got := w.walls(); got != "blue pink red" {
		t.Errorf("the walls are %s", got)
	}
	w.run("check").ends(Waiting).says("unfinished", "an unfinished repair waits")
	w.run("repair", "paint", "--yes").ends(Waiting).says("sudo lixfix resume finishes it")
	w.run("repair", "paint", "--dry-run").ends(Waiting)
	w.run("repair", "paint", "--dry-run", "--format", "json").ends(Waiting)

	w.run("resume").ends(Waiting).says("there is no terminal")
	w.run("resume", "--dry-run").ends(Waiting).says("has done 1 of 3 steps", "rewrite /walls/2", "dry run: 2 steps to do").not("/walls/1:")
	w.run("resume", "--yes").ends(Waiting).says("the brush broke")
	w.host.onWrite = nil
	w.answer("y\n", "resume").ends(Healthy).says("Finish this repair (2 steps)?", "repaired in 3 steps; now: all well")
	if got := w.walls(); got != "blue blue blue" {
		t.Errorf("the walls are %s", got)
	}
	w.run("resume").ends(Healthy).says("no unfinished repair waits")
	w.run("resume", "--format", "json").ends(Healthy)
}

func TestRepairFailsJSON(t *testing.T) {
	w := newWorld(t, "red", "pink")
	w.cut("2")
	doc := w.run("repair", "paint", "--yes", "--format", "json").ends(Waiting).report()
	if o := doc.Outcome; o.Result != render.Unfinished || o.Done != 1 || o.Total != 2 || len(o.Next) != 2 || o.Error == "" {
		t.Errorf("got %+v", o)
	}
	w.run("resume", "--dry-run", "--format", "json").ends(Waiting)
	w.run("undo", "--yes", "--format", "json").ends(Healthy)
	w.run("history", "--format", "json").ends(Healthy)
}

func TestRepairFailsAtFirst(t *testing.T) {
	w := newWorld(t, "red", "pink")
	w.host.onWrite = func(string) error {
		// Somebody changes what comes next, before anything is written.
		return nil
	}
	w.tty = &tty{Reader: readerFunc(func(p []byte) (int, error) {
		w.write("walls/2", "green\n")
		p[0] = "y\n"[answered(w)]
		return 1, nil
	})}
	r := w.run("repair", "paint").ends(Unsafe)
	r.says("the machine has changed since it was read: /walls/2 has changed", "nothing was changed")
	if got := w.walls(); got != "red green" {
		t.Errorf("the walls are %s", got)
	}
	w.tty = nil
	w.run("check").ends(Problems)
	w.run("history").ends(Healthy).says("abandoned")
	w.run("undo").ends(Healthy).says("nothing to take back")
}

// readOnly has the file system refuse writes to a wall.
func (w *world) readOnly(wall string) {
	w.host.onWrite = func(name string) error {
		if name == "/walls/"+wall {
			return &fs.PathError{Op: "write", Path: name, Err: syscall.EROFS}
		}
		return nil
	}
}

// TestRepairWritesNothing: a plan whose first write fails, and has left the old value, has changed nothing: nothing waits,
// neither for resume nor for undo, and the hint is about the place that cannot be written to.
func TestRepairWritesNothing(t *testing.T) {
	hint := `"findmnt -T /walls" shows what is mounted read-only`
	w := newWorld(t, "red", "pink")
	w.readOnly("1")
	w.run("repair", "paint", "--yes").ends(Failed).
		says("read-only file system", "nothing was changed", hint).not("resume", "write down")
	w.run("repair", "paint", "--yes", "--rollback-on-failure").ends(Failed).says("nothing was changed", hint)
	doc := w.run("repair", "paint", "--yes", "--format", "json").ends(Failed).report()
	if o := doc.Outcome; o.Result != render.Abandoned || o.Done != 0 || len(o.Next) != 0 || len(doc.Unfinished) != 0 {
		t.Errorf("got %+v", o)
	}
	w.run("check").ends(Problems).not("unfinished")
	w.run("resume", "--yes").ends(Healthy).says("no unfinished repair waits")
	w.run("history").ends(Healthy).says("abandoned")
	w.host.onWrite = nil
	w.run("repair", "paint", "--yes").ends(Healthy)

	// The same where it is taken back: the repair stays what it was.
	w.readOnly("2")
	w.run("undo", "--yes").ends(Failed).says("nothing was changed", hint).not("resume")
	w.run("check").ends(Healthy)
	w.host.onWrite = nil
	w.run("undo", "--yes").ends(Healthy)
	if got := w.walls(); got != "red pink" {
		t.Errorf("the walls are %s", got)
	}
}

// TestRepairWritesHalf: where something was written before, it waits; resume says what is in its way, and undo works.
func TestRepairWritesHalf(t *testing.T) {
	hint := `"findmnt -T /walls" shows what is mounted read-only`
	w := newWorld(t, "red", "pink", "red")
	w.readOnly("2")
	w.run("repair", "paint", "--yes").ends(Waiting).says("1 of 3 steps done", hint, "Then: sudo lixfix resume finishes it")
	w.run("resume", "--yes").ends(Waiting).says("read-only file system", hint, "1 of 3 steps done")
	w.run("undo", "--yes").ends(Healthy)
	if got := w.walls(); got != "red pink red" {
		t.Errorf("the walls are %s", got)
	}
	w.readOnly("2")
	w.run("repair", "paint", "--yes", "--rollback-on-failure").ends(Failed).says("everything was taken back", hint)
}

// TestRepairLosesNothing: a file that would lose something where a new one takes its place is refused before a plan is
// shown, and so it is where it became so only afterwards.
func TestRepairLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(file string) error
		says   string
	}{
		"a second name": {func(file string) error { return os.Link(file, file+".other") }, "it has 2 names (hard links)"},
		"setuid":        {func(file string) error { return os.Chmod(file, 0o644|fs.ModeSetuid) }, "its mode is urw-r--r--"},
		"setgid":        {func(file string) error { return os.Chmod(file, 0o644|fs.ModeSetgid) }, "its mode is grw-r--r--"},
		"sticky":        {func(file string) error { return os.Chmod(file, 0o644|fs.ModeSticky) }, "its mode is trw-r--r--"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "red")
			w.mkdir("elsewhere")
			file := filepath.Join(w.root, "walls/1")
			w.run("repair", "paint", "--yes").ends(Healthy)
			if err := c.change(file); err != nil {
				t.Fatal(err)
			}
			if other := file + ".other"; name == "a second name" {
				if err := os.Rename(other, filepath.Join(w.root, "elsewhere/other")); err != nil {
					t.Fatal(err)
				}
			}
			w.run("undo", "--yes").ends(Unsafe).says(c.says, "nothing was changed", `"find / -xdev -samefile /walls/1"`)
			// As an editor writes that keeps the file.
			if err := os.WriteFile(file, []byte("pink\n"), 0); err != nil {
				t.Fatal(err)
			}
			w.run("repair", "paint", "--dry-run").ends(Unsafe).says(c.says, `"find / -xdev -samefile /walls/1"`)
			w.run("repair", "paint", "--yes").ends(Unsafe).says(c.says)
			if got := w.walls(); got != "pink" {
				t.Errorf("the walls are %s", got)
			}
		})
	}
}

// answered counts the characters of an answer.
func answered(w *world) int {
	n := len(w.env["answered"])
	w.env["answered"] += "x"
	return min(n, 1)
}

func TestRollbackOnFailure(t *testing.T) {
	w := newWorld(t, "red", "pink", "red")
	w.cut("3")
	w.run("repair", "paint", "--yes", "--rollback-on-failure").ends(Failed).says("taking back what was done", "everything was taken back", "the brush broke")
	if got := w.walls(); got != "red pink red" {
		t.Errorf("the walls are %s", got)
	}
	w.run("check").ends(Problems)
	w.run("history").ends(Healthy).says("undone")
	w.run("undo").ends(Healthy).says("was taken back already")
}

func TestUndoUnfinished(t *testing.T) {
	w := newWorld(t, "red", "pink", "red")
	w.cut("3")
	w.run("repair", "paint", "--yes").ends(Waiting)
	id, _, _ := strings.Cut(w.journals()[0], ".")
	w.run("undo", "20260101-000000-paint-0000").ends(Waiting)
	w.run("undo", "--dry-run").ends(Waiting).says("To be taken back now")
	w.answer("n\n", "undo").ends(Waiting)
	w.run("undo", id, "--yes").ends(Healthy).says("everything was taken back; now: 2 problems, 1 at risk")
	if got := w.walls(); got != "red pink red" {
		t.Errorf("the walls are %s", got)
	}
}

func TestUndoUnfinishedRefuses(t *testing.T) {
	w := newWorld(t, "red", "pink", "red")
	w.cut("3")
	w.run("repair", "paint", "--yes").ends(Waiting)
	w.write("walls/1", "green\n")
	w.run("undo", "--yes").ends(Unsafe).says("Not taken back", "/walls/1 has changed", "taken back, except for 1 step")
	if got := w.walls(); got != "green pink red" {
		t.Errorf("the walls are %s", got)
	}
	w.run("check").ends(Problems)
	w.run("undo", "--yes").ends(Healthy).says("was taken back already, except for 1 step that had changed")
}

func TestUndo(t *testing.T) {
	w := newWorld(t, "red", "pink")
	w.run("undo").ends(Healthy).says("no repair was made on this host")
	w.run("repair", "paint", "--yes").ends(Healthy)
	id, _, _ := strings.Cut(w.journals()[0], ".")
	w.run("undo").ends(NoConsent)
	w.run("undo", "--dry-run").ends(Problems).says("Plan to take back "+id, "dry run: 2 steps")
	w.answer("y\n", "undo").ends(Healthy).says("taken back in 2 steps; now: 1 problem, 1 at risk")
	if got := w.walls(); got != "red pink" {
		t.Errorf("the walls are %s", got)
	}
	w.run("undo", "--yes").ends(Healthy).says("is taken back already; nothing to do")
	var undo string
	for _, j := range w.journals() {
		if n, _, _ := strings.Cut(j, "."); n != id {
			undo = n
		}
	}
	w.run("undo", undo).ends(Unsafe).says("an undo cannot be undone", "repair again: sudo lixfix repair paint")
	w.run("undo", "nonsense").ends(Usage).says("no such repair")
	w.run("history").ends(Healthy).says("taken back", "took back …", "2 repairs")
	doc := w.run("history", "--format", "json").ends(Healthy).report()
	if len(doc.History) != 2 || doc.History[1].Undoes != id || doc.History[0].Version != "0.1.0" {
		t.Errorf("got %+v", doc.History)
	}
}

func TestUndoRefuses(t *testing.T) {
	w := newWorld(t, "red", "pink", "red")
	w.run("repair", "paint", "--yes").ends(Healthy)
	w.write("walls/2", "green\n")
	w.run("undo", "--dry-run").ends(Unsafe).says("Left alone, because the host has changed since", "/walls/2 has changed")
	r := w.run("undo", "--yes").ends(Unsafe)
	r.says("taken back, except for 1 step", "/walls/2 has changed")
	if got := w.walls(); got != "red green red" {
		t.Errorf("the walls are %s", got)
	}
	w.run("undo", "--yes", "--format", "json").ends(Unsafe)
}

func TestUndoFails(t *testing.T) {
	w := newWorld(t, "red", "pink")
	w.run("repair", "paint", "--yes").ends(Healthy)
	w.cut("1")
	w.run("undo", "--yes").ends(Waiting).says("the brush broke")
	w.host.onWrite = nil
	w.run("check").ends(Waiting)
	w.run("resume", "--yes").ends(Healthy).says("taken back in 2 steps")
	if got := w.walls(); got != "red pink" {
		t.Errorf("the walls are %s", got)
	}
}

func TestResumeRefuses(t *testing.T) {
	w := newWorld(t, "red", "pink")
	w.cut("2")
	w.run("repair", "paint", "--yes").ends(Waiting)
	w.host.onWrite = nil
	w.write("walls/2", "green\n")
	w.run("resume", "--yes").ends(Unsafe).says("/walls/2 has changed", "sudo lixfix undo")
	w.run("check").ends(Waiting)
}

func TestUnreadableJournal(t *testing.T) {
	w := newWorld(t, "red")
	for _, content := range []string{"{\"journal\":99}\n", "garbage", ""} {
		w.leave(content)
		const advice = "history --set-aside " + waitingID
		w.run("check").ends(Waiting).says("cannot be used", advice)
		w.run("resume", "--yes").ends(Failed).says("read the unfinished repair", "If a newer lixfix made it", advice)
		w.run("undo", "--yes").ends(Failed).says(advice)
		w.run("repair", "paint", "--yes").ends(Waiting).says(advice)
		w.run("repair", "paint", "--dry-run").ends(Waiting).says(advice)
		w.run("history").ends(Failed).says("1 could not be read", advice)
		w.run("history", "--format", "json").ends(Failed)
		w.run("history", "--set-aside", waitingID).ends(Healthy).says("set aside", "no longer known", "kept as")
		w.run("history", "--set-aside", waitingID).ends(Usage)
		w.run("check").ends(Problems)
	}
	w.leave(waits)
	w.run("history", "--set-aside", waitingID).ends(Unsafe).says("can be read", "resume")
	w.run("resume", "--yes").ends(Problems) // it had no steps
}

func TestJournalOfSomebodyElse(t *testing.T) {
	w := newWorld(t, "red")
	name := filepath.Join(w.state(), waitingID+".unfinished.jsonl")
	for what, spoil := range map[string]func() error{
		"others can write": func() error { return os.Chmod(name, 0o666) },
		"belongs to":       func() error { return os.Chown(name, 501, 20) },
	} {
		w.leave(waits)
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		const advice = "history --set-aside " + waitingID
		for _, command := range []string{"resume", "undo"} {
			r := w.run(command, "--yes").ends(Unsafe).says(what, advice)
			if strings.Contains(r.out+r.err, "chown") || strings.Contains(r.out+r.err, "Give the") {
				t.Errorf("%s advises to adopt it: %s%s", command, r.out, r.err)
			}
		}
		w.run("check").ends(Waiting).says(what, advice)
		w.run("repair", "paint", "--yes").ends(Waiting).says(advice)
		w.run("history", "--set-aside", waitingID).ends(Healthy)
		w.run("check").ends(Problems)
	}
}

func TestBusy(t *testing.T) {
	w := newWorld(t, "red")
	w.mkdir("var/lib/lixfix")
	f, err := os.Create(filepath.Join(w.state(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	w.run("repair", "paint", "--yes").ends(Busy).says("another lixfix is at work")
	w.run("repair", "paint", "--yes", "--format", "json").ends(Busy)
	w.run("repair", "paint", "--dry-run").ends(Busy)
	w.run("history", "--prune").ends(Busy)
	w.run("history", "--set-aside", waitingID).ends(Busy)
	w.leave("")
	w.run("resume", "--yes").ends(Busy)
	w.run("undo", "--yes").ends(Busy)
}

func TestUnsafeState(t *testing.T) {
	w := newWorld(t, "red")
	w.mkdir("var/lib/lixfix")
	if err := os.Chmod(w.state(), 0o777); err != nil {
		t.Fatal(err)
	}
	w.run("repair", "paint", "--yes").ends(Unsafe).says("others can write to")
	if w.walls() != "red" {
		t.Error("something was changed")
	}
}

func TestHistory(t *testing.T) {
	w := newWorld(t, "red")
	w.run("history").ends(Healthy).says("no repair was made on this host")
	w.run("repair", "paint", "--yes").ends(Healthy)
	w.run("history", "--older-than", "1d").ends(Usage)
	for _, bad := range []string{"x", "-1d", "9999999999d", "d", ""} {
		w.run("history", "--prune", "--older-than", bad).ends(Usage)
	}
	w.run("history", "--prune").ends(Healthy).says("removed 0 journals older than 90d")
	w.now = w.now.Add(91 * 24 * time.Hour)
	w.run("history", "--prune", "--older-than=30w").ends(Healthy).says("removed 0 journals")
	w.run("history", "--prune", "--format", "json").ends(Healthy)
	if len(w.journals()) != 0 {
		t.Errorf("journals: %v", w.journals())
	}
}

func TestHistoryNeedsRoot(t *testing.T) {
	w := newWorld(t, "red").user()
	w.mkdir("var/lib/lixfix")
	w.write("var/lib/lixfix/20260101-000000-paint-aaaa.jsonl", "secret")
	w.run("history").ends(NoConsent).says("20260101-000000-paint-aaaa", "2026-01-01 00:00", "sudo lixfix history").not("secret")
	w.run("history", "--format", "json").ends(NoConsent)
	w.run("history", "--prune").ends(NoConsent).says("sudo lixfix history --prune")
	w.run("undo").ends(NoConsent).says("sudo lixfix undo")
	w.leave("secret")
	// That a repair waits comes before that root is needed.
	w.run("resume").ends(Waiting).says("sudo lixfix resume")
	w.run("resume", "--format", "json").ends(Waiting)
	w.run("repair", "paint").ends(Waiting)
}

func TestSecretsStayInTheJournal(t *testing.T) {
	w := newWorld(t, "access-tokens = hunter2")
	for _, args := range [][]string{
		{"repair", "paint", "--yes", "-v", "--debug"}, {"history"}, {"undo", "--yes", "-v"}, {"history", "--format", "json"},
	} {
		r := w.run(args...)
		// What the detector shows of it is its own affair.
		for line := range strings.Lines(r.out + r.err) {
			if strings.Contains(line, "hunter2") && !strings.Contains(line, "wall 1 is") && !strings.Contains(line, "/walls/1  blue") && !strings.Contains(line, "found") {
				t.Errorf("%v: %s", args, line)
			}
		}
	}
}

// brokenPipe is a standard output whose reader has gone.
type gonePipe struct{}

func (gonePipe) Write([]byte) (int, error) { return 0, &os.PathError{Op: "write", Err: syscall.EPIPE} }

func TestBrokenPipeDoesNotStopARepair(t *testing.T) {
	w := newWorld(t, "red", "pink")
	w.stdout = gonePipe{}
	w.run("repair", "paint", "--yes").ends(Healthy)
	if got := w.walls(); got != "blue blue" {
		t.Errorf("the walls are %s", got)
	}
}

func TestSignals(t *testing.T) {
	for _, test := range []struct {
		sig  os.Signal
		code Code
	}{{os.Interrupt, Interrupt}, {syscall.SIGTERM, Terminated}, {syscall.SIGHUP, Hangup}} {
		t.Run(test.sig.String(), func(t *testing.T) {
			w := newWorld(t, "red", "pink", "red")
			var c chan<- os.Signal
			w.signals = func(ch chan<- os.Signal) { c = ch }
			w.host.onWrite = func(name string) error {
				if name == "/walls/2" {
					c <- test.sig
					time.Sleep(50 * time.Millisecond)
				}
				return nil
			}
			r := w.run("repair", "paint", "--yes", "--rollback-on-failure").ends(test.code)
			r.says(signalName(test.sig)+": finishing the step in flight", "interrupted: "+signalName(test.sig), "sudo lixfix resume")
			if got := w.walls(); got != "blue blue red" {
				t.Errorf("the walls are %s", got)
			}
			w.host.onWrite, w.signals = nil, nil
			w.run("resume", "--yes").ends(Healthy)
		})
	}
}

// TestLimit lets the time be over within a step, and within the look that comes before the first one.
func TestLimit(t *testing.T) {
	w := newWorld(t, "red", "pink", "red")
	w.host.onWrite = func(name string) error {
		if name == "/walls/2" {
			time.Sleep(time.Second)
		}
		return nil
	}
	r := w.run("repair", "paint", "--yes", "--limit", "500ms").ends(Terminated)
	r.says("given with --limit is over: finishing the step in flight", "sudo lixfix resume")
	if got := w.walls(); got != "blue blue red" {
		t.Errorf("the walls are %s", got)
	}
	w.host.onWrite = nil
	w.run("resume", "--yes", "--limit", "1m").ends(Healthy)

	// A step that a signal has let end is not cut short by the clock.
	w = newWorld(t, "red", "pink")
	var c chan<- os.Signal
	w.signals = func(ch chan<- os.Signal) { c = ch }
	w.host.onWrite = func(string) error {
		c <- syscall.SIGHUP
		time.Sleep(time.Second)
		return nil
	}
	w.run("repair", "paint", "--yes", "--limit", "500ms").ends(Hangup).says("SIGHUP: finishing the step in flight")
	if got := w.walls(); got != "blue pink" {
		t.Errorf("the walls are %s", got)
	}

	w = newWorld(t, "red")
	w.paint.hook = hang
	w.run("repair", "paint", "--yes", "--limit", "200ms").ends(Terminated).says("given with --limit is over")
	if len(w.journals()) > 0 {
		t.Error("a journal was made")
	}
	for _, none := range []string{"0s", "-1s", "soon"} {
		w.run("repair", "paint", "--yes", "--limit", none).ends(Usage)
	}
}

func TestSecondSignalKillsTheStep(t *testing.T) {
	w := newWorld(t, "red", "pink")
	var c chan<- os.Signal
	w.signals = func(ch chan<- os.Signal) { c = ch }
	w.host.onWrite = func(string) error {
		c <- os.Interrupt
		c <- os.Interrupt
		time.Sleep(50 * time.Millisecond)
		return errors.New("killed")
	}
	w.run("repair", "paint", "--yes").ends(Interrupt).says("ending the step in flight", "ended by SIGINT")
}

func TestSignalDuringCheck(t *testing.T) {
	w := newWorld(t, "red")
	w.signals = func(c chan<- os.Signal) { c <- syscall.SIGTERM }
	w.paint.hook = hang
	w.run("check").ends(Terminated).says("SIGTERM")
	w.run("repair", "paint", "--dry-run").ends(Terminated)
	w.run("repair", "paint", "--yes", "--format", "json").ends(Terminated)
	if len(w.journals()) > 0 {
		t.Error("a journal was made")
	}
}

func TestSignalAtThePrompt(t *testing.T) {
	for sig, code := range map[os.Signal]Code{os.Interrupt: NoConsent, syscall.SIGTERM: Terminated} {
		w := newWorld(t, "red")
		var c chan<- os.Signal
		w.signals = func(ch chan<- os.Signal) { c = ch }
		never, _ := io.Pipe()
		w.tty = &tty{Reader: readerFunc(func(p []byte) (int, error) {
			c <- sig
			return never.Read(p)
		})}
		w.run("repair", "paint").ends(code)
		if w.walls() != "red" || len(w.journals()) > 0 {
			t.Error("something was changed")
		}
	}
}

func TestJournalIsWrittenBeforeTheFirstStep(t *testing.T) {
	w := newWorld(t, "red")
	w.host.onWrite = func(string) error {
		if ids, err := journal.Unfinished(w.state()); err != nil || len(ids) != 1 {
			t.Errorf("unfinished: %v, %v", ids, err)
		}
		return nil
	}
	w.run("repair", "paint", "--yes").ends(Healthy)
}

func TestVerboseShowsEveryStep(t *testing.T) {
	w := newWorld(t, slices.Repeat([]string{"red"}, 12)...)
	r := w.run("repair", "paint", "--yes", "-v").ends(Healthy)
	r.says("[7/12] rewrite /walls/", "1   rewrite /walls/1:")
}
