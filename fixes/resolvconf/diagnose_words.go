package resolvconf

import (
	"fmt"
	"slices"
	"strings"

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
		text := "a build of " + by
		switch r.Network {
		case sandbox.PastaNetwork:
			text += ", through pasta"
		case sandbox.HostNetwork:
			text += ", on the network of the host"
		case sandbox.NoTun:
			text += ", without any network"
		case sandbox.LateNetwork:
			text += ", whose network was not there yet"
		case sandbox.Closed:
			text += ", cut off from the network"
		}
		if !r.Sandbox {
			text += ", outside the sandbox"
		}
		return text + ": " + queries(r.Report)
	case sandbox.SetupFailed:
		return by + " could not set the sandbox up: " + word(r)
	case sandbox.SetupTimeout:
		return by + " waits in vain for the network of the sandbox" + said(r.Pasta)
	case sandbox.PastaNotRun:
		return by + " could not run pasta: " + word(r)
	case sandbox.NoNix:
		return "there is no nix to build with: " + word(r)
	case sandbox.NoDaemon:
		return "the daemon is not there: " + word(r)
	case sandbox.BadConfig:
		return "nix cannot read its configuration: " + word(r)
	case sandbox.NoLog:
		return "it was built, and nobody has kept what the builder said"
	case sandbox.DynamicBinary:
		return "this lixfix is linked dynamically and cannot be a builder; build it with CGO_ENABLED=0"
	case sandbox.Waiting:
		return "the probe had to wait: " + word(r)
	case sandbox.Interrupted:
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
func queries(r *sandbox.Report) string {
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
