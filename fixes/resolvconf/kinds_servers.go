package resolvconf

import (
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
)

const caseServer = "server"

// does is what a server does, in words that follow its address.
var does = map[Reach]string{
	Answers:     "answers",
	Silent:      "does not answer",
	Nameless:    "says that there is no such name, or has no address for it",
	Truncates:   "answers over UDP with what does not fit, and does not answer over TCP",
	Refuses:     "is not listening: the port is closed",
	Fails:       "answers with an error",
	Unreachable: "cannot be reached: the host has no route to it",
	Unasked:     "could not be asked",
}

var (
	starting = fix.Remedial{
		Case: caseStart, When: "the service that should answer is stopped", Class: fix.Risky,
		Changes: "starts {unit}, which should answer on {server}", Undo: undoStart,
	}
	inFront = fix.Remedial{
		Case: caseNamed, When: "you name servers with --" + optServer, Class: fix.Risky,
		Changes: "puts the servers you named before all others", Undo: undoText,
	}
	reordering = fix.Remedial{
		Case: caseReorder, When: "another server answers", Class: fix.Risky,
		Changes: "moves the line of {live}, which answers, before all others", Undo: undoText,
	}
	firstOther = managed("have a server that answers named first")
	// reorders and noOther are what can be done where another server answers, and where none does.
	reorders = []fix.Remedial{starting, inFront, reordering, firstOther}
	noOther  = []fix.Remedial{
		starting, inFront, firstOther,
		{
			Case: caseName, When: "no server in the file answers", Class: fix.Advice, Command: nameCommand,
			Changes: "name a server that you trust; lixfix knows of none, and none of those in the file answers",
		},
		{
			Case: caseBeyond, When: "one that answers stands too far down", Class: fix.Advice, Command: nameCommand,
			Changes: "name a server that you trust; none of the first {used} in the file answers, and resolvers use no more; " +
				"{beyond} in line {line} would",
		},
	}
	anyway = slices.Concat(reorders, noOther[3:])
)

const (
	specialHost  = "host"  // builds use the network of the host
	specialAlone = "alone" // no other server answers
)

// Kinds that are about the servers.
var (
	firstDead = &fix.Kind{
		ID: Name + "/first-server-dead", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "the first server is dead, and pasta asks no other",
		Means: "The host turns to the next server after a few seconds. pasta forwards the questions of a build to one server of " +
			"each address family, the first in the file, and to no other. Without pasta, builds are only slow.",
		Messages: []string{cantResolve, tempFailure, "lookup … on 169.254.1.1:53: …"},
		Says:     "the first server, {server}, {does}, and pasta never asks {live}, which answers",
		Or: map[string]fix.Words{
			specialHost: "the first server, {server}, {does}; {live} answers, but every lookup waits for the first",
		},
		Remedies: reorders, Sources: []string{manPasta, "https://github.com/NixOS/nixpkgs/issues/428554"},
	}
	firstRefuses = &fix.Kind{
		ID: Name + "/first-server-refuses", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "nobody listens at the first server, or it answers with errors",
		Means: "It is often a local resolver that is stopped. pasta asks no other server, so every sandboxed build fails; without " +
			"pasta, builds ask the next one.",
		Messages: []string{cantResolve, tempFailure, "lookup … on [::1]:53: …"},
		Says:     "the first server, {server}, {does}, and pasta never asks {live}, which answers",
		Or: map[string]fix.Words{
			specialHost:  "the first server, {server}, {does}; {live} answers, but every lookup asks the first",
			specialAlone: "the first server, {server}, {does}",
		},
		Remedies: anyway, Sources: []string{manPasta},
	}
	firstUseless = &fix.Kind{
		ID: Name + "/first-server-useless", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "the first server has no address for a name that another one knows",
		Means: "Resolvers take the first answer, also one that says \"no such name\". A server for names of your own has to " +
			"forward the rest, or to stand behind one that does.",
		Messages: []string{notKnownName, cantResolve},
		Says:     "the first server, {server}, {does}, and resolvers take its word; {live} has an address",
		Remedies: reorders, Sources: []string{manResolv},
	}
	noneAnswers = &fix.Kind{
		ID: Name + "/no-server-answers", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title:    "no server answers",
		Means:    "Neither builds nor the host can look up names. Look at the network first, then at the servers.",
		Messages: []string{cantResolve, tempFailure},
		Says:     "no server in /etc/resolv.conf answers; the first, {server}, {does}",
		Or: map[string]fix.Words{
			"nameless": "no server in /etc/resolv.conf has an address for {name}, which exists; builds cannot fetch from it",
		},
		Remedies: noOther,
	}
	tailscale = &fix.Kind{
		ID: Name + "/tailscale", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "Tailscale's server does not answer",
		Means:    "tailscaled answers at 100.100.100.100, on the host itself. While it is stopped or logged out, nobody does.",
		Messages: []string{cantResolve},
		Says:     "the server of Tailscale, {server}, {does}", Remedies: anyway,
		Sources: []string{"https://github.com/tailscale/tailscale/issues/4254"},
	}
	container = &fix.Kind{
		ID: Name + "/container-file", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "the container runtime's server does not answer",
		Means: "The runtime writes the file at each start of the container, with servers that it took from its own host. Those " +
			"have to be mended from outside.",
		Messages: []string{cantResolve},
		Says:     "the server of the container, {server}, {does}", Remedies: []fix.Remedial{starting, firstOther},
	}
	onlyIPv6 = &fix.Kind{
		ID: Name + "/only-ipv6-servers", Status: fix.AtRisk, Title: "all servers have IPv6 addresses, and each lookup waits 5 s",
		Means: "Lix names both addresses of pasta in the sandbox, that of IPv4 first, and pasta has nobody to forward that to. " +
			"Programs wait for it before they ask the other.",
		Says:     "all servers have IPv6 addresses: each program first waits 5 s for pasta's IPv4 address, which stays silent",
		Remedies: []fix.Remedial{tell("have a server with an IPv4 address, or a local one, named first")},
	}
	noRoute = &fix.Kind{
		ID: Name + "/no-route-for-family", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "an old pasta leaves out the server's address family",
		Means: "Until 2025, pasta gave the sandbox only those families that the host has routes for. A server on 127.0.0.1 of a " +
			"host with IPv6 only is out of reach.",
		Messages: []string{cantResolve},
		Says:     "pasta cannot use the server {server}, because the host has no {family} route",
		Remedies: []fix.Remedial{tell("install a newer passt and name it in pasta-path, or use a server that the host has a route to")},
		Sources:  []string{manPasta},
	}
	scoped = &fix.Kind{
		ID: Name + "/scoped-server", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title:    "the server belongs to one network interface",
		Means:    "fe80::1%wlan0 is an address on that link alone. pasta copies one interface, and can use no server of another.",
		Messages: []string{cantResolve},
		Says:     "pasta cannot use the server {server}, which belongs to one interface",
		Remedies: []fix.Remedial{tell("use the local server of systemd-resolved, or an address without an interface")},
		Sources:  []string{"https://github.com/podman-container-tools/podman/issues/23239"},
	}
	overTCP = &fix.Kind{
		ID: Name + "/dns-over-tcp", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title:    "lookups need TCP, which an old pasta does not forward",
		Means:    "A pasta of 2023 forwards DNS over UDP alone. With \"options use-vc\", or answers that do not fit, lookups fail.",
		Messages: []string{cantResolve},
		Says:     "\"options use-vc\" sends all lookups over TCP, which this pasta does not forward",
		Or: map[string]fix.Words{
			"long": "the answers of {server} do not fit, so they are asked for over TCP, which this pasta does not forward",
		},
		Remedies: []fix.Remedial{
			{
				Case: "option", When: "the option asks for it", Class: fix.Advice,
				Changes: "install a newer passt and name it in pasta-path, or have the option removed; {how}",
			},
			{
				Case: "long", When: "answers do not fit", Class: fix.Advice,
				Changes: "install a newer passt and name it in pasta-path, or use a server whose answers fit; {how}",
			},
		},
		Sources: []string{manPasta},
	}
	slow = &fix.Kind{
		ID: Name + "/slow-refusals", Status: fix.AtRisk, Title: "the server refuses questions about IPv6, and each lookup waits 10 s",
		Means: "A program that gets an error for its AAAA question asks the next server, and that is pasta's IPv6 address, " +
			"which stays silent. Lookups work in the end.",
		Says:     "{server} answers AAAA questions with {code}, so each lookup waits 10 s for pasta's silent IPv6 address",
		Remedies: []fix.Remedial{advise("let the server answer such questions with an empty answer; lookups work, but slowly")},
	}
	slowLookups = &fix.Kind{
		ID: Name + "/slow-lookups", Status: fix.AtRisk, Title: "each lookup takes more than " + slowAfter,
		Means: "Builds work, and lose that time for every name. Programs with shorter limits of their own give up.",
		Says:  "names resolve in the sandbox, but each lookup takes {took}",
		Or: map[string]fix.Words{
			caseServer: "the server {server} takes {took} to answer, and so does every lookup of a build",
		},
		Remedies: []fix.Remedial{
			{
				Case: caseServer, When: "one server is slow", Class: fix.Advice,
				Changes: "have a faster server named first; names resolve, but slowly; {how}",
			},
			{
				Case: caseOther, When: "a build saw it", Class: fix.Advice,
				Changes: "look at the servers that the sandbox asks, in the lines below",
			},
		},
	}
	otherReaders = &fix.Kind{
		ID: Name + "/some-programs-fail", Status: fix.AtRisk, Title: "names resolve for some programs in the sandbox, and not for others",
		Means: "Programs have glibc, musl or Go look names up for them. These ask other servers, wait for other times, and read " +
			"other lines of resolv.conf and nsswitch.conf: musl knows neither use-vc nor nsswitch.conf, for example. What is " +
			"linked statically, and many downloaders written in Go, then fail where others work.",
		Says: "names resolve in the sandbox, but not for {programs}",
		Remedies: []fix.Remedial{advise("have the servers answer over UDP as well as over TCP, and take options that only glibc knows, such as " +
			"use-vc, out of resolv.conf")},
		Sources: []string{"https://wiki.musl-libc.org/functional-differences-from-glibc.html", "https://pkg.go.dev/net#hdr-Name_Resolution"},
	}
	notInDNS = &fix.Kind{
		ID: Name + "/name-not-in-dns", Status: fix.AtRisk, Title: "DNS does not have the name",
		Means: "The host may know it from mDNS, a VPN or the like; the sandbox has /etc/hosts and DNS alone.",
		Says:  "the servers say that there is no {name}",
		Or: map[string]fix.Words{
			"else": "the servers say that there is no {name}; what else may resolve it on the host is not in the sandbox",
		},
		Remedies: []fix.Remedial{advise("make the name known to DNS, or write it into /etc/hosts, which the sandbox has too; ask " +
			"for another name with --" + optName)},
		Sources: []string{"nsswitch.conf(5)"},
	}
)
