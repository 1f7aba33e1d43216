package resolvconf

import (
	"net/netip"
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// Reach is what a question to a server comes to.
type Reach string

const (
	Answers     Reach = "answers"
	Silent      Reach = "silent"      // no answer within the limit of a query
	Refuses     Reach = "refuses"     // the port is closed
	Fails       Reach = "fails"       // answers, and not to the question: SERVFAIL or REFUSED
	Nameless    Reach = "nameless"    // answers that there is no such name, or no address, which others know
	Truncates   Reach = "truncates"   // answers over UDP with what does not fit, and not over TCP
	Unreachable Reach = "unreachable" // no route
	Unasked     Reach = ""            // could not tell
)

// Shape is what /etc/resolv.conf is on the host.
type Shape string

const (
	Regular   Shape = "file" // or a link to one
	Missing   Shape = "missing"
	Dangling  Shape = "dangling" // a link to what is not there
	Directory Shape = "directory"
	Special   Shape = "special" // a named pipe, a socket, a device: reading it can wait for ever
	Loop      Shape = "loop"    // links in a ring
	Hidden    Shape = "unknown" // lixfix could not look
)

// Truth is an answer that may be missing.
type Truth string

const (
	Yes     Truth = "yes"
	No      Truth = "no"
	Unclear Truth = "" // could not tell
)

// Tun is the state of /dev/net/tun.
type Tun string

const (
	TunOpen    Tun = "open"    // everybody can use it
	TunClosed  Tun = "closed"  // build users cannot
	TunMissing Tun = "missing" // not there, or not the device
	TunHidden  Tun = ""
)

// Routes are what a family of addresses has on the host.
type Routes string

const (
	NoRoutes     Routes = "none"
	LocalRoutes  Routes = "local"   // to its networks only
	DefaultRoute Routes = "default" // and beyond them
)

// Era is a class of versions of pasta that treat DNS alike.
type Era int

const (
	UnknownEra Era = 0
	Era2023    Era = 2023 // no DNS over TCP, no scoped servers; needs a default route
	Era2025    Era = 2025 // leaves a family without routes out
	Era2026    Era = 2026 // keeps both families
)

// World is what a prediction starts from.
type World struct {
	Lix   bool
	Major int // of Nix or Lix: 2
	Minor int
	// Pasta says that Lix is to give fixed-output builds a network of their own.
	Pasta     bool
	PastaRuns Truth // it is there, and a build user may execute it
	Era       Era
	Tun       Tun

	Shape Shape
	Data  []byte
	// FileOpen is whether a build user may read the file itself, PathOpen whether it may reach it as well.
	FileOpen, PathOpen Truth

	V4, V6 Routes
	// Template is the interface that pasta copies, that of the default route.
	Template string
	// Ask tells what a server of the host says to root.
	Ask func(server netip.Addr, tcp bool) Reach
	// Replaced are files of the sandbox that are others of the host. Predict does not look at them.
	Replaced []Replaced
	// Long tells whether the answer of a server over UDP does not fit, so that TCP is needed; nil where all fit.
	Long func(server netip.Addr) bool
}

// Way is where queries to one address of the sandbox end.
type Way struct {
	Listed bool        // the sandbox's file names the address
	Server *netip.Addr // that pasta forwards to; nil where it has none
	UDP    Reach
	TCP    Reach
}

// Prediction is what a fixed-output build is expected to find.
type Prediction struct {
	Starts  Truth           `json:"starts"` // the builder
	Network sandbox.Network `json:"network"`
	NoFile  bool            `json:"no_file"`
	File    []byte          `json:"file,omitempty"` // of the sandbox
	V4      Way             `json:"-"`              // where pasta serves it
	V6      Way             `json:"-"`
	Works   Truth           `json:"works"` // lookups, perhaps after a while
	// Why says in words what the prediction rests on where it is not yes.
	Why string `json:"why,omitempty"`
}

var (
	loop4 = netip.MustParseAddr("127.0.0.1")
	loop6 = netip.MustParseAddr("::1")
)

// bothFamilies reports whether this Lix always names both addresses of pasta, and takes a dangling link for no file:
// 2.94 and newer do.
func (w *World) bothFamilies() bool { return w.Major > 2 || w.Major == 2 && w.Minor >= 94 }

// Predict follows /etc/resolv.conf into the sandbox. It was compared with what builds really saw; see its test.
func Predict(w World) Prediction {
	p := Prediction{Starts: Yes, Network: sandbox.HostNetwork}
	if w.Lix && w.Pasta {
		p.Network = sandbox.PastaNetwork
	}
	switch w.Shape {
	case Hidden:
		return Prediction{Network: p.Network, Why: whyUnread}
	case Missing:
		p.NoFile = true
	case Dangling, Loop:
		if !w.Lix || !w.bothFamilies() {
			p.Starts, p.Works, p.Why = No, No, whyDangling
			return p
		}
		p.NoFile = true
	case Directory:
		if w.Lix {
			p.Starts = No
		}
		p.Works, p.Why = No, whyDirectory
		return p
	case Special:
		p.Starts, p.Works, p.Why = No, No, whyNotFile
		return p
	case Regular:
		p.File = w.Data
	}
	if p.Network == sandbox.PastaNetwork {
		return w.throughPasta(p)
	}
	return w.onHost(p)
}

// onHost is the network of Nix, and of Lix without pasta: the file is read by the build user, the servers are asked
// from the namespace of the host.
func (w *World) onHost(p Prediction) Prediction {
	// Nix mounts the file, so that its mode counts inside; Lix copies it.
	if !w.Lix && !p.NoFile && w.FileOpen == No {
		p.Works, p.Why = No, whyClosed
		return p
	}
	if !w.Lix && !p.NoFile && w.FileOpen == Unclear {
		p.Why = whyMaybeClosed
		return p
	}
	tcp := slices.Contains(conf.Options(p.File), "use-vc")
	p.Works = w.any(conf.Glibc(p.File), func(a netip.Addr) Reach { return w.Ask(a, tcp) })
	switch p.Works {
	case No:
		p.Why = whyNoServer
		if p.NoFile {
			p.Why = whyNoFile
		}
	case Unclear:
		p.Why = whyNotAsked
	}
	return p
}

// any reports whether the C library gets an address from one of the servers: it asks one after the other, and the first
// that knows the name, or says that there is none, has the last word. Without a server it turns to 127.0.0.1.
func (w *World) any(servers []conf.Server, ask func(netip.Addr) Reach) Truth {
	if len(servers) == 0 {
		servers = []conf.Server{{Address: loop4}}
	}
	works := No
	for _, s := range servers {
		switch ask(s.Address) {
		case Answers:
			return Yes
		case Nameless:
			return works
		case Unasked:
			works = Unclear
		}
	}
	return works
}

// throughPasta is the network of Lix with pasta.
func (w *World) throughPasta(p Prediction) Prediction {
	switch {
	case w.Tun == TunMissing:
		p.Network, p.Works = sandbox.NoTun, No
		p.Why = whyNoTun
		return p
	case w.Tun == TunClosed:
		p.Starts, p.Works = No, No
		p.Why = whyTunClosed
		return p
	case w.PastaRuns == No:
		p.Starts, p.Works, p.Why = No, No, whyPastaClosed
		return p
	case w.Era == Era2023 && w.V4 != DefaultRoute && w.V6 != DefaultRoute:
		p.Starts, p.Works, p.Why = No, No, whyPastaEnds
		return p
	case w.Tun == TunHidden || w.PastaRuns == Unclear:
		p.Why = whyPastaUnclear
		return p
	}
	if !p.NoFile {
		p.File = conf.Rewrite(w.Data, w.bothFamilies())
	}
	w.forward(&p)
	if p.NoFile {
		// pasta forwards the loopback of the sandbox to that of the host, once it has scanned the ports.
		p.Works = w.any(nil, func(a netip.Addr) Reach { return w.Ask(a, false) })
		if p.Works == No {
			p.Why = whyNoFile
		}
		return p
	}
	tcp := slices.Contains(conf.Options(p.File), "use-vc")
	v4, v6 := netip.MustParseAddr(conf.PastaV4), netip.MustParseAddr(conf.PastaV6)
	servers := conf.Glibc(p.File)
	p.Works = w.any(servers, func(a netip.Addr) Reach {
		way := Way{UDP: w.Ask(a, false), TCP: w.Ask(a, true)}
		switch {
		case a == v4:
			way, p.V4.Listed = p.V4, true
		case a == v6:
			way, p.V6.Listed = p.V6, true
		case len(servers) > 0 && a == loop4: // of a line that Lix left in
			way = Way{UDP: w.Ask(loop4, false), TCP: w.Ask(loop4, true)}
		}
		if tcp {
			return way.TCP
		}
		return way.UDP
	})
	switch {
	case p.Works == Yes:
	case p.Works == Unclear && w.Shape == Regular && w.PathOpen == Unclear:
		p.Why = whyPastaBlind
	case p.Works == Unclear:
		p.Why = whyPastaNotAsked
	case p.V4.Server == nil && p.V6.Server == nil:
		p.Why = whyPastaNoServer
	case tcp:
		p.Why = whyPastaTCP
	default:
		p.Why = whyPastaSilent
	}
	return p
}

// forward finds out where pasta sends the queries of each family.
func (w *World) forward(p *Prediction) {
	var s4, s6 *conf.Server
	if w.Shape == Regular {
		switch w.PathOpen {
		case Yes:
			s4, s6 = conf.Choice(w.Data)
		case Unclear:
			return // both ways stay unasked
		}
	}
	// An IPv4 address in IPv6 notation is none that pasta could send to.
	if s6 != nil && s6.Address.Is4In6() {
		s6 = nil
	}
	if w.Era == Era2023 && s6 != nil && s6.Address.Zone() != "" {
		s6 = nil
	}
	if s6 != nil && s6.Address.Zone() != "" && w.Template != "" && s6.Address.Zone() != w.Template {
		s6 = nil
	}
	p.V4 = w.way(s4, w.family(w.V4, w.V6), loop4)
	p.V6 = w.way(s6, w.family(w.V6, w.V4), loop6)
}

// family reports whether pasta gives the sandbox a family of addresses.
func (w *World) family(own, other Routes) bool {
	switch w.Era {
	case Era2023:
		return own == DefaultRoute
	case Era2025:
		return own != NoRoutes || other == NoRoutes // without any route it keeps both
	}
	return true
}

func (w *World) way(s *conf.Server, family bool, loop netip.Addr) Way {
	if !family {
		return Way{UDP: Unreachable, TCP: Unreachable}
	}
	var way Way
	if s == nil {
		// Sent to the unspecified address, which is the host's own: IPv4 finds who listens on 127.0.0.1.
		way.UDP, way.TCP = Silent, Refuses
		if loop == loop4 && w.Ask(loop4, false) == Answers {
			way.UDP, way.TCP = Answers, w.Ask(loop4, true)
		}
	} else {
		way.Server = &s.Address
		way.UDP, way.TCP = w.Ask(s.Address, false), w.Ask(s.Address, true)
	}
	if w.Era == Era2023 {
		// It forwards UDP alone; TCP goes to the loopback of the host as any other connection does.
		if way.TCP = w.Ask(loop, true); way.TCP != Answers {
			way.TCP = Silent
		}
		if s != nil && w.Long != nil && w.Long(s.Address) && way.UDP == Answers {
			way.UDP = way.TCP
		}
	}
	return way
}

// through follows a lookup where files of the sandbox are replaced; p is what would be without that.
func through(w World, p Prediction) Prediction {
	for _, r := range w.Replaced {
		switch {
		case p.Starts == No:
			return p
		case r.Missing:
			p.Starts, p.Works = No, No
			p.Why = whyPathGone.Fill(fix.With{"source": r.Source, "setting": r.Setting})
			return p
		case r.Open == No:
			p.Works, p.Why = No, whyPathClosed.Fill(fix.With{"source": r.Source, "target": r.Target})
			return p
		case r.Target == nsswitch && !lookup.AsksDNS(r.Data):
			p.Works, p.Why = No, whyNoDNS.Fill(fix.With{"source": r.Source})
			return p
		case r.Target == conf.File && p.Network != sandbox.NoTun:
			p.File, p.NoFile = r.Data, false
			p.Works = w.any(conf.Glibc(r.Data), func(a netip.Addr) Reach {
				if reach := w.Ask(a, false); p.Network != sandbox.PastaNetwork || !a.IsLoopback() || reach != Answers {
					return reach
				}
				return Unasked // refused until pasta has found the port, and there a moment later
			})
			if p.Why = ""; p.Works != Yes {
				p.Why = whyPathLeads.Fill(fix.With{"source": r.Source, "target": r.Target})
			}
		}
	}
	return p
}

func networkOf(w World) sandbox.Network {
	if w.Lix && w.Pasta {
		return sandbox.PastaNetwork
	}
	return sandbox.HostNetwork
}
