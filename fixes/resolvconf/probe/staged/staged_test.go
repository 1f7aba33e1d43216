//go:build linux

// Package staged probes real hosts of package linuxnet, with the real Nix, the real pasta, and lixfix as it is released.
package staged

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// replays compares what is said of hosts with what is said of their records.
var replays replay.Table

func TestMain(m *testing.M) {
	// Copied to a host, this program asks for a probe with other settings, which no command line does.
	if len(os.Args) > 2 && os.Args[1] == comparing {
		os.Exit(compare(os.Args[2:]))
	}
	// Hosts mostly wait: for silent servers, and for the network of a sandbox.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	fmt.Println(&replays)
	linuxnet.Clean()
	os.Exit(code)
}

// program is where lixfix is on every host.
const program = "/usr/local/bin/lixfix"

// host stages a host with lixfix.
func host(t testing.TB, o linuxnet.Options) *linuxnet.Host {
	t.Helper()
	h := linuxnet.New(t, o)
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	return h
}

// good is a resolv.conf as it should be.
const good = "nameserver " + linuxnet.Addr4 + "\n"

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
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s", stdout.Bytes(), stderr.Bytes())
		}
	})
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
			!strings.HasSuffix(e.Name(), "-"+sandbox.BuilderName) {
			names = append(names, e.Name())
		}
	}
	return names
}

// answers are the answers over UDP for an IPv4 address, by server.
func answers(r *sandbox.Report) map[string]string {
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
	tests := []struct {
		name    string
		conf    func(t *testing.T, h *linuxnet.Host)
		outcome sandbox.Outcome
		exit    int
		file    sandbox.File // of the sandbox; its data only where data is set
		data    string
		answers map[string]string
		reason  string
	}{
		{name: "healthy", conf: file(good, 0o644), outcome: sandbox.Ran, data: good, answers: map[string]string{linuxnet.Addr4: "127.0.0.1"}},
		{
			name: "first dead", conf: file("nameserver "+linuxnet.Silent4+"\n"+good, 0o644), outcome: sandbox.Ran,
			answers: map[string]string{linuxnet.Silent4: "timeout", linuxnet.Addr4: "127.0.0.1"},
		},
		{
			name: "all dead", conf: file("nameserver "+linuxnet.Silent4+"\n", 0o644), outcome: sandbox.Ran, exit: 1,
			answers: map[string]string{linuxnet.Silent4: "timeout"},
		},
		{
			name: "missing", conf: func(*testing.T, *linuxnet.Host) {}, outcome: sandbox.Ran, exit: 1,
			file: sandbox.File{Error: "absent"}, answers: map[string]string{"127.0.0.1": "refused"},
		},
		{
			name: "dangling", conf: func(t *testing.T, h *linuxnet.Host) { h.Symlink(t, "/run/gone/resolv.conf", "/etc/resolv.conf") },
			outcome: sandbox.SetupFailed, exit: 1, reason: "resolv.conf",
		},
		{name: "link", conf: func(t *testing.T, h *linuxnet.Host) {
			h.WriteFile(t, "/run/systemd/resolve/stub-resolv.conf", good, 0o644)
			h.Symlink(t, "../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf")
		}, outcome: sandbox.Ran, data: good, answers: map[string]string{linuxnet.Addr4: "127.0.0.1"}},
		{
			name: "mode 0600", conf: file(good, 0o600), outcome: sandbox.Ran, exit: 1, file: sandbox.File{Error: "denied"},
			answers: map[string]string{"127.0.0.1": "refused"},
		},
		{
			name: "CRLF", conf: file("nameserver "+linuxnet.Addr4+"\r\n", 0o644), outcome: sandbox.Ran, exit: 1, data: "nameserver " + linuxnet.Addr4 + "\r\n",
			// Go reads the server, glibc does not and asks this host instead.
			answers: map[string]string{linuxnet.Addr4: "127.0.0.1", "127.0.0.1": "refused"},
		},
		{
			name: "no nameserver", conf: file("search example.test\n", 0o644), outcome: sandbox.Ran, exit: 1, data: "search example.test\n",
			answers: map[string]string{"127.0.0.1": "refused"},
		},
		{name: "directory", conf: func(t *testing.T, h *linuxnet.Host) {
			if err := os.Mkdir(h.Path("/etc/resolv.conf"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, outcome: sandbox.Ran, exit: 1, file: sandbox.File{Error: "directory"}, answers: map[string]string{"127.0.0.1": "refused"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := host(t, linuxnet.Options{Nix: true})
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
			replays.Record(t, tt.name, h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"),
				"resolv-conf", "--probe", "--name", linuxnet.Name)
			if tt.outcome != sandbox.Ran {
				return
			}
			if p.Implementation != "Nix" || p.Version != version(t, h) || p.Daemon || !p.Sandbox || p.Network != sandbox.HostNetwork {
				t.Errorf("%+v", p)
			}
			r := p.Report
			if r.UID != 1000 || r.GID != 100 || r.Cwd != "/build" {
				t.Errorf("user %d, group %d, in %s", r.UID, r.GID, r.Cwd)
			}
			got := r.Files[sandbox.ResolvConf]
			if got.Error != tt.file.Error || tt.data != "" && string(got.Data) != tt.data {
				t.Errorf("%s: %q %s", sandbox.ResolvConf, got.Data, got.Error)
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

// version is that of the host's Nix, which is another one where the host is made of another release.
func version(t *testing.T, h *linuxnet.Host) string {
	t.Helper()
	_, v, ok := sandbox.ParseVersion(h.Run(t, "/usr/bin/nix", "--version"))
	if !ok {
		t.Fatal("the host's Nix does not tell its version")
	}
	return v
}

func file(data string, mode os.FileMode) func(*testing.T, *linuxnet.Host) {
	return func(t *testing.T, h *linuxnet.Host) { h.WriteFile(t, "/etc/resolv.conf", data, mode) }
}

// asked is lixfix probe on a host.
var asked = []string{"probe", "--format", "json", "--name", linuxnet.Name}

func TestDaemon(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Resolver(t, linuxnet.Addr4)

	d := run(t, h.UserCommand(program, asked...))
	if d.Probe.Outcome != sandbox.NoDaemon || d.Exit != 3 || !strings.Contains(d.Probe.Reason, sandbox.Socket) {
		t.Errorf("before there was a daemon: %+v", d)
	}
	stop := h.Daemon(t)
	for _, who := range []struct {
		name string
		cmd  *exec.Cmd
	}{{"root", h.Command(program, asked...)}, {"a user who is not trusted", h.UserCommand(program, asked...)}} {
		d := run(t, who.cmd)
		p := d.Probe
		if p.Outcome != sandbox.Ran || d.Exit != 0 || !p.Daemon || !p.Sandbox || p.Network != sandbox.HostNetwork {
			t.Errorf("%s: %+v", who.name, d)
			continue
		}
		// Only root sees which program the daemon is; its greeting tells its version to everybody.
		if p.Implementation != "Nix" || p.Version != version(t, h) {
			t.Errorf("%s: built by %q %q", who.name, p.Implementation, p.Version)
		}
		if p.Report.UID != 1000 || answers(p.Report)[linuxnet.Addr4] != "127.0.0.1" {
			t.Errorf("%s: %+v", who.name, p.Report)
		}
		if len(p.Left) > 0 || len(leftovers(t, h)) > 0 {
			t.Errorf("%s: left %v, %v", who.name, p.Left, leftovers(t, h))
		}
	}
	// At once: each has a derivation of its own.
	both := [2]document{}
	var wait sync.WaitGroup
	for i := range both {
		wait.Go(func() {
			// Not run, which may end the test, and only this goroutine would notice.
			if out, err := h.UserCommand(program, asked...).Output(); err == nil {
				_ = json.Unmarshal(out, &both[i])
			}
		})
	}
	wait.Wait()
	if a, b := both[0].Probe, both[1].Probe; a == nil || b == nil || a.Report == nil || b.Report == nil || a.Report.Nonce == b.Report.Nonce {
		t.Errorf("two at once: %+v %+v", a, b)
	}
	stop()
	for name, cmd := range map[string]*exec.Cmd{"root": h.Command(program, asked...), "user": h.UserCommand(program, asked...)} {
		if d := run(t, cmd); d.Probe.Outcome != sandbox.NoDaemon || d.Exit != 3 {
			t.Errorf("%s, after the daemon was killed: %+v", name, d)
		}
	}
	// Root can go around it.
	if d := run(t, h.Command(program, append(asked, "--store", "local")...)); d.Probe.Outcome != sandbox.Ran || d.Probe.Daemon {
		t.Errorf("local: %+v", d)
	}
}

func TestOtherStores(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Resolver(t, linuxnet.Addr4)
	for name, cmd := range map[string]*exec.Cmd{
		"root": h.Command(program, append(asked, "--store", "/var/store")...),
		"user": h.UserCommand(program, append(asked, "--store", "/home/"+linuxnet.User+"/store")...),
	} {
		if d := run(t, cmd); d.Probe.Outcome != sandbox.Ran || d.Exit != 0 || !d.Probe.Sandbox || d.Probe.Daemon || len(d.Probe.Left) > 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestNoSandbox(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Resolver(t, linuxnet.Addr4)
	h.WriteFile(t, "/etc/nix/nix.conf", "build-users-group = nixbld\nsandbox = false\n", 0o644)
	d := run(t, h.Command(program, asked...))
	if p := d.Probe; p.Outcome != sandbox.Ran || p.Sandbox || p.Network != sandbox.HostNetwork || p.Report.UID < linuxnet.BuildUID || p.Report.Cwd == "/build" {
		t.Errorf("%+v", d)
	}
}

// Without a stored log, the report is taken from what the tool prints.
func TestNoStoredLog(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Resolver(t, linuxnet.Addr4)
	h.WriteFile(t, "/etc/nix/nix.conf", "build-users-group = nixbld\nsandbox = true\nkeep-build-log = false\nmax-jobs = 0\n", 0o644)
	if d := run(t, h.Command(program, asked...)); d.Probe.Outcome != sandbox.Ran || d.Exit != 0 || d.Probe.Report.Nonce == "" {
		t.Errorf("%+v", d)
	}
}

func TestNothingToAsk(t *testing.T) {
	t.Parallel()
	t.Run("no store", func(t *testing.T) {
		t.Parallel()
		h := host(t, linuxnet.Options{})
		d := run(t, h.Command(program, asked...))
		if d.Probe.Outcome != sandbox.NoNix || d.Exit != 3 || !strings.Contains(d.Probe.Reason, "/nix/var/nix/db") {
			t.Errorf("%+v", d)
		}
		if _, err := os.Lstat(h.Path("/nix")); err == nil {
			t.Error("the probe made a store where there was none")
		}
	})
	t.Run("no Nix", func(t *testing.T) {
		t.Parallel()
		h := host(t, linuxnet.Options{Nix: true})
		h.Run(t, "rm", "/usr/bin/nix-store")
		if d := run(t, h.Command(program, asked...)); d.Probe.Outcome != sandbox.NoNix || d.Exit != 3 {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a Nix that is somebody else's", func(t *testing.T) {
		t.Parallel()
		h := host(t, linuxnet.Options{Nix: true})
		h.Run(t, "chown", linuxnet.User, "/usr/bin/nix")
		d := run(t, h.Command(program, asked...))
		if d.Probe.Outcome != sandbox.NoNix || d.Exit != 3 || !strings.Contains(d.Probe.Reason, "can be changed by user "+linuxnet.User) {
			t.Errorf("%+v", d)
		}
	})
	for name, conf := range map[string]string{
		"line":    "build-users-group nixbld\n",
		"include": "include /etc/nix/gone.conf\n",
		"value":   "max-jobs = many\n",
	} {
		t.Run("bad "+name, func(t *testing.T) {
			t.Parallel()
			h := host(t, linuxnet.Options{Nix: true})
			h.WriteFile(t, "/etc/nix/nix.conf", conf, 0o644)
			if d := run(t, h.Command(program, asked...)); d.Probe.Outcome != sandbox.BadConfig || d.Exit != 3 || d.Probe.Reason == "" {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestText pastes what real Nix tells of its settings.
func TestText(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Resolver(t, linuxnet.Addr4)
	h.WriteFile(t, "/etc/nix/nix.conf", "build-users-group = nixbld\nsandbox = relaxed\naccess-tokens = github.com=secret\n"+
		"builders = ssh://"+linuxnet.User+"@secret.example\ntrusted-users = root "+linuxnet.User+"\n"+
		"extra-sandbox-paths = /b=/home/"+linuxnet.User+"/x?\n", 0o644)
	out := h.Run(t, program, "probe", "--text", "--name", linuxnet.Name)
	_, settings, ok := strings.Cut(out, "### Settings as Nix sees them\n")
	if !ok {
		t.Fatal(out)
	}
	settings, _, _ = strings.Cut(settings, "###")
	for _, want := range []string{
		"\nsandbox = relaxed\n", "\nbuilders = (set)\n", "\nstore = ", "-linux\n", "\nmax-jobs = ", "/b=/home/user1/x?", "\nkeep-build-log = true\n",
	} {
		if !strings.Contains(settings, want) {
			t.Errorf("no %q in %s", want, settings)
		}
	}
	for _, secret := range []string{"secret", linuxnet.User, "github.com"} {
		if strings.Contains(out, secret) {
			t.Errorf("%s is in the text:\n%s", secret, out)
		}
	}
}

const comparing = "compare"

// compare probes with settings, given as name=value, and prints the result.
func compare(settings []string) int {
	o := sandbox.Options{Builder: program, Name: linuxnet.Name}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		o.Extra = append(o.Extra, [2]string{name, value})
	}
	r, err := probe.Run(context.Background(), platform.Local(), o)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestCompare probes with the settings that isolate a cause: the first server is dead, and each run sees what it should.
func TestCompare(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	const self, override = "/usr/local/bin/compare", "/etc/nix/resolv.conf"
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h.Copy(t, exe, self, 0o755)
	dead := "nameserver " + linuxnet.Silent4 + "\n"
	h.WriteFile(t, "/etc/resolv.conf", dead, 0o644)
	h.WriteFile(t, override, good, 0o644)
	h.Resolver(t, linuxnet.Addr4)
	for _, tt := range []struct {
		setting string
		sandbox bool
		works   bool
		file    string
	}{
		{"sandbox=true", true, false, dead},
		{"sandbox=false", false, false, dead},
		{"extra-sandbox-paths=/etc/resolv.conf=" + override, true, true, good},
	} {
		cmd := h.Command(self, comparing, tt.setting)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		var r probe.Result
		if err := errors.Join(err, json.Unmarshal(out, &r)); err != nil || r.Report == nil {
			t.Errorf("%s: %v\n%s%s", tt.setting, err, out, stderr.String())
			continue
		}
		if got := string(r.Report.Files[sandbox.ResolvConf].Data); r.Sandbox != tt.sandbox || r.Works() != tt.works || got != tt.file {
			t.Errorf("%s: sandbox %t, works %t, %q", tt.setting, r.Sandbox, r.Works(), got)
		}
		if len(r.Left) > 0 || len(leftovers(t, h)) > 0 {
			t.Errorf("%s: left %v %v", tt.setting, r.Left, leftovers(t, h))
		}
	}
}

// TestHostile prints what it saw of files that nobody meant for a resolv.conf: soon, in few lines, without a control
// character.
func TestHostile(t *testing.T) {
	t.Parallel()
	const wild = "nameserver " + linuxnet.Addr4 + "\n\x1b]0;title\x07\x1b[2Jsearch \u202egnp.exe\n# ```\n\xff\xfe\x00\n"
	for name, conf := range map[string]func(*testing.T, *linuxnet.Host){
		"escapes": file(wild, 0o644),
		"10 MB":   file(strings.Repeat("# \x1b[31mred\n", 1<<20), 0o644),
		"1 line":  file(strings.Repeat("\x1b[31mred", 1<<17), 0o644),
		"FIFO":    func(t *testing.T, h *linuxnet.Host) { h.Run(t, "mkfifo", "-m", "644", "/etc/resolv.conf") },
		"loop":    func(t *testing.T, h *linuxnet.Host) { h.Symlink(t, "resolv.conf", "/etc/resolv.conf") },
		"device":  func(t *testing.T, h *linuxnet.Host) { h.Symlink(t, "/dev/zero", "/etc/resolv.conf") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := host(t, linuxnet.Options{Nix: true})
			conf(t, h)
			h.Resolver(t, linuxnet.Addr4)
			for _, how := range []string{"--text", "--verbose"} {
				out, err := h.Command(program, "probe", "--name", linuxnet.Name, how).CombinedOutput()
				if err != nil && bytes.Contains(out, []byte("panic")) || len(out) < 100 {
					t.Errorf("%s: %v\n%s", how, err, out)
				}
				if len(out) > 48<<10 {
					t.Errorf("%s: %d bytes: %.2000s", how, len(out), out)
				}
				for _, bad := range []string{"\x1b", "\x07", "\x00", "\r", "\u202e", "\xff"} {
					if bytes.Contains(out, []byte(bad)) {
						t.Errorf("%s: %q is in\n%.4000q", how, bad, out)
					}
				}
				if fences := bytes.Count(out, []byte("```")); how == "--text" && fences%2 != 0 {
					t.Errorf("a block is not closed:\n%s", out)
				}
			}
		})
	}
}

// TestWaits: what a probe has to wait for and has nothing to do with the sandbox is said, in time, and not taken for a
// broken network.
func TestWaits(t *testing.T) {
	t.Parallel()
	within := func(t *testing.T, what string, began time.Time) {
		t.Helper()
		if took := time.Since(began); took > 25*time.Second { // 15 on a machine with nothing else to do
			t.Errorf("%s took %v", what, took)
		}
	}
	t.Run("a stopped daemon", func(t *testing.T) {
		t.Parallel()
		h := host(t, linuxnet.Options{Nix: true})
		h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
		h.Daemon(t)
		h.Run(t, "pkill", "-STOP", "-f", "nix-daemon")
		began := time.Now()
		d := run(t, h.Command(program, asked...))
		if d.Probe.Outcome != sandbox.Waiting || d.Exit != 3 || !strings.Contains(d.Probe.Reason, "check stuck") {
			t.Errorf("%+v", d)
		}
		within(t, "that", began)
		h.Run(t, "pkill", "-CONT", "-f", "nix-daemon")
	})
	t.Run("all build users are taken", func(t *testing.T) {
		t.Parallel()
		h := host(t, linuxnet.Options{Nix: true})
		h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
		h.Resolver(t, linuxnet.Addr4)
		h.Daemon(t)
		for i := range linuxnet.BuildMax {
			h.Run(t, "mkdir", "-p", "/nix/var/nix/userpool")
			h.Start(t, h.Command("flock", fmt.Sprintf("/nix/var/nix/userpool/%d", linuxnet.BuildUID+i), "sleep", "300"))
		}
		began := time.Now()
		d := run(t, h.Command(program, asked...))
		if d.Probe.Outcome != sandbox.Waiting || d.Exit != 3 || !strings.Contains(d.Probe.Reason, "check stuck") {
			t.Errorf("%+v", d)
		}
		within(t, "that", began)
	})
	t.Run("the lock on the store", func(t *testing.T) {
		t.Parallel()
		h := host(t, linuxnet.Options{Nix: true})
		h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
		h.Store(t)
		h.Start(t, h.Command("flock", "/nix/var/nix/db/big-lock", "sleep", "300"))
		for h.Command("flock", "-n", "/nix/var/nix/db/big-lock", "true").Run() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		began := time.Now()
		d := run(t, h.Command(program, asked...))
		if d.Probe.Outcome != sandbox.Waiting || d.Exit != 3 || !strings.Contains(d.Probe.Reason, "check stuck") {
			t.Errorf("%+v", d)
		}
		within(t, "that", began)
	})
	for _, daemon := range []bool{false, true} {
		t.Run(fmt.Sprintf("a stopped garbage collection, daemon %t", daemon), func(t *testing.T) {
			t.Parallel()
			h := host(t, linuxnet.Options{Nix: true})
			h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
			h.Store(t)
			if daemon {
				h.Daemon(t)
			}
			// It waits for somebody to write to the pipe, with the lock and with its socket for those who add paths.
			h.Run(t, "mkfifo", "/nix/sync")
			h.Start(t, h.Command("env", "_NIX_TEST_GC_SYNC=/nix/sync", "NIX_REMOTE=local", "/usr/bin/nix-store", "--gc"))
			for h.Command("test", "-e", "/nix/var/nix/gc-socket/socket").Run() != nil ||
				h.Command("flock", "--shared", "--nonblock", "/nix/var/nix/gc.lock", "true").Run() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			h.Run(t, "pkill", "-STOP", "-f", "nix-store --gc")
			began := time.Now()
			d := run(t, h.Command(program, asked...))
			if d.Probe.Outcome != sandbox.Waiting || d.Exit != 3 || !strings.Contains(d.Probe.Reason, "check stuck") ||
				!strings.Contains(d.Probe.Reason, "garbage collection") {
				t.Errorf("%+v", d)
			}
			within(t, "that", began)
		})
	}
	t.Run("a named pipe for a resolv.conf", func(t *testing.T) {
		t.Parallel()
		h := host(t, linuxnet.Options{Nix: true})
		h.Store(t)
		h.Run(t, "mkfifo", "-m", "644", "/etc/resolv.conf")
		began := time.Now()
		d := run(t, h.Command(program, asked...))
		if d.Probe.Outcome != sandbox.SetupFailed || d.Exit != 1 || !strings.Contains(d.Probe.Reason, "named pipe") {
			t.Errorf("%+v", d)
		}
		within(t, "that", began)
	})
}
