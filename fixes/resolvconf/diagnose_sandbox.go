package resolvconf

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/pattern"
)

// pastaProgram looks for what keeps pasta from running.
func pastaProgram(d *diagnosis) []cause {
	if !d.nix.usesPasta() {
		return nil
	}
	setting := fix.Evidence{Source: "pasta-path", Expected: "the path of pasta, or nothing", Observed: d.nix.pasta}
	if p := d.nix.confPasta; p != nil {
		setting.Source = "pasta-path in " + p.File
	}
	place := "not an absolute path"
	if d.pasta.name != "" {
		place = d.pasta.String()
	}
	running := func(w World) World { w.PastaRuns = Yes; return w }
	switch {
	case d.nix.quoted():
		return []cause{{kind: pastaQuoted, cure: running, with: fix.With{"pasta": d.nix.pasta}, evidence: []fix.Evidence{setting}}}
	case d.runs == No:
		return []cause{{
			kind: pastaGone, cure: running, evidence: []fix.Evidence{
				setting, {Source: d.nix.pasta, Expected: "a program that build users can run", Observed: place},
			},
		}}
	case d.era == Era2023 && d.routes[0] != DefaultRoute && d.routes[1] != DefaultRoute:
		return []cause{{
			kind: pastaGone, special: "old", cure: func(w World) World { w.Era = Era2025; return w },
			evidence: []fix.Evidence{
				setting,
				{Source: place, Expected: "of 2024-12-11 or newer", Observed: "of 2023"},
				{Source: "/proc/net/route", Expected: "a default route", Observed: "none"},
			},
		}}
	}
	return nil
}

// tun looks at the device that pasta needs.
func tun(d *diagnosis) []cause {
	if !d.nix.usesPasta() {
		return nil
	}
	opened := func(w World) World { w.Tun = TunOpen; return w }
	switch d.tunState {
	case TunMissing:
		return []cause{{
			kind: tunMissing, cure: opened,
			evidence: []fix.Evidence{{Source: tunDevice, Expected: "a device with mode 0666", Observed: "not there"}},
		}}
	case TunOpen, TunHidden:
		return nil
	case TunClosed:
	}
	info := d.tun.info
	x := cause{kind: tunClosed, cure: opened, evidence: []fix.Evidence{{
		Source: tunDevice, Expected: "a device with mode 0666",
		Observed: fmt.Sprintf("%s, owner %d:%d", info.Mode, info.UID, info.GID),
	}}}
	switch {
	case len(d.tunShut) > 0:
		x.special, x.with = caseDir, fix.With{"name": d.tunShut[0].name}
		x.evidence = append(x.evidence, d.shut(d.tunShut[0], "x for build users"))
	case !isTun(info):
		x.special = caseOther
		x.evidence[0].Expected = "the character device 10:200, with mode 0666"
		if info.Mode&fs.ModeDevice != 0 {
			x.evidence[0].Observed += fmt.Sprintf(", device %d:%d", info.Major, info.Minor)
		}
	case info.ACL:
		x.evidence = append(x.evidence, d.shut(d.tun.last(), "rw for build users"))
	}
	return []cause{x}
}

// denials tells what AppArmor denied pasta.
func denials(d *diagnosis) []cause {
	if !d.nix.usesPasta() || len(d.rules.denied) == 0 {
		return nil
	}
	return []cause{{kind: appArmor, evidence: []fix.Evidence{{
		Source: d.rules.kernelLog, Expected: "no denial for pasta", Observed: d.rules.denied[len(d.rules.denied)-1],
	}}}}
}

// firewallRules looks for rules that treat build users differently.
func firewallRules(d *diagnosis) []cause {
	if len(d.rules.lines) == 0 {
		return nil
	}
	user := d.user.Name
	if user == "" {
		user = "a build user"
	}
	x := cause{kind: firewall, with: fix.With{"user": user}}
	if d.drops {
		x.special, x.cure = "drops", func(w World) World { return w }
	}
	for _, r := range d.rules.lines {
		x.evidence = append(x.evidence, fix.Evidence{
			Source:   "rule",
			Expected: fmt.Sprintf("lets user ID %d, group ID %d, ask name servers", d.user.UID, d.user.GID), Observed: r,
		})
	}
	return []cause{x}
}

var (
	ruleOwners = pattern.New(`(! )?(skuid|skgid|--uid-owner|--gid-owner|uidrange)\s+(!= |)\{?\s*([0-9][0-9, -]*)`)
	// ruleEnds are the ways in which a packet, or a lookup of a route, ends.
	ruleEnds = pattern.New(`(?i)\b(?:drop|reject|blackhole|prohibit|unreachable)\b`)
	// ruleNarrow is what makes a rule one for some packets, of which nobody can say here whether DNS is among them.
	ruleNarrow = pattern.New(`\b(?:o|i)if(?:name)?\b|\b[ds]addr\b|\bmark\b|\bct \w+|\sport\b|\sport |-[oids] |\blimit\b`)
	rulePorts  = pattern.New(`dports?\s+(?:!= )?(\{[^}]*\}|\S+)`)
)

// dropped reports whether a rule of a firewall drops the questions of a user. Of rules that look at more than who sends,
// nobody can tell.
func (u who) dropped(rule string) bool {
	owners := ruleOwners.FindAllStringSubmatch(rule, -1)
	if !ruleEnds.MatchString(rule) || len(owners) == 0 || ruleNarrow.MatchString(rule) {
		return false
	}
	for _, m := range owners {
		id := u.UID
		if strings.Contains(m[2], "gid") {
			id = u.GID
		}
		if ranged(m[4], id) == (m[1] != "" || m[3] != "") {
			return false // it is about others
		}
	}
	ports := rulePorts.FindStringSubmatch(rule)
	return ports == nil || ranged(strings.ReplaceAll(ports[1], "domain", "53"), 53) != strings.Contains(ports[0], "!=")
}

// ranged reports whether a number is in a list such as "1, 5-7" or "1:4".
func ranged(list string, n int) bool {
	for part := range strings.FieldsFuncSeq(list, func(r rune) bool { return strings.ContainsRune("{}, ", r) }) {
		low, high, is := strings.Cut(strings.ReplaceAll(part, ":", "-"), "-")
		from, err := strconv.Atoi(low)
		to := from
		if is && err == nil {
			to, err = strconv.Atoi(high)
		}
		if err == nil && n >= from && n <= to {
			return true
		}
	}
	return false
}

// apart says in words what keeps a prediction from being one for the daemon; "" for nothing.
func (d *daemonFacts) apart() string {
	switch {
	case d.network != "":
		return "the daemon, and with it every build, is in another network namespace than lixfix"
	case len(d.mounts) > 0:
		return "the daemon has another " + d.mounts[0] + " than lixfix"
	}
	return ""
}

// sees is what the evidence says of the daemon.
func (d *daemonFacts) sees(source string) fix.Evidence {
	return fix.Evidence{Source: fmt.Sprintf("%s of the daemon, process %d", source, d.pid), Expected: "that of lixfix"}
}

// elsewhere is the cause that the daemon is somewhere else, or goes by another configuration.
func elsewhere(d *daemonFacts) []cause {
	switch {
	case d.pid == 0:
		return nil
	case d.apart() != "":
		x := cause{kind: daemonApart, broken: true, with: fix.With{"apart": d.apart(), "pid": d.pid}}
		if d.network != "" {
			e := d.sees("network namespace")
			e.Observed = d.network
			x.evidence = append(x.evidence, e)
		}
		for _, m := range d.mounts {
			e := d.sees("file")
			e.Observed = m
			x.evidence = append(x.evidence, e)
		}
		return []cause{x}
	case len(d.config) > 0:
		variables := strings.Join(d.config, ", ")
		return []cause{{
			kind: daemonConf, special: "own", broken: true, with: fix.With{"variables": variables},
			evidence: []fix.Evidence{{
				Source:   fmt.Sprintf("environment of the daemon, process %d", d.pid),
				Expected: "no " + strings.Join(configuring, ", "), Observed: variables + " is set",
			}},
		}}
	case d.since.IsZero() || !d.confChanged.After(d.since):
		return nil
	}
	return []cause{{
		kind: daemonConf, broken: true, evidence: []fix.Evidence{{
			Source:   "nix.conf",
			Expected: "older than the daemon, which was started at " + clock(d.since), Observed: "changed at " + clock(d.confChanged),
		}},
	}}
}

// contained reports whether lixfix runs in a container, as far as is known.
func (d *diagnosis) contained() bool { return d.owner == Container || d.boxed }
