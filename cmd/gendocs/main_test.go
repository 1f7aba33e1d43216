package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/cmd/internal/cli"
	"github.com/lixfix/lixfix/fixes"
)

func TestWrite(t *testing.T) {
	root := cli.Commands(fixes.All())
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		if err := write(root, fixes.All(), dir, "1.2.3", "2026-01-02"); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"completions/_lixfix", "completions/lixfix.bash", "completions/lixfix.fish"}
	for _, cmd := range all(root) {
		names = append(names, "man/"+pageName(cmd)+".1")
	}
	for _, f := range fixes.All() {
		names = append(names, "man/"+fixPage(f)+".7")
	}
	for _, name := range names {
		first, err := os.ReadFile(filepath.Join(one, name))
		if err != nil {
			t.Error(err)
			continue
		}
		second, err := os.ReadFile(filepath.Join(two, name))
		if err != nil || string(first) != string(second) {
			t.Errorf("%s is written differently each time (%v)", name, err)
		}
	}
	found, err := filepath.Glob(filepath.Join(one, "*", "*"))
	if err != nil || len(found) != len(names) {
		t.Errorf("%d files, want %d (%v)", len(found), len(names), err)
	}
}

func TestPage(t *testing.T) {
	for _, cmd := range all(cli.Commands(fixes.All())) {
		text := string(page(cmd, "1.2.3", "2026-01-02"))
		for _, want := range []string{".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH EXIT STATUS\n.TP\n.B 0\n", ".SH EXAMPLES\n", "2026-01-02", "lixfix 1.2.3"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing", cmd.CommandPath(), want)
			}
		}
		if strings.Contains(text, "Exit codes:") {
			t.Errorf("%s: the exit codes are there twice", cmd.CommandPath())
		}
	}
}

func TestRoff(t *testing.T) {
	for in, want := range map[string]string{
		"--yes": `\-\-yes`, ".so /etc/passwd": `\&.so /etc/passwd`, "'x": `\&'x`, `a\b`: `a\(rsb`, "a\n.b": "a\n\\&.b",
	} {
		if got := roff(in); got != want {
			t.Errorf("roff(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestReadmes: the README of each fix is what its tables say.
func TestReadmes(t *testing.T) {
	for _, f := range fixes.All() {
		name := readme(f, "../../fixes")
		data, err := os.ReadFile(name)
		if err != nil || string(data) != string(markdown(f)) {
			t.Errorf("%s is not what the tables of %s say: run make readmes (%v)", name, f.Name(), err)
		}
	}
}
