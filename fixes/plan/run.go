package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/lixfix/lixfix/platform"
)

// Mark says what a journal knows of one entry.
type Mark int

const (
	Untouched Mark = iota // never begun, or taken back
	Begun                 // begun; only the machine knows whether it took
	Done                  // done by this plan
	Already               // found done; not this plan's doing
	Skipped               // optional, and failed
	Undoing               // being taken back; only the machine knows whether that took
)

// Log keeps the marks of a plan, durably before Set returns where the mark is Begun or Undoing.
type Log interface {
	Marks() []Mark
	Set(i int, m Mark, why string) error
}

// Event is a step of a plan, as it is run. Phase is one of the constants below.
type Event struct {
	Index int // of the entry
	Count int // of all entries
	Step  Step
	Phase Phase
	Err   error // of Failed, Refused and Tolerated
}

// Phase says what is happening to a step.
type Phase string

const (
	Starting  Phase = "begin"
	Finished  Phase = "done"
	WasSo     Phase = "already"   // the machine was so before
	Tolerated Phase = "tolerated" // an optional step failed
	Refused   Phase = "refused"   // undo leaves it, because the machine has changed since
	Failed    Phase = "failed"
)

// ErrConflict is returned where the machine is neither as a plan found it nor as the plan leaves it.
var ErrConflict = errors.New("the machine has changed")

// Interrupted is returned when Driver.Stop asked for it: the step in flight was finished and the holds were released.
type Interrupted struct {
	Cause error
}

func (i *Interrupted) Error() string { return "interrupted: " + i.Cause.Error() }
func (i *Interrupted) Unwrap() error { return i.Cause }

// RefusedSteps is returned by Rollback, and by a Driver that may Leave steps, when steps were left alone.
type RefusedSteps struct {
	Reasons []string
}

func (r *RefusedSteps) Error() string {
	return fmt.Sprintf("%d steps were not taken back", len(r.Reasons))
}

// Verdict is what Preview says of an entry.
type Verdict struct {
	State  State
	Reason string
}

// Preview tells, for each entry of the plan, how it stands once all entries before it are applied. Entries that are not
// writes are Pending.
func Preview(ctx context.Context, v platform.View, p Plan) ([]Verdict, error) {
	verdicts := make([]Verdict, len(p.Entries))
	pass := NewPass(v)
	var items []item
	for i, e := range p.Entries {
		items = append(items, item{index: i, entry: e, step: e.Step, mark: Untouched})
	}
	return verdicts, foresee(ctx, pass, items, func(it item, v Verdict) { verdicts[it.index] = v })
}

// item is an entry on its way through a run, forwards or backwards.
type item struct {
	index int
	entry Entry
	step  Step // the entry's, or its inverse
	mark  Mark
	back  bool
}

// torn reports whether a write of this item may have been interrupted.
func (it item) torn() bool { return it.mark == Begun || it.mark == Undoing }

// inFlight is the mark of a write of this item whose end is not known.
func (it item) inFlight() Mark {
	if it.back {
		return Undoing
	}
	return Begun
}

// foresee walks the items over a copy of the pass and reports how each write stands when its turn comes.
func foresee(ctx context.Context, pass *Pass, items []item, report func(item, Verdict)) error {
	trial := pass.fork()
	for _, it := range items {
		w, ok := it.step.(Write)
		if !ok {
			continue
		}
		if IsLate(w) {
			report(it, Verdict{State: Applied})
			continue
		}
		state, reason, err := w.State(ctx, trial)
		if err != nil {
			return err
		}
		if state == Torn && !it.torn() {
			state = Foreign
		}
		if state != Foreign {
			settle(trial, w)
		}
		report(it, Verdict{State: state, Reason: reason})
	}
	return nil
}

// Driver runs plans over one host.
type Driver struct {
	Host    platform.Host
	Log     Log
	Observe func(Event)
	// Leave says to leave steps alone whose value somebody has changed since, instead of stopping the run: the plan
	// takes another one back.
	Leave bool
	// Stop returns why the run should end before the next step; nil to go on. The step in flight is always finished,
	// unless the context of Run ends as well.
	Stop func() error
}

// runner is a Driver at work.
type runner struct {
	Driver
	marks   []Mark // as the log had them at the start
	pass    *Pass
	holds   []Hold // in force
	refused []string
	writes  []item // all that the run wants to be true in the end, in its order
}

func (d Driver) runner() *runner {
	if d.Observe == nil {
		d.Observe = func(Event) {}
	}
	if d.Stop == nil {
		d.Stop = func() error { return nil }
	}
	// Somebody was asked between the plan and its first write, so what was read for the plan may be out of date.
	return &runner{Driver: d, marks: d.Log.Marks(), pass: &Pass{view: d.Host, fresh: true}}
}

// Run does what is left of the plan: all of it at first, the rest after an interruption. Before it writes anything it
// checks that every write that is left still finds its old value. A service that the plan stopped is started again
// on every way out.
//
// The error wraps ErrConflict, ErrBusy, an *Interrupted or what a step failed with; the log tells what was done. When
// ctx ends, the tool in flight is killed.
func (d Driver) Run(ctx context.Context, p Plan) error {
	r := d.runner()
	var items []item
	for i, e := range p.Entries {
		w, ok := e.Step.(Write)
		it := item{index: i, entry: e, step: e.Step, mark: r.marks[i]}
		// An interrupted Rollback has removed what it is a part of, or begun to: it may be gone as well.
		if whole := partOf(e.Step); whole != "" && it.mark == Done && !r.keeps(p, whole) {
			it.mark = Untouched
		}
		if ok && it.mark != Skipped {
			r.writes = append(r.writes, it)
		}
		if ok && (it.mark == Done || it.mark == Already || it.mark == Skipped) {
			if it.mark != Skipped {
				expect(r.pass, w, true)
			}
			continue
		}
		items = append(items, it)
	}
	if err := r.run(ctx, items); err != nil {
		return err
	}
	return r.left()
}

// left is the error for steps that were left alone, nil for none.
func (r *runner) left() error {
	if len(r.refused) == 0 {
		return nil
	}
	return &RefusedSteps{Reasons: r.refused}
}

// Rollback takes back what the log says the plan has begun. Steps whose value has changed since are refused and left;
// the rest is taken back, and the error is a *RefusedSteps. Otherwise it behaves like Run.
func (d Driver) Rollback(ctx context.Context, p Plan) error {
	r := d.runner()
	first := p.firstWrite()
	var before, writes, after []item
	var with []int // parts that go with what they belong to
	for i, e := range p.Entries {
		it := item{index: i, entry: e, step: e.Step, mark: r.marks[i], back: true}
		w, ok := e.Step.(Write)
		switch {
		case isProof(e.Step):
		case !ok && i < first:
			before = append(before, it)
		case !ok:
			after = append(after, it)
		case took(w, it.mark):
			if back, optional := inverse(w); back != nil {
				it.step = back
				it.entry.Optional = it.entry.Optional || optional
				writes = append(writes, it)
			} else if partOf(w) != "" && it.mark == Done {
				with = append(with, i)
			}
		}
	}
	slices.Reverse(writes)
	r.writes = writes
	if err := r.run(ctx, slices.Concat(before, writes, after)); err != nil {
		return err
	}
	for _, i := range with {
		if err := r.Log.Set(i, Untouched, ""); err != nil {
			return err
		}
	}
	return r.left()
}

// partOf names what another write of the plan makes, and a step fills; "" for none.
func partOf(s Step) string {
	if p, ok := s.(Part); ok {
		return p.PartOf()
	}
	return ""
}

// keeps reports whether the plan has made the whole that a part belongs to, and has not begun to remove it again.
func (r *runner) keeps(p Plan, whole string) bool {
	for i, e := range p.Entries {
		if m, ok := e.Step.(Maker); ok && m.Makes() == whole {
			return r.marks[i] == Done || r.marks[i] == Already
		}
	}
	return false
}

// run goes through the items and releases every hold on the way out.
func (r *runner) run(ctx context.Context, items []item) (err error) {
	// Deferred, so that it happens in a panic as well.
	defer func() {
		for _, h := range r.holds {
			// What was held is let go of even if ctx has ended: a host without its daemon is worse than a slow Ctrl-C.
			it := item{index: len(r.marks) - 1, step: h.Release(), back: true}
			switch relErr := r.apply(context.WithoutCancel(ctx), it); {
			case relErr == nil:
			case err == nil:
				err = relErr
			default:
				err = multierror.Append(err, relErr)
			}
		}
	}()
	return r.each(ctx, items)
}

// remaining reports whether a write is left in items that the test wants.
func remaining(items []item, want func(Step) bool) bool {
	for _, it := range items {
		if _, ok := it.step.(Write); ok && want(it.step) {
			return true
		}
	}
	return false
}

func (r *runner) each(ctx context.Context, items []item) error {
	checked := false
	for n, it := range items {
		if why := r.Stop(); why != nil {
			return &Interrupted{Cause: why}
		}
		rest := items[n:]
		switch step := it.step.(type) {
		case Write:
			if !checked {
				checked = true
				if err := r.conflicts(ctx, rest); err != nil {
					return err
				}
			}
			if err := r.write(ctx, it, step); err != nil {
				return err
			}
			continue
		case Hold:
			if !remaining(rest, IsExclusive) {
				continue
			}
		case Check:
			if err := r.confirm(ctx, it, step); err != nil {
				return err
			}
			continue
		case Guard:
			if !remaining(rest, step.Protects) {
				continue
			}
		case Proof:
		default:
			// Harmless when repeated, but pointless.
			if !it.back && it.mark == Done {
				continue
			}
		}
		if err := r.apply(ctx, it); err != nil {
			return err
		}
	}
	return nil
}

// apply runs a step that is no write.
func (r *runner) apply(ctx context.Context, it item) error {
	r.event(it, Starting, nil)
	if !it.back {
		if err := r.Log.Set(it.index, Begun, ""); err != nil {
			return err
		}
	}
	if h, ok := it.step.(Hold); ok {
		// In force from here on, even if Apply fails half way: releasing it is harmless.
		r.holds = append(r.holds, h)
	}
	if err := it.step.Apply(ctx, r.Host, r.pass); err != nil {
		if u, ok := errors.AsType[*Unproven](err); it.entry.Optional || ok && u.Untried {
			r.event(it, Tolerated, err)
			return nil
		}
		if _, ok := errors.AsType[Untaken](err); !ok {
			r.event(it, Failed, err)
		}
		return err
	}
	r.holds = releasedBy(it.step, r.holds)
	if _, ok := it.step.(Hold); ok {
		r.pass.renew()
	}
	r.event(it, Finished, nil)
	if it.back {
		return nil
	}
	return r.Log.Set(it.index, Done, "")
}

// releasedBy returns the holds that are still in force after step.
func releasedBy(step Step, holds []Hold) []Hold {
	var left []Hold
	for _, h := range holds {
		if h.Release() != step {
			left = append(left, h)
		}
	}
	return left
}

// conflicts looks at every write that is left before the first of them is made.
func (r *runner) conflicts(ctx context.Context, items []item) error {
	var reasons []string
	said := map[string]bool{} // subjects
	err := foresee(ctx, r.pass, items, func(it item, v Verdict) {
		if v.State != Foreign || it.back || r.Leave || it.entry.Optional {
			return
		}
		if name := subjectOf(it.step); name == "" || !said[name] {
			reasons = append(reasons, v.Reason)
			said[name] = true
		}
	})
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		const few = 5
		more := ""
		if len(reasons) > few {
			more = fmt.Sprintf(" (and %d more)", len(reasons)-few)
			reasons = reasons[:few]
		}
		return Conflict("%s%s", strings.Join(reasons, "; "), more)
	}
	return nil
}

// subjectOf names what a step is about; "" where nothing else is about it.
func subjectOf(s Step) string {
	if a, ok := s.(Subject); ok {
		return a.Subject()
	}
	return ""
}

// Conflict is the error of a step that finds the machine neither as the plan found it nor as the plan leaves it.
func Conflict(format string, args ...any) error {
	return Hint(fmt.Errorf("%w since it was read: %s", ErrConflict, fmt.Sprintf(format, args...)),
		`Nothing more was written; "lixfix check" shows what is true now.`)
}

// write brings one value where it is to be.
func (r *runner) write(ctx context.Context, it item, w Write) error {
	state, reason, err := w.State(ctx, r.pass)
	if err != nil {
		return err
	}
	if it.torn() {
		if t, ok := w.(Tidier); ok {
			if err := t.Tidy(ctx, r.Host); err != nil {
				return err
			}
		}
	}
	done := Done
	if it.back {
		done = Untouched
	}
	switch {
	case state == Applied:
		if !it.torn() && !it.back {
			done = Already
		}
		expect(r.pass, w, true)
		r.event(it, WasSo, nil)
		return r.Log.Set(it.index, done, "")
	case state == Foreign, state == Torn && !it.torn():
		expect(r.pass, w, false)
		if it.back || r.Leave {
			r.refused = append(r.refused, w.String()+": "+reason)
			r.event(it, Refused, errors.New(reason))
			return r.Log.Set(it.index, Skipped, reason)
		}
		if it.entry.Optional {
			r.event(it, Tolerated, errors.New(reason))
			return r.Log.Set(it.index, Skipped, reason)
		}
		r.event(it, Failed, errors.New(reason))
		return Conflict("%s", reason)
	}
	begun := Begun
	if it.back && (it.mark != Begun || state != Torn) {
		begun = Undoing
	} // else it stays known that a kill came into its making: only then what is left of a record may be removed
	r.event(it, Starting, nil)
	if err := r.Log.Set(it.index, begun, ""); err != nil {
		return err
	}
	r.pass.torn = begun == Begun && it.torn()
	if err := w.Apply(ctx, r.Host, r.pass); err != nil {
		expect(r.pass, w, false)
		if IsUnwritten(err) && !it.back {
			if logErr := r.Log.Set(it.index, Untouched, ""); logErr != nil {
				return errors.Join(err, logErr)
			}
		}
		if it.entry.Optional {
			r.event(it, Tolerated, err)
			if it.back || r.Leave {
				r.refused = append(r.refused, w.String()+": "+err.Error())
			}
			return r.Log.Set(it.index, Skipped, err.Error())
		}
		r.event(it, Failed, err)
		return fmt.Errorf("%s: %w", w, err)
	}
	settle(r.pass, w)
	expect(r.pass, w, true)
	r.event(it, Finished, nil)
	return r.Log.Set(it.index, done, "")
}

func (r *runner) event(it item, phase Phase, err error) {
	r.Observe(Event{Index: it.index, Count: len(r.marks), Step: it.step, Phase: phase, Err: err})
}
