package known

import "github.com/lixfix/lixfix/fixes/fix"

const (
	printJob  = "launchctl print system/org.nixos.nix-daemon"
	bootstrap = "sudo launchctl bootstrap system /Library/LaunchDaemons/org.nixos.nix-daemon.plist"
)

// launchd is the daemon's job on a Mac. Numbers are those of errno, and of launchd's own errors behind them.
func launchd() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "daemon/launchd-not-loaded", Status: fix.Broken, Title: "launchd does not know the daemon's job",
			Means: "Its file is missing, nobody loaded it, or it was switched off in Login Items, where it is called \"sh\".",
			Messages: []string{
				"Could not find service \"org.nixos.nix-daemon\" in domain for system", "Bad request.",
				"cannot connect to socket at '…': Connection refused", "cannot connect to socket at '…': No such file or directory",
				"could not connect to any lix socket (tried …)",
			},
			Remedies: do("load it; if that fails, look at System Settings, General, Login Items", bootstrap),
			Sources:  []string{nix + "6499", nix + "9978"},
		},
		{
			ID: "daemon/launchd-disabled", Status: fix.Broken, Title: "the daemon's job is disabled",
			Means:    "Somebody ran \"launchctl disable\" or \"unload -w\". launchd remembers that, also after a restart.",
			Messages: []string{"Bootstrap failed: 119: Service is disabled", "Load failed: 119: Service is disabled"},
			Remedies: do("enable it, then load it", "sudo launchctl enable system/org.nixos.nix-daemon; "+bootstrap),
			Sources:  []string{nix + "6499", nix + "2780", installer + "530"},
		},
		{
			ID: "daemon/launchd-refuses", Status: fix.Broken, Title: "launchd does not load a job, and does not say why",
			Means:    "Error 5 means one of these: it is already loaded, it is disabled, it is switched off in Login Items, or its file has a mistake.",
			Messages: []string{"Bootstrap failed: 5: Input/output error", "Load failed: 5: Input/output error", "Try running `launchctl bootstrap` as root for richer errors."},
			Remedies: do("find out which", printJob+"; launchctl print-disabled system; plutil -lint /Library/LaunchDaemons/org.nixos.nix-daemon.plist"),
			Sources:  []string{nix + "9978", nix + "13863"},
		},
		{
			ID: "daemon/launchd-boot-out", Status: fix.AtRisk, Title: "launchd does not unload a job",
			Means: "Error 3: it was not loaded. 36: it is still ending. 37: it is still starting. 2 and 5: name it " +
				"by its label, not by its file.",
			Messages: []string{
				"Boot-out failed: 5: Input/output error", "Boot-out failed: 3: No such process", "Boot-out failed: 36: Operation now in progress",
				"Boot-out failed: 2: No such file or directory", "Bootstrap failed: 37: Operation already in progress",
			},
			Remedies: do("unload it by its label, and wait until launchd does not know it any more", "sudo launchctl bootout system/org.nixos.nix-daemon; "+printJob),
			Sources:  []string{installer + "1187", installer + "1270"},
		},
		{
			ID: "daemon/launchd-kickstart", Status: fix.AtRisk, Title: "launchd did not restart a job",
			Means:    "\"launchctl kickstart -k\" fails like this now and then, for no visible reason.",
			Messages: []string{"Could not kickstart service \"…\": 1: Operation not permitted"},
			Remedies: do("run it again", "sudo launchctl kickstart -k system/org.nixos.nix-daemon"),
			Sources:  []string{installer + "1344", nix + "12721"},
		},
		{
			ID: "daemon/plist-mode", Status: fix.Broken,
			Title:    "launchd rejects the file of a job because others could change it",
			Means:    "It has to belong to root, and only root may write to it.",
			Messages: []string{"Path had bad ownership/permissions"},
			Remedies: do("set its owner and its mode", "sudo chown root:wheel /Library/LaunchDaemons/org.nixos.*; "+
				"sudo chmod 644 /Library/LaunchDaemons/org.nixos.*"),
		},
		{
			ID: "daemon/starting", Status: fix.OK, Title: "launchd starts a job only when the Mac is up",
			Means:    "It logs this each time the Mac starts. Nothing is wrong.",
			Messages: []string{"pending spawn, domain in on-demand-only mode"},
		},
		{
			ID: "daemon/external-volume", Status: fix.Broken, Title: "macOS does not let a job read the disk that /nix is on",
			Means:    "The store is on an external disk, and launchd's jobs need permission to read those.",
			Messages: []string{"posix_spawn(/bin/sh), error 0xd - Permission denied"},
			Remedies: do("give /bin/sh Full Disk Access, or move the store to the internal disk", ""),
			Sources:  []string{nix + "6291", nix + "4640"},
		},
		{
			ID: "daemon/two-daemons", Status: fix.Broken, Title: "Determinate Nix and another Nix are both installed",
			Means:    "Each has a daemon and a configuration of its own. nix-darwin stops where it finds Determinate's.",
			Messages: []string{"error: Determinate detected, aborting activation", "Nix binary did not exist at …"},
			Remedies: do("keep one of them: nix.enable = false in nix-darwin leaves Nix to Determinate", "cat "+
				"/nix/receipt.json | head -c 300; ls /Library/LaunchDaemons"),
			Sources: []string{installer + "1662"},
		},
		{
			ID: "daemon/nix-hook-idle", Status: fix.AtRisk, Title: "the job that repairs shell files is not the one that the installer expects",
			Means:    "It comes from another installer or an earlier release.",
			Messages: []string{"exists and contains content different than expected. Consider removing the file."},
			Remedies: do("compare the file that the message names with what the installer would write; it only keeps shell files up to date", ""),
		},
		{
			ID: "tls-certs/proxy-not-seen-by-daemon", Status: fix.Broken, Title: "the daemon does not know the proxy",
			Means:    "On a Mac it sees only the variables set in its job, not the proxy in System Settings.",
			Messages: []string{"unable to download '…': Couldn't resolve host name (6)", "Couldn't resolve host name (6)"},
			Remedies: do("if there is a proxy, add https_proxy to the EnvironmentVariables of the daemon's job", "scutil --proxy"),
			Sources:  []string{nix + "1472"},
		},
	}
}
