//go:build linux

// Package staged has a real systemd run the scheduled check on real hosts of package linuxnet, and compares what the
// confined job reports with what root sees there without any confinement.
package staged

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// replays compares what is said of hosts with what is said of their records.
var replays replay.Table

func TestMain(m *testing.M) {
	// Hosts mostly wait: for systemd and its job, for silent servers, and for strace.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	fmt.Println(&replays)
	linuxnet.Clean()
	os.Exit(code)
}

const (
	program = "/opt/lixfix/bin/lixfix"
	unit    = "lixfix-check.service"
	result  = "/run/lixfix-check.json"
	good    = "nameserver " + linuxnet.Addr4 + "\n"
	silent  = "nameserver " + linuxnet.Silent4 + "\n"
)

// stage makes a host with systemd, Nix and lixfix, on which names resolve.
func stage(t *testing.T, o linuxnet.Options) *linuxnet.Host {
	t.Helper()
	o.Systemd, o.Nix = true, true
	h := linuxnet.New(t, o)
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.Start(t, h.Command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
		"--bind-interfaces", "--listen-address="+linuxnet.Addr4, "--address=/#/127.0.0.1", "--address=/#/::1"))
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	return h
}

// fixReport is what one fix found.
type fixReport struct {
	Name     string
	Status   fix.Status
	Findings []fix.Finding
}

type report struct {
	Exit  int
	Fixes []fixReport
}

// volatile is what differs between two looks at the same host: how long something took or has lasted.
var volatile = regexp.MustCompile(`\b\d+(\.\d+)? ?(ms|s|min|h|%)\b|\b\d+ %|\d\d:\d\d(:\d\d)?`)

// still leaves out of a text what differs between two looks.
func still(text string) string { return volatile.ReplaceAllString(text, "T") }

func parse(t *testing.T, what string, data []byte) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(still(string(data))), &r); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, data)
	}
	return r
}

// free has root look without any confinement.
func free(t *testing.T, h *linuxnet.Host, args ...string) []byte {
	t.Helper()
	cmd := h.Command(program, append([]string{"check"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return out
}

// start starts the job, waits for its end, and returns its exit code.
func start(t *testing.T, h *linuxnet.Host) string {
	t.Helper()
	_ = h.Command("/usr/bin/systemctl", "start", unit).Run() // it fails where something was found
	return ended(t, h)
}

// ended waits for the end of the job and returns its exit code.
func ended(t *testing.T, h *linuxnet.Host) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		shown := h.Run(t, "/usr/bin/systemctl", "show", "-p", "ActiveState,ExecMainStatus,ExecMainExitTimestampMonotonic", unit)
		state := map[string]string{}
		for line := range strings.Lines(shown) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			state[key] = value
		}
		if done := state["ExecMainExitTimestampMonotonic"]; done != "0" && (state["ActiveState"] == "inactive" || state["ActiveState"] == "failed") {
			return state["ExecMainStatus"]
		}
		if time.Now().After(deadline) {
			t.Fatalf("the job has not ended:\n%s", shown)
		}
	}
}

// journal is what the one run of the job has printed that was as it is installed. What a process writes just before it
// ends, the journal can have a moment later: enough tells that all is there.
func journal(t *testing.T, h *linuxnet.Host, enough func(text string) bool) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		text := h.Run(t, "/usr/bin/journalctl", "-q", "--no-pager", "-o", "cat", "_TRANSPORT=stdout", "SYSLOG_IDENTIFIER=lixfix")
		if enough(text) || time.Now().After(deadline) {
			return text
		}
	}
}

// confined runs the job as it is installed, but for the form of its output, and returns that.
func confined(t *testing.T, h *linuxnet.Host, more ...string) []byte {
	t.Helper()
	h.WriteFile(t, "/etc/systemd/system/"+unit+".d/form.conf", fmt.Sprintf(
		"[Service]\nExecStart=\nExecStart=%s check --format json\nStandardOutput=truncate:%s\n%s\n", program, result, strings.Join(more, "\n"),
	), 0o644)
	h.Run(t, "/usr/bin/systemctl", "daemon-reload")
	defer func() {
		h.Run(t, "rm", "-r", "/etc/systemd/system/"+unit+".d")
		h.Run(t, "/usr/bin/systemctl", "daemon-reload")
	}()
	start(t, h)
	data, err := os.ReadFile(h.Path(result))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// hang begins a command of alice's, and returns when it has said that it waits.
func hang(t *testing.T, h *linuxnet.Host, says, name string, args ...string) {
	t.Helper()
	const log = "/run/hang"
	user := fmt.Sprint(linuxnet.UserUID)
	h.Start(t, h.Command("sh", append([]string{
		"-c", `log=$1 && shift && exec setpriv --reuid ` + user + ` --regid ` + user + ` --clear-groups --inh-caps=-all -- "$@" >"$log" 2>&1`, "sh", log, name,
	}, args...)...))
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		data, err := os.ReadFile(h.Path(log))
		if err == nil && strings.Contains(string(data), says) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not say %q: %s", name, says, data)
		}
	}
}

// hold keeps a lock that Nix wants, as root.
func hold(t *testing.T, h *linuxnet.Host, lock string) {
	t.Helper()
	h.Start(t, h.Command("flock", "-x", lock, "sleep", "300"))
	for deadline := time.Now().Add(30 * time.Second); h.Command("flock", "-n", "-x", lock, "true").Run() == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is not locked", lock)
		}
	}
}

// ownStore has alice wait for a lock in a store of her own.
func ownStore(t *testing.T, h *linuxnet.Host, dir string) {
	t.Helper()
	user := fmt.Sprint(linuxnet.UserUID)
	h.Run(t, "install", "-d", "-m", "0700", "-o", user, "-g", user, dir)
	h.Run(t, "install", "-d", "-o", user, "-g", user, dir+"/state")
	lock := dir + "/state/gc.lock"
	h.Run(t, "install", "-o", user, "-g", user, "-m", "0600", "/dev/null", lock)
	hold(t, h, lock)
	hang(t, h, "waiting for the big garbage collector lock", "env", "HOME=/home/"+linuxnet.User, "NIX_REMOTE=local",
		"NIX_STORE_DIR="+dir+"/store", "NIX_STATE_DIR="+dir+"/state", "NIX_LOG_DIR="+dir+"/log", "nix-store", "--gc")
}

// lixConfig has the stand-in for Lix tell its settings.
const lixConfig = `#!/bin/sh
case "$*" in
*show-config*) echo '{"sandbox":{"value":true},"build-users-group":{"value":"nixbld"},"pasta-path":{"value":"/usr/bin/pasta"}}'; exit ;;
esac
exec /nix/store/00000000000000000000000000000000-lix-2.95.3/bin/nix "$@"
`

// situation is a host, and what has to be found there.
type situation struct {
	name    string
	options linuxnet.Options
	spoil   func(t *testing.T, h *linuxnet.Host)
	ids     []string // what root sees there
	// needs are lines of the unit, each without what it needs here: with that, the job sees less than root.
	needs []string
	// hidden: PrivateTmp keeps from the job what a report says beside its findings.
	hidden bool
}

var situations = []situation{
	{name: "healthy", spoil: func(t *testing.T, h *linuxnet.Host) { h.Daemon(t) }, ids: []string{"resolv-conf/works", "stuck/nothing-running"}},
	{
		name: "a dead server", spoil: func(t *testing.T, h *linuxnet.Host) {
			h.Daemon(t)
			h.WriteFile(t, "/etc/resolv.conf", silent, 0o644)
		},
		ids: []string{"resolv-conf/no-server-answers"},
	},
	{
		name: "Lix with a file of a user's alone, a closed device and a firewall", options: linuxnet.Options{Tun: 0o600},
		spoil: func(t *testing.T, h *linuxnet.Host) {
			h.Lix(t, linuxnet.Lix{})
			h.WriteFile(t, "/nix/var/nix/profiles/default/bin/nix", lixConfig, 0o755)
			h.LixDaemon(t)
			const private = "/home/" + linuxnet.User + "/private"
			h.WriteFile(t, private+"/resolv.conf", silent+good, 0o600)
			h.Run(t, "chmod", "700", private)
			h.Run(t, "chown", "-R", linuxnet.User, private)
			h.Symlink(t, private+"/resolv.conf", "/etc/resolv.conf")
			h.Run(t, "nft", "add table inet x; add chain inet x out { type filter hook output priority 0; }; "+
				"add rule inet x out meta skuid 30001-30004 udp dport 53 drop")
		},
		ids: []string{"resolv-conf/not-readable-by-builders", "resolv-conf/tun-not-accessible", "resolv-conf/firewall-by-user"},
		needs: []string{
			"CapabilityBoundingSet=~CAP_DAC_READ_SEARCH", "CapabilityBoundingSet=~CAP_NET_ADMIN", "BindReadOnlyPaths=",
			"RestrictAddressFamilies=~AF_NETLINK", "IPAddressDeny=any",
		},
	},
	{
		name: "no device", options: linuxnet.Options{NoTun: true},
		spoil: func(t *testing.T, h *linuxnet.Host) {
			h.Lix(t, linuxnet.Lix{})
			h.WriteFile(t, "/nix/var/nix/profiles/default/bin/nix", lixConfig, 0o755)
			h.LixDaemon(t)
		},
		ids: []string{"resolv-conf/tun-missing"},
	},
	{
		name: "a garbage collection that waits", spoil: func(t *testing.T, h *linuxnet.Host) {
			h.Daemon(t)
			hold(t, h, "/nix/var/nix/gc.lock")
			hang(t, h, "waiting for the big garbage collector lock", "env", "HOME=/home/"+linuxnet.User, "NIX_REMOTE=daemon", "nix-store", "--gc")
		},
		ids: []string{"stuck/foreign-lock-holder"}, needs: []string{"CapabilityBoundingSet=~CAP_SYS_PTRACE"},
	},
	{
		name: "a store in a home directory", spoil: func(t *testing.T, h *linuxnet.Host) { ownStore(t, h, "/home/"+linuxnet.User+"/own") },
		ids: []string{"stuck/foreign-lock-holder"},
	},
	{
		name: "a store in /tmp", hidden: true, spoil: func(t *testing.T, h *linuxnet.Host) { ownStore(t, h, "/tmp/own") },
		ids: []string{"stuck/foreign-lock-holder"},
	},
}

// found lists what was found, worst first or not.
func found(r report) []string {
	var ids []string
	for _, f := range r.Fixes {
		for _, x := range f.Findings {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// TestConfined compares both looks, on each host.
func TestConfined(t *testing.T) {
	t.Parallel()
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := stage(t, s.options)
			h.Boot(t)
			s.spoil(t, h)
			replays.Record(t, s.name, h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"))
			h.Run(t, program, "schedule", "install", "--yes")
			want := parse(t, "without confinement", free(t, h, "--format", "json"))
			got := parse(t, "confined", confined(t, h))
			if s.hidden {
				if d := cmp.Diff(found(want), found(got)); d != "" {
					t.Errorf("the job finds something else than root (-root +job):\n%s", d)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("the job sees something else than root (-root +job):\n%s", d)
			}
			for _, line := range s.needs {
				if less := parse(t, line, confined(t, h, line)); cmp.Equal(want, less) {
					t.Errorf("%s: nothing is missed", line)
				}
			}
			for _, id := range s.ids {
				if !slices.Contains(found(want), id) {
					t.Errorf("root does not find %s, but %v", id, found(want))
				}
			}
			if code := start(t, h); code != fmt.Sprint(want.Exit) {
				t.Errorf("the job ends with %s, and lixfix with %d", code, want.Exit)
			}
			// The journal keeps no empty lines.
			text := still(strings.ReplaceAll(string(free(t, h, "--quiet")), "\n\n", "\n"))
			said := still(journal(t, h, func(said string) bool { return still(said) == text }))
			if d := cmp.Diff(text, said); d != "" {
				t.Errorf("the journal says something else (-root +journal):\n%s", d)
			}
			t.Logf("exit code %d, %v", want.Exit, found(want))
		})
	}
}

// installed tells whether the job is.
func installed(h *linuxnet.Host) bool {
	_, err := os.Stat(h.Path("/etc/systemd/system/" + unit))
	return err == nil && h.Command("/usr/bin/systemctl", "is-enabled", unit).Run() == nil
}

// TestAfterStart starts a host on which the job was installed before, and takes the job away again.
func TestAfterStart(t *testing.T) {
	t.Parallel()
	h := stage(t, linuxnet.Options{})
	h.WriteFile(t, "/etc/resolv.conf", silent, 0o644)
	h.Run(t, program, "schedule", "install", "--yes")
	h.Boot(t)
	dead := func(text string) bool { return strings.Contains(text, "resolv-conf/no-server-answers") }
	code := ended(t, h)
	if text := journal(t, h, dead); code != "1" || !dead(text) {
		t.Errorf("the job ended with %s; its journal:\n%s", code, text)
	}
	if out := h.Run(t, "/usr/bin/systemctl", "--failed", "--no-legend", "--plain", "--no-pager"); !strings.Contains(out, unit) {
		t.Errorf("failed units: %q", out)
	}
	// The messages of the kernel are taken from there.
	if out := confined(t, h, "ExecStart=", "ExecStart=/usr/bin/journalctl -q --no-pager -b -o cat -n 20"); len(out) == 0 {
		t.Error("the job cannot read the journal")
	}
	for _, step := range [][]string{{"schedule", "remove"}, {"undo"}, {"schedule", "remove"}, {"schedule", "install"}, {"undo"}} {
		was := installed(h)
		h.Run(t, program, append(step, "--yes")...)
		if installed(h) == was {
			t.Errorf("%v: installed %v as before", step, was)
		}
	}
	if out, err := h.Command("/usr/bin/systemctl", "cat", unit).CombinedOutput(); err == nil {
		t.Errorf("systemd still knows the unit:\n%s", out)
	}
}
