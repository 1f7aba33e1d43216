package journal_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform"
)

// children are what this test binary does in place of the tests, where a test needs another process.
var children = map[string]func(dir string) error{
	"hold":      hold,
	"steps":     takeSteps,
	"full disk": fillDisk,
}

const childVariable = "LIXFIX_TEST_CHILD"

func TestMain(m *testing.M) {
	if child := os.Getenv(childVariable); child != "" {
		if err := children[child](os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, dir)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	return cmd
}

const (
	id     = "20260102-030405-sequoia-beef"
	secret = "access-tokens = github.com=ghp_secret"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// samplePlan has n moves and rewrites a file that holds a secret.
func samplePlan(n int) plan.Plan {
	p := plan.Plan{Schema: plan.Schema, ID: id, Fix: "sequoia", Version: "0.1.0", Made: now, Host: platform.Facts{OS: platform.Darwin, Arch: "arm64"}}
	for i := range n {
		p.Entries = append(p.Entries, plan.Entry{For: "sequoia/uids-at-risk", Step: account.SetAttribute{
			Record: fmt.Sprintf("/Users/_nixbld%d", i+1), Key: "UniqueID", From: []string{fmt.Sprint(301 + i)}, To: []string{fmt.Sprint(351 + i)},
		}})
	}
	p.Entries = append(p.Entries, plan.Entry{Step: step.WriteFile{
		Name: "/etc/nix/nix.conf", Why: "test", Before: step.NewFileState(platform.Content{Data: []byte(secret), Mode: 0o600}),
		After: step.NewFileState(platform.Content{Data: []byte("after"), Mode: 0o600}),
	}})
	return p
}

func state(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "db", "lixfix")
}

func lock(t *testing.T, dir string) *journal.Dir {
	t.Helper()
	d, err := journal.Lock(dir, step.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func create(t *testing.T, d *journal.Dir, p plan.Plan) *journal.Journal {
	t.Helper()
	j, err := d.Create(p, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func set(t *testing.T, j *journal.Journal, i int, m plan.Mark, why string) {
	t.Helper()
	if err := j.Set(i, m, why); err != nil {
		t.Fatal(err)
	}
}

func unfinished(dir string) string { return filepath.Join(dir, id+".unfinished.jsonl") }

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRoundTrip(t *testing.T) {
	dir := state(t)
	d := lock(t, dir)
	if j, err := d.Open(); j != nil || err != nil {
		t.Fatalf("nothing there: %v, %v", j, err)
	}
	p := samplePlan(4)
	j := create(t, d, p)
	info, err := os.Stat(unfinished(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if ids, err := journal.Unfinished(dir); err != nil || !slices.Equal(ids, []string{id}) {
		t.Errorf("unfinished: %v, %v", ids, err)
	}
	if j.Touched() {
		t.Error("touched before anything was begun")
	}
	set(t, j, 0, plan.Already, "")
	if j.Touched() {
		t.Error("touched by what was so already")
	}
	set(t, j, 1, plan.Begun, "")
	set(t, j, 1, plan.Done, "")
	set(t, j, 2, plan.Skipped, "eDSPermissionError\n"+strings.Repeat("<ü>", 1000))
	set(t, j, 3, plan.Undoing, "")
	set(t, j, 4, plan.Begun, "")
	want := []plan.Mark{plan.Already, plan.Done, plan.Skipped, plan.Undoing, plan.Begun}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(samplePlan(1), now); !errors.Is(err, journal.ErrUnfinished) {
		t.Errorf("a second repair: %v", err)
	}
	j, err = d.Open()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, j.Marks()); d != "" {
		t.Error(d)
	}
	if !j.Touched() || !j.Began.Equal(now) || asJSON(t, j.Plan) != asJSON(t, p) {
		t.Errorf("read again: %v %s", j.Began, asJSON(t, j.Plan))
	}
	if got := j.Plan.Entries[4].Step.(step.WriteFile).Before.Data(); string(got) != secret {
		t.Errorf("the content is %q", got)
	}
	ended := now.Add(time.Minute)
	if err := j.End(journal.Partly, ended); err != nil {
		t.Fatal(err)
	}
	if ids, err := journal.Unfinished(dir); err != nil || len(ids) != 0 {
		t.Errorf("unfinished: %v, %v", ids, err)
	}
	if d := cmp.Diff([]string{id + ".jsonl", "lock"}, names(t, dir)); d != "" {
		t.Error(d)
	}
	data, err := os.ReadFile(filepath.Join(dir, id+".jsonl"))
	if err != nil || bytes.Contains(data, []byte("\n\n")) || !bytes.HasSuffix(data, []byte("}\n")) {
		t.Errorf("the space that was reserved is left over (%v)", err)
	}
	r, err := journal.Find(dir, id, step.Kinds())
	if err != nil || r.Outcome != journal.Partly || !r.Ended.Equal(ended) || len(r.Left()) != 1 || !strings.HasPrefix(r.Left()[2], "eDSPermissionError\n<") {
		t.Errorf("%+v, %v", r, err)
	}
	all, errs := journal.History(dir, step.Kinds())
	if len(all) != 1 || len(errs) != 0 || all[0].Plan.ID != id {
		t.Errorf("%v, %v", all, errs)
	}
}

// written is a journal with marks, as a process that was killed leaves it: with the space for more.
func written(t *testing.T) (data []byte, head int, ends []int, marks [][]plan.Mark) {
	t.Helper()
	dir := state(t)
	j := create(t, lock(t, dir), samplePlan(2))
	read := func() []byte {
		data, err := os.ReadFile(unfinished(dir))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	head = bytes.IndexByte(read(), '\n') + 1
	ends, marks = []int{head}, [][]plan.Mark{j.Marks()}
	for _, s := range []struct {
		step int
		mark plan.Mark
		why  string
	}{{0, plan.Begun, ""}, {0, plan.Done, ""}, {1, plan.Begun, ""}, {1, plan.Skipped, "no \"consent\" – {\n}"}, {2, plan.Already, ""}, {0, plan.Undoing, ""}} {
		set(t, j, s.step, s.mark, s.why)
		ends = append(ends, len(bytes.TrimRight(read(), "\n"))+1)
		marks = append(marks, j.Marks())
	}
	return read(), head, ends, marks
}

// TestTornAtEveryByte cuts the journal after every byte of its marks, in the ways in which a file system can
// show the rest. What is left must be the marks whose lines are whole, and more can be written after it.
func TestTornAtEveryByte(t *testing.T) {
	data, head, ends, marks := written(t)
	last := ends[len(ends)-1]
	dir := state(t)
	d := lock(t, dir)
	for cut := head; cut <= last; cut++ {
		for name, rest := range map[string][]byte{
			"the file ends there":      nil,
			"newlines, as reserved":    bytes.Repeat([]byte("\n"), len(data)-cut),
			"zeros, never written":     make([]byte, len(data)-cut),
			"a newline and then zeros": append([]byte("\n"), make([]byte, 100)...),
		} {
			torn := append(slices.Clone(data[:cut]), rest...)
			whole := 0
			for i, end := range ends {
				// A line is whole with its newline, which can also be the first one of the rest.
				if cut >= end || cut == end-1 && len(rest) > 0 && rest[0] == '\n' {
					whole = i
				}
			}
			r, err := journal.Parse(torn, step.Kinds())
			if err != nil {
				t.Fatalf("cut at %d, %s: %v", cut-head, name, err)
			}
			if d := cmp.Diff(marks[whole], r.Marks); d != "" {
				t.Fatalf("cut at %d, %s: %s", cut-head, name, d)
			}
			if (cut+len(name))%4 > 0 {
				continue // on disk a part of them is enough
			}
			if err := os.WriteFile(unfinished(dir), torn, 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := d.Open()
			if len(torn) < len(data) {
				// The space was there from the beginning: a file that is shorter may have lost marks.
				if !errors.Is(err, journal.ErrFormat) {
					t.Fatalf("cut at %d, %s: %v", cut-head, name, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d, %s: %v", cut-head, name, err)
			}
			set(t, j, 2, plan.Skipped, "x")
			set(t, j, 1, plan.Done, "")
			want := j.Marks()
			j.Close()
			again, err := os.ReadFile(unfinished(dir))
			if err != nil {
				t.Fatal(err)
			}
			if r, err = journal.Parse(again, step.Kinds()); err != nil {
				t.Fatalf("cut at %d, %s, and written on: %v\n%q", cut-head, name, err, again[head:])
			}
			if d := cmp.Diff(want, r.Marks); d != "" {
				t.Fatalf("cut at %d, %s, and written on: %s", cut-head, name, d)
			}
		}
	}
	for cut := range head {
		if r, err := journal.Parse(data[:cut], step.Kinds()); !errors.Is(err, journal.ErrFormat) {
			t.Fatalf("the plan is cut at %d: %v, %v", cut, r, err)
		}
	}
}

func TestDamagedJournalsAreRefused(t *testing.T) {
	data, head, ends, _ := written(t)
	marks := string(data[head:ends[len(ends)-1]])
	first := string(data[:head])
	edit := func(old, next string) string { return strings.Replace(first, old, next, 1) + marks }
	tests := []struct {
		name, text string
		schema     bool
	}{
		{"empty", "", false},
		{"empty lines", "\n\n\n", false},
		{"not JSON", "journal\n", false},
		{"no format", "{}\n", false},
		{"a newer format", edit(`"journal":1`, `"journal":2`), false},
		{"a newer plan", edit(`"schema":1`, `"schema":2`), true},
		{"a step of a newer lixfix", edit(`"set-attribute"`, `"set-password"`), true},
		{"no plan", `{"journal":1}` + "\n", false},
		{"a content is missing", edit(`"blobs":{`, `"blobs":{},"x":{`), false},
		{"a content is damaged", edit(`"YWZ0ZXI="`, `"YmVmb3Jl"`), false},
		{"a line in the middle is cut", first + strings.Replace(marks, `"step":0}`, "", 1), false},
		{"a line in the middle is gone", first + strings.Replace(marks, "\n", "\n\n", 1), false},
		{"a mark nobody knows", first + `{"mark":"maybe","step":0}` + "\n", false},
		{"an empty mark", first + `{"step":0}` + "\n", false},
		{"null", first + "null\n", false},
		{"a mark for a step that is not there", first + `{"mark":"done","step":3}` + "\n", false},
		{"a mark for a step before the first", first + `{"mark":"done","step":-1}` + "\n", false},
		{"text behind the marks", string(data) + "x\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := journal.Parse([]byte(tt.text), step.Kinds())
			if !errors.Is(err, journal.ErrFormat) || errors.Is(err, plan.ErrSchema) != tt.schema {
				t.Errorf("got %+v, %v", r, err)
			}
			dir := state(t)
			d := lock(t, dir)
			if err := os.WriteFile(unfinished(dir), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if j, err := d.Open(); !errors.Is(err, journal.ErrFormat) || j != nil {
				t.Errorf("Open: %v, %v", j, err)
			}
			if left, err := os.ReadFile(unfinished(dir)); err != nil || string(left) != tt.text {
				t.Errorf("it was changed: %v", err)
			}
			if all, errs := journal.History(dir, step.Kinds()); len(all) != 0 || len(errs) != 1 {
				t.Errorf("History: %v, %v", all, errs)
			}
		})
	}
	t.Run("under another name", func(t *testing.T) {
		dir := state(t)
		d := lock(t, dir)
		if err := os.WriteFile(filepath.Join(dir, "20260102-030405-other-beef.unfinished.jsonl"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Open(); !errors.Is(err, journal.ErrFormat) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("two unfinished ones", func(t *testing.T) {
		dir := state(t)
		d := lock(t, dir)
		for _, name := range []string{unfinished(dir), filepath.Join(dir, "20260102-030405-other-beef.unfinished.jsonl")} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Open(); !errors.Is(err, journal.ErrFormat) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a link", func(t *testing.T) {
		dir := state(t)
		d := lock(t, dir)
		elsewhere := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(elsewhere, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, unfinished(dir)); err != nil {
			t.Fatal(err)
		}
		// It is no journal, and named as what it is.
		if j, err := d.Open(); err != nil || j != nil {
			t.Errorf("got %v, %v", j, err)
		}
		if _, strange, err := journal.IDs(dir); len(strange) != 1 || !errors.Is(strange[0],
			journal.ErrStrange) || err != nil {
			t.Errorf("got %v, %v", strange, err)
		}
	})
}

func TestUnsafeDirectoriesAreRefused(t *testing.T) {
	parent := t.TempDir()
	mode := func(m fs.FileMode) string {
		dir := filepath.Join(parent, fmt.Sprintf("%04o", m))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, m); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	link, file := filepath.Join(parent, "link"), filepath.Join(parent, "file")
	if err := os.Symlink(mode(0o700), link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A directory of somebody else: of root for a user, of a user for root.
	foreign := "/usr"
	if os.Geteuid() == 0 {
		foreign = mode(0o711)
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for name, dir := range map[string]string{
		"a link": link, "a file": file, "a link that leads nowhere": danglingLink(t), "writable for the group": mode(0o775),
		"writable for all": mode(0o757), "writable for all, with the sticky bit": mode(0o777 | fs.ModeSticky), "of somebody else": foreign,
	} {
		t.Run(name, func(t *testing.T) {
			d, err := journal.Lock(dir, step.Kinds())
			if !errors.Is(err, journal.ErrUnsafe) {
				t.Errorf("got %v, %v", d, err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "lock")); err == nil {
				t.Error("something was written there")
			}
		})
	}
	old := unix.Umask(0o077)
	d, err := journal.Lock(filepath.Join(parent, "new", "lixfix"), step.Kinds())
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if info, err := os.Stat(filepath.Join(parent, "new", "lixfix")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the new directory: %v, %v", info.Mode(), err)
	}
}

func danglingLink(t *testing.T) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	return link
}

// hold takes the lock, says so, and holds it until its standard input ends.
func hold(dir string) error {
	d, err := journal.Lock(dir, step.Kinds())
	if err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, d.Close())
}

func TestTwoProcessesExcludeEachOther(t *testing.T) {
	t.Parallel()
	dir := state(t)
	cmd := child(t, "hold", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatal(line, err)
	}
	if d, err := journal.Lock(dir, step.Kinds()); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("got %v, %v", d, err)
	}
	// Without the lock it can be looked at.
	if ids, err := journal.Unfinished(dir); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	lock(t, dir)
	if d, err := journal.Lock(dir, step.Kinds()); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("twice in one process: %v, %v", d, err)
	}
}

// steps are what takeSteps does, a line each.
var steps = []struct {
	name string
	do   func(*journal.Journal) error
	want []plan.Mark
}{
	{"create", func(*journal.Journal) error { return nil }, []plan.Mark{0, 0}},
	{"begin", func(j *journal.Journal) error { return j.Set(0, plan.Begun, "") }, []plan.Mark{plan.Begun, 0}},
	{"done", func(j *journal.Journal) error { return j.Set(0, plan.Done, "") }, []plan.Mark{plan.Done, 0}},
	{"begin the next", func(j *journal.Journal) error { return j.Set(1, plan.Begun, "") }, []plan.Mark{plan.Done, plan.Begun}},
	{"undo", func(j *journal.Journal) error { return j.Set(0, plan.Undoing, "") }, []plan.Mark{plan.Undoing, plan.Begun}},
	{"undone", func(j *journal.Journal) error { return j.Set(0, plan.Untouched, "") }, []plan.Mark{plan.Untouched, plan.Begun}},
	{"end", func(j *journal.Journal) error { return j.End(journal.Undone, now) }, nil},
}

// takeSteps does one step whenever a byte comes in, and says so.
func takeSteps(dir string) error {
	d, err := journal.Lock(dir, step.Kinds())
	if err != nil {
		return err
	}
	j, err := d.Create(samplePlan(1), now)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return err
		}
		if err := s.do(j); err != nil {
			return err
		}
		fmt.Println(s.name)
	}
	return nil
}

// TestKilledAfterEachStep kills a process after each of its steps; the next one reads what it has said.
// TestCloseUnlocks: a process that is being started has a copy of every descriptor until it runs its program.
func TestCloseUnlocks(t *testing.T) {
	dir := t.TempDir()
	d, err := journal.Lock(dir, step.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	copied := false
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range open {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || filepath.Dir(to) != dir {
			continue
		}
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(again)
		copied = true
		break
	}
	if !copied {
		t.Fatal("no file of the directory is open")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = journal.Lock(dir, step.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestKilledAfterEachStep(t *testing.T) {
	for n, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir := state(t)
			cmd := child(t, "steps", dir)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			for i := range n + 1 {
				if _, err := in.Write([]byte("\n")); err != nil {
					t.Fatal(err)
				}
				if line, err := lines.ReadString('\n'); strings.TrimSpace(line) != steps[i].name {
					t.Fatal(line, err)
				}
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			j, err := lock(t, dir).Open()
			if err != nil {
				t.Fatal(err)
			}
			if s.want == nil {
				r, err := journal.Find(dir, id, step.Kinds())
				if j != nil || err != nil || r.Outcome != journal.Undone {
					t.Errorf("%v, %+v, %v", j, r, err)
				}
				return
			}
			if d := cmp.Diff(s.want, j.Marks()); d != "" {
				t.Error(d)
			}
			if err := j.End(journal.Finished, now); err != nil {
				t.Error(err)
			}
		})
	}
}

// fillDisk makes a journal where its contents do not fit, then one where they fit and the space for marks does not.
func fillDisk(dir string) error {
	signal.Ignore(unix.SIGXFSZ)
	d, err := journal.Lock(dir, step.Kinds())
	if err != nil {
		return err
	}
	p := samplePlan(3)
	for _, room := range []uint64{100, 3 << 10} {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: room, Max: 1 << 30}); err != nil {
			return err
		}
		if j, err := d.Create(p, now); !errors.Is(err, unix.EFBIG) {
			return fmt.Errorf("with room for %d bytes: %v, %w", room, j, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		if len(entries) != 1 {
			return fmt.Errorf("with room for %d bytes, left: %v", room, entries)
		}
	}
	// With room for all of it, the limit is where the file ends, and every mark still fits.
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 30}); err != nil {
		return err
	}
	j, err := d.Create(p, now)
	if err != nil {
		return err
	}
	info, err := os.Stat(unfinished(dir))
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(info.Size()), Max: 1 << 30}); err != nil {
		return err
	}
	for range 2 {
		for _, m := range []plan.Mark{plan.Begun, plan.Done, plan.Undoing, plan.Untouched} {
			for i := range p.Entries {
				why := ""
				if i == 0 && m == plan.Done {
					why = strings.Repeat("\x01", 1000)
				}
				if err := j.Set(i, m, why); err != nil {
					return err
				}
			}
		}
		p.Entries = p.Entries[:2]
	}
	return j.End(journal.Undone, now)
}

func TestFullDiskIsNoticedBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	dir := state(t)
	if out, err := child(t, "full disk", dir).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestCreateRefusals(t *testing.T) {
	dir := state(t)
	d := lock(t, dir)
	for _, bad := range []string{"", "x", "../" + id, id + "/x", "20260102-030405-", strings.ToUpper(id), id + "\n"} {
		p := samplePlan(1)
		p.ID = bad
		if _, err := d.Create(p, now); err == nil {
			t.Errorf("the ID %q was taken", bad)
		}
		if r, err := journal.Find(dir, bad, step.Kinds()); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("Find %q: %v, %v", bad, r, err)
		}
	}
	large := samplePlan(0)
	for i := range 4 {
		data := bytes.Repeat([]byte{byte(i)}, 13<<20)
		large.Entries = append(large.Entries, plan.Entry{Step: step.WriteFile{Name: "/x", After: step.NewFileState(platform.Content{Data: data})}})
	}
	if _, err := d.Create(large, now); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("one that could not be read again: %v", err)
	}
	// What a kill in Create leaves is no journal, and not in the way.
	if err := os.WriteFile(filepath.Join(dir, ".draft"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ids, err := journal.Unfinished(dir); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
	create(t, d, samplePlan(1))
	if d := cmp.Diff([]string{id + ".unfinished.jsonl", "lock"}, names(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestPrune(t *testing.T) {
	dir := state(t)
	d := lock(t, dir)
	for i := range 3 {
		p := samplePlan(1)
		p.ID = journal.NewID(now.AddDate(0, i, 0), "sequoia", [2]byte{0, byte(i)})
		j, err := d.Create(p, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.End(journal.Finished, now); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"20200101-000000-old-dead.jsonl": "damaged", "20200101-000000-old-dead.unfinished.jsonl": "", "notes.jsonl": "", "20200101-000000-old-dead.jsonl.bak": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := d.Prune(now.AddDate(0, 1, 0))
	if d := cmp.Diff([]string{"20200101-000000-old-dead", "20260102-030405-sequoia-0000"}, gone); err != nil || d != "" {
		t.Error(d, err)
	}
	want := []string{
		"20200101-000000-old-dead.jsonl.bak", "20200101-000000-old-dead.unfinished.jsonl",
		"20260202-030405-sequoia-0001.jsonl", "20260302-030405-sequoia-0002.jsonl", "lock", "notes.jsonl",
	}
	if d := cmp.Diff(want, names(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestDirectoryThatIsNotThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if ids, err := journal.Unfinished(dir); err != nil || ids != nil {
		t.Errorf("%v, %v", ids, err)
	}
	if all, errs := journal.History(dir, step.Kinds()); all != nil || errs != nil {
		t.Errorf("%v, %v", all, errs)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("reading made it")
	}
}

func FuzzParse(f *testing.F) {
	p := samplePlan(2)
	raw, err := json.Marshal(p)
	if err != nil {
		f.Fatal(err)
	}
	head, err := json.Marshal(map[string]any{"journal": 1, "began": now, "plan": json.RawMessage(raw), "blobs": p.Blobs()})
	if err != nil {
		f.Fatal(err)
	}
	for _, marks := range []string{
		"", "\n\n\n", `{"mark":"begin","step":0}` + "\n", `{"mark":"begin","step":0}` + "\n" + `{"mark":"do`, `{"mark":"skip","step":1,"why":"x"}` + "\n\n\n",
		`{"step":0,"end":"finished","time":"2026-01-02T03:04:05Z"}` + "\n", "\x00\x00", `{"mark":"undo","step":9}` + "\n", "{}\n",
	} {
		f.Add(append(append(slices.Clone(head), '\n'), marks...))
	}
	f.Add([]byte(`{"journal":1,"plan":{"schema":1,"steps":[{"kind":"read-back","step":{}}]}}` + "\n"))
	f.Add([]byte("{}\n"))
	dir := filepath.Join(f.TempDir(), "lixfix")
	d, err := journal.Lock(dir, step.Kinds())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { d.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := journal.Parse(data, step.Kinds())
		if err != nil {
			if !errors.Is(err, journal.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if len(r.Marks) != len(r.Plan.Entries) {
			t.Fatalf("%d marks for %d steps", len(r.Marks), len(r.Plan.Entries))
		}
		if r.Plan.ID != id || len(r.Marks) == 0 {
			return
		}
		// It can be opened and written on, and is then read with the same marks and one more.
		if err := os.WriteFile(unfinished(dir), data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := d.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if d := cmp.Diff(r.Marks, j.Marks()); d != "" {
			t.Fatal(d)
		}
		if err := j.Set(0, plan.Skipped, "fuzz"); err != nil {
			t.Fatal(err)
		}
		next, err := os.ReadFile(unfinished(dir))
		if err != nil {
			t.Fatal(err)
		}
		again, err := journal.Parse(next, step.Kinds())
		if err != nil {
			t.Fatalf("%v\n%q", err, next)
		}
		if d := cmp.Diff(j.Marks(), again.Marks); d != "" || again.Left()[0] != "fuzz" || asJSON(t, again.Plan) != asJSON(t, r.Plan) {
			t.Fatal(d)
		}
	})
}
