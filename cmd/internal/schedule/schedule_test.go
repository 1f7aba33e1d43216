package schedule_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/google/go-cmp/cmp"
	"howett.net/plist"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/schedule"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

const program = "/opt/lixfix/bin/lixfix"

// systemctl makes and removes links as systemctl(1) does. It is called with the directory of the host in place.
const systemctl = `#!/bin/sh
root='%s'
target=$(sed -n 's/^WantedBy=//p' "$root/etc/systemd/system/$2")
link="$root/etc/systemd/system/$target.wants/$2"
case $1 in
enable) mkdir -p "${link%%/*}" && ln -s "/etc/systemd/system/$2" "$link" ;;
disable) rm "$link" && rmdir "${link%%/*}" ;;
*) exit 1 ;;
esac
`

// host makes a host below a directory. Its files belong to whoever runs the test, who stands for root.
func host(t *testing.T, system string) (*platform.Machine, string) {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"opt/lixfix/bin", "etc/systemd/system", "Library/LaunchDaemons", "usr/bin", "var/lib", "var/db"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, root, program, "#!/bin/sh\n", 0o755)
	if system == platform.Linux {
		put(t, root, "/usr/bin/systemctl", fmt.Sprintf(systemctl, root), 0o755)
	}
	return platform.At(
		func(name string) (string, error) { return securejoin.SecureJoin(root, name) },
		func() platform.Facts { return platform.Facts{OS: system, Arch: "arm64"} },
	), root
}

func put(t *testing.T, root, name, data string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, name), []byte(data), mode); err != nil {
		t.Fatal(err)
	}
}

// files lists a host, journals left out.
func files(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || strings.Contains(name, "/var/") {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += " " + string(data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			text += " " + target
		}
		all[strings.TrimPrefix(name, root)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// apply runs a plan as a repair does, through a journal, and returns a function that takes it back.
func apply(t *testing.T, m *platform.Machine, p plan.Plan) (undo func()) {
	t.Helper()
	dir, err := journal.Lock(m.StateDir(), step.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	p.ID = journal.NewID(time.Now(), schedule.Name, [2]byte{1, 2})
	j, err := dir.Create(p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := (plan.Driver{Host: m, Log: j}).Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := (plan.Driver{Host: m, Log: j}).Rollback(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if err := j.End(journal.Undone, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInstallAndUndo(t *testing.T) {
	for _, system := range []string{platform.Darwin, platform.Linux} {
		for _, metrics := range []string{"", prom} {
			t.Run(system+metrics, func(t *testing.T) { installAndUndo(t, system, metrics) })
		}
	}
}

const prom = "/opt/metrics/lixfix.prom"

func installAndUndo(t *testing.T, system, metrics string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test writes files of root's; run it as root")
	}
	m, root := host(t, system)
	if err := os.Mkdir(filepath.Join(root, "opt/metrics"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := files(t, root)
	p, err := schedule.Install(t.Context(), m, program, metrics)
	if err != nil {
		t.Fatal(err)
	}
	undo := apply(t, m, p)
	installed := files(t, root)
	file, _ := schedule.File(m.Facts())
	if !strings.Contains(installed[file], program) {
		t.Errorf("%s: %q", file, installed[file])
	}
	if !strings.Contains(installed[file], metrics) {
		t.Errorf("it writes no %s: %q", metrics, installed[file])
	}
	if again, err := schedule.Install(t.Context(), m, program, metrics); err != nil || !again.Empty() {
		t.Errorf("a second installation plans %v (%v)", again.Entries, err)
	}
	undo()
	if d := cmp.Diff(before, files(t, root)); d != "" {
		t.Errorf("undo leaves:\n%s", d)
	}

	p, err = schedule.Install(t.Context(), m, program, metrics)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, m, p)
	if metrics != "" {
		put(t, root, metrics, render.MetricsBegin+"of a check\n", 0o644)
		installed = files(t, root)
	}
	if err := os.RemoveAll(m.StateDir()); err != nil {
		t.Fatal(err)
	}
	p, err = schedule.Remove(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	undo = apply(t, m, p)
	if d := cmp.Diff(before, files(t, root)); d != "" {
		t.Errorf("removal leaves:\n%s", d)
	}
	undo()
	if d := cmp.Diff(installed, files(t, root)); d != "" {
		t.Errorf("undo of the removal gives:\n%s", d)
	}
}

// TestReinstall changes the job: with metrics and without, and to another file. What the job before has written goes.
func TestReinstall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test writes files of root's; run it as root")
	}
	for _, system := range []string{platform.Darwin, platform.Linux} {
		m, root := host(t, system)
		if err := os.Mkdir(filepath.Join(root, "opt/metrics"), 0o755); err != nil {
			t.Fatal(err)
		}
		job, _ := schedule.File(m.Facts())
		const other, theirs = "/opt/metrics/other.prom", "/opt/metrics/theirs.prom"
		for _, turn := range []struct {
			metrics, there, left string
			clock                bool
		}{
			{"", "", "", false},
			{prom, prom, "", true},
			{other, other, prom, true},
			{"", "", other, false},
			{theirs, "", "", true},
		} {
			p, err := schedule.Install(t.Context(), m, program, turn.metrics)
			if err != nil {
				t.Fatal(err)
			}
			apply(t, m, p)
			if err := os.RemoveAll(m.StateDir()); err != nil {
				t.Fatal(err)
			}
			if turn.there != "" {
				put(t, root, turn.there, render.MetricsBegin+"of a check\n", 0o644)
			}
			now := files(t, root)
			if strings.Contains(now[job], "--output") != (turn.metrics != "") || !strings.Contains(now[job], turn.metrics) {
				t.Errorf("%s with %q: %s", system, turn.metrics, now[job])
			}
			if _, ok := now["/etc/systemd/system/timers.target.wants/lixfix-check.timer"]; ok != (turn.clock && system == platform.Linux) {
				t.Errorf("%s with %q: a timer: %v", system, turn.metrics, ok)
			}
			if _, ok := now[turn.left]; ok && turn.left != "" {
				t.Errorf("%s with %q: %s is left", system, turn.metrics, turn.left)
			}
		}
		// Somebody else has taken the name since.
		put(t, root, theirs, "their_metric 1\n", 0o644)
		p, err := schedule.Remove(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, m, p)
		if _, ok := files(t, root)[theirs]; !ok {
			t.Errorf("%s: %s was removed", system, theirs)
		}
	}
}

func TestNothingToRemove(t *testing.T) {
	for _, system := range []string{platform.Darwin, platform.Linux} {
		m, _ := host(t, system)
		if p, err := schedule.Remove(t.Context(), m); err != nil || !p.Empty() {
			t.Errorf("%s: %v %v", system, p.Entries, err)
		}
	}
}

func TestLaunchdJobIsAPropertyList(t *testing.T) {
	m, _ := host(t, platform.Darwin)
	p, err := schedule.Install(t.Context(), m, program, "")
	if err != nil {
		t.Fatal(err)
	}
	var job map[string]any
	for _, data := range p.Blobs() {
		if _, err := plist.Unmarshal(data, &job); err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
	}
	want := map[string]any{
		"Label": "io.github.lixfix.check", "ProgramArguments": []any{program, "check", "--quiet"}, "RunAtLoad": true,
		"ProcessType": "Background", "StandardOutPath": "/var/log/lixfix.log", "StandardErrorPath": "/var/log/lixfix.log",
	}
	if d := cmp.Diff(want, job); d != "" {
		t.Error(d)
	}
}

func TestLaunchdJobWritesMetrics(t *testing.T) {
	m, root := host(t, platform.Darwin)
	if err := os.Mkdir(filepath.Join(root, "opt/metrics"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := schedule.Install(t.Context(), m, program, prom)
	if err != nil {
		t.Fatal(err)
	}
	var job struct {
		ProgramArguments []string
		StartInterval    int
	}
	for _, data := range p.Blobs() {
		if _, err := plist.Unmarshal(data, &job); err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
	}
	want := []string{program, "check", "--quiet", "--format", "prometheus", "--output", prom}
	if d := cmp.Diff(want, job.ProgramArguments); d != "" || job.StartInterval != 3600 {
		t.Errorf("%s every %d seconds", d, job.StartInterval)
	}
}

// TestUnitIsConfined has systemd read the unit and say what is left open to it, from 0 for nothing to 10.
func TestUnitIsConfined(t *testing.T) {
	m, root := host(t, platform.Linux)
	if err := os.Mkdir(filepath.Join(root, "opt/metrics"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, metrics := range []string{"", prom} {
		p, err := schedule.Install(t.Context(), m, program, metrics)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "lixfix-check.service")
		for _, data := range p.Blobs() {
			name := file
			if bytes.Contains(data, []byte("[Timer]")) {
				name = filepath.Join(dir, "lixfix-check.timer")
			}
			// systemd wants to find the program.
			if err := os.WriteFile(name, bytes.ReplaceAll(data, []byte(program), []byte("/usr/bin/env")), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		units, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(units) != map[bool]int{false: 1, true: 2}[metrics != ""] {
			t.Fatalf("units: %v %v", units, err)
		}
		out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("systemd does not understand it all: %v\n%s", err, out)
		}
		out, err = exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=30", file).CombinedOutput()
		if err != nil {
			t.Errorf("more than 3.0: %v\n%s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Log(lines[len(lines)-1])
	}
}

func TestRefuses(t *testing.T) {
	cases := []struct {
		name    string
		system  string
		program string
		spoil   func(t *testing.T, root string)
		reason  string
	}{
		{"a program that others can write", platform.Linux, program, func(t *testing.T, root string) {
			if err := os.Chmod(filepath.Join(root, program), 0o775); err != nil {
				t.Fatal(err)
			}
		}, "users other than root can change " + program},
		{"a directory that others can write", platform.Darwin, program, func(t *testing.T, root string) {
			if err := os.Chmod(filepath.Join(root, "opt/lixfix"), 0o777); err != nil {
				t.Fatal(err)
			}
		}, "users other than root can change /opt/lixfix "},
		{"a program of somebody else", platform.Darwin, program, func(t *testing.T, root string) {
			if err := os.Chown(filepath.Join(root, program), 501, 20); err != nil {
				t.Fatal(err)
			}
		}, "user ID 501"},
		{"a link on the way", platform.Linux, program, func(t *testing.T, root string) {
			if err := os.Rename(filepath.Join(root, "opt"), filepath.Join(root, "real")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("real", filepath.Join(root, "opt")); err != nil {
				t.Fatal(err)
			}
		}, "/opt is a symbolic link"},
		{"a name that a unit would read otherwise", platform.Linux, "/opt/%h/lixfix", func(*testing.T, string) {}, "cannot run"},
		{"a program that is not there", platform.Linux, "/opt/gone", func(*testing.T, string) {}, "look at /opt/gone"},
		{"NixOS", platform.Linux, program, func(t *testing.T, root string) { put(t, root, "/etc/NIXOS", "", 0o644) }, "NixOS"},
		{"no systemd", platform.Linux, program, func(t *testing.T, root string) {
			if err := os.Remove(filepath.Join(root, "usr/bin/systemctl")); err != nil {
				t.Fatal(err)
			}
		}, "no systemd"},
		{"a strange unit link", platform.Linux, program, func(t *testing.T, root string) {
			dir := filepath.Join(root, "etc/systemd/system/multi-user.target.wants")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("/dev/null", filepath.Join(dir, "lixfix-check.service")); err != nil {
				t.Fatal(err)
			}
		}, "is not the link that systemd makes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, root := host(t, c.system)
			c.spoil(t, root)
			_, err := schedule.Install(t.Context(), m, c.program, "")
			var refusal *fix.Refusal
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.reason) || refusal.Next == "" {
				t.Errorf("got %v, want a refusal with %q", err, c.reason)
			}
		})
	}
}

func TestRefusesMetrics(t *testing.T) {
	for _, c := range []struct {
		file, reason string
		make         string // a shell command
	}{
		{"metrics.prom", "not an absolute name", ":"},
		{"/opt/metrics/lixfix.txt", "ends in .prom", ":"},
		{"/opt/me trics/x.prom", "not an absolute name", ":"},
		{"/opt/%h/x.prom", "not an absolute name", ":"},
		{"/opt/../opt/x.prom", "not an absolute name", ":"},
		{"/tmp/metrics/x.prom", "its own /", ":"},
		{"/opt/none/x.prom", "there is no directory /opt/none", ":"},
		{"/opt/closed/x.prom", "node_exporter cannot read", "mkdir -m 0700 opt/closed"},
		{"/opt/hers/x.prom", "which can be changed by", "mkdir -m 0755 opt/hers && chown 4201 opt/hers"},
		{"/opt/open/x.prom", "which can be changed by", "mkdir -m 0777 opt/open"},
		{"/opt/lixfix/x.prom", "lixfix did not write it", "echo their_metric 1 >opt/lixfix/x.prom"},
		{"/opt/lixfix/y.prom", "read /opt/lixfix/y.prom", "mkfifo opt/lixfix/y.prom"},
	} {
		t.Run(c.file, func(t *testing.T) {
			m, root := host(t, platform.Linux)
			cmd := exec.Command("sh", "-c", c.make)
			cmd.Dir = root
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			_, err := schedule.Install(t.Context(), m, program, c.file)
			var refusal *fix.Refusal
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.reason) || refusal.Next == "" {
				t.Errorf("got %v, want a refusal with %q", err, c.reason)
			}
		})
	}
}
