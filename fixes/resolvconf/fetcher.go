package resolvconf

import (
	"context"
	"slices"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/systemd"
)

const nsswitch = "/etc/nsswitch.conf"

// justStarted is how long after its start a daemon is asked again: a repair that restarted it has to be proven.
const justStarted = time.Minute

// Fetcher has Nix itself look a name up.
type Fetcher func(context.Context, platform.Builder, probe.Options) (probe.Fetched, error)

// fetching reports whether the daemon's own fetcher may be the only one that does not resolve names: it builds in its
// own process, with what that has loaded when it began (https://github.com/NixOS/nix/issues/5089), and goes by the
// host's nsswitch.conf and not by that of the sandbox. Where neither can matter, a second build is not worth its time.
func (f *found) fetching() bool {
	r := f.result
	if f.observed != Yes || r.Report == nil || !r.Daemon {
		return false
	}
	// A name that DNS does not have is none that a fetcher could resolve.
	if !slices.ContainsFunc(r.Report.Queries, func(q probe.Query) bool {
		return q.Error == "" && q.RCode == dnsquery.NoError && q.Type == string(dnsquery.A)
	}) {
		return false
	}
	return !r.DaemonSince.IsZero() && (r.DaemonSince.Before(f.survey.changed) || time.Since(r.DaemonSince) < justStarted)
}

// fetch asks the daemon's own fetcher, where the builder has resolved names.
func (f *found) fetch(ctx context.Context, fetch Fetcher, b platform.Builder, o probe.Options) {
	if fetch == nil || !f.fetching() {
		return
	}
	// What cannot be told is no news: names do resolve in the sandbox.
	if got, err := fetch(ctx, b, o); err == nil {
		f.fetched = got
	}
}

// fetcherFails reports whether only the daemon's own fetcher does not resolve names.
func (f *found) fetcherFails() bool {
	return f.observed == Yes && f.fetched.Lookup == probe.LookupFailed
}

// fetcher is the cause that the daemon's own fetcher does not resolve names.
func (f *found) fetcher(ctx context.Context) cause {
	s, since := f.survey, f.result.DaemonSince
	clock := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
	x := cause{
		id: idFetcher, broken: true,
		summary: "names resolve in the sandbox, but not for the daemon's own fetcher (builtin:fetchurl)",
		evidence: []fix.Evidence{{
			Source: "builtin:fetchurl, " + s.name, Expected: "the name resolves", Observed: f.fetched.Text,
		}},
	}
	if !since.IsZero() {
		seen := "started at " + clock(since)
		if since.Before(s.changed) {
			seen += ", before the file was changed"
		}
		x.evidence = append(x.evidence, fix.Evidence{
			Source:   "nix-daemon",
			Expected: "started after the last change of " + conf.File + ", at " + clock(s.changed), Observed: seen,
		})
	}
	const why = "let the daemon see how names are resolved now"
	if active, err := systemd.Active(ctx, s.v, daemonUnit); err == nil && active {
		x.risky("restart "+daemonUnit+", which ends the builds that it runs", "nothing is left to take back",
			step.RestartUnit{Unit: daemonUnit, Why: why})
		return x
	}
	x.remedy = &fix.Remedy{
		Class: fix.Advice, Changes: "restart the daemon, to " + why + "; the builds that it runs end with it",
	}
	return x
}
