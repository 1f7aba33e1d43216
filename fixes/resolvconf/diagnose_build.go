package resolvconf

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// found is all that a look has brought to light; a plan is made of the same.
type found struct {
	*diagnosis
	result   *probe.Result // nil where nothing was built
	trials   []trial
	again    bool            // result is that of a second build
	fetched  sandbox.Fetched // by the daemon itself; the zero value where it was not asked
	observed Truth           // whether lookups work inside, as the build saw it
	now      time.Time       // when it did
}

// resolves is the judgement of the probe itself, so that check and probe never differ.
func resolves(r probe.Result) Truth {
	switch works, known := r.Resolves(); {
	case !known:
		return Unclear
	case works:
		return Yes
	}
	return No
}

// combine brings what the host says and what the build saw together. The build is right.
func (f *found) combine() {
	r := f.result
	switch f.observed {
	case Yes:
		// A build that had its answer at once has heard the server that said nothing to lixfix, which may limit how much it
		// answers.
		if r.Lookup().Took < probe.SlowAfter {
			n := len(f.causes)
			f.causes = slices.DeleteFunc(f.causes, func(x cause) bool { return x.silent })
			if len(f.causes) < n && f.predicts.Works == No {
				f.predicts.Works = Unclear
			}
		}
		for i := range f.causes {
			f.causes[i].broken = false
		}
	case No:
		f.blameBuild()
	case Unclear:
	}
	if r.Report != nil {
		f.addSeen()
	}
	if f.observed == No && f.broken() == 0 && r.Daemon {
		f.causes = append(f.causes, elsewhere(&f.daemon)...)
	}
	if f.fetcherFails() {
		f.causes = append(f.causes, f.fetcherCause())
	}
}

// blameBuild says which of the causes a build that does not resolve names has shown to be at work.
func (f *found) blameBuild() {
	mark := func(kinds ...*fix.Kind) {
		for i, x := range f.causes {
			f.causes[i].broken = x.broken || x.cure != nil && slices.Contains(kinds, x.kind)
		}
	}
	r := f.result
	switch {
	case r.Outcome == sandbox.SetupTimeout, r.Outcome == sandbox.PastaNotRun:
		mark(tunClosed, pastaQuoted, pastaGone, appArmor)
		if f.broken() == 0 && len(r.Pasta) > 0 {
			f.causes = append(f.causes, pastaCause(r.Pasta))
		}
	case r.Network == sandbox.NoTun:
		mark(tunMissing)
	case r.Outcome == sandbox.SetupFailed:
		mark(dangling, notFile, wsl)
	case r.Network == sandbox.PastaNetwork, r.Network == sandbox.LateNetwork:
		// pasta ran, whatever the host looks like.
		for i, x := range f.causes {
			if slices.Contains([]*fix.Kind{tunClosed, tunMissing, pastaGone, pastaQuoted}, x.kind) {
				f.causes[i].broken = false
			}
		}
	}
}

// addSeen adds what only the builder has seen.
func (f *found) addSeen() {
	r := f.result
	add := func(x cause) {
		if i := slices.IndexFunc(f.causes, func(o cause) bool { return o.kind == x.kind }); i >= 0 {
			f.causes[i].broken = f.causes[i].broken || x.broken
			return
		}
		f.causes = append(f.causes, x)
	}
	if r.Network == sandbox.LateNetwork || r.Report.RouteLate {
		add(cause{
			kind: race, broken: r.Network == sandbox.LateNetwork && f.observed == No,
			evidence: []fix.Evidence{{
				Source: routeInside, Expected: fromTheStart,
				Observed: afterMS.Fill(fix.With{"ms": fmt.Sprintf("%.0f", r.Report.RouteWait)}),
			}},
		})
	}
	if took := r.Lookup().Took; f.observed == Yes && took >= probe.SlowAfter &&
		!slices.ContainsFunc(f.causes, func(x cause) bool { return x.waits }) {
		add(cause{
			kind: slowLookups, with: fix.With{"took": seconds.Fill(fix.With{"count": fmt.Sprintf("%.0f", took.Seconds())})},
			evidence: []fix.Evidence{{
				Source: lookupInside, Expected: underTwoSeconds, Observed: seconds.Fill(fix.With{"count": fmt.Sprintf("%.1f", took.Seconds())}),
			}},
		})
	}
	if others := r.Others(); f.observed == Yes && len(others) > 0 {
		add(cause{kind: otherReaders, with: fix.With{"programs": probe.Programs(others)}})
	}
	if !r.Sandbox {
		add(cause{
			kind: sandboxOff, special: "build",
			evidence: []fix.Evidence{{Source: buildDirectory, Expected: "/build", Observed: r.Report.Cwd}},
		})
	}
	if i := slices.IndexFunc(f.causes, func(x cause) bool { return x.kind == firewall }); i >= 0 && f.observed == No &&
		f.predicts.Works != No {
		f.causes[i].broken = true
		if !f.drops {
			f.causes[i].special = "blame"
		}
	}
}

// pastaCause is the cause that pasta itself has named.
func pastaCause(said []string) cause {
	x := cause{kind: pastaEnds, broken: true, with: fix.With{"words": said[0]}}
	for _, line := range said {
		x.evidence = append(x.evidence, fix.Evidence{Source: "pasta", Expected: saysNothing, Observed: line})
	}
	all := strings.Join(said, "\n")
	for _, w := range pastaSays {
		if strings.Contains(all, w.text) {
			x.special = w.special
			break
		}
	}
	return x
}

// fetching reports whether the daemon's own fetcher may be the only one that does not resolve names: it builds in its
// own process, with what that has loaded when it began (https://github.com/NixOS/nix/issues/5089), and goes by the
// host's nsswitch.conf and not by that of the sandbox. Where neither can matter, a second build is not worth its time.
func (f *found) fetching() bool {
	r := f.result
	if f.observed != Yes || r.Report == nil || !r.Daemon {
		return false
	}
	// A name that DNS does not have is none that a fetcher could resolve.
	if !slices.ContainsFunc(r.Report.Queries, func(q sandbox.Query) bool {
		return q.Error == "" && q.RCode == dnsquery.NoError && q.Type == string(dnsquery.A)
	}) {
		return false
	}
	return !r.DaemonSince.IsZero() && (r.DaemonSince.Before(f.changed) || f.now.Sub(r.DaemonSince) < justStarted)
}

// fetcherFails reports whether only the daemon's own fetcher does not resolve names.
func (f *found) fetcherFails() bool {
	return f.observed == Yes && f.fetched.Lookup == sandbox.LookupFailed
}

// fetcherCause is the cause that the daemon's own fetcher does not resolve names.
func (f *found) fetcherCause() cause {
	since := f.result.DaemonSince
	x := cause{
		kind: fetcher, broken: true, evidence: []fix.Evidence{{
			Source: fetcherOf.Fill(fix.With{"name": f.name}), Expected: nameResolves, Observed: f.fetched.Text,
		}},
	}
	if !since.IsZero() {
		seen := startedAt.Fill(fix.With{"time": clock(since)})
		if since.Before(f.changed) {
			seen += beforeChange
		}
		x.evidence = append(x.evidence, fix.Evidence{
			Source:   "nix-daemon",
			Expected: startedAfter.Fill(fix.With{"time": clock(f.changed)}), Observed: seen,
		})
	}
	return x
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// sandboxSide is the evidence from inside.
func (f *found) sandboxSide() []fix.Evidence {
	p := f.predicts
	words := map[Truth]string{Yes: shouldWork, No: shouldFail, Unclear: notKnownYet}[p.Works]
	if p.Works == Yes && f.nameless() {
		words = answerNoName
	}
	if p.Why != "" {
		words += ": " + p.Why
	}
	if f.result == nil {
		switch {
		case !f.rules.asked && f.nix.present:
			words += unlessFirewall
		case f.rules.err != "":
			words += rulesUnread.Fill(fix.With{"why": f.rules.err})
		}
		return []fix.Evidence{{
			Source: insidePredicted, Expected: lookupsWork,
			Observed: lookAtBuild.Fill(fix.With{"prediction": words}),
		}}
	}
	list := []fix.Evidence{{Source: inside, Expected: lookupsWork, Observed: f.outcome()}}
	if f.observed != Unclear && p.Works != Unclear && f.observed != p.Works {
		list = append(list, fix.Evidence{Source: fromHost, Expected: buildSaw, Observed: words})
	}
	if others := f.result.Others(); len(others) > 0 {
		seen := lookupsWork
		if f.observed == Yes {
			seen = lookupsFail
		}
		list = append(list, fix.Evidence{Source: insideBy.Fill(fix.With{"programs": probe.Programs(others)}), Expected: asGlibc, Observed: seen})
	}
	for _, t := range f.trials {
		list = append(list, fix.Evidence{
			Source: theSame.Fill(fix.With{"what": t.what}), Expected: "-", Observed: map[Truth]string{
				Yes: lookupsWork, No: lookupsFail, Unclear: cannotBeTold,
			}[t.works],
		})
	}
	return list
}

// findings says it all, the worst first, and whether names resolve last.
func (f *found) findings() []fix.Finding {
	side := f.sandboxSide()
	var list []fix.Finding
	for _, x := range f.causes {
		one := x.finding()
		one.Evidence = slices.Concat(one.Evidence, side)
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(a, b fix.Finding) int { return fix.Compare(b.Status, a.Status) })
	if v := f.verdict(); v != nil {
		v.Evidence = slices.Concat(side, v.Evidence)
		list = append(list, *v)
	}
	return list
}

// verdict is the finding that says whether names resolve; nil where the causes have said that they do not.
func (f *found) verdict() *fix.Finding {
	if f.result != nil {
		return f.builtVerdict()
	}
	broken := f.broken() > 0
	switch {
	case !f.nix.present:
		v := noNix.Found(nil)
		v.Status = fix.NotApplicable
		return &v
	case errors.Is(f.dataErr, platform.ErrTooLarge):
		v := notKnown.Found(nil)
		v.Reason = tooLarge.Fill(fix.With{"file": conf.File, "limit": conf.Limit >> 20})
		v.Remedy = notKnown.Remedy("large", nil)
		return &v
	case f.nix.program == "":
		v := noNix.FoundAs("unseen", nil)
		v.Reason = leftOver
		return &v
	case f.nix.mistake:
		v := badConf.Found(fix.With{"why": f.nix.broken})
		return &v
	case f.nix.broken != "":
		v := notKnown.FoundAs("settings", fix.With{"why": f.nix.broken})
		v.Reason = withoutFiles
		return &v
	case broken:
		return nil
	}
	switch f.predicts.Works {
	case No:
		v := notProbed.Found(fix.With{"why": f.predicts.Why})
		return &v
	case Unclear:
		v := f.unclear()
		return &v
	}
	if f.nameless() {
		return nil // the servers are reached, and the name that was asked for has a finding of its own
	}
	v := works.FoundAs(casePassive, nil)
	return &v
}

// unclear is the verdict that the host does not tell.
func (f *found) unclear() fix.Finding {
	v := notKnown.Found(nil)
	v.Reason, v.Remedy = f.predicts.Why, notKnown.Remedy("build", nil)
	if u, ok := errors.AsType[*platform.Untrusted](f.dataErr); ok {
		v.Reason += notByRoot.Fill(fix.With{"error": u.Error()})
	}
	if f.way.info.ACL {
		v.Evidence = []fix.Evidence{f.wayEvidence()}
	}
	v.NeedsRoot = errors.Is(f.dataErr, fs.ErrPermission) && !f.facts.Root()
	return v
}

// builtVerdict is the verdict after a build.
func (f *found) builtVerdict() *fix.Finding {
	r := f.result
	why := fix.With{"why": word(r)}
	switch r.Outcome {
	case sandbox.NoNix:
		v := noNix.FoundAs("build", nil)
		switch {
		case !f.nix.present:
			v.Status = fix.NotApplicable
		case f.nix.program == "":
			v.Reason = leftOver
		default:
			v = noNix.FoundAs("unable", nil)
			v.Reason = r.Reason
		}
		return &v
	case sandbox.NoDaemon:
		v := noDaemon.Found(why)
		return &v
	case sandbox.BadConfig:
		v := badConf.Found(why)
		return &v
	}
	switch {
	case f.observed == Unclear:
		v := notKnown.FoundAs("build", nil)
		v.Reason = f.outcome()
		return &v
	case f.observed == No && f.broken() == 0:
		v := unexplained.Found(nil, f.excluded()...)
		v.Remedy = f.suspect()
		return &v
	case f.observed == No, f.nameless():
		return nil
	case f.predicts.Works == No:
		v := contradicted.Found(nil)
		return &v
	}
	v := works.Found(fix.With{
		"by":   strings.TrimSpace(r.Implementation + " " + r.Version),
		"took": seconds.Fill(fix.With{"count": fmt.Sprintf("%.1f", r.Millis/1000)}),
	})
	return &v
}

// suspect says what the trials point at.
func (f *found) suspect() *fix.Remedy {
	for _, t := range f.trials {
		if t.works == Yes {
			return unexplained.Remedy("suspect", fix.With{"without": t.what})
		}
	}
	if len(f.trials) > 0 {
		return unexplained.Remedy("everywhere", nil)
	}
	return unexplained.Remedy("report", nil)
}

// excluded lists what was looked at and is not why names do not resolve.
func (f *found) excluded() []fix.Evidence {
	var list []fix.Evidence
	add := func(source, observed string) {
		list = append(list, fix.Evidence{Source: excludedBy.Fill(fix.With{"source": source}), Expected: "-", Observed: observed})
	}
	add(conf.File, buildersRead.Fill(fix.With{"way": f.way.String(), "open": truth(f.path)}))
	for _, a := range f.servers {
		if len(a.lines) > 0 {
			add(askedByUs.Fill(fix.With{"server": a.address.String()}), a.text())
		}
	}
	if f.nix.usesPasta() {
		add("pasta", buildersRun.Fill(fix.With{"way": f.pasta.String(), "open": truth(f.diagnosis.runs)}))
		add(tunDevice, string(f.tunState))
	}
	switch {
	case f.rules.err != "":
		add(userRules, notRead.Fill(fix.With{"why": f.rules.err}))
	case len(f.rules.lines) == 0:
		add(userRules, "none")
	}
	if len(f.replaced) == 0 {
		add("sandbox-paths", nothingOver.Fill(fix.With{"files": strings.Join(replaceable, ", ")}))
	}
	if d := f.daemon; d.pid != 0 {
		add(theDaemon, likeOurs.Fill(fix.With{"pid": d.pid}))
	}
	if f.again {
		add("chance", sameAgain)
	}
	return list
}

func truth(t Truth) string {
	if t == Unclear {
		return notKnownYet
	}
	return string(t)
}
