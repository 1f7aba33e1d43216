//go:build linux

// Peaktool runs a command, whose output it drops, and prints how much memory that had resident at most, in KiB. It does so
// for tests: to a process is charged what its parent had when it was started (setmax_mm_hiwater_rss in fs/exec.c of Linux),
// and a test has more than lixfix. This has some 3 MiB.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: peaktool COMMAND [ARG...]")
		os.Exit(2)
	}
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
}
