package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scheduled is a Linux host with systemd, whose lixfix is in a place of root's.
func scheduled(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test writes files of root's; run it as root")
	}
	w := newWorld(t)
	w.program = "/opt/lixfix/bin/lixfix"
	for _, dir := range []string{"opt/lixfix/bin", "etc/systemd/system", "usr/bin"} {
		w.mkdir(dir)
	}
	w.write("opt/lixfix/bin/lixfix", "")
	w.write("usr/bin/systemctl", `#!/bin/sh
units='`+w.root+`/etc/systemd/system'
link=$units/$(sed -n 's/^WantedBy=//p' "$units/$2").wants/$2
case $1 in
enable) mkdir -p "${link%/*}" && ln -s "/etc/systemd/system/$2" "$link" ;;
disable) rm "$link" ;;
esac
`)
	if err := os.Chmod(filepath.Join(w.root, "usr/bin/systemctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) installed() bool {
	_, err := os.Stat(filepath.Join(w.root, "etc/systemd/system/lixfix-check.service"))
	_, linkErr := os.Lstat(filepath.Join(w.root, "etc/systemd/system/multi-user.target.wants/lixfix-check.service"))
	if (err == nil) != (linkErr == nil) {
		w.t.Errorf("half installed: %v, %v", err, linkErr)
	}
	return err == nil
}

func TestSchedule(t *testing.T) {
	w := scheduled(t)
	w.run("schedule", "remove").ends(Healthy).says("no job is installed")
	w.run("schedule", "install", "--dry-run").ends(Problems).says("lixfix-check.service", "journalctl -u")
	w.run("schedule", "install").ends(NoConsent)
	if w.installed() {
		t.Fatal("it was installed without consent")
	}
	w.answer("y\n", "schedule", "install").ends(Healthy)
	if !w.installed() {
		t.Fatal("it was not installed")
	}
	w.run("schedule", "install", "--yes").ends(Healthy).says("installed already")
	w.run("undo", "--yes").ends(Healthy)
	if w.installed() {
		t.Fatal("undo left it")
	}
	w.run("schedule", "install", "--yes", "--format", "json").ends(Healthy).valid()
	w.run("schedule", "remove", "--yes").ends(Healthy)
	if w.installed() {
		t.Fatal("it was not removed")
	}
	w.run("history").ends(Healthy).says("schedule")

	w.mkdir("opt/metrics")
	const file = "/opt/metrics/lixfix.prom"
	w.run("schedule", "install", "--yes", "--prometheus", "/opt/none/x.prom").ends(Unsafe)
	w.run("schedule", "install", "--prometheus", file, "--dry-run").ends(Problems).says("lixfix-check.timer")
	w.run("schedule", "install", "--prometheus", file, "--yes").ends(Healthy)
	w.run("schedule", "install", "--prometheus", file, "--yes").ends(Healthy).says("installed already")
	w.run("check", "--format", "prometheus", "--output", file)
	w.run("schedule", "remove", "--yes").ends(Healthy).says(file)
	if _, err := os.Stat(filepath.Join(w.root, file)); w.installed() || err == nil {
		t.Fatalf("it was not removed: %v", err)
	}

	w.program = "/opt/gone"
	w.run("schedule", "install", "--yes").ends(Unsafe)
	if out := scheduled(t).user().run("schedule", "install", "--prometheus", file).ends(NoConsent); !strings.Contains(out.err, "sudo lixfix schedule install --prometheus="+file) {
		t.Errorf("the sudo line is missing: %s", out.err)
	}
}
