package installation

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"syscall"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
)

// state is what a look at a name came to.
type state int

const (
	absent state = iota
	there
	hidden // it could not be told
)

// host is the machine as the parts of a survey look at it.
type host struct{ v platform.View }

// at looks at a name itself.
func (h host) at(ctx context.Context, name string) (state, platform.FileInfo, error) {
	info, err := h.v.Stat(ctx, name)
	switch {
	case err == nil:
		return there, info, nil
	case gone(err):
		return absent, info, err
	}
	return hidden, info, err
}

// any returns the first of some names that is there.
func (h host) any(ctx context.Context, names ...string) string {
	for _, name := range names {
		if s, _, _ := h.at(ctx, name); s == there {
			return name
		}
	}
	return ""
}

// private reports whether root could tell what this error hides.
func (h host) private(err error) bool {
	return errors.Is(err, fs.ErrPermission) && !h.v.Facts().Root()
}

// gone reports whether an error proves that there is no such name.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

// users are those of /etc/passwd, which is read when one of them is first asked for. On macOS that file has those of the
// system alone.
type users struct {
	host
	read sync.Once
	list []accounts.User
}

func (u *users) all(ctx context.Context) []accounts.User {
	u.read.Do(func() {
		if data, err := u.v.ReadFile(context.WithoutCancel(ctx), accounts.PasswdFile); err == nil {
			u.list = accounts.Users(data)
		}
	})
	return u.list
}

// rootHome is the home of root.
func (u *users) rootHome(ctx context.Context) string {
	if u.v.Facts().OS == platform.Darwin {
		return "/var/root"
	}
	if root, ok := accounts.ByUID(u.all(ctx), 0); ok && strings.HasPrefix(root.Home, "/") {
		return root.Home
	}
	return "/root"
}
