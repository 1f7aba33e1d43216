//go:build linux

// Hostile is what a user with a shell can leave running for root's tools to find: processes whose names, arguments,
// open files, sockets, roots and working directories read like those of Nix, and lead elsewhere. It is run by that
// user, without any privilege; where it needs namespaces it makes its own.
//
//	hostile DIR TARGET...
//
// DIR is an empty directory of the user's. Each TARGET is a file that root's tools must not open; the user need not be
// able to. It prints the number of each process that it has started and what that does, then "ready", and ends with its
// standard input.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const variable = "HOSTILE" // what a child does

// A trick is what one process does before it sleeps. Own tricks have a user and a mount namespace of their own, in
// which the user is root.
type trick struct {
	name string
	own  bool
	argv []string
	do   func(dir, target string) error
}

const hash = "0123456789abcdfghijklmnpqrsvwxyz"

var tricks = []trick{
	{"temproots", true, []string{"nix-daemon", "1"}, func(_, target string) error {
		// The text of the link is the very name of a list of Nix.
		if err := empty("/nix/var/nix/temproots"); err != nil {
			return err
		}
		return look(bind(target, fmt.Sprintf("/nix/var/nix/temproots/%d", os.Getpid())))
	}},
	{"temproots of another state", true, []string{"nix-store", "--realise"}, func(dir, target string) error {
		name := fmt.Sprintf("%s/state/temproots/%d", dir, os.Getpid())
		return look(bind(target, name))
	}},
	{"locks", true, []string{"nix-build", "x.nix"}, func(dir, target string) error {
		for _, name := range []string{
			"/state2/db/big-lock", "/state2/gc.lock", "/store2/" + hash + "-x.lock",
			"/state2/db/db.sqlite",
		} {
			if err := look(bind(target, dir+name)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"log", true, []string{"nix-daemon", "--for", "1"}, func(dir, target string) error {
		return look(bind(target, dir+"/var/log/nix/drvs/01/"+hash+"-x.drv.bz2"))
	}},
	{"root", true, []string{"nix-daemon", "--daemon"}, func(dir, target string) error {
		root := filepath.Join(dir, "root")
		for _, name := range []string{
			"/nix/var/nix/daemon-socket/socket", "/etc/resolv.conf",
			"/etc/nix/nix.conf", "/nix/var/log/nix/drvs/01/x",
		} {
			if err := bind(target, root+name)(nil); err != nil {
				return err
			}
		}
		if err := syscall.Chroot(root); err != nil {
			return err
		}
		if err := os.Chdir("/nix/var/nix"); err != nil {
			return err
		}
		return look(func(name *string) error { *name = "/nix/var/log/nix/drvs/01/x"; return nil })
	}},
	{"socket", true, []string{"nix-daemon", "--daemon"}, func(string, string) error {
		if err := empty("/nix/var/nix/daemon-socket"); err != nil {
			return err
		}
		return listen("/nix/var/nix/daemon-socket/socket")
	}},
	{"abstract socket", false, []string{"nix-daemon"}, func(string,
		string,
	) error {
		return listen("@/nix/var/nix/daemon-socket/socket")
	}},
	{"state", false, []string{"nix-store", "--gc"}, func(dir, target string) error {
		// A state whose directories lead elsewhere, and which a lock tells of.
		state := dir + "/state3"
		if err := os.MkdirAll(state+"/db", 0o755); err != nil {
			return err
		}
		for name, to := range map[string]string{
			"userpool": "/root", "userpool2": "/proc/1/fd", "temproots": "/proc/1/root/root",
			"current-load": filepath.Dir(target),
			"profiles":     "/dev", "gc.lock": target, "db/db.sqlite": target,
		} {
			if err := os.Symlink(to, state+"/"+name); err != nil {
				return err
			}
		}
		if err := syscall.Mkfifo(state+"/db/db.sqlite-shm", 0o600); err != nil {
			return err
		}
		return held(state + "/db/big-lock")
	}},
	{"store", false, []string{"nix-env", "-i", "x"}, func(dir, target string) error {
		store := dir + "/store3"
		if err := os.MkdirAll(store, 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, store+"/"+hash+"-y.lock"); err != nil {
			return err
		}
		return held(store + "/" + hash + "-x.lock")
	}},
	{"profiles of the daemon", false, []string{"nix-daemon", "2"}, func(dir, _ string) error {
		name := dir + "/temproots/fifo"
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			return err
		}
		return look(func(out *string) error { *out = name; return nil })
	}},
	{"waiter", false, []string{"nix", "build"}, func(dir, _ string) error {
		// In the kernel's queue for a lock that one of the others holds.
		go func() { _ = held(dir + "/state3/db/big-lock") }()
		return nil
	}},
}

// empty hides what is below a directory, in the namespace of the process. Directories that are missing are made.
func empty(dir string) error {
	up := dir
	for {
		if _, err := os.Stat(up); err == nil {
			break
		}
		up = filepath.Dir(up)
	}
	if err := syscall.Mount("tmpfs", up, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("hide %s: %w", up, err)
	}
	return os.MkdirAll(dir, 0o755)
}

// bind makes a name lead to another file, in the namespace of the process.
func bind(target, name string) func(*string) error {
	return func(out *string) error {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		f.Close()
		if err := syscall.Mount(target, name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", target, name, err)
		}
		if out != nil {
			*out = name
		}
		return nil
	}
}

// look takes a descriptor of a file that the user need not be able to open, and keeps it.
func look(made func(*string) error) error {
	name := ""
	if err := made(&name); err != nil {
		return err
	}
	_, err := unix.Open(name, unix.O_PATH, 0)
	return err
}

// held keeps a file locked.
func held(name string) error {
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return err
	}
	return unix.Flock(fd, unix.LOCK_EX)
}

func listen(name string) error {
	l, err := net.Listen("unix", name)
	if err != nil {
		return err
	}
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	}()
	return nil
}

func main() {
	if doing := os.Getenv(variable); doing != "" {
		i := slices.IndexFunc(tricks, func(t trick) bool { return t.name == doing })
		dir, target := os.Getenv("HOSTILE_DIR"), os.Getenv("HOSTILE_TARGET")
		if err := tricks[i].do(dir, target); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("ready")
		time.Sleep(time.Hour)
		return
	}
	if err := lead(os.Args[1], os.Args[2:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// lead starts every trick once for each target.
func lead(dir string, targets []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, t := range tricks {
		for i, target := range targets {
			if i > 0 && !t.own {
				break // it would only meet itself
			}
			own := filepath.Join(dir, fmt.Sprint(i))
			pid, err := start(self, own, target, t)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.name, target, err)
			}
			fmt.Println(pid, t.name, target)
		}
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// start runs a trick in a process of its own, which ends with this one.
func start(self, dir, target string, t trick) (int, error) {
	// The kernel takes the name of a process from the file, and its arguments are what it is given.
	bin := filepath.Join(dir, "nix/store", hash+"-nix-2.99.9/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return 0, err
	}
	file := filepath.Join(bin, t.argv[0])
	if _, err := os.Lstat(file); err != nil {
		if err := os.Link(self, file); err != nil {
			if err := copyFile(self, file); err != nil {
				return 0, err
			}
		}
	}
	cmd := &exec.Cmd{Path: file, Args: t.argv}
	cmd.Env = append(os.Environ(), variable+"="+t.name, "HOSTILE_DIR="+dir, "HOSTILE_TARGET="+target)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if t.own {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line = strings.TrimSpace(line); line != "ready" {
		return 0, fmt.Errorf("%s %w", line, err)
	}
	return cmd.Process.Pid, nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
