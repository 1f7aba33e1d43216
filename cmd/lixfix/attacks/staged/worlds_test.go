//go:build linux

package staged

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// command is a command line that root runs on every hostile host.
type command struct {
	row    string
	args   []string
	before func(*site)
}

// commands are run in this order: a repair comes before what takes it back.
var commands = []command{
	{row: "version", args: []string{"version"}},
	{row: "list", args: []string{"list"}},
	{row: "explain", args: []string{"explain", "resolv-conf"}},
	{row: "explain", args: []string{"explain", "Could not resolve host: cache.nixos.org"}},
	{row: "help", args: []string{"help", "automation"}},
	{row: "completion", args: []string{"completion", "bash"}},
	{row: "schema", args: []string{"schema"}},
	{row: "check", args: []string{"check"}},
	{row: "check FIX", args: []string{"check", "resolv-conf", "--name", linuxnet.Name}},
	{row: "check FIX", args: []string{"check", "stuck"}},
	{row: "probe", args: []string{"probe", "--text", "--name", linuxnet.Name}},
	{row: "verify", args: []string{"verify", "--name", linuxnet.Name}},
	{row: "report", args: []string{"report", "stuck"}},
	{row: "repair --dry-run", args: []string{"repair", "resolv-conf", "--dry-run", "--name", linuxnet.Name}},
	{row: "repair --dry-run", args: []string{"repair", "stuck", "--dry-run"}},
	{row: "repair", args: []string{"repair", "resolv-conf", "--yes", "--passive"}},
	{row: "repair", args: []string{"repair", "stuck", "--yes"}},
	{row: "history", args: []string{"history"}},
	{row: "undo", args: []string{"undo", "--yes"}},
	{row: "resume", args: []string{"resume", "--yes"}, before: (*site).cut},
	// What a shell of root's asks for each Tab.
	{row: "completion", args: []string{"__complete", "undo", ""}},
	{row: "completion", args: []string{"__complete", "repair", "stuck", "--"}},
	{row: "history", args: []string{"history", "--set-aside", strange}},
	{row: "history", args: []string{"history", "--prune", "--older-than", "1h"}},
	{row: "report", args: []string{"report", "stuck", "--format", "json"}},
	{row: "schedule", args: []string{"schedule", "install", "--dry-run"}},
	{row: "schedule", args: []string{"schedule", "remove", "--yes"}},
}

const (
	journals = "/var/lib/lixfix"
	strange  = "20250101-000000-resolv-conf-0007" // the ID of a journal that is none
)

// cut leaves a repair as a loss of power does: begun, and not ended.
func (s *site) cut() {
	s.t.Helper()
	s.sh("chmod 0600 /etc/resolv.conf")
	s.run(call{}, "repair", "resolv-conf", "--yes", "--passive")
	s.unfinish()
	s.sh("chmod 0600 /etc/resolv.conf")
	s.records()
}

// unfinish takes the end from the last journal, as if it had never been written.
func (s *site) unfinish() {
	s.t.Helper()
	names, err := filepath.Glob(s.Path(journals + "/*-resolv-conf-*.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.Contains(n, "unfinished") })
	if len(names) == 0 {
		return // this host has refused it
	}
	last := slices.Max(names)
	data, err := os.ReadFile(last)
	if err != nil {
		s.t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(data)) {
		if !strings.Contains(line, `"end"`) {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(last, []byte(strings.Join(kept, "")), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(last, strings.TrimSuffix(last, ".jsonl")+".unfinished.jsonl"); err != nil {
		s.t.Fatal(err)
	}
}

// world is a hostile host, and the ways in which root calls lixfix on it.
type world struct {
	name    string
	way     string
	attacks []string // what is tried, beside what a call adds
	stage   func(*site)
	calls   []variant
	check   func(*site)
}

// variant is a hostile way to be called.
type variant struct {
	name    string
	attacks int
	call    call
}

// play runs every command of lixfix in a world.
func (w world) play(t *testing.T) {
	s := stage(t, linuxnet.Options{})
	s.Daemon(t)
	if w.stage != nil {
		w.stage(s)
		// Whatever is done to a look, its record says the same elsewhere.
		replays.Record(t, w.way+", "+w.name, s, lixfix, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"))
	}
	calls := w.calls
	if calls == nil {
		calls = []variant{{}}
	}
	s.armed()
	s.records()
	for _, v := range calls {
		s.sh("chmod 0600 /etc/resolv.conf; rm -f " + journals + "/*unfinished*")
		for _, c := range commands {
			if c.before != nil {
				c.before(s)
			}
			v.call.name = v.name
			s.assault(c.row, w.way, len(w.attacks)+v.attacks, v.call, c.args...)
		}
		if w.check != nil {
			w.check(s)
		}
	}
}

func env(list ...string) variant {
	return variant{attacks: len(list), call: call{env: list}}
}

func launch(name string, args ...string) variant {
	return variant{name: name, attacks: 1, call: call{launch: args}}
}

const sequence = "\x1b]0;owned\x07\x1b[2J\u202e"

// TestEnvironment: what a process inherits from whoever starts it, as with sudo -E.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", 100<<10)
	worlds := []world{
		{name: "variables of the loader and of shells", calls: []variant{env(
			"LD_PRELOAD=/home/alice/evil.so", "LD_AUDIT=/home/alice/evil.so", "LD_LIBRARY_PATH=/home/alice/lib",
			"GCONV_PATH=/home/alice/lib",
			"LOCPATH=/home/alice/lib", "PATH=/home/alice/bin:/srv/sticky", "BASH_ENV=/home/alice/bin/nix",
			"ENV=/home/alice/bin/nix", "SHELLOPTS=xtrace",
			"PS4=$(/home/alice/bin/nix)", "IFS=/", "PYTHONPATH=/home/alice/lib", "PERL5OPT=-Mevil",
			"PAGER=/home/alice/bin/nix",
			"SYSTEMD_PAGER=/home/alice/bin/nix", "EDITOR=/home/alice/bin/nix", "BROWSER=/home/alice/bin/nix",
			"LESSOPEN=|/home/alice/bin/nix %s",
		)}},
		{name: "variables of Nix and of homes", calls: []variant{env(
			"NIX_CONF_DIR=/home/alice/etc", "NIX_USER_CONF_FILES=/home/alice/etc/nix.conf",
			"NIX_REMOTE=unix:///home/alice/sockets/1", "NIX_STORE_DIR=/home/alice/store",
			"NIX_STATE_DIR=/home/alice/state", "NIX_LOG_DIR=/home/alice/log",
			"NIX_DAEMON_SOCKET_PATH=/home/alice/sockets/1", "NIX_PATH=nixpkgs=/home/alice",
			"NIX_BUILD_HOOK=/home/alice/bin/nix", "NIX_LIBEXEC_DIR=/home/alice/bin", "NIX_BIN_DIR=/home/alice/bin",
			"NIX_CONFIG=plugin-files = /home/alice/evil.so",
			"NIX_SSL_CERT_FILE=/home/alice/fifo", "HOME=/home/alice", "USER=alice", "LOGNAME=alice",
			"XDG_CONFIG_HOME=/home/alice/.config",
			"XDG_CONFIG_DIRS=/home/alice/.config", "XDG_STATE_HOME=/home/alice/.state",
			"XDG_CACHE_HOME=/home/alice/.cache", "XDG_RUNTIME_DIR=/home/alice",
			"TMPDIR=/home/alice/tmp", "SUDO_USER=alice", "SUDO_UID=1234", "SUDO_GID=1234", "SUDO_HOME=/home/alice",
		)}},
		{name: "variables of the C library, of Go and of the desktop", calls: []variant{env(
			"TZ=:/home/alice/fifo", "TZDIR=/home/alice", "ZONEINFO=/home/alice/fifo", "LANG="+sequence,
			"LC_ALL="+sequence, "LANGUAGE=/home/alice",
			"LOCALDOMAIN="+sequence, "RES_OPTIONS=ndots:99999 debug", "HOSTALIASES=/home/alice/fifo",
			"GODEBUG=netdns=cgo+2,execerrdot=0", "GOTRACEBACK=crash",
			"GOMAXPROCS=-1", "GOCOVERDIR=/home/alice", "SSL_CERT_FILE=/home/alice/fifo", "SSL_CERT_DIR=/home/alice",
			"http_proxy=http://192.0.2.10:1",
			"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/home/alice/sockets/1", "NOTIFY_SOCKET=/home/alice/sockets/1",
			"JOURNAL_STREAM=0:0", "TERM="+sequence,
			"COLUMNS=-1", "LINES=99999999999", "NO_COLOR=", "CLICOLOR_FORCE=1", "FORCE_COLOR=1", "LIXFIX="+sequence,
		)}},
		{name: "more than fits", calls: []variant{env("A="+long, "B="+long, "C="+long, "D="+long, "HOME="+long,
			"SUDO_UID="+long, "PATH="+long, "TERM="+long, sequence+"="+sequence)}},
		{name: "limits", calls: []variant{
			launch("no file may grow", "-limit", "fsize=0"), launch("20 descriptors", "-limit", "nofile=20"),
			launch("2 GiB", "-limit", "as=2147483648"),
			launch("a small stack", "-limit", "stack=131072"),
		}},
		{
			name: "masks", calls: []variant{launch("umask 0777", "-umask", "511"), launch("umask 0", "-umask", "0")},
			check: (*site).modes,
		},
		{name: "signals", calls: []variant{
			launch("SIGCHLD is ignored", "-ignore", "17"), launch("the usual ones are ignored", "-ignore",
				"1,2,3,13,15,17"), launch("all are blocked", "-block"),
		}},
		{name: "names", calls: []variant{
			launch("sequences", "-argv0", sequence+"\nlixfix"), launch("a dash", "-argv0", "--version"),
			launch("a slash", "-argv0", "/home/alice/bin/nix"),
			launch("long", "-argv0", long), launch("none", "-noargs"),
		}},
		{name: "directories", calls: []variant{
			launch("her home", "-dir", "/home/alice"), launch("one that is gone", "-dir", "/srv/sticky/gone", "-gone"),
			launch("one of a process", "-dir", "/proc/self/fd"),
		}},
	}
	for _, w := range worlds {
		w.way = environment
		w.stage = (*site).bait
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.play(t)
		})
	}
}

// bait is what the variables lead to: programs, libraries, configuration, FIFOs and sockets of alice's.
func (s *site) bait() {
	s.t.Helper()
	s.sh(`mkdir -p /opt/build && cat >/opt/build/evil.c <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
__attribute__((constructor)) static void evil(void) {
	char name[64];
	snprintf(name, sizeof name, "/canary/opened-%d.json", (int)getpid());
	int fd = open(name, O_WRONLY | O_CREAT, 0644);
	dprintf(fd, "{\"Kind\":\"opened\",\"File\":\"evil.so, by user %d,\"}", (int)getuid());
	close(fd);
}
unsigned la_version(unsigned v) { return v; }
END
		gcc -shared -fPIC -o /opt/build/evil.so /opt/build/evil.c`)
	s.alice(`set -e
		cp /opt/build/evil.so ~/evil.so
		mkdir -p ~/bin ~/lib ~/etc ~/tmp ~/sockets ~/.config/nix ~/.nix-profile/bin ~/.local/state/nix/profile/bin
		for dir in ~/bin ~/.nix-profile/bin ~/.local/state/nix/profile/bin; do
			for tool in nix nix-store nix-build nix-instantiate pasta ip nft dmesg journalctl lsattr env sh git ssh;
				do ln ` + hers + ` $dir/$tool; done
		done
		for library in libc.so.6 libnixstore.so libdl.so.2 gconv-modules; do ln ~/evil.so ~/lib/$library; done
		echo "plugin-files = $HOME/evil.so" >~/etc/nix.conf
		cp ~/etc/nix.conf ~/.config/nix/nix.conf
		mkfifo -m 0666 ~/fifo`)
	s.attack(s.byAlice("silent", "/home/alice/sockets/1"))
	s.watch("/home/alice/fifo", "/home/alice/etc/nix.conf", "/home/alice/.config/nix/nix.conf", "/home/alice/tmp")
}

// modes looks for what a repair has left writable for others, or unreadable for whom it is there for.
func (s *site) modes() {
	s.t.Helper()
	if out := s.sh("find " + journals + " /etc/systemd /etc/resolv.conf /etc/nix -xdev ! -type l -perm /022"); out != "" {
		s.t.Errorf("others can write to %s", out)
	}
	if out := s.sh("find " + journals + " -name '*.jsonl' -perm /077"); out != "" {
		s.t.Errorf("others can read %s", out)
	}
	if got := s.sh("stat -c %a " + journals); got != "755" && got != "700" {
		s.t.Errorf("the state directory has mode %s", got)
	}
}

// TestTerminal: standard input, output and error are what somebody else makes them.
func TestTerminal(t *testing.T) {
	t.Parallel()
	screen := func(name string, list ...string) variant {
		return variant{name: name, attacks: 1 + len(list), call: call{screen: true, env: list, stdin: "y\n\x1b[A\n"}}
	}
	worlds := []world{
		{name: "closed", calls: []variant{
			launch("input", "-close", "0"), launch("output", "-close", "1"), launch("error", "-close", "2"),
			launch("all", "-close", "0,1,2"),
		}, check: (*site).intact},
		{name: "lies", calls: []variant{
			launch("output is full", "-stdout", "/dev/full"), launch("input never ends", "-stdin", "/dev/zero"),
			launch("input is a directory's device", "-stdin", "/dev/full"),
			{name: "input is noise", attacks: 1, call: call{stdin: strings.Repeat("\x00\xff\x1b[6n yes\n", 10000)}},
		}, check: (*site).intact},
		{
			name: "a screen, and names that drive it", attacks: []string{"names of processes"}, stage: (*site).titles,
			calls: []variant{
				screen("a terminal", "TERM=xterm-256color"),
			},
		},
		{name: "odd screens", calls: []variant{
			screen("no size", "TERM=dumb", "COLUMNS=0", "LINES=0"), screen("a name", "TERM=/home/alice/fifo",
				"TERMINFO=/home/alice"),
		}},
	}
	for _, w := range worlds {
		w.way = terminal
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.play(t)
		})
	}
}

// intact makes sure that what lixfix says has not been written into a file that was opened in the place of its
// output.
func (s *site) intact() {
	s.t.Helper()
	names, err := filepath.Glob(s.Path(journals + "/*.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "{") {
				s.t.Errorf("%s holds %.80q", filepath.Base(name), line)
			}
		}
	}
	if got := s.sh("grep -c . /etc/resolv.conf"); got != "1" {
		s.t.Errorf("/etc/resolv.conf has %s lines", got)
	}
}

// titles starts processes whose names and arguments drive a terminal, and that look like those of Nix.
func (s *site) titles() {
	s.t.Helper()
	for _, name := range []string{"nix-build", "nix-daemon", "nix-store", "nix", "lix"} {
		s.alice("mkdir -p ~/run && ln " + hers + " ~/run/" + name)
		s.attack(s.UserCommand("/home/alice/run/"+name, "attack", "title", name+sequence, name+"\x1b[2J\r", sequence,
			"/nix/store/x\x1b]0;owned\x07.drv", "\x9b31m\xff", "a\nb"))
		s.attack(s.UserCommand("/home/alice/run/"+name, "attack", "title", name, name, "--option", "access-tokens",
			sequence, fmt.Sprint(1<<62)))
	}
	s.alice("mkdir -p ~/run$'\\x1b[2J\\n' && cp " + hers + " ~/run$'\\x1b[2J\\n'/nix-build")
	s.attack(s.UserCommand("/home/alice/run\x1b[2J\n/nix-build", "attack", "title", "nix-build", "nix-build", "x"))
}
