package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// beside names the file that WriteFile fills before it renames it. The name is always the same, so that what a kill
// leaves is found again.
func beside(file string) string {
	return filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".lixfix-new")
}

// WriteFile implements Host. On Linux the extended attributes of a file that it replaces are carried over, among them
// its ACL and its SELinux label; on macOS they are not.
func (m *Machine) WriteFile(_ context.Context, name string, c Content) error {
	file, err := m.parent(name)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
		return &fs.PathError{Op: "replace", Path: name, Err: ErrNotRegular}
	}
	next := beside(file)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return renamed(err, name)
	}
	if err := fill(next, c, file); err != nil {
		os.Remove(next)
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(next, file); err != nil {
		os.Remove(next)
		return fmt.Errorf("write %s: %w", name, err)
	}
	return SyncDir(filepath.Dir(file))
}

// fill creates file with its content, owner and mode, and with the attributes of the file that it is to replace, and
// makes all of it durable.
func fill(file string, c Content, old string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(c.Data); err != nil {
		return err
	}
	// On macOS, and below a set-group-ID directory on Linux, a new file takes the group of its directory.
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if c.UID != int(st.Uid) || c.GID != int(st.Gid) {
		if err := f.Chown(c.UID, c.GID); err != nil {
			return err
		}
	}
	if err := copyAttributes(old, f); err != nil {
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

// SetMode implements Host.
func (m *Machine) SetMode(_ context.Context, name string, mode fs.FileMode) error {
	file, err := m.parent(name)
	if err != nil {
		return err
	}
	info, err := os.Lstat(file)
	if err != nil {
		return renamed(err, name)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return &fs.PathError{Op: "chmod", Path: name, Err: ErrNotRegular}
	}
	if err := os.Chmod(file, mode.Perm()); err != nil {
		return renamed(err, name)
	}
	return SyncDir(filepath.Dir(file))
}

// SetLink implements Host.
func (m *Machine) SetLink(_ context.Context, name, target string) error {
	file, err := m.parent(name)
	if err != nil {
		return err
	}
	switch info, err := os.Lstat(file); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return renamed(err, name)
	case info.Mode()&fs.ModeSymlink == 0:
		return &fs.PathError{Op: "link", Path: name, Err: ErrNotLink}
	}
	next := beside(file)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return renamed(err, name)
	}
	if err := os.Symlink(target, next); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if err := os.Rename(next, file); err != nil {
		os.Remove(next)
		return fmt.Errorf("link %s: %w", name, err)
	}
	return SyncDir(filepath.Dir(file))
}

// Tidy implements Host.
func (m *Machine) Tidy(ctx context.Context, name string) error {
	file, err := m.parent(name)
	if err != nil {
		return err
	}
	return m.Remove(ctx, filepath.Join(filepath.Dir(name), filepath.Base(beside(file))))
}

// Remove implements Host.
func (m *Machine) Remove(_ context.Context, name string) error {
	file, err := m.parent(name)
	if err != nil {
		return err
	}
	switch err := os.Remove(file); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return renamed(err, name)
	}
	return SyncDir(filepath.Dir(file))
}

// SyncDir makes the names in a directory durable: fsync(2) of a file does not promise that its name survives.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems refuse to sync a directory; they give no way to do better.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}
