package resolvconf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform/dnsquery"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

const (
	optionsMost   = 32 // that are shown
	stubServer    = "127.0.0.53"
	stubOther     = "127.0.0.54" // of systemd-resolved as well
	tailscaleAddr = "100.100.100.100"
)

// byDefault reports whether the name is that which exists, whoever says that it does not.
func (s *survey) byDefault() bool { return s.name == sandbox.DefaultName }

// judged are the servers with what their answers are good for.
func judged(s *survey) servers {
	list := slices.Clone(s.servers)
	known := s.byDefault() || slices.ContainsFunc(list, func(a asked) bool {
		return len(a.udp.Addresses)+len(a.tcp.Addresses)+len(a.aaaa.Addresses) > 0
	})
	for i := range list {
		list[i].judge(known)
	}
	return list
}

// judge says what the answers are good for; known, that some server has an address for the name.
func (a *asked) judge(known bool) {
	a.tcpR = a.reach(a.tcp, known)
	if a.overTCP {
		a.udpR = a.tcpR
		return
	}
	a.udpR = a.reach(a.udp, known)
	if a.udp.Answered() && a.udp.Truncated {
		if a.udpR = a.tcpR; a.tcpR != Answers && a.tcpR != Nameless {
			a.udpR = Truncates
		}
	}
}

func (a *asked) reach(answer dnsquery.Answer, known bool) Reach {
	switch {
	case answer.Good() && answer.Lame:
		return Fails
	case answer.Good() && known && !answer.Truncated && len(answer.Addresses)+len(a.aaaa.Addresses) == 0:
		return Nameless
	case answer.Good():
		return Answers
	case answer.Answered():
		return Fails
	case answer.Error == dnsquery.Timeout:
		return Silent
	case answer.Error == dnsquery.Refused:
		return Refuses
	case answer.Error == dnsquery.Unreachable, answer.Error == dnsquery.Denied:
		return Unreachable
	}
	return Unasked
}

// unreachable looks at the servers that the sandbox depends on.
func unreachable(d *diagnosis) []cause {
	if !d.readable() {
		return nil
	}
	var listed []asked // as the C library lists them
	for _, server := range conf.Glibc(conf.Normalise(d.data)) {
		if a := d.servers.of(server.Address); a != nil {
			listed = append(listed, *a)
		}
	}
	if len(listed) == 0 {
		return nil
	}
	evidence := []fix.Evidence{d.whose()}
	for _, a := range listed {
		where := ""
		if len(a.lines) > 0 {
			where = onLine.Fill(fix.With{"line": a.lines[0]})
		}
		evidence = append(evidence, fix.Evidence{
			Source: serverAt.Fill(fix.With{"server": a.address.String(), "where": where}), Expected: "answers", Observed: a.text(),
		})
	}
	live := slices.IndexFunc(listed, func(a asked) bool { return a.udpR == Answers })
	first := listed[0]
	if live >= 0 && d.nix.usesPasta() {
		// pasta looks at families apart: a dead server of one does not hide a live one of the other.
		for _, a := range listed {
			if a.address.Is4() == listed[live].address.Is4() {
				first = a
				break
			}
		}
	}
	if first.udpR == Answers || first.udpR == Unasked {
		return nil
	}
	x := cause{
		evidence: append(evidence, d.choice()...), waits: true, silent: first.udpR == Silent, first: first.address,
		with: fix.With{"server": first.address, "does": does[first.udpR], "name": d.name},
		cure: func(w World) World { w.Ask = func(netip.Addr, bool) Reach { return Answers }; return w },
	}
	if live >= 0 {
		x.live = listed[live].address
		x.with["live"] = x.live
		x.cure = func(w World) World { w.Data = conf.First(d.data, x.live); return w }
	}
	x.with["used"] = len(listed)
	if a := d.beyond(len(listed)); a != nil {
		x.with["beyond"], x.with["line"] = a.address, a.lines[0]
	}
	x.kind, x.special = d.serverKind(first, live >= 0)
	return []cause{x}
}

// serverKind says what kind of trouble the first server is.
func (d *diagnosis) serverKind(first asked, live bool) (kind *fix.Kind, special string) {
	alone := func(special string) string {
		switch {
		case !live:
			return specialAlone
		case !d.nix.usesPasta():
			return specialHost
		}
		return special
	}
	switch {
	case first.address.String() == tailscaleAddr || d.owner == Tailscale:
		return tailscale, ""
	case d.owner == WSL:
		return wsl, caseServer
	case d.owner == Container:
		return container, ""
	case live && (first.udpR == Nameless || first.udpR == Truncates):
		return firstUseless, ""
	case !live && first.udpR == Nameless:
		return noneAnswers, "nameless"
	case !live && (first.udpR != Refuses || !first.address.IsLoopback()):
		return noneAnswers, ""
	case first.udpR == Silent || first.udpR == Unreachable:
		return firstDead, alone("")
	}
	return firstRefuses, alone("")
}

// beyond is a server that answers and stands below those that resolvers use; nil for none.
func (d *diagnosis) beyond(used int) *asked {
	named := 0
	for i, a := range d.servers {
		if len(a.lines) == 0 {
			continue
		}
		if named++; named > used && a.udpR == Answers {
			return &d.servers[i]
		}
	}
	return nil
}

// choice says which servers pasta uses.
func (d *diagnosis) choice() []fix.Evidence {
	if !d.nix.usesPasta() {
		return nil
	}
	text := func(w Way) string {
		if w.Server == nil {
			return "none"
		}
		return w.Server.String()
	}
	return []fix.Evidence{{
		Source: pastaServers, Expected: answeringServer,
		Observed: bothFamilies.Fill(fix.With{"v4": text(d.predicts.V4), "v6": text(d.predicts.V6)}),
	}}
}

// families looks at what a family of addresses can do.
func families(d *diagnosis) []cause {
	if !d.readable() || !d.nix.usesPasta() {
		return nil
	}
	var found []cause
	v4, v6 := conf.Choice(d.data)
	for _, f := range []struct {
		server     *conf.Server
		own, other Routes
		name       string
	}{{v4, d.routes[0], d.routes[1], "IPv4"}, {v6, d.routes[1], d.routes[0], "IPv6"}} {
		if f.server == nil || d.world.family(f.own, f.other) ||
			d.era == Era2023 && f.own != DefaultRoute && f.other != DefaultRoute {
			continue
		}
		found = append(found, cause{
			kind: noRoute, cure: func(w World) World { w.Era = Era2026; return w },
			with: fix.With{"server": f.server.Address, "family": f.name},
			evidence: []fix.Evidence{
				{
					Source: "routes", Expected: ownFamilies,
					Observed: bothFamilies.Fill(fix.With{"v4": d.routes[0], "v6": d.routes[1]}),
				},
				{
					Source: d.pasta.String(), Expected: keepsFamilies,
					Observed: pastaOf.Fill(fix.With{"year": d.era}),
				},
			},
		})
		break
	}
	if v6 != nil && v6.Address.Zone() != "" && (d.era == Era2023 || d.iface != "" && v6.Address.Zone() != d.iface) {
		found = append(found, cause{
			kind: scoped, cure: func(w World) World { w.Era, w.Template = Era2026, v6.Address.Zone(); return w },
			with: fix.With{"server": v6.Address},
			evidence: []fix.Evidence{
				{
					Source:   atLine.Fill(fix.With{"file": conf.File, "line": v6.Line}),
					Expected: plainAddress, Observed: v6.Address.String(),
				},
				{Source: pastaInterface, Expected: v6.Address.Zone(), Observed: d.iface},
			},
		})
	}
	if v4 == nil && v6 != nil && d.world.bothFamilies() {
		found = append(found, cause{
			kind: onlyIPv6, waits: true, evidence: []fix.Evidence{{
				Source: conf.File, Expected: ipv4First, Observed: v6.Address.String(),
			}},
		})
	}
	return found
}

// overTCPs looks for what a pasta of 2023 does not forward.
func overTCPs(d *diagnosis) []cause {
	if !d.readable() || !d.nix.usesPasta() {
		return nil
	}
	v4, v6 := conf.Choice(d.data)
	words := conf.Options(d.data)
	useVC := slices.Contains(words, "use-vc")
	var found []cause
	if d.era == Era2023 && (useVC || v4 != nil && d.servers.long(v4.Address)) {
		x := cause{kind: overTCP, cure: func(w World) World { w.Era = Era2025; return w }, evidence: []fix.Evidence{{
			Source: optionsLine, Expected: noUseVC,
			Observed: strings.Join(words[:min(len(words), optionsMost)], " "),
		}}}
		if !useVC {
			x.special, x.with = "long", fix.With{"server": v4.Address}
			x.evidence = []fix.Evidence{{
				Source: serverNamed.Fill(fix.With{"server": v4.Address.String()}), Expected: fittingAnswers, Observed: d.servers.of(v4.Address).text(),
			}}
		}
		found = append(found, x)
	}
	if v4 != nil && v6 == nil && d.world.bothFamilies() {
		if a := d.servers.of(v4.Address); a != nil && a.udpR == Answers && a.aaaa.Answered() && !a.aaaa.Good() {
			found = append(found, cause{
				kind: slow, waits: true, with: fix.With{"server": v4.Address, "code": rcode(a.aaaa.RCode)},
				evidence: []fix.Evidence{{
					Source:   serverAAAA.Fill(fix.With{"server": v4.Address.String()}),
					Expected: anyAnswer, Observed: outcome(a.aaaa),
				}},
			})
		}
	}
	return found
}

// slowServer looks for lookups that work and take long.
func slowServer(d *diagnosis) []cause {
	if !d.readable() {
		return nil
	}
	for _, a := range d.servers {
		if len(a.lines) == 0 || a.udpR != Answers || a.lost || a.udp.Took < probe.SlowAfter {
			continue
		}
		return []cause{{
			kind: slowLookups, special: caseServer,
			with: fix.With{"server": a.address, "took": seconds.Fill(fix.With{"count": fmt.Sprintf("%.1f", a.udp.Took.Seconds())})},
			evidence: []fix.Evidence{{
				Source: serverNamed.Fill(fix.With{"server": a.address.String()}), Expected: quickAnswer, Observed: a.text(),
			}},
		}}
	}
	return nil
}

// resolverUnits are the units that may answer on an address of the host.
func resolverUnits(a netip.Addr) []string {
	switch {
	case a.String() == stubServer, a.String() == stubOther:
		return []string{"systemd-resolved.service"}
	case a.IsLoopback():
		return []string{"dnsmasq.service", "unbound.service", "named.service", "bind9.service", "dnscrypt-proxy.service"}
	}
	return nil
}
