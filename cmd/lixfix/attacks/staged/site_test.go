//go:build linux

package staged

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

const (
	lixfix   = "/opt/lixfix/lixfix"
	launcher = "/opt/attack/attacker" // root's own, to start lixfix as a hostile parent would
	hers     = "/home/alice/attacker"
	canary   = "/canary"
	secrets  = "/root/secrets" // directories and files that nobody but root may see or change
	secret   = "canary-7f3a91-of-root"

	adminUID = 1235 // of bob, who calls sudo
	nobody   = 65534

	// No command takes this long on a host where nothing hangs, however busy the machine.
	patience = 40 * time.Second
)

// site is a host with an attacker on it.
type site struct {
	*linuxnet.Host
	t       testing.TB
	before  map[string]string
	watched bool
}

// stage makes a host with a user, alice, who wants to be root; with bob, who calls sudo; with secrets of root's,
// and with
// a directory where programs of the attacker write down who has run them.
func stage(t testing.TB, o linuxnet.Options) *site {
	t.Helper()
	o.Nix = true
	s := &site{Host: linuxnet.New(t, o), t: t}
	s.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), lixfix, 0o755)
	s.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/platform/platformtest/attacker"), launcher, 0o755)
	s.sh(`
		set -e
		mkdir -m 1777 ` + canary + ` /srv/sticky
		chmod 1777 ` + canary + ` /srv/sticky
		echo "bob:x:1235:1235::/home/bob:/bin/sh" >>/etc/passwd
		echo "bob:x:1235:" >>/etc/group
		sed -i 's/^staff:x:50:$/staff:x:50:alice/' /etc/group
		mkdir /home/bob
		chown bob:bob /home/bob
		cp ` + launcher + ` ` + hers + `
		chown alice:alice ` + hers + `
		echo "` + secret + `:!:1::::::" >>/etc/shadow
		mkdir -m 0700 ` + secrets + `
		echo ` + secret + ` >` + secrets + `/file
		chmod 0600 ` + secrets + `/file
	`)
	s.WriteFile(t, "/etc/resolv.conf", "nameserver "+linuxnet.Addr4+"\n", 0o600)
	s.Resolver(t, linuxnet.Addr4)
	return s
}

// sh runs a script as root.
func (s *site) sh(script string) string {
	s.t.Helper()
	return s.script(s.Command("/bin/bash", "-c", script), script)
}

// alice runs a script as alice.
func (s *site) alice(script string) string {
	s.t.Helper()
	cmd := s.UserCommand("/bin/bash", "-c", script)
	cmd.Env = append(cmd.Env, "HOME=/home/alice", "USER=alice")
	return s.script(cmd, script)
}

func (s *site) script(cmd *exec.Cmd, script string) string {
	s.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// attack starts an attack, and waits until it is on. It ends with the test. The number of its process is the host's.
func (s *site) attack(cmd *exec.Cmd) (pid int, stop func()) {
	s.t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	stop = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
	s.t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, bad := fmt.Sscanf(line, "ready %d\n", &pid); err != nil || bad != nil {
		stop()
		s.t.Fatalf("%s: %q %v\n%s", strings.Join(cmd.Args, " "), line, err, stderr.String())
	}
	return pid, stop
}

// bell is a file that nobody has a reason to open.
const bell = "/opt/attack/bell"

// watch notices whoever opens or changes one of the files, by whatever name.
func (s *site) watch(files ...string) {
	s.t.Helper()
	s.WriteFile(s.t, bell, "", 0o600)
	s.attack(s.Command(launcher, append([]string{"attack", "watch", bell}, files...)...))
	s.watched = true
}

// heard waits until everything has been noticed that was opened until now.
func (s *site) heard(before []record) []record {
	s.t.Helper()
	if _, err := os.ReadFile(s.Path(bell)); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, r := range s.records() {
			if strings.TrimSpace(r.File) == bell {
				return before
			}
			before = append(before, r)
		}
	}
	s.t.Fatal("nobody watches any more")
	return nil
}

// byAlice is the attacker's program with its arguments, started by alice.
func (s *site) byAlice(args ...string) *exec.Cmd {
	return s.UserCommand(hers, append([]string{"attack"}, args...)...)
}

// armed begins what is compared at the end: from here on, root's secrets stay as they are.
func (s *site) armed() { s.before = s.inventory() }

// inventory is all that root keeps for itself.
func (s *site) inventory() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(s.Path(secrets), func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		sys, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.ErrUnsupported
		}
		all[strings.TrimPrefix(name, s.Path(""))] = fmt.Sprintf("%v %d:%d %d", info.Mode(), sys.Uid, sys.Gid, info.Size())
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := os.ReadFile(s.Path(secrets + "/file"))
	if err != nil {
		s.t.Fatal(err)
	}
	all["content"] = string(data)
	return all
}

// record is what the attacker's program writes down.
type record struct {
	Kind   string
	File   string
	Args   []string
	Env    []string
	Status map[string]string
	Open   []string
	Store  string
}

// numbers are those of a line in /proc/PID/status.
func (r record) numbers(key string) []int {
	var list []int
	for word := range strings.FieldsSeq(r.Status[key]) {
		if n, err := strconv.Atoi(word); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// unprivileged says what is left of root in a process that was to be an ordinary user's, "" for nothing.
func (r record) unprivileged() string {
	var left []string
	for _, key := range []string{"Uid", "Gid", "Groups"} {
		if slices.Contains(r.numbers(key), 0) || key != "Groups" && len(r.numbers(key)) != 4 {
			left = append(left, key+" "+r.Status[key])
		}
	}
	for _, key := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if strings.Trim(r.Status[key], "0") != "" {
			left = append(left, key+" "+r.Status[key])
		}
	}
	for _, fd := range r.Open {
		if strings.Contains(fd, secrets) {
			left = append(left, "descriptor "+fd)
		}
	}
	if r.Status["NoNewPrivs"] != "1" {
		left = append(left, "NoNewPrivs "+r.Status["NoNewPrivs"])
	}
	return strings.Join(left, ", ")
}

// records takes what was written down since it was last asked.
func (s *site) records() []record {
	s.t.Helper()
	names, err := filepath.Glob(s.Path(canary + "/*.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	var all []record
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		var r record
		if err := json.Unmarshal(data, &r); err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
		all = append(all, r)
		if err := os.Remove(name); err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

// call is one run of lixfix by root.
type call struct {
	name   string   // for the reader of a failure
	env    []string // beside sudo's
	plain  bool     // without sudo
	launch []string // what it inherits, as options of the launcher
	screen bool     // on a terminal
	stdin  string
	limit  time.Duration // patience unless given
}

// ended is how a run ended.
type ended struct {
	args   []string
	exit   int
	stdout []byte
	stderr []byte
	late   bool
	screen bool
	hers   bool // alice has called it to see whether Nix works for her
	took   time.Duration
	cpu    time.Duration // of lixfix and all that it ran, however busy the machine is
}

// herOwn is what a shell of alice's opens of hers, and what her Nix loads because of that, with her rights.
var herOwn = []string{"/home/alice/.config/nix/nix.conf", "evil.so, by user 1234"}

// sudo is what sudo tells of bob.
var sudo = []string{"SUDO_USER=bob", "SUDO_UID=1235", "SUDO_GID=1235", "SUDO_COMMAND=" + lixfix}

// run runs lixfix as root, as sudo does for bob.
func (s *site) run(c call, args ...string) ended {
	s.t.Helper()
	if c.limit == 0 {
		c.limit = patience
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.limit)
	defer cancel()
	argv := append([]string{lixfix}, args...)
	if len(c.launch) > 0 {
		argv = slices.Concat([]string{launcher, "attack", "launch"}, c.launch, []string{"--"}, argv)
	}
	if c.screen {
		argv = []string{"/usr/bin/script", "-qefc", strings.Join(quoted(argv), " "), "/dev/null"}
	}
	// What lixfix is to see is set behind nsenter and script, which it is not meant for.
	env := sudo
	if c.plain {
		env = nil
	}
	argv = slices.Concat([]string{"/usr/bin/env"}, env, c.env, argv)
	cmd := s.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Stdin = strings.NewReader(c.stdin)
	began := time.Now()
	err := cmd.Run()
	e := ended{
		args: args, exit: cmd.ProcessState.ExitCode(), stdout: stdout.Bytes(), stderr: stderr.Bytes(),
		late: ctx.Err() != nil, screen: c.screen, took: time.Since(began),
		hers: args[0] == "verify" && slices.Contains(c.env, "SUDO_UID=1234"),
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && !errors.Is(err,
		exec.ErrWaitDelay) && ctx.Err() == nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return e
}

func quoted(argv []string) []string {
	var words []string
	for _, w := range argv {
		words = append(words, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return words
}

// drawing is what lixfix itself tells a terminal: colours, one line up, the rest of a line or screen away, the
// cursor.
var drawing = regexp.MustCompile("\x1b\\[[0-9;]*[mKA]|\x1b\\[\\?25[lh]|\x1b\\[0?J|\r")

// control returns the first thing in a text that could drive a terminal.
func (e ended) control() string {
	for _, text := range [][]byte{e.stdout, e.stderr} {
		if e.screen {
			text = drawing.ReplaceAll(text, nil)
		}
		if !utf8.Valid(text) {
			return fmt.Sprintf("bytes that are no UTF-8: %.200q", text)
		}
		for i, r := range string(text) {
			if r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				return fmt.Sprintf("%q in %.120q", r, text[max(0, i-60):])
			}
		}
	}
	return ""
}

// breaches lists what a run of lixfix has let happen that nothing may make happen, on any host and by any command.
func (s *site) breaches(e ended) []string {
	s.t.Helper()
	var all []string
	breach := func(format string, args ...any) {
		if b := strings.Join(e.args, " ") + ": " + fmt.Sprintf(format, args...); !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	if e.late {
		breach("did not end")
	} else if e.exit < 0 || e.exit > 7 {
		breach("ended with %d", e.exit)
	}
	records := s.records()
	if s.watched {
		records = s.heard(records)
	}
	for _, r := range records {
		switch {
		case r.Kind != "run" && strings.TrimSpace(r.File) == bell:
		case e.hers && r.Kind == "opened" && slices.Contains(herOwn, strings.TrimRight(strings.TrimSpace(r.File), ",")):
		case r.Kind == "opened" || r.Kind == "changed":
			breach("%s %s", r.File, r.Kind)
		case r.Kind == "run" && r.unprivileged() != "":
			breach("ran %.120q with %s", r.Args, r.unprivileged())
		}
	}
	if diff := cmp.Diff(s.before, s.inventory()); diff != "" {
		breach("root's secrets (-before +after):\n%s", diff)
	}
	said := string(e.stdout) + string(e.stderr)
	if strings.Contains(said, secret) {
		breach("prints a secret of root's")
	}
	if c := e.control(); c != "" {
		breach("prints %s", c)
	}
	if strings.Contains(said, "goroutine ") || strings.Contains(said, "panic:") || strings.Contains(said,
		"fatal error:") {
		breach("panics: %.1000s", said)
	}
	return all
}
