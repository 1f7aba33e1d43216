package platform_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform"
)

// builder is a machine with a nix-store that is a shell script.
func builder(t *testing.T, script string) (platform.Builder, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nix-store")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return platform.At(func(name string) (string, error) {
		if name == "/usr/bin/nix-store" {
			return file, nil
		}
		return name, nil
	}, func() platform.Facts { return platform.Facts{} }), file
}

func TestBuild(t *testing.T) {
	t.Setenv("NIX_STORE_DIR", "/elsewhere")
	t.Setenv("NIX_CONFIG", "sandbox = false")
	b, _ := builder(t, `echo "$@"; env >&2; exit 7`)
	pid := 0
	out, err := b.Build(t.Context(), platform.Build{
		Tool: "/usr/bin/nix-store", Args: []string{"--realise", "a b"}, Remote: "daemon", Limit: time.Minute, Started: func(n int) { pid = n },
	})
	if err != nil || out.Exit != 7 || string(out.Stdout) != "--realise a b\n" || pid == 0 {
		t.Errorf("%+v %v, process %d", out, err, pid)
	}
	env := string(out.Stderr)
	if !strings.Contains(env, "NIX_REMOTE=daemon\n") || strings.Contains(env, "elsewhere") || strings.Contains(env, "NIX_CONFIG") {
		t.Errorf("environment:\n%s", env)
	}
}

func TestBuildRefuses(t *testing.T) {
	b, file := builder(t, "echo ran")
	for _, tool := range []string{"nix-store", "/bin/sh", "/usr/bin/nix-daemon", ""} {
		if _, err := b.Build(t.Context(), platform.Build{Tool: tool, Limit: time.Minute}); !errors.Is(err, platform.ErrNotBuilder) {
			t.Errorf("%q: %v", tool, err)
		}
	}
	if err := os.Chmod(file, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Build(t.Context(), platform.Build{Tool: "/usr/bin/nix-store", Limit: time.Minute}); !errors.Is(err, platform.ErrUntrusted) {
		t.Errorf("writable by everybody: %v", err)
	}
}

// TestBuildEnds has a tool that does not end by itself: at its limit, and when the caller gives up, it is sent SIGINT.
func TestBuildEnds(t *testing.T) {
	script := `trap 'echo interrupted >&2; exit 1' INT; echo started; while :; do sleep 0.05; done`
	b, _ := builder(t, script)
	out, err := b.Build(t.Context(), platform.Build{Tool: "/usr/bin/nix-store", Limit: 500 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || out.Exit != 1 || string(out.Stderr) != "interrupted\n" {
		t.Errorf("limit: %+v %v", out, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	time.AfterFunc(500*time.Millisecond, func() { cancel(enough) })
	out, err = b.Build(ctx, platform.Build{Tool: "/usr/bin/nix-store", Limit: time.Hour})
	if !errors.Is(err, enough) || string(out.Stderr) != "interrupted\n" {
		t.Errorf("given up: %+v %v", out, err)
	}
	// It says all that is to be known, and would go on.
	b, _ = builder(t, `trap 'exit 1' INT; echo told >&2; while :; do sleep 0.05; done`)
	out, err = b.Build(t.Context(), platform.Build{Tool: "/usr/bin/nix-store", Limit: time.Hour, Enough: func(stderr []byte) bool {
		return strings.Contains(string(stderr), "told\n")
	}})
	if err != nil || out.Exit != 1 || string(out.Stderr) != "told\n" {
		t.Errorf("it said enough: %+v %v", out, err)
	}
}

func TestBuildKeepsWhatCameFirst(t *testing.T) {
	b, _ := builder(t, `echo first; head -c 20000000 /dev/zero; echo last >&2`)
	out, err := b.Build(t.Context(), platform.Build{Tool: "/usr/bin/nix-store", Limit: time.Minute})
	if err != nil || !out.Cut || !strings.HasPrefix(string(out.Stdout), "first\n") || len(out.Stdout) > 17<<20 || string(out.Stderr) != "last\n" {
		t.Errorf("%d bytes, cut: %t, %q, %v", len(out.Stdout), out.Cut, out.Stderr, err)
	}
}
