package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/processes"
)

// ErrBusy is returned if builds are running that a plan would disturb.
var ErrBusy = errors.New("builds are running")

// RequireIdle lets the plan go on only while no build runs as a build user: no process under one of the user IDs,
// and no lock held in the user pool. A lock is what both Lix and CppNix hold while a build has a user.
type RequireIdle struct {
	Pool string `json:"pool"` // directory with a lock file for each user ID
	UIDs []int  `json:"uids"`
}

var _ plan.Guard = RequireIdle{}

// Kind implements Step.
func (RequireIdle) Kind() string { return "require-idle" }

func (s RequireIdle) String() string { return "make sure that no build is running" }

// Protects implements Guard.
func (RequireIdle) Protects(s plan.Step) bool { return plan.IsExclusive(s) }

// Apply implements Step.
func (s RequireIdle) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	busy, err := s.Busy(platform.Fresh(ctx), h, nil)
	if err != nil {
		return err
	}
	if len(busy) > 0 {
		return plan.Hint(fmt.Errorf("%w: %s", ErrBusy, strings.Join(busy, ", ")), "Wait until they have ended, or stop them, and run the command again.")
	}
	return nil
}

// Busy returns what keeps the build users busy: processes, including those that ask names beside the user IDs, and locks.
func (s RequireIdle) Busy(ctx context.Context, v platform.View, also func(processes.Process) bool) ([]string, error) {
	busy, err := heldLocks(ctx, v, s.Pool)
	if err != nil {
		return nil, err
	}
	list, err := processes.List(ctx, v)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if slices.Contains(s.UIDs, p.UID) || also != nil && also(p) {
			busy = append(busy, fmt.Sprintf("process %d (%s) of user ID %d", p.PID, path.Base(p.Command), p.UID))
		}
	}
	return busy, nil
}

// heldLocks returns the locks that somebody holds in the user pool. A pool that does not exist has none.
func heldLocks(ctx context.Context, v platform.View, pool string) ([]string, error) {
	names, err := v.ReadDir(ctx, pool)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for running builds: %w", err)
	}
	var held []string
	for _, name := range names {
		file := path.Join(pool, name)
		locked, err := v.Locked(ctx, file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("look for running builds: %w", err)
		case locked:
			held = append(held, "the lock on "+file)
		}
	}
	return held, nil
}
