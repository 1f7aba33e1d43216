package step_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

const (
	daemon      = "org.nixos.nix-daemon"
	daemonPlist = "/Library/LaunchDaemons/org.nixos.nix-daemon.plist"
)

type attributes map[string][]string

// fake is a Mac in memory, for properties that need thousands of runs; the stand-in's tools are processes.
type fake struct {
	platform.Host // nil: what is not below is not asked for

	users, groups map[string]attributes
	files         map[string]platform.Content
	loaded        bool     // the daemon
	processes     string   // further lines of ps
	locked        []string // user IDs in the pool
	prunes        bool     // deleting a user takes it out of the groups

	runs  int
	calls []string
	reads atomic.Int32
	made  int
	dead  bool // after a crash nothing may reach the machine

	// hook is called within a tool call that writes: "before", at every stage that a kill can leave, and "after".
	hook func(run int, stage string)
	// answer replaces what a tool call would do; nil for what it does.
	answer func(run int, args []string) error
}

func newFake() *fake {
	f := &fake{
		users: map[string]attributes{
			"root":    {dscl.UniqueID: {"0"}, dscl.GeneratedUID: {"FFFFEEEE-DDDD-CCCC-BBBB-AAAA00000000"}, dscl.NFSHomeDirectory: {"/var/root"}},
			"_modeld": {dscl.UniqueID: {"299"}, dscl.GeneratedUID: {"FFFFEEEE-DDDD-CCCC-BBBB-AAAA0000012B"}, dscl.NFSHomeDirectory: {"/var/empty"}},
		},
		groups: map[string]attributes{
			"wheel":  {dscl.PrimaryGroupID: {"0"}},
			"nixbld": {dscl.PrimaryGroupID: {"30000"}, dscl.GeneratedUID: {"G"}},
		},
		files:  map[string]platform.Content{"/nix/receipt.json": {Data: []byte("{}\n"), Mode: 0o644}},
		loaded: true,
	}
	for i := 1; i <= 5; i++ {
		name := fmt.Sprintf("_nixbld%d", i)
		f.users[name] = attributes{
			dscl.UniqueID: {fmt.Sprint(300 + i)}, dscl.PrimaryGroupID: {"30000"}, dscl.GeneratedUID: {"GUID-" + name},
			dscl.NFSHomeDirectory: {"/var/empty"}, dscl.UserShell: {"/sbin/nologin"},
		}
		f.groups["nixbld"][dscl.GroupMembership] = append(f.groups["nixbld"][dscl.GroupMembership], name)
	}
	return f
}

// world is what a repair can change.
type world struct {
	Users, Groups map[string]attributes
	Files         map[string]platform.Content
	Loaded        bool
}

func (f *fake) world() world {
	copied := func(m map[string]attributes) map[string]attributes {
		c := map[string]attributes{}
		for name, a := range m {
			c[name] = maps.Clone(a)
		}
		return c
	}
	return world{copied(f.users), copied(f.groups), maps.Clone(f.files), f.loaded}
}

// crash is the death of lixfix.
type crash struct{}

func (f *fake) die() {
	f.dead = true
	panic(crash{})
}

// live runs do and reports whether lixfix lived to see its end.
func (f *fake) live(do func() error) (err error, lived bool) { //nolint:revive // the error is not the news
	f.dead = false
	defer func() {
		if f.dead {
			if r := recover(); r != (crash{}) {
				panic(r)
			}
			f.hook, f.dead, lived = nil, false, false
		}
	}()
	return do(), true
}

func (f *fake) Facts() platform.Facts { return platform.Facts{OS: platform.Darwin} }
func (f *fake) StateDir() string      { return "/var/db/lixfix" }

func (f *fake) alive() {
	if f.dead {
		panic(crash{})
	}
}

func (f *fake) Stat(_ context.Context, name string) (platform.FileInfo, error) {
	f.alive()
	c, ok := f.files[name]
	if !ok {
		return platform.FileInfo{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return platform.FileInfo{Mode: c.Mode, UID: c.UID, GID: c.GID, Size: int64(len(c.Data))}, nil
}

func (f *fake) ReadFile(_ context.Context, name string) ([]byte, error) {
	f.alive()
	c, ok := f.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return c.Data, nil
}

func (f *fake) ReadDir(context.Context, string) ([]string, error) {
	f.alive()
	return f.locked, nil
}

func (f *fake) Locked(context.Context, string) (bool, error) { return true, nil }

func (f *fake) WriteFile(_ context.Context, name string, c platform.Content) error {
	f.alive()
	f.runs++
	f.at("before")
	f.files[name+".new"] = c
	f.at("beside")
	delete(f.files, name+".new")
	f.files[name] = c
	f.at("after")
	return nil
}

func (f *fake) Tidy(_ context.Context, name string) error {
	f.alive()
	delete(f.files, name+".new")
	return nil
}

func (f *fake) Remove(_ context.Context, name string) error {
	f.alive()
	f.runs++
	f.at("before")
	delete(f.files, name)
	f.at("after")
	return nil
}

func (f *fake) at(stage string) {
	if f.hook != nil {
		f.hook(f.runs, stage)
	}
}

func failure(tool string, exit int, stderr string) error {
	return &platform.ToolError{Tool: tool, Exit: exit, Stderr: stderr}
}

func (f *fake) Query(ctx context.Context, tool string, args ...string) ([]byte, error) {
	f.alive()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch {
	case tool == "/bin/ps":
		return []byte("    1     0     0 /sbin/launchd\n" + f.processes), nil
	case tool == "/bin/launchctl" && args[0] == "managername":
		return []byte("Aqua\n"), nil
	case tool == "/bin/launchctl":
		if !f.loaded {
			return nil, failure(tool, 113, "Could not find service")
		}
		return []byte("system/" + daemon + " = {\n\tpid = 411\n}\n"), nil
	case tool == dscl.Tool && args[2] == "-readall":
		f.reads.Add(1)
		var b strings.Builder
		b.WriteString("<plist><array>")
		m := f.kind(args[3])
		for _, name := range slices.Sorted(maps.Keys(m)) {
			b.WriteString(f.dict(name, m[name]))
		}
		return []byte(b.String() + "</array></plist>"), nil
	case tool == dscl.Tool && args[2] == "-read":
		p, err := dscl.ParsePath(args[3])
		if err != nil {
			return nil, err
		}
		a, ok := f.kind("/" + p.Type)[p.Name]
		if !ok {
			return nil, failure(tool, 56, "<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)")
		}
		return []byte("<plist>" + f.dict(p.Name, a) + "</plist>"), nil
	}
	return nil, fmt.Errorf("unexpected: %s %q", tool, args)
}

func (f *fake) kind(path string) map[string]attributes {
	if strings.HasPrefix(path, "/Users") {
		return f.users
	}
	return f.groups
}

func (*fake) dict(name string, a attributes) string {
	var b strings.Builder
	b.WriteString("<dict><key>dsAttrTypeStandard:RecordName</key><array><string>" + name + "</string></array>")
	for key, values := range a {
		b.WriteString("<key>dsAttrTypeStandard:" + key + "</key><array>")
		for _, v := range values {
			b.WriteString("<string>" + v + "</string>")
		}
		b.WriteString("</array>")
	}
	return b.String() + "</dict>"
}

func (f *fake) Run(ctx context.Context, tool string, args ...string) error {
	f.alive()
	if err := ctx.Err(); err != nil {
		return &platform.ToolError{Tool: tool, Args: args, Err: err}
	}
	f.runs++
	f.calls = append(f.calls, strings.Join(append([]string{tool}, args...), " "))
	f.at("before")
	if f.answer != nil {
		if err := f.answer(f.runs, args); err != nil {
			if errors.Is(err, errNothing) {
				return nil
			}
			return err
		}
	}
	err := f.do(tool, args)
	f.at("after")
	return err
}

// errNothing is the answer of a tool that reports success and does nothing.
var errNothing = errors.New("nothing")

func (f *fake) do(tool string, args []string) error {
	switch {
	case tool == "/usr/bin/dscacheutil":
		return nil
	case tool == "/bin/launchctl" && args[0] == "bootout":
		if !f.loaded {
			return failure(tool, 3, "Boot-out failed: 3: No such process")
		}
		f.loaded = false
		return nil
	case tool == "/bin/launchctl" && args[0] == "bootstrap":
		if f.loaded {
			return failure(tool, 5, "Bootstrap failed: 5: Input/output error")
		}
		f.loaded = true
		return nil
	case tool != dscl.Tool || args[0] != ".":
		return fmt.Errorf("unexpected: %s %q", tool, args)
	}
	verb, path, args := args[1], args[2], args[3:]
	p, err := dscl.ParsePath(path)
	if err != nil {
		return err
	}
	m := f.kind(path)
	if m[p.Name] == nil {
		if verb != "-create" {
			return failure(tool, 185, "<dscl_cmd> DS Error: -14009 (eDSUnknownNodeName)")
		}
		m[p.Name] = attributes{}
		f.at("record")
		f.made++
		m[p.Name][dscl.GeneratedUID] = []string{fmt.Sprintf("MADE-%d", f.made)}
		f.at("guid")
	}
	a := m[p.Name]
	taken := func(id string) bool {
		for name, other := range f.users {
			if name != p.Name && slices.Contains(other[dscl.UniqueID], id) {
				return true
			}
		}
		return false
	}
	switch verb {
	case "-create":
		if args[0] == dscl.UniqueID && taken(args[1]) {
			return failure(tool, 55, "<dscl_cmd> DS Error: -14135 (eDSRecordAlreadyExists)")
		}
		for n := range args[1:] {
			if a[args[0]] = args[1 : 1+n : 1+n]; n == 0 {
				delete(a, args[0])
			}
			f.at("values")
		}
		a[args[0]] = args[1:]
	case "-change":
		i := slices.Index(a[args[0]], args[1])
		switch {
		case i < 0:
			return failure(tool, 54, "<dscl_cmd> DS Error: -14134 (eDSAttributeNotFound)")
		case args[0] == dscl.UniqueID && taken(args[2]):
			return failure(tool, 55, "<dscl_cmd> DS Error: -14135 (eDSRecordAlreadyExists)")
		}
		a[args[0]] = slices.Clone(a[args[0]])
		a[args[0]][i] = args[2]
	case "-delete":
		if len(args) == 0 {
			delete(m, p.Name)
			f.at("deleted")
			for _, g := range f.groups {
				if names := g[dscl.GroupMembership]; f.prunes && p.Type == dscl.Users && slices.Contains(names, p.Name) {
					g[dscl.GroupMembership] = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == p.Name })
				}
			}
			return nil
		}
		delete(a, args[0])
	default:
		return fmt.Errorf("unexpected: %s", verb)
	}
	return nil
}

// memory is a Log that survives a crash.
type memory struct {
	marks []plan.Mark
	whys  []string
	fail  func(i int, m plan.Mark) error
}

func newMemory(p plan.Plan) *memory {
	return &memory{marks: make([]plan.Mark, len(p.Entries)), whys: make([]string, len(p.Entries))}
}

func (m *memory) Marks() []plan.Mark { return slices.Clone(m.marks) }

func (m *memory) Set(i int, mark plan.Mark, why string) error {
	if m.fail != nil {
		if err := m.fail(i, mark); err != nil {
			return err
		}
	}
	m.marks[i], m.whys[i] = mark, why
	return nil
}

// framed puts writes into the frame of a repair.
func framed(writes ...plan.Entry) plan.Plan {
	entries := []plan.Entry{
		{Step: account.ProbeConsent{Record: "/Users/_nixbld1", Key: dscl.UserShell, Value: "/sbin/nologin"}},
		{Step: step.StopService{Label: daemon, Plist: daemonPlist}},
		{Step: step.RequireIdle{Pool: "/nix/var/nix/userpool", UIDs: []int{301, 351}}},
	}
	entries = append(entries, writes...)
	entries = append(entries,
		plan.Entry{Step: account.ReadBack{}},
		plan.Entry{Step: account.FlushAccounts{}, Optional: true},
		plan.Entry{Step: step.StartService{Label: daemon, Plist: daemonPlist}},
	)
	return plan.Plan{Schema: plan.Schema, ID: "20260101-000000-test-0000", Fix: "test", Entries: entries}
}

// move is the step that every repair consists of.
func move(name, from, to string) plan.Entry {
	return plan.Entry{Step: account.SetAttribute{Record: "/Users/" + name, Key: dscl.UniqueID, From: []string{from}, To: []string{to}}}
}
