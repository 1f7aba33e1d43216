package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// SetMode sets the permission bits of a file, a directory or a device. Its set-user-ID, set-group-ID and sticky bits stay
// as they are.
type SetMode struct {
	Name string      `json:"name"`
	From fs.FileMode `json:"from"` // permission bits
	To   fs.FileMode `json:"to"`
	Why  string      `json:"why"` // "let build users read it"
}

var _ plan.Placed = SetMode{}

// Kind implements Step.
func (SetMode) Kind() string { return "set-mode" }

func (s SetMode) String() string {
	return fmt.Sprintf("set the mode of %s from %04o to %04o: %s", s.Name, s.From, s.To, s.Why)
}

// State implements Write.
func (s SetMode) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	info, err := in.View().Stat(ctx, s.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return plan.Foreign, s.Name + " is gone", nil
	case err != nil:
		return plan.Foreign, "", err
	case info.Mode&fs.ModeSymlink != 0:
		return plan.Foreign, s.Name + " is a symbolic link now", nil
	}
	switch mode := info.Mode.Perm(); mode {
	case s.To.Perm():
		return plan.Applied, "", nil
	case s.From.Perm():
		return plan.Pending, "", nil
	default:
		return plan.Foreign, fmt.Sprintf("%s has mode %04o", s.Name, mode), nil
	}
}

// Inverse implements Write.
func (s SetMode) Inverse() plan.Write {
	return SetMode{Name: s.Name, From: s.To, To: s.From, Why: plan.TakenBack(s.Why)}
}

// Places implements Placed.
func (s SetMode) Places() []string { return []string{s.Name} }

// Apply implements Step.
func (s SetMode) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return failed(ctx, h, s, s.Name, s.Name, h.SetMode(ctx, s.Name, s.To))
}
