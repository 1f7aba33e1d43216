package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

// beside names the file that WriteFile fills before it renames it. The name is always the same, so that what a kill
// leaves is found again.
func beside(base string) string { return "." + base + ".lixfix-new" }

// ErrIrreplaceable is returned for a file that is more than its content, its owner, its permissions and its attributes:
// the rest would be lost if another file took its place.
var ErrIrreplaceable = errors.New("it cannot be replaced without a loss")

// writer changes the files of a tree, each by a descriptor of its directory; root changes none in a directory that others
// can write to. It owns nothing: the tree says where a file is.
type writer struct {
	tree *tree
}

// WriteFile implements Host. On Linux the extended attributes of a file that it replaces are carried over, among them
// its ACL and its SELinux label; on macOS they are not.
func (w *writer) WriteFile(_ context.Context, name string, c Content) error {
	return w.within(name, "write", func(p *trust.Place) error {
		if err := replaceable(p); err != nil {
			return &fs.PathError{Op: "replace", Path: name, Err: err}
		}
		next := beside(p.Base)
		if err := unlink(p, next); err != nil {
			return err
		}
		err := fill(p, next, c)
		if err == nil {
			err = unix.Renameat(p.FD, next, p.FD, p.Base)
		}
		if err != nil {
			_ = unlink(p, next)
		}
		return err
	})
}

// replaceable refuses an entry if a new file in its place would differ in more than its content.
func replaceable(p *trust.Place) error {
	var st unix.Stat_t
	switch err := unix.Fstatat(p.FD, p.Base, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	mode := trust.Mode(&st)
	if mode&unix.S_IFMT != unix.S_IFREG {
		return ErrNotRegular
	}
	info := FileInfo{Mode: fs.FileMode(mode & 0o777), Links: uint64(st.Nlink)} //nolint:unconvert // it is a uint16 on macOS
	for bit, name := range map[uint32]fs.FileMode{
		unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky,
	} {
		if mode&bit != 0 {
			info.Mode |= name
		}
	}
	return info.Replaceable()
}

// Replaceable returns why a file cannot be replaced by a new one without a loss, as an error that wraps ErrIrreplaceable;
// nil if it can. The other names of a file would keep the old content. Somebody has set the set-user-ID, set-group-ID or
// sticky bit for a reason, and content written by root should not get it.
func (i FileInfo) Replaceable() error {
	switch special := i.Mode & (fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky); {
	case !i.Mode.IsRegular():
	case i.Links > 1:
		return fmt.Errorf("%w: it has %d names (hard links), and the others would keep the old content", ErrIrreplaceable, i.Links)
	case special != 0:
		return fmt.Errorf("%w: its mode is %s, and the new file would be without the special bits", ErrIrreplaceable, i.Mode)
	}
	return nil
}

// fill creates the file next with its content, owner and mode, and with the attributes of the file that it is to
// replace, and makes all of it durable.
func fill(p *trust.Place, next string, c Content) error {
	fd, err := unix.Openat(p.FD, next, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), next)
	defer f.Close()
	if _, err := f.Write(c.Data); err != nil {
		return err
	}
	// On macOS, and below a set-group-ID directory on Linux, a new file takes the group of its directory.
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if c.UID != int(st.Uid) || c.GID != int(st.Gid) {
		if err := f.Chown(c.UID, c.GID); err != nil {
			return err
		}
	}
	if err := copyAttributes(p, fd); err != nil {
		return err
	}
	// After chown, which clears the set-user-ID bits; and explicit, because the umask has had its say at creation.
	if err := f.Chmod(c.Mode.Perm()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// specialBits are those of a mode that SetMode leaves as they are.
const specialBits = unix.S_ISUID | unix.S_ISGID | unix.S_ISVTX

// SetMode implements Host.
func (w *writer) SetMode(_ context.Context, name string, mode fs.FileMode) error {
	return w.within(name, "chmod", func(p *trust.Place) error {
		now, err := modeAt(p, p.Base)
		if err != nil {
			return err
		}
		if now&unix.S_IFMT == unix.S_IFLNK {
			return ErrNotRegular
		}
		// Nobody but root can have put a link there since, and the call that follows none is younger than many kernels.
		return unix.Fchmodat(p.FD, p.Base, now&specialBits|uint32(mode.Perm()), 0)
	})
}

// SetLink implements Host.
func (w *writer) SetLink(_ context.Context, name, target string) error {
	return w.within(name, "link", func(p *trust.Place) error {
		switch mode, err := modeAt(p, p.Base); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case mode&unix.S_IFMT != unix.S_IFLNK:
			return ErrNotLink
		}
		next := beside(p.Base)
		if err := unlink(p, next); err != nil {
			return err
		}
		if err := unix.Symlinkat(target, p.FD, next); err != nil {
			return err
		}
		err := unix.Renameat(p.FD, next, p.FD, p.Base)
		if err != nil {
			_ = unlink(p, next)
		}
		return err
	})
}

// Tidy implements Host.
func (w *writer) Tidy(_ context.Context, name string) error {
	return w.within(name, "tidy up beside", func(p *trust.Place) error { return tidy(p) })
}

// Remove implements Host.
func (w *writer) Remove(_ context.Context, name string) error {
	return w.within(name, "remove", func(p *trust.Place) error { return unlink(p, p.Base) })
}

// tidy removes what stands beside an entry, of MakeDir a directory.
func tidy(p *trust.Place) error {
	next := beside(p.Base)
	mode, err := modeAt(p, next)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && mode&unix.S_IFMT == unix.S_IFDIR:
		return unix.Unlinkat(p.FD, next, unix.AT_REMOVEDIR)
	}
	return unlink(p, next)
}

// MakeDir implements Host.
func (w *writer) MakeDir(_ context.Context, name string, mode fs.FileMode, uid, gid int) error {
	return w.within(name, "make", func(p *trust.Place) error {
		// A rename would take the place of an empty directory.
		if _, err := modeAt(p, p.Base); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fs.ErrExist
			}
			return err
		}
		if err := tidy(p); err != nil {
			return err
		}
		next := beside(p.Base)
		if err := unix.Mkdirat(p.FD, next, 0o700); err != nil {
			return err
		}
		// Nobody but root can have put a link there since.
		err := unix.Fchownat(p.FD, next, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
		if err == nil {
			err = unix.Fchmodat(p.FD, next, uint32(mode.Perm()), 0)
		}
		if err == nil {
			err = unix.Renameat(p.FD, next, p.FD, p.Base)
		}
		if err != nil {
			_ = tidy(p)
		}
		return err
	})
}

// RemoveDir implements Host.
func (w *writer) RemoveDir(_ context.Context, name string) error {
	return w.within(name, "remove", func(p *trust.Place) error {
		if err := unix.Unlinkat(p.FD, p.Base, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// within does something to name by a descriptor of its directory, and makes that durable.
func (w *writer) within(name, what string, do func(*trust.Place) error) error {
	p, err := w.tree.place(name, believed())
	if err != nil {
		return err
	}
	defer p.Close()
	if err := do(p); err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); ok {
			return renamed(err, name)
		}
		return &fs.PathError{Op: what, Path: name, Err: err}
	}
	return syncFD(p.FD)
}

// modeAt is the mode of an entry, of a link itself.
func modeAt(p *trust.Place, base string) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(p.FD, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return 0, err
	}
	return trust.Mode(&st), nil
}

// unlink removes an entry that is no directory; one that is not there is no error. A file system that cannot be written
// to says so first, whether there is such an entry or not.
func unlink(p *trust.Place, base string) error {
	err := unix.Unlinkat(p.FD, base, 0)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, statErr := modeAt(p, base); errors.Is(statErr, fs.ErrNotExist) {
		return nil
	}
	return err
}

// SyncDir makes the names in a directory durable: fsync(2) of a file does not promise that its name survives.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncFD(int(d.Fd()))
}

func syncFD(fd int) error {
	err := retry(func() error { return unix.Fsync(fd) })
	// Some file systems refuse to sync a directory; they give no way to do better.
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("sync the directory: %w", err)
	}
	return nil
}
