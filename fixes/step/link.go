package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// SetLink makes a name a symbolic link to another place. "" means that there is no file.
type SetLink struct {
	Name string `json:"name"`
	From string `json:"from"` // target
	To   string `json:"to"`
	Why  string `json:"why"`
}

var _ interface {
	plan.Tidier
	plan.Placed
} = SetLink{}

// Kind implements Step.
func (SetLink) Kind() string { return "set-link" }

func (s SetLink) String() string {
	switch {
	case s.From == "":
		return fmt.Sprintf("link %s to %s: %s", s.Name, s.To, s.Why)
	case s.To == "":
		return fmt.Sprintf("remove the link %s to %s: %s", s.Name, s.From, s.Why)
	}
	return fmt.Sprintf("point the link %s from %s to %s: %s", s.Name, s.From, s.To, s.Why)
}

// State implements Write.
func (s SetLink) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	info, err := in.View().Stat(ctx, s.Name)
	target := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return plan.Foreign, "", err
	case info.Mode&fs.ModeSymlink == 0:
		return plan.Foreign, s.Name + " is no longer a symbolic link", nil
	default:
		target = info.Target
	}
	switch target {
	case s.To:
		return plan.Applied, "", nil
	case s.From:
		return plan.Pending, "", nil
	case "":
		return plan.Foreign, s.Name + " is gone", nil
	}
	return plan.Foreign, s.Name + " leads to " + target, nil
}

// Inverse implements Write.
func (s SetLink) Inverse() plan.Write {
	return SetLink{Name: s.Name, From: s.To, To: s.From, Why: plan.TakenBack(s.Why)}
}

// Apply implements Step.
func (s SetLink) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	if s.To == "" {
		return failed(ctx, h, s, s.Name, path.Dir(s.Name), h.Remove(ctx, s.Name))
	}
	return failed(ctx, h, s, s.Name, path.Dir(s.Name), h.SetLink(ctx, s.Name, s.To))
}

// Places implements Placed.
func (s SetLink) Places() []string { return []string{s.Name} }

// Tidy removes what a kill in Apply can leave beside the link.
func (s SetLink) Tidy(ctx context.Context, h platform.Host) error { return h.Tidy(ctx, s.Name) }
