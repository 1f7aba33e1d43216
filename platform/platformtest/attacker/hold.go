//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// enter starts this program again in a user and a mount namespace of its own, where the user is root: anybody may.
func enter(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{"attack"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	return cmd.Run()
}

// listen takes connections on a Unix socket and never answers.
func listen(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return err
	}
	if name[0] != '@' {
		if err := os.Chmod(name, 0o666); err != nil {
			return err
		}
	}
	go func() {
		held := map[net.Conn]bool{}
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			held[c] = true // it would be closed where nothing refers to it
		}
	}()
	return nil
}

// daemon binds a directory of its own over that of the daemon's socket, and listens there.
func daemon(args []string) error {
	const theirs = "/nix/var/nix/daemon-socket"
	if err := unix.Mount(args[0], theirs, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", args[0], theirs, err)
	}
	if err := listen(theirs + "/socket"); err != nil {
		return err
	}
	return forever()
}

// silent listens on each of the sockets that are named.
func silent(args []string) error {
	for _, name := range args {
		if err := listen(name); err != nil {
			return err
		}
	}
	return forever()
}

// hold keeps descriptors of files that it need not be able to read.
func hold(args []string) error {
	for _, name := range args {
		if _, err := unix.Open(name, unix.O_PATH, 0); err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
	}
	return forever()
}

// named is hold of files that look as if they lay in the directory of Nix's temporary roots: the first argument is a
// directory of the user's, on whose files the others are bound. The last descriptors have the numbers that a worker's
// would have.
func named(args []string) error {
	dir := filepath.Join(args[0], "temproots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i, file := range args[1:] {
		at := filepath.Join(dir, strconv.Itoa(os.Getpid()+i))
		f, err := os.Create(at)
		if err != nil {
			return err
		}
		f.Close()
		if err := unix.Mount(file, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", file, at, err)
		}
		if _, err := unix.Open(at, unix.O_PATH, 0); err != nil {
			return fmt.Errorf("open %s: %w", at, err)
		}
	}
	return forever()
}

// root has a root directory of its own, and stays in a working directory of that.
func root(args []string) error {
	if err := unix.Chroot(args[0]); err != nil {
		return err
	}
	if err := os.Chdir(args[1]); err != nil {
		return err
	}
	return forever()
}

// title starts this program again with other arguments, of which the first is the name that it goes by; COMM is what
// the kernel calls it.
func title(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if len(args) > 2 && args[0] == "again" {
		if err := os.WriteFile("/proc/self/comm", []byte(args[1]), 0); err != nil {
			return err
		}
		return forever()
	}
	return syscall.Exec(self, append([]string{args[0], "attack", "title", "again"}, args[1:]...), os.Environ())
}

// many starts N processes of which each has M descriptors.
func many(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	m, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if n > 0 {
		for range n {
			cmd := exec.Command(self, "attack", "many", "0", args[1], args[2])
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			out, err := cmd.StdoutPipe()
			if err != nil {
				return err
			}
			if err := cmd.Start(); err != nil {
				return err
			}
			if _, err := out.Read(make([]byte, 1)); err != nil {
				return fmt.Errorf("a process with %d descriptors: %w", m, err)
			}
		}
		return forever()
	}
	fd, err := unix.Open(args[2], unix.O_PATH, 0)
	if err != nil {
		return err
	}
	for range m {
		if _, err := unix.Dup(fd); err != nil {
			return err
		}
	}
	return forever()
}
