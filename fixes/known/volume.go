package known

import "github.com/lixfix/lixfix/fixes/fix"

const (
	lookAtVolume = "diskutil info /nix; diskutil apfs list | grep -B 3 -A 8 Nix"
	fullAccess   = "System Settings, Privacy & Security, Full Disk Access: allow the terminal, then quit and reopen it"
)

// volume is the volume that /nix is on, on a Mac.
func volume() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "store-volume/not-mounted", Status: fix.Broken, Title: "the volume of the store is not mounted",
			Means:    "Since macOS 10.15 /nix is a volume of its own, which a job mounts at each start.",
			Messages: []string{"Could not find disk: /nix", "The given APFS Volume is not locked (-69589)"},
			Remedies: do("start the job that mounts it", "sudo launchctl kickstart system/org.nixos.darwin-store"),
			Sources:  []string{installer + "838", nix + "5938"},
		},
		{
			ID: "store-volume/volume-missing", Status: fix.Broken, Title: "the volume of the store is not there",
			Means: "The configuration names a volume that no disk has: it is on another disk, was deleted, or was never made. Delete " +
				"nothing before you know which.",
			Messages: []string{
				"Could not find disk: …", "Failed to find disk Nix Store", "but there exists an fstab entry for that volume, as well as a service file at",
				"likely the volume is not yet created or there is some synchronization issue", "UUID for APFS volume labelled",
			},
			Remedies: do("look for it", "diskutil apfs list; grep -n nix /etc/fstab"),
			Sources:  []string{nix + "8198", installer + "985"},
		},
		{
			ID: "store-volume/locked", Status: fix.Broken, Title: "the volume of the store is locked",
			Means:    "It is encrypted, and the job that unlocks it with the password in the system's keychain did not run or failed.",
			Messages: []string{"Enter a password to unlock the disk \"Nix Store\".", "com.apple.DiskManagement.disenter error 49229"},
			Remedies: do("start the job", "sudo launchctl kickstart system/org.nixos.darwin-store"),
			Sources:  []string{installer + "1498", installer + "1833"},
		},
		{
			ID: "store-volume/keychain-missing", Status: fix.Broken, Title: "the keychain has no password for the volume of the store",
			Means: "Installers store it under the name of the volume or under its UUID, and look nowhere else. After a migration to a new Mac it is " +
				"often in another keychain. Without it the volume cannot be unlocked; never delete the volume before you are sure that it is lost.",
			Messages: []string{
				"security: SecKeychainSearchCopyNext: The specified item could not be found in the keychain.",
				"The keychain lacks a password for the already existing …",
			},
			Remedies: do("look for it by the name of the volume, as the service and as the account of the entry", "security find-generic-password -s 'Nix Store'; security find-generic-password -a 'Nix Store'"),
			Sources:  []string{installer + "1105", installer + "936"},
		},
		{
			ID: "store-volume/keychain-wrong", Status: fix.Broken,
			Title:    "the password in the keychain does not unlock the volume",
			Means:    "There are several entries, from several installations, or the volume was encrypted again.",
			Messages: []string{"The given passphrase is incorrect (-69557)", "The crypto user was not found on the APFS Volume"},
			Remedies: do("list the entries with Keychain Access, and the users of the volume", "diskutil apfs listCryptoUsers 'Nix Store'"),
			Sources:  []string{nix + "2925"},
		},
		{
			ID: "store-volume/synthetic", Status: fix.Broken, Title: "/etc/synthetic.conf does not make /nix",
			Means: "At each start, macOS makes directories below / from that file. The line has to be \"nix\" and nothing else, and the last line " +
				"has to end in a newline. After a line with blanks instead of a tab, or without a newline, macOS skips the rest.",
			Messages: []string{
				"error: failed to configure synthetic.conf", "failed to stitch firmlinks and/or create synthetics for root volume",
				"error: failed to bootstrap /nix", "error: apfs.util failed to symlink /run, aborting activation", "error: Directory /run does not exist",
			},
			Remedies: do("correct the file, and restart the Mac", "od -c /etc/synthetic.conf"),
			Sources:  []string{nix + "8771", darwin + "401", darwin + "1148"},
		},
		{
			ID: "store-volume/synthetic-symlink", Status: fix.Broken, Title: "/nix is a link",
			Means:    "A line in /etc/synthetic.conf makes it one. Nix wants a directory there.",
			Messages: []string{"error: /nix is a symlink"},
			Remedies: do("shorten that line to \"nix\", and restart the Mac", "cat /etc/synthetic.conf"),
		},
		{
			ID: "store-volume/needs-full-disk-access", Status: fix.Broken, Title: "macOS does not let the terminal write to /etc/fstab",
			Means:    "Even root needs Full Disk Access for that, and it is the terminal that has to have it.",
			Messages: []string{"Rename /etc/fstab.tmp to /etc/fstab", "vifs: error creating /etc/fstab", "This operation is restricted by Sandbox (-69464)"},
			Remedies: do(fullAccess, ""),
			Sources:  []string{installer + "1627", nix + "13723"},
		},
		{
			ID: "store-volume/fstab-busy", Status: fix.Broken, Title: "somebody else is editing /etc/fstab",
			Means:    "vifs locks the file, and another vifs still holds the lock, perhaps in a forgotten window.",
			Messages: []string{"vifs: file is busy"},
			Remedies: do("quit the other vifs", "pgrep -l vifs"),
		},
		{
			ID: "store-volume/not-root", Status: fix.NotApplicable, Title: "a command for disks was run without root",
			Means: "Only root may unlock and mount the volume of the store.",
			Messages: []string{
				"Error unlocking APFS Volume: Couldn't mount disk (-69842)", "Insufficient privileges (-69863)", "vifs: need to run as root",
				"Perhaps the operation is not allowed by the invoking user (kDAReturnNotPrivileged)",
			},
			Remedies: do("run it again with sudo", ""),
			Sources:  []string{installer + "1617", nix + "6122"},
		},
		{
			ID: "store-volume/in-use", Status: fix.Broken, Title: "the volume of the store is in use, so it cannot be unmounted",
			Means:    "A daemon, a shell or an app runs from it. macOS itself may keep it busy until the Mac is restarted.",
			Messages: []string{"Couldn't unmount disk (-69888)"},
			Remedies: do("see who uses it, and quit that; restarting the Mac often helps as well", "sudo lsof +f -- /nix"),
			Sources:  []string{installer + "936"},
		},
		{
			ID: "store-volume/job-failed", Status: fix.Broken, Title: "the volume of the store could not be mounted",
			Means: "The job that mounts it failed, or Disk Utility did. The log of the job says more.",
			Messages: []string{
				"Volume on disk1s7 failed to mount", "Volume on … failed to mount", "com.apple.DiskManagement.disenter error 49218", "Could not mount “Nix Store”.",
			},
			Remedies: do("look at the job and at its log", "launchctl print system/org.nixos.darwin-store; tail /var/log/darwin-store.log"),
			Sources:  []string{nix + "6122", nix + "6012"},
		},
		{
			ID: "store-volume/mdm", Status: fix.Broken,
			Title: "the device management (MDM) of this Mac forbids mounting the volume",
			Means: "A configuration profile of your organisation denies access to internal disks. Nothing on " +
				"this Mac can change that.",
			Messages: []string{"failed to mount: \"SUIS premount dissented\""},
			Remedies: do("ask the administrator who manages this Mac", "sudo profiles -P"),
			Sources:  []string{nix + "6669", nix + "11906"},
		},
		{
			ID: "store-volume/wrong-disk", Status: fix.Broken,
			Title:    "the disk that was named is not an APFS container",
			Means:    "The installer asked for a volume on a disk of another kind.",
			Messages: []string{"The given disk is not an APFS Container Reference (-69630)"},
			Remedies: do("name the container that macOS is on, with the installer's option for the root disk", "diskutil apfs list"),
			Sources:  []string{nix + "10421"},
		},
		{
			ID: "store-volume/unencrypted", Status: fix.AtRisk, Title: "the volume of the store could not be encrypted",
			Means:    "FileVault is on, and the volume is not encrypted: it was not mounted, or had no user yet.",
			Messages: []string{"You must specify the Disk user when starting encryption with no existing users", "The APFS Volume must be mounted in order to be encrypted"},
			Remedies: do("mount it first, then encrypt it", "diskutil apfs encryptVolume 'Nix Store' -user disk"),
			Sources:  []string{nix + "2925", nix + "11722"},
		},
		{
			ID: "store-volume/starting", Status: fix.OK, Title: "macOS logs that an encrypted volume is not unlocked yet",
			Means:    "It does so at each start, before the job unlocks the volume. Nothing is wrong by itself.",
			Messages: []string{"Failed to unwrap metadata crypto state", "(status code 0x0000004D)"},
			Sources:  []string{installer + "689"},
		},
		{
			ID: "store-volume/job-stale", Status: fix.Broken, Title: "the job that mounts the store is not the one that the installer expects",
			Means:    "It is from another installer, or from an earlier release of it.",
			Messages: []string{"` contents differs, planned `"},
			Remedies: do("compare it with the volume that is there; move it away only if another job mounts the store", "cat /Library/LaunchDaemons/org.nixos.darwin-store.plist"),
		},
		{
			ID: "store-volume/job-not-loaded", Status: fix.Broken, Title: "launchd does not know the job that mounts the store",
			Means:    "Its file is missing, it was disabled, or it was switched off in Login Items, where it is called \"sh\".",
			Messages: []string{"Could not find service \"org.nixos.darwin-store\" in domain for system"},
			Remedies: do("load it", "sudo launchctl bootstrap system /Library/LaunchDaemons/org.nixos.darwin-store.plist"),
			Sources:  []string{nix + "9978"},
		},
		{
			ID: "store-volume/ownership-off", Status: fix.Broken,
			Title: "macOS ignores file ownership on the volume of the store",
			Means: "Every file then seems to belong to the user who looks at it. On Linux, the same message " +
				"means that no daemon is running.",
			Messages: []string{"could not set permissions on '…' to 755: Operation not permitted"},
			Remedies: do("on a Mac, turn ownership on; elsewhere, check the daemon", "sudo diskutil enableOwnership /nix"),
			Sources:  []string{nix + "10421"},
		},
	}
}
