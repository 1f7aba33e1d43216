// Package runner runs a command as if nobody was between it and the terminal, and keeps the end of what it prints.
//
// Where standard input, output and error are the terminal that the caller works at, the command gets a terminal of its
// own, of the same size: in a session with a monitor, as job control wants it (session.go, monitor.go). Everywhere else
// it stays in the caller's job, and only what it prints takes another way (inside.go).
package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Command is what is to be run.
type Command struct {
	Args                  []string // with the name of the command
	Stdin, Stdout, Stderr *os.File
	Inherited             []int  // descriptors that the command is to have as well
	Program               string // the absolute name of lixfix itself, for the monitor
	// Patience is how long the command may be silent until Waits is asked what it waits for; 0 is for ever.
	Patience time.Duration
	// Waits says in a few words what the process waits for, "" where nothing can be said.
	Waits func(ctx context.Context, pid int) string
	// Color says whether the line that tells of it may be dimmed.
	Color bool
}

// Outcome is how a command ended.
type Outcome struct {
	Code   int            // as a shell has it: 128+n for the signal n
	Signal syscall.Signal // that ended it, 0 for none
	Output string         // the end of what it printed, on standard error first where that was another stream
}

// Codes of shells for a command that could not be run.
const (
	NotFound      = 127
	NotExecutable = 126
)

// StartError says that the command could not be run.
type StartError struct {
	Name string
	Err  error
}

func (e *StartError) Error() string {
	if e.Code() == NotFound {
		return fmt.Sprintf("%s: there is no such command", e.Name)
	}
	return fmt.Sprintf("%s: %v", e.Name, errors.Unwrap(e.Err))
}

func (e *StartError) Unwrap() error { return e.Err }

// Code is what a shell ends with then.
func (e *StartError) Code() int {
	if errors.Is(e.Err, exec.ErrNotFound) || errors.Is(e.Err, fs.ErrNotExist) {
		return NotFound
	}
	return NotExecutable
}

// Run runs the command and returns how it ended. The error is a *StartError, or says why lixfix could not.
func (c Command) Run(ctx context.Context) (Outcome, error) {
	program, err := exec.LookPath(c.Args[0])
	if err != nil {
		return Outcome{}, &StartError{c.Args[0], err}
	}
	r := &run{Command: c, path: program, ctx: ctx}
	if c.atTerminal() {
		return r.session()
	}
	return r.inside()
}

// atTerminal reports whether all streams are the terminal that lixfix is in the foreground of.
func (c Command) atTerminal() bool {
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if !term.IsTerminal(int(f.Fd())) || !foreground(f) {
			return false
		}
	}
	return true
}

// foreground reports whether a file is the controlling terminal, and this job is the one that owns it.
func foreground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// run is a command that runs.
type run struct {
	Command
	path  string
	ctx   context.Context
	ended atomic.Bool // the command

	mu    sync.Mutex // of what follows, and of writing
	tails []*tail
	line  *line
	last  time.Time // of output
	quiet bool      // the command is stopped: nothing is told of it
}

// files are the descriptors of the command, by number.
func (r *run) files(standard ...*os.File) []*os.File {
	files := slices.Clone(standard)
	for _, fd := range r.Inherited {
		for len(files) <= fd {
			files = append(files, nil)
		}
		files[fd] = os.NewFile(uintptr(fd), "")
	}
	return files
}

const (
	copyBuffer = 256 << 10 // bytes that are read at once
	// After the end of the command, what it has left in a pipe or in a terminal is still copied: until nothing comes for
	// a moment, and no more than both can hold. What it has left running may go on to print for ever.
	moment = 50 * time.Millisecond
	most   = 2 << 20
)

// copy copies what the command prints, and keeps its end. It returns when from ends, or to does not take it any more.
func (r *run) copy(to, from *os.File, keep *tail) {
	buf := make([]byte, copyBuffer)
	after := 0
	for {
		n, err := from.Read(buf)
		if n > 0 && !r.print(to, buf[:n], keep) {
			return
		}
		if r.ended.Load() {
			if after += n; after > most || n == 0 {
				return
			}
			_ = from.SetReadDeadline(time.Now().Add(moment))
			continue
		}
		if err != nil {
			return
		}
	}
}

// settle waits until what the command has printed is copied.
func (r *run) settle(done <-chan struct{}, from []*os.File) {
	r.ended.Store(true)
	limited := true
	for _, f := range from {
		limited = f.SetReadDeadline(time.Now().Add(moment)) == nil && limited
	}
	if limited {
		<-done
		return
	}
	// Where a terminal knows no deadlines, its copy is left behind.
	select {
	case <-done:
	case <-time.After(4 * moment):
	}
}

func (r *run) print(to *os.File, data []byte, keep *tail) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = time.Now()
	keep.write(data)
	if r.line != nil {
		r.line.hide()
		r.line.follow(data)
	}
	_, err := to.Write(data)
	return err == nil
}

// output is what was kept.
func (r *run) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out strings.Builder
	for _, t := range slices.Backward(r.tails) {
		out.WriteString(t.String() + "\n\n")
	}
	return out.String()
}

func (r *run) newTail() *tail {
	t := &tail{}
	r.tails = append(r.tails, t)
	return t
}

// outcome is what wait(2) has told.
func (r *run) outcome(code int, signal syscall.Signal) Outcome {
	if signal != 0 {
		code = 128 + int(signal)
	}
	return Outcome{Code: code, Signal: signal, Output: r.output()}
}

// watch tells what the command waits for whenever it has been silent for long, until ctx ends.
func (r *run) watch(ctx context.Context, pid int) {
	if r.Patience <= 0 || r.Waits == nil || r.line == nil {
		return
	}
	r.mu.Lock()
	r.last = time.Now()
	r.mu.Unlock()
	for {
		r.mu.Lock()
		silent, quiet := time.Since(r.last), r.quiet
		r.mu.Unlock()
		if wait := r.Patience - silent; wait > 0 || quiet {
			if !sleep(ctx, max(wait, r.Patience/8)) {
				return
			}
			continue
		}
		since := r.last
		text := r.Waits(ctx, pid)
		r.mu.Lock()
		if text != "" && ctx.Err() == nil && r.last.Equal(since) && !r.quiet {
			r.line.show(fmt.Sprintf("lixfix: silent for %s: %s", time.Since(since).Round(time.Second), text))
		}
		r.mu.Unlock()
		if !sleep(ctx, max(r.Patience/4, time.Second)) {
			return
		}
	}
}

// hush takes the line away, and says whether another may come.
func (r *run) hush(quiet bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet = quiet
	r.last = time.Now()
	if r.line != nil {
		r.line.hide()
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
