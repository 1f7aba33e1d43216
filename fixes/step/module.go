package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
)

// LoadModule loads a module into the kernel of Linux, or, with On false, removes it.
type LoadModule struct {
	Module string `json:"module"` // "tun"
	On     bool   `json:"on"`
	Why    string `json:"why"`
}

var _ plan.Write = LoadModule{}

var moduleForm = pattern.New(`^[a-z][a-z0-9_]{0,50}$`)

// modprobe is where every distribution but NixOS has it, where modules are configured and not loaded by hand.
const modprobe = "/usr/sbin/modprobe"

// Kind implements Step.
func (LoadModule) Kind() string { return "load-module" }

func (s LoadModule) String() string {
	if s.On {
		return fmt.Sprintf("load the module %s into the kernel: %s", s.Module, s.Why)
	}
	return fmt.Sprintf("remove the module %s from the kernel: %s", s.Module, s.Why)
}

// State implements Write. /sys/module has what is loaded and what is built in.
func (s LoadModule) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	_, err := in.View().Stat(ctx, "/sys/module/"+s.Module)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return plan.Foreign, "", err
	}
	if (err == nil) == s.On {
		return plan.Applied, "", nil
	}
	return plan.Pending, "", nil
}

// Inverse implements Write.
func (s LoadModule) Inverse() plan.Write {
	return LoadModule{Module: s.Module, On: !s.On, Why: plan.TakenBack(s.Why)}
}

// Apply implements Step.
func (s LoadModule) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	if !moduleForm.MatchString(s.Module) {
		return fmt.Errorf("%q is not the name of a module", s.Module)
	}
	args := []string{"--", s.Module}
	if !s.On {
		args = []string{"-r", "--", s.Module}
	}
	return h.Run(ctx, modprobe, args...)
}
