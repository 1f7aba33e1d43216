package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lixfix/lixfix/platform"
)

// SetMode sets the permission bits of a file, a directory or a device.
type SetMode struct {
	Name string      `json:"name"`
	From fs.FileMode `json:"from"` // permission bits
	To   fs.FileMode `json:"to"`
	Why  string      `json:"why"` // "let build users read it"
}

var _ Placed = SetMode{}

// Kind implements Step.
func (SetMode) Kind() string { return "set-mode" }

func (s SetMode) String() string {
	return fmt.Sprintf("set the mode of %s from %04o to %04o: %s", s.Name, s.From, s.To, s.Why)
}

// State implements Write.
func (s SetMode) State(ctx context.Context, in *Pass) (State, string, error) {
	info, err := in.View().Stat(ctx, s.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Foreign, s.Name + " is gone", nil
	case err != nil:
		return Foreign, "", err
	case info.Mode&fs.ModeSymlink != 0:
		return Foreign, s.Name + " is a symbolic link now", nil
	}
	switch mode := info.Mode & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid); mode {
	case s.To:
		return Applied, "", nil
	case s.From:
		return Pending, "", nil
	default:
		return Foreign, fmt.Sprintf("%s has the mode %04o", s.Name, mode.Perm()), nil
	}
}

// Inverse implements Write.
func (s SetMode) Inverse() Write {
	return SetMode{Name: s.Name, From: s.To, To: s.From, Why: TakenBack(s.Why)}
}

// Places implements Placed.
func (s SetMode) Places() []string { return []string{s.Name} }

// Apply implements Step.
func (s SetMode) Apply(ctx context.Context, h platform.Host, _ *Pass) error {
	return h.SetMode(ctx, s.Name, s.To)
}

// SetLink makes a name a symbolic link to another place. "" stands for no file at all.
type SetLink struct {
	Name string `json:"name"`
	From string `json:"from"` // target
	To   string `json:"to"`
	Why  string `json:"why"`
}

var _ interface {
	Tidier
	Placed
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
func (s SetLink) State(ctx context.Context, in *Pass) (State, string, error) {
	info, err := in.View().Stat(ctx, s.Name)
	target := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Foreign, "", err
	case info.Mode&fs.ModeSymlink == 0:
		return Foreign, s.Name + " is no symbolic link now", nil
	default:
		target = info.Target
	}
	switch target {
	case s.To:
		return Applied, "", nil
	case s.From:
		return Pending, "", nil
	case "":
		return Foreign, s.Name + " is gone", nil
	}
	return Foreign, s.Name + " leads to " + target, nil
}

// Inverse implements Write.
func (s SetLink) Inverse() Write {
	return SetLink{Name: s.Name, From: s.To, To: s.From, Why: TakenBack(s.Why)}
}

// Apply implements Step.
func (s SetLink) Apply(ctx context.Context, h platform.Host, _ *Pass) error {
	if s.To == "" {
		return h.Remove(ctx, s.Name)
	}
	return h.SetLink(ctx, s.Name, s.To)
}

// Places implements Placed.
func (s SetLink) Places() []string { return []string{s.Name} }

// Tidy removes what a kill in Apply can leave beside the link.
func (s SetLink) Tidy(ctx context.Context, h platform.Host) error { return h.Tidy(ctx, s.Name) }
