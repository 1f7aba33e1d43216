package platform

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrThroughProcess is returned for a name that leads through a link below /proc that is a process's: root, cwd, exe,
// or one in fd, map_files or ns. Such a link opens what the process has, whatever its text says, and any user can
// start a process: opening a device can arm it, reading /proc/kmsg takes its messages away. So their text may be
// read, with Stat and Files.Link, and they are never followed.
var ErrThroughProcess = errors.New("the name leads through a link of a process, and lixfix follows none")

// ErrOthers is returned for a file that others than root and the user who runs lixfix can change, or exchange.
var ErrOthers = errors.New("others than root and the user who runs lixfix can change it")

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

// OpenOwned opens a regular file of root, or of the user who runs lixfix, to which nobody else can write. It does not
// follow a link at the end of the name, and opens nothing else even for an instant. The error wraps ErrNotRegular,
// ErrOthers, or is ELOOP for a link. Flags say whether it is read or also written. The directory is the caller's to
// judge.
func OpenOwned(name string, flags int) (*os.File, error) {
	fd, err := regular(name, flags|unix.O_NOFOLLOW)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && (!mine(&st) || writable(&st)) {
		err = ErrOthers
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

// mine reports whether a file belongs to root, or to the user who runs lixfix.
func mine(st *unix.Stat_t) bool { return st.Uid == 0 || int(st.Uid) == os.Geteuid() }

// writable reports whether others than the owner can write to a file. A sticky directory counts as well: what is in it
// belongs to anybody.
func writable(st *unix.Stat_t) bool { return st.Mode&0o022 != 0 }

// Owned implements Files.
func (f *files) Owned(name string) ([]byte, FileInfo, error) {
	dir, base, err := f.own(name)
	if err != nil {
		return nil, FileInfo{}, err
	}
	defer unix.Close(dir)
	fail := func(err error) ([]byte, FileInfo, error) {
		return nil, FileInfo{}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	fd := -1
	if err := retry(func() (err error) { fd, err = openatRegular(dir, base); return err }); err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail(err)
	}
	if !mine(&st) || writable(&st) {
		return fail(ErrOthers)
	}
	data, err := f.all(fd, name)
	return data, described(&st), err
}

// OwnedNames implements Files.
func (f *files) OwnedNames(name string) ([]string, error) {
	dir, base, err := f.own(name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	fail := func(err error) ([]string, error) { return nil, &fs.PathError{Op: "list", Path: name, Err: err} }
	fd := -1
	err = retry(func() (err error) {
		fd, err = unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return fail(err)
	}
	d := os.NewFile(uintptr(fd), name)
	defer d.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail(err)
	}
	if !mine(&st) {
		return fail(ErrOthers)
	}
	names, more, err := some(d, nameLimit)
	switch {
	case err != nil:
		return nil, renamed(err, name)
	case more:
		return fail(ErrTooLarge)
	}
	return names, nil
}

// own opens the directory of a name, by a way that nobody but root and the user who runs lixfix can change.
func (f *files) own(name string) (dir int, base string, err error) {
	if err := f.ctx.Err(); err != nil {
		return -1, "", err
	}
	fail := func(what string, err error) (int, string, error) {
		unix.Close(dir)
		return -1, "", &fs.PathError{Op: "open", Path: what, Err: err}
	}
	const look = lookOnly | unix.O_NOFOLLOW | unix.O_DIRECTORY | unix.O_CLOEXEC
	dir = -1
	root, err := f.m.resolve("/")
	if err != nil {
		return fail("/", err)
	}
	if err = retry(func() (err error) { dir, err = unix.Open(root, look, 0); return err }); err != nil {
		return fail("/", err)
	}
	parts := strings.Split(strings.TrimPrefix(path.Clean(name), "/"), "/")
	for i, part := range parts {
		// The directory first: while nobody else can change it, neither can its entry be exchanged.
		var st unix.Stat_t
		at := "/" + path.Join(parts[:i]...)
		if err := unix.Fstat(dir, &st); err != nil {
			return fail(at, err)
		}
		if !mine(&st) || writable(&st) {
			return fail(at, ErrOthers)
		}
		if i == len(parts)-1 {
			return dir, part, nil
		}
		next := -1
		if err := retry(func() (err error) { next, err = unix.Openat(dir, part, look, 0); return err }); err != nil {
			return fail(path.Join(at, part), err)
		}
		unix.Close(dir)
		dir = next
	}
	return fail(name, fs.ErrInvalid)
}
