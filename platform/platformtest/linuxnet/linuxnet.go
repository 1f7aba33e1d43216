//go:build linux

// Package linuxnet stages Linux hosts for tests of what needs the real thing: namespaces, interfaces, /etc/resolv.conf
// in every shape, a resolver, Nix and pasta. It needs root and Debian's iproute2, util-linux, dnsmasq-base, nix-bin
// and passt.
//
//	h := linuxnet.New(t, linuxnet.Options{Mode: linuxnet.Dual, Nix: true})
//	h.Resolver(t, "192.0.2.10")                     // answers for probe.test and nothing else
//	h.WriteFile(t, "/etc/resolv.conf", "nameserver 192.0.2.10\n", 0o644)
//	out, err := h.Command("/usr/bin/nix-build", ...).CombinedOutput()
//
// A host has network, mount and PID namespaces of its own. Its files are those of the machine, or of a root directory of
// another release (LIXFIX_TEST_ROOT, which scripts/newer-nix.sh makes), below an overlay that
// takes all changes, so that a test may do to /etc, /nix, /var and /run whatever it likes; /proc, /dev/net, /run, users,
// groups and nsswitch.conf are its own. The directory for temporary files is the machine's, so that both sides see the programs that a test builds.
// Its processes end with it, and it ends with the test.
//
// With a network it has ext0 with the addresses 192.0.2.10 and 2001:db8::10, default routes by 192.0.2.1 and
// 2001:db8::1, and behind ext0 nobody: 192.0.2.1, 192.0.2.53 and 2001:db8::53 are there and silent, so that a query is
// lost instead of refused.
//
// With Systemd, the first process is the machine's systemd as soon as Boot is called; see systemd.go.
//
// Lix puts stand-ins for the tools of Lix in place, which do what Lix does around the builder of the probe, with the
// machine's real pasta; see package lixtool.
package linuxnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/platformtest/programs"
)

// Mode says which families of addresses a host has.
type Mode string

// The modes. None has no interface but lo.
const (
	V4   Mode = "v4"
	V6   Mode = "v6"
	Dual Mode = "dual"
	None Mode = "none"
)

// Addresses of a host and of its silent neighbours.
const (
	Addr4   = "192.0.2.10"
	Addr6   = "2001:db8::10"
	Silent4 = "192.0.2.53"
	Silent6 = "2001:db8::53"
	Name    = "probe.test" // what Resolver knows
)

// Options describe a host.
type Options struct {
	Mode Mode // Dual unless given
	// Tun is the mode of /dev/net/tun, 0666 unless given. NoTun leaves it out.
	Tun   fs.FileMode
	NoTun bool
	// Nix mounts an empty /nix, and adds the group nixbld with its users, and an /etc/nix/nix.conf with the sandbox on.
	Nix bool
	// Root is the directory that the host has for its files instead of the machine's root: of another release, with the
	// same packages. The environment's LIXFIX_TEST_ROOT unless given.
	Root string
	// over is a directory whose files are the machine's, as far as the host can tell.
	over string
	// Systemd makes systemd the first process, once Boot is called. Such a host has a /dev, /sys, /tmp and a control group
	// of its own, and shares no directory with the machine: programs get there with Copy.
	Systemd bool
}

// Build users, and a user whom no daemon trusts.
const (
	BuildGID = 30000
	BuildUID = 30001 // of nixbld1
	BuildMax = 4
	UserUID  = 1234
	UserGID  = 1234
	User     = "alice"
)

// Host is one staged host.
type Host struct {
	pid   int
	stdin io.Closer
	base  string
	group string // the host's control group, as the machine names its directory; "" without systemd
	lower string // the root directory that its files are of; "" for the machine's
}

// Turns is how often a race is run: so often in "make test", and a thousand times where LIXFIX_TEST_LONG is set.
func Turns(n int) int {
	if os.Getenv("LIXFIX_TEST_LONG") != "" {
		return 1000
	}
	return n
}

// New stages a host; it is gone when the test is over.
func New(t testing.TB, o Options) *Host {
	t.Helper()
	if o.Mode == "" {
		o.Mode = Dual
	}
	if o.Tun == 0 {
		o.Tun = 0o666
	}
	// The first process of the PID namespace: everything in it ends with it, and it ends when the pipe is closed, also
	// by the end of a test that was killed.
	cat := exec.Command("/bin/cat")
	stdin, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cat.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS,
		Setpgid:    true,
	}
	cat.Dir = "/"
	base, err := os.MkdirTemp("", "linuxnet-host-") //nolint:usetesting // names of tests have commas, which end an option of mount
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	h := &Host{stdin: stdin, base: base}
	start := func() error { return Start(cat) }
	if o.Systemd {
		h.group = controlGroup(t, base)
		systemdFirst(cat, h.group)
		start = func() error { return begin(t, cat) }
	}
	ready := func() error { return nil }
	if !o.Systemd {
		said, err := cat.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		// It loads its libraries from the machine: once the host has another root directory, they can be of another release.
		ready = func() error { return loaded(stdin, said) }
	}
	if err := start(); err != nil {
		t.Fatalf("stage a host, which needs root and namespaces: %v", err)
	}
	h.pid = cat.Process.Pid
	t.Cleanup(func() {
		stdin.Close()
		_ = cat.Process.Kill()
		_ = cat.Wait()
	})
	if err := ready(); err != nil {
		t.Fatalf("stage a host: start its first process: %v", err)
	}
	if err := h.stage(o); err != nil {
		t.Fatalf("stage a host: %v", err)
	}
	return h
}

// loaded waits until cat copies what it is given.
func loaded(stdin io.Writer, said io.Reader) error {
	if _, err := stdin.Write([]byte{'\n'}); err != nil {
		return err
	}
	_, err := said.Read(make([]byte, 1))
	return err
}

func (h *Host) stage(o Options) error {
	if o.Root == "" {
		o.Root = os.Getenv("LIXFIX_TEST_ROOT")
	}
	h.lower = o.Root
	if h.group != "" {
		if err := h.joined(); err != nil {
			return err
		}
	}
	if err := h.files(o.Root, o.over); err != nil {
		return err
	}
	if err := h.network(o.Mode); err != nil {
		return err
	}
	if err := h.inside(func() error { return h.own(o) }); err != nil {
		return err
	}
	return h.accounts(o.Nix)
}

// own gives the host, inside of it, the rest of what it has of its own.
func (h *Host) own(o Options) error {
	if h.group != "" {
		// Through /proc/sys, systemd would set limits of the kernel, which are the machine's.
		if err := inTurn(readOnly("/proc/sys"), systemdFiles); err != nil {
			return err
		}
	}
	steps := []func() error{makeDir("/dev/net"), mount("tmpfs", "/dev/net", "mode=755", 0)}
	if !o.NoTun {
		steps = append(steps, device("/dev/net/tun", o.Tun, 10, 200))
	}
	steps = append(steps, remove("/etc/resolv.conf"), makeDir("/run", "/build"))
	if o.Nix {
		const conf = "build-users-group = nixbld\nsandbox = true\nsandbox-fallback = false\nsubstitute = false\n"
		steps = append(
			steps,
			makeDir("/nix", "/etc/nix", "/home/"+User),
			func() error { return os.Chown("/home/"+User, UserUID, UserGID) },
			mount("tmpfs", "/nix", "mode=755", 0),
			makeDir("/nix/var/nix/db", "/nix/store"),
			func() error { return os.WriteFile("/etc/nix/nix.conf", []byte(conf), 0o644) },
		)
	}
	return inTurn(steps...)
}

// files gives the host an overlay for its own root, of the machine's or of another.
func (h *Host) files(lower, over string) error {
	if lower == "" {
		lower = "/"
	}
	if !filepath.IsAbs(lower) || strings.ContainsAny(lower+over, `,:\`) {
		return fmt.Errorf("%q cannot be the lower directory of an overlay", lower)
	}
	root := filepath.Join(h.base, "root")
	at := func(name string) string { return filepath.Join(h.base, name) }
	steps := []func() error{
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		mount("tmpfs", h.base, "mode=755", 0),
		makeDir(at("upper"), at("work"), root),
		// Hides a /nix of the machine (overlayfs.rst, "whiteouts"): tests are not to depend on it.
		device(at("upper/nix"), 0, 0, 0),
	}
	if over != "" {
		// Layers may not lie in one another, and the base is of another file system than the machine's root.
		steps = append(steps, func() error { return os.CopyFS(at("machine"), os.DirFS(over)) })
		lower = at("machine") + ":" + lower
	}
	steps = append(steps, mount("overlay", root, "lowerdir="+lower+",upperdir="+at("upper")+",workdir="+at("work"), 0))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	// What the machine has mounted elsewhere is not in the overlay. What the host is to have of its own is left out.
	chosen := []string{}
	below := func(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
	own := []string{"/proc", "/etc", "/nix", "/run", "/var", "/root", "/home", "/usr", h.base}
	choose := func(dir string) {
		if dir == "/" || slices.ContainsFunc(chosen, func(c string) bool { return below(dir, c) }) ||
			slices.ContainsFunc(own, func(o string) bool { return below(dir, o) }) {
			return
		}
		chosen = append(chosen, dir)
	}
	if h.group == "" {
		for line := range strings.Lines(string(mounts)) {
			if f := strings.Fields(line); len(f) > 4 && !strings.Contains(f[4], `\`) {
				choose(f[4])
			}
		}
		// The base is in the directory for temporary files, which both sides share.
		tmp, err := filepath.EvalSymlinks(os.TempDir())
		if err != nil {
			return err
		}
		choose(tmp)
	} else {
		steps = append(steps, systemdMounts(root)...)
	}
	for _, dir := range chosen {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		steps = append(steps, makeDir(root+dir), bind(dir, root+dir))
	}
	steps = append(steps, makeDir(root+"/proc"), pivot(root))
	return h.inside(func() error { return inTurn(steps...) })
}

// network makes the interfaces, addresses and routes, and mounts /proc.
func (h *Host) network(mode Mode) error {
	lines := []string{"link set lo up"}
	if mode != None {
		lines = append(lines, "link add ext0 type veth peer name ext0p", "link set ext0p up", "link set ext0 up")
	}
	silent := func(addr string) string {
		return "neigh replace " + addr + " lladdr 02:00:00:00:00:01 dev ext0 nud permanent"
	}
	if mode == V4 || mode == Dual {
		lines = append(
			lines,
			"addr add "+Addr4+"/24 dev ext0",
			"route add default via 192.0.2.1",
			silent("192.0.2.1"), silent(Silent4),
		)
	}
	if mode == V6 || mode == Dual {
		lines = append(
			lines,
			"addr add "+Addr6+"/64 dev ext0 nodad",
			"route add default via 2001:db8::1 dev ext0",
			silent("2001:db8::1"), silent(Silent6),
		)
	}
	// The processes that /proc shows are those of whoever mounts it, and no thread changes its namespace of processes.
	cmd := h.Command("sh", "-c", "mount -t proc proc /proc && { "+sandboxTables+"exec ip -batch -; }")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mount /proc and make the network: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// Command makes a command that runs in the host, as root, in its root directory.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	return h.CommandContext(context.Background(), name, args...)
}

// CommandContext is Command with a context, whose end kills the command and all that it started in the host.
func (h *Host) CommandContext(ctx context.Context, name string, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(h.pid), "--mount", "--net", "--pid", "--uts", "--wd=/proc/" + strconv.Itoa(h.pid) + "/root"}
	if h.group != "" {
		enter = append(enter, "--ipc", "--cgroup")
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(append(enter, "--", name), args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "LC_ALL=C", "HOME=/root"}
	cmd.Dir = "/"
	// nsenter waits for what it started; both are ended through their group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// UserCommand makes a command that runs in the host as the user whom no daemon trusts.
func (h *Host) UserCommand(name string, args ...string) *exec.Cmd {
	return h.Command("setpriv", append([]string{
		"--reuid", strconv.Itoa(UserUID), "--regid", strconv.Itoa(UserGID), "--clear-groups", "--inh-caps=-all", "--", name,
	}, args...)...)
}

// Run runs a command in the host and returns what it printed; the test fails with it.
func (h *Host) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := h.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// PID is the first process of the host, as this side numbers it: /proc/PID/ns are its namespaces.
func (h *Host) PID() int { return h.pid }

// Path is where this side finds a file of the host. An absolute link on the way leads out of the host.
func (h *Host) Path(name string) string { return fmt.Sprintf("/proc/%d/root%s", h.pid, name) }

// WriteFile replaces a file of the host, or what is in its place, and makes its directory.
func (h *Host) WriteFile(t testing.TB, name, data string, mode fs.FileMode) {
	t.Helper()
	if err := h.write(name, strings.NewReader(data), mode); err != nil {
		t.Fatal(err)
	}
}

func (h *Host) write(name string, from io.Reader, mode fs.FileMode) error {
	file := h.Path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(file); err != nil {
		return err
	}
	// No child of this process may be born with the file open: a program that somebody can still write is not run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Chmod(mode), to.Close())
}

// Copy puts a copy of a file of this side into the host, where every user of it can reach it.
func (h *Host) Copy(t testing.TB, from, to string, mode fs.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := h.write(to, in, mode); err != nil {
		t.Fatal(err)
	}
}

// Symlink puts a link in the place of a file of the host.
func (h *Host) Symlink(t testing.TB, target, name string) {
	t.Helper()
	if err := os.RemoveAll(h.Path(name)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, h.Path(name)); err != nil {
		t.Fatal(err)
	}
}

// Start starts a command in the host that runs until the test is over or stop is called. Whatever it says is logged
// where the test fails.
func (h *Host) Start(t testing.TB, cmd *exec.Cmd) (stop func()) {
	t.Helper()
	return h.start(t, cmd, &safe{})
}

// start is Start with a place for what the command says. Its output may go somewhere else already.
func (h *Host) start(t testing.TB, cmd *exec.Cmd, out *safe) (stop func()) {
	t.Helper()
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s\n%s", strings.Join(cmd.Args, " "), out)
		}
	})
	return stop
}

type safe struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// await waits, for long: the machine may be busy.
func await(t testing.TB, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// Program builds a program of this module as it is released, statically linked, once for all tests of a process. Clean
// removes it.
func Program(t testing.TB, pkg string) string {
	t.Helper()
	name, err := program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func program(pkg string) (string, error) { return programs.Build(pkg) }

// Clean removes what Program has built. TestMain calls it when all tests are over.
func Clean() { programs.Clean() }
