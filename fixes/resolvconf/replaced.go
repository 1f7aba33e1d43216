package resolvconf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// Replaced is a file of the host that sandbox-paths puts over one of the sandbox's own.
type Replaced struct {
	Target   string // in the sandbox: "/etc/resolv.conf"
	Source   string // on the host
	Optional bool   // left out where it is missing
	Data     []byte
	Open     Truth // to build users
	Missing  bool
	Setting  string // "extra-sandbox-paths in /etc/nix/nix.conf"
}

// replaceable are the files of the sandbox that lookups depend on.
var replaceable = []string{conf.File, nsswitch, probe.Hosts}

// sandboxPaths reads the value of sandbox-paths as nix shows it: a list of words before Nix 2.3x, an object since.
func sandboxPaths(raw json.RawMessage) []string {
	var words []string
	if json.Unmarshal(raw, &words) == nil {
		return words
	}
	var object map[string]struct {
		Source   string `json:"source"`
		Optional bool   `json:"optional"`
	}
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	for target, o := range object {
		word := target
		if o.Source != "" {
			word += "=" + o.Source
		}
		if o.Optional {
			word += "?"
		}
		words = append(words, word)
	}
	slices.Sort(words)
	return words
}

// readReplaced looks at the files that sandbox-paths puts over those that lookups depend on.
func (s *survey) readReplaced(ctx context.Context) {
	for _, word := range s.nix.paths {
		word, optional := strings.CutSuffix(word, "?")
		target, source, named := strings.Cut(word, "=")
		if !named {
			source = target
		}
		if !slices.Contains(replaceable, target) || source == target && target != nsswitch {
			continue
		}
		r := Replaced{Target: target, Source: source, Optional: optional, Setting: "sandbox-paths"}
		if len(s.nix.confPaths) > 0 {
			r.Setting += " in " + strings.Join(s.nix.confPaths, " and ")
		}
		way := follow(ctx, s.v, source)
		switch way.shape {
		case Missing, Dangling, Loop:
			if r.Missing = true; optional {
				continue
			}
		case Regular:
			data, err := platform.ReadUpTo(ctx, s.v, source, conf.Limit)
			if err != nil {
				continue
			}
			r.Data = data
			// A mount has found the file already; its own mode counts.
			r.Open = Unclear
			if s.user.Known {
				r.Open = s.user.may(way.last(), 4)
			}
		default:
			continue
		}
		s.replaced = append(s.replaced, r)
	}
}

// through follows a lookup where files of the sandbox are replaced; p is what would be without that.
func (s *survey) through(w World, p Prediction) Prediction {
	for _, r := range w.Replaced {
		switch {
		case p.Starts == No:
			return p
		case r.Missing:
			p.Starts, p.Works = No, No
			p.Why = fmt.Sprintf("every build fails before it starts, for %s, which %s names, is not there", r.Source, r.Setting)
			return p
		case r.Open == No:
			p.Works, p.Why = No, fmt.Sprintf("build users may not read %s, which stands for %s in the sandbox", r.Source, r.Target)
			return p
		case r.Target == nsswitch && !lookup.AsksDNS(r.Data):
			p.Works, p.Why = No, fmt.Sprintf("programs in the sandbox never ask a name server, by the hosts line of %s", r.Source)
			return p
		case r.Target == conf.File && p.Network != probe.NoTun:
			p.File, p.NoFile = r.Data, false
			p.Works = w.any(conf.Glibc(r.Data), func(a netip.Addr) Reach {
				if reach := w.Ask(a, false); p.Network != probe.PastaNetwork || !a.IsLoopback() || reach != Answers {
					return reach
				}
				return Unasked // refused until pasta has found the port, and there a moment later
			})
			if p.Why = ""; p.Works != Yes {
				p.Why = fmt.Sprintf("of %s, which stands for %s in the sandbox, no server is known to answer from there", r.Source,
					r.Target)
			}
		}
	}
	return p
}

// replacedFiles are the causes that lie in what sandbox-paths puts into the sandbox.
func (c *collector) replacedFiles() {
	for _, r := range c.replaced {
		x := cause{
			id: idReplaced, cure: func(w World) World {
				w.Replaced = slices.DeleteFunc(slices.Clone(w.Replaced), func(o Replaced) bool { return o.Target == r.Target })
				return w
			},
			evidence: []fix.Evidence{{
				Source: r.Setting, Expected: "nothing in the place of " + r.Target, Observed: r.Target + "=" + r.Source,
			}},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: fmt.Sprintf("take %s=%s out of %s, or correct %s; then restart the daemon",
				r.Target, r.Source, r.Setting, r.Source)},
		}
		what := func(summary, source, expected, observed string) {
			x.summary = summary
			x.evidence = append(x.evidence, fix.Evidence{Source: source, Expected: expected, Observed: observed})
		}
		switch {
		case r.Missing:
			what(fmt.Sprintf("no build starts: %s, which is to stand for %s in the sandbox, is not there", r.Source, r.Target),
				r.Source, "a file", "not there")
		case r.Open == No:
			what(fmt.Sprintf("build users cannot read %s, which stands for %s in the sandbox", r.Source, r.Target),
				r.Source, "readable for build users", "not readable for "+c.user.Name)
		case r.Target == nsswitch && !lookup.AsksDNS(r.Data):
			what(fmt.Sprintf("%s stands for %s in the sandbox, and its hosts line has no dns: no program there asks a name server",
				r.Source, r.Target), r.Source, "hosts: files dns", "hosts: "+hostsLine(r.Data))
		case r.Target == conf.File:
			w := c.world
			if c.through(w, Prediction{Starts: Yes, Network: networkOf(w)}).Works == Yes {
				continue
			}
			var servers []string
			for _, server := range conf.Glibc(r.Data) {
				servers = append(servers, server.Address.String()+" "+verb(w.Ask(server.Address, false)))
			}
			seen := strings.Join(servers, ", ")
			if seen == "" {
				seen = "no server"
			}
			what(fmt.Sprintf("%s stands for %s in the sandbox, and no server in it is known to answer there", r.Source, r.Target),
				r.Source, "a server that answers, and not on the loopback", seen)
		default:
			continue
		}
		c.add(x)
	}
}

func networkOf(w World) probe.Network {
	if w.Lix && w.Pasta {
		return probe.PastaNetwork
	}
	return probe.HostNetwork
}

// hostsLine are the sources of an nsswitch.conf, as words.
func hostsLine(data []byte) string {
	var words []string
	for _, s := range lookup.Sources(data) {
		words = append(words, s.Name)
		if len(s.Actions) > 0 {
			words = append(words, "["+strings.Join(s.Actions, " ")+"]")
		}
	}
	return strings.Join(words, " ")
}
