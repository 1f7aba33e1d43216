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
	"github.com/lixfix/lixfix/platform/launchd"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/receipt"
)

const (
	repairCommand = "sudo lixfix repair sequoia"
	moveCommand   = repairCommand + " --" + optMove
	undoText      = "\"sudo lixfix undo\" restores the old values"
	fewEvidence   = 8 // lines; a directory can be wrong in hundreds of places
)

// findings says what is wrong with the host, or that nothing is.
func (h *host) findings() []fix.Finding {
	list := h.aboutDaemon()
	if s := h.source(optGroup); h.confErr != nil && s != "flag" && s != "environment" && s != "receipt" {
		list = append(list, unreadable(idConfBroken, nixconf.File, "nix.conf, which may name another group, cannot be read", h.confErr))
	}
	if h.unused != "" && (h.record != nil || len(h.users) > 0) {
		return append(list, finding(idUnused, "the daemon uses no build users: "+h.unused))
	}
	if wrong := h.wrongGroups(); len(wrong) > 0 && h.unused == "" {
		list = append(list, wrong...)
		if why, _ := h.foreign(h.group); why != "" {
			return list // who its build users would be is nobody's business
		}
	}
	if len(h.users) == 0 && h.record == nil {
		return append(list, h.nothing())
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
	trouble = append(trouble, h.untidy()...)
	if len(trouble) == 0 {
		trouble = append(trouble, finding(idHealthy,
			fmt.Sprintf("%s in the group %s, user IDs %s", counted(len(h.users), "build user"), h.group, ranges(h.ids(func(*user) bool { return true })))))
	}
	return append(list, append(trouble, h.aboutReceipt()...)...)
}

// nothing is about a host without group and without users. An installation for one user needs none, but a daemon does.
func (h *host) nothing() fix.Finding {
	none := fmt.Sprintf("there is no group %s and there are no build users %s1 and so on", h.group, h.prefix)
	if h.unused != "" || h.uninstalled || len(h.services) == 0 {
		return finding(idNone, none)
	}
	return advised(idGroupMissing, none+", and the daemon needs them for every build",
		"install Nix again with the installer that you used: it makes them; the store belongs to the ID that the group had",
		fix.Evidence{Source: "/Groups/" + h.group, Expected: "a group", Observed: "missing"})
}

// aboutDaemon says that the daemon is stopped: a repair that was killed can leave it so, and nothing else would tell.
func (h *host) aboutDaemon() []fix.Finding {
	switch {
	case h.uninstalled:
		return nil
	case h.serviceErr != nil:
		return []fix.Finding{unreadable(idDaemonUnknown, launchd.Tool, "it could not be told whether the Nix daemon is loaded", h.serviceErr)}
	case !h.stopped():
		return nil
	}
	f := finding(idDaemonOut, "the Nix daemon is stopped: launchd does not have its job")
	for _, s := range h.services {
		f.Evidence = append(f.Evidence, fix.Evidence{Source: "launchctl print system/" + s.label, Expected: "loaded", Observed: "not loaded"})
	}
	f.Remedy.Changes = "starts it, as \"sudo launchctl bootstrap system " + daemonPlist(h.services[0].label) + "\" does"
	f.Remedy.Undo = ""
	return []fix.Finding{f}
}

func unreadable(id, file, summary string, err error) fix.Finding {
	return fix.Finding{
		ID: id, Status: fix.Unknown, Summary: summary, Reason: err.Error(), NeedsRoot: errors.Is(err, fs.ErrPermission),
		Evidence: []fix.Evidence{{Source: file, Expected: "readable", Observed: err.Error()}},
	}
}

func (h *host) leftOver() fix.Finding {
	f := finding(idLeftover, fmt.Sprintf("Nix is not installed here, but %s of an installation are left; a new installation may stop at them",
		counted(h.howMany(func(u *user) bool { return u.record != nil }), "build user")), fix.Evidence{
		Source: "user IDs of " + h.prefix + "N", Expected: fmt.Sprintf("%d to %d, or no such users", firstSafe, lastSafe),
		Observed: ranges(h.ids(func(*user) bool { return true })),
	})
	f.Remedy.Command = moveCommand
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

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// about makes a finding of a kind about the users that want picks, none where there are none.
func (h *host) about(id string, want func(*user) bool, summary func(n string) string, evidence func(*user) []fix.Evidence) []fix.Finding {
	users := h.pick(want)
	if len(users) == 0 {
		return nil
	}
	var all []fix.Evidence
	for _, u := range users {
		all = append(all, evidence(u)...)
	}
	return []fix.Finding{finding(id, summary(counted(len(users), "build user")), all...)}
}

// flawed is the evidence for flaws of one kind.
func (h *host) flawed(u *user, id string) []fix.Evidence {
	var all []fix.Evidence
	for _, f := range h.lacks(u, id) {
		e := fix.Evidence{Source: u.path() + " " + f.key, Expected: f.want, Observed: f.have}
		if e.Expected == "" {
			e.Expected = "set"
		}
		if e.Observed == "" {
			e.Observed = "not set"
		}
		all = append(all, e)
	}
	return all
}

func (h *host) broken() []fix.Finding {
	var list []fix.Finding
	about := func(id string, want func(*user) bool, summary func(n string) string, evidence func(*user) fix.Evidence) {
		list = append(list, h.about(id, want, summary, func(u *user) []fix.Evidence { return []fix.Evidence{evidence(u)} })...)
	}
	switch {
	case h.record == nil:
		list = append(list, finding(idGroupMissing, "the group "+h.group+" of the build users is missing",
			fix.Evidence{Source: "/Groups/" + h.group, Expected: "a group", Observed: "missing"}))
	case !h.numbered:
		list = append(list, finding(idGroupNoGID, "the group "+h.group+" has no ID of its own",
			fix.Evidence{Source: "/Groups/" + h.group + " PrimaryGroupID", Expected: "one number", Observed: orNone(h.record.Values(dscl.PrimaryGroupID))}))
	}
	if !h.assumed {
		about(idMissing, func(u *user) bool { return u.record == nil },
			func(string) string {
				return fmt.Sprintf("%d of %s missing", h.howMany(func(u *user) bool { return u.record == nil }), counted(len(h.users), "build user"))
			},
			func(u *user) fix.Evidence {
				return fix.Evidence{Source: u.path(), Expected: "a user", Observed: "missing"}
			})
	}
	list = append(list, h.about(idIncomplete, func(u *user) bool { return u.record != nil && (u.uid < 0 || len(h.lacks(u, idIncomplete)) > 0) },
		func(n string) string { return n + " incomplete" },
		func(u *user) []fix.Evidence {
			if u.uid < 0 {
				return []fix.Evidence{{Source: u.path() + " UniqueID", Expected: "one number", Observed: orNone(u.uids)}}
			}
			return h.flawed(u, idIncomplete)
		})...)
	list = append(list, h.about(idLikePerson, func(u *user) bool { return len(h.lacks(u, idLikePerson)) > 0 },
		func(n string) string { return n + " with the home or the shell of people" },
		func(u *user) []fix.Evidence { return h.flawed(u, idLikePerson) })...)
	about(idShared, func(u *user) bool { return len(u.shared) > 0 || u.twin != "" },
		func(n string) string {
			return n + " sharing a user ID with another account, whose processes every build kills"
		},
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
		func(n string) string { return n + " parked by a migration that did not finish" },
		func(u *user) fix.Evidence {
			return fix.Evidence{Source: u.path() + " UniqueID", Expected: "351 to 499", Observed: strconv.Itoa(u.uid)}
		})
	about(idWrongGroup, func(u *user) bool { return u.record != nil && u.uid >= 0 && h.wrongGroup(u) },
		func(n string) string { return n + " with another primary group than " + h.group },
		func(u *user) fix.Evidence {
			return fix.Evidence{
				Source: u.path() + " PrimaryGroupID", Expected: strconv.Itoa(h.gid), Observed: orNone(u.record.Values(dscl.PrimaryGroupID)),
			}
		})
	if h.record != nil {
		list = append(list, h.membership()...)
	}
	if len(h.impostors) > 0 {
		f := finding(idImpostors, "accounts that are not build users have names that build users should have")
		for _, name := range h.impostors {
			f.Evidence = append(f.Evidence, fix.Evidence{Source: "/Users/" + name, Expected: "a build user", Observed: h.stranger(name)})
		}
		list = append(list, f)
	}
	return list
}

// stranger says what an account that is no build user is like.
func (h *host) stranger(name string) string {
	r := h.names[name]
	switch {
	case r == nil:
		return "another account"
	case appleGUID.MatchString(r.First(dscl.GeneratedUID)):
		return "an account of macOS"
	case r.Name != name:
		return "another name of the account " + r.Name
	}
	return fmt.Sprintf("another account (user ID %s, home %s, shell %s)",
		orNone(r.Values(dscl.UniqueID)), orNone(r.Values(dscl.NFSHomeDirectory)), orNone(r.Values(dscl.UserShell)))
}

// untidy is what does no harm by itself.
func (h *host) untidy() []fix.Finding {
	list := h.about(idVisible, func(u *user) bool {
		return len(h.lacks(u, idVisible)) > 0 && u.uid >= 0 && len(h.lacks(u, idIncomplete)) == 0
	},
		func(n string) string { return n + " that macOS does not hide, as among those to log in as" },
		func(u *user) []fix.Evidence { return h.flawed(u, idVisible) })
	if twice := h.doubled(); len(twice) > 0 {
		list = append(list, finding(idDoubled, "the group "+h.group+" names "+counted(len(twice), "member")+" more than once",
			fix.Evidence{Source: "/Groups/" + h.group, Expected: "each member once", Observed: shorten(twice) + " twice"}))
	}
	if h.record != nil && h.gid >= 0 {
		if others := h.sharing(h.group, h.gid); len(others) > 0 {
			list = append(list, finding(idGIDShared, fmt.Sprintf("the ID %d of the group %s is that of the group %s as well, which gets what builds may read",
				h.gid, h.group, strings.Join(others, ", ")),
				fix.Evidence{Source: "/Groups/" + h.group + " PrimaryGroupID", Expected: "an ID of its own", Observed: fmt.Sprintf("%d, as %s has", h.gid, shorten(others))}))
		}
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
	case h.assumed:
		f := finding(idGroupEmpty, "the group "+h.group+" has no build users, so every build fails", fix.Evidence{
			Source: group + " GroupMembership", Expected: counted(len(h.users), "name"), Observed: "not set",
		})
		f.Remedy.Changes = fmt.Sprintf("creates %d build users, as the installers do; --%s N makes another number", len(h.users), optCount)
		return []fix.Finding{f}
	case len(h.record.Values(dscl.GroupMembership)) == 0 && len(h.users) > 0:
		list = append(list, finding(idGroupEmpty, fmt.Sprintf("the group %s names none of its %s", h.group, counted(len(present), "user")), fix.Evidence{
			Source: group + " GroupMembership", Expected: counted(len(h.users), "name"), Observed: "not set",
		}))
	case len(outside) > 0:
		var names []string
		for _, u := range outside {
			names = append(names, u.name)
		}
		list = append(list, finding(idNotInGroup, counted(len(outside), "build user")+" not named in the group "+h.group, fix.Evidence{
			Source: group + " GroupMembership", Expected: "names every build user", Observed: "without " + shorten(names),
		}))
	}
	if ids := h.record.Values(dscl.GroupMembers); len(ids) > 0 {
		var names []string
		for _, u := range present {
			if id := u.record.First(dscl.GeneratedUID); id != "" && u.named && !dscl.HasID(ids, id) {
				names = append(names, u.name)
			}
		}
		if len(names) > 0 {
			list = append(list, finding(idStaleGUIDs, counted(len(names), "build user")+" not in the group "+h.group+" by GUID, only by name", fix.Evidence{
				Source: group + " GroupMembers", Expected: "the GUID of every member", Observed: "without that of " + shorten(names),
			}))
		}
	}
	var gone []string
	for _, name := range h.strangers {
		if h.names[name] == nil {
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		list = append(list, advised(idStrangers, "the group "+h.group+" names accounts that do not exist and are not named like build users",
			"the daemon stops at such a name: take it out with \"sudo dseditgroup -o edit -n . -d NAME -t user "+h.group+"\"",
			fix.Evidence{Source: group + " GroupMembership", Expected: h.prefix + "N, or accounts that exist", Observed: shorten(gone)}))
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
	place := func(id string, z zone, summary, expected string) {
		ids := h.ids(func(u *user) bool { return u.zone() == z && len(u.shared) == 0 && u.twin == "" })
		if len(ids) == 0 {
			return
		}
		f := finding(id, counted(len(ids), "build user")+summary, fix.Evidence{
			Source: "user IDs of " + h.prefix + "N", Expected: expected, Observed: ranges(ids),
		})
		f.Remedy.Command = moveCommand
		list = append(list, f)
	}
	place(idAtRisk, unsafe, " with user IDs that an upgrade of macOS takes, deleting them",
		"351 to 499 (macOS 15 takes 300–304, macOS 26 305–308)")
	place(idHigh, high, " with user IDs of people: macOS counts accounts from 500 up as such",
		"351 to 499 (updates of macOS ended in Recovery over these, NixOS/nix#4531)")
	return list
}

func (h *host) aboutReceipt() []fix.Finding {
	switch {
	case h.receiptErr != nil && errors.Is(h.receiptErr, fs.ErrPermission):
		return []fix.Finding{unreadable(idReceiptBroken, receipt.File, "the installer's receipt cannot be read", h.receiptErr)}
	case h.receiptErr != nil:
		return []fix.Finding{finding(idReceiptBroken, "the installer's receipt cannot be understood, so it is left as it is",
			fix.Evidence{Source: receipt.File, Expected: "JSON", Observed: h.receiptErr.Error()})}
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
	f := finding(idReceiptStale,
		fmt.Sprintf("the installer's receipt has other numbers than the directory in %s; installing again would stop there", counted(len(changes), "place")))
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
