package stuck_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/stuck/draw"
	"github.com/lixfix/lixfix/fixes/stuck/observe"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/platform"
)

// mac makes a Mac whose ps prints the first list once and the second from then on.
func mac(t *testing.T, first, second, lsof string) *platform.Machine {
	t.Helper()
	m, _ := macAt(t, first, second, lsof)
	return m
}

// macAt also returns where its files are.
func macAt(t *testing.T, first, second, lsof string) (*platform.Machine, string) {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		// A program that is started meanwhile would inherit the open file, and keep the script from being run.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("first", first)
	write("second", second)
	write("open", lsof)
	write("bin/ps", fmt.Sprintf(`#!/bin/sh
case "$*" in
-axww*) if [ -e %[1]s/seen ]; then cat %[1]s/second; else touch %[1]s/seen; cat %[1]s/first; fi ;;
*) for pid; do :; done; awk -v pid="$pid" '$1 == pid { print $5, $8, $9, $10, $11, $12; found = 1 } END { exit !found }' %[1]s/second ;;
esac
`, root))
	write("usr/sbin/lsof", fmt.Sprintf("#!/bin/sh\ncat %s/open\n", root))
	write("etc/passwd", "root:x:0:0::/:\nalice:x:501:20::/:\n_nixbld1:x:351:350::/:\n")
	write("etc/group", "nixbld:x:350:_nixbld1\n")
	return platform.At(
		func(name string) (string, error) { return filepath.Join(root, name), nil },
		func() platform.Facts { return platform.Facts{OS: platform.Darwin, Arch: "arm64"} },
	), root
}

// TestMacLsof tells an lsof that fails from one that finds nothing.
func TestMacLsof(t *testing.T) {
	const list = "1 0 0 0 Ss 1000 0:01.00 Sun Nov 22 15:01:00 2026 /sbin/launchd\n62 1 62 501 R 1000 0:00.10 Sun " +
		"Nov 22 15:02:00 2026 nix-build x.nix\n"
	tests := []struct {
		name, script string
		limited      bool
	}{
		{"nothing is open", "exit 1", false},
		{"it may not", "echo 'lsof: no permission' >&2; exit 1", true},
		{"it is killed", "kill -9 $$", true},
		{"it ends in the middle", "echo p62; exit 1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, root := macAt(t, list, list, "")
			if err := os.WriteFile(filepath.Join(root, "usr/sbin/lsof"), []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			r, err := stuck.Look(t.Context(), m, observe.Options{Gap: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.ContainsFunc(r.Limits, func(l observe.Limit) bool { return l.ID == "lsof" }); got != tt.limited {
				t.Errorf("want it said: %v; got %+v", tt.limited, r.Limits)
			}
		})
	}
}

func TestMac(t *testing.T) {
	line := func(pid, parent, uid int, state, cpu, command string) string {
		return fmt.Sprintf("%d %d %d %d %s 1000 %s Sun Nov 22 15:%02d:00 "+
			"2026 %s\n", pid, parent, pid, uid, state, cpu, pid%60, command)
	}
	daemon := line(1, 0, 0, "Ss", "0:01.00", "/sbin/launchd") + line(61, 1, 0, "Ss", "0:00.10", "/nix/var/nix/profiles/default/bin/nix-daemon")
	client := func(state, cpu string) string { return line(62, 1, 501, state, cpu, "nix-build x.nix") }
	worker := func(state string) string { return line(63, 61, 0, state, "0:00.10", "nix-daemon 62") }
	builder := func(cpu string) string { return line(64, 63, 351, "Ss", cpu, "bash -e builder.sh") }
	const lock = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-thing.lock"
	tests := []struct {
		name          string
		first, second string
		lsof          string
		subject       int
		id            string
		status        fix.Status
	}{
		{"a build that works", client("S", "0:00.10") + worker("S") + builder("0:00.10"), client("S", "0:00.10") + worker("S") + builder("0:00.30"), "", 62, "builder-busy", fix.OK},
		{"a build that sleeps", client("S", "0:00.10") + worker("S") + builder("0:00.10"), client("S", "0:00.10") + worker("S") + builder("0:00.10"), "", 62, "builder-silent", fix.OK},
		{
			"a build that has slept " +
				"for minutes", client("S", "0:00.10") + worker("S") + builder("0:00.10") + line(67, 1, 501, "S", "0:00.10", "sh"),
			client("S", "0:00.10") + worker("S") + builder("0:00.10") + line(67, 1, 501, "S", "0:00.10", "sh"), "", 62, "builder-silent", fix.AtRisk,
		},
		{"a stopped worker", client("S", "0:00.10") + worker("T") + builder("0:00.10"), client("S", "0:00.10") + worker("T") + builder("0:00.10"), "", 62, "worker-stopped", fix.Broken},
		{"a stopped client", client("T", "0:00.10") + worker("S") + builder("0:00.10"), client("T", "0:00.10") + worker("S") + builder("0:00.10"), "", 62, "client-stopped", fix.Broken},
		{"an evaluation", client("R", "0:00.10"), client("R", "0:00.90"), "", 62, "evaluating", fix.OK},
		{"a client that is gone", worker("T") + builder("0:00.10"), worker("T") + builder("0:00.10"), "", 63, "worker-orphaned", fix.Broken},
		{
			"two clients for one output",
			client("S", "0:00.10") + worker("S") + builder("0:00.10") + line(65, 1, 501, "S", "0:00.10", "nix-build x.nix") + line(66, 61, 0, "S", "0:00.10", "nix-daemon 65"),
			client("S", "0:00.10") + worker("S") + builder("0:00.10") + line(65, 1, 501, "S", "0:00.10", "nix-build x.nix") + line(66, 61, 0, "S", "0:00.10", "nix-daemon 65"),
			"p63\nf4\nn/nix/var/nix/db/big-lock\nf12\nn" + lock + "\np66\nf4\nn/nix/var/nix/db/big-lock\n", 65, "waits-for-output-lock", fix.OK,
		},
		{"nothing", "", "", "", 0, "nothing-running", fix.OK},
	}
	witness := fixtest.NewWitness(stuck.New())
	defer witness.Testify(t, "mac")
	t.Run("hosts", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				r, err := stuck.Look(t.Context(), mac(t, daemon+tt.first, daemon+tt.second, tt.lsof), observe.Options{Gap: 50 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				witness.Saw(t, tt.name, stuck.Findings(r))
				if tt.status == fix.OK && tt.subject == 0 && len(r.Diagnoses) != 1 {
					t.Errorf("a healthy host has %d findings", len(r.Diagnoses))
				}
				for _, d := range r.Diagnoses {
					if d.ID == "stuck/"+tt.id && d.Status == tt.status && (tt.subject == 0 || d.Subject == fmt.Sprintf("process:%d", tt.subject)) {
						return
					}
				}
				for _, d := range r.Diagnoses {
					t.Errorf("%s (%s) %s\n%s", d.ID, d.Status, d.Sentence, strings.Join(draw.Tree(r, d), "\n"))
				}
			})
		}
	})
}

// TestMacLooksAgain: a command that nothing explains may be between two tries. The lock that it waits for is open at the
// second look only.
func TestMacLooksAgain(t *testing.T) {
	line := func(pid, parent, uid int, state, command string) string {
		return fmt.Sprintf("%d %d %d %d %s 1000 0:00.10 Sun Nov 22 15:%02d:00 "+
			"2026 %s\n", pid, parent, pid, uid, state, pid%60, command)
	}
	list := line(1, 0, 0, "Ss", "/sbin/launchd") + line(61, 1, 0, "Ss", "/nix/var/nix/profiles/default/bin/nix-daemon") +
		line(62, 1, 501, "S", "nix-build x.nix") + line(63, 61, 0, "S", "nix-daemon 62") + line(64, 63, 351, "Ss", "bash -e builder.sh") +
		line(65, 1, 501, "S", "nix-build x.nix") + line(66, 61, 0, "S", "nix-daemon 65")
	open := "p63\nf4\nn/nix/var/nix/db/big-lock\nf12\nn/nix/store/0123456789abcdfghijklmnpqrsvwxyz-thing.lock\n" +
		"p66\nf4\nn/nix/var/nix/db/big-lock\n"
	m, root := macAt(t, list, list, open)
	script := fmt.Sprintf("#!/bin/sh\nif [ -e %[1]s/looked ]; then cat %[1]s/open; else touch %[1]s/looked; "+
		"exit 1; fi\n", root)
	if err := os.WriteFile(filepath.Join(root, "usr/sbin/lsof"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := stuck.Look(t.Context(), m, observe.Options{Gap: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Diagnoses {
		if d.ID == "stuck/waits-for-output-lock" && d.Subject == "process:65" {
			return
		}
	}
	for _, d := range r.Diagnoses {
		t.Errorf("%s (%s) %s\n%s", d.ID, d.Status, d.Sentence, strings.Join(draw.Tree(r, d), "\n"))
	}
}
