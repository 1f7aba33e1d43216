package systemd_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
	"github.com/lixfix/lixfix/platform/systemd"
)

var linux = platform.Facts{OS: platform.Linux, Arch: "amd64"}

func TestFind(t *testing.T) {
	const etc, lib = "/etc/systemd/system/nix-daemon.socket", "/usr/lib/systemd/system/nix-daemon.socket"
	for _, tt := range []struct {
		name, files string
		want        systemd.Condition
		file        string
		accept      bool
		wanted      int
	}{
		{"nothing", "/etc/x = y\n", systemd.Missing, "", false, 0},
		{"a package's", lib + ` = [Socket]\nAccept=no\n`, systemd.Present, lib, false, 0},
		{"a copy before a package's", lib + ` = [Socket]\n` + "\n" + etc + ` = [Socket]\nAccept=yes\n`, systemd.Present, etc, true, 0},
		{"masked", lib + ` = [Socket]\n` + "\n" + etc + " -> /dev/null\n", systemd.Masked, etc, false, 0},
		{"masked by an empty file", etc + " = \n", systemd.Masked, etc, false, 0},
		{"masked until the next start, which a file in /etc outranks", etc + ` = [Socket]\n` + "\n/run/systemd/system/nix-daemon.socket -> /dev/null\n", systemd.Present, etc, false, 0},
		{"a link to nothing", etc + " -> /nix/gone\n", systemd.Dangling, etc, false, 0},
		{
			"pieces, of which one is masked", etc + ` = [Socket]\nAccept=no\n` + "\n/usr/lib/systemd/system/nix-daemon.socket.d/a.conf = [Socket]\\nAccept=on\\n\n" +
				"/usr/lib/systemd/system/nix-daemon.socket.d/b.conf = [Socket]\\nAccept=off\\n\n/etc/systemd/system/nix-daemon.socket.d/b.conf = [Unit]\\n\n",
			systemd.Present, etc, true, 0,
		},
		{"wanted", etc + ` = [Socket]\n` + "\n/etc/systemd/system/sockets.target.wants/nix-daemon.socket -> x\n/usr/lib/systemd/system/a.requires/nix-daemon.socket -> x\n", systemd.Present, etc, false, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := systemd.Find(t.Context(), memory.New(linux, tt.files), "nix-daemon.socket")
			if err != nil || u.Condition != tt.want || u.File != tt.file || u.On("Socket", "Accept") != tt.accept || len(u.Wanted) != tt.wanted {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
}

// TestShare: whoever looks for the same unit in one look at the host reads it once, also where that fails.
func TestShare(t *testing.T) {
	h := memory.New(linux, "/etc/systemd/system/nix-daemon.socket = [Socket]\\n\n/etc/systemd/system/sockets.target.wants/nix-daemon.socket -> x\n")
	ctx := systemd.Share(t.Context())
	first, err := systemd.Find(ctx, h, "nix-daemon.socket")
	if err != nil || len(first.Wanted) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	asked := len(h.Asked)
	again, err := systemd.Find(ctx, h, "nix-daemon.socket")
	if diff := cmp.Diff(first, again); diff != "" || err != nil || len(h.Asked) != asked {
		t.Errorf("%v, asked %q\n%s", err, h.Asked[asked:], diff)
	}
	delete(h.Files, "/etc/systemd/system/nix-daemon.socket")
	for name, ctx := range map[string]context.Context{"fresh": platform.Fresh(ctx), "another look": systemd.Share(t.Context())} {
		if u, err := systemd.Find(ctx, h, "nix-daemon.socket"); err != nil || u.Condition != systemd.Missing {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
}

func TestParse(t *testing.T) {
	u := systemd.Unit{Settings: systemd.Parse([]byte("[Unit]\nA = b \\\n# comment\n  c\n;x\n[Service]\r\nExecStart=/a\nExecStart=\nExecStart=/b\nExecStart=/c\nodd\n[Install]\nWantedBy=x\n"))}
	if diff := cmp.Diff([]string{"/b", "/c"}, u.All("Service", "ExecStart")); diff != "" {
		t.Error(diff)
	}
	if got := strings.Fields(u.Last("Unit", "A")); !slices.Equal(got, []string{"b", "c"}) || !u.Installable() {
		t.Errorf("%q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("[Unit]\nA=b\\\n c\n[Service]\nExecStart=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range systemd.Parse(data) {
			if s.Section == "" || strings.ContainsAny(s.Key+s.Value, "\n") {
				t.Errorf("%+q", s)
			}
		}
	})
}

// states are what systemd 252 said of a daemon in each of its states; see the file.
func states(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "show.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestShow(t *testing.T) {
	got := systemd.ParseShow(states(t))
	want := map[string]systemd.State{
		"nix-daemon.socket":  {Load: "loaded", Active: "failed", Sub: "failed", Result: "service-start-limit-hit", Enabled: "enabled", Condition: true},
		"nix-daemon.service": {Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code", Enabled: "enabled", Condition: true, Exit: "203", PID: "0"},
		"gone.service":       {Load: "not-found", Active: "inactive", Sub: "dead", Result: "success", Exit: "0", PID: "0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzShow(f *testing.F) {
	f.Add(states(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name := range systemd.ParseShow(data) {
			if name == "" {
				t.Error("a unit without a name")
			}
		}
	})
}
