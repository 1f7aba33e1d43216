//go:build linux

package staged

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// script is one of those that the collection runs on hosts.
func script(t *testing.T, name string) string {
	t.Helper()
	const read = `import ast, sys
names = {}
for node in ast.parse(sys.stdin.read()).body:
    if isinstance(node, ast.Assign):
        exec(compile(ast.Module([node], []), "host.py", "exec"), names)
sys.stdout.write(names[sys.argv[1]])`
	source, err := os.ReadFile("../plugins/plugin_utils/host.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", read, name)
	cmd.Stdin = bytes.NewReader(source)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestGuarded has root run a program that others can change in one way after another, with and without the controller
// knowing that it is root.
func TestGuarded(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test makes directories of others; run it as root")
	}
	dir, err := os.MkdirTemp("/run", "guarded") //nolint:usetesting // only root makes names on the way to it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const untrusted = 91
	run, place := script(t, "RUN"), script(t, "PLACE")
	for name, tt := range map[string]struct {
		spoil string // in a directory that has bin/lixfix
		exit  int
	}{
		"fine":               {"true", 0},
		"a link of root's":   {"mv bin sbin; ln -s sbin bin", 0},
		"hers":               {"chown 1234 bin/lixfix", untrusted},
		"her directory":      {"chown 1234 bin", untrusted},
		"a link to hers":     {"mv bin hers; chown 1234 hers; ln -s hers bin", untrusted},
		"everybody's":        {"chmod o+w bin", untrusted},
		"a group's":          {"chgrp 1234 bin; chmod g+w bin", untrusted},
		"a list of access":   {"setfacl -m u:1234:rwx bin", untrusted},
		"a list of the file": {"setfacl -m u:1234:rw bin/lixfix", untrusted},
		"odd names":          {"mkdir 'x\nd 2 0 0'; mv bin 'x\nd 2 0 0/bin'; chmod o+w x*; ln -s x*/bin bin", untrusted},
	} {
		t.Run(name, func(t *testing.T) {
			top := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			program := filepath.Join(top, "bin/lixfix")
			if err := errors.Join(os.MkdirAll(filepath.Dir(program), 0o755), os.WriteFile(program, []byte("#!/bin/sh\n: >$0.ran\n"), 0o755)); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-ec", tt.spoil)
			cmd.Dir = top
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, guard := range []string{"yes", "no"} {
				cmd := exec.Command("/bin/sh", "-c", run, "sh", guard, program)
				out, _ := cmd.CombinedOutput()
				if exit := cmd.ProcessState.ExitCode(); exit != tt.exit {
					t.Errorf("run, guard %s: exit %d\n%s", guard, exit, out)
				}
				if _, err := os.Stat(program + ".ran"); (err == nil) != (tt.exit == 0) {
					t.Errorf("guard %s: it ran: %v", guard, err == nil)
				}
				if strings.Contains(name, "file") || name == "hers" {
					continue // another one is put in its place
				}
				cmd = exec.Command("/bin/sh", "-c", place, "sh", guard, program, "0")
				out, _ = cmd.CombinedOutput()
				const wrong = 93 // the checksum, once everything else is well
				if exit := cmd.ProcessState.ExitCode(); (exit == wrong) != (tt.exit == 0) || exit != wrong && exit != untrusted {
					t.Errorf("place, guard %s: exit %d\n%s", guard, exit, out)
				}
			}
		})
	}
}
