package kinds

import "github.com/lixfix/lixfix/fixes/fix"

// What is lost when a process is ended.
const (
	NothingLost   = "nothing"
	BuildLost     = "the build that it runs, which starts from zero; the store is not harmed"
	LeakLost      = "nothing: its build has ended"
	LeftoverLost  = "what that process does; the build then completes"
	ReaderLost    = "what it shows, and the run of the command whose output it reads"
	StrangerLost  = "whatever it does"
	CollectorLost = "nothing: a collection can be ended at any time"
	RunLost       = "its run"
	RunBuildLost  = "its run, and the build in progress, which starts from zero; outputs that are done stay"
)

// What there is to say beforehand about how a process ends.
const (
	SureKill fix.Words = "it ends on SIGKILL alone, not on SIGTERM, SIGINT or SIGHUP: {why}"
	MayKill  fix.Words = "it may end on SIGKILL alone: {why}"

	WhyStopped  = "it is stopped, and takes no other signal"
	WhyBlocks   = "it blocks them"
	WhyGreeting = "a Lix that waits for the greeting of its daemon takes no signal"
	WhyEvaluate = "Nix and Lix take no signal in the middle of an evaluation"

	LixBug = "Lix will call this \"a bug in Lix\" in the daemon's log, and to the client if there is one; it is not " +
		"a bug"
)

// Beside the summary of a finding.
const (
	Probably fix.Words = "probably {summary}" // of one that is a guess
	Special  fix.Words = "{remedy}. About the end of " +
		"{process}: {how}" // of a remedy that ends a process in a special way
	NoCause              = "no cause that lixfix knows fits"
	NotSeen    fix.Words = "lixfix could not see {what}"
	Elsewhere            = "cannot be seen from here"
	Sees       fix.Words = "run {command}"
	UseCommand fix.Words = "End the command that it works for, and it ends by itself: " +
		EndCommand + ". A signal to the worker would make Lix report a bug."
	UseCheck           = "Run \"lixfix check stuck\": it shows which processes take part, and which of them to name."
	NotYours fix.Words = "{process} does not belong to you"
	WithSudo           = "Run the command with sudo."
)
