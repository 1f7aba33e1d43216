// Package resolvconf explains why names do not resolve inside the build sandbox of Linux: which server, which file,
// whose file it is, and what can be done. It predicts from the host what a build will see, and asks a build.
package resolvconf

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// Name is the name of the fix.
const Name = "resolv-conf"

// Options of the fix, by flag.
const (
	optName     = "name"
	optServer   = "nameserver"
	optPastaOff = "pasta-off"
	optStore    = "store"
)

type resolvConf struct {
	run   Runner
	fetch Fetcher
}

var _ fix.Prober = resolvConf{}

// New returns the fix.
func New() fix.Fix { return With(probe.Run, probe.Fetch) }

// With returns the fix with other ways to probe, where nil for the second is none; it exists for tests.
func With(run Runner, fetch Fetcher) fix.Prober { return resolvConf{run, fetch} }

func (resolvConf) Name() string { return Name }

func hostName(v string) error {
	if !sandbox.ValidName(v) {
		return fmt.Errorf("%q is not a valid host name", v)
	}
	return nil
}

func store(v string) error {
	if !sandbox.ValidStore(v) {
		return fmt.Errorf("%q is neither daemon, local nor an absolute directory", v)
	}
	return nil
}

// addresses reads the servers that the user named.
func addresses(v string) ([]netip.Addr, error) {
	var list []netip.Addr
	for word := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' }) {
		a, err := netip.ParseAddr(word)
		if err != nil || a.IsUnspecified() || a.IsMulticast() {
			return nil, fmt.Errorf("%q is not the address of a name server", word)
		}
		list = append(list, a)
	}
	return list, nil
}

func (resolvConf) Options() []fix.Option {
	return []fix.Option{
		{Name: optName, Usage: "name to look up (default: " + sandbox.DefaultName + ")", Look: true, Check: hostName},
		{
			Name: optStore, Look: true, Check: store,
			Usage: "build in this store: a directory, daemon or local (default: the daemon where there is one)",
		},
		{
			Name: optServer, Usage: "address of a name server to be asked first; several with commas",
			Check: func(v string) error {
				list, err := addresses(v)
				if err == nil && len(list) == 0 {
					err = errors.New("no address is given")
				}
				return err
			},
		},
		{Name: optPastaOff, Usage: "where pasta-path is wrong, switch pasta off instead: builds then share the network " +
			"of the host", Bool: true},
	}
}

func (resolvConf) AppliesTo(f platform.Facts) bool { return f.OS == platform.Linux }

// settled are the options as values.
type settled struct {
	name, store string
	extra       []netip.Addr
	pastaOff    bool
}

func settle(set fix.Settings) settled {
	o := settled{name: set[optName].Value, store: set[optStore].Value, pastaOff: set.On(optPastaOff)}
	if o.name == "" {
		o.name = sandbox.DefaultName
	}
	o.extra, _ = addresses(set[optServer].Value) // checked when it was given
	return o
}

func (resolvConf) Detect(ctx context.Context, v platform.View, set fix.Settings) ([]fix.Finding, error) {
	f, err := detect(ctx, v, settle(set))
	if err != nil {
		return nil, err
	}
	return f.findings(), nil
}

// detect looks at the host, without a build.
func detect(ctx context.Context, v platform.View, o settled) (*found, error) {
	s := look(ctx, v, o.name)
	d := diagnose(s)
	if d.missesRules() {
		s.rules.read(ctx, v, s.nix.usesPasta())
		d = diagnose(s)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look at %s: %w", conf.File, context.Cause(ctx))
	}
	d.remedy(ctx, v, o)
	return &found{diagnosis: d}, nil
}

// remedy says of each cause what can be done. What that depends on is read first, and what stands against it last.
func (d *diagnosis) remedy(ctx context.Context, v platform.View, o settled) {
	r := remedies{diagnosis: d, means: d.readMeans(ctx, v), settled: o}
	for i := range d.causes {
		x := &d.causes[i]
		r.choose(x)
		if x.remedy == nil || !x.does() {
			continue
		}
		if against := d.obstacles(ctx, v, x); against != nil {
			x.withhold(against)
		}
	}
}

// Probe implements fix.Prober.
func (r resolvConf) Probe(ctx context.Context, e fix.Experiment, set fix.Settings) (fix.Probed, error) {
	o := settle(set)
	ask := func(extra ...[2]string) (probe.Result, error) {
		what := []string{"probe", o.name, o.store}
		for _, x := range extra {
			what = append(what, x[0]+" = "+x[1])
		}
		var came built
		err := e.Try(what, &came, func(b platform.Builder) error {
			result, err := r.run(ctx, b, sandbox.Options{
				Name: o.name, Store: o.store, Builder: e.Program, Extra: extra,
				Waiting: e.Waiting,
			})
			came = builtOf(result)
			return err
		})
		return came.result(), err
	}
	// Side by side, because a silent server costs both of them two seconds.
	var result probe.Result
	var asking sync.WaitGroup
	asking.Go(func() {
		var err error
		if result, err = ask(); err != nil {
			result.Outcome, result.Reason = sandbox.Other, err.Error()
		}
	})
	s := look(ctx, e.Host, o.name)
	asking.Wait()
	f := &found{diagnosis: diagnose(s), result: &result, observed: resolves(result), now: e.Host.Now()}
	if !s.rules.asked && (f.observed != Yes || f.missesRules()) {
		s.rules.read(ctx, e.Host, s.nix.usesPasta())
		f.diagnosis = diagnose(s)
	}
	f.isolate(ctx, e.Host, ask)
	f.fetch(ctx, r.fetch, e, sandbox.Options{Name: o.name, Store: o.store})
	if ctx.Err() != nil {
		return fix.Probed{}, fmt.Errorf("probe the sandbox: %w", context.Cause(ctx))
	}
	f.combine()
	f.remedy(ctx, e.Host, o)
	return fix.Probed{Findings: f.findings(), State: f}, nil
}

// Judge implements fix.Prober. Names that resolve are good; else there must be known causes why they do not, and
// fewer than before. Where no build can tell, neither before nor after, nothing speaks against the repair.
func (resolvConf) Judge(before, after fix.Probed) error {
	b, _ := before.State.(*found)
	a, ok := after.State.(*found)
	if !ok {
		return errors.New("no build told what became of it")
	}
	switch {
	case a.fetcherFails() && b != nil && b.fetcherFails():
		return fmt.Errorf("names still do not resolve for the daemon's own fetcher: %s", a.fetched.Text)
	case a.observed == Yes:
		return nil
	case b != nil && b.observed == Yes:
		return fmt.Errorf("names resolved in the sandbox before, and no longer do: %s", a.outcome())
	case a.observed == Unclear && (b == nil || b.observed == Unclear):
		return nil
	case a.observed == No && b != nil && b.observed == No && a.broken() > 0 && a.broken() < b.broken():
		return nil
	}
	return fmt.Errorf("names still do not resolve in the sandbox: %s", a.outcome())
}

// Plan does what is allowed of the remedies, in the order of the findings.
func (resolvConf) Plan(ctx context.Context, v platform.View, req fix.Request) (plan.Plan, error) {
	var p plan.Plan
	var f *found
	if req.Probed != nil {
		f, _ = req.Probed.State.(*found)
	}
	if f == nil {
		var err error
		if f, err = detect(ctx, v, settle(req.Settings)); err != nil {
			return p, err
		}
	}
	p.Entries, p.Notes = f.entries(req)
	for _, name := range slices.Sorted(maps.Keys(req.Settings)) {
		s := req.Settings[name]
		p.Settings = append(p.Settings, plan.Setting{Name: name, Value: s.Value, Source: s.Source})
	}
	return p, nil
}
