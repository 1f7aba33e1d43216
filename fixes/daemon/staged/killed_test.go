//go:build linux

package staged

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

const (
	killer  = "/run/killer"
	genuine = "/opt/systemctl"
)

// deadly stands in the place of systemctl. It kills whoever has called it, before or after one of the calls that change
// something, or does what it is asked to.
const deadly = `#!/bin/sh
case "$1" in
start|stop|daemon-reload|reset-failed|restart|try-restart) ;;
*) exec ` + genuine + ` "$@" ;;
esac
read -r n <` + killer + `/count; n=$((n + 1)); echo $n >` + killer + `/count
read -r at when <` + killer + `/at
if [ "$n $when" = "$at before" ]; then kill -9 $PPID; exit 1; fi
` + genuine + ` "$@"; rc=$?
if [ "$n $when" = "$at after" ]; then kill -9 $PPID; fi
exit $rc
`

// arm has lixfix killed at a call of systemctl; 0 for none.
func arm(t *testing.T, h *linuxnet.Host, at int, when string) {
	t.Helper()
	h.WriteFile(t, killer+"/count", "0\n", 0o644)
	h.WriteFile(t, killer+"/at", fmt.Sprintf("%d %s\n", at, when), 0o644)
}

func calls(t *testing.T, h *linuxnet.Host) int {
	t.Helper()
	data, err := os.ReadFile(h.Path(killer + "/count"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// killed is a host and its repair.
type killed struct {
	t      *testing.T
	h      *linuxnet.Host
	repair []string // arguments of lixfix
	before string
	after  string
	deaths int
}

func (k *killed) lixfix(args ...string) ([]byte, error) {
	return k.h.Command(program, args...).CombinedOutput()
}

func (k *killed) must(args ...string) {
	k.t.Helper()
	if out, err := k.lixfix(args...); err != nil {
		k.t.Fatalf("lixfix %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (k *killed) is(want, when string) {
	k.t.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(state(k.t, k.h), "\n")); diff != "" {
		k.t.Fatalf("%s, the host is another one (-want +is):\n%s", when, diff)
	}
}

// waits reports whether an unfinished repair waits.
func (k *killed) waits() bool {
	names, err := filepath.Glob(k.h.Path("/var/lib/lixfix/*.unfinished.*"))
	if err != nil {
		k.t.Fatal(err)
	}
	return len(names) > 0
}

// rest waits for the end of what the daemon started for its clients, which does not end with it (KillMode=process): a repair
// that finds one of these plans otherwise.
func (k *killed) rest() {
	k.t.Helper()
	group := k.h.Path("/sys/fs/cgroup/system.slice/nix-daemon.service/cgroup.procs")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		data, err := os.ReadFile(group)
		if len(data) == 0 || err != nil {
			return
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("a minute after the daemon was stopped, these run: %q", data)
		}
	}
}

// once has lixfix die, finishes what waits or takes it back, and compares the host. It reports whether lixfix died.
func (k *killed) once(what, then string, die func() ([]byte, error)) bool {
	k.t.Helper()
	k.rest()
	out, err := die()
	arm(k.t, k.h, 0, "never")
	if err == nil {
		k.must("undo", "--yes")
		k.is(k.before, what+" spared lixfix; after the undo")
		return false
	}
	k.deaths++
	switch {
	case !k.waits():
		// It died before there was anything to tell, or when all was done. Whether the service has come up by then is
		// systemd's affair.
		if state(k.t, k.h) == k.before {
			return true
		}
		o, err := k.lixfix("undo", "--yes")
		if err != nil {
			k.t.Fatalf("killed by %s when all was done, undo: %v\n%s\nthe repair:\n%s", what, err, o, out)
		}
		out = append(out, o...)
	case then == "resume":
		if out, err := k.lixfix("resume", "--yes"); err != nil {
			k.t.Fatalf("killed by %s, resume: %v\n%s\nbefore:\n%s", what, err, out, out)
		}
		k.is(k.after, "killed by "+what+", after resume")
		k.must("undo", "--yes")
	default:
		o, err := k.lixfix("undo", "--yes")
		if err != nil {
			k.t.Fatalf("killed by %s, undo: %v\n%s\nthe repair:\n%s", what, err, o, out)
		}
		out = append(append(out, "\nundo:\n"...), o...)
	}
	k.is(k.before, "killed by "+what+", then "+then+"; in the end, after\n"+string(out))
	return true
}

// TestKilled kills lixfix, as it is released, before and after each call of systemctl and at each write, beside a real
// systemd, and has it finish what it has begun, or take it back: files, modes, links and the states of the units are as
// they were.
func TestKilled(t *testing.T) {
	for _, tt := range []struct {
		name   string
		on     shape
		spoil  string
		repair []string
	}{
		{"stopped", packaged, stop, []string{"daemon"}},
		{"stopped, and the socket removed", packaged, stop + "rm -f " + socket, []string{"daemon", "--no-verify"}},
		{"masked, and the directory missing", packaged, stop + "systemctl mask nix-daemon.socket nix-daemon.service; rm -r " + dir, []string{"daemon", "--accept", "daemon/masked", "--no-verify"}},
		{"masked over an installer's links", linked, stop + "cd " + etc + "; for u in nix-daemon.socket nix-daemon.service; do ln -sfn /dev/null $u; done; " + reload, []string{"daemon", "--accept", "daemon/masked", "--no-verify"}},
		{"units removed", linked, stop + "rm -f " + etc + "nix-daemon.s* " + etc + "sockets.target.wants/nix-daemon.socket; rmdir " + etc + "sockets.target.wants; " + reload, []string{"daemon", "--accept", "daemon/unit-missing", "--no-verify"}},
		{"the directory and the socket closed, and stopped", packaged, stop + "chmod 700 " + dir + "; chmod 600 " + socket, []string{"daemon", "--accept", "daemon/socket-dir-mode", "--no-verify"}},
		{"no template, after the first connection", each, stop + "rm " + etc + "nix-daemon@.service; " + reload + "systemctl start nix-daemon.socket; " + knock, []string{"lix-units", "--no-verify"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := stage(t, tt.on)
			h.Run(t, "sh", "-ec", tt.spoil)
			h.Run(t, "cp", "/usr/bin/systemctl", genuine)
			h.Run(t, "rm", "/usr/bin/systemctl")
			h.WriteFile(t, "/usr/bin/systemctl", deadly, 0o755)
			arm(t, h, 0, "never")
			k := &killed{t: t, h: h, repair: append([]string{"repair"}, append(tt.repair, "--yes")...)}
			k.before = state(t, h)
			// It makes its directory once, which would be a write more.
			if err := os.MkdirAll(h.Path("/var/lib/lixfix"), 0o755); err != nil {
				t.Fatal(err)
			}
			did := watch(t, h.Command(program, k.repair...), "", 0)
			if did.err != nil {
				t.Fatalf("lixfix %s: %v\n%s", strings.Join(k.repair, " "), did.err, did.out)
			}
			if did.lixfix["fsync"] == 0 {
				t.Fatalf("no write was counted: %v", did.lixfix)
			}
			k.after = state(t, h)
			all := calls(t, h)
			if all == 0 || k.before == k.after {
				t.Fatalf("the repair makes %d calls of systemctl, and changes nothing", all)
			}
			k.must("undo", "--yes")
			k.is(k.before, "after the undo")
			for i := range 2 * all {
				n, when := i/2+1, []string{"before", "after"}[i%2]
				for _, then := range []string{"resume", "undo"} {
					died := k.once(fmt.Sprintf("systemctl, %s call %d of %d", when, n, all), then, func() ([]byte, error) {
						arm(t, h, n, when)
						return k.lixfix(k.repair...)
					})
					if !died {
						t.Fatalf("lixfix did not die %s call %d of %d", when, n, all)
					}
				}
			}
			// From here on, nobody is killed by systemctl.
			h.Run(t, "mv", genuine, "/usr/bin/systemctl")
			for i, w := range writes {
				for n := range did.lixfix[w.kind] {
					n++
					spared := false
					k.once(fmt.Sprintf("%s, the %dth time", w.kind, n), []string{"resume", "undo"}[(n+i)%2], func() ([]byte, error) {
						is := watch(t, h.Command(program, k.repair...), w.kind, n)
						spared = !is.killed
						return is.out, is.err
					})
					if spared {
						t.Fatalf("a repair did %s %d times, and another one less often", w.kind, n)
					}
				}
			}
			t.Logf("%d deaths, at %d calls of systemctl and at each write: %v", k.deaths, all, did.lixfix)
		})
	}
}
