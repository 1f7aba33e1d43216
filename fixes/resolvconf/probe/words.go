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
	settingsOfNix              = "Settings, as Nix has them here"
	settingsOfFile             = "Settings of " + nixconf.File
	notKnown                   = "not known"
	storeItself                = "the store itself"
	itsDaemon                  = "its daemon"
	noTool                     = "no tool of Nix that tells its version"
	builtByNobody              = "built by: nobody; asked with: %s"
	triedBy                    = "tried by: %s, through %s; asked with: %s"
	builtBy                    = "built by: %s, through %s; asked with: %s"
	trusted                    = "trusted by the daemon: %t"
	hookRan                    = "the daemon ran its post-build-hook on the output: %s"
	outcomeIs                  = "outcome: %s, after %.1f s, exit status %d"
	hostIs                     = "host: %s, %s, kernel %s"
	sandboxIs                  = "sandbox: %t; network: %s; user %d, group %d, in %s; /dev/net/tun in it: %s"
	waitedFor                  = "it waited %.0f ms for an address and a default route"
	queryAnswered    fix.Words = "{server} {protocol} {type}: {says}, {ms} ms"
	networkOf        fix.Words = "{interfaces} interfaces and {routes} routes, of the host or another network"
	viaGateway       fix.Words = "via {gateway} "
	linkTo           fix.Words = "(link to {target})"
	namesOf          fix.Words = "{words} ({count} names)"
	noNewline                  = " (no newline)"
	moreLines        fix.Words = "({count} more lines)"
	commentsLeftOut  fix.Words = "({count} lines of comments left out)"
	daemonSilent     fix.Words = "(it does not tell: {why})"
	nobodyAsked                = "(no Nix was asked)"
	unreadable                 = "(nix.conf could not be read)"
	noneSet                    = "(none of those that matter here are set in nix.conf)"
	stuckTells                 = "; \"lixfix check stuck\" tells what to do about it"
)

// The verdict.
const (
	resolverOfGo              = "the resolver of Go"
	programsWith    fix.Words = "programs with {names}"
	butNotBy        fix.Words = "{verdict}, but not by {programs}"
	othersGet       fix.Words = "{verdict}; {programs} get an address"
	noNix                     = "no Nix that could be asked to build"
	noDaemon                  = "the Nix daemon cannot be reached"
	noConfiguration           = "Nix does not read its configuration"
	noSandbox                 = "no build gets into the sandbox"
	noNetwork                 = "no build gets into the sandbox, because its network is not set up"
	noPasta                   = "no build gets into the sandbox, because pasta cannot be run"
	noOutput                  = "the probe was built, but its output is lost"
	hadToWait                 = "the probe had to wait, and gave up"
	cannotLook                = "this lixfix cannot look from inside"
	notBuilt                  = "the probe could not be built"
	inSandbox                 = "in the build sandbox"
	inBuild                   = "in a build, which has no sandbox here"
	inBuildMidst              = inBuild + ","
	or                        = " or "
	noServerAsked   fix.Words = "no name server was asked {where}"
	noProgramAsks   fix.Words = "no program {where} asks a name server: {nsswitch} there has no dns in its hosts " +
		"line, and {name} is not in {hosts}"
	nobodyHere    fix.Words = "name servers answer {where}, and none of this host's has an address for {name}"
	noAddressHere fix.Words = "no name server of this host has an address for {name}, which exists: builds cannot " +
		"fetch from it"
	saysNoName      fix.Words = "the server that is asked {where}, {server}, says that there is no {name}"
	hasNoAddress    fix.Words = "the server that is asked {where}, {server}, has no address for {name}"
	noServerAnswers fix.Words = "no name server answers {where}"
	foundSlowly     fix.Words = "{name} can be looked up {where}, but each lookup takes {seconds} s"
	foundAt         fix.Words = "{name} can be looked up {where}"
)
