package mac

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Mac is a simulated Mac below a folder.
type Mac struct {
	Root string
}

// Options choose what [New] seeds.
type Options struct {
	// Version of macOS: 14.7 (the default), 15.1, 26.1, ...
	Version string
	// Few seeds only a handful of Apple's accounts: root, the ones of the
	// conflict, and one of each kind. Copying such a Mac is quicker.
	Few bool
	// Bare leaves out everything of Nix and the human user.
	Bare bool
}

// links are relative on macOS too; an absolute link would lead out of the root.
var links = map[string]string{"etc": "private/etc", "var": "private/var", "tmp": "private/tmp"}

// New makes a Mac below root: Apple's accounts, a person, and an installed Nix
// without build users, which [Mac.BuildUsers] adds.
func New(root string, o Options) (*Mac, error) {
	if o.Version == "" {
		o.Version = "14.7"
	}
	m := &Mac{Root: root}
	for _, d := range []string{
		bookkeeping + "/tmp", nodePath + "/users", nodePath + "/groups",
		"private/etc", "private/tmp", "Library/LaunchDaemons", "Library/LaunchAgents", "Users",
	} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return nil, err
		}
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	c := &Config{Product: "macOS", Root: true, Consent: true, Session: "Aqua"}
	c.setVersion(o.Version)
	if err := m.saveJSON(configuration, c); err != nil {
		return nil, err
	}
	if err := m.writeVersion(c); err != nil {
		return nil, err
	}
	if err := m.seedStock(o); err != nil {
		return nil, err
	}
	if o.Bare {
		return m, nil
	}
	return m, m.InstallNix(Nix{})
}

// Open is a Mac that exists already.
func Open(root string) *Mac { return &Mac{Root: root} }

// User gives an account's attributes by their standard names (UniqueID), or
// native ones without prefix (IsHidden).
func (m *Mac) User(name string) (map[string][]string, error) { return m.attributes(Users, name) }

// Group is [Mac.User] for groups.
func (m *Mac) Group(name string) (map[string][]string, error) { return m.attributes(Groups, name) }

func (m *Mac) attributes(k Kind, name string) (map[string][]string, error) {
	r, err := m.Find(k, name)
	if err != nil {
		return nil, err
	}
	a := make(map[string][]string, len(r))
	for disk, values := range r {
		a[shortName(disk)] = values
	}
	return a, nil
}

// SetUser replaces the values of an attribute below dscl, without any of its
// rules; no values remove it. The record must exist.
func (m *Mac) SetUser(name, key string, values ...string) error {
	return m.set(Users, name, key, values)
}

// SetGroup is [Mac.SetUser] for groups.
func (m *Mac) SetGroup(name, key string, values ...string) error {
	return m.set(Groups, name, key, values)
}

func (m *Mac) set(k Kind, name, key string, values []string) error {
	r, err := m.Find(k, name)
	if err != nil {
		return err
	}
	old := r.Name()
	r.Set(DiskName(key), values...)
	if err := m.Put(k, r); err != nil || r.Name() == old {
		return err
	}
	return os.Remove(m.file(k, old))
}

// AddUser stores a user with exactly the given attributes, below dscl. Keys may
// be standard, native or on-disk names.
func (m *Mac) AddUser(name string, attributes map[string][]string) error {
	return m.add(Users, name, attributes)
}

// AddGroup is [Mac.AddUser] for groups.
func (m *Mac) AddGroup(name string, attributes map[string][]string) error {
	return m.add(Groups, name, attributes)
}

func (m *Mac) add(k Kind, name string, attributes map[string][]string) error {
	r := Record{}
	for key, values := range attributes {
		r.Set(DiskName(key), values...)
	}
	if len(r["name"]) == 0 {
		r.Set("name", name)
	}
	return m.Put(k, r)
}

// RemoveUser deletes a user's record and leaves groups alone, as the upgrade of
// macOS does.
func (m *Mac) RemoveUser(name string) error { return m.Remove(Users, name) }

// RemoveGroup deletes a group's record.
func (m *Mac) RemoveGroup(name string) error { return m.Remove(Groups, name) }

// UserNames lists the users, sorted as dscl sorts.
func (m *Mac) UserNames() ([]string, error) { return m.recordNames(Users) }

// GroupNames lists the groups.
func (m *Mac) GroupNames() ([]string, error) { return m.recordNames(Groups) }

func (m *Mac) recordNames(k Kind) ([]string, error) {
	all, err := m.All(k)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.Name()
	}
	return names, nil
}

// Path is the place of a file of the Mac on this machine. The name is one
// without links inside the root, or with macOS's own /etc, /var and /tmp.
func (m *Mac) Path(name string) string { return filepath.Join(m.Root, name) }

// WriteFile puts a file on the Mac, with its folders.
func (m *Mac) WriteFile(name, content string) error {
	p := m.Path(name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	return os.WriteFile(p, []byte(content), 0o644)
}

// ReadFile is a file's content.
func (m *Mac) ReadFile(name string) (string, error) {
	data, err := os.ReadFile(m.Path(name))
	return string(data), err
}

// Tree is everything on the Mac by path: a folder's mode, a link's target, or a
// file's mode and content. The stand-in's bookkeeping, the tools, and paths at
// or below ignore are left out. Two Macs with equal trees are the same.
func (m *Mac) Tree(ignore ...string) (map[string]string, error) {
	skip := map[string]bool{bookkeeping: true}
	for _, p := range slices.Concat(slices.Collect(maps.Values(tools)), ignore) {
		skip[strings.Trim(p, "/")] = true
	}
	tree := map[string]string{}
	err := filepath.WalkDir(m.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(m.Root, path)
		if err != nil {
			return err
		}
		if skip[rel] {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			tree[rel] = "-> " + to
		case d.IsDir():
			tree[rel] = info.Mode().String()
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			tree[rel] = info.Mode().String() + "\n" + string(data)
		default:
			tree[rel] = info.Mode().String()
		}
		return nil
	})
	return tree, err
}

// Clone copies the Mac, its configuration and its counters to a new root. The
// tools become hard links, so root should be on the same file system.
func (m *Mac) Clone(root string) (*Mac, error) {
	tool := map[string]bool{strings.Trim(Program, "/"): true}
	for _, p := range tools {
		tool[strings.Trim(p, "/")] = true
	}
	err := filepath.WalkDir(m.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(m.Root, path)
		if err != nil {
			return err
		}
		to := filepath.Join(root, rel)
		switch {
		case d.IsDir():
			info, err := d.Info()
			if err != nil {
				return err
			}
			return os.MkdirAll(to, info.Mode().Perm())
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		case tool[rel], strings.HasPrefix(rel, nodePath+"/"):
			// Records are replaced by renaming, never written in place, so both Macs can share them.
			return linkOrCopy(path, to)
		case d.Type().IsRegular():
			return copyFile(path, to)
		}
		return fmt.Errorf("copy %s: not a file, folder or link", path)
	})
	return &Mac{Root: root}, err
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	// The umask must not make the copy differ.
	if err := dst.Chmod(info.Mode().Perm()); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}

// tools are the programs of macOS the stand-in takes the place of.
var tools = map[string]string{
	"dscl":         "/usr/bin/dscl",
	"dscacheutil":  "/usr/bin/dscacheutil",
	"dsmemberutil": "/usr/bin/dsmemberutil",
	"dseditgroup":  "/usr/sbin/dseditgroup",
	"launchctl":    "/bin/launchctl",
	"ps":           "/bin/ps",
	"sw_vers":      "/usr/bin/sw_vers",
	"id":           "/usr/bin/id",
	"tccutil":      "/usr/bin/tccutil",
	"lsof":         "/usr/sbin/lsof",
}

// Tools lists where the tools are, by name.
func Tools() map[string]string { return maps.Clone(tools) }

// Install puts the stand-in's program at the place of every tool.
func Install(root, binary string) error {
	for _, p := range append([]string{Program}, slices.Sorted(maps.Values(tools))...) {
		to := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := linkOrCopy(binary, to); err != nil {
			return err
		}
		binary = filepath.Join(root, Program) // where it is a copy, the tools are links to that
	}
	return nil
}

func sortCalls(calls []Call) {
	sort.SliceStable(calls, func(i, j int) bool { return calls[i].Seq < calls[j].Seq })
}
