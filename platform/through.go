package platform

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

// ErrThroughProcess is returned for a name that leads through a link below /proc that is a process's: root, cwd, exe,
// or one in fd, map_files or ns. Such a link opens what the process has, whatever its text says, and any user can
// start a process: opening a device can arm it, reading /proc/kmsg takes its messages away. So their text may be
// read, with Stat and Files.Link, and they are never followed.
var ErrThroughProcess = trust.ErrProcess

// processLinks are the links in the directory of a process, and how many parts their names have.
// https://man7.org/linux/man-pages/man5/proc.5.html
var processLinks = map[string]int{"root": 1, "cwd": 1, "exe": 1, "fd": 2, "map_files": 2, "ns": 2}

// throughProcess refuses a name that leads through a link of a process. What follows a link at the end of the name says
// so. Links elsewhere that lead to such a link do not show in a name; opening refuses those.
func throughProcess(op, name string, follows bool) error {
	clean := path.Clean(name)
	if !strings.HasPrefix(clean, "/proc/") {
		return nil
	}
	parts := strings.Split(clean, "/")
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

// OpenOwned opens a regular file of root, or of the user who runs lixfix, that nobody else can write to. It does not
// follow a link at the end of the name, and opens nothing else, not even for an instant. The error wraps ErrNotRegular or
// ErrUntrusted, or is ELOOP for a link. Flags say whether the file is read or also written. Judging the directory is up to
// the caller.
func OpenOwned(name string, flags int) (*os.File, error) {
	fd, err := regular(name, flags|unix.O_NOFOLLOW)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && (!slices.Contains(roots(), int(st.Uid)) || st.Mode&0o022 != 0) {
		err = ErrUntrusted
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

// Owned implements Files.
func (f *files) Owned(name string) ([]byte, FileInfo, error) {
	w, err := f.owned(name, unix.S_IFREG)
	if err != nil {
		return nil, FileInfo{}, err
	}
	defer w.Close()
	if err := w.Own(roots()); err != nil {
		return nil, FileInfo{}, f.tree.named(name, err)
	}
	fd, err := w.Open()
	if err != nil {
		return nil, FileInfo{}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	data, err := f.all(fd, name)
	return data, described(&w.Stat), err
}

// OwnedNames implements Files.
func (f *files) OwnedNames(name string) ([]string, error) {
	w, err := f.owned(name, unix.S_IFDIR)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if uid := int(w.Stat.Uid); !slices.Contains(roots(), uid) {
		return nil, &Untrusted{Name: name, Dir: name, UID: uid, GID: int(w.Stat.Gid)}
	}
	fd, err := w.Open()
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: err}
	}
	d := os.NewFile(uintptr(fd), name)
	defer d.Close()
	names, more, err := some(d, nameLimit)
	switch {
	case err != nil:
		return nil, renamed(err, name)
	case more:
		return nil, &fs.PathError{Op: "list", Path: name, Err: ErrTooLarge}
	}
	return names, nil
}

// owned finds what a name leads to, by a way that nobody but root and the user who runs lixfix can change.
func (f *files) owned(name string, kind uint32) (*trust.Found, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	file, err := f.tree.find("open", name, trust.Link)
	if err != nil {
		return nil, err
	}
	w, err := trust.Walk(file, roots(), trust.Link)
	if err != nil {
		return nil, renamed(err, name)
	}
	err = f.tree.named(name, w.Trusted())
	if err == nil && w.Type() != kind {
		err = wrong(name, w.Type(), kind)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}
