package nixbuild_test

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixbuild"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

const (
	socket = "/nix/var/nix/daemon-socket/socket"
	drv    = "/nix/store/00000000000000000000000000000000-lixfix-build-x.drv" // of somebody else's build
	out    = "/nix/store/11111111111111111111111111111111-lixfix-build-x"
)

// host is one whose tools of Nix say what a test has them say. The real ones are those of the staged tests of the daemon.
type host struct {
	*memory.Host
	as    platform.Account
	says  func(b platform.Build) (platform.Built, error)
	calls []string
}

func (h *host) Invoker(context.Context) platform.Account { return h.as }

func (h *host) Owner(context.Context, string) (platform.Account, error) {
	return platform.Account{}, nil
}

func (*host) Daemon(context.Context, string) (*nixdaemon.Conn, nixdaemon.Answer, error) {
	return nil, nixdaemon.Answer{}, fs.ErrNotExist
}

func (h *host) Lend(_ context.Context, name string, _ platform.Account) (string, func(), error) {
	return name, func() {}, nil
}

func (h *host) Build(_ context.Context, b platform.Build) (platform.Built, error) {
	if b.As.UID != h.as.UID || b.Remote != "daemon" || b.Limit <= 0 || b.Limit > nixbuild.Limit || path.Dir(b.Tool) != "/usr/bin" {
		return platform.Built{}, fmt.Errorf("asked for %+v", b)
	}
	h.calls = append(h.calls, path.Base(b.Tool)+" "+b.Args[0])
	return h.says(b)
}

// works is what tools say where all is well.
func works(b platform.Build) (platform.Built, error) {
	switch b.Args[0] {
	case "--expr":
		nonce := b.Args[slices.Index(b.Args, "nonce")+1]
		return platform.Built{Stdout: []byte(strings.Replace(drv, "-x.", "-"+nonce+".", 1) + "\n")}, nil
	case "--realise":
		_, nonce, _ := strings.Cut(strings.TrimSuffix(b.Args[1], ".drv"), "-lixfix-build-")
		return platform.Built{Stdout: []byte(strings.TrimSuffix(out, "x") + nonce + "\n")}, nil
	}
	return platform.Built{}, nil
}

// but has one call end otherwise.
func but(call string, built platform.Built, err error) func(platform.Build) (platform.Built, error) {
	return func(b platform.Build) (platform.Built, error) {
		if b.Args[0] == call {
			return built, err
		}
		return works(b)
	}
}

func TestRun(t *testing.T) {
	alice := platform.Account{Name: "alice", UID: 1000, GID: 1000, Groups: []int{30000}}
	nobody := platform.Account{Name: "nobody", UID: 65534, GID: 65534}
	const open, grouped = "0755 0 /nix/var/nix/daemon-socket/\n", "0770 0 /nix/var/nix/daemon-socket/\n"
	all := []string{"nix-instantiate --expr", "nix-store --realise", "nix-store --delete"}
	for _, tt := range []struct {
		name, files string
		group       int // of the directory of the socket
		as          platform.Account
		says        func(platform.Build) (platform.Built, error)
		want        nixbuild.Outcome
		why         string
		calls       []string
		left        int
	}{
		{"it builds", open, 0, alice, works, nixbuild.Built, "", all, 0},
		{"for nobody", open, 0, nobody, works, nixbuild.Built, "", all, 0},
		{"for a member of the group", grouped, 30000, alice, works, nixbuild.Built, "", all, 0},
		{"nobody is no member", grouped, 30000, nobody, works, nixbuild.Untried, "the user nobody has no access to /nix/var/nix/daemon-socket, which has mode 0770 and belongs to group 30000", nil, 0},
		{"no daemon", open, 0, alice, but("--expr", platform.Built{Exit: 1, Stderr: []byte("error: cannot connect to socket at '" + socket + "': Connection refused\n")}, nil), nixbuild.Failed, "cannot connect to socket", all[:1], 0},
		{"a build that fails", open, 0, alice, but("--realise", platform.Built{Exit: 100, Stderr: []byte("building '" + drv + "'...\n\x1b[31;1merror:\x1b[0m mounting /proc: Operation not permitted\n")}, nil), nixbuild.Failed, "mounting /proc: Operation not permitted", all, 0},
		{"a build without a word", open, 0, alice, but("--realise", platform.Built{Exit: 3}, nil), nixbuild.Failed, "exit status 3", all, 0},
		{"a build that hangs", open, 0, alice, but("--realise", platform.Built{Exit: -1}, context.DeadlineExceeded), nixbuild.Late, "did not finish within", all, 0},
		{"a tool that root does not run", open, 0, alice, but("--expr", platform.Built{Exit: -1}, platform.ErrUntrusted), nixbuild.Untried, "", all[:1], 0},
		{"another derivation", open, 0, alice, but("--expr", platform.Built{Stdout: []byte("/nix/store/x.drv; rm -rf /\n")}, nil), nixbuild.Failed, "no name of a derivation", all[:1], 0},
		{"somebody else's derivation", open, 0, alice, but("--expr", platform.Built{Stdout: []byte(drv + "\n")}, nil), nixbuild.Failed, "no name of a derivation", all[:1], 0},
		{"somebody else's output", open, 0, alice, but("--realise", platform.Built{Stdout: []byte(out + "\n")}, nil), nixbuild.Failed, "no name of an output", all, 0},
		{"another output", open, 0, alice, but("--realise", platform.Built{Stdout: []byte("--help\n")}, nil), nixbuild.Failed, "no name of an output", all, 0},
		{"it stays", open, 0, alice, but("--delete", platform.Built{Exit: 1}, nil), nixbuild.Built, "", append(slices.Clone(all), all[2], all[2]), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &host{Host: memory.New(platform.Facts{OS: platform.Linux}, tt.files), as: tt.as, says: tt.says}
			dir := h.Files[path.Dir(socket)]
			dir.GID = tt.group
			h.Files[path.Dir(socket)] = dir
			r := nixbuild.Run(t.Context(), h, nixbuild.Through{Tools: "/usr/bin", Socket: socket})
			if r.Outcome != tt.want || !strings.Contains(r.Why, tt.why) || len(r.Left) != tt.left || r.As.UID != tt.as.UID || strings.ContainsAny(r.Why, "\x1b\n") {
				t.Errorf("%+v", r)
			}
			if !slices.Equal(h.calls, tt.calls) {
				t.Errorf("it ran %q", h.calls)
			}
		})
	}
}

// TestSecrets: what Nix says is shown, and its secrets are not.
func TestSecrets(t *testing.T) {
	h := &host{Host: memory.New(platform.Facts{OS: platform.Linux}, "/nix/var/nix/daemon-socket/\n"), says: but("--expr", platform.Built{
		Exit: 1, Stderr: []byte("error: illegal configuration line 'access-tokens github.com=ghp_0123456789abcdefghijABCDEFGHIJ0123456' in '/etc/nix/nix.conf'\n"),
	}, nil)}
	if r := nixbuild.Run(t.Context(), h, nixbuild.Through{Tools: "/usr/bin", Socket: socket}); r.Outcome != nixbuild.Failed || strings.Contains(r.Why, "ghp_") {
		t.Errorf("%+v", r)
	}
}
