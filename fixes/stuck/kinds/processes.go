package kinds

import "github.com/lixfix/lixfix/fixes/fix"

// Builds.
var (
	BuilderSilent = &fix.Kind{
		ID: "stuck/builder-silent", Status: fix.AtRisk, Also: []fix.Status{fix.OK}, Title: "a build does nothing",
		Means: "All its processes sleep. They may be waiting for input, the network or a timer. After a minute " +
			"without output, the build is at risk.",
		Says: "the build runs, but every process of it is asleep: {process}, started {age} ago",
		Or: map[string]fix.Words{
			Quiet: "the build runs, and has been quiet for {idle}: {process}",
			Logged: "the build runs, but every process of it is asleep: {process}, started {age} ago, its log " +
				"written {logged} ago",
		},
		Remedies: named("read what it printed last: nix log, or -L the next time. max-silent-time and timeout in " +
			"nix.conf end such builds"),
	}
	BuilderStopped = &fix.Kind{
		ID: "stuck/builder-stopped", Status: fix.Broken, Title: "a process of a build is stopped",
		Means:    "It got SIGSTOP, or read a terminal that is not its own. The build waits for it.",
		Says:     "a process of the build is stopped: {process}",
		Remedies: continued("continue it: sudo kill -CONT {pid}"),
	}
	BuilderLeftover = &fix.Kind{
		ID: "stuck/builder-leftover", Status: fix.Broken,
		Title: "a build has ended, and something that it started goes on",
		Means: "A process that the build left in the background keeps the build's log open. Nix takes the build " +
			"for unfinished until that process ends.",
		Says:     "the build has ended, but {process}, which it left in the background, keeps its log open",
		Remedies: reaped(LeftoverLost, "end that process, as root: the build completes then"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/8232"},
	}
	BuilderDefunct = &fix.Kind{
		ID: "stuck/builder-defunct", Status: fix.Broken, Title: "a worker did not notice that its build has ended",
		Means: "That is a bug of Nix or Lix. The command waits for ever.",
		Says:  "{process} did not notice that its builder has ended",
		Remedies: ending("write down the facts with lixfix report stuck, then end the command and run it again",
			"write down the facts with lixfix report stuck, then end {culprit} and run it again; lost: {loss}"),
		Sources: []string{"https://github.com/NixOS/nix/issues/15846"},
	}
	SandboxNetwork = &fix.Kind{
		ID: "stuck/sandbox-network", Status: fix.Broken, Title: "a build waits for a network that does not come",
		Means: "Builds that fetch get their network from pasta, which Lix starts. pasta has died or does nothing, " +
			"and Lix gives up after two to three minutes.",
		Says: "the network of the build of {process} is dead",
		Or: map[string]fix.Words{Pasta: "the build waits for its network, which {process} was started to set " +
			"up {age} ago"},
		Remedies: named("check pasta-path in nix.conf, and look for the reason in the daemon's log; lixfix check " +
			"resolv-conf checks this as well"),
	}
)

// Hooks of nix.conf.
var (
	PreBuildHook = &fix.Kind{
		ID: "stuck/pre-build-hook", Status: fix.AtRisk, Also: []fix.Status{fix.OK},
		Title: "a build waits for the pre-build-hook",
		Means: "The build starts when this program from nix.conf has ended. It is at risk when the program has done " +
			"nothing for a minute.",
		Says:     "the build has not begun: its pre-build-hook runs, {process}",
		Remedies: named("look at what the pre-build-hook of nix.conf does"),
	}
	PostBuildHook = &fix.Kind{
		ID: "stuck/post-build-hook", Status: fix.AtRisk, Also: []fix.Status{fix.OK},
		Title: "a finished build waits for the post-build-hook",
		Means: "Everything after this build waits until this program from nix.conf, such as an upload, has ended. The " +
			"build is at risk when the program has done nothing for a minute.",
		Says:     "the build is done, and its post-build-hook runs, {process}",
		Remedies: named("look at what the post-build-hook of nix.conf does"),
	}
	DiffHook = &fix.Kind{
		ID: "stuck/diff-hook", Status: fix.AtRisk, Also: []fix.Status{fix.OK},
		Title: "a finished build waits for the diff-hook",
		Means: "This program from nix.conf compares the output with that of an earlier build. The build is at risk " +
			"when the program has done nothing for a minute.",
		Says:     "the build is done, and its diff-hook compares the outputs, {process}",
		Remedies: named("look at what the diff-hook of nix.conf does"),
	}
)

// Networks and other machines.
var (
	DownloadStalled = &fix.Kind{
		ID: "stuck/download-stalled", Status: fix.AtRisk, Title: "a download has stalled",
		Means: "The server has stopped sending. Nix gives up 300 seconds after the last byte " +
			"(stalled-download-timeout), and tries again up to five times.",
		Messages: []string{"Operation too slow. Less than 1 bytes/sec transferred the last 300 seconds"},
		Says:     "{process} has had no answer from {peer} for {idle}",
		Remedies: named("start it again with --option stalled-download-timeout 30, which gives up sooner, or with " +
			"--fallback, which builds instead"),
	}
	NetworkLost = &fix.Kind{
		ID: "stuck/network-lost", Status: fix.AtRisk, Title: "another machine does not answer at all",
		Means: "It does not even acknowledge what was sent: the network is down, a VPN has changed, or a machine " +
			"was asleep.",
		Says:     "{process} gets no answer from {peer}",
		Remedies: named("look at the network and the VPN, and start the command again"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/8758"},
	}
	RemoteBuilder = &fix.Kind{
		ID: "stuck/remote-builder", Status: fix.AtRisk, Title: "the build runs on another machine",
		Means: "What happens there cannot be seen from here. A build that works looks like one that hangs.",
		Says:  "{process} waits for another machine",
		Remedies: named("log in there, look for nix-store --serve or nix-daemon --stdio, and run lixfix check " +
			"stuck there"),
		Sources: []string{"https://github.com/NixOS/nix/issues/2260"},
	}
)

// Commands, workers and the daemon.
var (
	WorkerOrphaned = &fix.Kind{
		ID: "stuck/worker-orphaned", Status: fix.Broken, Title: "a worker of the daemon works for nobody",
		Means:    "The command that it was started for is gone. It keeps its locks, and others wait for them.",
		Says:     "the client of {process} is gone",
		Or:       map[string]fix.Words{Stopped: "{process} is stopped, and its client is gone"},
		Remedies: orphaned("end it, as root: nobody waits for its result"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/4261"},
	}
	WorkerStopped = &fix.Kind{
		ID: "stuck/worker-stopped", Status: fix.Broken, Title: "a process of the daemon is stopped",
		Means:    "Its command waits for it, and so does everybody who needs a lock that it holds.",
		Says:     "{process} is stopped",
		Remedies: continued("continue it: sudo kill -CONT {pid}"),
	}
	ClientStopped = &fix.Kind{
		ID: "stuck/client-stopped", Status: fix.Broken, Title: "a command is stopped",
		Means:    "Somebody pressed Ctrl-Z, or sent it SIGSTOP. What it has locked stays locked.",
		Messages: []string{"[1]+  Stopped"},
		Says:     "{process} is stopped",
		Remedies: continued("continue it: fg in its terminal, or sudo kill -CONT {pid}"),
	}
	DaemonStopped = &fix.Kind{
		ID: "stuck/daemon-stopped", Status: fix.Broken, Title: "the daemon is stopped",
		Means:    "It accepts no connection, so every new command hangs without a word.",
		Says:     "{process} is stopped",
		Remedies: continued("continue it: sudo kill -CONT {pid}"),
	}
	DaemonNotAccepting = &fix.Kind{
		ID: "stuck/daemon-not-accepting", Status: fix.Broken, Title: "the daemon accepts no connections",
		Means: "It has as many files open as it may, or hangs. Every new command hangs without a word.",
		Says:  "the daemon does not accept connections",
		Remedies: advice("restart the daemon: sudo systemctl restart nix-daemon, on macOS sudo launchctl kickstart " +
			"-k system/org.nixos.nix-daemon. Builds that run survive that"),
	}
	HeldByDebugger = &fix.Kind{
		ID: "stuck/held-by-debugger", Status: fix.Broken, Title: "a debugger holds a process",
		Means: "A debugger or strace is attached and has stopped it. kill -CONT does not help.",
		Says:  "{process} is held by a debugger, {debugger}",
		Or:    map[string]fix.Words{Unseen: "{process} is held by a debugger that cannot be seen from here"},
		Remedies: ending("continue, detach or quit in the debugger. If nobody is using it, end the debugger: the "+
			"process that it was attached to then continues",
			"continue, detach or quit in the debugger. If nobody is using it, end {culprit}: the process that it "+
				"was attached to then continues"),
	}
)
