package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

const fileLimit = 16 << 20 // bytes of one file; the largest that is read, a receipt, has about 100 KiB

// tree is the files and directories of a machine, to look at: where their names lead, who can change that, and what is
// there. It owns the one function that finds a file. Nothing in it changes one.
type tree struct {
	resolve func(name string) (string, error)
}

// parent resolves the directory of name and leaves its last component alone, for calls that must not follow a link.
func (t *tree) parent(name string) (string, error) {
	if err := throughProcess("look at", name, false); err != nil {
		return "", err
	}
	dir, err := t.resolve(filepath.Dir(name))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(name)), nil
}

// find resolves a name, with or without what a link at its end leads to.
func (t *tree) find(op, name string, follow trust.Follow) (string, error) {
	if err := throughProcess(op, name, bool(follow)); err != nil {
		return "", err
	}
	if follow == trust.Link {
		return t.parent(name)
	}
	return t.resolve(name)
}

// Stat implements View.
func (t *tree) Stat(ctx context.Context, name string) (FileInfo, error) {
	return bound(ctx, "stat", name, func() (FileInfo, error) { return t.stat(name) })
}

func (t *tree) stat(name string) (FileInfo, error) {
	file, err := t.parent(name)
	if err != nil {
		return FileInfo{}, err
	}
	return lstat(file, name)
}

// Stated is what Stat returns.
type Stated struct {
	FileInfo
	Err error
}

// StatAll is View.Stat of many names. Where the view is the machine itself, all of them have one time limit together.
func StatAll(ctx context.Context, v View, names []string) []Stated {
	if m, ok := v.(interface {
		statAll(ctx context.Context, names []string) []Stated
	}); ok {
		return m.statAll(ctx, names)
	}
	all := make([]Stated, len(names))
	for i, name := range names {
		all[i].FileInfo, all[i].Err = v.Stat(ctx, name)
	}
	return all
}

func (t *tree) statAll(ctx context.Context, names []string) []Stated {
	all, err := bound(ctx, "stat", "files", func() ([]Stated, error) {
		all := make([]Stated, len(names))
		for i, name := range names {
			all[i].FileInfo, all[i].Err = t.stat(name)
		}
		return all, nil
	})
	if err != nil {
		all = slices.Repeat([]Stated{{Err: err}}, len(names))
	}
	return all
}

// looked is what there is to say of a file.
type looked struct {
	info   fs.FileInfo
	target string // of a link
	acl    bool
	// The device of a socket's file system as sock_diag(7) tells it, where that is known.
	major, minor uint32
	device       bool
}

func lstat(file, name string) (FileInfo, error) {
	l, err := look(file)
	if err != nil {
		return FileInfo{}, renamed(err, name)
	}
	info := l.info
	out := FileInfo{Mode: info.Mode(), Size: info.Size(), Modified: info.ModTime(), Target: l.target, ACL: l.acl}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		out.UID, out.GID, out.Inode = int(sys.Uid), int(sys.Gid), sys.Ino
		out.Links = uint64(sys.Nlink) //nolint:unconvert // it is a uint16 on macOS
		on := uint64(sys.Dev)         //nolint:unconvert // it is an int32 on macOS
		out.File = FileID{unix.Major(on), unix.Minor(on), sys.Ino}
		if info.Mode()&fs.ModeDevice != 0 {
			device := uint64(sys.Rdev) //nolint:unconvert // it is an int32 on macOS
			out.Major, out.Minor = unix.Major(device), unix.Minor(device)
		}
	}
	if l.device {
		out.File.Major, out.File.Minor = l.major, l.minor
	}
	return out, nil
}

// renamed gives an error of package os the name that the caller knows.
func renamed(err error, name string) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: p.Op, Path: name, Err: p.Err}
	}
	return err
}

// ReadFile implements View.
func (t *tree) ReadFile(ctx context.Context, name string) ([]byte, error) {
	return bound(ctx, "read", name, func() ([]byte, error) {
		fd, err := t.open(name, trust.End, unix.S_IFREG)
		if err != nil {
			return nil, err
		}
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		limit := limitOf(ctx)
		if line, ok := ctx.Value(paragraphKey{}).(string); ok {
			data, err := readParagraph(f, line, limit)
			return data, renamed(err, name)
		}
		var data bytes.Buffer
		// The size is a hint, which spares large files from being copied as they grow in memory: those of /proc have none.
		if info, err := f.Stat(); err == nil {
			data.Grow(int(min(info.Size(), int64(limit))) + bytes.MinRead)
		}
		if _, err := data.ReadFrom(io.LimitReader(f, int64(limit)+1)); err != nil {
			return nil, renamed(err, name)
		}
		if data.Len() > limit && ctx.Value(headKey{}) == nil {
			return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
		}
		return data.Bytes(), nil
	})
}

// ReadDir implements View.
func (t *tree) ReadDir(ctx context.Context, name string) ([]string, error) {
	return bound(ctx, "list", name, func() ([]string, error) {
		names, _, err := t.some(name, -1)
		slices.Sort(names)
		return names, err
	})
}

// some lists a directory, in no order: at most so many names, -1 for all of them, and whether there are more.
func (t *tree) some(name string, most int) (names []string, more bool, err error) {
	fd, err := t.open(name, trust.End, unix.S_IFDIR)
	if err != nil {
		return nil, false, err
	}
	d := os.NewFile(uintptr(fd), name)
	defer d.Close()
	names, more, err = some(d, most)
	return names, more, renamed(err, name)
}

// Locked implements View.
func (t *tree) Locked(ctx context.Context, name string) (bool, error) {
	return bound(ctx, "test the lock on", name, func() (bool, error) {
		fd, err := t.open(name, trust.Link, unix.S_IFREG)
		if err != nil {
			return false, err
		}
		defer unix.Close(fd)
		switch err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB); {
		case errors.Is(err, unix.EWOULDBLOCK):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("test the lock on %s: %w", name, err)
		}
		return false, nil
	})
}

// Free implements View.
func (t *tree) Free(ctx context.Context, name string) (uint64, error) {
	return bound(ctx, "ask for the free space of", name, func() (uint64, error) {
		file, err := t.find("ask", name, trust.End)
		if err != nil {
			return 0, err
		}
		var st unix.Statfs_t
		if err := statFS(file, &st); err != nil {
			return 0, fmt.Errorf("free space of %s: %w", filepath.Clean(name), err)
		}
		return st.Bavail * uint64(st.Bsize), nil
	})
}
