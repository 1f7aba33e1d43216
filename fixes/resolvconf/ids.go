package resolvconf

// IDs lists what the fix can find, without its name, in the order of the README.
func IDs() []string {
	return []string{
		idFirstDead, idFirstRefuses, idFirstUseless, idNoneAnswers, idDangling, idMissing, idDirectory, idClosed, idPastaSkips, idGlibcSkips,
		idNoServer, idOnlyIPv6, idNoRoute, idScoped, idTunClosed, idTunMissing, idPastaGone, idPastaQuoted, idWSL,
		idContainer, idNotInDNS, idSplit, idTailscale, idFirewall, idTCP, idSlow, idSlowLookups, idAppArmor, idFetcher, idSandboxOff, idRace,
		idWorks, idNotProbed, idUnexplained, idContradicted, idNotKnown, idNoNix, idNoDaemon, idBadConf,
	}
}
