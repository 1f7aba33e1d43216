package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// ErrForeign is returned for a journal that somebody else than lixfix can have written.
var ErrForeign = errors.New("not one of lixfix's own journals")

// undoingSuffix stands before unfinishedSuffix where steps are taken back, so that it shows without reading the file.
const undoingSuffix = ".undoing"

// setAsideSuffix is behind the name of a journal that was moved out of the way.
const setAsideSuffix = ".set-aside"

// fileOf names the file of an unfinished journal.
func fileOf(id string, undoing bool) string {
	if undoing {
		id += undoingSuffix
	}
	return id + unfinishedSuffix
}

// idOf is the ID that a file is named after.
func idOf(name string) string {
	if id, ok := strings.CutSuffix(name, unfinishedSuffix); ok {
		return strings.TrimSuffix(id, undoingSuffix)
	}
	return strings.TrimSuffix(name, finishedSuffix)
}

func idsOf(names []string) []string {
	var ids []string
	for _, n := range names {
		ids = append(ids, idOf(n))
	}
	return ids
}

// unfinished returns the names of the files of unfinished journals.
func unfinished(dir string) ([]string, error) {
	names, _, err := list(dir)
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, unfinishedSuffix) }), err
}

// Unfinished returns the IDs of unfinished repairs from the names of their journals. It needs no root. A directory
// that does not exist has none.
func Unfinished(dir string) ([]string, error) {
	names, err := unfinished(dir)
	return idsOf(names), err
}

// unusable is the error of one journal.
type unusable struct {
	id string
	error
}

func (u *unusable) Unwrap() error { return u.error }

// Unusable returns the IDs of the journals that SetAside may move away, from the errors of History.
func Unusable(errs []error) []string {
	var ids []string
	for _, err := range errs {
		u, ok := errors.AsType[*unusable](err)
		if ok && (errors.Is(err, ErrFormat) || errors.Is(err, ErrForeign)) {
			ids = append(ids, u.id)
		}
	}
	return ids
}

// Waiting is an unfinished repair.
type Waiting struct {
	ID string
	// Undo is set where it is being taken back, or is itself the undo of a finished one.
	Undo bool
	// Undoes is the ID of the finished repair that it takes back, where that can be told.
	Undoes string
	// Trouble is why it can be neither finished nor taken back; it wraps ErrFormat, plan.ErrSchema or ErrForeign. Nil also
	// where the caller may not read journals.
	Trouble error
}

// Waits returns the unfinished repairs, with what can be told of them: without root that is what their names say.
func Waits(dir string, kinds plan.Kinds) ([]Waiting, error) {
	names, err := unfinished(dir)
	if err != nil {
		return nil, err
	}
	var all []Waiting
	for _, n := range names {
		w := Waiting{ID: idOf(n), Undo: strings.HasSuffix(n, undoingSuffix+unfinishedSuffix)}
		switch r, err := load(dir, n, kinds); {
		case err == nil:
			w.Undo, w.Undoes = r.Back || r.Plan.Undoes != "", r.Plan.Undoes
		case errors.Is(err, fs.ErrNotExist):
			continue // it has just ended
		case !errors.Is(err, fs.ErrPermission):
			w.Trouble = err
		}
		all = append(all, w)
	}
	return all, nil
}

// Busy reports whether another lixfix is at work, as far as the caller may know that.
func Busy(dir string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// own refuses a journal that others than lixfix, as the user it runs as, can have written.
func own(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	return ownedBy(&st)
}

func ownedBy(st *unix.Stat_t) error {
	switch {
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%w: it belongs to user ID %d", ErrForeign, st.Uid)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("%w: others can write to it (mode %04o)", ErrForeign, st.Mode&0o7777)
	}
	return nil
}

// TurnBack writes down, durably, that the repair is taken back from here on.
func (j *Journal) TurnBack() error {
	if j.back {
		return nil
	}
	if err := j.append(line{Back: true}); err != nil {
		return fmt.Errorf("write the journal %s: %w", j.name, err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("write the journal %s: %w", j.name, err)
	}
	j.back = true
	name := filepath.Join(j.dir.path, fileOf(j.Plan.ID, true))
	if err := os.Rename(j.name, name); err != nil {
		return fmt.Errorf("name the journal %s: %w", j.name, err)
	}
	j.name = name
	return platform.SyncDir(j.dir.path)
}

// Back reports whether the repair is being taken back.
func (j *Journal) Back() bool { return j.back }

// ErrReadable is returned by SetAside for a journal that resume and undo can work with.
var ErrReadable = errors.New("this journal can be read")

// Aside is a journal that was moved out of the way.
type Aside struct {
	ID   string
	File string // where it is now
	Why  error  // it could not be used
	// Version is that of the lixfix which made it, as far as can be told; nothing else in it is believed.
	Version string
	Began   bool // it was of a repair that had not ended
}

// SetAside moves a journal that cannot be used out of the way. Its file is kept.
func (d *Dir) SetAside(id string) (Aside, error) {
	names, _, err := list(d.path)
	if err != nil {
		return Aside{}, err
	}
	i := slices.IndexFunc(names, func(n string) bool { return idOf(n) == id })
	if i < 0 {
		return Aside{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	name := names[i]
	_, why := load(d.path, name, d.kinds)
	if waits, err := unfinished(d.path); why == nil && err == nil && len(waits) > 1 && slices.Contains(waits, name) {
		why = fmt.Errorf("%w: several repairs are unfinished", ErrFormat)
	}
	if why == nil {
		return Aside{}, fmt.Errorf("%w: %s", ErrReadable, id)
	}
	aside := Aside{ID: id, Why: why, Version: madeBy(filepath.Join(d.path, name)), Began: strings.HasSuffix(name, unfinishedSuffix)}
	aside.File = filepath.Join(d.path, name+setAsideSuffix)
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside.File); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside.File = filepath.Join(d.path, fmt.Sprintf("%s%s-%d", name, setAsideSuffix, n))
	}
	if err := os.Rename(filepath.Join(d.path, name), aside.File); err != nil {
		return Aside{}, err
	}
	return aside, platform.SyncDir(d.path)
}

// madeBy reads which lixfix says it made a journal; "" where that cannot be told.
func madeBy(file string) string {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || own(f) != nil {
		return ""
	}
	first, err := bufio.NewReader(io.LimitReader(f, sizeLimit)).ReadBytes('\n')
	if err != nil {
		return ""
	}
	var head struct {
		Plan struct {
			Version string `json:"version"`
		} `json:"plan"`
	}
	if json.Unmarshal(first, &head) != nil {
		return ""
	}
	return head.Plan.Version
}
