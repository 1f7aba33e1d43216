package mac

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVariants holds what each state is said to be against what is in its
// directory.
func TestVariants(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Variants(8) {
		t.Run(v.Name, func(t *testing.T) {
			if seen[v.Name] {
				t.Error("two variants of this name")
			}
			seen[v.Name] = true
			if v.Doc == "" || v.Version == "" {
				t.Error("no doc or no version")
			}
			m, err := v.New(filepath.Join(t.TempDir(), "mac"), Options{Few: true})
			if err != nil {
				t.Fatal(err)
			}
			if v.Want.NotApplicable {
				if len(v.Want.Users) > 0 || v.Want.Broken || v.Want.Repairable {
					t.Errorf("not applicable and yet %+v", v.Want)
				}
				return
			}
			got := observe(t, m, v.Want)
			want := v.Want
			got.Broken, got.AtRisk, got.Repairable, got.FlagOnly = want.Broken, want.AtRisk, want.Repairable, want.FlagOnly
			got.Untidy, got.DaemonOut, got.GroupID = want.Untidy, want.DaemonOut, want.GroupID
			got.Refusal, got.ReceiptRewritten, got.Untouchable = want.Refusal, want.ReceiptRewritten, want.Untouchable
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("want and directory differ (-want +directory):\n%s", d)
			}
			wrong := len(got.Missing)+len(got.Incomplete)+len(got.Parked)+len(got.Shared)+len(got.Double)+len(got.WrongGroup)+len(got.Unnamed)+len(got.LikePeople) > 0
			// That the group or the names are not Nix's, or that the daemon is out, stands elsewhere.
			wrong = wrong || want.Refusal != "" || want.DaemonOut || want.GroupID
			if wrong != want.Broken {
				t.Errorf("Broken is %v", want.Broken)
			}
			if want.Repairable == (want.Refusal != "") && (want.Broken || want.AtRisk) {
				t.Errorf("Repairable is %v, Refusal %q", want.Repairable, want.Refusal)
			}
			for _, u := range want.Untouchable {
				if _, err := m.User(u); err != nil {
					t.Error(err)
				}
			}
			_, err = m.ReadFile(ReceiptPath)
			if want.ReceiptRewritten && err != nil {
				t.Error(err)
			}
		})
	}
}

// observe finds everything Want lists of the wanted users.
func observe(t *testing.T, m *Mac, want Want) Want {
	t.Helper()
	got := Want{Users: want.Users, Group: want.Group, GID: want.GID}
	group, err := m.Find(Groups, want.Group)
	if err != nil {
		group = Record{}
	}
	all, err := m.All(Users)
	if err != nil {
		t.Fatal(err)
	}
	holders := map[string]int{}
	guids := map[string]string{}
	for _, r := range all {
		for _, uid := range r["uid"] {
			holders[uid]++
		}
		for _, g := range r["generateduid"] {
			guids[g] = r.Name()
		}
	}
	named := 0
	for _, r := range all {
		if slices.Contains(want.Users, r.Name()) && len(r["realname"]) > 0 {
			named++
		}
	}
	members := group["groupmembers"]
	for _, g := range members {
		if guids[g] == "" {
			got.StaleGUIDs = true
		}
	}
	for _, name := range want.Users {
		if !slices.Contains(group["users"], name) {
			got.Unnamed = append(got.Unnamed, name)
		}
		r, err := m.Find(Users, name)
		if err != nil {
			got.Missing = append(got.Missing, name)
			continue
		}
		if len(members) > 0 && (len(r["generateduid"]) == 0 || !slices.Contains(members, r["generateduid"][0])) {
			got.StaleGUIDs = true
		}
		uid := -1
		if len(r["uid"]) > 0 {
			if n, err := strconv.Atoi(r["uid"][0]); err == nil {
				uid = n
			}
		}
		bare := named > len(want.Users)/2 && len(r["realname"]) == 0 || len(r["generateduid"]) == 0 || len(r["generateduid"][0]) != len(guid(""))
		if uid < 0 || len(r["home"]) == 0 || len(r["shell"]) == 0 || len(r["gid"]) == 0 || bare {
			got.Incomplete = append(got.Incomplete, name)
		}
		if slices.ContainsFunc(r["home"], func(h string) bool { return strings.HasPrefix(h, "/Users/") }) || slices.Contains(r["shell"], "/bin/zsh") {
			got.LikePeople = append(got.LikePeople, name)
		}
		switch {
		case uid >= 300 && uid <= 350:
			got.Low = append(got.Low, name)
		case uid >= 31000 && uid <= 39999:
			got.Parked = append(got.Parked, name)
		case uid >= 500:
			got.High = append(got.High, name)
		}
		if len(r["uid"]) > 1 {
			got.Double = append(got.Double, name)
		}
		if slices.ContainsFunc(r["uid"], func(u string) bool { return holders[u] > 1 }) {
			got.Shared = append(got.Shared, name)
		}
		if len(r["gid"]) > 0 && r["gid"][0] != strconv.Itoa(want.GID) {
			got.WrongGroup = append(got.WrongGroup, name)
		}
	}
	return got
}

func TestVariantsScale(t *testing.T) {
	for _, n := range []int{8, 32} {
		for _, v := range Variants(n) {
			if v.Want.NotApplicable || v.Name == "nothing-left" || v.Name == "auto-allocate-no-group" || strings.HasPrefix(v.Name, "count-") || strings.HasSuffix(v.Name, "-128") {
				continue
			}
			if len(v.Want.Users) < n-4 {
				t.Errorf("%s has %d users of %d", v.Name, len(v.Want.Users), n)
			}
		}
	}
}
