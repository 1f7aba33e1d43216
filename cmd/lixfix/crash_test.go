package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/cmd/internal/cli"
	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
	"github.com/lixfix/lixfix/platform/platformtest/programs"
)

// journals is where lixfix keeps its own state on a Mac; it is no part of what a repair changes.
const journals = "private/var/db/lixfix"

func macbox() (string, error) { return programs.Build("github.com/lixfix/lixfix/cmd/internal/macbox") }

// run runs lixfix on a simulated Mac within this process, and returns its exit code and what it printed. It takes over
// nothing from a run before it but the Mac: those that are killed, in [crash], are processes, and so are all in the stories.
// The tools work within this process as well, but for those that a fault is to kill.
func run(t testing.TB, m *mac.Mac, args ...string) (int, string) {
	t.Helper()
	var out strings.Builder
	code := cli.Run(t.Context(), cli.Config{
		Host: platformtest.Inside(m.Root, 0), Fixes: fixes.All(), Args: args, Name: "lixfix", Version: "0.1.0",
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" },
	})
	return code, out.String()
}

// command is lixfix on a Mac as a process, and so are its tools.
func command(t testing.TB, m *mac.Mac, args ...string) *exec.Cmd {
	t.Helper()
	return box(t, "run", m, args...)
}

// measure runs it, and returns the peak of its own memory in KiB as well.
func measure(t testing.TB, m *mac.Mac, args ...string) (int, string, int64) {
	t.Helper()
	return end(t, command(t, m, args...))
}

func box(t testing.TB, verb string, m *mac.Mac, args ...string) *exec.Cmd {
	t.Helper()
	file, err := macbox()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), file, append([]string{verb, m.Root}, args...)...)
	cmd.Env = []string{"PATH=/nonexistent"}
	// When lixfix is killed, the tool that killed it still holds the output.
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func end(t testing.TB, cmd *exec.Cmd) (int, string, int64) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	var peak int64
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = usage.Maxrss
	}
	return cmd.ProcessState.ExitCode(), string(out), peak
}

// want runs the program and fails the test unless it ends with code.
func want(t *testing.T, m *mac.Mac, code int, args ...string) string {
	t.Helper()
	got, out := run(t, m, args...)
	if got != code {
		t.Fatalf("lixfix %s: exit %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return out
}

func newMac(t *testing.T, v mac.Variant) *mac.Mac { return seeded(t, v, mac.Options{}) }

func seeded(t *testing.T, v mac.Variant, o mac.Options) *mac.Mac {
	t.Helper()
	o.Version = v.Version
	m, err := platformtest.Mac(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Seed(m); err != nil {
		t.Fatal(err)
	}
	return m
}

// clone copies a Mac to a directory that the returned function removes; t.TempDir would keep thousands of them.
func clone(t *testing.T, m *mac.Mac) (*mac.Mac, func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mac") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Clone(filepath.Join(dir, "root"))
	if err != nil {
		t.Fatal(err)
	}
	return c, func() { os.RemoveAll(dir) }
}

func tree(t *testing.T, m *mac.Mac) map[string]string {
	t.Helper()
	files, err := m.Tree(journals)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// services returns which services are loaded.
func services(t *testing.T, m *mac.Mac) map[string]bool {
	t.Helper()
	loaded := map[string]bool{}
	err := m.Config(func(c *mac.Config) {
		for _, s := range c.Services {
			loaded[s.Label] = s.Loaded
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

var guidForm = regexp.MustCompile(`[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}`)

// settled returns a tree in which the GeneratedUIDs that a repair chose bear the names of their users: two repairs of
// one Mac differ in nothing else. Entries of the group that lead nowhere after that are dropped.
func settled(before, after map[string]string) map[string]string {
	old := map[string]bool{}
	for _, content := range before {
		for _, id := range guidForm.FindAllString(content, -1) {
			old[id] = true
		}
	}
	owner := map[string]string{}
	for name, content := range after {
		dir := filepath.Base(filepath.Dir(name))
		if dir != "users" && dir != "groups" {
			continue
		}
		record := strings.SplitN(content, "<key>generateduid</key>", 2)
		if len(record) == 2 {
			if id := guidForm.FindString(record[1]); id != "" && !old[id] {
				owner[id] = "GUID-of-" + filepath.Base(name)
			}
		}
	}
	out := make(map[string]string, len(after))
	for name, content := range after {
		out[name] = guidForm.ReplaceAllStringFunc(content, func(id string) string {
			if n, ok := owner[id]; ok {
				return n
			}
			return id
		})
	}
	return out
}

func groupFile(group string) string {
	return "private/var/db/dslocal/nodes/Default/groups/" + group + ".plist"
}

// unordered sorts the lines of the group's record, where a repair that went on after another one adds members in
// another order.
func unordered(files map[string]string, group string) map[string]string {
	name := groupFile(group)
	if content, ok := files[name]; ok {
		lines := strings.Split(content, "\n")
		slices.Sort(lines)
		files[name] = strings.Join(lines, "\n")
	}
	return files
}

func same(t *testing.T, what string, want, got map[string]string, log string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s\n%s", what, d, log)
	}
}

// point is a moment at which lixfix is killed.
type point struct {
	write int
	at    mac.Moment
	stage string
}

// points lists every moment of an undisturbed run.
func points(t *testing.T, m *mac.Mac) []point {
	t.Helper()
	calls, err := m.Calls()
	if err != nil {
		t.Fatal(err)
	}
	var all []point
	for _, c := range calls {
		if c.Write == 0 {
			continue
		}
		all = append(all, point{c.Write, mac.Before, ""})
		for _, s := range c.Stages {
			all = append(all, point{c.Write, mac.Middle, s})
		}
		all = append(all, point{c.Write, mac.After, ""})
	}
	return all
}

// crash runs lixfix, as a process, until the point kills it, and fails the test if it was not killed there.
func crash(t *testing.T, m *mac.Mac, p point, args ...string) {
	t.Helper()
	if err := m.ResetCalls(); err != nil {
		t.Fatal(err)
	}
	if err := m.Config(func(c *mac.Config) {
		c.Faults = append([]mac.Fault{mac.KillCaller(p.write, p.at, p.stage)}, c.Faults...)
	}); err != nil {
		t.Fatal(err)
	}
	code, out, _ := end(t, box(t, "fast", m, args...))
	fired, err := m.Fired()
	if err != nil {
		t.Fatal(err)
	}
	if code != -1 || fired["kill caller"] != 1 {
		t.Fatalf("lixfix %s was to be killed at %v: exit %d, faults %v\n%s", strings.Join(args, " "), p, code, fired, out)
	}
	// The tool may still be at work when lixfix is dead; its own log line is the last thing it does.
	waitFor(t, func() bool {
		calls, err := m.Calls()
		return err == nil && slices.ContainsFunc(calls, func(c mac.Call) bool { return c.Write == p.write && len(c.Fault) > 0 })
	})
	if err := m.Config(func(c *mac.Config) { c.Faults = nil }); err != nil {
		t.Fatal(err)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the stand-in never wrote its log")
}

// story is one variant of a Mac: how it is repaired, and what that leads to.
type story struct {
	variant mac.Variant
	base    *mac.Mac
	repair  []string
	initial map[string]string
	target  map[string]string
	points  []point
	undo    []point // of the undo of the finished repair
	ran     map[string]bool
}

func newStory(t *testing.T, v mac.Variant, few bool) *story {
	t.Helper()
	s := &story{variant: v, base: seeded(t, v, mac.Options{Few: few}), repair: []string{"repair", "sequoia", "--yes"}}
	// Where two users shared an ID, only a Mac that lets dscl bring them there again can be restored byte for byte.
	if err := s.base.Config(func(c *mac.Config) { c.Switches.FreeChange = true }); err != nil {
		t.Fatal(err)
	}
	if !v.Want.Broken && !v.Want.Untidy {
		s.repair = append(s.repair, "--move-existing-users")
	}
	for i, name := range v.Want.Double {
		// Nor can "dscl -create", which alone sets two values, give an ID that another account holds.
		if err := s.base.SetUser(name, "UniqueID", strconv.Itoa(350+i), strconv.Itoa(390+i)); err != nil {
			t.Fatal(err)
		}
	}
	s.initial = tree(t, s.base)
	m, drop := clone(t, s.base)
	defer drop()
	if err := m.ResetCalls(); err != nil {
		t.Fatal(err)
	}
	out := want(t, m, 0, s.repair...)
	s.points, s.ran = points(t, m), services(t, m)
	if before := services(t, s.base); !v.Want.DaemonOut && fmt.Sprint(before) != fmt.Sprint(s.ran) {
		t.Errorf("services before the repair %v, and after it %v", before, s.ran)
	}
	s.target = unordered(settled(s.initial, tree(t, m)), v.Want.Group)
	if err := m.ResetCalls(); err != nil {
		t.Fatal(err)
	}
	if len(s.points) > 0 {
		out += want(t, m, 0, "undo", "--yes")
		same(t, "undo of the finished repair", s.initial, tree(t, m), out)
		s.undo = points(t, m)
	}
	return s
}

// play kills the repair at p and takes every way from there.
func (s *story) play(t *testing.T, p point, pick int) {
	killed, drop := clone(t, s.base)
	defer drop()
	crash(t, killed, p, s.repair...)
	if code, out := run(t, killed, "check"); code != 4 {
		t.Errorf("check after the kill: exit %d, want 4\n%s", code, out)
	}
	s.finish(t, killed, "resume", s.target, "resume", "--yes")
	ps := s.finish(t, killed, "undo", s.initial, "undo", "--yes")

	// A kill while it is taken back, at one of its writes.
	m, drop2 := clone(t, killed)
	defer drop2()
	if len(ps) > 0 {
		crash(t, m, ps[pick%len(ps)], "undo", "--yes")
		s.finish(t, m, "undo after a killed undo", s.initial, "undo", "--yes")
		s.finish(t, m, "resume after a killed undo", s.initial, "resume", "--yes")
		if out := want(t, m, 4, "check"); !strings.Contains(out, "being taken back") {
			t.Errorf("check after a killed undo does not call it that:\n%s", out)
		}
	}

	m, drop4 := clone(t, killed)
	defer drop4()
	if err := os.RemoveAll(m.Path("/" + journals)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	// Whether the group is to have a list of GUIDs and a name for people is written nowhere but in the journal.
	target := s.target
	group, err := m.Group(s.variant.Want.Group)
	if _, was := s.initial[groupFile(s.variant.Want.Group)]; !was && err == nil || p.stage == mac.StageRemoved && len(group["GroupMembers"]) == 0 {
		target = nil
	}
	if len(s.variant.Want.Missing) == len(s.variant.Want.Users) && s.variant.Name == "group-without-users" {
		target = nil // nor how many users there were to be
	}
	if s.variant.Want.Broken && len(s.variant.Want.High) == 0 {
		// Where all that was broken is mended, and the journal is gone, who is left is only at risk.
		want(t, m, 0, s.repair...)
		s.finish(t, m, "a new repair without the journal", target, append(slices.Clone(s.repair), "--move-existing-users")...)
		return
	}
	s.finish(t, m, "a new repair without the journal", target, s.repair...)
}

// playUndo kills the undo of the finished repair at p. Both commands go on with it, in its direction.
func (s *story) playUndo(t *testing.T, p point) {
	killed, drop := clone(t, s.base)
	defer drop()
	want(t, killed, 0, s.repair...)
	crash(t, killed, p, "undo", "--yes")
	if out := want(t, killed, 4, "check"); !strings.Contains(out, "being taken back") {
		t.Errorf("check after a killed undo does not call it that:\n%s", out)
	}
	if out := want(t, killed, 0, "history"); !strings.Contains(out, "taking back") {
		t.Errorf("history after a killed undo does not call it that:\n%s", out)
	}
	s.finish(t, killed, "undo after a killed undo of a finished repair", s.initial, "undo", "--yes")
	s.finish(t, killed, "resume after a killed undo of a finished repair", s.initial, "resume", "--yes")
}

// finish runs a command on a copy of the Mac, and expects it to lead to a tree with every service as it was. It returns
// the moments of that run.
func (s *story) finish(t *testing.T, from *mac.Mac, what string, to map[string]string, args ...string) []point {
	t.Helper()
	m, drop := clone(t, from)
	defer drop()
	if err := m.ResetCalls(); err != nil {
		t.Fatal(err)
	}
	out := want(t, m, 0, args...)
	all, got := points(t, m), tree(t, m)
	if !isMap(to, s.initial) {
		got = unordered(settled(s.initial, got), s.variant.Want.Group)
	}
	if to == nil {
		want(t, m, 0, "check")
		return all
	}
	same(t, what, to, got, out)
	ran := s.ran
	if s.variant.Want.DaemonOut && args[0] != "repair" {
		ran = services(t, m) // either is right: what nobody stopped is not to be started again
	}
	if d := cmp.Diff(ran, services(t, m)); d != "" {
		t.Errorf("services after %s (-before +after):\n%s\n%s", what, d, out)
	}
	return all
}

// isMap reports whether two maps are one.
func isMap(a, b map[string]string) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}

// TestCrash kills the repair of every known state of a Mac at its writes: before, after, and in the middle of those
// that have one. LIXFIX_TEST_LONG=1 takes every point, but where there are more than 16 users, and Macs with all of Apple's
// accounts; otherwise it is a sample, whose seed is printed, of Macs with few of them: [TestStates] repairs each with all.
func TestCrash(t *testing.T) {
	long := os.Getenv("LIXFIX_TEST_LONG") != ""
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("LIXFIX_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("LIXFIX_TEST_SEED=%d", seed)
	const (
		sample = 1  // point of each state: there are a hundred, and they share their steps
		large  = 16 // users; more of them repeat the same steps, so that a long run takes a larger sample there
		more   = 60
	)
	var cases, all atomic.Int64
	t.Run("states", func(t *testing.T) {
		for i, v := range mac.Variants(8) {
			if !v.Want.Repairable || v.Want.NotApplicable {
				continue
			}
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				s := newStory(t, v, !long)
				all.Add(int64(len(s.points)))
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				chosen := slices.Clone(s.points)
				most := sample
				switch {
				case long && len(v.Want.Users) <= large:
					most = len(chosen)
				case long:
					most = more
				}
				if len(chosen) > most {
					random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
					chosen = chosen[:most]
				}
				if len(s.undo) > 0 {
					cases.Add(1)
					p := s.undo[random.IntN(len(s.undo))]
					t.Run(fmt.Sprintf("undo %d %s %s", p.write, p.at, p.stage), func(t *testing.T) { s.playUndo(t, p) })
				}
				for _, p := range chosen {
					cases.Add(1)
					t.Run(fmt.Sprintf("write %d %s %s", p.write, p.at, p.stage), func(t *testing.T) {
						s.play(t, p, random.IntN(1<<20))
					})
				}
			})
		}
	})
	t.Logf("%d of %d points, five ways from each", cases.Load(), all.Load())
	if cases.Load() == 0 {
		t.Error("no case ran")
	}
}
