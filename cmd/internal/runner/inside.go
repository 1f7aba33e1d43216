package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// inside runs the command as a part of this job: it has the same controlling terminal, the same group of processes and
// the same standard input, so that keys and job control reach it without lixfix. What it prints goes through pipes, and
// through a terminal of the same size where it would have gone to one.
func (r *run) inside() (Outcome, error) {
	out, err := r.streams()
	if err != nil {
		return Outcome{}, err
	}
	files := r.files(r.Stdin, out.stdout, out.stderr)
	proc, err := os.StartProcess(r.path, r.Args, &os.ProcAttr{Files: files})
	out.closeEnds()
	if err != nil {
		out.closeAll()
		return Outcome{}, &StartError{r.Args[0], err}
	}
	forwarded := r.forward(proc.Pid, out)
	defer forwarded()
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	go r.watch(ctx, proc.Pid)
	done := out.copyAll(r)

	code, sig, err := r.wait(proc.Pid)
	_ = proc.Release()
	if err != nil {
		return Outcome{}, err
	}
	r.settle(done, out.readers())
	cancel()
	r.hush(true)
	return r.outcome(code, sig), nil
}

// wait waits for the command. When it is stopped alone, lixfix stops as well, and continues it when it is continued.
func (r *run) wait(pid int) (int, syscall.Signal, error) {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, 0, fmt.Errorf("wait for %s: %w", r.Args[0], err)
		case status.Exited():
			return status.ExitStatus(), 0, nil
		case status.Signaled():
			return 0, status.Signal(), nil
		case status.Stopped():
			r.hush(true)
			// Ctrl-Z stops both: lixfix does not get further than this, and goes on after both were continued.
			time.Sleep(moment)
			var now unix.WaitStatus
			if got, _ := unix.Wait4(pid, &now, unix.WNOHANG|unix.WCONTINUED, nil); got == pid && now.Continued() {
				r.hush(false)
				continue
			}
			stopGroup(status.StopSignal())
			_ = unix.Kill(pid, unix.SIGCONT)
			r.hush(false)
		}
	}
}

// stopGroup stops this job, as the signal would have done that has stopped the command, and returns when it is
// continued. Where no shell could continue it, it returns at once: the kernel does not stop such a job either.
func stopGroup(sig syscall.Signal) {
	const soon = 100 * time.Millisecond
	if sig == unix.SIGSTOP {
		sig = unix.SIGTSTP
	}
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	_ = unix.Kill(0, sig)
	select {
	case <-continued:
	case <-time.After(soon):
	}
}

// forward sends the command the signals that lixfix gets alone, and the size of the terminal.
func (r *run) forward(pid int, out *streams) (stop func()) {
	return handle(wanted(), func(s syscall.Signal) {
		switch {
		case s == unix.SIGWINCH:
			if out.resize() {
				_ = unix.Kill(pid, unix.SIGWINCH)
			}
		case (s == unix.SIGINT || s == unix.SIGQUIT) && atKeyboard():
			// The terminal has sent it to the command as well.
		default:
			_ = unix.Kill(pid, s)
		}
	})
}

// handle calls f with each of these signals that lixfix gets, one after the other.
func handle(all []os.Signal, f func(syscall.Signal)) (stop func()) {
	c := make(chan os.Signal, len(all)*2)
	signal.Notify(c, all...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-c:
				f(s.(syscall.Signal))
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(done)
	}
}

// wanted are the signals that are passed on: those that were not ignored at the start, as under nohup(1).
func wanted() []os.Signal {
	all := []os.Signal{unix.SIGWINCH}
	for _, s := range forwarded {
		if !signal.Ignored(s) {
			all = append(all, s)
		}
	}
	return all
}

// forwarded are the signals by which people and programs tell a command something.
var forwarded = []syscall.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2}

// atKeyboard reports whether the keys of a terminal send their signals to this job.
func atKeyboard() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	return foreground(tty)
}

// streams are where the command prints to.
type streams struct {
	stdout, stderr *os.File // its ends
	copies         []stream
	screen         *os.File // whose size the terminal of the command has; nil where it has none
	master         *os.File
}

type stream struct {
	to, from *os.File
	keep     *tail
}

// streams opens what takes the place of standard output and standard error, or of both where they are the same.
func (r *run) streams() (*streams, error) {
	s := &streams{}
	var err error
	if s.stdout, err = s.open(r, r.Stdout); err != nil {
		return nil, err
	}
	if same(r.Stdout, r.Stderr) {
		s.stderr = s.stdout
		return s, nil
	}
	if s.stderr, err = s.open(r, r.Stderr); err != nil {
		s.closeEnds()
		s.closeAll()
		return nil, err
	}
	return s, nil
}

func same(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// open opens the way from the command to a stream, and returns the command's end.
func (s *streams) open(r *run, to *os.File) (*os.File, error) {
	var from, end *os.File
	var err error
	if term.IsTerminal(int(to.Fd())) && s.master == nil {
		if from, end, err = pty.Open(); err == nil {
			err = passThrough(end)
			s.master, s.screen = from, to
			s.resize()
			r.line = newLine(to, r.Color)
		}
	} else if from, end, err = os.Pipe(); err == nil {
		widen(end)
	}
	if err != nil {
		return nil, fmt.Errorf("make a way for what %s prints: %w", r.Args[0], err)
	}
	s.copies = append(s.copies, stream{to: to, from: from, keep: r.newTail()})
	return end, nil
}

// resize gives the command's terminal the size of the other one, and reports whether it had another one.
func (s *streams) resize() bool {
	if s.master == nil {
		return false
	}
	return resize(s.master, s.screen)
}

func resize(master, screen *os.File) bool {
	now, err := pty.GetsizeFull(screen)
	if err != nil {
		return false
	}
	before, err := pty.GetsizeFull(master)
	if err == nil && *before == *now {
		return false
	}
	return pty.Setsize(master, now) == nil
}

// closeEnds closes the command's ends, which it has of its own.
func (s *streams) closeEnds() {
	for _, f := range []*os.File{s.stdout, s.stderr} {
		if f != nil {
			_ = f.Close()
		}
	}
}

func (s *streams) closeAll() {
	for _, c := range s.copies {
		_ = c.from.Close()
	}
}

// copyAll copies all that is printed. The channel is closed when it has ended.
func (s *streams) copyAll(r *run) <-chan struct{} {
	done := make(chan struct{})
	var all sync.WaitGroup
	for _, c := range s.copies {
		all.Go(func() {
			r.copy(c.to, c.from, c.keep)
			_ = c.from.Close() // so that the command is told where nobody reads any more
		})
	}
	go func() {
		all.Wait()
		close(done)
	}()
	return done
}

func (s *streams) readers() []*os.File {
	var all []*os.File
	for _, c := range s.copies {
		all = append(all, c.from)
	}
	return all
}
