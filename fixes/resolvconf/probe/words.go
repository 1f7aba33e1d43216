package probe

import (
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// Headings and lines of a report.
const (
	fileOfHost                 = sandbox.ResolvConf + " of the host"
	fileOfSandbox              = sandbox.ResolvConf + " of the sandbox"
	sourcesOfSandbox           = sandbox.NSSwitch + " of the sandbox"
	serversAsked               = "Name servers, asked from the sandbox"
	networkInside              = "Network of the sandbox"
	pastaSaid                  = "pasta said"
	lastLines                  = "Last lines"
	settingsOfNix              = "Settings as Nix sees them"
	settingsOfFile             = "Settings of " + nixconf.File
	notKnown                   = "not known"
	storeItself                = "the store itself"
	itsDaemon                  = "its daemon"
	noTool                     = "no Nix tool that reports a version"
	builtByNobody              = "built by: nobody; client: %s"
	triedBy                    = "tried by: %s, through %s; client: %s"
	builtBy                    = "built by: %s, through %s; client: %s"
	trusted                    = "trusted by the daemon: %t"
	hookRan                    = "the daemon ran its post-build-hook on the output: %s"
	outcomeIs                  = "outcome: %s, after %.1f s, exit status %d"
	hostIs                     = "host: %s, %s, kernel %s"
	sandboxIs                  = "sandbox: %t; network: %s; user %d, group %d, in %s; /dev/net/tun in it: %s"
	waitedFor                  = "the builder waited %.0f ms for an address and a default route"
	queryAnswered    fix.Words = "{server} {protocol} {type}: {says}, {ms} ms"
	networkOf        fix.Words = "{interfaces} interfaces and {routes} routes, not listed because they are not the sandbox's own"
	viaGateway       fix.Words = "via {gateway} "
	linkTo           fix.Words = "(link to {target})"
	namesOf          fix.Words = "{words} ({count} names)"
	noNewline                  = " (no newline)"
	moreLines        fix.Words = "({count} more lines)"
	commentsLeftOut  fix.Words = "({count} lines of comments left out)"
	daemonSilent     fix.Words = "(Nix does not say: {why})"
	nobodyAsked                = "(no Nix was asked)"
	unreadable                 = "(nix.conf could not be read)"
	noneSet                    = "(nix.conf sets none of those that matter here)"
	stuckTells                 = "; \"lixfix check stuck\" says what to do about it"
)

// The verdict.
const (
	resolverOfGo              = "Go's resolver"
	programsWith    fix.Words = "programs with {names}"
	butNotBy        fix.Words = "{verdict}, but not by {programs}"
	othersGet       fix.Words = "{verdict}, but {programs} get an address"
	noNix                     = "there is no Nix to build with"
	noDaemon                  = "the Nix daemon cannot be reached"
	noConfiguration           = "Nix cannot read its configuration"
	noSandbox                 = "no build can start in the sandbox"
	noNetwork                 = "no build can start in the sandbox, because its network does not come up"
	noPasta                   = "no build can start in the sandbox, because pasta cannot be run"
	noOutput                  = "the probe was built, but its output is lost"
	hadToWait                 = "the probe had to wait, and gave up"
	cannotLook                = "this lixfix cannot run in the sandbox"
	notBuilt                  = "the probe could not be built"
	inSandbox                 = "in the build sandbox"
	inBuild                   = "in an unsandboxed build"
	or                        = " or "
	noServerAsked   fix.Words = "no name server was asked {where}"
	noProgramAsks   fix.Words = "no program {where} asks a name server: the hosts line of {nsswitch} there has " +
		"no dns, and {name} is not in {hosts}"
	nobodyHere    fix.Words = "name servers answer {where}, but none that this host uses has an address for {name}"
	noAddressHere fix.Words = "{name} exists, but no name server of this host has an address for it: builds cannot " +
		"fetch from it"
	saysNoName      fix.Words = "{server}, the server asked {where}, says that {name} does not exist"
	hasNoAddress    fix.Words = "{server}, the server asked {where}, has no address for {name}"
	noServerAnswers fix.Words = "no name server answers {where}"
	foundSlowly     fix.Words = "{name} can be looked up {where}, but each lookup takes {seconds} s"
	foundAt         fix.Words = "{name} can be looked up {where}"
)
