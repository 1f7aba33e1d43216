//go:build linux

// Package staged runs lixfix, as it is released, as root beside hostile processes of a real user, and watches with
// strace what it opens.
package staged

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// replays compares what is said of hosts with what is said of their records.
var replays replay.Table

func TestMain(m *testing.M) {
	// Hosts mostly wait, for silent servers and for one another.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	fmt.Println(&replays)
	linuxnet.Clean()
	os.Exit(code)
}

//go:embed testdata/opens.txt
var opens string

// commands are looked at one after the other, on one host.
var commands = [][]string{
	{"check"},
	{"check", "--verbose"},
	{"check", "stuck"},
	{"check", "stuck", "--format", "json"},
	{"check", "stuck", "--pid", "1"},
	{"report", "stuck"},
	{"repair", "stuck", "--dry-run"},
	{"check", "resolv-conf", "--passive"},
	{"history"},
	{"version"},
	{"list"},
	{"explain", "stuck"},
	{"explain", "waiting for lock on"},
}

const program = "/usr/local/bin/lixfix"

// targets are what root must not open for a user. The last three are made for the test.
var targets = []string{"/dev/kmsg", "/proc/kmsg", "/etc/shadow", "/var/lib/secret", "/run/watchdog", "/run/fifo"}

// besieged stages a host on which Nix builds, with everything that a hostile user can leave there.
func besieged(t *testing.T) *linuxnet.Host {
	t.Helper()
	h := linuxnet.New(t, linuxnet.Options{Mode: linuxnet.V4, Nix: true})
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.WriteFile(t, "/etc/nix/nix.conf", "build-users-group = nixbld\nsandbox = false\nsubstitute = false\n", 0o644)
	h.WriteFile(t, "/etc/resolv.conf", "nameserver "+linuxnet.Addr4+"\n", 0o644)
	h.Resolver(t, linuxnet.Addr4)
	h.Daemon(t)
	h.WriteFile(t, "/var/lib/secret", "secret\n", 0o600)
	h.Run(t, "mknod", "-m", "600", "/run/watchdog", "c", "10", "130")
	h.Run(t, "mkfifo", "-m", "600", "/run/fifo")
	h.Run(t, "install", "-d", "/var/lib/lixfix")
	h.Run(t, "mkfifo", "-m", "600", "/var/lib/lixfix/20240101-000000-x.jsonl")
	h.Run(t, "mknod", "-m", "600", "/var/lib/lixfix/20240101-000000-y.unfinished.jsonl", "c", "10", "130")
	h.WriteFile(t, "/home/alice/a.nix",
		`derivation { name = "a"; system = "x86_64-linux";
	builder = "/bin/sh"; args = [ "-c" "/bin/sleep 600" ]; }`, 0o644)
	for i, ready := range []func() bool{
		func() bool {
			asleep, _ := h.Command("pgrep", "-f", "^/bin/sleep 600").Output()
			return len(asleep) > 0
		},
		func() bool {
			workers, _ := h.Command("pgrep", "-x", "nix-daemon").Output()
			return len(strings.Fields(string(workers))) >= 3
		},
	} {
		// One after the other: two that make the database at once are in each other's way.
		h.Start(t, h.UserCommand("env", "NIX_REMOTE=daemon", "HOME=/home/alice", "nix-build", "--no-out-link",
			"/home/alice/a.nix"))
		await(t, fmt.Sprintf("build %d", i+1), ready)
	}
	dir := "/home/alice/siege"
	h.Run(t, "install", "-d", "-o", "1234", "-g", "1234", dir)
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix/staged/hostile"), "/home/alice/hostile", 0o755)
	for i := range targets {
		h.Run(t, "install", "-d", "-o", "1234", "-g", "1234", fmt.Sprintf("%s/%d", dir, i))
	}
	siege := h.UserCommand("/home/alice/hostile", append([]string{dir}, targets...)...)
	in, err := siege.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := siege.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := siege.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = siege.Wait()
	})
	var said []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			go io.Copy(io.Discard, out) //nolint:errcheck // it says no more
			t.Logf("%d hostile processes", len(said))
			return h
		}
		said = append(said, lines.Text())
	}
	t.Fatalf("the siege failed:\n%s", strings.Join(said, "\n"))
	return nil
}

// await waits, for long: the machine may be busy.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ready(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// TestOpens walks the system calls of every command, with root's rights, in the middle of a siege.
func TestOpens(t *testing.T) {
	t.Parallel()
	rules, err := parseRules(opens)
	if err != nil {
		t.Fatal(err)
	}
	h := besieged(t)
	replays.Record(t, "in the middle of a siege", h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"))
	for _, argv := range commands {
		t.Run(strings.Join(argv, " "), func(t *testing.T) {
			trace, out := traced(t, h, argv)
			list, err := parseTrace(trace, program)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(list, func(o opened) bool { return o.how == "run" && o.name == program }) {
				t.Fatalf("nothing was traced:\n%s\n%s", out, trace)
			}
			outside := map[string]int{}
			for _, o := range list {
				if !allows(rules, o) {
					key := fmt.Sprintf("%s %s %s", o.program, o.how, o.name)
					if o.led != "" && o.led != o.name {
						key += " -> " + o.led
					}
					outside[key]++
				}
			}
			for _, key := range slices.Sorted(maps.Keys(outside)) {
				t.Errorf("%d times: %s", outside[key], key)
			}
			t.Logf("%d files opened, looked at or tried", len(list))
			// What is real is still seen.
			for _, id := range []string{`"stuck/waits-for-output-lock"`, `"stuck/builder-silent"`} {
				if slices.Contains(argv, "json") && !bytes.Contains(out, []byte(id)) {
					t.Errorf("%s is not among what is said:\n%s", id, out)
				}
			}
		})
	}
	for _, r := range rules {
		if r.used == 0 {
			t.Logf("not needed: %s", r.text)
		}
	}
}

// traced runs lixfix below strace, and returns the trace and what lixfix said.
func traced(t *testing.T, h *linuxnet.Host, argv []string) (trace, out []byte) {
	t.Helper()
	const file = "/run/trace"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	strace := []string{
		// It stops at these calls alone, and not at each of all others as well.
		"--seccomp-bpf", "-f", "-y", "-s", "4096", "-o", file, "-e", "signal=none",
		"-e", "trace=open,openat,openat2,creat,execve,execveat,clone,clone3,fork,vfork,dup3,fcntl", "--", program,
	}
	cmd := h.CommandContext(ctx, "strace", append(strace, argv...)...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil || cmd.ProcessState == nil || cmd.ProcessState.ExitCode() < 0 || bytes.Contains(out,
		[]byte("panic:")) {
		t.Fatalf("%v\n%s", err, out)
	}
	trace, err = os.ReadFile(filepath.Clean(h.Path(file)))
	if err != nil {
		t.Fatal(err)
	}
	return trace, out
}
