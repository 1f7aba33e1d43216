// Package systemd enables and disables units of Linux hosts through systemctl(1).
package systemd

import (
	"context"
	"fmt"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
)

const (
	// Tool is where systemctl is found.
	Tool = "/usr/bin/systemctl"
	// Units is where an administrator's own units are.
	Units = "/etc/systemd/system"
)

var unitForm = pattern.New(`^[A-Za-z0-9][A-Za-z0-9:_.-]{0,200}\.(service|socket|path|timer)$`)

// ValidUnit reports whether unit may become an argument of systemctl.
func ValidUnit(unit string) bool { return unitForm.MatchString(unit) }

// Enable makes the link that starts a unit, or removes it. It works without a running systemd, as in a container or
// while an image is built, and makes a running one read its units again.
func Enable(ctx context.Context, h platform.Host, unit string, on bool) error {
	if !ValidUnit(unit) {
		return fmt.Errorf("%q is not the name of a unit", unit)
	}
	verb := "enable"
	if !on {
		verb = "disable"
	}
	if err := h.Run(ctx, Tool, verb, unit); err != nil {
		return fmt.Errorf("%s the unit %s: %w", verb, unit, err)
	}
	return nil
}
