package receipt_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lixfix/lixfix/platform/receipt"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func load(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestShapes edits the receipts of all generations of installers after two users moved to 351 and 352. What differs is
// in the golden file; every other byte is as it was.
func TestShapes(t *testing.T) {
	moved := map[string]int{"_nixbld1": 351, "_nixbld2": 352}
	tests := []struct {
		file    string
		changes int
	}{{"0.8.json", 5}, {"0.10.json", 5}, {"lix.json", 5}, {"0.21.json", 5}}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			data := load(t, tt.file)
			r, err := receipt.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			want := receipt.Receipt{Prefix: "_nixbld", Group: "nixbld", Names: []string{"_nixbld1", "_nixbld2"}}
			if d := cmp.Diff(want, *r, cmpopts.IgnoreUnexported(receipt.Receipt{})); d != "" {
				t.Error(d)
			}
			changes := r.Compare(moved, 30000)
			if len(changes) != tt.changes {
				t.Errorf("%d changes: %v", len(changes), changes)
			}
			next := r.Edit(changes)
			golden := filepath.Join("testdata", tt.file+".moved")
			if *update {
				if err := os.WriteFile(golden, next, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(load(t, tt.file+".moved")), string(next)); d != "" {
				t.Error(d)
			}
			if got := diffLines(data, next); len(got) != tt.changes {
				t.Errorf("%d lines differ: %q", len(got), got)
			}
		})
	}
}

func diffLines(a, b []byte) []string {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	if len(x) != len(y) {
		return []string{"the number of lines"}
	}
	var lines []string
	for i := range x {
		if !bytes.Equal(x[i], y[i]) {
			lines = append(lines, string(y[i]))
		}
	}
	return lines
}

// action is a receipt whose description of the build users is text, in place of the one in the newest shape.
func receiptOf(actions string) string {
	return `{"version":"1","actions":` + actions + `,"planner":{"settings":{"nix_build_user_id_base":300}}}` + "\n"
}

const described = `{"action":{"nix_build_user_id_base":300,"nix_build_user_prefix":"_nixbld","nix_build_group_name":"nixbld",` +
	`"create_users":[{"action":{"name":"_nixbld1","uid":301,"gid":30000}}]},"state":"Completed"}`

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"empty", "", receipt.ErrFormat},
		{"only blanks", " \n", receipt.ErrFormat},
		{"garbage", "not json", receipt.ErrFormat},
		{"cut off", receiptOf("[" + described + "]")[:100], receipt.ErrFormat},
		{"cut off before the last brace", strings.TrimSuffix(receiptOf("["+described+"]"), "}\n"), receipt.ErrFormat},
		{"with a byte order mark", "\uFEFF" + receiptOf("["+described+"]"), receipt.ErrFormat},
		{"in UTF-16", "\xff\xfe{\x00}\x00", receipt.ErrFormat},
		{"two documents", receiptOf("["+described+"]") + receiptOf("["+described+"]"), receipt.ErrFormat},
		{"more after its end", receiptOf("["+described+"]") + "x", receipt.ErrFormat},
		{"a comma too many", receiptOf("[" + described + ",]"), receipt.ErrFormat},
		{"a comma too few", receiptOf("[" + described + " " + described + "]"), receipt.ErrFormat},
		{"a comment", receiptOf("[/* none */" + described + "]"), receipt.ErrFormat},
		{"a number that is none", receiptOf("[" + strings.Replace(described, "301", "0301", 1) + "]"), receipt.ErrFormat},
		{"a key twice", receiptOf("[" + strings.Replace(described, `"uid":301`, `"uid":301,"uid":302`, 1) + "]"), receipt.ErrFormat},
		{"the actions twice", `{"actions":[],"actions":[` + described + `]}`, receipt.ErrFormat},
		{"nested too deeply", strings.Repeat(`{"a":[`, 1000) + strings.Repeat("]}", 1000), receipt.ErrFormat},
		{"nested without end", strings.Repeat("[", 1<<20), receipt.ErrFormat},
		{"null", "null", receipt.ErrUsers},
		{"a number", "301", receipt.ErrUsers},
		{"an empty object", "{}", receipt.ErrUsers},
		{"no actions", receiptOf("[]"), receipt.ErrUsers},
		{"actions null", receiptOf("null"), receipt.ErrUsers},
		{"null actions only", receiptOf(`[{"action":null,"state":"Skipped"},null]`), receipt.ErrUsers},
		{"two descriptions", receiptOf("[" + described + "," + described + "]"), receipt.ErrUsers},
		{"the users are not a list", receiptOf(`[{"action":{"nix_build_user_id_base":300,"create_users":{}}}]`), receipt.ErrUsers},
		{"outside of the actions", `{"actions":[],"planner":` + described + `}`, receipt.ErrUsers},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := receipt.Parse([]byte(tt.text))
			if !errors.Is(err, tt.want) || r != nil {
				t.Errorf("got %v, %v", r, err)
			}
		})
	}
	t.Run("an installation without build users", func(t *testing.T) {
		if _, err := receipt.Parse(load(t, "0.9.json")); !errors.Is(err, receipt.ErrUsers) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("too many values", func(t *testing.T) {
		if _, err := receipt.Parse([]byte("[" + strings.Repeat("0,", 1<<18) + "0]")); !errors.Is(err, receipt.ErrFormat) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCompare(t *testing.T) {
	const both = `"create_users":[{"action":{"name":"_nixbld1","uid":%s,"gid":%s}},{"action":{"name":"_nixbld2","uid":302,"gid":30000}}]`
	tests := []struct {
		name, text string
		uids       map[string]int
		gid        int
		want       []string
	}{
		{
			"it agrees", fmt.Sprintf(`{"nix_build_user_id_base":300,`+both+`}`, "301", "30000"),
			map[string]int{"_nixbld1": 301, "_nixbld2": 302},
			30000, nil,
		},
		{
			"one moved, so there is no common base", fmt.Sprintf(`{"nix_build_user_id_base":300,`+both+`}`, "301", "30000"),
			map[string]int{"_nixbld1": 353, "_nixbld2": 302},
			30000,
			[]string{"create_users _nixbld1 uid 301 353"},
		},
		{
			"one is not in the directory", fmt.Sprintf(`{"nix_build_user_id_base":300,`+both+`}`, "301", "30000"),
			map[string]int{"_nixbld1": 351},
			30000,
			[]string{"create_users _nixbld1 uid 301 351"},
		},
		{
			"the group's ID is not known", fmt.Sprintf(`{"nix_build_user_id_base":300,"nix_build_group_id":350,`+both+`}`, "301", "30000"),
			nil, -1, nil,
		},
		{
			"another group ID", fmt.Sprintf(`{"nix_build_user_id_base":300,"nix_build_group_id":350,"create_group":{"action":{"gid":350}},`+both+`}`, "301", "350"),
			nil, 30000,
			[]string{"nix_build_group_id 350 30000", "create_group gid 350 30000", "create_users _nixbld1 gid 350 30000"},
		},
		{
			"a float and a huge number", fmt.Sprintf(`{"nix_build_user_id_base":300,`+both+`}`, "301.0", "1e400"),
			map[string]int{"_nixbld1": 301},
			30000,
			[]string{"create_users _nixbld1 uid 301.0 301", "create_users _nixbld1 gid 1e400 30000"},
		},
		{
			"numbers as text are left alone", fmt.Sprintf(`{"nix_build_user_id_base":"300",`+both+`}`, `"301"`, "null"),
			map[string]int{"_nixbld1": 351, "_nixbld2": 302},
			30000, nil,
		},
		{
			"actions that are null, or not wrapped", `{"nix_build_user_id_base":300,"create_users":[{"action":null,"state":"Skipped"},` +
				`{"name":"_nixbld1","uid":301},null,7,"_nixbld2",[]],"add_users_to_groups":null,"create_group":null}`,
			map[string]int{"_nixbld1": 351},
			30000,
			[]string{"create_users _nixbld1 uid 301 351", "nix_build_user_id_base 300 350"},
		},
		{
			"a name without a number", `{"nix_build_user_id_base":300,"create_users":[{"name":"builder","uid":301}]}`,
			map[string]int{"builder": 351},
			30000,
			[]string{"create_users builder uid 301 351"},
		},
		{
			"a base below zero", `{"nix_build_user_id_base":300,"create_users":[{"name":"_nixbld900","uid":301}]}`,
			map[string]int{"_nixbld900": 351},
			30000,
			[]string{"create_users _nixbld900 uid 301 351"},
		},
		{
			"a number that is too large for a name", `{"nix_build_user_id_base":300,"create_users":[{"name":"_nixbld99999999999999999999","uid":301}]}`,
			map[string]int{"_nixbld99999999999999999999": 351},
			30000,
			[]string{"create_users _nixbld99999999999999999999 uid 301 351"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := receipt.Parse([]byte(receiptOf(`[{"action":` + tt.text + `}]`)))
			if err != nil {
				t.Fatal(err)
			}
			changes := r.Compare(tt.uids, tt.gid)
			var got []string
			for _, c := range changes {
				got = append(got, fmt.Sprint(c.Field, " ", c.From, " ", c.To))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			settled(t, r.Edit(changes), tt.uids, tt.gid)
		})
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// settled fails unless an edited receipt agrees with the directory.
func settled(t fataler, edited []byte, uids map[string]int, gid int) {
	t.Helper()
	r, err := receipt.Parse(edited)
	if err != nil {
		t.Fatalf("the edited receipt: %v\n%s", err, edited)
	}
	if left := r.Compare(uids, gid); len(left) > 0 {
		t.Fatalf("left after the edit: %v\n%s", left, edited)
	}
}

var number = regexp.MustCompile(`-?[0-9][0-9.eE+-]*`)

// drawReceipt makes a receipt of any shape, with fields nobody knows, in any order and any white space.
func drawReceipt(t *rapid.T) (text string, uids map[string]int) {
	blank := rapid.SampledFrom([]string{"", " ", "\n", "\r\n\t ", "  "})
	var value func(depth int) string
	list := func(items []string, open, end string) string {
		var b strings.Builder
		b.WriteString(open)
		for i, item := range items {
			if i > 0 {
				b.WriteString("," + blank.Draw(t, "blank"))
			}
			b.WriteString(item)
		}
		return b.String() + blank.Draw(t, "blank") + end
	}
	object := func(fields map[string]string) string {
		keys := slices.Sorted(maps.Keys(fields))
		if len(keys) > 1 {
			keys = rapid.Permutation(keys).Draw(t, "order")
		}
		var items []string
		for _, k := range keys {
			items = append(items, strconv.Quote(k)+blank.Draw(t, "blank")+":"+blank.Draw(t, "blank")+fields[k])
		}
		return list(items, "{"+blank.Draw(t, "blank"), "}")
	}
	value = func(depth int) string {
		switch k := rapid.IntRange(0, 6).Draw(t, "kind"); {
		case k == 0 && depth < 3:
			return object(map[string]string{"x": value(depth + 1), "uid": value(depth + 1)})
		case k == 1 && depth < 3:
			return list([]string{value(depth + 1), value(depth + 1)}, "[", "]")
		}
		return rapid.SampledFrom([]string{
			"null", "true", "0", "-0.0", "1E400", "301", "99999999999999999999999", `"301"`, `"a\"},{[\\\u00e9\ud83d"`, `"ünïcode"`, "[]", "{}",
		}).Draw(t, "value")
	}
	uids = map[string]int{}
	var create, add []string
	for i := range rapid.IntRange(0, 6).Draw(t, "users") {
		name := "_nixbld" + strconv.Itoa(i+1)
		if rapid.Bool().Draw(t, "known") {
			uids[name] = rapid.IntRange(300, 500).Draw(t, "uid")
		}
		for _, l := range []*[]string{&create, &add} {
			a := map[string]string{"name": strconv.Quote(name), "uid": value(3), "gid": value(3), "comment": value(0)}
			delete(a, rapid.SampledFrom([]string{"uid", "gid", "comment"}).Draw(t, "without"))
			item := object(a)
			if rapid.Bool().Draw(t, "wrapped") {
				item = object(map[string]string{"action": item, "state": value(1)})
			}
			*l = append(*l, item)
		}
	}
	users := object(map[string]string{
		"nix_build_user_id_base": value(3), "create_users": list(create, "[", "]"), "add_users_to_groups": list(add, "[", "]"),
		"nix_build_group_id": value(3), "create_group": object(map[string]string{"action": object(map[string]string{"gid": value(3)})}),
		"unknown": value(0),
	})
	return object(map[string]string{
		"actions": list([]string{value(0), object(map[string]string{"action": object(map[string]string{"deep": users})}), value(0)}, "[", "]"),
		"planner": value(0), "version": value(0),
	}) + blank.Draw(t, "blank"), uids
}

func TestEditKeepsEveryOtherByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, uids := drawReceipt(t)
		gid := rapid.SampledFrom([]int{-1, 350, 30000}).Draw(t, "gid")
		r, err := receipt.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if got := r.Edit(nil); string(got) != text {
			t.Fatalf("without changes:\n%s\n%s", text, got)
		}
		changes := r.Compare(uids, gid)
		edited := r.Edit(changes)
		settled(t, edited, uids, gid)
		// Apart from numbers the text is the same, and as many numbers differ as there are changes.
		if a, b := number.ReplaceAllString(text, "N"), number.ReplaceAllString(string(edited), "N"); a != b {
			t.Fatalf("%s\n%s", text, edited)
		}
		before, after := number.FindAllString(text, -1), number.FindAllString(string(edited), -1)
		n := 0
		for i := range before {
			if before[i] != after[i] {
				n++
			}
		}
		if n != len(changes) {
			t.Fatalf("%d numbers differ after %d changes", n, len(changes))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"0.8.json", "0.9.json", "0.10.json", "0.21.json", "lix.json"} {
		f.Add(load(f, file))
	}
	for _, text := range []string{
		"", "{}", "null", receiptOf("[" + described + "]"), receiptOf(`[{"action":null}]`), "\uFEFF{}", `{"actions":[1,]}`,
		receiptOf("[" + strings.ReplaceAll(described, "301", "3.01e2") + "]"), strings.Repeat("[", 100),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := receipt.Parse(data)
		if err != nil {
			if r != nil || !errors.Is(err, receipt.ErrFormat) && !errors.Is(err, receipt.ErrUsers) {
				t.Fatalf("got %v, %v", r, err)
			}
			return
		}
		if !bytes.Equal(r.Edit(nil), data) {
			t.Fatal("an edit without changes changed it")
		}
		uids := map[string]int{}
		for i, name := range r.Names {
			uids[name] = 351 + i
		}
		settled(t, r.Edit(r.Compare(uids, 30000)), uids, 30000)
	})
}
