//go:build linux

package cli

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes"
)

// pty is a terminal, as far as lixfix uses one: it keeps what the screen shows.
type pty struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	width  int
	mu     sync.Mutex
	rows   [][]rune // all lines since the start; the screen is the last of them
	y, x   int
	nowrap bool
	widest int // columns that were written to
	done   chan struct{}
}

func openPTY(t *testing.T, width, height int) *pty {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{t: t, master: os.NewFile(uintptr(fd), "ptmx"), width: width, rows: [][]rune{nil}, done: make(chan struct{})}
	t.Cleanup(func() { p.master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if p.slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.slave.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)}); err != nil {
		t.Fatal(err)
	}
	return p
}

// follow reads what is printed until the last process has let go of the terminal.
func (p *pty) follow() {
	defer close(p.done)
	var rest []byte
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		rest = p.take(append(rest, buf[:n]...))
		if err != nil {
			return
		}
	}
}

// take acts on what is whole and returns the rest.
func (p *pty) take(data []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(data) > 0 {
		if data[0] == 0x1b {
			end := 2
			for end < len(data) && (data[end] < '@' || data[end] > '~') {
				end++
			}
			if end >= len(data) {
				return data
			}
			p.sequence(string(data[2:end]), data[end])
			data = data[end+1:]
			continue
		}
		if !utf8.FullRune(data) {
			return data
		}
		r, n := utf8.DecodeRune(data)
		data = data[n:]
		switch r {
		case '\r':
			p.x = 0
		case '\n':
			p.y++
			if p.y == len(p.rows) {
				p.rows = append(p.rows, nil)
			}
		default:
			p.put(r)
		}
	}
	return nil
}

func (p *pty) put(r rune) {
	if p.x == p.width {
		if p.nowrap {
			return
		}
		p.t.Errorf("a line is wider than the terminal: %s", string(p.rows[p.y]))
		return
	}
	for len(p.rows[p.y]) <= p.x {
		p.rows[p.y] = append(p.rows[p.y], ' ')
	}
	p.rows[p.y][p.x] = r
	p.x++
	p.widest = max(p.widest, p.x)
}

func (p *pty) sequence(args string, final byte) {
	n, _ := strconv.Atoi(args)
	switch {
	case final == 'm':
	case final == 'A':
		p.y = max(0, p.y-n)
	case final == 'J' && args == "":
		p.rows = p.rows[:p.y+1]
		p.rows[p.y] = p.rows[p.y][:min(p.x, len(p.rows[p.y]))]
	case final == 'K' && args == "":
		p.rows[p.y] = p.rows[p.y][:min(p.x, len(p.rows[p.y]))]
	case args == "?7" && (final == 'l' || final == 'h'):
		p.nowrap = final == 'l'
	default:
		p.t.Errorf("this terminal does not know ESC [ %s %c", args, final)
	}
}

// text is what the terminal shows.
func (p *pty) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lines []string
	for _, r := range p.rows {
		lines = append(lines, strings.TrimRight(string(r), " "))
	}
	return strings.Join(lines, "\n")
}

// until waits until the terminal shows something.
func (p *pty) until(what string) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(p.text(), what); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("never shown: %s\n%s", what, p.text())
		}
	}
}

const watcherEnv = "LIXFIX_TEST_WATCHER"

// TestWatcher is lixfix in a process of its own, for TestWatchOnTerminal. SIGUSR1 lets the stopped collection go on.
func TestWatcher(t *testing.T) {
	args := os.Getenv(watcherEnv)
	if args == "" {
		return
	}
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	wake := make(chan os.Signal, 1)
	signal.Notify(wake, syscall.SIGUSR1)
	go func() {
		<-wake
		s.state("9763", "T", "S")
	}()
	os.Exit(Run(t.Context(), Config{
		Host: s, Fixes: fixes.All(), Args: strings.Fields(args), Name: "lixfix", Version: "0.1.0",
		OpenTTY: func() (io.ReadWriteCloser, error) { return nil, errors.New("no such device") },
	}))
}

// TestWatchOnTerminal draws on a real terminal, in place, and leaves it clean.
func TestWatchOnTerminal(t *testing.T) {
	const before = "$ lixfix check stuck --watch"
	tests := []struct {
		name          string
		width, height int
		key           string // that is pressed
		signal        syscall.Signal
		code          Code
		shows         []string
		not           []string
	}{
		{
			name: "it moves again", width: 80, height: 50, signal: syscall.SIGUSR1, code: Healthy,
			shows: []string{"stuck/collecting-garbage", "the chain has moved"}, not: []string{"gc-stopped"},
		},
		{
			name: "Ctrl-C", width: 80, height: 50, key: "\x03", code: Interrupt,
			shows: []string{"stuck/gc-stopped", "stopped watching: SIGINT", "Nothing was changed."}, not: []string{"^C"},
		},
		{
			name: "SIGTERM in a small window", width: 60, height: 8, signal: syscall.SIGTERM, code: Terminated,
			shows: []string{"stuck/gc-stopped", "more lines; a taller window shows them", "stopped watching"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := openPTY(t, tt.width, tt.height)
			p.take([]byte(before + "\r\n"))
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestWatcher$")
			cmd.Env = append(os.Environ(), watcherEnv+"=check stuck --watch --pid 9763", "TERM=xterm", "LANG=C.UTF-8",
				"TMPDIR="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
			cmd.Dir, err = filepath.Abs(".")
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdin, cmd.Stdout, cmd.Stderr = p.slave, p.slave, p.slave
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			p.slave.Close()
			go p.follow()
			p.until("gc-stopped")
			// Some more looks: they must not add to what is shown.
			first := strings.Count(p.text(), "\n")
			time.Sleep(3 * time.Second)
			if now := p.text(); strings.Count(now, "\n") != first || !strings.HasPrefix(now, before+"\n") {
				t.Errorf("drawn elsewhere than in place, %d lines, then:\n%s", first, now)
			}
			if tt.key != "" {
				_, err = io.WriteString(p.master, tt.key)
			} else {
				err = cmd.Process.Signal(tt.signal)
			}
			if err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			<-p.done
			code := Healthy
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = Code(exit.ExitCode())
			}
			got := p.text()
			if code != tt.code {
				t.Errorf("exit %d", code)
			}
			for _, s := range tt.shows {
				if !strings.Contains(got, s) {
					t.Errorf("not shown: %s", s)
				}
			}
			for _, s := range tt.not {
				if strings.Contains(got, s) {
					t.Errorf("shown: %s", s)
				}
			}
			if strings.Count(got, before) != 1 || p.x != 0 || p.nowrap {
				t.Errorf("the terminal is not left clean")
			}
			if t.Failed() {
				t.Logf("%s", got)
			}
		})
	}
}
