package main_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shells are the blocks of a Markdown page that are lines for a shell; spans are such lines within a text.
var (
	shells = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	spans  = regexp.MustCompile("`(lixfix [^`\n]* --host [^`\n]*)`")
)

// TestSharedRecord types what README.md asks of people with a Mac, as it stands there: record, look at it, and look at the
// record elsewhere. The archive holds nobody's name, and what is said of it is what is said of the Mac.
func TestSharedRecord(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, block := range shells.FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(block[1], "lixfix record") {
			lines = append(lines, strings.Split(strings.TrimSpace(block[1]), "\n")...)
		}
	}
	for _, span := range spans.FindAllStringSubmatch(string(page), -1) {
		lines = append(lines, span[1])
	}
	if len(lines) != 3 {
		t.Fatalf("README.md has these lines for people with a Mac: %q", lines)
	}
	m := benchMac(t, "upgraded-15", 32)
	names := []string{"mallory", "wonderland"}
	if err := m.AddUser("mallory", map[string][]string{
		"uid": {"502"}, "gid": {"20"}, "home": {"/Users/mallory"}, "shell": {"/bin/zsh"}, "realname": {"Mallory Wonderland"},
		"generateduid": {"0BADF00D-0000-4000-8000-000000000502"},
	}); err != nil {
		t.Fatal(err)
	}
	_, live := run(t, m, "check")
	program := command(t, m).Args
	dir := t.TempDir()
	// Root is root here, and what pages on a terminal only prints.
	around := `set -e; sudo() { "$@"; }; less() { cat "$@"; }; lixfix() { "$program" run "$root" "$@"; }; `
	shell := func(line string) string {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", around+line)
		cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "program=" + program[0], "root=" + m.Root}
		out, err := cmd.CombinedOutput()
		// A check ends with 1 where it has found something.
		if err != nil && (!strings.Contains(line, "check") || cmd.ProcessState.ExitCode() != 1) {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	var said []string
	for _, line := range lines {
		said = append(said, shell(line))
	}
	look, _, _ := strings.Cut(lines[1], " #")
	look = strings.TrimSpace(look)
	for _, words := range []string{"sequoia     broken here, and the same in the record", "Nothing was sent", look, "lixfix/issues/new"} {
		if !strings.Contains(said[0], words) {
			t.Errorf("%s does not say %q:\n%s", lines[0], words, said[0])
		}
	}
	for _, words := range []string{`"format": 1`, `"sequoia/users-missing"`, `"replaced": {`} {
		if !strings.Contains(said[1], words) {
			t.Errorf("%s does not show %q:\n%s", lines[1], words, said[1])
		}
	}
	first, rest, _ := strings.Cut(said[2], "\n\n")
	if !strings.Contains(first, "recorded") {
		t.Errorf("%s does not say first that this is a record, but %q", lines[2], first)
	}
	if strings.TrimSpace(rest) != strings.TrimSpace(live) {
		t.Errorf("%s prints\n%s\nand on the Mac itself\n%s", lines[2], rest, live)
	}
	// What leads on leads to the same host.
	said = append(said, shell("lixfix explain \"error: the user '_nixbld1' in the group 'nixbld' does not exist\" --host host.tar.gz"))
	for _, line := range []string{"lixfix check sequoia --host host.tar.gz", "lixfix explain sequoia/users-missing --host host.tar.gz"} {
		if !strings.Contains(said[3], " "+line+"\n") || !strings.Contains(shell(line), "This is not this machine") {
			t.Errorf("no %q that works in\n%s", line, said[3])
		}
	}
	if host, err := os.Hostname(); err == nil && len(host) > 3 {
		names = append(names, strings.ToLower(host))
	}
	files := 0
	err = filepath.WalkDir(filepath.Join(dir, "lixfix-record"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, who := range names {
			if strings.Contains(strings.ToLower(name[len(dir):]+"\n"+string(data)), who) {
				t.Errorf("%q is in %s", who, name)
			}
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("%d files: %v", files, err)
	}
}
