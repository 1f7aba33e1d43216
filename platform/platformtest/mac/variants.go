package mac

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Variants are the states, with n users each (at least 8; 32 is what installers
// make) unless the state is about a number of users.
func Variants(n int) []Variant {
	n = max(n, 8)
	old := Build{Count: n}                          // before macOS 15
	current := Build{Count: n, Base: 350, GID: 350} // since macOS 15
	first4 := []int{1, 2, 3, 4}

	// after15 is the common case: the upgrade from 14 to 15 took four users.
	after15 := func(w Want) Want {
		w.Broken, w.Missing, w.Low = true, old.Names(first4...), low(old, first4...)
		return want(old, w)
	}
	upgraded15 := seeds(withUsers(old), upgrade("15.1"))
	receipt15 := func(edit func(text string) string) func(*Mac) error {
		return seeds(upgraded15, withReceipt(old, Tagged), func(m *Mac) error { return m.EditReceipt(edit) })
	}
	survivors := span(5, n)

	v := []Variant{
		// Before and after the upgrades.
		{
			Name: "healthy", Doc: "Made by an installer since macOS 15: 351 and up, GID 350.", Version: "15.1",
			Seed: seeds(withUsers(current), withReceipt(current, Named)),
			Want: want(current, Want{}),
		},
		{
			Name: "healthy-script", Doc: "Migrated by the NixOS script: 351 and up, the old GID, no receipt.", Version: "15.1",
			Seed: withUsers(Build{Count: n, Base: 350}),
			Want: want(Build{Count: n, Base: 350}, Want{}),
		},
		{
			Name: "before-15", Doc: "macOS 14 with the old UIDs: nothing is broken yet.", Version: "14.7",
			Seed: seeds(withUsers(old), withReceipt(old, Tagged)),
			Want: want(old, Want{Low: low(old), ReceiptRewritten: true}),
		},
		{
			Name: "upgraded-15", Doc: "14 to 15 took four users (NixOS/nix#10892, #11364).", Version: "14.7",
			Seed: upgraded15, Want: after15(Want{StaleGUIDs: true}),
		},
		{
			Name: "upgraded-15-three", Doc: "Three of the four are missing: _nixbld4 was made again by hand at 401.", Version: "14.7",
			Seed: seeds(upgraded15, remake(old, 401, 4)),
			Want: want(old, Want{Broken: true, Missing: old.Names(1, 2, 3), Low: low(old, first4...), StaleGUIDs: true}),
		},
		{
			Name: "upgraded-15-one", Doc: "One user is missing, the other three were made again by hand (nix-darwin/nix-darwin#970).", Version: "14.7",
			Seed: seeds(upgraded15, remake(old, 401, 2, 3, 4)),
			Want: want(old, Want{Broken: true, Missing: old.Names(1), Low: low(old, first4...), StaleGUIDs: true}),
		},
		func() Variant {
			b := Build{Count: n + 8}
			return Variant{
				Name: "upgraded-26", Doc: "14 to 26 took eight users at once.", Version: "14.7",
				Seed: seeds(withUsers(b), withReceipt(b, Tagged), upgrade("26.1")),
				Want: want(b, Want{Broken: true, Missing: b.Names(span(1, 8)...), Low: low(b, span(1, 8)...), StaleGUIDs: true, ReceiptRewritten: true}),
			}
		}(),
		func() Variant {
			b := Build{Count: n + 8}
			return Variant{
				Name: "upgraded-15-26", Doc: "14 to 15 to 26 without a repair in between took eight users in two goes.", Version: "14.7",
				Seed: seeds(withUsers(b), upgrade("15.1"), upgrade("26.1")),
				Want: want(b, Want{Broken: true, Missing: b.Names(span(1, 8)...), Low: low(b, span(1, 8)...), StaleGUIDs: true}),
			}
		}(),
		func() Variant {
			b := Build{Count: n, UIDs: map[int]int{1: 351, 2: 352, 3: 353, 4: 354}}
			gone := span(5, 8)
			return Variant{
				Name: "second-half", Doc: "15 took the first four, somebody made only these again, and 26 took the next four.", Version: "15.1",
				Seed: seeds(withUsers(b), upgrade("26.1")),
				Want: want(b, Want{Broken: true, Missing: b.Names(gone...), Low: low(b, gone...), StaleGUIDs: true}),
			}
		}(),
		func() Variant {
			mid := []int{n / 2, n/2 + 1}
			b := Build{Count: n, Base: 310, UIDs: map[int]int{mid[0]: 301, mid[1]: 302}}
			return Variant{
				Name: "middle-gone", Doc: "The missing numbers are in the middle, because UIDs did not follow the numbers (NixOS/nix#6064).", Version: "14.7",
				Seed: seeds(withUsers(b), upgrade("15.1")),
				Want: want(b, Want{Broken: true, Missing: b.Names(mid...), Low: low(b, mid...), StaleGUIDs: true}),
			}
		}(),
		func() Variant {
			b := Build{Count: 32, Order: []int{1, 2, 3, 30, 31, 4}}
			gone := []int{1, 2, 3, 30}
			return Variant{
				Name: "order-2021", Doc: "The migration of 2021 gave UIDs in name order, so 15 took 1, 2, 3 and 30 (NixOS/nix#4532).", Version: "14.7",
				Seed: seeds(withUsers(b), upgrade("15.1")),
				Want: want(b, Want{Broken: true, Missing: b.Names(gone...), Low: low(b, gone...), StaleGUIDs: true}),
			}
		}(),
		{
			Name: "all-gone", Doc: "The group names the users and none of them exists.", Version: "15.1",
			Seed: withUsers(Build{Count: n, Missing: old.Numbers()}),
			Want: want(old, Want{Broken: true, Missing: old.Names(), StaleGUIDs: true}),
		},
		{
			Name: "shared-apple", Doc: "macOS 26 wrote its accounts beside the build users of the same UIDs.", Version: "26.1",
			Seed: seeds(withUsers(Build{Count: n, Missing: first4}), remake(current, 351, 1, 2, 3, 4), setUsers(current.Names(1, 2, 3, 4), "PrimaryGroupID", "30000")),
			Want: want(old, Want{
				Broken: true, Low: low(old, first4...), Shared: old.Names(span(5, 8)...), StaleGUIDs: true,
			}),
		},

		// Records that are not whole.
		{
			Name: "without-uid", Doc: "Records without UniqueID (NixOS/nix#11075, #11323, #11151).", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(2, 5), "UniqueID")),
			Want: want(current, Want{Broken: true, Incomplete: current.Names(2, 5)}),
		},
		{
			Name: "half-made", Doc: "A refused UniqueID left a record with a name and a GeneratedUID only.", Version: "14.7",
			Seed: seeds(upgraded15, halfMade(old.Names(1, 2)...)),
			Want: want(old, Want{
				Broken: true, Missing: old.Names(3, 4), Incomplete: old.Names(1, 2), Low: low(old, first4...), StaleGUIDs: true,
			}),
		},
		{
			Name: "half-attributes", Doc: "Users with a UniqueID and without home, shell and primary group.", Version: "15.1",
			Seed: seeds(
				withUsers(current),
				setUsers(current.Names(3), "NFSHomeDirectory"), setUsers(current.Names(3), "UserShell"), setUsers(current.Names(3), "PrimaryGroupID"),
				setUsers(current.Names(6), "UserShell"),
			),
			Want: want(current, Want{Broken: true, Incomplete: current.Names(3, 6)}),
		},
		{
			Name: "not-hidden", Doc: "Security software killed dscl at IsHidden (DeterminateSystems/nix-installer#668): cosmetic.", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(), "IsHidden")),
			Want: want(current, Want{Untidy: true}),
		},
		{
			Name: "uid-text", Doc: "A UniqueID that is no number, which macOS reads as 0.", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(3), "UniqueID", "x353")),
			Want: want(current, Want{Broken: true, Incomplete: current.Names(3)}),
		},
		{
			Name: "two-uids", Doc: "-append made a second UniqueID (dustinlyons/nixos-config#115).", Version: "15.1",
			Seed: seeds(withUsers(current), setUsers(current.Names(3), "UniqueID", "353", "303")),
			Want: want(current, Want{Broken: true, Double: current.Names(3), Shared: current.Names(3)}),
		},

		// UIDs that are wrong.
		{
			Name: "duplicate", Doc: "Two build users have one UID.", Version: "15.1",
			Seed: seeds(withUsers(current), place(current, 352, 3)),
			Want: want(current, Want{Broken: true, Shared: current.Names(2, 3)}),
		},
		{
			Name: "shared-human", Doc: "A build user has the UID of a person: a build would kill the person's processes.", Version: "15.1",
			Seed: seeds(withUsers(current), place(current, 501, 2)),
			Want: want(current, Want{Broken: true, Shared: current.Names(2), High: current.Names(2)}),
		},
		{
			Name: "shared-oahd", Doc: "A build user has the UID of _oahd, Apple's highest.", Version: "15.1",
			Seed: seeds(withUsers(current), place(current, 441, 2)),
			Want: want(current, Want{Broken: true, Shared: current.Names(2)}),
		},
		{
			Name: "swapped", Doc: "The first two users have each other's UID. Nothing is wrong with it.", Version: "15.1",
			Seed: seeds(withUsers(current), place(current, 352, 1), place(current, 351, 2)),
			Want: want(current, Want{}),
		},
		func() Variant {
			// The place of each of the first three is held by the next, and all
			// three share a UID with a stranger, so all have to go.
			b := Build{Count: n, Base: 350, GID: 350, UIDs: map[int]int{1: 352, 2: 353, 3: 351}}
			return Variant{
				Name: "cycle", Doc: "Users whose own places are held by each other, and who cannot stay, for strangers hold their UIDs too.", Version: "15.1",
				Seed: seeds(withUsers(b), foreign("_one", 351), foreign("_two", 352), foreign("_three", 353)),
				Want: want(b, Want{Broken: true, Shared: b.Names(1, 2, 3)}),
			}
		}(),
		func() Variant {
			b := Build{Count: max(n, 24), Base: 330}
			return Variant{
				Name: "at-331", Doc: "Migrated by the script's draft of mid 2024: 331 and up, so old and new places overlap.", Version: "15.1",
				Seed: withUsers(b), Want: want(b, Want{Low: low(b)}),
			}
		}(),
		func() Variant {
			b := Build{Count: n, Base: 332}
			return Variant{
				Name: "at-333", Doc: "Another draft: 333 and up, users it made again in group 30001 (NixOS/nix#10919).", Version: "15.1",
				Seed: seeds(withUsers(b), remake(b, 333, 1, 2, 3, 4), setUsers(b.Names(1, 2, 3, 4), "PrimaryGroupID", "30001")),
				Want: want(b, Want{Broken: true, Low: low(b), WrongGroup: b.Names(1, 2, 3, 4), StaleGUIDs: true}),
			}
		}(),
		func() Variant {
			b := Build{Count: n, Base: 400}
			return Variant{
				Name: "at-401", Doc: "Moved by hand (NixOS/nix#10892).", Version: "15.1",
				Seed: withUsers(b), Want: want(b, Want{}),
			}
		}(),
		func() Variant {
			b := Build{Count: n, Base: 450}
			return Variant{
				Name: "at-451", Doc: "Made by Determinate 0.20.1 to 0.22 on a beta of macOS 15.", Version: "15.1",
				Seed: seeds(withUsers(b), withReceipt(b, Tagged)), Want: want(b, Want{}),
			}
		}(),
		func() Variant {
			b := Build{Prefix: "nixbld", Count: n, Base: 30000}
			return Variant{
				Name: "at-30001", Doc: "Made by the script until 2021: builds work, macOS counts the users as people (NixOS/nix#4531).", Version: "15.1",
				Seed: withUsers(b),
				Want: want(b, Want{FlagOnly: true, High: b.Names()}),
			}
		}(),
		func() Variant {
			b := Build{Prefix: "nixbld", Count: n, Base: 30000}
			return Variant{
				Name: "sophos-30005", Doc: "_sophos holds 30005, so the fifth user was left half-made (NixOS/nix#2242).", Version: "15.1",
				Seed: seeds(withUsers(Build{Prefix: "nixbld", Count: n, Base: 30000, Missing: []int{5}}), foreign("_sophos", 30005), halfMade(b.Name(5))),
				Want: want(b, Want{
					Broken: true, Incomplete: b.Names(5), StaleGUIDs: true, FlagOnly: true,
					High: b.Names(slices.DeleteFunc(b.Numbers(), func(x int) bool { return x == 5 })...),
				}),
			}
		}(),

		// What interrupted migrations leave.
		{
			Name: "script-parked", Doc: "The NixOS script was killed after parking: survivors at 31000 and up, four missing.", Version: "14.7",
			Seed: seeds(upgraded15, place(old, 31000, survivors...)),
			Want: want(old, Want{Broken: true, Missing: old.Names(first4...), Parked: old.Names(survivors...), StaleGUIDs: true}),
		},
		{
			Name: "determinate-parked", Doc: "Determinate's repair was killed after parking: each at 31000 and its position in the group.", Version: "14.7",
			Seed: seeds(upgraded15, withReceipt(old, Named), place(old, 31005, survivors...)),
			Want: want(old, Want{
				Broken: true, Missing: old.Names(first4...), Parked: old.Names(survivors...), StaleGUIDs: true, ReceiptRewritten: true,
			}),
		},
		{
			Name: "mixed-parked", Doc: "Both tools were killed while parking, so one's parking places are taken by the other's (-14135).", Version: "14.7",
			Seed: seeds(upgraded15, place(old, 31000, 5, 6), place(old, 31007, 7), place(old, 308, 8)),
			Want: want(old, Want{
				Broken: true, Missing: old.Names(first4...), Low: low(old, 1, 2, 3, 4, 5, 6, 7),
				Parked: old.Names(5, 6, 7), StaleGUIDs: true,
			}),
		},
		{
			Name: "script-remaking", Doc: "The NixOS script was killed making user 3; its next run says it migrated 3 users and stops.", Version: "14.7",
			Seed: seeds(
				upgraded15, place(old, 31000, survivors...), remake(old, 351, 1, 2), halfMade(old.Name(3)),
				setUsers(old.Names(3), "UniqueID", "353"),
			),
			Want: want(old, Want{
				Broken: true, Missing: old.Names(4), Incomplete: old.Names(3),
				Parked: old.Names(survivors...), StaleGUIDs: true,
			}),
		},
		{
			Name: "script-placing", Doc: "The NixOS script was killed while giving out the new places.", Version: "14.7",
			Seed: seeds(upgraded15, place(old, 31000, survivors...), remake(old, 351, first4...), place(old, 355, 5, 6)),
			Want: want(old, Want{Broken: true, Parked: old.Names(span(7, n)...), StaleGUIDs: true}),
		},
		{
			Name: "determinate-placing", Doc: "Determinate's repair was killed while placing: nobody is missing, so its next run finds nothing to do.", Version: "14.7",
			Seed: seeds(upgraded15, withReceipt(old, Named), place(old, 31005, survivors...), remake(old, 351, first4...), place(old, 355, 5)),
			Want: want(old, Want{Broken: true, Parked: old.Names(span(6, n)...), StaleGUIDs: true, ReceiptRewritten: true}),
		},
		{
			Name: "determinate-last", Doc: "Determinate's repair was cut inside the last missing user: nothing to do, it says.", Version: "14.7",
			Seed: seeds(
				upgraded15, withReceipt(old, Named), place(old, 31005, survivors...), remake(old, 351, 1, 2, 3), halfMade(old.Name(4)),
			),
			Want: want(old, Want{
				Broken: true, Incomplete: old.Names(4), Parked: old.Names(survivors...), StaleGUIDs: true, ReceiptRewritten: true,
			}),
		},
		{
			Name: "determinate-foreign", Doc: "Determinate's repair failed at _defendpoint, which holds 351 (DeterminateSystems/nix-installer#1754).", Version: "14.7",
			Seed: seeds(
				upgraded15, withReceipt(old, Named), foreign("_defendpoint", 351), place(old, 31005, survivors...), halfMade(old.Name(1)),
			),
			Want: want(old, Want{
				Broken: true, Incomplete: old.Names(1), Missing: old.Names(2, 3, 4),
				Parked: old.Names(survivors...), StaleGUIDs: true, ReceiptRewritten: true,
			}),
		},

		// The group.
		{
			Name: "wrong-group", Doc: "Users made again with primary group 30001 (NixOS/nix#10919).", Version: "15.1",
			Seed: seeds(withUsers(Build{Count: n, Base: 350}), setUsers(old.Names(first4...), "PrimaryGroupID", "30001")),
			Want: want(Build{Count: n, Base: 350}, Want{Broken: true, WrongGroup: old.Names(first4...)}),
		},
		{
			Name: "unnamed", Doc: "Users of the right primary group whom the group does not name, so the daemon never uses them.", Version: "15.1",
			Seed: withUsers(Build{Count: n, Base: 350, GID: 350, Outside: []int{2, 3}}),
			Want: want(current, Want{Broken: true, Unnamed: current.Names(2, 3), StaleGUIDs: true}),
		},
		{
			Name: "stale-guids", Doc: "A peer made users again and left the group's GUIDs as they were.", Version: "15.1",
			Seed: seeds(withUsers(current), remake(current, 351, first4...)),
			Want: want(current, Want{StaleGUIDs: true}),
		},
		{
			Name: "group-missing", Doc: "The group is gone and its GID is free (DeterminateSystems/nix-installer#1171, #1427).", Version: "15.1",
			Seed: withUsers(Build{Count: n, Base: 350, GID: 350, NoGroup: true}),
			Want: want(current, Want{Broken: true, Unnamed: current.Names()}),
		},
		{
			Name: "group-taken", Doc: "The group is gone and another group has its GID.", Version: "15.1",
			Seed: seeds(withUsers(Build{Count: n, Base: 350, NoGroup: true}), func(m *Mac) error {
				return m.AddGroup("render", map[string][]string{"PrimaryGroupID": {"30000"}, "GeneratedUID": {guid("group render")}})
			}),
			Want: want(Build{Count: n, Base: 350}, Want{Broken: true, Unnamed: old.Names(), Refusal: "the GID of the users' group belongs to another group"}),
		},
		{
			Name: "group-empty", Doc: "A reinstall or Migration Assistant left an empty group; the primary group hides it from checkmember (NixOS/nix#12343, #15639).", Version: "26.4",
			Seed: seeds(withUsers(Build{Count: n, Base: 350, GID: 350, Members: NoMembers}), func(m *Mac) error {
				return os.MkdirAll(m.Path("/Library/SystemMigration/History"), 0o755)
			}),
			Want: want(current, Want{Broken: true, Unnamed: current.Names()}),
		},
		{
			Name: "group-names-only", Doc: "Only dscl wrote the group: names and no GUIDs, as on nix-darwin (NixOS/nix#6035).", Version: "15.1",
			Seed: withUsers(Build{Count: n, Base: 350, GID: 350, Members: NamesOnly}),
			Want: want(current, Want{}),
		},
		{
			Name: "group-guids-only", Doc: "The group has GUIDs and no GroupMembership (DeterminateSystems/nix-installer#1228).", Version: "15.1",
			Seed: withUsers(Build{Count: n, Base: 350, GID: 350, Members: GUIDsOnly}),
			Want: want(current, Want{Broken: true, Unnamed: current.Names()}),
		},
		{
			Name: "names-doubled", Doc: "Old Determinate named users twice: -append, then dseditgroup.", Version: "14.7",
			Seed: seeds(withUsers(old), setMembers(append(old.Names(), old.Names()...)...), upgrade("15.1")),
			Want: after15(Want{StaleGUIDs: true}),
		},
		{
			Name: "names-removed", Doc: "The missing names were taken out of the group by hand; only the receipt wants them (nix-darwin/nix-darwin#970).", Version: "14.7",
			Seed: seeds(
				upgraded15, withReceipt(old, Tagged), setMembers(old.Names(survivors...)...),
			),
			Want: after15(Want{Unnamed: old.Names(first4...), StaleGUIDs: true, ReceiptRewritten: true}),
		},
		func() Variant {
			w := want(old, Want{Low: low(old, first4...), StaleGUIDs: true})
			w.Users = old.Names(survivors...)
			return Variant{
				Name: "names-removed-no-receipt", Doc: "The same without a receipt: nothing tells that there were more users.", Version: "14.7",
				Seed: seeds(upgraded15, setMembers(old.Names(survivors...)...)), Want: w,
			}
		}(),
		{
			Name: "nix-darwin", Doc: "nix-darwin's group: names only, in text order, RealNames from its configuration.", Version: "15.1",
			Seed: seeds(withUsers(Build{Count: n, Base: 350, GID: 350, Members: NamesOnly, MembersByName: true}), nixDarwin),
			Want: want(current, Want{}),
		},
		func() Variant {
			b := Build{Count: n, Members: NamesOnly, MembersByName: true}
			return Variant{
				Name: "nix-darwin-15", Doc: "nix-darwin with the old UIDs after the upgrade.", Version: "14.7",
				Seed: seeds(withUsers(b), nixDarwin, upgrade("15.1")),
				Want: want(b, Want{Broken: true, Missing: b.Names(first4...), Low: low(b, first4...)}),
			}
		}(),

		// Names and counts.
		func() Variant {
			b := Build{Count: n, Prefix: "builder", Group: "builders", GID: 31337}
			return Variant{
				Name: "renamed", Doc: "Prefix and group were chosen at installation; the receipt and nix.conf know them.", Version: "14.7",
				Seed: seeds(withUsers(b), withReceipt(b, Tagged), func(m *Mac) error {
					return m.WriteFile("/etc/nix/nix.conf", "build-users-group = builders\n")
				}, upgrade("15.1")),
				Want: want(b, Want{Broken: true, Missing: b.Names(first4...), Low: low(b, first4...), StaleGUIDs: true, ReceiptRewritten: true}),
			}
		}(),
		func() Variant {
			b := Build{Count: max(n, 8), FromZero: true, GID: 3000, RealNames: Unnamed}
			gone := span(0, 4)
			return Variant{
				Name: "from-zero", Doc: "Determinate to 0.5: numbers and UIDs from 0 and 300, so 15 took five users.", Version: "14.7",
				Seed: seeds(withUsers(b), withReceipt(b, Nested), upgrade("15.1")),
				Want: want(b, Want{Broken: true, Missing: b.Names(gone...), Low: low(b, gone...), StaleGUIDs: true, ReceiptRewritten: true}),
			}
		}(),
		{
			Name: "look-alikes", Doc: "Accounts whose names only look like build users' (NixOS script L75 moves them).", Version: "14.7",
			Seed: seeds(
				upgraded15, foreign("my_nixbld9", 411), foreign("_nixbld_backup", 412), foreign("_nixbld01", 413),
				foreign("nixbld1", 414), foreign("_nixbld351x", 415),
			),
			Want: after15(Want{
				StaleGUIDs: true, Untouchable: []string{"my_nixbld9", "_nixbld_backup", "_nixbld01", "nixbld1", "_nixbld351x"},
			}),
		},
		{
			Name: "apple-guid", Doc: "An account of the form of a build user with an Apple GeneratedUID is not a build user.", Version: "15.1",
			Seed: seeds(withUsers(current), func(m *Mac) error {
				name := fmt.Sprintf("_nixbld%d", n+1)
				return m.AddUser(name, map[string][]string{
					"UniqueID": {"309"}, "PrimaryGroupID": {"350"}, "GeneratedUID": {AppleGUID(Users, 309)}, "Password": {"*"},
					"NFSHomeDirectory": {"/var/empty"}, "UserShell": {"/usr/bin/false"}, "RealName": {"Apple's"},
				})
			}),
			Want: want(current, Want{Untouchable: []string{fmt.Sprintf("_nixbld%d", n+1)}}),
		},
		{
			Name: "control-characters", Doc: "Escape sequences in a person's and a build user's RealName reach plists raw and must not reach a terminal.", Version: "14.7",
			Seed: seeds(
				upgraded15, setUsers([]string{"alex"}, "RealName", "\x1b[2J\x1b]0;owned\x07Alex <&>"),
				setUsers(old.Names(5), "RealName", "Nix\x1b[31m build user 5"),
			),
			Want: after15(Want{StaleGUIDs: true}),
		},

		// Places.
		{
			Name: "defendpoint", Doc: "_defendpoint holds 351, the first new place (DeterminateSystems/nix-installer#1754).", Version: "14.7",
			Seed: seeds(upgraded15, foreign("_defendpoint", 351), func(m *Mac) error {
				if err := m.SetUser("_defendpoint", "PrimaryGroupID", "351"); err != nil {
					return err
				}
				return m.AddGroup("_defendpoint", map[string][]string{"PrimaryGroupID": {"351"}, "GeneratedUID": {guid("group _defendpoint")}})
			}), Want: after15(Want{StaleGUIDs: true}),
		},
		{
			Name: "sonos", Doc: "SonosDMS holds 301, so the first user was left half-made (NixOS/nix#8265).", Version: "14.7",
			Seed: seeds(foreign("SonosDMS", 301), withUsers(Build{Count: n, Missing: []int{1}}), halfMade(old.Name(1))),
			Want: want(old, Want{Broken: true, Incomplete: old.Names(1), Low: low(old, 1), StaleGUIDs: true}),
		},
		{
			Name: "places-late", Doc: "Only 450 and above has room, where new releases of macOS put role accounts.", Version: "14.7",
			Seed: seeds(upgraded15, fill(351, 449)), Want: after15(Want{StaleGUIDs: true}),
		},
		{
			Name: "places-taken", Doc: "Every UID from 351 to 499 is taken.", Version: "14.7",
			Seed: seeds(upgraded15, fill(351, 499)), Want: after15(Want{StaleGUIDs: true, Refusal: "not enough free UIDs"}),
		},

		// Permission, builds, Nix itself.
		{
			Name: "no-consent", Doc: "root over ssh without Full Disk Access: every write of a UniqueID gives -14120 (NixOS/nix#10892).", Version: "14.7",
			Seed: seeds(upgraded15, func(m *Mac) error {
				return m.Config(func(c *Config) { c.Consent, c.Session = false, "Background" })
			}),
			Want: after15(Want{StaleGUIDs: true, Refusal: "no permission to administer the computer"}),
		},
		{
			Name: "building", Doc: "A build runs under a surviving user.", Version: "14.7",
			Seed: seeds(upgraded15, func(m *Mac) error { return m.StartBuild(305) }),
			Want: after15(Want{StaleGUIDs: true, Refusal: "a build is running"}),
		},
		{
			Name: "uninstalled", Doc: "Nix is gone, its users stayed (DeterminateSystems/nix-installer#1240, #1398).", Version: "14.7",
			Seed: seeds(upgraded15, func(m *Mac) error { return m.UninstallNix() }),
			Want: Want{NotApplicable: true, Refusal: "Nix is not installed", Group: "nixbld", GID: 30000},
		},
		{
			Name: "no-users", Doc: "Builds run as root: build-users-group is empty, and there is neither group nor users.", Version: "15.1",
			Seed: func(m *Mac) error { return m.WriteFile("/etc/nix/nix.conf", "build-users-group =\n") },
			Want: Want{NotApplicable: true},
		},
		{
			Name: "auto-allocate", Doc: "Determinate 0.9: auto-allocate-uids, an empty group and no users.", Version: "15.1",
			Seed: seeds(withUsers(Build{Count: n, Missing: old.Numbers(), Members: NoMembers}), withReceipt(old, GroupOnly), func(m *Mac) error {
				return m.WriteFile("/etc/nix/nix.conf", "build-users-group = nixbld\nauto-allocate-uids = true\nextra-experimental-features = auto-allocate-uids\n")
			}),
			Want: Want{NotApplicable: true, Group: "nixbld", GID: 30000},
		},

		// Receipts.
		{
			Name: "receipt-0.8", Doc: "Users inside provision_nix, nested actions without tag (DeterminateSystems/nix-installer#1756).", Version: "14.7",
			Seed: seeds(upgraded15, withReceipt(old, Nested)), Want: after15(Want{StaleGUIDs: true, ReceiptRewritten: true}),
		},
		{
			Name: "receipt-0.10", Doc: `Tag "action", nested actions without tag (DeterminateSystems/nix-installer#716).`, Version: "14.7",
			Seed: seeds(upgraded15, withReceipt(old, Tagged)), Want: after15(Want{StaleGUIDs: true, ReceiptRewritten: true}),
		},
		{
			Name: "receipt-0.21", Doc: `Tag "action_name" everywhere.`, Version: "14.7",
			Seed: seeds(upgraded15, withReceipt(old, Named)), Want: after15(Want{StaleGUIDs: true, ReceiptRewritten: true}),
		},
		{
			Name: "receipt-lix", Doc: "The Lix installer's, told by enable_flakes.", Version: "14.7",
			Seed: seeds(upgraded15, withReceipt(old, Lix)), Want: after15(Want{StaleGUIDs: true, ReceiptRewritten: true}),
		},
		{
			Name: "receipt-unparsable", Doc: "A receipt cut in half must not stop the repair, nor be written.", Version: "14.7",
			Seed: receipt15(func(text string) string { return text[:len(text)/2] }), Want: after15(Want{StaleGUIDs: true}),
		},
		{
			Name: "receipt-empty", Doc: "An empty receipt.", Version: "14.7",
			Seed: receipt15(func(string) string { return "" }), Want: after15(Want{StaleGUIDs: true}),
		},
		{
			Name: "receipt-two", Doc: "Two places describe the users, so neither is trusted.", Version: "14.7",
			Seed: receipt15(func(text string) string { return doubleAction(text) }), Want: after15(Want{StaleGUIDs: true}),
		},
		{
			Name: "receipt-null", Doc: "Actions that are null, as installers leave them.", Version: "14.7",
			Seed: receipt15(func(text string) string {
				return strings.Replace(text, "  \"actions\": [\n", "  \"actions\": [\n    {\n      \"action\": null,\n      \"state\": \"Skipped\"\n    },\n", 1)
			}), Want: after15(Want{StaleGUIDs: true, ReceiptRewritten: true}),
		},
		{
			Name: "receipt-odd", Doc: "Unknown fields, and numbers whose text a typed reader would change.", Version: "14.7",
			Seed: receipt15(func(text string) string {
				return strings.Replace(text, "  \"actions\": [\n",
					"  \"future\": {\n    \"big\": 123456789012345678901234567890,\n    \"float\": 1.50,\n    \"exp\": 1E+2,\n    \"text\": \"\\u003cb\\u003e \\/ \\ud83d\\ude00\"\n  },\n  \"actions\": [\n", 1)
			}), Want: after15(Want{StaleGUIDs: true, ReceiptRewritten: true}),
		},
	}

	v = append(v, incomplete(n)...)
	v = append(v, groups(n)...)
	v = append(v, unstable(n)...)
	for _, count := range []int{8, 16, 40, 128} {
		b := Build{Count: count}
		v = append(v, Variant{
			Name: fmt.Sprintf("count-%d", count), Doc: "Another number of users, after the upgrade.", Version: "14.7",
			Seed: seeds(withUsers(b), withReceipt(b, Tagged), upgrade("15.1")),
			Want: want(b, Want{Broken: true, Missing: b.Names(first4...), Low: low(b, first4...), StaleGUIDs: true, ReceiptRewritten: true}),
		})
	}
	big := Build{Count: 128}
	v = append(v,
		Variant{
			Name: "script-128", Doc: "The NixOS script stopped at UID 400 with 79 of 128 users parked.", Version: "14.7",
			Seed: seeds(withUsers(big), upgrade("15.1"), place(big, 31000, span(50, 128)...), remake(big, 351, first4...), place(big, 355, span(5, 49)...)),
			Want: want(big, Want{Broken: true, Parked: big.Names(span(50, 128)...), StaleGUIDs: true}),
		},
		Variant{
			Name: "determinate-128", Doc: "Determinate's repair failed at 441, _oahd's, with 38 of 128 users parked.", Version: "14.7",
			Seed: seeds(withUsers(big), withReceipt(big, Named), upgrade("15.1"), place(big, 31091, span(91, 128)...), remake(big, 351, first4...), place(big, 355, span(5, 90)...)),
			Want: want(big, Want{Broken: true, Parked: big.Names(span(91, 128)...), StaleGUIDs: true, ReceiptRewritten: true}),
		},
	)
	return v
}
