package ui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func env(vars ...string) func(string) string {
	return func(name string) string {
		for _, v := range vars {
			if key, value, _ := strings.Cut(v, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func TestColor(t *testing.T) {
	terminal := Terminal{Is: true}
	for _, test := range []struct {
		name string
		when When
		to   Terminal
		env  func(string) string
		want bool
	}{
		{"terminal", Auto, terminal, env("TERM=xterm"), true},
		{"pipe", Auto, Terminal{}, env("TERM=xterm"), false},
		{"NO_COLOR", Auto, terminal, env("TERM=xterm", "NO_COLOR=1"), false},
		{"NO_COLOR empty", Auto, terminal, env("TERM=xterm", "NO_COLOR="), true},
		{"dumb", Auto, terminal, env("TERM=dumb"), false},
		{"no TERM", Auto, terminal, env(), false},
		{"always", Always, Terminal{}, env("NO_COLOR=1"), true},
		{"never", Never, terminal, env("TERM=xterm"), false},
	} {
		if got := Color(test.when, test.to, test.env); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestASCII(t *testing.T) {
	for _, test := range []struct {
		env  func(string) string
		want bool
	}{
		{env(), false},
		{env("LANG=C"), true},
		{env("LANG=en_US.UTF-8"), false},
		{env("LANG=en_US.UTF-8", "LC_ALL=POSIX"), true},
		{env("LANG=C", "LC_CTYPE=UTF-8"), false},
		{env("LANG=C.utf8"), false},
	} {
		if got := ASCII(test.env); got != test.want {
			t.Errorf("got %v, want %v", got, test.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	if got := Describe(&bytes.Buffer{}, env("TERM=xterm")); got != (Terminal{}) {
		t.Errorf("a buffer is %+v", got)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := Describe(f, env("TERM=xterm")); got != (Terminal{}) {
		t.Errorf("the null device is %+v", got)
	}
}

type talk struct {
	io.Reader
	io.Writer
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{
		"y\n": true, "Y\n": true, "yes\r\n": true, " yes \n": true, "n\n": false, "\n": false, "": false, "y": false, "yess\n": false,
	} {
		var shown bytes.Buffer
		got, err := Confirm(t.Context(), talk{strings.NewReader(answer), &shown}, "Really?")
		if got != want || err != nil {
			t.Errorf("%q: %v, %v", answer, got, err)
		}
		if !strings.HasPrefix(shown.String(), "Really? [y/N] ") {
			t.Errorf("shown: %q", shown.String())
		}
	}
}

func TestConfirmEndsWithItsContext(t *testing.T) {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	why := errors.New("SIGINT")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	if yes, err := Confirm(ctx, talk{r, io.Discard}, "Really?"); yes || !errors.Is(err, why) {
		t.Errorf("got %v, %v", yes, err)
	}
}

// The answer is read byte for byte, so that what follows it is left for the shell.
func TestConfirmReadsOneLine(t *testing.T) {
	in := strings.NewReader("y\nls\n")
	if yes, _ := Confirm(t.Context(), talk{in, io.Discard}, "Really?"); !yes || in.Len() != 3 {
		t.Errorf("%d bytes are left", in.Len())
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, Terminal{Is: true, Rewrite: true, Width: 10}, false)
	p.Now("a long line of text")
	p.Now("short")
	p.Line("stays")
	p.Now("x")
	p.Close()
	p.Close()
	const wipe = "\r\x1b[K"
	if want := wipe + "a long l…" + wipe + "short" + wipe + "stays\n" + wipe + "x" + wipe; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	p = NewProgress(&b, Terminal{}, false)
	p.Now("not shown")
	p.Line("one")
	p.Close()
	if b.String() != "one\n" || p.Rewrites() {
		t.Errorf("got %q", b.String())
	}
	b.Reset()
	p = NewProgress(&b, Terminal{Rewrite: true}, true)
	p.Now("x")
	p.Line("y")
	p.Say("z")
	if b.String() != "z\n" {
		t.Errorf("got %q", b.String())
	}
}

func TestSink(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	s := NewSink(w)
	for range 2 {
		if n, err := s.Write([]byte("text")); n != 4 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	}
	if !errors.Is(s.Err(), syscall.EPIPE) {
		t.Errorf("got %v", s.Err())
	}
}

// A process without a terminal, as cron and launchd start it, is not asked anything.
func TestOpenTTYWithoutTerminal(t *testing.T) {
	if os.Getenv("UI_TEST_CHILD") != "" {
		if tty, err := OpenTTY(); err == nil {
			tty.Close()
			t.Error("there is a terminal")
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestOpenTTYWithoutTerminal$")
	cmd.Env = append(os.Environ(), "UI_TEST_CHILD=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
