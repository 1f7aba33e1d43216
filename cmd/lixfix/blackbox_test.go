//go:build linux

package main_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// chroot runs a program that lies in /usr/local/bin of the Mac, with the Mac's root as its own: every absolute path
// that it uses is the real one, and nothing of this machine can be reached.
func chroot(t *testing.T, m *mac.Mac, env []string, program string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/local/bin/"+program, args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin"}, env...)
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.Root, Setsid: true}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if os.Geteuid() != 0 && cmd.Process == nil && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC)) {
		t.Fatalf("changing the root needs root, or a kernel that gives user namespaces to everybody: %v", err)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// blackBox is a Mac after the upgrade, with the programs that the Makefile links in its /usr/local/bin.
func blackBox(t *testing.T) *mac.Mac {
	t.Helper()
	states := mac.Variants(32)
	m := newMac(t, states[slices.IndexFunc(states, func(v mac.Variant) bool { return v.Name == "upgraded-15" })])
	// An empty file is as good as the device for who reads it.
	if err := m.WriteFile("/dev/null", ""); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "make", "-s", "-C", "../..", "BIN="+m.Path("/usr/local/bin"), "build", "blackbox")
	for _, v := range os.Environ() {
		// Flags of a make or a go test around this one are not meant for these programs.
		if name, _, _ := strings.Cut(v, "="); !slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GOFLAGS"}, name) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make build blackbox: %v\n%s", err, out)
	}
	return m
}

// untouched fails the test, when it ends, if this machine got a state directory meanwhile.
func untouched(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"/var/db/lixfix", "/var/lib/lixfix"} {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			t.Cleanup(func() {
				if _, err := os.Lstat(dir); err == nil {
					t.Errorf("%s was made on the machine that runs the test", dir)
				}
			})
		}
	}
}

// TestBlackBox repairs a Mac with the program that "make blackbox" links, which finds the stand-ins at the absolute
// paths of macOS's tools.
func TestBlackBox(t *testing.T) {
	t.Parallel()
	untouched(t)
	m := blackBox(t)
	tree := func() map[string]string {
		t.Helper()
		tree, err := m.Tree(journals)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	uid := func(name string) string {
		t.Helper()
		user, err := m.User(name)
		if errors.Is(err, mac.ErrNoRecord) {
			return "none"
		}
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(user["UniqueID"], " ")
	}
	broken := tree()

	for _, step := range []struct {
		args         string
		code         int
		says         string
		first, fifth string // user IDs afterwards
		changes      bool   // the Mac is then another than the broken one
	}{
		{args: "check", code: 1, says: "_nixbld1", first: "none", fifth: "305"},
		{args: "check --format json", code: 1, says: `"version":"15.1"`, first: "none", fifth: "305"},
		{args: "repair sequoia --dry-run", code: 1, says: "351", first: "none", fifth: "305"},
		{args: "repair sequoia", code: 6, says: "--yes", first: "none", fifth: "305"},
		{args: "repair sequoia --yes", code: 0, says: "all well", first: "351", fifth: "355", changes: true},
		{args: "check", code: 0, says: "all well", first: "351", fifth: "355", changes: true},
		{args: "history", code: 0, says: "finished", first: "351", fifth: "355", changes: true},
		{args: "undo --yes", code: 0, says: "taken back", first: "none", fifth: "305"},
		{args: "check", code: 1, says: "_nixbld1", first: "none", fifth: "305"},
	} {
		code, out := chroot(t, m, nil, "lixfix-blackbox", strings.Fields(step.args)...)
		// Lines are broken where they are too long.
		if said := strings.Join(strings.Fields(out), " "); code != step.code || !strings.Contains(said, step.says) {
			t.Fatalf("lixfix %s: exit %d, want %d and %q:\n%s", step.args, code, step.code, step.says, out)
		}
		if first, fifth := uid("_nixbld1"), uid("_nixbld5"); first != step.first || fifth != step.fifth {
			t.Fatalf("lixfix %s: _nixbld1 and 5 have %s and %s, want %s and %s", step.args, first, fifth, step.first, step.fifth)
		}
		if diff := difference(broken, tree()); (len(diff) > 0) != step.changes {
			t.Fatalf("lixfix %s: changed %v, want changes: %v", step.args, diff, step.changes)
		}
	}
	// Where the program went for its facts, its users and its journal.
	calls, err := m.Calls()
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"dscl", "launchctl", "ps"} {
		if !slices.ContainsFunc(calls, func(c mac.Call) bool { return c.Tool == tool && c.Exit == 0 }) {
			t.Errorf("%s was never called", tool)
		}
	}
	if kept, err := filepath.Glob(filepath.Join(m.Root, journals, "*.jsonl")); err != nil || len(kept) == 0 {
		t.Errorf("journals on the Mac: %v, %v", kept, err)
	}
}

// TestReleaseTakesNoOtherFacts runs the release on the Mac that TestBlackBox repairs: nothing that its caller can say
// makes it take that for a Mac. It knows the system that it was built for.
func TestReleaseTakesNoOtherFacts(t *testing.T) {
	t.Parallel()
	untouched(t)
	m := blackBox(t)
	before, err := m.Tree()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"factsFrom=sw_vers", "FACTS_FROM=sw_vers", "LIXFIX_FACTS=sw_vers", "LIXFIX_FACTS_FROM=sw_vers", "LIXFIX_OS=darwin",
		"LIXFIX_ROOT=/", "LIXFIX_HOST=/", "LIXFIX_TEST=1", "LIXFIX_TEST_LONG=1", "MAC=/", "GOOS=darwin", "OSTYPE=darwin24",
		"SYSTEM_VERSION_COMPAT=0", "NIX_INSTALLER_MOVE_EXISTING_USERS=true", "NIX_INSTALLER_NO_CONFIRM=true",
	}
	for _, args := range []string{
		"check", "check sequoia", "check --format json", "repair sequoia --dry-run", "repair sequoia --yes",
		"repair sequoia --move-existing-users --no-confirm",
	} {
		code, out := chroot(t, m, env, "lixfix", strings.Fields(args)...)
		// What fixes for Linux make of a Mac's files is their affair.
		bare := args == "check" || strings.HasPrefix(args, "check --")
		if bare {
			code = 0
		}
		var report struct {
			Host  struct{ OS string }
			Fixes []struct{ Name, Status string }
		}
		if strings.Contains(args, "json") {
			if err := json.Unmarshal([]byte(out), &report); err != nil {
				t.Fatalf("lixfix %s: %v\n%s", args, err, out)
			}
			i := slices.IndexFunc(report.Fixes, func(f struct{ Name, Status string }) bool { return f.Name == "sequoia" })
			if code != 0 || report.Host.OS != "linux" || i < 0 || report.Fixes[i].Status != "not-applicable" {
				t.Errorf("lixfix %s: exit %d\n%s", args, code, out)
			}
			continue
		}
		said := strings.Join(strings.Fields(out), " ")
		if code != 0 || !strings.Contains(said, "sequoia does not apply to Linux") && (!bare || strings.Contains(said, "sequoia/")) {
			t.Errorf("lixfix %s: exit %d\n%s", args, code, out)
		}
	}
	for _, flag := range []string{"--facts-from=sw_vers", "--facts=sw_vers", "--os=darwin", "--root=/"} {
		if code, out := chroot(t, m, env, "lixfix", "check", flag); code != 2 {
			t.Errorf("lixfix check %s: exit %d\n%s", flag, code, out)
		}
	}
	if code, out := chroot(t, m, env, "lixfix", "check", "--host=/"); code != 3 || !strings.Contains(out, "not a regular file") {
		t.Errorf("a directory as a record: exit %d\n%s", code, out)
	}
	after, err := m.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if diff := difference(before, after); len(diff) > 0 {
		t.Errorf("the release changed %v", diff)
	}
	if calls, err := m.Calls(); err != nil || len(calls) > 0 {
		t.Errorf("the release called %v, %v", calls, err)
	}
	// Without this the test would pass on a host that is no Mac to anybody.
	if code, out := chroot(t, m, nil, "lixfix-blackbox", "check"); code != 1 {
		t.Errorf("lixfix-blackbox check: exit %d\n%s", code, out)
	}
}

// TestOnlyTheLinkerSetsFactsFrom reads the source for what no run can show: the variable has no value, and the
// program only ever compares it.
func TestOnlyTheLinkerSetsFactsFrom(t *testing.T) {
	files, err := filepath.Glob("../../platform/*.go")
	if err != nil {
		t.Fatal(err)
	}
	positions := token.NewFileSet()
	declared, compared := 0, 0
	for _, name := range files {
		file, err := parser.ParseFile(positions, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		fine := map[ast.Expr]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for _, id := range n.Names {
					if id.Name == "factsFrom" && len(n.Values) == 0 {
						declared, fine[id] = declared+1, true
					}
				}
			case *ast.BinaryExpr:
				if id, ok := n.X.(*ast.Ident); ok && id.Name == "factsFrom" && n.Op == token.EQL {
					compared, fine[id] = compared+1, true
				}
			case *ast.Ident:
				if n.Name == "factsFrom" && !fine[n] {
					t.Errorf("%s: factsFrom is neither declared without a value nor compared here", positions.Position(n.Pos()))
				}
			}
			return true
		})
	}
	if declared != 1 || compared != 1 {
		t.Errorf("factsFrom is declared %d times and compared %d times, want 1 and 1", declared, compared)
	}
}
