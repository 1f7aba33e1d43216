package cli

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/fixes"
)

// tree is every command, with the real fixes.
func tree() []*cobra.Command {
	cfg := Config{Fixes: fixes.All(), Name: program}
	t := commandTree{newApp(cfg)}
	root := t.root()
	all := []*cobra.Command{root}
	for i := 0; i < len(all); i++ {
		all = append(all, all[i].Commands()...)
	}
	help, _, _ := root.Find([]string{"help"})
	if help != root {
		all = append(all, help)
	}
	return all
}

func TestHelp(t *testing.T) {
	for _, cmd := range tree() {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
				t.Error("it lacks a text or an example")
			}
			if !strings.Contains(cmd.Long, "Exit codes:\n    0  ") {
				t.Error("it lacks its exit codes")
			}
			w := newWorld(t)
			w.fixes = fixes.All()
			args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
			out := w.run(args...).ends(Healthy).out
			for line := range strings.Lines(out) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > helpWidth {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			if !strings.HasPrefix(out, cmd.Long) || !strings.Contains(out, cmd.Example) {
				t.Errorf("the help is incomplete:\n%s", out)
			}
		})
	}
}

// Every example can be typed as it stands: it is no mistake of usage.
func TestExamples(t *testing.T) {
	for _, cmd := range tree() {
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimSpace(line)
			t.Run(line, func(t *testing.T) {
				t.Chdir(t.TempDir()) // where a record is written
				w := newWorld(t)
				w.fixes = fixes.All()
				if _, own, piped := strings.Cut(line, " | "); piped {
					line, w.stdin = own, "error: what another program has printed"
				}
				args := words(strings.TrimPrefix(line, "sudo "))
				if args[0] != program {
					t.Fatalf("it does not call %s", program)
				}
				if r := w.run(args[1:]...); r.code == Usage {
					t.Errorf("exit %d: %s", r.code, r.err)
				}
			})
		}
	}
}

var word = regexp.MustCompile(`"[^"]*"|\S+`)

// words splits a command line as a shell does, as far as the examples need it.
func words(line string) []string {
	all := word.FindAllString(line, -1)
	for i, w := range all {
		all[i] = strings.Trim(w, `"`)
	}
	return all
}

func TestRootHelpListsExitCodes(t *testing.T) {
	out := newWorld(t).run("--help").ends(Healthy).out
	for _, m := range Codes() {
		if !strings.Contains(out, fmt.Sprintf("%3d  %s\n", m.Code, m.Text)) {
			t.Errorf("%d is missing", m.Code)
		}
	}
}

// The README has a table of the same codes with the same meanings.
func TestReadmeListsExitCodes(t *testing.T) {
	data, err := os.ReadFile("../../../README.md")
	if os.IsNotExist(err) {
		t.Fatal("there is no README")
	}
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| *([0-9, `]+?) *\\| *(.*?) *\\|$")
	listed := map[Code]string{}
	for _, m := range row.FindAllStringSubmatch(string(data), -1) {
		codes := strings.Split(strings.ReplaceAll(m[1], "`", ""), ", ")
		// One row may list several: "129, 130" are "ended by SIGHUP, SIGINT".
		meanings := strings.Split(strings.ReplaceAll(m[2], "`", ""), ", ")
		if len(codes) == 1 || len(codes) != len(meanings) {
			meanings = slices.Repeat([]string{strings.Join(meanings, ", ")}, len(codes))
		}
		verb := meanings[0][:strings.LastIndexByte(meanings[0], ' ')+1]
		for i, c := range codes {
			n, err := strconv.Atoi(c)
			if err != nil {
				t.Errorf("%q is not a code", c)
			}
			listed[Code(n)] = meanings[i]
			if i > 0 {
				listed[Code(n)] = verb + meanings[i]
			}
		}
	}
	for _, m := range Codes() {
		if listed[m.Code] != m.Text {
			t.Errorf("the README says of %d: %q, want %q", m.Code, listed[m.Code], m.Text)
		}
		delete(listed, m.Code)
	}
	for code, what := range listed {
		t.Errorf("the README lists %d: %q", code, what)
	}
}

// The options of a fix are flags beside those of the program, and must not take their names.
func TestOptionsDoNotShadow(t *testing.T) {
	taken := map[string]bool{}
	for name := range strings.FieldsSeq("format color debug quiet verbose yes dry-run accept rollback-on-failure help version") {
		taken[name] = true
	}
	seen := map[string]bool{}
	for _, f := range fixes.All() {
		if seen[f.Name()] {
			t.Errorf("two fixes are called %s", f.Name())
		}
		seen[f.Name()] = true
		for _, o := range f.Options() {
			if taken[o.Name] {
				t.Errorf("%s: --%s is a flag of the program", f.Name(), o.Name)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"check", "repair", "sequoia"}
	for in, want := range map[string]string{"chek": "check", "sequoya": "sequoia", "seq": "sequoia", "xyz": "", "": "", "REPAIR": "repair"} {
		if got := nearest(in, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestOneCommand: a command that is built alone is the same as among all others.
func TestOneCommand(t *testing.T) {
	var out bytes.Buffer
	cfg := Config{Fixes: fixes.All(), Name: program, Stdout: &out}
	a := commandTree{newApp(cfg)}
	help := func(cmd *cobra.Command) string {
		out.Reset()
		a.help(cmd, nil)
		return out.String()
	}
	whole := a.root()
	if n := len(whole.Commands()); n != len(commands)-1 { // without help
		t.Errorf("%d commands are built, %d are listed", n, len(commands)-1)
	}
	for _, cmd := range whole.Commands() {
		alone, _, err := a.root(cmd.Name()).Find([]string{cmd.Name()})
		if err != nil {
			t.Errorf("%s: %v", cmd.Name(), err)
			continue
		}
		if got, want := help(alone), help(cmd); got != want || !strings.Contains(want, cmd.Name()) {
			t.Errorf("%s:\n%s\nwant\n%s", cmd.Name(), got, want)
		}
		if n := len(alone.Parent().Commands()); n != 1 && cmd.Name() != completionName {
			t.Errorf("%s: %d commands are built", cmd.Name(), n)
		}
	}
}
