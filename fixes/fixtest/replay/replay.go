// Package replay looks at records of hosts with lixfix itself, on another host than they were made on, and compares.
package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform/record"
)

// Table counts what was compared.
type Table struct {
	mu                            sync.Mutex
	hosts, findings, steps, equal int
	size                          int // bytes of the largest record
	made                          atomic.Int64
}

// String is one line.
func (t *Table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hosts == 0 {
		return "records: none was made by these tests"
	}
	return fmt.Sprintf("records: %d staged hosts, recorded there and replayed outside: %d findings and %d steps compared, %d hosts equal; "+
		"the largest record has %d KiB", t.hosts, t.findings, t.steps, t.equal, (t.size+1023)>>10)
}

// document is what a document of lixfix says of findings and steps.
type document struct {
	Recorded *struct{}
	Fixes    []struct {
		Name, Status string
		Findings     []struct {
			ID, Status string
			Remedy     *struct{ Class string }
		}
	}
	Plan *struct{ Steps []json.RawMessage }
}

// Check reads a record that was made on a host by its name, has program look at it here, and compares that with what the
// record says was found there: findings, their statuses and classes, and the steps of the plan. Both have the same
// pseudonyms, so that equal steps are steps about the same. want are IDs that were found on the host; exit is that of the check
// of the record.
func (t *Table) Check(tb testing.TB, host, program string, packed []byte, want ...string) (made *record.Record, exit int) {
	tb.Helper()
	r, err := record.Read(bytes.NewReader(packed))
	if err != nil {
		tb.Errorf("%s: %v", host, err)
		return nil, -1
	}
	m := r.Manifest
	for _, d := range m.Differs {
		tb.Errorf("%s: the record differs: %s", host, d)
	}
	file := filepath.Join(tb.TempDir(), "record.tar.gz")
	if err := os.WriteFile(file, packed, 0o600); err != nil {
		tb.Fatal(err)
	}
	var there, ids []string
	steps := 0
	for _, v := range m.Verdict {
		there = append(there, v.Fix+" "+v.Status)
		for _, f := range v.Findings {
			there = append(there, strings.Join([]string{f.ID, f.Status, f.Class}, " "))
			ids = append(ids, f.ID)
		}
	}
	for _, id := range want {
		if !slices.Contains(ids, id) {
			tb.Errorf("%s: the record has %v, without %s", host, ids, id)
		}
	}
	var here []string
	d := document{}
	exit, said := ask(tb, &d, program, append(append([]string{"check"}, m.Fixes...), "--host", file)...)
	if d.Recorded == nil {
		tb.Errorf("%s: the document does not say that it is of a record", host)
	}
	for _, f := range d.Fixes {
		here = append(here, f.Name+" "+f.Status)
		for _, one := range f.Findings {
			class := ""
			if one.Remedy != nil {
				class = one.Remedy.Class
			}
			here = append(here, strings.Join([]string{one.ID, one.Status, class}, " "))
		}
	}
	if diff := cmp.Diff(there, here); diff != "" {
		tb.Errorf("%s: findings (-there +here):\n%s\n%s", host, diff, said)
	}
	for _, v := range m.Verdict {
		if len(v.Plan) == 0 {
			continue
		}
		var now []string
		d := document{}
		_, said := ask(tb, &d, program, "repair", v.Fix, "--dry-run", "--host", file)
		if d.Plan != nil {
			for _, s := range d.Plan.Steps {
				e, err := step.Kinds().Entry(s)
				if err != nil {
					tb.Errorf("%s: %v", host, err)
					continue
				}
				now = append(now, record.Line(e.Step.Kind()+": "+e.Step.String()))
			}
		}
		if diff := cmp.Diff(v.Plan, now); diff != "" {
			tb.Errorf("%s: plan of %s (-there +here):\n%s\n%s", host, v.Fix, diff, said)
		}
		steps += len(v.Plan)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hosts++
	t.findings += len(there)
	t.steps += steps
	t.size = max(t.size, len(packed))
	if !tb.Failed() {
		t.equal++
	}
	return r, exit
}

// ask has program say something in JSON.
func ask(tb testing.TB, d *document, program string, args ...string) (exit int, said string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), program, append(args, "--format", "json")...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
			tb.Fatal(err)
		}
	}
	// An error behind the document is one of its own.
	if err := json.NewDecoder(&out).Decode(d); err != nil {
		tb.Errorf("lixfix %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}
