package platform_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform"
)

// shell is a machine whose ps is the shell, so that Query runs any script.
func shell() *platform.Machine {
	return platform.At(func(name string) (string, error) {
		if name == "/bin/ps" {
			return "/bin/sh", nil
		}
		return name, nil
	}, func() platform.Facts { return platform.Facts{} })
}

func query(t *testing.T, script string) ([]byte, *platform.ToolError) {
	t.Helper()
	out, err := shell().Query(t.Context(), "/bin/ps", "-c", script)
	if err == nil {
		return out, nil
	}
	var e *platform.ToolError
	if !errors.As(err, &e) {
		t.Fatalf("%T: %v", err, err)
	}
	if out != nil {
		t.Errorf("an error and %d bytes", len(out))
	}
	return nil, e
}

func TestToolsSeeNothingOfOurEnvironment(t *testing.T) {
	for _, name := range []string{"DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "HTTP_PROXY", "LANG", "LC_ALL"} {
		t.Setenv(name, "/nonexistent")
	}
	m := platform.At(func(string) (string, error) { return "/usr/bin/env", nil }, nil)
	out, err := m.Query(t.Context(), "/bin/ps")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LANG=C", "LC_ALL=C", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/var/empty"}
	if d := cmp.Diff(want, strings.Fields(string(out))); d != "" {
		t.Error(d)
	}
}

func TestToolsHaveNoInputAndAGroupOfTheirOwn(t *testing.T) {
	out, e := query(t, `read line || echo end; kill -0 -$$ && echo leader; pwd`)
	if e != nil {
		t.Fatal(e)
	}
	if d := cmp.Diff("end\nleader\n/\n", string(out)); d != "" {
		t.Error(d)
	}
}

func TestToolErrors(t *testing.T) {
	tests := []struct {
		name, script string
		exit         int
		signal       syscall.Signal
		last, text   string
	}{
		{
			"dscl finds no record", `echo '<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)' >&2; exit 56`, 56, 0,
			"<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)", "exit status 56: <dscl_cmd> DS Error: -14136 (eDSRecordNotFound)",
		},
		{"the last line counts", "printf 'one\ntwo\n\n  \n' >&2; exit 1", 1, 0, "two", "exit status 1: two"},
		{"only standard output tells", "echo 'delete: Invalid Path'; exit 185", 185, 0, "", "exit status 185"},
		{"killed by security software", "kill -KILL $$", -1, syscall.SIGKILL, "", "killed by signal 9"},
		{"ended by a signal", "kill -TERM $$", -1, syscall.SIGTERM, "", "killed by signal 15"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, e := query(t, tt.script)
			if e == nil {
				t.Fatal("no error")
			}
			if e.Tool != "/bin/ps" || len(e.Args) != 2 || e.Err != nil {
				t.Errorf("got %+v", e)
			}
			if e.Exit != tt.exit || e.Signal != tt.signal || e.Last() != tt.last {
				t.Errorf("exit %d, signal %d, last line %q", e.Exit, e.Signal, e.Last())
			}
			if text := e.Error(); !strings.HasPrefix(text, "/bin/ps -c ") || !strings.Contains(text, tt.text) {
				t.Errorf("%q", text)
			}
		})
	}
}

func TestStandardErrorIsBounded(t *testing.T) {
	_, e := query(t, `head -c 1000000 /dev/zero | tr '\0' 'x' >&2; head -c 10000 /dev/zero | tr '\0' 'y'; exit 1`)
	if e == nil || len(e.Stderr) != 64<<10 || len(e.Stdout) > 3<<10 || !strings.HasPrefix(e.Stdout, "yyy") {
		t.Fatalf("got %d and %d bytes", len(e.Stderr), len(e.Stdout))
	}
}

// TestTimeLimitKillsGrandchildren: the pipe stays open until the last of them is gone.
func TestTimeLimitKillsGrandchildren(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := shell().Query(ctx, "/bin/ps", "-c", `sh -c 'echo $$ > "$0"; exec sleep 600' "$0" & wait`, file)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if spent := time.Since(began); spent > 5*time.Second {
		t.Errorf("it took %s", spent)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	// Killed, it is gone, or waits for init to bury it, as soon as it is given the processor to end with.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("the grandchild %d lives: %s", pid, state)
		}
	}
}

// TestTracedToolIsGivenUp: the end of a process is told to its tracer first, and to its parent only once that has asked.
func TestTracedToolIsGivenUp(t *testing.T) {
	ctx, file := untraced(t)
	out, err := shell().Query(ctx, "/bin/ps", "-c", strings.ReplaceAll(traced, "FILE", file))
	if !errors.Is(err, context.Canceled) || len(out) > 0 {
		t.Errorf("%q %v", out, err)
	}
}

// TestTracedShellIsGivenUp: what runs as a user can be traced by that user.
func TestTracedShellIsGivenUp(t *testing.T) {
	ctx, file := untraced(t)
	out, err := loginUntil(ctx, t, "bash", strings.ReplaceAll(traced, "FILE", file), platform.Login{}, platform.Build{})
	if !errors.Is(err, context.Canceled) || out.Exit != -1 {
		t.Errorf("%+v %v", out, err)
	}
}

// traced has a shell traced by a process that never asks what became of it.
const traced = `echo early; setsid strace -qq -o /dev/null -p $$ </dev/null >/dev/null 2>&1 & tracer=$!
echo $tracer >FILE
while grep -q '^TracerPid:.0$' /proc/$$/status; do :; done
kill -STOP $tracer
while :; do echo late; done
`

// untraced returns the name of the file for the number of the tracer, which ends with the test, and a context that ends
// as soon as the tracer is stopped.
func untraced(t *testing.T) (context.Context, string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "tracer")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	pass(t, file)
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil {
			t.Fatalf("nothing was traced: %v", err)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	})
	go func() {
		defer cancel()
		for ctx.Err() == nil {
			pid, _ := os.ReadFile(file)
			stat, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
			if strings.Contains(string(stat), ") T ") {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return ctx, file
}

func TestCancelledCallSaysWhy(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("asked to end")
	cancel(why)
	err := shell().Run(ctx, "/bin/sh", "-c", "exit 0")
	var e *platform.ToolError
	if !errors.Is(err, why) || !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

// TestToolThatLeavesAChildBehind ends with the tool, although the child holds the pipe. It is a daemon in a session of
// its own, so that no process group reaches it.
func TestToolThatLeavesAChildBehind(t *testing.T) {
	t.Parallel()
	out, e := query(t, `trap '' HUP; (exec sleep 4) & echo done`)
	if e != nil || string(out) != "done\n" {
		t.Errorf("got %q, %v", out, e)
	}
}

func TestToolsThatCannotStart(t *testing.T) {
	missing := platform.At(func(name string) (string, error) { return filepath.Join(t.TempDir(), name), nil }, nil)
	lost := platform.At(func(string) (string, error) { return "", fs.ErrPermission }, nil)
	tests := []struct {
		name string
		run  func() error
		want error
	}{
		{"missing", func() error { _, err := missing.Query(t.Context(), "/usr/bin/sw_vers"); return err }, fs.ErrNotExist},
		{"missing, to write", func() error { return missing.Run(t.Context(), "/usr/bin/dscl", ".") }, fs.ErrNotExist},
		{"not resolved", func() error { return lost.Run(t.Context(), "/usr/bin/dscl", ".") }, fs.ErrPermission},
		{"not executable", func() error { return identity().Run(t.Context(), "/etc/passwd") }, fs.ErrPermission},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.run()
			var e *platform.ToolError
			if !errors.As(err, &e) || !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := identity().Run(t.Context(), "sh", "-c", "exit 0"); err == nil {
		t.Error("a relative name was looked up")
	}
}

func TestQueryRefusesWhatCanWrite(t *testing.T) {
	harmless := platform.At(func(string) (string, error) { return "/bin/true", nil }, nil)
	tests := []struct {
		name string
		call string
		ok   bool
	}{
		{"all users", "/usr/bin/dscl -plist . -readall /Users RecordName UniqueID", true},
		{"one user", "/usr/bin/dscl . -read /Users/_nixbld1", true},
		{"the network's users", "/usr/bin/dscl -q /Search -list /Users", true},
		{"a key named like a verb", "/usr/bin/dscl . -read /Users/create delete", true},
		{"interactive", "/usr/bin/dscl .", false},
		{"interactive, quietly", "/usr/bin/dscl -q .", false},
		{"nothing", "/usr/bin/dscl", false},
		{"no path", "/usr/bin/dscl . -read", false},
		{"create", "/usr/bin/dscl . -create /Users/x", false},
		{"create without its dash", "/usr/bin/dscl . create /Users/x UniqueID -read", false},
		{"create from a list", "/usr/bin/dscl . -createpl /Users/x key 0 -read", false},
		{"delete a list", "/usr/bin/dscl . -deletepl /Users/x key 0 -list", false},
		{"other names of verbs", "/usr/bin/dscl . -rm /Users/x -read", false},
		{"mk", "/usr/bin/dscl . mk /Users/-read", false},
		{"change", "/usr/bin/dscl -plist . -change /Users/-readall UniqueID -readall 0", false},
		{"another machine", "/usr/bin/dscl -u admin -P secret host -read /Users", false},
		{"a file as the node", "/usr/bin/dscl -f /var/db/dslocal/nodes/Default localonly -read /Users", false},
		{"launchctl print", "/bin/launchctl print system/org.nixos.nix-daemon", true},
		{"launchctl managername", "/bin/launchctl managername", true},
		{"launchctl bootout", "/bin/launchctl bootout system/print", false},
		{"launchctl alone", "/bin/launchctl", false},
		{"journalctl of processes", "/usr/bin/journalctl -q --no-pager -b -o cat -n 20 _PID=12 _PID=13", true},
		{"journalctl of the kernel", "/usr/bin/journalctl -q --no-pager -b -k -o cat -n 10000", true},
		{"journalctl that deletes", "/usr/bin/journalctl -q --vacuum-size=1", false},
		{"journalctl that rotates", "/usr/bin/journalctl --rotate", false},
		{"dseditgroup", "/usr/sbin/dseditgroup -o read nixbld", false},
		{"dscacheutil", "/usr/bin/dscacheutil -flushcache", false},
		{"a shell", "/bin/sh -c true", false},
		{"nft list", "/usr/sbin/nft list ruleset", true},
		{"nft flush", "/usr/sbin/nft flush ruleset", false},
		{"nft elsewhere", "/tmp/nft list ruleset", false},
		{"ip rule", "/usr/sbin/ip -6 rule show", true},
		{"ip rule add", "/usr/sbin/ip rule add from all", false},
		{"iptables-save", "/usr/sbin/iptables-save", true},
		{"iptables-save with a file", "/usr/sbin/iptables-save -f /etc/x", false},
		{"lsattr", "/usr/bin/lsattr -d -- /etc/resolv.conf", true},
		{"lsattr of options", "/usr/bin/lsattr -d -- -R", false},
		{"systemctl is-active", "/usr/bin/systemctl is-active -- x.service", true},
		{"systemctl start", "/usr/bin/systemctl start -- x.service", false},
		{"dmesg", "/usr/bin/dmesg", true},
		{"dmesg that clears", "/usr/bin/dmesg -C", false},
		{"nix version", "/nix/var/nix/profiles/default/bin/nix --version", true},
		{"nix settings", "/usr/bin/nix --extra-experimental-features nix-command config show --json", true},
		{"nix of somebody", "/home/a/.nix-profile/bin/nix --version", false},
		{"nix build", "/usr/bin/nix build", false},
		{"a relative name", "dscl . -read /Users/x", false},
		{"another dscl", "/usr/local/bin/dscl . -read /Users/x", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			words := strings.Fields(tt.call)
			_, err := harmless.Query(t.Context(), words[0], words[1:]...)
			if errors.Is(err, platform.ErrReadOnly) == tt.ok || tt.ok && err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEveryToolCallIsLogged(t *testing.T) {
	var log bytes.Buffer
	m := shell()
	m.SetLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if _, err := m.Query(t.Context(), "/bin/ps", "-c", "echo 'a user'; echo trouble >&2; exit 3"); err == nil {
		t.Error("no error")
	}
	for _, want := range []string{"tool=/bin/ps", "exit=3", "ms=", `stdout="a user\n"`, "trouble"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in %s", want, log.String())
		}
	}
}
