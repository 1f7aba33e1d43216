package plan

import (
	"context"
	"errors"
)

// confirm makes a check, and sets again what did not take: what has its old value, or none at all.
func (r *runner) confirm(ctx context.Context, it item, check Check) error {
	for n := 1; ; n++ {
		err := r.apply(ctx, it)
		wrong, ok := errors.AsType[Untaken](err)
		if !ok {
			return err
		}
		if n >= check.Rounds() {
			// Not done any more, whatever the log says: a later run starts with them.
			for _, w := range r.writes {
				if wrong.Touches(w.step.(Write)) {
					if logErr := r.Log.Set(w.index, w.inFlight(), "did not take"); logErr != nil {
						return errors.Join(err, logErr)
					}
				}
			}
			r.event(it, Failed, err)
			return err
		}
		for _, w := range r.writes {
			if !wrong.Touches(w.step.(Write)) {
				continue
			}
			w.mark = w.inFlight()
			if err := r.again(ctx, w, wrong); err != nil {
				return err
			}
		}
	}
}

// again makes a write once more that did not take, or the one that finishes it.
func (r *runner) again(ctx context.Context, it item, wrong Untaken) error {
	w := it.step.(Write)
	m, ok := w.(Mender)
	if !ok {
		return r.write(ctx, it, w)
	}
	mend := m.Mend(r.pass, wrong)
	if mend == nil {
		return r.write(ctx, it, w)
	}
	mended := item{index: it.index, step: mend}
	r.event(mended, Starting, nil)
	if err := mend.Apply(ctx, r.Host, r.pass); err != nil {
		r.event(mended, Failed, err)
		return err
	}
	r.event(mended, Finished, nil)
	settle(r.pass, mend)
	return nil
}
