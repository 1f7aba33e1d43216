package stuck_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/fixes/stuck/stucktest"
	"github.com/lixfix/lixfix/platform"
)

// tardy is a host where one read takes too long: it is given up, and goes on while the next ones are made.
type tardy struct {
	*stucktest.Machine
	late int // which read; they are counted from 0
	what string
	n    int
	free chan struct{} // closed when the late read may go on
	all  sync.WaitGroup
}

func (h *tardy) Burst(ctx context.Context, what string, f func(platform.Files) error) error {
	n := h.n
	h.n++
	switch n {
	case h.late:
		h.what = what
		h.all.Go(func() {
			<-h.free
			_ = h.Machine.Burst(context.WithoutCancel(ctx), what, f)
		})
		return context.DeadlineExceeded
	case h.late + 1:
		close(h.free)
	}
	return h.Machine.Burst(ctx, what, f)
}

// TestLateReads: a read that was given up has nothing in common with those after it. The race detector sees that.
func TestLateReads(t *testing.T) {
	for _, capture := range []string{"s14-daemon-without-arguments", "s11-big-lock-held-by-flock"} {
		most := 0
		for late := 0; late <= most; late++ {
			h := &tardy{
				Machine: stucktest.Load(t, "testdata/captures/lix-2.93.4/"+capture, nil, nil), late: late, free: make(chan struct{}),
			}
			_, err := stuck.Look(t.Context(), h, observe.Options{Gap: time.Millisecond})
			// Without the list of processes, or the table of locks, there is nothing to tell.
			if needed := h.what == "/proc" || h.what == observe.LockTable; (err != nil) != needed {
				t.Errorf("%s: %q is late: %v", capture, h.what, err)
			}
			if h.n == late+1 {
				close(h.free)
			}
			h.all.Wait()
			if most = max(most, h.n); late == 0 {
				most = 1
			}
		}
		if most < 10 {
			t.Errorf("%s: only %d reads", capture, most)
		}
	}
}
