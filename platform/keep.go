package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/trust"
)

// Keep writes a new file that only its owner can read. The owner is the user who called sudo, if that user could have
// written to the directory too; otherwise root. The file must not exist before, and a Keep that fails leaves none behind.
// The error wraps fs.ErrExist, or is an *Untrusted if a third user could have redirected the directory. The name is one of
// the machine that lixfix runs on, even if lixfix looks at another one.
func (p *people) Keep(ctx context.Context, name string, data []byte) error {
	name, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	owner := os.Geteuid()
	var owners []int // whoever is not root is held back by the kernel
	if owner == 0 {
		if as := p.Invoker(ctx); as.Name != "nobody" && as.UID != accounts.Overflow {
			owner = as.UID
		}
		owners = believed(owner)
	}
	dir, err := trust.Walk(filepath.Dir(name), owners, trust.End)
	if err != nil {
		return renamed(err, filepath.Dir(name))
	}
	defer dir.Close()
	if dir.Type() != unix.S_IFDIR {
		return &fs.PathError{Op: "write", Path: filepath.Dir(name), Err: unix.ENOTDIR}
	}
	if owners != nil {
		err := dir.Trusted()
		if err == nil && !sticky(dir) {
			err = dir.Own(owners)
		}
		if err != nil {
			return p.tree.named(name, err)
		}
	}
	// A file of a user's among root's could mean something there.
	if int(dir.Stat.Uid) != owner && !sticky(dir) {
		owner = os.Geteuid()
	}
	at, err := unix.Openat(dir.FD, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Dir(name), Err: err}
	}
	defer unix.Close(at)
	return p.keep(at, name, owner, data)
}

// keep makes the file in the directory at, which is open.
func (p *people) keep(at int, name string, owner int, data []byte) (err error) {
	base := filepath.Base(name)
	fd, err := unix.Openat(at, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &fs.PathError{Op: "create", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = unix.Unlinkat(at, base, 0)
		}
	}()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if owner != os.Geteuid() {
		gid := -1
		if u, ok := accounts.ByUID(p.tree.users(), owner); ok {
			gid = u.GID
		}
		if err := f.Chown(owner, gid); err != nil {
			return fmt.Errorf("give it to user %d: %w", owner, err)
		}
	}
	return f.Sync()
}

// OpenRegular opens for reading a file that somebody has named, if it is a regular one. It opens nothing else, not even
// for an instant.
func OpenRegular(name string) (*os.File, error) {
	fd, err := regular(name, unix.O_RDONLY)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}
