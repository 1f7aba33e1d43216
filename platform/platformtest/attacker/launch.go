//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// limits are the names of resource limits.
var limits = map[string]int{
	"fsize": unix.RLIMIT_FSIZE, "nofile": unix.RLIMIT_NOFILE, "as": unix.RLIMIT_AS, "nproc": unix.RLIMIT_NPROC,
	"stack": unix.RLIMIT_STACK, "cpu": unix.RLIMIT_CPU, "core": unix.RLIMIT_CORE, "data": unix.RLIMIT_DATA,
}

// launch starts a program with what a process inherits from a hostile parent.
func launch(args []string) error {
	fs := flag.NewFlagSet("launch", flag.ContinueOnError)
	umask := fs.Int("umask", -1, "file mode creation mask")
	shut := fs.String("close", "", "descriptors that are closed, with commas")
	ignore := fs.String("ignore", "", "signals that are ignored, by number, with commas")
	block := fs.Bool("block", false, "block every signal")
	dir := fs.String("dir", "", "working directory")
	gone := fs.Bool("gone", false, "remove the working directory first")
	argv0 := fs.String("argv0", "", "name of the program, where it is not that of its file")
	none := fs.Bool("noargs", false, "no arguments at all, not even a name")
	limit := fs.String("limit", "", "resource limits, NAME=N, with commas")
	inherit := fs.String("inherit", "", "file that is left open, as a script with a lock does")
	stdin := fs.String("stdin", "", "file for standard input")
	stdout := fs.String("stdout", "", "file for standard output and error")
	if err := fs.Parse(args); err != nil {
		return err
	}
	args = fs.Args()
	runtime.LockOSThread()
	if *dir != "" {
		if err := os.Chdir(*dir); err != nil {
			return err
		}
	}
	if *gone {
		if err := os.Remove(*dir); err != nil {
			return err
		}
	}
	for n := range split(*ignore) {
		signal.Ignore(syscall.Signal(n))
	}
	for name, number := range map[string]int{*stdin: 0, *stdout: 1} {
		if name == "" {
			continue
		}
		fd, err := unix.Open(name, unix.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		if err := errors.Join(unix.Dup3(fd, number, 0), unix.Close(fd)); err != nil {
			return err
		}
		if number == 1 {
			if err := unix.Dup3(1, 2, 0); err != nil {
				return err
			}
		}
	}
	if *inherit != "" {
		fd, err := unix.Open(*inherit, unix.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", *inherit, err)
		}
		if err := unix.Dup3(fd, 9, 0); err != nil {
			return err
		}
	}
	if *umask >= 0 {
		unix.Umask(*umask)
	}
	argv := args
	if *argv0 != "" {
		argv = append([]string{*argv0}, args[1:]...)
	}
	if *none {
		argv = nil
	}
	for item := range strings.SplitSeq(*limit, ",") {
		name, value, ok := strings.Cut(item, "=")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return err
		}
		if err := syscall.Setrlimit(limits[name], &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	if *block {
		var all unix.Sigset_t
		for i := range all.Val {
			all.Val[i] = ^uint64(0)
		}
		if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil); err != nil {
			return err
		}
	}
	for n := range split(*shut) {
		unix.Close(n)
	}
	return syscall.Exec(args[0], argv, os.Environ())
}

// split yields the numbers in a list with commas.
func split(list string) func(func(int) bool) {
	return func(yield func(int) bool) {
		for item := range strings.SplitSeq(list, ",") {
			if n, err := strconv.Atoi(item); err == nil && !yield(n) {
				return
			}
		}
	}
}
