//go:build linux

package staged

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// patience is how long a tool may take that people would use instead: those of Nix have no limit for a greeting.
const patience = 10 * time.Second

// beside are what people ask when Nix does not work.
var beside = []struct {
	name string
	argv []string
}{
	{"lixfix-version", []string{program, "version"}}, // what any lixfix takes to start and to end
	{"lixfix-check-daemon", []string{program, "check", "daemon"}},
	{"nix-doctor", []string{"/usr/bin/nix", "--extra-experimental-features", "nix-command", "doctor"}},
	{"nix-store-ping", []string{"/usr/bin/nix", "--extra-experimental-features", "nix-command", "store", "ping"}},
}

// BenchmarkBeside asks on one host why the daemon does not answer, as a user, while it does, while it is stopped, and
// while it hangs: how long each takes at best, and what it says last.
func BenchmarkBeside(b *testing.B) {
	h := stage(b, packaged)
	for _, is := range []struct{ name, spoil string }{
		{"healthy", "systemctl start nix-daemon.service"},
		{"stopped", stop},
		{"hangs", "systemctl start nix-daemon.socket nix-daemon.service; kill -STOP $(systemctl show -P MainPID nix-daemon.service)"},
	} {
		h.Run(b, "sh", "-ec", is.spoil)
		for _, one := range beside {
			b.Run(is.name+"/"+one.name, func(b *testing.B) {
				best, least, said, ended := time.Duration(0), time.Duration(0), "", true
				for b.Loop() {
					ctx, cancel := context.WithTimeout(b.Context(), patience)
					cmd := h.CommandContext(ctx, "setpriv", append([]string{
						"--reuid", "1234", "--regid", "1234", "--clear-groups", "env", "HOME=/home/alice", "NIX_REMOTE=daemon",
					}, one.argv...)...)
					var out bytes.Buffer
					cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Second
					began := time.Now()
					err := cmd.Run()
					took := time.Since(began)
					if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
						b.Fatal(err)
					}
					ended = ended && ctx.Err() == nil
					cancel()
					if best == 0 || took < best {
						best = took
					}
					// What the machine is busy with beside it does not count into this.
					if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); least == 0 || used < least {
						least = used
					}
					lines := strings.Split(strings.TrimSpace(out.String()), "\n")
					said = lines[len(lines)-1]
				}
				b.ReportMetric(float64(best.Microseconds())/1000, "best-ms")
				b.ReportMetric(float64(least.Microseconds())/1000, "cpu-ms")
				if !ended {
					b.Logf("%s, %s: did not end within %s", is.name, one.name, patience)
					return
				}
				b.Logf("%s, %s: %s", is.name, one.name, said)
			})
		}
	}
}

// TestSpawnsNothing: where the daemon answers, no tool is run to tell so.
func TestSpawnsNothing(t *testing.T) {
	for _, on := range []shape{packaged, linked, each} {
		t.Run(string(on), func(t *testing.T) {
			t.Parallel()
			h := stage(t, on)
			h.Run(t, "strace", "-f", "-qq", "-e", "trace=execve", "-o", "/tmp/trace", program, "check", "daemon", "lix-units")
			if n := strings.Count(h.Run(t, "cat", "/tmp/trace"), "execve("); n != 1 {
				t.Errorf("%d programs were run:\n%s", n, h.Run(t, "cat", "/tmp/trace"))
			}
		})
	}
}
