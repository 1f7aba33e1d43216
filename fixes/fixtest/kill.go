package fixtest

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// death is what ends lixfix in the middle of something.
type death struct{}

// mortal is a host on which lixfix dies at one moment: before a write, within it where a write has a within, or after
// it. Once dead, it reaches the host no more, whatever is deferred.
type mortal struct {
	*Host
	at    int // number of the moment, from 1; 0 for none
	count int
	dead  bool
}

func (m *mortal) moment() {
	if m.count++; m.count == m.at {
		m.die()
	}
}

func (m *mortal) die() {
	m.dead = true
	panic(death{})
}

func (m *mortal) write(name string, do func() error) error {
	if m.dead {
		panic(death{})
	}
	m.moment()
	if name != "" {
		// As a kill leaves it: something of the new file is beside the old one.
		if m.count++; m.count == m.at {
			dir, err := securejoin.SecureJoin(m.Root, filepath.Dir(name))
			m.Must(err)
			m.Must(os.WriteFile(filepath.Join(dir, "."+filepath.Base(name)+".lixfix-new"), []byte("half"), 0o600))
			m.die()
		}
	}
	err := do()
	m.moment()
	return err
}

func (m *mortal) WriteFile(ctx context.Context, name string, c platform.Content) error {
	return m.write(name, func() error { return m.Host.WriteFile(ctx, name, c) })
}

func (m *mortal) SetLink(ctx context.Context, name, target string) error {
	return m.write(name, func() error { return m.Host.SetLink(ctx, name, target) })
}

func (m *mortal) SetMode(ctx context.Context, name string, mode fs.FileMode) error {
	return m.write("", func() error { return m.Host.SetMode(ctx, name, mode) })
}

func (m *mortal) Remove(ctx context.Context, name string) error {
	return m.write("", func() error { return m.Host.Remove(ctx, name) })
}

func (m *mortal) MakeDir(ctx context.Context, name string, mode fs.FileMode, uid, gid int) error {
	return m.write(name, func() error { return m.Host.MakeDir(ctx, name, mode, uid, gid) })
}

func (m *mortal) RemoveDir(ctx context.Context, name string) error {
	return m.write("", func() error { return m.Host.RemoveDir(ctx, name) })
}

func (m *mortal) Tidy(ctx context.Context, name string) error {
	return m.write("", func() error { return m.Host.Tidy(ctx, name) })
}

func (m *mortal) Run(ctx context.Context, tool string, args ...string) error {
	return m.write("", func() error { return m.Host.Run(ctx, tool, args...) })
}

func (m *mortal) Signal(ctx context.Context, p platform.ProcessID, s syscall.Signal) error {
	return m.write("", func() error { return m.Host.Signal(ctx, p, s) })
}

// way is what lixfix is about on a host.
type way int

const (
	forwards way = iota // a new repair
	onwards             // what waits is finished
	backing             // what waits is taken back
	undoing             // what was finished is taken back
)

// drive goes the way and reports whether lixfix lived to its end.
func (c Case) drive(t *testing.T, f fix.Fix, m *mortal, w way) (lived bool) {
	t.Helper()
	dir, err := journal.Lock(m.StateDir(), step.Kinds())
	m.Must(err)
	defer dir.Close()
	var j *journal.Journal
	switch w {
	case forwards:
		p, err := c.planned(t, f, m.Host)
		m.Must(err)
		j, err = dir.Create(p, time.Now())
		m.Must(err)
	case undoing:
		past, errs := journal.History(m.StateDir(), step.Kinds())
		if len(past) == 0 || len(errs) > 0 {
			t.Fatalf("the repairs of this host: %v, %v", past, errs)
		}
		last := past[len(past)-1]
		p := last.Plan.Inverse(last.Marks)
		p.Version, p.Made, p.ID = "0", time.Now().UTC(), journal.NewID(time.Now(), f.Name(), [2]byte{1, 2})
		j, err = dir.Create(p, time.Now())
		m.Must(err)
	case onwards, backing:
		j, err = dir.Open()
		m.Must(err)
		if j == nil {
			t.Fatal("no unfinished repair waits")
		}
	}
	defer func() {
		if !lived {
			j.Close()
		}
		if m.dead {
			if p := recover(); p != (death{}) {
				panic(p)
			}
		}
	}()
	d, outcome := plan.Driver{Host: m, Log: j}, journal.Finished
	if w == backing {
		err, outcome = d.Rollback(t.Context(), j.Plan), journal.Undone
	} else {
		err = d.Run(t.Context(), j.Plan)
	}
	m.Must(err)
	m.Must(j.End(outcome, time.Now()))
	return true
}

// kill has lixfix die at each moment of the repair.
func (c Case) kill(t *testing.T, f fix.Fix) {
	t.Helper()
	h := c.Make(t)
	before := h.Snapshot()
	whole := &mortal{Host: h}
	c.drive(t, f, whole, forwards)
	target := h.Snapshot()
	if whole.count == 0 {
		t.Fatal("the repair writes nothing")
	}
	same := func(what string, at int, want map[string]string, h *Host) {
		t.Helper()
		if diff := cmp.Diff(want, h.Snapshot()); diff != "" {
			t.Errorf("killed at %d of %d, then %s (-want +got):\n%s", at, whole.count, what, diff)
		}
	}
	die := func(at int) *Host {
		t.Helper()
		h := c.Make(t)
		if c.drive(t, f, &mortal{Host: h, at: at}, forwards) {
			t.Fatalf("lixfix did not die at %d of %d", at, whole.count)
		}
		return h
	}
	for at := 1; at <= whole.count && !t.Failed(); at++ {
		h := die(at)
		c.drive(t, f, &mortal{Host: h}, onwards)
		same("resume", at, target, h)

		h = die(at)
		back := &mortal{Host: h}
		c.drive(t, f, back, backing)
		same("undo", at, before, h)
		for again := 1; again <= back.count; again++ {
			h = die(at)
			if c.drive(t, f, &mortal{Host: h, at: again}, backing) {
				t.Fatalf("lixfix did not die at %d of %d of the undo", again, back.count)
			}
			c.drive(t, f, &mortal{Host: h}, backing)
			same("undo, killed as well, and undo", at, before, h)
		}

		h = die(at)
		h.Must(os.RemoveAll(h.StateDir()))
		if p, err := c.planned(t, f, h); err != nil {
			t.Fatal(err)
		} else if !p.Empty() {
			c.drive(t, f, &mortal{Host: h}, forwards)
		}
		if c.Remembered != "" {
			h.Put(c.Remembered, whole.Read(c.Remembered), 0o644)
		}
		same("a new repair, the journal being lost", at, target, h)
	}
}
