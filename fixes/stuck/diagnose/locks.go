package diagnose

import (
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform/proclocks"
)

// lockKind says what a lock protects.
type lockKind int

const (
	lockOther lockKind = iota
	lockOutput
	lockGC
	lockBig
	lockDB      // db.sqlite
	lockShm     // db.sqlite-shm
	lockCache   // another SQLite database
	lockUser    // a build user
	lockProfile // a profile
	lockFetch
	lockMain   // build hooks choosing a machine
	lockUpload // build hooks copying to one
	lockSlot   // of a machine
	lockRoots  // a file of temporary roots
)

// kindOf tells by the path of a lock what it protects.
func kindOf(lf *observe.LockFile) lockKind {
	dir, base := path.Split(lf.Path)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case lf.Path == "":
		return lockOther
	case say.IsStoreLock(lf.Path) && !strings.Contains(lf.Path, "/temproots/"):
		return lockOutput
	case base == "gc.lock":
		return lockGC
	case base == "big-lock":
		return lockBig
	case base == "db.sqlite" && strings.HasSuffix(dir, "/db"):
		return lockDB
	case base == "db.sqlite-shm" && strings.HasSuffix(dir, "/db"):
		return lockShm
	case strings.HasSuffix(dir, "/userpool"), strings.HasSuffix(dir, "/userpool2"):
		return lockUser
	case strings.HasSuffix(dir, "/temproots"):
		return lockRoots
	case strings.HasSuffix(dir, "/current-load"):
		switch {
		case base == "main-lock":
			return lockMain
		case strings.HasSuffix(base, ".upload-lock"):
			return lockUpload
		}
		return lockSlot
	case strings.HasPrefix(base, "fetcher-lock"), strings.HasSuffix(dir, "/fetcher-locks"), strings.Contains(dir, "/gitv3") && strings.HasSuffix(base, ".lock"):
		return lockFetch
	case strings.Contains(base, ".sqlite"):
		return lockCache
	case strings.HasSuffix(base, ".lock"):
		// "X.lock" beside a profile X, wherever that is.
		return lockProfile
	}
	return lockOther
}

// Bytes that SQLite locks: https://www.sqlite.org/src/doc/trunk/src/os.h and .../doc/walformat.html.
const (
	sqlitePending  = 1073741824
	sqliteReserved = 1073741825
	sqliteShared   = 1073741826
	walWriter      = 120
)

// writerOf returns who keeps others from writing to a database, and whether nobody can even read it.
func writerOf(s *scene, kind lockKind, except int) (lf *observe.LockFile, pid int, exclusive bool) {
	for _, f := range s.Locks {
		k := kindOf(f)
		if k != kind {
			continue
		}
		for _, l := range f.Locks {
			if !l.Write || l.PID == except || l.Kind != proclocks.Posix {
				continue
			}
			within := func(b int64) bool { return l.Start <= b && (l.End == -1 || b <= l.End) }
			switch {
			case kind == lockShm && within(walWriter):
				return f, l.PID, false
			case kind != lockShm && (within(sqliteShared) || within(sqlitePending)):
				return f, l.PID, true
			case kind == lockCache && within(sqliteReserved):
				return f, l.PID, false
			}
		}
	}
	return nil, 0, false
}

// holdersOf returns who holds an exclusive lock on a file, or any lock where nobody holds one.
func holdersOf(lf *observe.LockFile) []int {
	var pids, shared []int
	for _, l := range lf.Locks {
		switch {
		case l.Write && !slices.Contains(pids, l.PID):
			pids = append(pids, l.PID)
		case !l.Write && !slices.Contains(shared, l.PID):
			shared = append(shared, l.PID)
		}
	}
	if len(pids) > 0 {
		return pids
	}
	return shared
}

// heldBy returns the locks of a kind that a process holds exclusively.
func heldBy(s *scene, pid int, kind lockKind) []*observe.LockFile {
	var list []*observe.LockFile
	for _, lf := range s.Locks {
		if kindOf(lf) == kind && slices.ContainsFunc(lf.Locks, func(l proclocks.Lock) bool { return l.Write && l.PID == pid }) {
			list = append(list, lf)
		}
	}
	return list
}

// allHeld reports whether every one of some lock files is held, and how many there are.
func allHeld(s *scene, files []string) (n int, all bool) {
	for _, name := range files {
		if !slices.ContainsFunc(s.Locks, func(lf *observe.LockFile) bool { return lf.Path == name && len(lf.Locks) > 0 }) {
			return len(files), false
		}
	}
	return len(files), len(files) > 0
}

type lockLine = proclocks.Lock
