package systemd

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// Active reports whether a unit runs. A unit that systemd does not know does not. The error says that systemd could not
// be asked, as in a container.
func Active(ctx context.Context, v platform.View, unit string) (bool, error) {
	if !ValidUnit(unit) {
		return false, fmt.Errorf("%q is not the name of a unit", unit)
	}
	out, err := v.Query(platform.Fresh(ctx), Tool, "is-active", "--", unit)
	state := string(out)
	if e, ok := errors.AsType[*platform.ToolError](err); ok {
		state = e.Stdout
	}
	// The word decides: its exit status is 3 for what does not run and 4 for what it does not know, and 1 for much else.
	switch strings.TrimSpace(state) {
	case "active", "reloading", "activating":
		return true, nil
	case "inactive", "failed", "deactivating", "unknown":
		return false, nil
	}
	if err == nil {
		err = fmt.Errorf("systemctl says %q", state)
	}
	return false, fmt.Errorf("ask whether %s runs: %w", unit, err)
}

// Installed reports whether there is a file of a unit.
func Installed(ctx context.Context, v platform.View, unit string) bool {
	for _, dir := range []string{
		Units, "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
	} {
		if info, err := v.Stat(ctx, path.Join(dir, unit)); err == nil && info.Target != "/dev/null" {
			return true
		}
	}
	return false
}

// Start starts units, or stops them, in one call and in their order.
func Start(ctx context.Context, h platform.Host, on bool, units ...string) error {
	for _, u := range units {
		if !ValidUnit(u) {
			return fmt.Errorf("%q is not the name of a unit", u)
		}
	}
	verb := "start"
	if !on {
		verb = "stop"
	}
	if err := h.Run(ctx, Tool, append([]string{verb, "--"}, units...)...); err != nil {
		return fmt.Errorf("%s %s: %w", verb, strings.Join(units, " and "), err)
	}
	return nil
}

// Restart starts a unit anew where it runs and, if it is to start, also where it does not. It is harmless when repeated.
func Restart(ctx context.Context, h platform.Host, unit string, start bool) error {
	if !ValidUnit(unit) {
		return fmt.Errorf("%q is not the name of a unit", unit)
	}
	verb := "try-restart"
	if start {
		verb = "restart"
	}
	if err := h.Run(ctx, Tool, verb, "--", unit); err != nil {
		return fmt.Errorf("restart the unit %s: %w", unit, err)
	}
	return nil
}
