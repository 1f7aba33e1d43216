package step

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// FileState is a file's content, by its SHA-256, its mode and its owner.
type FileState struct {
	SHA256 string      `json:"sha256"`
	Size   int         `json:"size"`
	Mode   fs.FileMode `json:"mode"` // permission bits
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`

	data []byte
}

// NewFileState returns the state of a file with this content.
func NewFileState(c platform.Content) *FileState {
	return &FileState{SHA256: sum(c.Data), Size: len(c.Data), Mode: c.Mode.Perm(), UID: c.UID, GID: c.GID, data: c.Data}
}

// Data returns the content.
func (s *FileState) Data() []byte { return s.data }

func (s *FileState) equal(o *FileState) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.SHA256 == o.SHA256 && s.Mode == o.Mode && s.UID == o.UID && s.GID == o.GID
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// WriteFile replaces a file. nil stands for a file that does not exist. The contents are not in the plan's JSON; see
// Plan.Blobs.
type WriteFile struct {
	Name   string     `json:"name"`
	Before *FileState `json:"before"`
	After  *FileState `json:"after"`
	Why    string     `json:"why"` // "record the new user IDs in the installer's receipt"
}

var _ interface {
	plan.Tidier
	plan.Placed
	plan.Carrier
	plan.Barred
} = WriteFile{}

// Kind implements Step.
func (WriteFile) Kind() string { return "write-file" }

func (s WriteFile) String() string {
	verb := "rewrite"
	switch {
	case s.Before == nil:
		verb = "create"
	case s.After == nil:
		verb = "remove"
	}
	return fmt.Sprintf("%s %s: %s", verb, s.Name, s.Why)
}

// State implements Write.
func (s WriteFile) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	now, err := readFileState(ctx, in.View(), s.Name)
	switch {
	case err != nil:
		return plan.Foreign, "", err
	case now.equal(s.After):
		return plan.Applied, "", nil
	case now.equal(s.Before):
		return plan.Pending, "", nil
	case now == nil:
		return plan.Foreign, s.Name + " is gone", nil
	}
	return plan.Foreign, s.Name + " has changed", nil
}

func readFileState(ctx context.Context, v platform.View, name string) (*FileState, error) {
	info, err := v.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file is a state of a file
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode.IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: platform.ErrNotRegular}
	}
	data, err := v.ReadFile(ctx, name)
	if err != nil {
		return nil, err
	}
	return NewFileState(platform.Content{Data: data, Mode: info.Mode, UID: info.UID, GID: info.GID}), nil
}

// ReadFileState returns the state of a file, nil when there is none.
func ReadFileState(ctx context.Context, v platform.View, name string) (*FileState, error) {
	return readFileState(ctx, v, name)
}

// Inverse implements Write.
func (s WriteFile) Inverse() plan.Write {
	return WriteFile{Name: s.Name, Before: s.After, After: s.Before, Why: plan.TakenBack(s.Why)}
}

// Apply implements Step.
func (s WriteFile) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	if s.After == nil {
		return failed(ctx, h, s, s.Name, path.Dir(s.Name), h.Remove(ctx, s.Name))
	}
	return failed(ctx, h, s, s.Name, path.Dir(s.Name), h.WriteFile(ctx, s.Name, platform.Content{
		Data: s.After.data, Mode: s.After.Mode, UID: s.After.UID, GID: s.After.GID,
	}))
}

// Barred implements plan.Barred.
func (s WriteFile) Barred(ctx context.Context, v platform.View) error {
	if s.Before == nil || s.After == nil {
		return nil
	}
	info, err := v.Stat(ctx, s.Name)
	if err != nil {
		return nil //nolint:nilerr // State and Apply tell of it
	}
	if err := info.Replaceable(); err != nil {
		return way(v.Facts(), s.Name, s.Name, &fs.PathError{Op: "replace", Path: s.Name, Err: err})
	}
	return nil
}

// Places implements Placed.
func (s WriteFile) Places() []string { return []string{s.Name} }

// Contents implements Carrier.
func (s WriteFile) Contents() map[string][]byte {
	all := map[string][]byte{}
	for _, state := range []*FileState{s.Before, s.After} {
		if state != nil {
			all[state.SHA256] = state.data
		}
	}
	return all
}

// Attach implements Carrier.
func (s WriteFile) Attach(contents map[string][]byte) error {
	for _, state := range []*FileState{s.Before, s.After} {
		if state == nil {
			continue
		}
		data, ok := contents[state.SHA256]
		if !ok || sum(data) != state.SHA256 {
			return fmt.Errorf("the content of %s is missing or damaged", s.Name)
		}
		state.data = data
	}
	return nil
}

// Tidy removes what a kill in Apply can leave beside the file.
func (s WriteFile) Tidy(ctx context.Context, h platform.Host) error { return h.Tidy(ctx, s.Name) }
