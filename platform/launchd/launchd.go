// Package launchd stops, starts and looks at system services of macOS through launchctl(1).
package launchd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
)

// Tool is where macOS keeps launchctl.
const Tool = "/bin/launchctl"

// notLoaded are the exit statuses for a service that launchd does not know: 113 from print and kickstart, 3 (ESRCH)
// from bootout.
var notLoaded = map[int]bool{113: true, 3: true}

// patience is how often a stop or start is looked at again, a second apart: launchd ends a service after answering,
// and meanwhile refuses to load it.
const patience = 10

var labelForm = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// ValidLabel reports whether label may become an argument of launchctl.
func ValidLabel(label string) bool { return labelForm.MatchString(label) }

// Service is what launchd tells of a service.
type Service struct {
	Loaded bool
	PID    int // 0 when no process runs
}

var pidLine = pattern.New(`(?m)^\s*pid = ([0-9]+)\s*$`)

// Read asks for a service of the system domain.
func Read(ctx context.Context, v platform.View, label string) (Service, error) {
	if !ValidLabel(label) {
		return Service{}, fmt.Errorf("%q is not the label of a service", label)
	}
	out, err := v.Query(ctx, Tool, "print", "system/"+label)
	var e *platform.ToolError
	if errors.As(err, &e) && notLoaded[e.Exit] {
		return Service{}, nil
	}
	if err != nil {
		return Service{}, fmt.Errorf("look at the service %s: %w", label, err)
	}
	s := Service{Loaded: true}
	if m := pidLine.FindSubmatch(out); m != nil {
		s.PID, _ = strconv.Atoi(string(m[1]))
	}
	return s, nil
}

// Stop boots a service out, and returns when launchd does not know it any more. A service that is not loaded is no
// error.
func Stop(ctx context.Context, h platform.Host, label string) error {
	if !ValidLabel(label) {
		return fmt.Errorf("%q is not the label of a service", label)
	}
	err := h.Run(ctx, Tool, "bootout", "system/"+label)
	var e *platform.ToolError
	if err == nil || errors.As(err, &e) && notLoaded[e.Exit] {
		return nil
	}
	return settle(ctx, h, label, false, err, nil)
}

// Start loads a service from its property list. A service that is loaded is no error.
func Start(ctx context.Context, h platform.Host, label, plist string) error {
	if !ValidLabel(label) || !strings.HasPrefix(plist, "/Library/LaunchDaemons/") {
		return fmt.Errorf("%q from %q is not a service that lixfix would start", label, plist)
	}
	again := func() error { return h.Run(ctx, Tool, "bootstrap", "system", plist) }
	return settle(ctx, h, label, true, again(), again)
}

// settle waits until the service is loaded, or not, as wanted; again, if any, is tried each time. err is what the
// first call said.
func settle(ctx context.Context, h platform.Host, label string, loaded bool, err error, again func() error) error {
	for range patience {
		s, readErr := Read(platform.Fresh(ctx), h, label)
		if readErr != nil {
			return errors.Join(err, readErr)
		}
		if s.Loaded == loaded {
			return nil
		}
		if err == nil {
			err = errors.New("launchctl reported success, and nothing has changed")
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
		if again != nil {
			if next := again(); next != nil {
				err = next
			}
		}
	}
	return err
}

// Session returns the kind of session that lixfix runs in: "Aqua" where macOS can show a dialog, "Background" or
// "System" where it cannot, as under ssh.
func Session(ctx context.Context, v platform.View) (string, error) {
	out, err := v.Query(ctx, Tool, "managername")
	if err != nil {
		return "", fmt.Errorf("ask for the kind of session: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
