package known

import "github.com/lixfix/lixfix/fixes/fix"

// shell is what makes shells find nix.
func shell() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "shell-hook/not-found", Status: fix.Broken, Title: "the shell does not find nix",
			Means: "Installers add a few lines to /etc/zshrc, /etc/bashrc and the like, which put nix on the PATH. An upgrade of macOS, and on " +
				"some Linux systems an update, writes those files anew. Nix itself is still there: nothing has to be installed again, and " +
				"/nix must not be deleted.",
			Messages: []string{"nix: command not found", "zsh: command not found: nix", "-bash: nix: command not found", "nix-env: command not found", "fish: Unknown command: nix"},
			Remedies: do("load them now with the command below (in fish, nix-daemon.fish), and put them back into the file that your shell reads", ". /nix/var/nix/profiles/default/etc/profile.d/nix-daemon.sh"),
			Sources:  []string{nix + "3616", nix + "7100", nix + "6117"},
		},
		{
			ID: "shell-hook/sudo", Status: fix.NotApplicable, Title: "sudo does not find nix",
			Means:    "sudo replaces PATH with secure_path from its configuration, which has nothing below /nix.",
			Messages: []string{"sudo: nix: command not found"},
			Remedies: do("start a login shell of root, or name the program in full", "sudo -i nix --version"),
		},
		{
			ID: "shell-hook/ssh", Status: fix.Broken, Title: "a command over ssh does not find nix",
			Means: "\"ssh host command\" starts a shell that is neither a login shell nor interactive: it reads " +
				"/etc/zshenv at most. Remote builders fail for the same reason.",
			Messages: []string{"zsh:1: command not found: nix-store", "bash: line 1: nix-store: command not found", "bash: line 1: nix-daemon: command not found"},
			Remedies: do("have /etc/zshenv load nix-daemon.sh, or link nix-store and nix-daemon into /usr/local/bin", ""),
		},
		{
			ID: "shell-hook/two-profiles", Status: fix.AtRisk,
			Title: "there are two profiles, one in the old place and one in the new",
			Means: "~/.nix-profile and ~/.local/state/nix/profile both exist. The newer place wins, so the " +
				"packages in the other one seem to be gone.",
			Messages: []string{"Both … and legacy … exist; using the former."},
			Remedies: do("see which has your packages, and remove the other link", "ls -l ~/.nix-profile ~/.local/state/nix/profile"),
		},
		{
			ID: "backup-files/left-over", Status: fix.AtRisk, Title: "a backup of an earlier installation is in the way",
			Means: "The installer saves each shell file before it changes it, and stops if there is a backup already. Nothing is lost by " +
				"moving the backup away, once you have seen that the file itself is the one you want.",
			Messages: []string{
				"I need to back up … to …, but the latter already exists.", "I need to back up … to ….backup-before-nix",
			},
			Remedies: do("compare the two, then move the backup away", "diff /etc/bashrc.backup-before-nix /etc/bashrc"),
			Sources:  []string{nix + "9975", nix + "11524"},
		},
		{
			ID: "shell-hook/managed-file-replaced", Status: fix.Broken, Title: "macOS has replaced files that nix-darwin manages",
			Means:    "An upgrade of macOS put its own files in the place of nix-darwin's links. nix-darwin overwrites no file that it does not know.",
			Messages: []string{"Unexpected files in /etc, aborting activation", "error: Found nix-daemon.sh reference in /etc/profile, aborting activation"},
			Remedies: do("move each file that the message names aside, and activate again", "sudo mv /etc/zshrc /etc/zshrc.before-nix-darwin; sudo darwin-rebuild switch"),
			Sources:  []string{darwin + "1509", darwin + "1621"},
		},
		{
			ID: "nix-darwin/installed", Status: fix.NotApplicable, Title: "nix-darwin is still installed",
			Means: "The installer does not uninstall Nix while nix-darwin is there, because nix-darwin's links " +
				"would lead nowhere.",
			Messages: []string{"installation detected, it must be removed before uninstalling Nix"},
			Remedies: do("uninstall nix-darwin first", "sudo nix --extra-experimental-features 'nix-command flakes' run nix-darwin#darwin-uninstaller"),
		},
		{
			ID: "nix-darwin/app-management", Status: fix.Broken, Title: "macOS does not let the terminal change applications",
			Means:    "Replacing apps needs the App Management permission, which the terminal has to have; root alone is not enough.",
			Messages: []string{"permission denied when trying to update apps, aborting activation"},
			Remedies: do("allow it: System Settings, Privacy & Security, App Management", ""),
		},
		{
			ID: "installer/rosetta", Status: fix.NotApplicable, Title: "the installer runs under Rosetta",
			Means:    "A shell for Intel Macs started it, so it would install Nix for Intel.",
			Messages: []string{"Detected that this process is running under Rosetta, using Nix in Rosetta is not supported"},
			Remedies: do("start it from a native shell", "arch -arm64 /bin/zsh -l"),
		},
		{
			ID: "installer/time-machine", Status: fix.OK, Title: "Time Machine could not be told to leave out the store",
			Means:    "The volume of the store is backed up only if somebody asks for it. Nothing is wrong.",
			Messages: []string{"Error (-50) while attempting to change exclusion setting."},
		},
	}
}
