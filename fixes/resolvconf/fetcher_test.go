package resolvconf_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// TestFetcher: names resolve for the builder; whether they do for the daemon's own fetcher is asked where it may be
// otherwise, and only there.
func TestFetcher(t *testing.T) {
	witness := fixtest.NewWitness(resolvconf.New())
	failing := sandbox.Fetched{Lookup: sandbox.LookupFailed, Text: "Could not resolve host: cache.nixos.org (curl error code=6)"}
	at := func(since time.Duration) probe.Result {
		r := inside("ok")
		r.Daemon, r.DaemonSince = true, time.Now().Add(since)
		return r
	}
	const long, later = -24 * time.Hour, time.Hour
	unitRuns := func(h *host) {
		h.unit("nix-daemon.service")
		h.Put("run/active-nix-daemon.service", "", 0o644)
	}
	nowhere := at(long)
	for i := range nowhere.Report.Queries {
		if nowhere.Report.Queries[i].Error == "" {
			nowhere.Report.Queries[i].RCode = 3
		}
	}
	alone, unseen := at(long), at(long)
	alone.Daemon = false
	unseen.DaemonSince = time.Time{}
	for _, c := range []struct {
		name    string
		spoil   func(*host)
		result  probe.Result
		fetched sandbox.Fetched
		asked   bool
		broken  []string
		class   fix.Class
		says    []string
	}{
		{
			name: "an old daemon, by systemd", spoil: unitRuns, result: at(long), fetched: failing, asked: true, broken: []string{"daemon-fetcher"}, class: fix.Risky,
			says: []string{"curl error code=6", "before the file was changed", "restarts nix-daemon.service"},
		},
		{name: "an old daemon, by something else", result: at(long), fetched: failing, asked: true, broken: []string{"daemon-fetcher"}, class: fix.Advice, says: []string{"restart the daemon"}},
		{name: "an old daemon that resolves", result: at(long), fetched: sandbox.Fetched{Lookup: sandbox.LookupWorked}, asked: true},
		{name: "an old daemon that cannot tell", result: at(long), fetched: sandbox.Fetched{Lookup: sandbox.LookupUnknown}, asked: true},
		{name: "a daemon that was just restarted", spoil: unitRuns, result: at(0), fetched: failing, asked: true, broken: []string{"daemon-fetcher"}, class: fix.Risky},
		{name: "a newer daemon", result: at(-2 * time.Minute), spoil: func(h *host) { h.age(later) }, fetched: failing},
		{name: "no daemon", result: alone, fetched: failing},
		{name: "a daemon that only root sees", result: unseen, fetched: failing},
		{name: "a name that nobody knows", result: nowhere, fetched: failing},
		{name: "names do not resolve at all", spoil: func(h *host) { h.servers = nil }, result: inside("timeout"), fetched: failing, broken: []string{"no-server-answers"}, class: fix.Advice},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			if c.spoil != nil {
				c.spoil(h)
			}
			asked := 0
			f := resolvconf.With((&scripted{results: []probe.Result{c.result}}).run,
				func(_ context.Context, _ platform.Builder, o sandbox.Options) (sandbox.Fetched, error) {
					if asked++; o.Name != "cache.nixos.org" {
						t.Errorf("asked for %+v", o)
					}
					return c.fetched, nil
				})
			got, err := f.Probe(t.Context(), fix.Experiment{Host: h}, nil)
			h.Must(err)
			if (asked == 1) != c.asked || asked > 1 {
				t.Errorf("the fetcher was asked %d times", asked)
			}
			witness.Saw(t, c.name, got.Findings)
			if diff := cmp.Diff(c.broken, ids(got.Findings, fix.Broken)); diff != "" {
				t.Errorf("broken (-want +got):\n%s", diff)
			}
			if len(c.broken) == 0 {
				return
			}
			first := got.Findings[0]
			if first.Remedy == nil || first.Remedy.Class != c.class {
				t.Errorf("remedy %+v, want %s", first.Remedy, c.class)
			}
			for _, want := range c.says {
				if text := fmt.Sprintf("%+v %+v", first, first.Remedy); !strings.Contains(text, want) {
					t.Errorf("%q is not said: %s", want, text)
				}
			}
			p, err := f.Plan(t.Context(), h, fix.Request{Allowed: everything, Probed: &got})
			h.Must(err)
			var steps []string
			for _, e := range p.Entries {
				steps = append(steps, e.Step.Kind())
			}
			if c.class == fix.Risky && !slices.Equal(steps, []string{"restart-unit"}) || c.class == fix.Advice && len(steps) > 0 {
				t.Errorf("planned: %q", steps)
			}
			if c.class != fix.Risky {
				return
			}
			h.Must((plan.Driver{Host: h, Log: &marks{list: make([]plan.Mark, len(p.Entries))}}).Run(t.Context(), p))
			if !strings.HasPrefix(h.Read(running), "started\n") {
				t.Error("the daemon was not restarted")
			}

			if err := f.Judge(got, got); err == nil {
				t.Error("a repair that did not help is kept")
			}
			c.fetched = sandbox.Fetched{Lookup: sandbox.LookupWorked}
			after, err := f.Probe(t.Context(), fix.Experiment{Host: h}, nil)
			h.Must(err)
			if err := f.Judge(got, after); err != nil {
				t.Errorf("a repair that helped is taken back: %v", err)
			}
		})
	}
	witness.Testify(t, "fetcher")
}

// marks is a log in memory.
type marks struct{ list []plan.Mark }

func (m *marks) Marks() []plan.Mark { return m.list }
func (m *marks) Set(i int, mark plan.Mark, _ string) error {
	m.list[i] = mark
	return nil
}
