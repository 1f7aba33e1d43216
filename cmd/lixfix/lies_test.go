package main_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/cmd/internal/cli"
	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// stateOf makes a Mac in a state, with 8 users where that is not about their number, and with few of Apple's accounts:
// [TestStates] repairs each with all.
func stateOf(t *testing.T, name string) *mac.Mac {
	t.Helper()
	states := mac.Variants(8)
	i := slices.IndexFunc(states, func(v mac.Variant) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("no state of a Mac is called %q", name)
	}
	return seeded(t, states[i], mac.Options{Few: true})
}

func faults(t *testing.T, m *mac.Mac, all ...mac.Fault) {
	t.Helper()
	if err := m.ResetCalls(); err != nil {
		t.Fatal(err)
	}
	if err := m.Config(func(c *mac.Config) { c.Faults = all }); err != nil {
		t.Fatal(err)
	}
}

// TestListsThatLackRecords reads lists of accounts that are valid and leave some out: nobody who is there is made anew.
func TestListsThatLackRecords(t *testing.T) {
	for _, tt := range []struct {
		name, state string
		fault       mac.Fault
		check       int // exit codes
		repair      int
		settles     bool // the repair does all there is to do
	}{
		{"users, once", "healthy", mac.Lacking(mac.Users, "^_nixbld[5-8]$", 1), 0, 0, true},
		{"users, twice", "healthy", mac.Lacking(mac.Users, "^_nixbld[5-8]$", 2), 1, 5, false},
		{"all users, twice", "healthy", mac.Lacking(mac.Users, "^_nixbld", 2), 1, 5, false},
		{"users, always", "healthy", mac.Lacking(mac.Users, "^_nixbld[5-8]$", -1), 1, 5, false},
		{"all users, always", "healthy", mac.Lacking(mac.Users, "^_nixbld", -1), 1, 5, false},
		{"users who are at risk, once", "before-15", mac.Lacking(mac.Users, "^_nixbld[5-8]$", 1), 0, 0, true},
		{"beside users who are missing, once", "upgraded-15", mac.Lacking(mac.Users, "^_nixbld[5-8]$", 1), 1, 0, true},
		{"beside users who are missing, twice", "upgraded-15", mac.Lacking(mac.Users, "^_nixbld[5-8]$", 2), 1, 5, false},
		{"beside users who are missing, always", "upgraded-15", mac.Lacking(mac.Users, "^_nixbld[5-8]$", -1), 1, 5, false},
		{"the group, once", "healthy", mac.Lacking(mac.Groups, "^nixbld$", 1), 0, 0, true},
		{"the group, always", "healthy", mac.Lacking(mac.Groups, "^nixbld$", -1), 1, 5, false},
		{"the group and missing users, always", "upgraded-15", mac.Lacking(mac.Groups, "^nixbld$", -1), 1, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := stateOf(t, tt.state)
			before, ran := tree(t, m), services(t, m)
			faults(t, m, tt.fault)
			want(t, m, tt.check, "check", "sequoia")
			faults(t, m, tt.fault)
			out := want(t, m, tt.repair, "repair", "sequoia", "--yes")
			for name, content := range before {
				// Whoever was there is the same account.
				if id := guidForm.FindString(content); strings.Contains(name, "/_nixbld") && !strings.Contains(tree(t, m)[name], id) {
					t.Errorf("%s is another account now\n%s", name, out)
				}
			}
			if fmt.Sprint(services(t, m)) != fmt.Sprint(ran) {
				t.Errorf("services after the repair: %v\n%s", services(t, m), out)
			}
			if tt.settles {
				faults(t, m)
				want(t, m, 0, "check", "sequoia")
				return
			}
			if code, waits := run(t, m, "check"); code == 4 {
				// It was stopped by somebody who was there after all; only the way back is open.
				if !strings.Contains(out, "undo") {
					t.Errorf("the way out is not shown:\n%s", out)
				}
				want(t, m, 5, "resume", "--yes")
				out += waits + want(t, m, 0, "undo", "--yes")
			}
			same(t, "what the repair has left", before, tree(t, m), out)
			faults(t, m)
			if tt.state == "upgraded-15" {
				want(t, m, 0, "repair", "sequoia", "--yes")
			}
		})
	}
}

// TestLaterListsThatLackRecords has any one of the lists of a repair and of its undo leave out a user and the group.
func TestLaterListsThatLackRecords(t *testing.T) {
	lacking := func(k mac.Kind, names string, nth int) mac.Fault {
		f := mac.Lacking(k, names, 1)
		f.Nth = nth
		return f
	}
	for nth := 1; nth <= 6; nth++ {
		t.Run(fmt.Sprint(nth), func(t *testing.T) {
			t.Parallel()
			m := stateOf(t, "upgraded-15")
			before := tree(t, m)
			lies := []mac.Fault{lacking(mac.Users, "^_nixbld[1-8]$", nth), lacking(mac.Groups, "^nixbld$", nth)}
			faults(t, m, lies...)
			out := want(t, m, 0, "repair", "sequoia", "--yes")
			faults(t, m, lies...)
			out += want(t, m, 0, "undo", "--yes")
			same(t, "undo", before, tree(t, m), out)
		})
	}
}

// terminal is one on which somebody does something else before the question is answered.
type terminal struct {
	io.Writer
	before func()
	answer io.Reader
}

func (tty *terminal) Read(p []byte) (int, error) {
	if tty.before != nil {
		tty.before()
		tty.before = nil
	}
	return tty.answer.Read(p)
}

func (*terminal) Close() error { return nil }

// TestAccountsThatAppearAtTheQuestion makes accounts of build users while lixfix waits for its answer.
func TestAccountsThatAppearAtTheQuestion(t *testing.T) {
	person := func(name string) map[string][]string {
		return map[string][]string{
			"uid": {"777"}, "gid": {"20"}, "home": {"/Users/" + name}, "shell": {"/bin/zsh"}, "realname": {"A Person"},
			"generateduid": {"11111111-2222-4333-8444-555555555555"},
		}
	}
	for _, state := range []string{"all-gone", "upgraded-15", "group-missing"} {
		for _, loaded := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/daemon loaded %v", state, loaded), func(t *testing.T) {
				t.Parallel()
				m := stateOf(t, state)
				if err := m.Config(func(c *mac.Config) {
					if s := c.Service(mac.DaemonLabel); !loaded {
						c.Stop(s)
						s.Loaded = false
					}
				}); err != nil {
					t.Fatal(err)
				}
				name := "_nixbld3"
				var before map[string]string
				tty := &terminal{Writer: io.Discard, answer: strings.NewReader("y\n"), before: func() {
					kind, who := mac.Users, name
					add := m.AddUser
					if state == "group-missing" {
						kind, who, add = mac.Groups, "nixbld", m.AddGroup
					}
					attributes := person(who)
					if kind == mac.Groups {
						attributes = map[string][]string{"gid": {"777"}, "users": {"alex"}, "generateduid": attributes["generateduid"]}
					}
					if err := add(who, attributes); err != nil {
						t.Error(err)
					}
					before = tree(t, m)
				}}
				var out strings.Builder
				code := cli.Run(context.Background(), cli.Config{
					Host: platformtest.Inside(m.Root, 0), Fixes: fixes.All(), Args: []string{"repair", "sequoia"}, Name: "lixfix", Version: "0.1.0",
					Stdout: &out, Stderr: &out, OpenTTY: func() (io.ReadWriteCloser, error) { return tty, nil },
				})
				if code != 5 {
					t.Errorf("exit %d, want 5\n%s", code, out.String())
				}
				same(t, "after the refusal", before, tree(t, m), out.String())
				if code, out := run(t, m, "check"); code == 4 {
					t.Errorf("an unfinished repair is left although nothing was done\n%s", out)
				}
			})
		}
	}
}

// TestAccountThatVanishesAtTheQuestion takes a build user away while lixfix waits for its answer about a plan that reads
// no accounts: what it says in the end is true at the end.
func TestAccountThatVanishesAtTheQuestion(t *testing.T) {
	m := stateOf(t, "daemon-out")
	tty := &terminal{Writer: io.Discard, answer: strings.NewReader("y\n"), before: func() {
		if err := m.RemoveUser("_nixbld3"); err != nil {
			t.Error(err)
		}
	}}
	var out strings.Builder
	code := cli.Run(context.Background(), cli.Config{
		Host: platformtest.Inside(m.Root, 0), Fixes: fixes.All(), Args: []string{"repair", "sequoia"}, Name: "lixfix", Version: "0.1.0",
		Stdout: &out, Stderr: &out, OpenTTY: func() (io.ReadWriteCloser, error) { return tty, nil },
	})
	if code != 1 || !strings.Contains(out.String(), "1 of 8 build users missing") {
		t.Errorf("exit %d, want 1 and word of the user who is missing\n%s", code, out.String())
	}
}

// TestUndoDeletesOnlyWhatItMade replaces a user that lixfix made by somebody's account before it is taken back.
func TestUndoDeletesOnlyWhatItMade(t *testing.T) {
	for name, attributes := range map[string]map[string][]string{
		"a person":     {"uid": {"351"}, "gid": {"20"}, "home": {"/Users/x"}, "shell": {"/bin/zsh"}, "generateduid": {"11111111-2222-4333-8444-555555555555"}},
		"a blank one":  {"generateduid": {"11111111-2222-4333-8444-555555555555"}},
		"without GUID": {"passwd": {"*"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := stateOf(t, "upgraded-15")
			want(t, m, 0, "repair", "sequoia", "--yes")
			if err := m.RemoveUser("_nixbld1"); err != nil {
				t.Fatal(err)
			}
			if err := m.AddUser("_nixbld1", attributes); err != nil {
				t.Fatal(err)
			}
			file := "private/var/db/dslocal/nodes/Default/users/_nixbld1.plist"
			theirs := tree(t, m)[file]
			out := want(t, m, 5, "undo", "--yes")
			if tree(t, m)[file] != theirs {
				t.Errorf("somebody's account was changed\n%s", out)
			}
			if code, _ := run(t, m, "check"); code == 4 {
				t.Error("an unfinished undo is left")
			}
		})
	}
}

// TestUndoOfWhatWasTakenBack takes a repair back, repairs anew, and asks for the first to be taken back once more: the
// users are where they are by the second repair, which alone can be taken back.
func TestUndoOfWhatWasTakenBack(t *testing.T) {
	m := stateOf(t, "upgraded-15")
	before := tree(t, m)
	first := changing.FindString(want(t, m, 0, "repair", "sequoia", "--yes"))
	want(t, m, 0, "undo", "--yes")
	second := changing.FindString(want(t, m, 0, "repair", "sequoia", "--yes"))
	after := tree(t, m)
	out := want(t, m, 0, "undo", first, "--yes")
	same(t, "a second undo of the first repair", after, tree(t, m), out)
	if !strings.Contains(out, second) {
		t.Errorf("the repair that can be taken back is not named\n%s", out)
	}
	out = want(t, m, 0, "undo", "--yes")
	same(t, "undo of the second repair", before, tree(t, m), out)
	for _, args := range [][]string{{"undo", "--yes"}, {"undo", first, "--yes"}, {"undo", second, "--yes"}} {
		same(t, strings.Join(args, " "), before, tree(t, m), want(t, m, 0, args...))
	}
}

// sampled are some of the writes of an undisturbed run, or all of them with LIXFIX_TEST_LONG.
func sampled(t *testing.T, m *mac.Mac, most int) []int {
	t.Helper()
	calls, err := m.Calls()
	if err != nil {
		t.Fatal(err)
	}
	var writes []int
	for _, c := range calls {
		if c.Write > 0 {
			writes = append(writes, c.Write)
		}
	}
	if os.Getenv("LIXFIX_TEST_LONG") == "" && len(writes) > most {
		rand.Shuffle(len(writes), func(i, j int) { writes[i], writes[j] = writes[j], writes[i] })
		writes = writes[:most]
	}
	return writes
}

// TestWritesThatAreIgnored repairs and takes back on Macs where one write reports success and does nothing.
func TestWritesThatAreIgnored(t *testing.T) {
	const most = 6
	for _, state := range []string{"upgraded-15", "half-attributes", "group-missing", "script-placing", "cycle"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			base := stateOf(t, state)
			// Two users who shared an ID can only be brought there again where the Mac allows it.
			if err := base.Config(func(c *mac.Config) { c.Switches.FreeChange = true }); err != nil {
				t.Fatal(err)
			}
			initial, ran := tree(t, base), services(t, base)
			whole, drop := clone(t, base)
			defer drop()
			faults(t, whole)
			want(t, whole, 0, "repair", "sequoia", "--yes")
			target := settled(initial, tree(t, whole))
			repairs := sampled(t, whole, most)
			for _, n := range repairs {
				m, drop := clone(t, base)
				faults(t, m, mac.Fault{Name: "ignored", Write: n, Fail: true})
				code, out := run(t, m, "repair", "sequoia", "--yes")
				faults(t, m)
				if code == 4 {
					out += want(t, m, 0, "resume", "--yes")
				} else if code != 0 {
					t.Errorf("write %d ignored: exit %d\n%s", n, code, out)
				}
				same(t, fmt.Sprintf("the repair whose write %d was ignored", n), target, settled(initial, tree(t, m)), out)
				if got := services(t, m); fmt.Sprint(got) != fmt.Sprint(ran) {
					t.Errorf("write %d ignored: services %v\n%s", n, got, out)
				}
				out += want(t, m, 0, "undo", "--yes")
				same(t, fmt.Sprintf("the undo of the repair whose write %d was ignored", n), initial, tree(t, m), out)
				drop()
			}
			faults(t, whole)
			want(t, whole, 0, "undo", "--yes")
			for _, n := range sampled(t, whole, most) {
				m, drop := clone(t, base)
				want(t, m, 0, "repair", "sequoia", "--yes")
				faults(t, m, mac.Fault{Name: "ignored", Write: n, Fail: true})
				code, out := run(t, m, "undo", "--yes")
				faults(t, m)
				if code == 4 {
					out += want(t, m, 0, "undo", "--yes")
				} else if code != 0 {
					t.Errorf("write %d of undo ignored: exit %d\n%s", n, code, out)
				}
				same(t, fmt.Sprintf("the undo whose write %d was ignored", n), initial, tree(t, m), out)
				drop()
			}
		})
	}
}

// TestValuesThatAreNotKept repairs where every write of one sort is ignored, or is changed from outside during the run:
// resume says that it is no use, and undo leads out.
func TestValuesThatAreNotKept(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  mac.Fault
		resume int // while the cause lasts
	}{
		{"moves of one user are ignored", mac.Ignored(1, -1, `^/Users/_nixbld6$`, `^UniqueID$`), 4},
		{"a user's home is ignored", mac.Ignored(1, -1, `^/Users/_nixbld2$`, `^NFSHomeDirectory$`), 4},
		{"the members of the group are ignored", mac.Ignored(1, -1, `^/Groups/nixbld$`), 4},
		{"a user is moved by somebody else meanwhile", mac.Fault{
			Tool: "dscl", Args: []string{`^/Users/_nixbld7$`, `^UniqueID$`}, At: mac.After,
			Appear: &mac.Appearance{Kind: mac.Users, Name: "_nixbld7", Change: true, Attributes: map[string][]string{"uid": {"444"}}},
		}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := stateOf(t, "upgraded-15")
			before := tree(t, m)
			faults(t, m, tt.fault)
			code, out := run(t, m, "repair", "sequoia", "--yes")
			if code != 4 && code != 5 {
				t.Fatalf("repair: exit %d\n%s", code, out)
			}
			if !services(t, m)[mac.DaemonLabel] {
				t.Errorf("the daemon is out\n%s", out)
			}
			out += want(t, m, tt.resume, "resume", "--yes")
			undo, expected := 0, before
			if tt.resume == 5 {
				undo, expected = 5, nil // what somebody else has set stays
			} else {
				again, drop := clone(t, m)
				defer drop()
				faults(t, again)
				want(t, again, 0, "resume", "--yes")
				want(t, again, 0, "check")
			}
			faults(t, m)
			out += want(t, m, undo, "undo", "--yes")
			if expected != nil {
				same(t, "undo", before, tree(t, m), out)
			}
			if code, waits := run(t, m, "check"); code == 4 {
				t.Errorf("an unfinished repair is left\n%s", waits)
			}
			want(t, m, 0, "repair", "sequoia", "--yes")
		})
	}
}
