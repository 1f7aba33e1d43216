//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// outcome is how a lixfix of its own process ended.
type outcome struct {
	code        int
	out, stderr string
}

// unattended runs a shell line without a terminal. $L is lixfix on the Mac, and $ROOT the Mac.
func unattended(t *testing.T, m *mac.Mac, line string) outcome {
	t.Helper()
	program, err := macbox()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Env = append(os.Environ(), "L="+program+" run "+m.Root, "ROOT="+m.Root)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// upgraded is a Mac whose first build users the upgrade took.
func upgraded(t *testing.T) *mac.Mac {
	t.Helper()
	return stateOf(t, "upgraded-15")
}

// healthy reports whether nothing is left to repair.
func healthy(t *testing.T, m *mac.Mac) bool {
	t.Helper()
	return unattended(t, m, "$L check >/dev/null").code == 0
}

// A repair does its whole job in whatever surroundings a script gives it.
func TestRepairInAnySurroundings(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"no terminal":               "$L repair sequoia --yes",
		"standard input closed":     "$L repair sequoia --yes <&-",
		"standard output closed":    "$L repair sequoia --yes >&-",
		"standard error closed":     "$L repair sequoia --yes 2>&-",
		"all closed":                "$L repair sequoia --yes <&- >&- 2>&-",
		"nobody reads":              "set -o pipefail; $L repair sequoia --yes -v 2>&1 | true",
		"one line is read":          "set -o pipefail; $L repair sequoia --yes --format jsonl | head -n 1 >/dev/null",
		"TERM, HOME and LANG unset": "env -u TERM -u HOME -u LANG $L repair sequoia --yes",
		"LANG=C":                    "LANG=C LC_ALL=C $L repair sequoia --yes",
		"env -i":                    "env -i $L repair sequoia --yes",
		"sudo -n":                   "sudo -n $L repair sequoia --yes",
		"directory gone":            `d=$(mktemp -d); cd "$d"; rmdir "$d"; $L repair sequoia --yes`,
		"umask 0":                   "umask 0; $L repair sequoia --yes",
		"umask 0777":                "umask 0777; $L repair sequoia --yes",
		"no /proc":                  `unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' sh $L repair sequoia --yes`,
		"ignored signals":           "trap '' HUP INT TERM PIPE; $L repair sequoia --yes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := upgraded(t)
			if o := unattended(t, m, line); o.code != 0 {
				t.Errorf("exit %d\n%s%s", o.code, o.out, o.stderr)
			}
			if !healthy(t, m) {
				t.Error("it is not repaired")
			}
			dir := filepath.Join(m.Root, "var/db/lixfix")
			for file, mode := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, "lock"): 0o600} {
				info, err := os.Stat(file)
				if err != nil || info.Mode().Perm()&^mode != 0 {
					t.Errorf("%s: %v %v", file, info.Mode(), err)
				}
			}
		})
	}
}

// Where the journal cannot be written, nothing is.
func TestNoJournalNoRepair(t *testing.T) {
	t.Parallel()
	for name, mount := range map[string]string{
		"read-only state directory": `mkdir -p "$ROOT/var/db/lixfix" && mount --bind "$ROOT/var/db/lixfix" "$ROOT/var/db/lixfix" && mount -o remount,ro,bind "$ROOT/var/db/lixfix"`,
		"full disk":                 `mkdir -p "$ROOT/var/db/lixfix" && mount -t tmpfs -o size=8k,mode=0755 none "$ROOT/var/db/lixfix"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := upgraded(t)
			before, err := m.Tree(journals)
			if err != nil {
				t.Fatal(err)
			}
			o := unattended(t, m, `unshare -m sh -c '`+mount+` && exec "$@"' sh $L repair sequoia --yes`)
			if o.code != 3 || o.stderr == "" {
				t.Errorf("exit %d\n%s%s", o.code, o.out, o.stderr)
			}
			after, err := m.Tree(journals)
			if err != nil {
				t.Fatal(err)
			}
			if diff := difference(before, after); len(diff) > 0 {
				t.Errorf("changed: %v", diff)
			}
		})
	}
}

// A signal lets the step in flight finish; the journal tells the rest.
func TestSignalsDuringARepair(t *testing.T) {
	t.Parallel()
	for signal, code := range map[string]int{"HUP": 129, "INT": 130, "TERM": 143} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			m := upgraded(t)
			if err := m.Config(func(c *mac.Config) { c.Faults = []mac.Fault{mac.SignalCaller(6, signal)} }); err != nil {
				t.Fatal(err)
			}
			o := unattended(t, m, "$L repair sequoia --yes --format jsonl")
			if o.code != code || !strings.Contains(o.stderr, "lixfix resume") {
				t.Errorf("exit %d, want %d\n%s%s", o.code, code, o.out, o.stderr)
			}
			lines := strings.Split(strings.TrimSpace(o.out), "\n")
			var last struct {
				Event  string
				Report struct {
					Exit    int
					Outcome struct{ Result string }
				}
			}
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Event != "verdict" ||
				last.Report.Exit != code || last.Report.Outcome.Result != "unfinished" {
				t.Errorf("%v in %s", err, lines[len(lines)-1])
			}
			if err := m.Config(func(c *mac.Config) { c.Faults = nil }); err != nil {
				t.Fatal(err)
			}
			for _, step := range []struct {
				args string
				code int
			}{{"check", 4}, {"repair sequoia --yes", 4}, {"resume", 4}, {"resume --yes", 0}, {"check", 0}} {
				if o := unattended(t, m, "$L "+step.args); o.code != step.code {
					t.Errorf("%s: exit %d, want %d\n%s%s", step.args, o.code, step.code, o.out, o.stderr)
				}
			}
		})
	}
	t.Run("PIPE", func(t *testing.T) {
		t.Parallel()
		m := upgraded(t)
		if err := m.Config(func(c *mac.Config) { c.Faults = []mac.Fault{mac.SignalCaller(6, "PIPE")} }); err != nil {
			t.Fatal(err)
		}
		if o := unattended(t, m, "$L repair sequoia --yes"); o.code != 0 || !healthy(t, m) {
			t.Errorf("exit %d\n%s%s", o.code, o.out, o.stderr)
		}
	})
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	m := upgraded(t)
	other, err := journal.Lock(filepath.Join(m.Root, "var/db/lixfix"), step.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	if o := unattended(t, m, "$L repair sequoia --yes"); o.code != 7 || !strings.Contains(o.stderr, "another lixfix is at work") || !strings.Contains(o.stderr, "--wait") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if o := unattended(t, m, "timeout -s TERM 1 $L repair sequoia --yes --wait 1m"); o.code != 124 && o.code != 143 {
		t.Errorf("ended while waiting: exit %d\n%s", o.code, o.stderr)
	}
	if o := unattended(t, m, "$L repair sequoia --yes --wait 1m --limit 1s"); o.code != 143 || !strings.Contains(o.stderr, "given with --limit is over") {
		t.Errorf("out of time while waiting: exit %d\n%s", o.code, o.stderr)
	}
	time.AfterFunc(time.Second, func() { _ = other.Close() })
	if o := unattended(t, m, "$L repair sequoia --yes --wait 1m"); o.code != 0 || !healthy(t, m) {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}

	// Both start together: one does it, the other waits and finds it done.
	m = upgraded(t)
	o := unattended(t, m, "$L repair sequoia --yes --wait 1m & $L repair sequoia --yes --wait 1m; a=$?; wait $!; echo codes $a $?")
	if !strings.HasSuffix(o.out, fmt.Sprintln("codes 0 0")) || !healthy(t, m) {
		t.Errorf("%s%s", o.out, o.stderr)
	}
}
