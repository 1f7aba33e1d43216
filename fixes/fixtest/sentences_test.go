package fixtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/fixtest"
)

// TestSentences: the linter sees sentences wherever they can stand in code, and takes nothing else for one.
func TestSentences(t *testing.T) {
	const code = `package x

import "fmt"

const local = "a unit that is missing" // want

type named struct {
	A string ` + "`json:\"a\" other:\"b c\"`" + `
}

func f(n int) (string, error) {
	e := fix.Evidence{Source: "/etc/x", Expected: "a group", Observed: "missing"} // want
	e.Observed = fmt.Sprintf("%d of them", n)                                     // want
	e.Observed = "mode " + e.Source                                               // want
	e.Observed = strings.Join(names, " and ")                                     // want
	e.Observed = strings.Join(names, ", ")
	e.Observed = fmt.Sprintf("%s, %04d: %q", e.Source, n, e.Expected)
	s := step.SetMode{Why: "let users in"} // want
	if strings.HasPrefix(line, "Max open files") || line == "not a unit" {
		return "", fmt.Errorf("read the %s: %w", line, err)
	}
	switch line {
	case "a line of a tool":
		v.Burst(ctx, "the mounts", nil)
		return "so " + line, nil // want
	}
	return doc.Fill(nil), nil
}

func (named) Doc() fix.Doc { return fix.Doc{Title: "a sentence of the page", Sources: []string{"man x"}} }

func (named) Options() []fix.Option { return []fix.Option{{Name: "x", Usage: "what it is for"}} }

func dot() string { return "digraph x {" }
`
	dir := t.TempDir()
	for _, name := range []string{"x.go", "kinds.go", "words_more.go", "x_test.go"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := fixtest.Sentences(dir)
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for i, line := range strings.Split(code, "\n") {
		if strings.HasSuffix(line, "// want") {
			lines = append(lines, i+1)
		}
	}
	var got []int
	for _, f := range found {
		var line, column int
		name, rest, _ := strings.Cut(strings.TrimPrefix(f, dir+"/"), ":")
		if _, err := fmt.Sscanf(rest, "%d:%d", &line, &column); err != nil || name != "x.go" {
			t.Fatalf("%s: %v", f, err)
		}
		if !slices.Contains(got, line) {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, lines) {
		t.Errorf("sentences in lines %v, want %v: %q", got, lines, found)
	}
}

// TestUnfilled: words that lack a parameter, or get one that they do not have, are seen before anybody reads them.
func TestUnfilled(t *testing.T) {
	dir := t.TempDir()
	for name, code := range map[string]string{
		"words.go": `package x

const (
	left  fix.Words = "{count} of {all} are left"
	mode  fix.Words = "mode {mode}, {mode} again" + more
	plain           = "{nothing} is filled in here"
)
`,
		"x.go": `package x

var (
	_ = left.Fill(fix.With{"all": 1, "count": 2})
	_ = mode.Fill(fix.With{"mode": 1})
	_ = left.Fill(with)
	_ = other.Fill(fix.With{"x": 1})
	_ = left.Fill(fix.With{"count": 2})
	_ = mode.Fill(fix.With{"mode": 1, "of": 2})
)
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wrong, err := fixtest.Unfilled(dir)
	if err != nil || len(wrong) != 2 || !strings.Contains(wrong[0], "x.go:8:") || !strings.Contains(wrong[1], "x.go:9:") {
		t.Errorf("%q, %v", wrong, err)
	}
}
