package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixbuild"
	"github.com/lixfix/lixfix/platform/nixdaemon"
)

const (
	// A daemon that was only just started can take some seconds on a busy machine.
	answerTime  = 15 * time.Second
	answerPause = 200 * time.Millisecond
)

// AwaitDaemon waits until a Nix daemon answers, and fails where none does: systemd calls it a success to start a socket
// whose service cannot start, and to skip a unit whose conditions are not met.
type AwaitDaemon struct {
	Socket string `json:"socket"`
}

var _ plan.Proof = AwaitDaemon{}

// Kind implements Step.
func (AwaitDaemon) Kind() string { return "await-daemon" }

func (s AwaitDaemon) String() string { return "see whether the daemon answers at " + s.Socket }

// Proves implements Proof.
func (s AwaitDaemon) Proves() string { return "the daemon answers" }

// Apply implements Step.
func (s AwaitDaemon) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	for deadline := time.Now().Add(answerTime); ; {
		a, err := h.Greet(platform.Fresh(ctx), s.Socket)
		switch {
		case err == nil && (a.Up() || a.Outcome == nixdaemon.Refused):
			if a.Up() {
				return nil
			}
			err = errors.New(a.Text)
		case err == nil:
			err = a.Err
		}
		if time.Now().After(deadline) {
			return &plan.Unproven{Err: fmt.Errorf("the daemon does not answer at %s: %w", s.Socket, err)}
		}
		select {
		case <-time.After(answerPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TryBuild has the daemon build a derivation of a few bytes, and removes it again. The one who asks is who called lixfix,
// and not root where somebody else has: what root may do proves nothing.
type TryBuild struct {
	Tools  string `json:"tools"` // the directory of the tools of Nix that users have
	Socket string `json:"socket"`
}

var _ plan.Proof = TryBuild{}

// Kind implements Step.
func (TryBuild) Kind() string { return "try-build" }

func (s TryBuild) String() string {
	return fmt.Sprintf("have the daemon build a derivation of a few bytes, as an ordinary user with the tools in %s, and remove it again", s.Tools)
}

// Proves implements Proof.
func (TryBuild) Proves() string { return "the daemon can build" }

// ErrNotBuilt is the error of a TryBuild where the daemon could be asked, and did not build.
var ErrNotBuilt = errors.New("the daemon answers, and a build fails")

// Apply implements Step.
func (s TryBuild) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	b, ok := platform.AsBuilder(h)
	if !ok {
		return &plan.Unproven{Err: errors.New("this host cannot be asked for a build"), Untried: true}
	}
	switch r := nixbuild.Run(platform.Fresh(ctx), b, nixbuild.Through{Tools: s.Tools, Socket: s.Socket}); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.Outcome == nixbuild.Untried:
		return &plan.Unproven{Err: fmt.Errorf("not tried: %s", r.Why), Untried: true}
	case r.Outcome != nixbuild.Built:
		return &plan.Unproven{Err: fmt.Errorf("%w: %s", ErrNotBuilt, r.Why)}
	}
	return nil
}
