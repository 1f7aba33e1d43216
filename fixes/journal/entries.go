package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform"
)

// ErrStrange is returned for an entry of the state directory that has the name of a journal, and is none or not to be
// believed.
var ErrStrange = errors.New("lixfix did not open it")

// IDs returns the IDs of all repairs, from the names of their journals. It needs no root. Strange are the entries that
// are no files; what else may be wrong with a journal shows when it is opened. A directory that does not exist has
// none.
func IDs(dir string) (ids []string, strange []error, err error) {
	names, strange, err := list(dir)
	ids = slices.DeleteFunc(idsOf(names), func(id string) bool { return strings.HasPrefix(id, ".") })
	return ids, strange, err
}

// list returns the names of the journals, and an error for each name that cannot be one's.
func list(dir string) (names []string, strange []error, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look for unfinished repairs: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), finishedSuffix) {
			continue
		}
		// A file keeps its place here even where it cannot be believed: it may be the only trace of a repair.
		if e.Type().IsRegular() {
			names = append(names, e.Name())
			continue
		}
		strange = append(strange, stranger(filepath.Join(dir, e.Name()), what(e.Type())))
	}
	return names, strange, nil
}

func stranger(name, what string) error {
	return fmt.Errorf("%s is %s, so it cannot be a journal: %w; remove it, or move it elsewhere", name, what, ErrStrange)
}

// what names a kind of file.
func what(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a regular file"
}

// open opens a journal: a regular file, of root or of the user who runs lixfix, which nobody else can write to and
// which is no larger than a journal can be. The error wraps ErrStrange, ErrForeign, or ErrFormat where it is too large.
func open(name string, flags int) (*os.File, error) {
	f, err := platform.OpenOwned(name, flags)
	switch {
	case errors.Is(err, platform.ErrNotRegular), errors.Is(err, unix.ELOOP):
		kind := "not a regular file"
		if info, err := os.Lstat(name); err == nil {
			kind = what(info.Mode())
		}
		return nil, stranger(name, kind)
	case errors.Is(err, platform.ErrUntrusted):
		var st unix.Stat_t
		if lstat := unix.Lstat(name, &st); lstat == nil {
			if foreign := ownedBy(&st); foreign != nil {
				err = foreign
			}
		}
		return nil, fmt.Errorf("journal %s: %w", idOf(filepath.Base(name)), err)
	case err != nil:
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > sizeLimit {
		err = fmt.Errorf("journal %s: %w: %w", name, ErrFormat, platform.ErrTooLarge)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
