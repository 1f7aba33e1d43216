package mac

import (
	"slices"
	"strconv"
	"strings"
)

// incomplete are the states in which users are there and not as an installer makes them.
func incomplete(n int) []Variant {
	current := Build{Count: n, Base: 350, GID: 350}
	old := Build{Count: n}
	person := func(m *Mac) error {
		return m.Put(Users, Record{
			"name": {current.Name(3)}, "uid": {"502"}, "gid": {"20"}, "home": {"/Users/nix"}, "shell": {"/bin/zsh"},
			"realname": {"Nick Sbuild"}, "passwd": {"********"}, "generateduid": {guid("person")},
		})
	}
	return []Variant{
		{
			Name: "cut-at-realname", Doc: "The NixOS script was killed before its last write of a user: no RealName, where the others have one.", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(2), "RealName")),
			Want: want(current, Want{Broken: true, Incomplete: current.Names(2)}),
		},
		{
			Name: "cut-at-hidden", Doc: "The NixOS script was killed at IsHidden: a user ID and a group, and nothing behind it.", Version: "15.1",
			Seed: seeds(
				withUsers(current), setUsers(current.Names(4), "IsHidden"), setUsers(current.Names(4), "NFSHomeDirectory"),
				setUsers(current.Names(4), "UserShell"), setUsers(current.Names(4), "RealName"),
			),
			Want: want(current, Want{Broken: true, Incomplete: current.Names(4)}),
		},
		{
			Name: "not-hidden-one", Doc: "One user was left without IsHidden.", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(6), "IsHidden")),
			Want: want(current, Want{Untidy: true}),
		},
		{
			Name: "visible", Doc: "Somebody set IsHidden to 0 to see the users.", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(1, 2), "IsHidden", "0")),
			Want: want(current, Want{Untidy: true}),
		},
		{
			Name: "without-guid", Doc: "A user without a GeneratedUID, as a dscl leaves that was killed while it made the record.", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(5), "GeneratedUID")),
			Want: want(current, Want{Broken: true, Incomplete: current.Names(5), StaleGUIDs: true}),
		},
		{
			Name: "guid-garbage", Doc: "A user whose GeneratedUID is none: written by hand.", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(5), "GeneratedUID", "nix-5")),
			Want: want(current, Want{Broken: true, Incomplete: current.Names(5), StaleGUIDs: true}),
		},
		{
			Name: "guid-lower", Doc: "A user whose GeneratedUID is spelled in small letters, and is the same.", Version: "14.7",
			Seed: seeds(withUsers(old), func(m *Mac) error {
				r, err := m.Find(Users, old.Name(6))
				if err != nil {
					return err
				}
				return m.SetUser(old.Name(6), "GeneratedUID", strings.ToLower(r["generateduid"][0]))
			}, upgrade("15.1")),
			Want: want(old, Want{Broken: true, Missing: old.Names(1, 2, 3, 4), Low: low(old, 1, 2, 3, 4), StaleGUIDs: true}),
		},
		{
			Name: "alias-of-person", Doc: "A person's account bears the name of a build user as an alias; macOS finds it by that.", Version: "14.7",
			Seed: seeds(withUsers(old), upgrade("15.1"), func(m *Mac) error {
				r, err := m.Find(Users, "alex")
				if err != nil {
					return err
				}
				return m.SetUser("alex", "RecordName", append(r["name"], old.Name(2))...)
			}),
			Want: want(old, Want{
				Broken: true, Missing: old.Names(1, 3, 4), WrongGroup: old.Names(2), LikePeople: old.Names(2), High: old.Names(2),
				Low: low(old, 1, 2, 3, 4), StaleGUIDs: true, Untouchable: []string{"alex"},
				Refusal: "an account that is no build user has the name of one",
			}),
		},
		{
			Name: "like-people", Doc: "Build users with a shell to log in with, and a home below /Users.", Version: "15.1",
			Seed: seeds(
				withUsers(current), setUsers(current.Names(2, 3), "UserShell", "/bin/zsh"),
				setUsers(current.Names(3), "NFSHomeDirectory", "/Users/_nixbld3"),
			),
			Want: want(current, Want{Broken: true, LikePeople: current.Names(2, 3)}),
		},
		{
			Name: "person", Doc: "A person has an account with the name of a build user, which the group names.", Version: "15.1",
			Seed: seeds(withUsers(current), person),
			Want: want(current, Want{
				Broken: true, Untouchable: current.Names(3), WrongGroup: current.Names(3), LikePeople: current.Names(3),
				High: current.Names(3), StaleGUIDs: true, Refusal: "an account that is no build user has the name of one",
			}),
		},
	}
}

// groups are the states in which the group is not what it should be, or not Nix's at all.
func groups(n int) []Variant {
	current := Build{Count: n, Base: 350, GID: 350}
	old := Build{Count: n}
	usual := Build{Count: 32, Base: 350, GID: 350}
	conf := func(text string) func(*Mac) error {
		return func(m *Mac) error { return m.WriteFile("/etc/nix/nix.conf", text) }
	}
	gone := seeds(withUsers(old), upgrade("15.1"))
	people := make([]string, n)
	for i := range people {
		people[i] = "pupil" + strconv.Itoa(i+1)
	}
	pupils := func(m *Mac) error {
		for i, name := range people {
			if err := m.AddUser(name, map[string][]string{
				"uid": {strconv.Itoa(601 + i)}, "gid": {"601"}, "home": {"/Users/" + name}, "shell": {"/bin/zsh"}, "realname": {name},
				"passwd": {"********"}, "generateduid": {guid(name)},
			}); err != nil {
				return err
			}
		}
		return m.AddGroup("pupils", map[string][]string{"gid": {"601"}, "users": people, "generateduid": {guid("pupils")}})
	}
	refused := want(current, Want{Broken: true, Refusal: "the group is not one of build users"})
	refusedGone := want(old, Want{
		Broken: true, Missing: old.Names(1, 2, 3, 4), Low: low(old, 1, 2, 3, 4), StaleGUIDs: true, Refusal: refused.Refusal,
	})
	all := slices.Concat(current.Names(), current.Names(1, 2))
	return []Variant{
		{
			Name: "conf-staff", Doc: "build-users-group = staff: builds run as whoever logs in.", Version: "15.1",
			Seed: seeds(withUsers(current), conf("build-users-group = staff\n")), Want: refused,
		},
		{
			Name: "conf-wheel", Doc: "build-users-group = wheel, and users are missing.", Version: "14.7",
			Seed: seeds(gone, conf("build-users-group = wheel\n")), Want: refusedGone,
		},
		{
			Name: "receipt-staff", Doc: "The receipt names staff as the group.", Version: "14.7",
			Seed: seeds(gone, withReceipt(Build{Count: n, Group: "staff", GID: 20}, Tagged)), Want: refusedGone,
		},
		{
			Name: "person-in-group", Doc: "Somebody made a person a member of the build group.", Version: "14.7",
			Seed: seeds(gone, func(m *Mac) error { return m.SetGroup("nixbld", "GroupMembership", append(old.Names(), "alex")...) }),
			Want: refusedGone,
		},
		{
			Name: "person-by-guid", Doc: "A person is a member of the build group by GUID alone, in small letters.", Version: "14.7",
			Seed: seeds(gone, func(m *Mac) error {
				r, err := m.Find(Users, "alex")
				if err != nil {
					return err
				}
				g, err := m.Find(Groups, "nixbld")
				if err != nil {
					return err
				}
				return m.SetGroup("nixbld", "GroupMembers", append(g["groupmembers"], strings.ToLower(r["generateduid"][0]))...)
			}),
			Want: refusedGone,
		},
		{
			Name: "group-nested", Doc: "The build group has the group staff as a member.", Version: "14.7",
			Seed: seeds(gone, func(m *Mac) error { return m.SetGroup("nixbld", "NestedGroups", AppleGUID(Groups, 20)) }),
			Want: refusedGone,
		},
		{
			Name: "group-of-people", Doc: "nix.conf names a group of people, whose names end in numbers and whose primary group it is.", Version: "15.1",
			Seed: seeds(pupils, conf("build-users-group = pupils\n")),
			Want: want(Build{Count: n, Base: 350, GID: 601, Group: "pupils", Prefix: "pupil", Missing: current.Numbers()}, Want{
				Broken: true, High: people, LikePeople: people, Untouchable: people, Refusal: refused.Refusal,
			}),
		},
		{
			Name: "conf-no-group", Doc: "nix.conf names a group that does not exist, and the receipt the one that does.", Version: "15.1",
			Seed: seeds(withUsers(current), withReceipt(current, Tagged), conf("build-users-group = builders\n")),
			Want: refused,
		},
		{
			Name: "gid-text", Doc: "The group's ID is no number, which macOS takes for 0.", Version: "15.1",
			Seed: seeds(withUsers(current), func(m *Mac) error { return m.SetGroup("nixbld", "PrimaryGroupID", "nix") }),
			Want: want(current, Want{Broken: true, GroupID: true}),
		},
		{
			Name: "gid-two", Doc: "The group has two IDs.", Version: "15.1",
			Seed: seeds(withUsers(current), func(m *Mac) error { return m.SetGroup("nixbld", "PrimaryGroupID", "350", "30000") }),
			Want: want(current, Want{Broken: true, GroupID: true}),
		},
		{
			Name: "group-low", Doc: "The build group has an ID of macOS's range.", Version: "15.1",
			Seed: withUsers(Build{Count: n, Base: 350, GID: 255}),
			Want: want(Build{Count: n, Base: 350, GID: 255}, Want{Broken: true, Refusal: refused.Refusal}),
		},
		{
			Name: "gid-shared", Doc: "A group of macOS came to have the ID of the build group.", Version: "15.1",
			Seed: seeds(withUsers(current), func(m *Mac) error {
				return m.AddGroup("_newcomers", map[string][]string{"PrimaryGroupID": {"350"}, "GeneratedUID": {AppleGUID(Groups, 350)}})
			}),
			Want: want(current, Want{}),
		},
		{
			Name: "names-doubled-only", Doc: "Two names and one GUID stand twice in the group: -append, then dseditgroup.", Version: "15.1",
			Seed: seeds(withUsers(current), setMembers(all...)),
			Want: want(current, Want{Untidy: true}),
		},
		{
			Name: "group-without-users", Doc: "Nix is installed and its group is there, and nobody ever was in it.", Version: "15.1",
			Seed: withUsers(Build{Count: n, Base: 350, GID: 350, Missing: current.Numbers(), Members: NoMembers}),
			Want: want(usual, Want{Broken: true, Missing: usual.Names(), Unnamed: usual.Names()}),
		},
		{
			Name: "nothing-left", Doc: "Nix and its daemon are installed, and there is neither group nor users.", Version: "15.1",
			Seed: func(*Mac) error { return nil },
			Want: Want{Broken: true, Refusal: "the ID of the group is not known", Group: "nixbld"},
		},
		{
			Name: "auto-allocate-no-group", Doc: "auto-allocate-uids is on, and the group that builds run as is not there.", Version: "15.1",
			Seed: conf("auto-allocate-uids = true\nextra-experimental-features = auto-allocate-uids\n"),
			Want: Want{Broken: true, Refusal: "the ID of the group is not known", Group: "nixbld"},
		},
		{
			Name: "auto-allocate-other-group", Version: "15.1",
			Doc: "auto-allocate-uids is on, and nix.conf names a group that does not exist, while that of the receipt is there.",
			Seed: seeds(withUsers(current), withReceipt(current, Tagged),
				conf("build-users-group = builders\nauto-allocate-uids = true\nextra-experimental-features = auto-allocate-uids\n")),
			Want: refused,
		},
		{
			Name: "feature-off", Doc: "auto-allocate-uids is on without its experimental feature, so Nix ignores it.", Version: "14.7",
			Seed: seeds(gone, conf("build-users-group = nixbld\nauto-allocate-uids = true\n")),
			Want: want(old, Want{Broken: true, Missing: old.Names(1, 2, 3, 4), Low: low(old, 1, 2, 3, 4), StaleGUIDs: true}),
		},
		{
			Name: "daemon-out", Doc: "A repair was killed, and its journal is gone: the daemon's job is not loaded.", Version: "15.1",
			Seed: seeds(withUsers(current), func(m *Mac) error {
				return m.Config(func(c *Config) {
					s := c.Service(DaemonLabel)
					c.Stop(s)
					s.Loaded = false
				})
			}),
			Want: func() Want {
				w := want(current, Want{Broken: true, DaemonOut: true})
				return w
			}(),
		},
	}
}

// unstable are the states in which macOS does not always say or do what it should.
func unstable(n int) []Variant {
	old := Build{Count: n}
	gone := seeds(withUsers(old), upgrade("15.1"))
	faulty := func(f ...Fault) func(*Mac) error {
		return func(m *Mac) error { return m.Config(func(c *Config) { c.Faults = f }) }
	}
	broken := want(old, Want{Broken: true, Missing: old.Names(1, 2, 3, 4), Low: low(old, 1, 2, 3, 4), StaleGUIDs: true})
	last := "^" + old.Name(n) + "$"
	return []Variant{
		{
			Name: "list-lacks-once", Doc: "The first list of accounts leaves out users who are there.", Version: "14.7",
			Seed: seeds(gone, faulty(Lacking(Users, last, 1))), Want: broken,
		},
		{
			Name: "group-list-lacks-once", Doc: "The first list of groups leaves out the build group.", Version: "14.7",
			Seed: seeds(gone, faulty(Lacking(Groups, "^nixbld$", 1))), Want: broken,
		},
		{
			Name: "move-ignored-once", Doc: "macOS reports the first move of a user as done and does not do it.", Version: "14.7",
			Seed: seeds(gone, faulty(Ignored(1, 1, "^-change$", "^"+strconv.Itoa(old.UID(n))+"$", "^35"))), Want: broken,
		},
		{
			Name: "list-ignored-once", Doc: "macOS reports the members of the group as set and does not set them.", Version: "14.7",
			Seed: seeds(gone, faulty(Ignored(1, 1, "^/Groups/nixbld$", "^-create$"))), Want: broken,
		},
	}
}
