//go:build linux

// Package staged breaks real hosts at each rung of the ladder of "lixfix verify", with the machine's systemd as the first
// process, its Nix and its login shells, and has the released binary say which rung it is and mend it.
package staged

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/fixes/verify"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// replays compares what is said of hosts with what is said of their records.
var replays replay.Table

func TestMain(m *testing.M) {
	code := m.Run()
	fmt.Println(&replays)
	linuxnet.Clean()
	os.Exit(code)
}

const (
	program = "/opt/lixfix/bin/lixfix"
	dir     = "/nix/var/nix/daemon-socket"
	socket  = dir + "/socket"
	home    = "/home/" + linuxnet.User
	good    = "nameserver " + linuxnet.Addr4 + "\n"
)

// stage makes a host with a daemon behind socket activation, a name server, and bash, zsh and fish.
func stage(t testing.TB) *linuxnet.Host {
	t.Helper()
	h := linuxnet.New(t, linuxnet.Options{Systemd: true, Nix: true})
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.Run(t, "mkdir", "-p", dir, "/etc/systemd/system/sockets.target.wants")
	// A sandbox mounts a /proc of its own, which the machine that runs the tests may not let it.
	h.Run(t, "sed", "-i", "s/^sandbox .*/sandbox = false/", "/etc/nix/nix.conf")
	h.WriteFile(t, "/etc/shells", "# /etc/shells: valid login shells\n/bin/sh\n/usr/bin/bash\n/usr/bin/zsh\n/usr/bin/fish\n/usr/bin/screen\n", 0o644)
	h.WriteFile(t, "/usr/lib/systemd/system/nix-daemon.socket", "[Socket]\nListenStream="+socket+"\n[Install]\nWantedBy=sockets.target\n", 0o644)
	h.WriteFile(t, "/usr/lib/systemd/system/nix-daemon.service", "[Service]\nExecStart=@/usr/bin/nix-daemon nix-daemon --daemon\nKillMode=process\n", 0o644)
	h.Symlink(t, "/usr/lib/systemd/system/nix-daemon.socket", "/etc/systemd/system/sockets.target.wants/nix-daemon.socket")
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Boot(t)
	// It knows the name that a repair looks up as well.
	h.Start(t, h.Command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
		"--bind-interfaces", "--listen-address="+linuxnet.Addr4, "--address=/"+sandbox.DefaultName+"/127.0.0.1", "--address=/"+sandbox.DefaultName+"/::1"))
	return h
}

// document is what lixfix verify --format json prints.
type document struct {
	Exit    int
	Summary string
	Verify  *verify.Ladder
}

// marks are the rungs of a ladder as one line: "bash holds, connection broken".
func (d document) marks() string {
	var all []string
	for _, r := range d.Verify.Rungs {
		all = append(all, r.Subject()+" "+string(r.Mark))
	}
	return strings.Join(all, ", ")
}

var args = []string{"verify", "--format", "json"}

// who are the ways to call it.
var (
	alice = func(h *linuxnet.Host) *exec.Cmd {
		return h.UserCommand("env", append([]string{"HOME=" + home, program}, args...)...)
	}
	sudo = func(h *linuxnet.Host) *exec.Cmd {
		return h.Command("env", append([]string{"SUDO_UID=1234", "SUDO_GID=1234", "SUDO_USER=alice", program}, args...)...)
	}
	root = func(h *linuxnet.Host) *exec.Cmd { return h.Command(program, args...) }
)

func run(t *testing.T, cmd *exec.Cmd) document {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil || d.Verify == nil {
		t.Fatalf("%v\n%s\n%s", err, stdout.Bytes(), stderr.Bytes())
	}
	if d.Exit != cmd.ProcessState.ExitCode() {
		t.Errorf("exit %d, and the report says %d", cmd.ProcessState.ExitCode(), d.Exit)
	}
	return d
}

const healthy = "bash holds, zsh holds, fish holds, connection holds, build holds, names holds"

// clean fails where a build has left something: a store path, a file, or a process.
func clean(t *testing.T, h *linuxnet.Host) {
	t.Helper()
	// A daemon that has lost its client removes its process a little later.
	left := ""
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left = strings.TrimSpace(h.Run(t, "sh", "-c", "ls -d /nix/store/*-lixfix-build-* /nix/store/*-lixfix-dns-probe-* 2>/dev/null | grep -v '[.]lock$';"+
			"ls -d /tmp/* /run/lixfix* "+home+"/.cache 2>/dev/null | grep -v '^/tmp/systemd-private';"+
			`ps -eo comm=,args= | awk '$1 ~ /^(lixfix|bash|zsh|fish|nix-instantiate|nix-store|nix-build)$/ || /sleep 4711$/ && !/awk/'; true`))
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("it left behind:\n%s", left)
			return
		}
	}
}

// TestRungs breaks one host at each rung, from the first one up: lixfix names the rung, for the user and for root, the
// commands that it names work, and with what is broken mended, by the fix where there is one, all is well.
func TestRungs(t *testing.T) {
	t.Parallel()
	h := stage(t)
	for _, who := range []struct {
		as  string
		cmd func(*linuxnet.Host) *exec.Cmd
	}{{"alice", alice}, {"alice", sudo}, {"nobody", root}} {
		if d := run(t, who.cmd(h)); d.marks() != healthy || d.Exit != 0 || d.Verify.As != who.as || len(d.Verify.Left) > 0 {
			t.Fatalf("a healthy host, as %s: %s, exit %d\n%+v", who.as, d.marks(), d.Exit, d.Verify)
		}
	}
	clean(t, h)
	restart := "systemctl stop nix-daemon.service nix-daemon.socket; systemctl start nix-daemon.socket"
	for _, tt := range []struct {
		name, spoil string
		marks       string
		next        string   // the first command that it names
		repair      []string // arguments of lixfix
		mend        string   // by hand, where there is no fix
		cmd         func(*linuxnet.Host) *exec.Cmd
	}{
		{
			name: "one shell does not find nix", spoil: "echo 'PATH=/opt/lixfix/bin' >" + home + "/.zprofile", cmd: sudo,
			marks: "bash holds, zsh broken, fish holds, connection holds, build holds, names holds",
			next:  "explain shell-hook/not-found", mend: "rm " + home + "/.zprofile",
		},
		{
			name: "a shell with noisy files that become something else", spoil: "echo 'echo hello; exec echo bye' >" + home + "/.bash_profile", cmd: alice,
			marks: "bash unknown, zsh holds, fish holds, connection holds, build holds, names holds",
			next:  "explain shell-hook/not-found", mend: "rm " + home + "/.bash_profile",
		},
		{
			name: "the daemon is down", spoil: "systemctl stop nix-daemon.socket nix-daemon.service", cmd: sudo,
			marks: "bash holds, zsh holds, fish holds, connection broken, build not-looked-at, names not-looked-at",
			next:  "check daemon", repair: []string{"repair", "daemon", "--yes"},
		},
		{
			name: "the daemon accepts and hangs", spoil: "systemctl start nix-daemon.service; kill -STOP $(systemctl show -P MainPID nix-daemon.service)", cmd: sudo,
			marks: "bash holds, zsh holds, fish holds, connection broken, build not-looked-at, names not-looked-at",
			next:  "check daemon", repair: []string{"repair", "daemon", "--yes", "--accept", "daemon/suspended"},
		},
		{
			name: "no group of build users", spoil: "sed -i s/^nixbld:/nixold:/ /etc/group; " + restart, cmd: alice,
			marks: "bash holds, zsh holds, fish holds, connection holds, build broken, names not-looked-at",
			next:  "explain build-users/group-missing", mend: "sed -i s/^nixold:/nixbld:/ /etc/group; " + restart,
		},
		{
			name: "builds find no name server", spoil: "chmod 600 /etc/resolv.conf", cmd: sudo,
			marks: "bash holds, zsh holds, fish holds, connection holds, build holds, names broken",
			next:  "check resolv-conf", repair: []string{"repair", "resolv-conf", "--yes", "--accept", "resolv-conf/not-readable-by-builders"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.Run(t, "sh", "-ec", tt.spoil)
			d := run(t, tt.cmd(h))
			worst := d.Verify.Worst()
			want := 1
			if strings.Contains(tt.marks, "unknown") {
				want = 3
			}
			if d.marks() != tt.marks || d.Exit != want || worst == nil || !slices.Contains(worst.Next, program+" "+tt.next) {
				t.Errorf("%s, exit %d: %s\n%+v", d.marks(), d.Exit, d.Summary, worst)
			}
			if worst != nil {
				for _, command := range worst.Next {
					out, err := h.Command("sh", "-c", command).CombinedOutput()
					if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 2 || exit.ExitCode() > 3) {
						t.Errorf("%s: %v\n%s", command, err, out)
					}
				}
			}
			clean(t, h)
			replays.Record(t, tt.name, h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"))
			if tt.mend != "" {
				h.Run(t, "sh", "-ec", tt.mend)
			} else if out, err := h.Command("env", append([]string{"SUDO_UID=1234", "SUDO_USER=alice", program}, tt.repair...)...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", strings.Join(tt.repair, " "), err, out)
			}
			if d := run(t, tt.cmd(h)); d.marks() != healthy || d.Exit != 0 {
				t.Errorf("once it is mended: %s, exit %d: %s\n%+v", d.marks(), d.Exit, d.Summary, d.Verify.Worst())
			}
		})
	}
	clean(t, h)
}

// TestShells: a shell that root starts for a user is that user's through and through, and its files see nothing of root's.
// Without sudo, root starts none that reads files of root's.
func TestShells(t *testing.T) {
	t.Parallel()
	h := stage(t)
	const spy = "id -u >%[1]s.id; grep -E '^(NoNewPrivs|CapEff|CapBnd|Groups):' /proc/self/status >%[1]s.status; ls -l /proc/self/fd >%[1]s.fds; env >%[1]s.env; tty >%[1]s.tty 2>&1"
	h.WriteFile(t, home+"/.bash_profile", fmt.Sprintf(spy, home+"/spy")+"\n", 0o644)
	h.WriteFile(t, home+"/.zprofile", "false\n", 0o644)
	for _, rc := range []string{".bash_profile", ".zprofile", ".zshenv", ".config/fish/config.fish"} {
		h.WriteFile(t, "/root/"+rc, "touch /root/was-read\n", 0o644)
	}
	h.Run(t, "chown", "-R", linuxnet.User+":"+linuxnet.User, home)
	cmd := sudo(h)
	cmd.Args = slices.Insert(cmd.Args, slices.Index(cmd.Args, "SUDO_UID=1234"), "SECRET=of-root")
	if d := run(t, cmd); d.marks() != healthy {
		t.Fatalf("%s: %s", d.marks(), d.Summary)
	}
	read := func(name string) string { return h.Run(t, "cat", home+"/spy."+name) }
	if id := strings.TrimSpace(read("id")); id != "1234" {
		t.Errorf("the shell ran as user %s", id)
	}
	if s := strings.ReplaceAll(read("status"), "\t", " "); !strings.Contains(s, "NoNewPrivs: 1") || !strings.Contains(s, "CapEff: 0000000000000000") ||
		!strings.Contains(s, "CapBnd: 0000000000000000") || strings.Contains(s, "Groups: 0") {
		t.Errorf("it kept something of root's:\n%s", s)
	}
	env := read("env")
	for line := range strings.Lines(env) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "=")
		if !slices.Contains([]string{"HOME", "USER", "LOGNAME", "SHELL", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}, name) {
			t.Errorf("its environment had %s", line)
		}
	}
	if !strings.Contains(env, "HOME="+home+"\n") || !strings.Contains(env, "USER=alice\n") {
		t.Errorf("its environment:\n%s", env)
	}
	if fds := read("fds"); strings.Count(fds, "->") > 5 {
		t.Errorf("its descriptors:\n%s", fds)
	}
	if tty := read("tty"); !strings.Contains(tty, "not a tty") {
		t.Errorf("its terminal: %s", tty)
	}
	h.Run(t, "rm", "-f", home+"/spy.id")
	if d := run(t, root(h)); d.marks() != healthy || d.Verify.As != "nobody" {
		t.Errorf("%s, as %s: %s", d.marks(), d.Verify.As, d.Summary)
	}
	for _, name := range []string{home + "/spy.id", "/root/was-read"} {
		if _, err := os.Lstat(h.Path(name)); err == nil {
			t.Errorf("root alone read the files that make %s", name)
		}
	}
	// A shell that its user could have put there is not run by root, and nothing is called fine for it.
	h.Run(t, "sh", "-ec", "cp /usr/bin/fish "+home+"/fish; chown alice "+home+"/fish; sed -i s,/usr/bin/fish,"+home+"/fish, /etc/shells; sed -i s,^alice:.*,alice:x:1234:1234::"+home+":"+home+"/fish, /etc/passwd")
	d := run(t, sudo(h))
	if !strings.Contains(d.marks(), "fish unknown") || d.Exit != 3 {
		t.Errorf("a user's own shell: %s, exit %d: %s", d.marks(), d.Exit, d.Summary)
	}
	if d := run(t, alice(h)); d.marks() != healthy {
		t.Errorf("for herself: %s, exit %d: %s", d.marks(), d.Exit, d.Summary)
	}
}

// TestEnded has lixfix end in the middle: by a signal while clients wait for a daemon that hangs and a shell for its own
// files, by one while the builds wait for a build user, and by a kill that nobody can handle.
func TestEnded(t *testing.T) {
	t.Parallel()
	h := stage(t)
	pid := func() string {
		return strings.TrimSpace(h.Run(t, "systemctl", "show", "-P", "MainPID", "nix-daemon.service"))
	}
	await := func(what, script string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); h.Command("sh", "-c", script).Run() != nil; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not within a minute: %s\n%s", what, h.Run(t, "ps", "-ef"))
			}
		}
	}
	const clients = `test "$(pgrep -c -f 'nix-instantiate --expr')" -ge `
	// A login shell becomes sh, and that the client.
	const waiting = clients + `2 && pgrep -f '^sleep 4711'`
	const building = `test "$(ls -d /nix/store/*-lixfix-build-*.drv | wc -l)" -ge 3 && test "$(pgrep -c -f 'nix-store --realise')" -ge 3`
	hang := func() { h.Run(t, "sh", "-c", "systemctl start nix-daemon.service; kill -STOP "+pid()) }
	const hold = `mkdir -p /nix/var/nix/userpool; for n in 30001 30002 30003 30004; do flock -x /nix/var/nix/userpool/$n sleep 815 & done; wait`
	for _, tt := range []struct {
		name, signal string
		spoil        func()
		until        string
		mend         string
		code         int
	}{
		{
			name: "while the daemon hangs", signal: "TERM", code: 143, until: waiting, spoil: func() {
				h.WriteFile(t, home+"/.config/fish/config.fish", "sleep 4711\n", 0o644)
				h.Run(t, "systemctl", "start", "nix-daemon.service")
				hang()
			},
			mend: "rm " + home + "/.config/fish/config.fish; kill -CONT $(systemctl show -P MainPID nix-daemon.service)",
		},
		{
			name: "while it builds", signal: "INT", code: 130, until: building,
			spoil: func() {
				h.Start(t, h.Command("sh", "-c", hold))
				await("the locks are held", `test "$(pgrep -c -f '^sleep 815')" -ge 4`)
			},
			mend: "pkill -f '^sleep 815'",
		},
		{
			name: "by a kill", signal: "KILL", code: -1, until: clients + "3",
			spoil: func() { h.Run(t, "systemctl", "start", "nix-daemon.service"); hang() },
			mend:  "kill -CONT $(systemctl show -P MainPID nix-daemon.service)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spoil()
			cmd := sudo(h)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			await("lixfix is in the middle", tt.until)
			h.Run(t, "pkill", "-"+tt.signal, "-x", "lixfix")
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); tt.code > 0 && code != tt.code {
				t.Errorf("exit code %d\n%s", code, out.String())
			}
			h.Run(t, "sh", "-ec", tt.mend)
			clean(t, h)
			if d := run(t, sudo(h)); d.marks() != healthy {
				t.Errorf("afterwards: %s: %s", d.marks(), d.Summary)
			}
		})
	}
}

// TestOneUsers: where the store is one user's, it works for her, and root has her build in it.
func TestOneUsers(t *testing.T) {
	t.Parallel()
	h := linuxnet.New(t, linuxnet.Options{Nix: true})
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.Run(t, "sh", "-ec", "rm -rf /nix/var /nix/store; chown 1234:1234 /nix "+home+"; printf 'build-users-group =\\nsandbox = false\\n' >/etc/nix/nix.conf")
	h.Run(t, "setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups", "env", "HOME="+home, "NIX_REMOTE=local", "/usr/bin/nix-store", "--init")
	replays.Record(t, "a store of one user's", h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"))
	names := func(d document) string { before, _, _ := strings.Cut(d.marks(), ", names"); return before }
	for name, cmd := range map[string]*exec.Cmd{"alice": alice(h), "sudo": sudo(h)} {
		if d := run(t, cmd); !strings.HasSuffix(names(d), "connection holds, build holds") {
			t.Errorf("%s: %s: %s", name, d.marks(), d.Summary)
		}
	}
	if d := run(t, root(h)); !strings.HasSuffix(names(d), "connection holds, build holds") || d.Verify.As != "alice" {
		t.Errorf("root: %s, exit %d: %+v", d.marks(), d.Exit, d.Verify)
	}
}

// TestAlone has a store of root's own and no daemon, as containers do: it is root's Nix that builds, and the shells run as
// nobody all the same.
func TestAlone(t *testing.T) {
	t.Parallel()
	h := linuxnet.New(t, linuxnet.Options{Nix: true})
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.WriteFile(t, "/etc/shells", "/usr/bin/bash\n", 0o644)
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Start(t, h.Command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
		"--bind-interfaces", "--listen-address="+linuxnet.Addr4, "--address=/"+sandbox.DefaultName+"/127.0.0.1", "--address=/"+sandbox.DefaultName+"/::1"))
	h.WriteFile(t, "/etc/nix/nix.conf", "build-users-group =\nsandbox = false\n", 0o644)
	left := func() {
		t.Helper()
		if paths := h.Run(t, "sh", "-c", "ls -d /nix/store/*-lixfix-build-* 2>/dev/null | grep -v '[.]lock$'; true"); paths != "" {
			t.Errorf("left in the store: %s", paths)
		}
	}
	d := run(t, root(h))
	if d.marks() != "bash holds, connection holds, build holds, names holds" || d.Exit != 0 || d.Verify.As != "root" {
		t.Errorf("%s, exit %d\n%+v", d.marks(), d.Exit, d.Verify)
	}
	if says := d.Verify.Rungs[1].Says; !strings.Contains(says, "no daemon is needed") {
		t.Error(says)
	}
	left()
	replays.Record(t, "root alone, without a daemon", h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"))

	h.WriteFile(t, "/etc/nix/nix.conf", "build-users-group = nobodys-group\nsandbox = false\n", 0o644)
	d = run(t, root(h))
	if d.marks() != "bash holds, connection holds, build broken, names not-looked-at" || d.Exit != 1 {
		t.Errorf("without build users: %s, exit %d\n%+v", d.marks(), d.Exit, d.Verify)
	}
	if r := d.Verify.Rungs[2]; !strings.Contains(r.Says, "nobodys-group") || len(r.Next) == 0 {
		t.Errorf("%+v", r)
	}
	left()
}
