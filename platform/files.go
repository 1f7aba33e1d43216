package platform

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

const smallLimit = 4 << 20 // bytes of one file in a burst; 6,539 lines of /proc/locks were 500 KiB

// nameLimit bounds how many names of a directory are read: stores of half a million paths are known.
const nameLimit = 1 << 20

// Files reads many small files. A call costs no more than its system calls, so that thousands of processes can be
// read in milliseconds. It is used by one goroutine. No call follows a link of a process, whatever leads there:
// ErrThroughProcess.
type Files interface {
	// Read returns the content of a file below /proc, or of a regular file. It is overwritten by the next Read. It
	// fails with ErrTooLarge above 4 MiB.
	Read(name string) ([]byte, error)
	// Owned is Read for a regular file that only root or the user who runs lixfix can have put there and can change; see
	// package trust. It does not follow a link at the end of the name.
	Owned(name string) ([]byte, FileInfo, error)
	// OwnedNames is Names for a directory that belongs to one of these two, reached as with Owned. Others may be able to
	// write to it, as to the store. The errors of both wrap ErrUntrusted.
	OwnedNames(dir string) ([]string, error)
	// Names returns the names in a directory, in no order. It fails with ErrTooLarge above a million.
	Names(dir string) ([]string, error)
	// Some returns up to so many names in a directory, in no order, and whether there are more.
	Some(dir string, most int) (names []string, more bool, err error)
	// Link returns where a symbolic link points. The links of processes may be read with it.
	Link(name string) (string, error)
	// Stat describes name without following a link at its end; Target is left empty.
	Stat(name string) (FileInfo, error)
}

type files struct {
	tree *tree
	ctx  context.Context
	buf  []byte
}

// Burst implements View.
func (t *tree) Burst(ctx context.Context, what string, f func(Files) error) error {
	_, err := bound(ctx, "read", what, func() (struct{}, error) {
		return struct{}{}, f(&files{tree: t, ctx: ctx, buf: make([]byte, 0, 4<<10)})
	})
	return err
}

// retry repeats a system call that a signal interrupted.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (f *files) Read(name string) ([]byte, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	// System calls and not package os, whose files are registered with the poller: that doubles the cost of /proc.
	fd, err := f.tree.open(name, trust.End, unix.S_IFREG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return f.all(fd, name)
}

// all reads an open file to its end.
func (f *files) all(fd int, name string) ([]byte, error) {
	f.buf = f.buf[:0]
	for {
		if len(f.buf) == cap(f.buf) {
			if len(f.buf) > smallLimit {
				return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
			}
			f.buf = append(f.buf, make([]byte, max(len(f.buf), 4<<10))...)[:len(f.buf)]
		}
		n := 0
		err := retry(func() (err error) {
			n, err = unix.Read(fd, f.buf[len(f.buf):cap(f.buf)])
			return err
		})
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		if n <= 0 {
			return f.buf, nil
		}
		f.buf = f.buf[:len(f.buf)+n]
	}
}

func (f *files) Names(dir string) ([]string, error) {
	names, more, err := f.Some(dir, nameLimit)
	if more {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: ErrTooLarge}
	}
	return names, err
}

func (f *files) Some(dir string, most int) (names []string, more bool, err error) {
	if err := f.ctx.Err(); err != nil {
		return nil, false, err
	}
	return f.tree.some(dir, most)
}

// some returns up to so many names in an open directory, -1 for all, and whether there are more.
func some(d *os.File, most int) (names []string, more bool, err error) {
	if most >= 0 {
		most++
	}
	names, err = d.Readdirnames(most)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, false, err
	case most >= 0 && len(names) == most:
		return names[:most-1], true, nil
	}
	return names, false, nil
}

func (f *files) Link(name string) (string, error) {
	file, err := f.tree.parent(name)
	if err != nil {
		return "", err
	}
	target, err := os.Readlink(file)
	return target, renamed(err, name)
}

func (f *files) Stat(name string) (FileInfo, error) {
	if err := f.ctx.Err(); err != nil {
		return FileInfo{}, err
	}
	file, err := f.tree.parent(name)
	if err != nil {
		return FileInfo{}, err
	}
	var st unix.Stat_t
	if kernels(name) {
		err = retry(func() error { return unix.Lstat(file, &st) })
	} else {
		err = statPath(file, &st)
	}
	if err != nil {
		return FileInfo{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return described(&st), nil
}

// described is what a burst tells of a file.
func described(st *unix.Stat_t) FileInfo {
	mode := fs.FileMode(st.Mode & 0o777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFREG:
	default:
		mode |= fs.ModeIrregular
	}
	return FileInfo{
		Mode: mode, UID: int(st.Uid), GID: int(st.Gid), Size: st.Size, Inode: st.Ino,
		Modified: time.Unix(st.Mtim.Unix()),
	}
}
