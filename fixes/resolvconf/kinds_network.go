package resolvconf

import (
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
)

const outside = "give the container the device from outside, such as with \"docker run --device /dev/net/tun\""

// noPasta is what an empty pasta-path does.
const noPasta = "\"pasta-path =\", with nothing behind it, gives builds the network of the host, which CVE-2025-46416 was about"

// Cases of a wrong pasta-path.
const (
	caseLine    = "line"
	caseOff     = "off"
	caseByHand  = "by-hand"
	caseInstall = "install"
	caseUpgrade = "upgrade"
)

var dropsLine = []fix.Remedial{
	{
		Case: caseLine, When: "nix.conf sets it", Class: fix.Risky, Undo: undoText,
		Changes: "removes the line pasta-path from {file}, so that Lix uses the pasta it was built with; if you want no pasta, " +
			"add --" + optPastaOff + ": " + noPasta,
	},
	{
		Case: caseOff, When: "you ask for it with --" + optPastaOff, Class: fix.Risky, Undo: undoText,
		Changes: "writes \"pasta-path =\" into {file}: builds share the network of the host and can reach what listens there " +
			"(CVE-2025-46416)",
	},
	{
		Case: caseByHand, When: "the file is not lixfix's to write", Class: fix.Advice,
		Changes: "remove the line pasta-path from {file}; then restart the daemon; " + noPasta,
	},
	{
		Case: caseNixOS, When: "NixOS generates nix.conf", Class: fix.Advice,
		Changes: "remove nix.settings.pasta-path from the configuration of NixOS and rebuild; " + noPasta,
	},
	{
		Case: caseInstall, When: "no file sets it", Class: fix.Advice,
		Changes: "install passt, or set pasta-path to one in nix.conf; then restart the daemon; " + noPasta,
	},
}

// pastaSays are messages of pasta that mean something for certain, and the case they make. The first one decides.
var pastaSays = []struct{ text, special string }{
	{"/dev/net/tun: Operation not permitted", "forbidden"},
	{"/dev/net/tun: No such device", "module"},
	{"/dev/net/tun: Permission denied", "permission"},
	{"External interface not usable", "route"},
	{"Couldn't get any nameserver address", "servers"},
	{"pivot_root", "tmp"},
	{"/tmp", "tmp"},
}

// Kinds that are about pasta and what the sandbox's network needs.
var (
	tunClosed = &fix.Kind{
		ID: Name + "/tun-not-accessible", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "build users cannot open /dev/net/tun",
		Means: "pasta runs as a build user and makes the sandbox's network with that device. Lix waits for it for two minutes, " +
			"and every build that downloads fails.",
		Messages: []string{setupTimeout, "Failed to set up tap device in namespace", "Failed to open() /dev/net/tun: Permission denied"},
		Says:     "build users cannot open /dev/net/tun, so Lix waits two minutes for a network that never comes",
		Or: map[string]fix.Words{
			caseDir: "build users cannot enter {name} and so cannot open /dev/net/tun: Lix waits two minutes for a network that " +
				"never comes",
			caseOther: "/dev/net/tun is not the tun device, so Lix waits two minutes for a network that never comes",
		},
		Remedies: []fix.Remedial{
			{
				Case: caseMode, When: "its mode is to blame", Class: fix.Risky, Undo: undoMode,
				Changes: "sets the mode of /dev/net/tun to 0666, until the next boot; a udev rule makes it last, in a container: " +
					outside,
			},
			{
				Case: caseDir, When: "a directory on the way is closed", Class: fix.Risky, Undo: undoMode,
				Changes: "lets everybody enter {name}, until the next boot; change what makes the directory to make it last",
			},
			unlist,
			{
				Case: caseOther, When: "it is something else", Class: fix.Advice,
				Changes: "put the device in its place: character device 10:200; in a container, " + outside,
			},
		},
		Sources: []string{lixNews},
	}
	tunMissing = &fix.Kind{
		ID: Name + "/tun-missing", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "there is no /dev/net/tun",
		Means:    "pasta needs the device. Without it Lix gives the sandbox no network at all, and says nothing about it.",
		Messages: []string{cantResolve, "Network is unreachable"},
		Says:     "there is no /dev/net/tun, so the sandbox has no network at all, and nothing says so",
		Remedies: []fix.Remedial{
			{
				Case: caseStart, When: "the kernel module is not loaded", Class: fix.Risky, Undo: "lixfix undo unloads the module again",
				Changes: "loads the kernel module tun, until the next boot; a line in /etc/modules-load.d makes it last",
			},
			{Case: caseInside, When: "this is a container", Class: fix.Advice, Changes: outside},
			{
				Case: caseNixOS, When: "this is NixOS", Class: fix.Advice,
				Changes: "set boot.kernelModules = [ \"tun\" ]; in the configuration of NixOS and rebuild",
			},
			{
				Case: caseOther, When: "the module is there, or cannot be loaded", Class: fix.Advice,
				Changes: "make the device with \"mknod -m 666 /dev/net/tun c 10 200\", on a kernel that has the module tun; in a " +
					"container, " + outside,
			},
		},
		Sources: []string{lixNews},
	}
	pastaGone = &fix.Kind{
		ID: Name + "/pasta-not-usable", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title:    "pasta cannot be run, or is too old",
		Means:    "Lix starts it for every build that downloads, as a build user. Without it the build fails.",
		Messages: []string{"could not exec pasta: …", setupTimeout},
		Says:     "build users cannot run pasta, at the place that pasta-path names",
		Or:       map[string]fix.Words{"old": "this pasta is too old for a host without a default route"},
		Remedies: slices.Concat(dropsLine, []fix.Remedial{{
			Case: caseUpgrade, When: "it is too old", Class: fix.Advice,
			Changes: "install a passt of 2024-12-11 or newer and name it in pasta-path, or give the host a default route",
		}}),
		Sources: []string{lixNews},
	}
	pastaQuoted = &fix.Kind{
		ID: Name + "/pasta-path-quoted", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title:    "pasta-path consists of quotes",
		Means:    "nix.conf knows no quotes: Lix takes them for the name of a program, which is not there, and no build gets a network.",
		Messages: []string{"could not exec pasta: …"},
		Says:     "pasta-path is {pasta}: Lix takes the quotes for the name of a program, and no build gets a network",
		Remedies: dropsLine, Sources: []string{"nix.conf(5)"},
	}
	pastaEnds = &fix.Kind{
		ID: Name + "/pasta-ends", Status: fix.Broken, Title: "pasta ends before there is a network",
		Means:    "Lix waits for it for two minutes and then gives up; only the daemon's log says what pasta complains about.",
		Messages: []string{setupTimeout, "pasta exited with code …"},
		Says:     "pasta ends before it has set up the network of the sandbox; it says: {words}",
		Or: map[string]fix.Words{
			"forbidden":  "pasta is forbidden to use /dev/net/tun, as in containers that were not given it",
			"module":     "pasta cannot use /dev/net/tun: the kernel has no module for it",
			"permission": "pasta cannot open /dev/net/tun: something keeps build users from it that its mode does not show",
			"route":      "pasta cannot set up the network of the sandbox: the host has no default route",
			"servers":    "pasta cannot set up the network of the sandbox: it can read no server in /etc/resolv.conf",
			"tmp":        "pasta cannot shut itself in, for which it needs /tmp",
		},
		Remedies: []fix.Remedial{
			{
				Case: "forbidden", When: "the device is forbidden", Class: fix.Advice, Changes: outside,
			},
			{Case: "module", When: "the module is not there", Class: fix.Advice, Changes: "run \"modprobe tun\""},
			{
				Case: "route", When: "there is no default route", Class: fix.Advice,
				Changes: "give the host a default route, or use a newer passt",
			},
			{Case: "tmp", When: "/tmp is closed", Class: fix.Advice, Changes: "let all users enter /tmp: \"chmod 1777 /tmp\""},
			{
				Case: caseOther, When: "it says something else", Class: fix.Advice,
				Changes: "remove what it complains about, or name another passt in pasta-path and restart the daemon",
			},
		},
		Sources: []string{manPasta},
	}
	appArmor = &fix.Kind{
		ID: Name + "/apparmor", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "AppArmor denied pasta something",
		Means: "The distribution's profile for passt fits the way the distribution runs it, not the way Lix does. What it denies " +
			"may be just what the network of the sandbox needs.",
		Messages: []string{setupTimeout},
		Says:     "AppArmor denied pasta something that it asked for",
		Remedies: []fix.Remedial{advise("let pasta-path name the passt of the Nix store, which the profile does not cover, or add " +
			"to the profile of the distribution in /etc/apparmor.d/local")},
	}
	firewall = &fix.Kind{
		ID: Name + "/firewall-by-user", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "the firewall treats users or groups differently",
		Means: "Builds, and pasta for them, ask name servers as a build user. A rule that lets only some users out, such as that " +
			"of a VPN, shuts them in while root resolves names.",
		Messages: []string{cantResolve, tempFailure},
		Says:     "the firewall treats users or groups differently; build users may be among those",
		Or: map[string]fix.Words{
			"drops": "a rule of the firewall drops what build users send to name servers",
			"blame": "the firewall treats users or groups differently, and build users get no answer",
		},
		Remedies: []fix.Remedial{advise("allow the group of the build users in those rules; pasta and builds run as {user} and " +
			"its like")},
		Sources: []string{"nft(8), meta skuid", "iptables-extensions(8), owner"},
	}
	sandboxOff = &fix.Kind{
		ID: Name + "/sandbox-off", Status: fix.AtRisk, Title: "builds run without the sandbox",
		Means: "They use the network and the files of the host, so what is said of the sandbox here does not apply to them.",
		Says:  "the sandbox is off, so builds use the network and the files of the host",
		Or: map[string]fix.Words{
			"relaxed": "the sandbox is open for fixed-output builds, so they use the network and the files of the host",
			"build":   "the build ran outside the sandbox, so pasta plays no part",
		},
		Remedies: []fix.Remedial{
			{
				Case: "setting", When: "it is set so", Class: fix.Advice,
				Changes: "nothing has to be done for DNS; \"sandbox = true\" in nix.conf switches it on",
			},
			{
				Case: "fallback", When: "a build ran without it", Class: fix.Advice,
				Changes: "look at the settings sandbox and sandbox-fallback: where namespaces are missing, as in containers, Lix and " +
					"Nix go on without",
			},
		},
		Sources: []string{"nix.conf(5), sandbox-fallback"},
	}
	race = &fix.Kind{
		ID: Name + "/start-race", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title:    "a build starts before pasta has set its route",
		Means:    "A lookup in the first moment of a build fails now and then. Nothing is wrong with the configuration.",
		Messages: []string{"Network is unreachable", cantResolve},
		Says:     "builds can start before pasta has given them a route, so that a lookup in the first moment sometimes fails",
		Remedies: []fix.Remedial{advise("build again; fewer builds at a time (max-jobs) make it rarer")},
	}
)

// Kinds that are about the daemon.
var (
	daemonApart = &fix.Kind{
		ID: Name + "/daemon-elsewhere", Status: fix.Broken, Title: "the daemon has another network, or other files, than lixfix sees",
		Means:    "A unit can give it namespaces and mounts of its own. Builds see the host as the daemon does.",
		Messages: []string{cantResolve},
		Says:     "names do not resolve where the daemon is: {apart}",
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Command: "sudo nsenter --target {pid} --net --mount lixfix check " + Name + " --passive",
			Changes: "look at the host as the daemon sees it, and at NetworkNamespacePath, PrivateNetwork, BindPaths and the like " +
				"in its unit",
		}},
		Sources: []string{"systemd.exec(5)"},
	}
	restarting = fix.Remedial{
		Case: caseStart, When: "systemd runs it", Class: fix.Risky, Undo: "nothing has to be undone",
		Changes: "restarts the daemon, so that it reads nix.conf again; builds that run go on",
	}
	daemonConf = &fix.Kind{
		ID: Name + "/daemon-configuration", Status: fix.Broken, Title: "the daemon goes by another configuration than nix.conf",
		Means: "It was told to read another file, or has not read nix.conf since it was changed. So pasta-path, sandbox and " +
			"sandbox-paths are not what they seem.",
		Says: "nix.conf was changed after the daemon started, and the daemon has not read it since",
		Or: map[string]fix.Words{
			"own": "the daemon has a configuration of its own, which lixfix does not read: {variables}",
		},
		Remedies: []fix.Remedial{
			restarting,
			{Case: caseByHand, When: "something else runs it", Class: fix.Advice, Changes: "restart the daemon"},
			{
				Case: "own", When: "its environment names another one", Class: fix.Advice,
				Changes: "look at pasta-path, sandbox and sandbox-paths there; \"systemctl show -p Environment nix-daemon\" tells where",
			},
		},
		Sources: []string{"nix.conf(5)"},
	}
	fetcher = &fix.Kind{
		ID: Name + "/daemon-fetcher", Status: fix.Broken, Title: "only the daemon's own fetcher cannot resolve names",
		Means: "builtin:fetchurl runs in the daemon's process, with the resolver that it loaded at its start. It knows nothing of " +
			"what has changed since.",
		Messages: []string{
			"unable to download '…': Could not resolve hostname (6)",
			"unable to download '…': Couldn't resolve host name (6)", "Could not resolve hostname (6)",
			"Couldn't resolve host name (6)",
		},
		Says: "names resolve in the sandbox, but not for the daemon's own fetcher (builtin:fetchurl)",
		Remedies: []fix.Remedial{
			{
				Case: caseStart, When: "systemd runs it", Class: fix.Risky, Undo: "nothing has to be undone",
				Changes: "restarts nix-daemon.service, so that it sees how names are resolved now; builds that run go on",
			},
			{
				Case: caseByHand, When: "something else runs it", Class: fix.Advice,
				Changes: "restart the daemon, so that it sees how names are resolved now",
			},
		},
		Sources: []string{"https://github.com/NixOS/nix/issues/5089"},
	}
)
