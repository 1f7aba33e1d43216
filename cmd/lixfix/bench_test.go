package main_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// spawns reports how often the tools were run, per operation.
func spawns(b *testing.B, m *mac.Mac) {
	b.Helper()
	calls, err := m.Calls()
	if err != nil {
		b.Fatal(err)
	}
	dscl, all := 0, 0
	for _, c := range calls {
		all++
		if c.Tool == "dscl" {
			dscl++
		}
	}
	b.ReportMetric(float64(dscl)/float64(b.N), "dscl-spawns/op")
	b.ReportMetric(float64(all)/float64(b.N), "spawns/op")
}

func benchMac(b testing.TB, state string, users int) *mac.Mac {
	b.Helper()
	for _, v := range mac.Variants(users) {
		if v.Name == state {
			m, err := platformtest.Mac(b.TempDir(), mac.Options{Version: v.Version})
			if err != nil {
				b.Fatal(err)
			}
			if err := v.Seed(m); err != nil {
				b.Fatal(err)
			}
			return m
		}
	}
	b.Fatalf("no state %q", state)
	return nil
}

// TestRepairCalls counts what a repair of the Mac that most people have calls: 4 of 32 users are missing, so that all 32
// get new user IDs. The directory takes two lists to plan with and a third because users are missing, one probe, two
// lists after the question, eight calls for each missing user, one for each who moves, one for the group, two lists to
// compare with, and the flush of the caches: 70. The daemon takes three, beside the look whether it is loaded, which
// check makes as well. ps is run before the daemon is stopped, for what it does, and after, for what outlived it.
func TestRepairCalls(t *testing.T) {
	t.Parallel()
	m := benchMac(t, "upgraded-15", 32)
	if err := m.ResetCalls(); err != nil {
		t.Fatal(err)
	}
	if code, out := run(t, m, "repair", "sequoia", "--yes"); code != 0 {
		t.Fatalf("exit %d\n%s", code, out)
	}
	calls, err := m.Calls()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, c := range calls {
		count[c.Tool]++
	}
	want := map[string]int{"dscl": 69, "dscacheutil": 1, "launchctl": 4, "ps": 2}
	if !maps.Equal(count, want) {
		t.Errorf("%v, want %v", count, want)
	}
}

// BenchmarkRepair repairs Macs: with 4 of 32 users missing, so that all 32 get new user IDs; with 32 users who move and
// nobody missing; with 128 users; and after the upgrade to macOS 26, which took eight.
func BenchmarkRepair(b *testing.B) {
	for _, c := range []struct {
		name, state string
		users       int
	}{
		{"4-of-32-missing", "upgraded-15", 32},
		{"32-moved", "before-15", 32},
		{"128-users", "count-128", 32},
		{"Tahoe", "upgraded-26", 32},
	} {
		b.Run(c.name, func(b *testing.B) {
			base := benchMac(b, c.state, c.users)
			all, count := 0, map[string]int{}
			for i := range b.N {
				b.StopTimer()
				m, err := base.Clone(filepath.Join(b.TempDir(), strconv.Itoa(i)))
				if err != nil {
					b.Fatal(err)
				}
				if err := m.ResetCalls(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				code, out, _ := measure(b, m, "repair", "sequoia", "--yes", "--move-existing-users")
				b.StopTimer()
				if code != 0 {
					b.Fatalf("exit %d\n%s", code, out)
				}
				calls, err := m.Calls()
				if err != nil {
					b.Fatal(err)
				}
				for _, call := range calls {
					all++
					count[call.Tool]++
				}
				b.StartTimer()
			}
			for tool, n := range count {
				b.ReportMetric(float64(n)/float64(b.N), tool+"-spawns/op")
			}
			b.ReportMetric(float64(all)/float64(b.N), "spawns/op")
		})
	}
}

// BenchmarkCheck checks directories of different sizes, as whole processes.
func BenchmarkCheck(b *testing.B) {
	for _, size := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("%d-users", size), func(b *testing.B) {
			m := benchMac(b, "upgraded-15", 32)
			for i := range size {
				name := "person" + strconv.Itoa(i)
				err := m.AddUser(name, map[string][]string{
					"uid": {strconv.Itoa(50000 + i)}, "gid": {"20"}, "home": {"/Users/" + name}, "shell": {"/bin/zsh"},
					"realname": {"Person " + strconv.Itoa(i)},
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			if err := m.ResetCalls(); err != nil {
				b.Fatal(err)
			}
			var memory int64
			for b.Loop() {
				code, out, peak := measure(b, m, "check", "sequoia")
				if code != 1 {
					b.Fatalf("exit %d\n%s", code, out)
				}
				memory = max(memory, peak)
			}
			b.ReportMetric(float64(memory)/1024, "peak-MiB")
			spawns(b, m)
		})
	}
}

// BenchmarkVersion measures how long the program takes to start and stop.
func BenchmarkVersion(b *testing.B) {
	m := benchMac(b, "upgraded-15", 4)
	for b.Loop() {
		if code, out, _ := measure(b, m, "version"); code != 0 {
			b.Fatalf("exit %d\n%s", code, out)
		}
	}
}

// BenchmarkRecord records Macs with 32 and 128 build users, beside the check that it records.
func BenchmarkRecord(b *testing.B) {
	for _, users := range []int{32, 128} {
		b.Run(strconv.Itoa(users)+"-users", func(b *testing.B) {
			m := benchMac(b, map[int]string{32: "upgraded-15", 128: "count-128"}[users], 32)
			dir := b.TempDir()
			file := func(round int) string { return filepath.Join(dir, strconv.Itoa(round)) }
			replay.Beside(b, func() *exec.Cmd { return command(b, m, "check", "-v") },
				func(round int) *exec.Cmd { return command(b, m, "record", "-o", file(round)) },
				func(round int) int64 {
					info, err := os.Stat(file(round))
					if err != nil {
						b.Fatal(err)
					}
					return info.Size()
				})
		})
	}
}

// BenchmarkRun starts a command that does nothing, bare and below the released lixfix in turn, so that both meet the same
// machine: through pipes, and on a terminal.
func BenchmarkRun(b *testing.B) {
	lixfix := filepath.Join(b.TempDir(), "lixfix")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", lixfix, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	pipe := func(line ...string) error { return exec.CommandContext(b.Context(), line[0], line[1:]...).Run() }
	terminal := func(line ...string) error {
		cmd := exec.CommandContext(b.Context(), line[0], line[1:]...)
		master, err := pty.Start(cmd)
		if err != nil {
			return err
		}
		defer master.Close()
		return cmd.Wait()
	}
	for name, start := range map[string]func(...string) error{"pipe": pipe, "terminal": terminal} {
		b.Run(name, func(b *testing.B) {
			var bare, along []time.Duration
			for b.Loop() {
				for _, one := range []struct {
					took *[]time.Duration
					line []string
				}{{&bare, []string{"/bin/true"}}, {&along, []string{lixfix, "run", "/bin/true"}}} {
					began := time.Now()
					if err := start(one.line...); err != nil {
						b.Fatal(err)
					}
					*one.took = append(*one.took, time.Since(began))
				}
			}
			slices.Sort(bare)
			slices.Sort(along)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(ms(along[0]-bare[0]), "more-at-best-ms")
			b.ReportMetric(ms(along[len(along)/2]-bare[len(bare)/2]), "more-at-median-ms")
		})
	}
}

// TestRecordOf128Users: the record of a Mac with the most build users that there are fits into a message.
func TestRecordOf128Users(t *testing.T) {
	t.Parallel()
	m := benchMac(t, "count-128", 32)
	file := filepath.Join(t.TempDir(), "host.tar.gz")
	if code, out := run(t, m, "record", "-o", file); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	const most = 512 << 10
	info, err := os.Stat(file)
	if err != nil || info.Size() >= most {
		t.Fatalf("%v, %v", info, err)
	}
	t.Logf("the record of a Mac with 128 build users has %d KiB", (info.Size()+1023)>>10)
}
