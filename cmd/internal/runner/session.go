package runner

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// session runs the command in a terminal of its own. Keys go there as they are typed, and it is that terminal which makes
// signals of some of them. The command's parent is a monitor in the same session: a job without one could not be stopped.
func (r *run) session() (Outcome, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return r.inside() // as where /dev/pts is not mounted
	}
	defer master.Close()
	if err := likeness(slave, r.Stdin); err != nil {
		return Outcome{}, fmt.Errorf("set up a terminal for %s: %w", r.Args[0], err)
	}
	resize(master, r.Stdout)
	r.line = newLine(r.Stdout, r.Color)
	m, err := r.startMonitor(slave)
	_ = slave.Close()
	if err != nil {
		return Outcome{}, err
	}
	defer m.control.Close()

	s := &seat{run: r, master: master, monitor: m}
	stop := s.signals()
	defer stop()
	defer s.leave() // the terminal is the caller's again, however this ends
	s.enter()
	go s.keys()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.copy(r.Stdout, master, r.newTail())
	}()
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	code, sig, err := s.follow(ctx)
	s.over.Store(true)
	if err != nil {
		return Outcome{}, err
	}
	// It has nothing more to say, and is not waited for: that the leader of a session ends takes the kernel up to 30 ms, in
	// which nothing comes any more. Its end of the terminal is closed before.
	_ = m.process.Release()
	r.settle(done, []*os.File{master})
	cancel()
	r.hush(true)
	return r.outcome(code, sig), nil
}

// monitor is the process that starts the command.
type monitor struct {
	process *os.Process
	control *os.File
	lines   *bufio.Reader
}

// Descriptors that the monitor has beside the standard streams are numbered behind those that the command inherits.
func (r *run) startMonitor(slave *os.File) (*monitor, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", r.Args[0], err)
	}
	for _, fd := range pair {
		unix.CloseOnExec(fd)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()
	files := r.files(slave, slave, slave)
	number := len(files)
	files = append(files, theirs, r.Stdin)
	process, err := os.StartProcess(r.Program, append([]string{"lixfix", monitorWord, strconv.Itoa(number), r.path}, r.Args...), &os.ProcAttr{
		Files: files, Sys: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0},
	})
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("start the monitor of %s: %w", r.Args[0], err)
	}
	return &monitor{process: process, control: ours, lines: bufio.NewReader(ours)}, nil
}

func (m *monitor) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(m.control, format+"\n", args...)
}

// seat is the place between the caller's terminal and that of the command.
type seat struct {
	*run
	master  *os.File
	monitor *monitor
	state   *term.State // of the caller's terminal, while its keys are passed on as they are; nil else
	taken   atomic.Bool // whether that is so
	over    atomic.Bool
}

// enter passes keys on as they are typed, as long as this job owns the terminal.
func (s *seat) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != nil || s.over.Load() || !foreground(s.Stdin) {
		return
	}
	if state, err := term.MakeRaw(int(s.Stdin.Fd())); err == nil {
		s.state = state
		s.taken.Store(true)
	}
}

// leave gives the terminal back as it was.
func (s *seat) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return
	}
	if foreground(s.Stdin) {
		_ = term.Restore(int(s.Stdin.Fd()), s.state)
	}
	s.state = nil
	s.taken.Store(false)
}

// keys passes on what is typed. It reads only what is there, so that nothing is taken from whoever comes next.
func (s *seat) keys() {
	const (
		nap  = 100 // milliseconds
		keys = 4096
	)
	buf := make([]byte, keys)
	for !s.over.Load() {
		if !s.taken.Load() {
			// A shell brings a running job to the foreground without a word.
			time.Sleep(nap * time.Millisecond)
			s.enter()
			continue
		}
		fds := []unix.PollFd{{Fd: int32(s.Stdin.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, nap)
		if err != nil || n == 0 || s.over.Load() || !s.taken.Load() {
			continue
		}
		if fds[0].Revents&unix.POLLIN == 0 { // the terminal is gone
			return
		}
		if n, err = unix.Read(int(s.Stdin.Fd()), buf); n <= 0 {
			if err == unix.EINTR || err == unix.EAGAIN {
				continue
			}
			return
		}
		if _, err := s.master.Write(buf[:n]); err != nil {
			return
		}
	}
}

// signals passes on signals, and the size of the terminal.
func (s *seat) signals() (stop func()) {
	// Not SIGTSTP: Go does not give its default action back, by which this job is stopped.
	return handle(append(wanted(), unix.SIGCONT), func(sig syscall.Signal) {
		switch sig {
		case unix.SIGWINCH:
			s.hush(false)
			resize(s.master, s.Stdout)
		case unix.SIGCONT:
			s.enter()
			resize(s.master, s.Stdout)
		default:
			s.monitor.tell("signal %d", sig)
		}
	})
}

// follow does what the monitor tells, until the command has ended.
func (s *seat) follow(ctx context.Context) (int, syscall.Signal, error) {
	for {
		line, err := s.monitor.lines.ReadString('\n')
		if err == io.EOF {
			return 0, 0, fmt.Errorf("the monitor of %s ended before the command did", s.Args[0])
		}
		if err != nil {
			return 0, 0, fmt.Errorf("listen to the monitor of %s: %w", s.Args[0], err)
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, _ := strconv.Atoi(rest)
		switch word {
		case "started":
			go s.watch(ctx, number)
		case "failed":
			return 0, 0, &StartError{s.Args[0], &os.PathError{Op: "run", Path: s.path, Err: syscall.Errno(number)}}
		case "stopped":
			time.Sleep(moment / 2) // what it has printed is on its way
			s.hush(true)
			s.leave()
			stopGroup(syscall.Signal(number))
			s.enter()
			resize(s.master, s.Stdout)
			s.monitor.tell("continue")
			s.hush(false)
		case "exited":
			return number, 0, nil
		case "ended": // by a signal
			return 0, syscall.Signal(number), nil
		}
	}
}
