package known

import "github.com/lixfix/lixfix/fixes/fix"

// configuration is nix.conf. Messages: libutil/abstract-config.cc of Lix, libutil/configuration.cc of Nix.
func configuration() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "nix-conf/syntax", Status: fix.Broken, Title: "a line of nix.conf is not a setting",
			Means: "Every line is \"name = value\" or \"include file\", with blanks around the equals sign. One line that is neither stops " +
				"every command, and the daemon at its next start; Lix since 2.94 reads the file again for each connection.",
			Messages: []string{
				"illegal configuration line '…' in '…'", "syntax error in configuration line '…' in …",
				"boost::bad_format_string: format-string is ill-formed",
			},
			Remedies: do("correct the line that the message quotes, or put # before it", "sudoedit /etc/nix/nix.conf"),
		},
		{
			ID: "nix-conf/value", Status: fix.Broken, Title: "a setting has a value that Nix does not accept",
			Means: "Quotation marks count as part of the value, and so does everything after it on the line. " +
				"Booleans are true or false; sandbox is true, false or relaxed; cores is a number. Nix since 2.34 " +
				"wants absolute paths, and substituters with https://.",
			Messages: []string{
				"Boolean setting '…' has invalid value '…'", "setting '…' has invalid value '…'", "option '…' has invalid value '…'",
				"configuration setting '…' should be 'auto' or an integer", "not an absolute path: …", "Cannot parse Nix store '…'",
				"don't know how to open Nix store '…'",
			},
			Remedies: do("correct the value", "sudoedit /etc/nix/nix.conf"),
		},
		{
			ID: "nix-conf/include-missing", Status: fix.Broken, Title: "nix.conf includes a file that is not there",
			Means:    "\"include\" fails without the file, \"!include\" does not.",
			Messages: []string{"file '…' included from '…' not found", "included from … not found", "can only include configuration '…' from files"},
			Remedies: do("put the file back, or write !include", "grep -rn include /etc/nix/nix.conf"),
		},
		{
			ID: "nix-conf/no-builder", Status: fix.Broken, Title: "no machine may build this",
			Means: "This machine is told to build nothing (max-jobs = 0), or lacks a system or a feature that the " +
				"derivation asks for, and none of the remote builders takes it.",
			Messages: []string{
				"unable to start any build; either set '--max-jobs' to a non-zero value or enable remote builds.",
				"unable to start any build; remote machines may not have all required system features.",
			},
			Remedies: do("allow builds here, for example with --max-jobs 1, or correct the builders",
				"grep -nE 'max-jobs|builders|system-features' /etc/nix/nix.conf /etc/nix/machines"),
		},
		{
			ID: "nix-conf/offline", Status: fix.AtRisk, Title: "Nix believes that this host is offline",
			Means:    "Only the loopback interface has an address. Nix then downloads nothing from caches, and builds everything itself.",
			Messages: []string{"you don't have Internet access; disabling some network-dependent features"},
			Remedies: do("bring the network up, and run the command again", "ip addr"),
		},
		{
			ID: "nix-conf/store-daemon", Status: fix.Broken,
			Title:    "the daemon's own configuration says \"store = daemon\"",
			Means:    "\"store = daemon\" is for clients. In the file that the daemon reads, it tells the daemon to ask itself.",
			Messages: []string{"tried to open a daemon store in a context that doesn't support this"},
			Remedies: do("take the line out of /etc/nix/nix.conf; users can have it in ~/.config/nix/nix.conf", "grep -n store /etc/nix/nix.conf"),
		},
		{
			ID: "nix-conf/unknown-setting", Status: fix.AtRisk, Title: "nix.conf has a setting that this Nix does not know",
			Means: "Nix ignores it. Most such settings belong to another implementation, such as lazy-trees " +
				"(Determinate Nix) and pasta-path (Lix), or to another release.",
			Messages: []string{"unknown setting '…'", "unknown setting 'lazy-trees'"},
			Remedies: do("remove the setting, or look up in the manual of this release what it is called now", "grep -rn NAME /etc/nix"),
		},
		{
			ID: "nix-conf/unknown-feature", Status: fix.AtRisk, Title: "nix.conf names a feature that this Nix does not know",
			Means: "Lix calls the pipe operator pipe-operator, Nix calls it pipe-operators; other features are " +
				"no longer experimental, or were removed.",
			Messages: []string{"unknown experimental feature '…'", "unknown deprecated feature '…'", "deprecated setting '…' found (set to '…')"},
			Remedies: do("take the name out of experimental-features", "grep -rn features /etc/nix ~/.config/nix"),
		},
		{
			ID: "nix-conf/feature-off", Status: fix.Broken, Title: "an experimental feature is off",
			Means: "Commands such as \"nix build\" and \"lix fix\", and some settings, need experimental " +
				"features that you have to turn on.",
			Messages: []string{"experimental Lix feature '…' is disabled", "experimental Nix feature '…' is disabled", "Ignoring setting '…' because experimental feature '…' is not enabled"},
			Remedies: do("turn it on in nix.conf, for example: experimental-features = nix-command flakes", "nix --extra-experimental-features 'nix-command flakes' build"),
		},
		{
			ID: "nix-conf/key-twice", Status: fix.AtRisk, Title: "nix.conf sets the same thing twice",
			Means:    "The last line counts. Tools that append a line are a common cause.",
			Messages: []string{"Found key '…' twice while reading config from"},
			Remedies: do("merge the two lines into one", "grep -n NAME /etc/nix/nix.conf"),
		},
		{
			ID: "nix-conf/not-trusted", Status: fix.AtRisk, Title: "the daemon ignores a setting from this user",
			Means: "Only root and trusted-users may choose caches, the sandbox and most other settings for the " +
				"daemon. The daemon ignores them from everybody else.",
			Messages: []string{
				"Ignoring the client-specified setting '…', because it is a restricted", "Ignoring the client-specified plugin-files.",
				"ignoring the client-specified setting '…', because it is a restricted setting and you are not a trusted user",
				"ignoring untrusted substituter '…', you are not a trusted user.", "ignoring untrusted flake configuration setting '…'",
			},
			Remedies: do("set it in /etc/nix/nix.conf, and restart the daemon; a cache goes into "+
				"trusted-substituters. Users in trusted-users can become root", "sudoedit /etc/nix/nix.conf"),
		},
		{
			ID: "nix-conf/alias", Status: fix.OK, Title: "an old name of a setting or a command was used",
			Means:    "It still works. Nothing is wrong.",
			Messages: []string{"'…' is a deprecated alias for '…'"},
		},
	}
}
