package sequoia

import (
	"fmt"
	"slices"
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
	if slices.Contains(systemGroups, name) || strings.HasPrefix(name, "com.apple.") {
		return "is one of macOS", nil
	}
	i := slices.IndexFunc(h.directory.Groups, func(g *dscl.Record) bool { return g.Name == name })
	if i < 0 {
		return "", nil
	}
	g := h.directory.Groups[i]
	gid, err := g.Number(dscl.PrimaryGroupID)
	switch {
	case appleGUID.MatchString(g.First(dscl.GeneratedUID)):
		return "is one of macOS", nil
	case err == nil && gid < firstFree:
		return fmt.Sprintf("has the ID %d, and macOS keeps those below %d for itself", gid, firstFree), nil
	}
	members := g.Values(dscl.GroupMembership)
	strangers := slices.DeleteFunc(slices.Clone(members), func(m string) bool { _, ok := h.number(m); return ok })
	if len(strangers) > 0 && len(strangers) == len(members) {
		return "has members, and none of them is called " + h.prefix + "N", strangers
	}
	others = slices.DeleteFunc(strangers, func(m string) bool { return h.names[m] == nil })
	for _, r := range h.directory.Users {
		if _, ok := h.number(r.Name); !ok && !slices.Contains(others, r.Name) && h.belongs(r, g) {
			others = append(others, r.Name)
		}
	}
	if len(others) > 0 {
		return "has members that are no build users", others
	}
	return "", nil
}

// belongs reports whether an account is in a group by its GUID, or by its primary group. Where two groups have one ID,
// that does not tell.
func (h *host) belongs(r, g *dscl.Record) bool {
	if id := r.First(dscl.GeneratedUID); id != "" && slices.Contains(g.Values(dscl.GroupMembers), id) {
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
		if n, err := g.Number(dscl.PrimaryGroupID); err == nil && n == gid && g.Name != name {
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
		if len(others) > 0 {
			summary += ": " + shorten(others)
			advice = "take them out of it, or name the group of the build users: --" + optGroup + " NAME"
		}
		list = append(list, advised(idGroupForeign, summary, advice,
			fix.Evidence{Source: "/Groups/" + h.group, Expected: "a group of build users alone", Observed: why}))
	}
	if why, others := h.foreign(h.confGroup.Value); h.confGroup.Value != "" && why != "" && len(others) == 0 {
		list = append(list, advised(idConfGroup, "nix.conf has builds run as members of the group "+h.confGroup.Value+", which "+why,
			"set build-users-group in "+h.confGroup.File+" to the group of the build users, such as "+defaultGroup+", and restart the daemon",
			fix.Evidence{Source: h.confGroup.File + " build-users-group", Expected: "a group of build users alone", Observed: h.confGroup.Value}))
	}
	return list
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
			if seen[m] && !slices.Contains(twice, m) {
				twice = append(twice, m)
			}
			seen[m] = true
		}
	}
	return twice
}
