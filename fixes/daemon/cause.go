package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/systemd"
)

// connectionRung: somebody listens.
func connectionRung(s *survey) sight {
	if !s.read[greeting] {
		return wants(greeting)
	}
	switch {
	case errors.Is(s.greetErr, fs.ErrNotExist):
		return causeOf(s, "missing")
	case s.greetErr != nil:
		return cannotTell(s, notConnecting.Fill(fix.With{"path": s.path}), s.greetErr)
	case s.answer.Outcome == nixdaemon.Stranger:
		return cannotTell(s, userListens.Fill(fix.With{"uid": s.answer.Peer.UID, "path": s.path}), s.answer.Err)
	case s.answer.Outcome != nixdaemon.NoConnection:
		who := processListens.Fill(fix.With{"pid": s.answer.Peer.PID})
		switch s.answer.Peer.PID {
		case 1:
			who = systemdListens
		case 0, -1:
			who = somebodyListens
		}
		return holds(listensAt.Fill(fix.With{"who": who, "path": s.path}))
	case errors.Is(s.answer.Err, fs.ErrPermission):
		return finds(socketModeFinding(s))
	case errors.Is(s.answer.Err, syscall.ECONNREFUSED):
		return causeOf(s, "refused")
	case errors.Is(s.answer.Err, fs.ErrNotExist):
		return causeOf(s, "missing")
	}
	return cannotTell(s, nothingConnects.Fill(fix.With{"path": s.path}), s.answer.Err)
}

// greetingRung: a daemon of Nix says what it should.
func greetingRung(s *survey) sight {
	switch a := s.answer; a.Outcome {
	case nixdaemon.Greeted:
		return holds(greeted.Fill(fix.With{"protocol": protocol(a), "ms": a.Took.Milliseconds()}))
	case nixdaemon.Old:
		if r := s.found.Release; r.Known() && r.Value.Implementation == nixconf.Lix && r.Value.AtLeast("2.94") {
			return finds(tooOld.Found(fix.With{"protocol": protocol(a), "client": r.Value.String()}, evidence(s.path, protocolNeeded, protocolIs.Fill(fix.With{"protocol": protocol(a)}))))
		}
		return holds(greeted.Fill(fix.With{"protocol": protocol(a), "ms": a.Took.Milliseconds()}))
	case nixdaemon.Garbage:
		return finds(notNix.Found(fix.With{"socket": s.path, "why": a.Err.Error()}, evidence(s.path, daemonsGreeting, a.Err.Error())))
	case nixdaemon.Refused:
		return finds(refuses.Found(fix.With{"error": a.Text}, evidence(s.path, noError, a.Text)))
	case nixdaemon.Silent:
		if i := slices.IndexFunc(s.daemons(), isStopped); i >= 0 {
			p := s.daemons()[i]
			return finds(suspended.Found(fix.With{"process": named(p)}, evidence(fmt.Sprintf("/proc/%d/stat", p.PID), runsOrSleeps, "stopped")))
		}
		seconds := 2 * int(nixdaemon.Time.Seconds())
		return finds(silent.Found(fix.With{"socket": s.path, "seconds": seconds}, evidence(s.path, aGreeting, "silence")))
	case nixdaemon.Closed:
		return causeOf(s, "closed")
	default:
		return cannotTell(s, strangeAnswer.Fill(fix.With{"answer": a.Outcome}), a.Err)
	}
}

func protocol(a nixdaemon.Answer) string {
	major, minor := a.Minor()
	return fmt.Sprintf("%d.%d", major, minor)
}

const little = 1 << 20 // bytes: less, and SQLite cannot open its database

// turnedAway finds out whether the daemon closes connections of this user.
func turnedAway(s *survey) (sight, bool) {
	if s.facts.Root() {
		return sight{}, false
	}
	if group := builders(s); group != "" {
		return finds(notAllowed.Found(
			fix.With{"user": "you", "why": isMember.Fill(fix.With{"group": group}), "how": leaveGroup},
			evidence(yourGroups, notGroup.Fill(fix.With{"group": group}), group),
		)), true
	}
	users := s.conf.Get("allowed-users")
	if !users.Known() || len(users.Words) == 0 || slices.Contains(users.Words, "*") {
		return sight{}, false
	}
	return finds(notAllowed.Found(
		fix.With{"user": "you", "why": othersAllowed, "how": allowYou},
		evidence("allowed-users", "*", users.Text),
	)), true
}

// builders is the group of the build users where this user is in it: daemons do not talk to its members
// (src/nix/daemon.cc), Lix since 2.95 to none, others to those whose first group it is. "" where they are not.
func builders(s *survey) string {
	name := s.conf.Get("build-users-group").Text
	group, ok := accounts.GroupByName(s.groups, name)
	if !ok || name == "" {
		return ""
	}
	every := s.found.Release.Known() && s.found.Release.Value.Implementation == nixconf.Lix && s.found.Release.Value.AtLeast("2.95")
	if s.login.GID == group.GID || every && slices.Contains(group.Members, s.login.Name) {
		return name
	}
	return ""
}

// byState says what the states of the units mean.
func byState(s *survey, how string) fix.Finding {
	socket, service := s.state[socketUnit], s.state[serviceUnit]
	file := s.socket()
	says := evidence(showUnits, "",
		unitStates.Fill(fix.With{"load": socket.Load, "active": socket.Active, "sub": socket.Sub, "result": socket.Result, "service_load": service.Load, "service_active": service.Active, "service_sub": service.Sub, "service_result": service.Result, "exit": service.Exit}))
	add := func(f fix.Finding) fix.Finding { f.Evidence = append(f.Evidence, says); return f }
	unit := fix.With{"unit": socketUnit, "socket": s.path}
	if alone(s) { // the service makes the socket itself
		socket, file = service, s.service()
		unit["unit"] = serviceUnit
	}
	if s.freeErr == nil && s.read[greeting] && s.free < little {
		return add(diskFull.Found(fix.With{"dir": installation.StateDir, "free": kib.Fill(fix.With{"count": s.free >> 10})},
			evidence(installation.StateDir, someMiB, bytesFree.Fill(fix.With{"count": s.free}))))
	}
	switch {
	case socket.Load == "not-found" && file.Condition == systemd.Missing:
		return add(missingFinding(s, socketUnit))
	case socket.Load == "not-found" && socket.Active == "active":
		return add(remade(s, socketLost, unit))
	case socket.Load == "not-found" && s.enforcing && strings.HasPrefix(file.Link, "/nix/"):
		return add(selinux.Found(fix.With{"file": file.File}))
	case socket.Load == "not-found" && s.own && strings.HasPrefix(file.Link, "/nix/"):
		return add(bootRace.Found(unit, evidence("/proc/self/mountinfo", onRoot, onItsOwn)))
	case socket.Load == "not-found", socket.Load == "masked", service.Load == "masked" && !s.accepts(), service.Load == "not-found" && !s.accepts():
		return add(needsReload.Found(unit))
	case socket.Load == "bad-setting" || socket.Load == "error" || service.Load == "bad-setting" || service.Load == "error":
		bad, from := socketUnit, s.socket()
		if service.Load == "bad-setting" || service.Load == "error" {
			bad, from = serviceUnit, s.service()
		}
		at := strings.Join(append([]string{from.File}, from.DropIns...), ", ")
		return add(unitBad.Found(fix.With{"unit": bad, "why": notTaken, "file": at}))
	}
	if f, ok := failed(service); ok {
		return add(f)
	}
	if how == "closed" {
		return add(closes.Found(nil, evidence(s.path, aGreeting, endOfFile)))
	}
	switch {
	case socket.Active == "failed" && (strings.HasSuffix(socket.Result, "-limit-hit") || socket.Result == "exit-code" || socket.Result == "signal"):
		how := withStatus.Fill(fix.With{"status": service.Exit})
		if service.Exit == "" || service.Exit == "0" {
			how = forLoggedReason
		}
		return add(startLimit.Found(fix.With{"how": how}))
	case socket.Active == "failed":
		return add(socketFailed.Found(fix.With{"unit": unit["unit"], "result": socket.Result}))
	case socket.Active == "active" && how == "missing":
		return add(remade(s, socketMissing, unit))
	case socket.Active == "active" || socket.Active == "activating":
		return add(remade(s, socketLost, unit))
	case unmet(s) != "":
		return add(conditionFinding(s))
	case s.ro != "":
		return add(readOnly.Found(fix.With{"dir": s.ro}, evidence("/proc/self/mountinfo", "rw", "ro")))
	case len(file.Wanted) == 0 && file.Installable():
		return add(disabledFinding(s))
	}
	return add(stopped.Found(unit))
}

// unmet is the unit that systemd was to start and skipped, because a condition of it was not met; "" for none. What it
// tells of a unit that it was never to start means nothing.
func unmet(s *survey) string {
	if s.ro != "" {
		return "" // that is the condition, and says more
	}
	for _, u := range []string{socketUnit, serviceUnit} {
		if st := s.state[u]; st.Tried && !st.Condition && st.Active != "active" && len(conditions(s.units[u])) > 0 {
			return u
		}
	}
	return ""
}

func conditionFinding(s *survey) fix.Finding {
	u := s.units[unmet(s)]
	with := fix.With{"unit": u.Name, "conditions": strings.Join(conditions(u), ", ")}
	return conditionFailed.Found(with, evidence(showUnit.Fill(fix.With{"name": u.Name}), "ConditionResult=yes", "ConditionResult=no"))
}

// conditions are the lines of a unit that say when systemd is to skip it.
func conditions(u systemd.Unit) []string {
	var list []string
	for _, one := range u.Settings {
		if one.Section == "Unit" && strings.HasPrefix(one.Key, "Condition") && one.Value != "" {
			list = append(list, one.Key+"="+one.Value)
		}
	}
	return list
}

// failed says what a failure of the service means by itself.
func failed(service systemd.State) (fix.Finding, bool) {
	exit, err := strconv.Atoi(service.Exit)
	switch {
	case service.Result == "oom-kill":
		return oomKilled.Found(nil), true
	case service.Active != "failed" && service.Result == "success" || err != nil:
		return fix.Finding{}, false
	}
	if why, ok := exits[exit]; ok {
		return serviceFails.Found(fix.With{"why": why}, evidence(serviceUnit, "", statusIs.Fill(fix.With{"status": exit}))), true
	}
	return fix.Finding{}, false
}

// remade is a finding whose remedy starts the socket again: with a daemon at work, that is somebody's work.
func remade(s *survey, k *fix.Kind, with fix.With) fix.Finding {
	f := k.Found(with)
	f.Remedy = k.Remedy(disturbs(s), with)
	f.Evidence = append(f.Evidence, busyEvidence(s)...)
	return f
}

// disturbs is the case of a remedy that starts the daemon again: "idle" where nobody would notice.
func disturbs(s *survey) string {
	if len(s.running) > 0 && (s.busyErr != nil || s.busy != "") {
		return "busy"
	}
	return "idle"
}

// busyEvidence is the evidence for who would notice.
func busyEvidence(s *survey) []fix.Evidence {
	switch {
	case len(s.running) == 0:
		return nil
	case s.busyErr != nil:
		return []fix.Evidence{evidence(serviceUnit, nobodyAtWork, notTold.Fill(fix.With{"error": s.busyErr.Error()}))}
	case s.busy != "":
		return []fix.Evidence{evidence(serviceUnit, nobodyAtWork, s.busy)}
	}
	return nil
}

func isStopped(p systemd.Process) bool { return p.State == 'T' }

// named is a process with when it was started: the kernel gives numbers out again.
func named(p systemd.Process) string {
	ticks, err := strconv.ParseInt(p.Start, 10, 64)
	if err != nil {
		return processNamed.Fill(fix.With{"pid": p.PID})
	}
	since := time.Duration(ticks) * time.Second / procfs.TicksPerSecond
	return processStarted.Fill(fix.With{"pid": p.PID, "time": since.Round(time.Second)})
}

// withoutSystemd says what a host without systemd lacks.
func withoutSystemd(s *survey, how string) fix.Finding {
	program := "nix-daemon"
	switch d := s.found.Daemon.Value; {
	case d != nil && path.Base(d.Program) == program:
		program = d.Program // sudo may have another PATH
	case s.tools != "":
		program = path.Join(s.tools, program)
	}
	init, command := s.initd.start(program)
	with := fix.With{"socket": s.path, "init": init, "command": command, "where": where(s)}
	lix := s.found.Release.Known() && s.found.Release.Value.Implementation == nixconf.Lix && s.found.Release.Value.AtLeast("2.94")
	switch {
	case how == "refused" && (lix || s.container == ""):
		return staleSocket.Found(with, evidence(s.path, aListener, connectionRefused))
	case s.facts.Root() && s.container != "":
		f := noInit.FoundAs("root", with)
		f.Status, f.Remedy = fix.OK, nil
		return f
	}
	return noInit.Found(with)
}

func where(s *survey) string {
	switch {
	case s.container != "":
		return inContainer
	case s.initd.wsl > 0:
		return inWSL.Fill(fix.With{"version": s.initd.wsl})
	case s.initd.name != "":
		return startedBy.Fill(fix.With{"name": s.initd.name})
	}
	return notFirst
}
