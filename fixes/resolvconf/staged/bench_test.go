//go:build linux

package staged

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// manual is the build that users are told to run by hand: it shows a file and fails by design, because its hash is
// wrong. Its builder is a static program here, as the sandbox of Debian's Nix has no shell.
const manual = `derivation {
  name = "resolvconf-%d"; system = builtins.currentSystem; builder = builtins.path { path = %s; }; args = [ "cat" "/etc/resolv.conf" ];
  outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "0000000000000000000000000000000000000000000000000000";
}`

// BenchmarkLooks compares what a user can do on one host: lixfix in both ways, the build by hand, and nix doctor. What
// entering the host costs is in all of them, and alone in "nothing".
func BenchmarkLooks(b *testing.B) {
	h := lookedAt(b)
	lixfix := linuxnet.Program(b, "github.com/lixfix/lixfix/cmd/lixfix")
	for _, c := range []struct {
		name string
		argv func() []string
		exit int
	}{
		{"lixfix check resolv-conf", func() []string { return []string{lixfix, "check", "resolv-conf", "--name", linuxnet.Name} }, 0},
		{"lixfix check resolv-conf --passive", func() []string {
			return []string{lixfix, "check", "resolv-conf", "--passive", "--name", linuxnet.Name}
		}, 0},
		{"lixfix check", func() []string { return []string{lixfix, "check", "--passive"} }, -1},
		// What a passive look ran before it read the settings itself.
		{"nix --version", func() []string { return []string{"/usr/bin/nix", "--version"} }, 0},
		{"nix show-config", func() []string {
			return []string{"/usr/bin/nix", "--extra-experimental-features", "nix-command", "show-config", "--json"}
		}, 0},
		{"nothing", func() []string { return []string{"/bin/true"} }, 0},
		{"nix-build by hand", func() []string {
			return []string{"/usr/bin/nix-build", "--no-out-link", "-E", fmt.Sprintf(manual, time.Now().UnixNano(), "/busybox")}
		}, -1},
		{"nix doctor", func() []string { return doctor }, -1},
	} {
		b.Run(c.name, func(b *testing.B) {
			var u used
			for b.Loop() {
				u.run(b, h, c.argv(), c.exit)
			}
			b.ReportMetric(u.ms(u.wall), "min-ms")
			b.ReportMetric(u.ms(u.busy), "cpu-ms")
			b.ReportMetric(peak(b, h, c.argv()), "MiB")
		})
	}
}

// BenchmarkOfDoctor runs a passive check and nix doctor in turn, and tells what part of the other's time it takes: at most
// half, and at most 15 MiB. All times are the least of all runs, and what entering the host costs is in none of the parts. On an
// idle machine the median is nearer to half: there the kernel waits for all processors before it shows /proc/locks, and lixfix for
// what is left of that; see platform.Machine.Hasten.
func BenchmarkOfDoctor(b *testing.B) {
	h := lookedAt(b)
	// As an installer puts it there: the kernel maps a file that a linker has written in smaller pieces, for 1 ms more.
	const lixfix = "/usr/local/bin/lixfix"
	h.Copy(b, linuxnet.Program(b, "github.com/lixfix/lixfix/cmd/lixfix"), lixfix, 0o755)
	check := []string{lixfix, "check", "--passive"}
	var ours, theirs, nothing used
	for b.Loop() {
		ours.run(b, h, check, -1)
		theirs.run(b, h, doctor, -1)
		nothing.run(b, h, []string{"/busybox", "true"}, 0)
	}
	part := func(a, b, nothing time.Duration) float64 { return float64(a-nothing) / float64(b-nothing) }
	b.ReportMetric(ours.ms(ours.wall), "check-ms")
	b.ReportMetric(ours.ms(ours.busy), "check-cpu-ms")
	b.ReportMetric(theirs.ms(theirs.wall), "doctor-ms")
	b.ReportMetric(theirs.ms(theirs.busy), "doctor-cpu-ms")
	b.ReportMetric(nothing.ms(nothing.wall), "nothing-ms")
	b.ReportMetric(part(ours.wall, theirs.wall, nothing.wall), "of-doctor")
	b.ReportMetric(part(ours.busy, theirs.busy, nothing.busy), "of-doctor-cpu")
	b.ReportMetric(peak(b, h, check), "MiB")
	b.ReportMetric(0, "ns/op")
}

var doctor = []string{"/usr/bin/nix", "--extra-experimental-features", "nix-command", "doctor"}

// lookedAt stages the host.
func lookedAt(tb testing.TB) *linuxnet.Host {
	tb.Helper()
	h := linuxnet.New(tb, linuxnet.Options{Nix: true})
	h.Store(tb)
	h.Resolver(tb, linuxnet.Addr4)
	h.WriteFile(tb, "/etc/resolv.conf", good, 0o644)
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		tb.Fatal(err)
	}
	h.Copy(tb, busybox, "/busybox", 0o755)
	return h
}

// used is the least that runs of a command took: on a machine with other work, the shortest run and the processor's time
// tell more than the mean.
type used struct {
	n          int
	wall, busy time.Duration
}

func (*used) ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// run runs a command once; exit is how it is to end, -1 for anyhow.
func (u *used) run(tb testing.TB, h *linuxnet.Host, argv []string, exit int) {
	tb.Helper()
	cmd := h.Command(argv[0], argv[1:]...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	wall := time.Since(began)
	if cmd.ProcessState == nil || exit >= 0 && cmd.ProcessState.ExitCode() != exit {
		tb.Fatalf("%v: %v\n%s", argv, err, out)
	}
	busy := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u.n++; u.n == 1 {
		u.wall, u.busy = wall, busy
	}
	u.wall, u.busy = min(u.wall, wall), min(u.busy, busy)
}

// peak is the most memory that a command, or one of those that it starts, has resident in some runs, in MiB.
func peak(tb testing.TB, h *linuxnet.Host, argv []string) float64 {
	tb.Helper()
	tool := linuxnet.Program(tb, "github.com/lixfix/lixfix/platform/platformtest/linuxnet/peaktool")
	most := 0
	for range 5 {
		kib, err := strconv.Atoi(strings.TrimSpace(h.Run(tb, tool, argv...)))
		if err != nil {
			tb.Fatalf("%v: %v", argv, err)
		}
		most = max(most, kib)
	}
	return float64(most) / 1024
}

// TestPassiveMemory: a passive check stays small, whatever the machine is busy with.
func TestPassiveMemory(t *testing.T) {
	t.Parallel()
	h := lookedAt(t)
	if used := peak(t, h, []string{"/bin/true"}); used > 4 {
		t.Errorf("what does nothing is said to have %.1f MiB", used)
	}
	lixfix := linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix")
	if used := peak(t, h, []string{lixfix, "check", "--passive"}); used > 15 || used < 4 {
		t.Errorf("a passive check has %.1f MiB resident", used)
	}
}

// BenchmarkRecord records a healthy host, beside the check that it records.
func BenchmarkRecord(b *testing.B) {
	h := linuxnet.New(b, linuxnet.Options{Nix: true})
	h.Store(b)
	h.Resolver(b, linuxnet.Addr4)
	h.WriteFile(b, "/etc/resolv.conf", good, 0o644)
	h.Daemon(b)
	lixfix := linuxnet.Program(b, "github.com/lixfix/lixfix/cmd/lixfix")
	file := func(round int) string { return fmt.Sprintf("/var/tmp/%d.tar.gz", round) }
	b.Run("healthy", func(b *testing.B) {
		replay.Beside(b, func() *exec.Cmd { return h.Command(lixfix, "check", "-v", "--passive") },
			func(round int) *exec.Cmd { return h.Command(lixfix, "record", "-o", file(round)) },
			func(round int) int64 {
				info, err := os.Stat(h.Path(file(round)))
				if err == nil {
					err = os.Remove(h.Path(file(round)))
				}
				if err != nil {
					b.Fatal(err)
				}
				return info.Size()
			})
	})
}
