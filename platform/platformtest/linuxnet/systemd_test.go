//go:build linux

package linuxnet

import (
	"os"
	"strings"
	"testing"
)

// TestSystemd boots two hosts beside one another and has each confine a service.
func TestSystemd(t *testing.T) {
	limits := func() string {
		all := ""
		for _, name := range []string{"fs/protected_symlinks", "fs/protected_regular", "fs/file-max", "fs/nr_open", "kernel/core_pattern", "kernel/pid_max"} {
			data, err := os.ReadFile("/proc/sys/" + name)
			if err != nil {
				t.Fatal(err)
			}
			all += name + " " + string(data)
		}
		return all
	}
	before := limits()
	t.Run("hosts", func(t *testing.T) {
		for _, name := range []string{"one", "two"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := New(t, Options{Systemd: true, Nix: true})
				h.Boot(t)
				if out := h.Run(t, "cat", "/proc/1/comm"); out != "systemd\n" {
					t.Errorf("the first process is %q", out)
				}
				out := h.Run(t, "systemd-run", "--wait", "--pipe", "-q", "-p", "ProtectSystem=strict", "-p", "DevicePolicy=closed", "-p", "PrivateTmp=yes",
					"sh", "-c", "touch /usr/x 2>/dev/null || echo read-only; echo x >/tmp/x; head -c 0 /dev/net/tun 2>/dev/null || echo no tun; cat /proc/self/cgroup")
				if !strings.Contains(out, "read-only\nno tun\n") || !strings.Contains(out, "0::/system.slice/run-") {
					t.Errorf("a confined service says:\n%s", out)
				}
				if _, err := os.Stat(h.Path("/tmp/x")); err == nil {
					t.Error("a private /tmp is the host's")
				}
				if out := h.Run(t, "journalctl", "-q", "--no-pager", "-b"); !strings.Contains(out, "systemd") {
					t.Errorf("the journal has:\n%s", out)
				}
			})
		}
	})
	if after := limits(); after != before {
		t.Errorf("limits of the machine were changed:\n%swere\n%s", after, before)
	}
}
