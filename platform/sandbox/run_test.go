package sandbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

// fake is a builder that builds nothing: it notes what it was asked.
type fake struct {
	mu sync.Mutex
	platform.View
	calls   []platform.Build
	realise func(b platform.Build) (platform.Built, error)
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

func (f *fake) Invoker(context.Context) platform.Account { return platform.Account{} }

func (f *fake) Owner(context.Context, string) (platform.Account, error) {
	return platform.Account{}, nil
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
