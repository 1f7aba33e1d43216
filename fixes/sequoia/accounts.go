package sequoia

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/pattern"
)

// firstFree is the lowest ID that macOS leaves to others: it takes those below for groups of its own.
const firstFree = 300

// systemGroups are groups of macOS, whose names nobody may mean.
var systemGroups = []string{
	"accessibility", "admin", "authedusers", "bin", "certusers", "consoleusers", "daemon", "dialer", "everyone", "group",
	"interactusers", "kmem", "localaccounts", "mail", "netaccounts", "network", "netusers", "nobody", "nogroup", "operator",
	"owner", "procmod", "procview", "staff", "sys", "tty", "utmp", "wheel",
}

// anyGUID is the form of a GeneratedUID.
var anyGUID = pattern.New(`(?i)^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`)

// appleGUID is the form of the GeneratedUID of Apple's own accounts. It is used to refuse, never to permit.
var appleGUID = pattern.New(`(?i)^(FFFFEEEE-DDDD-CCCC-BBBB-AAAA|ABCDEFAB-CDEF-ABCD-EFAB-CDEF)`)

// accounts are the records of the directory, made easy to find.
type accounts struct {
	directory *dscl.Directory
	prefix    string // of the names of build users
	names     map[string]*dscl.Record
	holders   map[int][]string // user ID → names of accounts
	gids      map[int]string   // group ID → name of a group
}

func index(d *dscl.Directory) accounts {
	a := accounts{
		directory: d,
		names:     make(map[string]*dscl.Record, len(d.Users)),
		holders:   make(map[int][]string, len(d.Users)),
		gids:      make(map[int]string, len(d.Groups)),
	}
	for _, u := range d.Users {
		a.names[u.Name] = u
		for _, id := range u.Values(dscl.UniqueID) {
			if n, err := strconv.Atoi(id); err == nil {
				a.holders[n] = append(a.holders[n], u.Name)
			}
		}
	}
	// A path with an alias leads to the account as well, and so does the look-up of its name by the daemon.
	for _, u := range d.Users {
		for _, alias := range u.Values(dscl.RecordName) {
			if a.names[alias] == nil {
				a.names[alias] = u
			}
		}
	}
	for _, g := range d.Groups {
		for _, id := range g.Values(dscl.PrimaryGroupID) {
			if n, err := strconv.Atoi(id); err == nil {
				a.gids[n] = g.Name
			}
		}
	}
	return a
}

// number returns the number of a build user's name: digits without a leading zero behind the prefix.
func (a *accounts) number(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, a.prefix)
	if !ok || digits == "" || len(digits) > 4 || digits[0] == '0' && digits != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return int(n), err == nil && digits[0] != '+'
}

// foreign says why a group is not one of Nix's build users; nil when it may be one. A repair writes its users into the
// group, and the daemon lets builds run as whoever is in it.
func (a *accounts) foreign(name string) *fault {
	if slices.Contains(systemGroups, strings.ToLower(name)) || strings.HasPrefix(strings.ToLower(name), "com.apple.") {
		return &fault{says: faultSystem}
	}
	g := a.groupNamed(name)
	if g == nil {
		return nil
	}
	if g.Name != name {
		return &fault{says: faultAlias, with: fix.With{"group": g.Name}}
	}
	if appleGUID.MatchString(g.First(dscl.GeneratedUID)) {
		return &fault{says: faultSystem}
	}
	for _, id := range g.Values(dscl.PrimaryGroupID) {
		if gid, err := strconv.Atoi(id); err == nil && gid < firstFree {
			return &fault{says: faultLow, with: fix.With{"gid": gid, "first": firstFree}}
		}
	}
	if nested := g.Values(dscl.NestedGroups); len(nested) > 0 {
		return &fault{says: faultNested, names: a.groupNames(nested)}
	}
	strangers := a.unlike(g)
	if a.otherwise(name) {
		return &fault{says: faultRenamed, with: fix.With{"prefix": a.prefix}, names: strangers}
	}
	others := slices.DeleteFunc(strangers, func(m string) bool { return a.names[m] == nil })
	for _, r := range a.directory.Users {
		if !a.buildName(r) && !slices.Contains(others, r.Name) && a.belongs(r, g) {
			others = append(others, r.Name)
		}
	}
	if len(others) > 0 {
		return &fault{says: faultOthers, names: others}
	}
	return nil
}

// groupNamed returns the group that macOS finds by a name: names and aliases differ in more than case. Nil for none.
func (a *accounts) groupNamed(name string) *dscl.Record {
	for _, g := range a.directory.Groups {
		if g.Name == name {
			return g
		}
	}
	for _, g := range a.directory.Groups {
		if slices.ContainsFunc(g.Values(dscl.RecordName), func(n string) bool { return strings.EqualFold(n, name) }) {
			return g
		}
	}
	return nil
}

// unlike returns the members of a group that are not named like build users.
func (a *accounts) unlike(g *dscl.Record) []string {
	return slices.DeleteFunc(slices.Clone(g.Values(dscl.GroupMembership)), func(m string) bool { _, ok := a.number(m); return ok })
}

// otherwise reports whether a group has members and none of them is named like a build user: then the group may be right
// and the prefix wrong.
func (a *accounts) otherwise(name string) bool {
	g := a.groupNamed(name)
	if g == nil {
		return false
	}
	n := len(g.Values(dscl.GroupMembership))
	return n > 0 && len(a.unlike(g)) == n
}

// groupNames names groups by their GeneratedUIDs.
func (a *accounts) groupNames(ids []string) []string {
	names := slices.Clone(ids)
	for i, id := range ids {
		for _, g := range a.directory.Groups {
			if dscl.SameID(g.First(dscl.GeneratedUID), id) {
				names[i] = g.Name
			}
		}
	}
	return names
}

// buildName reports whether any name of an account is that of a build user.
func (a *accounts) buildName(r *dscl.Record) bool {
	return slices.ContainsFunc(r.Values(dscl.RecordName), func(n string) bool { _, ok := a.number(n); return ok })
}

// belongs reports whether an account is in a group by its GUID, or by its primary group. Where two groups have one ID,
// that does not tell.
func (a *accounts) belongs(r, g *dscl.Record) bool {
	if id := r.First(dscl.GeneratedUID); id != "" && dscl.HasID(g.Values(dscl.GroupMembers), id) {
		return true
	}
	gid, err := g.Number(dscl.PrimaryGroupID)
	if err != nil {
		return false
	}
	primary, err := r.Number(dscl.PrimaryGroupID)
	// Last, as it looks at every group, and the directory may have many accounts.
	return err == nil && primary == gid && len(a.sharing(g.Name, gid)) == 0
}

// sharing returns the other groups of an ID.
func (a *accounts) sharing(name string, gid int) []string {
	var others []string
	for _, g := range a.directory.Groups {
		has := slices.ContainsFunc(g.Values(dscl.PrimaryGroupID), func(id string) bool { n, err := strconv.Atoi(id); return err == nil && n == gid })
		if has && g.Name != name {
			others = append(others, g.Name)
		}
	}
	return others
}
