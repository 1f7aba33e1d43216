package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// MakeDir makes a directory.
type MakeDir struct {
	Name string      `json:"name"`
	Mode fs.FileMode `json:"mode"` // permission bits
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
	// Sockets are names in it at which others will listen. They are removed along with the directory: a socket has no
	// content.
	Sockets []string `json:"sockets,omitempty"`
	// Names are those that later steps of the plan put into it. They are gone by the time the directory is taken back.
	Names []string `json:"names,omitempty"`
	Why   string   `json:"why"`
}

var _ interface {
	plan.Tidier
	plan.Placed
} = MakeDir{}

// Kind implements Step.
func (MakeDir) Kind() string { return "make-dir" }

func (s MakeDir) String() string {
	return fmt.Sprintf("make the directory %s with mode %04o, owned by user %d and group %d: %s", s.Name, s.Mode, s.UID, s.GID, s.Why)
}

// is reports whether such a directory is there; reason says what is there instead.
func (s MakeDir) is(ctx context.Context, v platform.View) (there bool, reason string, err error) {
	info, err := v.Stat(ctx, s.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, "", nil
	case err != nil:
		return false, "", err
	case !info.Mode.IsDir():
		return false, s.Name + " is not a directory", nil
	case info.Mode.Perm() != s.Mode || info.UID != s.UID || info.GID != s.GID:
		return false, fmt.Sprintf("%s has mode %04o and belongs to user %d and group %d",
			s.Name, info.Mode.Perm(), info.UID, info.GID), nil
	}
	return true, "", nil
}

// State implements Write.
func (s MakeDir) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	there, reason, err := s.is(ctx, in.View())
	switch {
	case err != nil || reason != "":
		return plan.Foreign, reason, err
	case there:
		return plan.Applied, "", nil
	}
	return plan.Pending, "", nil
}

// Inverse implements Write.
func (s MakeDir) Inverse() plan.Write {
	s.Why = plan.TakenBack(s.Why)
	return RemoveDir(s)
}

// Apply implements Step.
func (s MakeDir) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return failed(ctx, h, s, s.Name, path.Dir(s.Name), h.MakeDir(ctx, s.Name, s.Mode, s.UID, s.GID))
}

// Places implements Placed.
func (s MakeDir) Places() []string { return []string{s.Name} }

// Tidy removes what a kill in Apply can leave beside the directory.
func (s MakeDir) Tidy(ctx context.Context, h platform.Host) error { return h.Tidy(ctx, s.Name) }

// RemoveDir removes a directory in which there is nothing but its sockets.
type RemoveDir MakeDir

var _ plan.Placed = RemoveDir{}

// Kind implements Step.
func (RemoveDir) Kind() string { return "remove-dir" }

func (s RemoveDir) String() string { return fmt.Sprintf("remove the directory %s: %s", s.Name, s.Why) }

// State implements Write.
func (s RemoveDir) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	there, reason, err := MakeDir(s).is(ctx, in.View())
	if closed := MakeDir(s); reason != "" {
		closed.Mode = 0o700 // an earlier Apply may have ended half way
		if is, _, again := closed.is(ctx, in.View()); is && again == nil {
			there, reason = true, ""
		}
	}
	switch {
	case err != nil || reason != "":
		return plan.Foreign, reason, err
	case !there:
		return plan.Applied, "", nil
	}
	names, err := in.View().ReadDir(ctx, s.Name)
	if err != nil {
		return plan.Foreign, "", err
	}
	for _, n := range names {
		if !slices.Contains(s.Names, n) && !s.socket(ctx, in.View(), n) {
			return plan.Foreign, path.Join(s.Name, n) + " is in it", nil
		}
	}
	return plan.Pending, "", nil
}

// socket reports whether a name in the directory is one of its sockets.
func (s RemoveDir) socket(ctx context.Context, v platform.View, name string) bool {
	if !slices.Contains(s.Sockets, name) {
		return false
	}
	info, err := v.Stat(ctx, path.Join(s.Name, name))
	return err == nil && info.Mode&fs.ModeSocket != 0
}

// Inverse implements Write.
func (s RemoveDir) Inverse() plan.Write {
	s.Why = plan.TakenBack(s.Why)
	return MakeDir(s)
}

// Apply implements Step.
func (s RemoveDir) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	var sockets []string
	for _, n := range s.Sockets {
		if s.socket(ctx, h, n) {
			sockets = append(sockets, path.Join(s.Name, n))
		}
	}
	if len(sockets) > 0 {
		// Some let a group make names in it, and root removes nothing there.
		if err := h.SetMode(ctx, s.Name, 0o700); err != nil {
			return err
		}
	}
	for _, name := range sockets {
		if err := h.Remove(ctx, name); err != nil {
			return err
		}
	}
	return h.RemoveDir(ctx, s.Name)
}

// Places implements Placed.
func (s RemoveDir) Places() []string { return []string{s.Name} }
