package step

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/verify"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixdaemon"
)

const (
	// A daemon that was only just started can take some seconds on a busy machine.
	answerTime  = 15 * time.Second
	answerPause = 200 * time.Millisecond
)

// AwaitDaemon waits until a Nix daemon answers, and fails if none does. systemd is no proof: it reports success when it
// starts a socket whose service cannot start, and when it skips a unit whose conditions are not met.
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
		last := time.Now().After(deadline) // the look that decides begins when the time is over: the machine may have slept through it
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
		if last {
			return &plan.Unproven{Err: fmt.Errorf("the daemon does not answer at %s: %w", s.Socket, err)}
		}
		select {
		case <-time.After(answerPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TryBuild has each login shell of the host build a derivation of a few bytes, as "lixfix verify" does, and removes it
// again. It builds as the user who called lixfix, not as root if that is somebody else: what root may do proves nothing.
type TryBuild struct {
	Tools  string   `json:"tools"` // the directory of the tools of Nix, where there is no shell
	Socket string   `json:"socket"`
	Shells []string `json:"shells,omitempty"` // programs; plans of before there were any have none
}

var _ plan.Proof = TryBuild{}

// NewTryBuild is the proof that ends a plan that is for builds; false if this host has nothing to build with.
func NewTryBuild(m verify.Means) (TryBuild, bool) {
	return TryBuild{Tools: m.Tools, Socket: installation.Socket, Shells: m.Shells}, m.Tools != "" || len(m.Shells) > 0
}

// Kind implements Step.
func (TryBuild) Kind() string { return "try-build" }

func (s TryBuild) String() string {
	with := "with the tools in " + s.Tools
	if len(s.Shells) > 0 {
		var names []string
		for _, shell := range s.Shells {
			names = append(names, path.Base(shell))
		}
		with = "in login shells (" + strings.Join(names, ", ") + ")"
	}
	return fmt.Sprintf("have the daemon build something tiny, as an ordinary user %s, and delete it again", with)
}

// Proves implements Proof.
func (TryBuild) Proves() string { return "the daemon can build" }

// ErrNotBuilt is the error of a TryBuild if the daemon could be asked, but did not build.
var ErrNotBuilt = errors.New("the test build failed")

// Apply implements Step.
func (s TryBuild) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	b, ok := platform.AsBuilder(h)
	if !ok {
		return &plan.Unproven{Err: errors.New("lixfix cannot start a build on this host"), Untried: true}
	}
	l := verify.Run(platform.Fresh(ctx), b, verify.Means{Tools: s.Tools, Shells: s.Shells}, nil)
	switch l.Status() {
	case fix.OK:
		return nil
	case fix.Broken:
		if ctx.Err() == nil {
			return &plan.Unproven{Err: fmt.Errorf("%w: %s", ErrNotBuilt, l.Verdict())}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &plan.Unproven{Err: fmt.Errorf("not tried: %s", l.Verdict()), Untried: true}
}
