package record

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform"
)

// fault is an error in a record: one of the forms below, and what it wraps. Numbers of system errors differ from system
// to system, so their names are kept.
type fault struct {
	// Is names a value that errors are compared with, Errno a system error.
	Is    string `json:"is,omitempty"`
	Errno string `json:"errno,omitempty"`
	// Op and Path are of an fs.PathError.
	Op        string     `json:"op,omitempty"`
	Path      *string    `json:"path,omitempty"`
	Untrusted *untrusted `json:"untrusted,omitempty"`
	Tool      *toolError `json:"tool,omitempty"`
	// Text is what the error says, where it is none of these.
	Text  string   `json:"text,omitempty"`
	Wraps []*fault `json:"wraps,omitempty"`
}

type untrusted struct {
	Name    string      `json:"name"`
	Dir     string      `json:"dir"`
	UID     int         `json:"uid"`
	GID     int         `json:"gid"`
	Mode    fs.FileMode `json:"mode"`
	User    string      `json:"user,omitempty"`
	Mounted bool        `json:"mounted,omitempty"`
}

type toolError struct {
	Tool   string   `json:"tool"`
	Args   []string `json:"args"`
	Exit   int      `json:"exit"`
	Signal int      `json:"signal,omitempty"`
	Stdout string   `json:"stdout,omitempty"`
	Stderr string   `json:"stderr,omitempty"`
}

// known are the errors that are values.
var known = []struct {
	name string
	err  error
}{
	{"not-exist", fs.ErrNotExist},
	{"exist", fs.ErrExist},
	{"permission", fs.ErrPermission},
	{"deadline", context.DeadlineExceeded},
	{"canceled", context.Canceled},
	{"file-deadline", os.ErrDeadlineExceeded},
	{"unsupported", errors.ErrUnsupported},
	{"eof", io.EOF},
	{"unexpected-eof", io.ErrUnexpectedEOF},
	{"read-only", platform.ErrReadOnly},
	{"too-large", platform.ErrTooLarge},
	{"not-regular", platform.ErrNotRegular},
	{"not-link", platform.ErrNotLink},
	{"gone", platform.ErrGone},
	{"through-process", platform.ErrThroughProcess},
	{"not-untrusted", platform.ErrUntrusted},
	{"not-recorded", ErrNotRecorded},
}

// depth bounds how far the errors of a record wrap each other.
const depth = 16

// faultOf describes an error, nil for none.
func faultOf(err error) *fault { return describe(err, depth) }

func describe(err error, left int) *fault {
	if err == nil {
		return nil
	}
	for _, k := range known {
		if err == k.err { //nolint:errorlint // what it wraps comes below
			return &fault{Is: k.name}
		}
	}
	if left == 0 {
		return &fault{Text: err.Error()}
	}
	switch e := err.(type) { //nolint:errorlint // as above
	case syscall.Errno:
		if name := unix.ErrnoName(e); name != "" {
			return &fault{Errno: name}
		}
	case *fs.PathError:
		return &fault{Op: e.Op, Path: &e.Path, Wraps: []*fault{describe(e.Err, left-1)}}
	case *platform.Untrusted:
		u := untrusted(*e)
		return &fault{Untrusted: &u}
	case *platform.ToolError:
		f := &fault{Tool: &toolError{
			Tool: e.Tool, Args: e.Args, Exit: e.Exit, Signal: int(e.Signal), Stdout: e.Stdout, Stderr: e.Stderr,
		}}
		if e.Err != nil {
			f.Wraps = []*fault{describe(e.Err, left-1)}
		}
		return f
	}
	f := &fault{Text: err.Error()}
	switch e := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			f.Wraps = []*fault{describe(inner, left-1)}
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			f.Wraps = append(f.Wraps, describe(inner, left-1))
		}
	}
	return f
}

// recorded is an error of which only the text is known, and what it wraps.
type recorded struct {
	text  string
	wraps []error
}

func (e *recorded) Error() string   { return e.text }
func (e *recorded) Unwrap() []error { return e.wraps }

// errnos are the system errors of this system by their names.
var errnos = sync.OnceValue(func() map[string]syscall.Errno {
	const last = 200 // Linux has 133 of them, macOS 106
	all := map[string]syscall.Errno{}
	for n := syscall.Errno(1); n < last; n++ {
		if name := unix.ErrnoName(n); name != "" {
			all[name] = n
		}
	}
	return all
})

// foreign is a system error that this system does not have.
type foreign string

func (e foreign) Error() string { return strings.ToLower(string(e)) }

// error is the error that was recorded, as code can tell it.
func (f *fault) error() error {
	if f == nil {
		return nil
	}
	var wraps []error
	for _, w := range f.Wraps {
		if w != nil {
			wraps = append(wraps, w.error())
		}
	}
	inner := errors.Join(wraps...)
	if len(wraps) == 1 {
		inner = wraps[0]
	}
	switch {
	case f.Is != "":
		for _, k := range known {
			if k.name == f.Is {
				return k.err
			}
		}
		return &recorded{text: f.Is}
	case f.Errno != "":
		if n, ok := errnos()[f.Errno]; ok {
			return n
		}
		return foreign(f.Errno)
	case f.Untrusted != nil:
		u := platform.Untrusted(*f.Untrusted)
		return &u
	case f.Tool != nil:
		return &platform.ToolError{
			Tool: f.Tool.Tool, Args: f.Tool.Args, Exit: f.Tool.Exit, Signal: syscall.Signal(f.Tool.Signal), Err: inner,
			Stdout: f.Tool.Stdout, Stderr: f.Tool.Stderr,
		}
	case f.Path != nil:
		if inner == nil {
			inner = errors.New("an error that the record does not tell")
		}
		return &fs.PathError{Op: f.Op, Path: *f.Path, Err: inner}
	}
	return &recorded{text: f.Text, wraps: wraps}
}

// texts calls f with every text of an error, to be replaced by what it returns.
func (f *fault) texts(replace func(string) string) {
	if f == nil {
		return
	}
	f.Text = replace(f.Text)
	if f.Path != nil {
		p := replace(*f.Path)
		f.Path = &p
	}
	if u := f.Untrusted; u != nil {
		u.Name, u.Dir, u.User = replace(u.Name), replace(u.Dir), replace(u.User)
	}
	if t := f.Tool; t != nil {
		t.Tool, t.Stdout, t.Stderr = replace(t.Tool), replace(t.Stdout), replace(t.Stderr)
		for i, a := range t.Args {
			t.Args[i] = replace(a)
		}
	}
	for _, w := range f.Wraps {
		w.texts(replace)
	}
}
