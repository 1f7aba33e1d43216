package mac

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// seeds runs one after the other.
func seeds(steps ...func(*Mac) error) func(*Mac) error {
	return func(m *Mac) error {
		for _, s := range steps {
			if err := s(m); err != nil {
				return err
			}
		}
		return nil
	}
}

func withUsers(b Build) func(*Mac) error {
	return func(m *Mac) error { return m.BuildUsers(b) }
}

func withReceipt(b Build, shape Shape) func(*Mac) error {
	return func(m *Mac) error { return m.WriteReceipt(b, shape) }
}

func upgrade(to string) func(*Mac) error {
	return func(m *Mac) error { return m.Upgrade(to) }
}

// nixDarwin puts down what an activated nix-darwin leaves; /run is a link that it has macOS make.
func nixDarwin(m *Mac) error {
	if err := m.WriteFile("/private/var/run/current-system/darwin-version", "25.05.20250601.ab3ef3a"); err != nil {
		return err
	}
	return os.Symlink("private/var/run", m.Path("/run"))
}

func setUsers(names []string, key string, values ...string) func(*Mac) error {
	return func(m *Mac) error {
		for _, n := range names {
			if err := m.SetUser(n, key, values...); err != nil {
				return err
			}
		}
		return nil
	}
}

// setMembers has the build group name these members.
func setMembers(names ...string) func(*Mac) error {
	return func(m *Mac) error { return m.SetGroup("nixbld", "GroupMembership", names...) }
}

// place gives users UIDs below dscl, from a first one upwards.
func place(b Build, first int, numbers ...int) func(*Mac) error {
	return func(m *Mac) error {
		for i, n := range numbers {
			if err := m.SetUser(b.Name(n), "UniqueID", strconv.Itoa(first+i)); err != nil {
				return err
			}
		}
		return nil
	}
}

// remake replaces users as the peers do: a new GeneratedUID, so that the
// group's is stale, and the script's RealName.
func remake(b Build, first int, numbers ...int) func(*Mac) error {
	return func(m *Mac) error {
		for i, n := range numbers {
			r := b.Record(n)
			r.Set("uid", strconv.Itoa(first+i))
			r.Set("generateduid", guid("remade "+b.Name(n)))
			r.Set("realname", "Nix build user "+b.Name(n))
			if err := m.Put(Users, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// halfMade is what "dscl -create" of a user leaves when its UniqueID is refused
// or the caller dies: a name and a GeneratedUID.
func halfMade(names ...string) func(*Mac) error {
	return func(m *Mac) error {
		for _, n := range names {
			if err := m.AddUser(n, map[string][]string{
				"GeneratedUID": {guid("half-made " + n)}, "Password": {"********"}, "record_daemon_version": {"9040000"},
			}); err != nil {
				return err
			}
		}
		return nil
	}
}

func foreign(name string, uid int) func(*Mac) error {
	return func(m *Mac) error {
		return m.AddUser(name, map[string][]string{
			"UniqueID": {strconv.Itoa(uid)}, "PrimaryGroupID": {"20"}, "GeneratedUID": {guid("user " + name)},
			"NFSHomeDirectory": {"/var/empty"}, "UserShell": {"/usr/bin/false"}, "RealName": {name}, "Password": {"*"},
		})
	}
}

// span lists the numbers from a to b.
func span(a, b int) []int {
	var s []int
	for ; a <= b; a++ {
		s = append(s, a)
	}
	return s
}

// low are the names, other than the given numbers, that the build puts at UIDs
// from 300 to 350.
func low(b Build, except ...int) []string {
	var names []string
	for _, n := range b.Numbers() {
		if uid := b.UID(n); uid >= 300 && uid <= 350 && !slices.Contains(except, n) {
			names = append(names, b.Name(n))
		}
	}
	return names
}

// want fills in what every state of these users has.
func want(b Build, w Want) Want {
	b.fill()
	w.Users, w.Group, w.GID = b.Names(), b.Group, b.GID
	w.AtRisk = len(w.Low) > 0
	w.Repairable = (w.Broken || w.AtRisk || w.Untidy) && w.Refusal == ""
	return w
}

// fill takes every free UID from a to b with accounts of a directory product.
func fill(a, b int) func(*Mac) error {
	return func(m *Mac) error {
		all, err := m.All(Users)
		if err != nil {
			return err
		}
		held := map[string]bool{}
		for _, r := range all {
			for _, uid := range r["uid"] {
				held[uid] = true
			}
		}
		for uid := a; uid <= b; uid++ {
			if held[strconv.Itoa(uid)] {
				continue
			}
			if err := foreign(fmt.Sprintf("_site%d", uid), uid)(m); err != nil {
				return err
			}
		}
		return nil
	}
}

// doubleAction repeats the last action that describes users, under another tag.
func doubleAction(text string) string {
	const head = "    {\n      \"action\": {\n        \"action\": \"create_users_and_group\","
	i := strings.Index(text, head)
	if i < 0 {
		return text
	}
	end := strings.Index(text[i:], "\n    },\n")
	if end < 0 {
		return text
	}
	action := text[i : i+end+len("\n    },\n")]
	return text[:i] + action + strings.Replace(action, "create_users_and_group", "create_users_and_group_again", 1) + text[i+len(action):]
}
