package mactools_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"

	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
	"github.com/lixfix/lixfix/platform/platformtest/mactools"
)

func TestMain(m *testing.M) {
	// A program that was started with SIGHUP ignored, as under nohup(1), hands that on; a caught signal is not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	code := m.Run()
	platformtest.Clean()
	os.Exit(code)
}

// result is how a tool ended. Exit is -1 for one killed by a signal.
type result struct {
	Exit           int
	Stdout, Stderr string
}

type host struct {
	*testing.T
	*mac.Mac
}

func newHost(t *testing.T, version string) host {
	t.Helper()
	m, err := platformtest.Mac(filepath.Join(t.TempDir(), "mac"), mac.Options{Version: version, Few: true})
	if err != nil {
		t.Fatal(err)
	}
	h := host{t, m}
	h.ok(m.BuildUsers(mac.Build{Count: 8}))
	return h
}

func (h host) ok(err error) {
	h.T.Helper()
	if err != nil {
		h.T.Fatal(err)
	}
}

func (h host) command(line []string) *exec.Cmd {
	cmd := exec.Command(h.Path(mac.Tools()[line[0]]), line[1:]...)
	cmd.Env = []string{} // As callers that clean the environment do.
	return cmd
}

func (h host) run(line ...string) result {
	h.T.Helper()
	cmd := h.command(line)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		h.T.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (h host) dscl(args ...string) result {
	h.T.Helper()
	return h.run(append([]string{"dscl"}, args...)...)
}

func (h host) config(edit func(*mac.Config)) {
	h.T.Helper()
	h.ok(h.Config(edit))
}

func (h host) switches(edit func(*mac.Switches)) {
	h.T.Helper()
	h.config(func(c *mac.Config) { edit(&c.Switches) })
}

func (h host) faults(f ...mac.Fault) {
	h.T.Helper()
	h.ok(h.ResetCalls())
	h.config(func(c *mac.Config) { c.Faults = f })
}

func (h host) user(name string) map[string][]string {
	u, err := h.User(name)
	if errors.Is(err, mac.ErrNoRecord) {
		return nil
	}
	h.ok(err)
	return u
}

func (h host) expect(want result, line ...string) {
	h.T.Helper()
	if d := cmp.Diff(want, h.run(line...)); d != "" {
		h.T.Errorf("%q (-want +got):\n%s", line, d)
	}
}

const (
	notFound   = "<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)\n"
	noPath     = "<dscl_cmd> DS Error: -14009 (eDSUnknownNodeName)\n"
	takenUID   = "<main> attribute status: eDSRecordAlreadyExists\n<dscl_cmd> DS Error: -14135 (eDSRecordAlreadyExists)\n"
	refused    = "<main> attribute status: eDSPermissionError\n<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n"
	refusedDel = "<main> delete status: eDSPermissionError\n<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n"
	noValue    = "<main> attribute status: eDSAttributeNotFound\n<dscl_cmd> DS Error: -14134 (eDSAttributeNotFound)\n"
)

// TestCaptures replays what was captured on real Macs; the sources are the
// issues the rows name.
func TestCaptures(t *testing.T) {
	tests := []struct {
		name string
		seed func(h host)
		line string
		want result
	}{
		{"missing user, nix-installer#1171", nil, "dscl . -read /Users/_nixbld99", result{56, "", notFound}},
		{"missing group, NixOS/nix#11364", nil, "dscl . -read /Groups/none PrimaryGroupID", result{56, "", notFound}},
		{"taken UID, nix-installer#600", nil, "dscl . -create /Users/_nixbld1 UniqueID 302", result{55, "", takenUID}},
		{"delete of a missing user, nix-installer#1240", nil, "dscl . -delete /Users/_nixbld99", result{185, "delete: Invalid Path\n", noPath}},
		{
			"spurious, nix-installer#1300",
			func(h host) { h.faults(mac.Spurious(1)) },
			"dscl . -create /Users/_nixbld1 UserShell /bin/sh",
			result{140, "create: DS error: eNotYetImplemented\n", "<dscl_cmd> DS Error: -14988 (eNotYetImplemented)\n"},
		},
		{
			"no consent under sudo, NixOS/nix#10892",
			func(h host) { h.config(func(c *mac.Config) { c.Consent = false }) },
			"dscl . -create /Users/_nixbld1 UniqueID 351",
			result{40, "", refused},
		},
		{
			"refused delete, nix-installer#33",
			func(h host) { h.switches(func(s *mac.Switches) { s.RefuseRecordDelete = true }) },
			"dscl . -delete /Users/_nixbld1",
			result{40, "", refusedDel},
		},
		{
			"list, NixOS/nix#11075: the longest name has 22 letters",
			func(h host) {
				for _, u := range []string{"alex", "root", "nobody", "daemon", "_oahd", "_www", "_spotlight", "_softwareupdate", "_systemstatusd"} {
					h.ok(h.RemoveUser(u))
				}
				for _, n := range []int{2, 3, 4, 6, 7, 8} {
					h.ok(h.RemoveUser("_nixbld" + strconv.Itoa(n)))
				}
				h.ok(h.SetUser("_nixbld1", "UniqueID"))
				h.ok(h.AddUser("_reportmemoryexception", map[string][]string{"uid": {"269"}}))
			},
			"dscl . list /Users UniqueID",
			result{0, "_nixbld5                 305\n_reportmemoryexception   269\n", ""},
		},
		{
			"search, NixOS/nix#11095",
			func(h host) { h.ok(h.Upgrade("15.1")) },
			"dscl . -search /Users UniqueID 301",
			result{0, "_modelmanagerd\t\tUniqueID = (\n    301\n)\n", ""},
		},
		{
			"search, negative number", nil,
			"dscl . -search /Users UniqueID -2",
			result{0, "nobody\t\tUniqueID = (\n    \"-2\"\n)\n", ""},
		},
		{"search, no match", nil, "dscl . -search /Users UniqueID 77777", result{}},
		{
			"group, NixOS/nix#1720",
			func(h host) {
				h.ok(h.AddGroup("nixbld", map[string][]string{
					"dsAttrTypeNative:record_daemon_version": {"4850000"},
					"GeneratedUID":                           {"C1EAF7EF-850C-4166-A787-68FCCF32A093"},
					"GroupMembers":                           {"E75C1E93-9DD8-4E75-907A-EF5E09BED5C6", "0E085ED3-F9C3-49BD-ABD1-F0B5579B11E4", "B33564BB-AB9B-41A9-8605-7493280E951E"},
					"GroupMembership":                        {"nixbld1", "nixbld2", "nixbld3"},
					"PrimaryGroupID":                         {"30000"},
					"RealName":                               {"Nix build group for nix-daemon"},
				}))
			},
			"dscl . -read /Groups/nixbld",
			result{0, `dsAttrTypeNative:record_daemon_version: 4850000
AppleMetaNodeLocation: /Local/Default
GeneratedUID: C1EAF7EF-850C-4166-A787-68FCCF32A093
GroupMembers: E75C1E93-9DD8-4E75-907A-EF5E09BED5C6 0E085ED3-F9C3-49BD-ABD1-F0B5579B11E4 B33564BB-AB9B-41A9-8605-7493280E951E
GroupMembership: nixbld1 nixbld2 nixbld3
PrimaryGroupID: 30000
RealName:
 Nix build group for nix-daemon
RecordName: nixbld
RecordType: dsRecTypeStandard:Groups
`, ""},
		},
		{
			"look-up of an empty group, NixOS/nix#12343",
			func(h host) {
				h.ok(h.BuildUsers(mac.Build{Count: 1, Base: 350, GID: 350, Members: mac.NoMembers}))
			},
			"dscacheutil -q group -a name nixbld",
			result{0, "name: nixbld\npassword: *\ngid: 350\n\n", ""},
		},
		{
			"look-up of a user, nix-darwin#970", nil, "dscacheutil -q user -a name _nixbld1",
			result{0, "name: _nixbld1\npassword: ********\nuid: 301\ngid: 30000\ndir: /var/empty\nshell: /sbin/nologin\ngecos: Nix build user 1\n\n", ""},
		},
		{
			"id, nix-installer#1754",
			func(h host) {
				h.ok(h.AddUser("_defendpoint", map[string][]string{"UniqueID": {"351"}, "PrimaryGroupID": {"351"}}))
				h.ok(h.AddGroup("daemon", map[string][]string{"PrimaryGroupID": {"1"}, "GroupMembership": {"_defendpoint"}}))
			},
			"id _defendpoint",
			result{0, "uid=351(_defendpoint) gid=351 groups=351,1(daemon),12(everyone)\n", ""},
		},
		{"id of a missing user, NixOS/nix#1720", nil, "id nixbld1", result{1, "", "id: nixbld1: no such user\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, "14.7")
			if tt.seed != nil {
				tt.seed(h)
			}
			h.expect(tt.want, strings.Fields(tt.line)...)
		})
	}
}

// TestDscl is the rest of dscl's surface, after its source.
func TestDscl(t *testing.T) {
	h := newHost(t, "14.7")
	h.ok(h.SetUser("_nixbld2", "UniqueID"))
	tests := []struct {
		name string
		line []string
		want result
	}{
		{"dash is optional", []string{".", "read", "/Users/_nixbld1", "UniqueID"}, result{0, "UniqueID: 301\n", ""}},
		{"node by name", []string{"/Local/Default", "-read", "/Users/_nixbld1", "UniqueID"}, result{0, "UniqueID: 301\n", ""}},
		{"search node", []string{"/Search", "-read", "/Users/_nixbld1", "UniqueID"}, result{0, "UniqueID: 301\n", ""}},
		{"type in any case", []string{".", "-read", "/users/_nixbld1", "UniqueID"}, result{0, "UniqueID: 301\n", ""}},
		{"raw keys", []string{"-raw", ".", "-read", "/Users/_nixbld1", "UniqueID"}, result{0, "dsAttrTypeStandard:UniqueID: 301\n", ""}},
		{"url values", []string{"-url", ".", "-read", "/Users/_nixbld1", "RealName"}, result{0, "RealName:\n Nix%20build%20user%201\n", ""}},
		{"missing key", []string{".", "-read", "/Users/_nixbld2", "UniqueID", "IsHidden"}, result{0, "dsAttrTypeNative:IsHidden: 1\n", "No such key: UniqueID\n"}},
		{"name on disk", []string{".", "-read", "/Users/_nixbld1", "uid"}, result{0, "dsAttrTypeNative:uid: 301\n", ""}},
		{"alias", []string{".", "-read", "/Users/www", "UniqueID", "RecordName"}, result{0, "RecordName: _www www\nUniqueID: 70\n", ""}},
		{"type itself", []string{".", "-read", "/Users"}, result{0, "name: dsRecTypeStandard:Users\n", ""}},
		{"read below unknown type", []string{".", "-read", "/Bogus/x"}, result{185, "read: Invalid Path\n", noPath}},
		{"readall of unknown type", []string{".", "-readall", "/Bogus"}, result{185, "readall: Invalid Path\n", noPath}},
		{"last component is not decoded", []string{".", "-read", "/Users/%5fnixbld1"}, result{56, "", notFound}},
		{"data source", []string{"/Bogus", "-list", "/"}, result{69, "Data source (/Bogus) is not valid.\n", ""}},
		{"append to missing", []string{".", "-append", "/Groups/none", "GroupMembership", "x"}, result{185, "append: Invalid Path\n", noPath}},
		{"merge to missing", []string{".", "-merge", "/Groups/none", "GroupMembership", "x"}, result{185, "merge: Invalid Path\n", noPath}},
		{"change of missing", []string{".", "-change", "/Users/none", "UniqueID", "1", "2"}, result{185, "change: Invalid Path\n", noPath}},
		{"change of another value", []string{".", "-change", "/Users/_nixbld1", "UniqueID", "999", "351"}, result{54, "", noValue}},
		{"changei out of range", []string{".", "-changei", "/Users/_nixbld1", "UniqueID", "2", "351"}, result{54, "", noValue}},
		{"delete of an absent value", []string{".", "-delete", "/Groups/nixbld", "GroupMembership", "x"}, result{54, "", noValue}},
		{"write to search node", []string{"/Search", "-change", "/Users/_nixbld1", "UniqueID", "301", "351"}, result{40, "", refused}},
		{"list of a record", []string{".", "-list", "/Users/_nixbld1"}, result{}},
		{"list by name on disk", []string{"-plist", ".", "-list", "/Groups", "users"}, result{0, "admin    root alex\ndaemon   root\nnixbld   _nixbld1 _nixbld2 _nixbld3 _nixbld4 _nixbld5 _nixbld6 _nixbld7 _nixbld8\nstaff    root alex\nwheel    root\n", ""}},
	}
	before, err := h.Tree()
	h.ok(err)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host{t, h.Mac}.expect(tt.want, append([]string{"dscl"}, tt.line...)...)
		})
	}
	after, err := h.Tree()
	h.ok(err)
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("these change nothing, and yet:\n%s", d)
	}

	t.Run("usage", func(t *testing.T) {
		for line, want := range map[string]struct {
			exit int
			head string
		}{
			". -frobnicate /Users":                    {0, "dscl (v"},
			". -read":                                 {64, "Too few parameters for read operation\ndscl (v"},
			". -append /Users/x UniqueID":             {64, "Too few parameters for append operation\ndscl (v"},
			". change /Users/x UniqueID 1":            {64, "Too few parameters for change operation\ndscl (v"},
			"-plist . -search /Users UniqueID":        {64, "Too few parameters for search operation\ndscl (v"},
			". -merge /Groups/nixbld GroupMembership": {64, "Too few parameters for merge operation\ndscl (v"},
		} {
			r := h.dscl(strings.Fields(line)...)
			if r.Exit != want.exit || r.Stdout != "" || !strings.HasPrefix(r.Stderr, want.head) {
				t.Errorf("%s: %+v", line, r)
			}
		}
	})
}

func TestPlistRead(t *testing.T) {
	h := newHost(t, "14.7")
	want := mac.PlistHead + `<dict>
	<key>dsAttrTypeNative:IsHidden</key>
	<array>
		<string>1</string>
	</array>
	<key>dsAttrTypeStandard:UniqueID</key>
	<array>
		<string>301</string>
	</array>
</dict>
</plist>
`
	h.expect(result{0, want, ""}, "dscl", "-plist", ".", "-read", "/Users/_nixbld1", "UniqueID", "IsHidden", "Comment")
	h.expect(result{0, mac.PlistHead + "<dict/>\n</plist>\n", ""}, "dscl", "-plist", ".", "-read", "/Users/_nixbld1", "Comment")

	// Prefixed keys ask for the same.
	h.expect(result{0, want, ""}, "dscl", "-plist", ".", "-read", "/Users/_nixbld1", "dsAttrTypeStandard:UniqueID", "dsAttrTypeNative:IsHidden")

	var all map[string][]string
	decode(t, h.dscl("-plist", ".", "-read", "/Users/_nixbld1").Stdout, &all)
	for k, v := range map[string]string{
		"dsAttrTypeStandard:AppleMetaNodeLocation": "/Local/Default",
		"dsAttrTypeStandard:RecordType":            "dsRecTypeStandard:Users",
		"dsAttrTypeStandard:RealName":              "Nix build user 1",
		"dsAttrTypeStandard:Password":              "********",
		"dsAttrTypeNative:record_daemon_version":   "9040000",
	} {
		if !slices.Equal(all[k], []string{v}) {
			t.Errorf("%s is %q", k, all[k])
		}
	}
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if _, err := plist.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

func TestReadAll(t *testing.T) {
	h := newHost(t, "14.7")
	h.ok(h.SetUser("_nixbld2", "UniqueID"))
	h.ok(h.AddUser("Zoe", map[string][]string{"UniqueID": {"502"}}))
	h.ok(h.AddUser("bob", map[string][]string{"UniqueID": {"503"}}))
	r := h.dscl("-plist", ".", "-readall", "/Users", "UniqueID")
	if r.Exit != 0 || r.Stderr != "" || !strings.HasSuffix(r.Stdout, "</plist>\n") || strings.HasSuffix(r.Stdout, "\n\n") {
		t.Fatalf("%+v", r)
	}
	var all []map[string][]string
	decode(t, r.Stdout, &all)
	var names []string
	for _, u := range all {
		names = append(names, u["dsAttrTypeStandard:RecordName"][0])
		if u["dsAttrTypeStandard:RecordName"][0] == "_nixbld2" && len(u) != 1 {
			t.Errorf("a record without the key shows %v", u)
		}
	}
	lower := func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }
	if !slices.IsSortedFunc(names, lower) || !slices.Contains(names, "_nixbld2") || slices.Index(names, "bob") > slices.Index(names, "Zoe") {
		t.Errorf("names %v", names)
	}

	text := h.dscl(".", "-readall", "/Users", "UniqueID")
	if !strings.Contains(text.Stdout, "\n-\nRecordName: _nixbld2\n-\nRecordName: _nixbld3\nUniqueID: 303\n-\n") || text.Stderr != "" {
		t.Errorf("%+v", text)
	}

	t.Run("nothing", func(t *testing.T) {
		h := host{t, h.Mac}
		h.expect(result{}, "dscl", ".", "-delete", "/Groups")
		h.expect(result{0, mac.PlistHead + "<array/>\n</plist>\n", ""}, "dscl", "-plist", ".", "-readall", "/Groups", "PrimaryGroupID")
		h.switches(func(s *mac.Switches) { s.NilList = true })
		h.expect(result{}, "dscl", "-plist", ".", "-readall", "/Groups", "PrimaryGroupID")
	})
}

// TestDeleteTrap is "-delete /Users", in every spelling: it deletes all users.
func TestDeleteTrap(t *testing.T) {
	for _, path := range []string{"/Users", "/Users/", "/Users/.", "/Users/%2e", `/Users/\.`, "/Users/_nixbld1/.."} {
		t.Run(path, func(t *testing.T) {
			h := newHost(t, "14.7")
			h.expect(result{}, "dscl", ".", "-delete", path)
			names, err := h.UserNames()
			h.ok(err)
			if len(names) != 0 {
				t.Errorf("%d users are left", len(names))
			}
		})
	}
	t.Run("one user", func(t *testing.T) {
		h := newHost(t, "14.7")
		h.expect(result{}, "dscl", ".", "-delete", "/Users/_nixbld1")
		if h.user("_nixbld1") != nil || h.user("_nixbld2") == nil {
			t.Error("not just the one was deleted")
		}
		g, err := h.Group("nixbld")
		h.ok(err)
		if g["GroupMembership"][0] != "_nixbld1" {
			t.Error("the group forgot the user")
		}
		h.switches(func(s *mac.Switches) { s.DeletePrunesGroups = true })
		h.expect(result{}, "dscl", ".", "-delete", "/Users/_nixbld2")
		g, err = h.Group("nixbld")
		h.ok(err)
		if slices.Contains(g["GroupMembership"], "_nixbld2") {
			t.Error("the group still names the user")
		}
	})
}

func TestWrite(t *testing.T) {
	h := newHost(t, "14.7")
	before, err := h.Tree()
	h.ok(err)

	// Setting what is there, and there and back again, leave no trace.
	h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld1", "UniqueID", "301")
	h.expect(result{}, "dscl", ".", "-change", "/Users/_nixbld1", "UniqueID", "301", "351")
	guid := h.user("_nixbld1")["GeneratedUID"]
	h.expect(result{0, "UniqueID: 351\n", ""}, "dscl", ".", "-read", "/Users/_nixbld1", "UniqueID")
	h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld1", "UniqueID", "301")
	if !slices.Equal(guid, h.user("_nixbld1")["GeneratedUID"]) {
		t.Error("a move changed the GeneratedUID")
	}
	after, err := h.Tree()
	h.ok(err)
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("an undone change shows:\n%s", d)
	}

	t.Run("create", func(t *testing.T) {
		h := host{t, h.Mac}
		h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld9")
		u := h.user("_nixbld9")
		if len(u["GeneratedUID"]) != 1 || len(u["GeneratedUID"][0]) != 36 || u["UniqueID"] != nil {
			t.Errorf("%v", u)
		}
		h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld9")
		if d := cmp.Diff(u, h.user("_nixbld9")); d != "" {
			t.Errorf("creating again: %s", d)
		}
		h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld9", "IsHidden", "1")
		h.expect(result{0, "dsAttrTypeNative:IsHidden: 1\n", ""}, "dscl", ".", "-read", "/Users/_nixbld9", "IsHidden")
		h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld9", "RealName", "two", "values")
		h.expect(result{0, "RealName: two values\n", ""}, "dscl", ".", "-read", "/Users/_nixbld9", "RealName")
		// Without values the old ones go.
		h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld9", "RealName")
		h.expect(result{0, "", "No such key: RealName\n"}, "dscl", ".", "-read", "/Users/_nixbld9", "RealName")
	})
	t.Run("half-made", func(t *testing.T) {
		h := host{t, h.Mac}
		h.expect(result{55, "", takenUID}, "dscl", ".", "-create", "/Users/_nixbld10", "UniqueID", "302")
		if u := h.user("_nixbld10"); u["GeneratedUID"] == nil || u["UniqueID"] != nil {
			t.Errorf("%v", u)
		}
	})
	t.Run("append and merge", func(t *testing.T) {
		h := host{t, h.Mac}
		h.ok(h.SetGroup("staff", "GroupMembership", "root"))
		h.expect(result{}, "dscl", ".", "-append", "/Groups/staff", "GroupMembership", "root", "x")
		h.expect(result{}, "dscl", ".", "-merge", "/Groups/staff", "GroupMembership", "x", "y", "y")
		g, err := h.Group("staff")
		h.ok(err)
		if d := cmp.Diff([]string{"root", "root", "x", "y"}, g["GroupMembership"]); d != "" {
			t.Error(d)
		}
	})
	t.Run("delete values", func(t *testing.T) {
		h := host{t, h.Mac}
		h.ok(h.SetGroup("staff", "GroupMembership", "a", "b", "c"))
		// It stops at the first absent one; the earlier ones are gone.
		h.expect(result{54, "", noValue}, "dscl", ".", "-delete", "/Groups/staff", "GroupMembership", "a", "z", "b")
		g, err := h.Group("staff")
		h.ok(err)
		if d := cmp.Diff([]string{"b", "c"}, g["GroupMembership"]); d != "" {
			t.Error(d)
		}
		h.expect(result{}, "dscl", ".", "-delete", "/Groups/staff", "users", "b")
		h.expect(result{}, "dscl", ".", "-delete", "/Groups/staff", "GroupMembership")
		h.expect(result{0, "", "No such key: GroupMembership\n"}, "dscl", ".", "-read", "/Groups/staff", "GroupMembership")
	})
	t.Run("change by index", func(t *testing.T) {
		h := host{t, h.Mac}
		h.ok(h.SetGroup("staff", "GroupMembership", "a", "b"))
		h.expect(result{}, "dscl", ".", "-changei", "/Groups/staff", "GroupMembership", "2", "z")
		h.expect(result{}, "dscl", ".", "-change", "/Groups/staff", "GroupMembership", "a", "y")
		h.expect(result{0, "GroupMembership: y z\n", ""}, "dscl", ".", "-read", "/Groups/staff", "GroupMembership")
	})
}

// TestSwitches has every switch in both positions.
func TestSwitches(t *testing.T) {
	type check struct {
		line []string
		want result
	}
	one := func(want result, line ...string) []check { return []check{{append([]string{"dscl"}, line...), want}} }
	consent := func(h host) { h.config(func(c *mac.Config) { c.Consent = false }) }
	tests := []struct {
		name    string
		seed    func(h host)
		flip    func(*mac.Switches)
		off, on []check
	}{
		{
			name: "FreeGeneratedUID", flip: func(s *mac.Switches) { s.FreeGeneratedUID = true },
			seed: func(h host) { h.ok(h.SetUser("_nixbld1", "GeneratedUID", "G")) },
			off:  one(result{55, "", takenUID}, ".", "-create", "/Users/_nixbld2", "GeneratedUID", "G"),
			on:   one(result{}, ".", "-create", "/Users/_nixbld2", "GeneratedUID", "G"),
		},
		{
			name: "FreeChange, change", flip: func(s *mac.Switches) { s.FreeChange = true },
			off: one(result{55, "", takenUID}, ".", "-change", "/Users/_nixbld2", "UniqueID", "302", "301"),
			on:  one(result{}, ".", "-change", "/Users/_nixbld2", "UniqueID", "302", "301"),
		},
		{
			name: "FreeChange, merge", flip: func(s *mac.Switches) { s.FreeChange = true },
			off: one(result{55, "", takenUID}, ".", "-merge", "/Users/_nixbld2", "UniqueID", "301"),
			on:  one(result{}, ".", "-merge", "/Users/_nixbld2", "UniqueID", "301"),
		},
		{
			name: "FreeChange, append to two: the first stays", flip: func(s *mac.Switches) { s.FreeChange = true },
			off: append(
				one(result{55, "", takenUID}, ".", "-append", "/Users/_nixbld2", "UniqueID", "777", "301"),
				one(result{0, "UniqueID: 302 777\n", ""}, ".", "-read", "/Users/_nixbld2", "UniqueID")...,
			),
			on: one(result{}, ".", "-append", "/Users/_nixbld2", "UniqueID", "301"),
		},
		{
			name: "FreeChange leaves create", flip: func(s *mac.Switches) { s.FreeChange = true },
			off: one(result{55, "", takenUID}, ".", "-create", "/Users/_nixbld2", "UniqueID", "301"),
			on:  one(result{55, "", takenUID}, ".", "-create", "/Users/_nixbld2", "UniqueID", "301"),
		},
		{
			name: "UniqueGID", flip: func(s *mac.Switches) { s.UniqueGID = true },
			off: one(result{}, ".", "-create", "/Groups/x", "PrimaryGroupID", "20"),
			on:  one(result{55, "", takenUID}, ".", "-create", "/Groups/y", "PrimaryGroupID", "20"),
		},
		{
			name: "ConsentToCreate", flip: func(s *mac.Switches) { s.ConsentToCreate = true }, seed: consent,
			off: one(result{}, ".", "-create", "/Users/a"),
			on:  one(result{40, "", refused}, ".", "-create", "/Users/b"),
		},
		{
			name: "ConsentToGroups", flip: func(s *mac.Switches) { s.ConsentToGroups = true }, seed: consent,
			off: one(result{}, ".", "-merge", "/Groups/nixbld", "GroupMembership", "a"),
			on:  one(result{40, "", refused}, ".", "-merge", "/Groups/nixbld", "GroupMembership", "b"),
		},
		{
			name: "ConsentToAll", flip: func(s *mac.Switches) { s.ConsentToAll = true }, seed: consent,
			off: one(result{}, ".", "-create", "/Users/_nixbld1", "RealName", "a"),
			on:  one(result{40, "", refused}, ".", "-create", "/Users/_nixbld1", "RealName", "b"),
		},
		{
			name: "NativePrefixDelete", flip: func(s *mac.Switches) { s.NativePrefixDelete = true },
			off: append(
				one(result{}, ".", "-delete", "/Users/_nixbld1", "dsAttrTypeNative:IsHidden"),
				one(result{0, "dsAttrTypeNative:IsHidden: 1\n", ""}, ".", "-read", "/Users/_nixbld1", "IsHidden")...,
			),
			on: append(
				one(result{}, ".", "-delete", "/Users/_nixbld1", "dsAttrTypeNative:IsHidden"),
				one(result{0, "", "No such key: IsHidden\n"}, ".", "-read", "/Users/_nixbld1", "IsHidden")...,
			),
		},
		{
			name: "AbsentKeyStatus", flip: func(s *mac.Switches) { s.AbsentKeyStatus = 1 },
			off: one(result{54, "", noValue}, ".", "-delete", "/Users/_nixbld1", "Comment"),
			on:  one(result{}, ".", "-delete", "/Users/_nixbld1", "Comment"),
		},
		{
			name: "ChangeStatus", flip: func(s *mac.Switches) { s.ChangeStatus = -14987 },
			off: one(result{}, ".", "-change", "/Users/_nixbld1", "UniqueID", "301", "351"),
			on: one(
				result{139, "", "<main> attribute status: eNotHandledByThisNode\n<dscl_cmd> DS Error: -14987 (eNotHandledByThisNode)\n"},
				".", "-change", "/Users/_nixbld1", "UniqueID", "351", "301",
			),
		},
		{
			name: "ControlReferences", flip: func(s *mac.Switches) { s.ControlReferences = true },
			seed: func(h host) { h.ok(h.SetUser("_nixbld1", "RealName", "a\x1b<&>")) },
			off: one(
				result{0, mac.PlistHead + "<dict>\n\t<key>dsAttrTypeStandard:RealName</key>\n\t<array>\n\t\t<string>a\x1b&lt;&amp;&gt;</string>\n\t</array>\n</dict>\n</plist>\n", ""},
				"-plist", ".", "-read", "/Users/_nixbld1", "RealName",
			),
			on: one(
				result{0, mac.PlistHead + "<dict>\n\t<key>dsAttrTypeStandard:RealName</key>\n\t<array>\n\t\t<string>a&#27;&lt;&amp;&gt;</string>\n\t</array>\n</dict>\n</plist>\n", ""},
				"-plist", ".", "-read", "/Users/_nixbld1", "RealName",
			),
		},
		{
			name: "SharedNames", flip: func(s *mac.Switches) { s.SharedNames = true },
			seed: func(h host) {
				h.ok(h.AddUser("other", map[string][]string{"RecordName": {"other", "_nixbld1"}, "UniqueID": {"777"}}))
			},
			off: one(result{0, "UniqueID: 301\n", ""}, ".", "-read", "/Users/_nixbld1", "UniqueID"),
			on:  one(result{0, "UniqueID: 301\nUniqueID: 777\n", ""}, ".", "-read", "/Users/_nixbld1", "UniqueID"),
		},
		{
			name: "WithoutUID", flip: func(s *mac.Switches) { s.WithoutUID = "-2" },
			seed: func(h host) { h.ok(h.SetUser("_nixbld1", "UniqueID")) },
			off:  []check{{[]string{"id", "-u", "_nixbld1"}, result{1, "", "id: _nixbld1: no such user\n"}}},
			on:   []check{{[]string{"id", "-u", "_nixbld1"}, result{0, "-2\n", ""}}},
		},
		{
			name: "BootstrapInProgress", flip: func(s *mac.Switches) { s.BootstrapInProgress = true },
			off: []check{{[]string{"launchctl", "bootstrap", "system", daemonPlist}, result{5, "", "Bootstrap failed: 5: Input/output error\n"}}},
			on:  []check{{[]string{"launchctl", "bootstrap", "system", daemonPlist}, result{37, "", "Bootstrap failed: 37: Operation already in progress\n"}}},
		},
		{
			name: "BootoutInProgress", flip: func(s *mac.Switches) { s.BootoutInProgress = true },
			off: []check{
				{[]string{"launchctl", "bootout", daemon}, result{}},
				{[]string{"launchctl", "bootstrap", "system", daemonPlist}, result{}},
			},
			on: []check{
				{[]string{"launchctl", "bootout", daemon}, result{36, "", "Boot-out failed: 36: Operation now in progress\n"}},
				{[]string{"launchctl", "bootout", daemon}, result{3, "", "Boot-out failed: 3: No such process\n"}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, "14.7")
			if tt.seed != nil {
				tt.seed(h)
			}
			for _, c := range tt.off {
				h.expect(c.want, c.line...)
			}
			h.switches(tt.flip)
			for _, c := range tt.on {
				h.expect(c.want, c.line...)
			}
		})
	}
}

func TestPermissions(t *testing.T) {
	h := newHost(t, "14.7")
	before, err := h.Tree()
	h.ok(err)
	h.config(func(c *mac.Config) { c.Root = false })
	h.expect(result{40, "", refused}, "dscl", ".", "-create", "/Users/_nixbld1", "RealName", "x")
	h.expect(result{40, "", refused}, "dscl", ".", "-create", "/Users/new")
	h.expect(result{40, "", refused}, "dscl", ".", "-change", "/Users/_nixbld1", "UniqueID", "301", "351")
	h.expect(result{40, "", refused}, "dscl", ".", "-delete", "/Users/_nixbld1", "RealName")
	h.expect(result{40, "", refusedDel}, "dscl", ".", "-delete", "/Users/_nixbld1")
	h.expect(result{0, "UniqueID: 301\n", ""}, "dscl", ".", "-read", "/Users/_nixbld1", "UniqueID")
	if r := h.run("launchctl", "bootout", daemon); r.Exit == 0 {
		t.Errorf("%+v", r)
	}
	h.expect(result{0, "501\n", ""}, "id", "-u")

	// Without consent root may do all but UniqueID and NFSHomeDirectory.
	h.config(func(c *mac.Config) { c.Root, c.Consent = true, false })
	h.expect(result{40, "", refused}, "dscl", ".", "-change", "/Users/_nixbld1", "NFSHomeDirectory", "/var/empty", "/var/empty")
	h.expect(result{40, "", refused}, "dscl", ".", "-change", "/Users/_nixbld1", "UniqueID", "301", "301")
	h.expect(result{}, "dscl", ".", "-change", "/Users/_nixbld1", "UserShell", "/sbin/nologin", "/sbin/nologin")
	after, err := h.Tree()
	h.ok(err)
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("a refused write shows:\n%s", d)
	}

	h.config(func(c *mac.Config) { c.RealUser = true })
	want := "0\n"
	if os.Geteuid() != 0 {
		want = "501\n"
	}
	h.expect(result{0, want, ""}, "id", "-u")
}

const (
	daemon      = "system/" + mac.DaemonLabel
	daemonPlist = "/Library/LaunchDaemons/" + mac.DaemonLabel + ".plist"
)

func TestLaunchctl(t *testing.T) {
	h := newHost(t, "14.7")
	r := h.run("launchctl", "print", daemon)
	if r.Exit != 0 || !strings.Contains(r.Stdout, "\tstate = running\n") || !strings.Contains(r.Stdout, "\tpid = 412\n") {
		t.Errorf("%+v", r)
	}
	unknown := result{113, "", "Could not find service \"org.example\" in domain for system\n"}
	h.expect(unknown, "launchctl", "print", "system/org.example")
	h.expect(unknown, "launchctl", "kickstart", "-k", "system/org.example")
	h.expect(result{3, "", "Boot-out failed: 3: No such process\n"}, "launchctl", "bootout", "system/org.example")
	h.expect(result{5, "", "Bootstrap failed: 5: Input/output error\n"}, "launchctl", "bootstrap", "system", "/Library/LaunchDaemons/none.plist")
	h.expect(result{0, "Aqua\n", ""}, "launchctl", "managername")
	h.expect(result{0, "PID\tStatus\tLabel\n412\t0\torg.nixos.nix-daemon\n", ""}, "launchctl", "list")

	h.ok(h.StartBuild(305))
	ps := []string{"ps", "-axo", "pid=,ppid=,uid=,comm="}
	const nix = "/nix/var/nix/profiles/default/bin/nix-daemon\n"
	const idle = "    1     0     0 /sbin/launchd\n  411     1     0 /usr/libexec/opendirectoryd\n"
	h.expect(result{0, idle + "  412     1     0 " + nix + " 1030   412     0 " + nix + " 1031  1030   305 /nix/store/bash/bin/bash\n" +
		" 1032     1   501 /nix/var/nix/profiles/default/bin/nix-build\n", ""}, ps...)
	h.expect(result{0, "1030\n", ""}, "lsof", "-t", "/nix/var/nix/userpool/305")
	h.expect(result{0, "_nixbld5\n", ""}, "ps", "-p", "1031", "-o", "user=")

	h.expect(result{}, "launchctl", "bootout", daemon)
	h.expect(result{0, idle, ""}, ps...)
	h.expect(result{1, "", ""}, "lsof", "-t", "/nix/var/nix/userpool/305")
	h.expect(result{113, "", "Could not find service \"org.nixos.nix-daemon\" in domain for system\n"}, "launchctl", "print", daemon)
	h.expect(result{}, "launchctl", "bootstrap", "system", daemonPlist)
	h.expect(result{0, idle + "  412     1     0 " + nix, ""}, ps...)
	h.expect(result{}, "launchctl", "kickstart", "-k", daemon)

	// The descendants may outlive their daemon.
	h.ok(h.StartBuild(306))
	h.switches(func(s *mac.Switches) { s.BootoutLeavesChildren = true })
	h.expect(result{}, "launchctl", "bootout", daemon)
	if got := h.run(ps...).Stdout; !strings.Contains(got, "     1     0 "+nix) || !strings.Contains(got, "306 /nix") {
		t.Errorf("processes after bootout:\n%s", got)
	}

	w, err := h.Writes()
	h.ok(err)
	if w != 7 {
		t.Errorf("%d writes", w)
	}
	h.switches(func(s *mac.Switches) { s.FreeLaunchctl = true })
	h.ok(h.ResetCalls())
	h.expect(result{}, "launchctl", "bootstrap", "system", daemonPlist)
	if w, _ := h.Writes(); w != 0 {
		t.Errorf("%d writes without launchctl's", w)
	}
}

func TestDseditgroup(t *testing.T) {
	h := newHost(t, "14.7")
	edit := func(args ...string) []string { return append([]string{"dseditgroup", "-o"}, args...) }
	h.expect(result{0, "yes _nixbld1 is a member of nixbld\n", ""}, edit("checkmember", "-m", "_nixbld1", "nixbld")...)
	h.expect(result{67, "no alex is NOT a member of nixbld\n", ""}, edit("checkmember", "-m", "alex", "nixbld")...)
	h.expect(result{64, "", "Unable to find the user record\n"}, edit("checkmember", "-m", "none", "nixbld")...)
	h.expect(result{64, "", "Group not found.\n"}, edit("checkmember", "-m", "_nixbld1", "none")...)
	h.expect(result{200, "", "Record was not found.\n"}, edit("edit", "-n", ".", "-a", "none", "-t", "user", "nixbld")...)

	// The primary group counts here although the group names nobody.
	h.ok(h.SetGroup("nixbld", "GroupMembership"))
	h.ok(h.SetGroup("nixbld", "GroupMembers"))
	h.expect(result{0, "yes _nixbld1 is a member of nixbld\n", ""}, edit("checkmember", "-m", "_nixbld1", "nixbld")...)

	h.expect(result{}, edit("edit", "-n", ".", "-a", "_nixbld1", "-t", "user", "nixbld")...)
	g, err := h.Group("nixbld")
	h.ok(err)
	if !slices.Equal(g["GroupMembership"], []string{"_nixbld1"}) || !slices.Equal(g["GroupMembers"], h.user("_nixbld1")["GeneratedUID"]) {
		t.Errorf("%v", g)
	}

	h.expect(result{}, edit("create", "-r", "Some group", "-i", "351", "some")...)
	h.expect(result{73, "Create called on existing record - do you want to overwrite, y or n : \n", "Operation cancelled because record could not be replaced\n"}, edit("create", "some")...)
	h.expect(result{64, "", "GID already exists\n"}, edit("create", "-i", "351", "more")...)
	g, err = h.Group("more")
	h.ok(err)
	if g["PrimaryGroupID"] != nil {
		t.Errorf("a refused GID was set: %v", g)
	}
	h.expect(result{}, edit("create", "-q", "-i", "352", "some")...)
	g, err = h.Group("some")
	h.ok(err)
	if !slices.Equal(g["PrimaryGroupID"], []string{"352"}) || g["RealName"] != nil {
		t.Errorf("not replaced: %v", g)
	}
}

func TestSmallTools(t *testing.T) {
	h := newHost(t, "15.1")
	h.expect(result{0, "ProductName:\t\tmacOS\nProductVersion:\t\t15.1\nBuildVersion:\t\t24B83\n", ""}, "sw_vers")
	h.expect(result{0, "15.1\n", ""}, "sw_vers", "-productVersion")
	h.expect(result{0, "24B83\n", ""}, "sw_vers", "--buildVersion")
	h.expect(result{}, "dscacheutil", "-flushcache")
	h.expect(result{}, "dsmemberutil", "flushcache")
	h.expect(result{0, "user is a member of the group\n", ""}, "dsmemberutil", "checkmembership", "-U", "_nixbld5", "-G", "nixbld")
	h.expect(result{0, "Successfully reset SystemPolicySysAdminFiles approval status\n", ""}, "tccutil", "reset", "SystemPolicySysAdminFiles")
	h.expect(result{0, "_modelmanagerd\n", ""}, "id", "-un", "301")
	h.expect(result{0, "  PID  PPID   UID USER STAT COMM\n    1     0     0 root S    /sbin/launchd\n", ""}, "ps", "-p", "1", "-o", "pid,ppid,uid,user,state,comm")
	h.config(func(c *mac.Config) {
		c.Network = []mac.Record{{"name": {"jdoe"}, "uid": {"355"}, "gid": {"20"}}}
	})
	h.expect(result{56, "", notFound}, "dscl", ".", "-read", "/Users/jdoe")
	h.expect(result{0, "UniqueID: 355\n", ""}, "dscl", "/Search", "-read", "/Users/jdoe", "UniqueID")
	h.expect(result{0, "jdoe\n", ""}, "id", "-un", "355")
	if w, _ := h.Writes(); w != 0 {
		t.Errorf("%d writes", w)
	}
}

func TestCalls(t *testing.T) {
	h := newHost(t, "14.7")
	h.dscl("-plist", ".", "-read", "/Users/_nixbld1", "UniqueID")
	h.dscl(".", "-create", "/Users/new", "UniqueID", "301")
	h.run("launchctl", "bootout", daemon)
	h.dscl(".", "-bogus")
	h.dscl(".", "-create", "/Users/_nixbld1", "UniqueID", "351")
	h.dscl(".", "-create", "/Users/_nixbld1", "UniqueID", "351")
	calls, err := h.Calls()
	h.ok(err)
	var got []string
	for _, c := range calls {
		got = append(got, fmt.Sprintf("%d %s: %d, write %d %v", c.Seq, c, c.Exit, c.Write, c.Stages))
		if c.Caller != os.Getpid() || c.End < c.Start {
			t.Errorf("%+v", c)
		}
	}
	want := []string{
		"1 dscl -plist . -read /Users/_nixbld1 UniqueID: 0, write 0 []",
		"2 dscl . -create /Users/new UniqueID 301: 55, write 1 [record guid]",
		"3 launchctl bootout system/org.nixos.nix-daemon: 0, write 2 []",
		"4 dscl . -bogus: 0, write 0 []",
		"5 dscl . -create /Users/_nixbld1 UniqueID 351: 0, write 3 [removed]",
		"6 dscl . -create /Users/_nixbld1 UniqueID 351: 0, write 4 []",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// caller runs tools from a shell, so that a fault has a caller to strike, and
// gives what the shell lived to print.
func (h host) caller(trap string, lines ...string) (string, error) {
	var script strings.Builder
	if trap != "" {
		fmt.Fprintf(&script, "trap 'echo %s' %s\n", strings.ToLower(trap), trap)
	}
	for i, l := range lines {
		fields := strings.Fields(l)
		fmt.Fprintf(&script, "%s %s\necho %d:$?\n", h.Path(mac.Tools()[fields[0]]), strings.Join(fields[1:], " "), i+1)
	}
	out, err := exec.Command("/bin/sh", "-c", script.String()).Output()
	// A tool outlives its caller; its locks and logs are done when it is.
	h.config(func(*mac.Config) {})
	return string(out), err
}

// TestKillCaller crashes the caller at every point of a write and looks at what
// is left.
func TestKillCaller(t *testing.T) {
	lines := []string{
		"dscl . -create /Users/_nixbld9 UniqueID 309",
		"dscl . -create /Users/_nixbld1 UniqueID 351",
	}
	type state struct {
		made, guid bool
		uid9, uid1 string
	}
	tests := []struct {
		name  string
		fault mac.Fault
		out   string
		want  state
	}{
		{"before 1", mac.KillCaller(1, mac.Before, ""), "", state{uid1: "301"}},
		{"record made", mac.KillCaller(1, mac.Middle, mac.StageRecord), "", state{made: true, uid1: "301"}},
		{"guid set", mac.KillCaller(1, mac.Middle, mac.StageGUID), "", state{made: true, guid: true, uid1: "301"}},
		{"first stage", mac.KillCaller(1, mac.Middle, ""), "", state{made: true, uid1: "301"}},
		{"after 1", mac.KillCaller(1, mac.After, ""), "", state{made: true, guid: true, uid9: "309", uid1: "301"}},
		{"before 2", mac.KillCaller(2, mac.Before, ""), "1:0\n", state{made: true, guid: true, uid9: "309", uid1: "301"}},
		{"values removed", mac.KillCaller(2, mac.Middle, mac.StageRemoved), "1:0\n", state{made: true, guid: true, uid9: "309"}},
		{"after 2", mac.KillCaller(2, mac.After, ""), "1:0\n", state{made: true, guid: true, uid9: "309", uid1: "351"}},
		{"never", mac.KillCaller(3, mac.After, ""), "1:0\n2:0\n", state{made: true, guid: true, uid9: "309", uid1: "351"}},
		{"no such stage", mac.KillCaller(2, mac.Middle, mac.StageRecord), "1:0\n2:0\n", state{made: true, guid: true, uid9: "309", uid1: "351"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, "14.7")
			h.faults(tt.fault)
			out, err := h.caller("", lines...)
			killed := err != nil && strings.Contains(err.Error(), "killed")
			fired, ferr := h.Fired()
			h.ok(ferr)
			if killed != (fired["kill caller"] == 1) || out != tt.out || killed == strings.Contains(out, "2:") {
				t.Errorf("caller printed %q and ended with %v, faults %v", out, err, fired)
			}
			join := func(v []string) string { return strings.Join(v, " ") }
			u9, u1 := h.user("_nixbld9"), h.user("_nixbld1")
			got := state{u9 != nil, u9["GeneratedUID"] != nil, join(u9["UniqueID"]), join(u1["UniqueID"])}
			if got != tt.want {
				t.Errorf("left %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestMiddleOfValues(t *testing.T) {
	tests := []struct {
		name, line, stage string
		names, guids      int
	}{
		{"merge", "dscl . -merge /Groups/nixbld GroupMembership a b", mac.StageValue, 9, 8},
		{"delete values", "dscl . -delete /Groups/nixbld GroupMembership _nixbld1 _nixbld2", mac.StageValue, 7, 8},
		{"dseditgroup", "dseditgroup -o edit -a alex -t user nixbld", mac.StageName, 9, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, "14.7")
			h.faults(mac.KillCaller(1, mac.Middle, tt.stage))
			if out, err := h.caller("", tt.line); err == nil || out != "" {
				t.Errorf("%q, %v", out, err)
			}
			g, err := h.Group("nixbld")
			h.ok(err)
			if len(g["GroupMembership"]) != tt.names || len(g["GroupMembers"]) != tt.guids {
				t.Errorf("%d names, %d GUIDs", len(g["GroupMembership"]), len(g["GroupMembers"]))
			}
		})
	}
}

func TestSignalCaller(t *testing.T) {
	for _, sig := range []string{"INT", "TERM", "HUP"} {
		t.Run(sig, func(t *testing.T) {
			h := newHost(t, "14.7")
			h.faults(mac.SignalCaller(2, sig))
			out, err := h.caller(sig, "dscl . -create /Users/_nixbld1 RealName a", "dscl . -create /Users/_nixbld2 RealName b", "dscl . -list /Groups/x")
			if want := "1:0\n" + strings.ToLower(sig) + "\n2:0\nlist: Invalid Path\n3:185\n"; out != want || err != nil {
				t.Errorf("%q, %v", out, err)
			}
			if h.user("_nixbld2")["RealName"][0] != "b" {
				t.Error("the write was lost")
			}
		})
	}
}

func TestFaults(t *testing.T) {
	create := []string{"dscl", ".", "-create", "/Users/_nixbld1", "UniqueID", "351"}
	killed := result{Exit: -1}
	tests := []struct {
		name   string
		faults []mac.Fault
		lines  [][]string
		want   []result
		uid    []string
	}{
		{
			"fails without doing it",
			[]mac.Fault{{Tool: "dscl", Fail: true, Exit: 70, Stdout: "o", Stderr: "e"}},
			[][]string{create},
			[]result{{70, "o", "e"}},
			[]string{"301"},
		},
		{
			"does it and fails",
			[]mac.Fault{{Tool: "dscl", At: mac.After, Fail: true, Exit: 70, Stderr: "e"}},
			[][]string{create},
			[]result{{70, "", "e"}},
			[]string{"351"},
		},
		{
			"dies before",
			[]mac.Fault{{Signal: "KILL", Self: true}},
			[][]string{create},
			[]result{killed},
			[]string{"301"},
		},
		{
			"dies after",
			[]mac.Fault{{At: mac.After, Signal: "KILL", Self: true}},
			[][]string{create},
			[]result{killed},
			[]string{"351"},
		},
		{
			"another argument",
			[]mac.Fault{mac.KilledTool("^IsHidden$", -1)},
			[][]string{create, {"dscl", ".", "-create", "/Users/_nixbld1", "IsHidden", "1"}},
			[]result{{}, killed},
			[]string{"351"},
		},
		{
			"another tool",
			[]mac.Fault{{Tool: "launchctl", Fail: true, Exit: 1}},
			[][]string{create},
			[]result{{}},
			[]string{"351"},
		},
		{
			"second and third call",
			[]mac.Fault{{Args: []string{"^-?read$", "nixbld"}, Nth: 2, Times: 2, Fail: true, Exit: 9}},
			[][]string{
				{"dscl", ".", "-read", "/Users/_nixbld1", "UniqueID"},
				{"dscl", ".", "-read", "/Users/root", "UniqueID"},
				{"dscl", ".", "-read", "/Users/_nixbld1", "UniqueID"},
				{"dscl", ".", "read", "/Users/_nixbld2", "UniqueID"},
				{"dscl", ".", "-read", "/Users/_nixbld2", "UniqueID"},
			},
			[]result{{0, "UniqueID: 301\n", ""}, {0, "UniqueID: 0\n", ""}, {9, "", ""}, {9, "", ""}, {0, "UniqueID: 302\n", ""}},
			[]string{"301"},
		},
		{
			"spurious, old record: nothing happened",
			[]mac.Fault{mac.Spurious(1)},
			[][]string{create, create},
			[]result{{140, "create: DS error: eNotYetImplemented\n", "<dscl_cmd> DS Error: -14988 (eNotYetImplemented)\n"}, {}},
			[]string{"351"},
		},
		{
			"spurious loss: the old value is gone",
			[]mac.Fault{mac.SpuriousLoss(1)},
			[][]string{create},
			[]result{{140, "create: DS error: eNotYetImplemented\n", "<dscl_cmd> DS Error: -14988 (eNotYetImplemented)\n"}},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, "14.7")
			h.faults(tt.faults...)
			for i, l := range tt.lines {
				h.expect(tt.want[i], l...)
			}
			if d := cmp.Diff(tt.uid, h.user("_nixbld1")["UniqueID"]); d != "" {
				t.Errorf("UniqueID: %s", d)
			}
			calls, err := h.Calls()
			h.ok(err)
			if len(calls) != len(tt.lines) {
				t.Fatalf("%d calls", len(calls))
			}
			for i, c := range calls {
				if c.Exit != tt.want[i].Exit {
					t.Errorf("call %d is logged with exit %d", i, c.Exit)
				}
			}
		})
	}
	t.Run("a refused value is refused before the old one goes", func(t *testing.T) {
		h := newHost(t, "14.7")
		h.faults(mac.SpuriousLoss(-1))
		h.expect(result{55, "", takenUID}, "dscl", ".", "-create", "/Users/_nixbld1", "UniqueID", "302")
		if h.user("_nixbld1")["UniqueID"][0] != "301" {
			t.Error("the old value is gone")
		}
	})
	t.Run("spurious, new record", func(t *testing.T) {
		h := newHost(t, "14.7")
		h.faults(mac.Spurious(1))
		if r := h.dscl(".", "-create", "/Users/_nixbld9", "UniqueID", "351"); r.Exit != 140 {
			t.Errorf("%+v", r)
		}
		if u := h.user("_nixbld9"); u["GeneratedUID"] == nil || u["UniqueID"] != nil {
			t.Errorf("%v", u)
		}
	})
}

// TestWithin: a call within the process of its caller does what the tool does as a process. One that a signal would hit, or
// that would not end, does nothing and is not counted; the same call by a process is struck.
func TestWithin(t *testing.T) {
	move := []string{".", "-create", "/Users/_nixbld1", "UniqueID", "399"}
	for name, tt := range map[string]struct {
		fault mac.Fault
		does  bool
	}{
		"another write":                {mac.KillCaller(2, mac.Before, ""), true},
		"fails":                        {mac.Ignored(1, 1, "^-create$"), true},
		"its caller is interrupted":    {mac.SignalCaller(1, "STOP"), false},
		"it is killed":                 {mac.KilledTool("^/Users/_nixbld1$", 1), false},
		"it is killed when it is done": {mac.Fault{At: mac.After, Signal: "KILL", Self: true}, false},
		"it hangs":                     {mac.Fault{Tool: "dscl", Hang: time.Millisecond}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inside, outside := newHost(t, "14.7"), newHost(t, "14.7")
			before, err := inside.Tree()
			inside.ok(err)
			inside.faults(tt.fault)
			outside.faults(tt.fault)
			did, ok := mactools.Within(inside.Root, "/usr/bin/dscl", move)
			if ok != tt.does {
				t.Fatalf("it reports %v: %s", ok, did.Stderr)
			}
			if !ok {
				after, err := inside.Tree()
				inside.ok(err)
				calls, err := inside.Calls()
				inside.ok(err)
				writes, err := inside.Writes()
				inside.ok(err)
				if d := cmp.Diff(before, after); d != "" || len(calls) > 0 || writes > 0 {
					t.Errorf("it has done something: %s %v %d", d, calls, writes)
				}
				return
			}
			if d := cmp.Diff(outside.run(append([]string{"dscl"}, move...)...), result{did.Exit, string(did.Stdout), string(did.Stderr)}); d != "" {
				t.Errorf("(-process +within):\n%s", d)
			}
			want, err := outside.Tree()
			inside.ok(err)
			got, err := inside.Tree()
			inside.ok(err)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("the Macs differ (-process +within):\n%s", d)
			}
			fired, err := inside.Fired()
			inside.ok(err)
			struck, err := outside.Fired()
			inside.ok(err)
			if d := cmp.Diff(struck, fired); d != "" {
				t.Errorf("faults (-process +within):\n%s", d)
			}
		})
	}
}

func TestHang(t *testing.T) {
	t.Run("for a time", func(t *testing.T) {
		h := newHost(t, "14.7")
		h.faults(mac.Fault{Tool: "dscl", Hang: 300 * time.Millisecond})
		start := time.Now()
		h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld1", "UniqueID", "351")
		if d := time.Since(start); d < 300*time.Millisecond {
			t.Errorf("took %v", d)
		}
		if h.user("_nixbld1")["UniqueID"][0] != "351" {
			t.Error("did nothing")
		}
	})
	t.Run("until killed", func(t *testing.T) {
		h := newHost(t, "14.7")
		h.faults(mac.Fault{Tool: "dscl", Args: []string{"_nixbld1"}, Hang: -1})
		cmd := h.command([]string{"dscl", ".", "-create", "/Users/_nixbld1", "UniqueID", "351"})
		h.ok(cmd.Start())
		for range 200 {
			if f, err := h.Fired(); err == nil && len(f) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		// Others can write meanwhile.
		h.expect(result{}, "dscl", ".", "-create", "/Users/_nixbld2", "UniqueID", "352")
		h.ok(cmd.Process.Kill())
		_ = cmd.Wait()
		if h.user("_nixbld1")["UniqueID"][0] != "301" {
			t.Error("wrote although it hung")
		}
		calls, err := h.Calls()
		h.ok(err)
		if len(calls) != 2 || calls[0].Exit != -1 || calls[1].Exit != 0 {
			t.Errorf("%+v", calls)
		}
	})
}

// TestConcurrent has two handfuls of tools write at once: every write is
// counted, no UID is given out twice, and a fault strikes once.
func TestConcurrent(t *testing.T) {
	h := newHost(t, "14.7")
	h.faults(mac.Fault{Name: "one", Write: 5, Fail: true, Exit: 70})
	const n = 12
	exits := make([]int, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			exits[i] = h.dscl(".", "-create", fmt.Sprintf("/Users/_nixbld%d", 100+i), "UniqueID", strconv.Itoa(360+i/2)).Exit
		})
	}
	group.Wait()
	count := map[int]int{}
	for _, e := range exits {
		count[e]++
	}
	if count[70] != 1 || count[0] > n/2 || count[0]+count[55] != n-1 {
		t.Errorf("exits %v", exits)
	}
	if w, _ := h.Writes(); w != n {
		t.Errorf("%d writes", w)
	}
	names, err := h.UserNames()
	h.ok(err)
	held := map[string]string{}
	for _, name := range names {
		for _, uid := range h.user(name)["UniqueID"] {
			if held[uid] != "" {
				t.Errorf("%s and %s have %s", name, held[uid], uid)
			}
			held[uid] = name
		}
	}
}

func BenchmarkReadAll(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			m, err := platformtest.Mac(filepath.Join(b.TempDir(), "mac"), mac.Options{Few: true})
			if err != nil {
				b.Fatal(err)
			}
			if err := m.BuildUsers(mac.Build{Count: n, Base: 100000}); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				out, err := exec.Command(m.Path("/usr/bin/dscl"), "-plist", ".", "-readall", "/Users", "RecordName", "UniqueID", "PrimaryGroupID").Output()
				if err != nil || len(out) < n*100 {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/user")
		})
	}
}
