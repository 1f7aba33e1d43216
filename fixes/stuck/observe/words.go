package observe

import "github.com/lixfix/lixfix/platform/words"

// What could not be seen.
const (
	unreadInTime words.Template = "process {pid} could not be read within {limit}: something holds the lock of its " +
		"memory"
	openFilesOf  words.Template = "the open files of process {pid}"
	someFiles                   = "some files"
	someThreads                 = "some threads"
	tooManyFiles words.Template = "what all the open files of {processes} are: there are more than lixfix looks at, " +
		"so that locks and connections of theirs may be missing"
	tooManyThreads   words.Template = "what all the threads of {processes} do: there are more than lixfix looks at"
	moreUsers        words.Template = "of {count} more users"
	processCount     words.Template = "{count} processes"
	oneProcess                      = "one process"
	countOf          words.Template = "{count} of {user}"
	macOSTellsNobody                = "who holds a lock, who queues for it, and in which system call a process is: macOS tells " +
		"nobody. \"sudo sample PID 1\" shows where one process waits"
	othersLockFiles = "which lock files other users' processes have open"
	noPtrace        = "what processes wait for, which files they have open and whom their sockets belong to: this root may " +
		"not look into the processes of others (it lacks CAP_SYS_PTRACE, as in a container)"
	rootsHidden                     = "what root's processes wait for, which files they have open and whom their sockets belong to"
	peersUnseen      words.Template = "who talks to whom: {error}"
	callsUnknown     words.Template = "which system call a process is in: the numbers of {arch} are not known to lixfix"
	tooManyProcesses words.Template = "{count} more processes that may be of Nix: {limit} are read, and none of who " +
		"makes that slow"
	unsafeDirectory words.Template = "which lock files there are in {directory}: another user can change that " +
		"directory, so lixfix does not list it; that user can run lixfix"
	openersUnseen words.Template = "who has locked files open: {error}"
	rootsUnread   words.Template = "which store paths {processes}: lixfix reads no list of these but root's own, of " +
		"processes of this host"
	wantsOne         words.Template = "{process} wants"
	wantMany         words.Template = "{processes} want"
	processNumber    words.Template = "process {pid}"
	processesAndMore words.Template = "processes {pids} and {count} more"
	processNumbers   words.Template = "processes {pids}"
	logsUnseen       words.Template = "when the builds of {processes} last wrote to their logs: the files cannot be seen " +
		"from here"
	hidepid      = "processes of other users are hidden (/proc is mounted with hidepid)"
	ownNamespace = "lixfix runs in a PID namespace of its own, as in a container: processes outside, and the locks " +
		"that they hold, cannot be seen; run it on the host if Nix runs there"
	openLocksUnseen words.Template = "which lock files are open, so who waits for whose build: {error}"
)

// unnamed is how a user is called whose name is not known.
const unnamed words.Template = "user ID {uid}"
