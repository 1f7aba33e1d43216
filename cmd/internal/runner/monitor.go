package runner

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// monitorWord is the first argument of the monitor: its descriptors, the program and the arguments of the command follow.
const monitorWord = "run:monitor"

// Monitor reports whether lixfix was started as the monitor of a command, by its arguments without the first.
func Monitor(args []string) bool { return len(args) > 0 && args[0] == monitorWord }

// A monitor has to be there within a few milliseconds, and what the rest of lixfix sets up at its start takes as long. So
// it begins its work here: Go sets packages up in the order of their names, as far as they do not need each other.
var _ = atOnce()

func atOnce() bool {
	if len(os.Args) > 1 && Monitor(os.Args[1:]) {
		os.Exit(Watch(os.Args[1:])) //nolint:forbidigo // it is the main function of the monitor
	}
	return true
}

// Watch is the monitor: it leads the session of the command's terminal, starts the command there, tells of it, and stays
// until it has ended. It returns its exit code.
func Watch(args []string) int {
	const (
		misuse  = 2
		fewest  = 4
		control = 1 // the place of the number of the first of its descriptors
	)
	if len(args) < fewest {
		fmt.Fprintln(os.Stderr, "lixfix: "+monitorWord+" is for \"lixfix run\"")
		return misuse
	}
	number, err := strconv.Atoi(args[control])
	if err != nil {
		return misuse
	}
	w := &watcher{control: os.NewFile(uintptr(number), "control"), screen: os.NewFile(uintptr(number+1), "screen")}
	unix.CloseOnExec(number)
	unix.CloseOnExec(number + 1)
	w.state, _ = term.GetState(number + 1)
	return w.run(number, args[2], args[3:])
}

type watcher struct {
	control *os.File
	screen  *os.File    // the caller's terminal
	state   *term.State // as it was
	group   int         // of the command
	over    atomic.Bool // the command has ended
}

// last tells how the command has ended. lixfix waits for nothing after that.
func (w *watcher) last(format string, args ...any) {
	w.over.Store(true)
	w.tell(format, args...)
}

func (w *watcher) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(w.control, format+"\n", args...)
}

func (w *watcher) run(number int, path string, args []string) int {
	// A terminal that goes away says so to the leader of its session.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, unix.SIGHUP)

	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	for fd := len(files); fd < number; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && !closing(fd) {
			files = append(files, os.NewFile(uintptr(fd), ""))
		} else {
			files = append(files, nil)
		}
	}
	proc, err := os.StartProcess(path, args, &os.ProcAttr{Files: files, Sys: &syscall.SysProcAttr{Setpgid: true}})
	if err != nil {
		var errno syscall.Errno
		errors.As(err, &errno)
		w.tell("failed %d", int(errno))
		return 0
	}
	w.group = proc.Pid
	// Nothing stops it for having asked too early: wait continues it.
	owns := w.own(w.group)
	w.tell("started %d", proc.Pid)
	// From here on this process is in the background of the terminal, and may still give it to others.
	signal.Ignore(unix.SIGTTOU)
	go w.listen()
	go func() {
		<-hangup
		w.hangup()
	}()
	w.wait(proc.Pid, owns)
	// What the command has left in the background is not to be told that the terminal goes away.
	w.own(unix.Getpgrp())
	return 0
}

func closing(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC != 0
}

// own makes a group of processes the one that the keys are for.
func (w *watcher) own(group int) bool {
	return unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, group) == nil
}

// listen does what lixfix asks for. When lixfix is gone, the terminals are as well.
func (w *watcher) listen() {
	lines := bufio.NewScanner(w.control)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "continue":
			_ = unix.Kill(-w.group, unix.SIGCONT)
		case "signal":
			if n, err := strconv.Atoi(rest); err == nil {
				_ = unix.Kill(w.group, syscall.Signal(n))
			}
		}
	}
	if w.over.Load() {
		return
	}
	if w.state != nil {
		_ = term.Restore(int(w.screen.Fd()), w.state)
	}
	w.hangup()
}

// hangup ends the command as the loss of its terminal would.
func (w *watcher) hangup() {
	_ = unix.Kill(-w.group, unix.SIGHUP)
	_ = unix.Kill(-w.group, unix.SIGCONT)
}

// wait tells of the command until it has ended.
func (w *watcher) wait(pid int, owns bool) {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			w.last("exited 1")
			return
		case status.Exited():
			w.last("exited %d", status.ExitStatus())
			return
		case status.Signaled():
			w.last("ended %d", status.Signal())
			return
		case status.Stopped():
			sig := status.StopSignal()
			if owns && (sig == unix.SIGTTIN || sig == unix.SIGTTOU) && w.group == w.owner() {
				_ = unix.Kill(-w.group, unix.SIGCONT) // it has asked before it owned the terminal
				continue
			}
			w.tell("stopped %d", sig)
		}
	}
}

// owner is the group of processes that the keys are for.
func (w *watcher) owner() int {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}
