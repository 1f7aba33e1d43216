package resolvconf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform/dnsquery"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// outcome says in words what the build came to.
func (f *found) outcome() string {
	r := f.result
	by := strings.TrimSpace(r.Implementation + " " + r.Version)
	if by == "" {
		by = "nix"
	}
	switch r.Outcome {
	case sandbox.Ran:
		text := buildOf.Fill(fix.With{"by": by})
		switch r.Network {
		case sandbox.PastaNetwork:
			text += throughPasta
		case sandbox.HostNetwork:
			text += onHostNetwork
		case sandbox.NoTun:
			text += withoutNetwork
		case sandbox.LateNetwork:
			text += networkLate
		case sandbox.Closed:
			text += cutOff
		}
		if !r.Sandbox {
			text += unsandboxed
		}
		return text + ": " + queries(r.Report)
	case sandbox.SetupFailed:
		return noSetup.Fill(fix.With{"by": by, "why": word(r)})
	case sandbox.SetupTimeout:
		return waitsInVain.Fill(fix.With{"by": by, "said": said(r.Pasta)})
	case sandbox.PastaNotRun:
		return noPastaRun.Fill(fix.With{"by": by, "why": word(r)})
	case sandbox.NoNix:
		return noNixThere.Fill(fix.With{"why": word(r)})
	case sandbox.NoDaemon:
		return noDaemonThere.Fill(fix.With{"why": word(r)})
	case sandbox.BadConfig:
		return badConfig.Fill(fix.With{"why": word(r)})
	case sandbox.NoLog:
		return noLogKept
	case sandbox.DynamicBinary:
		return linkedDynamically
	case sandbox.Waiting:
		return hadToWait.Fill(fix.With{"why": word(r)})
	case sandbox.Interrupted:
		return wasInterrupted
	}
	return buildFailed.Fill(fix.With{"why": word(r)})
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
	return saidNothing
}

func said(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return pastaSaid.Fill(fix.With{"lines": strings.Join(lines, "; ")})
}

// queries says what became of the questions of a builder, the servers of pasta first.
func queries(r *sandbox.Report) string {
	if r == nil {
		return toldNothing
	}
	var words []string
	for _, q := range r.Queries {
		if q.Type != string(dnsquery.A) {
			continue
		}
		what := q.Error
		switch {
		case what == dnsquery.NotWaited:
			what = notWaitedFor
		case what == "" && q.Truncated:
			what = doesNotFit
		case what == "" && q.RCode == dnsquery.NoError:
			what = okIn.Fill(fix.With{"ms": fmt.Sprintf("%.0f", q.Millis)})
		case what == "" && q.RCode == dnsquery.NXDomain:
			what = noSuchName
		case what == "":
			what = rcode(q.RCode)
		}
		words = append(words, fmt.Sprintf("%s %s %s", q.Server, strings.ToUpper(q.Protocol), what))
	}
	if f, ok := r.Files[conf.File]; ok && f.Error != "" {
		words = append([]string{itsFile.Fill(fix.With{"error": f.Error})}, words...)
	}
	if len(words) == 0 {
		return nothingToAsk
	}
	return strings.Join(words, ", ")
}
