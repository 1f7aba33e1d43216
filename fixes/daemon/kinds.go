package daemon

import "github.com/lixfix/lixfix/fixes/fix"

// Messages of clients, which do not tell one cause from another. src/libstore/uds-remote-store.cc of Nix,
// lix/libstore/uds-remote-store.cc of Lix.
const (
	refused   = "cannot connect to socket at '…': Connection refused"
	absent    = "cannot connect to socket at '…': No such file or directory"
	denied    = "cannot connect to socket at '…': Permission denied"
	lixSocket = "could not connect to any lix socket (tried …)"
	eof       = "unexpected end-of-file"
	reset     = "cannot open connection to remote store 'daemon': error: reading from file: Connection reset by peer"
	notFound  = "Failed to start nix-daemon.socket: Unit nix-daemon.socket not found."
	bigLock   = "opening lock file '/nix/var/nix/db/big-lock': Permission denied"
)

var (
	answers = &fix.Kind{
		ID: "daemon/answers", Status: fix.OK, Title: "the daemon answers",
		Means: "It has exchanged greetings with lixfix in Nix's own protocol. That proves more than an active unit " +
			"or an exit status.",
		Says: "the daemon answers{version}",
	}
	notNeeded = &fix.Kind{
		ID: "daemon/not-needed", Status: fix.OK, Title: "no daemon is needed here",
		Means: "Nix writes to the store itself where one user owns it, as after a single-user installation and in most containers.",
		Says:  "no daemon is needed here: {why}",
	}
	notHere = &fix.Kind{
		ID: "daemon/not-here", Status: fix.NotApplicable, Title: "there is no Nix here",
		Means: "Without a store there is nothing that a daemon could serve.",
	}
	notMounted = &fix.Kind{
		ID: "daemon/not-mounted", Status: fix.Broken, Title: "/nix is not mounted",
		Means: "The store is on its own file system, which is not mounted. Until it is, run no Nix command as root: " +
			"that would make a new store in the empty directory.",
		Says: "/nix is not mounted, and {file} says that it should be",
		Messages: []string{
			"'/nix/…' does not exist, so … will use '…' as a chroot store", bigLock,
			"creating directory '/nix/store': Permission denied",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "mount it; if that fails, the error says why, and \"journalctl -b -u " +
				"nix.mount\" may say more",
			Command: "sudo mount /nix",
		}},
	}
	configError = &fix.Kind{
		ID: "daemon/config-error", Status: fix.Broken, Title: "Nix cannot read its configuration",
		Means: "Neither the daemon nor any client can start until it is corrected. Lix 2.94 and later reads it for " +
			"each connection, so a typo stops everything at once; other daemons keep running until they are restarted.",
		Says:     "Nix cannot read its configuration: {error}",
		Messages: []string{"illegal configuration line '…' in '…'", reset, eof},
		Remedies: []fix.Remedial{{
			Class:   fix.Advice,
			Changes: "correct {where} first; then have systemd start the daemon again, because it may have given up after a few tries",
			Command: "sudo systemctl reset-failed nix-daemon.socket nix-daemon.service; sudo systemctl start nix-daemon.socket",
		}},
	}
	programMissing = &fix.Kind{
		ID: "daemon/program-missing", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "the daemon's program is absent, or cannot be run",
		Means: "systemd starts the program that the unit names, a file of one release. A garbage collection deletes " +
			"it once no profile holds that release. A daemon that is still running cannot be started again.",
		Says: "the program of the daemon, {program}, {why}", Messages: []string{refused, reset, lixSocket, "Failed at step EXEC spawning …: No such file or directory"},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "see which releases are left: each default-N-link below leads to one. If " +
				"one of them has bin/nix-daemon, go back to it with \"sudo " +
				"/nix/var/nix/profiles/default-N-link/bin/nix-env -p /nix/var/nix/profiles/default " +
				"--switch-generation N\"; if none has, run the installer again, which keeps the store",
			Command: "ls -l /nix/var/nix/profiles/ /nix/var/nix/profiles/default-*-link/bin/nix-daemon",
		}},
	}
	unitMissing = &fix.Kind{
		ID: "daemon/unit-missing", Status: fix.Broken, Title: "systemd has no unit of the daemon",
		Means: "Nothing starts the daemon. The store and its contents are untouched. Updating an image-based system " +
			"removes the unit, and so does \"systemctl disable\" if an installer linked it.",
		Says: "systemd has no {unit}", Messages: []string{refused, absent, lixSocket, notFound},
		Remedies: []fix.Remedial{
			{
				Case: "link", When: "the default profile has the units", Class: fix.Risky, Changes: "links the units of the default profile, as installers do, and starts the socket",
				Undo: "stops the socket and removes the links",
			},
			{
				Case: "advice", When: "it has none", Class: fix.Advice, Changes: "install the units again with the installer, or the package, that Nix came with",
				Command: "sudo lixfix check --verbose",
			},
		},
	}
	unitDangling = &fix.Kind{
		ID: "daemon/unit-dangling", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "a unit of the daemon is a link to nothing",
		Means: "Installers link the units to the default profile. If the profile leads nowhere, the links are " +
			"broken as well, and systemd has no unit.",
		Says: "{file} is a link to {target}, which is not there",
		Messages: []string{
			refused, absent, lixSocket,
			"Failed to get unit file state for nix-daemon.socket: No such file or directory",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "make /nix/var/nix/profiles/default lead to a release again, and the units are there again: pick the newest default-N-link " +
				"below that leads to something, and run \"sudo ln -sfn default-N-link /nix/var/nix/profiles/default\"",
			Command: "ls -lL /nix/var/nix/profiles/",
		}},
	}
	selinux = &fix.Kind{
		ID: "daemon/selinux", Status: fix.Broken, Title: "SELinux keeps systemd from the units in /nix",
		Means: "With SELinux enforcing, systemd may not read units in the store, because they lack the label that " +
			"units need. At boot it finds none, although the files are there.",
		Says:     "systemd does not see {file}, a link into /nix, and SELinux is enforcing",
		Messages: []string{refused, absent, notFound},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "replace the links with copies that have the label systemd may read. Make " +
				"new copies after each upgrade",
			Command: "sudo cp --remove-destination " + profileUnits + "/nix-daemon* /etc/systemd/system/; sudo restorecon -Fv /etc/systemd/system/nix-daemon*; " +
				"sudo systemctl daemon-reload; sudo systemctl start nix-daemon.socket",
		}},
	}
	unitBad = &fix.Kind{
		ID: "daemon/unit-bad", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "systemd refuses a unit of the daemon",
		Means: "An edited unit, or a drop-in, has a line that systemd rejects, such as a second ExecStart= without " +
			"an empty one before it. A running daemon keeps running until it is restarted.",
		Says: "systemd refuses {unit}: {why}", Messages: []string{refused, reset, "Unit nix-daemon.service has a bad unit file setting."},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "correct {file}, and have systemd read it again", Command: "sudo systemctl daemon-reload; systemctl status {unit}",
		}},
	}
	masked = &fix.Kind{
		ID: "daemon/masked", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "a unit of the daemon is masked",
		Means: "Somebody told systemd never to start it: \"systemctl mask\" replaces the unit with a link to " +
			"/dev/null. If others administer this host too, ask who did that and why.",
		Says: "{unit} is masked",
		Messages: []string{
			refused, absent, lixSocket, "Failed to start nix-daemon.socket: Unit nix-daemon.socket is masked.",
			"Unit nix-daemon.service is masked.",
			"Failed to enable unit: Unit file /etc/systemd/system/nix-daemon.socket is masked.",
		},
		Remedies: []fix.Remedial{
			{
				Case: "unmask", When: "the unit is still there behind the mask, or in the default profile", Class: fix.Risky,
				Changes: "removes the link to /dev/null, links the unit of the default profile where nothing else is left, and starts the socket",
				Undo:    "stops the socket and masks the unit again",
			},
			{
				Case: "advice", When: "there is no other file of the unit", Class: fix.Advice,
				Changes: "unmask the unit, and install the units again with the installer that Nix came with", Command: "sudo systemctl unmask {unit}",
			},
		},
	}
	disabled = &fix.Kind{
		ID: "daemon/disabled", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "nothing starts the daemon at boot",
		Means: "No systemd target wants the daemon's units, so nothing listens after the next boot.",
		Says:  "no target of systemd starts {unit}", Messages: []string{refused, absent, lixSocket},
		Remedies: []fix.Remedial{{
			Class: fix.Risky, Changes: "makes the link that has sockets.target start {unit}, and starts it",
			Undo: "stops it and removes that link",
		}},
	}
	templateMissing = &fix.Kind{
		ID: "daemon/template-missing", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "the socket wants nix-daemon@.service, which is not there",
		Means: "Since 2.95, Lix has systemd start a service for each connection. Upgraded hosts lack its template: " +
			"once systemd has read its units again, the first connection is reset and all others are refused.",
		Says:     "{file} has Accept=yes, and systemd has no nix-daemon@.service",
		Messages: []string{reset, refused, lixSocket, "nix-daemon.socket: Failed with result 'resources'."},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "have lixfix add the template, as \"lixfix explain lix-units\" says", Command: "sudo lixfix repair lix-units",
		}},
	}
	dirMissing = &fix.Kind{
		ID: "daemon/socket-dir-missing", Status: fix.Broken, Title: "the directory of the socket is missing",
		Means: "Clients look for the socket in it. If it is missing or read-only, systemd skips the units and calls " +
			"that a success: \"systemctl start\" prints nothing.",
		Says: "{dir} is missing",
		Messages: []string{
			absent, lixSocket, bigLock,
			"was skipped because of an unmet condition check (ConditionPathIsReadWrite=/nix/var/nix/daemon-socket)",
		},
		Remedies: []fix.Remedial{
			{
				Case: "make", When: "nobody listens", Class: fix.Safe, Changes: "makes {dir} with the mode {mode}, and starts the socket",
				Undo: "stops the socket and removes the directory",
			},
			{
				Case: "idle", When: "a daemon listens where no client can find it, and nobody is using it",
				Class:   fix.Safe,
				Changes: "makes {dir} with the mode {mode}, and starts the socket and the daemon again", Undo: "removes the directory with its socket",
			},
			{
				Case: "busy", When: "somebody is using the daemon", Class: fix.Risky,
				Changes: "makes {dir} with the mode {mode}, and starts the socket and the daemon again; running " +
					"builds survive with most daemons, but not with all",
				Undo: "removes the directory with its socket",
			},
			{Case: "advice", When: "systemd does not start the daemon", Class: fix.Advice, Changes: "start the daemon, which makes it", Command: "sudo nix-daemon --daemon"},
		},
	}
	dirOwner = &fix.Kind{
		ID: "daemon/socket-dir-owner", Status: fix.Broken, Title: "the directory of the socket does not belong to root",
		Means: "Its owner can put a socket of their own there and pose as the daemon: they would see what is built, " +
			"and decide what comes out of it. As root, lixfix does not connect to it.",
		Says: "{dir} belongs to user {uid}, who can put a socket of their own there",
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "give the directory back to root, and start the socket again",
			Command: "sudo chown root:root {dir}; sudo systemctl stop nix-daemon.service; sudo systemctl restart nix-daemon.socket",
		}},
	}
	dirMode = &fix.Kind{
		ID: "daemon/socket-dir-mode", Status: fix.Broken, Title: "users cannot enter the directory of the socket",
		Means: "Users who cannot enter the directory cannot connect, whatever the mode of the socket in it. Root " +
			"can, so everything looks fine as root.",
		Says: "{dir} has mode {mode}, so that {who} cannot reach the socket",
		Messages: []string{
			denied, "getting status of /nix/var/nix/daemon-socket/socket: Permission denied",
		},
		Remedies: []fix.Remedial{
			{Case: "mode", When: "its mode is all that is wrong", Class: fix.Risky, Changes: "gives {dir} the mode {to}", Undo: "sets the old mode again"},
			{
				Case: "advice", When: "it should be open to a group, and belongs to another one", Class: fix.Advice,
				Changes: "set it up as {file} says", Command: "sudo systemd-tmpfiles --create {file}",
			},
		},
	}
	notInGroup = &fix.Kind{
		ID: "daemon/not-in-group", Status: fix.Broken, Title: "you are not in the group that may use the daemon",
		Means: "The directory of the socket is open to one group only, as Debian's package has it. Somebody decided " +
			"that, and the daemon works for members of the group.",
		Says:     "only members of {group} can reach the socket, and you are not one",
		Messages: []string{denied, "getting status of /nix/var/nix/daemon-socket/socket: Permission denied"},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "ask an administrator to add you to the group, and log in again",
			Command: "sudo gpasswd -a \"$USER\" {group}",
		}},
	}
	socketMissing = &fix.Kind{
		ID: "daemon/socket-missing", Status: fix.Broken, Title: "the socket's file is gone",
		Means: "systemd listens, but the name under which clients find it was removed.",
		Says:  "systemd has {unit} open, and {socket} is gone",
		Messages: []string{
			absent, lixSocket, bigLock, "could not set permissions on '…' to 755: Operation not permitted",
			"creating directory '/nix/store': Permission denied",
			"may have been run as non-root in a single-user Nix installation",
		},
		Remedies: remadeSocket,
	}
	notASocket = &fix.Kind{
		ID: "daemon/not-a-socket", Status: fix.Broken, Title: "something else stands in the place of the socket",
		Means: "Neither systemd nor a daemon can listen there: \"Address already in use\".",
		Says:  "{socket} is {what}",
		Messages: []string{
			refused, lixSocket, "Failed to create listening socket (…): Address already in use",
			"nix-daemon.socket: Failed with result 'resources'.", "cannot bind to socket at '…'",
			"Failed to listen on nix-daemon.socket",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "find out what it is, move it away, and start the socket",
			Command: "sudo mv {socket} {socket}.aside; sudo systemctl reset-failed nix-daemon.socket; sudo systemctl start nix-daemon.socket",
		}},
	}
	socketMode = &fix.Kind{
		ID: "daemon/socket-mode", Status: fix.Broken, Title: "users may not connect to the socket",
		Means: "To connect, a user needs write permission on the socket's file. Root always has it, so everything " +
			"looks fine as root.",
		Says: "{socket} has mode {mode}, so that only root can connect", Messages: []string{denied},
		Remedies: []fix.Remedial{
			{Case: "mode", When: "only root can change its directory", Class: fix.Safe, Changes: "gives {socket} the mode 0666", Undo: "sets the old mode again"},
			{
				Case: "advice", When: "users other than root can create files in its directory", Class: fix.Advice,
				Changes: "when no build is running, start the socket again, which gives it the right mode",
				Command: "sudo systemctl stop nix-daemon.service; sudo systemctl restart nix-daemon.socket",
			},
		},
	}
	stopped = &fix.Kind{
		ID: "daemon/stopped", Status: fix.Broken, Title: "the daemon was stopped",
		Means: "systemd starts it at boot, but somebody has stopped it since, perhaps for a reason, such as work on " +
			"the store. The socket's file stays behind, so clients print \"Connection refused\".",
		Says: "{unit} is stopped", Messages: []string{refused, absent, lixSocket},
		Remedies: started,
	}
	startLimit = &fix.Kind{
		ID: "daemon/start-limit", Status: fix.Broken, Title: "systemd has given up on the daemon",
		Means: "The daemon exited right after each start, five times within ten seconds, and systemd has closed the " +
			"socket for good. The cause may be gone by now. If not, the daemon fails again, the repair says so, and " +
			"nothing is lost: the last lines of its log, in the evidence above, say why it exits.",
		Says: "systemd has given up on the daemon, which ended {how}",
		Messages: []string{
			refused, lixSocket, "nix-daemon.service: Start request repeated too quickly.",
			"nix-daemon.socket: Failed with result 'service-start-limit-hit'.",
		},
		Remedies: started,
	}
	socketFailed = &fix.Kind{
		ID: "daemon/socket-failed", Status: fix.Broken, Title: "the socket's unit has failed",
		Means: "systemd could not open the socket, or could not start the daemon behind it, and does not try " +
			"again by itself. The cause may be gone by now.",
		Says:     "{unit} has failed: {result}",
		Messages: []string{refused, absent, lixSocket, "Failed to listen on nix-daemon.socket"},
		Remedies: started,
	}
	serviceFails = &fix.Kind{
		ID: "daemon/service-fails", Status: fix.Broken, Title: "systemd cannot start the daemon as its unit says",
		Means: "It failed before the program ran: systemd cannot provide a user, a directory or a limit that the " +
			"unit asks for.",
		Says: "systemd cannot start the daemon: {why}",
		Messages: []string{
			refused, reset, lixSocket, "stream ended unexpectedly", "unexpected systemd environment variables",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "find the line in the unit or in one of its drop-ins, correct it, and start " +
				"the socket",
			Command: "systemctl cat nix-daemon.service; sudo systemctl daemon-reload; sudo systemctl reset-failed nix-daemon.socket nix-daemon.service; sudo systemctl start nix-daemon.socket",
		}},
	}
	oomKilled = &fix.Kind{
		ID: "daemon/oom-killed", Status: fix.Broken, Title: "the daemon was killed for lack of memory",
		Means: "The kernel or systemd-oomd killed it or one of its builds, and systemd then stopped the rest of the " +
			"unit. The same build will cause it again unless fewer builds run at a time (max-jobs and cores in " +
			"/etc/nix/nix.conf) or the machine gets more swap.",
		Says: "the daemon was killed for lack of memory", Messages: []string{refused, eof, "nix-daemon.service: A process of this unit has been killed by the OOM killer."},
		Remedies: started,
	}
	diskFull = &fix.Kind{
		ID: "daemon/disk-full", Status: fix.Broken, Title: "the file system of the store is full",
		Means: "The daemon cannot open its database without a little room, and \"nix-collect-garbage\" needs the database.",
		Says:  "{dir} has {free} left, and the daemon does not answer", Messages: []string{eof, "No space left on device", "database or disk is full"},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "delete some MiB on that file system outside the store, such as logs below " +
				"/nix/var/log/nix; then start the daemon, and collect garbage",
			Command: "df -h {dir}; sudo du -sh /nix/var/log/nix",
		}},
	}
	readOnly = &fix.Kind{
		ID: "daemon/read-only", Status: fix.Broken, Title: "the file system of the store is read-only",
		Means: "Nothing can be built or installed, and the units do not start. A file system that has turned read-only by itself is usually damaged: " +
			"copy what you need before you repair it.",
		Says: "{dir} is mounted read-only",
		Messages: []string{
			refused, "Read-only file system", "could not set permissions on '…': Read-only file system",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "check whether the kernel found an error, or whether it is mounted " +
				"read-only on purpose",
			Command: "findmnt -T {dir}; sudo dmesg | tail -n 50",
		}},
	}
	needsReload = &fix.Kind{
		ID: "daemon/needs-reload", Status: fix.Broken, Title: "systemd read its units before the daemon's were there",
		Means: "Installers link units into /nix. systemd only knows what was there when it last read its units, at " +
			"boot or at the last \"systemctl daemon-reload\".",
		Says: "systemd does not know {unit}, whose file is there now", Messages: []string{refused, absent, lixSocket, notFound},
		Remedies: []fix.Remedial{{
			Class: fix.Safe, Changes: "has systemd read its units again, and starts the socket", Undo: "stops the " +
				"socket; reading units cannot be undone, and need not be",
		}},
	}
	bootRace = &fix.Kind{
		ID: "daemon/boot-race", Status: fix.Broken, Title: "systemd reads its units before /nix is mounted",
		Means: "/nix is a file system of its own, and the daemon's units are links into it. At boot they lead " +
			"nowhere, and systemd knows none of them. The repair lasts until the next boot. To make it last, " +
			"replace the links with copies: for each unit in /etc/systemd/system that leads into /nix, \"sudo cp " +
			"--remove-destination $(readlink -f UNIT) UNIT\". Make new copies after each upgrade.",
		Says: "systemd does not know {unit}: it read its units before /nix was mounted", Messages: []string{refused, absent, lixSocket, notFound},
		Remedies: []fix.Remedial{{
			Class: fix.Safe, Changes: "has systemd read its units again, and starts the socket; lasts until the " +
				"next boot",
			Undo: "stops the socket; reading units cannot be undone, and need not be",
		}},
	}
	conditionFailed = &fix.Kind{
		ID: "daemon/condition-failed", Status: fix.Broken, Title: "a condition of the daemon's unit is not met",
		Means: "systemd skips a unit whose conditions are not met, and calls that a success: \"systemctl start\" says nothing and exits with 0.",
		Says:  "systemd skips {unit}, because one of its conditions is not met: {conditions}", Messages: []string{refused, absent, lixSocket, "… was skipped because of an unmet condition check (…)."},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "see which condition it is, and meet it or remove it; then start the socket",
			Command: "systemctl status {unit}; sudo systemctl start nix-daemon.socket",
		}},
	}
	socketLost = &fix.Kind{
		ID: "daemon/socket-lost", Status: fix.Broken, Title: "systemd calls the socket active, and has lost it",
		Means: "It read its units again while the socket's unit file was missing. Until you restart the socket, its " +
			"\"active (listening)\" is not true.",
		Says:     "systemd calls {unit} active, and nobody listens",
		Messages: []string{refused, lixSocket, "The socket unit is not functional until restarted."},
		Remedies: remadeSocket,
	}
	staleSocket = &fix.Kind{
		ID: "daemon/stale-socket", Status: fix.Broken, Title: "a daemon that is gone has left its socket",
		Means: "The file is there, but nothing listens. Lix 2.94 and later tries the socket first, even as root; " +
			"other Nixes do without it if they may write to the store. If you want no daemon, removing the file is " +
			"enough for root.",
		Says: "nobody listens at {socket}, and systemd does not run here", Messages: []string{refused, lixSocket},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "start a daemon; {init}", Command: "{command}",
		}},
	}
	noInit = &fix.Kind{
		ID: "daemon/no-init", Status: fix.Broken, Also: []fix.Status{fix.OK},
		Title: "systemd does not run here, and nothing else starts a daemon",
		Means: "WSL without systemd, containers, OpenRC and runit are like this. Root needs no daemon: it writes to " +
			"the store itself. Other users cannot build.",
		Says:     "no daemon runs, and users other than root need one: {where}",
		Or:       map[string]fix.Words{"root": "no daemon runs, and root needs none: {where}"},
		Messages: []string{absent, bigLock},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "start a daemon if users other than root should build; {init}",
			Command: "{command}",
		}},
	}
	suspended = &fix.Kind{
		ID: "daemon/suspended", Status: fix.Broken, Title: "the daemon is stopped by a signal",
		Means: "Its process exists but does nothing, so clients wait forever. Somebody sent it SIGSTOP, or a " +
			"debugger left it stopped.",
		Says: "the daemon, {process}, is stopped by a signal",
		Remedies: []fix.Remedial{{
			Class: fix.Risky, Changes: "continues {process} (SIGCONT), if it is still the same process",
			Undo: "not possible, and not needed",
		}},
	}
	silent = &fix.Kind{
		ID: "daemon/silent", Status: fix.Broken, Title: "the daemon accepts connections and says nothing",
		Means: "Clients hang silently, because Nix has no timeout for the greeting. The daemon is waiting for " +
			"something, such as the lock of a store that is being upgraded, or the machine is very busy.",
		Says: "{socket} accepts connections, and nothing is said within {seconds} s", Messages: []string{"waiting for exclusive access to the Nix store..."},
		Remedies: []fix.Remedial{{Class: fix.Advice, Changes: "see what it waits for", Command: "sudo lixfix check stuck"}},
	}
	closes = &fix.Kind{
		ID: "daemon/closes", Status: fix.Broken, Title: "the daemon accepts connections and closes them",
		Means: "The daemon does not tell clients why. The usual causes: the store's database does not open; you are " +
			"in the build users' group (check with \"id\"), which it turns away; your Nix is too old for it; or it " +
			"exits at each start. Its log says which.",
		Says: "the daemon closes the connection without a word",
		Messages: []string{
			reset, eof, "writing to file: Broken pipe", "reading from file: Connection reset by peer",
			"Nix daemon disconnected unexpectedly (maybe it crashed?)", "Nix daemon disconnected unexpectedly",
			"error reading daemon response", "stream ended unexpectedly", "error processing connection: …",
			"unexpected Nix daemon error: …",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "read the daemon's log, the last lines first", Command: "sudo journalctl -b -n 30 -u nix-daemon.service -u \"nix-daemon@*\"",
		}},
	}
	notAllowed = &fix.Kind{
		ID: "daemon/not-allowed", Status: fix.Broken, Title: "the daemon does not talk to you",
		Means: "It silently turns away users that allowed-users does not name, and members of the build users' " +
			"group. As root, everything looks fine.",
		Says: "the daemon does not talk to {user}: {why}",
		Messages: []string{
			reset, eof, "user '…' is not allowed to connect to the Nix daemon",
			"which is the group of users running the sandboxed builds",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "ask an administrator to allow you: {how}", Command: "id; grep -n allowed-users /etc/nix/nix.conf",
		}},
	}
	notNix = &fix.Kind{
		ID: "daemon/not-nix", Status: fix.Broken, Title: "something other than a Nix daemon answers at the socket",
		Means: "Another program listens there, or it speaks another protocol.",
		Says:  "something other than a Nix daemon answers at {socket}: {why}",
		Messages: []string{
			"protocol mismatch", "nix-daemon protocol mismatch from …", "Nix daemon protocol version not supported",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "find out which program listens, and end it; then start the socket", Command: "sudo ss -xlp src {socket}",
		}},
	}
	tooOld = &fix.Kind{
		ID: "daemon/too-old", Status: fix.Broken, Title: "the daemon is too old for the Lix of this host",
		Means: "Lix 2.94 and later needs a daemon with protocol 1.35 or newer, which Nix 2.15 and Lix 2.90 " +
			"introduced.",
		Says:     "the daemon speaks protocol {protocol}, and {client} needs 1.35",
		Messages: []string{"The remote Nix daemon version is too old", "the Nix daemon version is too old"},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "when no build is running, have systemd read its units again and start the daemon of the installed release",
			Command: "sudo systemctl daemon-reload; sudo systemctl restart nix-daemon.service",
		}},
	}
	refuses = &fix.Kind{
		ID: "daemon/refuses", Status: fix.Broken, Title: "the daemon answers with an error",
		Means: "It runs and greets, but cannot open its store. Its error names the cause.",
		Says:  "the daemon answers: {error}",
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "fix what the error names; the log says more", Command: "sudo journalctl -b " +
				"-n 30 -u nix-daemon.service -u \"nix-daemon@*\"",
		}},
	}
	older = &fix.Kind{
		ID: "daemon/older", Status: fix.AtRisk, Title: "the running daemon is older than the one that is installed",
		Means: "An upgrade does not restart the daemon, and \"systemctl restart\" alone starts the old one again, " +
			"because systemd still uses the units it has read before. The old daemon works until a garbage " +
			"collection removes its release.",
		Says:     "the daemon that answers is {running}, and {unit} starts {installed}",
		Remedies: renewing,
	}
	deleted = &fix.Kind{
		ID: "daemon/deleted", Status: fix.AtRisk, Title: "the program of the running daemon was removed",
		Means: "It keeps running from memory. The daemon of Lix 2.94 and later fails at the next connection, " +
			"because it starts its program anew for each one.",
		Says:     "the program of the running daemon, {process}, was removed: {program}",
		Messages: []string{"Lix crashed. This is a bug. …"},
		Remedies: renewing,
	}
	serviceAlone = &fix.Kind{
		ID: "daemon/service-alone", Status: fix.AtRisk, Title: "a daemon listens by itself, instead of systemd",
		Means: "Somebody has started it by hand, or has started nix-daemon.service while the socket was stopped. It " +
			"works, but when it ends, nothing starts another one until the next boot.",
		Says:     "process {pid} listens at the socket, and nix-daemon.socket does not",
		Messages: []string{"nix-daemon.socket: Socket service nix-daemon.service already active, refusing."},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "when no build is running, end that daemon, and have systemd listen",
			Command: "sudo systemctl stop nix-daemon.service; sudo kill {pid}; sudo systemctl start nix-daemon.socket",
		}},
	}
	unknown = &fix.Kind{
		ID: "daemon/unknown", Status: fix.Unknown, Title: "lixfix cannot tell whether the daemon works",
		Means: "lixfix could not read something that it needs, and does not take that for good news. The finding " +
			"says what; as root, lixfix can read more.",
		Says: "lixfix cannot tell whether the daemon works: {what}",
	}
)

// started and remadeSocket are what several kinds have in common.
var (
	started = []fix.Remedial{{
		Class: fix.Safe, Changes: "resets the failed units (systemctl reset-failed), and starts the socket and the " +
			"daemon",
		Undo: "stops them again",
	}}
	remadeSocket = []fix.Remedial{
		{
			Case: "idle", When: "nobody is using the daemon", Class: fix.Safe, Changes: "has systemd read its units " +
				"again, and starts the socket again",
			Undo: "not possible, and not needed: a socket has no content",
		},
		{
			Case: "busy", When: "somebody is using the daemon", Class: fix.Risky,
			Changes: "stops the daemon, has systemd read its units again, and starts the socket and the daemon " +
				"again; running builds survive with most daemons, but not with all",
			Undo: "not possible, and not needed: a socket has no content",
		},
	}
)

// renewing is what several kinds have in common as well.
var renewing = []fix.Remedial{
	{
		Case: "idle", When: "nobody is using the daemon", Class: fix.Safe,
		Changes: "has systemd read its units again, and starts the daemon again unless somebody is using it by then",
		Undo:    "not possible, and not needed",
	},
	{
		Case: "busy", When: "somebody is using the daemon", Class: fix.Risky,
		Changes: "has systemd read its units again, and starts the daemon again; running builds survive with most " +
			"daemons, but not with all",
		Undo: "not possible, and not needed",
	},
	{
		Case: "advice", When: "systemd does not start the daemon, or its units lack one", Class: fix.Advice,
		Changes: "when no build is running, end the daemon and start the one that is installed", Command: "sudo lixfix check daemon lix-units",
	},
}

var table = []*fix.Kind{
	answers, notNeeded, notHere,
	notMounted, configError, programMissing, unitMissing, unitDangling, selinux, unitBad, masked, templateMissing,
	dirMissing, dirOwner, dirMode, notInGroup, socketMissing, notASocket, socketMode,
	disabled, stopped, startLimit, socketFailed, serviceFails, oomKilled, diskFull, readOnly, conditionFailed, needsReload, bootRace, socketLost, staleSocket, noInit,
	suspended, silent, closes, notAllowed, notNix, tooOld, refuses, older, deleted, serviceAlone, unknown,
}
