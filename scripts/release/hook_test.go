package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	eachShell(t, func(t *testing.T, sh []string) {
		for _, code := range []int{0, 1, 3, 4, 5, 6, 7} {
			r := hooked(t, sh, fmt.Sprintf(`echo "$@"; cat; exit %d`, code), "status=0; lixfix_repair sequoia || status=$?; echo $status")
			r.want(t, 0, "")
			if want := fmt.Sprintf("repair sequoia --yes\n%d\n", code); r.stdout != want {
				t.Errorf("got %q, want %q", r.stdout, want)
			}
		}
		began := time.Now()
		r := hooked(t, sh, `trap 'echo stopped; exit 143' TERM; n=0; while [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done`,
			"status=0; lixfix_repair sequoia 1 || status=$?; echo $status")
		r.want(t, 0, "")
		if r.stdout != "stopped\n143\n" {
			t.Errorf("out of time: %q", r.stdout)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("it took %v to stop", d)
		}
	})
}
