package sequoia

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/launchd"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/receipt"
)

// anyGUID is the form of a GeneratedUID.
var anyGUID = regexp.MustCompile(`(?i)^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`)

const (
	defaultPrefix = "_nixbld"
	defaultGroup  = "nixbld"

	// What a new build user gets; every installer uses the same.
	home  = "/var/empty"
	shell = "/sbin/nologin"

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

// daemons are the launchd labels of the Nix daemon: Lix, CppNix and older Determinate Nix use the first.
var daemons = []string{"org.nixos.nix-daemon", "systems.determinate.nix-daemon"}

func daemonPlist(label string) string { return "/Library/LaunchDaemons/" + label + ".plist" }

// appleGUID is the form of the GeneratedUID of Apple's own accounts. It is used to refuse, never to permit.
var appleGUID = regexp.MustCompile(`(?i)^(FFFFEEEE-DDDD-CCCC-BBBB-AAAA|ABCDEFAB-CDEF-ABCD-EFAB-CDEF)`)

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

// host is all that the fix reads.
type host struct {
	facts    platform.Facts
	settings []plan.Setting
	prefix   string
	group    string
	count    int  // as asked for; 0 when not
	move     bool // as asked for

	directory *dscl.Directory
	users     []*user      // existing and wanted, by number
	strangers []string     // named in the group, and not build users by their name
	impostors []string     // named like a wanted build user, but somebody else's account
	existing  int          // build users that exist or that the group or the receipt names
	record    *dscl.Record // of the group; nil when it is missing
	gid       int          // of the group, or that the group is to get; -1 when not known
	numbered  bool         // the group has this ID, and no other
	names     map[string]*dscl.Record
	holders   map[int][]string // user ID → names of accounts
	gids      map[int]string   // group ID → name of a group

	receipt     *receipt.Receipt
	receiptFile *step.FileState
	receiptErr  error           // why it cannot be used, although it is there
	confErr     error           // why nix.conf cannot be used, although it is there
	confGroup   nixconf.Setting // the group that nix.conf names; its value is "" where it names none
	unused      string          // why the daemon uses no build users; "" when it does
	uninstalled bool            // Nix is gone and its users are left
	assumed     bool            // count is what installers make, because nothing tells how many there should be
	services    []service       // the daemon's jobs that are installed
	serviceErr  error           // why it could not be told whether they are loaded
	nixDarwin   bool
}

// service is a job of the Nix daemon.
type service struct {
	label string
	launchd.Service
}

func survey(ctx context.Context, v platform.View, s fix.Settings) (*host, error) {
	h := &host{facts: v.Facts(), gid: -1}
	var err error
	if h.directory, err = dscl.Read(ctx, v); err != nil {
		return nil, err
	}
	if err := h.files(ctx, v); err != nil {
		return nil, err
	}
	conf, err := nixconf.Read(ctx, v, nixconf.File)
	if err != nil {
		h.confErr, conf = err, nil
	}
	h.choose(s, conf)
	h.gather()
	looked := map[string]bool{}
	for {
		kind := h.lacking(looked)
		if kind == "" {
			break
		}
		looked[kind] = true
		list := &h.directory.Users
		if kind == dscl.Groups {
			list = &h.directory.Groups
		}
		if *list, err = dscl.Look(ctx, v, kind, *list); err != nil {
			return nil, err
		}
		h.choose(s, conf)
		h.gather()
	}
	if err := h.jobs(ctx, v); err != nil {
		return nil, err
	}
	return h, nil
}

// jobs looks at the daemon's jobs. Whether they are loaded is worth an answer of its own.
func (h *host) jobs(ctx context.Context, v platform.View) error {
	for _, label := range daemons {
		_, err := v.Stat(ctx, daemonPlist(label))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s, err := launchd.Read(ctx, v, label)
		if err != nil {
			h.serviceErr = err
			continue
		}
		h.services = append(h.services, service{label, s})
	}
	return nil
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
	case !looked[dscl.Groups] && (h.record == nil && (len(h.users) > 0 || !h.uninstalled) || h.unfit() != ""):
		return dscl.Groups // first: it names the users
	case !looked[dscl.Users] && (slices.ContainsFunc(h.users, func(u *user) bool { return u.record == nil }) || h.unfit() != ""):
		return dscl.Users
	}
	return ""
}

// index makes the directory's records easy to find.
func (h *host) index() {
	h.names = make(map[string]*dscl.Record, len(h.directory.Users))
	h.holders = make(map[int][]string, len(h.directory.Users))
	h.gids = make(map[int]string, len(h.directory.Groups))
	for _, u := range h.directory.Users {
		h.names[u.Name] = u
		for _, id := range u.Values(dscl.UniqueID) {
			if n, err := strconv.Atoi(id); err == nil {
				h.holders[n] = append(h.holders[n], u.Name)
			}
		}
	}
	// A path with an alias leads to the account as well, and so does the look-up of its name by the daemon.
	for _, u := range h.directory.Users {
		for _, alias := range u.Values(dscl.RecordName) {
			if h.names[alias] == nil {
				h.names[alias] = u
			}
		}
	}
	for _, g := range h.directory.Groups {
		for _, id := range g.Values(dscl.PrimaryGroupID) {
			if n, err := strconv.Atoi(id); err == nil {
				h.gids[n] = g.Name
			}
		}
	}
}

// files reads what stands beside the directory. Only a receipt that cannot be used is worth an answer of its own.
func (h *host) files(ctx context.Context, v platform.View) error {
	state, err := step.ReadFileState(ctx, v, receipt.File)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		h.receiptErr = err
	case state != nil:
		h.receiptFile = state
		h.receipt, h.receiptErr = receipt.Parse(state.Data())
		if errors.Is(h.receiptErr, receipt.ErrUsers) {
			h.receiptErr = nil // of an installation without build users, or of none that we know; leave it alone
		}
	}
	exists := func(names ...string) (bool, error) {
		for _, n := range names {
			_, err := v.Stat(ctx, n)
			if err == nil {
				return true, nil
			}
			// A component that is no directory cannot hold the file either.
			if !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
		return false, nil
	}
	if h.nixDarwin, err = exists("/run/current-system/darwin-version", "/run/current-system/darwin-version.json"); err != nil {
		return fmt.Errorf("look for nix-darwin: %w", err)
	}
	installed, err := exists("/nix/store", "/nix/var/nix", daemonPlist(daemons[0]), daemonPlist(daemons[1]))
	if err != nil {
		return fmt.Errorf("look for an installation: %w", err)
	}
	h.uninstalled = !installed
	return nil
}

// choose settles the settings: flag, else environment, else receipt, else nix.conf, else the default.
func (h *host) choose(s fix.Settings, conf nixconf.Conf) {
	h.index()
	h.settings = nil
	pick := func(option string, others ...plan.Setting) string {
		chosen := plan.Setting{Name: option}
		if given, ok := s[option]; ok {
			chosen.Value, chosen.Source = given.Value, given.Source
		}
		for _, o := range others {
			if chosen.Value == "" {
				chosen.Value, chosen.Source = o.Value, o.Source
			}
		}
		h.settings = append(h.settings, chosen)
		return chosen.Value
	}
	var prefix, group plan.Setting
	if h.receipt != nil {
		if p := h.receipt.Prefix; dscl.ValidName(p) {
			prefix = plan.Setting{Value: p, Source: "receipt"}
		}
		if g := h.receipt.Group; dscl.ValidName(g) {
			group = plan.Setting{Value: g, Source: "receipt"}
		}
	}
	var confGroup plan.Setting
	if b, ok := conf["build-users-group"]; ok {
		h.confGroup = b
		if b.Value == "" {
			h.unused = "build-users-group is empty in " + b.File
		} else if dscl.ValidName(b.Value) {
			confGroup = plan.Setting{Value: b.Value, Source: sourceConf}
		}
	}
	// Without the experimental feature of the same name Nix ignores the setting, and says so in a warning.
	if a, ok := conf[autoAllocate]; ok && a.Value == "true" && slices.Contains(features(conf), autoAllocate) {
		h.unused = autoAllocate + " is on in " + a.File
	}
	h.group = pick(optGroup, group, confGroup, plan.Setting{Value: defaultGroup, Source: sourceDefault})
	h.prefix = pick(optPrefix, prefix, h.commonPrefix(), plan.Setting{Value: defaultPrefix, Source: sourceDefault})
	if c, ok := s[optCount]; ok {
		h.count, _ = strconv.Atoi(c.Value) // checked by the option
		h.settings = append(h.settings, plan.Setting{Name: optCount, Value: c.Value, Source: c.Source})
	}
	if m, ok := s[optMove]; ok {
		h.move = s.On(optMove)
		h.settings = append(h.settings, plan.Setting{Name: optMove, Value: m.Value, Source: m.Source})
	}
}

// Sources of settings that decisions are made on.
const (
	sourceConf    = "nix.conf"
	sourceDefault = "default"
	sourceMembers = "members of the group"
)

const autoAllocate = "auto-allocate-uids"

// features are the experimental features that nix.conf turns on.
func features(conf nixconf.Conf) []string {
	return strings.Fields(conf["experimental-features"].Value + " " + conf["extra-experimental-features"].Value)
}

// source says where a setting came from.
func (h *host) source(option string) string {
	for _, s := range h.settings {
		if s.Name == option {
			return s.Source
		}
	}
	return ""
}

// commonPrefix returns the prefix that all names in the group share, where that is not the default: installations of
// before 2021 have nixbld1 and so on, and no receipt to say so.
func (h *host) commonPrefix() plan.Setting {
	prefix := ""
	for _, g := range h.directory.Groups {
		if g.Name != h.group {
			continue
		}
		for _, name := range g.Values(dscl.GroupMembership) {
			p := strings.TrimRight(name, "0123456789")
			if p == name || p == defaultPrefix || !dscl.ValidName(p) || prefix != "" && p != prefix {
				return plan.Setting{}
			}
			prefix = p
		}
	}
	return plan.Setting{Value: prefix, Source: sourceMembers}
}

// number returns the number of a build user's name: digits without a leading zero behind the prefix.
func (h *host) number(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, h.prefix)
	if !ok || digits == "" || len(digits) > 4 || digits[0] == '0' && digits != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return int(n), err == nil && digits[0] != '+'
}

// gather finds who the build users are and who should be.
func (h *host) gather() {
	h.users, h.strangers, h.impostors, h.record, h.gid, h.numbered = nil, nil, nil, nil, -1, false
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
	if h.assumed {
		h.count = 0
	}
	why, _ := h.foreign(h.group)
	h.assumed = h.record != nil && len(members) == 0 && len(wanted) == 0 && h.count == 0 && !h.uninstalled && h.unused == "" && why == ""
	if h.assumed {
		h.count = usualUsers
		h.settings = append(h.settings, plan.Setting{Name: optCount, Value: strconv.Itoa(usualUsers), Source: sourceDefault})
	}
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
