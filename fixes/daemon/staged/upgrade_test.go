//go:build linux

package staged

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// units looks with lix-units, and returns what was found and the exit code.
func units(t *testing.T, cmd *exec.Cmd) (string, fix.Status, int) {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	code := 0
	if err := cmd.Run(); err != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		code = exit.ExitCode()
	}
	var report struct {
		Fixes []struct{ Findings []fix.Finding }
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || len(report.Fixes) != 1 || len(report.Fixes[0].Findings) != 1 {
		t.Fatalf("%v\n%s\n%s", err, out.String(), stderr.String())
	}
	f := report.Fixes[0].Findings[0]
	return f.ID, f.Status, code
}

const newer = "/nix/store/11111111111111111111111111111111-nix-2.8.1"

// upgrade has the profile lead to a release with the units of Lix 2.95, as an upgrade does: nobody links the template.
func upgrade(t *testing.T, h *linuxnet.Host) {
	t.Helper()
	h.Copy(t, "/usr/bin/nix", newer+"/bin/nix", 0o755)
	to := newer + "/bin/nix-daemon"
	h.Run(t, "ln", "-s", "nix", to)
	h.WriteFile(t, newer+"/lib/systemd/system/nix-daemon.socket", acceptText, 0o644)
	h.WriteFile(t, newer+"/lib/systemd/system/nix-daemon.service", fmt.Sprintf(aloneText, to), 0o644)
	h.WriteFile(t, newer+"/lib/systemd/system/nix-daemon@.service", fmt.Sprintf(templateText, to), 0o644)
	h.Symlink(t, newer, profile+"-2-link")
	h.Symlink(t, "default-2-link", profile)
}

// TestUpgrade: the template that an upgrade to 2.95 does not bring is found before, while all still works, and after.
func TestUpgrade(t *testing.T) {
	for _, tt := range []struct {
		name, then string // what systemd does between the upgrade and the look
		status     fix.Status
		answers    string // what the other fix says then
	}{
		{"nothing reloaded", "systemctl start nix-daemon.service", fix.AtRisk, "daemon/template-missing"},
		{"the units read again", "systemctl start nix-daemon.service; systemctl daemon-reload", fix.AtRisk, "daemon/template-missing"},
		{"after a boot", "systemctl stop nix-daemon.socket nix-daemon.service; systemctl daemon-reload; systemctl start nix-daemon.socket", fix.Broken, "daemon/template-missing"},
		{
			"after the first connection", "systemctl stop nix-daemon.socket nix-daemon.service; systemctl daemon-reload; systemctl start nix-daemon.socket; " + knock,
			fix.Broken, "daemon/template-missing",
		},
		{
			// systemd does not wait until the daemon listens.
			"started without its socket", "systemctl daemon-reload; systemctl stop nix-daemon.socket; systemctl start nix-daemon.service; " +
				"while NIX_REMOTE=daemon timeout 5 /usr/bin/nix-store --query --hash /nix/store/x 2>&1 | grep -q 'cannot connect'; do sleep 0.05; done",
			fix.AtRisk, "daemon/template-missing",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := stage(t, linked)
			for _, c := range []struct {
				args []string
				id   string
				exit int
			}{
				{[]string{"check", "lix-units", "--format", "json"}, "lix-units/complete", 0},
				{[]string{"check", "lix-units", "--to", "2.94", "--format", "json"}, "lix-units/ready", 0},
				{[]string{"check", "lix-units", "--to", "2.95", "--format", "json"}, "lix-units/upgrade-breaks", 1},
			} {
				for _, cmd := range []*exec.Cmd{h.Command(program, c.args...), h.UserCommand(program, c.args...)} {
					if id, _, exit := units(t, cmd); id != c.id || exit != c.exit {
						t.Errorf("%v: %s, exit code %d", c.args, id, exit)
					}
				}
			}
			upgrade(t, h)
			h.Run(t, "sh", "-ec", tt.then)
			// In this order: a connection changes what is found.
			if id, status, _ := units(t, h.UserCommand(program, "check", "lix-units", "--format", "json")); id != "lix-units/template-missing" || status != tt.status {
				t.Fatalf("a user is told %s, %s", id, status)
			}
			if f, rungs := look(t, h.Command(program, "check", "daemon", "--format", "json")); f.ID != tt.answers || f.Status != tt.status {
				t.Errorf("%s, %s\n%s", f.ID, f.Status, rungs)
			}
			before := state(t, h)
			if out, err := h.Command(program, "repair", "lix-units", "--yes").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			answers := func(when string) {
				t.Helper()
				if id, _, exit := units(t, h.Command(program, "check", "lix-units", "--format", "json")); id != "lix-units/complete" || exit != 0 {
					t.Errorf("%s: %s", when, id)
				}
				if f, rungs := look(t, h.UserCommand(program, "check", "daemon", "--format", "json")); f.Status == fix.Broken || f.Status == fix.Unknown {
					t.Fatalf("%s: %s: %s\n%s", when, f.ID, f.Summary, rungs)
				}
			}
			answers("after the repair")
			after := state(t, h)
			h.Run(t, "sh", "-ec", "systemctl stop nix-daemon.socket nix-daemon.service; systemctl daemon-reload; systemctl start nix-daemon.socket")
			answers("after another boot")
			if n := strings.TrimSpace(h.Run(t, "systemctl", "show", "-P", "NAccepted", "nix-daemon.socket")); n == "0" {
				t.Error("no connection was accepted by systemd")
			}
			if out, err := h.Command(program, "undo", "--yes").CombinedOutput(); err != nil {
				t.Fatalf("undo: %v\n%s", err, out)
			}
			files := func(s string) string { s, _, _ = strings.Cut(s, "Id="); return s }
			if diff := cmp.Diff(files(before), files(state(t, h))); diff != "" || files(before) == files(after) {
				t.Errorf("undo leaves other files: %s", diff)
			}
		})
	}
}
