//go:build linux

package staged

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

const (
	stop   = "systemctl stop nix-daemon.socket nix-daemon.service 2>/dev/null || true; "
	reload = "systemctl daemon-reload; "
)

// knock has somebody connect often enough that systemd gives up on a service that fails.
const knock = `for i in 1 2 3 4 5 6 7 8; do NIX_REMOTE=daemon timeout 5 /usr/bin/nix-store --query --hash /nix/store/x >/dev/null 2>&1 || true; done; sleep 0.5; `

// executed waits until the service is the program of release: systemd says that it has started before that.
const executed = `until [ "$(readlink "/proc/$(systemctl show -P MainPID nix-daemon.service)/exe")" = ` + release + `/bin/nix ]; do sleep 0.02; done; `

// older has the host run a daemon that says 2.7.0, from units of that release with one service for all connections, and
// then moves the profile back to 2.8.0.
func older(start string) string {
	const old = "/nix/store/22222222222222222222222222222222-nix-2.7.0"
	unit := func(name, text string) string {
		return "cat >" + old + "/lib/systemd/system/" + name + " <<'E'\n" + text + "E\n"
	}
	return "mkdir -p " + old + "/bin " + old + "/lib/systemd/system; cp -L /usr/lib/nix/libnix*.so " + old + "/lib/; " +
		"LC_ALL=C sed -i 's/2\\.8\\.0/2.7.0/g' " + old + "/lib/libnix*.so; cp /usr/bin/nix " + old + "/bin/nix\n" +
		"cat >" + old + "/bin/nix-daemon <<'E'\n#!/bin/sh\nLD_LIBRARY_PATH=" + old + "/lib exec /usr/bin/nix-daemon \"$@\"\nE\nchmod 755 " + old + "/bin/nix-daemon\n" +
		unit("nix-daemon.socket", socketText) + unit("nix-daemon.service", fmt.Sprintf(serviceText, old+"/bin/nix-daemon")) +
		stop + "ln -sfn " + old + " " + profile + "-2-link; ln -sfn default-2-link " + profile + "; " + reload +
		"systemctl start nix-daemon.socket; " + start + "; ln -sfn default-1-link " + profile
}

var situations = []situation{
	{name: "healthy", on: packaged, id: "answers"},
	{name: "healthy, with links", on: linked, id: "answers"},
	{name: "healthy, a service for each connection", on: each, id: "answers"},
	{name: "running, by hand, beside stopped units", on: packaged, spoil: stop + "rm -f " + socket + "; nohup nix-daemon >/dev/null 2>&1 & sleep 1", id: "service-alone"},
	{name: "the service started while its socket was stopped", on: packaged, spoil: stop + "rm -f " + socket + "; systemctl start nix-daemon.service; sleep 1", id: "service-alone"},

	{name: "stopped", on: packaged, spoil: stop, id: "stopped", repaired: true},
	// systemd ends only the daemon itself.
	{name: "stopped, and a worker still has its client", on: packaged, spoil: "workers() { pgrep -P $(systemctl show -P MainPID nix-daemon.service) >/dev/null; }; " +
		"while workers; do sleep 0.05; done; nohup sh -c 'sleep 600 | NIX_REMOTE=daemon nix-daemon --stdio' >/dev/null 2>&1 & " +
		"until workers; do sleep 0.05; done; " + stop, id: "stopped", repaired: true},
	{name: "stopped, with links", on: linked, spoil: stop, id: "stopped", repaired: true},
	{name: "stopped, a service for each connection", on: each, spoil: stop, id: "stopped", repaired: true},
	{name: "stopped, and the socket removed", on: packaged, spoil: stop + "rm -f " + socket, id: "stopped", repaired: true},

	{name: "masked", on: packaged, spoil: stop + "systemctl mask nix-daemon.socket nix-daemon.service", id: "masked", repaired: true},
	{name: "masked socket alone", on: packaged, spoil: stop + "systemctl mask nix-daemon.socket", id: "masked", repaired: true},
	{name: "masked until the next boot", on: packaged, spoil: stop + "systemctl mask --runtime nix-daemon.socket nix-daemon.service", id: "masked", repaired: true},
	{name: "masked over an installer's links", on: linked, spoil: stop + "cd " + etc + "; for u in nix-daemon.socket nix-daemon.service; do ln -sfn /dev/null $u; done; " + reload, id: "masked", repaired: true},
	{name: "masked while it runs", on: packaged, spoil: "systemctl start nix-daemon.service; systemctl mask nix-daemon.socket nix-daemon.service", id: "masked"},
	{name: "masked by an empty file", on: packaged, spoil: stop + ": >" + etc + "nix-daemon.socket; " + reload, id: "masked"},

	{name: "disabled and stopped", on: packaged, spoil: "systemctl disable nix-daemon.socket; " + stop, id: "disabled", repaired: true},
	{name: "disabled, its link removed, with links", on: linked, spoil: stop + "rm " + etc + "sockets.target.wants/nix-daemon.socket; " + reload, id: "disabled", repaired: true},
	{name: "disabled while it runs", on: packaged, spoil: "systemctl disable nix-daemon.socket", id: "disabled", repaired: true},

	{name: "units removed by disable", on: linked, spoil: stop + "systemctl disable nix-daemon.socket nix-daemon.service; rm -f " + etc + "nix-daemon.socket " + etc + "nix-daemon.service; " + reload, id: "unit-missing", repaired: true},
	{name: "the service's unit removed", on: linked, spoil: stop + "rm " + etc + "nix-daemon.service; " + reload, id: "unit-missing", repaired: true},
	{name: "a package's units removed", on: packaged, spoil: stop + "rm " + usr + "nix-daemon.* " + etc + "sockets.target.wants/nix-daemon.socket; " + reload, id: "unit-missing"},
	{name: "the profile gone", on: linked, spoil: stop + "rm " + profile + "; " + reload, id: "unit-dangling"},
	{name: "the profile gone while it runs", on: linked, spoil: "systemctl start nix-daemon.service; rm " + profile, id: "unit-dangling"},

	{name: "two programs in a piece of the unit", on: packaged, spoil: stop + "mkdir -p " + etc + "nix-daemon.service.d; printf '[Service]\\nExecStart=/bin/true\\n' >" + etc + "nix-daemon.service.d/x.conf; " + reload, id: "unit-bad"},
	{name: "a unit that systemd does not take", on: packaged, spoil: stop + "mkdir -p " + etc + "nix-daemon.service.d; printf '[Service]\\nType=nonsense\\nExecStart=\\nExecStart=bin/relative\\n' >" + etc + "nix-daemon.service.d/x.conf; " + reload + " systemctl start nix-daemon.socket || true", id: "unit-bad"},

	{name: "the directory missing", on: packaged, spoil: stop + "rm -r " + dir, id: "socket-dir-missing", repaired: true},
	{name: "the directory missing, a service for each connection", on: each, spoil: stop + "rm -r " + dir, id: "socket-dir-missing", repaired: true},
	{name: "the directory missing under a listener", on: packaged, spoil: "rm -r " + dir, id: "socket-dir-missing", repaired: true, lasting: true},
	{name: "the directory missing, and masked", on: packaged, spoil: stop + "systemctl mask nix-daemon.socket nix-daemon.service; rm -r " + dir, id: "masked", repaired: true},
	{name: "the directory missing, and the units removed", on: linked, spoil: stop + "rm -f " + etc + "nix-daemon.s* " + etc + "sockets.target.wants/nix-daemon.socket; rm -r " + dir + "; " + reload, id: "unit-missing", repaired: true},
	{name: "the directory closed, and stopped", on: packaged, spoil: stop + "chmod 700 " + dir, id: "socket-dir-mode", repaired: true},
	{name: "the directory and the socket closed, and stopped", on: packaged, spoil: stop + "chmod 700 " + dir + "; chmod 600 " + socket, id: "socket-dir-mode", repaired: true},
	{name: "the directory of another user", on: packaged, spoil: "chown 1234 " + dir, id: "socket-dir-owner"},
	{name: "the directory closed", on: packaged, spoil: "chmod 700 " + dir, id: "socket-dir-mode", repaired: true},
	{name: "the directory for a group", on: packaged, spoil: "chown root:adm " + dir + "; chmod 770 " + dir, id: "answers", user: "not-in-group", member: "answers"},
	{name: "the socket closed", on: packaged, spoil: "chmod 600 " + socket, id: "socket-mode", repaired: true},
	{name: "the socket's file removed", on: packaged, spoil: "rm " + socket, id: "socket-missing", repaired: true, lasting: true},
	{name: "the socket's file removed, a service for each connection", on: each, spoil: "rm " + socket, id: "socket-missing", repaired: true, lasting: true},
	{name: "the socket's file removed before the service was started", on: packaged, spoil: stop + "systemctl start nix-daemon.socket; rm " + socket, id: "socket-missing", repaired: true, lasting: true},
	{name: "a directory in its place", on: packaged, spoil: stop + "rm " + socket + "; mkdir " + socket, id: "not-a-socket"},
	{name: "a file in its place", on: packaged, spoil: stop + "rm " + socket + "; echo >" + socket, id: "not-a-socket"},

	{name: "a broken nix.conf", on: packaged, spoil: stop + "systemctl start nix-daemon.socket; echo 'this is wrong' >>/etc/nix/nix.conf", id: "config-error"},
	{name: "a broken nix.conf, and systemd has given up", on: packaged, spoil: stop + "systemctl start nix-daemon.socket; cp /etc/nix/nix.conf /tmp/c; echo 'this is wrong' >>/etc/nix/nix.conf; " + knock + "for i in 1 2 3 4 5 6; do systemctl start nix-daemon.service || true; sleep 0.1; done", id: "config-error"},
	{name: "a nix.conf that was repaired, and systemd has given up", on: packaged, spoil: stop + "mkdir -p " + etc + "nix-daemon.service.d; printf '[Unit]\\nStartLimitIntervalSec=1h\\n[Service]\\nEnvironment=NIX_CONF_DIR=/tmp/c\\n' >" + etc + "nix-daemon.service.d/x.conf; mkdir /tmp/c; echo 'this is wrong' >/tmp/c/nix.conf; " + reload + "systemctl reset-failed nix-daemon.socket nix-daemon.service || true; systemctl start nix-daemon.socket; for i in 1 2 3 4 5 6 7; do systemctl start nix-daemon.service || true; sleep 0.2; done; rm -r " + etc + "nix-daemon.service.d; " + reload, id: "start-limit", repaired: true},
	{name: "the program gone", on: linked, spoil: stop + "systemctl start nix-daemon.socket; rm " + release + "/bin/nix-daemon", id: "program-missing"},
	{name: "the program cannot be run", on: packaged, spoil: stop + "chmod 644 /usr/bin/nix", id: "program-missing"},
	{name: "the program removed while it runs", on: linked, spoil: "systemctl start nix-daemon.service; " + executed + "cp " + release + "/bin/nix /tmp/nix; rm " + release + "/bin/nix; cp /tmp/nix " + release + "/bin/nix", id: "deleted", user: "answers", repaired: true, lasting: true},
	{name: "a user that does not exist", on: packaged, spoil: stop + "mkdir -p " + etc + "nix-daemon.service.d; printf '[Service]\\nUser=nobody-of-that-name\\n' >" + etc + "nix-daemon.service.d/x.conf; " + reload + "systemctl start nix-daemon.socket", id: "service-fails"},
	{name: "a directory of the unit missing", on: packaged, spoil: stop + "mkdir -p " + etc + "nix-daemon.service.d; printf '[Service]\\nWorkingDirectory=/nowhere\\n' >" + etc + "nix-daemon.service.d/x.conf; " + reload + "systemctl start nix-daemon.socket", id: "service-fails"},
	{name: "a daemon that ends at once", on: packaged, spoil: stop + "mkdir -p " + etc + "nix-daemon.service.d; printf '[Unit]\\nStartLimitIntervalSec=1h\\n[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >" + etc + "nix-daemon.service.d/x.conf; " + reload + "systemctl start nix-daemon.socket; for i in 1 2 3 4 5 6 7; do systemctl start nix-daemon.service || true; sleep 0.2; done", id: "start-limit"},
	{name: "stopped by a signal", on: packaged, spoil: "systemctl start nix-daemon.service; kill -STOP $(systemctl show -P MainPID nix-daemon.service)", id: "suspended", repaired: true, lasting: true},
	{name: "silent", on: packaged, spoil: stop + "mkdir -p " + etc + "nix-daemon.service.d; printf '[Service]\\nExecStart=\\nExecStart=/bin/sleep 1000\\n' >" + etc + "nix-daemon.service.d/x.conf; " + reload + "systemctl start nix-daemon.socket", id: "silent"},
	{name: "another program behind the socket", on: each, spoil: stop + "mkdir -p " + etc + "nix-daemon@.service.d; printf '[Service]\\nExecStart=\\nExecStart=/bin/cat\\n' >" + etc + "nix-daemon@.service.d/x.conf; " + reload + "systemctl start nix-daemon.socket", id: "not-nix"},
	{name: "an instance that ends at once", on: each, spoil: stop + "mkdir -p " + etc + "nix-daemon@.service.d; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >" + etc + "nix-daemon@.service.d/x.conf; " + reload + "systemctl start nix-daemon.socket", id: "closes"},
	{name: "no template", on: each, spoil: stop + "rm " + etc + "nix-daemon@.service; " + reload + "systemctl start nix-daemon.socket", id: "template-missing"},
	{name: "no template, after the first connection", on: each, spoil: stop + "rm " + etc + "nix-daemon@.service; " + reload + "systemctl start nix-daemon.socket; " + knock, id: "template-missing"},
	{name: "users that are not allowed", on: packaged, spoil: stop + "echo 'allowed-users = root bob' >>/etc/nix/nix.conf; systemctl start nix-daemon.socket", id: "answers", user: "not-allowed", member: "answers"},
	{name: "units read before /nix was mounted", on: linked, spoil: stop + "mv " + profile + " /tmp/p; " + reload + "mv /tmp/p " + profile, id: "boot-race", repaired: true, lasting: true},
	{name: "units read while they were away", on: linked, spoil: stop + "mkdir -p /opt; cp -rL " + lib + " /opt/units; cd " + etc + "; for u in nix-daemon.s*; do ln -sfn /opt/units/$u $u; done; mv /opt/units /opt/away; " + reload + "mv /opt/away /opt/units", id: "needs-reload", repaired: true, lasting: true},
	{name: "a condition that is not met", on: packaged, spoil: stop + "mkdir -p " + etc + "nix-daemon.socket.d; printf '[Unit]\\nConditionPathExists=/nowhere\\n' >" + etc + "nix-daemon.socket.d/x.conf; " + reload + "systemctl start nix-daemon.socket", id: "condition-failed"},
	{name: "something stood in the place of the socket", on: packaged, spoil: stop + "rm -f " + socket + "; mkdir " + socket + "; systemctl start nix-daemon.socket || true; rmdir " + socket, id: "socket-failed", repaired: true},
	{name: "the daemon of before an upgrade", on: linked, spoil: older("systemctl start nix-daemon.service"), id: "older", repaired: true, lasting: true},
	{name: "the one service of before an upgrade to one for each connection", on: each, spoil: older("systemctl start nix-daemon.service"), id: "older", repaired: true, lasting: true},
	{name: "the socket lost at a reload", on: linked, spoil: "systemctl stop nix-daemon.service; mv " + profile + " /tmp/p; " + reload + "mv /tmp/p " + profile, id: "socket-lost", repaired: true, lasting: true},
	{name: "/nix not mounted", on: packaged, spoil: stop + "echo 'UUID=x /nix ext4 defaults 0 2' >>/etc/fstab; umount -l /nix", id: "not-mounted"},
	{name: "the store read-only", on: packaged, spoil: stop + "for i in 1 2 3 4 5 6 7 8 9; do mount -o remount,ro /nix && exit 0; sleep 0.5; done; exit 1", id: "read-only"},
	{
		name: "killed for lack of memory", on: packaged, spoil: stop + "systemctl start nix-daemon.socket nix-daemon.service",
		within: killedByOOMD, id: "oom-killed", repaired: true,
	},
	{name: "the store full", on: packaged, spoil: stop + "rm -f /nix/var/nix/db/*; systemctl start nix-daemon.socket; mount -o remount,size=4m /nix; dd if=/dev/zero of=/nix/fill bs=4k 2>/dev/null || true", id: "disk-full"},
	{name: "no Nix", on: packaged, spoil: stop + "rm /usr/bin/nix /usr/bin/nix-store /usr/bin/nix-daemon; rm -rf /nix/var/nix/db", id: "not-here"},
}

// killedByOOMD does what systemd-oomd does: it counts its kills in attributes of the control group, and kills what is in
// it (oomd_cgroup_kill in src/oom/oomd-util.c of systemd). systemd tells that from any other end. The kernel's own kills
// are counted by the memory controller, which a machine with control groups of version 1 beside it does not have.
func killedByOOMD(t *testing.T, h *linuxnet.Host) {
	t.Helper()
	group := h.Path("/sys/fs/cgroup/system.slice/nix-daemon.service")
	for _, name := range []string{"user.oomd_ooms", "user.oomd_kill"} {
		if err := unix.Setxattr(group, name, []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	}
	h.Run(t, "systemctl", "stop", "nix-daemon.socket")
	h.Run(t, "sh", "-c", "kill -9 $(cat /sys/fs/cgroup/system.slice/nix-daemon.service/cgroup.procs)")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		result := strings.TrimSpace(h.Run(t, "systemctl", "show", "-P", "Result", "nix-daemon.service"))
		if result == "oom-kill" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("systemd says %s", result)
		}
	}
}
