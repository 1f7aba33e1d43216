package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/record"
)

// recorded makes a record of a world, in a directory of its own, and returns its file.
func recorded(t *testing.T, w *world) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "host.tar.gz")
	w.run("record", "-o", file).ends(Healthy)
	return file
}

// TestRecord looks at a record of a host that has changed since: what it says is what was true, and it says so.
func TestRecord(t *testing.T) {
	w := newWorld(t, "pink", "blue")
	live := w.run("check", "--format", "json").report()
	plan := w.run("repair", "paint", "--dry-run", "--format", "json").report()
	file := recorded(t, w)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	w.write("walls/1", "blue\n")
	w.run("check").ends(Healthy).not("recorded")

	page := w.run("check", "-v", "--host", file)
	if !strings.HasPrefix(page.out, "recorded") {
		t.Errorf("the first line does not say that it is a record:\n%s", page.out)
	}
	r := w.run("check", "--host", file, "--format", "json").report()
	if r.Recorded == nil || r.Recorded.Made.IsZero() || r.Recorded.Lixfix != "0.1.0" {
		t.Errorf("%+v", r.Recorded)
	}
	if a, b := statuses(live.Fixes[0].Findings), statuses(r.Fixes[0].Findings); !slices.Equal(a, b) {
		t.Errorf("%v of the host, and %v of the record", a, b)
	}
	dry := w.run("repair", "paint", "--dry-run", "--host", file, "--format", "json").ends(Problems).report()
	if dry.Recorded == nil || len(dry.Plan.Entries) != len(plan.Plan.Entries) {
		t.Errorf("%+v, and of the host %+v", dry.Plan, plan.Plan)
	}
	w.run("report", "--host", file).ends(Healthy).says("of a host that was recorded on")
	w.run("explain", "paint/wall-1", "--here").ends(Healthy).says("wall 1 is blue").not("recorded")
	w.run("explain", "paint/wall-1", "--host", file).ends(Healthy).says("recorded", "wall 1 is pink")
	w.run("explain", "paint", "--host", file).ends(Usage)
	w.run("report", "paint", "--host", file, "--format", "json").ends(Healthy)
}

func statuses(found []fix.Finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.ID+" "+string(f.Status))
	}
	return all
}

// TestRecordedHostIsNotChanged refuses, as a mistake of usage, all that would need the host itself.
func TestRecordedHostIsNotChanged(t *testing.T) {
	w := newWorld(t, "pink")
	file := recorded(t, w)
	for _, args := range [][]string{
		{"repair", "paint", "--host", file},
		{"repair", "paint", "--yes", "--host", file},
		{"resume", "--host", file},
		{"undo", "--host", file},
		{"schedule", "install", "--host", file},
		{"record", "--host", file},
		{"report", "--with-record", "--host", file},
	} {
		w.run(args...).ends(Usage)
	}
	if w.walls() != "pink" || len(w.journals()) > 0 {
		t.Error("something was changed")
	}
	h := record.New(w.host).Host()
	ctx := t.Context()
	for _, err := range []error{
		h.WriteFile(ctx, "/x", platform.Content{}), h.Remove(ctx, "/x"), h.Tidy(ctx, "/x"), h.SetMode(ctx, "/x", 0), h.SetLink(ctx, "/x", "/y"),
		h.MakeDir(ctx, "/x", 0, 0, 0), h.RemoveDir(ctx, "/x"), h.Run(ctx, "/bin/true"), h.Signal(ctx, platform.ProcessID{PID: 2, Start: "1"}, 9),
	} {
		if !errors.Is(err, record.ErrRecorded) {
			t.Errorf("%v", err)
		}
	}
}

// TestNotInTheRecord: what a newer lixfix would have asked is unknown, and nothing is made of what it found without it.
func TestNotInTheRecord(t *testing.T) {
	w := newWorld(t, "blue")
	file := recorded(t, w)
	w.write("walls/7", "blue\n")
	more := &nosy{paint: w.paint}
	w.fixes = []fix.Fix{more}
	r := w.run("check", "--host", file, "--format", "json").ends(Failed).report()
	if f := r.Fixes[0]; f.Status != fix.Unknown || len(f.Findings) != 1 || !strings.Contains(f.Findings[0].Reason, "not in this record: read /walls/7") {
		t.Errorf("%+v", f)
	}
	w.run("repair", "paint", "--dry-run", "--host", file).ends(Failed).says("not in this record")
	w.run("report", "paint", "--host", file).ends(Failed).says("not in this record")
}

// nosy asks for one thing more than paint, and is not put off where there is no answer.
type nosy struct{ *paint }

func (n *nosy) Detect(ctx context.Context, v platform.View, s fix.Settings) ([]fix.Finding, error) {
	_, _ = v.ReadFile(ctx, "/walls/7")
	return n.paint.Detect(ctx, v, s)
}

// TestRecordFile is never written over another one, and where it is bad it is said what to do.
func TestRecordFile(t *testing.T) {
	w := newWorld(t, "blue")
	file := recorded(t, w)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.run("record", "-o", file).ends(Usage).says("exists already", "Name another file")
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Error("the file was changed")
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, before[:len(before)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("check", "--host", bad).ends(Failed).says("not a record that lixfix reads", "ask for the file")
	w.run("check", "--host", filepath.Join(t.TempDir(), "none")).ends(Failed).says("no such file")
	w.run("check", "--host", t.TempDir()).ends(Failed).says("not a regular file")
	w.run("record", "nothing").ends(Usage).says("is not a fix")
	t.Chdir(t.TempDir())
	w.run("record", "--keep-names", "--format", "json").ends(Healthy)
	w.run("report", "--with-record").ends(Healthy).says("A record of this host is attached")
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) != 2 || !strings.HasPrefix(entries[0].Name(), "lixfix-record-2026") {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestRecordSettings: what the environment said where it was recorded is said again, and not what it says here.
func TestRecordSettings(t *testing.T) {
	w := newWorld(t, "blue")
	w.env["PAINT_ALL"] = "true"
	file := recorded(t, w)
	w.env["PAINT_ALL"] = ""
	w.run("check", "-v", "--host", file).says("will be painted all the same")
	w.env["PAINT_ALL"] = "true"
	w.run("check", "-v", "--host", recorded(t, newWorld(t, "blue"))).not("will be painted all the same")
}
