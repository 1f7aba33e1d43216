package plan

import (
	"context"
	"errors"

	"github.com/lixfix/lixfix/platform"
)

// The driver knows no kind of step. A step says what else it can do by implementing interfaces of this file; they are
// all that the driver knows of it.

// Write is a Step that compares and sets a value.
type Write interface {
	Step
	// State compares. For Foreign, the string says what is there instead.
	State(context.Context, *Pass) (State, string, error)
	// Inverse is the step that takes this one back; nil if the inverse of another step does that too.
	Inverse() Write
}

// Lasting is a Write that nobody can take back.
type Lasting interface {
	Write
	// Lasting says why, without a full stop.
	Lasting() string
}

// Settler is a Write that is compared with what the pass keeps, rather than with the machine each time.
type Settler interface {
	Write
	// Settle records in the pass what Apply did to the machine.
	Settle(*Pass)
}

// Expecter is a Write whose value a Check of the same plan reads back.
type Expecter interface {
	Write
	// Expect tells the pass what the check should find: nothing if the write does not hold, because it was left alone or
	// has failed.
	Expect(in *Pass, holds bool)
}

// Check is a Step that compares what the plan has set with the machine. It is never passed over.
type Check interface {
	Step
	// Rounds is how often the check is made before a value that is not kept ends the run. The error of Apply then wraps
	// an Untaken, and the driver sets those values again between rounds.
	Rounds() int
}

// Untaken is the error of a Check where the machine does not have what was set.
type Untaken interface {
	error
	// Touches reports whether a write sets one of the values that are not there.
	Touches(Write) bool
}

// Mender is a Write that another one can finish if it did not take.
type Mender interface {
	Write
	// Mend returns that write; nil if this one should be made again.
	Mend(*Pass, Untaken) Write
}

// Maker is a Write that makes something which other writes of the plan fill.
type Maker interface {
	Write
	// Makes names it.
	Makes() string
}

// Part is a Write that can belong to what a Maker of the same plan makes, and goes with it when that is taken back.
type Part interface {
	Write
	// PartOf is what the Maker calls it; "" where the write stands for itself.
	PartOf() string
}

// Subject is a Write that can share its subject with others. If the subject is somebody else's, that is said only once.
type Subject interface {
	Write
	// Subject names the thing.
	Subject() string
}

// Exclusive is a Write that running builds would notice. As long as one is left, holds are in force and guards are asked.
type Exclusive interface {
	Write
	Exclusive() bool
}

// IsExclusive reports whether running builds would notice a step.
func IsExclusive(s Step) bool {
	x, ok := s.(Exclusive)
	return ok && x.Exclusive()
}

// Late is a Write that has something to do or not depending on what the plan does before it. So it is not looked at in
// advance, and it takes another write back even if that one found nothing to change.
type Late interface {
	Write
	Late() bool
}

// IsLate reports whether a step cannot be looked at in advance.
func IsLate(s Step) bool {
	l, ok := s.(Late)
	return ok && l.Late()
}

// Lenient is a Write that may fail when it takes another one back: the rest is still worth doing.
type Lenient interface {
	Write
	Lenient() bool
}

// Guard is a Step that writes nothing: its Apply fails where the plan must not go on.
type Guard interface {
	Step
	// Protects reports whether the guard has to hold before s is applied.
	Protects(s Step) bool
}

// Hold is a Step that is in force while exclusive writes are made, such as a stopped service. It is harmless when
// repeated, and it is released on every way out.
type Hold interface {
	Step
	// Release is the step that ends it.
	Release() Step
}

// Proof is a Step that leaves the host as it is and shows whether the plan has achieved its purpose. It is done on
// every run of the plan, at its place, and never when the plan is taken back. The error of Apply wraps an *Unproven.
type Proof interface {
	Step
	// Proves says what, as the end of "it is not known whether …".
	Proves() string
}

// Unproven is the error of a Proof.
type Unproven struct {
	Err error
	// Untried says that nobody could try it. That is no failure: it is reported, and the run goes on.
	Untried bool
}

func (u *Unproven) Error() string { return u.Err.Error() }
func (u *Unproven) Unwrap() error { return u.Err }

// Acts reports whether a step does something to the host, such as a write or the restart of a service. The others look.
func Acts(s Step) bool {
	switch s.(type) {
	case Check, Guard, Proof:
		return false
	}
	return true
}

func isProof(s Step) bool {
	_, ok := s.(Proof)
	return ok
}

// Tidier is a Write that can leave something beside its target if it is killed.
type Tidier interface {
	Write
	Tidy(context.Context, platform.Host) error
}

// Placed is a Write that itself writes to names. What tools write for it is for them to guard.
type Placed interface {
	Write
	Places() []string
}

// Barred is a Write that something about its target can forbid.
type Barred interface {
	Write
	// Barred returns why, as far as that shows in advance; nil if nothing forbids it.
	Barred(context.Context, platform.View) error
}

// Carrier is a Write with contents that are not part of its JSON; see Plan.Blobs.
type Carrier interface {
	Write
	// Contents are by their SHA-256.
	Contents() map[string][]byte
	// Attach gives a decoded step its contents back.
	Attach(contents map[string][]byte) error
}

// Folder is a Step that one line can describe together with its neighbours.
type Folder interface {
	Step
	// Sort is the same for steps that are described together; "" for one that stands alone.
	Sort() string
	// Fold says what steps of one sort do, of which this is the first. Every number and name in it comes from the steps.
	// "" is for what their String says as well.
	Fold(steps []Step) string
}

// settle and expect tell the pass of a write that was made.
func settle(in *Pass, w Write) {
	if s, ok := w.(Settler); ok {
		s.Settle(in)
	}
}

func expect(in *Pass, w Write, holds bool) {
	if e, ok := w.(Expecter); ok {
		e.Expect(in, holds)
	}
}

// Unwritten marks the error of a write that has failed and has left the machine as it was, even if an earlier attempt at
// it may have been interrupted.
func Unwritten(err error) error { return &unwritten{err} }

type unwritten struct{ error }

func (u *unwritten) Unwrap() error { return u.error }

// IsUnwritten reports whether err says that nothing was written.
func IsUnwritten(err error) bool {
	_, ok := errors.AsType[*unwritten](err)
	return ok
}
