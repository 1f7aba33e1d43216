package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

// ReadBack reads the directory once more and compares every value that the plan has set so far. What macOS has ignored,
// although dscl reported success, the driver sets again, and then it reads once more.
type ReadBack struct{}

var _ Guard = ReadBack{}

// Kind implements Step.
func (ReadBack) Kind() string { return "read-back" }

func (ReadBack) String() string { return "read everything again and compare" }

// Protects implements Guard.
func (ReadBack) Protects(Step) bool { return true }

// Apply implements Step. The error is a *mismatch where values differ.
func (ReadBack) Apply(ctx context.Context, _ platform.Host, r *Reading) error {
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
		return nil
	}
	slices.Sort(wrong.texts)
	return wrong
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

// touched reports whether a write sets one of the values.
func (m *mismatch) touched(w Write) bool {
	scratch := &Reading{}
	w.Expect(scratch)
	for c := range scratch.expected {
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

// rounds is how often the directory is read back before a value that is not kept ends the run.
const rounds = 3

// confirm reads back, and sets again what did not take: what has its old value, or none at all.
func (r *runner) confirm(ctx context.Context, it item) error {
	for n := 1; ; n++ {
		err := r.apply(ctx, it)
		wrong, ok := errors.AsType[*mismatch](err)
		if !ok {
			return err
		}
		if n == rounds {
			// Not done any more, whatever the log says: a later run starts with them.
			for _, w := range r.writes {
				if wrong.touched(w.step.(Write)) {
					if logErr := r.Log.Set(w.index, w.inFlight(), "did not take"); logErr != nil {
						return errors.Join(err, logErr)
					}
				}
			}
			r.event(it, Failed, err)
			return Hint(err, "Something on this Mac, such as a management profile or a directory service, takes these changes back or drops them.")
		}
		// What -change does not do twice, whatever it says, -create may.
		r.reading.ignored = n > 1
		for _, w := range r.writes {
			if !wrong.touched(w.step.(Write)) {
				continue
			}
			w.mark = w.inFlight()
			if err := r.again(ctx, w, wrong); err != nil {
				return err
			}
		}
	}
}

// again makes a write once more that did not take. A record that this run has made, and that has everything but the
// GeneratedUID that it was made with, was made by the write after that one.
func (r *runner) again(ctx context.Context, it item, wrong *mismatch) error {
	w := it.step.(Write)
	made, ok := w.(CreateRecord)
	if !ok || !r.made[made.Record] {
		return r.write(ctx, it, w)
	}
	p, err := dscl.ParsePath(made.Record)
	if err != nil {
		return err
	}
	now := r.reading.values(cell{p, dscl.GeneratedUID})
	if len(now) == 0 || wrong.record(p, dscl.GeneratedUID) {
		return r.write(ctx, it, w)
	}
	set := SetAttribute{Record: made.Record, Key: dscl.GeneratedUID, From: now, To: []string{made.GeneratedUID}}
	r.event(item{index: it.index, step: set}, Starting, nil)
	if err := set.Apply(ctx, r.Host, r.reading); err != nil {
		return err
	}
	set.Settle(r.reading)
	return nil
}
