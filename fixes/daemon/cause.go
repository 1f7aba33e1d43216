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
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/procfs"
	"github.com/lixfix/lixfix/platform/systemd"
)

// connection: somebody listens.
func (s *survey) connection() sight {
	if !s.read[greeting] {
		return wants(greeting)
	}
	switch {
	case errors.Is(s.greetErr, fs.ErrNotExist):
		return s.causeOf("missing")
	case s.greetErr != nil:
		return s.cannotTell("root does not connect to "+s.path, s.greetErr)
	case s.answer.Outcome == nixdaemon.Stranger:
		return s.cannotTell(fmt.Sprintf("user %d listens at %s, and root does not talk to them", s.answer.Peer.UID, s.path), s.answer.Err)
	case s.answer.Outcome != nixdaemon.NoConnection:
		who := fmt.Sprintf("process %d listens", s.answer.Peer.PID)
		switch s.answer.Peer.PID {
		case 1:
			who = "systemd listens"
		case 0, -1:
			who = "somebody listens"
		}
		return holds("%s at %s", who, s.path)
	case errors.Is(s.answer.Err, fs.ErrPermission):
		return finds(s.socketModeFinding())
	case errors.Is(s.answer.Err, syscall.ECONNREFUSED):
		return s.causeOf("refused")
	case errors.Is(s.answer.Err, fs.ErrNotExist):
		return s.causeOf("missing")
	}
	return s.cannotTell("nothing connects to "+s.path, s.answer.Err)
}

// greeting: a daemon of Nix says what it should.
func (s *survey) greeting() sight {
	switch a := s.answer; a.Outcome {
	case nixdaemon.Greeted:
		return holds("protocol %s, after %d ms", protocol(a), a.Took.Milliseconds())
	case nixdaemon.Old:
		if r := s.found.Release; r.Known() && r.Value.Implementation == nixconf.Lix && r.Value.AtLeast("2.94") {
			return finds(tooOld.Found(fix.With{"protocol": protocol(a), "client": r.Value.String()}, evidence(s.path, "protocol 1.35", "protocol "+protocol(a))))
		}
		return holds("protocol %s, after %d ms", protocol(a), a.Took.Milliseconds())
	case nixdaemon.Garbage:
		return finds(notNix.Found(fix.With{"socket": s.path, "why": a.Err.Error()}, evidence(s.path, "the greeting of a Nix daemon", a.Err.Error())))
	case nixdaemon.Refused:
		return finds(refuses.Found(fix.With{"error": a.Text}, evidence(s.path, "no error", a.Text)))
	case nixdaemon.Silent:
		if i := slices.IndexFunc(s.daemons(), isStopped); i >= 0 {
			p := s.daemons()[i]
			return finds(suspended.Found(fix.With{"process": named(p)}, evidence(fmt.Sprintf("/proc/%d/stat", p.PID), "runs or sleeps", "stopped")))
		}
		seconds := 2 * int(nixdaemon.Time.Seconds())
		return finds(silent.Found(fix.With{"socket": s.path, "seconds": seconds}, evidence(s.path, "a greeting", "silence")))
	case nixdaemon.Closed:
		return s.causeOf("closed")
	default:
		return s.cannotTell("an answer that lixfix does not know: "+string(a.Outcome), a.Err)
	}
}

func protocol(a nixdaemon.Answer) string {
	major, minor := a.Minor()
	return fmt.Sprintf("%d.%d", major, minor)
}

const little = 1 << 20 // bytes: less, and SQLite cannot open its database

// causeOf says why there is no daemon: the socket's file is missing, nobody listens, or the connection is closed. What
// systemd says decides.
func (s *survey) causeOf(how string) sight {
	if s.bootedErr != nil {
		return s.cannotTell("whether systemd runs here", s.bootedErr)
	}
	if how == "closed" {
		if saw, ok := s.turnedAway(); ok {
			return saw
		}
	}
	switch {
	case s.booted && !s.read[states]:
		return wants(states)
	case len(s.running) > 0 && !s.read[atWork]:
		return wants(atWork)
	}
	var f fix.Finding
	switch {
	case !s.booted && how == "closed":
		f = closes.Found(fix.With{"why": "its log says more"}, evidence(s.path, "a greeting", "end of file"))
	case !s.booted:
		f = s.withoutSystemd(how)
	case s.stateErr != nil:
		return s.cannotTell("what systemd says of the daemon's units", s.stateErr)
	default:
		f = s.byState(how)
	}
	if len(s.log) > 0 {
		f.Evidence = append(f.Evidence, evidence("the daemon's log", "", strings.Join(s.log, "; ")))
	}
	return finds(f)
}

// turnedAway finds out whether the daemon closes connections of this user.
func (s *survey) turnedAway() (sight, bool) {
	if s.facts.Root() {
		return sight{}, false
	}
	users := s.conf.Get("allowed-users")
	if !users.Known() || len(users.Words) == 0 || slices.Contains(users.Words, "*") {
		return sight{}, false
	}
	return finds(notAllowed.Found(
		fix.With{"user": "you", "why": "allowed-users names others", "how": "allowed-users in /etc/nix/nix.conf has to name you or a group of yours"},
		evidence("allowed-users", "*", users.Text),
	)), true
}

// byState says what the states of the units mean.
func (s *survey) byState(how string) fix.Finding {
	socket, service := s.state[socketUnit], s.state[serviceUnit]
	file := s.socket()
	says := evidence("systemctl show "+socketUnit+" "+serviceUnit, "",
		fmt.Sprintf("socket: %s, %s (%s), %s; service: %s, %s (%s), %s, exit status %s", socket.Load, socket.Active, socket.Sub, socket.Result,
			service.Load, service.Active, service.Sub, service.Result, service.Exit))
	add := func(f fix.Finding) fix.Finding { f.Evidence = append(f.Evidence, says); return f }
	unit := fix.With{"unit": socketUnit, "socket": s.path}
	if s.alone() { // the service makes the socket itself
		socket, file = service, s.service()
		unit["unit"] = serviceUnit
	}
	if s.freeErr == nil && s.read[greeting] && s.free < little {
		return add(diskFull.Found(fix.With{"dir": installation.StateDir, "free": fmt.Sprintf("%d KiB", s.free>>10)},
			evidence(installation.StateDir, "some MiB", fmt.Sprintf("%d bytes", s.free))))
	}
	switch {
	case socket.Load == "not-found" && file.Condition == systemd.Missing:
		return add(s.missingFinding(socketUnit))
	case socket.Load == "not-found" && socket.Active == "active":
		return add(s.remade(socketLost, unit))
	case socket.Load == "not-found" && s.enforcing && strings.HasPrefix(file.Link, "/nix/"):
		return add(selinux.Found(fix.With{"file": file.File}))
	case socket.Load == "not-found" && s.own && strings.HasPrefix(file.Link, "/nix/"):
		return add(bootRace.Found(unit, evidence("/proc/self/mountinfo", "/nix on the file system of /", "/nix on a file system of its own")))
	case socket.Load == "not-found", socket.Load == "masked", service.Load == "masked" && !s.accepts(), service.Load == "not-found" && !s.accepts():
		return add(needsReload.Found(unit))
	case socket.Load == "bad-setting" || socket.Load == "error" || service.Load == "bad-setting" || service.Load == "error":
		bad, from := socketUnit, s.socket()
		if service.Load == "bad-setting" || service.Load == "error" {
			bad, from = serviceUnit, s.service()
		}
		at := strings.Join(append([]string{from.File}, from.DropIns...), ", ")
		return add(unitBad.Found(fix.With{"unit": bad, "why": "something in it is not taken", "file": at}))
	}
	if f, ok := s.failed(service); ok {
		return add(f)
	}
	if how == "closed" {
		return add(closes.Found(fix.With{"why": "its log says more"}, evidence(s.path, "a greeting", "end of file")))
	}
	switch {
	case socket.Active == "failed" && (strings.HasSuffix(socket.Result, "-limit-hit") || socket.Result == "exit-code" || socket.Result == "signal"):
		how := "with the exit status " + service.Exit
		if service.Exit == "" || service.Exit == "0" {
			how = "for a reason that its log tells"
		}
		return add(startLimit.Found(fix.With{"how": how}))
	case socket.Active == "failed":
		return add(socketFailed.Found(fix.With{"unit": unit["unit"], "result": socket.Result}))
	case socket.Active == "active" && how == "missing":
		return add(s.remade(socketMissing, unit))
	case socket.Active == "active" || socket.Active == "activating":
		return add(s.remade(socketLost, unit))
	case s.unmet() != "":
		return add(s.conditionFinding())
	case s.ro != "":
		return add(readOnly.Found(fix.With{"dir": s.ro}, evidence("/proc/self/mountinfo", "rw", "ro")))
	case len(file.Wanted) == 0 && file.Installable():
		return add(s.disabledFinding())
	}
	return add(stopped.Found(unit))
}

// unmet is the unit that systemd was to start and skipped, because a condition of it was not met; "" for none. What it
// tells of a unit that it was never to start means nothing.
func (s *survey) unmet() string {
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

func (s *survey) conditionFinding() fix.Finding {
	u := s.units[s.unmet()]
	with := fix.With{"unit": u.Name, "conditions": strings.Join(conditions(u), ", ")}
	return conditionFailed.Found(with, evidence("systemctl show "+u.Name, "ConditionResult=yes", "ConditionResult=no"))
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
func (s *survey) failed(service systemd.State) (fix.Finding, bool) {
	exit, err := strconv.Atoi(service.Exit)
	switch {
	case service.Result == "oom-kill":
		return oomKilled.Found(nil), true
	case service.Active != "failed" && service.Result == "success" || err != nil:
		return fix.Finding{}, false
	}
	if why, ok := exits[exit]; ok {
		return serviceFails.Found(fix.With{"why": why}, evidence(serviceUnit, "", fmt.Sprintf("exit status %d", exit))), true
	}
	return fix.Finding{}, false
}

// exits are exit statuses of systemd's own, before it runs the program (systemd.exec(5), "Process Exit Codes").
var exits = map[int]string{
	200: "its working directory cannot be entered",
	203: "its program cannot be run",
	209: "its standard output cannot be set up",
	214: "its scheduling cannot be set",
	216: "its group does not exist",
	217: "its user does not exist",
	219: "its control group cannot be set up",
	226: "its namespace cannot be set up, mostly because a directory that the unit names is missing",
	238: "its state directory cannot be made",
	239: "its cache directory cannot be made",
}

// remade is a finding whose remedy starts the socket again: with a daemon at work, that is somebody's work.
func (s *survey) remade(k *fix.Kind, with fix.With) fix.Finding {
	f := k.Found(with)
	f.Remedy = k.Remedy(s.disturbs(), with)
	f.Evidence = append(f.Evidence, s.atWork()...)
	return f
}

// disturbs is the case of a remedy that starts the daemon again: "idle" where nobody would notice.
func (s *survey) disturbs() string {
	if len(s.running) > 0 && (s.busyErr != nil || s.busy != "") {
		return "busy"
	}
	return "idle"
}

// atWork is the evidence for who would notice.
func (s *survey) atWork() []fix.Evidence {
	switch {
	case len(s.running) == 0:
		return nil
	case s.busyErr != nil:
		return []fix.Evidence{evidence(serviceUnit, "nobody is at work with it", "could not be told: "+s.busyErr.Error())}
	case s.busy != "":
		return []fix.Evidence{evidence(serviceUnit, "nobody is at work with it", s.busy)}
	}
	return nil
}

func isStopped(p systemd.Process) bool { return p.State == 'T' }

// named is a process with when it was started: the kernel gives numbers out again.
func named(p systemd.Process) string {
	ticks, err := strconv.ParseInt(p.Start, 10, 64)
	if err != nil {
		return fmt.Sprintf("process %d", p.PID)
	}
	since := time.Duration(ticks) * time.Second / procfs.TicksPerSecond
	return fmt.Sprintf("process %d (started %s after the machine)", p.PID, since.Round(time.Second))
}

// withoutSystemd says what a host without systemd lacks.
func (s *survey) withoutSystemd(how string) fix.Finding {
	program := "nix-daemon"
	switch d := s.found.Daemon.Value; {
	case d != nil && path.Base(d.Program) == program:
		program = d.Program // sudo may have another PATH
	case s.tools != "":
		program = path.Join(s.tools, program)
	}
	init, command := s.initd.start(program)
	with := fix.With{"socket": s.path, "init": init, "command": command, "where": s.where()}
	lix := s.found.Release.Known() && s.found.Release.Value.Implementation == nixconf.Lix && s.found.Release.Value.AtLeast("2.94")
	switch {
	case how == "refused" && (lix || s.container == ""):
		return staleSocket.Found(with, evidence(s.path, "somebody who listens", "connection refused"))
	case s.facts.Root() && s.container != "":
		f := noInit.FoundAs("root", with)
		f.Status, f.Remedy = fix.OK, nil
		return f
	}
	return noInit.Found(with)
}

func (s *survey) where() string {
	switch {
	case s.container != "":
		return "this is a container"
	case s.initd.wsl > 0:
		return fmt.Sprintf("this is WSL%d without systemd", s.initd.wsl)
	case s.initd.name != "":
		return s.initd.name + " starts services here"
	}
	return "systemd is not the first process here"
}
