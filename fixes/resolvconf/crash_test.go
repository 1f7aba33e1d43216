package resolvconf_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// death is what ends lixfix in the middle of something.
type death struct{}

// mortal is a host on which lixfix dies at one moment: before a write, within it where a write has a within, or after
// it. Once dead, it reaches the host no more, whatever is deferred.
type mortal struct {
	*host
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
			dir, err := securejoin.SecureJoin(m.root, filepath.Dir(name))
			m.must(err)
			m.must(os.WriteFile(filepath.Join(dir, "."+filepath.Base(name)+".lixfix-new"), []byte("half"), 0o600))
			m.die()
		}
	}
	err := do()
	m.moment()
	return err
}

func (m *mortal) WriteFile(ctx context.Context, name string, c platform.Content) error {
	return m.write(name, func() error { return m.host.WriteFile(ctx, name, c) })
}

func (m *mortal) SetLink(ctx context.Context, name, target string) error {
	return m.write(name, func() error { return m.host.SetLink(ctx, name, target) })
}

func (m *mortal) SetMode(ctx context.Context, name string, mode fs.FileMode) error {
	return m.write("", func() error { return m.host.SetMode(ctx, name, mode) })
}

func (m *mortal) Remove(ctx context.Context, name string) error {
	return m.write("", func() error { return m.host.Remove(ctx, name) })
}

func (m *mortal) Tidy(ctx context.Context, name string) error {
	return m.write("", func() error { return m.host.Tidy(ctx, name) })
}

func (m *mortal) Run(ctx context.Context, tool string, args ...string) error {
	return m.write("", func() error { return m.host.Run(ctx, tool, args...) })
}

// drive carries out, or takes back, what waits on a host, and reports whether lixfix lived to end it. With a row it is
// a repair of its own, else it goes on with the journal that is there.
func drive(t *testing.T, m *mortal, r *row, back bool) (lived bool) {
	t.Helper()
	dir, err := journal.Lock(m.StateDir(), step.Kinds())
	m.must(err)
	defer dir.Close()
	var j *journal.Journal
	if r != nil {
		j, err = dir.Create(planned(t, m.host, *r), time.Now())
	} else {
		j, err = dir.Open()
	}
	m.must(err)
	if j == nil {
		t.Fatal("no unfinished repair waits")
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
	if back {
		err, outcome = d.Rollback(t.Context(), j.Plan), journal.Undone
	} else {
		err = d.Run(t.Context(), j.Plan)
	}
	m.must(err)
	m.must(j.End(outcome, time.Now()))
	return true
}

// files is a snapshot that is the same wherever the host is, without what stands for nix.
func (h *host) files() map[string]string {
	h.t.Helper()
	all := h.snapshot()
	for name, text := range all {
		all[name] = strings.ReplaceAll(text, h.root, "")
	}
	delete(all, "/etc/settings.json")
	return all
}

// spoiled makes the host of a row.
func (r row) spoiled(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	r.spoil(h)
	return h
}

// TestKilled: lixfix dies before, within and after each write of each repair that there is, and again while it takes
// the repair back. However that was, resume ends where the repair would have, undo where it began, and a repair that
// knows nothing of the first one where the first one would have ended.
func TestKilled(t *testing.T) {
	kinds := map[string]int{}
	for _, r := range rows {
		if r.after == nil {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			h := r.spoiled(t)
			before := h.files()
			for _, e := range planned(t, h, r).Entries {
				kinds[e.Step.Kind()]++
			}
			m := &mortal{host: h}
			drive(t, m, &r, false)
			target, moments := h.files(), m.count
			if moments == 0 {
				t.Fatal("the repair writes nothing")
			}
			same := func(what string, at int, want map[string]string, h *host) {
				t.Helper()
				if diff := cmp.Diff(want, h.files()); diff != "" {
					t.Errorf("killed at %d of %d, then %s (-want +got):\n%s", at, moments, what, diff)
				}
			}
			die := func(at int) *host {
				t.Helper()
				h := r.spoiled(t)
				if drive(t, &mortal{host: h, at: at}, &r, false) {
					t.Fatalf("lixfix did not die at %d of %d", at, moments)
				}
				return h
			}
			for at := 1; at <= moments; at++ {
				h := die(at)
				drive(t, &mortal{host: h}, nil, false)
				same("resume", at, target, h)
				if h.restarts() < h.due(before) {
					t.Errorf("killed at %d of %d: the daemon has not read the new nix.conf", at, moments)
				}

				h = die(at)
				m, restarted := &mortal{host: h}, h.restarts()
				drive(t, m, nil, true)
				same("undo", at, before, h)
				if restarted > 0 && h.restarts() == restarted {
					t.Errorf("killed at %d of %d, then undo: the daemon has not read the old nix.conf", at, moments)
				}
				for again := 1; again <= m.count; again++ {
					h = die(at)
					if drive(t, &mortal{host: h, at: again}, nil, true) {
						t.Fatalf("lixfix did not die at %d of %d of the undo", again, m.count)
					}
					drive(t, &mortal{host: h}, nil, true)
					same("undo, killed as well, and undo", at, before, h)
				}

				h = die(at)
				h.must(os.RemoveAll(h.StateDir()))
				if h.due(before) > 0 {
					r.after(h) // nix has read its new file
				}
				if len(planned(t, h, r).Entries) > 0 {
					drive(t, &mortal{host: h}, &r, false)
				}
				same("a new repair", at, target, h)
			}
		})
	}
	if t.Failed() {
		return
	}
	for _, kind := range []string{"set-mode", "set-link", "write-file", "start-unit", "restart-unit", "load-module"} {
		if kinds[kind] == 0 {
			t.Errorf("no repair that was killed has a step %s: %v", kind, kinds)
		}
	}
}

// restarts is how often the daemon was restarted.
func (h *host) restarts() int {
	data, _ := os.ReadFile(filepath.Join(h.root, "var/lib/restarts"))
	return strings.Count(string(data), "nix-daemon.service\n")
}

// due is 1 where nix.conf is another one than before, so that a daemon has to be restarted that runs; else 0.
func (h *host) due(before map[string]string) int {
	const name = "/etc/nix/nix.conf"
	if h.exists("run/active-nix-daemon.service") && h.snapshot()[name] != before[name] {
		return 1
	}
	return 0
}

// planned is the plan of a row's repair, as the program completes it.
func planned(t *testing.T, h *host, r row) plan.Plan {
	t.Helper()
	f := resolvconf.New()
	p := r.plan(t, h, f)
	p.Schema, p.Fix, p.ID = plan.Schema, f.Name(), journal.NewID(time.Now(), f.Name(), [2]byte{1, 2})
	return p
}
