package mac

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Nix is what an installer leaves besides users and group.
type Nix struct {
	// Label of the daemon's launchd job; org.nixos.nix-daemon if empty.
	Label string
	// Conf is the text of /etc/nix/nix.conf; empty is that of the installer.
	Conf string
}

// DaemonLabel is the launchd label of CppNix's and Lix's daemon.
const DaemonLabel = "org.nixos.nix-daemon"

// The store of an installation: the programs of a release, and what says that there is a store.
const (
	profile  = "/nix/store/jzxzf0f8l0wkz0ykkfsv3zsrbz7cpc2q-lix-2.93.3"
	database = "/nix/var/nix/db/db.sqlite"
)

const daemonProgram = "/nix/var/nix/profiles/default/bin/nix-daemon"

// DaemonPlist is the launchd job of the daemon, as the installers write it.
func DaemonPlist(label string) string {
	return PlistHead + `<dict>
	<key>Label</key>
	<string>` + label + `</string>
	<key>EnvironmentVariables</key>
	<dict>
		<key>OBJC_DISABLE_INITIALIZE_FORK_SAFETY</key>
		<string>YES</string>
	</dict>
	<key>KeepAlive</key>
	<true/>
	<key>RunAtLoad</key>
	<true/>
	<key>ProgramArguments</key>
	<array>
		<string>/bin/sh</string>
		<string>-c</string>
		<string>/bin/wait4path /nix/var/nix/profiles/default/bin/nix-daemon &amp;&amp; exec /nix/var/nix/profiles/default/bin/nix-daemon</string>
	</array>
	<key>StandardErrorPath</key>
	<string>/var/log/nix-daemon.log</string>
</dict>
` + PlistTail
}

// InstallNix puts an installed Nix on the Mac: store folders, nix.conf, and the
// daemon's job, loaded and running. Users, group and receipt come apart.
func (m *Mac) InstallNix(n Nix) error {
	if n.Label == "" {
		n.Label = DaemonLabel
	}
	if n.Conf == "" {
		n.Conf = "build-users-group = nixbld\nexperimental-features = nix-command flakes\n"
	}
	for _, d := range []string{"nix/store", "nix/var/nix/userpool", "nix/var/nix/builds", "nix/var/nix/daemon-socket"} {
		if err := os.MkdirAll(filepath.Join(m.Root, d), 0o755); err != nil {
			return err
		}
	}
	if err := m.WriteFile("/etc/nix/nix.conf", n.Conf); err != nil {
		return err
	}
	for name, text := range map[string]string{
		database: "SQLite format 3\x00", profile + "/bin/nix": "#!/bin/sh\n", profile + "/bin/nix-daemon": "#!/bin/sh\n",
	} {
		if err := m.WriteFile(name, text); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(m.Root, "nix/var/nix/profiles"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(profile, filepath.Join(m.Root, "nix/var/nix/profiles/default")); err != nil {
		return err
	}
	plist := "/Library/LaunchDaemons/" + n.Label + ".plist"
	if err := m.WriteFile(plist, DaemonPlist(n.Label)); err != nil {
		return err
	}
	return m.Config(func(c *Config) {
		c.Services = append(c.Services, Service{
			Label: n.Label, Plist: plist, Command: daemonProgram,
			Program: []string{
				"/bin/sh", "-c", "/bin/wait4path " + daemonProgram + " && exec " + daemonProgram,
			},
		})
		c.Processes = append(c.Processes, Process{PID: 1, Command: "/sbin/launchd"}, Process{PID: 411, PPID: 1, Command: "/usr/libexec/opendirectoryd"})
		c.Start(&c.Services[len(c.Services)-1])
	})
}

// UninstallNix removes what InstallNix put there, and the receipt. Users and
// group stay, as after an uninstall that failed on them.
func (m *Mac) UninstallNix() error {
	for _, p := range []string{"nix", "private/etc/nix", "Library/LaunchDaemons/" + DaemonLabel + ".plist"} {
		if err := os.RemoveAll(filepath.Join(m.Root, p)); err != nil {
			return err
		}
	}
	return m.Config(func(c *Config) {
		for i := range c.Services {
			c.Stop(&c.Services[i])
		}
		c.Services = nil
	})
}

// RealNames is what an installer writes as RealName.
type RealNames string

// The styles of RealName.
const (
	Numbered RealNames = ""     // Nix build user 1
	Prefixed RealNames = "user" // Nix build user _nixbld1
	UserName RealNames = "name" // _nixbld1
	Unnamed  RealNames = "none" // no RealName
)

// Members is how the group names its users.
type Members string

// The ways a group names its users.
const (
	NamesAndGUIDs Members = ""
	NamesOnly     Members = "names"
	GUIDsOnly     Members = "guids"
	NoMembers     Members = "none"
)

// Build describes build users and their group as an installer makes them. The
// zero value is the script installer's before macOS 15: 32 users _nixbld1.. at
// 301.. in group nixbld, 30000.
type Build struct {
	Prefix string // _nixbld
	Group  string // nixbld
	GID    int    // 30000
	Count  int    // 32
	// FromZero numbers the users from 0 instead of 1.
	FromZero bool
	// Base is the UID of number 0; 300 if neither it nor UIDs is set.
	Base int
	// UIDs overrides the UID of single numbers.
	UIDs map[int]int
	// Order lists the numbers that get the first UIDs, where they do not go by
	// number; the others follow. The migration of 2021 left 1, 2, 3, 30, 31, 4,
	// ... (NixOS/nix#4532, #6064).
	Order []int
	// Missing are numbers that the group names and that have no record.
	Missing []int
	// Outside are numbers that have a record and that the group does not name.
	Outside []int
	// PrimaryGID is the users' primary group where it is not GID.
	PrimaryGID int
	RealNames  RealNames
	Members    Members
	// MembersByName orders the group's names as text, as nix-darwin does.
	MembersByName bool
	// NoGroup leaves the group out.
	NoGroup bool
}

func (b *Build) fill() {
	if b.Prefix == "" {
		b.Prefix = "_nixbld"
	}
	if b.Group == "" {
		b.Group = "nixbld"
	}
	if b.GID == 0 {
		b.GID = 30000
	}
	if b.Count == 0 {
		b.Count = 32
	}
	if b.Base == 0 {
		b.Base = 300
	}
	if b.PrimaryGID == 0 {
		b.PrimaryGID = b.GID
	}
}

// Numbers are the users' numbers, Missing included.
func (b Build) Numbers() []int {
	b.fill()
	first := 1
	if b.FromZero {
		first = 0
	}
	numbers := make([]int, b.Count)
	for i := range numbers {
		numbers[i] = first + i
	}
	return numbers
}

// Name is the name of the user with a number.
func (b Build) Name(n int) string {
	b.fill()
	return b.Prefix + strconv.Itoa(n)
}

// Names are the names of the numbers, or of all users if none are given.
func (b Build) Names(numbers ...int) []string {
	if len(numbers) == 0 {
		numbers = b.Numbers()
	}
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = b.Name(n)
	}
	return names
}

// UID is the UID a number gets.
func (b Build) UID(n int) int {
	b.fill()
	if uid, ok := b.UIDs[n]; ok {
		return uid
	}
	if len(b.Order) == 0 {
		return b.Base + n
	}
	numbers := b.Numbers()
	order := slices.Clone(b.Order)
	for _, o := range numbers {
		if !slices.Contains(order, o) {
			order = append(order, o)
		}
	}
	return b.Base + numbers[0] + slices.Index(order, n)
}

func compareText(x, y int) int {
	a, b := strconv.Itoa(x), strconv.Itoa(y)
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// GUID is the GeneratedUID of the user with a number.
func (b Build) GUID(n int) string { return guid("user " + b.Name(n)) }

// Record is the user with a number.
func (b Build) Record(n int) Record {
	b.fill()
	name := b.Name(n)
	r := Record{}
	r.Set("name", name)
	r.Set("uid", strconv.Itoa(b.UID(n)))
	r.Set("gid", strconv.Itoa(b.PrimaryGID))
	r.Set("home", "/var/empty")
	r.Set("shell", "/sbin/nologin")
	r.Set("passwd", "********")
	r.Set("generateduid", b.GUID(n))
	r.Set("IsHidden", "1")
	r.Set("record_daemon_version", "9040000")
	r.Set("accountPolicyData", accountPolicy)
	switch b.RealNames {
	case Numbered:
		r.Set("realname", fmt.Sprintf("Nix build user %d", n))
	case Prefixed:
		r.Set("realname", "Nix build user "+name)
	case UserName:
		r.Set("realname", name)
	case Unnamed:
	}
	return r
}

// BuildUsers adds build users and their group.
func (m *Mac) BuildUsers(b Build) error {
	b.fill()
	numbers := b.Numbers()
	for _, n := range numbers {
		if slices.Contains(b.Missing, n) {
			continue
		}
		if err := m.Put(Users, b.Record(n)); err != nil {
			return err
		}
	}
	if b.NoGroup {
		return nil
	}
	if b.MembersByName {
		slices.SortFunc(numbers, compareText)
	}
	g := Record{}
	g.Set("name", b.Group)
	g.Set("realname", "Nix build group for nix-daemon")
	g.Set("gid", strconv.Itoa(b.GID))
	g.Set("passwd", "*")
	g.Set("generateduid", guid("group "+b.Group))
	g.Set("record_daemon_version", "9040000")
	var names, guids []string
	for _, n := range numbers {
		if !slices.Contains(b.Outside, n) {
			names, guids = append(names, b.Name(n)), append(guids, b.GUID(n))
		}
	}
	if b.Members == NamesAndGUIDs || b.Members == NamesOnly {
		g.Set("users", names...)
	}
	if b.Members == NamesAndGUIDs || b.Members == GUIDsOnly {
		g.Set("groupmembers", guids...)
	}
	return m.Put(Groups, g)
}

// Shape is the form of an installer's receipt.
type Shape string

// The shapes of /nix/receipt.json.
const (
	// Nested is 0.8 and older: the users inside the provision_nix action.
	Nested Shape = "0.8"
	// Tagged is 0.10 to 0.20: tag "action", nested actions without.
	Tagged Shape = "0.10"
	// Named is 0.21 and later: tag "action_name" everywhere.
	Named Shape = "0.21"
	// Lix is Tagged with the Lix installer's planner setting.
	Lix Shape = "lix"
	// GroupOnly is 0.9: no users, auto-allocate-uids.
	GroupOnly Shape = "0.9"
)

// object is a JSON object that keeps its order.
type object []field

type field struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (o object) with(name string, value any) object {
	return append(slices.Clip(o), field{name, value})
}

// Receipt is the text of /nix/receipt.json for these users in a shape, two-space
// JSON with a final newline, as the installers write it.
func (b Build) Receipt(shape Shape) (string, error) {
	b.fill()
	if b.FromZero {
		// Up to 0.5 the base was the first UID itself, which is Base + 0 here.
		shape = Nested
	}
	tag, nested := "action", ""
	if shape == Named {
		tag, nested = "action_name", "action_name"
	}
	step := func(kind string, o object) object {
		if nested != "" {
			o = append(object{{nested, kind}}, o...)
		}
		return object{{"action", o}, {"state", "Completed"}}
	}
	var users, members []object
	for _, n := range b.Numbers() {
		user := object{{"name", b.Name(n)}, {"uid", b.UID(n)}, {"groupname", b.Group}, {"gid", b.GID}}
		if shape != Nested {
			user = user.with("comment", fmt.Sprintf("Nix build user %d", n))
		}
		users = append(users, step("create_user", user))
		members = append(members, step("add_user_to_group", object{
			{"name", b.Name(n)}, {"uid", b.UID(n)}, {"groupname", b.Group}, {"gid", b.GID},
		}))
	}
	group := step("create_group", object{{"name", b.Group}, {"gid", b.GID}})
	create := object{
		{"nix_build_group_name", b.Group},
		{"nix_build_group_id", b.GID},
		{"nix_build_user_count", b.Count},
		{"nix_build_user_prefix", b.Prefix},
		{"nix_build_user_id_base", b.Base},
		{"create_group", group},
		{"create_users", users},
		{"add_users_to_groups", members},
	}
	action := func(o object) object { return object{{"action", o}, {"state", "Completed"}} }
	settings := object{
		{"modify_profile", true},
		{"nix_build_group_name", b.Group},
		{"nix_build_group_id", b.GID},
		{"nix_build_user_prefix", b.Prefix},
		{"nix_build_user_count", b.Count},
		{"nix_build_user_id_base", b.Base},
	}
	if shape == Lix {
		settings = settings.with("enable_flakes", true)
	}
	version := map[Shape]string{Nested: "0.8.0", GroupOnly: "0.9.1", Tagged: "0.16.1", Lix: "0.17.1", Named: "0.27.0"}[shape]
	actions := []object{
		action(object{{tag, "create_apfs_volume"}, {"disk", "disk3"}, {"name", "Nix Store"}, {"case_sensitive", false}}),
	}
	provision := object{{tag, "provision_nix"}, {"fetch_nix", object{{"action", object{{"url", "https://releases.nixos.org/nix.tar.xz"}}}, {"state", "Completed"}}}}
	switch shape {
	case Nested:
		actions = append(actions, action(provision.with("create_users_and_group", action(create)).with("delete_users", []string{})))
	case GroupOnly:
		actions = append(actions, action(provision), action(object{{tag, "create_group"}, {"name", b.Group}, {"gid", b.GID}}))
	default:
		actions = append(actions, action(provision), action(append(object{{tag, "create_users_and_group"}}, create...)))
	}
	actions = append(actions, action(object{{tag, "configure_nix"}, {"place_nix_configuration", action(object{{"path", "/etc/nix/nix.conf"}})}}))
	receipt := object{
		{"version", version},
		{"actions", actions},
		{"planner", object{{"planner", "macos"}, {"settings", settings}, {"encrypt", nil}, {"volume_label", "Nix Store"}}},
	}
	if shape != Named {
		receipt = receipt.with("diagnostic_data", object{{"attribution", nil}, {"version", version}})
	}
	data, err := json.MarshalIndent(receipt, "", "  ")
	return string(data) + "\n", err
}

// ReceiptPath is where the installers keep the receipt.
const ReceiptPath = "/nix/receipt.json"

// WriteReceipt stores the receipt of these users.
func (m *Mac) WriteReceipt(b Build, shape Shape) error {
	text, err := b.Receipt(shape)
	if err != nil {
		return err
	}
	return m.WriteFile(ReceiptPath, text)
}

// EditReceipt changes the stored receipt's text.
func (m *Mac) EditReceipt(edit func(text string) string) error {
	text, err := m.ReadFile(ReceiptPath)
	if err != nil {
		return err
	}
	return m.WriteFile(ReceiptPath, edit(text))
}

// RemoveReceipt deletes the receipt, if there is one.
func (m *Mac) RemoveReceipt() error {
	err := os.Remove(m.Path(ReceiptPath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// StartBuild declares a running build: the command, the daemon's worker for it
// and a builder under a UID, and the lock file of that UID.
func (m *Mac) StartBuild(uid int) error {
	lock := "/nix/var/nix/userpool/" + strconv.Itoa(uid)
	if err := m.WriteFile(lock, ""); err != nil {
		return err
	}
	return m.Config(func(c *Config) {
		daemon := 1
		if s := c.Service(DaemonLabel); s != nil && s.PID != 0 {
			daemon = s.PID
		}
		pid := 1000 + 10*len(c.Processes)
		c.Processes = append(
			c.Processes,
			Process{PID: pid, PPID: daemon, Command: daemonProgram, Args: fmt.Sprintf("nix-daemon %d", pid+2)},
			Process{PID: pid + 1, PPID: pid, UID: uid, Command: "/nix/store/bash/bin/bash", Args: "bash -e builder.sh"},
			Process{PID: pid + 2, PPID: 1, UID: 501, Command: "/nix/var/nix/profiles/default/bin/nix-build", Args: "nix-build thing.nix", Server: pid},
		)
		c.OpenFiles = append(c.OpenFiles, OpenFile{PID: pid, Path: lock, Lock: "W"})
	})
}
