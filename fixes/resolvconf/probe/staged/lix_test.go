//go:build linux

package staged

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
	"github.com/lixfix/lixfix/platform/sandbox"
)

const (
	pasta4 = "169.254.1.1"
	pasta6 = "64:ff9b:1:4b8e:472e:a5c8:a9fe:0101"
)

// TestLix probes behind the machine's pasta. What the second address, of the family that the host has no server of,
// answers depends on the version of pasta, and is left out.
func TestLix(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		lix     linuxnet.Lix
		options linuxnet.Options
		conf    func(t *testing.T, h *linuxnet.Host)
		outcome sandbox.Outcome
		exit    int
		network sandbox.Network
		servers []string
		answers map[string]string
		error   string // of the sandbox's resolv.conf
		reason  string
		pasta   string // what it says
		dead    bool
	}{
		{
			name: "healthy", conf: file(good, 0o644), outcome: sandbox.Ran, network: sandbox.PastaNetwork,
			servers: []string{pasta4, pasta6}, answers: map[string]string{pasta4: "127.0.0.1"},
		},
		{
			name: "healthy, old Lix", lix: linuxnet.Lix{Version: "2.93.4"}, conf: file(good, 0o644), outcome: sandbox.Ran, network: sandbox.PastaNetwork,
			servers: []string{pasta4}, answers: map[string]string{pasta4: "127.0.0.1"},
		},
		{
			name: "first dead", conf: file("nameserver "+linuxnet.Silent4+"\n"+good, 0o644), outcome: sandbox.Ran, exit: 1, network: sandbox.PastaNetwork,
			servers: []string{pasta4, pasta6}, answers: map[string]string{pasta4: "timeout"},
		},
		{
			name: "missing", conf: func(*testing.T, *linuxnet.Host) {}, outcome: sandbox.Ran, exit: 1, network: sandbox.PastaNetwork,
			servers: []string{"127.0.0.1"}, error: "absent",
		},
		{
			name: "dangling", conf: func(t *testing.T, h *linuxnet.Host) { h.Symlink(t, "/run/gone", "/etc/resolv.conf") },
			outcome: sandbox.Ran, exit: 1, network: sandbox.PastaNetwork, servers: []string{"127.0.0.1"}, error: "absent",
		},
		{
			name: "dangling, old Lix", lix: linuxnet.Lix{Version: "2.93.4"},
			conf:    func(t *testing.T, h *linuxnet.Host) { h.Symlink(t, "/run/gone", "/etc/resolv.conf") },
			outcome: sandbox.SetupFailed, exit: 1, reason: "/etc/resolv.conf",
		},
		{
			name: "mode 0600", conf: file(good, 0o600), outcome: sandbox.Ran, exit: 1, network: sandbox.PastaNetwork,
			servers: []string{pasta4, pasta6}, answers: map[string]string{pasta4: "timeout"},
		},
		{
			name: "CRLF", conf: file("nameserver "+linuxnet.Addr4+"\r\n", 0o644), outcome: sandbox.Ran, exit: 1, network: sandbox.PastaNetwork,
			answers: map[string]string{pasta4: "timeout"},
		},
		{
			name: "tab", conf: file("nameserver\t"+linuxnet.Addr4+"\n", 0o644), outcome: sandbox.Ran, exit: 1, network: sandbox.PastaNetwork,
			servers: []string{pasta4, pasta6}, answers: map[string]string{pasta4: "timeout"},
		},
		{
			name: "no nameserver", conf: file("search example.test\n", 0o644), outcome: sandbox.Ran, exit: 1, network: sandbox.PastaNetwork,
			servers: []string{pasta4, pasta6}, answers: map[string]string{pasta4: "timeout"}, pasta: "Couldn't get any nameserver address",
		},
		{
			name: "pasta off", lix: linuxnet.Lix{NoPasta: true}, conf: file(good, 0o644), outcome: sandbox.Ran, network: sandbox.HostNetwork,
			servers: []string{linuxnet.Addr4}, answers: map[string]string{linuxnet.Addr4: "127.0.0.1"},
		},
		{
			name: "no tun", options: linuxnet.Options{NoTun: true}, conf: file(good, 0o644), outcome: sandbox.Ran, exit: 1, network: sandbox.NoTun,
			servers: []string{linuxnet.Addr4}, answers: map[string]string{linuxnet.Addr4: "unreachable"},
		},
		{
			name: "tun for root alone", options: linuxnet.Options{Tun: 0o600}, conf: file(good, 0o644), outcome: sandbox.SetupTimeout, exit: 1,
			reason: "pasta exited", pasta: "Failed to open", dead: true,
		},
		{
			name: "no pasta", lix: linuxnet.Lix{Pasta: `""`}, conf: file(good, 0o644), outcome: sandbox.PastaNotRun, exit: 1,
			reason: "could not exec pasta",
		},
		{
			name: "no pasta, old Lix", lix: linuxnet.Lix{Version: "2.93.4", Pasta: "/nix/store/gone/bin/pasta"}, conf: file(good, 0o644),
			outcome: sandbox.PastaNotRun, exit: 1, reason: "/nix/store/gone/bin/pasta", dead: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.options.Nix = true
			h := host(t, tt.options)
			h.Lix(t, tt.lix)
			tt.conf(t, h)
			h.Resolver(t, linuxnet.Addr4)
			d := run(t, h.Command(program, asked...))
			p := d.Probe
			if p.Outcome != tt.outcome || d.Exit != tt.exit || !strings.Contains(p.Reason, tt.reason) || p.PastaDead != tt.dead {
				t.Fatalf("%s, exit %d, pasta dead: %t: %s\n%q", p.Outcome, d.Exit, p.PastaDead, p.Reason, p.Stderr)
			}
			if p.Implementation != "Lix" || !strings.HasPrefix(p.Version, "2.9") || len(p.Left) > 0 || len(leftovers(t, h)) > 1 {
				t.Errorf("%+v, left %v", p, leftovers(t, h))
			}
			if !strings.Contains(strings.Join(p.Pasta, "\n"), tt.pasta) {
				t.Errorf("pasta said %q", p.Pasta)
			}
			if tt.outcome != sandbox.Ran {
				return
			}
			if p.Network != tt.network || !p.Sandbox || p.Report.Files[sandbox.ResolvConf].Error != tt.error {
				t.Errorf("network %s, sandbox %t, %+v", p.Network, p.Sandbox, p.Report)
			}
			has := answers(p.Report)
			for _, s := range tt.servers {
				if _, ok := has[s]; !ok {
					t.Errorf("%s was not asked: %v", s, has)
				}
			}
			for server, want := range tt.answers {
				if has[server] != want {
					t.Errorf("%s: %q, want %q", server, has[server], want)
				}
			}
		})
	}
}

// TestLixDaemon probes through a daemon, as root and as a user: what pasta says reaches neither, and a pasta that has ended
// is a child of the process that the daemon has for its client.
func TestLixDaemon(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		lix     linuxnet.Lix
		options linuxnet.Options
		outcome sandbox.Outcome
		exit    int
		reason  string
		dead    bool
	}{
		{name: "healthy", outcome: sandbox.Ran},
		{
			name: "tun for root alone", options: linuxnet.Options{Tun: 0o600}, outcome: sandbox.SetupTimeout, exit: 1,
			reason: "pasta exited", dead: true,
		},
		{
			name: "no pasta, old Lix", lix: linuxnet.Lix{Version: "2.93.4", Pasta: "/nix/store/gone/bin/pasta"},
			outcome: sandbox.SetupTimeout, exit: 1, reason: "pasta exited", dead: true,
		},
		{
			name: "no pasta", lix: linuxnet.Lix{Pasta: `""`}, outcome: sandbox.PastaNotRun, exit: 1, reason: "could not exec pasta",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.options.Nix = true
			h := host(t, tt.options)
			h.Lix(t, tt.lix)
			h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
			h.Resolver(t, linuxnet.Addr4)
			h.LixDaemon(t)
			for who, cmd := range map[string]*exec.Cmd{"root": h.Command(program, asked...), "user": h.UserCommand(program, asked...)} {
				d := run(t, cmd)
				p := d.Probe
				if p.Outcome != tt.outcome || d.Exit != tt.exit || !strings.Contains(p.Reason, tt.reason) || p.PastaDead != tt.dead || !p.Daemon {
					t.Errorf("%s: %s, exit %d, pasta dead: %t: %s\n%q", who, p.Outcome, d.Exit, p.PastaDead, p.Reason, p.Stderr)
				}
				if tt.dead && len(p.Pasta) > 0 {
					t.Errorf("%s: pasta said %q", who, p.Pasta)
				}
				if tt.outcome == sandbox.Ran && (p.Network != sandbox.PastaNetwork || p.Implementation != "Lix") {
					t.Errorf("%s: %+v", who, p)
				}
				if who == "root" && (p.Implementation != "Lix" || !strings.HasPrefix(p.Version, "2.9")) {
					t.Errorf("built by %q %q", p.Implementation, p.Version)
				}
				if len(p.Left) > 0 || len(leftovers(t, h)) > 1 {
					t.Errorf("%s: left %v %v", who, p.Left, leftovers(t, h))
				}
			}
		})
	}
}

// TestOthers: over TCP alone programs with glibc get an address here, and those with musl, which knows no use-vc, none.
func TestOthers(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	h.Store(t)
	h.WriteFile(t, "/etc/resolv.conf", "options use-vc timeout:1 attempts:1\n"+good, 0o644)
	h.Resolver(t, linuxnet.Addr4)
	h.Run(t, "nft", "add table inet t; add chain inet t c { type filter hook output priority 0; }; add rule inet t c udp dport 53 drop")
	d := run(t, h.Command(program, asked...))
	const want = "can be looked up in the build sandbox, but not by programs with musl"
	if d.Probe.Outcome != sandbox.Ran || d.Exit != 0 || !strings.HasSuffix(d.Summary, want) {
		t.Errorf("%s: %+v", d.Summary, d)
	}
}

// TestHook: a daemon runs its post-build-hook on the output of a user whom it does not trust, and the probe says so.
func TestHook(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Store(t)
	h.WriteFile(t, "/etc/nix/hook", "#!/bin/sh\necho $DRV_PATH $OUT_PATHS >>/etc/nix/seen\n", 0o755)
	conf, err := os.ReadFile(h.Path("/etc/nix/nix.conf"))
	if err != nil {
		t.Fatal(err)
	}
	h.WriteFile(t, "/etc/nix/nix.conf", string(conf)+"\npost-build-hook = /etc/nix/hook\n", 0o644)
	h.Resolver(t, linuxnet.Addr4)
	h.Daemon(t)
	d := run(t, h.Command(program, asked...))
	seen, err := os.ReadFile(h.Path("/etc/nix/seen"))
	if d.Probe.Hook != "/etc/nix/hook" || err != nil || !strings.Contains(string(seen), "-lixfix-dns-probe-") {
		t.Errorf("the hook is %q and has seen %q, %v", d.Probe.Hook, seen, err)
	}
	if out, _ := h.Command(program, "probe", "--name", linuxnet.Name).CombinedOutput(); !strings.Contains(string(out), "the daemon ran /etc/nix/hook on the output") {
		t.Errorf("it is not said:\n%s", out)
	}
	// In a store without a daemon, root's empty one counts.
	h.Run(t, "rm", "/etc/nix/seen")
	d = run(t, h.Command(program, append(asked, "--store", "local")...))
	if _, err := os.Stat(h.Path("/etc/nix/seen")); d.Probe.Outcome != sandbox.Ran || d.Probe.Hook != "" || err == nil {
		t.Errorf("without a daemon: %+v", d)
	}
}

// TestInterrupted ends a probe as Ctrl-C on the terminal does.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	h := host(t, linuxnet.Options{Nix: true})
	h.Lix(t, linuxnet.Lix{Hang: true})
	var stdout, stderr bytes.Buffer
	cmd := h.Command(program, "probe")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := ""
	for deadline := time.Now().Add(time.Minute); pid == ""; time.Sleep(20 * time.Millisecond) {
		out, _ := h.Command("pgrep", "-f", "nix-build --no-out-link").Output()
		pid = strings.TrimSpace(string(out))
		if time.Now().After(deadline) {
			t.Fatalf("it does not build: %s", stderr.String())
		}
	}
	// Late enough for it to say what it waits for.
	time.Sleep(6 * time.Second)
	h.Run(t, "pkill", "-INT", "-x", "lixfix")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || stdout.Len() > 0 {
		t.Errorf("exit %d: %s", code, stdout.String())
	}
	if s := stderr.String(); !strings.Contains(s, "SIGINT") || !strings.Contains(s, "waiting for the network of the sandbox") {
		t.Errorf("it says %q", s)
	}
	if out, err := h.Command("pgrep", "nix-build").Output(); err == nil {
		t.Errorf("it goes on: %s", out)
	}
	if left := leftovers(t, h); len(left) > 1 {
		t.Errorf("left: %v", left)
	}
}
