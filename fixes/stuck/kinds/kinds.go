// Package kinds is the table of what can be found of a Nix command that hangs, and holds every word about it. It decides
// nothing: which kind a situation is, in which variant, and what may be done about it, is told by the room diagnose.
package kinds

import "github.com/lixfix/lixfix/fixes/fix"

// Cases of remedies. A kind with one remedy only has none of them.
const (
	Yourself = "yourself" // it is for the user to do
	Named    = "named"    // lixfix ends a process that the user names
	Continue = "continue" // lixfix continues what is stopped
	Reap     = "reap"     // lixfix ends what belongs to nobody
	Revive   = "revive"   // the same, and it is stopped
)

// Variants of summaries, in Kind.Or.
const (
	Terminal = "terminal" // what it reads or writes is a terminal
	Stopped  = "stopped"  // the process is stopped
	Waits    = "waits"    // the process waits itself
	Unseen   = "unseen"   // the other process cannot be seen
	Reader   = "reader"   // it is a reader, whose own output is not read
	Key      = "key"      // it is a reader that waits for a key
	Asleep   = "asleep"   // it is a reader that does nothing
	Quiet    = "quiet"    // nothing was heard of it for a moment only
	Logged   = "logged"   // when it last wrote to its log is known
	Pasta    = "pasta"    // pasta is there, and does nothing
	Ended    = "ended"    // the process that was asked for has ended
	Reused   = "reused"   // its number was given to another one
	Missing  = "missing"  // there is no process of that number
	Foreign  = "foreign"  // the process is no part of Nix
	Hidden   = "hidden"   // what others run is hidden
	Inside   = "inside"   // lixfix sees a container only
)

// EndCommand ends a process that the user names. Those who have no finding before them read NUMBER.
const EndCommand = "sudo lixfix repair stuck --end {number}"

// advice is the remedy of a kind about which lixfix does nothing.
func advice(do fix.Words) []fix.Remedial { return []fix.Remedial{{Class: fix.Advice, Changes: do}} }

// named are the remedies of a kind that goes on when one process is ended, which the user has to name. Beside ending it
// there is something else to do.
func named(do fix.Words) []fix.Remedial { return ending(do, do+"; or end {culprit}; lost: {loss}") }

// ending are those of a kind in which ending that process is what is to be done.
func ending(do, end fix.Words) []fix.Remedial {
	return []fix.Remedial{
		{
			Case: Named, When: "lixfix may end the process that is in the way", Class: fix.Advice,
			Changes: end, Command: EndCommand,
		},
		{Case: Yourself, When: "there is none", Class: fix.Advice, Changes: do},
	}
}

// continued are the remedies of a kind in which a process is stopped.
func continued(do fix.Words) []fix.Remedial {
	return []fix.Remedial{
		{
			Case: Continue, When: "lixfix may signal it", Class: fix.Risky, Changes: "continues {processes}; " +
				"nothing is lost",
			Undo: "none: what was continued is not stopped again",
		},
		{Case: Yourself, When: "it may not", Class: fix.Advice, Changes: do},
	}
}

// reaped are the remedies of a kind in which a process belongs to nobody any more.
func reaped(costs, do fix.Words) []fix.Remedial {
	return []fix.Remedial{
		{
			Case: Reap, When: "lixfix may signal it", Class: fix.Risky, Changes: "ends {processes}; lost: " + costs,
			Undo: "none: a process that has ended does not come back",
		},
		{Case: Yourself, When: "it may not", Class: fix.Advice, Changes: do},
	}
}

// orphaned are the same for workers, which may be stopped as well.
func orphaned(do fix.Words) []fix.Remedial {
	all := reaped(BuildLost, do)
	return append(all, fix.Remedial{
		Case: Revive, When: "lixfix may signal it, and it is stopped", Class: fix.Risky,
		Changes: "continues {processes}, which is stopped, and ends it; lost: " + BuildLost,
		Undo:    "none: a process that has ended does not come back",
	})
}

// All holds the kinds of findings, in the order in which they are listed.
var All = []*fix.Kind{
	NothingRunning, Evaluating, CopyingToStore, Downloading, CollectingGarbage, BuilderBusy, Working, RunsAProgram,
	WaitsForOutputLock, OutputLockHolderOrphaned, WaitsForStorePath, NoFreeBuildUser, BuildUserLeaked,
	WaitsForGC, WaitsForGCSilent, GCStopped, GCWaitsForClient,
	ForeignLockHolder, StoreUpgrade, ProfileLocked, SQLiteBusy, SQLiteDotfile, EvalCacheLocked, FetchLocked,
	AsksForPassword, WaitsForInput, OutputNotRead, ReaderStopped, WaitsForClient,
	DownloadStalled, NetworkLost, SandboxNetwork, RemoteBuilder, NoMachineSlot, UploadLock,
	BuilderSilent, BuilderStopped, BuilderLeftover, BuilderDefunct, BuilderWaitsForLock,
	PreBuildHook, PostBuildHook, DiffHook,
	WorkerOrphaned, WorkerWithoutListener, WorkerStopped, ClientStopped, DaemonStopped, DaemonNotAccepting, HeldByDebugger,
	DeadlockCycle, HoldAndWait, IOWait, DiskFull, Unknown, NotEnded,
}
