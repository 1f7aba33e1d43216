// Package plan holds what a repair is going to do, as data, and does it.
//
// A plan is an ordered list of steps. Each sets one thing of the machine from a recorded value to another, in one
// write. A dry run prints the plan that a repair journals and executes; undo is the same steps with the values
// exchanged, last first. All decisions are made before a plan exists: what is not a step does not happen.
package plan

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/platform"
)

// Schema is the version of the JSON form of plans. A reader refuses any other.
const Schema = 1

// State says where a step stands on the machine.
type State int

const (
	Pending State = iota // the old value is there
	Applied              // the new value is there
	Torn                 // neither, but what an interrupted write of this step can leave
	Foreign              // neither: somebody else changed it
)

// Step is one thing that a plan does.
type Step interface {
	// Kind is the step's tag in JSON. It never changes.
	Kind() string
	// String says what the step does, from the fields that Apply uses.
	String() string
	// Apply does it. It consults nothing but the step's own fields; the pass tells it what else is there.
	Apply(context.Context, platform.Host, *Pass) error
}

// Entry is a step in its plan.
type Entry struct {
	Step Step
	For  string // the ID of the finding that it mends
	// Optional steps may fail; that is recorded, and the plan goes on.
	Optional bool
}

// Setting is a choice that went into a plan, and where it came from: "flag", "environment", "receipt", "nix.conf",
// "default" and the like.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// Plan is what a repair is going to do. No entries means that there is nothing to do.
type Plan struct {
	Schema   int            `json:"schema"`
	ID       string         `json:"id"`
	Fix      string         `json:"fix"`
	Version  string         `json:"version"` // of the lixfix that made it
	Made     time.Time      `json:"made"`
	Host     platform.Facts `json:"host"`
	Undoes   string         `json:"undoes,omitempty"` // the ID of the plan that this one takes back
	Settings []Setting      `json:"settings,omitempty"`
	Places   []figure.Place `json:"seats,omitempty"` // that change hands, for a picture of the plan
	Notes    []string       `json:"notes,omitempty"`
	Entries  []Entry        `json:"steps"`
}

// Empty reports whether the plan does nothing.
func (p Plan) Empty() bool { return len(p.Entries) == 0 }

// ErrSchema is returned for a plan of a version that this lixfix cannot read.
var ErrSchema = errors.New("made by another version of lixfix")

// Blobs returns the file contents that the plan refers to by their SHA-256. They are not part of the plan's JSON,
// which people and bug reports get to see, because configuration can hold secrets; the journal keeps them.
func (p Plan) Blobs() map[string][]byte {
	all := map[string][]byte{}
	for _, e := range p.Entries {
		if c, ok := e.Step.(Carrier); ok {
			maps.Copy(all, c.Contents())
		}
	}
	return all
}

// Attach gives a decoded plan its file contents back.
func (p Plan) Attach(blobs map[string][]byte) error {
	for _, e := range p.Entries {
		if c, ok := e.Step.(Carrier); ok {
			if err := c.Attach(blobs); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstWrite returns the index of the first write. The entries before it, and those after it that are no writes, frame
// the writes, also when they are taken back.
func (p Plan) firstWrite() int {
	for i, e := range p.Entries {
		if _, ok := e.Step.(Write); ok {
			return i
		}
	}
	return len(p.Entries)
}

// Inverse returns the plan that takes p back: the steps around the writes as they are, and the inverse of each write,
// last first. Only what p itself did, going by the marks of its journal, is taken back.
func (p Plan) Inverse(marks []Mark) Plan {
	inv := Plan{Schema: Schema, Fix: p.Fix, Host: p.Host, Undoes: p.ID}
	first := p.firstWrite()
	var writes, after []Entry
	for i, e := range p.Entries[first:] {
		w, ok := e.Step.(Write)
		switch {
		case isProof(e.Step):
		case !ok:
			after = append(after, e)
		case took(w, marks[first+i]):
			if back, optional := inverse(w); back != nil {
				writes = append(writes, Entry{Step: back, For: e.For, Optional: e.Optional || optional})
			}
		}
	}
	if len(writes) == 0 {
		return inv
	}
	slices.Reverse(writes)
	inv.Entries = slices.Concat(p.Entries[:first], writes, after)
	inv.Places = figure.Back(p.Places)
	return inv
}

// took reports whether a write with this mark is taken back: it was this plan's doing, or may have been. One whose
// inverse is late is so even where it was found done.
func took(w Write, m Mark) bool {
	return m == Begun || m == Done || m == Undoing || m == Already && IsLate(w.Inverse())
}

// inverse returns the step that takes w back, and whether it may fail without the rest being in vain.
func inverse(w Write) (back Write, optional bool) {
	back = w.Inverse()
	l, ok := back.(Lenient)
	return back, ok && l.Lenient()
}

// Hinted is an error that says what the user can do next.
type Hinted struct {
	Err  error
	Next string
}

func (h *Hinted) Error() string { return h.Err.Error() }
func (h *Hinted) Unwrap() error { return h.Err }

// Hint adds to err what the user can do next.
func Hint(err error, next string) error { return &Hinted{Err: err, Next: next} }

// TakenBack is the reason of the inverse of a step, from that of the step.
func TakenBack(why string) string {
	const back = "take back: "
	return back + strings.TrimPrefix(why, back)
}
