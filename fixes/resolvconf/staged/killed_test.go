//go:build linux

package staged

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// kill is when lixfix is killed: so long after it has said that something happened.
type kill struct {
	event string
	after time.Duration
}

func (k kill) String() string { return fmt.Sprintf("%s + %s", k.event, k.after) }

// kills are before, around and after the one write of a repair, and while a build looks whether it has helped.
var kills = []kill{
	{"step-begin", 0},
	{"step-begin", 300 * time.Microsecond},
	{"step-begin", 2 * time.Millisecond},
	{"step-done", 0},
	{"step-done", 30 * time.Millisecond},
}

// killed runs lixfix and kills it with SIGKILL. What it has started in process groups of its own ends by itself.
func killed(t *testing.T, h *linuxnet.Host, k kill, args ...string) {
	t.Helper()
	cmd := h.Command(linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), append(args, "--format", "jsonl")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen []string
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct{ Event string }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Errorf("%s: %v", lines.Bytes(), err)
		}
		seen = append(seen, e.Event)
		if e.Event != k.event {
			continue
		}
		time.Sleep(k.after)
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	// The end of its output is the end of lixfix.
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("lixfix was not killed: %v; it said %q\n%s", err, seen, stderr.Bytes())
	}
}

// TestKilled kills the real program on real hosts, in a repair of each kind of write to a file. The next lixfix says so,
// and resume and undo settle it.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, s := range []situation{
		{name: "set-mode", spoil: conf(good, 0o600), id: "not-readable-by-builders"},
		{name: "set-link", spoil: dangling, id: "dangling-link"},
		{name: "write-file", spoil: conf("# mine\nnameserver "+linuxnet.Addr4+"\r\n", 0o640), id: "glibc-skips-line"},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := linuxnet.New(t, linuxnet.Options{Nix: true})
			h.Store(t)
			h.Resolver(t, linuxnet.Addr4)
			s.spoil(t, h)
			before := touched(t, h)
			repair := []string{
				"repair", "resolv-conf", "--name", linuxnet.Name, "--yes", "--accept", "resolv-conf/" + s.id,
				"--accept", "resolv-conf/not-readable-by-builders",
			}
			settle := func(k kill, wanted map[string]string, args ...string) {
				t.Helper()
				if r := run(t, h, args...); r.Exit != 0 {
					t.Errorf("%s, then %s: exit %d", k, args[0], r.Exit)
				}
				if diff := cmp.Diff(wanted, touched(t, h)); diff != "" {
					t.Fatalf("%s, then %s (-want +got):\n%s", k, args[0], diff)
				}
			}
			whole := kill{event: "not killed"}
			if r := run(t, h, repair...); r.Exit != 0 {
				t.Fatalf("the repair ended with %d", r.Exit)
			}
			target := touched(t, h)
			if cmp.Equal(before, target) {
				t.Fatal("the repair has changed nothing")
			}
			settle(whole, before, "undo", "--yes")
			for _, k := range kills {
				for _, back := range []bool{true, false} {
					killed(t, h, k, slices.Clone(repair)...)
					if r := run(t, h, "check", "resolv-conf", "--passive", "--name", linuxnet.Name); r.Exit != 4 {
						t.Errorf("%s: check ended with %d, and not with 4", k, r.Exit)
					}
					if !back {
						settle(k, target, "resume", "--yes")
					}
					settle(k, before, "undo", "--yes")
				}
			}
		})
	}
}
