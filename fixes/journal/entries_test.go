package journal_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// TestStrangeEntries fills a state directory with everything that can be called like a journal, beside one that is one.
// It needs root, which makes a device and gives a file away.
func TestStrangeEntries(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test makes a device and gives a file away, and needs root")
	}
	path := filepath.Join(t.TempDir(), "lixfix")
	d := lock(t, path)
	made := finished(t, d)
	name := func(kind string) string { return filepath.Join(path, "20240101-000000-"+kind+".jsonl") }
	good, err := os.ReadFile(filepath.Join(path, made+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "journal")
	for _, err := range []error{
		syscall.Mkfifo(name("fifo"), 0o600),
		syscall.Mkfifo(filepath.Join(path, "20240101-000000-fifo.unfinished.jsonl"), 0o600),
		os.Mkdir(name("directory"), 0o700),
		os.WriteFile(outside, good, 0o600),
		os.Symlink(outside, name("link")),
		os.Symlink("nowhere", name("dangling")),
		unix.Mknod(name("device"), unix.S_IFCHR|0o600, int(unix.Mkdev(10, 130))), // a watchdog, which opening arms
		os.WriteFile(name("others"), good, 0o600),
		os.Chown(name("others"), 1234, 1234),
		os.WriteFile(name("writable"), good, 0o600),
		os.Chmod(name("writable"), 0o666),
		os.WriteFile(name("huge"), nil, 0o600),
		os.Truncate(name("huge"), 8<<30),
		os.WriteFile(name("empty"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", name("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	began := time.Now()
	all, errs := journal.History(path, step.Kinds())
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(all) != 1 || all[0].Plan.ID != made {
		t.Errorf("%d repairs instead of one", len(all))
	}
	want := map[string]error{
		"fifo": journal.ErrStrange, "directory": journal.ErrStrange, "link": journal.ErrStrange,
		"dangling": journal.ErrStrange,
		"device":   journal.ErrStrange, "socket": journal.ErrStrange, "others": journal.ErrForeign,
		"writable": journal.ErrForeign,
		"huge":     platform.ErrTooLarge, "empty": journal.ErrFormat,
	}
	for kind, want := range want {
		i := slices.IndexFunc(errs, func(err error) bool {
			return strings.Contains(err.Error(),
				"20240101-000000-"+kind)
		})
		if i < 0 || !errors.Is(errs[i], want) {
			t.Errorf("%s: %v among %v", kind, want, errs)
		}
		if _, err := journal.Find(path, "20240101-000000-"+kind, step.Kinds()); !errors.Is(err, want) {
			t.Errorf("find %s: %v", kind, err)
		}
	}
	// Two have the name of the FIFO.
	if len(errs) != len(want)+1 {
		t.Errorf("%d errors for %d entries: %v", len(errs), len(want)+1, errs)
	}
	ids, strange, err := journal.IDs(path)
	slices.Sort(ids)
	if err != nil || len(strange) != 7 || len(ids) != 5 || !slices.Contains(ids, made) {
		t.Errorf("%q, %v, %v", ids, strange, err)
	}
	if unfinished, err := journal.Unfinished(path); err != nil || len(unfinished) > 0 {
		t.Errorf("unfinished: %q, %v", unfinished, err)
	}
	if j, err := d.Open(); j != nil || err != nil {
		t.Errorf("opened %v, %v", j, err)
	}
}

// TestUnfinishedOfOthers waits like any other: it may be the only trace of a repair. It is not opened.
func TestUnfinishedOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lixfix")
	d := lock(t, path)
	file := filepath.Join(path, "20240101-000000-x.unfinished.jsonl")
	if err := os.WriteFile(file, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if ids, err := journal.Unfinished(path); err != nil || len(ids) != 1 {
		t.Errorf("%q %v", ids, err)
	}
	if _, err := d.Open(); !errors.Is(err, journal.ErrForeign) {
		t.Errorf("opened: %v", err)
	}
}

// finished makes a repair that has ended, and returns its ID.
func finished(t *testing.T, d *journal.Dir) string {
	t.Helper()
	j := create(t, d, samplePlan(1))
	if err := j.End(journal.Finished, time.Now()); err != nil {
		t.Fatal(err)
	}
	return j.Plan.ID
}
