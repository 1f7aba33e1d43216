//go:build linux

package linuxnet

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// entry is a file, a directory or a link of a new store.
type entry struct {
	name string
	mode fs.FileMode
	data string // of a file what is in it, of a link where it leads
	size int64
	uid  int
	gid  int // of the build users for the store itself
}

// stores are what "nix-store --init" leaves below /nix, by the root directories that hosts have.
var stores struct {
	sync.Mutex
	of map[string][]entry
}

// Store gives a host an empty store of root's, as "nix-store --init" does while nothing else has been changed. That runs on
// the first host that wants one; the others get a copy of what it has left, which takes a fiftieth of the time.
func (h *Host) Store(t testing.TB) {
	t.Helper()
	stores.Lock()
	defer stores.Unlock()
	entries, ok := stores.of[h.lower]
	if !ok {
		h.Run(t, "/usr/bin/nix-store", "--init")
		entries, err := listed(h.Path("/nix"))
		if err != nil {
			t.Fatal(err)
		}
		if stores.of == nil {
			stores.of = map[string][]entry{}
		}
		stores.of[h.lower] = entries
		return
	}
	for _, e := range entries {
		if err := e.make(h.Path("/nix")); err != nil {
			t.Fatalf("make a store: %v", err)
		}
	}
}

// listed are the entries below a directory, directories before what is in them.
func listed(top string) (all []entry, err error) {
	err = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == top {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{name: strings.TrimPrefix(name, top), mode: info.Mode(), size: info.Size()}
		if is, ok := info.Sys().(*syscall.Stat_t); ok {
			e.uid, e.gid = int(is.Uid), int(is.Gid)
		}
		switch {
		case e.mode.IsRegular() && !e.reserved():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			e.data = string(data)
		case e.mode&fs.ModeSymlink != 0:
			if e.data, err = os.Readlink(name); err != nil {
				return err
			}
		}
		all = append(all, e)
		return nil
	})
	return all, err
}

// reserved reports whether it is the file by whose removal Nix gets some space on a full disk, of which Nix looks at the size
// alone: 8 MiB, which are a hole in a copy.
func (e entry) reserved() bool { return filepath.Base(e.name) == "reserved" }

// make makes it below a directory.
func (e entry) make(top string) error {
	name := top + e.name
	switch {
	case e.mode.IsDir():
		if err := os.MkdirAll(name, 0o700); err != nil {
			return err
		}
	case e.mode&fs.ModeSymlink != 0:
		return os.Symlink(e.data, name)
	default:
		if err := os.WriteFile(name, []byte(e.data), 0o600); err != nil {
			return err
		}
		if err := os.Truncate(name, e.size); err != nil {
			return err
		}
	}
	if err := os.Chown(name, e.uid, e.gid); err != nil {
		return err
	}
	return os.Chmod(name, e.mode)
}
