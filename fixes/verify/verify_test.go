package verify_test

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/verify"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

// host is one whose login shells end as a test says. Real ones are those of the staged tests.
type host struct {
	*memory.Host
	mu   sync.Mutex
	says func(shell, tool string, interactive bool) (platform.Built, error)
}

func (h *host) Invoker(context.Context) platform.Account {
	return platform.Account{Name: "alice", UID: 1000, GID: 1000}
}

func (h *host) Owner(context.Context, string) (platform.Account, error) {
	return platform.Account{}, nil
}

func (h *host) Lend(_ context.Context, name string, _ platform.Account) (string, func(), error) {
	return name, func() {}, nil
}

func (h *host) Daemon(context.Context, string) (*nixdaemon.Conn, nixdaemon.Answer, error) {
	return nil, nixdaemon.Answer{}, errors.New("a login shell asks for itself")
}

func (h *host) Build(_ context.Context, b platform.Build) (platform.Built, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	shell, tool, interactive := "", path.Base(b.Tool), false
	if b.Login != nil {
		shell, interactive = path.Base(b.Login.Shell), b.Login.Interactive
	}
	built, err := h.says(shell, tool, interactive)
	// What is built has the nonce that is asked for.
	nonce := ""
	if i := slices.Index(b.Args, "nonce"); i >= 0 {
		nonce = b.Args[i+1]
	} else if len(b.Args) > 1 {
		_, nonce, _ = strings.Cut(strings.TrimSuffix(b.Args[1], ".drv"), "-lixfix-build-")
	}
	built.Stdout = []byte(strings.Replace(string(built.Stdout), "-lixfix-build-x", "-lixfix-build-"+nonce, 1))
	return built, err
}

// works is what a shell says where all is well.
func works(_, tool string, _ bool) (platform.Built, error) {
	found := "/usr/bin/" + tool
	if tool == "nix-instantiate" {
		return platform.Built{Found: found, Stdout: []byte("/nix/store/00000000000000000000000000000000-lixfix-build-x.drv\n")}, nil
	}
	return platform.Built{Found: found, Stdout: []byte("/nix/store/11111111111111111111111111111111-lixfix-build-x\n")}, nil
}

func TestRun(t *testing.T) {
	none := platform.Built{Exit: 127}
	fails := func(says string) platform.Built {
		return platform.Built{Exit: 1, Found: "/usr/bin/nix-store", Stderr: []byte("error: " + says + "\n")}
	}
	look := func(context.Context) verify.Rung { return verify.Rung{Mark: verify.Holds, Says: "resolves"} }
	for _, tt := range []struct {
		name   string
		says   func(shell, tool string, interactive bool) (platform.Built, error)
		shells []string
		tools  string
		want   string
		status fix.Status
		next   string
		left   int
	}{
		{
			name: "all is well", says: works, shells: []string{"/bin/bash", "/bin/zsh"}, status: fix.OK,
			want: "bash finds /usr/bin/nix-instantiate|zsh finds /usr/bin/nix-instantiate|the client reaches the daemon|built in|resolves",
		},
		{
			name: "one shell finds nothing", shells: []string{"/bin/bash", "/bin/zsh"}, status: fix.Broken, next: "lixfix explain shell-hook/not-found",
			says: func(shell, tool string, interactive bool) (platform.Built, error) {
				if shell == "zsh" {
					return none, nil
				}
				return works(shell, tool, interactive)
			},
			want: "bash finds /usr/bin/nix-instantiate|zsh does not find nix: nix-instantiate is not on its PATH|the client reaches the daemon|built in|resolves",
		},
		{
			name: "only on a terminal", shells: []string{"/bin/bash"}, status: fix.OK,
			says: func(shell, tool string, interactive bool) (platform.Built, error) {
				if !interactive {
					return none, nil
				}
				return works(shell, tool, interactive)
			},
			want: "bash finds /usr/bin/nix-instantiate, but only when interactive|the client reaches the daemon|built in|resolves",
		},
		{
			name: "no daemon, for one shell", shells: []string{"/bin/bash", "/bin/fish"}, status: fix.Broken, next: "lixfix check daemon",
			says: func(shell, tool string, interactive bool) (platform.Built, error) {
				if shell == "fish" {
					return fails("cannot connect"), nil
				}
				return works(shell, tool, interactive)
			},
			want: "bash finds /usr/bin/nix-instantiate|fish finds /usr/bin/nix-store|in fish: the client cannot reach the daemon: cannot connect|built in|resolves",
		},
		{
			name: "it hangs", shells: []string{"/bin/bash"}, status: fix.Broken, next: "lixfix check daemon",
			says: func(string, string, bool) (platform.Built, error) {
				return platform.Built{Found: "/usr/bin/nix-instantiate", Exit: -1}, context.DeadlineExceeded
			},
			want: "bash finds /usr/bin/nix-instantiate|the client cannot reach the daemon: nix-instantiate did not finish within 30s||",
		},
		{
			name: "its files hang", shells: []string{"/bin/bash"}, status: fix.Broken, next: "lixfix explain shell-hook/not-found",
			says: func(string, string, bool) (platform.Built, error) {
				return platform.Built{Exit: -1}, context.DeadlineExceeded
			},
			want: "bash did not get to run a command within 30s: its startup files wait for something|||",
		},
		{
			name: "no build", shells: []string{"/bin/bash"}, status: fix.Broken, next: "lixfix check daemon", left: 1,
			says: func(shell, tool string, interactive bool) (platform.Built, error) {
				if tool == "nix-store" {
					return fails("no users"), nil
				}
				return works(shell, tool, interactive)
			},
			want: "bash finds /usr/bin/nix-instantiate|the client reaches the daemon|the daemon cannot build: no users|",
		},
		{
			name: "a shell that root does not run", shells: []string{"/bin/bash"}, status: fix.Unknown, next: "lixfix explain shell-hook/not-found",
			says: func(string, string, bool) (platform.Built, error) {
				return platform.Built{Exit: -1}, platform.ErrUntrusted
			},
			want: "bash: " + platform.ErrUntrusted.Error() + "|||",
		},
		{
			name: "no shell", tools: "/usr/bin", says: works, status: fix.OK,
			want: "no bash, zsh or fish on this host; used the tools in /usr/bin|the client reaches the daemon|built in|resolves",
		},
		{name: "nothing", status: fix.Broken, want: "there is no Nix in any of the usual places|||", next: "lixfix explain shell-hook/not-found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &host{Host: memory.New(platform.Facts{OS: platform.Linux}, "/nix/var/nix/daemon-socket/\n"), says: tt.says}
			l := verify.Run(t.Context(), h, verify.Means{Shells: tt.shells, Tools: tt.tools}, look)
			var got []string
			for _, r := range l.Rungs {
				before, _, _ := strings.Cut(r.String(), " 0.")
				got = append(got, before)
			}
			if diff := cmp.Diff(strings.Split(tt.want, "|"), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if l.Status() != tt.status || l.As != "alice" || len(l.Left) != tt.left || len(l.Figure().Rows) != len(l.Rungs) {
				t.Errorf("%s: %+v", l.Status(), l)
			}
			worst := l.Worst()
			if (worst == nil) != (tt.next == "") || worst != nil && (worst.Next[0] != tt.next || !strings.Contains(l.Verdict(), worst.Says)) {
				t.Errorf("%s\n%+v", l.Verdict(), worst)
			}
		})
	}
}

// TestFind: /etc/shells and /etc/passwd say which shells there are; of two of a kind the one that only root can change.
func TestFind(t *testing.T) {
	const lines = "/bin/bash\n0755 1000 /home/alice/\n0755 1000 /home/alice/zsh\n/usr/bin/zsh\n/usr/bin/fish\n"
	const list = `/etc/shells = # valid login shells\n/bin/sh\n/bin/bash\n/usr/bin/bash\n/home/alice/zsh\n/usr/bin/../bin/fish\nfish\n` + "\n"
	const passwd = `/etc/passwd = bob:x:1001:1001::/home/bob:/usr/bin/zsh\n` + "\n"
	m, err := verify.Find(t.Context(), memory.New(platform.Facts{OS: platform.Linux}, lines+list+passwd))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/bin/bash", "/usr/bin/zsh"}, m.Shells); diff != "" {
		t.Error(diff)
	}
	if m, err := verify.Find(t.Context(), memory.New(platform.Facts{OS: platform.Linux}, lines)); err != nil || len(m.Shells) > 0 {
		t.Errorf("none: %+v %v", m, err)
	}
	user := memory.New(platform.Facts{OS: platform.Linux, UID: 1000}, lines+"0600 0 "+list)
	if _, err := verify.Find(t.Context(), user); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("what cannot be read is not absent: %v", err)
	}
}
