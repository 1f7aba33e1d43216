package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
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
		return plan.Foreign, link + " is not the link that systemd makes for " + s.Unit, nil
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
	// With are units that are started after it, and stopped after it. A socket goes first: it stops listening, so that no
	// client has systemd start the service again meanwhile.
	With []string `json:"with,omitempty"`
	// Sockets are names that should not exist while the unit is stopped. systemd leaves them behind when it stops a socket,
	// and a client that finds one believes there is a daemon. Taking the step back removes them, unless somebody listens.
	Sockets []string `json:"sockets,omitempty"`
	On      bool     `json:"on"`
	Why     string   `json:"why"`
}

var _ plan.Placed = StartUnit{}

// Places implements Placed.
func (s StartUnit) Places() []string { return s.Sockets }

// Kind implements Step.
func (StartUnit) Kind() string { return "start-unit" }

func (s StartUnit) String() string {
	verb := "start"
	if !s.On {
		verb = "stop"
	}
	return fmt.Sprintf("%s %s: %s", verb, strings.Join(s.units(), " and "), s.Why)
}

func (s StartUnit) units() []string { return append([]string{s.Unit}, s.With...) }

// State implements Write.
func (s StartUnit) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	for _, u := range s.units() {
		active, err := systemd.Active(ctx, in.View(), u)
		switch {
		case err != nil:
			return plan.Foreign, "", err
		case active != s.On:
			return plan.Pending, "", nil
		}
	}
	left, err := s.stale(ctx, in.View())
	switch {
	case err != nil:
		return plan.Foreign, "", err
	case len(left) > 0:
		return plan.Pending, "", nil
	}
	return plan.Applied, "", nil
}

// stale are the sockets that are left where the unit is to stop.
func (s StartUnit) stale(ctx context.Context, v platform.View) ([]string, error) {
	if s.On || len(s.Sockets) == 0 {
		return nil, nil
	}
	list, err := v.Sockets(ctx)
	if err != nil {
		return nil, fmt.Errorf("look who listens at %s: %w", strings.Join(s.Sockets, " and "), err)
	}
	var left []string
	for _, name := range s.Sockets {
		heard := slices.ContainsFunc(list, func(k platform.Socket) bool {
			return !k.TCP && k.State == platform.SocketListening && k.Path == name
		})
		info, err := v.Stat(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && (heard || info.Mode&fs.ModeSocket == 0):
		case err != nil:
			return nil, err
		default:
			left = append(left, name)
		}
	}
	return left, nil
}

// Inverse implements Write.
func (s StartUnit) Inverse() plan.Write {
	s.On, s.Why = !s.On, plan.TakenBack(s.Why)
	return s
}

// Apply implements Step.
func (s StartUnit) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	if err := systemd.Start(ctx, h, s.On, s.units()...); err != nil {
		return err
	}
	left, err := s.stale(ctx, h)
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := h.Remove(ctx, name); err != nil {
			return way(h.Facts(), name, path.Dir(name), err)
		}
	}
	return nil
}

// RestartUnit restarts a unit if it runs, or in any case, so that it reads its configuration. It is harmless when repeated,
// and is repeated when the plan is taken back.
type RestartUnit struct {
	Unit string `json:"unit"`
	// Idle is the socket of the service if nobody may be using it during the restart; "" if that does not matter.
	Idle string `json:"idle,omitempty"`
	// Start is for a unit that ran when somebody looked, and is to run: systemd may have given it up since, as it does with a
	// socket whose service was started too often.
	Start bool   `json:"start,omitempty"`
	Why   string `json:"why"`
}

var _ plan.Step = RestartUnit{}

// Kind implements Step.
func (RestartUnit) Kind() string { return "restart-unit" }

func (s RestartUnit) String() string {
	return fmt.Sprintf("restart %s%s: %s", s.Unit, unless(s.Idle), s.Why)
}

// Apply implements Step.
func (s RestartUnit) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	if err := idle(ctx, h, s.Unit, s.Idle); err != nil {
		return err
	}
	return systemd.Restart(ctx, h, s.Unit, s.Start)
}

func unless(socket string) string {
	if socket == "" {
		return ""
	}
	return " unless somebody is using it"
}

// idle returns an ErrBusy where a service is at work for others. It is asked at the last moment: what was true when
// somebody read the plan is not good enough.
func idle(ctx context.Context, v platform.View, unit, socket string) error {
	if socket == "" {
		return nil
	}
	busy, err := systemd.Clients(platform.Fresh(ctx), v, unit, socket)
	if err != nil {
		return err
	}
	if busy != "" {
		return plan.Hint(fmt.Errorf("%w: %s", ErrBusy, busy), "Wait until they have ended, and run the command again.")
	}
	return nil
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

// ResetFailed has systemd forget that units failed, and how often they were started recently, so that it starts them
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

// StopUnit stops a unit for as long as the plan needs it, or for good if the plan starts it in another way. It is
// harmless when repeated, and is repeated when the plan is taken back.
type StopUnit struct {
	Unit string `json:"unit"`
	// Idle is as that of a RestartUnit.
	Idle string `json:"idle,omitempty"`
	Why  string `json:"why"`
}

var _ plan.Step = StopUnit{}

// Kind implements Step.
func (StopUnit) Kind() string { return "stop-unit" }

func (s StopUnit) String() string { return fmt.Sprintf("stop %s%s: %s", s.Unit, unless(s.Idle), s.Why) }

// Apply implements Step.
func (s StopUnit) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	if err := idle(ctx, h, s.Unit, s.Idle); err != nil {
		return err
	}
	return systemd.Start(ctx, h, false, s.Unit)
}
