package sequoia

import (
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dscl"
)

// What a healthy Mac has, what this one has, and where that was read.
const (
	recordNumbers   fix.Words = "record the new numbers, in {changes}"
	buildUser                 = "build user"
	aGroup                    = "a group"
	launchdJob      fix.Words = "launchctl print system/{label}"
	notLoaded                 = "not loaded"
	idsOfUsers      fix.Words = "user IDs of {prefix}N"
	noneThere       fix.Words = "{first} to {last}, or no such users"
	more            fix.Words = "{count} more"
	notSet                    = "not set"
	aUser                     = "a user"
	oneNumber                 = "one number"
	ownUserID                 = "a user ID of its own"
	alsoOf          fix.Words = "{id}, as {names} has"
	safeIDs                   = "351 to 499"
	aBuildUser                = "a build user"
	anotherAccount            = "another account"
	accountOfMacOS            = "an account of macOS"
	anotherNameOf   fix.Words = "another name of the account {name}"
	accountOfPerson fix.Words = "another account (user ID {uid}, home {home}, shell {shell})"
	safeIDsAndWhy             = "351 to 499 (macOS 15 takes 300–304, macOS 26 305–308)"
	memberOnce                = "each member once"
	listedTwice     fix.Words = "{names} twice"
	groupIDOf       fix.Words = "/Groups/{group} PrimaryGroupID"
	ownGroupID                = "an ID of its own"
	and                       = " and "
	andMore         fix.Words = "{names} and {count} more"
	buildUserName   fix.Words = "Nix build user {number}"
	darwinCannot              = "nix-darwin manages this Mac, and the new user IDs do not follow each other, which its option " +
		"ids.uids.nixbld cannot express: set nix.configureBuildUsers = false, or free the IDs from 351 up first."
	darwinShould fix.Words = "nix-darwin manages this Mac. So that its next activation agrees, set ids.uids.nixbld " +
		"= {uid} (350 is its default) and ids.gids.nixbld = {gid} in its configuration."
	onlyBuildUsers              = "a group of build users alone"
	groupOfBuildUsers           = "the group of the build users"
	groupSetting      fix.Words = "{file} build-users-group"
	notSetSo          fix.Words = "not set, so {group}"
	membersOf         fix.Words = "/Groups/{group} GroupMembership"
	namesAll                    = "names every build user"
	without           fix.Words = "without {names}"
	memberIDsOf       fix.Words = "/Groups/{group} GroupMembers"
	allMemberIDs                = "the GUID of every member"
	withoutIDsOf      fix.Words = "without that of {names}"
	namedLikeThem     fix.Words = "{prefix}N, or accounts that exist"
	deleteValues      fix.Words = "sudo dscl . -delete {path} {key} {values}"
	makePrimary       fix.Words = "sudo dscl . -create {path} " + dscl.PrimaryGroupID + " " + staff
	tooFew            fix.Words = "{count} is fewer than the {existing} build users that exist or that the group or the " +
		"receipt names"
	askForMore    = "Leave it out, or ask for more; lixfix removes no build users."
	askForFewer   = "Ask for fewer users, or remove accounts from that range."
	groupRealName = "Nix build group for nix-daemon"
	blindToBuilds = "Without root it cannot be told whether builds are running; the repair itself looks again."
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
