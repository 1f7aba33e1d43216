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

var _ Write = SetMode{}

// Kind implements Step.
func (SetMode) Kind() string { return "set-mode" }

func (s SetMode) String() string {
	return fmt.Sprintf("set the mode of %s from %04o to %04o: %s", s.Name, s.From, s.To, s.Why)
}

// State implements Write.
func (s SetMode) State(ctx context.Context, r *Reading) (State, string, error) {
	info, err := r.view.Stat(ctx, s.Name)
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

// Settle implements Write. Modes are compared with the machine itself.
func (SetMode) Settle(*Reading) {}

// Expect implements Write.
func (SetMode) Expect(*Reading) {}

// Inverse implements Write.
func (s SetMode) Inverse() Write {
	return SetMode{Name: s.Name, From: s.To, To: s.From, Why: takenBack(s.Why)}
}

// Apply implements Step.
func (s SetMode) Apply(ctx context.Context, h platform.Host, _ *Reading) error {
	return h.SetMode(ctx, s.Name, s.To)
}

// SetLink makes a name a symbolic link to another place. "" stands for no file at all.
type SetLink struct {
	Name string `json:"name"`
	From string `json:"from"` // target
	To   string `json:"to"`
	Why  string `json:"why"`
}

var _ Write = SetLink{}

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
func (s SetLink) State(ctx context.Context, r *Reading) (State, string, error) {
	info, err := r.view.Stat(ctx, s.Name)
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

// Settle implements Write. Links are compared with the machine itself.
func (SetLink) Settle(*Reading) {}

// Expect implements Write.
func (SetLink) Expect(*Reading) {}

// Inverse implements Write.
func (s SetLink) Inverse() Write {
	return SetLink{Name: s.Name, From: s.To, To: s.From, Why: takenBack(s.Why)}
}

// Apply implements Step.
func (s SetLink) Apply(ctx context.Context, h platform.Host, _ *Reading) error {
	if s.To == "" {
		return h.Remove(ctx, s.Name)
	}
	return h.SetLink(ctx, s.Name, s.To)
}

// Tidy removes what a kill in Apply can leave beside the link.
func (s SetLink) Tidy(ctx context.Context, h platform.Host) error { return h.Tidy(ctx, s.Name) }
