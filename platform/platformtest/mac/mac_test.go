package mac

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"
	"pgregory.net/rapid"
)

func newMac(t *testing.T, o Options) *Mac {
	t.Helper()
	m, err := New(filepath.Join(t.TempDir(), "mac"), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tree(t *testing.T, m *Mac, ignore ...string) map[string]string {
	t.Helper()
	tr, err := m.Tree(ignore...)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestRecordCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Record(rapid.MapOf(
			rapid.StringMatching(`[A-Za-z_&<>]{1,12}`),
			rapid.SliceOfN(rapid.String(), 1, 3),
		).Draw(t, "record"))
		data := r.encode()
		got, err := decode(data)
		if err != nil {
			t.Fatalf("%v in\n%s", err, data)
		}
		if d := cmp.Diff(r, got); d != "" {
			t.Fatal(d)
		}
		for disk, values := range r {
			if d := cmp.Diff(values, valuesIn(data, disk)); d != "" && !slices.Contains(values, "") {
				t.Fatalf("valuesIn %q: %s", disk, d)
			}
		}
	})
}

func TestRecordIsPlist(t *testing.T) {
	r := Record{"name": {"x"}, "realname": {"A & <B>"}, "jpegphoto": {"\xff\xd8"}}
	var got map[string][]any
	if _, err := plist.Unmarshal(r.encode(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string][]any{"name": {"x"}, "realname": {"A & <B>"}, "jpegphoto": {[]byte("\xff\xd8")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestStockAccounts(t *testing.T) {
	tests := []struct {
		version string
		last    int
		build   string
	}{
		{"14.7", 298, "23H124"},
		{"15.1", 304, "24B83"},
		{"26.1", 308, "25B78"},
	}
	// The accounts of 200 to 299 in section 200-499 of the macOS 15 list.
	want := []int{200, 202, 203, 205, 208}
	for _, r := range [][2]int{{210, 222}, {224, 224}, {227, 236}, {239, 242}, {244, 249}, {251, 254}, {257, 263}, {265, 266}, {268, 275}, {277, 285}, {288, 289}, {291, 291}, {293, 298}} {
		want = append(want, span(r[0], r[1])...)
	}
	for _, tt := range tests {
		t.Run(tt.version, func(t *testing.T) {
			m := newMac(t, Options{Version: tt.version})
			var got []int
			all, err := m.All(Users)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				uid, err := strconv.Atoi(r["uid"][0])
				if err != nil {
					t.Fatal(err)
				}
				if uid >= 200 && uid < 500 {
					got = append(got, uid)
				}
			}
			slices.Sort(got)
			want := slices.Concat(want, span(300, tt.last), []int{441})
			if tt.last == 298 {
				want = slices.DeleteFunc(want, func(n int) bool { return n >= 299 && n < 441 })
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			c, err := m.ReadConfig()
			if err != nil {
				t.Fatal(err)
			}
			if c.Build != tt.build {
				t.Errorf("build %s", c.Build)
			}
		})
	}
}

func TestUpgrade(t *testing.T) {
	m := newMac(t, Options{Few: true})
	if err := m.BuildUsers(Build{Count: 10}); err != nil {
		t.Fatal(err)
	}
	before, err := m.Group("nixbld")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		to   string
		gone int
	}{{"15.1", 4}, {"15.4", 4}, {"26.1", 8}} {
		if err := m.Upgrade(step.to); err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			_, err := m.User("_nixbld" + strconv.Itoa(n+1))
			if gone := errors.Is(err, ErrNoRecord); gone != (n < step.gone) {
				t.Errorf("%s: user %d: %v", step.to, n+1, err)
			}
		}
	}
	after, err := m.Group("nixbld")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("the group changed: %s", d)
	}
	apple, err := m.User("_spinandd")
	if err != nil {
		t.Fatal(err)
	}
	if apple["GeneratedUID"][0] != "FFFFEEEE-DDDD-CCCC-BBBB-AAAA00000131" {
		t.Errorf("_spinandd is %v", apple)
	}
}

func TestCloneAndTree(t *testing.T) {
	m := newMac(t, Options{})
	if err := m.BuildUsers(Build{}); err != nil {
		t.Fatal(err)
	}
	if err := Install(m.Root, os.Args[0]); err != nil {
		t.Fatal(err)
	}
	c, err := m.Clone(filepath.Join(t.TempDir(), "clone"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tree(t, m), tree(t, c)); d != "" {
		t.Fatalf("the clone differs:\n%s", d)
	}
	if got := tree(t, m)["etc"]; got != "-> private/etc" {
		t.Errorf("etc is %q", got)
	}
	if err := c.SetUser("_nixbld1", "UniqueID", "351"); err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(tree(t, m), tree(t, c)) {
		t.Error("a change does not show")
	}
	if err := c.SetUser("_nixbld1", "UniqueID", "301"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tree(t, m), tree(t, c)); d != "" {
		t.Errorf("an undone change shows:\n%s", d)
	}
	if err := c.WriteFile("/var/db/lixfix/journal", "x"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tree(t, m), tree(t, c, "/private/var/db/lixfix")); d != "" {
		t.Errorf("an ignored path shows:\n%s", d)
	}
}

func TestReceipts(t *testing.T) {
	for _, shape := range []Shape{Nested, Tagged, Named, Lix, GroupOnly} {
		text, err := Build{Count: 2}.Receipt(shape)
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			Actions []struct {
				Action map[string]json.RawMessage `json:"action"`
			} `json:"actions"`
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatalf("%s: %v", shape, err)
		}
		if text[len(text)-1] != '\n' || r.Actions == nil {
			t.Errorf("%s: %s", shape, text)
		}
		tag := "action"
		if shape == Named {
			tag = "action_name"
		}
		for i, a := range r.Actions {
			if a.Action[tag] == nil {
				t.Errorf("%s: action %d has no %s", shape, i, tag)
			}
		}
	}
}

func TestFaultDue(t *testing.T) {
	tests := []struct {
		name  string
		fault Fault
		want  []int // of the calls 1 to 5, each of which is that write
	}{
		{"zero value", Fault{}, []int{1}},
		{"third call", Fault{Nth: 3}, []int{3}},
		{"two from the second", Fault{Nth: 2, Times: 2}, []int{2, 3}},
		{"all from the fourth", Fault{Nth: 4, Times: -1}, []int{4, 5}},
		{"a write", Fault{Write: 2}, []int{2}},
		{"writes", Fault{Write: 2, Times: 3}, []int{2, 3, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			for n := 1; n <= 5; n++ {
				if tt.fault.due(n, n) {
					got = append(got, n)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
