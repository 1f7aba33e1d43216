package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

// Lend implements Builder.
func (n *nixTools) Lend(ctx context.Context, name string, as Account) (lent string, done func(), err error) {
	done = func() {}
	if as.UID == os.Geteuid() || n.tree.readable(ctx, name, as) {
		return name, done, nil
	}
	dir, err := scratch()
	if err != nil {
		return "", done, fmt.Errorf("make a copy of %s that %s can read: %w", name, as.Name, err)
	}
	done = func() { os.RemoveAll(dir) }
	lent = filepath.Join(dir, path.Base(name))
	if err := n.copyTo(lent, name); err != nil {
		done()
		return "", func() {}, fmt.Errorf("make a copy of %s that %s can read: %w", name, as.Name, err)
	}
	return lent, done, nil
}

// readable reports whether a user can surely read a file where it is.
func (t *tree) readable(ctx context.Context, name string, as Account) bool {
	need := fs.FileMode(0o005)
	for ; ; name, need = path.Dir(name), 0o001 {
		info, err := t.Stat(ctx, name)
		mode := info.Mode.Perm()
		if info.UID == as.UID {
			mode >>= 6
		}
		if err != nil || info.ACL || info.Mode&fs.ModeSymlink != 0 || mode&need != need {
			return false
		}
		if name == "/" {
			return true
		}
	}
}

// scratch makes a directory that all can read and only lixfix can write to.
func scratch() (string, error) {
	var failed error
	for _, parent := range []string{"/run", "/tmp"} {
		f, err := trust.Walk(parent, believed(), trust.End)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		err = f.Trusted()
		if err == nil && !sticky(f) {
			err = f.Own(believed())
		}
		f.Close()
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		dir, err := os.MkdirTemp(f.Path, "lixfix-")
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // it is there to be read by another user
			os.RemoveAll(dir)
			return "", err
		}
		return dir, nil
	}
	return "", failed
}

// copyTo copies a file of lixfix's to a new one that all can read and execute.
func (n *nixTools) copyTo(to, name string) error {
	fd, err := n.tree.open(name, trust.End, unix.S_IFREG)
	if err != nil {
		return err
	}
	from := os.NewFile(uintptr(fd), name)
	defer from.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, from); err != nil {
		return err
	}
	if err := f.Chmod(0o755); err != nil {
		return err
	}
	return f.Close()
}
