package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// ledger reads the journals of this host, and says what is to be done about them.
type ledger struct{ *app }

// waits looks for unfinished repairs and puts them into a report.
func (l ledger) waits(r *render.Report) ([]journal.Waiting, error) {
	if l.replay != nil {
		return nil, nil // as strange
	}
	all, err := journal.Waits(l.Host.StateDir(), step.Kinds())
	for _, w := range all {
		r.Unfinished = append(r.Unfinished, w.ID)
		out := render.Waiting{ID: w.ID, Undo: w.Undo}
		if w.Trouble != nil {
			out.Trouble, out.Next = message(w.Trouble), l.aside(w.ID)
		}
		r.Waiting = append(r.Waiting, out)
	}
	return all, err
}

// strange returns an error for each entry of the state directory that is called like a journal and is no file. An error
// of the directory itself shows where the journals are read.
func (l ledger) strange() []error {
	if l.replay != nil {
		return nil // the journals here are those of this machine
	}
	_, strange, _ := journal.IDs(l.Host.StateDir())
	return strange
}

// waiting is the error where an unfinished repair has to be dealt with first.
func (l ledger) waiting(all []journal.Waiting) error {
	var ids, nexts []string
	for _, w := range all {
		ids = append(ids, w.ID)
		switch {
		case w.Trouble != nil:
			nexts = append(nexts, "its journal cannot be used ("+message(w.Trouble)+"); move it away: "+l.aside(w.ID))
		case w.Undo:
			nexts = append(nexts, "sudo "+l.Name+" undo finishes taking it back")
		default:
			nexts = append(nexts, fmt.Sprintf("sudo %[1]s resume finishes it, sudo %[1]s undo takes it back", l.Name))
		}
	}
	slices.Sort(nexts)
	return &failure{
		code: Waiting, err: fmt.Errorf("%w: %s", journal.ErrUnfinished, strings.Join(ids, ", ")),
		next: strings.Join(slices.Compact(nexts), "; "),
	}
}

// aside is the command that moves a journal out of the way.
func (l ledger) aside(id string) string {
	return "sudo " + l.Name + " history --set-aside " + platform.Quote(id)
}

// unreadable says what can be done about a journal that cannot be used. Nothing is guessed from it.
func (l ledger) unreadable(err error) error {
	if !errors.Is(err, journal.ErrFormat) && !errors.Is(err, plan.ErrSchema) && !errors.Is(err, journal.ErrForeign) {
		return err
	}
	next := "sudo " + l.Name + " history --set-aside ID moves it away"
	if all, waitErr := journal.Waits(l.Host.StateDir(), step.Kinds()); waitErr == nil && len(all) > 0 {
		next = l.aside(all[0].ID) + " moves it away"
	}
	f := &failure{code: Failed, err: fmt.Errorf("read the unfinished repair: %w", err), next: "If a newer lixfix made it, use that one. Otherwise " + next + "."}
	if errors.Is(err, journal.ErrForeign) {
		f.code, f.next = Unsafe, "lixfix trusts nothing in it; "+next+"."
	}
	return f
}

// target finds the repair to take back: the one of the ID, else the last one that changed something. A repair that took
// another back is passed over, so that undo twice does not go on to older repairs.
func (l ledger) target(id string) (*journal.Repair, error) {
	if id != "" {
		past, err := journal.Find(l.Host.StateDir(), id, step.Kinds())
		if errors.Is(err, journal.ErrNotFound) {
			return nil, &failure{code: Usage, err: err, next: "sudo " + l.Name + " history lists the repairs"}
		}
		if err != nil {
			return nil, l.unreadable(err)
		}
		if past.Plan.Undoes != "" {
			return nil, &failure{
				code: Unsafe, err: fmt.Errorf("%s took %s back, and an undo cannot be undone", id, past.Plan.Undoes),
				next: "repair again: sudo " + l.Name + " repair " + past.Plan.Fix,
			}
		}
		return &past, nil
	}
	all, errs := journal.History(l.Host.StateDir(), step.Kinds())
	// What is no file at all holds no repair; the command has named it.
	errs = slices.DeleteFunc(errs, isStrange)
	if len(errs) > 0 {
		return nil, &failure{
			code: Failed, err: fmt.Errorf("find the last repair: %w", errs[0]),
			next: "name the repair to take back: sudo " + l.Name + " undo ID; sudo " + l.Name + " history says what to do about the journal",
		}
	}
	for _, past := range slices.Backward(all) {
		if past.Plan.Undoes == "" && past.Outcome != journal.Abandoned {
			return &past, nil
		}
	}
	return nil, nil //nolint:nilnil // no repair is an answer
}

// takenBack says that a finished repair was taken back and another one has come after that; "" where it is not so. What
// the host looks like does not tell: the later repair may have set the same values, and they are its to take back.
func (l ledger) takenBack(past journal.Repair) string {
	all, _ := journal.History(l.Host.StateDir(), step.Kinds()) // what cannot be read took nothing back
	i := slices.IndexFunc(all, func(r journal.Repair) bool {
		return r.Plan.Undoes == past.Plan.ID && r.Outcome == journal.Finished
	})
	if i < 0 {
		return ""
	}
	for _, r := range slices.Backward(all[i+1:]) {
		if r.Plan.Undoes == "" && r.Plan.Fix == past.Plan.Fix && (r.Outcome == journal.Finished || r.Outcome == journal.Partly) {
			return fmt.Sprintf("%s was taken back already, and repaired again by %s; nothing to do", past.Plan.ID, r.Plan.ID)
		}
	}
	return "" // what was left alone then may be free now
}

// isStrange tells what is no file at all from a file that may be a journal.
func isStrange(err error) bool { return errors.Is(err, journal.ErrStrange) }
