//go:build linux

// Package staged has "lixfix run" around builds of the real Nix on real hosts, whole and broken, on a terminal and between
// pipes, and compares what comes out with the bare command.
package staged

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
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
)

// result is what came out of a command.
type result struct {
	code        int
	out, errors string // on a terminal, both are in out
}

// command is one of alice's, bare or below lixfix.
func command(h *linuxnet.Host, along bool, argv []string) *exec.Cmd {
	args := []string{"HOME=/home/alice", "NIX_REMOTE=daemon", "TERM=xterm-256color"}
	if along {
		args = append(args, program, "run", "--")
	}
	return h.UserCommand("env", append(args, argv...)...)
}

func piped(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func onTerminal(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	cmd.SysProcAttr = nil // pty makes a session
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stuck := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	out, err := io.ReadAll(f)
	if err != nil && !errors.Is(err, syscall.EIO) { // the other side is closed
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	return result{code: cmd.ProcessState.ExitCode(), out: string(out)}
}

// TestRun: of a build, everything arrives as without lixfix, and what ends it. Where it fails because of the host, at most
// six lines below name the finding, and that this host has it; where it fails because of itself, there are none.
func TestRun(t *testing.T) {
	h := linuxnet.New(t, linuxnet.Options{Systemd: true, Nix: true})
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.Run(t, "mkdir", "-p", dir, "/etc/systemd/system/sockets.target.wants")
	h.Run(t, "sed", "-i", "s/^sandbox .*/sandbox = false/", "/etc/nix/nix.conf")
	h.WriteFile(t, "/usr/lib/systemd/system/nix-daemon.socket", "[Socket]\nListenStream="+dir+"/socket\n[Install]\nWantedBy=sockets.target\n", 0o644)
	h.WriteFile(t, "/usr/lib/systemd/system/nix-daemon.service", "[Service]\nExecStart=@/usr/bin/nix-daemon nix-daemon --daemon\nKillMode=process\n", 0o644)
	h.Symlink(t, "/usr/lib/systemd/system/nix-daemon.socket", "/etc/systemd/system/sockets.target.wants/nix-daemon.socket")
	h.Boot(t)
	build := func(script string) []string {
		return []string{"/usr/bin/nix-build", "--no-out-link", "--check", "--expr", `derivation { name = "a"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "` + script + `" ]; }`}
	}
	const works, fails = "printf 'some words\\\\tand \\\\033[31mred\\\\033[0m ones\\\\n'; echo x >$out", "echo nothing that lixfix knows; exit 3"
	// --check builds again what was built before, so that the second run says what the first did.
	if out, err := command(h, false, append(build(works)[:2:2], build(works)[3:]...)).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, tt := range []struct {
		name, spoil string
		argv        []string
		code        int // 0, or any other
		names       string
		confirmed   string
	}{
		{name: "it works", argv: build(works)},
		{name: "its builder fails", argv: append(build(fails)[:2:2], build(fails)[3:]...), code: 1},
		{
			name: "the daemon is down", spoil: "systemctl stop nix-daemon.socket nix-daemon.service", argv: build(works), code: 1,
			names: "daemon/stopped", confirmed: "confirmed",
		},
		{
			name: "no build users", spoil: "systemctl start nix-daemon.socket; sed -i s/^nixbld:/nixold:/ /etc/group", argv: build(works), code: 1,
			names: "build-users/group-missing",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.spoil != "" {
				h.Run(t, "sh", "-ec", tt.spoil)
				replays.Record(t, tt.name, h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"))
			}
			for name, run := range map[string]func(*testing.T, *exec.Cmd) result{"pipes": piped, "terminal": onTerminal} {
				bare, along := run(t, command(h, false, tt.argv)), run(t, command(h, true, tt.argv))
				if bare.code != along.code || (bare.code == 0) != (tt.code == 0) {
					t.Errorf("%s: exit code %d, and %d below lixfix\n%s%s", name, bare.code, along.code, along.out, along.errors)
				}
				added := ""
				ok := bare.out == along.out
				if name == "terminal" {
					added, ok = strings.CutPrefix(along.out, bare.out)
				} else if ok {
					added, ok = strings.CutPrefix(along.errors, bare.errors)
				}
				if !ok || bare.out+bare.errors == "" {
					t.Errorf("%s: it printed\n%q\n%q\nand below lixfix\n%q\n%q", name, bare.out, bare.errors, along.out, along.errors)
				}
				plain := strings.TrimSpace(added)
				lines := strings.Count(plain, "\n") + 1
				switch {
				case tt.names == "" && added != "":
					t.Errorf("%s: lixfix added %q", name, added)
				case tt.names != "" && (lines > 6 || !strings.Contains(plain, tt.names) || !strings.Contains(plain, tt.confirmed)):
					t.Errorf("%s: lixfix added, in %d lines:\n%s", name, lines, added)
				}
				if tt.names != "" {
					t.Logf("%s:\n%s", name, added)
				}
			}
		})
	}
}
