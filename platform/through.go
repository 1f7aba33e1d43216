package platform

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrThroughProcess is returned for a name that leads through a link below /proc that is a process's: root, cwd, exe, or
// one in fd, map_files or ns. Such a link opens what the process has, whatever its text says, and any user can start a
// process: opening a device can arm it, reading /proc/kmsg takes its messages away. So their text may be read, with
// Stat and Files.Link, and they are never followed.
var ErrThroughProcess = errors.New("the name leads through a link of a process, and lixfix follows none")

// processLinks are the links in the directory of a process, and how many parts their names have.
// https://man7.org/linux/man-pages/man5/proc.5.html
var processLinks = map[string]int{"root": 1, "cwd": 1, "exe": 1, "fd": 2, "map_files": 2, "ns": 2}

// throughProcess refuses a name that leads through a link of a process. What follows a link at the end of the name says
// so. Links elsewhere that lead to such a link do not show in a name; opening refuses those.
func throughProcess(op, name string, follows bool) error {
	parts := strings.Split(path.Clean(name), "/")
	if len(parts) < 4 || parts[1] != "proc" || !isProcess(parts[2]) {
		return nil
	}
	rest := parts[3:]
	if len(rest) > 2 && rest[0] == "task" {
		rest = rest[2:]
	}
	n := processLinks[rest[0]]
	if n == 0 || len(rest) < n || len(rest) == n && !follows {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: ErrThroughProcess}
}

// isProcess reports whether a name in /proc is the directory of a process or a thread.
func isProcess(name string) bool {
	return name == "self" || name == "thread-self" || name != "" && strings.Trim(name, "0123456789") == ""
}

// followed resolves a name whose last part is followed where it is a link.
func (m *Machine) followed(op, name string) (string, error) {
	if err := throughProcess(op, name, true); err != nil {
		return "", err
	}
	return m.resolve(name)
}

// openRegular opens a file for reading without following a link at its end, and nothing but a regular file: what it is
// was looked at before it is opened, because opening alone can have an effect where it is a device.
func openRegular(file, name string) (*os.File, error) {
	fd, err := regular(file, unix.O_NOFOLLOW)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// errOthers is why a file is not believed.
var errOthers = errors.New("others than root and the user who runs lixfix can change it")

// mine refuses what others than root and the user who runs lixfix can change.
func mine(st *unix.Stat_t) error {
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return errOthers
	}
	return nil
}

// Owned implements Files.
func (f *files) Owned(name string) ([]byte, FileInfo, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, FileInfo{}, err
	}
	fail := func(what string, err error) ([]byte, FileInfo, error) {
		return nil, FileInfo{}, &fs.PathError{Op: "open", Path: what, Err: err}
	}
	root, err := f.m.resolve("/")
	if err != nil {
		return fail("/", err)
	}
	const look = lookOnly | unix.O_NOFOLLOW | unix.O_CLOEXEC
	dir := -1
	if err = retry(func() error { dir, err = unix.Open(root, look|unix.O_DIRECTORY, 0); return err }); err != nil {
		return fail("/", err)
	}
	defer func() { unix.Close(dir) }()
	parts := strings.Split(strings.TrimPrefix(path.Clean(name), "/"), "/")
	var st unix.Stat_t
	for i := range parts {
		// The directory first: while nobody else can change it, neither can its entry be exchanged.
		if err := unix.Fstat(dir, &st); err != nil {
			return fail("/"+path.Join(parts[:i]...), err)
		}
		if err := mine(&st); err != nil {
			return fail("/"+path.Join(parts[:i]...), err)
		}
		if i == len(parts)-1 {
			break
		}
		next := -1
		err := retry(func() (err error) { next, err = unix.Openat(dir, parts[i], look|unix.O_DIRECTORY, 0); return err })
		if err != nil {
			return fail("/"+path.Join(parts[:i+1]...), err)
		}
		unix.Close(dir)
		dir = next
	}
	fd := -1
	if err := retry(func() (err error) { fd, err = openatRegular(dir, parts[len(parts)-1]); return err }); err != nil {
		return fail(name, err)
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return fail(name, err)
	}
	if err := mine(&st); err != nil {
		return fail(name, err)
	}
	data, err := f.all(fd, name)
	return data, described(&st), err
}
