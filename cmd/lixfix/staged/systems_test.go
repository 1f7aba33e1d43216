//go:build linux

package staged

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// TestOtherSystems runs lixfix where the kernel is old, where a container forbids what it does not know, without /proc,
// with a /proc that hides others' processes, and as the root of a user's own namespace. It looks as well as it can there:
// it starts, it takes nobody's files for somebody else's, and it calls nothing well that it could not look at.
func TestOtherSystems(t *testing.T) {
	t.Parallel()
	h := linuxnet.New(t, linuxnet.Options{Mode: linuxnet.V4, Nix: true})
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.WriteFile(t, "/etc/resolv.conf", "nameserver "+linuxnet.Addr4+"\n", 0o644)
	h.Resolver(t, linuxnet.Addr4)
	h.Daemon(t)
	const (
		noProc = "mount -t tmpfs none /proc && "
		hidden = "mount -t proc -o hidepid=2 proc /proc && "
	)
	// strace answers for the kernel.
	old := func(errors ...string) string {
		line := "strace -f -o /dev/null -e trace=close_range,openat2"
		for _, e := range errors {
			line += " -e inject=" + e
		}
		return line + " "
	}
	h.Run(t, "install", "-d", "-o", "1234", "-g", "1234", "/home/alice/records")
	root := func(line string) *exec.Cmd {
		return h.Command("unshare", "-m", "env", "HOME=/root", "/bin/sh", "-c", line)
	}
	alice := func(line string) *exec.Cmd {
		return h.UserCommand("unshare", "-Ur", "env", "HOME=/home/alice/records", "/bin/sh", "-c", line)
	}
	plain := map[string]answer{}
	unknown := map[string]bool{"stuck/not-checked": true, "resolv-conf/not-known": true}
	looks := map[string]string{
		"stuck":       program + " check stuck --format json",
		"resolv-conf": program + " check resolv-conf --passive --format json --name " + linuxnet.Name,
	}
	for c, line := range looks {
		plain[c] = ask(t, root(line), c)
	}
	tests := []struct {
		name, before string
		as           func(string) *exec.Cmd
		blind        []string // what cannot be looked at there
	}{
		{"Linux before 5.6", old("close_range:error=ENOSYS", "openat2:error=ENOSYS"), root, nil},
		{"Linux before 5.11", old("close_range:error=EINVAL"), root, nil},
		{"a container that forbids both", old("close_range:error=EPERM", "openat2:error=EPERM"), root, nil},
		{"no /proc", noProc, root, []string{"stuck"}},
		{"no /proc, Linux before 5.6", noProc + old("close_range:error=ENOSYS", "openat2:error=ENOSYS"), root, []string{"stuck"}},
		{"hidden processes, as root", hidden, root, nil},
		{"a namespace of alice's", "", alice, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if out, err := tt.as(tt.before + program + " version").CombinedOutput(); err != nil ||
				!strings.HasPrefix(string(out), "lixfix ") {
				t.Errorf("it does not start: %v\n%s", err, out)
			}
			replays.RecordBy(t, tt.name, h, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), func(file string) *exec.Cmd {
				// In a namespace of hers, what root owns outside is nobody's that she could trust.
				return tt.as("d=$(mktemp -d -p $HOME) && " + tt.before + program + " record stuck resolv-conf -o $d/r && cp $d/r " + file)
			})
			for c, want := range plain {
				got := ask(t, tt.as(tt.before+looks[c]), c)
				switch {
				case slices.Contains(tt.blind, c):
					if got.Code != 3 && got.Code != 1 || !slices.ContainsFunc(got.IDs, func(id string) bool { return unknown[id] }) {
						t.Errorf("%s could not be looked at, and it ended with %d: %q", c, got.Code, got.IDs)
					}
				case got.Code != want.Code || !slices.Equal(got.IDs, want.IDs):
					t.Errorf("%s: exit %d, %q, and elsewhere %d, %q\n%s", c, got.Code, got.IDs, want.Code, want.IDs, got.Said)
				}
				if strings.Contains(got.Said, "65534") {
					t.Errorf("%s: files of the system are taken for somebody else's:\n%s", c, got.Said)
				}
			}
		})
	}
}

// answer is how a check ended.
type answer struct {
	Code int
	IDs  []string
	Said string
}

func ask(t *testing.T, cmd *exec.Cmd, fix string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Cancel() })
	defer stop()
	out, err := cmd.Output()
	a := answer{Said: string(out)}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		a.Code = exit.ExitCode()
		a.Said += string(exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Fixes []struct {
			Findings []struct{ ID string }
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%s: %v\n%s", fix, err, a.Said)
	}
	for _, f := range report.Fixes {
		for _, finding := range f.Findings {
			a.IDs = append(a.IDs, finding.ID)
		}
	}
	return a
}
