package resolvconf

import "github.com/lixfix/lixfix/fixes/fix"

// table holds the kinds of findings, in the order in which they are listed.
var table = []*fix.Kind{
	{ID: Name + "/" + idFirstDead, Status: fix.Broken, Title: "the first server is silent, another one answers, and pasta never turns to it", Means: "the first server is silent, another one answers, and pasta never turns to it"},
	{ID: Name + "/" + idFirstRefuses, Status: fix.Broken, Title: "the first server has a closed port, or answers with errors", Means: "the first server has a closed port, or answers with errors"},
	{ID: Name + "/" + idFirstUseless, Status: fix.Broken, Title: "the first server says that there is no such name, which others know, or its answers do not fit", Means: "the first server says that there is no such name, which others know, or its answers do not fit"},
	{ID: Name + "/" + idNoneAnswers, Status: fix.Broken, Title: "none of the servers answers", Means: "none of the servers answers"},
	{ID: Name + "/" + idDangling, Status: fix.Broken, Title: "/etc/resolv.conf is a link to nothing", Means: "/etc/resolv.conf is a link to nothing"},
	{ID: Name + "/" + idMissing, Status: fix.Broken, Title: "there is no file; lookups turn to 127.0.0.1", Means: "there is no file; lookups turn to 127.0.0.1"},
	{ID: Name + "/" + idDirectory, Status: fix.Broken, Title: "it is a directory", Means: "it is a directory"},
	{ID: Name + "/" + idReplaced, Status: fix.Broken, Title: "sandbox-paths puts a file over one of the sandbox's own, in which nobody finds a server", Means: "sandbox-paths puts a file over one of the sandbox's own, in which nobody finds a server"},
	{ID: Name + "/" + idClosed, Status: fix.Broken, Title: "mode or access control list of the file, or of a directory on the way", Means: "mode or access control list of the file, or of a directory on the way"},
	{ID: Name + "/" + idPastaSkips, Status: fix.Broken, Title: "a tab, or something behind the address: pasta ignores the line", Means: "a tab, or something behind the address: pasta ignores the line"},
	{ID: Name + "/" + idPastaStops, Status: fix.Broken, Title: "a line of more than 8 KiB before the servers: pasta reads no further", Means: "a line of more than 8 KiB before the servers: pasta reads no further"},
	{ID: Name + "/" + idGlibcSkips, Status: fix.Broken, Title: "CRLF, a byte order mark or a leading blank: the C library ignores the line", Means: "CRLF, a byte order mark or a leading blank: the C library ignores the line"},
	{ID: Name + "/" + idNoServer, Status: fix.Broken, Title: "the file names no server", Means: "the file names no server"},
	{ID: Name + "/" + idOnlyIPv6, Status: fix.AtRisk, Title: "works, and each program waits 5 s", Means: "works, and each program waits 5 s"},
	{ID: Name + "/" + idNoRoute, Status: fix.AtRisk, Title: "an old pasta leaves out a family without routes", Means: "an old pasta leaves out a family without routes"},
	{ID: Name + "/" + idScoped, Status: fix.AtRisk, Title: "fe80::1%eth0 on another interface than pasta's", Means: "fe80::1%eth0 on another interface than pasta's"},
	{ID: Name + "/" + idTunClosed, Status: fix.Broken, Title: "build users cannot open /dev/net/tun, or enter its directory: every fetching build waits two minutes", Means: "build users cannot open /dev/net/tun, or enter its directory: every fetching build waits two minutes"},
	{ID: Name + "/" + idTunMissing, Status: fix.Broken, Title: "no /dev/net/tun: fetching builds have no network, without a word", Means: "no /dev/net/tun: fetching builds have no network, without a word"},
	{ID: Name + "/" + idPastaGone, Status: fix.Broken, Title: "pasta is gone, not executable or too old", Means: "pasta is gone, not executable or too old"},
	{ID: Name + "/" + idPastaEnds, Status: fix.Broken, Title: "pasta ends before there is a network, and says why", Means: "pasta ends before there is a network, and says why"},
	{ID: Name + "/" + idPastaQuoted, Status: fix.Broken, Title: "pasta-path = \"\": the quotes are taken for a program", Means: "pasta-path = \"\": the quotes are taken for a program"},
	{ID: Name + "/" + idWSL, Status: fix.Broken, Title: "the file of WSL is not there, or its server is silent", Means: "the file of WSL is not there, or its server is silent"},
	{ID: Name + "/" + idContainer, Status: fix.Broken, Title: "the container runtime's file names no server that answers", Means: "the container runtime's file names no server that answers"},
	{ID: Name + "/" + idNotInDNS, Status: fix.AtRisk, Title: "mDNS or the like resolves it on the host; the sandbox has DNS alone", Means: "mDNS or the like resolves it on the host; the sandbox has DNS alone"},
	{ID: Name + "/" + idSplit, Status: fix.AtRisk, Title: "domains of a VPN are known to systemd-resolved's stub only", Means: "domains of a VPN are known to systemd-resolved's stub only"},
	{ID: Name + "/" + idTailscale, Status: fix.Broken, Title: "Tailscale's server gives no answer", Means: "Tailscale's server gives no answer"},
	{ID: Name + "/" + idFirewall, Status: fix.AtRisk, Title: "rules that treat users or groups differently", Means: "rules that treat users or groups differently"},
	{ID: Name + "/" + idTCP, Status: fix.Broken, Title: "options use-vc with an old pasta", Means: "options use-vc with an old pasta"},
	{ID: Name + "/" + idSlow, Status: fix.AtRisk, Title: "works, and waits 10 s where the server refuses AAAA", Means: "works, and waits 10 s where the server refuses AAAA"},
	{ID: Name + "/" + idSlowLookups, Status: fix.AtRisk, Title: "names resolve, and each lookup takes more than 2 s", Means: "names resolve, and each lookup takes more than 2 s"},
	{ID: Name + "/" + idAppArmor, Status: fix.Broken, Title: "AppArmor denied pasta something", Means: "AppArmor denied pasta something"},
	{ID: Name + "/" + idDaemonApart, Status: fix.Broken, Title: "the daemon has another network or other files than lixfix sees", Means: "the daemon has another network or other files than lixfix sees"},
	{ID: Name + "/" + idDaemonConf, Status: fix.Broken, Title: "the daemon reads another configuration, or has not read nix.conf since it was changed", Means: "the daemon reads another configuration, or has not read nix.conf since it was changed"},
	{ID: Name + "/" + idFetcher, Status: fix.Broken, Title: "names resolve in the sandbox, and not for builtin:fetchurl of the daemon", Means: "names resolve in the sandbox, and not for builtin:fetchurl of the daemon"},
	{ID: Name + "/" + idSandboxOff, Status: fix.AtRisk, Title: "builds run without the sandbox", Means: "builds run without the sandbox"},
	{ID: Name + "/" + idRace, Status: fix.AtRisk, Title: "a build began before pasta had set its route", Means: "a build began before pasta had set its route"},
	{ID: Name + "/" + idNotProbed, Status: fix.AtRisk, Title: "a bad prediction that no cause explains; a build has to look", Means: "a bad prediction that no cause explains; a build has to look"},
	{ID: Name + "/" + idUnexplained, Status: fix.Broken, Title: "a build cannot resolve names, and the host looks well; further builds narrow it down, and what was excluded is listed", Means: "a build cannot resolve names, and the host looks well; further builds narrow it down, and what was excluded is listed"},
	{ID: Name + "/" + idNoDaemon, Status: fix.Broken, Title: "no daemon that could build", Means: "no daemon that could build"},
	{ID: Name + "/" + idBadConf, Status: fix.Broken, Title: "nix cannot read its configuration", Means: "nix cannot read its configuration"},
}

// Kinds implements fix.Fix.
func (resolvConf) Kinds() []*fix.Kind { return table }
