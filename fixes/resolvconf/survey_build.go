package resolvconf

import (
	"context"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

const nsswitch = "/etc/nsswitch.conf"

// justStarted is how long after its start a daemon is asked again: a repair that restarted it has to be proven.
const justStarted = time.Minute

// Runner makes a build that looks around in its sandbox.
type Runner func(context.Context, platform.Builder, sandbox.Options) (probe.Result, error)

// Fetcher has Nix itself look a name up.
type Fetcher func(context.Context, platform.Builder, sandbox.Options) (sandbox.Fetched, error)

// trial is one more build, with a setting that leaves one suspect out.
type trial struct {
	what   string // "without pasta"
	result probe.Result
	works  Truth
}

// isolate builds again where the first build does not resolve names and nothing on the host explains that. A daemon
// ignores such settings of users whom it does not trust, so that their trials would tell nothing.
func (f *found) isolate(ctx context.Context, v platform.View, ask func(...[2]string) (probe.Result, error)) {
	trusted := !f.result.Daemon
	if f.result.Trusted != nil {
		trusted = *f.result.Trusted
	}
	if f.observed != No || f.predicts.Works == No {
		return
	}
	if f.result.Lookup().Verdict == lookup.Failed {
		// What looks at the host asks the same servers: one that limits how much it is asked, or lost something, is heard by
		// a build that asks alone.
		if r, err := ask(); err == nil && resolves(r) != Unclear {
			f.again, f.result, f.observed = true, &r, resolves(r)
		}
	}
	if f.observed != No || !trusted {
		return
	}
	try := func(what string, extra ...[2]string) {
		r, err := ask(extra...)
		if err != nil {
			r.Outcome = sandbox.Other
		}
		f.trials = append(f.trials, trial{what, r, resolves(r)})
	}
	if f.nix.usesPasta() {
		try(withoutPasta, [2]string{"pasta-path", ""})
	}
	try(withoutSandbox, [2]string{"sandbox", "false"})
	if file := f.override(ctx, v); file != "" {
		try(withFile.Fill(fix.With{"file": file}), [2]string{"extra-sandbox-paths", conf.File + "=" + file})
	}
}

// override returns a file that could stand for /etc/resolv.conf in the sandbox: one that is there anyway, that all may
// read, and that names a server first which answers and is not on the loopback, for that is not yet reachable at the
// start of a build. "" where there is none; lixfix writes no file for a trial.
func (s *survey) override(ctx context.Context, v platform.View) string {
	for _, file := range []string{
		"/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf",
		"/run/NetworkManager/resolv.conf",
	} {
		info, err := v.Stat(ctx, file)
		if err != nil || !info.Mode.IsRegular() || info.Mode.Perm()&0o004 == 0 || file == s.way.end {
			continue
		}
		data, err := platform.ReadUpTo(ctx, v, file, conf.Limit)
		servers := conf.Glibc(data)
		if err != nil || len(servers) == 0 || servers[0].Address.IsLoopback() {
			continue
		}
		a, err := v.Ask(ctx, dnsquery.Server(servers[0].Address), dnsquery.UDP, s.name, dnsquery.A)
		if err == nil && a.Good() {
			return file
		}
	}
	return ""
}

// built is what came of a build as JSON carries it whole: with the start of the daemon, and with files as text, which is
// read for names before it is recorded.
type built struct {
	Result      probe.Result      `json:"result"`
	Files       map[string]string `json:"files,omitempty"`
	DaemonSince time.Time         `json:"daemon_since,omitzero"`
}

func builtOf(r probe.Result) built {
	b := built{Result: r, DaemonSince: r.DaemonSince}
	if r.Report == nil {
		return b
	}
	report := *r.Report
	report.Files, b.Files = map[string]sandbox.File{}, map[string]string{}
	for name, f := range r.Report.Files {
		if f.Data != nil {
			b.Files[name], f.Data = string(f.Data), nil
		}
		report.Files[name] = f
	}
	b.Result.Report = &report
	return b
}

func (b built) result() probe.Result {
	r := b.Result
	r.DaemonSince = b.DaemonSince
	for name, text := range b.Files {
		if r.Report != nil && r.Report.Files != nil {
			f := r.Report.Files[name]
			f.Data = []byte(text)
			r.Report.Files[name] = f
		}
	}
	return r
}

// fetch asks the daemon's own fetcher, where the builder has resolved names.
func (f *found) fetch(ctx context.Context, fetch Fetcher, e fix.Experiment, o sandbox.Options) {
	if fetch == nil || !f.fetching() {
		return
	}
	// What cannot be told is no news: names do resolve in the sandbox.
	var got sandbox.Fetched
	err := e.Try([]string{"fetch", o.Name, o.Store}, &got, func(b platform.Builder) (err error) {
		got, err = fetch(ctx, b, o)
		return err
	})
	if err == nil {
		f.fetched = got
	}
}
