package platform_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestBuildAsSomebodyElse: what root runs for another user has nothing left of root.
func TestBuildAsSomebodyElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run something as somebody else; run the test as root")
	}
	b, file := builder(t, `grep -E '^(Uid|Gid|Groups|Cap[A-Z][a-z]+|NoNewPrivs):' /proc/self/status; cat /proc/self/stat; echo`)
	pass(t, file)
	as := platform.Account{Name: "alice", UID: 1234, GID: 1235, Groups: []int{1236}}
	out, err := b.Build(t.Context(), platform.Build{Tool: "/usr/bin/nix-store", As: as, Limit: time.Minute})
	if err != nil || out.Exit != 0 {
		t.Fatalf("%+v %v", out, err)
	}
	text := strings.ReplaceAll(string(out.Stdout), "\t", " ")
	for _, want := range []string{
		"Uid: 1234 1234 1234 1234\n", "Gid: 1235 1235 1235 1235\n", "Groups: 1236 \n", "NoNewPrivs: 1\n",
		"CapInh: 0000000000000000\n", "CapPrm: 0000000000000000\n", "CapEff: 0000000000000000\n",
		"CapBnd: 0000000000000000\n", "CapAmb: 0000000000000000\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	// The thread that gave all of that away has ended with it: lixfix has what it had.
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t0\n") {
		t.Errorf("lixfix itself: %v\n%s", err, status)
	}
	out, err = b.Build(t.Context(), platform.Build{Tool: "/usr/bin/nix-store", Limit: time.Minute})
	if err != nil || !strings.Contains(string(out.Stdout), "NoNewPrivs:\t0\n") {
		t.Errorf("as root afterwards: %+v %v", out, err)
	}
}

// pass lets other users get to a file below the directory for temporary files.
func pass(t *testing.T, file string) {
	t.Helper()
	for dir := filepath.Dir(file); len(dir) >= len(os.TempDir()); dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o001 == 0 {
			err = os.Chmod(dir, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRootRunsNobodysProgram: where somebody else can change a directory on the way, or the program, root runs it as
// them or not at all.
func TestRootRunsNobodysProgram(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("these files belong to several users; run the test as root")
	}
	const alice, bob = 1234, 1235
	tests := []struct {
		name   string
		change func(file string) error
		as     int
		runs   bool
	}{
		{"root's", func(string) error { return nil }, 0, true},
		{"root's, as alice", func(string) error { return nil }, alice, true},
		{"alice's directory", func(f string) error { return os.Chown(filepath.Dir(f), alice, alice) }, 0, false},
		{"alice's directory, as alice", func(f string) error { return os.Chown(filepath.Dir(f), alice, alice) }, alice, true},
		{"alice's directory, as bob", func(f string) error { return os.Chown(filepath.Dir(f), alice, alice) }, bob, false},
		{"alice's program", func(f string) error { return os.Chown(f, alice, alice) }, 0, false},
		{"alice's program, as bob", func(f string) error { return os.Chown(f, alice, alice) }, bob, false},
		{"a group may write to it", func(f string) error { return os.Chmod(f, 0o775) }, 0, false},
		{"all may write to its directory, as alice", func(f string) error { return os.Chmod(filepath.Dir(f), 0o777) }, alice, false},
		{"a directory of nobody's, as nobody", func(f string) error { return os.Chown(filepath.Dir(f), 65534, 65534) }, 65534, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, file := builder(t, "echo ran")
			pass(t, file)
			if err := tt.change(file); err != nil {
				t.Fatal(err)
			}
			out, err := b.Build(t.Context(), platform.Build{
				Tool: "/usr/bin/nix-store", As: platform.Account{UID: tt.as, GID: tt.as}, Limit: time.Minute,
			})
			if ran := string(out.Stdout) == "ran\n"; ran != tt.runs || tt.runs == errors.Is(err, platform.ErrUntrusted) {
				t.Errorf("ran: %t, %v", ran, err)
			}
		})
	}
}

// TestInvoker: the environment says who has called lixfix, and passwd has to agree.
func TestInvoker(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root has an invoker; run the test as root")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"passwd": "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\nalice:x:1000:1001::/home/alice:/bin/sh\n" +
			"toor:x:0:0::/root:/bin/sh\nnixbld1:x:30001:30000::/:/bin/false\n",
		"group": "nixbld:x:30000:nixbld1\nroot:x:0:\nalice:x:1001:\nwheel:x:998:bob,alice\nusers:x:100:alicex\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	alice := platform.Account{Name: "alice", UID: 1000, GID: 1001, Groups: []int{998}, Home: "/home/alice"}
	nobody := platform.Account{Name: "nobody", UID: 65534, GID: 65533}
	tests := []struct {
		env  map[string]string
		want platform.Account
	}{
		{nil, nobody},
		{map[string]string{"SUDO_UID": "1000", "SUDO_USER": "alice"}, alice},
		{map[string]string{"SUDO_UID": "1000"}, alice},
		{map[string]string{"DOAS_USER": "alice"}, alice},
		{map[string]string{"SUDO_UID": "1000", "SUDO_USER": "root"}, nobody},
		{map[string]string{"SUDO_UID": "0", "SUDO_USER": "root"}, nobody},
		{map[string]string{"SUDO_UID": "30001", "SUDO_USER": "nixbld1"}, nobody},
		{map[string]string{"SUDO_UID": "4711"}, nobody},
		{map[string]string{"SUDO_UID": "-1"}, nobody},
		{map[string]string{"SUDO_UID": "4294968296"}, nobody}, // 1000 in 32 bits
		{map[string]string{"SUDO_UID": "1000 "}, nobody},
		{map[string]string{"DOAS_USER": "toor"}, nobody},
		{map[string]string{"SUDO_UID": "x", "DOAS_USER": "alice"}, nobody},
	}
	for _, tt := range tests {
		m := platform.At(func(name string) (string, error) {
			return filepath.Join(dir, filepath.Base(name)), nil
		}, func() platform.Facts { return platform.Facts{} })
		m.SetEnvironment(func(name string) string { return tt.env[name] })
		if d := cmp.Diff(tt.want, m.Invoker(t.Context())); d != "" {
			t.Errorf("%v (-want +got):\n%s", tt.env, d)
		}
	}
}
