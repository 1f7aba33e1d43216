package resolvconf

import "github.com/lixfix/lixfix/fixes/fix"

// Doc implements fix.Fix.
func (resolvConf) Doc() fix.Doc {
	return fix.Doc{
		Title: "builds cannot resolve names",
		Symptoms: []string{
			cantResolve,
			"Couldn't resolve host name",
			tempFailure,
			notKnownName,
			"lookup … on 169.254.1.1:53: …",
			"lookup … on [::1]:53: …",
			"cannot download … from any mirror",
			setupTimeout,
			"could not exec pasta: …",
			"'/etc/resolv.conf' exists but is inaccessible, it will not be rewritten inside the sandbox",
			"opening file '/etc/resolv.conf': No such file or directory",
			"getting attributes of path '/etc/resolv.conf': No such file or directory",
		},
		Cause: "A build that downloads something gets a resolv.conf of its own, made from the host's. Nix mounts the host's " +
			"file. Lix since 2.93.1 gives the build a network of its own, served by pasta, which forwards questions to one " +
			"server of each address family: the first that it can read in /etc/resolv.conf, as a build user. So a host can " +
			"resolve names while its builds cannot: the first server is dead, the file is a link to nothing, build users " +
			"may not read it, or its lines are written in a way that pasta does not read.",
		Changes: "If nobody manages the file, it is made readable, and its lines are written so that every reader takes them. " +
			"You decide on the rest: the order of servers, the target of a link, a line of nix.conf, the mode of " +
			"/dev/net/tun, a service to start. Files that a manager writes, links and mounts are left alone; the finding says " +
			"how to tell the manager. It only adds servers you name with --" + optServer + ".",
		Undo: "\"lixfix undo\" sets the old content, mode or link again and stops what was started. A repair after which " +
			"builds resolve names no better is taken back at once.",
		More: []fix.Section{
			{
				Heading: "How it looks",
				Text: "\"lixfix check\" reads the host, asks its name servers and predicts what a build will see. \"" + checking +
					"\", and \"lixfix check --probe\", also run a build that looks from inside; if the two disagree, trust the " +
					"build. --passive forbids it. If the daemon has been running since before the file was changed, its own " +
					"fetcher is asked as well.\n\n" +
					"A server counts as good if glibc, musl or Go would get an address from it, with the timeouts and options of " +
					"that resolv.conf. A server that is slow is told apart from one that is silent.\n\n" +
					"Only root can read the rules of the firewall. For anybody else, a build has to tell what they do to build users.",
			},
			{
				Heading: "The build that looks from inside",
				Text: "\"lixfix probe\" builds a derivation whose builder is lixfix itself, and prints what it saw: the resolv.conf " +
					"there, interfaces and routes, and what each name server answers. It says which Nix or Lix built it, whether " +
					"there was a sandbox and whether pasta was there, by what was seen and not by settings.\n\n" +
					"It runs nix-build and nix-store from where they are installed, never from PATH, in a clean " +
					"environment, and passes an empty post-build-hook, so that nothing uploads its output. (A daemon ignores that " +
					"from users it does not trust.) Nothing is built remotely or substituted. The output and the " +
					"derivation are removed again; a log stays, and a copy of lixfix until the next garbage collection. If the " +
					"build has to wait, for a build user, a lock, a garbage collection or a stopped daemon, it says for what; if " +
					"pasta has died, it does not wait the two minutes that Lix waits.",
			},
			{
				Heading: "For a bug report",
				Text: "\"lixfix probe --text\" prints what the probe saw and the settings that Nix really has, to be pasted. Users, " +
					"groups, machines, domains and addresses get pseudonyms that stay the same throughout one report. Comments of " +
					"resolv.conf are left out. Tokens, passwords and keys are printed nowhere.",
			},
			{
				Heading: "What it was tested with",
				Text: "Nix and pasta of Debian 12 (2.8.0, 2023-03-09) and of Debian 13 (2.26.3, 2025-05-03), alone and through the " +
					"daemon. Lix is a stand-in in these tests, which runs the real pasta the way Lix does; what Lix 2.93.4 and " +
					"2.95.3 print is replayed.",
			},
		},
		Sources: []string{
			"https://github.com/NixOS/nix/issues/11004",
			"https://github.com/NixOS/nixpkgs/issues/428554",
			"https://github.com/podman-container-tools/podman/issues/23239",
			"https://github.com/nix-community/NixOS-WSL/issues/777",
			"https://github.com/tailscale/tailscale/issues/4254",
		},
	}
}
