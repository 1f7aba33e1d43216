package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/systemd"
)

// cannotTell makes the finding for what could not be looked at.
func cannotTell(s *survey, what string, err error) sight {
	f := unknown.Found(fix.With{"what": what})
	if err != nil {
		f.Reason = err.Error()
		f.NeedsRoot = errors.Is(err, fs.ErrPermission) && !s.facts.Root()
	}
	return finds(f)
}

func evidence(source, expected, observed string) fix.Evidence {
	return fix.Evidence{Source: source, Expected: expected, Observed: observed}
}

// storeRung: /nix is there, is mounted, and there is a Nix that somebody else than its user writes for.
func storeRung(s *survey) sight {
	f := s.found
	if s.named != "" && !s.mounted {
		return finds(notMounted.Found(fix.With{"file": s.named}, evidence("/proc/self/mountinfo", "/nix", noSuchMount)))
	}
	switch {
	case !f.Present.Known():
		saw := cannotTell(s, whetherNix, errors.New(f.Present.Unknown))
		saw.found.NeedsRoot = f.Present.Root
		return saw
	case !f.Present.Value:
		return finds(notHere.Found(nil, evidence("Nix", "", f.Present.From)))
	}
	if why := withoutDaemon(s); why != "" {
		return finds(notNeeded.Found(fix.With{"why": why}))
	}
	if !s.nix.there() {
		return unsure(s.nix.err.Error())
	}
	return holds(f.Line())
}

// withoutDaemon says why nobody needs a daemon here; "" where somebody may.
func withoutDaemon(s *survey) string {
	f := s.found
	if f.Daemon.Value != nil || !f.Daemon.Known() || !f.Socket.Known() || f.Socket.Value != "" {
		return ""
	}
	switch {
	case !f.Owner.Known() && f.Mode.Value != installation.SingleUser && s.nix.missing():
		return noStore
	case !f.Mode.Known() || f.Mode.Value != installation.SingleUser:
		return ""
	case f.Owner.Known() && f.Owner.Value.UID != 0:
		return storeOf.Fill(fix.With{"user": f.Owner.Value.String()})
	case s.sock.missing() && setUp(s):
		return ""
	case !s.facts.Root():
		return rootsOwn
	}
	return rootsStore
}

// setUp reports whether somebody has set a daemon up, of which nothing but traces is left.
func setUp(s *survey) bool {
	switch {
	case s.booted:
		return s.offered[socketUnit] || s.dir.there() && s.found.Installer.Known()
	case s.initd.has != "":
		return true
	}
	return s.dir.there() // a daemon makes it
}

// configurationRung: it parses. Whoever is turned away by an unreadable file is told nothing, so gaps are no obstacle.
func configurationRung(s *survey) sight {
	switch {
	case s.conf.Err != nil:
		return finds(configError.Found(
			fix.With{"error": s.conf.Err.Error(), "where": s.conf.Err.Origin.String()},
			evidence(s.conf.Err.Origin.String(), aLineRead.Fill(fix.With{"program": s.conf.Release.String()}), s.conf.Err.Message),
		))
	case len(s.conf.Gaps) > 0:
		return unsure(s.conf.Gaps[0].String())
	case len(s.conf.Files) == 0:
		return holds(noConfiguration)
	}
	return holds(strings.Join(s.conf.Files, ", "))
}

// programRung: the program that the units start is there, and can be run.
func programRung(s *survey) sight {
	d := s.found.Daemon.Value
	if d == nil || d.Program == "" {
		return unsure(noProgram)
	}
	why := ""
	switch {
	case s.program.missing():
		why = notThere
	case s.program.err != nil:
		return unsure(s.program.err.Error())
	case !s.program.Mode.IsRegular():
		why = notAProgram
	case s.program.Mode&0o111 == 0:
		why = cannotRun.Fill(fix.With{"mode": fmt.Sprintf("%04o", s.program.Mode.Perm())})
	default:
		return holds(d.Program)
	}
	f := programMissing.Found(fix.With{"program": d.Program, "why": why}, evidence(d.Program, aProgram, why))
	return unlessAlive(s, f)
}

// systemdUnits: systemd has the units, and they are not masked.
func systemdUnits(s *survey) sight {
	if s.unitsErr != nil {
		return unsure(s.unitsErr.Error())
	}
	socket, starts := s.socket(), s.starts()
	switch {
	case socket.Condition == systemd.Missing && s.service().Condition == systemd.Missing && s.offered[socketUnit] && s.sock.missing():
		return unlessAlive(s, missingFinding(s, socketUnit))
	case socket.Condition == systemd.Missing && s.service().Condition == systemd.Missing:
		return unsure(noUnit) // somebody may start it in another way: the connection tells
	case alone(s):
		return holds(startsAlone.Fill(fix.With{"unit": s.service().File}))
	}
	for _, u := range []systemd.Unit{socket, starts} {
		switch u.Condition {
		case systemd.Masked:
			return unlessAlive(s, maskedFinding(s, u))
		case systemd.Dangling:
			f := unitDangling
			with := fix.With{"file": u.File, "target": u.Link}
			if s.enforcing && strings.HasPrefix(u.Link, "/nix/") && s.offered[u.Name] {
				f = selinux
			}
			return unlessAlive(s, f.Found(with, evidence(u.File, aUnit, aLinkTo.Fill(fix.With{"target": u.Link}))))
		case systemd.Missing:
			if u.Name == "" || u.Name == templateUnit || s.accepts() {
				return unlessAlive(s, templateMissing.Found(fix.With{"file": socket.File}, evidence(templateUnit, aUnit, noUnitFile)))
			}
			return unlessAlive(s, missingFinding(s, u.Name))
		case systemd.Present:
		}
	}
	if n := len(starts.All("Service", "ExecStart")); n != 1 && starts.Last("Service", "Type") != "oneshot" {
		file := starts.File
		if len(starts.DropIns) > 0 {
			file = starts.DropIns[len(starts.DropIns)-1]
		}
		return unlessAlive(s, unitBad.Found(
			fix.With{"unit": starts.Name, "why": startsOften.Fill(fix.With{"count": n}), "file": file},
			evidence(file, startsOnce, times.Fill(fix.With{"count": n})),
		))
	}
	return holds(socket.File + ", " + starts.File)
}

// alone reports whether the service is meant to run without the socket.
func alone(s *survey) bool {
	return s.socket().Condition != systemd.Present && s.service().Condition == systemd.Present && len(s.service().Wanted) > 0
}

func maskedFinding(s *survey, u systemd.Unit) fix.Finding {
	with := fix.With{"unit": u.Name}
	f := masked.Found(with, evidence(u.File, aUnit, aLinkToNull))
	if behind(s, u.Name) != "" || s.offered[u.Name] {
		f.Remedy = masked.Remedy("unmask", with)
	} else {
		f.Remedy = masked.Remedy("advice", with)
	}
	return f
}

func missingFinding(s *survey, unit string) fix.Finding {
	with := fix.With{"unit": unit}
	f := unitMissing.Found(with, evidence(unit, aUnit, noUnitFile))
	if s.offered[socketUnit] && s.offered[serviceUnit] {
		f.Remedy = unitMissing.Remedy("link", with)
	} else {
		f.Remedy = unitMissing.Remedy("advice", with)
	}
	return f
}

// socketRung: the directory and the socket are there, and open to whom they are to be open.
func socketRung(s *survey) sight {
	dir := path.Dir(s.path)
	switch {
	case s.dir.missing():
		return dirMissingFinding(s, dir)
	case s.dir.err != nil:
		return unsure(s.dir.err.Error())
	case !s.dir.Mode.IsDir():
		return finds(notASocket.Found(fix.With{"socket": dir, "what": kindOf(s.dir.Mode)}, evidence(dir, aDirectory, kindOf(s.dir.Mode))))
	}
	if s.dir.UID != 0 && (!s.found.Owner.Known() || s.found.Owner.Value.UID != s.dir.UID) {
		return finds(dirOwner.Found(fix.With{"dir": dir, "uid": s.dir.UID}, evidence(dir, rootOwned, ownedBy.Fill(fix.With{"uid": s.dir.UID}))))
	}
	group := groupName(s, s.dir.GID)
	restricted := s.dir.GID != 0 && s.dir.Mode&0o010 != 0
	mode := fmt.Sprintf("%04o", s.dir.Mode.Perm())
	if errors.Is(s.sock.err, fs.ErrPermission) {
		if restricted {
			return finds(notInGroup.Found(fix.With{"group": group}, evidence(dir, openDirectory, modeAndGroup.Fill(fix.With{"mode": mode, "group": group}))))
		}
		return finds(dirModeFinding(s, "you"))
	}
	if s.dir.Mode&0o001 == 0 && !restricted && !s.dir.ACL {
		return finds(dirModeFinding(s, onlyRootEnters))
	}
	switch {
	case s.sock.missing():
		return causeOf(s, "missing")
	case s.sock.err != nil:
		return unsure(s.sock.err.Error())
	case s.sock.Mode&fs.ModeSymlink != 0:
		return unsure(isALink.Fill(fix.With{"path": s.path, "target": s.sock.Target}))
	case s.sock.Mode&fs.ModeSocket == 0:
		what := kindOf(s.sock.Mode)
		return finds(notASocket.Found(fix.With{"socket": s.path, "what": what}, evidence(s.path, aSocket, what)))
	case s.sock.Mode&0o002 == 0 && !s.sock.ACL && s.socket().Last("Socket", "SocketMode") == "" && (s.sock.GID == 0 || s.sock.Mode&0o020 == 0):
		return finds(socketModeFinding(s))
	}
	if restricted && s.dir.Mode&0o001 == 0 {
		return holds(forMembers.Fill(fix.With{"path": s.path, "group": group}))
	}
	return holds(s.path)
}

// dirMissingFinding: clients find nothing, whoever listens.
func dirMissingFinding(s *survey, dir string) sight {
	switch {
	case !s.read[listeners]:
		return wants(listeners)
	case s.listening && len(s.running) > 0 && !s.read[atWork]:
		return wants(atWork)
	}
	with := fix.With{"dir": dir, "mode": fmt.Sprintf("%04o", s.wanted.mode)}
	f := dirMissing.Found(with, evidence(dir, aDirectory, "nothing"))
	name := "advice"
	switch {
	case !s.booted || s.socket().Condition != systemd.Present:
	case !s.listening:
		name = "make"
	default:
		name = disturbs(s)
		f.Evidence = append(f.Evidence, busyEvidence(s)...)
	}
	f.Remedy = dirMissing.Remedy(name, with)
	return finds(f)
}

func dirModeFinding(s *survey, who string) fix.Finding {
	mode := fmt.Sprintf("%04o", s.dir.Mode.Perm())
	to := fmt.Sprintf("%04o", s.wanted.mode)
	dir := path.Dir(s.path)
	if who != "you" {
		who = usersNotRoot
	}
	with := fix.With{"dir": dir, "mode": mode, "who": who, "to": to, "file": s.wanted.from}
	f := dirMode.Found(with, evidence(dir, modeIs.Fill(fix.With{"mode": to}), modeIs.Fill(fix.With{"mode": mode})))
	name := "mode"
	if s.wanted.mode&0o001 == 0 && s.wanted.gid != s.dir.GID {
		name = "advice" // that mode opens it to another group than it has
	}
	f.Remedy = dirMode.Remedy(name, with)
	return f
}

func socketModeFinding(s *survey) fix.Finding {
	mode := fmt.Sprintf("%04o", s.sock.Mode.Perm())
	with := fix.With{"socket": s.path, "mode": mode}
	f := socketMode.Found(with, evidence(s.path, openMode, modeIs.Fill(fix.With{"mode": mode})))
	f.Remedy = socketMode.Remedy("advice", with)
	if s.guarded {
		f.Remedy = socketMode.Remedy("mode", with)
	}
	return f
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return aDirectory
	case m.IsRegular():
		return aFile
	case m&fs.ModeSymlink != 0:
		return aLink
	case m&fs.ModeSocket != 0:
		return aSocket
	}
	return somethingElse
}

func groupName(s *survey, gid int) string {
	i := slices.IndexFunc(s.groups, func(g accounts.Group) bool { return g.GID == gid })
	if i < 0 {
		return groupNumber.Fill(fix.With{"gid": gid})
	}
	return s.groups[i].Name
}

// releaseRung: the daemon that answers is the one that is installed, and still on the disk.
func releaseRung(s *survey) sight {
	if p, ok := removed(s); ok {
		if !s.read[atWork] {
			return wants(atWork)
		}
		return finds(renewed(s, deleted, disturbs(s), fix.With{"process": named(p), "program": p.Program},
			evidence(fmt.Sprintf("/proc/%d/exe", p.PID), aFile, deletedFile.Fill(fix.With{"program": p.Program}))))
	}
	d := s.found.Daemon.Value
	answered := nixconf.Release{Version: s.answer.Version}
	switch {
	case s.answer.Version == "":
		return unsure(noVersion)
	case d == nil || d.Release.Version == "" || d.Release.Implementation == nixconf.Determinate:
		return holds(saysVersion.Fill(fix.With{"version": s.answer.Version}))
	case plain(s.answer.Version) && plain(d.Release.Version) && answered.Before(d.Release.Version):
		if !s.read[atWork] {
			return wants(atWork)
		}
		return finds(renewed(s, older, disturbs(s),
			fix.With{"running": s.answer.Version, "installed": d.Release.String(), "unit": s.starts().Name},
			evidence(s.path, d.Release.Version, s.answer.Version),
		))
	}
	return holds(saysOther.Fill(fix.With{"version": s.answer.Version, "program": d.Release.String()}))
}

// removed is a daemon whose program is no longer on the disk. Workers of an older one go on beside a new daemon, so that
// it is only told where no process has a program that is there.
func removed(s *survey) (systemd.Process, bool) {
	list := s.daemons()
	if len(list) == 0 || slices.ContainsFunc(list, func(p systemd.Process) bool { return !p.Removed }) {
		return systemd.Process{}, false
	}
	return list[0], true
}

// renewed is a finding whose remedy starts the daemon that is installed now. Where its units lack one, reading them again
// would end what works.
func renewed(s *survey, k *fix.Kind, how string, with fix.With, e fix.Evidence) fix.Finding {
	f := k.Found(with, e)
	if !s.booted || s.unitsErr != nil || s.starts().Condition != systemd.Present || len(s.daemons()) == 0 {
		how = "advice"
	}
	f.Remedy = k.Remedy(how, with)
	f.Evidence = append(f.Evidence, busyEvidence(s)...)
	return f
}

// plain reports whether a version is that of a release, and not of a day.
func plain(version string) bool { return strings.Trim(version, "0123456789.") == "" }

// accessRung: what the daemon allows who has asked.
func accessRung(s *survey) sight {
	who := "you"
	if s.facts.Root() {
		who = "root"
	}
	switch s.answer.Trust {
	case "trusted":
		saw := holds(trusts.Fill(fix.With{"who": who}))
		return alsoAtBoot(s, saw)
	case "":
		return alsoAtBoot(s, holds(talksTo.Fill(fix.With{"who": who})))
	}
	return alsoAtBoot(s, holds(restricts.Fill(fix.With{"who": who})))
}

// alsoAtBoot is a sight, unless what works now will not work after the next start of the machine, or of the daemon.
func alsoAtBoot(s *survey, saw sight) sight {
	if saw := byHand(s); saw.found != nil {
		return saw
	}
	return wantedAtBoot(s, saw)
}

// byHand finds a daemon that has made the socket itself, where systemd was to: it works for as long as it runs.
func byHand(s *survey) sight {
	u := s.socket()
	if !s.booted || s.unitsErr != nil || s.answer.Peer.PID <= 1 || u.Condition != systemd.Present || len(u.Wanted) == 0 || s.accepts() {
		return sight{}
	}
	with := fix.With{"pid": s.answer.Peer.PID}
	return finds(serviceAlone.Found(with, evidence(s.path, systemdListens, processListens.Fill(fix.With{"pid": s.answer.Peer.PID}))))
}

// wantedAtBoot is a sight, unless nothing will start at the next boot what works now.
func wantedAtBoot(s *survey, saw sight) sight {
	u := s.socket()
	if !s.booted || s.unitsErr != nil || s.answer.Peer.PID != 1 || u.Condition != systemd.Present || !u.Installable() ||
		len(u.Wanted) > 0 || len(s.service().Wanted) > 0 {
		return saw
	}
	f := disabledFinding(s)
	f.Status = fix.AtRisk
	return finds(f)
}

func disabledFinding(s *survey) fix.Finding {
	return disabled.Found(fix.With{"unit": socketUnit},
		evidence(systemd.Units+"/sockets.target.wants/"+socketUnit, aLinkTo.Fill(fix.With{"target": s.linkable}), "nothing"))
}
