package dscl_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/plistfile"
)

// answers is a Host whose dscl prints what is written here, by the first argument after the node: "-readall /Users".
type answers struct {
	platform.Host
	out   map[string]string
	err   error
	calls [][]string
}

func (a *answers) Query(_ context.Context, _ string, args ...string) ([]byte, error) {
	if a.err != nil {
		return nil, a.err
	}
	for key, out := range a.out {
		if strings.Contains(strings.Join(args, " ")+" ", key+" ") {
			return []byte(out), nil
		}
	}
	return nil, errors.New("no answer")
}

func (a *answers) Run(_ context.Context, tool string, args ...string) error {
	a.calls = append(a.calls, append([]string{tool}, args...))
	return a.err
}

const (
	head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`
	tail = "\n</plist>\n"
)

// dict writes a record as dscl does; attributes are "key=value,value".
func dict(attributes ...string) string {
	var b strings.Builder
	b.WriteString("<dict>")
	for _, a := range attributes {
		key, values, _ := strings.Cut(a, "=")
		b.WriteString("<key>" + key + "</key><array>")
		for v := range strings.SplitSeq(values, ",") {
			b.WriteString("<string>" + v + "</string>")
		}
		b.WriteString("</array>")
	}
	return b.String() + "</dict>"
}

const standard = "dsAttrTypeStandard:"

var (
	root  = dict(standard+"RecordName=root,BUILTIN\\Local System", standard+"UniqueID=0")
	wheel = dict(standard+"RecordName=wheel", standard+"PrimaryGroupID=0")
)

func list(dicts ...string) string {
	return head + "<array>" + strings.Join(dicts, "") + "</array>" + tail
}

func TestRead(t *testing.T) {
	user := dict(standard+"RecordName=_nixbld1,alias", standard+"UniqueID=301", "dsAttrTypeNative:IsHidden=1")
	a := &answers{out: map[string]string{
		"-readall /Users": list(
			root, user, dict(standard+"RecordName=bare"),
			dict(standard+"RecordName=odd", "dsAttrTypeNative:UniqueID=999", standard+"UniqueID=302", "noprefix=x", "a:b:c=y", standard+":=z"),
			dict(standard+"RecordName=twice", standard+"UniqueID=303"), dict(standard+"RecordName=twice", standard+"UniqueID=304"),
			"<dict><key>"+standard+"RecordName</key><array><string>empty</string></array><key>"+standard+"RealName</key><array/></dict>",
		),
		"-readall /Groups": list(wheel, dict(standard+"RecordName=nixbld", standard+"GroupMembership=_nixbld1,_nixbld2")),
	}}
	d, err := dscl.Read(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	show := func(records []*dscl.Record) []string {
		var all []string
		for _, r := range records {
			line := r.Name
			for _, key := range []string{
				dscl.RecordName, dscl.UniqueID, dscl.IsHidden, dscl.GroupMembership, dscl.PrimaryGroupID, dscl.RealName, "noprefix", "b:c", ":",
			} {
				if v := r.Values(key); v != nil {
					line += fmt.Sprintf(" %s=%s", key, strings.Join(v, ","))
				}
			}
			all = append(all, line)
		}
		return all
	}
	want := []string{
		"root RecordName=root,BUILTIN\\Local System UniqueID=0",
		"_nixbld1 RecordName=_nixbld1,alias UniqueID=301 IsHidden=1",
		"bare RecordName=bare",
		"odd RecordName=odd UniqueID=302 noprefix=x b:c=y :=z",
		"twice RecordName=twice UniqueID=303",
		"twice RecordName=twice UniqueID=304",
		"empty RecordName=empty",
	}
	for range 20 {
		if d := cmp.Diff(want, show(d.Users)); d != "" {
			t.Fatal(d)
		}
		if d, err = dscl.Read(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"wheel RecordName=wheel PrimaryGroupID=0", "nixbld RecordName=nixbld GroupMembership=_nixbld1,_nixbld2"}, show(d.Groups)); d != "" {
		t.Error(d)
	}
}

func TestReadRefusesWhatCannotBeTheWholeTruth(t *testing.T) {
	tests := []struct {
		name, users, groups string
		want                error // nil for any
	}{
		{"no output at all, exit 0", "", list(wheel), dscl.ErrIncomplete},
		{"no groups", list(root), "", dscl.ErrIncomplete},
		{"a newline", "\n", list(wheel), dscl.ErrIncomplete},
		{"an empty list", list(), list(wheel), dscl.ErrIncomplete},
		{"an empty list in short", head + "<array/>" + tail, list(wheel), dscl.ErrIncomplete},
		{"no root", list(dict(standard + "RecordName=_nixbld1")), list(wheel), dscl.ErrIncomplete},
		{"root without an ID", list(dict(standard + "RecordName=root")), list(wheel), dscl.ErrIncomplete},
		{"root as an alias", list(dict(standard+"RecordName=toor,root", standard+"UniqueID=0")), list(wheel), dscl.ErrIncomplete},
		{"no wheel", list(root), list(dict(standard + "RecordName=nixbld")), dscl.ErrIncomplete},
		{"two lists", list(root) + list(), list(wheel), dscl.ErrIncomplete},
		{"a record without a name", list(root, dict(standard+"UniqueID=301")), list(wheel), nil},
		{"an empty record", list(root, "<dict/>"), list(wheel), nil},
		{"one record instead of a list", head + root + tail, list(wheel), nil},
		{"text", "Data source (.) is not valid.\n", list(wheel), plistfile.ErrNotXML},
		{"cut off", strings.TrimSuffix(list(root), "</plist>\n"), list(wheel), plistfile.ErrNotXML},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := dscl.Read(t.Context(), &answers{out: map[string]string{"-readall /Users": tt.users, "-readall /Groups": tt.groups}})
			if err == nil || d != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, %v", d, err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "list /") {
				t.Errorf("the error does not say what was read: %v", err)
			}
		})
	}
}

// failed is an error of dscl with the output that was captured (section 8 of the domain document).
func failed(exit int, stdout, stderr string) error {
	return fmt.Errorf("set UniqueID of /Users/x: %w", &platform.ToolError{Tool: dscl.Tool, Exit: exit, Stdout: stdout, Stderr: stderr})
}

func TestErrorsAreToldApart(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string // of absent, refused, taken, passing, killed, known
	}{
		{"missing user, group read", failed(56, "", "<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)\n"), "absent known"},
		{
			"taken UID", failed(55, "", "<main> attribute status: eDSRecordAlreadyExists\n<dscl_cmd> DS Error: -14135 (eDSRecordAlreadyExists)\n"),
			"taken known",
		},
		{"write to a missing user", failed(185, "delete: Invalid Path\n", "<dscl_cmd> DS Error: -14009 (eDSUnknownNodeName)\n"), "known"},
		{"spurious", failed(140, "create: DS error: eNotYetImplemented\n", "<dscl_cmd> DS Error: -14988 (eNotYetImplemented)\n"), "passing"},
		{
			"no consent under sudo",
			failed(40, "", "<main> attribute status: eDSPermissionError\n<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n"), "refused known",
		},
		{"refused delete", failed(40, "", "<main> delete status: eDSPermissionError\n<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n"), "refused known"},
		{"authentication", failed(10, "", "<dscl_cmd> DS Error: -14090 (eDSAuthFailed)"), "refused known"},
		{"the old value is not there", failed(54, "", "<main> attribute status: eDSAttributeNotFound\n<dscl_cmd> DS Error: -14134 (eDSAttributeNotFound)\n"), ""},
		{"the node lacks the call", failed(139, "", "<dscl_cmd> DS Error: -14987 (eNotHandledByThisNode)\n"), ""},
		{"without its last line", failed(40, "", "<main> attribute status: eDSPermissionError\n"), "refused known"},
		{"without any output: no proof of absence", failed(56, "", ""), "known"},
		{"a number that does not fit the exit status", failed(56, "", "<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n"), "known"},
		{"another status of the same exit status", failed(56, "", "<dscl_cmd> DS Error: -14392 (eSomething)\n"), ""},
		{"the name of a user that looks like a status", failed(40, "", "DS Error: -14136\n<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n"), "refused known"},
		{"too few parameters", failed(64, "", "Too few parameters for create operation\n"), ""},
		{"the session could not be opened", failed(70, "", "Operation failed with error: eServerNotRunning\n"), ""},
		{"the data source is not valid", failed(69, "Data source (x) is not valid.\n", ""), ""},
		{"killed", &platform.ToolError{Tool: dscl.Tool, Exit: -1, Signal: syscall.SIGKILL}, "passing killed known"},
		{"ended by another signal", &platform.ToolError{Tool: dscl.Tool, Exit: -1, Signal: syscall.SIGTERM}, ""},
		{"ran into its time limit", &platform.ToolError{Tool: dscl.Tool, Err: context.DeadlineExceeded}, ""},
		{"another tool", &platform.ToolError{Tool: "/usr/sbin/dseditgroup", Exit: 56}, ""},
		{"no error of a tool", errors.New("exit status 56"), ""},
		{"no error", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, test := range []struct {
				name string
				is   func(error) bool
			}{
				{"absent", dscl.Absent},
				{"refused", dscl.Refused},
				{"taken", dscl.Taken},
				{"passing", dscl.Passing},
				{"killed", dscl.Killed},
				{"known", dscl.Known},
			} {
				if test.is(tt.err) {
					got = append(got, test.name)
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	for _, good := range []string{"/Users/_nixbld1", "/Users/nixbld32", "/Groups/nixbld", "/Users/a-b_C", "/Users/_" + strings.Repeat("x", 127)} {
		if p, err := dscl.ParsePath(good); err != nil || p.String() != good {
			t.Errorf("%q: %v, %v", good, p, err)
		}
	}
	// With some of these "-delete" deletes every user.
	for _, bad := range []string{
		"", "/", "/Users", "/Users/", "/Users/.", "/Users/..", "/Users/%2e", `/Users/\.`, "/Users/a/b", "/Users/a/", "//Users/a", "Users/a",
		"/Users/ ", "/Users/a b", "/Users/a\n", "/Users/a\x00", "/Users/%41", "/Users/a:b", "/Users/-a", "/Users/1a", "/Users/ä", "/Users/a.b",
		"/users/a", "/Mounts/a", "/Users/_" + strings.Repeat("x", 128), "/Groups/../Users",
	} {
		if p, err := dscl.ParsePath(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, p)
		}
	}
}

// TestRefusedBeforeAnythingIsSpawned: none of these may reach dscl.
func TestRefusedBeforeAnythingIsSpawned(t *testing.T) {
	p := dscl.Path{Type: dscl.Users, Name: "_nixbld1"}
	at := func(name string) dscl.Path { return dscl.Path{Type: dscl.Users, Name: name} }
	tests := []struct {
		name string
		call func(context.Context, platform.Host) error
	}{
		{"no values", func(ctx context.Context, h platform.Host) error { return dscl.Create(ctx, h, p, dscl.UniqueID) }},
		{"no attribute to set", func(ctx context.Context, h platform.Host) error { return dscl.Create(ctx, h, p, "", "1") }},
		{"no attribute to change", func(ctx context.Context, h platform.Host) error { return dscl.Change(ctx, h, p, "", "1", "2") }},
		{"no attribute to remove, so the record would go", func(ctx context.Context, h platform.Host) error { return dscl.Delete(ctx, h, p, "") }},
		{"a native prefix, which removes nothing", func(ctx context.Context, h platform.Host) error {
			return dscl.Delete(ctx, h, p, "dsAttrTypeNative:IsHidden")
		}},
		{"a newline in a value", func(ctx context.Context, h platform.Host) error { return dscl.Create(ctx, h, p, dscl.RealName, "a\nb") }},
		{"NUL in a value", func(ctx context.Context, h platform.Host) error {
			return dscl.Change(ctx, h, p, dscl.RealName, "a", "b\x00")
		}},
		{"every user", func(ctx context.Context, h platform.Host) error { return dscl.DeleteRecord(ctx, h, at("")) }},
		{"every user, by a dot", func(ctx context.Context, h platform.Host) error { return dscl.DeleteRecord(ctx, h, at(".")) }},
		{"every user, by an encoded dot", func(ctx context.Context, h platform.Host) error { return dscl.DeleteRecord(ctx, h, at("%2e")) }},
		{"everything", func(ctx context.Context, h platform.Host) error { return dscl.DeleteRecord(ctx, h, at("..")) }},
		{"no type", func(ctx context.Context, h platform.Host) error {
			return dscl.DeleteRecord(ctx, h, dscl.Path{Name: "Users"})
		}},
		{"a name with a slash", func(ctx context.Context, h platform.Host) error {
			return dscl.Create(ctx, h, at("a/b"), dscl.UniqueID, "1")
		}},
		{"a read of every user", func(ctx context.Context, h platform.Host) error {
			_, err := dscl.ReadRecord(ctx, h, at(""))
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &answers{}
			if err := tt.call(t.Context(), a); err == nil || len(a.calls) > 0 {
				t.Errorf("%v, calls %q", err, a.calls)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		a := &answers{}
		err := dscl.DeleteRecord(t.Context(), a, at(name))
		if dscl.ValidName(name) != (err == nil) || err != nil && len(a.calls) > 0 {
			t.Fatalf("%q: %v, calls %q", name, err, a.calls)
		}
		if strings.ContainsAny(name, "/.%\\: \x00\n") && err == nil {
			t.Fatalf("%q became a path", name)
		}
	})
}

func TestWrites(t *testing.T) {
	p := dscl.Path{Type: dscl.Groups, Name: "nixbld"}
	a := &answers{}
	for _, err := range []error{
		dscl.Create(t.Context(), a, p, dscl.GroupMembership, "_nixbld1", "_nixbld2"),
		dscl.Change(t.Context(), a, p, dscl.PrimaryGroupID, "30000", "350"),
		dscl.Delete(t.Context(), a, p, dscl.RealName),
		dscl.DeleteRecord(t.Context(), a, p),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := [][]string{
		{dscl.Tool, ".", "-create", "/Groups/nixbld", "GroupMembership", "_nixbld1", "_nixbld2"},
		{dscl.Tool, ".", "-change", "/Groups/nixbld", "PrimaryGroupID", "30000", "350"},
		{dscl.Tool, ".", "-delete", "/Groups/nixbld", "RealName"},
		{dscl.Tool, ".", "-delete", "/Groups/nixbld"},
	}
	if d := cmp.Diff(want, a.calls); d != "" {
		t.Error(d)
	}
}

func TestReadRecord(t *testing.T) {
	p := dscl.Path{Type: dscl.Users, Name: "_nixbld1"}
	one := head + dict(standard+"RecordName=_nixbld1", standard+"UniqueID=301") + tail
	tests := []struct {
		name, out string
		err       error
		want      string // "" for an error, "absent"
	}{
		{"there", one, nil, "301"},
		{"without an ID", head + dict(standard+"RecordName=_nixbld1") + tail, nil, "none"},
		{"proved to be absent", "", failed(56, "", "<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)"), "absent"},
		{"an error that proves nothing", "", failed(185, "read: Invalid Path", "<dscl_cmd> DS Error: -14009 (eDSUnknownNodeName)"), ""},
		{"killed", "", &platform.ToolError{Tool: dscl.Tool, Signal: syscall.SIGKILL}, ""},
		{"two records of one name", one + one, nil, ""},
		{"nothing", "", nil, ""},
		{"nothing of what was asked", head + "<dict/>" + tail, nil, ""},
		{"a list", list(root), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := dscl.ReadRecord(t.Context(), &answers{out: map[string]string{"-read /Users/_nixbld1": tt.out}, err: tt.err}, p)
			got := "absent"
			switch {
			case err != nil:
				got = ""
			case r != nil && r.First(dscl.UniqueID) == "":
				got = "none"
			case r != nil:
				got = r.First(dscl.UniqueID)
			}
			if got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestRecordNumbers(t *testing.T) {
	tests := []struct {
		values []string
		want   int
		ok     bool
	}{
		{[]string{"301"}, 301, true},
		{[]string{"-2"}, -2, true},
		{[]string{"4294967294"}, 4294967294, true},
		{nil, 0, false},
		{[]string{"301", "302"}, 0, false},
		{[]string{""}, 0, false},
		{[]string{"+301"}, 0, false},
		{[]string{"301 "}, 0, false},
		{[]string{"0x12d"}, 0, false},
		{[]string{"staff"}, 0, false},
		{[]string{"99999999999999999999"}, 0, false},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.values, " and "), func(t *testing.T) {
			n, err := dscl.NewRecord("x", map[string][]string{"k": tt.values}).Number("k")
			if n != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %d, %v", n, err)
			}
		})
	}
}

func TestRecordCopies(t *testing.T) {
	values := []string{"a", "b"}
	r := dscl.NewRecord("x", map[string][]string{"k": values})
	c := r.Clone()
	c.Set("k", values[:1])
	c.Set("l", values)
	values[0] = "changed"
	if !slices.Equal(c.Values("l"), []string{"a", "b"}) || !slices.Equal(c.Values("k"), []string{"a"}) || len(r.Values("k")) != 2 || r.Values("l") != nil {
		t.Errorf("the copy %v %v, the original %v %v", c.Values("k"), c.Values("l"), r.Values("k"), r.Values("l"))
	}
	if c.Set("k", nil); c.Values("k") != nil {
		t.Error("an attribute without values is left")
	}
	for key, bare := range map[string]bool{
		dscl.GeneratedUID: true, dscl.RealName: true, dscl.UserShell: true, dscl.UniqueID: false, dscl.PrimaryGroupID: false,
		dscl.NFSHomeDirectory: false, dscl.GroupMembership: false, dscl.GroupMembers: false,
	} {
		if got := dscl.NewRecord("x", map[string][]string{key: {"v"}}).Bare(); got != bare {
			t.Errorf("with %s alone: bare %v", key, got)
		}
	}
}

// BenchmarkRead reads a directory and reports the memory that the process has taken from the system by then.
func BenchmarkRead(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		var users []string
		for i := range n {
			users = append(users, dict(
				standard+fmt.Sprintf("RecordName=_nixbld%d", i), standard+fmt.Sprintf("UniqueID=%d", 301+i), standard+"PrimaryGroupID=30000",
				standard+"GeneratedUID=E75C1E93-9DD8-4E75-907A-EF5E09BED5C6", standard+"NFSHomeDirectory=/var/empty",
				standard+"UserShell=/sbin/nologin", standard+fmt.Sprintf("RealName=Nix build user %d", i), "dsAttrTypeNative:IsHidden=1",
			))
		}
		a := &answers{out: map[string]string{"-readall /Users": list(append(users, root)...), "-readall /Groups": list(wheel)}}
		b.Run(fmt.Sprintf("%d-users", n), func(b *testing.B) {
			b.ReportAllocs()
			for round := 0; b.Loop(); round++ {
				// The same bytes would be decoded once.
				a.out["-readall /Users"] += strings.Repeat("\n", round%2+1)
				if _, err := dscl.Read(b.Context(), a); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/user")
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-from-system")
		})
	}
}
