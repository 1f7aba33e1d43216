package sequoia

import (
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dscl"
)

// What is counted, and lists of names.
const (
	buildUser           = "build user"
	more      fix.Words = "{count} more"
	and                 = " and "
	andMore   fix.Words = "{names} and {count} more"
)

// Where something was read.
const (
	launchdJob   fix.Words = "launchctl print system/{label}"
	idsOfUsers   fix.Words = "user IDs of {prefix}N"
	groupIDOf    fix.Words = "/Groups/{group} PrimaryGroupID"
	membersOf    fix.Words = "/Groups/{group} GroupMembership"
	memberIDsOf  fix.Words = "/Groups/{group} GroupMembers"
	groupSetting fix.Words = "{file} build-users-group"
)

// What a healthy Mac has.
const (
	aGroup                      = "a group"
	aUser                       = "a user"
	aBuildUser                  = "a build user"
	oneNumber                   = "one number"
	ownUserID                   = "a user ID of its own"
	safeIDs                     = "351 to 499"
	safeIDsAndWhy               = "351 to 499 (macOS 15 takes 300–304, macOS 26 305–308)"
	noneThere         fix.Words = "{first} to {last}, or no such users"
	memberOnce                  = "each member once"
	ownGroupID                  = "an ID of its own"
	onlyBuildUsers              = "a group of build users alone"
	groupOfBuildUsers           = "the group of the build users"
	namesAll                    = "names every build user"
	allMemberIDs                = "the GUID of every member"
	namedLikeThem     fix.Words = "{prefix}N, or accounts that exist"
)

// What this one has.
const (
	notLoaded                 = "not loaded"
	notSet                    = "not set"
	notSetSo        fix.Words = "not set, so {group}"
	alsoOf          fix.Words = "{id}, as {names} has"
	listedTwice     fix.Words = "{names} twice"
	without         fix.Words = "without {names}"
	withoutIDsOf    fix.Words = "without that of {names}"
	anotherAccount            = "another account"
	accountOfMacOS            = "an account of macOS"
	anotherNameOf   fix.Words = "another name of the account {name}"
	accountOfPerson fix.Words = "another account (user ID {uid}, home {home}, shell {shell})"
)

// Why a setting is refused, and what to set instead.
const (
	tooFew fix.Words = "{count} is fewer than the {existing} build users that exist or that the group or the " +
		"receipt names"
	askForMore  = "Leave it out, or ask for more; lixfix removes no build users."
	askForFewer = "Ask for fewer users, or remove accounts from that range."
)

// What a plan writes, and what there is to know of it.
const (
	recordNumbers fix.Words = "record the new numbers, in {changes}"
	buildUserName fix.Words = "Nix build user {number}"
	groupRealName           = "Nix build group for nix-daemon"
	blindToBuilds           = "Without root it cannot be told whether builds are running; the repair itself looks again."
	darwinCannot            = "nix-darwin manages this Mac, and the new user IDs do not follow each other, which its option " +
		"ids.uids.nixbld cannot express: set nix.configureBuildUsers = false, or free the IDs from 351 up first."
	darwinShould fix.Words = "nix-darwin manages this Mac. So that its next activation agrees, set ids.uids.nixbld " +
		"= {uid} (350 is its default) and ids.gids.nixbld = {gid} in its configuration."
)

// Commands for the user to run.
const (
	deleteValues fix.Words = "sudo dscl . -delete {path} {key} {values}"
	makePrimary  fix.Words = "sudo dscl . -create {path} " + dscl.PrimaryGroupID + " " + staff
)

// Where a setting comes from, as the plan and its journal name it.
const (
	sourceFlag        = "flag"
	sourceEnvironment = "environment"
	sourceReceipt     = "receipt"
	sourceConf        = "nix.conf"
	sourceDefault     = "default"
	sourceMembers     = "members of the group"
)
