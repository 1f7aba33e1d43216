package resolvconf

// IDs lists what the fix can find, without its name, in the order of the README.
func IDs() []string {
	return []string{
		idFirstDead, idFirstRefuses, idFirstUseless, idNoneAnswers, idDangling, idMissing, idDirectory, idReplaced, idClosed, idPastaSkips, idPastaStops, idGlibcSkips,
		idNoServer, idOnlyIPv6, idNoRoute, idScoped, idTunClosed, idTunMissing, idPastaGone, idPastaEnds, idPastaQuoted, idWSL,
		idContainer, idNotInDNS, idSplit, idTailscale, idFirewall, idTCP, idSlow, idSlowLookups, idAppArmor, idDaemonApart, idDaemonConf, idFetcher, idSandboxOff, idRace,
		idWorks, idNotProbed, idUnexplained, idContradicted, idNotKnown, idNoNix, idNoDaemon, idBadConf,
	}
}
