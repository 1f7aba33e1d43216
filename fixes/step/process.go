package step

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

const (
	maxGrace = time.Minute // that a step may give a process to end by itself
	killTime = 5 * time.Second
	endPoll  = 50 * time.Millisecond
)

// EndProcess ends one process. It cannot be taken back.
type EndProcess struct {
	Process platform.ProcessID `json:"process"`
	Name    string             `json:"name"` // for people: "worker 3510 for nix-build 3507"
	// GraceMS is how long the process may take to end after SIGTERM.
	GraceMS int `json:"grace_ms"`
	// Kill allows SIGKILL after that.
	Kill bool `json:"kill"`
}

var _ plan.Lasting = EndProcess{}

// Kind implements Step.
func (EndProcess) Kind() string { return "end-process" }

func (s EndProcess) String() string {
	how := "SIGTERM"
	if s.Kill {
		how = fmt.Sprintf("SIGTERM, and SIGKILL after %s", s.grace())
	}
	return fmt.Sprintf("end process %d, %s (%s)", s.Process.PID, s.Name, how)
}

func (s EndProcess) grace() time.Duration {
	return min(max(time.Duration(s.GraceMS)*time.Millisecond, 0), maxGrace)
}

// processState tells whether the process of a step is still there. A process that has ended is Applied; another one
// with its number is Foreign.
func processState(ctx context.Context, v platform.View, p platform.ProcessID) (plan.State, byte, string, error) {
	now, state, err := platform.Identity(ctx, v, p.PID)
	switch {
	case errors.Is(err, platform.ErrGone):
		return plan.Applied, 0, "", nil
	case err != nil:
		return plan.Foreign, 0, "", err
	case p.Boot != "" && now.Boot != p.Boot:
		return plan.Applied, 0, "", nil // it did not survive the restart of the machine
	case now.Start != p.Start:
		return plan.Foreign, 0, fmt.Sprintf("process %d is another one now: the number was reused", p.PID), nil
	case state == 'Z' || state == 'X':
		return plan.Applied, state, "", nil
	}
	return plan.Pending, state, "", nil
}

// State implements Write.
func (s EndProcess) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	st, _, reason, err := processState(ctx, in.View(), s.Process)
	return st, reason, err
}

// Apply implements Step.
func (s EndProcess) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	if err := h.Signal(ctx, s.Process, syscall.SIGTERM); err != nil {
		return ignoreGone(err)
	}
	if ended, err := s.await(ctx, h, s.grace()); ended || err != nil {
		return err
	}
	if !s.Kill {
		return plan.Hint(fmt.Errorf("process %d did not end within %s of SIGTERM", s.Process.PID, s.grace()),
			fmt.Sprintf("Look at it with: ps -o pid,stat,wchan,args -p %d", s.Process.PID))
	}
	if err := h.Signal(ctx, s.Process, syscall.SIGKILL); err != nil {
		return ignoreGone(err)
	}
	if ended, err := s.await(ctx, h, killTime); ended || err != nil {
		return err
	}
	return plan.Hint(fmt.Errorf("process %d did not end within %s of SIGKILL", s.Process.PID, killTime),
		"It waits in the kernel, for a disk or a network mount; it ends when that answers, or when the machine is restarted.")
}

// await waits until the process has ended.
func (s EndProcess) await(ctx context.Context, v platform.View, d time.Duration) (ended bool, err error) {
	for deadline := time.Now().Add(d); ; {
		st, _, _, err := processState(ctx, v, s.Process)
		if err != nil || st != plan.Pending {
			// Foreign: it has ended, and its number was given out again.
			return st != plan.Pending, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		select {
		case <-time.After(endPoll):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, platform.ErrGone) {
		return nil
	}
	return err
}

// Inverse implements Write: nobody can bring a process back.
func (EndProcess) Inverse() plan.Write { return nil }

// Lasting implements Lasting.
func (EndProcess) Lasting() string { return "a process that was ended cannot be brought back" }

// ContinueProcess lets a stopped process go on.
type ContinueProcess struct {
	Process platform.ProcessID `json:"process"`
	Name    string             `json:"name"`
}

var _ plan.Lasting = ContinueProcess{}

// Kind implements Step.
func (ContinueProcess) Kind() string { return "continue-process" }

func (s ContinueProcess) String() string {
	return fmt.Sprintf("continue process %d, %s (SIGCONT)", s.Process.PID, s.Name)
}

// State implements Write.
func (s ContinueProcess) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	st, state, reason, err := processState(ctx, in.View(), s.Process)
	if st == plan.Pending && state != 'T' {
		st = plan.Applied
	}
	return st, reason, err
}

// Apply implements Step.
func (s ContinueProcess) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return ignoreGone(h.Signal(ctx, s.Process, syscall.SIGCONT))
}

// Inverse implements Write: a process that goes on is what everybody wants.
func (ContinueProcess) Inverse() plan.Write { return nil }

// Lasting implements Lasting.
func (ContinueProcess) Lasting() string { return "a process that goes on is not stopped again" }
