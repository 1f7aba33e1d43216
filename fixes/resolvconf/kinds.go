package resolvconf

import (
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
)

// Kinds implements fix.Fix. The kinds themselves are in kinds_*.go, by what they are about.
func (resolvConf) Kinds() []*fix.Kind {
	return []*fix.Kind{
		works,
		firstDead, firstRefuses, firstUseless, noneAnswers, dangling, missing, notFile, replaced, closed, pastaSkips,
		pastaStops, glibcSkips, noServer, onlyIPv6, noRoute, scoped, tunClosed, tunMissing, pastaGone, pastaEnds,
		pastaQuoted, wsl, container, notInDNS, split, tailscale, firewall, overTCP, slow, slowLookups, otherReaders, appArmor,
		daemonApart, daemonConf, fetcher, sandboxOff, race,
		notProbed, unexplained, contradicted, notKnown, noNix, noDaemon, badConf,
	}
}

// Cases of remedies that several kinds have.
const (
	caseManaged = "managed" // somebody else writes /etc/resolv.conf
	caseName    = "name"    // no server is known that could be written into it
	caseNamed   = "named"   // the user has named servers
	caseBeyond  = "beyond"  // a server that answers stands where no resolver reads
	caseReorder = "reorder"
	caseStart   = "start"
	caseRelink  = "relink"
	caseWrite   = "write"
	caseMode    = "mode"
	caseDir     = "directory"
	caseList    = "list" // an access control list
	caseOther   = "other"
	caseNixOS   = "nixos"
	caseInside  = "container"
)

const (
	undoText  = "lixfix undo writes the old content back"
	undoMode  = "lixfix undo sets the old mode again"
	undoLink  = "lixfix undo makes the old link again"
	undoStart = "lixfix undo stops it again"

	// cantResolve are what curl, glibc and musl say.
	cantResolve  = "Could not resolve host: …"
	tempFailure  = "Temporary failure in name resolution"
	notKnownName = "Name or service not known"
	setupTimeout = "sandbox network setup timed out, please check daemon logs for possible error output."

	manResolv = "resolv.conf(5)"
	manPasta  = "https://passt.top/builds/latest/web/passt.1.html"
	lixNews   = "https://docs.lix.systems/manual/lix/stable/release-notes/rl-2.93.html"
)

// managed is the remedy where somebody else writes /etc/resolv.conf. What is given to how stands in owners.
func managed(what fix.Words) fix.Remedial {
	return fix.Remedial{
		Case: caseManaged, When: "something else writes the file", Class: fix.Advice, Changes: what + "; {how}",
	}
}

// tell is managed where nothing else can be done, whoever writes the file.
func tell(what fix.Words) fix.Remedial {
	return fix.Remedial{Class: fix.Advice, Changes: what + "; {how}"}
}

// advise is a remedy for every finding of a kind.
func advise(what fix.Words) fix.Remedial { return fix.Remedial{Class: fix.Advice, Changes: what} }

// nameOne is the remedy where a server is needed and the host knows of none.
var nameOne = fix.Remedial{
	Case: caseName, When: "no server is known that answers", Class: fix.Advice,
	Changes: "name a server that you trust; lixfix knows of none that answers", Command: nameCommand,
}

const nameCommand = "sudo lixfix repair " + Name + " --" + optServer + " ADDRESS"

// checking is the command that checks with a build.
const checking = "lixfix check " + Name

var buildLooks = fix.Remedial{Class: fix.Advice, Changes: "check with a build", Command: checking}

// works is what a healthy host has to say.
var works = &fix.Kind{
	ID: Name + "/works", Status: fix.OK, Title: "names resolve in the sandbox",
	Means: "Builds that download can look up the names of their servers. Without a build, lixfix can only predict that " +
		"from what the host shows.",
	Says: "names resolve in the sandbox ({by}, {took})",
	Or: map[string]fix.Words{
		casePassive: "names should resolve in the sandbox, judging by the host; run \"" + checking + "\" to check with a build",
	},
}

const casePassive = "passive"

var (
	notProbed = &fix.Kind{
		ID: Name + "/not-probed", Status: fix.AtRisk, Title: "names will probably not resolve in the sandbox",
		Means: "What the host shows lets lookups fail, and no single cause stands out. Only a build can tell.",
		Says:  "names will probably not resolve in the sandbox: {why}", Remedies: []fix.Remedial{buildLooks},
	}
	unexplained = &fix.Kind{
		ID: Name + "/unexplained", Status: fix.Broken, Title: "a build cannot resolve names, and nothing on the host says why",
		Means: "Builds that download fail. lixfix built again with one suspect left out at a time; the evidence lists what " +
			"that showed and what was excluded.",
		Messages: []string{cantResolve, tempFailure},
		Says:     "names do not resolve in the sandbox, and nothing that lixfix read on the host explains it",
		Remedies: []fix.Remedial{
			{
				Case: "suspect", When: "a build without one of the suspects resolves names", Class: fix.Advice,
				Changes: "names resolve {without}, so look there first, at its log; report it with \"lixfix probe --text\"",
			},
			{
				Case: "everywhere", When: "builds outside the sandbox fail as well", Class: fix.Advice,
				Changes: "build users cannot resolve names outside the sandbox either: look at the firewall and at the servers",
			},
			{
				Case: "report", When: "no setting could be tried", Class: fix.Advice,
				Changes: "report it with \"lixfix probe --text\"",
			},
		},
	}
	contradicted = &fix.Kind{
		ID: Name + "/prediction-contradicted", Status: fix.AtRisk,
		Title: "names resolve in the sandbox, although the host suggests they should not",
		Means: "The build is right, this time. A server that answers now and then, or a network that changes, looks like this.",
		Says:  "names resolve in the sandbox, although the host suggests they should not; that may be luck",
	}
	notKnown = &fix.Kind{
		ID: Name + "/not-known", Status: fix.Unknown, Title: "it could not be told whether names resolve in the sandbox",
		Means: "Something that decides it could not be read, or no build could look. That is neither good nor bad news.",
		Says:  "it cannot be told from the host whether names resolve in the sandbox",
		Or: map[string]fix.Words{
			"build":    "no build could tell whether names resolve in the sandbox",
			"settings": "Nix does not tell its settings: {why}",
		},
		Remedies: []fix.Remedial{
			{
				Case: "build", When: "a build could tell", Class: fix.Advice, Changes: "check with a build", Command: checking,
			},
			{
				Case: "large", When: "the file is too large to read", Class: fix.Advice,
				Changes: "check with a build, and make the file smaller", Command: checking,
			},
		},
	}
	noNix = &fix.Kind{
		ID: Name + "/no-nix", Status: fix.Unknown, Also: []fix.Status{fix.NotApplicable}, Title: "there is no Nix that could build",
		Means: "Without one there is no sandbox to look into. Where a store or a nix.conf is left, it cannot be told what built there.",
		Says:  "there is no nix on this host, so there is no sandbox",
		Or: map[string]fix.Words{
			"build":  "there is no nix on this host, so no build could look",
			"unable": "the nix on this host can build nothing, so no build could look",
			"unseen": "there is no nix where it is usually installed",
		},
	}
	noDaemon = &fix.Kind{
		ID: Name + "/daemon-down", Status: fix.Broken, Title: "the daemon does not run",
		Means: "Users other than root cannot build anything, and lixfix could not check with a build.",
		Messages: []string{
			"cannot connect to socket at '…': Connection refused",
			"cannot connect to daemon at '…': Connection refused",
		},
		Says: "the daemon does not run, so nothing can be built: {why}",
		Remedies: []fix.Remedial{advise("start it with \"systemctl start nix-daemon.socket\", or whatever starts it on this " +
			"system; then check again")},
	}
	badConf = &fix.Kind{
		ID: Name + "/bad-nix-conf", Status: fix.Broken, Title: "Nix cannot read its configuration",
		Means:    "Every command of Nix ends with that error, so nothing can be built and no build could look.",
		Messages: []string{"error: syntax error in configuration line '…' in '…'"},
		Says:     "Nix cannot read its configuration: {why}",
		Remedies: []fix.Remedial{advise("correct that line of the file; then check again")},
	}
)

// withheld is what becomes of a remedy that root had better not do, by the reason. {does} is what it would have done.
var withheld = map[string]fix.Words{
	"names": leaves + "{file} has {count} names (hard links), and the others would keep the old text; edit the file in place",
	"bits":  leaves + "{file} has the mode {mode}, and what its special bits are for is not known; edit the file in place",
	"immutable": leaves + "somebody has made {file} immutable, perhaps for a reason; ask them, or lift it with \"chattr -i " +
		"{file}\" and repair again",
	"stranger": leaves + "{who} can change {dir}, and could have what root writes land elsewhere; do it as that user, or let " +
		"only root change {dir} and repair again",
	"way": leaves + "{who} can change {dir}, and could choose which file of root's that opens; let only root change {dir} and " +
		"repair again",
	"untold": leaves + "it could not be told who besides root can change the way there: {error}",
}

const leaves = "lixfix leaves this to you: its repair {does}, but "

// slowAfter is when a lookup is called slow, in words.
var slowAfter = probe.SlowAfter.String()
