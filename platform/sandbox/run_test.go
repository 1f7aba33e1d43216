package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
	"github.com/lixfix/lixfix/platform/platformtest/nixwire"
)

// fake is a builder that builds nothing: it notes what it was asked.
type fake struct {
	mu sync.Mutex
	platform.View
	calls   []platform.Build
	realise func(b platform.Build) (platform.Built, error)
	socket  string           // of a daemon that is greeted; "" for none
	as      platform.Account // who builds through the daemon
}

// there is a host with the tools and a store.
func there() platform.View {
	return memory.New(platform.Facts{OS: platform.Linux}, "/usr/bin/nix = x\n/usr/bin/nix-store -> nix\n"+database+"/\n")
}

func (f *fake) ReadFile(ctx context.Context, name string) ([]byte, error) {
	if name != "/lixfix" {
		return f.View.ReadFile(ctx, name)
	}
	// The header of a program without segments.
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x01\x01")
	header[16], header[18], header[20], header[52], header[54], header[58] = 2, 0x3e, 1, 64, 56, 64
	return header, nil
}

func (f *fake) Invoker(context.Context) platform.Account { return f.as }

func (f *fake) Owner(context.Context, string) (platform.Account, error) {
	return platform.Account{}, nil
}

func (f *fake) Daemon(ctx context.Context, _ string) (*nixdaemon.Conn, nixdaemon.Answer, error) {
	if f.socket == "" {
		return nil, nixdaemon.Answer{}, fs.ErrNotExist
	}
	conn, a := nixdaemon.Open(ctx, f.socket, false)
	return conn, a, nil
}

func (f *fake) Lend(_ context.Context, name string, _ platform.Account) (string, func(), error) {
	return name, func() {}, nil
}

func (f *fake) Build(_ context.Context, b platform.Build) (platform.Built, error) {
	f.mu.Lock()
	f.calls = append(f.calls, b)
	f.mu.Unlock()
	switch {
	case slices.Contains(b.Args, "--version"):
		return platform.Built{Stdout: []byte("nix (Nix) 2.8.0\n")}, nil
	case path.Base(b.Tool) == "nix-build":
		built, err := f.realise(b)
		said := fmt.Appendf(nil, "this derivation will be built:\n  /nix/store/%s-lixfix-dns-probe-%s.drv\n", strings.Repeat("0", 32), nonceOf(b))
		built.Stderr = append(said, built.Stderr...)
		return built, err
	}
	return platform.Built{Exit: 1}, nil
}

func nonceOf(b platform.Build) string { return b.Args[slices.Index(b.Args, "nonce")+1] }

func TestRun(t *testing.T) {
	nonces := map[string]bool{}
	f := &fake{View: there(), realise: func(b platform.Build) (platform.Built, error) {
		nonce := nonceOf(b)
		nonces[nonce] = true
		return platform.Built{Stderr: []byte(reported(t, Report{Nonce: nonce}))}, nil
	}}
	o := Options{Builder: "/lixfix", Extra: [][2]string{{"pasta-path", ""}, {"sandbox", "false"}}}
	for range 2 {
		if r, err := Run(t.Context(), f, o); err != nil || r.Outcome != Ran || r.Implementation != "Nix" || r.Version != "2.8.0" {
			t.Errorf("%+v %v", r, err)
		}
	}
	if len(nonces) != 2 {
		t.Errorf("two runs have the nonces %v", nonces)
	}
	for _, c := range f.calls {
		all := strings.Join(c.Args, "|")
		if c.Limit <= 0 || c.Limit > lixLimit || path.Dir(c.Tool) != "/usr/bin" {
			t.Errorf("%+v", c)
		}
		switch {
		case slices.Contains(c.Args, "--version"):
		case c.Remote != "local":
			t.Errorf("built by %q, where there is no daemon: %s", c.Remote, all)
		case path.Base(c.Tool) == "nix-build":
			for _, want := range []string{"|-j1|", "--no-out-link|", "--option|substitute|false", "--option|builders||", "--option|pasta-path||--option|sandbox|false"} {
				if !strings.Contains(all, want) {
					t.Errorf("%q is not in %s", want, all)
				}
			}
		case c.Args[0] == "--delete":
			if strings.Contains(all, BuilderName) {
				t.Errorf("the builder is deleted, and with it whatever refers to it: %s", all)
			}
		}
	}
}

// TestRunAsksOnce: what a package has put in its place is not run to be asked what it is, unless somebody else can have
// replaced it.
func TestRunAsksOnce(t *testing.T) {
	const database = "/var/lib/dpkg/info/nix-bin.list = /usr/bin/nix\\n\n/var/lib/dpkg/status = Package: nix-bin\\nVersion: 2.8.0+dfsg1-1\\n\n"
	for _, tt := range []struct {
		name, program, packages string
		asked                   bool
	}{
		{"packaged", "0755 0 /usr/bin/nix = x\n", database, false},
		{"by hand", "0755 0 /usr/bin/nix = x\n", "", true},
		{"a package without a version", "0755 0 /usr/bin/nix = x\n", strings.Replace(database, "2.8.0+dfsg1-1", "unknown", 1), true},
		{"somebody's", "0755 1000 /usr/bin/nix = x\n", database, true},
		{"others can write to it", "0775 0 /usr/bin/nix = x\n", database, true},
		{"others can replace it", "0755 0 /usr/bin/nix = x\n0777 0 /usr/bin/\n", database, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := memory.New(platform.Facts{OS: platform.Linux}, tt.program+tt.packages+"/usr/bin/nix-store -> nix\n/nix/var/nix/db/\n")
			f := &fake{View: h, realise: func(b platform.Build) (platform.Built, error) {
				return platform.Built{Stderr: []byte(reported(t, Report{Nonce: nonceOf(b)}))}, nil
			}}
			r, err := Run(t.Context(), f, Options{Builder: "/lixfix"})
			if err != nil || r.Outcome != Ran || r.Implementation != "Nix" || r.Version != "2.8.0" || !strings.Contains(r.Client, "2.8.0") {
				t.Errorf("%+v %v", r, err)
			}
			if asked := slices.ContainsFunc(f.calls, func(b platform.Build) bool { return slices.Contains(b.Args, "--version") }); asked != tt.asked {
				t.Errorf("asked: %t", asked)
			}
		})
	}
}

func TestRunGivesUp(t *testing.T) {
	f := &fake{View: there(), realise: func(platform.Build) (platform.Built, error) {
		return platform.Built{Exit: 1, Stderr: []byte("error: interrupted by the user\n")}, fmt.Errorf("run nix-build: %w", context.DeadlineExceeded)
	}}
	r, err := Run(t.Context(), f, Options{Builder: "/lixfix"})
	if err != nil || r.Outcome != SetupTimeout || !strings.Contains(r.Reason, otherLimit.String()) || len(r.Left) != 1 {
		t.Errorf("%+v %v", r, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	f.realise = func(platform.Build) (platform.Built, error) {
		cancel(enough)
		return platform.Built{Exit: 1}, fmt.Errorf("run nix-build: %w", enough)
	}
	if r, err := Run(ctx, f, Options{Builder: "/lixfix"}); err != nil || r.Outcome != Interrupted || r.Reason != "enough" {
		t.Errorf("%+v %v", r, err)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, o := range []Options{
		{Builder: "lixfix"},
		{Builder: "/lixfix", Name: "a b"},
		{Builder: "/lixfix", Name: "-rf"},
		{Builder: "/lixfix", Store: "../x"},
		{Builder: "/lixfix", Extra: [][2]string{{"--store", "x"}}},
		{Builder: "/lixfix", Extra: [][2]string{{"sandbox", "x\nbuilders = ssh://host"}}},
	} {
		f := &fake{View: there()}
		if _, err := Run(t.Context(), f, o); err == nil || len(f.calls) > 0 {
			t.Errorf("%+v: %v, %d calls", o, err, len(f.calls))
		}
	}
}

// serve is a daemon that greets and answers each request to delete paths with one of answers, the last for the rest.
func serve(t *testing.T, greeting []byte, answers ...[]byte) (socket string, asked func() int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "d") //nolint:usetesting // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = path.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int32
	var clients sync.WaitGroup
	t.Cleanup(func() { l.Close(); clients.Wait() })
	clients.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.ReadFull(c, make([]byte, 32))
		_, _ = c.Write(greeting)
		for b := make([]byte, 4096); ; {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			i := int(requests.Add(1)) - 1
			if !bytes.Contains(b[:n], []byte("-lixfix-dns-probe-")) || bytes.Contains(b[:n], []byte(BuilderName)) {
				t.Errorf("%q is to be deleted", b[:n])
			}
			_, _ = c.Write(answers[min(i, len(answers)-1)])
		}
	})
	return socket, func() int { return int(requests.Load()) }
}

// TestRunThroughDaemon: what a greeting tells is asked of no tool, what was built is deleted over the same connection, and
// where that does not work, by a tool.
func TestRunThroughDaemon(t *testing.T) {
	t.Parallel()
	done := nixwire.Packet(0x616c7473, 0, 0, 0)
	alive := nixwire.Packet(0x63787470, "Error", 0, "Error", "it is still alive", 0, 0)
	for _, tt := range []struct {
		name    string
		as      platform.Account
		old     bool     // its protocol
		answers [][]byte // nil for no daemon that answers
		asked   int      // by lixfix itself
		ping    bool
		tool    bool // deletes
	}{
		{name: "deletes", answers: [][]byte{done}, asked: 1},
		{name: "has not noticed that its client is gone", answers: [][]byte{alive, alive, done}, asked: 3},
		{name: "trusts others than somebody else", as: platform.Account{UID: 1000}, answers: [][]byte{done}, asked: 1, ping: true},
		{name: "tells nobody whom it trusts", as: platform.Account{UID: 1000}, old: true, answers: [][]byte{done}, asked: 1},
		{name: "does not delete", answers: [][]byte{alive}, asked: 8, tool: true},
		{name: "talks nonsense", answers: [][]byte{nixwire.Packet(1, 2, 3, 4)}, asked: 1, tool: true},
		{name: "does not answer", ping: true, tool: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{View: there(), as: tt.as, realise: func(b platform.Build) (platform.Built, error) {
				return platform.Built{Stderr: []byte(reported(t, Report{Nonce: nonceOf(b)}))}, nil
			}}
			asked := func() int { return 0 }
			if tt.answers != nil {
				greeting := nixwire.Packet(0x6478696f, 0x123, "2.95.3", 2, 0x616c7473)
				if tt.old {
					greeting = nixwire.Packet(0x6478696f, 0x122, "2.95.3", 0x616c7473)
				}
				f.socket, asked = serve(t, greeting, tt.answers...)
			}
			r, err := Run(t.Context(), f, Options{Builder: "/lixfix", Store: "daemon"})
			if err != nil || r.Outcome != Ran || !r.Daemon {
				t.Errorf("%+v %v", r, err)
			}
			if tt.answers != nil && r.Version != "2.95.3" {
				t.Errorf("version %q", r.Version)
			}
			if told := r.Trusted != nil && !*r.Trusted; told != (tt.answers != nil && !tt.ping && !tt.old) {
				t.Errorf("trusted: %v", r.Trusted)
			}
			var ping, tool bool
			for _, c := range f.calls {
				ping = ping || slices.Contains(c.Args, "ping")
				tool = tool || slices.Contains(c.Args, "--delete")
			}
			if ping != tt.ping || tool != tt.tool || asked() != tt.asked {
				t.Errorf("ping %t, deleted by a tool %t, asked %d times", ping, tool, asked())
			}
			if tt.tool != (len(r.Left) > 0) { // the tool of this test deletes nothing
				t.Errorf("left %v", r.Left)
			}
		})
	}
}
