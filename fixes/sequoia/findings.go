package sequoia

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/receipt"
)

// IDs of the findings. They never change.
const (
	idHealthy       = "sequoia/healthy"
	idNone          = "sequoia/no-build-users"
	idUnused        = "sequoia/build-users-unused"
	idLeftover      = "sequoia/users-left-over"
	idMissing       = "sequoia/users-missing"
	idIncomplete    = "sequoia/users-incomplete"
	idParked        = "sequoia/users-parked"
	idShared        = "sequoia/uids-shared"
	idWrongGroup    = "sequoia/wrong-primary-group"
	idGroupMissing  = "sequoia/group-missing"
	idGroupNoGID    = "sequoia/group-without-gid"
	idGroupEmpty    = "sequoia/group-empty"
	idNotInGroup    = "sequoia/users-not-in-group"
	idStaleGUIDs    = "sequoia/group-guids-stale"
	idStrangers     = "sequoia/strangers-in-group"
	idImpostors     = "sequoia/name-taken"
	idAtRisk        = "sequoia/uids-at-risk"
	idHigh          = "sequoia/uids-high"
	idReceiptStale  = "sequoia/receipt-stale"
	idReceiptBroken = "sequoia/receipt-unreadable"
	idDaemonOut     = "sequoia/daemon-out"
	idConfBroken    = "sequoia/nix-conf-unreadable"
)

const (
	repairCommand = "sudo lixfix repair sequoia"
	moveCommand   = repairCommand + " --" + optMove
	undoText      = "\"sudo lixfix undo\" restores the old values"
	fewEvidence   = 8 // lines; a directory can be wrong in hundreds of places
)

// findings says what is wrong with the host, or that nothing is.
func (h *host) findings() []fix.Finding {
	var list []fix.Finding
	if h.confErr != nil && h.groupSource() != "flag" && h.groupSource() != "environment" && h.groupSource() != "receipt" {
		list = append(list, unreadable(idConfBroken, nixconf.File, "nix.conf, which may name another group, cannot be read", h.confErr))
	}
	if len(h.users) == 0 && h.record == nil {
		return append(list, fix.Finding{
			ID: idNone, Status: fix.NotApplicable,
			Summary: fmt.Sprintf("there is no group %s and there are no build users %s1 and so on", h.group, h.prefix),
		})
	}
	if h.unused != "" {
		return append(list, fix.Finding{
			ID: idUnused, Status: fix.OK, Summary: "the daemon uses no build users: " + h.unused,
		})
	}
	if h.uninstalled {
		return append(list, h.leftOver())
	}
	trouble := h.broken()
	for _, f := range h.atRisk() {
		if len(trouble) > 0 && f.ID == idAtRisk {
			f.Remedy.Command = repairCommand // a repair of what is broken moves them as well
		}
		trouble = append(trouble, f)
	}
	if fix.Worst(trouble) == fix.NotApplicable {
		trouble = append(trouble, fix.Finding{
			ID: idHealthy, Status: fix.OK,
			Summary: fmt.Sprintf("%s in the group %s, user IDs %s", counted(len(h.users), "build user"), h.group, ranges(h.ids(func(*user) bool { return true }))),
		})
	}
	return append(list, append(trouble, h.aboutReceipt()...)...)
}

func (h *host) groupSource() string {
	for _, s := range h.settings {
		if s.Name == optGroup {
			return s.Source
		}
	}
	return ""
}

func unreadable(id, file, summary string, err error) fix.Finding {
	return fix.Finding{
		ID: id, Status: fix.Unknown, Summary: summary, Reason: err.Error(), NeedsRoot: errors.Is(err, fs.ErrPermission),
		Evidence: []fix.Evidence{{Source: file, Expected: "readable", Observed: err.Error()}},
	}
}

func (h *host) leftOver() fix.Finding {
	f := fix.Finding{
		ID: idLeftover, Status: fix.AtRisk,
		Summary: fmt.Sprintf("Nix is not installed here, but %s of an installation are left; a new installation may stop at them",
			counted(h.howMany(func(u *user) bool { return u.record != nil }), "build user")),
		Evidence: []fix.Evidence{{
			Source: "user IDs of " + h.prefix + "N", Expected: fmt.Sprintf("%d to %d, or no such users", firstSafe, lastSafe),
			Observed: ranges(h.ids(func(*user) bool { return true })),
		}},
		Remedy: &fix.Remedy{
			Class: fix.Safe, Changes: "brings the users where today's installers expect them", Command: moveCommand, Undo: undoText,
		},
	}
	if !slices.ContainsFunc(h.users, func(u *user) bool { return u.record == nil || h.moves(u, true) }) {
		f.Status, f.Remedy, f.Evidence = fix.OK, nil, nil
		f.Summary = fmt.Sprintf("Nix is not installed here; %s of an installation are left, where a new one expects them", counted(len(h.users), "build user"))
	}
	return f
}

func (h *host) howMany(want func(*user) bool) int { return len(h.pick(want)) }

func (h *host) pick(want func(*user) bool) []*user {
	var list []*user
	for _, u := range h.users {
		if want(u) {
			list = append(list, u)
		}
	}
	return list
}

func (h *host) ids(want func(*user) bool) []int {
	var ids []int
	for _, u := range h.pick(want) {
		if u.uid >= 0 {
			ids = append(ids, u.uid)
		}
	}
	return ids
}

// finding is a broken one about some users, whose remedy is the repair.
func broken(id, summary, changes string, evidence []fix.Evidence) fix.Finding {
	if n := len(evidence) - fewEvidence; n > 1 {
		evidence = append(evidence[:fewEvidence:fewEvidence], fix.Evidence{Source: fmt.Sprintf("%d more", n)})
	}
	return fix.Finding{
		ID: id, Status: fix.Broken, Summary: summary, Evidence: evidence,
		Remedy: &fix.Remedy{Class: fix.Safe, Changes: changes, Command: repairCommand, Undo: undoText},
	}
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func (h *host) broken() []fix.Finding {
	var list []fix.Finding
	about := func(id string, want func(*user) bool, summary func(n string) string, changes string, evidence func(*user) fix.Evidence) {
		users := h.pick(want)
		if len(users) == 0 {
			return
		}
		all := make([]fix.Evidence, len(users))
		for i, u := range users {
			all[i] = evidence(u)
		}
		list = append(list, broken(id, summary(counted(len(users), "build user")), changes, all))
	}
	switch {
	case h.record == nil:
		list = append(list, broken(idGroupMissing, "the group "+h.group+" of the build users is missing",
			"makes the group again, with the ID that its users have as their primary group",
			[]fix.Evidence{{Source: "/Groups/" + h.group, Expected: "a group", Observed: "missing"}}))
	case len(h.record.Values(dscl.PrimaryGroupID)) == 0:
		list = append(list, broken(idGroupNoGID, "the group "+h.group+" has no ID",
			"gives the group the ID that its users have as their primary group",
			[]fix.Evidence{{Source: "/Groups/" + h.group + " PrimaryGroupID", Expected: "a number", Observed: "not set"}}))
	}
	about(idMissing, func(u *user) bool { return u.record == nil },
		func(string) string {
			return fmt.Sprintf("%d of %s missing", h.howMany(func(u *user) bool { return u.record == nil }), counted(len(h.users), "build user"))
		}, "creates them again",
		func(u *user) fix.Evidence {
			return fix.Evidence{Source: u.path(), Expected: "a user", Observed: "missing"}
		})
	about(idIncomplete, func(u *user) bool { return u.record != nil && (u.uid < 0 || len(h.lacks(u)) > 0) },
		func(n string) string { return n + " only half made" }, "sets what is missing",
		func(u *user) fix.Evidence {
			if u.uid < 0 {
				return fix.Evidence{Source: u.path() + " UniqueID", Expected: "one number", Observed: orNone(u.uids)}
			}
			return fix.Evidence{Source: u.path() + " " + strings.Join(h.lacks(u), ", "), Expected: "set", Observed: "not set"}
		})
	about(idShared, func(u *user) bool { return len(u.shared) > 0 || u.twin != "" },
		func(n string) string {
			return n + " sharing a user ID with another account, whose processes every build kills"
		}, "gives them user IDs of their own; the other accounts are left alone",
		func(u *user) fix.Evidence {
			others := slices.Clone(u.shared)
			if u.twin != "" {
				others = append(others, u.twin)
			}
			return fix.Evidence{
				Source: u.path() + " UniqueID", Expected: "a user ID of its own",
				Observed: fmt.Sprintf("%d, as %s has", u.uid, strings.Join(others, ", ")),
			}
		})
	about(idParked, func(u *user) bool { return u.zone() == parked },
		func(n string) string { return n + " parked by a migration that did not finish" }, "brings them to 351 and up",
		func(u *user) fix.Evidence {
			return fix.Evidence{Source: u.path() + " UniqueID", Expected: "351 to 499", Observed: strconv.Itoa(u.uid)}
		})
	about(idWrongGroup, func(u *user) bool { return u.record != nil && u.uid >= 0 && h.wrongGroup(u) },
		func(n string) string { return n + " with another primary group than " + h.group },
		"sets their primary group to the ID of the group, which never changes",
		func(u *user) fix.Evidence {
			return fix.Evidence{
				Source: u.path() + " PrimaryGroupID", Expected: strconv.Itoa(h.gid), Observed: orNone(u.record.Values(dscl.PrimaryGroupID)),
			}
		})
	if h.record != nil {
		list = append(list, h.membership()...)
	}
	if len(h.impostors) > 0 {
		f := broken(idImpostors, "accounts that are not build users have names that build users should have", "", nil)
		for _, name := range h.impostors {
			f.Evidence = append(f.Evidence, fix.Evidence{Source: "/Users/" + name, Expected: "a build user", Observed: "another account"})
		}
		f.Remedy = &fix.Remedy{
			Class:   fix.Advice,
			Changes: "choose another prefix with --" + optPrefix + ", or find out what made these accounts; lixfix does not touch them",
		}
		list = append(list, f)
	}
	return list
}

func orNone(values []string) string {
	if len(values) == 0 {
		return "not set"
	}
	return strings.Join(values, " and ")
}

// membership looks at the lists of the group. The daemon takes the names; membership services of macOS take the GUIDs
// where there are any. Tools that count the primary group as membership (dseditgroup, id) see no trouble in an empty
// list, and the daemon still stops (NixOS/nix#12343).
func (h *host) membership() []fix.Finding {
	var list []fix.Finding
	group := "/Groups/" + h.group
	present := h.pick(func(u *user) bool { return u.record != nil })
	outside := h.pick(func(u *user) bool { return u.record != nil && !u.named })
	switch {
	case len(h.record.Values(dscl.GroupMembership)) == 0 && len(h.users) > 0:
		list = append(list, broken(idGroupEmpty, fmt.Sprintf("the group %s names none of its %s", h.group, counted(len(present), "user")),
			"names them in the group", []fix.Evidence{{
				Source: group + " GroupMembership", Expected: counted(len(h.users), "name"), Observed: "not set",
			}}))
	case len(outside) > 0:
		var names []string
		for _, u := range outside {
			names = append(names, u.name)
		}
		list = append(list, broken(idNotInGroup, counted(len(outside), "build user")+" not named in the group "+h.group,
			"names them in the group", []fix.Evidence{{
				Source: group + " GroupMembership", Expected: "names every build user", Observed: "without " + shorten(names),
			}}))
	}
	if ids := h.record.Values(dscl.GroupMembers); len(ids) > 0 {
		var names []string
		for _, u := range present {
			if id := u.record.First(dscl.GeneratedUID); id != "" && u.named && !slices.Contains(ids, id) {
				names = append(names, u.name)
			}
		}
		if len(names) > 0 {
			list = append(list, broken(idStaleGUIDs, counted(len(names), "build user")+" not in the group "+h.group+" by GUID, only by name",
				"writes the list of GUIDs anew", []fix.Evidence{{
					Source: group + " GroupMembers", Expected: "the GUID of every member", Observed: "without that of " + shorten(names),
				}}))
		}
	}
	var gone []string
	for _, name := range h.strangers {
		if h.names[name] == nil {
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		f := broken(idStrangers, "the group "+h.group+" names accounts that do not exist and are not named like build users", "", []fix.Evidence{{
			Source: group + " GroupMembership", Expected: h.prefix + "N, or accounts that exist", Observed: shorten(gone),
		}})
		f.Remedy = &fix.Remedy{
			Class:   fix.Advice,
			Changes: "the daemon stops at such a name: take it out with \"sudo dseditgroup -o edit -n . -d NAME -t user " + h.group + "\"",
		}
		list = append(list, f)
	}
	return list
}

func shorten(names []string) string {
	const few = 4
	if len(names) > few {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
	}
	return strings.Join(names, ", ")
}

func (h *host) atRisk() []fix.Finding {
	var list []fix.Finding
	own := func(u *user) bool { return len(u.shared) == 0 && u.twin == "" }
	if ids := h.ids(func(u *user) bool { return u.zone() == unsafe && own(u) }); len(ids) > 0 {
		list = append(list, fix.Finding{
			ID: idAtRisk, Status: fix.AtRisk,
			Summary: counted(len(ids), "build user") + " with user IDs that an upgrade of macOS takes, deleting them",
			Evidence: []fix.Evidence{{
				Source: "user IDs of " + h.prefix + "N", Expected: "351 to 499 (macOS 15 takes 300–304, macOS 26 305–308)",
				Observed: ranges(ids),
			}},
			Remedy: &fix.Remedy{Class: fix.Safe, Changes: "moves them to 351 and up", Command: moveCommand, Undo: undoText},
		})
	}
	if ids := h.ids(func(u *user) bool { return u.zone() == high && own(u) }); len(ids) > 0 {
		list = append(list, fix.Finding{
			ID: idHigh, Status: fix.AtRisk,
			Summary: counted(len(ids), "build user") + " with user IDs of people: macOS counts accounts from 500 up as such",
			Evidence: []fix.Evidence{{
				Source: "user IDs of " + h.prefix + "N", Expected: "351 to 499 (updates of macOS ended in Recovery over these, NixOS/nix#4531)",
				Observed: ranges(ids),
			}},
			Remedy: &fix.Remedy{Class: fix.Safe, Changes: "moves them to 351 and up", Command: moveCommand, Undo: undoText},
		})
	}
	return list
}

func (h *host) aboutReceipt() []fix.Finding {
	switch {
	case h.receiptErr != nil && errors.Is(h.receiptErr, fs.ErrPermission):
		return []fix.Finding{unreadable(idReceiptBroken, receipt.File, "the installer's receipt cannot be read", h.receiptErr)}
	case h.receiptErr != nil:
		return []fix.Finding{{
			ID: idReceiptBroken, Status: fix.AtRisk, Summary: "the installer's receipt cannot be understood, so it is left as it is",
			Evidence: []fix.Evidence{{Source: receipt.File, Expected: "JSON", Observed: h.receiptErr.Error()}},
			Remedy: &fix.Remedy{
				Class:   fix.Advice,
				Changes: "nothing for the build users; uninstalling with the installer will need a receipt that it can read",
			},
		}}
	case h.receipt == nil || h.uninstalled:
		return nil
	}
	uids := map[string]int{}
	for _, u := range h.users {
		if u.uid >= 0 {
			uids[u.name] = u.uid
		}
	}
	changes := h.receipt.Compare(uids, h.gid)
	if len(changes) == 0 {
		return nil
	}
	f := fix.Finding{
		ID: idReceiptStale, Status: fix.AtRisk,
		Summary: fmt.Sprintf("the installer's receipt has other numbers than the directory in %s; installing again would stop there", counted(len(changes), "place")),
		Remedy:  &fix.Remedy{Class: fix.Safe, Changes: "records the numbers of the directory in the receipt", Command: repairCommand, Undo: undoText},
	}
	if fix.Worst(append(h.broken(), h.atRisk()...)) == fix.AtRisk {
		f.Remedy.Command = moveCommand
	}
	for i, c := range changes {
		if i == 3 {
			f.Evidence = append(f.Evidence, fix.Evidence{Source: fmt.Sprintf("%d more", len(changes)-i)})
			break
		}
		f.Evidence = append(f.Evidence, fix.Evidence{Source: receipt.File + " " + c.Field, Expected: strconv.Itoa(c.To), Observed: c.From})
	}
	return []fix.Finding{f}
}

// ranges writes numbers as "301–304, 331".
func ranges(ids []int) string {
	if len(ids) == 0 {
		return "none"
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var parts []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, strconv.Itoa(ids[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d–%d", ids[i], ids[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
