// Package journal keeps repairs durably: the plan before the first write, a mark before and after each step, and how
// it ended. An unfinished journal is what resume and undo work from; finished ones are the history.
//
// A journal is a file of JSON lines. The first holds the plan and the file contents it refers to; then one mark a
// line; then the end. Space for all marks is written in advance, as empty lines, so that a full disk is noticed
// before the host is touched. A last line that was cut off by a crash is not valid JSON and is passed over.
package journal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// Format is the version of the file format. A reader refuses any other.
const Format = 1

const (
	unfinishedSuffix = ".unfinished.jsonl" // part of the name, so that it shows without reading the file
	finishedSuffix   = ".jsonl"
	lockName         = "lock"

	markSpace = 64       // bytes reserved for a mark without a reason
	marksEach = 6        // marks that an entry can get: begin, done, and both again for undo, and for resume after that
	endSpace  = 4 << 10  // bytes reserved for reasons and the end
	sizeLimit = 64 << 20 // bytes of a journal; the contents of files are the most of it
)

var (
	// ErrBusy is returned while another lixfix is at work.
	ErrBusy = errors.New("another lixfix is at work")
	// ErrUnfinished is returned by Create while an unfinished repair waits.
	ErrUnfinished = errors.New("an unfinished repair waits")
	// ErrUnsafe is returned for a state directory that others than root can write to, or that is a link.
	ErrUnsafe = errors.New("the state directory is not safe")
	// ErrFormat is returned for a journal that this version does not read, or that is damaged.
	ErrFormat = errors.New("not a journal that this version of lixfix can read")
	// ErrNotFound is returned for an ID that no journal has.
	ErrNotFound = errors.New("no such repair")
)

// Outcome says how a repair ended.
type Outcome string

const (
	Finished  Outcome = "finished"  // every step was done
	Undone    Outcome = "undone"    // everything was taken back
	Partly    Outcome = "partly"    // taken back, but for steps that were refused
	Abandoned Outcome = "abandoned" // nothing was written
)

type header struct {
	Format int               `json:"journal"`
	Began  time.Time         `json:"began"`
	Plan   json.RawMessage   `json:"plan"`
	Blobs  map[string][]byte `json:"blobs,omitempty"`
	// Turns is set where a line says that the repair is taken back from there on. Without it the marks tell.
	Turns bool `json:"turns,omitempty"`
}

type line struct {
	Mark string    `json:"mark,omitempty"`
	Step int       `json:"step"`
	Why  string    `json:"why,omitempty"`
	End  Outcome   `json:"end,omitempty"`
	Time time.Time `json:"time,omitzero"`
	Back bool      `json:"back,omitempty"` // from here on the repair is taken back
}

// markNames are the marks as a journal spells them.
var markNames = map[plan.Mark]string{
	plan.Untouched: "undone", plan.Begun: "begin", plan.Done: "done", plan.Already: "already",
	plan.Skipped: "skip", plan.Undoing: "undo",
}

var idForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[a-z0-9-]{1,64}$`) })

// NewID returns an ID for a plan: the time in UTC, the fix and four letters against a clash within one second.
func NewID(now time.Time, fix string, random [2]byte) string {
	return fmt.Sprintf("%s-%s-%x", now.UTC().Format("20060102-150405"), fix, random)
}

// Dir is a state directory that this process has locked.
type Dir struct {
	path  string
	kinds plan.Kinds
	lock  *os.File
}

// Lock creates the state directory if there is none, makes sure that nobody else can write to it, and takes its
// lock. The lock ends with the process. Journals that are read through it may hold steps of these kinds. The error wraps
// ErrBusy or ErrUnsafe.
func Lock(path string, kinds plan.Kinds) (*Dir, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, 0o755); err == nil {
		// The umask may have taken more than wanted.
		if err := os.Chmod(path, 0o755); err != nil {
			return nil, err
		}
		if err := platform.SyncDir(filepath.Dir(path)); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := safe(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrBusy
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	d := &Dir{path: path, kinds: kinds, lock: f}
	if err := d.settle(); err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

// settle gives journals that have ended their final name, where a kill came between the two. A journal that cannot be
// read is left for the others to report.
func (d *Dir) settle() error {
	names, err := unfinished(d.path)
	if err != nil {
		return err
	}
	for _, n := range names {
		if r, err := load(d.path, n, d.kinds); err != nil || r.Outcome == "" {
			continue
		}
		if err := os.Rename(filepath.Join(d.path, n), filepath.Join(d.path, idOf(n)+finishedSuffix)); err != nil {
			return err
		}
		if err := platform.SyncDir(d.path); err != nil {
			return err
		}
	}
	return nil
}

// safe refuses a state directory through which somebody else could make root write, or undo, what they like.
func safe(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a symbolic link", ErrUnsafe, path)
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a directory", ErrUnsafe, path)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%w: %s belongs to user ID %d", ErrUnsafe, path, st.Uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%w: others can write to %s (mode %04o)", ErrUnsafe, path, info.Mode().Perm())
	}
	return nil
}

// Close gives the lock back.
func (d *Dir) Close() error {
	// Closing the file is not enough: a process that is being started has a copy of it until it runs its program.
	return errors.Join(unix.Flock(int(d.lock.Fd()), unix.LOCK_UN), d.lock.Close())
}

// Journal is one repair, open for marks.
type Journal struct {
	Plan  plan.Plan
	Began time.Time

	dir    *Dir
	file   *os.File
	name   string
	offset int64
	marks  []plan.Mark
	whys   []string
	back   bool // it is being taken back
}

var _ plan.Log = (*Journal)(nil)

// Create writes p down before its first step: when it returns, plan, contents and the space for the marks are on
// disk. The error wraps ErrUnfinished while another repair waits. After an error no journal is left.
func (d *Dir) Create(p plan.Plan, now time.Time) (_ *Journal, err error) {
	if !idForm().MatchString(p.ID) {
		return nil, fmt.Errorf("%q is not the ID of a plan", p.ID)
	}
	if ids, err := Unfinished(d.path); err != nil {
		return nil, err
	} else if len(ids) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrUnfinished, strings.Join(ids, ", "))
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	size := len(raw) + room(p)
	for _, data := range p.Blobs() {
		size += base64.StdEncoding.EncodedLen(len(data)) + 128
	}
	if size > sizeLimit {
		return nil, fmt.Errorf("the journal of this plan would have %d bytes: %w", size, platform.ErrTooLarge)
	}
	head, err := json.Marshal(header{Format: Format, Began: now.UTC(), Plan: raw, Blobs: p.Blobs(), Turns: true})
	if err != nil {
		return nil, err
	}
	head = append(head, '\n')
	name := filepath.Join(d.path, fileOf(p.ID, p.Undoes != ""))
	// It gets its name only when it is whole, so that no reader ever sees half a plan.
	draft := filepath.Join(d.path, ".draft")
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(draft)
		}
	}()
	for _, part := range [][]byte{head, bytes.Repeat([]byte{'\n'}, room(p))} {
		if _, err := f.Write(part); err != nil {
			return nil, err
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := os.Rename(draft, name); err != nil {
		return nil, err
	}
	if err := platform.SyncDir(d.path); err != nil {
		os.Remove(name)
		return nil, err
	}
	return &Journal{
		Plan: p, Began: now, dir: d, file: f, name: name, offset: int64(len(head)),
		marks: make([]plan.Mark, len(p.Entries)), whys: make([]string, len(p.Entries)),
	}, nil
}

// Open opens the unfinished journal, nil if there is none. The error wraps ErrFormat where it cannot be read.
func (d *Dir) Open() (*Journal, error) {
	names, err := unfinished(d.path)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	if len(names) > 1 {
		return nil, fmt.Errorf("%w: several repairs are unfinished: %s", ErrFormat, strings.Join(idsOf(names), ", "))
	}
	name := filepath.Join(d.path, names[0])
	f, err := open(name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	var r Repair
	if err = own(f); err == nil {
		r, err = read(f, idOf(names[0]), d.kinds)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if r.torn > 0 {
		// The next mark may be shorter than what the crash left, and would be followed by its end.
		if _, err := f.WriteAt(bytes.Repeat([]byte{'\n'}, r.torn), r.offset); err != nil {
			f.Close()
			return nil, err
		}
	}
	return &Journal{
		Plan: r.Plan, Began: r.Began, dir: d, file: f, name: name, offset: r.offset, marks: r.Marks, whys: r.whys,
		back: r.Back,
	}, nil
}

// Marks implements plan.Log.
func (j *Journal) Marks() []plan.Mark { return slices.Clone(j.marks) }

// Set implements plan.Log. Marks that announce a write are durable when it returns. The others need not be: after a
// crash the machine itself tells whether the step in flight took.
func (j *Journal) Set(i int, m plan.Mark, why string) error {
	if err := j.append(line{Mark: markNames[m], Step: i, Why: clip(why)}); err != nil {
		return fmt.Errorf("write the journal %s: %w", j.name, err)
	}
	j.marks[i], j.whys[i] = m, why
	if m == plan.Begun || m == plan.Undoing {
		if err := j.file.Sync(); err != nil {
			return fmt.Errorf("write the journal %s: %w", j.name, err)
		}
	}
	return nil
}

// clip bounds a reason, for which only so much space was reserved.
func clip(why string) string {
	const most = 400
	if len(why) > most {
		return strings.ToValidUTF8(why[:most], "") + "…"
	}
	return why
}

func (j *Journal) append(l line) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if _, err := j.file.WriteAt(data, j.offset); err != nil {
		return err
	}
	j.offset += int64(len(data))
	return nil
}

// Touched reports whether a write was begun and not taken back.
func (j *Journal) Touched() bool {
	for i, m := range j.marks {
		if _, ok := j.Plan.Entries[i].Step.(plan.Write); ok && (m == plan.Begun || m == plan.Done || m == plan.Undoing) {
			return true
		}
	}
	return false
}

// End marks the repair as ended and makes its journal part of the history.
func (j *Journal) End(o Outcome, now time.Time) error {
	err := j.append(line{End: o, Time: now.UTC()})
	if err == nil {
		err = j.file.Truncate(j.offset)
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err == nil {
		err = os.Rename(j.name, filepath.Join(j.dir.path, idOf(filepath.Base(j.name))+finishedSuffix))
	}
	if err == nil {
		err = platform.SyncDir(j.dir.path)
	}
	if err != nil {
		return fmt.Errorf("end the journal %s: %w", j.name, err)
	}
	return j.file.Close()
}

// Close closes the file of an unfinished journal.
func (j *Journal) Close() error { return j.file.Close() }

// Repair is a journal as it was read.
type Repair struct {
	Plan    plan.Plan
	Began   time.Time
	Ended   time.Time // zero while it is unfinished
	Outcome Outcome   // "" while it is unfinished
	Marks   []plan.Mark
	Back    bool // unfinished, and it is being taken back

	whys   []string
	offset int64 // behind the last whole line
	torn   int   // bytes of a line that was cut off there
	turns  bool  // a line of its own says that it is taken back
}

// Left returns what was skipped, with the reason, by the index of the entry.
func (r Repair) Left() map[int]string {
	left := map[int]string{}
	for i, m := range r.Marks {
		if m == plan.Skipped {
			left[i] = r.whys[i]
		}
	}
	return left
}

// History returns the repairs that a state directory holds, oldest first, and an error for each that cannot be read.
// The error of what is no journal wraps ErrStrange.
func History(dir string, kinds plan.Kinds) ([]Repair, []error) {
	names, errs, err := list(dir)
	if err != nil {
		return nil, []error{err}
	}
	var all []Repair
	for _, n := range names {
		r, err := load(dir, n, kinds)
		if err != nil {
			errs = append(errs, &unusable{idOf(n), err})
			continue
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Repair) int { return a.Began.Compare(b.Began) })
	return all, errs
}

// Find returns a finished repair.
func Find(dir, id string, kinds plan.Kinds) (Repair, error) {
	if !idForm().MatchString(id) {
		return Repair{}, fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	r, err := load(dir, id+finishedSuffix, kinds)
	if errors.Is(err, fs.ErrNotExist) {
		return Repair{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return r, err
}

func load(dir, name string, kinds plan.Kinds) (Repair, error) {
	f, err := open(filepath.Join(dir, name), os.O_RDONLY)
	if err != nil {
		return Repair{}, err
	}
	defer f.Close()
	if err := own(f); err != nil {
		return Repair{}, fmt.Errorf("journal %s: %w", idOf(name), err)
	}
	return read(f, idOf(name), kinds)
}

// Prune removes finished journals that began before the given time and returns their IDs.
func (d *Dir) Prune(before time.Time) ([]string, error) {
	names, _, err := list(d.path)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, n := range names {
		id, ok := strings.CutSuffix(n, finishedSuffix)
		if !ok || strings.HasSuffix(n, unfinishedSuffix) || !idForm().MatchString(id) {
			continue
		}
		// The ID starts with the time, so that a journal that cannot be read can be removed as well.
		made, err := time.Parse("20060102-150405", id[:15])
		if err != nil || !made.Before(before) {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, n)); err != nil {
			return gone, err
		}
		gone = append(gone, id)
	}
	return gone, platform.SyncDir(d.path)
}

// room is how many bytes are reserved for the marks of a plan and its end.
func room(p plan.Plan) int { return len(p.Entries)*marksEach*markSpace + endSpace }

// read parses a journal. The error wraps ErrFormat.
func read(f io.Reader, id string, kinds plan.Kinds) (Repair, error) {
	data, err := io.ReadAll(io.LimitReader(f, sizeLimit+1))
	if err != nil {
		return Repair{}, err
	}
	r, err := Parse(data, kinds)
	switch {
	case err != nil:
	case r.Plan.ID != id:
		err = fmt.Errorf("%w: it holds the plan %q", ErrFormat, r.Plan.ID)
	case r.Outcome == "" && r.turns && len(data) < bytes.IndexByte(data, '\n')+1+room(r.Plan):
		// Its space was on disk before its name was, so no crash makes it shorter; marks may be gone with the rest.
		err = fmt.Errorf("%w: its end is cut off", ErrFormat)
	}
	if err != nil {
		return Repair{}, fmt.Errorf("journal %s: %w", id, err)
	}
	return r, nil
}

// Parse parses a journal. It tolerates a last line that was cut off; any other line that it does not understand is an
// error that wraps ErrFormat or plan.ErrSchema.
func Parse(data []byte, kinds plan.Kinds) (Repair, error) {
	if len(data) > sizeLimit {
		return Repair{}, fmt.Errorf("%w: %w", ErrFormat, platform.ErrTooLarge)
	}
	first, rest, whole := bytes.Cut(data, []byte{'\n'})
	if !whole {
		return Repair{}, fmt.Errorf("%w: its first line is cut off", ErrFormat)
	}
	var version struct {
		Format int `json:"journal"`
	}
	if err := json.Unmarshal(first, &version); err != nil {
		return Repair{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if version.Format != Format {
		return Repair{}, fmt.Errorf("%w: its format is %d", ErrFormat, version.Format)
	}
	var h header
	if err := json.Unmarshal(first, &h); err != nil {
		return Repair{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	p, err := kinds.Plan(h.Plan)
	if err != nil {
		return Repair{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := p.Attach(h.Blobs); err != nil {
		return Repair{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	r := Repair{Plan: p, Began: h.Began, turns: h.Turns}
	r.Marks = make([]plan.Mark, len(r.Plan.Entries))
	r.whys = make([]string, len(r.Plan.Entries))
	r.offset = int64(len(first) + 1)
	for {
		text, next, whole := bytes.Cut(rest, []byte{'\n'})
		if !whole || len(text) == 0 {
			// What follows is the space for further marks.
			tail := bytes.Trim(rest, "\n\x00")
			if whole && len(tail) > 0 && !unsynced(tail) {
				return Repair{}, fmt.Errorf("%w: marks after the last mark", ErrFormat)
			}
			r.torn = len(bytes.TrimRight(rest, "\n"))
			return r, nil
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			if len(bytes.Trim(next, "\n\x00")) == 0 {
				r.torn = len(text)
				return r, nil
			}
			return Repair{}, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		if err := r.take(l); err != nil {
			return Repair{}, err
		}
		r.offset += int64(len(text) + 1)
		rest = next
	}
}

// unsynced reports whether what stands behind a gap is what a power cut can leave there: the one mark that announces a
// write, on a block of its own, without the mark before it. It was not durable yet, so that write was never made.
func unsynced(tail []byte) bool {
	var l line
	return json.Unmarshal(tail, &l) == nil && (l.Mark == markNames[plan.Begun] || l.Mark == markNames[plan.Undoing])
}

func (r *Repair) take(l line) error {
	if l.End != "" {
		r.Outcome, r.Ended = l.End, l.Time
		return nil
	}
	if l.Back {
		r.Back = true
		return nil
	}
	if l.Step < 0 || l.Step >= len(r.Marks) {
		return fmt.Errorf("%w: a mark for step %d of %d", ErrFormat, l.Step, len(r.Marks))
	}
	for m, name := range markNames {
		if name == l.Mark {
			r.Marks[l.Step], r.whys[l.Step] = m, l.Why
			if !r.turns {
				r.Back = m == plan.Undoing || m == plan.Untouched || r.Back && m == plan.Skipped
			}
			return nil
		}
	}
	return fmt.Errorf("%w: the mark %q", ErrFormat, l.Mark)
}
