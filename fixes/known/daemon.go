package known

import "github.com/lixfix/lixfix/fixes/fix"

// daemon is what belongs to the daemon and its units, and no fix finds.
func daemon() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "daemon/client-old", Status: fix.Broken, Title: "an old nix talks to a new daemon",
			Means:    "Lix 2.94 and later only talks to clients that speak protocol 1.35 or later: Nix since 2.15, or Lix. Often an old nix comes first in PATH.",
			Messages: []string{"the Nix client version is too old"},
			Remedies: do("use the nix of the same release as the daemon", "type -a nix; nix --version"),
		},
		{
			ID: "daemon/open-files", Status: fix.Broken, Title: "the daemon, or a client, has too many files open",
			Means:    "Each connection takes a few. Old launchd jobs and units without LimitNOFILE leave the daemon 256 or 1024.",
			Messages: []string{"accepting connection", "Too many open files"},
			Remedies: do("raise the limit: LimitNOFILE=1048576 in the unit, SoftResourceLimits in the job of launchd", "systemctl show -p LimitNOFILE nix-daemon.service"),
		},
		{
			ID: "daemon/own-program", Status: fix.Broken, Title: "the daemon cannot find its own program",
			Means: "Lix 2.94 and later starts a program for each connection, and reads its name from /proc/self/exe. " +
				"It cannot if /proc is hidden or not mounted.",
			Messages: []string{"can't locate the daemon binary!"},
			Remedies: do("mount /proc for the daemon; in a unit, ProtectProc= and ProcSubset= hide it", "ls -l /proc/self/exe"),
		},
		{
			ID: "daemon/reload-needed", Status: fix.AtRisk, Title: "a unit has changed on the disk since systemd read it",
			Means: "systemd still uses what it read before. If the change is an upgrade to Lix 2.95 or later, first run " +
				"\"lixfix check lix-units\" to see whether all its units are there: reading them closes the old daemon's socket.",
			Messages: []string{"Warning: The unit file, source configuration file or drop-ins of … changed on disk. Run 'systemctl daemon-reload' to reload units."},
			Remedies: do("check, then have systemd read its units again", "lixfix check lix-units daemon && sudo systemctl daemon-reload"),
		},
		{
			ID: "daemon/systemctl-as-user", Status: fix.NotApplicable, Title: "systemctl was run without root",
			Means:    "Anybody may look, but only root may start a unit. With SELinux enforcing, root is denied too where units lead into /nix.",
			Messages: []string{"Failed to start nix-daemon.socket: Access denied"},
			Remedies: do("run it again with sudo", "sudo systemctl start nix-daemon.socket"),
		},
		{
			ID: "lix-units/no-install-section", Status: fix.OK, Title: "systemctl cannot enable the service of Lix 2.95 and later",
			Means:    "That release is started by its socket, and its service has no [Install] section on purpose. Enable nix-daemon.socket instead.",
			Messages: []string{"The unit files have no installation config"},
		},
		{
			ID: "lix-units/delegate-subgroup", Status: fix.OK, Title: "systemd before 254 does not know a key of Lix's unit",
			Means:    "It ignores DelegateSubgroup= and starts the daemon all the same. Nothing is wrong.",
			Messages: []string{"Unknown key 'DelegateSubgroup' in section [Service], ignoring.", "Unknown key name 'DelegateSubgroup' in section 'Service', ignoring."},
		},
		{
			ID: "sandbox-ns/no-namespaces", Status: fix.Broken, Title: "the kernel does not let Nix make a sandbox",
			Means: "Builds need user and mount namespaces. A sysctl, AppArmor, a hardened kernel or a container's seccomp profile can forbid " +
				"them; with sandbox-fallback Nix then builds without a sandbox.",
			Messages: []string{
				"auto-disabling sandboxing because the prerequisite namespaces are not available",
				"cannot perform a sandboxed build because user namespaces", "this system does not support the kernel namespaces that are required for sandboxing",
			},
			Remedies: do("allow them; in a container, run it with more rights or set sandbox = false", "sysctl kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns user.max_user_namespaces"),
		},
	}
}
