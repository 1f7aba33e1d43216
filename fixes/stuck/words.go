package stuck

import (
	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
)

// Headings and lines of a report.
const (
	whatHangs                  = "### What hangs"
	notSeenHeading             = "### Not seen"
	processesHeading           = "### Processes"
	daemonLog                  = "### Log of the daemon"
	hostHeading                = "### Host"
	asRoot                     = "%s, %s, looked at as root"
	asUser                     = "%s, %s, looked at as an ordinary user"
	kernelIs                   = "kernel %s"
	unreadable                 = "(nix.conf could not be read)"
	noneSet                    = "(none of those that matter here are set)"
	processFacts     fix.Words = "{title}: {state}, parent {parent}, {cpu} % CPU, {moved} bytes moved, {memory} MiB, " +
		"signals blocked {blocked}, pending {pending}"
	moreThreads    fix.Words = "and {count} more threads"
	threadIs       fix.Words = "thread {name} {state}"
	inCall         fix.Words = " in call {call}"
	atChannel      fix.Words = " at {channel}"
	hiddenIs       fix.Words = "hidden: {what}"
	lockFacts      fix.Words = "lock {path}: held by {holders}, queue {waiters}"
	notRead        fix.Words = "could not be read: {error}"
	nothingLogged            = "(nothing was logged, or this user may not read it)"
	runningIs      fix.Words = "running: {program}"
	noNix                    = "no Nix found in the usual places"
	debianPackage  fix.Words = "{name} {version}, a package of Debian or of a relative"
	unknownVersion fix.Words = "version unknown ({program} --version tells, unless it hangs)"
)

// Beside findings, and for a plan.
const (
	notSeen            = "not seen"
	goesOn             = "goes on"
	lost     fix.Words = "{what}: lost is {costs}"
	sketchOf           = "A host that had this problem, from the command down to what everything waits for (" + figure.Root + ")"
)
