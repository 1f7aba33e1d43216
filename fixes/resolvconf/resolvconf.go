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
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
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

// Runner makes a build that looks around in its sandbox.
type Runner func(context.Context, platform.Builder, probe.Options) (probe.Result, error)

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

func (resolvConf) Doc() fix.Doc {
	return fix.Doc{
		Title: "builds cannot resolve names",
		Symptoms: []string{
			"Could not resolve host: …",
			"Couldn't resolve host name",
			"Temporary failure in name resolution",
			"Name or service not known",
			"lookup … on 169.254.1.1:53: …",
			"lookup … on [::1]:53: …",
			"cannot download … from any mirror",
			"sandbox network setup timed out, please check daemon logs for possible error output.",
			"could not exec pasta: …",
			"'/etc/resolv.conf' exists but is inaccessible, it will not be rewritten inside the sandbox",
			"opening file '/etc/resolv.conf': No such file or directory",
			"getting attributes of path '/etc/resolv.conf': No such file or directory",
		},
		Cause: "A build that fetches something gets a resolv.conf of its own, made from that of the host. Nix mounts " +
			"the host's file. Lix " +
			"since 2.93.1 gives the build a network of its own, served by pasta, which asks one server of each family: the " +
			"first one that it " +
			"can read in /etc/resolv.conf, as a build user. So a host can resolve while its builds cannot: the first " +
			"server is dead, the file " +
			"is a link to nothing, build users may not read it, or its lines are written in a way that pasta does not read.",
		Changes: "A file that nobody manages is made readable and its lines are written as every reader takes them. " +
			"What a person decides on: the " +
			"order of servers, the target of a link, a line of nix.conf, the mode of /dev/net/tun, a service that is " +
			"started. A file that a " +
			"manager writes is left alone; the finding says how to tell the manager. No server is added that you did not name.",
		Undo: "lixfix undo sets the old content, mode or link again and stops what was started. A repair after which a " +
			"build resolves no better is " +
			"taken back at once.",
		Sources: []string{
			"https://github.com/NixOS/nix/issues/11004",
			"https://github.com/NixOS/nixpkgs/issues/428554",
			"https://github.com/podman-container-tools/podman/issues/23239",
			"https://github.com/nix-community/NixOS-WSL/issues/777",
			"https://github.com/tailscale/tailscale/issues/4254",
		},
	}
}

func hostName(v string) error {
	if !probe.ValidName(v) {
		return fmt.Errorf("%q is no name that can be looked up", v)
	}
	return nil
}

func store(v string) error {
	if !probe.ValidStore(v) {
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
		{Name: optName, Usage: "name to look up (default: " + probe.DefaultName + ")", Look: true, Check: hostName},
		{
			Name: optStore, Look: true, Check: store,
			Usage: "build in this store: a directory, daemon or local (default: the daemon where there is one)",
		},
		{
			Name: optServer, Usage: "address of a name server that you want to be asked first; several with commas",
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
		o.name = probe.DefaultName
	}
	o.extra, _ = addresses(set[optServer].Value) // checked when it was given
	return o
}

// found is all that a look has brought to light; a plan is made of the same.
type found struct {
	survey   *survey
	causes   []cause
	result   *probe.Result // nil where nothing was built
	trials   []trial
	again    bool          // result is that of a second build
	fetched  probe.Fetched // by the daemon itself; the zero value where it was not asked
	observed Truth         // whether lookups work inside, as the build saw it
}

func (resolvConf) Detect(ctx context.Context, v platform.View, set fix.Settings) ([]fix.Finding, error) {
	f, err := detect(ctx, v, set)
	if err != nil {
		return nil, err
	}
	return f.findings(), nil
}

func detect(ctx context.Context, v platform.View, set fix.Settings) (*found, error) {
	o := settle(set)
	s := look(ctx, v, o.name)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look at %s: %w", conf.File, context.Cause(ctx))
	}
	f := &found{survey: s, causes: s.causes(ctx, o.extra, o.pastaOff)}
	s.judge(f.causes)
	s.guard(ctx, f.causes)
	return f, nil
}

// Probe implements fix.Prober.
func (r resolvConf) Probe(ctx context.Context, e fix.Experiment, set fix.Settings) (fix.Probed, error) {
	o := settle(set)
	ask := func(extra ...[2]string) (probe.Result, error) {
		return r.run(ctx, e.Host, probe.Options{
			Name: o.name, Store: o.store, Builder: e.Program, Extra: extra,
			Waiting: e.Waiting,
		})
	}
	// Side by side, because a silent server costs both of them two seconds.
	var result probe.Result
	var asking sync.WaitGroup
	asking.Go(func() {
		var err error
		if result, err = ask(); err != nil {
			result.Outcome, result.Reason = probe.Other, err.Error()
		}
	})
	f, err := detect(ctx, e.Host, set)
	asking.Wait()
	switch {
	case ctx.Err() != nil:
		return fix.Probed{}, fmt.Errorf("probe the sandbox: %w", context.Cause(ctx))
	case err != nil:
		return fix.Probed{}, err
	}
	f.result = &result
	f.observe()
	f.isolate(ctx, ask)
	f.fetch(ctx, r.fetch, e.Host, probe.Options{Name: o.name, Store: o.store})
	if ctx.Err() != nil {
		return fix.Probed{}, fmt.Errorf("probe the sandbox: %w", context.Cause(ctx))
	}
	f.combine()
	if f.observed == No && f.broken() == 0 {
		if x := f.elsewhere(ctx); x != nil {
			f.causes = append(f.causes, *x)
		}
	}
	if f.fetcherFails() {
		f.causes = append(f.causes, f.fetcher(ctx))
	}
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

// broken counts the causes why names do not resolve.
func (f *found) broken() int {
	n := 0
	for _, x := range f.causes {
		if x.broken {
			n++
		}
	}
	return n
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
		if f, err = detect(ctx, v, req.Settings); err != nil {
			return p, err
		}
	}
	var edits []cause
	written := map[plan.Step]bool{}
	add := func(step plan.Step, id string) {
		if !written[step] { // a restart that two remedies need
			written[step] = true
			p.Entries = append(p.Entries, plan.Entry{Step: step, For: Name + "/" + id})
		}
	}
	var last []cause
	for _, x := range f.causes {
		if x.remedy == nil || !x.does() || !req.Allowed(Name+"/"+x.id, x.remedy.Class) {
			continue
		}
		if x.remedy.Class == fix.Risky && !x.broken && f.broken() > 0 && !f.wanted(x, req.Settings) {
			continue // what is only slow can wait for a repair of its own
		}
		if x.edit != nil || x.open {
			edits = append(edits, x)
		}
		for _, s := range x.steps {
			if _, restart := s.(step.RestartUnit); restart {
				last = append(last, cause{id: x.id, steps: []plan.Step{s}})
				continue
			}
			add(s, x.id)
		}
		if x.remedy.Class == fix.Risky {
			p.Notes = append(p.Notes, Name+"/"+x.id+": "+x.remedy.Changes)
		}
	}
	if s := f.survey.rewrite(edits); s != nil {
		add(s, edits[0].id)
		if w, ok := s.(step.WriteFile); ok {
			p.Notes = append(p.Notes, reads(w.After.Data()))
		}
	}
	for _, x := range last {
		add(x.steps[0], x.id)
	}
	if len(p.Entries) > 0 {
		p.Notes = append(p.Notes, "afterwards a build looks whether names resolve; if that is not better than before, "+
			"all of this is taken back")
	}
	for _, name := range slices.Sorted(maps.Keys(req.Settings)) {
		s := req.Settings[name]
		p.Settings = append(p.Settings, plan.Setting{Name: name, Value: s.Value, Source: s.Source})
	}
	return p, nil
}

// wanted reports whether the user asked for a remedy of what works all the same, by naming a server.
func (f *found) wanted(x cause, set fix.Settings) bool {
	return set[optServer].Value != "" && strings.Contains(x.remedy.Changes, "that you named")
}

// reads says what /etc/resolv.conf is going to hold, where that is little.
func reads(data []byte) string {
	const few = 12
	var lines []string
	for line := range strings.Lines(string(data)) {
		lines = append(lines, fmt.Sprintf("%q", strings.TrimSuffix(line, "\n")))
	}
	if len(lines) > few {
		return fmt.Sprintf("%s will have %d lines", conf.File, len(lines))
	}
	return conf.File + " will read: " + strings.Join(lines, ", ")
}

// does reports whether lixfix does something about a cause.
func (x *cause) does() bool { return len(x.steps) > 0 || x.edit != nil || x.open }
