package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The scripts have to work in each of these.
func shells() map[string][]string {
	return map[string][]string{
		"dash":    {"/bin/dash"},
		"bash":    {"/bin/bash", "--posix"},
		"zsh":     {"/bin/zsh", "--emulate", "sh"},
		"busybox": {"/bin/busybox", "sh"},
	}
}

func TestMain(m *testing.M) {
	// A program that was started with SIGHUP ignored, as under nohup(1), hands that on; a caught signal is not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	// The program runs in the root of the repository, and so do its tests.
	if err := os.Chdir("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, name := range []string{"dash", "bash", "zsh", "busybox", "curl", "wget", "ssh-keygen", "unshare", "setpriv", "script", "timeout"} {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Fprintf(os.Stderr, "%v: the tests of the scripts need it, scripts/deps.sh installs it\n", err)
			os.Exit(1)
		}
	}
	var err error
	if scratch, err = os.MkdirTemp("", "lixfix-release-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// scratch is for what all tests share.
var scratch string

// newKey makes a key and returns the file of its private half.
func newKey(t *testing.T) string {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if _, err := tool(t.Context(), nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key); err != nil {
		t.Fatal(err)
	}
	return key
}

// stub is a program in lixfix's place, for what install.sh itself does. "exit N" makes it exit so.
const stub = `#!/bin/sh
case ${1:-} in
version) echo "lixfix VERSION" ;;
exit) exit "$2" ;;
umask) umask ;;
cat) cat ;;
again) printf '%s\n' "${LIXFIX_RUN_AGAIN:-}" ;;
where) command -v lixfix; printf '%s\n' "$0" ;;
ask)
	{ printf 'Go on? ' >/dev/tty; } 2>/dev/null || exit 6
	read -r answer </dev/tty
	echo "answer: $answer"
	;;
slow)
	trap 'echo "stopped by TERM"; exit 143' TERM
	: >"$2"
	n=0
	while [ $n -lt 1000 ]; do sleep 0.1; n=$((n + 1)); done
	;;
*)
	for a in "$@"; do printf '[%s]' "$a"; done
	echo " TARGET"
	;;
esac
`

// stubs is a signed release of stubs, 1.2.3, that tests share. They leave it as it is.
func stubs(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(scratch, "stubs")
	made.Do(func() {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		fillRelease(t, dir, newKey(t), "1.2.3")
	})
	return dir
}

var made sync.Once

// stubRelease makes a signed release of stubs and returns its directory.
func stubRelease(t *testing.T, key, version string) string {
	t.Helper()
	dir := t.TempDir()
	fillRelease(t, dir, key, version)
	return dir
}

func fillRelease(t *testing.T, dir, key, version string) {
	t.Helper()
	for _, target := range targets() {
		name := "lixfix-" + version + "-" + target.String()
		program := strings.NewReplacer("VERSION", version, "TARGET", target.String()).Replace(stub)
		data, err := archive(name, []File{{Name: "lixfix", Mode: 0o755, Data: []byte(program)}}, time.Unix(1e9, 0))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name+".tar.gz"), data)
	}
	if err := Sign(t.Context(), dir, key); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// server serves a directory and counts what is asked for.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

// serve starts a server. For what a handler leaves alone by returning false, the file of the directory is served.
func serve(t *testing.T, dir string, secure bool, handle func(w http.ResponseWriter, r *http.Request) bool) *server {
	t.Helper()
	s := &server{}
	quiet := log.New(io.Discard, "", 0)
	files := http.FileServer(http.Dir(dir))
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		s.mu.Unlock()
		if handle == nil || !handle(w, r) {
			files.ServeHTTP(w, r)
		}
	})
	s.Server = httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *server) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.asked {
		if name == "" || strings.HasSuffix(a, name) {
			n++
		}
	}
	return n
}

// trust returns the variables that make curl and wget trust the certificate of a server.
func (s *server) trust(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	write(t, filepath.Join(dir, "wgetrc"), []byte("ca_certificate = "+ca+"\n"))
	return []string{"CURL_CA_BUNDLE=" + ca, "WGETRC=" + filepath.Join(dir, "wgetrc")}
}

// sudoPath is the PATH of a script, as sudo sets it. TestRunsNoProgramOfUsers has the one of whoever runs the tests as well.
const sudoPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// call is one run of a script.
type call struct {
	argv   []string
	env    []string // beside PATH, HOME and TMPDIR
	stdin  string
	dir    string
	bare   bool              // nothing but env
	mounts map[string]string // file or directory that lies over another, in a namespace of its own
	setup  string            // shell commands in that namespace, before
	during func(pid int)
}

type result struct {
	code           int
	stdout, stderr string
	tmp            string
}

// do runs a call in a session of its own, without a terminal, and fails where anything stays in its TMPDIR.
func do(t *testing.T, c call) result {
	t.Helper()
	tmp := filepath.Join(t.TempDir(), "a tmp")
	home := filepath.Join(t.TempDir(), "home")
	for _, dir := range []string{tmp, home} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	argv := c.argv
	if len(c.mounts) > 0 || c.setup != "" {
		var b strings.Builder
		b.WriteString("set -e\n")
		for over, with := range c.mounts {
			fmt.Fprintf(&b, "mount --bind '%s' '%s'\n", with, over)
		}
		b.WriteString(strings.ReplaceAll(c.setup, "TMP", "'"+tmp+"'") + "\nexec \"$@\"\n")
		flags := "-m"
		if os.Geteuid() != 0 {
			flags = "-Urm"
		}
		argv = append([]string{"unshare", flags, "sh", "-c", b.String(), "sh"}, argv...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // for what hangs
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = strings.NewReader(c.stdin), &stdout, &stderr, c.dir
	cmd.Env = c.env
	if !c.bare {
		cmd.Env = append([]string{sudoPath, "HOME=" + home, "TMPDIR=" + tmp}, c.env...)
	} else if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if c.during != nil {
		c.during(cmd.Process.Pid)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for _, dir := range []string{tmp, home} {
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range left {
			t.Errorf("%s was left behind", filepath.Join(dir, e.Name()))
		}
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), tmp: tmp}
}

// want fails unless a run ended so, with text on standard error.
func (r result) want(t *testing.T, code int, stderr string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.stderr, stderr) {
		t.Errorf("exit code %d, want %d with %q; standard output:\n%s\nstandard error:\n%s", r.code, code, stderr, r.stdout, r.stderr)
	}
}

// here is the target of the machine that the tests run on.
func here() Target { return Target{OS: runtime.GOOS, Arch: runtime.GOARCH} }

// eachShell runs a test in every shell.
func eachShell(t *testing.T, f func(t *testing.T, sh []string)) {
	t.Helper()
	all := shells()
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) { f(t, all[name]) })
	}
}

// atOnce is eachShell for tests that share nothing among shells but what they only read: they mostly wait for processes.
func atOnce(t *testing.T, f func(t *testing.T, sh []string)) {
	t.Helper()
	eachShell(t, func(t *testing.T, sh []string) {
		t.Parallel()
		f(t, sh)
	})
}
