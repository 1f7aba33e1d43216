package stuck

import (
	"fmt"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/proclocks"
)

type lockLine = proclocks.Lock

// IDs of situations, without the "stuck/" in front. They never change.
const (
	idEvaluating      = "evaluating"
	idCopying         = "copying-to-store"
	idWaitsOutput     = "waits-for-output-lock"
	idHolderOrphaned  = "output-lock-holder-orphaned"
	idWaitsStorePath  = "waits-for-store-path"
	idNoUser          = "no-free-build-user"
	idUserLeaked      = "build-user-leaked"
	idWaitsGC         = "waits-for-gc"
	idWaitsGCSilent   = "waits-for-gc-silent"
	idGCStopped       = "gc-stopped"
	idGCWaits         = "gc-waits-for-client"
	idForeign         = "foreign-lock-holder"
	idStoreUpgrade    = "store-upgrade"
	idProfileLocked   = "profile-locked"
	idSQLiteBusy      = "sqlite-busy"
	idSQLiteDotfile   = "sqlite-dotfile"
	idCacheLocked     = "eval-cache-locked"
	idFetchLocked     = "fetch-locked"
	idAsksPassword    = "asks-for-password"
	idStalled         = "download-stalled"
	idNetworkLost     = "network-lost"
	idRemoteBuilder   = "remote-builder"
	idNoSlot          = "no-machine-slot"
	idUploadLock      = "upload-lock"
	idBuilderBusy     = "builder-busy"
	idBuilderSilent   = "builder-silent"
	idBuilderStopped  = "builder-stopped"
	idBuilderLeftover = "builder-leftover"
	idBuilderDefunct  = "builder-defunct"
	idBuilderLock     = "builder-waits-for-lock"
	idTraced          = "held-by-debugger"
	idPreBuildHook    = "pre-build-hook"
	idPostBuildHook   = "post-build-hook"
	idDiffHook        = "diff-hook"
	idOutputUnread    = "output-not-read"
	idWaitsInput      = "waits-for-input"
	idReaderStopped   = "reader-stopped"
	idSandboxNetwork  = "sandbox-network"
	idWorkerOrphaned  = "worker-orphaned"
	idNoListener      = "worker-without-listener"
	idWorkerStopped   = "worker-stopped"
	idClientStopped   = "client-stopped"
	idDaemonStopped   = "daemon-stopped"
	idNotAccepting    = "daemon-not-accepting"
	idDeadlock        = "deadlock-cycle"
	idHoldAndWait     = "hold-and-wait"
	idIOWait          = "io-wait"
	idDiskFull        = "disk-full"
	idWaitsClient     = "waits-for-client"
	idUnknown         = "unknown"

	// Beside those of the decision table: what goes on by itself, and nothing.
	idWorking     = "working"
	idCollecting  = "collecting-garbage"
	idDownloading = "downloading"
	idHelper      = "runs-a-program"
	idNothing     = "nothing-running"
)

// row is what the decision table says of a situation.
type row struct {
	status fix.Status
	// advice is what the user can do; what lixfix may do is decided in actions.
	advice string
}

// rows is the decision table. Situations that end by themselves are ok.
func rows(id string) row {
	switch id {
	case idEvaluating:
		return row{fix.OK, "Nix code is running; whether it ever ends cannot be known. Add --show-trace or -vvv to see where it is. " +
			"In the middle of an evaluation Ctrl-C may be taken up late (Nix) or never (Lix 2.95); SIGKILL ends it. Growing memory ends in a kill"}
	case idCopying:
		return row{fix.OK, "a large source is being hashed or copied to the store; filter the source to make it smaller"}
	case idWaitsOutput:
		return row{fix.OK, "nothing is wrong with the command: it goes on when the other build is done"}
	case idHolderOrphaned:
		return row{fix.Broken, "nobody waits for the result of that build any more; ending its worker frees the lock"}
	case idWaitsStorePath:
		return row{fix.OK, "another process adds the same path; Nix prints nothing about it. Wait for it"}
	case idNoUser:
		return row{fix.OK, "every build user is taken; wait for a build to end, lower max-jobs, or add build users"}
	case idUserLeaked:
		return row{fix.Broken, "it is left from a build that has ended; the next build with that user ends it"}
	case idWaitsGC, idWaitsGCSilent:
		return row{fix.OK, "it goes on when the garbage collection is done; ending a collection is safe at any time"}
	case idGCStopped:
		return row{fix.Broken, "continue it: kill -CONT, or fg in the terminal where it was stopped"}
	case idGCWaits:
		return row{fix.OK, "nix-store --verify reads the whole store; the collection goes on when it is done"}
	case idForeign:
		return row{fix.Broken, "a program that is no part of Nix holds the lock; find out what it is for, and end it"}
	case idStoreUpgrade:
		return row{fix.OK, "the database is upgraded when every store that is open has been closed; let the others end"}
	case idProfileLocked:
		return row{fix.OK, "another command changes the same profile; wait for it"}
	case idSQLiteBusy:
		return row{fix.AtRisk, "a writer keeps the database for itself; if that lasts for a minute without any I/O, look at the writer: a backup, or a hung command"}
	case idSQLiteDotfile:
		return row{fix.Broken, "it is left from a crash (use-sqlite-wal is off): make sure that no Nix runs, then rename it"}
	case idCacheLocked:
		return row{fix.OK, "another evaluation writes to the cache; wait, or use --no-eval-cache"}
	case idFetchLocked:
		return row{fix.OK, "another process fetches the same input; look whether its git or ssh asks for a password"}
	case idAsksPassword:
		return row{fix.AtRisk, "the progress bar hides the question: type the answer, or run ssh-add before"}
	case idStalled:
		return row{fix.AtRisk, "Nix gives up by itself 300 s (stalled-download-timeout) after the last byte and tries again up to 5 times; " +
			"--option stalled-download-timeout 30 is quicker, --fallback builds instead"}
	case idNetworkLost:
		return row{fix.AtRisk, "the other side does not answer: look at the network, a VPN, or a machine that slept, and start the command again"}
	case idRemoteBuilder:
		return row{fix.AtRisk, "the build is on another machine: log in there and look for nix-store --serve or nix-daemon --stdio"}
	case idNoSlot:
		return row{fix.OK, "every slot of the remote machines is taken; wait for a build there to end"}
	case idUploadLock:
		return row{fix.OK, "another build copies to the same machine; Nix waits for 15 minutes at most and goes on"}
	case idBuilderBusy:
		return row{fix.OK, "the build works; nix log or -L show its output"}
	case idBuilderSilent:
		return row{fix.AtRisk, "every process of the build is asleep: it may wait for input, for the network, or for a time. " +
			"max-silent-time and timeout in nix.conf end such builds"}
	case idBuilderStopped:
		return row{fix.Broken, "continue it: kill -CONT"}
	case idBuilderLeftover:
		return row{fix.Broken, "the build itself is done, but a process that it left in the background keeps its log open; when that ends, the build completes"}
	case idBuilderDefunct:
		return row{fix.Broken, "the worker missed that its builder ended, which is a bug: report it, then end the client"}
	case idBuilderLock:
		return row{fix.OK, "it goes on when the other build lets go of the file"}
	case idTraced:
		return row{fix.Broken, "let it go on in the debugger: continue, detach or quit. kill -CONT does not help. Where nobody sits in front of " +
			"the debugger, end that; a process that it was attached to goes on"}
	case idPreBuildHook:
		return row{fix.OK, "the build starts when the pre-build-hook of nix.conf has ended; look at what it does"}
	case idPostBuildHook:
		return row{fix.OK, "the post-build-hook of nix.conf holds up the queue; look at what it does"}
	case idDiffHook:
		return row{fix.OK, "the diff-hook of nix.conf compares two outputs of the build; look at what it does"}
	case idOutputUnread:
		return row{fix.AtRisk, "everything in front waits until the output is read, without a limit of time: go on in the pager (in less, G shows the " +
			"end and q quits), press Ctrl-Q in a terminal that Ctrl-S has stopped, or write the output to a file"}
	case idWaitsInput:
		return row{fix.AtRisk, "answer it where it was started, or end its input: Ctrl-D in a terminal; in a pipe, the program in front of it has to end"}
	case idReaderStopped:
		return row{fix.Broken, "continue it: fg in its terminal, or kill -CONT"}
	case idSandboxNetwork:
		return row{fix.Broken, "pasta, which gives the network to the build, is dead or does nothing: look at pasta-path in nix.conf, and in the " +
			"daemon's log for the reason. Lix gives up after two to three minutes"}
	case idWorkerOrphaned:
		return row{fix.Broken, "nobody waits for its result any more, and it keeps its locks; it can be ended"}
	case idNoListener:
		return row{fix.OK, "the daemon was restarted or has died; a worker that it left goes on and finishes"}
	case idWorkerStopped:
		return row{fix.Broken, "continue it: kill -CONT"}
	case idClientStopped:
		return row{fix.Broken, "continue it: fg in its terminal, or kill -CONT"}
	case idDaemonStopped:
		return row{fix.Broken, "continue it: kill -CONT"}
	case idNotAccepting:
		return row{fix.Broken, "restart the daemon; builds that run survive that"}
	case idDeadlock:
		return row{fix.Broken, "it never ends by itself: end the outermost command of the ring"}
	case idHoldAndWait:
		return row{fix.Broken, "each holds what the other wants: end the younger command"}
	case idIOWait:
		return row{fix.AtRisk, "the kernel waits for a disk, a file system or a network mount; look at dmesg. No signal ends the process before that returns"}
	case idDiskFull:
		return row{fix.Broken, "make room; nix-collect-garbage frees what is not used"}
	case idWaitsClient:
		return row{fix.AtRisk, "the daemon waits for the command, and the command is idle; run it again with -vvv and report it"}
	case idWorking, idCollecting, idDownloading, idHelper:
		return row{fix.OK, ""}
	case idNothing:
		return row{fix.OK, ""}
	}
	return row{fix.Unknown, `nothing that lixfix knows explains it: "lixfix report stuck" has the facts for the developers`}
}

var severities = map[fix.Status]int{fix.OK: 0, fix.AtRisk: 1, fix.Unknown: 2, fix.Broken: 3}

// severityOf orders situations, the worst last; "" is none.
func severityOf(id string) int {
	if id == "" {
		return -1
	}
	return severities[rows(id).status]
}

// sentence says what is wrong, and with whom.
func (s *snapshot) sentence(id string, o *outcome) string {
	root := s.describe(o.root)
	lock, holder := shortPath(o.lockPath(o.lock)), o.holder
	if len(o.ids) > 0 && id == o.ids[len(o.ids)-1] {
		lock, holder = shortPath(o.lockPath(o.lastLock)), o.lastHolder // what the end of the chain waits for
	}
	switch id {
	case idEvaluating:
		return root + " is evaluating Nix code"
	case idCopying:
		return root + " is hashing or copying files to the store"
	case idWaitsOutput:
		return fmt.Sprintf("another build of the same output is running: %s holds %s", s.owner(holder), lock)
	case idHolderOrphaned:
		return fmt.Sprintf("the build of the same output belongs to nobody any more: %s holds %s", s.describe(o.root), lock)
	case idWaitsStorePath:
		return fmt.Sprintf("%s adds the same path, %s, to the store", s.owner(holder), lock)
	case idNoUser:
		return fmt.Sprintf("all %s are taken", count(len(s.pool), "build user"))
	case idUserLeaked:
		return fmt.Sprintf("%s is left from a build that has ended", root)
	case idWaitsGC, idWaitsGCSilent:
		return fmt.Sprintf("a garbage collection is running: %s", s.owner(holder))
	case idGCStopped:
		return fmt.Sprintf("the garbage collection that everybody waits for is stopped: %s", root)
	case idGCWaits:
		return fmt.Sprintf("the garbage collection waits for %s", s.owner(holder))
	case idForeign:
		if holder == nil {
			return fmt.Sprintf("somebody whom lixfix cannot see holds %s", lock)
		}
		return fmt.Sprintf("a process that is no part of Nix, %s, holds %s", s.describe(holder), lock)
	case idStoreUpgrade:
		return fmt.Sprintf("the store is open elsewhere, and its database is to be upgraded: %s", s.owner(holder))
	case idProfileLocked:
		return fmt.Sprintf("%s changes the same profile", s.owner(holder))
	case idSQLiteBusy:
		if o.root != holder || o.root != nil && o.root.stopped() {
			return fmt.Sprintf("the database of the store is locked by %s, which is stopped or waits itself", s.describe(holder))
		}
		return fmt.Sprintf("the database of the store is locked by %s", s.describe(holder))
	case idSQLiteDotfile:
		return fmt.Sprintf("the lock directory %s of the database is left over", s.dotfile)
	case idCacheLocked:
		return fmt.Sprintf("%s writes to the same cache", s.owner(holder))
	case idFetchLocked:
		return fmt.Sprintf("%s fetches the same input", s.owner(holder))
	case idAsksPassword:
		return fmt.Sprintf("%s waits for somebody to type, probably a password", root)
	case idStalled:
		return fmt.Sprintf("%s has had no answer from %s for %s", root, o.reason.peer, seconds(o.reason.idle))
	case idNetworkLost:
		return fmt.Sprintf("%s gets no answer from %s", root, o.reason.peer)
	case idRemoteBuilder:
		return fmt.Sprintf("%s waits for another machine", root)
	case idNoSlot:
		return fmt.Sprintf("all %s of remote machines are taken", count(len(s.load), "slot"))
	case idUploadLock:
		return fmt.Sprintf("%s copies to the same machine", s.owner(holder))
	case idBuilderBusy:
		return root + " is building"
	case idBuilderSilent:
		if o.reason.idle < quiet {
			return fmt.Sprintf("the build runs, and has been quiet for %s: %s", seconds(o.reason.idle), root)
		}
		return fmt.Sprintf("the build runs, but every process of it is asleep: %s, started %s ago%s", root, seconds(s.age(o.root)), s.logged(o.root))
	case idBuilderStopped:
		return fmt.Sprintf("a process of the build is stopped: %s", root)
	case idBuilderLeftover:
		return fmt.Sprintf("the build has ended, but %s, which it left in the background, keeps its log open", root)
	case idBuilderDefunct:
		return fmt.Sprintf("%s did not notice that its builder has ended", root)
	case idBuilderLock:
		return fmt.Sprintf("the build waits for %s, which %s holds", lock, s.describe(holder))
	case idTraced:
		if o.root == nil || o.root.status.Tracer == 0 {
			return fmt.Sprintf("%s is held by a debugger that cannot be seen from here", root)
		}
		return fmt.Sprintf("%s is held by a debugger, %s", root, s.tracer(o.root))
	case idPreBuildHook:
		return fmt.Sprintf("the build has not begun: its pre-build-hook runs, %s", root)
	case idPostBuildHook:
		return fmt.Sprintf("the build is done, and its post-build-hook runs, %s", root)
	case idDiffHook:
		return fmt.Sprintf("the build is done, and its diff-hook compares the outputs, %s", root)
	case idOutputUnread:
		if terminal(o.reason.at) && o.root != nil && o.root.role != Reader {
			return fmt.Sprintf("nobody reads what %s prints: its terminal, %s, takes no more", root, plain(o.reason.at))
		}
		if o.root != nil && o.root.role == Reader {
			return fmt.Sprintf("%s has to read what the command prints, but %s", root, o.reason.text)
		}
		return fmt.Sprintf("nobody reads what %s writes", root)
	case idWaitsInput:
		if terminal(o.reason.at) {
			return fmt.Sprintf("%s waits for somebody to type in its terminal, %s", root, plain(o.reason.at))
		}
		return fmt.Sprintf("%s reads its standard input, which nobody writes to", root)
	case idReaderStopped:
		return fmt.Sprintf("%s, which has to read what the command prints, is stopped", root)
	case idSandboxNetwork:
		if o.root != nil && o.root.role == Pasta {
			return fmt.Sprintf("the build waits for its network, which %s was started to set up %s ago", root, seconds(s.age(o.root)))
		}
		return fmt.Sprintf("the network of the build of %s is dead", root)
	case idWorkerOrphaned:
		if o.root != nil && o.root.stopped() {
			return fmt.Sprintf("%s is stopped, and its client is gone", root)
		}
		return fmt.Sprintf("the client of %s is gone", root)
	case idNoListener:
		return fmt.Sprintf("the daemon that started %s is gone; the worker goes on", root)
	case idWorkerStopped, idClientStopped, idDaemonStopped:
		return fmt.Sprintf("%s is stopped", root)
	case idNotAccepting:
		return "the daemon does not accept connections"
	case idDeadlock:
		return fmt.Sprintf("a ring of %s waits for itself", count(len(o.cycle), "process"))
	case idHoldAndWait:
		return "two builds each hold a lock that the other waits for"
	case idIOWait:
		return fmt.Sprintf("%s waits for a disk or a file system, and cannot be interrupted", root)
	case idDiskFull:
		return fmt.Sprintf("no space is left in %s", s.full())
	case idWaitsClient:
		return fmt.Sprintf("the daemon waits for %s, which is idle", root)
	case idWorking, idHelper:
		return root + " works"
	case idCollecting:
		return root + " is collecting garbage"
	case idDownloading:
		return fmt.Sprintf("%s waits for data from %s", root, o.reason.peer)
	case idNothing:
		return "no Nix is running"
	}
	return fmt.Sprintf("%s is idle, and lixfix cannot tell why", root)
}
