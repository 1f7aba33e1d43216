package daemon

import "github.com/lixfix/lixfix/fixes/fix"

// What the connection and the greeting came to.
const (
	notConnecting   fix.Words = "root does not connect to {path}"
	userListens     fix.Words = "user {uid} listens at {path}, and root does not talk to them"
	processListens  fix.Words = "process {pid} listens"
	systemdListens            = "systemd listens"
	somebodyListens           = "somebody listens"
	listensAt       fix.Words = "{who} at {path}"
	nothingConnects fix.Words = "nothing connects to {path}"
	greeted         fix.Words = "protocol {protocol}, after {ms} ms"
	protocolNeeded            = "protocol 1.35"
	protocolIs      fix.Words = "protocol {protocol}"
	daemonsGreeting           = "the greeting of a Nix daemon"
	noError                   = "no error"
	runsOrSleeps              = "runs or sleeps"
	aGreeting                 = "a greeting"
	strangeAnswer   fix.Words = "an answer that lixfix does not know: {answer}"
)

// Why the daemon turns somebody away, and what they can do.
const (
	isMember      fix.Words = "you are a member of {group}, as which builds run"
	leaveGroup              = "the group is for build users alone, so take yourself out of it and log in again"
	yourGroups              = "your groups"
	notGroup      fix.Words = "not {group}"
	othersAllowed           = "allowed-users names others"
	allowYou                = "allowed-users in /etc/nix/nix.conf has to name you or a group of yours"
)

// What systemd says of the units.
const (
	showUnits            = "systemctl show " + socketUnit + " " + serviceUnit
	unitStates fix.Words = "socket: {load}, {active} ({sub}), {result}; service: {service_load}, {service_active} " +
		"({service_sub}), {service_result}, exit status {exit}"
	kib               fix.Words = "{count} KiB"
	someMiB                     = "some MiB"
	bytesFree         fix.Words = "{count} bytes"
	onRoot                      = "/nix on the file system of /"
	onItsOwn                    = "/nix on a file system of its own"
	notTaken                    = "something in it is not taken"
	endOfFile                   = "end of file"
	withStatus        fix.Words = "with the exit status {status}"
	forLoggedReason             = "for a reason that its log tells"
	showUnit          fix.Words = "systemctl show {name}"
	statusIs          fix.Words = "exit status {status}"
	nobodyAtWork                = "nobody is at work with it"
	notTold           fix.Words = "could not be told: {error}"
	processNamed      fix.Words = "process {pid}"
	processStarted    fix.Words = "process {pid} (started {time} after the machine)"
	aListener                   = "somebody who listens"
	connectionRefused           = "connection refused"
)

// Where systemd does not run.
const (
	inContainer           = "this is a container"
	inWSL       fix.Words = "this is WSL{version} without systemd"
	startedBy   fix.Words = "{name} starts services here"
	notFirst              = "systemd is not the first process here"
)

// The ladder, and how it has changed.
const (
	notLookedAt           = "not looked at"
	nowAnswers            = "the daemon answers"
	sameRung    fix.Words = "the same rung is broken: {rung}"
	nextRung    fix.Words = "the next rung is broken: {rung}"
)

// How the daemon is started without systemd.
const (
	initScripts = "init scripts"
	wsl1        = "WSL1 cannot run systemd, so start it in a terminal, or move to WSL2 with \"wsl --set-version\" in " +
		"Windows"
	startDaemon fix.Words = "sudo {program} --daemon"
	wslRestart            = "/etc/wsl.conf asks for systemd, which WSL starts after \"wsl --shutdown\" in Windows"
	wslSetting            = "WSL2 runs systemd where /etc/wsl.conf has \"systemd=true\" below \"[boot]\", after \"wsl " +
		"--shutdown\" in Windows"
	anInit                = "what starts services here"
	noService   fix.Words = "{name} has no service of it, so write one for it, or start it in a terminal"
	byOpenRC              = "OpenRC has a service of it"
	startOpenRC           = "sudo rc-update add nix-daemon default; sudo rc-service nix-daemon start"
	runitOff              = "runit has a service of it, which is not switched on"
	linkRunit   fix.Words = "sudo ln -s {service} {to}"
	byRunit               = "runit has a service of it"
	startRunit            = "sudo sv up nix-daemon"
	byS6                  = "s6 has a service of it"
	startS6     fix.Words = "sudo s6-svc -u {service}"
	startS6RC   fix.Words = "sudo s6-rc -u change {service}"
	byDinit               = "dinit has a service of it"
	startDinit            = "sudo dinitctl enable nix-daemon"
	byScript              = "there is an init script of it"
	startScript fix.Words = "sudo {script} start"
)

// More on the ladder.
const (
	daemonSays      fix.Words = ": {version}, protocol {protocol}"
	oneAfter        fix.Words = "one, after {ms} ms"
	rungsStand                = "Each rung needs those above it"
	aboutRung       fix.Words = "; this finding is about the rung \"{rung}\""
	whetherSystemd            = "whether systemd runs here"
	allTheSame                = "a daemon listens all the same"
	whatSystemdSays           = "what systemd says of the daemon's units"
	theLog                    = "the daemon's log"
	serviceOf       fix.Words = "{service}, of {name}"
	noKnownService  fix.Words = "{name} has no service of the daemon that lixfix knows"
	notSystemd                = "systemd does not run here"
)

// What a repair is about, and what a step is for.
const (
	answer                       = "so that the daemon answers"
	leftBroken         fix.Words = "broken as well, and left as it is until {id} is accepted: {summary}"
	mendedToo          fix.Words = "broken as well, and mended by the same plan: {summary}"
	filesChanged                 = "their files have changed"
	holdsSocket                  = "the daemon's socket stands in it"
	letUsersIn                   = "let users reach the daemon"
	theDaemon                    = "the Nix daemon"
	afterFailing                 = "it does not start them before"
	readWithout                  = "it may have read them when they were not there"
	notBeside                    = "systemd opens no socket beside it"
	startsOld                    = "it starts what was installed when it read them"
	startsEach                   = "the socket starts a service for each connection now"
	socketAfterFailing           = "it does not start it before"
	startNew                     = "start what is installed now"
	startsNoMasked               = "systemd starts no unit that is masked"
	hasNone                      = "systemd has no such unit"
	holdsLinks                   = "links of units stand in it"
	atBoot                       = "start it at boot"
)

// What the rungs below need, and what they have.
const (
	noSuchMount               = "no such mount"
	whetherNix                = "whether there is a Nix"
	noStore                   = "there is no store yet, and no unit of a daemon"
	storeOf         fix.Words = "the store belongs to {user}"
	rootsOwn                  = "the store is root's own, and no daemon was set up, so that only root can build"
	rootsStore                = "the store is root's own, and no daemon was set up"
	aLineRead       fix.Words = "a line that {program} reads"
	noConfiguration           = "there is none, and every setting has its default"
	noProgram                 = "no unit names a program"
	notThere                  = "is not there"
	notAProgram               = "is no program"
	cannotRun       fix.Words = "cannot be run: it has mode {mode}"
	aProgram                  = "a program"
	noUnit                    = "systemd has no unit of a daemon"
	startsAlone     fix.Words = "{unit} starts the daemon, without a socket of systemd's"
	aUnit                     = "a unit"
	aLinkTo         fix.Words = "a link to {target}"
	noUnitFile                = "no file in any directory of systemd's"
	startsOften     fix.Words = "it has {count} times ExecStart=, and should have it once"
	startsOnce                = "ExecStart= once"
	times           fix.Words = "{count} times"
	aLinkToNull               = "a link to /dev/null"
	aDirectory                = "a directory"
	rootOwned                 = "owner 0"
	ownedBy         fix.Words = "owner {uid}"
	openDirectory             = "a directory that you can enter"
	modeAndGroup    fix.Words = "mode {mode}, group {group}"
	onlyRootEnters            = "only root can enter it, and every other user"
	isALink         fix.Words = "{path} is a link to {target}"
	aSocket                   = "a socket"
	forMembers      fix.Words = "{path}, for members of {group}"
	usersNotRoot              = "users other than root"
	modeIs          fix.Words = "mode {mode}"
	openMode                  = "mode 0666"
	aFile                     = "a file"
	aLink                     = "a link"
	somethingElse             = "something else"
	groupNumber     fix.Words = "group {gid}"
	deletedFile     fix.Words = "{program} (deleted)"
	noVersion                 = "the daemon does not say its version"
	saysVersion     fix.Words = "it says {version}"
	saysOther       fix.Words = "it says {version}, and the unit starts {program}"
	trusts          fix.Words = "the daemon trusts {who}"
	talksTo         fix.Words = "the daemon talks to {who}"
	restricts       fix.Words = "the daemon talks to {who}, and does not let {who} set what is restricted"
)

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
