package resolvconf

import (
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
	setting := fix.Evidence{Source: "pasta-path", Expected: pastaOrNothing, Observed: d.nix.pasta}
	if p := d.nix.confPasta; p != nil {
		setting.Source = pastaSetting.Fill(fix.With{"file": p.File})
	}
	place := notAbsolute
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
				setting, {Source: d.nix.pasta, Expected: runnablePasta, Observed: place},
			},
		}}
	case d.era == Era2023 && d.routes[0] != DefaultRoute && d.routes[1] != DefaultRoute:
		return []cause{{
			kind: pastaGone, special: "old", cure: func(w World) World { w.Era = Era2025; return w },
			evidence: []fix.Evidence{
				setting,
				{Source: place, Expected: newerPasta, Observed: oldPasta},
				{Source: "/proc/net/route", Expected: defaultRoute, Observed: "none"},
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
			evidence: []fix.Evidence{{Source: tunDevice, Expected: openDevice, Observed: notThere}},
		}}
	case TunOpen, TunHidden:
		return nil
	case TunClosed:
	}
	info := d.tun.info
	x := cause{kind: tunClosed, cure: opened, evidence: []fix.Evidence{{
		Source: tunDevice, Expected: openDevice,
		Observed: ownedBy.Fill(fix.With{"what": info.Mode, "uid": info.UID, "gid": info.GID}),
	}}}
	switch {
	case len(d.tunShut) > 0:
		x.special, x.with = caseDir, fix.With{"name": d.tunShut[0].name}
		x.evidence = append(x.evidence, d.shut(d.tunShut[0], enterForBuilders))
	case !isTun(info):
		x.special = caseOther
		x.evidence[0].Expected = tunCharacter
		if info.Mode&fs.ModeDevice != 0 {
			x.evidence[0].Observed += deviceIs.Fill(fix.With{"major": info.Major, "minor": info.Minor})
		}
	case info.ACL:
		x.evidence = append(x.evidence, d.shut(d.tun.last(), writeForBuilders))
	}
	return []cause{x}
}

// denials tells what AppArmor denied pasta.
func denials(d *diagnosis) []cause {
	if !d.nix.usesPasta() || len(d.rules.denied) == 0 {
		return nil
	}
	return []cause{{kind: appArmor, evidence: []fix.Evidence{{
		Source: d.rules.kernelLog, Expected: noDenial, Observed: d.rules.denied[len(d.rules.denied)-1],
	}}}}
}

// firewallRules looks for rules that treat build users differently.
func firewallRules(d *diagnosis) []cause {
	if len(d.rules.lines) == 0 {
		return nil
	}
	user := d.user.Name
	if user == "" {
		user = aBuilder
	}
	x := cause{kind: firewall, with: fix.With{"user": user}}
	if d.drops {
		x.special, x.cure = "drops", func(w World) World { return w }
	}
	for _, r := range d.rules.lines {
		x.evidence = append(x.evidence, fix.Evidence{
			Source:   "rule",
			Expected: letsAsk.Fill(fix.With{"uid": d.user.UID, "gid": d.user.GID}), Observed: r,
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
		return daemonElsewhere
	case len(d.mounts) > 0:
		return daemonHasOther.Fill(fix.With{"what": d.mounts[0]})
	}
	return ""
}

// sees is what the evidence says of the daemon.
func (d *daemonFacts) sees(source string) fix.Evidence {
	return fix.Evidence{Source: ofDaemon.Fill(fix.With{"what": source, "pid": d.pid}), Expected: ours}
}

// elsewhere is the cause that the daemon is somewhere else, or goes by another configuration.
func elsewhere(d *daemonFacts) []cause {
	switch {
	case d.pid == 0:
		return nil
	case d.apart() != "":
		x := cause{kind: daemonApart, broken: true, with: fix.With{"apart": d.apart(), "pid": d.pid}}
		if d.network != "" {
			e := d.sees(networkNamespace)
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
				Source:   daemonEnvironment.Fill(fix.With{"pid": d.pid}),
				Expected: noVariables.Fill(fix.With{"names": strings.Join(configuring, ", ")}), Observed: variablesSet.Fill(fix.With{"names": variables}),
			}},
		}}
	case d.since.IsZero() || !d.confChanged.After(d.since):
		return nil
	}
	return []cause{{
		kind: daemonConf, broken: true, evidence: []fix.Evidence{{
			Source:   "nix.conf",
			Expected: olderThanDaemon.Fill(fix.With{"time": clock(d.since)}), Observed: changedAt.Fill(fix.With{"time": clock(d.confChanged)}),
		}},
	}}
}

// contained reports whether lixfix runs in a container, as far as is known.
func (d *diagnosis) contained() bool { return d.owner == Container || d.boxed }
