package probe

import (
	"fmt"
	"slices"
	"strings"
)

// Unknown reports whether nothing can be said of the sandbox, because nothing was built.
func (r Result) Unknown() bool {
	switch r.Outcome {
	case Ran, SetupFailed, SetupTimeout, PastaNotRun:
		return false
	}
	return true
}

// Good reports whether the server was of use: it answered, with an address or that there is none.
func (q Query) Good() bool { return q.Error == "" && (q.RCode == 0 || q.RCode == 3) }

// Works reports whether a name can be looked up in the sandbox: at least one of the servers answers over UDP, as
// resolvers ask. The second address that Lix gives for pasta is silent where the host has no such server; resolvers go
// on to the next.
func (r Result) Works() bool {
	return r.Report != nil && slices.ContainsFunc(r.Report.Queries, func(q Query) bool {
		return q.Protocol == "udp" && q.Type == "A" && q.Good()
	})
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
	case Ran:
		return r.ran()
	case NoNix:
		return because("no Nix that could be asked to build")
	case NoDaemon:
		return because("the Nix daemon cannot be reached")
	case BadConfig:
		return because("Nix does not read its configuration")
	case SetupFailed:
		return because("no build gets into the sandbox")
	case SetupTimeout:
		return because("no build gets into the sandbox, because its network is not set up")
	case PastaNotRun:
		return because("no build gets into the sandbox, because pasta cannot be run")
	case NoLog:
		return because("the probe was built, and nobody has its words")
	case DynamicBinary:
		return because("this lixfix cannot look from inside")
	case Interrupted:
		return because("interrupted")
	}
	return because("the probe could not be built")
}

func (r Result) ran() string {
	where := "in the build sandbox"
	if !r.Sandbox {
		where = "in a build, which has no sandbox here,"
	}
	if !r.Works() {
		return fmt.Sprintf("no name server answers %s", strings.TrimSuffix(where, ","))
	}
	name, known := "", false
	for _, q := range r.Report.Queries {
		name, known = q.Name, known || q.Good() && q.RCode == 0
	}
	if !known {
		return fmt.Sprintf("name servers answer %s that there is no %s", where, name)
	}
	return fmt.Sprintf("%s can be looked up %s", name, strings.TrimSuffix(where, ","))
}
