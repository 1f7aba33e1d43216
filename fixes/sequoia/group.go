package sequoia

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dscl"
)

// firstFree is the lowest ID that macOS leaves to others: it takes those below for groups of its own.
const firstFree = 300

// systemGroups are groups of macOS, whose names nobody may mean.
var systemGroups = []string{
	"accessibility", "admin", "authedusers", "bin", "certusers", "consoleusers", "daemon", "dialer", "everyone", "group",
	"interactusers", "kmem", "localaccounts", "mail", "netaccounts", "network", "netusers", "nobody", "nogroup", "operator",
	"owner", "procmod", "procview", "staff", "sys", "tty", "utmp", "wheel",
}

// foreign says why a group is not one of Nix's build users, as the end of a sentence; "" when it may be one. others are
// the members for whom that is so, where it is for them. A repair writes its users into the group, and the daemon lets
// builds run as whoever is in it.
func (h *host) foreign(name string) (why string, others []string) {
	if slices.Contains(systemGroups, strings.ToLower(name)) || strings.HasPrefix(strings.ToLower(name), "com.apple.") {
		return "is one of macOS", nil
	}
	g := h.groupNamed(name)
	if g == nil {
		return "", nil
	}
	if g.Name != name {
		return "is another name of the group " + g.Name, nil
	}
	if appleGUID.MatchString(g.First(dscl.GeneratedUID)) {
		return "is one of macOS", nil
	}
	for _, id := range g.Values(dscl.PrimaryGroupID) {
		if gid, err := strconv.Atoi(id); err == nil && gid < firstFree {
			return fmt.Sprintf("has the ID %d, and macOS keeps those below %d for itself", gid, firstFree), nil
		}
	}
	if nested := g.Values(dscl.NestedGroups); len(nested) > 0 {
		return "has other groups as its members", h.groupNames(nested)
	}
	strangers := h.unlike(g)
	if h.otherwise(name) {
		return "has members, and none of them is called " + h.prefix + "N", strangers
	}
	others = slices.DeleteFunc(strangers, func(m string) bool { return h.names[m] == nil })
	for _, r := range h.directory.Users {
		if !h.buildName(r) && !slices.Contains(others, r.Name) && h.belongs(r, g) {
			others = append(others, r.Name)
		}
	}
	if len(others) > 0 {
		return "has members that are no build users", others
	}
	return "", nil
}

// groupNamed returns the group that macOS finds by a name: names and aliases differ in more than case. Nil for none.
func (h *host) groupNamed(name string) *dscl.Record {
	for _, g := range h.directory.Groups {
		if g.Name == name {
			return g
		}
	}
	for _, g := range h.directory.Groups {
		if slices.ContainsFunc(g.Values(dscl.RecordName), func(n string) bool { return strings.EqualFold(n, name) }) {
			return g
		}
	}
	return nil
}

// unlike returns the members of a group that are not named like build users.
func (h *host) unlike(g *dscl.Record) []string {
	return slices.DeleteFunc(slices.Clone(g.Values(dscl.GroupMembership)), func(m string) bool { _, ok := h.number(m); return ok })
}

// otherwise reports whether a group has members and none of them is named like a build user: then the group may be right
// and the prefix wrong.
func (h *host) otherwise(name string) bool {
	g := h.groupNamed(name)
	if g == nil {
		return false
	}
	n := len(g.Values(dscl.GroupMembership))
	return n > 0 && len(h.unlike(g)) == n
}

// groupNames names groups by their GeneratedUIDs.
func (h *host) groupNames(ids []string) []string {
	names := slices.Clone(ids)
	for i, id := range ids {
		for _, g := range h.directory.Groups {
			if dscl.SameID(g.First(dscl.GeneratedUID), id) {
				names[i] = g.Name
			}
		}
	}
	return names
}

// buildName reports whether any name of an account is that of a build user.
func (h *host) buildName(r *dscl.Record) bool {
	return slices.ContainsFunc(r.Values(dscl.RecordName), func(n string) bool { _, ok := h.number(n); return ok })
}

// belongs reports whether an account is in a group by its GUID, or by its primary group. Where two groups have one ID,
// that does not tell.
func (h *host) belongs(r, g *dscl.Record) bool {
	if id := r.First(dscl.GeneratedUID); id != "" && dscl.HasID(g.Values(dscl.GroupMembers), id) {
		return true
	}
	gid, err := g.Number(dscl.PrimaryGroupID)
	if err != nil || len(h.sharing(g.Name, gid)) > 0 {
		return false
	}
	primary, err := r.Number(dscl.PrimaryGroupID)
	return err == nil && primary == gid
}

// sharing returns the other groups of an ID.
func (h *host) sharing(name string, gid int) []string {
	var others []string
	for _, g := range h.directory.Groups {
		has := slices.ContainsFunc(g.Values(dscl.PrimaryGroupID), func(id string) bool { n, err := strconv.Atoi(id); return err == nil && n == gid })
		if has && g.Name != name {
			others = append(others, g.Name)
		}
	}
	return others
}

// wrongGroups says that a repair must not write to the group that was chosen, or that nix.conf names one that is not
// Nix's. The chosen one of nix.conf is said once.
func (h *host) wrongGroups() []fix.Finding {
	var list []fix.Finding
	if why, others := h.foreign(h.group); why != "" && (h.source(optGroup) != sourceConf || len(others) > 0) {
		summary, advice := "the group "+h.group+" "+why, "name the group of the build users: --"+optGroup+" NAME"
		switch {
		case len(others) > 0 && h.otherwise(h.group):
			summary += ": " + shorten(others)
			advice = "say what the build users are called, --" + optPrefix + " NAME, or which group is theirs, --" + optGroup + " NAME"
		case len(others) > 0:
			summary += ": " + shorten(others)
			advice = "take them out of it, or name the group of the build users: --" + optGroup + " NAME"
		}
		list = append(list, advised(idGroupForeign, summary, advice,
			fix.Evidence{Source: "/Groups/" + h.group, Expected: "a group of build users alone", Observed: why}))
	}
	if f, ok := h.wrongConf(); ok {
		list = append(list, f)
	}
	return list
}

// wrongConf says that builds fail, or run as people, because of the group that nix.conf names.
func (h *host) wrongConf() (fix.Finding, bool) {
	name := h.confGroup.Value
	if name == "" {
		return fix.Finding{}, false
	}
	better := "the group of the build users, such as " + defaultGroup
	if usual, _ := h.foreign(h.group); name != h.group && usual == "" {
		better = h.group
	}
	advice := "set build-users-group in " + h.confGroup.File + " to " + better + ", and restart the daemon"
	expected := "a group of build users alone"
	why, others := h.foreign(name)
	switch {
	case why != "" && name == h.group && len(others) > 0:
		return fix.Finding{}, false // said
	case why != "" && len(others) > 0:
		why += ": " + shorten(others)
	case why == "":
		if why = h.unfit(); why == "" {
			return fix.Finding{}, false
		}
		expected = "the group of the build users"
		if g := h.groupNamed(name); g != nil && len(g.Values(dscl.GroupMembership)) > 0 {
			advice = "have that group mended: " + repairCommand + " --" + optGroup + " " + name
		}
	}
	return advised(idConfGroup, "nix.conf has builds run as members of the group "+name+", which "+why, advice,
		fix.Evidence{Source: h.confGroup.File + " build-users-group", Expected: expected, Observed: name}), true
}

// unfit says why builds fail with the group that nix.conf names although another one is that of the build users, as the
// end of a sentence; "" where they do not.
func (h *host) unfit() string {
	name := h.confGroup.Value
	if name == "" || name == h.group || h.unused != "" || h.uninstalled {
		return ""
	}
	g := h.groupNamed(name)
	if g == nil {
		return "does not exist"
	}
	members := g.Values(dscl.GroupMembership)
	missing := slices.DeleteFunc(slices.Clone(members), func(m string) bool { return h.names[m] != nil })
	switch {
	case len(members) == 0:
		return "names no members"
	case len(missing) > 0:
		return "names accounts that do not exist: " + shorten(missing)
	}
	return ""
}

// refuseGroup refuses to plan anything for a group that is not Nix's.
func (h *host) refuseGroup() error {
	why, others := h.foreign(h.group)
	if why == "" {
		return nil
	}
	if len(others) > 0 {
		why += ": " + shorten(others)
	}
	r := &fix.Refusal{
		ID: idGroupForeign, Reason: "the group " + h.group + " (from " + h.source(optGroup) + ") " + why,
		Next: "Name the group of the build users with --" + optGroup + "; nothing was changed.",
	}
	switch {
	case len(others) > 0 && h.otherwise(h.group):
		r.Next = "Say what the build users are called with --" + optPrefix + ", or which group is theirs with --" + optGroup + "; nothing was changed."
	case len(others) > 0:
		r.Next = "Take them out of it, or name the group of the build users with --" + optGroup + "; nothing was changed."
	case h.source(optGroup) == sourceConf:
		r.ID = idConfGroup
		r.Next = "Set build-users-group in " + h.confGroup.File + " to the group of the build users, or name it with --" + optGroup + "; nothing was changed."
	}
	return r
}

// doubled returns members that the group names more than once, by name or by GUID.
func (h *host) doubled() []string {
	if h.record == nil {
		return nil
	}
	var twice []string
	for _, key := range []string{dscl.GroupMembership, dscl.GroupMembers} {
		seen := map[string]bool{}
		for _, m := range h.record.Values(key) {
			same := m
			if key == dscl.GroupMembers {
				same = strings.ToUpper(m)
			}
			if seen[same] && !slices.Contains(twice, m) {
				twice = append(twice, m)
			}
			seen[same] = true
		}
	}
	return twice
}
