package sequoia

import (
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
)

// Cases of kinds whose words or remedies depend on what else was found.
const (
	caseAlone    = "alone"     // nothing is broken, so a repair moves users only if it is told to
	caseTogether = "together"  // something is broken, and its repair moves users as well
	caseDefault  = "default"   // nix.conf names no group
	caseUnplaced = "unplaced"  // there are fewer free user IDs than users
	caseNext     = "next"      // what to do where a plan is refused
	caseOthers   = "others"    // the group has members that are no build users
	caseRenamed  = "renamed"   // all members of the group have names of another kind
	caseAssumed  = "assumed"   // nothing tells how many users there were
	caseBare     = "bare"      // neither group nor users are left
	caseSettled  = "settled"   // left-over users do no harm
	caseClosed   = "closed"    // a file cannot be read
	caseDisagree = "disagree"  // users have different primary groups
	caseDiffer   = "differ"    // the group has other IDs than its users
	caseForeign  = "foreign"   // the ID belongs to another group
	caseMended   = "mended"    // nix.conf means a group that a repair can mend
	caseKnown    = "known"     // the right group has a name
	caseUnknown  = "not known" // the right group has none
	caseEmpty    = "empty"     // build-users-group is empty
	caseAllocate = "allocate"  // auto-allocate-uids is on
)

const (
	moveCommand = "sudo lixfix repair sequoia --" + optMove
	undoValues  = "\"sudo lixfix undo\" restores the old values"
	undoUsers   = "\"sudo lixfix undo\" deletes the users that lixfix created"
	undoGroup   = "\"sudo lixfix undo\" deletes the group that lixfix created"
)

// safely is the remedy of a kind that a repair mends whatever else there is.
func safely(changes fix.Words) []fix.Remedial {
	return []fix.Remedial{{Class: fix.Safe, Changes: changes, Undo: undoValues}}
}

// advised is the remedy of a kind about which the user has to do something.
func advised(what fix.Words) []fix.Remedial {
	return []fix.Remedial{{Class: fix.Advice, Changes: what}}
}

// alike says of two cases how the same is done in them.
func alike(changes fix.Words) []fix.Remedial {
	return []fix.Remedial{
		{Case: caseTogether, When: "a repair is due anyway", Class: fix.Safe, Changes: changes, Undo: undoValues},
		{Case: caseAlone, When: "builds still work", Class: fix.Safe, Changes: changes, Command: moveCommand, Undo: undoValues},
	}
}

// Kinds, in the order in which they are listed: first what is well, then the users, the group, and what else there is.
var (
	healthy = &fix.Kind{
		ID: "sequoia/healthy", Status: fix.OK, Title: "the build users are fine",
		Means: "Every build user exists, has a user ID of its own from 351 to 499, and is listed in its group. " +
			"An upgrade of macOS leaves them alone.",
		Says: "{users} in the group {group}, user IDs {ids}",
	}
	noUsers = &fix.Kind{
		ID: "sequoia/no-build-users", Status: fix.NotApplicable, Title: "there are no build users",
		Means: "Nix is not installed here, or installed for one user. Such builds run as the user who starts them.",
		Says:  "there is no group {group}, and there are no build users {prefix}1, {prefix}2, …",
	}
	unused = &fix.Kind{
		ID: "sequoia/build-users-unused", Status: fix.OK, Title: "the daemon uses no build users",
		Means: "Your configuration turns them off, so builds work without them. lixfix leaves those that exist alone unless you " +
			"pass --" + optMove + ".",
		Or: map[string]fix.Words{
			caseEmpty:    "the daemon uses no build users: build-users-group is empty in {file}",
			caseAllocate: "the daemon uses no build users: auto-allocate-uids is on in {file}",
		},
	}
	leftOver = &fix.Kind{
		ID: "sequoia/users-left-over", Status: fix.AtRisk, Also: []fix.Status{fix.OK},
		Title: "Nix is gone, but its build users are still here",
		Means: "An installer stops if it finds build users whose IDs are not those it planned. Users at 351 to 499 are no problem.",
		Messages: []string{
			"User … existed but had a different uid (…) than planned (…)",
			"<dscl_cmd> DS Error: -14135 (eDSRecordAlreadyExists)",
		},
		Says: "Nix is not installed, but {users} are left over; a new installation may stop at them",
		Or: map[string]fix.Words{
			caseSettled: "Nix is not installed; {users} are left over, where a new installation expects them",
		},
		Remedies: []fix.Remedial{{
			Case: caseAlone, When: "they are not where a new installation expects them", Class: fix.Safe,
			Changes: "moves them to 351 and up", Command: moveCommand, Undo: undoValues,
		}},
	}

	missing = &fix.Kind{
		ID: "sequoia/users-missing", Status: fix.Broken, Title: "build users are missing",
		Means: "The daemon stops at the first user in the group that does not exist, so builds fail. " +
			"Upgrading to macOS 15 or 26 deletes the build users whose IDs it needs.",
		Messages: []string{
			"error: the user '…' in the group '…' does not exist",
			"<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)",
		},
		Says: "{count} of {users} missing",
		Remedies: []fix.Remedial{{
			Class: fix.Safe, Changes: "creates them again, with user IDs from 351 up", Undo: undoUsers,
		}},
		Sources: []string{"https://github.com/NixOS/nix/issues/11364"},
	}
	incomplete = &fix.Kind{
		ID: "sequoia/users-incomplete", Status: fix.Broken, Title: "build users are incomplete",
		Means: "They lack a user ID, a home directory, a shell or an identifier. Whatever created them was interrupted, " +
			"and a build that gets such a user fails.",
		Says:     "{users} incomplete",
		Remedies: safely("sets what is missing"),
	}
	likePeople = &fix.Kind{
		ID: "sequoia/users-like-people", Status: fix.Broken, Title: "build users have a person's home directory or shell",
		Means:    "Somebody could log in as a build user. Installers give them /var/empty and /sbin/nologin.",
		Says:     "{users} with the home directory or the shell of a person",
		Remedies: safely("sets their home directory to /var/empty and their shell to /sbin/nologin"),
	}
	visible = &fix.Kind{
		ID: "sequoia/users-visible", Status: fix.AtRisk, Title: "macOS shows build users as people",
		Means:    "They are not marked as hidden, so the login window and System Settings can list them. Builds work.",
		Says:     "{users} not hidden from the login window",
		Remedies: safely("hides them"),
	}
	parkedUsers = &fix.Kind{
		ID: "sequoia/users-parked", Status: fix.Broken, Title: "a migration stopped halfway",
		Means: "Migration tools park build users at 31000 and up while they move them. This one was interrupted and left " +
			"users there, where macOS counts them as people.",
		Says:     "{users} left at temporary user IDs by an interrupted migration",
		Remedies: safely("moves them to 351 and up"),
	}
	shared = &fix.Kind{
		ID: "sequoia/uids-shared", Status: fix.Broken, Title: "build users share a user ID with another account",
		Means: "Before and after a build, the daemon kills every process of the build user's ID. That includes the " +
			"processes of the other account.",
		Says: "{users} with the user ID of another account, whose processes every build kills",
		Or: map[string]fix.Words{
			caseUnplaced: "the build users cannot be placed",
			caseNext:     "Run \"lixfix check\" to see who holds which user ID.",
		},
		Remedies: safely("gives them user IDs of their own and leaves the other accounts alone"),
	}
	wrongGroup = &fix.Kind{
		ID: "sequoia/wrong-primary-group", Status: fix.Broken, Title: "build users have the wrong primary group",
		Means: "Installers give build users the build group as their primary group, and later installations stop where that " +
			"is not so. The ID of the group itself never changes, because the store belongs to it.",
		Says:     "{users} with another primary group than {group}",
		Remedies: safely("sets their primary group to the ID of the build group"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/10919"},
	}
	taken = &fix.Kind{
		ID: "sequoia/name-taken", Status: fix.Broken, Title: "another account has the name of a build user",
		Means: "lixfix never changes an account of a person or of macOS, so it repairs nothing until you decide.",
		Says:  "other accounts have names that belong to build users",
		Or: map[string]fix.Words{
			caseUnplaced: "other accounts have names that belong to build users: {names}",
			caseNext:     "Choose another prefix with --" + optPrefix + ", or find out what made these accounts.",
		},
		Remedies: advised("choose another prefix with --" + optPrefix + ", or find out what made these accounts; lixfix does not touch them"),
	}
	uidsAtRisk = &fix.Kind{
		ID: "sequoia/uids-at-risk", Status: fix.AtRisk, Title: "an upgrade of macOS would delete build users",
		Means: "macOS 15 takes the user IDs 300 to 304 and macOS 26 takes 305 to 308. The upgrade deletes the build users that " +
			"have them, and builds fail afterwards.",
		Messages: []string{
			"error: Build users have unexpected UIDs, aborting activation",
			"warning: existing user '…' has unexpected uid …, skipping...",
		},
		Says: "{users} with user IDs that macOS takes; an upgrade deletes them",
		Or: map[string]fix.Words{
			caseUnplaced: "the build users cannot be placed",
			caseNext:     "Remove accounts from that range, or ask for fewer users; nothing was changed.",
		},
		Remedies: alike("moves them to 351 and up"),
		Sources:  []string{"https://github.com/NixOS/nix/issues/10892", "https://github.com/nix-darwin/nix-darwin/issues/970"},
	}
	uidsHigh = &fix.Kind{
		ID: "sequoia/uids-high", Status: fix.AtRisk, Title: "build users have user IDs of people",
		Means: "macOS counts accounts from 500 up as people. Updates of macOS ended in Recovery over such build users.",
		Says:  "{users} with user IDs from 500 up, which macOS gives to people",
		Remedies: []fix.Remedial{{
			Class: fix.Safe, Changes: "moves them to 351 and up", Command: moveCommand, Undo: undoValues,
		}},
		Sources: []string{"https://github.com/NixOS/nix/issues/4531"},
	}

	groupMissing = &fix.Kind{
		ID: "sequoia/group-missing", Status: fix.Broken, Title: "the build group is missing",
		Means:    "The daemon looks for its build users in this group. Without it, no build starts.",
		Messages: []string{"error: the group '…' specified in 'build-users-group' does not exist"},
		Says:     "the group {group} of the build users is missing",
		Or: map[string]fix.Words{
			caseBare:     "the daemon needs build users, and there is no group {group} and there are no users {prefix}1, {prefix}2, …",
			caseAllocate: "every build fails: auto-allocate-uids needs no build users, but it needs the group {group}, which does not exist",
			// Why a plan is refused.
			caseDisagree: "the group {group} has no ID, and its users do not agree on one",
			caseDiffer:   "the group {group} has the IDs {ids}, but its users have {gid} as their primary group",
			caseForeign:  "the ID {gid} of the group {group} now belongs to the group {names}",
			caseNext: "Run the installer that you used again: it makes the group. The store belongs to the group's ID, so lixfix " +
				"does not choose one.",
		},
		Remedies: []fix.Remedial{
			{
				Case: caseTogether, When: "its users are still there", Class: fix.Safe,
				Changes: "creates the group again, with the ID that its users have as their primary group", Undo: undoGroup,
			},
			{
				Case: caseBare, When: "its users are gone as well", Class: fix.Advice,
				Changes: "run the installer that you used again; the store belongs to the ID that the group had",
			},
		},
	}
	groupNoID = &fix.Kind{
		ID: "sequoia/group-without-gid", Status: fix.Broken, Title: "the build group has no ID, or more than one",
		Means:    "The daemon cannot tell which group builds run as.",
		Says:     "the group {group} does not have exactly one ID",
		Remedies: safely("gives the group the ID that its users have as their primary group"),
	}
	groupEmpty = &fix.Kind{
		ID: "sequoia/group-empty", Status: fix.Broken, Title: "the build group lists no users",
		Means: "The daemon uses the users that the group lists by name, so every build fails. Tools that count the primary " +
			"group as membership, such as id and dseditgroup, show nothing wrong.",
		Messages: []string{"error: the build users group '…' has no members"},
		Says:     "the group {group} lists none of its {users}",
		Or:       map[string]fix.Words{caseAssumed: "the group {group} has no build users, so every build fails"},
		Remedies: []fix.Remedial{
			{
				Case: caseTogether, When: "its users are there", Class: fix.Safe, Changes: "adds them to the group",
				Undo: undoValues,
			},
			{
				Case: caseAssumed, When: "there are no users either", Class: fix.Safe,
				Changes: "creates {count} build users, as the installers do; --" + optCount + " N creates another number",
				Undo:    undoUsers,
			},
		},
		Sources: []string{"https://github.com/NixOS/nix/issues/12343"},
	}
	notNix = &fix.Kind{
		ID: "sequoia/group-not-of-nix", Status: fix.Broken, Title: "the group is not a group of build users",
		Means: "The daemon runs builds as any member of its group, and a repair adds members. lixfix changes nothing in a group " +
			"that macOS or people use.",
		Says: "the group {group} {fault}",
		Or: map[string]fix.Words{
			caseUnplaced: "the group {group} (from {from}) {fault}",
			caseNext:     "Name the group of the build users with --" + optGroup + "; nothing was changed.",
			caseOthers: "Take them out of it: \"{command}\"; or name the group of the build users with --" + optGroup +
				". Nothing was changed.",
			caseRenamed: "Say what the build users are called with --" + optPrefix + ", or which group is theirs with --" + optGroup +
				"; nothing was changed.",
		},
		Remedies: []fix.Remedial{
			{
				Case: caseAlone, When: "the group is one of macOS, or not meant for builds", Class: fix.Advice,
				Changes: "name the group of the build users: --" + optGroup + " NAME",
			},
			{
				Case: caseOthers, When: "other accounts are members as well", Class: fix.Advice,
				Changes: "take them out of it, or name the group of the build users: --" + optGroup + " NAME",
				Command: "sudo dscl . -delete /Groups/{group} GroupMembership {members}",
			},
			{
				Case: caseRenamed, When: "no member is named like a build user", Class: fix.Advice,
				Changes: "say what the build users are called, --" + optPrefix + " NAME, or which group is theirs, --" + optGroup + " NAME",
			},
		},
	}
	confGroup = &fix.Kind{
		ID: "sequoia/nix-conf-group", Status: fix.Broken, Title: "nix.conf names the wrong build group",
		Means: "The daemon runs builds as members of the group that nix.conf names. With this one, builds fail, or run as " +
			"accounts that are no build users.",
		Says: "nix.conf makes builds run as members of the group {group}, which {fault}",
		Or: map[string]fix.Words{
			caseDefault:  "nix.conf names no build group, so builds run as members of {group}, which {fault}",
			caseUnplaced: "the group {group} (from {from}) {fault}",
			caseNext: "Set build-users-group in {file} to the group of the build users, or name it with --" + optGroup +
				"; nothing was changed.",
		},
		Remedies: []fix.Remedial{
			{
				Case: caseKnown, When: "another group is that of the build users", Class: fix.Advice,
				Changes: "set build-users-group in {file} to {better}, and restart the daemon",
			},
			{
				Case: caseUnknown, When: "there is no such group", Class: fix.Advice,
				Changes: "set build-users-group in {file} to the group of the build users, such as " + defaultGroup +
					", and restart the daemon",
			},
			{
				Case: caseMended, When: "you mean this group", Class: fix.Advice,
				Changes: "repair that group: sudo lixfix repair sequoia --" + optGroup + " {group}",
			},
		},
	}
	sharedGID = &fix.Kind{
		ID: "sequoia/gid-shared", Status: fix.AtRisk, Title: "another group has the ID of the build group",
		Means: "Members of that group can read and write what only builds should.",
		Says:  "the groups {group} and {names} have the same ID, {gid}, so files of builds are open to both",
		Remedies: advised("give the other group another ID, or install Nix again with another one; the store belongs to this ID, " +
			"so lixfix does not change it"),
	}
	notListed = &fix.Kind{
		ID: "sequoia/users-not-in-group", Status: fix.Broken, Title: "build users are not listed in the build group",
		Means:    "The daemon uses only the users that the group lists by name, so fewer builds can run at once.",
		Says:     "{users} not listed in the group {group}",
		Remedies: safely("adds them to the group"),
	}
	doubled = &fix.Kind{
		ID: "sequoia/members-doubled", Status: fix.AtRisk, Title: "the build group lists members twice",
		Means:    "Builds work. Some tool added members without checking whether they were already listed.",
		Says:     "the group {group} lists {members} more than once",
		Remedies: safely("lists each member once"),
	}
	staleIDs = &fix.Kind{
		ID: "sequoia/group-guids-stale", Status: fix.Broken, Title: "the group's list of GUIDs is out of date",
		Means: "macOS goes by the GUIDs where a group has any, and the daemon goes by the names. Users that were deleted and " +
			"created again have new GUIDs.",
		Says:     "{users} in the group {group} by name, but not by GUID",
		Remedies: safely("rewrites the list of GUIDs"),
	}
	strangers = &fix.Kind{
		ID: "sequoia/strangers-in-group", Status: fix.Broken, Title: "the build group lists accounts that do not exist",
		Means: "The daemon stops at the first account in the group that does not exist. These are not named like build users, " +
			"so lixfix does not create them.",
		Says: "the group {group} lists accounts that do not exist and are not named like build users",
		Remedies: []fix.Remedial{{
			Class: fix.Advice, Changes: "take them out of the group; dseditgroup cannot, because it looks for the accounts",
			Command: "sudo dscl . -delete /Groups/{group} GroupMembership {names}",
		}},
	}

	receiptStale = &fix.Kind{
		ID: "sequoia/receipt-stale", Status: fix.AtRisk, Title: "the installer's receipt has old numbers",
		Means:    "Builds work. The installer compares its receipt with the users and groups, and stops where they differ.",
		Messages: []string{"User … existed but had a different uid (…) than planned (…)"},
		Says:     "the installer's receipt and the users differ in {places}; installing again would stop there",
		Remedies: alike("brings the receipt up to date"),
		Sources:  []string{"https://github.com/DeterminateSystems/nix-installer/issues/1171"},
	}
	receiptBroken = &fix.Kind{
		ID: "sequoia/receipt-unreadable", Status: fix.AtRisk, Also: []fix.Status{fix.Unknown},
		Title: "the installer's receipt cannot be used",
		Means: "Builds work and lixfix can repair the build users. The installer cannot uninstall without a receipt that it can " +
			"read.",
		Says: "the installer's receipt is not valid, so it stays as it is",
		Or:   map[string]fix.Words{caseClosed: "the installer's receipt cannot be read"},
		Remedies: []fix.Remedial{{
			Case: caseBare, When: "its content is not valid", Class: fix.Advice,
			Changes: "restore {file} from a backup before you uninstall; builds do not need it",
		}},
	}
	daemonOut = &fix.Kind{
		ID: "sequoia/daemon-out", Status: fix.Broken, Title: "the Nix daemon is stopped",
		Means: "Builds and downloads fail until it runs. A repair that was killed can leave it stopped.",
		Says:  "the Nix daemon is stopped: launchd does not have its job",
		Remedies: []fix.Remedial{{
			Class: fix.Safe, Changes: "starts it, as \"sudo launchctl bootstrap system {plist}\" does",
			Undo: "nothing to undo: the daemon keeps running",
		}},
	}
	daemonUnknown = &fix.Kind{
		ID: "sequoia/daemon-not-known", Status: fix.Unknown, Title: "lixfix cannot tell whether the Nix daemon is loaded",
		Means: "launchctl gave no usable answer. A repair has to stop the daemon first, so lixfix repairs nothing until it does.",
		Says:  "cannot tell whether the Nix daemon is loaded",
	}
	confBroken = &fix.Kind{
		ID: "sequoia/nix-conf-unreadable", Status: fix.Unknown, Title: "nix.conf cannot be read",
		Means: "It may name another group than the one that lixfix checked. Name the group with --" + optGroup + " to be sure.",
		Says:  "cannot read nix.conf, which may name another group",
	}
	building = &fix.Kind{
		ID: "sequoia/builds-running", Status: fix.Broken, Refusal: true, Title: "builds are running",
		Means: "A build would go on under a user ID that is no longer its own. lixfix repairs nothing while builds run.",
		Or: map[string]fix.Words{
			caseUnplaced: "{busy}: {names}",
			caseNext:     "Wait until they have ended, or stop them, and run the command again.",
		},
	}
)

var kinds = []*fix.Kind{
	healthy, noUsers, unused, leftOver,
	missing, incomplete, likePeople, visible, parkedUsers, shared, wrongGroup, taken, uidsAtRisk, uidsHigh,
	groupMissing, groupNoID, groupEmpty, notNix, confGroup, sharedGID, notListed, doubled, staleIDs, strangers,
	receiptStale, receiptBroken, daemonOut, daemonUnknown, confBroken, building,
}

// Kinds implements fix.Fix.
func (sequoia) Kinds() []*fix.Kind { return slices.Clone(kinds) }

// symptoms are the messages of all kinds.
func symptoms() []string {
	var all []string
	for _, k := range kinds {
		for _, m := range k.Messages {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	return all
}

// fault is why builds must not, or cannot, run as the members of a group. Its words are the end of a sentence.
type fault struct {
	says  fix.Words
	with  fix.With
	names []string // the members for whom it is so, where it is for them
}

// The faults of a group.
const (
	faultSystem   fix.Words = "belongs to macOS"
	faultAlias    fix.Words = "is another name of the group {group}"
	faultLow      fix.Words = "has the ID {gid}, and macOS keeps those below {first} for itself"
	faultNested   fix.Words = "has other groups as members"
	faultRenamed  fix.Words = "has members, and none of them is called {prefix}N"
	faultOthers   fix.Words = "has members that are not build users"
	faultGone     fix.Words = "does not exist"
	faultEmpty    fix.Words = "lists no members"
	faultDangling fix.Words = "lists accounts that do not exist"
)

// short is the fault without the members.
func (f *fault) short() string { return f.says.Fill(f.with) }

func (f *fault) String() string {
	if len(f.names) == 0 {
		return f.short()
	}
	return f.short() + ": " + shorten(f.names)
}

// refusal is why no plan is made because of a kind.
func refusal(k *fix.Kind, why, then string, with fix.With, err error) *fix.Refusal {
	return &fix.Refusal{ID: k.ID, Reason: k.Or[why].Fill(with), Next: k.Or[then].Fill(with), Err: err}
}
