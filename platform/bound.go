package platform

import (
	"context"
	"fmt"
	"time"
)

const fileTime = 10 * time.Second // for one file operation: a dead network mount must not hang a check

// bound runs f, and gives up waiting for it when its time is over. A system call on a dead mount cannot be ended,
// so f may go on; it must not write to anything that the caller still uses.
func bound[T any](ctx context.Context, what, name string, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	work(func() {
		v, err := f()
		done <- answer{v, err}
	})
	late := time.NewTimer(fileTime)
	defer late.Stop()
	var none T
	select {
	case a := <-done:
		return a.value, a.err
	case <-late.C:
		return none, fmt.Errorf("%s %s: %w", what, name, context.DeadlineExceeded)
	case <-ctx.Done():
		return none, fmt.Errorf("%s %s: %w", what, name, context.Cause(ctx))
	}
}

// idle are workers that wait for something to do.
var idle = make(chan chan func(), 8)

// work runs f beside the caller. Workers are kept: a check makes hundreds of small calls, and a new goroutine would take
// longer to grow its stack than most of them take.
func work(f func()) {
	var w chan func()
	select {
	case w = <-idle:
	default:
		w = make(chan func(), 1)
		go func() {
			for f := range w {
				f()
				select {
				case idle <- w:
				default:
					return // there are enough of them
				}
			}
		}()
	}
	w <- f
}
