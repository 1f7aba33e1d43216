package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// Booted reports whether systemd is the first process here (sd_booted(3)).
func Booted(ctx context.Context, v platform.View) (bool, error) {
	_, err := v.Stat(ctx, "/run/systemd/system")
	if absent(err) {
		return false, nil
	}
	return err == nil, err
}

// properties are those that Show asks for.
const properties = "Id,LoadState,ActiveState,SubState,Result,UnitFileState,ConditionResult,ConditionTimestampMonotonic,NeedDaemonReload," +
	"ExecMainStatus,MainPID,Accept"

// State is what systemd says of a unit, which it has read earlier: the file may be another one by now.
type State struct {
	Load      string // LoadState: "loaded", "not-found", "masked", "bad-setting", "error"
	Active    string // ActiveState: "active", "inactive", "failed", "activating", …
	Sub       string // SubState: "listening", "running", "dead", "failed", …
	Result    string // "success", "service-start-limit-hit", "resources", "exit-code", "oom-kill", …
	Enabled   string // UnitFileState: "enabled", "linked", "disabled", "masked", …
	Condition bool   // ConditionResult: false also where it was never started
	Tried     bool   // its conditions were looked at since systemd has it (ConditionTimestampMonotonic)
	Reload    bool   // NeedDaemonReload
	Exit      string // ExecMainStatus of a service: its exit status, or systemd's own, from 200 on
	PID       string // MainPID of a service; "0" for none
	Accept    bool   // of a socket
}

// Show asks systemd for the states of units. It needs no root.
func Show(ctx context.Context, v platform.View, units ...string) (map[string]State, error) {
	var out []byte
	var err error
	for _, tool := range []string{Tool, "/run/current-system/sw/bin/systemctl"} {
		out, err = v.Query(platform.Fresh(ctx), tool, append([]string{"show", "--no-pager", "-p", properties, "--"}, units...)...)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ask systemd for the states of units: %w", err)
	}
	states := ParseShow(out)
	for _, u := range units {
		if _, ok := states[u]; !ok {
			return nil, fmt.Errorf("ask systemd for the states of units: it says nothing of %s", u)
		}
	}
	return states, nil
}

// ParseShow reads the output of Show, by the name of the unit.
func ParseShow(out []byte) map[string]State {
	states := map[string]State{}
	for block := range strings.SplitSeq(string(out), "\n\n") {
		p := map[string]string{}
		for line := range strings.Lines(block) {
			if key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "="); ok {
				p[key] = value
			}
		}
		if p["Id"] == "" {
			continue
		}
		states[p["Id"]] = State{
			Load: p["LoadState"], Active: p["ActiveState"], Sub: p["SubState"], Result: p["Result"], Enabled: p["UnitFileState"],
			Condition: p["ConditionResult"] == "yes", Reload: p["NeedDaemonReload"] == "yes", Exit: p["ExecMainStatus"],
			Tried: p["ConditionTimestampMonotonic"] != "" && p["ConditionTimestampMonotonic"] != "0",
			PID:   p["MainPID"], Accept: p["Accept"] == "yes",
		}
	}
	return states
}

// Reload has systemd read its units again. It is harmless when repeated.
func Reload(ctx context.Context, h platform.Host) error {
	if err := h.Run(ctx, Tool, "daemon-reload"); err != nil {
		return fmt.Errorf("have systemd read its units again: %w", err)
	}
	return nil
}

// ResetFailed has systemd forget that units failed, and how often they were started. A unit that it has not in memory has
// nothing to forget, and does not keep systemctl from going on with the others.
func ResetFailed(ctx context.Context, h platform.Host, units ...string) error {
	if len(units) == 0 {
		return nil // systemctl would take that for all units of the host
	}
	for _, u := range units {
		if !ValidUnit(u) {
			return fmt.Errorf("%q is not the name of a unit", u)
		}
	}
	err := h.Run(ctx, Tool, append([]string{"reset-failed", "--"}, units...)...)
	if err == nil {
		return nil
	}
	// The exit status does not tell why, nor for which of them, but what it was for does.
	if states, again := Show(ctx, h, units...); again == nil {
		failed := slices.ContainsFunc(units, func(u string) bool { return states[u].Active == "failed" })
		if !failed {
			return nil
		}
	}
	return fmt.Errorf("have systemd forget the failures of %s: %w", strings.Join(units, " and "), err)
}
