package main_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestStates tells the story of every known state of a Mac: what check says, what a dry run shows, what a repair does,
// what is true afterwards, and that undo restores it. A digest of it, without words, is compared with testdata/states.
//
// With -v it ends in a table of all of them.
func TestStates(t *testing.T) {
	var all machines
	t.Cleanup(func() { t.Log("\n" + all.table()) })
	for _, v := range mac.Variants(8) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			row := machine{name: v.Name}
			defer func() { all.add(row) }()
			m := newMac(t, v)
			var story strings.Builder
			said := map[string]string{} // what was told already, by the command that told it
			play := func(args ...string) int {
				code, out := run(t, m, append(slices.Clone(args), "--format", "json")...)
				fmt.Fprintf(&story, "\n%s: exit %d\n", strings.Join(args, " "), code)
				findings, plan, end := digest(documents(t, out))
				for _, part := range []string{findings, plan} {
					if by := said[part]; by != "" && strings.Count(part, "\n") > 1 {
						part = "  as told by " + by + "\n"
					} else {
						said[part] = strings.Join(args, " ")
					}
					story.WriteString(part)
				}
				story.WriteString(end)
				return code
			}
			story.WriteString(v.Doc + "\n")
			row.codes = tell(t, m, v, play)
			row.failed = t.Failed()
			golden(t, filepath.Join("testdata", "states", v.Name+".txt"), story.String())
			if t.Failed() {
				t.Log(story.String())
			}
		})
	}
}

// tell plays the story of a state and returns the exit codes of check, repair, check and undo, as far as they were run.
func tell(t *testing.T, m *mac.Mac, v mac.Variant, play func(args ...string) int) []int {
	t.Helper()
	before := tree(t, m)
	codes := []int{play("check", "sequoia")}
	repair := []string{"repair", "sequoia", "--yes"}
	if !v.Want.Broken && !v.Want.Untidy && v.Name != "stale-guids" {
		if code := play(repair...); code != 0 && codes[0] == 0 {
			t.Errorf("a repair where nothing is broken: exit %d", code)
		}
		same(t, "a repair where nothing is broken", withoutReceipt(before), withoutReceipt(tree(t, m)), "")
		repair = append(repair, "--move-existing-users")
	}
	play(append(repair, "--dry-run")...)
	same(t, "a dry run", withoutReceipt(before), withoutReceipt(tree(t, m)), "")
	start := tree(t, m)
	code := play(repair...)
	codes = append(codes, code)
	switch {
	case v.Want.Repairable && code != 0:
		t.Errorf("repair: exit %d", code)
	case v.Want.Refusal != "" && !v.Want.NotApplicable && code == 0:
		t.Errorf("repair: exit 0, want a refusal: %s", v.Want.Refusal)
	case code != 0:
		same(t, "a repair that was refused", start, tree(t, m), "")
	}
	for _, name := range v.Want.Untouchable {
		file := "private/var/db/dslocal/nodes/Default/users/" + name + ".plist"
		if start[file] != tree(t, m)[file] {
			t.Errorf("%s was touched", name)
		}
	}
	if !v.Want.Repairable {
		return codes
	}
	code = play("check", "sequoia")
	codes = append(codes, code)
	if code != 0 {
		t.Errorf("check after the repair: exit %d", code)
	}
	if _, ok := journalsOf(t, m); !ok {
		return codes
	}
	// macOS keeps user IDs unique, also where they were not.
	clash := len(v.Want.Shared) > 0 || len(v.Want.Double) > 0
	code = play("undo", "--yes")
	switch {
	case clash && code != 5, !clash && code != 0:
		t.Errorf("undo: exit %d", code)
	case !clash:
		same(t, "undo", start, tree(t, m), "")
	}
	return append(codes, code)
}

// changing is what differs between two runs of the same story.
var changing = regexp.MustCompile(`[0-9]{8}-[0-9]{6}-(undo-)?sequoia-[0-9a-f]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5,8} UTC`)

// chosen is a GeneratedUID that a plan chose: lines that hold one are never broken in two.
var chosen = regexp.MustCompile(`\s+\(?` + guidForm.String() + `\)?`)

// TestPages tells a few of the stories as a person reads them, all in testdata/pages.txt.
func TestPages(t *testing.T) {
	var pages strings.Builder
	for _, name := range []string{"upgraded-15-one", "determinate-placing", "nix-darwin-15", "group-of-people", "names-removed-no-receipt"} {
		i := slices.IndexFunc(mac.Variants(8), func(v mac.Variant) bool { return v.Name == name })
		if i < 0 {
			t.Fatalf("no state of a Mac is called %s", name)
		}
		v := mac.Variants(8)[i]
		m := newMac(t, v)
		pages.WriteString("==== " + name + ": " + v.Doc + "\n\n")
		tell(t, m, v, func(args ...string) int {
			code, out := run(t, m, args...)
			out = chosen.ReplaceAllString(out, " GUID")
			pages.WriteString("$ lixfix " + strings.Join(args, " ") + "\n" + changing.ReplaceAllString(out, "…") +
				"[exit " + strconv.Itoa(code) + "]\n\n")
			return code
		})
	}
	golden(t, filepath.Join("testdata", "pages.txt"), pages.String())
}

// machine is what came of one state: the exit codes of check, repair, check and undo, as far as they were run.
type machine struct {
	name   string
	codes  []int
	failed bool
}

// machines gathers them from tests that run side by side.
type machines struct {
	sync.Mutex
	rows []machine
}

func (all *machines) add(m machine) {
	all.Lock()
	defer all.Unlock()
	all.rows = append(all.rows, m)
}

// table lists the states by name.
func (all *machines) table() string {
	slices.SortFunc(all.rows, func(a, b machine) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	fmt.Fprintf(&b, "%-26s %6s %7s %6s %5s\n", "state of the Mac", "check", "repair", "check", "undo")
	for _, m := range all.rows {
		cells := []any{"-", "-", "-", "-"}
		for i, c := range m.codes {
			cells[i] = strconv.Itoa(c)
		}
		fmt.Fprintf(&b, "%-26s %6s %7s %6s %5s", append([]any{m.name}, cells...)...)
		if m.failed {
			b.WriteString("  NOT AS IT SHOULD BE")
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%d states", len(all.rows))
	return b.String()
}

// withoutReceipt leaves the installer's receipt out: a plain repair brings one that lags behind up to date.
func withoutReceipt(files map[string]string) map[string]string {
	out := map[string]string{}
	for name, content := range files {
		if name != "nix/receipt.json" {
			out[name] = content
		}
	}
	return out
}

func journalsOf(t *testing.T, m *mac.Mac) ([]os.DirEntry, bool) {
	t.Helper()
	entries, err := os.ReadDir(m.Path("/" + journals))
	return entries, err == nil && len(entries) > 1
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

// TestSwitches repairs and takes back on Macs that behave in the other of two ways where nobody knows which is true.
func TestSwitches(t *testing.T) {
	switches := map[string]func(*mac.Config){
		"empty list prints nothing":          func(c *mac.Config) { c.Switches.NilList = true },
		"control characters as references":   func(c *mac.Config) { c.Switches.ControlReferences = true },
		"GeneratedUID not unique":            func(c *mac.Config) { c.Switches.FreeGeneratedUID = true },
		"change does not look for holders":   func(c *mac.Config) { c.Switches.FreeChange = true },
		"GIDs are unique":                    func(c *mac.Config) { c.Switches.UniqueGID = true },
		"native prefix deletes":              func(c *mac.Config) { c.Switches.NativePrefixDelete = true },
		"deleting an absent key succeeds":    func(c *mac.Config) { c.Switches.AbsentKeyStatus = 1 },
		"change fails with an unknown state": func(c *mac.Config) { c.Switches.ChangeStatus = -14999 },
		"change is not handled":              func(c *mac.Config) { c.Switches.ChangeStatus = -14987 },
		"users without ID are nobody":        func(c *mac.Config) { c.Switches.WithoutUID = "-2" },
		"users without ID are root":          func(c *mac.Config) { c.Switches.WithoutUID = "0" },
		"two documents for one name":         func(c *mac.Config) { c.Switches.SharedNames = true },
		"bootstrap says in progress":         func(c *mac.Config) { c.Switches.BootstrapInProgress = true },
		"bootout says in progress":           func(c *mac.Config) { c.Switches.BootoutInProgress = true },
		"bootout leaves children":            func(c *mac.Config) { c.Switches.BootoutLeavesChildren = true },
		"deleted users leave their groups":   func(c *mac.Config) { c.Switches.DeletePrunesGroups = true },
	}
	for _, state := range []string{"upgraded-15", "half-attributes", "group-missing", "at-331"} {
		for name, set := range switches {
			t.Run(state+"/"+name, func(t *testing.T) {
				t.Parallel()
				m := stateOf(t, state)
				if err := m.Config(set); err != nil {
					t.Fatal(err)
				}
				before, loaded := tree(t, m), services(t, m)
				out := want(t, m, 0, "repair", "sequoia", "--yes", "--move-existing-users")
				out += want(t, m, 0, "check")
				out += want(t, m, 0, "undo", "--yes")
				same(t, "undo", before, tree(t, m), out)
				if d := cmp.Diff(loaded, services(t, m)); d != "" {
					t.Errorf("services (-before +after):\n%s", d)
				}
			})
		}
	}
}
