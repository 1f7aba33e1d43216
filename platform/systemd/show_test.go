package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/systemd"
)

// host is one whose systemctl refuses to reset anything, and says what its units are.
type host struct {
	platform.Host
	ran    []string
	active map[string]string // by unit
	silent bool              // it does not say what its units are
}

func (h *host) Run(_ context.Context, tool string, args ...string) error {
	h.ran = append(h.ran, tool+" "+strings.Join(args, " "))
	return errors.New("exit status 1")
}

func (h *host) Query(_ context.Context, _ string, args ...string) ([]byte, error) {
	if h.silent {
		return nil, errors.New("exit status 1")
	}
	var b strings.Builder
	for _, unit := range args[slices.Index(args, "--")+1:] {
		fmt.Fprintf(&b, "Id=%s\nActiveState=%s\n\n", unit, h.active[unit])
	}
	return []byte(b.String()), nil
}

func TestResetFailed(t *testing.T) {
	const socket, service = "nix-daemon.socket", "nix-daemon.service"
	const call = systemd.Tool + " reset-failed -- "
	for _, tt := range []struct {
		name  string
		host  host
		units []string
		want  []string
		fails bool
	}{
		{"no unit, which systemctl would take for all", host{}, nil, nil, false},
		{"a name that is an option", host{}, []string{socket, "--all"}, nil, true},
		{"what failed is reset, though another unit is unknown", host{active: map[string]string{socket: "inactive", service: "inactive"}}, []string{socket, service}, []string{call + socket + " " + service}, false},
		{"one is still failed", host{active: map[string]string{socket: "inactive", service: "failed"}}, []string{socket, service}, []string{call + socket + " " + service}, true},
		{"nobody knows", host{silent: true}, []string{socket}, []string{call + socket}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := systemd.ResetFailed(t.Context(), &tt.host, tt.units...); (err != nil) != tt.fails {
				t.Errorf("error %v", err)
			}
			if !slices.Equal(tt.host.ran, tt.want) {
				t.Errorf("ran %q, want %q", tt.host.ran, tt.want)
			}
		})
	}
}
