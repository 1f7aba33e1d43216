package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
)

// TestParseSettings reads what real ones printed.
func TestParseSettings(t *testing.T) {
	both := map[string]string{
		"sandbox": "true", "sandbox-fallback": "true", "builders": "(default)", "store": "auto", "max-jobs": "1", "substitute": "true",
		"auto-allocate-uids": "false", "system": "x86_64-linux", "keep-build-log": "true", "build-users-group": "nixbld",
	}
	for file, own := range map[string]map[string]string{
		"settings-lix-2.93.4.json": {"pasta-path": "/usr/bin/pasta", "sandbox-paths": "/bin/sh=/usr/bin/busybox"},
		"settings-lix-2.95.3.json": {"pasta-path": "/usr/bin/pasta", "sandbox-paths": "/bin/sh=/usr/bin/busybox"},
		"settings-nix-2.34.8.json": {"sandbox-paths": "/bin/sh=/usr/bin/bash-static"},
	} {
		data, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		list, err := parseSettings(data)
		if err != nil || len(list) != len(both)+len(own) {
			t.Errorf("%s: %d settings, %v", file, len(list), err)
		}
		for _, s := range list {
			if want, ok := own[s.Name]; !ok && s.Value != both[s.Name] || ok && s.Value != want {
				t.Errorf("%s: %s = %q", file, s.Name, s.Value)
			}
		}
	}
}

func TestParseSettingsKeepsSecrets(t *testing.T) {
	list, err := parseSettings([]byte(`{
		"access-tokens": {"value": {"github.com": "secret"}, "defaultValue": {}},
		"netrc-file": {"value": "/root/secret"},
		"trusted-users": {"value": ["root", "secret"], "defaultValue": ["root"]},
		"builders": {"value": "ssh://secret@secret.example", "defaultValue": "@/etc/nix/machines"},
		"store": {"value": "ssh://secret.example", "defaultValue": "auto"},
		"sandbox": {"value": "relaxed", "defaultValue": true},
		"sandbox-paths": {"value": {"/b": {"source": "/a", "optional": true}, "/a": {"source": "/a", "optional": false}}, "defaultValue": {}},
		"pasta-path": {"value": "\u001b[2J\"\"", "defaultValue": "/nix/store/x/bin/pasta"},
		"max-jobs": {}
	}`))
	want := []Setting{{"builders", "(set)"}, {"pasta-path", `""`}, {"sandbox", "relaxed"}, {"sandbox-paths", "/a /b=/a?"}, {"store", "(set)"}}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("%q %v", list, err)
	}
	if data, err := json.Marshal(list); err != nil || strings.Contains(string(data), "secret") {
		t.Errorf("%s %v", data, err)
	}
	if _, err := parseSettings([]byte("sandbox = true\n")); err == nil {
		t.Error("what is no JSON was read")
	}
}

// answering is a Nix of whose commands some are known.
type answering struct {
	fake
	known  string
	stdout string
	stderr string
	fails  bool // what is known fails as well, with stderr
}

func (a *answering) Build(_ context.Context, b platform.Build) (platform.Built, error) {
	a.calls = append(a.calls, b)
	if strings.Contains(strings.Join(b.Args, " "), a.known) {
		if a.fails {
			return platform.Built{Exit: 1, Stderr: []byte(a.stderr)}, nil
		}
		return platform.Built{Stdout: []byte(a.stdout), Stderr: []byte(a.stderr)}, nil
	}
	return platform.Built{Exit: 1, Stderr: []byte("error: 'config' is not a recognised command\n")}, nil
}

func TestAskSettings(t *testing.T) {
	const wrong = "error: syntax error in configuration line 'wrong' in '/etc/nix/nix.conf'\n"
	const told = `{"sandbox":{"value":true},"substitute":{"value":false}}`
	tests := []struct {
		name, known, stdout, stderr string
		who, version                string
		want                        string
		reason                      string
		calls                       int
		fails                       bool
	}{
		{name: "new", known: "config show --json", stdout: told, want: "[{sandbox true} {substitute false}]"},
		{name: "old", known: "show-config --json", stdout: told, want: "[{sandbox true} {substitute false}]"},
		{
			name: "no network", known: "show-config", stdout: told, want: "[{sandbox true}]",
			stderr: "warning: you don't have Internet access; disabling some network-dependent features\n",
		},
		{
			name: "known to be old", known: "show-config --json", stdout: told, want: "[{sandbox true} {substitute false}]",
			who: "Nix", version: "2.8.0", calls: 1,
		},
		{
			name: "known to be new", known: "config show --json", stdout: told, want: "[{sandbox true} {substitute false}]",
			who: "Nix", version: "2.34.1", calls: 1,
		},
		{
			name: "Lix", known: "config show --json", stdout: told, want: "[{sandbox true} {substitute false}]",
			who: "Lix", version: "2.95.1", calls: 1,
		},
		{
			name: "new, with the version of an old one", known: "config show --json", stdout: told, want: "[{sandbox true} {substitute false}]",
			who: "Nix", version: "2.8.0", calls: 2,
		},
		{
			name: "known to be old, and its nix.conf is broken", known: "show-config --json", stderr: wrong, fails: true, want: "[]", reason: "syntax error",
			who: "Nix", version: "2.8.0",
		},
		{
			name: "known to be new, and its nix.conf is broken", known: "config show --json", stderr: wrong, fails: true, want: "[]", reason: "syntax error",
			who: "Lix", version: "2.95.1",
		},
		{name: "not known, and its nix.conf is broken", known: "show-config --json", stderr: wrong, fails: true, want: "[]", reason: "syntax error"},
		{name: "neither", known: "nothing of it", want: "[]", reason: "not a recognised command"},
		{name: "no JSON", known: "config show", stdout: "sandbox = true", want: "[]", reason: "nix config show: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &answering{known: tt.known, stdout: tt.stdout, stderr: tt.stderr, fails: tt.fails}
			n := &nix{b: a, dir: "/usr/bin", remote: "daemon", implementation: tt.who, version: tt.version}
			list, reason := n.settings(t.Context())
			if tt.calls > 0 && len(a.calls) != tt.calls {
				t.Errorf("asked %d times, want %d", len(a.calls), tt.calls)
			}
			if got := fmt.Sprint(list); got != tt.want || !strings.Contains(reason, tt.reason) || (reason == "") != (tt.reason == "") {
				t.Errorf("%s, %q", got, reason)
			}
			for _, c := range a.calls {
				// With the store of the daemon no Nix makes a store of its own to answer.
				if c.Remote != "daemon" || c.Tool != "/usr/bin/nix" {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}
