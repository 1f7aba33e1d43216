package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// shelf is a machine that no kind of step in the product knows: boxes with a word in each.
type shelf struct {
	platform.Host // nil: nothing else is asked for

	boxes map[string]string
	reads int
	drops map[string]int // writes to a box that are reported as done and are not
	done  []string
}

func (s *shelf) write(name, word string) {
	s.done = append(s.done, name+"="+word)
	if s.drops[name] > 0 {
		s.drops[name]--
		return
	}
	if word == "" {
		delete(s.boxes, name)
		return
	}
	s.boxes[name] = word
}

// seen is one reading of all boxes, which the steps of a pass share.
type seen struct {
	shelf    *shelf
	of       *seen
	boxes    map[string]string // nil until they are read
	expected map[string]string
}

func keep(in *plan.Pass) *seen {
	return plan.Keep(in, func(in *plan.Pass) *seen { return &seen{shelf: in.View().(*shelf), expected: map[string]string{}} })
}

func (s *seen) Fork() plan.Kept { return &seen{shelf: s.shelf, of: s, expected: map[string]string{}} }
func (s *seen) Renew()          { s.boxes = nil }

func (s *seen) read() map[string]string {
	switch {
	case s.boxes != nil:
	case s.of != nil:
		s.boxes = maps.Clone(s.of.read())
	default:
		s.shelf.reads++
		s.boxes = maps.Clone(s.shelf.boxes)
	}
	return s.boxes
}

// put puts a word into a box.
type put struct {
	Box, From, To string
	New           bool // into a box that another step makes
	Alone         bool // nobody may look meanwhile
	Last          bool // what there is to do shows only when its turn comes
	Mild          bool
}

var _ interface {
	plan.Settler
	plan.Expecter
	plan.Exclusive
	plan.Late
	plan.Lenient
	plan.Part
} = put{}

func (put) Kind() string           { return "put" }
func (p put) String() string       { return fmt.Sprintf("put %q into %s", p.To, p.Box) }
func (p put) Exclusive() bool      { return p.Alone }
func (p put) Late() bool           { return p.Last }
func (p put) Lenient() bool        { return p.Mild }
func (p put) Settle(in *plan.Pass) { keep(in).read()[p.Box] = p.To }

func (p put) PartOf() string {
	if p.New {
		return "shelf"
	}
	return ""
}

func (p put) State(_ context.Context, in *plan.Pass) (plan.State, string, error) {
	switch now := keep(in).read()[p.Box]; now {
	case p.To:
		return plan.Applied, "", nil
	case p.From:
		return plan.Pending, "", nil
	default:
		return plan.Foreign, p.Box + " has " + now, nil
	}
}

func (p put) Expect(in *plan.Pass, holds bool) {
	if s := keep(in); holds {
		s.expected[p.Box] = p.To
	} else {
		delete(s.expected, p.Box)
	}
}

func (p put) Inverse() plan.Write {
	if p.New {
		return nil
	}
	p.From, p.To = p.To, p.From
	return p
}

func (p put) Apply(_ context.Context, h platform.Host, _ *plan.Pass) error {
	h.(*shelf).write(p.Box, p.To)
	return nil
}

// build makes what new boxes belong to.
type build struct{ Gone bool }

func (build) Kind() string          { return "build" }
func (build) String() string        { return "build" }
func (build) Makes() string         { return "shelf" }
func (b build) Inverse() plan.Write { return build{Gone: !b.Gone} }

func (b build) State(_ context.Context, in *plan.Pass) (plan.State, string, error) {
	if (in.View().(*shelf).boxes["shelf"] == "") == b.Gone {
		return plan.Applied, "", nil
	}
	return plan.Pending, "", nil
}

func (b build) Apply(_ context.Context, h platform.Host, _ *plan.Pass) error {
	s := h.(*shelf)
	if b.Gone {
		clear(s.boxes)
		return nil
	}
	s.write("shelf", "built")
	return nil
}

// look is a plan.Check.
type look struct{}

func (look) Kind() string   { return "look" }
func (look) String() string { return "look" }
func (look) Rounds() int    { return 3 }

type wrong []string

func (w wrong) Error() string                { return "not there: " + strings.Join(w, ", ") }
func (w wrong) Touches(step plan.Write) bool { return slices.Contains(w, step.(put).Box) }

func (look) Apply(_ context.Context, _ platform.Host, in *plan.Pass) error {
	s := keep(in)
	s.Renew()
	var w wrong
	for box, word := range s.expected {
		if s.read()[box] != word {
			w = append(w, box)
		}
	}
	if len(w) == 0 {
		return nil
	}
	return plan.Hint(w, "look yourself")
}

// hush is a plan.Hold, and noisy what releases it.
type (
	hush  struct{}
	noisy struct{}
)

func (hush) Kind() string       { return "hush" }
func (hush) String() string     { return "hush" }
func (hush) Release() plan.Step { return noisy{} }
func (noisy) Kind() string      { return "noisy" }
func (noisy) String() string    { return "noisy" }

func (hush) Apply(_ context.Context, h platform.Host, _ *plan.Pass) error {
	h.(*shelf).done = append(h.(*shelf).done, "hush")
	return nil
}

func (noisy) Apply(_ context.Context, h platform.Host, _ *plan.Pass) error {
	h.(*shelf).done = append(h.(*shelf).done, "noisy")
	return nil
}

type marks []plan.Mark

func (m marks) Marks() []plan.Mark { return slices.Clone(m) }

func (m marks) Set(i int, mark plan.Mark, _ string) error {
	m[i] = mark
	return nil
}

func of(steps ...plan.Step) plan.Plan {
	p := plan.Plan{Schema: plan.Schema, ID: "x"}
	for _, s := range steps {
		p.Entries = append(p.Entries, plan.Entry{Step: s})
	}
	return p
}

// TestDriverKnowsAbilitiesOnly runs kinds of steps that the product does not have, and takes them back.
func TestDriverKnowsAbilitiesOnly(t *testing.T) {
	a, b := put{Box: "a", From: "1", To: "2", Alone: true}, put{Box: "b", From: "1", To: "2"}
	fill := put{Box: "c", To: "3", New: true}
	tests := []struct {
		name  string
		steps []plan.Step
		drops map[string]int
		boxes map[string]string // afterwards; nil where the run fails
		done  []string
		reads int
		back  []plan.Mark // after it was taken back
	}{
		{
			"one reading serves all that is compared with it",
			[]plan.Step{a, b},
			nil,
			map[string]string{"a": "2", "b": "2"},
			[]string{"a=2", "b=2"},
			1,
			[]plan.Mark{plan.Untouched, plan.Untouched},
		},
		{
			"a hold is for exclusive writes, and has everything read anew",
			[]plan.Step{b, hush{}, a, noisy{}},
			nil,
			map[string]string{"a": "2", "b": "2"},
			[]string{"b=2", "hush", "a=2", "noisy"},
			2,
			[]plan.Mark{plan.Untouched, plan.Done, plan.Untouched, plan.Done},
		},
		{
			"no hold without one",
			[]plan.Step{hush{}, b},
			nil,
			map[string]string{"a": "1", "b": "2"},
			[]string{"b=2"},
			1,
			[]plan.Mark{plan.Untouched, plan.Untouched},
		},
		{
			"what did not take is written again",
			[]plan.Step{a, b, look{}},
			map[string]int{"a": 2},
			map[string]string{"a": "2", "b": "2"},
			[]string{"a=2", "b=2", "a=2", "a=2"},
			4,
			[]plan.Mark{plan.Untouched, plan.Untouched, plan.Done},
		},
		{"but not for ever", []plan.Step{a, b, look{}}, map[string]int{"a": 9}, nil, []string{"a=2", "b=2", "a=2", "a=2"}, 4, nil},
		{
			"a part goes with its whole",
			[]plan.Step{build{}, fill},
			nil,
			map[string]string{"a": "1", "b": "1", "shelf": "built", "c": "3"},
			[]string{"shelf=built", "c=3"},
			1,
			[]plan.Mark{plan.Untouched, plan.Untouched},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &shelf{boxes: map[string]string{"a": "1", "b": "1"}, drops: tt.drops}
			p := of(tt.steps...)
			log := make(marks, len(p.Entries))
			err := plan.Driver{Host: s, Log: log}.Run(t.Context(), p)
			if d := cmp.Diff(tt.done, s.done); d != "" || s.reads != tt.reads {
				t.Errorf("%d readings, want %d; done:\n%s", s.reads, tt.reads, d)
			}
			if tt.boxes == nil {
				hinted, ok := errors.AsType[*plan.Hinted](err)
				if !ok || hinted.Next != "look yourself" || log[0] != plan.Begun || log[1] != plan.Done {
					t.Errorf("%v, marks %v", err, log)
				}
				return
			}
			if d := cmp.Diff(tt.boxes, s.boxes); d != "" || err != nil {
				t.Fatalf("%v\n%s", err, d)
			}
			if err := (plan.Driver{Host: s, Log: log}).Rollback(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.back, []plan.Mark(log)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestInverseAsksTheSteps: what may fail, what is late and what goes with something else the steps say themselves.
func TestInverseAsksTheSteps(t *testing.T) {
	p := of(
		put{Box: "a", From: "1", To: "2", Mild: true}, put{Box: "b", From: "1", To: "2"},
		put{Box: "d", From: "1", To: "1", Last: true}, put{Box: "e", From: "1", To: "2"}, build{}, put{Box: "c", To: "3", New: true},
	)
	inv := p.Inverse([]plan.Mark{plan.Done, plan.Begun, plan.Already, plan.Already, plan.Done, plan.Done})
	want := []plan.Entry{
		{Step: build{Gone: true}},
		{Step: put{Box: "d", From: "1", To: "1", Last: true}},
		{Step: put{Box: "b", From: "2", To: "1"}},
		{Step: put{Box: "a", From: "2", To: "1", Mild: true}, Optional: true},
	}
	if d := cmp.Diff(want, inv.Entries); d != "" {
		t.Error(d)
	}
	verdicts, err := plan.Preview(t.Context(), &shelf{boxes: map[string]string{"d": "x", "e": "x"}}, of(p.Entries[2].Step, p.Entries[3].Step))
	if err != nil || verdicts[0].State != plan.Applied || verdicts[1].State != plan.Foreign {
		t.Errorf("%v, %v", verdicts, err)
	}
}

// TestKindsAreGiven: a reader knows the kinds that it was given, and refuses the others.
func TestKindsAreGiven(t *testing.T) {
	p := of(put{Box: "a", From: "1", To: "2"}, build{})
	p.Places = []figure.Place{{ID: 301, Before: "x"}}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	kinds := plan.Kinds{plan.KindOf[put](), plan.KindOf[build]()}
	got, err := kinds.Plan(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got); d != "" {
		t.Error(d)
	}
	if _, err := kinds[:1].Plan(data); !errors.Is(err, plan.ErrSchema) {
		t.Errorf("without the kind: %v", err)
	}
}
