package resolvconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

const maxHops = 40 // as the kernel

// node is a name on the way to a file.
type node struct {
	name string
	info platform.FileInfo
	acl  []entry // where the file has a list that could be read
}

// trace is the way from a name to the file that it leads to.
type trace struct {
	name  string
	links []node   // symbolic links in the place of the file, in order
	turns []string // all symbolic links on the way, those in the place of a directory as well
	dirs  []node   // directories that have to be passed
	end   string   // the last name, without links
	info  platform.FileInfo
	acl   []entry // of the file at the end
	shape Shape
	err   error // of Hidden
}

// follow walks from a name to its file, one component at a time, and never opens anything.
func follow(ctx context.Context, v platform.View, name string) trace {
	t := trace{name: name, shape: Regular}
	seen := map[string]bool{}
	rest, dir, hops := strings.Split(strings.Trim(path.Clean(name), "/"), "/"), "/", 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			dir = path.Dir(dir)
			continue
		}
		at := path.Join(dir, part)
		info, err := v.Stat(ctx, at)
		switch {
		case errors.Is(err, fs.ErrNotExist), err != nil && strings.Contains(err.Error(), "not a directory"):
			// The whole name, and not the part of it that is not there: a manager that is stopped has not made its
			// directory either.
			t.end, t.shape = path.Join(append([]string{at}, rest...)...), Missing
			if len(t.links) > 0 {
				t.shape = Dangling
			}
			return t
		case err != nil:
			t.end, t.shape, t.err = at, Hidden, err
			return t
		case info.Mode&fs.ModeSymlink != 0:
			if hops++; hops > maxHops {
				t.end, t.shape = at, Loop
				return t
			}
			t.turns = append(t.turns, at)
			if len(rest) == 0 { // and not a directory on the way, such as the /etc of a Mac
				t.links = append(t.links, node{name: at, info: info})
			}
			if path.IsAbs(info.Target) {
				dir = "/"
			}
			rest = append(strings.Split(strings.Trim(info.Target, "/"), "/"), rest...)
			continue
		}
		if len(rest) == 0 {
			t.end, t.info = at, info
			if info.ACL {
				t.acl = aclOf(ctx, v, at)
			}
			break
		}
		if !seen[at] {
			seen[at] = true
			n := node{name: at, info: info}
			if info.ACL {
				n.acl = aclOf(ctx, v, at)
			}
			t.dirs = append(t.dirs, n)
		}
		dir = at
	}
	if t.end == "" { // it ended in ".."
		t.end, t.shape = dir, Directory
		return t
	}
	switch {
	case t.info.Mode.IsDir():
		t.shape = Directory
	case !t.info.Mode.IsRegular():
		t.shape = Special
	}
	return t
}

// who is a user that reads files.
type who struct {
	UID, GID int
	Name     string // "nixbld1"; "" where it is only a number
	Known    bool
}

// may reports whether a user has some rights on a file, which are bits of the class of others: 4 to read, 2 to write, 1
// to pass. An access control list that could not be read is unclear for all whom it can be about.
func (u who) may(n node, right fs.FileMode) Truth {
	info := n.info
	mode := info.Mode.Perm()
	switch {
	case u.UID == 0:
		return Yes
	case u.UID == info.UID:
		mode >>= 6
	case len(n.acl) > 0:
		return u.mayBy(n.acl, info, right)
	case info.ACL:
		return Unclear
	case u.GID == info.GID:
		mode >>= 3
	}
	if mode&right == right {
		return Yes
	}
	return No
}

// both is whether two things hold.
func both(a, b Truth) Truth {
	switch {
	case a == No || b == No:
		return No
	case a == Unclear || b == Unclear:
		return Unclear
	}
	return Yes
}

// open reports whether a user may read the file at the end, and whether it may get there. closed is what is in the way.
func (t *trace) open(u who) (file, way Truth, closed []node) {
	if t.shape == Hidden {
		return Unclear, Unclear, nil
	}
	if !u.Known {
		// What is open for a user that nothing belongs to is open for all.
		file, way, _ = t.open(who{UID: -2, GID: -2, Known: true})
		if file == No {
			file = Unclear
		}
		if way == No {
			way = Unclear
		}
		return file, way, nil
	}
	file, way = Yes, Yes
	for _, d := range t.dirs {
		passes := u.may(d, 1)
		way = both(way, passes)
		if passes == No {
			closed = append(closed, d)
		}
	}
	if t.shape == Regular {
		file = u.may(t.last(), 4)
		way = both(way, file)
		if file == No {
			closed = append(closed, t.last())
		}
	}
	return file, way, closed
}

// last is the file at the end.
func (t *trace) last() node { return node{t.end, t.info, t.acl} }

// String draws the way: "/etc/resolv.conf -> ../run/x (0644 root:root)".
func (t *trace) String() string {
	var b strings.Builder
	b.WriteString(t.name)
	for _, l := range t.links {
		b.WriteString(" -> " + l.info.Target)
	}
	switch t.shape {
	case Regular:
		list := ""
		if t.info.ACL {
			list = withList
		}
		fmt.Fprintf(&b, fileAt, t.info.Mode.Perm(), list, t.info.UID, t.info.GID)
	case Missing, Dangling:
		b.WriteString(missingAt)
	case Directory:
		b.WriteString(directoryAt)
	case Special:
		b.WriteString(" (" + special(t.info.Mode) + ")")
	case Loop:
		b.WriteString(ringAt)
	case Hidden:
		b.WriteString(unseenAt)
	}
	return b.String()
}

// special names what is neither a file nor a directory.
func special(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return namedPipe
	case mode&fs.ModeSocket != 0:
		return aSocket
	}
	return aDevice
}

// mounts returns the mount points of this machine, in the order of mounting. (proc_pid_mountinfo(5)).
func mounts(ctx context.Context, v platform.View) ([]string, error) {
	data, err := v.ReadFile(ctx, "/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var list []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 {
			list = append(list, unescape.Replace(f[4]))
		}
	}
	return list, nil
}
