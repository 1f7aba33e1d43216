package resolvconf_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// inside is what a builder behind pasta reports, with one answer of the first server.
func inside(answer string) probe.Result {
	ask := func(server, protocol, answer string) sandbox.Query {
		q := sandbox.Query{Server: server, Protocol: protocol, Name: "cache.nixos.org", Type: "A", RCode: -1, Error: answer, Millis: 2000}
		if answer == "ok" {
			q.RCode, q.Error, q.Millis, q.Answers = 0, "", 4, []string{"192.0.2.80"}
		}
		return q
	}
	return probe.Result{Result: sandbox.Result{
		Outcome: sandbox.Ran, Implementation: "Lix", Version: "2.95.3", Sandbox: true, Network: sandbox.PastaNetwork, Millis: 300,
		Report: &sandbox.Report{
			Cwd: "/build", Files: map[string]sandbox.File{conf.File: {Data: []byte("\nnameserver 169.254.1.1\nnameserver 64:ff9b:1:4b8e:472e:a5c8:a9fe:0101\n")}},
			Queries: []sandbox.Query{
				ask("169.254.1.1", "udp", answer), ask("169.254.1.1", "tcp", answer),
				ask("64:ff9b:1:4b8e:472e:a5c8:a9fe:0101", "udp", "timeout"), ask("64:ff9b:1:4b8e:472e:a5c8:a9fe:0101", "tcp", "refused"),
			},
		},
	}}
}

func failed(o sandbox.Outcome, reason string) probe.Result {
	return probe.Result{Result: sandbox.Result{Outcome: o, Implementation: "Lix", Version: "2.95.3", Reason: reason}}
}

// scripted returns results one after the other, the last for ever, and remembers what was asked.
type scripted struct {
	results []probe.Result
	alone   *probe.Result // of a second build without other settings; as the first unless given
	asked   []sandbox.Options
}

func (s *scripted) run(_ context.Context, _ platform.Builder, o sandbox.Options) (probe.Result, error) {
	if len(s.asked) > 0 && len(o.Extra) == 0 {
		if s.alone != nil {
			return *s.alone, nil
		}
		return s.results[0], nil
	}
	r := s.results[min(len(s.asked), len(s.results)-1)]
	s.asked = append(s.asked, o)
	return r, nil
}

func TestProbe(t *testing.T) {
	witness := fixtest.NewWitness(resolvconf.New())
	late := inside("unreachable")
	late.Network, late.Report.RouteLate, late.Report.RouteWait = sandbox.LateNetwork, true, 2000
	raced := inside("ok")
	raced.Report.RouteLate, raced.Report.RouteWait = true, 40
	outside := inside("ok")
	outside.Sandbox, outside.Report.Cwd = false, "/tmp/nix-build-x"
	ended := failed(sandbox.SetupTimeout, "")
	ended.Pasta = []string{"External interface not usable"}
	empty := inside("unreachable")
	empty.Network = sandbox.NoTun
	untrusted := inside("timeout")
	untrusted.Trusted = new(bool)
	overTCP := inside("timeout")
	overTCP.Report.Files[conf.File] = sandbox.File{Data: []byte("options use-vc\nnameserver 169.254.1.1\n")}
	overTCP.Report.Queries = overTCP.Report.Queries[:2]
	overTCP.Report.Queries[1] = inside("ok").Report.Queries[1]
	noDNS := inside("ok")
	noDNS.Report.Files[sandbox.NSSwitch] = sandbox.File{Data: []byte("hosts: files\n")}
	for _, c := range []struct {
		name    string
		spoil   func(h *host)
		alone   *probe.Result
		results []probe.Result
		broken  []string
		risk    []string
		other   []string
		says    []string // anywhere
		not     []string // said nowhere
		trials  int      // further builds
	}{
		{name: "works, as predicted", results: []probe.Result{inside("ok")}, other: []string{"works"}, says: []string{"Lix 2.95.3, 0.3 s", "through pasta"}},
		{
			name: "works with glibc, and not with musl", results: []probe.Result{overTCP}, risk: []string{"some-programs-fail"}, other: []string{"works"},
			says: []string{"but not for programs with musl", "in the sandbox, programs with musl"}, not: []string{"Go"},
		},
		{
			name: "works with musl, and not with glibc", results: []probe.Result{noDNS}, broken: []string{"unexplained"}, trials: 2,
			says: []string{"in the sandbox, programs with musl", "as with glibc"}, not: []string{"some-programs-fail"},
		},
		{
			name: "fails, as predicted", spoil: func(h *host) { h.conf("nameserver " + dead + "\nnameserver " + live + "\n") },
			results: []probe.Result{inside("timeout")}, broken: []string{"first-server-dead"}, says: []string{"169.254.1.1 UDP timeout"},
		},
		{
			name: "works, and it was predicted not to", spoil: func(h *host) { h.conf("nameserver\t" + live + "\n") },
			results: []probe.Result{inside("ok")}, risk: []string{"pasta-skips-line", "prediction-contradicted"}, says: []string{"predicted from the host", "lookups should fail"},
		},
		{
			name: "fails, and nothing on the host says why", results: []probe.Result{inside("timeout"), inside("ok")}, trials: 2,
			broken: []string{"unexplained"}, says: []string{"predicted from the host", "lookups should work", "the same without pasta", "names resolve without pasta"},
		},
		{
			name: "fails beside what looks at the host, and not alone", results: []probe.Result{inside("timeout")}, alone: new(inside("ok")),
			other: []string{"works"},
		},
		{
			name: "works, and the servers say nothing to lixfix", results: []probe.Result{inside("ok")},
			spoil: func(h *host) { h.servers[live] = silent }, other: []string{"works"},
		},
		{
			name: "fails in every way", results: []probe.Result{inside("timeout")}, trials: 2,
			broken: []string{"unexplained"}, says: []string{"the same without the sandbox", "look at the firewall"},
		},
		{
			name: "works with another file", results: []probe.Result{inside("timeout"), inside("timeout"), inside("timeout"), inside("ok")}, trials: 3,
			spoil:  func(h *host) { h.Put("run/systemd/resolve/resolv.conf", "nameserver "+live+"\n", 0o644) },
			broken: []string{"unexplained"}, says: []string{"the same with /run/systemd/resolve/resolv.conf", "names resolve with /run/systemd/resolve/resolv.conf"},
		},
		{name: "fails, and no setting may be changed", results: []probe.Result{untrusted}, broken: []string{"unexplained"}, says: []string{"lixfix probe --text"}},
		{
			name: "a rule of the firewall that could not be read through", results: []probe.Result{inside("timeout")}, trials: 2,
			spoil: func(h *host) {
				h.Put("usr/sbin/nft", "#!/bin/sh\necho 'meta skuid nixbld1 jump others'\n", 0o755)
			},
			broken: []string{"firewall-by-user"}, says: []string{"skuid nixbld1"},
		},
		{
			name: "the network is not set up", spoil: func(h *host) { h.tun(0o600) }, results: []probe.Result{failed(sandbox.SetupTimeout, "")},
			broken: []string{"tun-not-accessible"}, says: []string{"waits in vain"},
		},
		{
			name: "pasta says why it ends", results: []probe.Result{ended}, broken: []string{"pasta-ends"}, trials: 2,
			says: []string{"the host has no default route", "give the host a default route"},
		},
		{
			name: "no device", spoil: func(h *host) { h.tun(0) }, results: []probe.Result{empty}, broken: []string{"tun-missing"},
			says: []string{"without any network"},
		},
		{
			name: "pasta cannot be run", spoil: func(h *host) { h.nix(lix, `""`) }, results: []probe.Result{failed(sandbox.PastaNotRun, "could not exec pasta")},
			broken: []string{"pasta-path-quoted"}, says: []string{"could not exec pasta"},
		},
		{name: "too early", results: []probe.Result{late}, trials: 2, broken: []string{"start-race"}},
		{name: "almost too early", results: []probe.Result{raced}, risk: []string{"start-race"}, other: []string{"works"}, says: []string{"after 40 ms"}},
		{name: "outside the sandbox", results: []probe.Result{outside}, risk: []string{"sandbox-off"}, other: []string{"works"}, says: []string{"/tmp/nix-build-x"}},
		{
			name: "the daemon is down, and a line is wrong", spoil: func(h *host) { h.conf("nameserver\t" + live + "\n") },
			results: []probe.Result{failed(sandbox.NoDaemon, "cannot connect to socket")}, broken: []string{"pasta-skips-line", "daemon-down"},
			says: []string{"cannot connect to socket"},
		},
		{name: "a broken nix.conf", results: []probe.Result{failed(sandbox.BadConfig, "line 3")}, broken: []string{"bad-nix-conf"}, says: []string{"line 3"}},
		{
			name: "no nix", spoil: func(h *host) {
				h.Must(os.Remove(filepath.Join(h.Root, "usr/bin/nix")))
				h.Must(os.Remove(filepath.Join(h.Root, "nix/store")))
			},
			results: []probe.Result{failed(sandbox.NoNix, "there is no nix-store in /usr/bin")}, other: []string{"no-nix"},
			says: []string{"there is no nix on this host"},
		},
		{
			name: "a nix and no store", results: []probe.Result{failed(sandbox.NoNix, "there is /usr/bin/nix-store, and no store yet")},
			other: []string{"no-nix"}, says: []string{"the nix on this host can build nothing", "Reason:there is /usr/bin/nix-store, and no store yet"},
			not: []string{"there is no nix on this host"},
		},
		{
			name: "a store and no nix", spoil: func(h *host) {
				h.Must(os.Remove(filepath.Join(h.Root, "usr/bin/nix")))
				h.Put("nix/var/nix/db/db.sqlite", "", 0o644)
			},
			results: []probe.Result{failed(sandbox.NoNix, "there is no nix-store in /usr/bin")}, other: []string{"no-nix"},
			says: []string{"there is no nix on this host", "Reason:there is a store or a nix.conf, and no nix to ask"},
		},
		{name: "a dynamic lixfix", results: []probe.Result{failed(sandbox.DynamicBinary, "")}, other: []string{"not-known"}, says: []string{"CGO_ENABLED=0"}},
		{name: "nobody has its words", results: []probe.Result{failed(sandbox.NoLog, "")}, other: []string{"not-known"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			if c.spoil != nil {
				c.spoil(h)
			}
			s := &scripted{results: c.results, alone: c.alone}
			got, err := resolvconf.With(s.run, nil).Probe(t.Context(), fix.Experiment{Host: h, Program: "/opt/lixfix"}, fix.Settings{"name": {Value: "cache.nixos.org"}})
			if err != nil {
				t.Fatal(err)
			}
			witness.Saw(t, c.name, got.Findings)
			for what, lists := range map[string][2][]string{
				"broken": {c.broken, ids(got.Findings, fix.Broken)}, "at risk": {c.risk, ids(got.Findings, fix.AtRisk)},
				"others": {c.other, ids(got.Findings, fix.OK, fix.Unknown, fix.NotApplicable)},
			} {
				if diff := cmp.Diff(lists[0], lists[1]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			text := ""
			for _, f := range got.Findings {
				text += fmt.Sprintf("%+v %+v\n", f, f.Remedy)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said: %s", want, text)
				}
			}
			for _, never := range c.not {
				if strings.Contains(text, never) {
					t.Errorf("%q is said: %s", never, text)
				}
			}
			if len(s.asked) != 1+c.trials || s.asked[0].Builder != "/opt/lixfix" || len(s.asked[0].Extra) > 0 {
				t.Errorf("asked %+v, want one build and %d trials", s.asked, c.trials)
			}
		})
	}
	witness.Testify(t, "probe")
}

func TestJudge(t *testing.T) {
	look := func(spoil func(*host), r probe.Result) fix.Probed {
		t.Helper()
		h := newHost(t)
		spoil(h)
		got, err := resolvconf.With((&scripted{results: []probe.Result{r}}).run, nil).Probe(t.Context(), fix.Experiment{Host: h}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	nothing := func(*host) {}
	one := func(h *host) { h.conf("nameserver " + dead + "\nnameserver " + live + "\n") }
	two := func(h *host) { h.Put("etc/resolv.conf", "nameserver "+dead+"\nnameserver "+live+"\n", 0o600) }
	works, fails := look(nothing, inside("ok")), look(one, inside("timeout"))
	worse, unknown := look(two, inside("timeout")), look(nothing, failed(sandbox.NoNix, ""))
	for _, c := range []struct {
		name          string
		before, after fix.Probed
		kept          bool
	}{
		{"cured", fails, works, true},
		{"no better", fails, fails, false},
		{"worse", works, fails, false},
		{"no cause is left, and no better", fails, look(nothing, inside("timeout")), false},
		{"fewer causes", worse, fails, true},
		{"more causes", fails, worse, false},
		{"cannot be told any more", fails, unknown, false},
		{"could never be told", unknown, unknown, true},
		{"not known before, and works", fix.Probed{}, works, true},
		{"no experiment", fails, fix.Probed{}, false},
	} {
		if err := resolvconf.With(nil, nil).Judge(c.before, c.after); (err == nil) != c.kept {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPlanIsMadeOfWhatWasShown: the host changes between the look and the plan; the plan is of the look.
func TestPlanIsMadeOfWhatWasShown(t *testing.T) {
	h := newHost(t)
	h.conf("nameserver\t" + live + "\n")
	f := resolvconf.With((&scripted{results: []probe.Result{inside("timeout")}}).run, nil)
	probed, err := f.Probe(t.Context(), fix.Experiment{Host: h}, nil)
	h.Must(err)
	h.conf("# mine\n")
	p, err := f.Plan(t.Context(), h, fix.Request{Allowed: everything, Probed: &probed})
	h.Must(err)
	if len(p.Entries) != 1 {
		t.Fatalf("%v", p.Entries)
	}
	if _, ok := p.Entries[0].Step.(step.WriteFile); !ok {
		t.Errorf("%v", p.Entries[0].Step)
	}
	verdicts, err := plan.Preview(t.Context(), h, p)
	h.Must(err)
	if verdicts[0].State != plan.Foreign {
		t.Errorf("the file that has changed is %v", verdicts[0])
	}
}

func TestRiskyNeedsConsent(t *testing.T) {
	h := newHost(t)
	h.conf("nameserver " + dead + "\nnameserver\t" + live + "\n")
	safe := func(_ string, c fix.Class) bool { return c == fix.Safe }
	p, err := resolvconf.New().Plan(t.Context(), h, fix.Request{Allowed: safe})
	h.Must(err)
	for _, e := range p.Entries {
		w, ok := e.Step.(step.WriteFile)
		if !ok || e.For != "resolv-conf/pasta-skips-line" || string(w.After.Data()) != "nameserver "+dead+"\nnameserver "+live+"\n" {
			t.Errorf("without consent: %v for %s", e.Step, e.For)
		}
	}
	if len(p.Entries) != 1 {
		t.Errorf("%d steps, want one", len(p.Entries))
	}
}

func TestOptions(t *testing.T) {
	for _, o := range resolvconf.New().Options() {
		var ok, bad []string
		switch o.Name {
		case "name":
			ok, bad = []string{"git.example.org"}, []string{"a b", "-x", ""}
		case "store":
			ok, bad = []string{"daemon", "/tmp/store"}, []string{"--help", "relative"}
		case "nameserver":
			ok, bad = []string{"192.0.2.1", "192.0.2.1,2001:db8::1"}, []string{"dns.example", "0.0.0.0", "::", "", "192.0.2.1\nx"}
		}
		for _, v := range ok {
			if err := o.Check(v); err != nil {
				t.Errorf("--%s %q: %v", o.Name, v, err)
			}
		}
		for _, v := range bad {
			if o.Check(v) == nil {
				t.Errorf("--%s takes %q", o.Name, v)
			}
		}
	}
}

// TestKindsAreSound: nothing is wrong with the table.
func TestKindsAreSound(t *testing.T) {
	for _, err := range fix.Validate(resolvconf.Name, resolvconf.New().Kinds()) {
		t.Error(err)
	}
}
