package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"github.com/lixfix/lixfix/platform/accounts"
)

// Account is the user that a tool of Nix runs as. Root keeps everything; anybody else has their own groups, no
// capabilities, and no way to gain any.
type Account struct {
	Name     string // for people; may be empty
	UID, GID int
	Groups   []int // beside GID
	Home     string
}

// NixStore is the directory that Nix has for its store, its database and its profiles.
const NixStore = "/nix"

// people knows the users of a machine: who called lixfix, whom a store and a program belong to, and whose a file is to be
// that is kept for the one who called. It owns what the environment says of that one; the tree has the rest.
type people struct {
	tree   *tree
	getenv func(string) string
}

// SetEnvironment makes the machine ask f who called lixfix. It exists for tests: nobody has called a machine of At.
func (p *people) SetEnvironment(f func(string) string) { p.getenv = f }

// Invoker is the user who called lixfix: the one it runs as or, for root, the one who became root with sudo(8) or doas(1).
// If that cannot be told, or the environment lies, it is the user nobody. It is root only if there is no other user.
func (p *people) Invoker(ctx context.Context) Account {
	passwd, err := p.tree.ReadFile(ctx, accounts.PasswdFile)
	if err != nil {
		passwd = nil
	}
	users := accounts.Users(passwd)
	if uid := os.Geteuid(); uid != 0 {
		if u, ok := accounts.ByUID(users, uid); ok {
			return p.identity(ctx, u)
		}
		return Account{UID: uid, GID: uid}
	}
	if space().sole {
		return Account{Name: "root"}
	}
	// Builds run as build users, and could meddle with what runs as one of them.
	if u, ok := p.sudoer(users); ok && !p.builds(ctx, u) {
		return p.identity(ctx, u)
	}
	if u, ok := accounts.ByName(users, "nobody"); ok && u.UID != 0 {
		return Account{Name: u.Name, UID: u.UID, GID: u.GID}
	}
	return Account{Name: "nobody", UID: accounts.Overflow, GID: accounts.Overflow}
}

// sudoer is the user that the environment names, if /etc/passwd agrees with everything that it says.
func (p *people) sudoer(users []accounts.User) (accounts.User, bool) {
	if v := p.getenv("SUDO_UID"); v != "" {
		uid, err := strconv.ParseUint(v, 10, 31)
		if err != nil || uid == 0 {
			return accounts.User{}, false
		}
		u, ok := accounts.ByUID(users, int(uid))
		name := p.getenv("SUDO_USER")
		return u, ok && (name == "" || name == u.Name)
	}
	u, ok := accounts.ByName(users, p.getenv("DOAS_USER"))
	return u, ok && u.UID != 0
}

// builds reports whether a user is one that builds run as, or may be one because the groups cannot be read.
func (p *people) builds(ctx context.Context, u accounts.User) bool {
	data, err := p.tree.ReadFile(ctx, accounts.GroupFile)
	if err != nil {
		return true
	}
	group, ok := accounts.GroupByName(accounts.Groups(data), "nixbld")
	return ok && (u.GID == group.GID || slices.Contains(group.Members, u.Name))
}

// identity is a user with their groups, without root's: a tool of Nix needs nothing that its members may do.
func (p *people) identity(ctx context.Context, u accounts.User) Account {
	id := Account{Name: u.Name, UID: u.UID, GID: u.GID}
	if path.IsAbs(u.Home) {
		id.Home = path.Clean(u.Home)
	}
	if data, err := p.tree.ReadFile(ctx, accounts.GroupFile); err == nil {
		id.Groups = slices.DeleteFunc(accounts.Of(accounts.Groups(data), u), func(gid int) bool { return gid == 0 })
	}
	if id.GID == 0 && id.UID != 0 {
		id.GID = accounts.Overflow
	}
	return id
}

// Owner is the user that Nix runs as if it writes to a store without a daemon: whoever can change root, the directory that
// holds nix/store, and the names on the way to it. If that is more than one user beside root, the error is an *Untrusted.
// A store that does not exist belongs to whoever owns its parent.
func (p *people) Owner(ctx context.Context, root string) (Account, error) {
	if believed() == nil {
		return p.Invoker(ctx), nil
	}
	return bound(ctx, "look whose store is in", root, func() (Account, error) {
		owner := 0
		for _, name := range []string{"nix/var/nix/db", "nix/var/nix", "nix/store", "nix"} {
			uid, err := p.tree.ownerOf(path.Join(root, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return Account{}, err
			}
			if uid != 0 && owner != 0 && uid != owner {
				return Account{}, &Untrusted{Name: path.Join(root, name), Dir: path.Join(root, name), UID: uid}
			}
			owner = max(owner, uid)
		}
		if uid, err := p.tree.ownerOf(nearest(ctx, p.tree, root)); err != nil || owner == 0 {
			if err != nil {
				return Account{}, err
			}
			owner = uid
		}
		return p.byUID(ctx, owner), nil
	})
}

// nearest is name, or the nearest directory above it that exists.
func nearest(ctx context.Context, t *tree, name string) string {
	for name != "/" {
		if _, err := t.Stat(ctx, name); !errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = path.Dir(name)
	}
	return name
}

// Installer is the user that root runs a program of Nix as: the one user beside root who could have put it there, or else
// the one who called lixfix; never root. The error is an *Untrusted if anybody could have put it there.
func (p *people) Installer(ctx context.Context, program string) (Account, error) {
	if believed() == nil {
		return p.Invoker(ctx), nil
	}
	uid, err := p.tree.ownerOf(program)
	if err != nil {
		return Account{}, fmt.Errorf("root does not run it: %w", err)
	}
	if uid == 0 {
		return p.Invoker(ctx), nil
	}
	return p.byUID(ctx, uid), nil
}

func (p *people) byUID(ctx context.Context, uid int) Account {
	if uid == 0 {
		return Account{Name: "root"}
	}
	if u, ok := accounts.ByUID(p.tree.users(), uid); ok {
		return p.identity(ctx, u)
	}
	return Account{UID: uid, GID: accounts.Overflow}
}
