package fixtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
)

// Witness keeps which host of a test showed which kind of finding. It may be used by several tests at once.
type Witness struct {
	fix fix.Fix
	mu  sync.Mutex
	ids map[string][]string // hosts by ID
}

// NewWitness returns one for the findings of a fix.
func NewWitness(f fix.Fix) *Witness { return &Witness{fix: f, ids: map[string][]string{}} }

// Saw holds findings against the table of kinds and keeps which there are.
func (w *Witness) Saw(t testing.TB, host string, found []fix.Finding) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range found {
		for _, err := range Problems(w.fix, f) {
			t.Error(err)
		}
		if !slices.Contains(w.ids[f.ID], host) {
			w.ids[f.ID] = append(w.ids[f.ID], host)
		}
	}
}

// Refused keeps that a plan was refused for a finding.
func (w *Witness) Refused(host, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.ids[id], host) {
		w.ids[id] = append(w.ids[id], host)
	}
}

// Testify compares what was seen with testdata/kinds/NAME.txt, which says of each kind the first host that showed it; with
// -update it writes the file. The test over all fixes reads these files. It is for the end of a test that left no host
// out.
func (w *Witness) Testify(t *testing.T, name string) {
	t.Helper()
	if t.Failed() || filtered() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(w.ids)) {
		fmt.Fprintf(&b, "%s\t%s\n", id, slices.Min(w.ids[id]))
	}
	file := filepath.Join("testdata", "kinds", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; -update writes it", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("%s: kinds that hosts showed (-want +got); -update writes it:\n%s", file, diff)
	}
}

// Testimony reads what witnesses below a directory have testified: a host for each ID.
func Testimony(t testing.TB, dir string) map[string]string {
	t.Helper()
	hosts := map[string]string{}
	for _, below := range []string{"testdata/kinds", "*/testdata/kinds"} {
		files, err := filepath.Glob(filepath.Join(dir, below, "*.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(data)) {
				id, host, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
				if !ok {
					t.Errorf("%s: %q names no host", file, line)
				}
				hosts[id] = strings.TrimPrefix(file, dir+"/") + ": " + host
			}
		}
	}
	return hosts
}
