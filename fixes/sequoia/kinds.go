package sequoia

import (
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
)

// IDs of the findings. They never change.
const (
	idHealthy       = "sequoia/healthy"
	idNone          = "sequoia/no-build-users"
	idUnused        = "sequoia/build-users-unused"
	idLeftover      = "sequoia/users-left-over"
	idMissing       = "sequoia/users-missing"
	idIncomplete    = "sequoia/users-incomplete"
	idLikePerson    = "sequoia/users-like-people"
	idVisible       = "sequoia/users-visible"
	idParked        = "sequoia/users-parked"
	idShared        = "sequoia/uids-shared"
	idWrongGroup    = "sequoia/wrong-primary-group"
	idGroupMissing  = "sequoia/group-missing"
	idGroupNoGID    = "sequoia/group-without-gid"
	idGroupEmpty    = "sequoia/group-empty"
	idGroupForeign  = "sequoia/group-not-of-nix"
	idConfGroup     = "sequoia/nix-conf-group"
	idGIDShared     = "sequoia/gid-shared"
	idNotInGroup    = "sequoia/users-not-in-group"
	idDoubled       = "sequoia/members-doubled"
	idStaleGUIDs    = "sequoia/group-guids-stale"
	idStrangers     = "sequoia/strangers-in-group"
	idImpostors     = "sequoia/name-taken"
	idAtRisk        = "sequoia/uids-at-risk"
	idHigh          = "sequoia/uids-high"
	idReceiptStale  = "sequoia/receipt-stale"
	idReceiptBroken = "sequoia/receipt-unreadable"
	idDaemonOut     = "sequoia/daemon-out"
	idDaemonUnknown = "sequoia/daemon-not-known"
	idConfBroken    = "sequoia/nix-conf-unreadable"
	idBuilding      = "sequoia/builds-running"
)

// kind is what all findings of one ID have in common.
type kind struct {
	status fix.Status
	class  fix.Class
	// changes says what the repair does about it, or what the user is to do; "" where the finding itself says it.
	changes string
}

// kinds are all kinds of findings.
var kinds = map[string]kind{
	idHealthy:  {status: fix.OK},
	idNone:     {status: fix.NotApplicable},
	idUnused:   {status: fix.OK},
	idLeftover: {fix.AtRisk, fix.Safe, "brings the users where today's installers expect them"},

	idMissing:    {fix.Broken, fix.Safe, "creates them again"},
	idIncomplete: {fix.Broken, fix.Safe, "sets what is missing"},
	idLikePerson: {fix.Broken, fix.Safe, "gives them the home and the shell of build users"},
	idVisible:    {fix.AtRisk, fix.Safe, "hides them"},
	idShared:     {fix.Broken, fix.Safe, "gives them user IDs of their own; the other accounts are left alone"},
	idParked:     {fix.Broken, fix.Safe, "brings them to 351 and up"},
	idAtRisk:     {fix.AtRisk, fix.Safe, "moves them to 351 and up"},
	idHigh:       {fix.AtRisk, fix.Safe, "moves them to 351 and up"},
	idWrongGroup: {fix.Broken, fix.Safe, "sets their primary group to the ID of the group, which never changes"},
	idImpostors: {
		fix.Broken, fix.Advice,
		"choose another prefix with --" + optPrefix + ", or find out what made these accounts; lixfix does not touch them",
	},

	idGroupMissing: {fix.Broken, fix.Safe, "makes the group again, with the ID that its users have as their primary group"},
	idGroupNoGID:   {fix.Broken, fix.Safe, "gives the group the ID that its users have as their primary group"},
	idGroupEmpty:   {fix.Broken, fix.Safe, "names them in the group"},
	idGroupForeign: {status: fix.Broken, class: fix.Advice},
	idConfGroup:    {status: fix.Broken, class: fix.Advice},
	idGIDShared: {
		fix.AtRisk, fix.Advice,
		"give the other group another ID, or install Nix again with another one; the store belongs to this ID, so lixfix does not change it",
	},
	idNotInGroup: {fix.Broken, fix.Safe, "names them in the group"},
	idDoubled:    {fix.AtRisk, fix.Safe, "names each member once"},
	idStaleGUIDs: {fix.Broken, fix.Safe, "writes the list of GUIDs anew"},
	idStrangers:  {status: fix.Broken, class: fix.Advice},

	idReceiptStale: {fix.AtRisk, fix.Safe, "records the numbers of the directory in the receipt"},
	idReceiptBroken: {
		fix.AtRisk, fix.Advice,
		"nothing for the build users; uninstalling with the installer will need a receipt that it can read",
	},
	idDaemonOut:     {fix.Broken, fix.Safe, "starts it"},
	idDaemonUnknown: {status: fix.Unknown},
	idConfBroken:    {status: fix.Unknown},
	idBuilding:      {status: fix.Broken, class: fix.Advice}, // only ever the reason of a refusal
}

// Kinds implements fix.Fix.
func (sequoia) Kinds() []*fix.Kind {
	var all []*fix.Kind
	for _, id := range []string{
		idHealthy, idNone, idUnused, idLeftover, idMissing, idIncomplete, idLikePerson, idVisible, idParked, idShared, idWrongGroup, idGroupMissing, idGroupNoGID, idGroupEmpty, idGroupForeign, idConfGroup, idGIDShared, idNotInGroup, idDoubled, idStaleGUIDs, idStrangers, idImpostors, idAtRisk, idHigh, idReceiptStale, idReceiptBroken, idDaemonOut, idDaemonUnknown, idConfBroken, idBuilding,
	} {
		k := kinds[id]
		one := &fix.Kind{ID: id, Status: k.status, Title: strings.ReplaceAll(strings.TrimPrefix(id, "sequoia/"), "-", " "), Means: k.changes}
		all = append(all, one)
	}
	return all
}

// finding makes a finding of its kind. Its evidence is cut to what can be read.
func finding(id, summary string, evidence ...fix.Evidence) fix.Finding {
	if n := len(evidence) - fewEvidence; n > 1 {
		evidence = append(evidence[:fewEvidence:fewEvidence], fix.Evidence{Source: counted(n, "more")})
	}
	k := kinds[id]
	f := fix.Finding{ID: id, Status: k.status, Summary: summary, Evidence: evidence}
	switch k.class {
	case fix.Safe:
		f.Remedy = &fix.Remedy{Class: k.class, Changes: k.changes, Command: repairCommand, Undo: undoText}
	case fix.Advice, fix.Risky:
		f.Remedy = &fix.Remedy{Class: k.class, Changes: k.changes}
	}
	return f
}

// advised makes a finding about which the user has to do something.
func advised(id, summary, advice string, evidence ...fix.Evidence) fix.Finding {
	f := finding(id, summary, evidence...)
	f.Remedy = &fix.Remedy{Class: fix.Advice, Changes: advice}
	return f
}
