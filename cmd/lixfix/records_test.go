package main_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// said is what a document says of findings and steps.
type said struct {
	Recorded *struct{ Made string }
	Fixes    []struct {
		Name, Status string
		Findings     []struct {
			ID, Status string
			Remedy     *struct{ Class string }
		}
	}
	Plan *struct {
		Steps []struct {
			Kind string
			Step json.RawMessage
		}
	}
	Record *struct {
		Bytes    int
		Differs  []string
		Replaced map[string]int
	}
	Outcome *struct{ Result string }
}

func parsed(t *testing.T, out string) (s said) {
	t.Helper()
	// An error behind the document is one of its own.
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&s); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

// findings are lines of IDs, statuses and classes.
func (s said) findings() []string {
	var all []string
	for _, f := range s.Fixes {
		all = append(all, f.Name+" "+f.Status)
		for _, one := range f.Findings {
			class := ""
			if one.Remedy != nil {
				class = one.Remedy.Class
			}
			all = append(all, strings.Join([]string{one.ID, one.Status, class}, " "))
		}
	}
	return all
}

// contents are those of files, which differ where pseudonyms are in them.
var contents = regexp.MustCompile(`"sha256":"[0-9a-f]{64}","size":[0-9]+`)

// guid is a GeneratedUID, in capitals or not.
var guid = regexp.MustCompile(`(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

var person = regexp.MustCompile(`"(?:alex|user[0-9]+)"`)

func (s said) steps() []string {
	var all []string
	if s.Plan != nil {
		for _, step := range s.Plan.Steps {
			// The person of these Macs, by name or by pseudonym; that the right one stands there, lixfix itself has compared.
			step.Step = person.ReplaceAll(step.Step, []byte(`"PERSON"`))
			text := guid.ReplaceAllString(string(step.Step), "GUID")
			all = append(all, step.Kind+" "+contents.ReplaceAllString(text, "CONTENT"))
		}
	}
	return all
}

// replayed counts what was compared.
type replayed struct {
	sync.Mutex
	hosts, findings, steps, equal int
	rows                          []string
}

// TestRecords records every known state of a Mac, and compares what is said of the Mac with what is said of its record:
// findings, their statuses and classes, and the plan step by step. With -v it ends in a table.
func TestRecords(t *testing.T) {
	var all replayed
	t.Cleanup(func() {
		slices.Sort(all.rows)
		t.Logf("\n%s\n%d hosts: %d findings and %d steps compared, %d hosts equal", strings.Join(all.rows, "\n"),
			all.hosts, all.findings, all.steps, all.equal)
	})
	for _, v := range mac.Variants(8) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			m := newMac(t, v)
			file := filepath.Join(t.TempDir(), "host.tar.gz")
			before := tree(t, m)
			_, live := run(t, m, "check", "--format", "json")
			_, dry := run(t, m, "repair", "sequoia", "--dry-run", "--format", "json")
			code, out := run(t, m, "record", "-o", file, "--format", "json")
			if code != 0 {
				t.Fatalf("record: exit %d\n%s", code, out)
			}
			same(t, "a record", before, tree(t, m), "")
			made := parsed(t, out).Record
			if len(made.Differs) > 0 {
				t.Errorf("differs: %q", made.Differs)
			}
			_, again := run(t, m, "check", "--host", file, "--format", "json")
			_, plan := run(t, m, "repair", "sequoia", "--dry-run", "--host", file, "--format", "json")
			a, b := parsed(t, live), parsed(t, again)
			if b.Recorded == nil || a.Recorded != nil {
				t.Error("a document does not say which host it is of")
			}
			if diff := cmp.Diff(a.findings(), b.findings()); diff != "" {
				t.Errorf("findings (-host +record):\n%s", diff)
			}
			p, q := parsed(t, dry), parsed(t, plan)
			if diff := cmp.Diff(p.steps(), q.steps()); diff != "" {
				t.Errorf("plan (-host +record):\n%s", diff)
			}
			if diff := cmp.Diff(p.Outcome, q.Outcome); diff != "" {
				t.Errorf("outcome (-host +record):\n%s", diff)
			}
			all.Lock()
			defer all.Unlock()
			all.hosts++
			all.findings += len(a.findings())
			all.steps += len(p.steps())
			word := "NOT EQUAL"
			if !t.Failed() {
				all.equal++
				word = "equal"
			}
			all.rows = append(all.rows, fmt.Sprintf("%-26s %3d findings %3d steps %4d KiB  %s", v.Name, len(a.findings()), len(p.steps()),
				(made.Bytes+1023)>>10, word))
		})
	}
}
