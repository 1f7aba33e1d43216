package account

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

// CreateRecord makes a directory record with a GeneratedUID that was chosen while planning.
type CreateRecord struct {
	Record       string `json:"record"`
	GeneratedUID string `json:"generated_uid"`
}

var _ interface {
	plan.Settler
	plan.Expecter
	plan.Exclusive
	plan.Subject
	plan.Maker
	plan.Mender
} = CreateRecord{}

// Kind implements Step.
func (CreateRecord) Kind() string { return "create-record" }

func (s CreateRecord) String() string {
	return fmt.Sprintf("create %s with GeneratedUID %s", s.Record, s.GeneratedUID)
}

// State implements Write. dscl makes a record, gives it a GeneratedUID of its own, and then sets ours: a kill in
// between leaves a record that has no user ID.
func (s CreateRecord) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	return recordState(ctx, readingOf(in), s.Record, s.GeneratedUID, true)
}

func recordState(ctx context.Context, r *reading, name, guid string, create bool) (plan.State, string, error) {
	p, err := dscl.ParsePath(name)
	if err != nil {
		return plan.Foreign, "", err
	}
	find := r.record // its making proves that there is none
	absent, present := plan.Pending, plan.Applied
	if !create {
		find = r.sought
		absent, present = plan.Applied, plan.Pending
	}
	rec, err := find(ctx, p)
	if err != nil {
		return plan.Foreign, "", err
	}
	switch {
	case rec == nil:
		return absent, "", nil
	case rec.First(dscl.GeneratedUID) == guid:
		return present, "", nil
	case rec.Blank():
		return plan.Torn, name + " is there with nothing but its name", nil
	}
	return plan.Foreign, fmt.Sprintf("%s is there, and lixfix did not make it (GeneratedUID %s)", name, orNone(rec.Values(dscl.GeneratedUID))), nil
}

// Settle implements Settler.
func (s CreateRecord) Settle(in *plan.Pass) {
	if p, err := dscl.ParsePath(s.Record); err == nil {
		r := readingOf(in)
		r.set(p, dscl.GeneratedUID, []string{s.GeneratedUID})
		r.make(p)
	}
}

// Expect implements Expecter.
func (s CreateRecord) Expect(in *plan.Pass, holds bool) {
	switch p, err := dscl.ParsePath(s.Record); {
	case err != nil:
	case holds:
		readingOf(in).expect(p, dscl.GeneratedUID, []string{s.GeneratedUID})
	default:
		readingOf(in).expectNothing(p, dscl.GeneratedUID)
	}
}

// Exclusive implements Exclusive.
func (CreateRecord) Exclusive() bool { return true }

// Subject implements Subject.
func (s CreateRecord) Subject() string { return s.Record }

// Makes implements Maker.
func (s CreateRecord) Makes() string { return s.Record }

// Mend implements Mender. A record that this run has made, and that has everything but the GeneratedUID that it was made
// with, was made by the write after that one.
func (s CreateRecord) Mend(in *plan.Pass, untaken plan.Untaken) plan.Write {
	r := readingOf(in)
	p, err := dscl.ParsePath(s.Record)
	if err != nil || !r.made[p] {
		return nil
	}
	now := r.values(cell{p, dscl.GeneratedUID})
	if wrong, ok := untaken.(*mismatch); !ok || len(now) == 0 || wrong.record(p, dscl.GeneratedUID) {
		return nil
	}
	return SetAttribute{Record: s.Record, Key: dscl.GeneratedUID, From: now, To: []string{s.GeneratedUID}}
}

// Inverse implements Write.
func (s CreateRecord) Inverse() plan.Write { return DeleteRecord(s) }

// Apply implements Step. "dscl -create" makes a record or silently overwrites the one that exists. So it is not enough
// that the list of accounts lacks the record: a reading of this one record, right before, must say that there is none.
func (s CreateRecord) Apply(ctx context.Context, h platform.Host, in *plan.Pass) error {
	p, err := dscl.ParsePath(s.Record)
	if err != nil {
		return err
	}
	begun := in.Torn()
	return persist(ctx, attempts, func() (again bool, err error) {
		switch rec, err := dscl.ReadRecord(ctx, h, p); {
		case err != nil:
			return false, s.unmade(begun, fmt.Errorf("make sure that there is no %s: %w", s.Record, err))
		case rec != nil && rec.First(dscl.GeneratedUID) == s.GeneratedUID:
			return false, nil
		case rec != nil && (!begun || !rec.Blank()):
			return false, s.unmade(begun, plan.Conflict("%s is there (GeneratedUID %s), although the list of accounts lacked it",
				s.Record, orNone(rec.Values(dscl.GeneratedUID))))
		}
		// From here on, a record with nothing but a name is what this step has left.
		begun = true
		if err = dscl.Create(ctx, h, p, dscl.GeneratedUID, s.GeneratedUID); err == nil {
			return false, nil
		}
		rec, readErr := dscl.ReadRecord(ctx, h, p)
		switch {
		case readErr != nil:
			return false, errors.Join(err, readErr)
		case rec != nil && rec.First(dscl.GeneratedUID) == s.GeneratedUID:
			return false, nil
		}
		return dscl.Passing(err), explain(ctx, h, err)
	})
}

// unmade marks an error of a step that has written nothing yet.
func (CreateRecord) unmade(begun bool, err error) error {
	if begun {
		return err
	}
	return plan.Unwritten(err)
}

// DeleteRecord removes a record that a CreateRecord made, recognised by its GeneratedUID. Only undo has it.
type DeleteRecord struct {
	Record       string `json:"record"`
	GeneratedUID string `json:"generated_uid"`
}

var _ interface {
	plan.Settler
	plan.Expecter
	plan.Exclusive
	plan.Lenient
} = DeleteRecord{}

// Kind implements Step.
func (DeleteRecord) Kind() string { return "delete-record" }

func (s DeleteRecord) String() string { return "delete " + s.Record + ", which lixfix made" }

// State implements Write.
func (s DeleteRecord) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	return recordState(ctx, readingOf(in), s.Record, s.GeneratedUID, false)
}

// Settle implements Settler.
func (s DeleteRecord) Settle(in *plan.Pass) {
	if p, err := dscl.ParsePath(s.Record); err == nil {
		readingOf(in).drop(p)
	}
}

// Expect implements Expecter.
func (s DeleteRecord) Expect(in *plan.Pass, holds bool) {
	p, err := dscl.ParsePath(s.Record)
	if err != nil {
		return
	}
	r := readingOf(in)
	if !holds {
		r.expectNothing(p, dscl.GeneratedUID)
		return
	}
	// What earlier steps have set is gone with it.
	maps.DeleteFunc(r.expected, func(c cell, _ []string) bool { return c.path == p })
	r.expect(p, dscl.GeneratedUID, nil)
}

// Exclusive implements Exclusive.
func (DeleteRecord) Exclusive() bool { return true }

// Lenient implements Lenient: macOS does not let everybody delete accounts.
func (DeleteRecord) Lenient() bool { return true }

// Inverse implements Write. A deleted record is not made again; a new repair does that.
func (s DeleteRecord) Inverse() plan.Write { return nil }

// Apply implements Step.
func (s DeleteRecord) Apply(ctx context.Context, h platform.Host, in *plan.Pass) error {
	p, err := dscl.ParsePath(s.Record)
	if err != nil {
		return err
	}
	begun := in.Torn()
	return persist(ctx, attempts, func() (again bool, err error) {
		// Read at once before the one write that cannot be taken back.
		rec, err := dscl.ReadRecord(ctx, h, p)
		switch {
		case err != nil:
			return false, err
		case rec == nil:
			return false, nil
		case rec.First(dscl.GeneratedUID) != s.GeneratedUID && (!begun || !rec.Blank()):
			return false, fmt.Errorf("%s is not the record that lixfix made (GeneratedUID %s)", s.Record, orNone(rec.Values(dscl.GeneratedUID)))
		}
		err = dscl.DeleteRecord(ctx, h, p)
		return dscl.Passing(err), explain(ctx, h, err)
	})
}
