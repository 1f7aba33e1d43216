package known

import "github.com/lixfix/lixfix/fixes/fix"

// home is what lies in the homes of users, and their profiles.
func home() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "user-cache/owner", Status: fix.Broken, Title: "files of root are in a user's cache",
			Means: "\"sudo nix\" ran with the user's HOME and wrote to ~/.cache/nix, and the user cannot open " +
				"those files.",
			Messages: []string{"cannot open SQLite database '…/.cache/nix/fetcher-cache-v1.sqlite'"},
			Remedies: do("move the cache away; Nix makes a new one", "sudo mv ~/.cache/nix ~/.cache/nix.old"),
		},
		{
			ID: "user-cache/home-of-another", Status: fix.AtRisk, Title: "HOME belongs to another user",
			Means: "sudo kept HOME, or set it to /root for another user. Nix then uses the home in /etc/passwd, or " +
				"fails if it cannot read the other one.",
			Messages: []string{
				"is not owned by you, falling back to the one defined in the 'passwd' file", "getting status of /root/.nix-defexpr/channels: Permission denied",
				"terminate called after throwing an instance of 'nix::SysError'",
			},
			Remedies: do("have sudo set HOME", "sudo -H nix --version"),
		},
		{
			ID: "profile-links/lock-denied", Status: fix.Broken, Title: "the directory of a user's profile belongs to root",
			Means:    "It is below /nix/var/nix/profiles/per-user, and the user cannot lock the profile there.",
			Messages: []string{"opening lock file '…/profile.lock': Permission denied"},
			Remedies: do("give the directory back to its user: sudo chown -R USER /nix/var/nix/profiles/per-user/USER", "ls -ld /nix/var/nix/profiles/per-user/*"),
		},
		{
			ID: "profile-links/cannot-create", Status: fix.Broken, Title: "a directory for a profile cannot be made",
			Means:    "Nix keeps profiles in ~/.local/state/nix, and before 2.14 in /nix/var/nix/profiles/per-user.",
			Messages: []string{"error: the directory '…' does not exist and cannot be created"},
			Remedies: do("see who owns the directory", "ls -ld ~/.local/state/nix /nix/var/nix/profiles/per-user"),
		},
		{
			ID: "profile-links/other-tool", Status: fix.NotApplicable, Title: "the profile belongs to another command",
			Means: "Once \"nix profile\" has changed a profile, nix-env refuses it, because the two keep their " +
				"lists in different formats.",
			Messages: []string{"profile '…' is incompatible with 'nix-env'; please use 'nix profile' instead"},
			Remedies: do("use nix profile; \"nix profile list\" shows what is in it", "nix profile list"),
		},
		{
			ID: "profile-links/stale-root", Status: fix.OK, Title: "a link that kept a path alive leads nowhere any more",
			Means:    "The garbage collection removes such links. Nothing is wrong.",
			Messages: []string{"removing stale link from '…' to '…'"},
		},
	}
}
