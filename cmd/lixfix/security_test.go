package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPage: every rule of SECURITY.md names tests, and every test that it names exists.
func TestSecurityPage(t *testing.T) {
	defined := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("../..", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range function.FindAllSubmatch(data, -1) {
			defined[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, ok := strings.Cut(string(page), "\n## Rules\n")
	if !ok {
		t.Fatal("the page has no rules")
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	count := 0
	for line := range strings.Lines(rules) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| rule ") || strings.HasPrefix(line, "| ---") {
			continue
		}
		count++
		names := named.FindAllStringSubmatch(line, -1)
		if len(names) == 0 {
			t.Errorf("a rule without a test: %s", line)
		}
		for _, n := range names {
			if !defined[n[1]] {
				t.Errorf("there is no %s, which is to test: %s", n[1], line)
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d rules were found", count)
	}
}
