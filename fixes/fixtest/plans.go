package fixtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// Plans are what the plans of a test do, all in one file: a sentence that changes, changes in one place. It may be used by
// several tests at once.
type Plans struct {
	name string
	mu   sync.Mutex
	seen map[string]string // steps by case
}

// NewPlans returns those that are compared with testdata/plans/NAME.txtar.
func NewPlans(name string) *Plans { return &Plans{name: name, seen: map[string]string{}} }

func (p *Plans) saw(name, steps string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[name] = steps
}

// Testify compares what was seen with the file; with -update it writes it. Of a test that was told to leave cases out,
// those that ran are compared.
func (p *Plans) Testify(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	file := filepath.Join("testdata", "plans", p.name+".txtar")
	if len(p.seen) == 0 {
		return
	}
	if *update && !filtered() {
		var a txtar.Archive
		for name, steps := range p.seen {
			a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(steps)})
		}
		slices.SortFunc(a.Files, func(a, b txtar.File) int { return strings.Compare(a.Name, b.Name) })
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, txtar.Format(&a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatalf("%v; -update writes it", err)
	}
	want := map[string]string{}
	for _, f := range a.Files {
		if _, ran := p.seen[f.Name]; ran || !filtered() && !t.Failed() {
			want[f.Name] = string(f.Data)
		}
	}
	if diff := cmp.Diff(want, p.seen); diff != "" {
		t.Errorf("%s: what the plans do (-want +got); -update writes it:\n%s", file, diff)
	}
}
