package resolvconf

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// diagnosis is what follows from a survey. Nothing of it was read.
type diagnosis struct {
	*survey
	owner    Owner
	servers  servers // with what their answers are good for
	path     Truth   // build users may get to /etc/resolv.conf and read it
	closed   []node  // what keeps them from it
	replaced []Replaced
	tunState Tun
	tunShut  []node // directories on the way to it that build users cannot enter
	runs     Truth  // build users may run pasta
	drops    bool   // a rule of the firewall drops what the build user sends
	world    World
	predicts Prediction
	causes   []cause
}

// cause is something on the host that keeps DNS in the sandbox from working, or makes it slow or lucky. Diagnose says
// what it is, remedy what is done about it.
type cause struct {
	kind     *fix.Kind
	special  string   // a case of the kind's words, "" for the usual ones
	with     fix.With // of its words
	evidence []fix.Evidence
	// cure returns the world without this cause; nil where the prediction does not depend on it.
	cure func(World) World
	// first is the server that it is about, live another one that answers; the zero value for none.
	first, live netip.Addr
	// waits says that it tells of lookups that take long; silent, that it rests on a server that said nothing to lixfix.
	waits, silent bool
	// broken says that it is why DNS does not work.
	broken bool

	remedy *fix.Remedy
	named  bool        // it is what the user asked for by naming a server
	steps  []plan.Step // of a remedy that lixfix does
	// edit is what the remedy does to the text of /etc/resolv.conf, and why; open, that it lets all users read it. A
	// plan writes the file once, with all of that.
	edit func([]byte) []byte
	why  string
	open bool
}

// does reports whether lixfix does something about a cause.
func (x *cause) does() bool { return len(x.steps) > 0 || x.edit != nil || x.open }

// finding is the cause in words.
func (x *cause) finding() fix.Finding {
	f := x.kind.Found(x.with, x.evidence...)
	if x.special != "" {
		f = x.kind.FoundAs(x.special, x.with, x.evidence...)
	}
	f.Remedy = x.remedy
	if !x.broken {
		f.Status = fix.AtRisk
	}
	return f
}

// detectors find the causes, in the order in which a plan does something about them.
var detectors = []func(*diagnosis) []cause{
	pastaProgram, tun, denials, replacedFiles, theFile, lines, longLine, noLine, unreachable, families, overTCPs, slowServer,
	firewallRules, splitDomains, unknownName, sandboxed,
}

// diagnose says what follows from a survey.
func diagnose(s *survey) *diagnosis {
	d := &diagnosis{survey: s, servers: judged(s), owner: ownerOf(&s.way, s.header, s.nixos, s.mounted, s.boxed)}
	_, d.path, d.closed = s.way.open(s.user)
	for _, r := range s.mounts {
		// A mount has found the file already; its own mode counts.
		if !r.Missing && s.user.Known {
			r.Open = s.user.may(r.end, 4)
		}
		d.replaced = append(d.replaced, r)
	}
	d.judgeTun()
	d.runs = s.runs()
	d.drops = s.user.Known && slices.ContainsFunc(s.rules.lines, s.user.dropped)
	d.world = d.makeWorld()
	d.predicts = d.predict(d.world)
	for _, detect := range detectors {
		for _, x := range detect(d) {
			// A server that is slow is not told beside a cause that makes every lookup wait.
			if x.kind == slowLookups && slices.ContainsFunc(d.causes, func(o cause) bool { return o.waits }) {
				continue
			}
			d.causes = append(d.causes, x)
		}
	}
	d.blame()
	return d
}

// missesRules reports whether rules of the firewall were not asked for, and may be why names do not resolve.
func (d *diagnosis) missesRules() bool {
	return !d.rules.asked && d.predicts.Works != Yes && d.nix.present
}

// judgeTun says who may open /dev/net/tun.
func (d *diagnosis) judgeTun() {
	switch t := &d.tun; {
	case t.shape == Hidden:
		return
	case t.shape == Missing, t.shape == Dangling, t.shape == Loop:
		d.tunState = TunMissing
		return
	case !isTun(t.info):
		// Lix only looks whether there is something of that name.
		d.tunState = TunClosed
		return
	}
	user := d.user
	if !user.Known {
		user = who{UID: -2, GID: -2, Known: true} // what is open for a user that nothing belongs to is open for all
	}
	open := user.may(d.tun.last(), 6)
	for _, dir := range d.tun.dirs {
		passes := user.may(dir, 1)
		if passes == No {
			d.tunShut = append(d.tunShut, dir)
		}
		open = both(open, passes)
	}
	if !d.user.Known && open == No {
		open = Unclear
	}
	d.tunState = map[Truth]Tun{Yes: TunOpen, No: TunClosed, Unclear: TunHidden}[open]
}

// isTun reports whether a file is the device that makes network interfaces (devices.txt of Linux).
func isTun(info platform.FileInfo) bool {
	const major, minor = 10, 200
	return info.Mode&fs.ModeCharDevice != 0 && info.Major == major && info.Minor == minor
}

// runs says whether build users may run the program that pasta-path names.
func (s *survey) runs() Truth {
	switch {
	case !s.nix.usesPasta():
		return Unclear
	case s.nix.quoted(), s.pasta.name == "":
		return No
	case s.pasta.shape == Hidden:
		return Unclear
	case s.pasta.shape != Regular:
		return No
	case !s.user.Known:
		return Unclear
	case s.pasta.info.Mode.Perm()&0o111 == 0:
		return No
	}
	runs := s.user.may(s.pasta.last(), 1)
	for _, dir := range s.pasta.dirs {
		runs = both(runs, s.user.may(dir, 1))
	}
	return runs
}

// makeWorld puts together what a prediction needs.
func (d *diagnosis) makeWorld() World {
	n, shape := &d.nix, d.way.shape
	if d.dataErr != nil {
		shape = Hidden
	}
	return World{
		Lix: n.lix || !n.known && n.hasPasta, Major: n.major, Minor: n.minor,
		Pasta: n.usesPasta(), PastaRuns: d.runs, Era: d.era,
		Replaced: d.replaced,
		Tun:      d.tunState, Shape: shape, Data: d.data, FileOpen: d.fileOpen(), PathOpen: d.path,
		V4: d.routes[0], V6: d.routes[1], Template: d.iface, Long: d.servers.long,
		Ask: func(a netip.Addr, tcp bool) Reach {
			server := d.servers.of(a)
			switch {
			case server == nil:
				return Unasked
			case tcp:
				return server.tcpR
			}
			return server.udpR
		},
	}
}

// long reports whether what a server answers over UDP does not fit.
func (l servers) long(a netip.Addr) bool {
	server := l.of(a)
	return server != nil && server.udp.Answered() && server.udp.Truncated
}

// fileOpen is whether the build user may read the file itself, whatever is in its way: a mount has found it already.
func (s *survey) fileOpen() Truth {
	switch {
	case s.way.shape != Regular:
		return Unclear
	case s.user.Known:
		return s.user.may(s.way.last(), 4)
	case s.way.info.Mode.Perm()&0o004 != 0 && !s.way.info.ACL:
		return Yes
	}
	return Unclear
}

// predict follows a world through what builds on this host.
func (d *diagnosis) predict(w World) Prediction {
	open := d.nix.sandbox == "false" || d.nix.sandbox == "relaxed"
	if open {
		// Fixed-output builds see the host as it is, as a build user.
		w.Pasta, w.Lix = false, false
		if w.PathOpen == No {
			w.FileOpen = No
		}
		if w.Shape == Dangling || w.Shape == Loop {
			w.Shape = Missing
		}
	}
	p := Predict(w)
	if !d.nix.known && !d.nix.settings {
		// Which of both it is is not known; a prediction counts that holds for both.
		w.Lix, w.Pasta = !w.Lix, false
		if o := Predict(w); o.Works != p.Works {
			p.Works, p.Why = Unclear, nixOrLix
		}
	}
	if !open {
		p = through(w, p)
	}
	if apart := d.daemon.apart(); apart != "" && p.Works != Unclear {
		p.Works, p.Why = Unclear, apart
	}
	if p.Works == Yes && d.drops {
		p.Works, p.Why = No, ruleDrops
	}
	return p
}

// blame finds out which of the causes are why a prediction is bad: those without which it is not, each for itself; or
// else all that it depends on.
func (d *diagnosis) blame() {
	if d.predicts.Works != No {
		return
	}
	found := false
	for i := range d.causes {
		x := &d.causes[i]
		switch {
		case x.kind == firewall && d.drops:
			x.broken = Predict(d.world).Works != No
		case x.cure != nil:
			x.broken = d.predict(x.cure(d.world)).Works != No
		}
		found = found || x.broken
	}
	if found {
		return
	}
	for i := range d.causes {
		d.causes[i].broken = d.causes[i].cure != nil
	}
}

// broken counts the causes why names do not resolve.
func (d *diagnosis) broken() int {
	n := 0
	for _, x := range d.causes {
		if x.broken {
			n++
		}
	}
	return n
}

// editable reports whether /etc/resolv.conf is a file that nobody else writes.
func (d *diagnosis) editable() bool {
	return d.owner == Nobody && d.way.shape == Regular && len(d.way.links) == 0
}

// readable reports whether the text of the file is known.
func (d *diagnosis) readable() bool { return d.way.shape == Regular && d.dataErr == nil }

func (d *diagnosis) whose() fix.Evidence {
	seen := string(d.owner)
	if d.owner == Nobody {
		seen = ownerless
	}
	return fix.Evidence{Source: whoWrites, Expected: "-", Observed: seen}
}

func (s *survey) wayEvidence() fix.Evidence {
	return fix.Evidence{Source: conf.File, Expected: readableFile, Observed: s.way.String()}
}

// shut tells what keeps build users out.
func (s *survey) shut(n node, wanted string) fix.Evidence {
	seen := modeAndOwner.Fill(fix.With{"mode": fmt.Sprintf("%04o", n.info.Mode.Perm()), "uid": n.info.UID, "gid": n.info.GID})
	if line := s.user.denies(n); line != "" {
		seen += andListLine.Fill(fix.With{"line": line})
	} else if n.info.ACL {
		seen += andList
	}
	return fix.Evidence{Source: n.name, Expected: wanted, Observed: seen}
}

// nameless reports whether the servers of the file that answer all say that there is no such name, or no address.
func (d *diagnosis) nameless() bool {
	if d.byDefault() {
		return false
	}
	answered, unknown := 0, 0
	for _, a := range d.servers {
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

// unknownName looks for a name that DNS does not have.
func unknownName(d *diagnosis) []cause {
	if !d.nameless() {
		return nil
	}
	x := cause{kind: notInDNS, with: fix.With{"name": d.name}}
	seen := d.nss
	switch {
	case seen == "":
		seen = "unknown"
	case strings.Trim(strings.NewReplacer("files", "", "dns", "").Replace(seen), " \t") != "":
		x.special = "else"
	}
	x.evidence = []fix.Evidence{
		{Source: inDNS.Fill(fix.With{"name": d.name}), Expected: anAddress, Observed: nobodyKnows},
		{Source: hostsSource, Expected: asInSandbox, Observed: seen},
	}
	return []cause{x}
}

// splitDomains looks for domains of a VPN that builds do not get to know.
func splitDomains(d *diagnosis) []cause {
	if !strings.Contains(d.domains, "~") {
		return nil
	}
	return []cause{{
		kind: split, evidence: []fix.Evidence{d.wayEvidence(), {
			Source: domains, Expected: noRoutedDomain, Observed: strings.Join(strings.Fields(d.domains), " "),
		}},
	}}
}

// sandboxed looks at whether there is one.
func sandboxed(d *diagnosis) []cause {
	x := cause{kind: sandboxOff, evidence: []fix.Evidence{{Source: "sandbox", Expected: "true", Observed: d.nix.sandbox}}}
	switch d.nix.sandbox {
	case "false":
	case "relaxed":
		x.special = "relaxed"
	default:
		return nil
	}
	return []cause{x}
}
