// Package trust walks to a file the way root has to: one component after another, by descriptor, following no link that
// it has not looked at, and noting on the way every directory in which somebody else could have put another name.
package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrUntrusted is what every *Untrusted wraps.
var ErrUntrusted = errors.New("somebody else can change what the name leads to")

// ErrProcess is returned for a name that leads through a link below /proc that is a process's: such a link opens what the
// process has, whatever its text says.
var ErrProcess = errors.New("the name leads through a link of a process, and lixfix follows none")

// Anybody stands for a user ID where the mode lets everybody, or a group, change a directory.
const Anybody = -1

const (
	mostLinks = 40      // as many as the kernel follows
	mostSteps = 1 << 10 // components, those of links included
)

// Untrusted says who else could put something of theirs where a name leads.
type Untrusted struct {
	Name string // what was to be opened
	Dir  string // the directory that they can change, or the file itself
	UID  int    // its owner; Anybody where its mode lets others in
	GID  int    // its group
	Mode fs.FileMode
	User string // the owner's name, where the caller knows it
	// Mounted: the user has mounted a file system of their own there, which says of its files whatever they like.
	Mounted bool
}

// Whose says who it is, to follow "can be changed by": "user alice", "user 1000", "members of group 50", "everybody".
func (e *Untrusted) Whose() string {
	switch {
	case e.Mounted && e.UID == Anybody:
		return "whoever mounted it (not known)"
	case e.UID != Anybody && e.User != "":
		return fmt.Sprintf("user %s (%d)", e.User, e.UID)
	case e.UID != Anybody:
		return fmt.Sprintf("user %d", e.UID)
	case e.Mode&0o002 != 0:
		return "everybody"
	}
	return fmt.Sprintf("members of group %d", e.GID)
}

func (e *Untrusted) Error() string {
	if e.Dir == e.Name {
		return fmt.Sprintf("%s can be changed by %s", e.Name, e.Whose())
	}
	return fmt.Sprintf("%s leads through %s, which can be changed by %s", e.Name, e.Dir, e.Whose())
}

// Unwrap lets errors.Is find ErrUntrusted.
func (e *Untrusted) Unwrap() error { return ErrUntrusted }

// Found is where a name leads. It holds descriptors until Close.
type Found struct {
	// Path leads to the same file without a link on the way.
	Path string
	// Dir is a descriptor of the directory in which the file stands, and Base its name there. They are for openat(2) and
	// its like; of the root directory, Base is ".".
	Dir  int
	Base string
	// FD is the file itself: on Linux opened with O_PATH, which neither reads it nor wakes a device; elsewhere -1
	// unless it is a directory.
	FD   int
	Stat unix.Stat_t
	// Weak are those who could have made this name lead elsewhere, in the order of the way; none, and only the owners
	// that the walk was given could.
	Weak []Untrusted
	// Shared is the sticky directory in which the file stands, where others can make names: they can have moved a file of
	// root's there, though not exchanged it since. nil where only the owners make names.
	Shared *Untrusted
	// hidden: behind the first of them lies a directory that they may not pass.
	hidden bool
}

// Close closes the descriptors.
func (f *Found) Close() {
	for _, fd := range []int{f.Dir, f.FD} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	f.Dir, f.FD = -1, -1
}

// Type is the format bits of the file's mode, S_IFREG and the like.
func (f *Found) Type() uint32 { return Mode(&f.Stat) & unix.S_IFMT }

// Trusted returns an *Untrusted for the first of the weak places, nil where there are none.
func (f *Found) Trusted() error {
	if len(f.Weak) == 0 {
		return nil
	}
	return &f.Weak[0]
}

// Own returns an *Untrusted where the file itself is not one of the owners', or others may write to it.
func (f *Found) Own(owners []int) error {
	uid := int(f.Stat.Uid)
	if slices.Contains(owners, uid) {
		if Mode(&f.Stat)&0o022 == 0 {
			return nil
		}
		uid = Anybody
	}
	return &Untrusted{Name: f.Path, Dir: f.Path, UID: uid, GID: int(f.Stat.Gid), Mode: fs.FileMode(Mode(&f.Stat) & 0o7777)}
}

// Follow says whether Walk follows a link in the place of the last component.
type Follow bool

// What Walk does with a link at the end.
const (
	Link Follow = false // describes the link itself
	End  Follow = true  // goes on to where it leads
)

// Walk goes to name, an absolute path. owners are the user IDs that are believed, in general 0. The error wraps that
// of the system call: fs.ErrNotExist is proven by the directory in which the name is missing.
func Walk(name string, owners []int, follow Follow) (*Found, error) {
	w := &walker{name: name, owners: owners, dir: -1}
	f, err := w.walk(name, follow)
	if err != nil {
		w.close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

type walker struct {
	name   string
	owners []int
	dir    int // descriptor of the directory that the walk has come to
	at     string
	stat   unix.Stat_t // of it
	weak   []Untrusted
	hidden bool
	links  int
}

func (w *walker) close() {
	if w.dir >= 0 {
		unix.Close(w.dir)
		w.dir = -1
	}
}

// enter makes a directory the one that the walk has come to.
func (w *walker) enter(fd int, stat unix.Stat_t, at string) {
	w.close()
	w.dir, w.stat, w.at = fd, stat, at
	if len(w.weak) > 0 && Mode(&stat)&0o001 == 0 && int(stat.Uid) != w.weak[0].UID {
		w.hidden = true
	}
}

func (w *walker) root() error {
	fd, err := openDir(unix.AT_FDCWD, "/")
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		unix.Close(fd)
		return err
	}
	w.enter(fd, stat, "/")
	return nil
}

func (w *walker) walk(name string, follow Follow) (*Found, error) {
	if !path.IsAbs(name) {
		return nil, unix.EINVAL
	}
	if err := w.root(); err != nil {
		return nil, err
	}
	rest := components(name)
	for n := 0; ; n++ {
		if n > mostSteps {
			return nil, unix.ENAMETOOLONG
		}
		if len(rest) == 0 {
			return w.here()
		}
		base := rest[0]
		rest = rest[1:]
		fd, stat, err := openEntry(w.dir, base)
		if err != nil {
			return nil, err
		}
		w.judge(stat, base)
		w.mounted(fd, stat, base)
		switch kind := Mode(&stat) & unix.S_IFMT; {
		case kind == unix.S_IFDIR && (len(rest) > 0 || base == ".."):
			at := path.Join(w.at, base)
			w.enter(fd, stat, at)
		case kind == unix.S_IFLNK && (len(rest) > 0 || follow == End):
			target, err := readLink(w.dir, base, fd)
			if fd >= 0 {
				unix.Close(fd)
			}
			if err != nil {
				return nil, err
			}
			if w.links++; w.links > mostLinks {
				return nil, unix.ELOOP
			}
			if path.IsAbs(target) {
				if err := w.root(); err != nil {
					return nil, err
				}
			}
			rest = append(components(target), rest...)
		case len(rest) > 0:
			if fd >= 0 {
				unix.Close(fd)
			}
			return nil, unix.ENOTDIR
		default:
			f := &Found{Path: path.Join(w.at, base), Dir: w.dir, Base: base, FD: fd, Stat: stat, Weak: w.weak, hidden: w.hidden}
			if mode := Mode(&w.stat); mode&0o022 != 0 {
				f.Shared = &Untrusted{
					Name: w.name, Dir: w.at, UID: Anybody, GID: int(w.stat.Gid), Mode: fs.FileMode(mode & 0o7777),
				}
			}
			w.dir = -1
			return f, nil
		}
	}
}

// here is the directory itself that the walk has come to, where the name ends in "..", or is "/".
func (w *walker) here() (*Found, error) {
	fd, err := openDir(w.dir, ".")
	if err != nil {
		return nil, err
	}
	f := &Found{Path: w.at, Dir: w.dir, Base: ".", FD: fd, Stat: w.stat, Weak: w.weak, hidden: w.hidden}
	w.dir = -1
	return f, nil
}

// judge notes who could have made the entry base, which is entry, in the directory that the walk has come to. With the
// sticky bit, only who owns an entry, or the directory, can put another one in its place; but who may write there can
// have given the name to a file of root's in the first place, with a hard link, or by moving a link of root's there
// that stood in a directory of theirs, such as the result of a build that root made for them.
func (w *walker) judge(entry unix.Stat_t, base string) {
	if base == ".." {
		return
	}
	mode := Mode(&w.stat)
	owner := int(w.stat.Uid)
	others := mode&0o022 != 0
	sticky := mode&unix.S_ISVTX != 0
	own := slices.Contains(w.owners, int(entry.Uid))
	switch Mode(&entry) & unix.S_IFMT {
	case unix.S_IFDIR: // who moves a directory has to be able to write to it
	case unix.S_IFLNK:
		own = false
	default:
		own = own && entry.Nlink == 1
	}
	switch trusted := slices.Contains(w.owners, owner); {
	case trusted && (!others || sticky && own):
		return
	case trusted && sticky && !slices.Contains(w.owners, int(entry.Uid)):
		owner = int(entry.Uid)
	case trusted:
		owner = Anybody
	}
	w.weak = append(w.weak, Untrusted{
		Name: w.name, Dir: w.at, UID: owner, GID: int(w.stat.Gid), Mode: fs.FileMode(mode & 0o7777),
	})
}

// mounted notes who has mounted the entry base, which is entry and open as fd, where that was not one of the owners.
// Users may mount file systems of theirs on their directories (fusermount(1)), and such a file system says that its
// files are root's, if it likes.
func (w *walker) mounted(fd int, entry unix.Stat_t, base string) {
	if base == ".." || fd < 0 || entry.Dev == w.stat.Dev {
		return
	}
	uid, is := mounter(fd)
	if !is || slices.Contains(w.owners, uid) {
		return
	}
	w.weak = append(w.weak, Untrusted{
		Name: w.name, Dir: path.Join(w.at, base), UID: uid, GID: int(entry.Gid),
		Mode: fs.FileMode(Mode(&entry) & 0o7777), Mounted: true,
	})
}

func components(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(c string) bool { return c == "" || c == "." })
}

// readLink reads the link base in dir, or the one that fd is, where there is such a descriptor.
func readLink(dir int, base string, fd int) (string, error) {
	if fd >= 0 {
		dir, base = fd, ""
	}
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(dir, base, buf)
	if err != nil {
		return "", err
	}
	if ofProcess(fd, string(buf[:n])) {
		return "", ErrProcess
	}
	if n == len(buf) {
		return "", unix.ENAMETOOLONG
	}
	if n == 0 {
		return "", unix.ENOENT
	}
	return string(buf[:n]), nil
}

// Place is a directory that only the owners can change, opened to write in it.
type Place struct {
	Dir  string // its path, without links
	FD   int    // opened for reading, so that it can be synced
	Base string // the last component of the name
}

// Close closes the directory.
func (p *Place) Close() { unix.Close(p.FD) }

// Parent walks to the directory of name and opens it. The error is an *Untrusted where anybody but the owners can
// change that directory or one on the way to it; sticky directories are no place for what root writes.
func Parent(name string, owners []int) (*Place, error) {
	base := path.Base(name)
	if !path.IsAbs(name) || base == "/" || base == "." || base == ".." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: unix.EINVAL}
	}
	f, err := Walk(path.Dir(name), owners, End)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Type() != unix.S_IFDIR {
		return nil, &fs.PathError{Op: "open", Path: path.Dir(name), Err: unix.ENOTDIR}
	}
	for _, err := range []error{f.Trusted(), f.Own(owners)} {
		if u, ok := errors.AsType[*Untrusted](err); ok {
			e := *u
			e.Name = name
			return nil, &e
		}
	}
	fd, err := reopenDir(f)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path.Dir(name), Err: err}
	}
	return &Place{Dir: f.Path, FD: fd, Base: base}, nil
}

// reopenDir opens a directory that a walk has found, for listing and syncing it.
func reopenDir(f *Found) (int, error) {
	return openat(f.FD, ".", unix.O_RDONLY|unix.O_DIRECTORY)
}

// openat is openat(2), with close-on-exec, and again where a signal interrupted it.
func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// again opens the file by its name in its directory, and makes sure that it is still the same.
func (f *Found) again(flags int) (int, error) {
	fd, err := openat(f.Dir, f.Base, flags|unix.O_NOFOLLOW)
	if err != nil {
		return -1, err
	}
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if now.Dev != f.Stat.Dev || now.Ino != f.Stat.Ino {
		unix.Close(fd)
		return -1, ErrUntrusted
	}
	return fd, nil
}

// Readable returns an *Untrusted where the name leads to what those who could have made it may not read themselves:
// root is not to read for them. A file of theirs, and one that all may read, is as good as if they had written it.
func (f *Found) Readable() error {
	if len(f.Weak) == 0 {
		return nil
	}
	if special, err := f.Special(); err != nil || special {
		if err != nil {
			return err
		}
		return &f.Weak[0]
	}
	if f.hidden {
		return &f.Weak[0]
	}
	need := uint32(0o004)
	if f.Type() == unix.S_IFDIR {
		need = 0o005
	}
	if Mode(&f.Stat)&need == need {
		return nil
	}
	for i := range f.Weak {
		if f.Weak[i].UID != int(f.Stat.Uid) {
			return &f.Weak[i]
		}
	}
	return nil
}
