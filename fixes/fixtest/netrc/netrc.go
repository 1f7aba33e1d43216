// Package netrc is the example of CONTRIBUTING.md: a small and complete fix. lixfix does not have it.
package netrc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

const file = "/etc/nix/netrc"

type netrc struct{}

// New returns the fix.
func New() fix.Fix { return netrc{} }

func (netrc) Name() string                  { return "netrc" }
func (netrc) Kinds() []*fix.Kind            { return []*fix.Kind{private, readable} }
func (netrc) Options() []fix.Option         { return nil }
func (netrc) AppliesTo(platform.Facts) bool { return true }
func (netrc) Doc() fix.Doc {
	return fix.Doc{
		Title: "other users can read the passwords that Nix uses", Cause: "The file was written by hand, with an ordinary umask.",
		Changes: "The mode of " + file + ".", Undo: "\"lixfix undo\" sets the old mode again.",
	}
}

// survey is all that the fix knows of the host. It reads, and decides nothing.
type survey struct {
	there bool
	mode  fs.FileMode
}

func look(ctx context.Context, v platform.View) (survey, error) {
	info, err := v.Stat(ctx, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return survey{}, nil
	case err != nil:
		return survey{}, fmt.Errorf("look at %s: %w", file, err)
	}
	return survey{there: true, mode: info.Mode.Perm()}, nil
}

// diagnose is pure: a survey in, findings out.
func diagnose(s survey) []fix.Finding {
	if !s.there || s.mode&0o044 == 0 {
		return []fix.Finding{private.Found(nil)}
	}
	with := fix.With{"file": file, "mode": fmt.Sprintf("%04o", s.mode)}
	return []fix.Finding{readable.Found(with, fix.Evidence{Source: file, Expected: closed, Observed: modeIs.Fill(with)})}
}

// remedy is pure: findings in, steps out.
func remedy(s survey, found []fix.Finding, allowed func(string, fix.Class) bool) []plan.Entry {
	var entries []plan.Entry
	for _, f := range found {
		if f.Is(readable) && allowed(f.ID, f.Remedy.Class) {
			shut := step.SetMode{Name: file, From: s.mode, To: s.mode &^ 0o044, Why: keep}
			entries = append(entries, plan.Entry{Step: shut, For: f.ID})
		}
	}
	return entries
}

func (netrc) Detect(ctx context.Context, v platform.View, _ fix.Settings) ([]fix.Finding, error) {
	s, err := look(ctx, v)
	if err != nil {
		return nil, err
	}
	return diagnose(s), nil
}

func (netrc) Plan(ctx context.Context, v platform.View, r fix.Request) (plan.Plan, error) {
	s, err := look(ctx, v)
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.Plan{Entries: remedy(s, diagnose(s), r.Allowed)}, nil
}
