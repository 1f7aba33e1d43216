package platform

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const linkLimit = 40 // links on the way to one file, as in Linux (MAXSYMLINKS)

// open opens a file, following links, but none that a process has below /proc.
func open(file string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_NO_MAGICLINKS}
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Openat2(unix.AT_FDCWD, file, &how)
		return err
	})
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
		// Linux before 5.6 does not know it, and container runtimes of that time forbid what they do not know.
		return openWalking(file, flags|unix.O_CLOEXEC)
	case errors.Is(err, unix.ELOOP):
		// A link at the end that was not to be followed, a ring of links, or one of a process: walking tells which.
		return openWalking(file, flags|unix.O_CLOEXEC)
	}
	return fd, err
}

// openWalking is open for kernels without openat2: it follows links itself, part by part.
func openWalking(file string, flags int) (int, error) {
	dir, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() { unix.Close(dir) }()
	left := strings.Split(path.Clean(file), "/")
	for links := 0; len(left) > 0; {
		part := left[0]
		left = left[1:]
		if part == "" {
			continue
		}
		fd, err := unix.Openat(dir, part, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			unix.Close(fd)
			return -1, err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK || len(left) == 0 && flags&unix.O_NOFOLLOW != 0 {
			if len(left) == 0 {
				unix.Close(fd)
				// In the same directory, and without following what may have taken its place.
				return unix.Openat(dir, part, flags|unix.O_NOFOLLOW, 0)
			}
			unix.Close(dir)
			dir = fd
			continue
		}
		target, err := textOf(fd)
		unix.Close(fd)
		if err != nil {
			return -1, err
		}
		if links++; links > linkLimit {
			return -1, unix.ELOOP
		}
		if strings.HasPrefix(target, "/") {
			root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return -1, err
			}
			unix.Close(dir)
			dir = root
		}
		left = append(strings.Split(target, "/"), left...)
	}
	// Nothing was left behind the last slash: the directory itself.
	return unix.Openat(dir, ".", flags, 0)
}

// textOf reads a link, and refuses one that a process has: those are on procfs, and lead elsewhere than their text
// does, which is absolute or of the form "pipe:[4242]". The others there, such as /proc/self, are relative.
func textOf(link int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(link, "", buf)
	if err != nil {
		return "", err
	}
	var on unix.Statfs_t
	if err := unix.Fstatfs(link, &on); err != nil {
		return "", err
	}
	target := string(buf[:n])
	if on.Type == unix.PROC_SUPER_MAGIC && (strings.HasPrefix(target, "/") || strings.Contains(target, ":")) {
		return "", ErrThroughProcess
	}
	return target, nil
}

// statPath describes a file without following a link at its end.
func statPath(file string, st *unix.Stat_t) error {
	fd, err := open(file, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fstat(fd, st)
}

// statFS describes the file system of a file.
func statFS(file string, st *unix.Statfs_t) error {
	fd, err := open(file, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return retry(func() error { return unix.Fstatfs(fd, st) })
}

// regular opens a file if it is a regular one. Flags may hold O_NOFOLLOW and O_RDWR.
func regular(file string, flags int) (int, error) {
	look, err := open(file, unix.O_PATH|flags&unix.O_NOFOLLOW)
	if err != nil {
		return -1, err
	}
	defer unix.Close(look)
	var st unix.Stat_t
	if err := unix.Fstat(look, &st); err != nil {
		return -1, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFLNK:
		return -1, unix.ELOOP // as open(2) says it
	default:
		return -1, ErrNotRegular
	}
	how := flags&unix.O_ACCMODE | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	// The one link below /proc that lixfix follows: its own, to what it has just looked at.
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", look), how, 0)
	if err != nil && !throughDescriptors() {
		return reopen(file, how|flags&unix.O_NOFOLLOW, &st)
	}
	return fd, err
}

// reopen opens a file by its name where there is no /proc, as in a bare chroot, and makes sure that it is still the one
// that was looked at.
func reopen(file string, flags int, was *unix.Stat_t) (int, error) {
	fd, err := open(file, flags)
	if err != nil {
		return -1, err
	}
	var now unix.Stat_t
	err = unix.Fstat(fd, &now)
	if err == nil && (now.Dev != was.Dev || now.Ino != was.Ino) {
		err = ErrUntrusted
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
