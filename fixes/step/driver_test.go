package step_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	code := m.Run()
	platformtest.Clean()
	os.Exit(code)
}

const secret = "access-tokens = github.com=ghp_secret"

// steps has one of each kind.
var steps = []plan.Step{
	account.ProbeConsent{Record: "/Users/_nixbld5", Key: dscl.UniqueID, Value: "305", Later: "355"},
	step.StopService{Label: daemon, Plist: daemonPlist},
	step.RequireIdle{Pool: "/nix/var/nix/userpool", UIDs: []int{305, 355}},
	account.SetAttribute{Record: "/Users/_nixbld5", Key: dscl.UniqueID, From: []string{"305"}, To: []string{"355"}},
	account.CreateRecord{Record: "/Users/_nixbld1", GeneratedUID: "E75C1E93-9DD8-4E75-907A-EF5E09BED5C6"},
	account.DeleteRecord{Record: "/Users/_nixbld1", GeneratedUID: "E75C1E93-9DD8-4E75-907A-EF5E09BED5C6"},
	account.ReadBack{},
	step.WriteFile{
		Name: "/nix/receipt.json", Why: "record the new numbers", Before: step.NewFileState(platform.Content{Data: []byte(secret), Mode: 0o644, UID: 0, GID: 30000}),
		After: step.NewFileState(platform.Content{Data: []byte("new"), Mode: 0o600}),
	},
	account.FlushAccounts{},
	step.StartService{Label: daemon, Plist: daemonPlist},
	step.SetMode{Name: "/dev/net/tun", From: 0o600, To: 0o666, Why: "let pasta open it"},
	step.SetLink{Name: "/etc/resolv.conf", From: "/run/gone", To: "/run/systemd/resolve/stub-resolv.conf", Why: "lead to a file that is there"},
	step.StartUnit{Unit: "nix-daemon.socket", With: []string{"nix-daemon.service"}, Sockets: []string{"/nix/var/nix/daemon-socket/socket"}, On: true, Why: "so that the daemon answers"},
	step.RestartUnit{Unit: "nix-daemon.service", Idle: "/nix/var/nix/daemon-socket/socket", Start: true, Why: "read nix.conf again"},
	step.LoadModule{Module: "tun", On: true, Why: "make /dev/net/tun"},
	account.KeepNames{Record: "/Groups/nixbld", Names: []string{"_nixbld1", "_nixbld2"}, Made: []string{"_nixbld2"}},
	step.EndProcess{Process: platform.ProcessID{PID: 3510, Start: "123456", Boot: "b"}, Name: "worker 3510", GraceMS: 5000, Kill: true},
	step.ContinueProcess{Process: platform.ProcessID{PID: 3510, Start: "123456", Boot: "b"}, Name: "worker 3510"},
	step.EnableUnit{Unit: "lixfix-check.service", Target: "multi-user.target", On: true},
	step.MakeDir{Name: "/nix/var/nix/daemon-socket", Mode: 0o755, Sockets: []string{"socket"}, Why: "the daemon's socket stands in it"},
	step.RemoveDir{Name: "/nix/var/nix/daemon-socket", Mode: 0o755, Sockets: []string{"socket"}, Why: "take back: the daemon's socket stands in it"},
	step.ReloadUnits{Why: "nix-daemon.socket is linked now"},
	step.ResetFailed{Units: []string{"nix-daemon.socket", "nix-daemon.service"}, Why: "systemd has given up on them"},
	step.StopUnit{Unit: "nix-daemon.service", Idle: "/nix/var/nix/daemon-socket/socket", Why: "systemd opens no socket beside it"},
	step.AwaitDaemon{Socket: "/nix/var/nix/daemon-socket/socket"},
	step.TryBuild{Tools: "/nix/var/nix/profiles/default/bin", Socket: "/nix/var/nix/daemon-socket/socket"},
}

// TestKinds: no kind is listed twice, and of each there is a sample that the tests here read and write.
func TestKinds(t *testing.T) {
	var listed, samples []string
	for _, k := range step.Kinds() {
		listed = append(listed, k.Name())
	}
	for _, s := range steps {
		samples = append(samples, s.Kind())
	}
	slices.Sort(listed)
	slices.Sort(samples)
	if d := cmp.Diff(listed, samples); d != "" || len(slices.Compact(listed)) != len(samples) {
		t.Errorf("listed, and samples:\n%s", d)
	}
}

// TestJSONOfEachKind: a journal of yesterday has to be read by the lixfix of tomorrow.
func TestJSONOfEachKind(t *testing.T) {
	for _, s := range steps {
		t.Run(s.Kind(), func(t *testing.T) {
			entry := plan.Entry{Step: s, For: "sequoia/users-missing", Optional: s.Kind() == "flush-accounts"}
			var got bytes.Buffer
			data, err := json.Marshal(entry)
			if err == nil {
				err = json.Indent(&got, data, "", "  ")
			}
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString("\n\"" + s.String() + "\"\n")
			golden := filepath.Join("testdata", s.Kind()+".json")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Error(d)
			}
			again, err := step.Kinds().Entry(data)
			if err != nil {
				t.Fatal(err)
			}
			if next, err := json.Marshal(again); err != nil || !bytes.Equal(next, data) {
				t.Errorf("read and written again: %s, %v", next, err)
			}
			if again.Step.Kind() != s.Kind() || again.Step.String() != s.String() {
				t.Errorf("read again it is %v", again.Step)
			}
		})
	}
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	plain := func(steps string) string { return `{"schema":1,"id":"x","steps":[` + steps + `]}` }
	tests := []struct {
		name, text string
		schema     bool // the error is ErrSchema
	}{
		{"another schema", `{"schema":2,"steps":[{"kind":"new"}]}`, true},
		{"no schema", `{"steps":[]}`, true},
		{"an unknown kind", plain(`{"kind":"delete-group","step":{}}`), true},
		{"no kind", plain(`{"step":{}}`), true},
		{"an unknown field of a step", plain(`{"kind":"set-attribute","step":{"record":"/Users/x","unless":"y"}}`), false},
		{"an unknown field of an entry", plain(`{"kind":"read-back","unless":"y","step":{}}`), false},
		{"an unknown field in a file's state", plain(`{"kind":"write-file","step":{"name":"/x","before":{"acl":"x"}}}`), false},
		{"no step", plain(`{"kind":"read-back"}`), false},
		{"null for a step", plain(`{"kind":"set-attribute","step":null}`), false},
		{"a list for a step", plain(`{"kind":"set-attribute","step":[]}`), false},
		{"a number for a value", plain(`{"kind":"set-attribute","step":{"record":"/Users/x","key":"UniqueID","from":[301]}}`), false},
		{"null for an entry", plain(`null`), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := step.Kinds().Plan([]byte(tt.text))
			if err == nil || errors.Is(err, plan.ErrSchema) != tt.schema {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
}

func TestContentsAreNotInTheJSON(t *testing.T) {
	p := framed(plan.Entry{Step: steps[7]})
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"secret", "Z2hwX3NlY3JldA", "YWNjZXNzLXRva2Vucw"} {
		if bytes.Contains(data, []byte(text)) || strings.Contains(fmt.Sprintf("%v %s", steps[7], p.Entries[3].Step), text) {
			t.Errorf("%s is in %s", text, data)
		}
	}
	q, err := step.Kinds().Plan(data)
	if err != nil {
		t.Fatal(err)
	}
	blobs := p.Blobs()
	if err := q.Attach(blobs); err != nil || string(q.Entries[3].Step.(step.WriteFile).Before.Data()) != secret {
		t.Errorf("attached: %v", err)
	}
	for sum := range blobs {
		damaged := p.Blobs()
		damaged[sum] = []byte("something else")
		if err := q.Attach(damaged); err == nil {
			t.Error("a damaged content was attached")
		}
		delete(damaged, sum)
		if err := q.Attach(damaged); err == nil {
			t.Error("a missing content was accepted")
		}
	}
}

// run runs a plan and reports what happened to its steps: "begin 3", "done 3".
func run(t *testing.T, f platform.Host, p plan.Plan, log plan.Log, back bool, stop func() error) (events []string, err error) {
	t.Helper()
	d := plan.Driver{Host: f, Log: log, Stop: stop, Observe: func(e plan.Event) {
		events = append(events, fmt.Sprint(e.Phase, " ", e.Step.Kind()))
	}}
	if back {
		err = d.Rollback(t.Context(), p)
	} else {
		err = d.Run(t.Context(), p)
	}
	return events, err
}

// TestHoldsAreReleasedOnEveryWayOut: whatever happens, the daemon runs afterwards.
func TestHoldsAreReleasedOnEveryWayOut(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name    string
		prepare func(*fake, *memory) func() error
		panics  bool
		want    error // nil for any
	}{
		{"a step fails", func(f *fake, _ *memory) func() error {
			f.answer = func(_ int, args []string) error {
				if args[0] == "." && args[1] != "-change" {
					return boom
				}
				return nil
			}
			f.users["_nixbld2"][dscl.UserShell] = nil
			return nil
		}, false, nil},
		{"a guard fails, because a build runs", func(f *fake, _ *memory) func() error { f.processes = "  900   411   301 /bin/bash\n"; return nil }, false, step.ErrBusy},
		{"a guard fails, because a lock is held", func(f *fake, _ *memory) func() error { f.locked = []string{"301"}; return nil }, false, step.ErrBusy},
		{"a conflict", func(f *fake, _ *memory) func() error {
			f.users["_nixbld1"][dscl.UniqueID] = []string{"400"}
			return nil
		}, false, plan.ErrConflict},
		{"the journal cannot be written", func(_ *fake, m *memory) func() error {
			m.fail = func(i int, _ plan.Mark) error {
				if i == 3 {
					return boom
				}
				return nil
			}
			return nil
		}, false, boom},
		{"stopped between two steps", func(*fake, *memory) func() error {
			n := 0
			return func() error {
				if n++; n > 4 {
					return boom
				}
				return nil
			}
		}, false, boom},
		{"stopping the service fails half way", func(f *fake, _ *memory) func() error {
			f.answer = func(_ int, args []string) error {
				if args[0] == "bootout" {
					f.loaded = false
					return &platform.ToolError{Tool: "/bin/launchctl", Err: boom}
				}
				return nil
			}
			return nil
		}, false, nil},
		{"what is read back differs", func(f *fake, _ *memory) func() error {
			f.hook = func(_ int, stage string) {
				if stage == "after" {
					f.users["_nixbld2"][dscl.UniqueID] = []string{"302"}
				}
			}
			return nil
		}, false, nil},
		{"a panic", func(f *fake, _ *memory) func() error {
			return func() error {
				if !f.loaded {
					panic(boom)
				}
				return nil
			}
		}, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			p := framed(move("_nixbld1", "301", "351"), move("_nixbld2", "302", "352"))
			p.Entries = append(p.Entries, plan.Entry{Step: account.SetAttribute{Record: "/Users/_nixbld2", Key: dscl.RealName, To: []string{"x"}}})
			log := newMemory(p)
			stop := tt.prepare(f, log)
			func() {
				defer func() {
					if r := recover(); (r != nil) != tt.panics {
						t.Errorf("panic: %v", r)
					}
				}()
				_, err := run(t, f, p, log, false, stop)
				if err == nil && tt.name != "stopping the service fails half way" || tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("got %v", err)
				}
			}()
			if !f.loaded {
				t.Errorf("the daemon is not running after %q", f.calls)
			}
		})
	}
	t.Run("the context ends", func(t *testing.T) {
		f := newFake()
		p := framed(move("_nixbld1", "301", "351"), move("_nixbld2", "302", "352"))
		ctx, cancel := context.WithCancel(t.Context())
		f.hook = func(_ int, stage string) {
			if !f.loaded && stage == "after" {
				cancel()
			}
		}
		if err := (plan.Driver{Host: f, Log: newMemory(p)}).Run(ctx, p); !errors.Is(err, context.Canceled) || !f.loaded {
			t.Errorf("%v, the daemon runs: %v", err, f.loaded)
		}
	})
	t.Run("the plan does not release it, and starting fails", func(t *testing.T) {
		f := newFake()
		p := plan.Plan{Schema: plan.Schema, Entries: []plan.Entry{{Step: step.StopService{Label: daemon, Plist: "/elsewhere"}}, move("_nixbld1", "301", "351")}}
		if _, err := run(t, f, p, newMemory(p), false, nil); err == nil {
			t.Error("the daemon is out and nobody was told")
		}
	})
}

func TestStopBetweenSteps(t *testing.T) {
	f := newFake()
	p := framed(move("_nixbld1", "301", "351"), move("_nixbld2", "302", "352"), move("_nixbld3", "303", "353"))
	log := newMemory(p)
	why := errors.New("SIGTERM")
	_, err := run(t, f, p, log, false, func() error {
		if len(f.users["_nixbld2"][dscl.UniqueID]) > 0 && f.users["_nixbld2"][dscl.UniqueID][0] == "352" {
			return why
		}
		return nil
	})
	var stopped *plan.Interrupted
	if !errors.As(err, &stopped) || !errors.Is(stopped.Cause, why) {
		t.Errorf("got %v", err)
	}
	want := []plan.Mark{plan.Done, plan.Done, plan.Done, plan.Done, plan.Done, plan.Untouched, plan.Untouched, plan.Untouched, plan.Untouched}
	if d := cmp.Diff(want, log.marks); d != "" {
		t.Error(d)
	}
	events, err := run(t, f, p, log, false, nil)
	if err != nil || f.users["_nixbld3"][dscl.UniqueID][0] != "353" {
		t.Error(err)
	}
	// What was done is not done again; what guards it is.
	wantEvents := []string{
		"begin probe-consent", "done probe-consent", "begin stop-service", "done stop-service", "begin require-idle", "done require-idle",
		"begin set-attribute", "done set-attribute", "begin read-back", "done read-back", "begin flush-accounts", "done flush-accounts",
		"begin start-service", "done start-service",
	}
	if d := cmp.Diff(wantEvents, events); d != "" {
		t.Error(d)
	}
	events, err = run(t, f, p, log, false, nil)
	if d := cmp.Diff([]string{"begin read-back", "done read-back"}, events); err != nil || d != "" {
		t.Errorf("all is done: %v, %s", err, d)
	}
}

func TestOptionalSteps(t *testing.T) {
	f := newFake()
	hidden := plan.Entry{Optional: true, Step: account.SetAttribute{Record: "/Users/_nixbld1", Key: dscl.IsHidden, To: []string{"1"}}}
	strange := plan.Entry{Optional: true, Step: account.SetAttribute{Record: "/Users/_nixbld1", Key: dscl.RealName, From: []string{"a"}, To: []string{"b"}}}
	f.users["_nixbld1"][dscl.RealName] = []string{"c"}
	p := framed(hidden, strange, move("_nixbld1", "301", "351"))
	f.answer = func(_ int, args []string) error {
		if len(args) > 3 && args[3] == dscl.IsHidden || args[0] == "-flushcache" {
			return failure(dscl.Tool, 70, "*** Uncaught Exception: no")
		}
		return nil
	}
	log := newMemory(p)
	events, err := run(t, f, p, log, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.Mark{plan.Done, plan.Done, plan.Done, plan.Skipped, plan.Skipped, plan.Done, plan.Done, plan.Begun, plan.Done}
	if d := cmp.Diff(want, log.marks); d != "" {
		t.Error(d)
	}
	if n := strings.Count(strings.Join(events, ","), "tolerated"); n != 3 || log.whys[3] == "" || log.whys[4] == "" {
		t.Errorf("%d tolerated: %q, reasons %q", n, events, log.whys)
	}
	f.answer = nil
	if events, err = run(t, f, p, log, true, nil); err != nil || strings.Contains(strings.Join(events, ","), "refused") {
		t.Errorf("taking it back: %q, %v", events, err)
	}
	if got := f.users["_nixbld1"]; got[dscl.UniqueID][0] != "301" || got[dscl.RealName][0] != "c" {
		t.Errorf("got %v", got)
	}
}

func TestRollbackRefusesWhatHasChangedSince(t *testing.T) {
	f := newFake()
	p := framed(
		move("_nixbld1", "301", "351"), move("_nixbld2", "302", "352"),
		plan.Entry{Step: account.CreateRecord{Record: "/Users/_nixbld9", GeneratedUID: "NEW"}},
		plan.Entry{Step: account.SetAttribute{Record: "/Users/_nixbld9", Key: dscl.UniqueID, To: []string{"359"}, New: true}},
		plan.Entry{Step: account.CreateRecord{Record: "/Users/_nixbld8", GeneratedUID: "NEW8"}},
		move("_nixbld3", "303", "353"),
	)
	log := newMemory(p)
	if _, err := run(t, f, p, log, false, nil); err != nil {
		t.Fatal(err)
	}
	// Afterwards somebody else moves one user, takes the old ID of another, and makes one of our users theirs.
	f.users["_nixbld1"][dscl.UniqueID] = []string{"401"}
	f.users["_modelmanagerd"] = attributes{dscl.UniqueID: {"302"}, dscl.GeneratedUID: {"APPLE"}}
	f.users["_nixbld9"][dscl.GeneratedUID] = []string{"THEIRS"}
	// And macOS does not let us delete accounts.
	f.answer = func(_ int, args []string) error {
		if len(args) == 3 && args[1] == "-delete" {
			return failure(dscl.Tool, 40, "<main> delete status: eDSPermissionError\n<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n")
		}
		return nil
	}
	_, err := run(t, f, p, log, true, nil)
	var refused *plan.RefusedSteps
	if !errors.As(err, &refused) || len(refused.Reasons) != 4 {
		t.Fatalf("got %v: %q", err, refused)
	}
	for name, id := range map[string]string{"_nixbld1": "401", "_nixbld2": "352", "_nixbld3": "303", "_nixbld9": "359", "_modelmanagerd": "302"} {
		if got := f.users[name][dscl.UniqueID]; len(got) != 1 || got[0] != id {
			t.Errorf("%s is at %v, want %s", name, got, id)
		}
	}
	if f.users["_nixbld8"] == nil || !f.loaded {
		t.Error("the user that macOS keeps is gone, or the daemon is out")
	}
}

func TestReadBackFindsWhatDoesNotHold(t *testing.T) {
	f := newFake()
	p := framed(
		plan.Entry{Step: account.SetAttribute{Record: "/Groups/nixbld", Key: dscl.GroupMembership, From: f.groups["nixbld"][dscl.GroupMembership], To: []string{"_nixbld1"}}},
		plan.Entry{Step: account.SetAttribute{Record: "/Users/_nixbld1", Key: dscl.UserShell, From: []string{"/sbin/nologin"}}},
	)
	// dscl exits 0 and removes nothing, as for native names on macOS 26.
	f.answer = func(_ int, args []string) error {
		if len(args) > 1 && args[1] == "-delete" {
			return errNothing
		}
		return nil
	}
	_, err := run(t, f, p, newMemory(p), false, nil)
	var hinted *plan.Hinted
	if err == nil || !errors.As(err, &hinted) || !strings.Contains(err.Error(), "UserShell of /Users/_nixbld1 is /sbin/nologin and should be not set") {
		t.Errorf("got %v", err)
	}
	if n := f.reads.Load(); n > 8 { // before the first write, and three times to find out that it is no use
		t.Errorf("the directory was read by %d calls", n)
	}
}

// TestDsclFaults runs a move, a new user and a list of the group over the stand-in, which fails as Macs were seen to.
func TestDsclFaults(t *testing.T) {
	fail := func(verb string, nth int, exit int, stderr string) mac.Fault {
		return mac.Fault{Tool: "dscl", Args: []string{"^-" + verb + "$"}, Nth: nth, Fail: true, Exit: exit, Stderr: stderr}
	}
	nothing := fail("change", 2, 0, "")
	nothing.Times = -1
	tests := []struct {
		name     string
		faults   []mac.Fault
		switches mac.Switches
		want     func(error) bool // nil when the plan succeeds
	}{
		{name: "none"},
		{name: "-14988 before the attribute is written", faults: []mac.Fault{mac.Spurious(2)}},
		{name: "-14988 after the old values are gone", faults: []mac.Fault{mac.SpuriousLoss(1)}},
		{name: "killed without a word", faults: []mac.Fault{mac.KilledTool("^-change$", 1), mac.KilledTool("^GroupMembership$", 1)}},
		{name: "killed after it has written", faults: []mac.Fault{
			{Tool: "dscl", Args: []string{"^-create$", "^UniqueID$"}, At: mac.After, Signal: "KILL", Self: true},
			{Tool: "dscl", Args: []string{"^-change$"}, Nth: 2, At: mac.After, Signal: "KILL", Self: true},
		}},
		{name: "an unknown failure after it has written", faults: []mac.Fault{
			{Tool: "dscl", Args: []string{"^-change$"}, Nth: 2, At: mac.After, Fail: true, Exit: 70, Stderr: "Operation failed with error: x\n"},
		}},
		{name: "-change does nothing and exits 0", faults: []mac.Fault{nothing}},
		{name: "-change is not known to the node", switches: mac.Switches{ChangeStatus: -14987}},
		{name: "-change never finds the old value", switches: mac.Switches{ChangeStatus: -14134}},
		{name: "-change ends with a status nobody knows", switches: mac.Switches{ChangeStatus: -14199}},
		{name: "no consent", switches: mac.Switches{ChangeStatus: -14120}, want: dscl.Refused},
		{name: "the value is taken", switches: mac.Switches{ChangeStatus: -14135}, want: dscl.Taken},
		{name: "-create fails for good", faults: []mac.Fault{fail("create", 1, 70, "*** Uncaught Exception: x\n")}, want: func(err error) bool {
			var e *platform.ToolError
			return errors.As(err, &e) && e.Exit == 70
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			m, err := platformtest.Mac(root, mac.Options{Few: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.BuildUsers(mac.Build{Count: 2}); err != nil {
				t.Fatal(err)
			}
			if err := m.Config(func(c *mac.Config) { c.Faults, c.Switches = tt.faults, tt.switches }); err != nil {
				t.Fatal(err)
			}
			before, err := m.Tree()
			if err != nil {
				t.Fatal(err)
			}
			p := framed(
				move("_nixbld1", "301", "351"),
				plan.Entry{Step: account.CreateRecord{Record: "/Users/_nixbld3", GeneratedUID: "E75C1E93-9DD8-4E75-907A-EF5E09BED5C6"}},
				plan.Entry{Step: account.SetAttribute{Record: "/Users/_nixbld3", Key: dscl.NFSHomeDirectory, To: []string{"/var/empty"}, New: true}},
				plan.Entry{Step: account.SetAttribute{Record: "/Users/_nixbld3", Key: dscl.UniqueID, To: []string{"353"}, New: true}},
				plan.Entry{Step: account.SetAttribute{
					Record: "/Groups/nixbld", Key: dscl.GroupMembership, From: []string{"_nixbld1", "_nixbld2"}, To: []string{"_nixbld1", "_nixbld2", "_nixbld3"},
				}},
			)
			h, log := platformtest.Inside(root, 0), newMemory(p)
			_, err = run(t, h, p, log, false, nil)
			if tt.want != nil {
				if err == nil || !tt.want(err) {
					t.Errorf("got %v", err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if err := m.Config(func(c *mac.Config) { c.Faults = nil }); err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				d, err := dscl.Read(t.Context(), h)
				if err != nil {
					t.Fatal(err)
				}
				ids := map[string]string{}
				for _, u := range d.Users {
					if strings.HasPrefix(u.Name, "_nixbld") {
						ids[u.Name] = strings.Join(u.Values(dscl.UniqueID), ",")
					}
				}
				if d := cmp.Diff(map[string]string{"_nixbld1": "351", "_nixbld2": "302", "_nixbld3": "353"}, ids); d != "" {
					t.Error(d)
				}
			}
			if _, err := run(t, h, p, log, true, nil); err != nil {
				t.Fatal(err)
			}
			after, err := m.Tree()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(before, after); d != "" {
				t.Error("taken back:", d)
			}
			c, err := m.ReadConfig()
			if err != nil || !c.Service(mac.DaemonLabel).Loaded {
				t.Error("the daemon is not loaded", err)
			}
		})
	}
}

func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFake()
	p := framed(move("_nixbld1", "301", "351"))
	tries := 0
	f.answer = func(_ int, args []string) error {
		if args[0] == "." && args[3] == dscl.UniqueID {
			tries++
			return &platform.ToolError{Tool: dscl.Tool, Exit: -1, Signal: syscall.SIGKILL}
		}
		return nil
	}
	began := time.Now()
	_, err := run(t, f, p, newMemory(p), false, nil)
	var hinted *plan.Hinted
	if !errors.As(err, &hinted) || tries != 10 || time.Since(began) > 10*time.Second {
		t.Errorf("%d tries in %s: %v", tries, time.Since(began), err)
	}
	// The end of the context ends the waiting.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began, tries = time.Now(), 0
	err = plan.Driver{Host: f, Log: newMemory(p)}.Run(ctx, p)
	if err == nil || time.Since(began) > 5*time.Second || tries > 2 || !f.loaded {
		t.Errorf("%d tries in %s: %v", tries, time.Since(began), err)
	}
}

// TestTornValues resumes on every state that a killed dscl leaves, and refuses the same where no write was in flight.
func TestTornValues(t *testing.T) {
	names := []string{"_nixbld1", "_nixbld2", "_nixbld3", "_nixbld4", "_nixbld5"}
	list := account.SetAttribute{Record: "/Groups/nixbld", Key: dscl.GroupMembership, From: names, To: []string{"a", "b", "c"}}
	create := account.CreateRecord{Record: "/Users/_nixbld9", GeneratedUID: "NEW"}
	lone := move("_nixbld1", "301", "351").Step.(account.SetAttribute)
	group := func(v ...string) func(*fake) {
		return func(f *fake) { f.groups["nixbld"][dscl.GroupMembership] = v }
	}
	tests := []struct {
		name  string
		step  plan.Write
		state func(*fake)
		torn  bool // else Foreign
	}{
		{"the user ID is lost", lone, func(f *fake) { delete(f.users["_nixbld1"], dscl.UniqueID) }, true},
		{"the list is lost", list, group(), true},
		{"a part of the new list", list, group("a", "b"), true},
		{"a part of the old list", list, group("_nixbld1"), true},
		{"parts of both", list, group("_nixbld1", "b"), false},
		{"more than the new list", list, group("a", "b", "c", "d"), false},
		{"another order", list, group("c", "b", "a"), false},
		{"two user IDs", lone, func(f *fake) { f.users["_nixbld1"][dscl.UniqueID] = []string{"301", "351"} }, false},
		{"the user is gone", lone, func(f *fake) { delete(f.users, "_nixbld1") }, false},
		{"the target belongs to somebody", lone, func(f *fake) { f.users["_defendpoint"] = attributes{dscl.UniqueID: {"351"}} }, false},
		{"a record without a GeneratedUID", create, func(f *fake) { f.users["_nixbld9"] = attributes{} }, true},
		{"a record with a GeneratedUID of macOS", create, func(f *fake) { f.users["_nixbld9"] = attributes{dscl.GeneratedUID: {"MADE"}} }, true},
		{"somebody's record", create, func(f *fake) { f.users["_nixbld9"] = attributes{dscl.GeneratedUID: {"X"}, dscl.UniqueID: {"501"}} }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, inFlight := range []bool{false, true} {
				f := newFake()
				tt.state(f)
				before := f.world()
				p := framed(plan.Entry{Step: tt.step})
				log := newMemory(p)
				if inFlight {
					log.marks[3] = plan.Begun
				}
				_, err := run(t, f, p, log, false, nil)
				if inFlight && tt.torn {
					if err != nil {
						t.Errorf("in flight: %v", err)
					}
					if state, why, err := tt.step.State(t.Context(), plan.NewPass(f)); err != nil || state != plan.Applied {
						t.Errorf("in flight: state %d, %s, %v", state, why, err)
					}
					continue
				}
				if !errors.Is(err, plan.ErrConflict) {
					t.Errorf("in flight %v: %v", inFlight, err)
				}
				same(t, "nothing was written", before, f.world())
			}
		})
	}
}

// TestUndoThatWasKilledAndResumed changes its mind: the user that the killed undo deleted is whole again.
func TestUndoThatWasKilledAndResumed(t *testing.T) {
	f := newFake()
	p := framed(
		plan.Entry{Step: account.CreateRecord{Record: "/Users/_nixbld9", GeneratedUID: "NEW"}},
		plan.Entry{Step: account.SetAttribute{Record: "/Users/_nixbld9", Key: dscl.NFSHomeDirectory, To: []string{"/var/empty"}, New: true}},
		plan.Entry{Step: account.SetAttribute{Record: "/Users/_nixbld9", Key: dscl.UniqueID, To: []string{"359"}, New: true}},
	)
	log := newMemory(p)
	if _, err := run(t, f, p, log, false, nil); err != nil {
		t.Fatal(err)
	}
	target := f.world()
	f.hook = func(_ int, stage string) {
		if f.users["_nixbld9"] == nil && stage == "after" {
			f.die()
		}
	}
	if err, lived := f.live(func() error { return plan.Driver{Host: f, Log: log}.Rollback(t.Context(), p) }); lived {
		t.Fatal("it was not killed:", err)
	}
	if _, err := run(t, f, p, log, false, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "resumed", target, f.world())
}

// TestUndoKeepsNames deletes users whom the group named before they were made, on a Mac that takes deleted users out of
// their groups, and is killed at each of its writes.
func TestUndoKeepsNames(t *testing.T) {
	create := func(name, id string) []plan.Entry {
		return []plan.Entry{
			{Step: account.CreateRecord{Record: "/Users/" + name, GeneratedUID: "NEW-" + name}},
			{Step: account.SetAttribute{Record: "/Users/" + name, Key: dscl.UniqueID, To: []string{id}, New: true}},
		}
	}
	killed := 0
	for k := 0; ; k++ {
		f := newFake()
		f.prunes = true
		names := []string{"_nixbld1", "_nixbld8", "_nixbld2", "_nixbld3", "_nixbld9", "_nixbld4", "_nixbld5"}
		f.groups["nixbld"][dscl.GroupMembership] = names
		before := f.world()
		keep := plan.Entry{Step: account.KeepNames{Record: "/Groups/nixbld", Names: names, Made: []string{"_nixbld8", "_nixbld9"}}}
		p := framed(slices.Concat([]plan.Entry{keep}, create("_nixbld8", "358"), create("_nixbld9", "359"))...)
		log := newMemory(p)
		if _, err := run(t, f, p, log, false, nil); err != nil {
			t.Fatal(err)
		}
		if got := f.groups["nixbld"][dscl.GroupMembership]; !slices.Equal(got, names) {
			t.Errorf("repaired: %q", got)
		}
		n := 0
		f.hook = func(int, string) {
			if n++; n > k {
				f.die()
			}
		}
		err, lived := f.live(func() error { return plan.Driver{Host: f, Log: log}.Rollback(t.Context(), p) })
		if lived {
			if err != nil {
				t.Error(err)
			}
			same(t, "undone", before, f.world())
			break
		}
		killed++
		if err := (plan.Driver{Host: f, Log: log}).Rollback(t.Context(), p); err != nil {
			t.Errorf("killed after %d: %v", k, err)
		}
		same(t, fmt.Sprintf("killed after %d and undone", k), before, f.world())
	}
	if killed < 10 {
		t.Errorf("it was killed %d times", killed)
	}

	step := account.KeepNames{Record: "/Groups/nixbld", Names: []string{"_nixbld9", "_nixbld1"}, Made: []string{"_nixbld9"}, Back: true}
	for _, tt := range []struct {
		name string
		now  []string
		want plan.State
	}{
		{"as it was", []string{"_nixbld9", "_nixbld1"}, plan.Applied},
		{"more names", []string{"_nixbld9", "_nixbld1", "alice"}, plan.Applied},
		{"another order", []string{"_nixbld1", "_nixbld9"}, plan.Applied},
		{"taken out", []string{"_nixbld1"}, plan.Pending},
		{"taken out, and more names", []string{"_nixbld1", "alice"}, plan.Foreign},
		{"not written", nil, plan.Torn},
		{"half written", []string{"_nixbld9"}, plan.Torn},
	} {
		f := newFake()
		f.groups["nixbld"][dscl.GroupMembership] = tt.now
		if state, why, err := step.State(t.Context(), plan.NewPass(f)); state != tt.want || err != nil {
			t.Errorf("%s: %v, %s, %v", tt.name, state, why, err)
		}
	}
}

func TestPreview(t *testing.T) {
	f := newFake()
	f.users["_nixbld2"][dscl.UniqueID] = []string{"352"}
	f.users["_nixbld3"][dscl.UniqueID] = []string{"399"}
	p := framed(
		move("_nixbld1", "301", "31000"), move("_nixbld2", "302", "352"), move("_nixbld3", "303", "353"), move("_nixbld1", "31000", "351"),
	)
	before := f.world()
	got, err := plan.Preview(t.Context(), f, p)
	if err != nil {
		t.Fatal(err)
	}
	var states []plan.State
	for _, v := range got[3:7] {
		states = append(states, v.State)
	}
	if d := cmp.Diff([]plan.State{plan.Pending, plan.Applied, plan.Foreign, plan.Pending}, states); d != "" {
		t.Error(d)
	}
	same(t, "after the preview", before, f.world())
	if len(f.calls) > 0 {
		t.Errorf("the preview called %q", f.calls)
	}
}
