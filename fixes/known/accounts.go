package known

import "github.com/lixfix/lixfix/fixes/fix"

// accounts are those of the build users. Messages of Nix: libstore/lock.cc, libstore/unix/user-lock.cc.
func accounts() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "build-users/group-missing", Status: fix.Broken, Title: "there is no group of build users",
			Means: "Nix runs builds as the members of the group that build-users-group names, by default nixbld. Without the group no " +
				"build starts. On a Mac, the fix sequoia checks it.",
			Messages: []string{"the group '…' specified in 'build-users-group' does not exist"},
			Remedies: do("create the group again with the installer or the package that Nix came with; its ID has to be that of the "+
				"store's group", "getent group nixbld; stat -c '%G %g' /nix/store"),
		},
		{
			ID: "build-users/group-empty", Status: fix.Broken, Title: "the group of build users has no members",
			Means: "Nix reads the list of members in /etc/group. A user who only has the group as primary group is not in that list.",
			Messages: []string{
				"the build users group '…' has no members",
			},
			Remedies: do("add each build user to the list: sudo gpasswd -a nixbld1 nixbld, and so on", "getent group nixbld"),
			Sources:  []string{nix + "4716"},
		},
		{
			ID: "build-users/user-missing", Status: fix.Broken, Title: "the group of build users lists a user who does not exist",
			Means:    "The daemon goes through the list, and stops at the first user who is missing. On a Mac, the fix sequoia checks that.",
			Messages: []string{"the user '…' in the group '…' does not exist"},
			Remedies: do("create the user again, or take the name out of the list: sudo gpasswd -d NAME nixbld", "getent group nixbld"),
		},
		{
			ID: "build-users/human-in-group", Status: fix.Broken,
			Title: "the user who runs Nix is in the group of build users",
			Means: "That group is for builds alone: otherwise a build could act as the user. Nix refuses to build " +
				"as a user it runs as, and Lix since 2.95 turns members away.",
			Messages: []string{"the Nix user should not be a member of '…'", "should not be a member of '…'"},
			Remedies: do("leave the group, and log in again", "sudo gpasswd -d \"$USER\" nixbld"),
		},
		{
			ID: "build-users/other-gid", Status: fix.AtRisk,
			Title: "an installer expects another ID for the build group",
			Means: "The group is from an earlier installation or a package, and has another ID than the installer would " +
				"choose. Nix itself does not mind.",
			Messages: []string{"existed but had a different gid (…) than planned (…)", "error: Build user group has mismatching GID, aborting activation"},
			Remedies: do("tell the installer the ID of the group with --nix-build-group-id, or nix-darwin with "+
				"ids.gids.nixbld; do not change the ID of a group that the store belongs to", "getent group nixbld"),
			Sources: []string{installer + "745", installer + "1867"},
		},
		{
			ID: "build-users/other-uid", Status: fix.AtRisk,
			Title: "an installer expects other IDs for the build users",
			Means: "The users are from an earlier installation, and have other IDs than the installer would choose. " +
				"On a Mac, the fix sequoia checks them.",
			Messages: []string{"existed but had a different uid (…) than planned (…)"},
			Remedies: do("tell the installer: --nix-build-user-id-base is the ID of the first user, less one", "getent passwd | grep nixbld"),
		},
		{
			ID: "build-users/accounts-not-written", Status: fix.Broken, Title: "a tool cannot change users or groups",
			Means: "Another tool holds the lock of /etc/group, or was killed while it held it. Or the file cannot " +
				"be replaced, for example because it is mounted into a container.",
			Messages: []string{
				"gpasswd: cannot lock /etc/group; try again later.", "gpasswd: existing lock file /etc/group.lock without a PID",
				"gpasswd: failure while writing changes to /etc/group", "gpasswd: user '…' does not exist",
				"groupadd: GID '…' already exists", "useradd: UID … is not unique",
			},
			Remedies: do("see whether another tool is still running; if none is, delete the lock file that it left "+
				"behind", "ls -l /etc/*.lock"),
		},
		{
			ID: "build-users/sys-uid", Status: fix.OK, Title: "useradd warns that build users have high numbers",
			Means:    "Installers choose numbers above those of system users on purpose. Nothing is wrong.",
			Messages: []string{"useradd warning: …'s uid … is greater than SYS_UID_MAX …"},
		},
		{
			ID: "build-users/key-of-gone-volume", Status: fix.AtRisk, Title: "the keychain has a password for a volume that is gone",
			Means:    "An earlier installation left it behind. The installer stops, because it cannot tell whether a disk is missing.",
			Messages: []string{"The keychain has an existing password for a non-existing …"},
			Remedies: do("make sure that the volume is not on a disk that is unplugged; then delete the entry named in the message with Keychain Access", ""),
			Sources:  []string{installer + "1183"},
		},
	}
}
