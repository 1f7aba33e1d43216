package resolvconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// trial is one more build, with a setting that leaves one suspect out.
type trial struct {
	what   string // "without pasta"
	result probe.Result
	works  Truth
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

func (f *found) observe() { f.observed = resolves(*f.result) }

// isolate builds again where the first build does not resolve names and nothing on the host explains that. A daemon
// ignores such settings of users whom it does not trust, so that their trials would tell nothing.
func (f *found) isolate(ctx context.Context, ask func(...[2]string) (probe.Result, error)) {
	trusted := !f.result.Daemon
	if f.result.Trusted != nil {
		trusted = *f.result.Trusted
	}
	if f.observed != No || f.survey.predicts.Works == No {
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
			r.Outcome = probe.Other
		}
		f.trials = append(f.trials, trial{what, r, resolves(r)})
	}
	if f.survey.nix.usesPasta() {
		try("without pasta", [2]string{"pasta-path", ""})
	}
	try("without the sandbox", [2]string{"sandbox", "false"})
	if file := f.survey.override(ctx); file != "" {
		try("with "+file, [2]string{"extra-sandbox-paths", conf.File + "=" + file})
	}
}

// override returns a file that could stand for /etc/resolv.conf in the sandbox: one that is there anyway, that all may
// read, and that names a server first which answers and is not on the loopback, for that is not yet reachable at the
// start of a build. "" where there is none; lixfix writes no file for a trial.
func (s *survey) override(ctx context.Context) string {
	for _, file := range []string{
		"/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf",
		"/run/NetworkManager/resolv.conf",
	} {
		info, err := s.v.Stat(ctx, file)
		if err != nil || !info.Mode.IsRegular() || info.Mode.Perm()&0o004 == 0 || file == s.way.end {
			continue
		}
		data, err := platform.ReadUpTo(ctx, s.v, file, conf.Limit)
		servers := conf.Glibc(data)
		if err != nil || len(servers) == 0 || servers[0].Address.IsLoopback() {
			continue
		}
		a, err := s.v.Ask(ctx, dnsquery.Server(servers[0].Address), dnsquery.UDP, s.name, dnsquery.A)
		if err == nil && a.Good() {
			return file
		}
	}
	return ""
}

// outcome says in words what the build came to.
func (f *found) outcome() string {
	r := f.result
	by := strings.TrimSpace(r.Implementation + " " + r.Version)
	if by == "" {
		by = "nix"
	}
	switch r.Outcome {
	case probe.Ran:
		text := "a build of " + by
		switch r.Network {
		case probe.PastaNetwork:
			text += ", through pasta"
		case probe.HostNetwork:
			text += ", on the network of the host"
		case probe.NoTun:
			text += ", without any network"
		case probe.LateNetwork:
			text += ", whose network was not there yet"
		case probe.Closed:
			text += ", cut off from the network"
		}
		if !r.Sandbox {
			text += ", outside the sandbox"
		}
		return text + ": " + queries(r.Report)
	case probe.SetupFailed:
		return by + " could not set the sandbox up: " + word(r)
	case probe.SetupTimeout:
		return by + " waits in vain for the network of the sandbox" + said(r.Pasta)
	case probe.PastaNotRun:
		return by + " could not run pasta: " + word(r)
	case probe.NoNix:
		return "there is no nix to build with: " + word(r)
	case probe.NoDaemon:
		return "the daemon is not there: " + word(r)
	case probe.BadConfig:
		return "nix cannot read its configuration: " + word(r)
	case probe.NoLog:
		return "it was built, and nobody has kept what the builder said"
	case probe.DynamicBinary:
		return "this lixfix is linked dynamically and cannot be a builder; build it with CGO_ENABLED=0"
	case probe.Waiting:
		return "the probe had to wait: " + word(r)
	case probe.Interrupted:
		return "the build was interrupted"
	}
	return "the build failed: " + word(r)
}

// word is what is known of why nobody reported.
func word(r *probe.Result) string {
	if r.Reason != "" {
		return r.Reason
	}
	for _, l := range slices.Backward(r.Stderr) {
		if l = strings.TrimSpace(l); l != "" {
			return l
		}
	}
	return "it said nothing"
}

func said(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "; pasta said: " + strings.Join(lines, "; ")
}

// queries says what became of the questions of a builder, the servers of pasta first.
func queries(r *probe.Report) string {
	if r == nil {
		return "it told nothing"
	}
	var words []string
	for _, q := range r.Queries {
		if q.Type != string(dnsquery.A) {
			continue
		}
		what := q.Error
		switch {
		case what == dnsquery.NotWaited:
			what = "not waited for"
		case what == "" && q.Truncated:
			what = "does not fit"
		case what == "" && q.RCode == dnsquery.NoError:
			what = fmt.Sprintf("ok in %.0f ms", q.Millis)
		case what == "" && q.RCode == dnsquery.NXDomain:
			what = "no such name"
		case what == "":
			what = rcode(q.RCode)
		}
		words = append(words, fmt.Sprintf("%s %s %s", q.Server, strings.ToUpper(q.Protocol), what))
	}
	if f, ok := r.Files[conf.File]; ok && f.Error != "" {
		words = append([]string{"its resolv.conf: " + f.Error}, words...)
	}
	if len(words) == 0 {
		return "no server to ask"
	}
	return strings.Join(words, ", ")
}

// combine brings what the host says and what the build saw together. The build is right.
func (f *found) combine() {
	r := f.result
	add := func(x cause) {
		if i := slices.IndexFunc(f.causes, func(o cause) bool { return o.id == x.id }); i >= 0 {
			f.causes[i].broken = f.causes[i].broken || x.broken
			return
		}
		f.causes = append(f.causes, x)
	}
	switch f.observed {
	case Yes:
		// A build that had its answer at once has heard the server that said nothing to lixfix, which may limit how much it
		// answers.
		if r.Lookup().Took < probe.SlowAfter {
			n := len(f.causes)
			f.causes = slices.DeleteFunc(f.causes, func(x cause) bool { return x.silent })
			if len(f.causes) < n && f.survey.predicts.Works == No {
				f.survey.predicts.Works = Unclear
			}
		}
		for i := range f.causes {
			f.causes[i].broken = false
		}
	case No:
		switch {
		case r.Outcome == probe.SetupTimeout, r.Outcome == probe.PastaNotRun:
			f.blame(add, idTunClosed, idPastaQuoted, idPastaGone, idAppArmor)
			if f.broken() == 0 && len(r.Pasta) > 0 {
				add(f.pastaEnds())
			}
		case r.Network == probe.NoTun:
			f.blame(add, idTunMissing)
		case r.Outcome == probe.SetupFailed:
			f.blame(add, idDangling, idDirectory, idWSL)
		case r.Network == probe.PastaNetwork, r.Network == probe.LateNetwork:
			// pasta ran, whatever the host looks like.
			for i, x := range f.causes {
				if slices.Contains([]string{idTunClosed, idTunMissing, idPastaGone, idPastaQuoted}, x.id) {
					f.causes[i].broken = false
				}
			}
		}
	case Unclear:
	}
	if r.Report == nil {
		return
	}
	if r.Network == probe.LateNetwork || r.Report.RouteLate {
		add(cause{
			id: idRace, broken: r.Network == probe.LateNetwork && f.observed == No,
			summary: "builds can start before pasta has given them a route: what looks a name up in the first moment " +
				"fails, at times",
			evidence: []fix.Evidence{{
				Source: "default route in the sandbox", Expected: "there from the start",
				Observed: fmt.Sprintf("after %.0f ms", r.Report.RouteWait),
			}},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "build again; fewer builds at a time (max-jobs) make it " +
				"rarer. Nothing is wrong with the configuration"},
		})
	}
	if took := r.Lookup().Took; f.observed == Yes && took >= probe.SlowAfter &&
		!slices.ContainsFunc(f.causes, func(x cause) bool { return x.waits }) {
		add(cause{
			id: idSlowLookups, summary: fmt.Sprintf("names resolve in the sandbox, but each lookup takes %.0f s", took.Seconds()),
			evidence: []fix.Evidence{{
				Source: "a lookup in the sandbox", Expected: "less than 2 s", Observed: fmt.Sprintf("%.1f s", took.Seconds()),
			}},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "look at the servers that the sandbox asks, in the lines below"},
		})
	}
	if !r.Sandbox {
		add(cause{
			id: idSandboxOff, summary: "the build ran outside the sandbox, so that pasta plays no part",
			evidence: []fix.Evidence{{Source: "directory of the build", Expected: "/build", Observed: r.Report.Cwd}},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "look at the settings sandbox and sandbox-fallback: where " +
				"namespaces are missing, as in containers, Lix and Nix go on without"},
		})
	}
	if f.observed == No && len(f.survey.rules) > 0 && f.survey.predicts.Works != No {
		add(cause{id: idFirewall, broken: true})
	}
}

// pastaWords are messages of pasta that mean something for certain, and what helps.
var pastaWords = []struct{ text, means, helps string }{
	{
		"/dev/net/tun: Operation not permitted", "the device is forbidden to it, as in containers that were not given it",
		"give the container the device from outside, such as \"docker run --device /dev/net/tun\"",
	},
	{"/dev/net/tun: No such device", "the kernel has no module for it", "run \"modprobe tun\""},
	{"/dev/net/tun: Permission denied", "something keeps build users from /dev/net/tun that its mode does not show", ""},
	{"External interface not usable", "the host has no default route", "give the host a default route, or use a newer passt"},
	{"Couldn't get any nameserver address", "it can read no server in /etc/resolv.conf", ""},
	{"pivot_root", "it cannot shut itself in, for which it needs /tmp", "let all users enter /tmp: mode 1777"},
	{"/tmp", "it cannot shut itself in, for which it needs /tmp", "let all users enter /tmp: mode 1777"},
}

// pastaEnds is the cause that pasta itself has named.
func (f *found) pastaEnds() cause {
	r := f.result
	x := cause{
		id: idPastaEnds, broken: true, summary: "pasta ends before it has set up the network of the sandbox; it says: " +
			r.Pasta[0],
		remedy: &fix.Remedy{Class: fix.Advice, Changes: "take away what it complains about; or name another passt in " +
			"pasta-path and restart the daemon"},
	}
	for _, line := range r.Pasta {
		x.evidence = append(x.evidence, fix.Evidence{Source: "pasta", Expected: "says nothing", Observed: line})
	}
	all := strings.Join(r.Pasta, "\n")
	for _, w := range pastaWords {
		if !strings.Contains(all, w.text) {
			continue
		}
		x.summary = "pasta cannot set up the network of the sandbox: " + w.means
		if w.helps != "" {
			x.remedy.Changes = w.helps
		}
		break
	}
	return x
}

// blame marks those causes that the build has shown to be at work.
func (f *found) blame(add func(cause), ids ...string) {
	for _, id := range ids {
		if slices.ContainsFunc(f.causes, func(x cause) bool { return x.id == id && x.cure != nil }) {
			add(cause{id: id, broken: true})
		}
	}
}

// works is whether lookups work, as far as is known: as a build saw it, or as it is predicted.
func (f *found) works() Truth {
	if f.result != nil && f.observed != Unclear {
		return f.observed
	}
	return f.survey.predicts.Works
}

// sandboxSide is the evidence from inside.
func (f *found) sandboxSide() []fix.Evidence {
	p := f.survey.predicts
	words := map[Truth]string{Yes: "lookups should work", No: "lookups should fail", Unclear: "not known"}[p.Works]
	if p.Works == Yes && f.survey.nameless() {
		words = "servers should answer, that there is no such name"
	}
	if p.Why != "" {
		words += ": " + p.Why
	}
	if f.result == nil && f.survey.rulesErr != "" {
		words += " (rules of the firewall that look at users were not read: " + f.survey.rulesErr + ")"
	}
	if f.result == nil {
		return []fix.Evidence{{Source: "in the sandbox " +
			"(predicted)", Expected: "lookups work", Observed: words + "; \"lixfix check " + Name + "\" has a build look"}}
	}
	list := []fix.Evidence{{Source: "in the sandbox", Expected: "lookups work", Observed: f.outcome()}}
	if f.observed != Unclear && p.Works != Unclear && f.observed != p.Works {
		list = append(list, fix.Evidence{Source: "predicted from the host", Expected: "what the build saw", Observed: words})
	}
	for _, t := range f.trials {
		list = append(list, fix.Evidence{
			Source: "the same " + t.what, Expected: "-", Observed: map[Truth]string{
				Yes: "lookups work", No: "lookups fail",
				Unclear: "could not be told",
			}[t.works],
		})
	}
	return list
}

// findings says it all, the worst first.
func (f *found) findings() []fix.Finding {
	s := f.survey
	side := f.sandboxSide()
	works := f.works()
	command := "lixfix check " + Name
	var list []fix.Finding
	broken := false
	for _, x := range f.causes {
		status := fix.AtRisk
		if x.broken {
			status, broken = fix.Broken, true
		}
		list = append(list, fix.Finding{
			ID: Name + "/" + x.id, Status: status, Summary: x.summary, Evidence: slices.Concat(x.evidence,
				side), Remedy: x.remedy,
		})
	}
	slices.SortStableFunc(list, func(a, b fix.Finding) int { return rank(a.Status) - rank(b.Status) })
	add := func(id string, status fix.Status, summary, reason string, remedy *fix.Remedy) {
		list = append(list, fix.Finding{
			ID: Name + "/" + id, Status: status, Summary: summary, Reason: reason,
			Evidence: side, Remedy: remedy,
		})
	}
	if r := f.result; r != nil {
		switch r.Outcome {
		case probe.NoNix:
			summary := "there is no nix on this host, so that no build could look"
			if s.nix.program != "" {
				summary = "the nix of this host can build nothing, so that no build could look"
			}
			add(idNoNix, f.absent(), summary, f.noNix(), nil)
			return list
		case probe.NoDaemon:
			add(idNoDaemon, fix.Broken, "the daemon does not run, so that nothing can be built: "+word(r), "", &fix.Remedy{
				Class: fix.Advice, Changes: "start it: \"systemctl start nix-daemon.socket\", or what starts it on this " +
					"system; then check again",
			})
			return list
		case probe.BadConfig:
			add(idBadConf, fix.Broken, "nix cannot read its configuration: "+word(r), "", &fix.Remedy{
				Class: fix.Advice, Changes: "correct that line of the file; then check again",
			})
			return list
		}
	}
	switch {
	case f.result == nil && !s.nix.present:
		add(idNoNix, fix.NotApplicable, "there is no nix on this host, so that there is no sandbox", "", nil)
	case f.result == nil && errors.Is(s.dataErr, platform.ErrTooLarge):
		add(idNotKnown, fix.Unknown, "whether names resolve in the sandbox cannot be told from the host",
			fmt.Sprintf("%s has more than %d MiB, which is more than lixfix reads", conf.File, conf.Limit>>20),
			&fix.Remedy{
				Class: fix.Advice, Changes: "have a build look, and the file made smaller", Command: command,
			})
	case f.result == nil && s.nix.program == "":
		add(idNoNix, fix.Unknown, "there is no nix where it is usually installed", f.noNix(), nil)
	case f.result == nil && s.nix.broken != "":
		id, status := idNotKnown, fix.Unknown
		if s.nix.mistake {
			id, status = idBadConf, fix.Broken
		}
		add(id, status, "nix does not tell its settings: "+s.nix.broken, "without them it is not known what a build "+
			"gets to see", nil)
	case f.result != nil && f.observed == Unclear:
		add(idNotKnown, fix.Unknown, "no build could tell whether names resolve in the sandbox", f.outcome(), nil)
	case works == No && !broken && f.result != nil:
		add(idUnexplained, fix.Broken, "names do not resolve in the sandbox, and nothing that was read on the host "+
			"explains that", "", f.suspect())
		list[len(list)-1].Evidence = slices.Concat(side, f.excluded())
	case works == No && !broken:
		add(idNotProbed, fix.AtRisk, "names will probably not resolve in the sandbox: "+s.predicts.Why, "", &fix.Remedy{
			Class: fix.Advice, Changes: "have a build look", Command: command,
		})
	case works == Unclear && !broken:
		why := s.predicts.Why
		if u, ok := errors.AsType[*platform.Untrusted](s.dataErr); ok {
			why += ": " + u.Error() + ", who could not read what root would"
		}
		add(idNotKnown, fix.Unknown, "whether names resolve in the sandbox cannot be told from the host", why,
			&fix.Remedy{
				Class: fix.Advice, Changes: "have a build look", Command: command,
			})
		if s.way.info.ACL {
			list[len(list)-1].Evidence = append(slices.Clone(side), s.wayEvidence())
		}
		list[len(list)-1].NeedsRoot = errors.Is(s.dataErr, fs.ErrPermission) && !s.v.Facts().Root()
	case works == Yes && s.nameless():
		// The servers are reached, and the name that was asked for has a finding of its own.
	case works == Yes && f.result != nil && s.predicts.Works == No:
		add(idContradicted, fix.AtRisk,
			"names resolve in the sandbox, though the host does not let expect it; that may be luck", "", nil)
	case works == Yes && f.result == nil:
		add(idWorks, fix.OK,
			"names should resolve in the sandbox, by what the host shows; \""+command+"\" has a build look", "", nil)
	case works == Yes:
		add(idWorks, fix.OK, fmt.Sprintf("names resolve in the sandbox (%s, %.1f s)",
			strings.TrimSpace(f.result.Implementation+" "+f.result.Version), f.result.Millis/1000), "", nil)
	}
	return list
}

// absent is the status where there is nothing to build with: no sandbox at all, or one that was not found.
func (f *found) absent() fix.Status {
	if f.survey.nix.present {
		return fix.Unknown
	}
	return fix.NotApplicable
}

// noNix says what is there, where it is not simply nothing.
func (f *found) noNix() string {
	switch {
	case f.survey.nix.present && f.survey.nix.program == "":
		return "there is a store or a nix.conf, and no nix to ask"
	case f.survey.nix.present && f.result != nil:
		return f.result.Reason
	}
	return ""
}

// suspect says what the trials point at.
func (f *found) suspect() *fix.Remedy {
	for _, t := range f.trials {
		if t.works == Yes {
			return &fix.Remedy{Class: fix.Advice, Changes: "names resolve " + t.what + ", so that it is to blame; look at " +
				"its log, and report it with \"lixfix probe --text\""}
		}
	}
	if len(f.trials) > 0 {
		return &fix.Remedy{Class: fix.Advice, Changes: "names do not resolve outside the sandbox either as a build " +
			"user: look at the firewall and at the servers"}
	}
	return &fix.Remedy{Class: fix.Advice, Changes: "report it with \"lixfix probe --text\""}
}

func rank(s fix.Status) int {
	return slices.Index([]fix.Status{fix.Broken, fix.Unknown, fix.AtRisk, fix.OK, fix.NotApplicable}, s)
}
