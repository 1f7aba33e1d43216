package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/systemd"
)

// EnableUnit makes systemd start a unit of this host with a target, or, with On false, no longer do so. It starts and
// stops nothing.
type EnableUnit struct {
	Unit   string `json:"unit"`   // "lixfix-check.service", a file in /etc/systemd/system
	Target string `json:"target"` // "multi-user.target", as the unit's [Install] section says
	On     bool   `json:"on"`
}

var _ plan.Write = EnableUnit{}

// Kind implements Step.
func (EnableUnit) Kind() string { return "enable-unit" }

func (s EnableUnit) String() string {
	if s.On {
		return fmt.Sprintf("enable %s: systemd starts it with %s", s.Unit, s.Target)
	}
	return fmt.Sprintf("disable %s: systemd no longer starts it with %s", s.Unit, s.Target)
}

// State implements Write. What is enabled is a link; "systemctl is-enabled" reads the same.
func (s EnableUnit) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	link := path.Join(systemd.Units, s.Target+".wants", s.Unit)
	info, err := in.View().Stat(ctx, link)
	enabled := false
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return plan.Foreign, "", err
	case info.Mode&fs.ModeSymlink == 0 || path.Base(info.Target) != s.Unit:
		return plan.Foreign, link + " is not what systemd makes of " + s.Unit, nil
	default:
		enabled = true
	}
	if enabled == s.On {
		return plan.Applied, "", nil
	}
	return plan.Pending, "", nil
}

// Inverse implements Write.
func (s EnableUnit) Inverse() plan.Write {
	return EnableUnit{Unit: s.Unit, Target: s.Target, On: !s.On}
}

// Apply implements Step.
func (s EnableUnit) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return systemd.Enable(ctx, h, s.Unit, s.On)
}

// StartUnit makes a unit of systemd run, or, with On false, stop.
type StartUnit struct {
	Unit string `json:"unit"`
	On   bool   `json:"on"`
	Why  string `json:"why"`
}

var _ plan.Write = StartUnit{}

// Kind implements Step.
func (StartUnit) Kind() string { return "start-unit" }

func (s StartUnit) String() string {
	verb := "start"
	if !s.On {
		verb = "stop"
	}
	return fmt.Sprintf("%s %s: %s", verb, s.Unit, s.Why)
}

// State implements Write.
func (s StartUnit) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	active, err := systemd.Active(ctx, in.View(), s.Unit)
	switch {
	case err != nil:
		return plan.Foreign, "", err
	case active == s.On:
		return plan.Applied, "", nil
	}
	return plan.Pending, "", nil
}

// Inverse implements Write.
func (s StartUnit) Inverse() plan.Write {
	return StartUnit{Unit: s.Unit, On: !s.On, Why: plan.TakenBack(s.Why)}
}

// Apply implements Step.
func (s StartUnit) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return systemd.Start(ctx, h, s.Unit, s.On)
}

// RestartUnit starts a unit anew, if it runs, so that it reads its configuration. It is harmless when repeated, and is
// repeated when the plan is taken back.
type RestartUnit struct {
	Unit string `json:"unit"`
	Why  string `json:"why"`
}

var _ plan.Step = RestartUnit{}

// Kind implements Step.
func (RestartUnit) Kind() string { return "restart-unit" }

func (s RestartUnit) String() string { return fmt.Sprintf("restart %s: %s", s.Unit, s.Why) }

// Apply implements Step.
func (s RestartUnit) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return systemd.Restart(ctx, h, s.Unit)
}

// ReloadUnits has systemd read the files of its units again. It starts and stops nothing, is harmless when repeated, and
// is repeated when the plan is taken back.
type ReloadUnits struct {
	Why string `json:"why"`
}

var _ plan.Step = ReloadUnits{}

// Kind implements Step.
func (ReloadUnits) Kind() string { return "reload-units" }

func (s ReloadUnits) String() string { return "have systemd read its units again: " + s.Why }

// Apply implements Step.
func (s ReloadUnits) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return systemd.Reload(ctx, h)
}

// ResetFailed has systemd forget that units failed, and how often they were started of late, so that it starts them
// again. It is harmless when repeated.
type ResetFailed struct {
	Units []string `json:"units"`
	Why   string   `json:"why"`
}

var _ plan.Step = ResetFailed{}

// Kind implements Step.
func (ResetFailed) Kind() string { return "reset-failed" }

func (s ResetFailed) String() string {
	return fmt.Sprintf("have systemd forget the failures of %s: %s", strings.Join(s.Units, " and "), s.Why)
}

// Apply implements Step.
func (s ResetFailed) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return systemd.ResetFailed(ctx, h, s.Units...)
}

// StopUnit stops a unit for as long as the plan needs it, or for good where the plan starts it in another way. It is
// harmless when repeated, and is repeated when the plan is taken back.
type StopUnit struct {
	Unit string `json:"unit"`
	Why  string `json:"why"`
}

var _ plan.Step = StopUnit{}

// Kind implements Step.
func (StopUnit) Kind() string { return "stop-unit" }

func (s StopUnit) String() string { return fmt.Sprintf("stop %s: %s", s.Unit, s.Why) }

// Apply implements Step.
func (s StopUnit) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return systemd.Start(ctx, h, s.Unit, false)
}
