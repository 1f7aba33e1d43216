//go:build linux

package linuxnet

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// inside runs f in the namespaces of the host, and in its root directory: names of files are the host's there. f starts
// no process and waits for no other goroutine. A host takes some fifty calls of the kernel, and programs that make one of
// them each take twenty times as long.
func (h *Host) inside(f func() error) error {
	return apart(func() error {
		// Until then it shares its root and its working directory with the other threads, and the mode mask.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("part from the other threads: %w", err)
		}
		// What is mounted shows the network and the control groups of whoever mounts it.
		for _, k := range []struct {
			name string
			flag int
		}{{"net", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP}, {"mnt", unix.CLONE_NEWNS}} {
			if err := enter(fmt.Sprintf("/proc/%d/ns/%s", h.pid, k.name), k.flag); err != nil {
				return err
			}
		}
		unix.Umask(0)
		return f()
	})
}

// apart runs f on a thread that ends with it.
func apart(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// By its first thread the whole process is known in /proc, and Go never ends that. While it is held here,
			// another one is taken.
			defer runtime.UnlockOSThread()
			done <- apart(f)
			return
		}
		done <- f() // still locked at the end, so that the thread ends as well
	}()
	return <-done
}

// enter has the thread enter a namespace.
func enter(name string, flag int) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), flag); err != nil {
		return fmt.Errorf("enter %s: %w", name, err)
	}
	return nil
}

// tables are how many connections the tables of a new network namespace are made for, by the names of settings of the
// namespace that it is made from (ip-sysctl.rst). Without them it shares the machine's tables, and whoever lists
// connections goes through those: with the usual 262,144 entries, 2 ms each time, and pasta does that all the time.
var tables = map[string]string{
	"/proc/sys/net/ipv4/tcp_child_ehash_entries": "64",  // since Linux 6.1
	"/proc/sys/net/ipv4/udp_child_hash_entries":  "128", // since Linux 6.3
}

// sandboxTables are commands of sh that have the sandboxes on a host get tables of their own, too.
var sandboxTables = func() string {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		fmt.Fprintf(&all, "{ echo %s >%s; } 2>/dev/null; ", tables[name], name)
	}
	return all.String()
}()

// Start starts a command that makes a network namespace of its own, which then has its own tables of connections.
func Start(cmd *exec.Cmd) error {
	return apart(func() error { return withOwnTables(cmd.Start) })
}

// withOwnTables calls start, which starts a process in a network namespace of its own, from one that has nothing but the
// settings for its tables. The thread stays in there, and has to end with its function.
func withOwnTables(start func() error) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a namespace for the settings of another: %w", err)
	}
	for name, value := range tables {
		_ = os.WriteFile(name, []byte(value), 0o644) // where that cannot be done, all is as before and takes longer
	}
	return start()
}

// inTurn runs steps until one fails.
func inTurn(steps ...func() error) error {
	for _, s := range steps {
		if err := s(); err != nil {
			return err
		}
	}
	return nil
}

// The steps that make a host's files.

func makeDir(names ...string) func() error {
	return func() error {
		for _, name := range names {
			if err := os.MkdirAll(name, 0o755); err != nil {
				return err
			}
		}
		return nil
	}
}

// mount mounts a file system of a kind: its options are those of mount(8) that are the file system's own.
func mount(kind, at, options string, flags uintptr) func() error {
	return func() error {
		if err := unix.Mount(kind, at, kind, flags, options); err != nil {
			return fmt.Errorf("mount %s on %s with %.200q: %w", kind, at, options, err)
		}
		return nil
	}
}

// bind has a directory, with all that is mounted below it, in another place as well.
func bind(from, to string) func() error {
	return func() error {
		if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bind %s to %s: %w", from, to, err)
		}
		return nil
	}
}

// readOnly binds a directory to itself, so that nobody can write there.
func readOnly(at string) func() error {
	return func() error {
		if err := unix.Mount(at, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s to itself: %w", at, err)
		}
		if err := unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("make %s read-only: %w", at, err)
		}
		return nil
	}
}

// device makes a device of characters.
func device(name string, mode fs.FileMode, major, minor uint32) func() error {
	return func() error {
		if err := unix.Mknod(name, unix.S_IFCHR|uint32(mode), int(unix.Mkdev(major, minor))); err != nil {
			return fmt.Errorf("make the device %s: %w", name, err)
		}
		return nil
	}
}

func link(target, name string) func() error {
	return func() error { return os.Symlink(target, name) }
}

// remove removes files, and directories with all that is in them.
func remove(names ...string) func() error {
	return func() error {
		for _, name := range names {
			if err := os.RemoveAll(name); err != nil {
				return err
			}
		}
		return nil
	}
}

// pivot makes root the root directory, and lets go of the old one.
func pivot(root string) func() error {
	return func() error {
		old := filepath.Join(root, "old")
		if err := os.Mkdir(old, 0o755); err != nil {
			return err
		}
		if err := unix.PivotRoot(root, old); err != nil {
			return fmt.Errorf("make %s the root directory: %w", root, err)
		}
		if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
			return fmt.Errorf("let go of the old root directory: %w", err)
		}
		return os.Remove("/old")
	}
}
