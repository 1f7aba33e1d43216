package platform

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/trust"
)

// Untrusted is the error for a name that somebody else than root can make lead elsewhere; see package trust.
type Untrusted = trust.Untrusted

// ErrUntrusted is what every *Untrusted wraps.
var ErrUntrusted = trust.ErrUntrusted

// believed are the users whose directories lixfix goes through without a second look: root where lixfix is root. For
// anybody else the kernel draws the line, and nil stands for all.
func believed(also ...int) []int {
	if os.Geteuid() != 0 {
		return nil
	}
	owners := system()
	for _, uid := range also {
		if uid != accounts.Overflow && !slices.Contains(owners, uid) {
			owners = append(owners, uid)
		}
	}
	return owners
}

// system are the users who can change everything anyway: root and, in a user namespace to which the host's root does
// not belong, those whom it has no number for.
func system() []int {
	if space().foreign {
		return []int{0, accounts.Overflow}
	}
	return []int{0}
}

// kernels reports whether a name is in a tree of the kernel's own, where nobody makes names but the kernel.
func kernels(name string) bool {
	return (strings.HasPrefix(name, "/proc/") || strings.HasPrefix(name, "/sys/")) && !strings.Contains(name, "/../")
}

// open opens a regular file, or a directory, for reading. Root walks to it, and reads through a name that somebody else
// could have made only what they may read as well. Nobody goes through a link of a process. The caller closes the
// descriptor.
func (t *tree) open(name string, follow trust.Follow, kind uint32) (int, error) {
	file, err := t.find("open", name, follow)
	if err != nil {
		return -1, err
	}
	if kernels(name) || believed() == nil {
		fd, err := openPlain(file, kernels(name), follow, kind)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, ErrNotRegular), kind == unix.S_IFDIR:
			return -1, &fs.PathError{Op: opOf(kind), Path: name, Err: err}
		}
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f, err := trust.Walk(file, believed(), follow)
	if err != nil {
		return -1, renamed(err, name)
	}
	defer f.Close()
	if f.Type() != kind {
		return -1, wrong(name, f.Type(), kind)
	}
	if err := f.Readable(); err != nil {
		return -1, t.named(name, err)
	}
	fd, err := f.Open()
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// openPlain opens a file by its name. Of the kernel's own files there are thousands, and nothing but what their names
// say; what others are is looked at first, for to open a device can be to do something to it.
func openPlain(file string, kernels bool, follow trust.Follow, kind uint32) (int, error) {
	flags := unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	if follow == trust.Link {
		flags |= unix.O_NOFOLLOW
	}
	switch {
	case kind == unix.S_IFDIR:
		return open(file, flags|unix.O_DIRECTORY)
	case kernels:
		fd := -1
		err := retry(func() (err error) {
			fd, err = unix.Open(file, flags, 0)
			return err
		})
		return fd, err
	}
	return regular(file, flags&unix.O_NOFOLLOW)
}

func opOf(kind uint32) string {
	if kind == unix.S_IFDIR {
		return "list"
	}
	return "read"
}

// wrong is the error for a file that is something else than was asked for.
func wrong(name string, is, want uint32) error {
	switch {
	case is == unix.S_IFLNK:
		return &fs.PathError{Op: "open", Path: name, Err: unix.ELOOP}
	case want == unix.S_IFDIR:
		return &fs.PathError{Op: opOf(want), Path: name, Err: unix.ENOTDIR}
	}
	return &fs.PathError{Op: opOf(want), Path: name, Err: ErrNotRegular}
}

// named gives an error the name that the caller knows, and an *Untrusted the name of its user.
func (t *tree) named(name string, err error) error {
	u, ok := errors.AsType[*Untrusted](err)
	if !ok {
		return renamed(err, name)
	}
	e := *u
	// The file itself, in whatever place, is called by the name that was asked for.
	if e.Dir == e.Name {
		e.Dir = name
	}
	e.Name = name
	if user, ok := accounts.ByUID(t.users(), e.UID); ok {
		e.User = user.Name
	}
	return &e
}

// users are those of /etc/passwd; none where it cannot be read.
func (t *tree) users() []accounts.User {
	data, err := t.ReadFile(context.Background(), accounts.PasswdFile)
	if err != nil {
		return nil
	}
	return accounts.Users(data)
}

// place opens the directory of name to write there, with an *Untrusted where others than the owners can change it.
func (t *tree) place(name string, owners []int) (*trust.Place, error) {
	file, err := t.parent(name)
	if err != nil {
		return nil, err
	}
	p, err := trust.Parent(file, owners)
	if err != nil {
		return nil, t.named(name, err)
	}
	return p, nil
}

// roots are the users that root believes, whoever lixfix runs as: the questions of Guarded and Trusted are about root.
// lixfix's own user is among them for hosts that tests make.
func roots() []int { return append(system(), os.Geteuid()) }

// Guarded implements View.
func (t *tree) Guarded(ctx context.Context, name string) error {
	_, err := bound(ctx, "look at the directory of", name, func() (struct{}, error) {
		p, err := t.place(name, roots())
		if err == nil {
			p.Close()
		}
		return struct{}{}, err
	})
	return err
}

// Trusted implements View.
func (t *tree) Trusted(ctx context.Context, name string) (string, error) {
	return bound(ctx, "follow", name, func() (string, error) {
		file, err := t.resolve(name)
		if err != nil {
			return "", err
		}
		f, err := trust.Walk(file, roots(), trust.End)
		if err != nil {
			return "", renamed(err, name)
		}
		defer f.Close()
		return f.Path, t.named(name, f.Trusted())
	})
}

// ownerOf is the one user beside root who can change what is in a directory or make its name lead elsewhere; 0 where
// nobody can.
func (t *tree) ownerOf(name string) (int, error) {
	file, err := t.resolve(name)
	if err != nil {
		return 0, err
	}
	f, err := trust.Walk(file, believed(), trust.End)
	if err != nil {
		return 0, renamed(err, name)
	}
	defer f.Close()
	return t.only(name, f)
}

// only is the one user beside root that a file depends on, 0 where it is none.
func (t *tree) only(name string, f *trust.Found) (int, error) {
	owner := 0
	weak := f.Weak
	if u, ok := errors.AsType[*Untrusted](f.Own(believed())); ok && !sticky(f) {
		weak = append(slices.Clip(weak), *u)
	}
	for i := range weak {
		switch uid := weak[i].UID; {
		case uid == trust.Anybody, owner != 0 && uid != owner:
			return 0, t.named(name, &weak[i])
		default:
			owner = uid
		}
	}
	return owner, nil
}

// sticky reports whether a file is a directory of root's in which others can make names, but not change those of
// root: /nix/store is one, for build users.
func sticky(f *trust.Found) bool {
	const bit = 0o1000
	return trust.Mode(&f.Stat)&bit != 0 && f.Stat.Uid == 0
}
