package render

import (
	"fmt"
	"strings"

	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform/redact"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// probeView is what was seen in the build sandbox.
type probeView struct{ *writer }

// show shows what was seen in the build sandbox.
func (v probeView) show(r Report) {
	p := r.Probe
	const label = 13
	say := func(what, text string) { v.para(0, piece{text: what, color: dim, width: label}, text) }
	say("built by", builtBy(*p))
	if rep := p.Report; rep != nil {
		inside := "yes"
		if !p.Sandbox {
			inside = "no: the build ran outside of one"
		}
		say("sandbox", fmt.Sprintf("%s (user %d, group %d, in %s)", inside, rep.UID, rep.GID, rep.Cwd))
		say("network", networks[p.Network])
		if p.Hook != "" {
			say("hook", "the daemon ran "+p.Hook+" on the output (a file with a random word):")
			say("", "users it does not trust cannot turn off its post-build-hook")
		}
		if rep.RouteLate {
			say("", fmt.Sprintf("no address or route when the build began; the builder waited %.0f ms", rep.RouteWait))
		}
		for _, i := range rep.Interfaces {
			state := "down"
			if i.Up {
				state = "up"
			}
			if v.Verbose || !i.Loopback || p.Network == sandbox.NoTun {
				say("interface", strings.TrimSpace(fmt.Sprintf("%s %s %s", i.Name, state, strings.Join(i.Addresses, " "))))
			}
		}
		v.file(sandbox.ResolvConf, rep.Files[sandbox.ResolvConf])
		if v.Verbose {
			for _, route := range rep.Routes {
				say("route", strings.TrimSpace(fmt.Sprintf("%s dev %s %s", route.To, route.Interface, route.Via)))
			}
			v.file(sandbox.NSSwitch, rep.Files[sandbox.NSSwitch])
			v.file(sandbox.Hosts, rep.Files[sandbox.Hosts])
		}
		v.queries(rep.Queries)
	}
	if len(p.Pasta) > 0 {
		v.blank()
		for _, line := range p.Pasta {
			say("pasta said", line)
		}
	}
	if p.Report == nil || v.Verbose {
		for n, line := range p.Stderr {
			if n == 0 {
				v.blank()
				say("last lines", line)
			} else {
				say("", line)
			}
		}
	}
	if len(p.Left) > 0 {
		v.blank()
		say("left", strings.Join(p.Left, " "))
	}
	v.blank()
	verdict(v.writer, r)
}

func builtBy(p probe.Result) string {
	who := strings.TrimSpace(p.Implementation + " " + p.Version)
	if who == "" {
		who = "not known"
	}
	how := "without a daemon"
	if p.Daemon {
		how = "through the daemon"
		switch {
		case p.Trusted == nil:
		case *p.Trusted:
			how += ", which trusts this user"
		default:
			how += ", which does not trust this user"
		}
	}
	s := fmt.Sprintf("%s, %s, in %.1f s", who, how, p.Millis/1000)
	if p.Report == nil {
		s = "nobody: " + string(p.Outcome)
	}
	if p.Client != "" && !strings.Contains(p.Client, p.Version) || p.Report == nil && p.Client != "" {
		s += "; client: " + p.Client
	}
	return s
}

var networks = map[sandbox.Network]string{
	sandbox.HostNetwork:  "the host's own",
	sandbox.PastaNetwork: "one of its own, behind pasta",
	sandbox.LateNetwork:  "one of its own, which pasta did not set up in time",
	sandbox.NoTun:        "an empty one: only lo, and that is down",
	sandbox.Closed:       "only lo, as for builds that get no network",
	sandbox.OtherNetwork: "neither the host's nor one that Lix sets up",
}

func (v probeView) file(name string, f sandbox.File) {
	v.blank()
	head := name + ", as the build sees it"
	switch {
	case f.Error != "":
		head += ": " + f.Error
	case f.Link != "":
		head += ", a link to " + f.Link
	}
	v.para(0, piece{}, head)
	// Before it is spelled out: <TAB> is no white space.
	for line := range strings.Lines(redact.Block(string(f.Data))) {
		// Clean makes spaces of tabs and CR, which may be what is wrong with the file.
		line = strings.NewReplacer("\t", "<TAB>", "\r", "<CR>", "\uFEFF", "<BOM>").Replace(strings.TrimSuffix(line, "\n"))
		if strings.TrimSpace(line) != "" {
			v.line(2, piece{text: line})
		}
	}
}

func (v probeView) queries(all []sandbox.Query) {
	if len(all) == 0 {
		return
	}
	v.blank()
	v.para(0, piece{}, "Name servers, asked from inside for "+all[0].Name)
	heading := []string{"SERVER", "", "TYPE", "ANSWER", "MS"}
	var rows [][]string
	for _, q := range all {
		server := q.Server
		if q.Fallback {
			server += " (default: the file names none)"
		}
		rows = append(rows, []string{server, q.Protocol, q.Type, q.Says(), fmt.Sprintf("%.0f", q.Millis)})
	}
	if v.table(2, heading, rows) {
		return
	}
	for _, row := range rows {
		v.para(2, piece{}, strings.Join(row, " "))
	}
}
