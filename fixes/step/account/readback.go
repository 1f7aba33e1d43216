package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

// ReadBack reads the directory once more and compares every value that the plan has set so far. If macOS has ignored
// some of them, although dscl reported success, the driver sets them again and repeats the check.
type ReadBack struct{}

var _ plan.Check = ReadBack{}

// Kind implements Step.
func (ReadBack) Kind() string { return "read-back" }

func (ReadBack) String() string { return "read everything again and compare" }

// Rounds implements Check.
func (ReadBack) Rounds() int { return 3 }

// Apply implements Step. The error wraps a *mismatch where values differ.
func (ReadBack) Apply(ctx context.Context, _ platform.Host, in *plan.Pass) error {
	r := readingOf(in)
	if len(r.expected) == 0 {
		return nil
	}
	r.again()
	if err := r.load(platform.Fresh(ctx)); err != nil {
		return err
	}
	wrong := &mismatch{cells: map[cell]bool{}}
	for c, want := range r.expected {
		if len(want) > 0 {
			if _, err := r.sought(ctx, c.path); err != nil {
				return err
			}
		}
		if now := r.values(c); !slices.Equal(now, want) {
			wrong.cells[c] = true
			wrong.texts = append(wrong.texts, fmt.Sprintf("%s of %s is %s and should be %s", c.key, c.path, orNone(now), orNone(want)))
		}
	}
	if len(wrong.cells) == 0 {
		r.missed = 0
		return nil
	}
	// What -change does not do twice, whatever it says, -create may.
	r.missed++
	r.ignored = r.missed > 1
	slices.Sort(wrong.texts)
	return plan.Hint(wrong, "Something on this Mac, such as a management profile or a directory service, takes these changes back or drops them.")
}

// mismatch says which values are not as the plan has set them.
type mismatch struct {
	cells map[cell]bool
	texts []string
}

func (m *mismatch) Error() string {
	const few = 5
	texts, more := m.texts, ""
	if len(texts) > few {
		more = fmt.Sprintf(" (and %d more)", len(texts)-few)
		texts = texts[:few]
	}
	return "macOS does not keep what was written: " + strings.Join(texts, "; ") + more
}

// Touches implements Untaken.
func (m *mismatch) Touches(w plan.Write) bool {
	scratch := plan.NewPass(nil)
	if e, ok := w.(plan.Expecter); ok {
		e.Expect(scratch, true)
	}
	for c := range readingOf(scratch).expected {
		if m.cells[c] {
			return true
		}
	}
	return false
}

// record reports whether any value of a record differs but those excepted.
func (m *mismatch) record(p dscl.Path, except string) bool {
	for c := range m.cells {
		if c.path == p && c.key != except {
			return true
		}
	}
	return false
}
