package resolvconf

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/fixes/step"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// reachable looks at the servers that the sandbox depends on.
func (c *collector) reachable() {
	if c.way.shape != Regular || c.dataErr != nil {
		return
	}
	var listed []asked // as the C library lists them
	for _, server := range conf.Glibc(conf.Normalise(c.data)) {
		if a := c.server(server.Address); a != nil {
			listed = append(listed, *a)
		}
	}
	if len(listed) == 0 {
		return
	}
	evidence := []fix.Evidence{c.whose()}
	for _, a := range listed {
		where := ""
		if len(a.lines) > 0 {
			where = fmt.Sprintf(" (line %d)", a.lines[0])
		}
		evidence = append(evidence, fix.Evidence{
			Source: "server " + a.address.String() + where, Expected: "answers",
			Observed: a.text(),
		})
	}
	bad := func(a asked) bool {
		return a.udpR != Answers && a.udpR != Unasked
	}
	live := slices.IndexFunc(listed, func(a asked) bool { return a.udpR == Answers })
	first := listed[0]
	if live >= 0 && c.nix.usesPasta() {
		// pasta looks at families apart: a dead server of one does not hide a live one of the other.
		for _, a := range listed {
			if a.address.Is4() == listed[live].address.Is4() {
				first = a
				break
			}
		}
	}
	if !bad(first) {
		return
	}
	x := cause{evidence: evidence, waits: true, silent: first.udpR == Silent}
	unit := c.resolverAt(first.address)
	tailscale := first.address.String() == "100.100.100.100" || c.owner == Tailscale
	order := c.data
	switch {
	case live >= 0:
		order = conf.First(c.data, listed[live].address)
		x.cure = func(w World) World { w.Data = order; return w }
	default:
		x.cure = func(w World) World { w.Ask = func(netip.Addr, bool) Reach { return Answers }; return w }
	}
	switch {
	case tailscale:
		x.id, x.summary = idTailscale, fmt.Sprintf("the server of Tailscale, %s, gives no answer: it %s", first.address,
			verb(first.udpR))
		unit = ""
		if c.stopped("tailscaled.service") {
			unit = "tailscaled.service"
		}
	case c.owner == WSL:
		x.id, x.summary = idWSL, fmt.Sprintf("the server of Windows, %s, gives no answer: it %s", first.address,
			verb(first.udpR))
	case c.owner == Container:
		x.id, x.summary = idContainer, fmt.Sprintf("the server of the container, %s, gives no answer: it %s",
			first.address, verb(first.udpR))
	case live >= 0 && (first.udpR == Nameless || first.udpR == Truncates):
		x.id, x.summary = idFirstUseless, fmt.Sprintf("the first server, %s, %s, and its word is the last; %s has an address",
			first.address, verb(first.udpR), listed[live].address)
	case live < 0 && (first.udpR != Refuses || !first.address.IsLoopback()):
		x.id, x.summary = idNoneAnswers, fmt.Sprintf("no server of /etc/resolv.conf answers; the first, %s, %s",
			first.address, verb(first.udpR))
		if first.udpR == Nameless {
			x.summary = fmt.Sprintf("no server of /etc/resolv.conf has an address for %s, which exists; builds cannot fetch from it",
				c.name)
		}
	case first.udpR == Silent || first.udpR == Unreachable:
		x.id, x.summary = idFirstDead, fmt.Sprintf("the first server, %s, %s, and %s answers; pasta never turns to "+
			"another one", first.address, verb(first.udpR), listed[max(live, 0)].address)
	default:
		x.id, x.summary = idFirstRefuses, fmt.Sprintf("the first server, %s, %s", first.address, verb(first.udpR))
		if live >= 0 {
			x.summary += fmt.Sprintf(", and %s answers; pasta never turns to another one", listed[live].address)
		}
	}
	if !c.nix.usesPasta() {
		x.summary = strings.TrimSuffix(x.summary, "; pasta never turns to another one")
		if live >= 0 && x.id != idFirstUseless {
			x.summary += "; every lookup waits for the first"
		}
	}
	x.evidence = append(x.evidence, c.choice()...)
	switch {
	case unit != "":
		x.risky("start "+unit+", which is to answer on "+first.address.String(), "lixfix undo stops it",
			step.StartUnit{Unit: unit, On: true, Why: "answer on " + first.address.String()})
	case c.editable() && len(c.extra) > 0:
		x.risky("put the servers that you named before all others", undoFile)
		x.text("ask servers first that you named", c.inFront)
	case c.editable() && live >= 0:
		x.risky(fmt.Sprintf("move the line of %s, which answers, before all others", listed[live].address), undoFile)
		x.text("ask a server first that answers", func(data []byte) []byte { return conf.First(data, listed[live].address) })
	case c.editable():
		x.remedy = c.nameOne(c.unusable(len(listed)))
	default:
		x.remedy = c.advise("have a server that answers named first")
		if live >= 0 {
			x.remedy.Changes = strings.ReplaceAll(x.remedy.Changes, "ADDRESS", listed[live].address.String())
		}
	}
	c.add(x)
}

// unusable says of the servers in the file why none of them is to be asked. Resolvers do not look beyond the third.
func (c *collector) unusable(used int) string {
	named := 0
	for _, a := range c.servers {
		if len(a.lines) == 0 {
			continue
		}
		if named++; named > used && a.udpR == Answers {
			return fmt.Sprintf("none of the first %d in the file answers, and resolvers use no more; %s in line %d would", used,
				a.address, a.lines[0])
		}
	}
	return "none of those in the file answers"
}

// inFront puts the servers that the user named before all others.
func (c *collector) inFront(data []byte) []byte {
	first := max(bytes.Index(slices.Concat([]byte("\n"), data), []byte("\nnameserver")), 0)
	return slices.Concat(data[:first], []byte(c.named()), data[first:])
}

func verb(r Reach) string {
	switch r {
	case Silent:
		return "does not answer"
	case Nameless:
		return "says that there is no such name, or has no address for it"
	case Truncates:
		return "answers over UDP with what does not fit, and not over TCP"
	case Refuses:
		return "is not listening: the port is closed"
	case Fails:
		return "answers with an error"
	case Unreachable:
		return "cannot be reached: the host has no route to it"
	case Answers:
		return "answers"
	}
	return "could not be asked"
}

// choice says which servers pasta uses.
func (c *collector) choice() []fix.Evidence {
	if !c.nix.usesPasta() {
		return nil
	}
	text := func(w Way) string {
		if w.Server == nil {
			return "none"
		}
		return w.Server.String()
	}
	return []fix.Evidence{{
		Source: "pasta forwards to", Expected: "a server that answers",
		Observed: fmt.Sprintf("IPv4: %s, IPv6: %s", text(c.predicts.V4), text(c.predicts.V6)),
	}}
}

// families looks at what a family of addresses can do.
func (c *collector) families() {
	if c.way.shape != Regular || c.dataErr != nil || !c.nix.usesPasta() {
		return
	}
	v4, v6 := conf.Choice(c.data)
	routes := fix.Evidence{
		Source: "routes", Expected: "of each family that a server is of",
		Observed: fmt.Sprintf("IPv4: %s, IPv6: %s", c.routes[0], c.routes[1]),
	}
	keeps := func(w World) World { w.Era = Era2026; return w }
	for _, f := range []struct {
		server *conf.Server
		own    Routes
		other  Routes
		name   string
	}{{v4, c.routes[0], c.routes[1], "IPv4"}, {v6, c.routes[1], c.routes[0], "IPv6"}} {
		if f.server == nil || c.world.family(f.own, f.other) ||
			c.era == Era2023 && f.own != DefaultRoute && f.other != DefaultRoute {
			continue
		}
		c.add(cause{
			id: idNoRoute, cure: keeps, summary: fmt.Sprintf("the server %s is of no use to this pasta, because the host "+
				"has no %s route", f.server.Address, f.name),
			evidence: []fix.Evidence{routes, {Source: c.survey.pasta.String(), Expected: "one that keeps both families " +
				"(2026-10)", Observed: fmt.Sprintf("of %d", c.era)}},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "install a newer passt and name it in pasta-path, or use a " +
				"server that the host has a route to; " + byOwner[c.owner].advice},
		})
		break
	}
	if v6 != nil && v6.Address.Zone() != "" && (c.era == Era2023 || c.iface != "" && v6.Address.Zone() != c.iface) {
		c.add(cause{
			id: idScoped, cure: func(w World) World { w.Era, w.Template = Era2026, v6.Address.Zone(); return w },
			summary: fmt.Sprintf("pasta cannot use the server %s, which belongs to one interface", v6.Address),
			evidence: []fix.Evidence{
				{Source: fmt.Sprintf("%s, line %d", conf.File, v6.Line), Expected: "an address without an " +
					"interface", Observed: v6.Address.String()},
				{Source: "interface that pasta copies", Expected: v6.Address.Zone(), Observed: c.iface},
			},
			remedy: c.advise("use the local server of systemd-resolved, or an address without an interface"),
		})
	}
	if v4 == nil && v6 != nil && c.world.bothFamilies() {
		c.add(cause{
			id: idOnlyIPv6, waits: true, summary: "all servers are IPv6 addresses: each program waits 5 s for the silent IPv4 address " +
				"of pasta first",
			evidence: []fix.Evidence{{
				Source: conf.File, Expected: "a server with an IPv4 address first",
				Observed: v6.Address.String(),
			}},
			remedy: c.advise("have a server with an IPv4 address, or a local one, named first"),
		})
	}
	c.overTCP(v4)
	if v4 != nil && v6 == nil && c.world.bothFamilies() {
		if a := c.server(v4.Address); a != nil && a.udpR == Answers && a.aaaa.Answered() && !a.aaaa.Good() {
			c.add(cause{
				id: idSlow, waits: true, summary: fmt.Sprintf("the server %s answers AAAA questions with %s: each lookup waits 10 s for "+
					"the silent IPv6 address of pasta", v4.Address, rcode(a.aaaa.RCode)),
				evidence: []fix.Evidence{{Source: "server " + v4.Address.String() + ", AAAA", Expected: "an answer, even an " +
					"empty one", Observed: outcome(a.aaaa)}},
				remedy: &fix.Remedy{Class: fix.Advice, Changes: "let the server answer such questions with an empty answer; " +
					"lookups work, only slowly"},
			})
		}
	}
}

// overTCP looks for what a pasta of 2023 does not forward.
func (c *collector) overTCP(v4 *conf.Server) {
	words := conf.Options(c.data)
	useVC := slices.Contains(words, "use-vc")
	if c.era != Era2023 || !useVC && (v4 == nil || !c.long(v4.Address)) {
		return
	}
	x := cause{
		id: idTCP, cure: func(w World) World { w.Era = Era2025; return w },
		summary: "\"options use-vc\" sends all lookups over TCP, which this pasta does not forward",
		evidence: []fix.Evidence{{
			Source: conf.File + " options", Expected: "no use-vc with a pasta of 2023",
			Observed: strings.Join(words[:min(len(words), optionsMost)], " "),
		}},
		remedy: &fix.Remedy{Class: fix.Advice, Changes: "install a newer passt and name it in pasta-path, or have " +
			"the option removed; " + byOwner[c.owner].advice},
	}
	if !useVC {
		x.summary = fmt.Sprintf("the answers of %s do not fit and have to be asked for over TCP, which this pasta does not "+
			"forward", v4.Address)
		x.evidence = []fix.Evidence{{
			Source: "server " + v4.Address.String(), Expected: "answers that fit", Observed: c.server(v4.Address).text(),
		}}
		x.remedy.Changes = "install a newer passt and name it in pasta-path, or use a server whose answers fit; " +
			byOwner[c.owner].advice
	}
	c.add(x)
}

// slow looks for lookups that work and take long, where no other cause says so.
func (c *collector) slow() {
	if c.way.shape != Regular || c.dataErr != nil || slices.ContainsFunc(c.list, func(x cause) bool { return x.waits }) {
		return
	}
	for _, a := range c.servers {
		if len(a.lines) == 0 || a.udpR != Answers || a.lost || a.udp.Took < probe.SlowAfter {
			continue
		}
		c.add(cause{
			id: idSlowLookups, summary: fmt.Sprintf("the server %s takes %.1f s to answer, and so does every lookup of a build",
				a.address, a.udp.Took.Seconds()),
			evidence: []fix.Evidence{{
				Source: "server " + a.address.String(), Expected: "an answer within a second", Observed: a.text(),
			}},
			remedy: c.advise("have a faster server named first; names resolve, only slowly"),
		})
		return
	}
}

// nameless reports whether the servers of the file that answer all say that there is no such name, or no address.
func (s *survey) nameless() bool {
	if s.name == probe.DefaultName {
		return false
	}
	answered, unknown := 0, 0
	for _, a := range s.servers {
		if len(a.lines) == 0 || a.udpR != Answers && a.udpR != Nameless {
			continue
		}
		answered++
		if !a.udp.Truncated && len(a.udp.Addresses)+len(a.aaaa.Addresses) == 0 {
			unknown++
		}
	}
	return answered > 0 && unknown == answered
}
