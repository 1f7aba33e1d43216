package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// along runs lixfix with real streams, as "lixfix run" needs them.
func (w *world) along(args ...string) result {
	w.t.Helper()
	dir := w.t.TempDir()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { f.Close() })
		return f
	}
	stdin, stdout, stderr := open("in"), open("out"), open("err")
	code := Run(w.t.Context(), w.config(args, stdin, stdout, stderr))
	read := func(f *os.File) string {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			w.t.Fatal(err)
		}
		return string(data)
	}
	return result{t: w.t, code: Code(code), out: read(stdout), err: read(stderr)}
}

// A command that fails with a known message gets a few lines on standard error, and nothing else is added anywhere.
func TestRun(t *testing.T) {
	w := newWorld(t, "red", "blue", "dark")
	r := w.along("run", "sh", "-c", "echo out; echo \"error: the wall '/walls/1' is not blue, /nix\" >&2; exit 4").ends(4)
	if r.out != "out\n" {
		t.Errorf("standard output: %q", r.out)
	}
	r.says("error: the wall '/walls/1' is not blue, /nix lixfix: paint/wall-1 (confirmed): wall 1 is not blue", "next: sudo lixfix repair paint")
	if n := strings.Count(r.err, "\n"); n > 7 {
		t.Errorf("%d lines: %s", n, r.err)
	}
	r = w.along("run", "--", "sh", "-c", "echo 'the rain comes in through the roof' >&2; exit 1").ends(1)
	r.says("lixfix: roof/open (not looked for): it rains", "next: lixfix explain roof/open")
	for _, quiet := range [][]string{
		{"sh", "-c", "echo ordinary >&2; exit 1"},
		{"sh", "-c", "echo 'the rain comes in through the roof' >&2"},
		{"sh", "-c", "echo 'the rain comes in through the roof' >&2; kill -INT $$"},
	} {
		if r := w.along(append([]string{"run"}, quiet...)...); strings.Contains(r.err, "lixfix") || r.out != "" {
			t.Errorf("%q: %q", quiet, r.err)
		}
	}
	// What stands behind the first word is the command's, also what looks like a flag of lixfix.
	r = w.along("run", "echo", "--format", "json", "--help", "--").ends(Healthy)
	if r.out != "--format json --help --\n" || r.err != "" {
		t.Errorf("got %q, %q", r.out, r.err)
	}
	r = w.along("run", "--format", "json", "sh", "-c", "echo 'the rain comes in through the roof'; exit 3").ends(3)
	if !strings.Contains(r.err, `"id":"roof/open"`) || r.out != "the rain comes in through the roof\n" {
		t.Errorf("got %q, %q", r.out, r.err)
	}
	w.along("run").ends(Usage).says("which command?")
	w.along("run", "--patience", "x", "true").ends(Usage)
	w.along("run", "no-such-command").ends(127).says("there is no such command")
}

// With --record, a command that fails leaves a record of the host, and one that does not leaves none.
func TestRunRecords(t *testing.T) {
	w := newWorld(t, "red")
	t.Chdir(t.TempDir())
	w.along("run", "--record", "true").ends(Healthy)
	if found, _ := filepath.Glob("lixfix-record-*.tar.gz"); len(found) != 0 {
		t.Errorf("it left %v", found)
	}
	w.along("run", "--record", "false").ends(1).says("this host is recorded in lixfix-record-")
	if found, _ := filepath.Glob(filepath.Join(w.root, "*", "lixfix-record-*.tar.gz")); len(found) > 1 {
		t.Errorf("it left %v", found)
	}
}
