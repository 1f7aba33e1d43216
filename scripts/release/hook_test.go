package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hooked runs shell code that has sourced installer-hook.sh, with a program in lixfix's place.
func hooked(t *testing.T, sh []string, program, code string) result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lixfix")
	write(t, file, []byte("#!/bin/sh\n"+program+"\n"))
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text := "set -eu\n. '" + root + "/scripts/installer-hook.sh'\n" + code + "\n"
	return do(t, call{argv: append(append([]string{}, sh...), "-c", text), env: []string{"LIXFIX=" + file}})
}

func TestPreflight(t *testing.T) {
	eachShell(t, func(t *testing.T, sh []string) {
		for code, want := range map[int]string{0: "fit 0", 1: "repair 1", 2: "unknown 2", 3: "unknown 2", 4: "wait 3", 5: "unknown 2", 6: "unknown 2", 7: "wait 3", 143: "unknown 2"} {
			report := filepath.Join(t.TempDir(), "report.json")
			r := hooked(t, sh, fmt.Sprintf(`[ "$*" = "check --format json" ] && echo '{"verdict": 1}'; exit %d`, code),
				"status=0; word=$(lixfix_preflight '"+report+"') || status=$?; echo $word $status")
			r.want(t, 0, "")
			data, err := os.ReadFile(report)
			if got := strings.TrimSpace(r.stdout); got != want || err != nil || string(data) != "{\"verdict\": 1}\n" {
				t.Errorf("lixfix exits with %d: got %q, want %q; report %q (%v)", code, got, want, data, err)
			}
		}
		r := hooked(t, sh, "", "LIXFIX=/nowhere/lixfix; status=0; lixfix_preflight || status=$?; echo $status")
		if r.stdout != "unknown\n2\n" {
			t.Errorf("without lixfix: %q", r.stdout)
		}
	})
}

func TestHookRepair(t *testing.T) {
	atOnce(t, func(t *testing.T, sh []string) {
		for _, code := range []int{0, 1, 3, 4, 5, 6, 7, 143} {
			r := hooked(t, sh, fmt.Sprintf(`echo "$@"; cat; exit %d`, code), "status=0; lixfix_repair sequoia || status=$?; echo $status")
			r.want(t, 0, "")
			if want := fmt.Sprintf("repair sequoia --yes --limit 900s\n%d\n", code); r.stdout != want {
				t.Errorf("got %q, want %q", r.stdout, want)
			}
		}
		r := hooked(t, sh, `echo "$@"`, "lixfix_repair sequoia 7")
		r.want(t, 0, "")
		if want := "repair sequoia --yes --limit 7s\n"; r.stdout != want {
			t.Errorf("got %q, want %q", r.stdout, want)
		}
		// A signal for the whole group reaches lixfix once.
		ready := filepath.Join(t.TempDir(), "ready")
		r = hooked(t, sh, `trap 'echo stopped' TERM; : >'`+ready+`'; i=0; while [ $i -lt 10 ]; do sleep 0.1; i=$((i + 1)); done`,
			"trap : TERM; lixfix_repair sequoia & until [ -e '"+ready+"' ]; do sleep 0.02; done; kill -TERM -$$; wait")
		if strings.Count(r.stdout, "stopped") != 1 {
			t.Errorf("a signal for all: exit code %d, %q, %q", r.code, r.stdout, r.stderr)
		}
	})
}

// TestHookSparesStrangers gives the process number of a lixfix that has ended to another process. It runs as the first
// process of a PID namespace, where the next number can be chosen.
func TestHookSparesStrangers(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	atOnce(t, func(t *testing.T, sh []string) {
		program, pid := filepath.Join(t.TempDir(), "lixfix"), filepath.Join(t.TempDir(), "pid")
		write(t, program, []byte("#!/bin/sh\necho $$ >'"+pid+"'\n"))
		if err := os.Chmod(program, 0o755); err != nil {
			t.Fatal(err)
		}
		// The stranger is a program that its parent, this shell, would see ended by a signal.
		text := `mount -t proc proc /proc
. '` + root + `/scripts/installer-hook.sh'
lixfix_repair sequoia 1
read -r pid <'` + pid + `'
n=0
while [ $n -lt 50 ]; do
	echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
	sleep 3 &
	[ $! -eq "$pid" ] && break
	kill $!
	n=$((n + 1))
done
[ $! -eq "$pid" ] || exit 90
status=0
wait $! || status=$?
exit $status`
		argv := append([]string{"unshare", "-mpf", "--kill-child"}, append(append([]string{}, sh...), "-c", text)...)
		r := do(t, call{argv: argv, env: []string{"LIXFIX=" + program}})
		if r.code != 0 {
			t.Errorf("the stranger ended with %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	})
}
