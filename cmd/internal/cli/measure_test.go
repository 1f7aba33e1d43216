package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// promtool has Prometheus' own tool read metrics.
func promtool(t *testing.T, text string) {
	t.Helper()
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s\n%s", err, out, text)
	}
}

func TestPrometheus(t *testing.T) {
	w := newWorld(t, "blue", "red", "pink", "dark", "red")
	r := w.run("check", "--format", "prometheus").ends(Problems)
	promtool(t, r.out)
	r.says(
		`lixfix_fix_status{fix="paint",status="broken"} 1`, `lixfix_fix_status{fix="paint",status="unknown"} 0`,
		`lixfix_findings{fix="paint",finding="paint/wall-1",status="ok"} 1`,
		`lixfix_findings{fix="paint",finding="paint/wall-2",status="broken"} 1`,
		`lixfix_findings{fix="paint",finding="paint/wall-3",status="at-risk"} 1`,
		`lixfix_findings{fix="paint",finding="paint/wall-4",status="unknown"} 1`,
		`lixfix_journal_status{status="settled"} 1`, "lixfix_check_exit_code 1", "lixfix_check_duration_seconds 1",
		"lixfix_check_timestamp_seconds 1767323047",
	)
	if strings.Contains(r.out, "is red") || strings.Contains(r.out, "/walls") {
		t.Errorf("the metrics have what was seen:\n%s", r.out)
	}

	// What could not be told is neither 0 nor absent.
	w.paint.hook = func(context.Context) error { return errors.New("no light") }
	r = w.run("check", "--format", "prometheus").ends(Failed)
	promtool(t, r.out)
	r.says(`lixfix_fix_status{fix="paint",status="unknown"} 1`, `lixfix_fix_status{fix="paint",status="ok"} 0`,
		`lixfix_findings{fix="paint",finding="paint/not-checked",status="unknown"} 1`)
	w.paint.hook = nil
	w.write("var/lib/lixfix", "no directory")
	w.run("check", "--format", "prometheus").says(`lixfix_journal_status{status="unknown"} 1`, `lixfix_journal_status{status="settled"} 0`)
}

// An unfinished repair is a status of its own.
func TestPrometheusOfAnUnfinishedRepair(t *testing.T) {
	w := newWorld(t, "red", "red")
	w.host.onWrite = func(name string) error {
		if strings.HasSuffix(name, "2") {
			return errors.New("the brush broke")
		}
		return nil
	}
	w.run("repair", "paint", "--yes")
	r := w.run("check", "--format", "prometheus").ends(Waiting)
	r.says(`lixfix_journal_status{status="unfinished"} 1`, "lixfix_check_exit_code 4")
	promtool(t, r.out)
}

func TestPrometheusFile(t *testing.T) {
	w := newWorld(t, "red")
	w.mkdir("metrics")
	file := filepath.Join(w.root, "metrics/lixfix.prom")
	read := func() string {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	args := []string{"check", "--format", "prometheus", "--output", "/metrics/lixfix.prom"}
	r := w.run(args...).ends(Problems)
	if strings.Contains(r.out, "# HELP") || !strings.Contains(r.out, "paint/wall-1") {
		t.Errorf("people see:\n%s", r.out)
	}
	promtool(t, read())
	old := read()
	w.write("walls/1", "blue\n")
	w.now = w.now.Add(time.Hour)

	// Somebody else's file stays, and so does the old one where nothing can be written.
	w.write("metrics/other.prom", "their_metric 1\n")
	w.run("check", "--format", "prometheus", "--output", "/metrics/other.prom").ends(Failed)
	if err := os.Mkdir(filepath.Join(w.root, "metrics/.lixfix.prom.lixfix-new"), 0o755); err != nil {
		t.Fatal(err)
	}
	bad := w.run(args...).ends(Failed)
	if !strings.Contains(bad.err, "write the metrics: ") || !strings.Contains(bad.err, "/metrics/lixfix.prom") || !strings.Contains(bad.err, "An older file is unchanged") {
		t.Errorf("it says: %s", bad.err)
	}
	if read() != old {
		t.Error("the old file did not stay")
	}
	if err := os.Remove(filepath.Join(w.root, "metrics/.lixfix.prom.lixfix-new")); err != nil {
		t.Fatal(err)
	}
	w.run(args...).ends(Healthy)
	if !strings.Contains(read(), `lixfix_fix_status{fix="paint",status="ok"} 1`) {
		t.Errorf("after the repair:\n%s", read())
	}
	w.run("check", "--format", "prometheus", "--output", "/nowhere/x.prom").ends(Failed)
}

func TestPrometheusMisused(t *testing.T) {
	w := newWorld(t, "red")
	for _, line := range []string{
		"repair paint --format prometheus", "list --format prometheus", "report --format prometheus", "check --output x",
		"check --format json --output x", "check --format prometheus=1",
	} {
		w.run(strings.Fields(line)...).ends(Usage)
	}
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	s.run("check", "stuck", "--watch", "--format", "prometheus").ends(Usage)
}
