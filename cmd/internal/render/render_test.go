package render

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"golang.org/x/tools/txtar"

	"github.com/lixfix/lixfix/fixes/daemon"
	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/fixes/verify"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/redact"
	"github.com/lixfix/lixfix/platform/sandbox"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a section of testdata/pages.txtar. All pages are in one file, so that a sentence that changes,
// changes in one place.
func golden(t *testing.T, name, got string) {
	t.Helper()
	const file = "testdata/pages.txtar"
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
	switch {
	case i >= 0 && !*update:
		if diff := cmp.Diff(string(a.Files[i].Data), got); diff != "" {
			t.Errorf("%s in %s (-want +got):\n%s", name, file, diff)
		}
		return
	case !*update:
		t.Fatalf("%s has no page %s; -update writes it", file, name)
	case i < 0:
		a.Files, i = append(a.Files, txtar.File{Name: name}), len(a.Files)
	}
	a.Files[i].Data = []byte(got)
	slices.SortFunc(a.Files, func(a, b txtar.File) int { return strings.Compare(a.Name, b.Name) })
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// upgraded is the report on a Mac after the upgrade to macOS 15.
func upgraded() Report {
	r := Report{
		Schema: 1, Lixfix: "0.1.0", Command: "check", Exit: 1,
		Host:       &Host{Facts: platform.Facts{OS: platform.Darwin, Product: "macOS", Version: "15.1", Build: "24B83", Arch: "arm64"}},
		Unfinished: []string{"20260101-120000-sequoia-a1b2"},
		Waiting:    []Waiting{{ID: "20260101-120000-sequoia-a1b2"}},
		Fixes: []Fix{
			{
				Name: "sequoia", Title: "macOS 15 took the user IDs of the Nix build users", Status: fix.Broken,
				Findings: []fix.Finding{
					{
						ID: "sequoia/users-missing", Status: fix.Broken, Summary: "4 of 32 build users are gone",
						Remedy: &fix.Remedy{
							Class: fix.Safe, Changes: "creates the missing users with user IDs that macOS leaves alone, and brings the others there as well",
							Command: "sudo lixfix repair sequoia", Undo: "sudo lixfix undo; deleting users may need the consent of macOS",
						},
					},
					{
						ID: "sequoia/look-alike", Status: fix.AtRisk, Summary: "an account looks like a build user and is none",
						Evidence: []fix.Evidence{{Source: "/Users/_nixbldmaster RealName", Expected: "a name that starts with “Nix build user”", Observed: "Build master of the northern offices"}},
						Remedy:   &fix.Remedy{Class: fix.Advice, Changes: "rename it, if it is yours"},
					},
					{ID: "sequoia/group", Status: fix.OK, Summary: "the group is as it should be"},
				},
			},
			{
				Name: "daemon", Title: "The daemon does not start", Status: fix.Unknown,
				Findings: []fix.Finding{{
					ID: "daemon/not-checked", Status: fix.Unknown, Summary: "could not be checked", NeedsRoot: true,
					Reason: "read /etc/nix/secret.conf: permission denied",
					Remedy: &fix.Remedy{Class: fix.Risky, Changes: "restarts it"},
				}},
			},
			{Name: "dns", Title: "Sandboxed builds cannot resolve names", Status: fix.NotApplicable},
			{Name: "store", Title: "The store is read-only", Status: fix.OK, Findings: []fix.Finding{{ID: "store/mount", Status: fix.OK, Summary: "the store can be written"}}},
		},
		Problems: []string{"look for unfinished repairs: permission denied"},
	}
	for i := range 12 {
		r.Fixes[0].Findings[0].Evidence = append(r.Fixes[0].Findings[0].Evidence,
			fix.Evidence{Source: fmt.Sprintf("/Users/_nixbld%d", i+1), Expected: "a user", Observed: "missing"})
	}
	r.Summary = CheckVerdict(r)
	return r
}

// manyMoves is a plan as the sequoia fix makes it.
func manyMoves() plan.Plan {
	p := plan.Plan{
		Schema: 1, ID: "20260101-120000-sequoia-a1b2", Fix: "sequoia", Version: "0.1.0",
		Made: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), Host: platform.Facts{OS: platform.Darwin, Arch: "arm64"},
		Settings: []plan.Setting{
			{Name: "nix-build-user-prefix", Value: "_nixbld", Source: "receipt"},
			{Name: "move-existing-users", Value: "true", Source: "flag"},
		},
		Notes: []string{"nix-darwin manages this Mac. So that its next activation agrees, set ids.uids.nixbld = 350 in its configuration."},
	}
	add := func(s plan.Step, optional bool) {
		p.Entries = append(p.Entries, plan.Entry{Step: s, For: "sequoia/users-missing", Optional: optional})
	}
	daemon := step.StopService{Label: "org.nixos.nix-daemon", Plist: "/Library/LaunchDaemons/org.nixos.nix-daemon.plist"}
	add(account.ProbeConsent{Record: "/Users/_nixbld5", Key: "UniqueID", Value: "305"}, false)
	add(daemon, false)
	add(step.RequireIdle{Pool: "/nix/var/nix/userpool", UIDs: []int{305}}, false)
	set := func(record, key string, from, to []string, made bool) {
		add(account.SetAttribute{Record: record, Key: key, From: from, To: to, New: made}, false)
	}
	for i := 5; i <= 32; i++ {
		set(fmt.Sprintf("/Users/_nixbld%d", i), "UniqueID", []string{fmt.Sprint(300 + i)}, []string{fmt.Sprint(350 + i)}, false)
	}
	var members []string
	for i := 1; i <= 4; i++ {
		record := fmt.Sprintf("/Users/_nixbld%d", i)
		guid := fmt.Sprintf("AAAAAAAA-0000-4000-8000-%012d", i)
		members = append(members, guid)
		add(account.CreateRecord{Record: record, GeneratedUID: guid}, false)
		set(record, "UniqueID", nil, []string{fmt.Sprint(350 + i)}, true)
		set(record, "UserShell", nil, []string{"/sbin/nologin"}, true)
	}
	set("/Users/_nixbld9", "UserShell", []string{"/bin/sh"}, []string{"/sbin/nologin"}, false)
	set("/Users/_nixbld7", "PrimaryGroupID", []string{"20"}, []string{"30000"}, false)
	set("/Users/_nixbld8", "PrimaryGroupID", nil, []string{"30000"}, false)
	set("/Groups/nixbld", "GroupMembers", members[:1], members, false)
	add(step.WriteFile{
		Name: "/nix/receipt.json", Why: "record the new user IDs in the installer's receipt",
		Before: step.NewFileState(platform.Content{Data: []byte("secret"), Mode: 0o644}), After: step.NewFileState(platform.Content{Data: []byte("new"), Mode: 0o644}),
	}, true)
	add(account.ReadBack{}, false)
	add(account.FlushAccounts{}, true)
	add(daemon.Release(), false)
	for i, name := range []string{"_modelmanagerd", "_reportmemoryexception", "_swtransparencyd", "_naturallanguaged"} {
		p.Places = append(p.Places, figure.Place{ID: 301 + i, Before: name, After: name})
	}
	for i := 5; i <= 32; i++ {
		p.Places = append(p.Places, figure.Place{ID: 300 + i, Before: fmt.Sprintf("_nixbld%d", i)})
	}
	for i := 1; i <= 32; i++ {
		p.Places = append(p.Places, figure.Place{ID: 350 + i, After: fmt.Sprintf("_nixbld%d", i)})
	}
	p.Places = append(p.Places, figure.Place{ID: 441, Before: "_oahd", After: "_oahd"}, figure.Place{ID: 450, Before: "_a, _b", After: "_b"})
	return p
}

func userIDs(p plan.Plan) figure.Figure {
	return figure.Change(p.Places, figure.Legend{Title: "User IDs", ID: "UID"})
}

func styles() map[string]Style {
	return map[string]Style{
		"plain": {}, "color": {Color: true}, "narrow": {Width: 48}, "ascii": {ASCII: true}, "verbose": {Verbose: true, Width: 100},
		"quiet": {Quiet: true},
	}
}

func page(s Style, draw func(*Text)) string {
	t := NewText(s)
	draw(t)
	return t.String()
}

func TestCheckGolden(t *testing.T) {
	for name, style := range styles() {
		golden(t, "check-"+name, page(style, func(t *Text) { t.Check(upgraded()) }))
	}
}

func TestPlanGolden(t *testing.T) {
	for name, style := range styles() {
		if name != "quiet" {
			golden(t, "plan-"+name, page(style, func(t *Text) { planView{t.writer}.show(manyMoves(), userIDs(manyMoves())) }))
		}
	}
}

func TestUndoGolden(t *testing.T) {
	moves := manyMoves()
	p := moves.Inverse(slices.Repeat([]plan.Mark{plan.Done}, len(moves.Entries)))
	r := upgraded()
	r.Plan, r.Drawn, r.Refused = &p, userIDs(p), []Refused{{Step: "change UniqueID of /Users/_nixbld9 from 359 to 309", Reason: "UniqueID of /Users/_nixbld9 is 402"}}
	golden(t, "undo", page(Style{}, func(t *Text) {
		t.Remaining(r, "The repair 20260101-120000-sequoia-a1b2 was made on 2026-01-01 12:00 UTC.")
	}))
}

func TestEndedGolden(t *testing.T) {
	p := manyMoves()
	daemon := Service{Stop: "stop the service x", Start: "start the service x again"}
	running := daemon
	running.Running = true
	for name, edit := range map[string]func(*Report){
		"finished": func(r *Report) {
			r.Exit = 0
			r.Outcome = &Outcome{
				Result: Finished, ID: p.ID, Done: 52, Total: 53, Services: []Service{running},
				Skipped: []Refused{{Step: "flush the cache of account names", Reason: "dscacheutil: exit status 1"}},
			}
			r.After = []Fix{{Name: "sequoia", Title: "x", Status: fix.OK, Findings: []fix.Finding{{ID: "sequoia/users", Status: fix.OK, Summary: "32 build users, all is well"}}}}
		},
		"left": func(r *Report) {
			r.Outcome = &Outcome{Result: Finished, ID: p.ID, Done: 53, Total: 53}
			r.After = r.Fixes[:1]
		},
		"unfinished": func(r *Report) {
			r.Exit = 3
			r.Outcome = &Outcome{
				Result: Unfinished, ID: p.ID, Done: 12, Total: 53, Services: []Service{running, daemon},
				Next: []string{"sudo lixfix resume", "sudo lixfix undo"}, Error: "x",
			}
		},
		"abandoned": func(r *Report) { r.Exit, r.Outcome = 5, &Outcome{Result: Abandoned, ID: p.ID, Total: 53} },
		"partly": func(r *Report) {
			r.Exit, r.Outcome = 5, &Outcome{Result: PartlyUndone, ID: p.ID, Total: 53, Back: true}
			r.Refused = []Refused{{Step: "delete /Users/_nixbld1, which lixfix made", Reason: "macOS refused it"}}
		},
	} {
		r := upgraded()
		r.Command, r.Unfinished, r.Plan = "repair", nil, &p
		edit(&r)
		r.Summary = ChangeVerdict(r)
		golden(t, "ended-"+name, page(Style{}, func(t *Text) { t.Ended(r) }))
	}
}

func TestProblemGolden(t *testing.T) {
	golden(t, "problem", page(Style{}, func(t *Text) {
		t.Problem(Problem{Message: "change UniqueID of /Users/_nixbld7: /usr/bin/dscl . -change /Users/_nixbld7 UniqueID 307 357: exit status 40: <dscl_cmd> DS Error: -14120", Next: "macOS does not let this program administer user accounts. Open System Settings and allow it."})
		t.Problem(Problem{Message: "repair sequoia needs root", Next: "sudo lixfix repair sequoia --move-existing-users --nix-build-group-name='build users of the north'", Typed: true})
	}))
}

// Nothing but a path or a command is wider than the terminal, and colour takes no room.
func TestWidth(t *testing.T) {
	for name, style := range styles() {
		colored := style
		colored.Color = true
		width := NewText(style).Width
		draw := func(t *Text) {
			t.Check(upgraded())
			planView{t.writer}.show(manyMoves(), userIDs(manyMoves()))
		}
		text := page(style, draw)
		if name != "ascii" && escapes.ReplaceAllString(page(colored, draw), "") != escapes.ReplaceAllString(text, "") {
			t.Errorf("%s: colour changes the layout", name)
		}
		for line := range strings.Lines(escapes.ReplaceAllString(text, "")) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
			if strings.HasSuffix(line, " \n") {
				t.Errorf("%s: white space at the end of %q", name, line)
			}
		}
		if name == "ascii" {
			for _, r := range text {
				if r > unicode.MaxASCII {
					t.Errorf("%q in ASCII", r)
				}
			}
		}
	}
}

// A plan never shows what files hold.
func TestNoContents(t *testing.T) {
	p := manyMoves()
	var b bytes.Buffer
	if err := JSON(&b, Report{Plan: &p}); err != nil {
		t.Fatal(err)
	}
	if text := b.String() + page(Style{Verbose: true}, func(t *Text) { planView{t.writer}.show(p, userIDs(p)) }); strings.Contains(text, "secret") {
		t.Error(text)
	}
}

func TestJSONHasTheBytesOfThePlan(t *testing.T) {
	p := manyMoves()
	p.Notes = append(p.Notes, `<&> "…" `+"\u2028")
	want, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := JSON(&b, Report{Plan: &p}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b.Bytes(), want) {
		t.Errorf("%s\nis not in\n%s", want, b.String())
	}
}

func TestGroups(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []plan.Step
		want  []string
	}{
		{"one move", []plan.Step{uid(1, 301, 351)}, []string{"move _nixbld1, UID 301 → 351"}},
		{"moves with a gap", []plan.Step{uid(1, 301, 351), uid(3, 303, 353)}, []string{"move 2 build users, UIDs 301, 303 → 351, 353"}},
		{"a detour", []plan.Step{uid(1, 301, 31000), uid(2, 302, 301), uid(1, 31000, 302)}, []string{"move 2 build users, UIDs 301–302, 31000 → 301–302, 31000"}},
		{"scattered moves", []plan.Step{uid(1, 301, 351), uid(2, 311, 353), uid(3, 321, 355), uid(4, 331, 357)}, []string{"move 4 build users, UIDs 4 IDs from 301 to 331 → 4 IDs from 351 to 357"}},
		{"a group", []plan.Step{
			account.CreateRecord{Record: "/Groups/nixbld", GeneratedUID: "X"},
			account.SetAttribute{Record: "/Groups/nixbld", Key: "PrimaryGroupID", To: []string{"350"}, New: true},
		}, []string{"create /Groups/nixbld, GID 350"}},
		{"a user whose record was made before", []plan.Step{
			account.SetAttribute{Record: "/Users/_nixbld1", Key: "UniqueID", To: []string{"351"}, New: true},
			account.SetAttribute{Record: "/Users/_nixbld2", Key: "UniqueID", To: []string{"352"}, New: true},
		}, []string{"set UniqueID of 2 build users, UIDs 351–352"}},
		{"users and a group", []plan.Step{
			account.CreateRecord{Record: "/Users/_nixbld1", GeneratedUID: "X"}, account.CreateRecord{Record: "/Groups/nixbld", GeneratedUID: "Y"},
		}, []string{"create /Users/_nixbld1", "create /Groups/nixbld"}},
		{"not a number", []plan.Step{
			account.SetAttribute{Record: "/Users/a", Key: "UniqueID", From: []string{"x"}, To: []string{"351"}},
			account.SetAttribute{Record: "/Users/b", Key: "UniqueID", From: []string{"y"}, To: []string{"352"}},
		}, []string{"move 2 build users, UIDs x, y → 351–352"}},
		{"removed attributes", []plan.Step{
			account.SetAttribute{Record: "/Users/_nixbld1", Key: "Picture", From: []string{"x"}},
			account.SetAttribute{Record: "/Users/_nixbld2", Key: "Picture", From: []string{"y"}},
		}, []string{"remove Picture of 2 build users (_nixbld1–2)"}},
		{"nothing alike", []plan.Step{account.ReadBack{}, account.ReadBack{}, account.FlushAccounts{}}, []string{
			"read everything again and compare", "read everything again and compare", "flush the cache of account names",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var entries []plan.Entry
			for _, s := range test.steps {
				entries = append(entries, plan.Entry{Step: s})
			}
			var got []string
			next := 0
			for _, g := range Groups(entries) {
				if g.First != next || g.Last < g.First {
					t.Errorf("group %+v, and the next entry is %d", g, next)
				}
				next = g.Last + 1
				got = append(got, g.Text)
			}
			if next != len(entries) {
				t.Errorf("%d of %d entries", next, len(entries))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func uid(n, from, to int) plan.Step {
	return account.SetAttribute{Record: fmt.Sprintf("/Users/_nixbld%d", n), Key: "UniqueID", From: []string{fmt.Sprint(from)}, To: []string{fmt.Sprint(to)}}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                         "plain",
		"  two\n\t words\r\n":           "two words",
		"red \x1b[31mred\x1b[0m":        "red �red�",
		"\x1b]0;title\x07x":             "�x",
		"\x1b]8;;http://x\x1b\\y":       "�y",
		"\x1b]0;without end":            "�0;without end",
		"\u009b31mx":                    "�x",
		"\x1bcx":                        "�x",
		"\x1b":                          "�",
		"a\x00b\x7fc\u0085d":            "a�b�c d",
		"\u202eevil\u2066\u200b\ufeff":  "�evil���",
		"bad \xff\xfe utf-8":            "bad � utf-8",
		"Zoë Łódź 日本 ñ n\u0303":         "Zoë Łódź 日本 ñ n\u0303",
		"\U000e0041tag\U000f0000\ue000": "�tag��",
		"x\u3164y\u115fz":               "x�y�z",
		"line\u2028sep\u2029end":        "line sep end",
		"\x1bP+q\x1b\\after":            "�after",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := Clean(strings.Repeat("é", longest)); len(got) > longest+4 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("a long text has %d bytes", len(got))
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31m", "\x1b]0;x\x07", "\u202e", "\x9b", "\xff", "é\n", "0:0@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("%q holds %U", got, r)
			}
		}
		if Clean(got) != got {
			t.Errorf("%q is cleaned again to %q", got, Clean(got))
		}
		var b bytes.Buffer
		if err := ProblemJSON(&b, Problem{Message: s}); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(strings.TrimSuffix(b.String(), "\n"), func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }); i >= 0 {
			t.Errorf("%q in JSON", b.String())
		}
		var back struct{ Error Problem }
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if want := redact.Secrets(strings.ToValidUTF8(s, "\uFFFD")); utf8.ValidString(s) && back.Error.Message != want {
			t.Errorf("%q came back as %q", s, back.Error.Message)
		}
	})
}

func TestVerdicts(t *testing.T) {
	healthy := []Fix{{Name: "sequoia", Status: fix.OK}}
	mac := &Host{Facts: platform.Facts{OS: platform.Darwin, Product: "macOS", Version: "15.1"}}
	for want, r := range map[string]Report{
		"lixfix 1: 1 fix checked on macOS 15.1: all well":                                               {Lixfix: "1", Host: mac, Fixes: healthy},
		"lixfix 1: 1 fix checked on macOS (version unknown): all well":                                  {Lixfix: "1", Host: &Host{Facts: platform.Facts{OS: platform.Darwin}}, Fixes: healthy},
		"lixfix 1: 1 fix checked on Debian GNU/Linux 12 (bookworm): all well":                           {Lixfix: "1", Host: &Host{Facts: platform.Facts{OS: platform.Linux, Product: "Debian GNU/Linux 12 (bookworm)", Version: "12"}}, Fixes: healthy},
		"lixfix 1: nothing to check on this host: sequoia does not apply to Linux":                      {Lixfix: "1", Host: &Host{Facts: platform.Facts{OS: platform.Linux}}, Fixes: []Fix{{Name: "sequoia", Status: fix.NotApplicable}}},
		"lixfix 1: nothing to check on this host: a, b do not apply to Linux":                           {Lixfix: "1", Host: &Host{Facts: platform.Facts{OS: platform.Linux}}, Fixes: []Fix{{Name: "a", Status: fix.NotApplicable}, {Name: "b", Status: fix.NotApplicable}}},
		"lixfix 1: nothing to check on this host: there are no fixes":                                   {Lixfix: "1", Host: mac},
		"lixfix 1: 2 unfinished repairs wait; 1 fix checked on macOS 15.1: all well":                    {Lixfix: "1", Host: mac, Fixes: healthy, Waiting: []Waiting{{ID: "a"}, {ID: "b", Undo: true}}},
		"lixfix 1: an unfinished undo waits; 1 fix checked on macOS 15.1: all well":                     {Lixfix: "1", Host: mac, Fixes: healthy, Waiting: []Waiting{{ID: "a", Undo: true}}},
		"lixfix 1: 1 fix checked on macOS 15.1: 1 problem, 2 could not be checked (root can tell of 1)": {Lixfix: "1", Host: mac, Fixes: []Fix{{Status: fix.Broken, Findings: []fix.Finding{{Status: fix.Broken}, {Status: fix.Unknown}, {Status: fix.Unknown, NeedsRoot: true}}}}},
	} {
		if got := CheckVerdict(r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// agree checks that a definition of the schema has the fields of a struct, and requires those that are always there.
func TestSchemaAgreesWithStructs(t *testing.T) {
	var s jsonschema.Schema
	if err := json.Unmarshal(SchemaJSON(), &s); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(nil); err != nil {
		t.Fatal(err)
	}
	types := map[string]any{
		"report": Report{}, "host": Host{}, "facts": platform.Facts{}, "fix": Fix{}, "finding": fix.Finding{}, "evidence": fix.Evidence{},
		"remedy": fix.Remedy{}, "plan": plan.Plan{}, "setting": plan.Setting{}, "seat": figure.Place{}, "file": step.FileState{},
		"refused": Refused{}, "undecided": Undecided{}, "outcome": Outcome{}, "service": Service{}, "left": LeftToDo{}, "past": Past{}, "listed": Listed{},
		"explained": Explained{}, "option": Option{}, "made": Description{}, "problem": Problem{}, "event": Event{}, "at": At{},
		"process-id": platform.ProcessID{},
		"ladder":     daemon.Ladder{}, "rung": daemon.Rung{},
		"graph": diagnose.Report{}, "diagnosis": diagnose.Diagnosis{}, "action": diagnose.Action{}, "process": diagnose.Process{},
		"verify": verify.Ladder{}, "verify-rung": verify.Rung{},
		"probe": probe.Result{}, "nix-setting": sandbox.Setting{}, "inside": sandbox.Report{}, "inside-file": sandbox.File{}, "interface": sandbox.Interface{},
		"route": sandbox.Route{}, "query": sandbox.Query{},
		"thread": diagnose.Thread{}, "lock": diagnose.Lock{}, "edge": diagnose.Edge{}, "limit": observe.Limit{},
		"waiting": Waiting{}, "recorded": Recorded{}, "record": Record{}, "aside": Aside{}, "kind": Kind{}, "match": Match{}, "candidate": Candidate{}, "here": Here{}, "section": Section{}, "kind-of-remedy": KindOfRemedy{},
		"installation": installation.Page{}, "field": installation.Field{}, "nix-value": installation.Setting{},
	}
	steps := []plan.Step{
		account.SetAttribute{},
		account.CreateRecord{},
		account.DeleteRecord{},
		step.WriteFile{},
		step.StopService{},
		step.StartService{},
		account.ProbeConsent{},
		step.RequireIdle{},
		account.KeepNames{},
		account.ReadBack{},
		account.FlushAccounts{},
		step.EndProcess{},
		step.ContinueProcess{},
		step.EnableUnit{},
		step.SetMode{},
		step.SetLink{},
		step.StartUnit{},
		step.RestartUnit{},
		step.LoadModule{},
		step.MakeDir{},
		step.RemoveDir{},
		step.ReloadUnits{},
		step.ResetFailed{},
		step.StopUnit{},
		step.AwaitDaemon{},
		step.TryBuild{},
	}
	for _, step := range steps {
		types[step.Kind()] = step
	}
	for name, v := range types {
		def := s.Defs[name]
		if def == nil {
			t.Errorf("%s is not defined", name)
			continue
		}
		all, required := fields(reflect.TypeOf(v))
		var have []string
		for p := range def.Properties {
			have = append(have, p)
		}
		slices.Sort(have)
		if diff := cmp.Diff(all, have); diff != "" {
			t.Errorf("%s: properties (-struct +schema):\n%s", name, diff)
		}
		need := slices.Sorted(slices.Values(def.Required))
		if diff := cmp.Diff(required, need); diff != "" && len(required)+len(need) > 0 {
			t.Errorf("%s: required (-struct +schema):\n%s", name, diff)
		}
	}
	for name := range s.Defs {
		if _, ok := types[name]; !ok && !slices.Contains([]string{"step", "error", "status", "finding-id"}, name) {
			t.Errorf("%s is defined, and nothing has that form", name)
		}
	}
	if n := len(s.Defs["step"].OneOf); n != len(steps) {
		t.Errorf("%d kinds of steps in the schema, %d known here", n, len(steps))
	}
}

// fields are the names of a struct in JSON: all, and those that are always there.
func fields(t reflect.Type) (all, required []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			a, r := fields(f.Type)
			all, required = append(all, a...), append(required, r...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		all = append(all, name)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	slices.Sort(all)
	slices.Sort(required)
	return all, required
}

func TestReportsAreValid(t *testing.T) {
	var s jsonschema.Schema
	if err := json.Unmarshal(SchemaJSON(), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := manyMoves()
	r := upgraded()
	r.Plan = &p
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return JSON(b, r) },
		func(b *bytes.Buffer) error { return ProblemJSON(b, Problem{Message: "x", Code: 3}) },
	} {
		var b bytes.Buffer
		var doc any
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(doc); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{`{}`, `{"schema":2,"error":{"message":"x","code":1}}`, `{"schema":1,"lixfix":"1","command":"dance","summary":"","exit":0}`} {
		var doc any
		if err := json.Unmarshal([]byte(bad), &doc); err != nil {
			t.Fatal(err)
		}
		if resolved.Validate(doc) == nil {
			t.Errorf("%s is valid", bad)
		}
	}
	golden(t, "report.json", func() string {
		var b bytes.Buffer
		_ = JSON(&b, r)
		return b.String()
	}())
}
