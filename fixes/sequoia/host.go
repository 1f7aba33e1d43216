package sequoia

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform/dscl"
)

const (
	defaultPrefix = "_nixbld"
	defaultGroup  = "nixbld"

	// What a new build user gets; every installer uses the same.
	home  = "/var/empty"
	shell = "/sbin/nologin"

	staff = "20" // the ID of the group that macOS puts people in

	firstSafe = 351 // no macOS so far has an account between here and lastSafe, but for reserved
	lastSafe  = 499 // from 500 up macOS takes accounts for people (NixOS/nix#4531)
	firstLate = 450 // where new releases of macOS let others put role accounts; used last

	firstParked = 31000 // both peers park users here, and leave them there when they are interrupted
	lastParked  = 39999

	usualUsers = 32 // what every installer makes

	maxUsers = 142 // from firstSafe to lastSafe without the reserved ones
)

// reserved reports whether macOS uses an ID in the safe range: the groups com.apple.access_* have 395 to 400, and
// _oahd has 441.
func reserved(id int) bool { return id >= 395 && id <= 400 || id == 441 }

// user is a build user, there or wanted.
type user struct {
	name   string
	number int
	record *dscl.Record // nil when it is missing
	uids   []string     // as they stand in the record
	uid    int          // the one user ID; -1 when there is none, several, or no number
	shared []string     // accounts that are no build users and have the same user ID
	twin   string       // a build user that has the same user ID and keeps it
	named  bool         // in the group's list of names
}

func (u *user) path() string { return dscl.Path{Type: dscl.Users, Name: u.name}.String() }

// alone reports whether no other account has the user ID.
func (u *user) alone() bool { return len(u.shared) == 0 && u.twin == "" }

// host is what a survey comes to: who the build users are, and who should be. Nothing here reads.
type host struct {
	*survey
	accounts
	choice

	users     []*user      // existing and wanted, by number
	strangers []string     // named in the group, and not build users by their name
	impostors []string     // named like a wanted build user, but somebody else's account
	existing  int          // build users that exist or that the group or the receipt names
	record    *dscl.Record // of the group; nil when it is missing
	gid       int          // of the group, or that the group is to get; -1 when not known
	numbered  bool         // the group has this ID, and no other
	assumed   bool         // count is what installers make, because nothing tells how many there should be
}

// understand makes a host of a survey and of the settings that were given.
func understand(s *survey, given fix.Settings) *host {
	h := &host{survey: s, accounts: index(s.records), gid: -1}
	// With auto-allocate-uids builds need no users. On macOS their group is that of build-users-group all the same, and
	// Nix stops where it does not exist (AutoUserLock in user-lock.cc).
	if name := cmp.Or(s.conf.group, s.conf.other); s.conf.unused == caseAllocate && name != "" && h.groupNamed(name) == nil {
		lacking := *s
		lacking.conf.unused, lacking.conf.alone = "", true
		h.survey = &lacking
	}
	h.choice, h.prefix = choose(s, given)
	h.gather()
	return h
}

// choice are the settings that hold, each with where it is from.
type choice struct {
	settings []plan.Setting
	group    string
	count    int  // as asked for; 0 when not
	move     bool // as asked for
}

// choose settles the settings: flag, else environment, else receipt, else nix.conf, else the default.
func choose(s *survey, given fix.Settings) (c choice, prefixed string) {
	pick := func(option string, others ...plan.Setting) string {
		chosen := plan.Setting{Name: option}
		if g, ok := given[option]; ok {
			chosen.Value, chosen.Source = g.Value, g.Source
		}
		for _, o := range others {
			if chosen.Value == "" && dscl.ValidName(o.Value) {
				chosen.Value, chosen.Source = o.Value, o.Source
			}
		}
		c.settings = append(c.settings, chosen)
		return chosen.Value
	}
	var prefix, group string // of the receipt
	if s.receipt != nil {
		prefix, group = s.receipt.Prefix, s.receipt.Group
	}
	c.group = pick(optGroup, plan.Setting{Value: group, Source: sourceReceipt}, plan.Setting{Value: s.conf.group, Source: sourceConf},
		plan.Setting{Value: defaultGroup, Source: sourceDefault})
	prefixed = pick(optPrefix, plan.Setting{Value: prefix, Source: sourceReceipt},
		plan.Setting{Value: commonPrefix(s.records, c.group), Source: sourceMembers}, plan.Setting{Value: defaultPrefix, Source: sourceDefault})
	if n, ok := given[optCount]; ok {
		c.count, _ = strconv.Atoi(n.Value) // checked by the option
		c.settings = append(c.settings, plan.Setting{Name: optCount, Value: n.Value, Source: n.Source})
	}
	if m, ok := given[optMove]; ok {
		c.move = given.On(optMove)
		c.settings = append(c.settings, plan.Setting{Name: optMove, Value: m.Value, Source: m.Source})
	}
	return c, prefixed
}

// source says where a setting came from.
func (c *choice) source(option string) string {
	for _, s := range c.settings {
		if s.Name == option {
			return s.Source
		}
	}
	return ""
}

// commonPrefix returns the prefix that all names in a group share, where that is not the default: installations of
// before 2021 have nixbld1 and so on, and no receipt to say so.
func commonPrefix(d *dscl.Directory, group string) string {
	prefix := ""
	for _, g := range d.Groups {
		if g.Name != group {
			continue
		}
		for _, name := range g.Values(dscl.GroupMembership) {
			p := strings.TrimRight(name, "0123456789")
			if p == name || p == defaultPrefix || !dscl.ValidName(p) || prefix != "" && p != prefix {
				return ""
			}
			prefix = p
		}
	}
	return prefix
}

// gather finds who the build users are and who should be.
func (h *host) gather() {
	for _, g := range h.directory.Groups {
		if g.Name == h.group {
			h.record = g
		}
	}
	var inReceipt []string
	if h.receipt != nil {
		inReceipt = h.receipt.Names
	}
	var members []string
	if h.record != nil {
		members = h.record.Values(dscl.GroupMembership)
		if n, err := h.record.Number(dscl.PrimaryGroupID); err == nil && n >= 0 {
			h.gid, h.numbered = n, true
		}
	}
	wanted := map[string]bool{}
	for _, name := range slices.Concat(members, inReceipt) {
		if _, ok := h.number(name); ok {
			wanted[name] = true
		} else if slices.Contains(members, name) && !slices.Contains(h.strangers, name) {
			h.strangers = append(h.strangers, name)
		}
	}
	build := map[string]bool{}
	for _, r := range h.directory.Users {
		if _, ok := h.number(r.Name); !ok {
			continue
		}
		primary, err := r.Number(dscl.PrimaryGroupID)
		mine := wanted[r.Name] || h.record != nil && err == nil && primary == h.gid || h.gid < 0 && looksMade(r)
		if !mine && !r.Bare() {
			continue
		}
		if appleGUID.MatchString(r.First(dscl.GeneratedUID)) || h.person(r) {
			if wanted[r.Name] {
				h.impostors = append(h.impostors, r.Name)
			}
			continue
		}
		if mine {
			build[r.Name] = true
			wanted[r.Name] = true
		}
	}
	h.existing = len(wanted)
	h.assume(members, wanted)
	h.ask(wanted)
	for name := range wanted {
		if r := h.names[name]; r != nil && r.Name != name {
			h.impostors = append(h.impostors, name) // an alias of another account
		}
	}
	slices.Sort(h.impostors)
	h.impostors = slices.Compact(h.impostors)
	for name := range wanted {
		if slices.Contains(h.impostors, name) || h.uninstalled && h.count == 0 && h.names[name] == nil {
			continue // without an installation nobody needs users that are not there
		}
		n, _ := h.number(name)
		u := &user{name: name, number: n, record: h.names[name], uid: -1, named: slices.Contains(members, name)}
		if u.record != nil {
			u.uids = u.record.Values(dscl.UniqueID)
			if id, err := u.record.Number(dscl.UniqueID); err == nil {
				u.uid = id
			}
		}
		h.users = append(h.users, u)
	}
	slices.SortFunc(h.users, func(a, b *user) int { return a.number - b.number })
	h.share()
	if h.gid < 0 {
		h.adopt()
	}
}

// assume takes the number of users that installers make, where a group for them is there and nothing tells who was in it.
func (h *host) assume(members []string, wanted map[string]bool) {
	h.assumed = h.record != nil && len(members) == 0 && len(wanted) == 0 && h.count == 0 && !h.uninstalled && h.conf.unused == "" && h.foreign(h.group) == nil
	if h.assumed {
		h.count = usualUsers
		h.settings = append(h.settings, plan.Setting{Name: optCount, Value: strconv.Itoa(usualUsers), Source: sourceDefault})
	}
}

// stopped reports whether the daemon is installed, and none of its jobs is loaded.
func (h *host) stopped() bool {
	return h.serviceErr == nil && len(h.services) > 0 &&
		!slices.ContainsFunc(h.services, func(s service) bool { return s.Loaded })
}

// lacking returns the type of the records whose list lacks one that should be there, and was looked at once; "" for none.
// dscl was seen to leave records out of a valid list, so such a list is looked at twice before it is believed.
func (h *host) lacking(looked map[string]bool) string {
	switch {
	case !looked[dscl.Groups] && (h.record == nil && (len(h.users) > 0 || !h.uninstalled) || h.unfit() != nil):
		return dscl.Groups // first: it names the users
	case !looked[dscl.Users] && (slices.ContainsFunc(h.users, func(u *user) bool { return u.record == nil }) || h.unfit() != nil):
		return dscl.Users
	}
	return ""
}

// unfit says why builds fail with the group that the daemon uses although another one is that of the build users; nil
// where they do not.
func (h *host) unfit() *fault {
	name := cmp.Or(h.conf.group, h.conf.other)
	if name == "" || name == h.group || h.conf.unused != "" || h.uninstalled {
		return nil
	}
	g := h.groupNamed(name)
	if g == nil {
		return &fault{says: faultGone}
	}
	members := g.Values(dscl.GroupMembership)
	gone := slices.DeleteFunc(slices.Clone(members), func(m string) bool { return h.names[m] != nil })
	switch {
	case len(members) == 0:
		return &fault{says: faultEmpty}
	case len(gone) > 0:
		return &fault{says: faultDangling, names: gone}
	}
	return nil
}

// repeated returns members that the group names more than once, by name or by GUID.
func (h *host) repeated() []string {
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

// pick returns the users that somebody wants.
func (h *host) pick(want func(*user) bool) []*user {
	var list []*user
	for _, u := range h.users {
		if want(u) {
			list = append(list, u)
		}
	}
	return list
}

// uids are the user IDs of some users, of those who have one.
func uids(users []*user) []int {
	var ids []int
	for _, u := range users {
		if u.uid >= 0 {
			ids = append(ids, u.uid)
		}
	}
	return ids
}

// moves reports whether a user is to get another user ID: always when it has none of its own or was parked, out of the
// unsafe range whenever there is a repair, and from 500 up only when asked.
func (h *host) moves(u *user, asked bool) bool {
	if !u.alone() {
		return true
	}
	switch u.zone() {
	case safe:
		return false
	case high:
		return asked
	}
	return true
}

// looksMade reports whether a record has what the installers give a build user. It is asked only when the group, or its
// ID, is gone, and nothing else tells build users from accounts that are named alike.
func looksMade(r *dscl.Record) bool {
	return r.First(dscl.NFSHomeDirectory) == home && len(r.Values(dscl.PrimaryGroupID)) == 1
}

// ask adds the users that a count asks for. Numbers start at 0 where there is a user of that number, as in
// installations of early 2023.
func (h *host) ask(wanted map[string]bool) {
	first := 1
	if wanted[h.prefix+"0"] {
		first = 0
	}
	for n := first; n < first+h.count; n++ {
		name := h.prefix + strconv.Itoa(n)
		r := h.names[name]
		switch {
		case r == nil, r.Bare() && !appleGUID.MatchString(r.First(dscl.GeneratedUID)):
			wanted[name] = true
		case !wanted[name] && !slices.Contains(h.impostors, name):
			h.impostors = append(h.impostors, name)
		}
	}
}

// share finds out who has the user ID of a build user as well. Among build users the one whose number fits keeps it,
// else the first.
func (h *host) share() {
	mine := map[string]*user{}
	byID := map[int][]*user{}
	for _, u := range h.users {
		mine[u.name] = u
		if u.uid >= 0 {
			byID[u.uid] = append(byID[u.uid], u)
		}
	}
	for _, u := range h.users {
		if u.uid < 0 {
			continue
		}
		for _, name := range h.holders[u.uid] {
			if mine[name] == nil {
				u.shared = append(u.shared, name)
			}
		}
	}
	for id, users := range byID {
		keeper := users[0]
		for _, u := range users {
			if target(u.number) == id {
				keeper = u
			}
		}
		for _, u := range users {
			if u != keeper {
				u.twin = keeper.name
			}
		}
	}
}

// target is the user ID that installers of today give the user of a number.
func target(number int) int { return firstSafe - 1 + number }

// adopt takes the ID of a group that is missing from its users, if they agree.
func (h *host) adopt() {
	for _, u := range h.users {
		if u.record == nil {
			continue
		}
		n, err := u.record.Number(dscl.PrimaryGroupID)
		if err != nil {
			continue
		}
		if h.gid >= 0 && h.gid != n {
			h.gid = -1
			return
		}
		h.gid = n
	}
}

// Where a user ID lies.
type zone int

const (
	nowhere zone = iota // none, several, or not a number
	unsafe              // up to 350: macOS takes them from 300 up
	safe                // 351 to 499
	high                // 500 and up
	parked              // 31000 and up: left by an interrupted migration
)

func (u *user) zone() zone {
	switch {
	case u.uid < 0:
		return nowhere
	case u.uid < firstSafe:
		return unsafe
	case u.uid <= lastSafe:
		return safe
	case u.uid >= firstParked && u.uid <= lastParked:
		return parked
	}
	return high
}

// wrongGroup reports whether an existing user has another primary group than the build group.
func (h *host) wrongGroup(u *user) bool {
	if u.record == nil || h.gid < 0 {
		return false
	}
	n, err := u.record.Number(dscl.PrimaryGroupID)
	return err != nil || n != h.gid
}

// memberIDs returns the list of member GUIDs that the group should have, nil when it needs none. Entries that lead to
// no account are left out; guid gives the GUID of users that are yet to be made.
func (h *host) memberIDs(guid func(*user) string) []string {
	if h.record == nil {
		return nil
	}
	old := h.record.Values(dscl.GroupMembers)
	if len(old) == 0 {
		return nil // written by dscl alone; macOS then goes by the names
	}
	known := map[string]bool{}
	for _, r := range slices.Concat(h.directory.Users, h.directory.Groups) {
		known[strings.ToUpper(r.First(dscl.GeneratedUID))] = true
	}
	var list []string
	for _, id := range old {
		if known[strings.ToUpper(id)] && !dscl.HasID(list, id) {
			list = append(list, id)
		}
	}
	for _, u := range h.users {
		if id := guid(u); id != "" && !dscl.HasID(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// memberNames returns the list of names that the group should have: the old one, each once, and who is missing from it.
func (h *host) memberNames() []string {
	var list []string
	if h.record != nil {
		for _, name := range h.record.Values(dscl.GroupMembership) {
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	for _, u := range h.users {
		if !u.named {
			list = append(list, u.name)
		}
	}
	return list
}
