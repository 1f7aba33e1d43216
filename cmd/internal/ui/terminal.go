// Package ui is what lixfix needs to know of terminals, and the one question it asks there.
package ui

import (
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Terminal describes a stream.
type Terminal struct {
	Is      bool // whether it is a terminal at all
	Width   int  // columns; 0 when unknown
	Rewrite bool // whether a line can be written over
}

// Describe looks at a stream.
func Describe(stream any, getenv func(string) string) Terminal {
	f, ok := stream.(interface{ Fd() uintptr })
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Terminal{}
	}
	t := Terminal{Is: true, Rewrite: !dumb(getenv)}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil {
		t.Width = w
	}
	return t
}

func dumb(getenv func(string) string) bool {
	name := getenv("TERM")
	return name == "" || name == "dumb"
}

// When says when to colour.
type When string

// The values of --color.
const (
	Auto   When = "auto"
	Always When = "always"
	Never  When = "never"
)

// Color decides whether to colour what goes to t. NO_COLOR, when set to anything, is obeyed unless the user asked for
// colour on the command line (https://no-color.org).
func Color(when When, t Terminal, getenv func(string) string) bool {
	switch when {
	case Always:
		return true
	case Never:
		return false
	}
	return t.Is && getenv("NO_COLOR") == "" && !dumb(getenv)
}

// ASCII reports whether the locale names a character set other than UTF-8. An environment without a locale, as sudo
// and launchd give it, tells nothing about the terminal; those of today show UTF-8.
func ASCII(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	return false
}

// Sink is a writer that gives up at its first error and remembers it: a closed pipe must not stop a repair half way.
type Sink struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewSink returns a Sink that writes to w.
func NewSink(w io.Writer) *Sink { return &Sink{w: w} }

// Write implements io.Writer. It never fails.
func (s *Sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		_, s.err = s.w.Write(p)
	}
	return len(p), nil
}

// Err returns the first error.
func (s *Sink) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// OpenTTY opens the terminal of the user, wherever the standard streams lead. It fails where there is none, and for a
// job in the background, which the kernel would stop when it reads.
func OpenTTY() (io.ReadWriteCloser, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := foreground(int(f.Fd())); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
