package kinds

import "github.com/lixfix/lixfix/fixes/fix"

// What goes on by itself.
var (
	NothingRunning = &fix.Kind{
		ID: "stuck/nothing-running", Status: fix.Unknown, Also: []fix.Status{fix.OK}, Title: "no Nix is running",
		Means: "There is no command and no build of Nix that could hang. If the processes of other users are " +
			"hidden, theirs may still be running.",
		Says: "no Nix is running",
		Or: map[string]fix.Words{
			Ended:   "process {pid} has ended",
			Reused:  "process {pid} has ended, and another one has its number now",
			Missing: "there is no process {pid}",
			Foreign: "process {pid} is no part of Nix",
			Hidden:  "no Nix of your own is running, and what others run is hidden",
			Inside:  "no Nix is running that can be seen from here",
		},
	}
	Evaluating = &fix.Kind{
		ID: "stuck/evaluating", Status: fix.OK, Title: "Nix code is being evaluated",
		Means: "The command computes, before anything is built. Nobody can tell whether it will ever finish. If its " +
			"memory keeps growing, the kernel ends up killing it.",
		Messages: []string{"evaluating derivation '…'"},
		Says:     "{process} is evaluating Nix code",
		Remedies: advice("run it again with --show-trace or -vvv to see where it is. In the middle of an " +
			"evaluation Ctrl-C may take effect late (Nix) or never (Lix 2.95); SIGKILL ends it"),
		Sources: []string{"https://github.com/NixOS/nix/issues/12153"},
	}
	CopyingToStore = &fix.Kind{
		ID: "stuck/copying-to-store", Status: fix.OK, Title: "files are being copied to the store",
		Means: "A large source is read, hashed and copied, which Nix shows on one line only. It ends when all " +
			"of it is read.",
		Messages: []string{"copying '…' to the store"},
		Says:     "{process} is hashing or copying files to the store",
		Remedies: advice("wait, and leave out of the source what the build does not need: .git, target, " +
			"node_modules"),
		Sources: []string{"https://github.com/NixOS/nix/issues/8345"},
	}
	Downloading = &fix.Kind{
		ID: "stuck/downloading", Status: fix.OK, Title: "data comes in over the network",
		Means: "The command has a connection to another machine, and bytes came in a moment ago.",
		Says:  "{process} waits for data from {peer}",
	}
	CollectingGarbage = &fix.Kind{
		ID: "stuck/collecting-garbage", Status: fix.OK, Title: "garbage is being collected",
		Means: "The collector looks for paths that nobody needs and deletes them. On a large store that takes many " +
			"minutes.",
		Says: "{process} is collecting garbage",
	}
	BuilderBusy = &fix.Kind{
		ID: "stuck/builder-busy", Status: fix.OK, Title: "a build is running",
		Means:    "Its processes compute, read or write. Nix prints nothing of a build unless you ask for it.",
		Messages: []string{"building '…'..."},
		Says:     "{process} is building",
		Remedies: advice("follow its output with -L, or read what is there so far with nix log"),
	}
	Working = &fix.Kind{
		ID: "stuck/working", Status: fix.OK, Title: "the process does something",
		Means: "It computes, reads or writes, and is not in anything's way.",
		Says:  "{process} works",
	}
	RunsAProgram = &fix.Kind{
		ID: "stuck/runs-a-program", Status: fix.OK, Title: "a program that Nix started is running",
		Means: "The command waits for a program of its own, such as git or ssh.",
		Says:  "{process} works",
	}
)

// What waits for its turn and needs nobody's help.
var (
	WaitsForOutputLock = &fix.Kind{
		ID: "stuck/waits-for-output-lock", Status: fix.OK, Title: "the same output is being built already",
		Means: "Two commands want the same output, and Nix builds it once. The second one looks every five " +
			"seconds whether the first is done, and then uses what it has built.",
		Messages: []string{"waiting for lock on '…'..."},
		Says:     "another build of the same output is running: {owner} holds {lock}",
		Remedies: advice("nothing is wrong with the command: it goes on when the other build is done"),
	}
	WaitsForStorePath = &fix.Kind{
		ID: "stuck/waits-for-store-path", Status: fix.OK, Title: "another process adds the same path to the store",
		Means:    "One path is written by one process at a time. Nix prints nothing while it waits.",
		Says:     "{owner} adds the same path, {lock}, to the store",
		Remedies: advice("wait: the command goes on when the path is there"),
	}
	NoFreeBuildUser = &fix.Kind{
		ID: "stuck/no-free-build-user", Status: fix.OK, Title: "all build users are taken",
		Means:    "Every build runs as a user of its own, and there are more builds than users.",
		Messages: []string{"waiting for a free build user ID for '…'...", "waiting for UID to build '…'"},
		Says:     "all {users} are taken",
		Remedies: advice("wait for a build to end. For good: lower max-jobs, or add build users to the group"),
	}
	WaitsForGC = &fix.Kind{
		ID: "stuck/waits-for-gc", Status: fix.OK, Title: "a garbage collection is running",
		Means:    "The command needs the lock that the collector holds until it is done.",
		Messages: []string{"waiting for the big garbage collector lock..."},
		Says:     "a garbage collection is running: {owner}",
		Remedies: advice("it goes on when the garbage collection is done; ending a collection is safe at any time"),
	}
	WaitsForGCSilent = &fix.Kind{
		ID: "stuck/waits-for-gc-silent", Status: fix.OK,
		Title: "a garbage collection is running, and Nix does not say so",
		Means: "The command wants to protect a path from the collector and has to wait until that is done. Nix " +
			"prints nothing about it.",
		Says:     "a garbage collection is running: {owner}",
		Remedies: advice("it goes on when the garbage collection is done; ending a collection is safe at any time"),
	}
	GCWaitsForClient = &fix.Kind{
		ID: "stuck/gc-waits-for-client", Status: fix.OK, Title: "a garbage collection waits for a check of the store",
		Means:    "nix-store --verify reads the whole store, and nothing may be deleted meanwhile.",
		Messages: []string{"waiting for the big garbage collector lock..."},
		Says:     "the garbage collection waits for {owner}",
		Remedies: advice("wait: the collection goes on when the check is done"),
	}
	StoreUpgrade = &fix.Kind{
		ID: "stuck/store-upgrade", Status: fix.OK, Title: "the database of the store is waiting to be upgraded",
		Means: "A newer Nix upgrades the database once nobody else has the store open. Until then, everybody who " +
			"opens the store waits as well.",
		Messages: []string{"waiting for exclusive access to the Nix store...", "waiting for the big Nix " +
			"store lock..."},
		Says:     "the store is open elsewhere, and its database is to be upgraded: {owner}",
		Remedies: advice("let the other commands end; a daemon of an older Nix has to be restarted"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/5506"},
	}
	ProfileLocked = &fix.Kind{
		ID: "stuck/profile-locked", Status: fix.OK, Title: "another command changes the same profile",
		Means:    "A profile is changed by one command at a time.",
		Messages: []string{"waiting for lock on profile '…'"},
		Says:     "{owner} changes the same profile",
		Remedies: advice("wait: the command goes on when the other one is done"),
	}
	EvalCacheLocked = &fix.Kind{
		ID: "stuck/eval-cache-locked", Status: fix.OK, Title: "another evaluation writes to the evaluation cache",
		Means:    "Evaluations of one flake share a cache, and one of them writes to it at a time.",
		Messages: []string{"SQLite database '…' is busy"},
		Says:     "{owner} writes to the same cache",
		Remedies: advice("wait, or do without the cache: --no-eval-cache"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/3794"},
	}
	FetchLocked = &fix.Kind{
		ID: "stuck/fetch-locked", Status: fix.OK, Title: "another process fetches the same input",
		Means:    "An input is fetched once, and the other command uses what the first has fetched.",
		Says:     "{owner} fetches the same input",
		Remedies: advice("wait, and look whether the other command's git or ssh asks for a password"),
	}
	NoMachineSlot = &fix.Kind{
		ID: "stuck/no-machine-slot", Status: fix.OK, Title: "no remote machine has room for another build",
		Means:    "Every machine in the setting builders runs as many builds as it may.",
		Messages: []string{"waiting for a machine to build '…'"},
		Says:     "all {slots} of remote machines are taken",
		Remedies: advice("wait for a build there to end"),
	}
	UploadLock = &fix.Kind{
		ID: "stuck/upload-lock", Status: fix.OK, Title: "another build copies to the same remote machine",
		Means: "One build at a time copies what it needs to a machine. After 15 minutes Nix stops waiting and " +
			"copies anyway.",
		Messages: []string{"waiting for the upload lock to '…'"},
		Says:     "{owner} copies to the same machine",
		Remedies: advice("wait: it takes 15 minutes at most"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/11083"},
	}
	BuilderWaitsForLock = &fix.Kind{
		ID: "stuck/builder-waits-for-lock", Status: fix.OK,
		Title: "a build waits for a file that another process has locked",
		Means: "The lock is the build's own business and not Nix's: that of a cache which builds share, for " +
			"example.",
		Says:     "the build waits for {lock}, which {holder} holds",
		Remedies: advice("wait: it goes on when the other build lets go of the file"),
	}
	WorkerWithoutListener = &fix.Kind{
		ID: "stuck/worker-without-listener", Status: fix.OK,
		Title:    "the daemon is gone, and one of its workers goes on",
		Means:    "The daemon was restarted or has died. What it had started goes on and finishes.",
		Says:     "the daemon that started {process} is gone; the worker goes on",
		Remedies: advice("let the worker finish; start the daemon again if none runs"),
	}
)
