package probe

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// SlowAfter is what a lookup may take before it is called slow: no program that people wait for should.
const SlowAfter = 2 * time.Second

// Works reports whether programs get an address for the name in the sandbox, or as much as on the host: where no server
// has one, the sandbox is not to blame. sandbox.DefaultName exists, so that servers without it are of no use to a build.
func (r Result) Works() bool {
	works, known := r.Resolves()
	return works && known
}

// Resolves is Works, and whether it is known: there are programs whose questions nobody has asked.
func (r Result) Resolves() (works, known bool) {
	switch r.Outcome {
	case sandbox.Ran:
	case sandbox.SetupFailed, sandbox.SetupTimeout, sandbox.PastaNotRun:
		return false, true
	default:
		return false, false
	}
	switch got := r.Lookup(); got.Verdict {
	case lookup.Found:
		return true, true
	case lookup.NoName, lookup.Nothing:
		return r.elsewhere(got), true
	case lookup.Failed:
		return false, true
	case lookup.Unknown:
	}
	return false, false
}

// elsewhere reports whether a name that is not found is missing on the host as well, and may well be.
func (r Result) elsewhere(got lookup.Result) bool {
	return r.Nowhere && !got.Unasked && name(r.Report) != sandbox.DefaultName
}

// Lookup is what became of a lookup by the C library in the sandbox, by the questions that the builder asked.
func (r Result) Lookup() lookup.Result { return r.By(lookup.ByGlibc) }

// By is what became of a lookup by a resolver that programs are linked with.
func (r Result) By(reader lookup.Reader) lookup.Result {
	if r.Report == nil || len(r.Report.Queries) == 0 {
		return lookup.Result{}
	}
	text := func(name string) []byte {
		file, there := r.Report.Files[name]
		if file.Error != "" || !there {
			return nil
		}
		return append([]byte{}, file.Data...)
	}
	system := lookup.System{Resolv: text(sandbox.ResolvConf), NSSwitch: text(sandbox.NSSwitch), Hosts: text(sandbox.Hosts)}
	return system.Resolve(reader, name(r.Report), recorded(r.Report))
}

// Others are the resolvers that fare otherwise than that of glibc with the questions that were asked: a program that is
// linked with one of them gets an address where one with glibc gets none, or none where that gets one. What nobody asked
// tells nothing.
func (r Result) Others() []lookup.Reader {
	found := r.Lookup().Verdict == lookup.Found
	if works, known := r.Resolves(); !known || works != found || r.Outcome != sandbox.Ran {
		return nil
	}
	var list []lookup.Reader
	for _, reader := range lookup.Readers[1:] {
		if got := r.By(reader).Verdict; got != lookup.Unknown && (got == lookup.Found) != found {
			list = append(list, reader)
		}
	}
	return list
}

// Programs are the programs of some resolvers: "programs with musl or Go".
func Programs(readers []lookup.Reader) string {
	words := make([]string, len(readers))
	for i, r := range readers {
		words[i] = map[lookup.Reader]string{
			lookup.ByMusl: "musl", lookup.ByGo: resolverOfGo, lookup.ByGlibc: "glibc",
		}[r]
	}
	return programsWith.Fill(fix.With{"names": strings.Join(words, or)})
}

// name is what was to be looked up; with a search list, the questions have longer names as well.
func name(r *sandbox.Report) string {
	name := r.Queries[0].Name
	for _, q := range r.Queries {
		if len(q.Name) < len(name) {
			name = q.Name
		}
	}
	return name
}

// recorded answers questions as a builder's were answered.
func recorded(r *sandbox.Report) lookup.Ask {
	asked := name(r)
	return func(server netip.Addr, p dnsquery.Protocol, what string, kind dnsquery.Type, _ time.Duration) dnsquery.Answer {
		a, known := answer(r, server, p, what, kind)
		switch {
		case known:
			return a
		case kind == dnsquery.AAAA: // not always asked: it fares as the other family does
			if a, known = answer(r, server, p, what, dnsquery.A); known {
				a.Addresses = nil
				return a
			}
		}
		if what != asked { // of the search list, and no builder of this version asked
			return dnsquery.Answer{RCode: dnsquery.NXDomain}
		}
		return dnsquery.Answer{Error: dnsquery.Cancelled, RCode: -1}
	}
}

// answer is what a builder heard; known is false for a question that it did not ask.
func answer(
	r *sandbox.Report, server netip.Addr, p dnsquery.Protocol, name string, kind dnsquery.Type,
) (got dnsquery.Answer, known bool) {
	for _, q := range r.Queries {
		a, err := netip.ParseAddr(q.Server)
		if err != nil || a != server || q.Protocol != string(p) || q.Name != name || q.Type != string(kind) {
			continue
		}
		got := dnsquery.Answer{
			Error: q.Error, RCode: q.RCode, Truncated: q.Truncated, Lame: q.Lame,
			Took: time.Duration(q.Millis * float64(time.Millisecond)),
		}
		if q.Error == dnsquery.NotWaited {
			got.Error = dnsquery.Cancelled
		}
		for _, word := range q.Answers {
			if a, err := netip.ParseAddr(word); err == nil {
				got.Addresses = append(got.Addresses, a)
			}
		}
		return got, true
	}
	return dnsquery.Answer{}, false
}

// Verdict is the result in one sentence.
func (r Result) Verdict() string {
	because := func(s string) string {
		if r.Reason == "" {
			return s
		}
		return s + ": " + r.Reason
	}
	switch r.Outcome {
	case sandbox.Ran:
		others := r.Others()
		switch works := r.Works(); {
		case len(others) == 0:
			return r.ran()
		case works:
			return butNotBy.Fill(fix.With{"verdict": r.ran(), "programs": Programs(others)})
		}
		return othersGet.Fill(fix.With{"verdict": r.ran(), "programs": Programs(others)})
	case sandbox.NoNix:
		return because(noNix)
	case sandbox.NoDaemon:
		return because(noDaemon)
	case sandbox.BadConfig:
		return because(noConfiguration)
	case sandbox.SetupFailed:
		return because(noSandbox)
	case sandbox.SetupTimeout:
		return because(noNetwork)
	case sandbox.PastaNotRun:
		return because(noPasta)
	case sandbox.NoLog:
		return because(noOutput)
	case sandbox.Waiting:
		return because(hadToWait)
	case sandbox.DynamicBinary:
		return because(cannotLook)
	case sandbox.Interrupted:
		return because("interrupted")
	}
	return because(notBuilt)
}

func (r Result) ran() string {
	where := inSandbox
	if !r.Sandbox {
		where = inBuild
	}
	if len(r.Report.Queries) == 0 {
		return noServerAsked.Fill(fix.With{"where": where})
	}
	name, got := name(r.Report), r.Lookup()
	switch missing := got.Verdict == lookup.NoName || got.Verdict == lookup.Nothing; {
	case got.Unasked && missing:
		return noProgramAsks.Fill(fix.With{"where": where, "nsswitch": sandbox.NSSwitch, "name": name, "hosts": sandbox.Hosts})
	case missing && r.elsewhere(got):
		return nobodyHere.Fill(fix.With{"where": where, "name": name})
	case missing && r.Nowhere:
		return noAddressHere.Fill(fix.With{"name": name})
	}
	switch got.Verdict {
	case lookup.Found:
	case lookup.NoName:
		return saysNoName.Fill(fix.With{"where": where, "server": got.By, "name": name})
	case lookup.Nothing:
		return hasNoAddress.Fill(fix.With{"where": where, "server": got.By, "name": name})
	case lookup.Failed, lookup.Unknown:
		return noServerAnswers.Fill(fix.With{"where": where})
	}
	if got.Took >= SlowAfter {
		return foundSlowly.Fill(fix.With{"name": name, "where": where, "seconds": fmt.Sprintf("%.0f", got.Took.Seconds())})
	}
	return foundAt.Fill(fix.With{"name": name, "where": where})
}
