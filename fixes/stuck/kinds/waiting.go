package kinds

import "github.com/lixfix/lixfix/fixes/fix"

// Locks that do not come free by themselves.
var (
	OutputLockHolderOrphaned = &fix.Kind{
		ID: "stuck/output-lock-holder-orphaned", Status: fix.Broken,
		Title: "a build that nobody wants any more holds the lock of an output",
		Means: "The command that asked for the build is gone, and its worker did not notice. Everybody who " +
			"wants the same output waits for it.",
		Messages: []string{"waiting for lock on '…'..."},
		Says:     "the build of the same output belongs to nobody any more: {process} holds {lock}",
		Remedies: orphaned("end the worker, as root: the lock is free then"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/4261"},
	}
	BuildUserLeaked = &fix.Kind{
		ID: "stuck/build-user-leaked", Status: fix.Broken, Title: "a process is left from a build that has ended",
		Means: "It runs as a build user and belongs to no build. The next build with that user ends it; until " +
			"then it uses the machine for nothing.",
		Says:     "{process} is left from a build that has ended",
		Remedies: reaped(LeakLost, "end it, as root: its build has ended"),
	}
	GCStopped = &fix.Kind{
		ID: "stuck/gc-stopped", Status: fix.Broken, Title: "a garbage collection is stopped and keeps its lock",
		Means: "Somebody pressed Ctrl-Z, or sent it SIGSTOP. Builds that want to protect a path wait for it " +
			"without a word.",
		Messages: []string{"waiting for the big garbage collector lock..."},
		Says:     "the garbage collection that everybody waits for is stopped: {process}",
		Remedies: continued("continue it: sudo kill -CONT {pid}, or fg in the terminal where it was stopped"),
	}
	ForeignLockHolder = &fix.Kind{
		ID: "stuck/foreign-lock-holder", Status: fix.Broken,
		Title: "a program that is no part of Nix holds a lock of Nix",
		Means: "A backup, a script with flock, or a process that inherited an open file holds it. Nix waits until " +
			"that process ends.",
		Says: "a process that is no part of Nix, {holder}, holds {lock}",
		Or:   map[string]fix.Words{Unseen: "somebody whom lixfix cannot see holds {lock}"},
		Remedies: ending("find out what the program is for, and end it", "find out what {culprit} is for, and end "+
			"it; lost: {loss}"),
	}
	SQLiteBusy = &fix.Kind{
		ID: "stuck/sqlite-busy", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "the database of the store is locked",
		Means: "One process writes to it and the others try again and again. A writer is done in a moment, unless " +
			"it is stopped or stuck as well.",
		Messages: []string{"SQLite database '…' is busy"},
		Says:     "the database of the store is locked by {holder}",
		Or: map[string]fix.Words{
			Stopped: "the database of the store is locked by {holder}, which is stopped",
			Waits:   "the database of the store is locked by {holder}, which waits itself",
		},
		Remedies: append(continued("continue the writer: sudo kill -CONT {pid}"),
			fix.Remedial{
				Case: Named, When: "lixfix may end the process that is in the way",
				Class: fix.Advice, Command: EndCommand,
				Changes: "if it lasts for more than a minute, look at the writer: a backup, or a command that " +
					"hangs; or end {culprit}; lost: {loss}",
			},
			fix.Remedial{
				Case: Busy, When: "the writer is not stopped, and lixfix may not end it", Class: fix.Advice,
				Changes: "if it lasts for more than a minute, look at the writer: a backup, or a command that hangs",
			}),
	}
	SQLiteDotfile = &fix.Kind{
		ID: "stuck/sqlite-dotfile", Status: fix.Broken,
		Title: "the lock directory of the database is left from a crash",
		Means: "With use-sqlite-wal off, the lock of the database is a directory. A process died and left it " +
			"behind, so nobody can open the store.",
		Messages: []string{"SQLite database '…' is busy"},
		Says:     "the lock directory {dotfile} of the database is left over",
		Remedies: advice("make sure that no Nix runs, then move it away: sudo mv {dotfile} {dotfile}.old"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/8770"},
	}
	DeadlockCycle = &fix.Kind{
		ID: "stuck/deadlock-cycle", Status: fix.Broken, Title: "commands wait for each other in a ring",
		Means: "A build that runs Nix can need what its own command has locked. That never ends by itself.",
		Says:  "a ring of {ring} waits for itself",
		Remedies: ending("end the outermost command of the ring", "end {culprit}, the outermost command of the "+
			"ring; lost: {loss}"),
	}
	HoldAndWait = &fix.Kind{
		ID: "stuck/hold-and-wait", Status: fix.Broken, Title: "two builds each hold a lock that the other waits for",
		Means: "A build normally releases a lock that it cannot use; both have waited longer than that takes.",
		Says:  "two builds each hold a lock that the other waits for",
		Remedies: ending("end the younger of the two commands: it has less to lose",
			"end {culprit}, the younger of the two; lost: {loss}"),
	}
)

// Somebody or something outside of Nix has to act.
var (
	AsksForPassword = &fix.Kind{
		ID: "stuck/asks-for-password", Status: fix.AtRisk,
		Title: "a program asks for a password, and the progress bar hides it",
		Means: "git or ssh reads the terminal, for a passphrase or for whether to trust a host.",
		Messages: []string{"Enter passphrase for key '…':", "Are you sure you want to continue connecting " +
			"(yes/no/[fingerprint])?"},
		Says: "{process} waits for somebody to type, probably a password",
		Remedies: named("type the answer in the terminal of the command. For the next time: ssh-add, or a " +
			"token for git"),
		Sources: []string{"https://github.com/NixOS/nix/issues/8305"},
	}
	WaitsForInput = &fix.Kind{
		ID: "stuck/waits-for-input", Status: fix.AtRisk, Title: "a command reads its input, and nothing comes",
		Means: "It asks a question that may have scrolled out of sight, or reads a pipe that nothing writes to.",
		Says:  "{process} reads its standard input, which nobody writes to",
		Or:    map[string]fix.Words{Terminal: "{process} waits for somebody to type in its terminal, {file}"},
		Remedies: named("answer where it was started, or end its input: Ctrl-D in a terminal; in a pipe, end the " +
			"program in front of it"),
	}
	OutputNotRead = &fix.Kind{
		ID: "stuck/output-not-read", Status: fix.AtRisk, Title: "nobody reads what a command prints",
		Means: "A pager that waits for a key, a terminal after Ctrl-S, or a program in a pipe takes no more " +
			"output. Every command that writes to it waits until it does.",
		Says: "nobody reads what {process} writes",
		Or: map[string]fix.Words{
			Terminal: "nobody reads what {process} prints: its terminal, {file}, takes no more",
			Reader:   "{process} has to read what the command prints, but nobody reads what it prints itself",
			Key:      "{process} has to read what the command prints, but waits for a key and reads no further",
			Asleep:   "{process} has to read what the command prints, but sleeps",
		},
		Remedies: named("let the output be read: go on in the pager (in less, G shows the end and q quits), press " +
			"Ctrl-Q in a terminal that Ctrl-S has stopped, or write the output to a file"),
	}
	ReaderStopped = &fix.Kind{
		ID: "stuck/reader-stopped", Status: fix.Broken, Title: "the program that reads a command's output is stopped",
		Means:    "The command cannot print any more, so its builds wait as well.",
		Says:     "{process}, which has to read what the command prints, is stopped",
		Remedies: continued("continue it: fg in its terminal, or sudo kill -CONT {pid}"),
	}
	WaitsForClient = &fix.Kind{
		ID: "stuck/waits-for-client", Status: fix.AtRisk, Title: "the daemon waits for a command that does nothing",
		Means: "Both wait for the other to speak. That is a bug of Nix or Lix.",
		Says:  "the daemon waits for {process}, which is idle",
		Remedies: ending("end the command, run it again with -vvv, and report what it prints last",
			"end {culprit}, run it again with -vvv, and report what it prints last; lost: {loss}"),
	}
	IOWait = &fix.Kind{
		ID: "stuck/io-wait", Status: fix.AtRisk, Title: "a process waits for a disk or a file system",
		Means: "The kernel waits for a disk, a mount over the network or a frozen file system. Until that " +
			"answers, no signal ends the process.",
		Says:     "{process} waits for a disk or a file system, and cannot be interrupted",
		Remedies: advice("look at sudo dmesg, and at network mounts"),
	}
	DiskFull = &fix.Kind{
		ID: "stuck/disk-full", Status: fix.Broken, Title: "no space is left for the store or the state of Nix",
		Means:    "Builds fail, or wait for a garbage collection that finds nothing to delete.",
		Messages: []string{"No space left on device"},
		Says:     "no space is left in {full}",
		Remedies: advice("make room: nix-collect-garbage -d frees what nobody uses, with old generations of " +
			"profiles"),
		Sources: []string{"https://github.com/NixOS/nix/issues/3224"},
	}
)

// Busy is the case of a remedy in which the one who is in the way is at work.
const Busy = "busy"

// Unknown is what no other kind explains.
var Unknown = &fix.Kind{
	ID: "stuck/unknown", Status: fix.Unknown, Title: "a process is idle, and lixfix cannot tell why",
	Means:    "No cause that lixfix knows explains it, or the user who runs lixfix may not see the cause.",
	Says:     "{process} is idle, and lixfix cannot tell why",
	Remedies: named("send the facts to the developers of Lix: lixfix report stuck writes them down"),
}

// NotEnded is why a plan is refused.
var NotEnded = &fix.Kind{
	ID: "stuck/end", Status: fix.Unknown, Refusal: true,
	Title: "the process that --end names is not one that lixfix ends",
	Means: "lixfix ends commands that others wait for, processes that work for nobody, and programs outside Nix " +
		"that hold one of its locks. It never ends a daemon, or a worker whose command is still there.",
	Says: "process {pid} is not one that lixfix ends",
}
