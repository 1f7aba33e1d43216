//go:build linux

// Package staged probes real hosts of package linuxnet, with the real Nix, the real pasta, and lixfix as it is released.
package staged

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

func TestMain(m *testing.M) {
	code := m.Run()
	linuxnet.Clean()
	os.Exit(code)
}

func lixfix(t *testing.T) string { return linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix") }

// document is what lixfix probe --format json prints.
type document struct {
	Exit    int
	Summary string
	Probe   *probe.Result
}

// run ends a command that was made for lixfix probe --format json, and reads what it printed.
func run(t *testing.T, cmd *exec.Cmd) document {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil || d.Probe == nil {
		t.Fatalf("%v\n%s\n%s", err, stdout.Bytes(), stderr.Bytes())
	}
	if d.Exit != cmd.ProcessState.ExitCode() {
		t.Errorf("exit %d, and the report says %d", cmd.ProcessState.ExitCode(), d.Exit)
	}
	if t.Failed() || testing.Verbose() {
		t.Logf("%s\n%s", stdout.Bytes(), stderr.Bytes())
	}
	return d
}

// leftovers lists what probes have left in the store.
func leftovers(t *testing.T, h *linuxnet.Host) []string {
	t.Helper()
	entries, err := os.ReadDir(h.Path("/nix/store"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		// Nix leaves the lock of a build that failed.
		if !strings.HasPrefix(e.Name(), ".") && !strings.HasSuffix(e.Name(), ".lock") &&
			!strings.HasSuffix(e.Name(), "-"+probe.BuilderName) {
			names = append(names, e.Name())
		}
	}
	return names
}

// answers are the answers over UDP for an IPv4 address, by server.
func answers(r *probe.Report) map[string]string {
	out := map[string]string{}
	for _, q := range r.Queries {
		if q.Protocol == "udp" && q.Type == "A" {
			out[q.Server] = q.Says()
		}
	}
	return out
}

func TestShapes(t *testing.T) {
	t.Parallel()
	good := "nameserver " + linuxnet.Addr4 + "\n"
	tests := []struct {
		name    string
		conf    func(t *testing.T, h *linuxnet.Host)
		outcome probe.Outcome
		exit    int
		file    probe.File // of the sandbox; its data only where data is set
		data    string
		answers map[string]string
		reason  string
	}{
		{name: "healthy", conf: file(good, 0o644), outcome: probe.Ran, data: good, answers: map[string]string{linuxnet.Addr4: "127.0.0.1"}},
		{
			name: "first dead", conf: file("nameserver "+linuxnet.Silent4+"\n"+good, 0o644), outcome: probe.Ran,
			answers: map[string]string{linuxnet.Silent4: "timeout", linuxnet.Addr4: "127.0.0.1"},
		},
		{
			name: "all dead", conf: file("nameserver "+linuxnet.Silent4+"\n", 0o644), outcome: probe.Ran, exit: 1,
			answers: map[string]string{linuxnet.Silent4: "timeout"},
		},
		{
			name: "missing", conf: func(*testing.T, *linuxnet.Host) {}, outcome: probe.Ran, exit: 1,
			file: probe.File{Error: "absent"}, answers: map[string]string{"127.0.0.1": "refused"},
		},
		{
			name: "dangling", conf: func(t *testing.T, h *linuxnet.Host) { h.Symlink(t, "/run/gone/resolv.conf", "/etc/resolv.conf") },
			outcome: probe.SetupFailed, exit: 1, reason: "resolv.conf",
		},
		{name: "link", conf: func(t *testing.T, h *linuxnet.Host) {
			h.WriteFile(t, "/run/systemd/resolve/stub-resolv.conf", good, 0o644)
			h.Symlink(t, "../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf")
		}, outcome: probe.Ran, data: good, answers: map[string]string{linuxnet.Addr4: "127.0.0.1"}},
		{
			name: "mode 0600", conf: file(good, 0o600), outcome: probe.Ran, exit: 1, file: probe.File{Error: "denied"},
			answers: map[string]string{"127.0.0.1": "refused"},
		},
		{
			name: "CRLF", conf: file("nameserver "+linuxnet.Addr4+"\r\n", 0o644), outcome: probe.Ran, data: "nameserver " + linuxnet.Addr4 + "\r\n",
			answers: map[string]string{linuxnet.Addr4: "127.0.0.1"},
		},
		{
			name: "no nameserver", conf: file("search example.test\n", 0o644), outcome: probe.Ran, exit: 1, data: "search example.test\n",
			answers: map[string]string{"127.0.0.1": "refused"},
		},
		{name: "directory", conf: func(t *testing.T, h *linuxnet.Host) {
			if err := os.Mkdir(h.Path("/etc/resolv.conf"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, outcome: probe.Ran, exit: 1, file: probe.File{Error: "directory"}, answers: map[string]string{"127.0.0.1": "refused"}},
	}
	program := lixfix(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := linuxnet.New(t, linuxnet.Options{Nix: true})
			tt.conf(t, h)
			h.Resolver(t, linuxnet.Addr4)
			d := run(t, h.Command(program, "probe", "--format", "json", "--name", linuxnet.Name))
			p := d.Probe
			if p.Outcome != tt.outcome || d.Exit != tt.exit || !strings.Contains(p.Reason, tt.reason) {
				t.Errorf("%s, exit %d: %s", p.Outcome, d.Exit, p.Reason)
			}
			if len(p.Left) > 0 || len(leftovers(t, h)) > 0 {
				t.Errorf("left: %v %v", p.Left, leftovers(t, h))
			}
			if tt.outcome != probe.Ran {
				return
			}
			if p.Implementation != "Nix" || p.Version == "" || p.Daemon || !p.Sandbox || p.Network != probe.HostNetwork {
				t.Errorf("%+v", p)
			}
			r := p.Report
			if r.UID != 1000 || r.GID != 100 || r.Cwd != "/build" {
				t.Errorf("user %d, group %d, in %s", r.UID, r.GID, r.Cwd)
			}
			got := r.Files[probe.ResolvConf]
			if got.Error != tt.file.Error || tt.data != "" && string(got.Data) != tt.data {
				t.Errorf("%s: %q %s", probe.ResolvConf, got.Data, got.Error)
			}
			for server, want := range tt.answers {
				if has := answers(r)[server]; has != want {
					t.Errorf("%s: %q, want %q", server, has, want)
				}
			}
			if len(answers(r)) != len(tt.answers) {
				t.Errorf("answers: %v", answers(r))
			}
		})
	}
}

func file(data string, mode os.FileMode) func(*testing.T, *linuxnet.Host) {
	return func(t *testing.T, h *linuxnet.Host) { h.WriteFile(t, "/etc/resolv.conf", data, mode) }
}
