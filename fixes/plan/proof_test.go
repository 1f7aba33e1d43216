package plan_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// proof looks whether a box has a word.
type proof struct {
	Box     string
	Nobody  bool // nobody can look
	counted *int
}

var _ plan.Proof = proof{}

func (proof) Kind() string   { return "proof" }
func (proof) String() string { return "look into the box" }
func (proof) Proves() string { return "the box is full" }

func (p proof) Apply(_ context.Context, h platform.Host, _ *plan.Pass) error {
	*p.counted++
	switch {
	case p.Nobody:
		return &plan.Unproven{Err: errors.New("nobody can look"), Untried: true}
	case h.(*shelf).boxes[p.Box] == "":
		return &plan.Unproven{Err: errors.New("the box is empty")}
	}
	return nil
}

// TestProof: a proof is made on every run of a plan, what nobody can prove is told, and what is disproved ends the run
// with all that was done before. Who takes the plan back proves nothing.
func TestProof(t *testing.T) {
	for _, tt := range []struct {
		name      string
		p         proof
		unproven  bool
		tolerated int
	}{
		{"proved", proof{Box: "a"}, false, 0},
		{"disproved", proof{Box: "b"}, true, 0},
		{"untried", proof{Box: "a", Nobody: true}, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			counted, tolerated := 0, 0
			tt.p.counted = &counted
			s := &shelf{boxes: map[string]string{}}
			p := plan.Plan{Entries: []plan.Entry{{Step: put{Box: "a", To: "full"}}, {Step: tt.p}}}
			log := make(marks, len(p.Entries))
			d := plan.Driver{Host: s, Log: log, Observe: func(e plan.Event) {
				if e.Phase == plan.Tolerated {
					tolerated++
				}
			}}
			for n := 1; n <= 2; n++ { // the second time it is resumed
				err := d.Run(t.Context(), p)
				if _, ok := errors.AsType[*plan.Unproven](err); ok != tt.unproven || ok != (err != nil) || counted != n || tolerated != n*tt.tolerated {
					t.Errorf("run %d: %v after %d proofs, %d tolerated", n, err, counted, tolerated)
				}
				if s.boxes["a"] != "full" || log[0] != plan.Done {
					t.Errorf("run %d: what was done does not hold: %v, %v", n, s.boxes, log)
				}
			}
			inverse := p.Inverse(log)
			if slices.ContainsFunc(inverse.Entries, func(e plan.Entry) bool { return e.Step.Kind() == "proof" }) || len(inverse.Entries) != 1 {
				t.Errorf("the inverse: %v", inverse.Entries)
			}
			before := counted
			if err := d.Rollback(t.Context(), p); err != nil || counted != before || s.boxes["a"] != "" {
				t.Errorf("taken back: %v, %d proofs, %v", err, counted-before, s.boxes)
			}
		})
	}
}
