package lixunits

import "github.com/lixfix/lixfix/fixes/fix"

const (
	reset   = "cannot open connection to remote store 'daemon': error: reading from file: Connection reset by peer"
	refused = "could not connect to any lix socket (tried …)"
	queue   = "nix-daemon.socket: Failed to queue service startup job (Maybe the service file is missing or not a template unit?): Invalid argument"
)

var (
	complete = &fix.Kind{
		ID: "lix-units/complete", Status: fix.OK, Title: "the units of the daemon belong together",
		Means: "The socket has what it starts, whether that is one service for all or one for each connection.",
		Says:  "the units of the daemon belong together: {form}",
	}
	ready = &fix.Kind{
		ID: "lix-units/ready", Status: fix.OK, Title: "an upgrade to that release finds the units that it needs",
		Means: "You asked with --to. The template is there, or the upgrade will bring it.",
		Says:  "an upgrade to {to} finds the units that it needs: {why}",
	}
	notHere = &fix.Kind{
		ID: "lix-units/not-here", Status: fix.NotApplicable, Title: "there are no units of a Nix daemon here",
		Means: "Nothing starts a daemon by systemd, or NixOS makes the units anew with each generation.",
		Says:  "no units to look at: {why}",
	}
	upgradeBreaks = &fix.Kind{
		ID: "lix-units/upgrade-breaks", Status: fix.Broken, Title: "after an upgrade to that release, the daemon stops at the next boot",
		Means: "You asked with --to. Since 2.95, the socket of Lix needs nix-daemon@.service beside it. Upgrading " +
			"replaces the files behind the links of the socket and the service, but nothing links the template. " +
			"Everything works until systemd reads its units again.",
		Says: "after an upgrade to {to}, nix-daemon.socket wants nix-daemon@.service, which nobody has put into {dir}",
		Messages: []string{
			"manual intervention will be required to complete this Lix install!", "all nix commands will require root and '--store local'",
		},
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "upgrade; then, before the next boot and before \"systemctl daemon-reload\", add the template",
			Command: "sudo lixfix repair lix-units",
		}},
		Sources: sources,
	}
	templateMissing = &fix.Kind{
		ID: "lix-units/template-missing", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "the socket wants nix-daemon@.service, which is not there",
		Means: "Since 2.95, Lix has systemd start a service for each connection. Upgraded hosts lack its template. " +
			"Everything works with the units that systemd has read before; after the next boot, the first " +
			"connection is reset and all others are refused.",
		Says: "{file} has Accept=yes, and systemd has no nix-daemon@.service",
		Messages: []string{
			reset, refused, queue, "service nix-daemon@internal.service not loaded, socket cannot be started.",
		},
		Remedies: []fix.Remedial{
			{
				Case: "link", When: "the default profile has it and the other units are links", Class: fix.Safe,
				Changes: "links nix-daemon@.service beside the other units, and has systemd read its units again; a socket that has failed is started",
				Undo:    "removes the link, and has systemd read its units again",
			},
			{
				Case: "copy", When: "the other units are copies", Class: fix.Safe,
				Changes: "copies nix-daemon@.service beside the other units, and has systemd read its units again; a socket that has failed is started",
				Undo:    "removes the copy, and has systemd read its units again",
			},
			{
				Case: "advice", When: "the default profile has none", Class: fix.Advice,
				Changes: "install the units again with the installer that Lix came with; until then, the daemon can be started without its socket",
				Command: "sudo systemctl start nix-daemon.service",
			},
		},
		Sources: sources,
	}
	bothEnabled = &fix.Kind{
		ID: "lix-units/both-enabled", Status: fix.AtRisk,
		Title: "the old service is still started at boot, and shuts the socket out",
		Means: "Since 2.95, the socket and nix-daemon.service exclude each other. A link from an older release " +
			"starts the service at boot. It works the old way, and the socket never listens.",
		Says: "{link} starts nix-daemon.service at boot, which shuts nix-daemon.socket out",
		Remedies: []fix.Remedial{{
			Class: fix.Risky, Changes: "removes {link}, and has systemd read its units again; what runs goes on until the next boot",
			Undo: "makes that link again",
		}},
		Sources: sources,
	}
	copiesOld = &fix.Kind{
		ID: "lix-units/copies-old", Status: fix.AtRisk, Title: "the units are copies of an older release",
		Means:    "They go on starting the daemon of that release, which a garbage collection removes once no profile holds it.",
		Says:     "{file} starts {old}, and the default profile has {new}",
		Remedies: copied,
		Sources:  sources,
	}
	mixed = &fix.Kind{
		ID: "lix-units/mixed", Status: fix.AtRisk, Title: "the socket and the service belong to different releases",
		Means: "One is a copy and the other a link that has moved on with an upgrade. The socket of 2.95 and the service of an older Lix, or the other " +
			"way round, shut each other out: at the next boot, the one that starts first wins.",
		Says:     "{socket} {says}: {service} is of another release",
		Remedies: copied,
		Sources:  sources,
	}
	unknown = &fix.Kind{
		ID: "lix-units/unknown", Status: fix.Unknown, Title: "the units could not be read",
		Means: "lixfix could not read something that it needs, and does not take that for good news. The finding " +
			"says what.",
		Says: "whether the units belong together could not be told",
	}
)

// copied is what can be done about copies.
var copied = []fix.Remedial{
	{
		Case: "copy", When: "the default profile has the units", Class: fix.Risky,
		Changes: "replaces the copies with those of the default profile, and has systemd read its units again; a " +
			"running daemon keeps running until the next boot. Edits to a copy are gone until you undo the repair; " +
			"drop-ins stay",
		Undo: "brings the old copies back",
	},
	{
		Case: "advice", When: "it has none", Class: fix.Advice, Changes: "install all the units again with the " +
			"installer that made them",
		Command: "ls -l /etc/systemd/system/nix-daemon* " + profileUnits + "/",
	},
}

var sources = []string{"https://docs.lix.systems/manual/lix/stable/release-notes/rl-2.95.html"}

var table = []*fix.Kind{complete, ready, notHere, upgradeBreaks, templateMissing, bothEnabled, copiesOld, mixed, unknown}
