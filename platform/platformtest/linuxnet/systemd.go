//go:build linux

package linuxnet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Systemd is the program that Boot makes the first process of a host.
const Systemd = "/lib/systemd/systemd"

// first waits in the place of systemd while its host is staged. It joins a control group of its own before it makes a
// namespace of these, so that systemd takes that group for the root of all.
const first = `echo 0 >"$1/cgroup.procs" && exec unshare --cgroup -- sh -c 'read -r go && exec env -i container=lixfix-test \
	PATH=/usr/sbin:/usr/bin:/sbin:/bin ` + Systemd + ` --log-target=journal --show-status=no'`

// wanted are the units of the machine that such a host has. Others would look for devices, set limits of the kernel or
// clean up /tmp.
var wanted = []string{
	"systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journal-flush.service",
	"dbus.service", "dbus.socket",
}

// systemdFirst makes the command that a host begins with one that becomes systemd. group is the control group for it.
func systemdFirst(cmd *exec.Cmd, group string) {
	cmd.Path = "/bin/sh"
	cmd.Args = []string{"sh", "-c", first, "sh", group}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWIPC
	// systemd does not end with a pipe.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

// begin starts a command from a thread that lives as long as the test, for its end is what Pdeathsig goes by.
func begin(t testing.TB, cmd *exec.Cmd) error {
	t.Helper()
	started, over := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlock it: it ends with this function
		started <- withOwnTables(cmd.Start)
		<-over
	}()
	t.Cleanup(func() { close(over) })
	return <-started
}

// controlGroup makes a control group below the one of this process and returns its directory. It is removed when the
// test is over and the host gone.
func controlGroup(t testing.TB, name string) string {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	_, at, found := strings.Cut("\n"+string(own), "\n0::")
	at, _, _ = strings.Cut(at, "\n")
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if !found || len(f) < 10 || !slices.Contains(f[6:], "cgroup2") {
			continue
		}
		rest, ok := strings.CutPrefix(at, strings.TrimSuffix(f[3], "/"))
		if !ok {
			continue
		}
		dir := filepath.Join(f[4], rest, filepath.Base(name))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatalf("make a control group for systemd: %v", err)
		}
		t.Cleanup(func() { removeGroups(t, dir) })
		return dir
	}
	t.Fatal("a host with systemd needs control groups of version 2: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
	return ""
}

// removeGroups removes a control group with those below it, whose processes are ending.
func removeGroups(t testing.TB, dir string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
			if err != nil || !e.IsDir() || name == dir {
				return err
			}
			removeGroups(t, name)
			return filepath.SkipDir
		})
		if err == nil {
			err = os.Remove(dir)
		}
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("remove a control group: %v", err)
			return
		}
	}
}

// joined waits until the first process has a namespace of control groups.
func (h *Host) joined() error {
	own, err := os.Readlink("/proc/self/ns/cgroup")
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/cgroup", h.pid))
		if err != nil {
			return err
		}
		// unshare has to have given its place to the shell that waits: what is entered before is the machine's.
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", h.pid))
		if its != own && string(bytes.TrimSpace(name)) == "sh" {
			return nil
		}
	}
	return errors.New("the first process did not join its control group")
}

// systemdMounts are the steps that mount below root what a host with systemd has of its own. There is no /dev/kmsg: the
// kernel's log is the machine's.
func systemdMounts(root string) []func() error {
	dev := root + "/dev"
	steps := []func() error{
		makeDir(root+"/sys", dev, root+"/run", root+"/tmp"),
		// Where it can be written to, systemd looks for the machine's devices.
		mount("sysfs", root+"/sys", "", unix.MS_RDONLY),
		mount("cgroup2", root+"/sys/fs/cgroup", "", 0),
		mount("tmpfs", dev, "mode=755", 0),
		makeDir(dev+"/pts", dev+"/shm", dev+"/net"),
		mount("devpts", dev+"/pts", "newinstance,ptmxmode=666", 0),
		mount("tmpfs", dev+"/shm", "mode=1777", 0),
		mount("tmpfs", root+"/run", "mode=755", 0),
		mount("tmpfs", root+"/tmp", "mode=1777", 0),
		link("pts/ptmx", dev+"/ptmx"),
		link("/proc/self/fd", dev+"/fd"),
		device(dev+"/tty", 0o666, 5, 0),
	}
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		steps = append(steps, device(dev+"/"+name, 0o666, 1, minor))
	}
	return steps
}

// systemdFiles leaves those units out that are not wanted, with whatever the machine has enabled, and the generators, which
// make units of the machine's disks, kernel and old scripts, again at each reload. It is called inside.
func systemdFiles() error {
	const units = "/lib/systemd/system/"
	if err := inTurn(
		remove("/etc/systemd/system", "/etc/fstab", "/lib/systemd/system-generators", "/etc/systemd/system-generators"),
		makeDir("/etc/systemd/system"),
	); err != nil {
		return err
	}
	scripts, err := filepath.Glob("/etc/rc?.d/*")
	if err != nil {
		return err
	}
	if err := inTurn(
		remove(scripts...),
		func() error {
			return os.WriteFile("/etc/machine-id", []byte("0123456789abcdef0123456789abcdef\n"), 0o644)
		},
	); err != nil {
		return err
	}
	for _, kind := range []string{"sysinit", "sockets", "basic", "multi-user", "timers", "local-fs", "paths", "graphical"} {
		names, err := filepath.Glob(units + kind + ".target.wants/*")
		if err != nil {
			return err
		}
		for _, name := range names {
			unit := filepath.Base(name)
			if slices.Contains(wanted, unit) {
				continue
			}
			// Several targets may want it.
			if err := os.Symlink("/dev/null", "/etc/systemd/system/"+unit); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
		}
	}
	return nil
}

// Boot makes systemd the first process of a host with Options.Systemd, and returns when all that it starts has started.
func (h *Host) Boot(t testing.TB) {
	t.Helper()
	in, ok := h.stdin.(io.Writer)
	if !ok || h.group == "" {
		t.Fatal("this host was staged without systemd")
	}
	if _, err := io.WriteString(in, "go\n"); err != nil {
		t.Fatal(err)
	}
	// Before it listens there, whoever asks is started in vain.
	await(t, "systemd listens", func() bool {
		_, err := os.Lstat(h.Path("/run/systemd/private"))
		return err == nil
	})
	state := ""
	await(t, "systemd has booted", func() bool {
		// It fails as long as nobody answers, and then waits.
		out, _ := h.Command("timeout", "20", "/usr/bin/systemctl", "is-system-running", "--wait").CombinedOutput()
		state = string(bytes.TrimSpace(out))
		return state == "running" || state == "degraded"
	})
	if state == "degraded" {
		t.Logf("failed units:\n%s", h.Run(t, "/usr/bin/systemctl", "--failed", "--no-pager", "--no-legend"))
	}
}
