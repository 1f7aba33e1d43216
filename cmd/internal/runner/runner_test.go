package runner_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/cmd/internal/runner"
	"github.com/lixfix/lixfix/platform"
)

// along makes this program "lixfix run": its arguments are the command. The variable beside it is the patience.
const (
	along  = "-along"
	waited = "RUNNER_TEST_PATIENCE"
	kept   = "RUNNER_TEST_KEPT" // a file for what was kept
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && runner.Monitor(os.Args[1:]) {
		os.Exit(runner.Watch(os.Args[1:]))
	}
	if len(os.Args) > 1 && os.Args[1] == along {
		os.Exit(run(os.Args[2:]))
	}
	// A shell cannot trap what was ignored when it began, as SIGHUP is below nohup.
	if signal.Ignored(unix.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	}
	os.Exit(m.Run())
}

func run(args []string) int {
	inherited := platform.Inherited()
	if err := platform.Seal(); err != nil {
		return 99
	}
	self, err := os.Executable()
	if err != nil {
		return 99
	}
	c := runner.Command{
		Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Inherited: inherited, Program: self,
		Waits: func(_ context.Context, pid int) string {
			if err := unix.Kill(pid, 0); err != nil {
				return ""
			}
			return "it waits for Godot"
		},
	}
	c.Patience, _ = time.ParseDuration(os.Getenv(waited))
	out, err := c.Run(context.Background())
	if start, ok := errors.AsType[*runner.StartError](err); ok {
		return start.Code()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	if name := os.Getenv(kept); name != "" {
		if err := os.WriteFile(name, []byte(out.Output), 0o600); err != nil {
			return 99
		}
	}
	return out.Code
}

// self is the line that runs a command along.
func self(t testing.TB, args ...string) []string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{name, along}, args...)
}

func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	line := self(t, args...)
	return exec.CommandContext(t.Context(), line[0], line[1:]...)
}

// screen is a terminal with a program on it.
type screen struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	all    bytes.Buffer
	done   chan struct{}
}

const (
	rows, columns = 24, 80
	// patient is how long is waited for what has to come: the machine may be busy.
	patient = 6 * time.Second
)

// onScreen starts a program in a session of its own, on a terminal.
func onScreen(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	cmd.Env = append(os.Environ(), "TERM=xterm", "PS1=$ ", "HISTFILE=", "INPUTRC=/dev/null")
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, master: master, cmd: cmd, done: make(chan struct{})}
	t.Cleanup(func() {
		master.Close()
		_ = cmd.Process.Kill()
		select {
		case <-s.done:
		case <-time.After(time.Second):
		}
	})
	go func() {
		defer close(s.done)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			s.mu.Lock()
			s.all.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// shell is a real bash at work, with job control.
func shell(t *testing.T) *screen {
	t.Helper()
	s := onScreen(t, exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "-i"))
	s.until(`\$ $`)
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func (s *screen) types(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		s.t.Fatal(err)
	}
}

// until waits until what came since the last call matches, and returns it.
func (s *screen) until(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		if at := re.FindStringIndex(s.all.String()); at != nil {
			got := string(s.all.Next(at[1]))
			s.mu.Unlock()
			return got
		}
		s.mu.Unlock()
	}
	s.t.Fatalf("%s did not come, but:\n%q", pattern, s.text())
	return ""
}

// ends waits for the program and returns its exit code.
func (s *screen) ends() int {
	s.t.Helper()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	<-s.done
	return s.cmd.ProcessState.ExitCode()
}

func TestExitCodes(t *testing.T) {
	notAProgram := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(notAProgram, []byte("\x7fELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 3"}, 3},
		{[]string{"sh", "-c", "kill -KILL $$"}, 137},
		{[]string{"sh", "-c", "kill -TERM $$"}, 143},
		{[]string{"no-such-command"}, 127},
		{[]string{"/no/such/command"}, 127},
		{[]string{"/etc/passwd"}, 126},
		{[]string{notAProgram}, 126},
	} {
		cmd := command(t, test.args...)
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != test.want {
			t.Errorf("%q through pipes: %d, want %d", test.args, got, test.want)
		}
		if got := onScreen(t, command(t, test.args...)).ends(); got != test.want {
			t.Errorf("%q on a terminal: %d, want %d", test.args, got, test.want)
		}
	}
}

// Every stream comes out as it went in, in order where both are one, and input is the command's.
func TestStreams(t *testing.T) {
	cmd := command(t, "sh", "-c", `for i in 1 2 3; do echo out$i; echo err$i >&2; done; cat`)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in\x00put\xff"), &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if out.String() != "out1\nout2\nout3\nin\x00put\xff" || stderr.String() != "err1\nerr2\nerr3\n" {
		t.Errorf("got %q and %q", out.String(), stderr.String())
	}
	cmd = command(t, "sh", "-c", `for i in 1 2 3; do echo out$i; echo err$i >&2; done`)
	name := filepath.Join(t.TempDir(), "both")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(name); string(got) != "out1\nerr1\nout2\nerr2\nout3\nerr3\n" {
		t.Errorf("both in one file: %q", got)
	}
}

// A shell's <(…) is handed on, and what lixfix opens is not.
func TestInherited(t *testing.T) {
	look := func(line string) (pipes, terminal string) {
		script := "exec 9<<<nine; " + line + " sh -c 'cat <&9; ls /proc/self/fd | tr \"\\n\" \" \"'"
		out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
		s := onScreen(t, exec.CommandContext(t.Context(), "bash", "-c", script+"; exit $?"))
		if code := s.ends(); code != 0 {
			t.Fatalf("%s: %d: %s", script, code, s.text())
		}
		return string(out), s.text()
	}
	pipes, terminal := look("exec")
	gotPipes, gotTerminal := look(strings.Join(self(t), " "))
	if !strings.HasPrefix(pipes, "nine\n") || gotPipes != pipes {
		t.Errorf("through pipes: %q, want %q", gotPipes, pipes)
	}
	if gotTerminal != terminal {
		t.Errorf("on a terminal: %q, want %q", gotTerminal, terminal)
	}
}

// Where standard output is no terminal, the command still has one for its errors, of the same size, and what it prints
// there comes out once.
func TestMixedStreams(t *testing.T) {
	line := strings.Join(self(t, "sh", "-c", "'test -t 1 && echo tty; test -t 2 && echo good >&2; stty size <&2 >&2; echo out'"), " ")
	name := filepath.Join(t.TempDir(), "out")
	s := onScreen(t, exec.CommandContext(t.Context(), "bash", "-c", line+" >"+name+"; exit $?"))
	code := s.ends()
	if got := s.text(); code != 0 || got != "good\r\n24 80\r\n" {
		t.Errorf("%d, terminal: %q", code, got)
	}
	if got, _ := os.ReadFile(name); string(got) != "out\n" {
		t.Errorf("file: %q", got)
	}
}

// The terminal is the command's: its size, its changes, its settings, and what it does with keys.
func TestTerminal(t *testing.T) {
	s := onScreen(t, command(t, "bash", "-c", `test -t 0 -a -t 1 -a -t 2 && echo three; stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.1; done`))
	s.until(`three\r\n24 80\r\nready\r\n`)
	if err := pty.Setsize(s.master, &pty.Winsize{Rows: 30, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	s.until(`30 100\r\n`)
	if code := s.ends(); code != 5 {
		t.Errorf("exit %d", code)
	}
	// A program that takes keys as they are typed gets them so, Ctrl-C and Ctrl-Z too.
	s = onScreen(t, command(t, "bash", "-c", `stty raw -echo; echo ready; dd bs=1 count=4 2>/dev/null | od -An -tx1; stty sane`))
	s.until("ready")
	s.types("\x03\x1a\x1bq")
	s.until("03 1a 1b 71")
	if code := s.ends(); code != 0 {
		t.Errorf("exit %d", code)
	}
	// A password is not shown.
	s = onScreen(t, command(t, "bash", "-c", `read -rs -p 'word? ' w </dev/tty; echo; echo "${#w} letters"`))
	s.until(`word\? `)
	s.types("secret\r")
	if got := s.until("6 letters"); strings.Contains(got, "secret") {
		t.Errorf("shown: %q", got)
	}
}

func TestCtrlC(t *testing.T) {
	s := onScreen(t, command(t, "bash", "-c", `trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done`))
	s.until("ready")
	s.types("\x03")
	s.until("caught")
	if code := s.ends(); code != 7 {
		t.Errorf("exit %d", code)
	}
	s = onScreen(t, command(t, "sleep", "100"))
	time.Sleep(300 * time.Millisecond)
	s.types("\x03")
	if code := s.ends(); code != 130 {
		t.Errorf("exit %d", code)
	}
}

// jobControl are the ways to run a command that a shell can stop: on its terminal, and with one of the streams elsewhere.
func jobControl(t *testing.T) map[string]string {
	run := strings.Join(self(t), " ")
	return map[string]string{
		"terminal": run + ` sh -c 'echo begin; sleep 0.3; while :; do sleep 0.1; done'`,
		"output":   run + ` sh -c 'echo begin >&2; sleep 0.3; while :; do sleep 0.1; done' >/dev/null`,
		"errors":   run + ` sh -c 'echo begin; sleep 0.3; while :; do sleep 0.1; done' 2>/dev/null`,
		"pipeline": run + ` sh -c 'echo begin; sleep 0.3; while :; do sleep 0.1; done' | cat`,
	}
}

// Ctrl-Z gives the shell back, with the terminal as it was; fg goes on; bg goes on in the background.
func TestJobControl(t *testing.T) {
	for name, line := range jobControl(t) {
		t.Run(name, func(t *testing.T) {
			s := shell(t)
			s.types("stty -a | md5sum\r")
			before := s.until(`[0-9a-f]{32}`)
			s.until(`\$ $`)
			s.types(line + "\r")
			s.until(`[\r\n]begin\r`)
			for range 2 {
				time.Sleep(200 * time.Millisecond)
				s.types("\x1a")
				s.until(`Stopped`)
				s.until(`\$ $`)
				s.types("stty -a | md5sum\r")
				if after := s.until(`[0-9a-f]{32}`); after[len(after)-32:] != before[len(before)-32:] {
					t.Error("the terminal is not as it was")
				}
				s.until(`\$ $`)
				s.types("jobs\r")
				s.until(`Stopped.*\n`)
				s.until(`\$ $`)
				s.types("fg\r")
				s.until(`sh -c`)
			}
			s.types("\x1a")
			s.until(`Stopped`)
			s.until(`\$ $`)
			s.types("bg\r")
			s.until(`\$ $`)
			s.types("jobs\r")
			s.until(`Running`)
			s.until(`\$ $`)
			s.types("fg\r")
			s.until(`sh -c`)
			time.Sleep(300 * time.Millisecond)
			s.types("\x03")
			s.until(`\$ $`)
			s.types("echo code ${PIPESTATUS[0]}\r")
			s.until(`[\r\n]code 130`)
			s.until(`\$ $`)
			s.types("stty -a | md5sum; jobs\r")
			if after := s.until(`[0-9a-f]{32}`); after[len(after)-32:] != before[len(before)-32:] {
				t.Error("the terminal is not as it was")
			}
			s.types("exit\r")
		})
	}
}

// A command that stops by itself, or is stopped by somebody, stops lixfix as well.
func TestStopped(t *testing.T) {
	for name, line := range map[string]string{
		"terminal": strings.Join(self(t), " ") + ` sh -c 'echo begin; kill -STOP $$; echo "went on"; exit 4'`,
		"errors":   strings.Join(self(t), " ") + ` sh -c 'echo begin; kill -STOP $$; echo "went on"; exit 4' 2>/dev/null`,
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(t)
			s.types(line + "\r")
			s.until(`[\r\n]begin\r`)
			s.until(`Stopped`)
			s.until(`\$ $`)
			s.types("fg\r")
			s.until(`[\r\n]went on`)
			s.until(`\$ $`)
			s.types("echo code $?\r")
			s.until(`[\r\n]code 4`)
			s.types("exit\r")
		})
	}
}

// Signals reach the command, and however lixfix ends, the terminal is as it was: the last of them nobody can catch.
func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGKILL} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			s := shell(t)
			s.types("stty -a | md5sum\r")
			before := s.until(`[0-9a-f]{32}`)
			s.until(`\$ $`)
			note := filepath.Join(t.TempDir(), "note")
			line := fmt.Sprintf(`sh -c 'trap "echo got >%s; exit 9" %s HUP; echo $PPID pid; while :; do sleep 0.1; done'`, note,
				strings.TrimPrefix(strings.Replace(unix.SignalName(sig), "SIGKILL", "SIGUSR2", 1), "SIG"))
			s.types(strings.Join(self(t), " ") + " " + line + "\r")
			got := s.until(`[\r\n][0-9]+ pid`)
			monitor, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(got[strings.LastIndexAny(got, "\r\n"):], "pid")))
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(parent(t, monitor), sig); err != nil {
				t.Fatal(err)
			}
			s.until(`\$ $`)
			s.types("echo code $?\r")
			want := `[\r\n]code 9`
			if sig == unix.SIGKILL {
				want = `[\r\n]code 137`
			}
			s.until(want)
			for end := time.Now().Add(patient); ; time.Sleep(10 * time.Millisecond) {
				if data, _ := os.ReadFile(note); string(data) == "got\n" {
					break
				}
				if time.Now().After(end) {
					t.Fatal("the command was told nothing")
				}
			}
			s.until(`\$ $`)
			s.types("stty -a | md5sum\r")
			if after := s.until(`[0-9a-f]{32}`); after[len(after)-32:] != before[len(before)-32:] {
				t.Error("the terminal is not as it was")
			}
			s.types("exit\r")
		})
	}
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+2:]))
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Through pipes, signals reach the command as well.
func TestSignalsThroughPipes(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGUSR1} {
		cmd := command(t, "bash", "-c", "trap 'echo got; exit 9' "+strings.TrimPrefix(unix.SignalName(sig), "SIG")+"; echo ready; while :; do sleep 0.1; done")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, len("ready\n"))
		if _, err := io.ReadFull(out, buf); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(out)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 9 || string(rest) != "got\n" {
			t.Errorf("%v: exit %d, %q", sig, code, rest)
		}
	}
}

// What is left running in the background neither keeps lixfix nor is ended with it; what was printed before is there.
func TestLeftRunning(t *testing.T) {
	note := filepath.Join(t.TempDir(), "note")
	line := fmt.Sprintf("(trap '' PIPE; sleep 1; echo alive >%s) & seq 20000 | tail -n 1", note)
	for range 2 {
		began := time.Now()
		s := onScreen(t, command(t, "bash", "-c", line))
		if code := s.ends(); code != 0 || !strings.Contains(s.text(), "20000") {
			t.Errorf("exit %d, %q", code, s.text())
		}
		if took := time.Since(began); took > 900*time.Millisecond {
			t.Logf("it took %v", took)
		}
		for end := time.Now().Add(patient); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(note); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the background was ended")
			}
		}
		_ = os.Remove(note)
	}
}

// Whoever reads no more ends the command, as without lixfix.
func TestBrokenPipe(t *testing.T) {
	line := strings.Join(self(t, "yes"), " ")
	got, err := exec.CommandContext(t.Context(), "bash", "-c", line+" | head -n 1; echo ${PIPESTATUS[0]}").Output()
	if err != nil || string(got) != "y\n141\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// Nothing of a large output is lost, and its beginning and end are kept.
func TestLargeOutput(t *testing.T) {
	name := filepath.Join(t.TempDir(), "kept")
	cmd := command(t, "sh", "-c", "echo first; seq 1000000; echo last")
	cmd.Env = append(os.Environ(), kept+"="+name)
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(got, []byte("\n")); n != 1000002 || !bytes.HasSuffix(got, []byte("\n1000000\nlast\n")) {
		t.Errorf("%d lines", n)
	}
	text, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(text, []byte("first\n1\n2\n")) || !bytes.Contains(text, []byte("\n1000000\nlast\n")) || len(text) > 2<<20 {
		t.Errorf("kept %d bytes, %v", len(text), err)
	}
}

// A silent command has a line below, which goes when it prints again, and of which nothing is left.
func TestPatience(t *testing.T) {
	cmd := command(t, "bash", "-c", "echo begin; printf 'building'; sleep 2; echo ' went on'; sleep 1.5; echo end")
	t.Setenv(waited, "300ms")
	s := onScreen(t, cmd)
	s.until(`lixfix: silent for [0-9a-z]+: it waits for Godot`)
	s.until(`went on`)
	s.until(`it waits for Godot`)
	s.until(`end\r\n`)
	if code := s.ends(); code != 0 {
		t.Errorf("exit %d", code)
	}
	s = onScreen(t, command(t, "bash", "-c", "echo begin; printf 'building'; sleep 2; echo ' went on'; sleep 1.5; echo end"))
	s.ends()
	if got := drawn(s.text()); got != "begin\nbuilding went on\nend" {
		t.Errorf("the screen shows:\n%s", got)
	}
	// At the bottom of the screen it scrolls, and comes back to where it was.
	s = onScreen(t, command(t, "bash", "-c", "seq 40; printf 'building'; sleep 1.5; echo ' went on'"))
	s.ends()
	if got := drawn(s.text()); !strings.HasSuffix(got, "\n40\nbuilding went on") || strings.Contains(got, "Godot") {
		t.Errorf("the screen shows:\n%s", got)
	}
	// Where the command draws over the screen itself, it is left alone.
	s = onScreen(t, command(t, "bash", "-c", `printf '\e[?1049hfull'; sleep 1; printf '\e[?1049l'; printf 'one\ntwo\e[A'; sleep 1; echo`))
	s.ends()
	if strings.Contains(s.text(), "Godot") {
		t.Errorf("it is drawn into: %q", s.text())
	}
	// Standard output never has it.
	out, err := command(t, "sleep", "1").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%q, %v", out, err)
	}
}

// drawn is what a terminal of 24 lines shows after all that was printed, with what has scrolled away before it.
func drawn(text string) string {
	lines := [][]rune{nil}
	top, y, x := 0, 0, 0
	var savedY, savedX int
	at := func() {
		for len(lines) <= top+y {
			lines = append(lines, nil)
		}
		for len(lines[top+y]) < x {
			lines[top+y] = append(lines[top+y], ' ')
		}
	}
	feed := func() {
		if y++; y == rows {
			y--
			top++
		}
	}
	csi := regexp.MustCompile(`^\x1b\[([?0-9;]*)([A-Za-z])`)
	for len(text) > 0 {
		if m := csi.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			switch m[2] {
			case "A":
				y = max(0, y-max(n, 1))
			case "B":
				y = min(rows-1, y+max(n, 1))
			case "K":
				at()
				if n == 2 {
					lines[top+y] = nil
				} else {
					lines[top+y] = lines[top+y][:min(x, len(lines[top+y]))]
				}
			}
			text = text[len(m[0]):]
			continue
		}
		switch {
		case strings.HasPrefix(text, "\x1b7"):
			savedY, savedX = y, x
			text = text[2:]
			continue
		case strings.HasPrefix(text, "\x1b8"):
			y, x = savedY, savedX
			text = text[2:]
			continue
		case strings.HasPrefix(text, "\x1bD"):
			feed()
			text = text[2:]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch r {
		case '\r':
			x = 0
		case '\n':
			feed()
		default:
			at()
			lines[top+y] = append(lines[top+y][:x], append([]rune{r}, lines[top+y][min(x+1, len(lines[top+y])):]...)...)
			x++
		}
	}
	var out []string
	for _, l := range lines {
		out = append(out, strings.TrimRight(string(l), " "))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

// BenchmarkThroughput copies a gigabyte, with lixfix and without.
func BenchmarkThroughput(b *testing.B) {
	const size = 1 << 30
	for name, line := range map[string][]string{
		"bare": {"head", "-c", strconv.Itoa(size), "/dev/zero"}, "run": self(b, "head", "-c", strconv.Itoa(size), "/dev/zero"),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), "bash", "-c", strings.Join(line, " ")+" | cat >/dev/null")
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStart starts a command that does nothing, with lixfix and without, through pipes and on a terminal.
func BenchmarkStart(b *testing.B) {
	for name, line := range map[string][]string{"bare": {"true"}, "run": self(b, "true")} {
		b.Run(name+"/pipe", func(b *testing.B) {
			for b.Loop() {
				if err := exec.CommandContext(b.Context(), line[0], line[1:]...).Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/terminal", func(b *testing.B) {
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), line[0], line[1:]...)
				master, err := pty.Start(cmd)
				if err != nil {
					b.Fatal(err)
				}
				if err := cmd.Wait(); err != nil {
					b.Fatal(err)
				}
				master.Close()
			}
		})
	}
}
