package resolvconf

import (
	"slices"
	"strings"
)

// IDs lists what the fix can find, without its name, in the order of the README.
func IDs() []string {
	return []string{
		idFirstDead, idFirstRefuses, idFirstUseless, idNoneAnswers, idDangling, idMissing, idDirectory, idReplaced, idClosed, idPastaSkips, idPastaStops, idGlibcSkips,
		idNoServer, idOnlyIPv6, idNoRoute, idScoped, idTunClosed, idTunMissing, idPastaGone, idPastaEnds, idPastaQuoted, idWSL,
		idContainer, idNotInDNS, idSplit, idTailscale, idFirewall, idTCP, idSlow, idSlowLookups, idAppArmor, idDaemonApart, idDaemonConf, idFetcher, idSandboxOff, idRace,
		idWorks, idNotProbed, idUnexplained, idContradicted, idNotKnown, idNoNix, idNoDaemon, idBadConf,
	}
}

// Knows reports whether findings of the fix can have this ID.
func (resolvConf) Knows(id string) bool {
	slug, ok := strings.CutPrefix(id, Name+"/")
	return ok && slices.Contains(IDs(), slug)
}
