//go:build linux

package staged

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"syscall"
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
	h := linuxnet.New(b, linuxnet.Options{Nix: true})
	h.Run(b, "/usr/bin/nix-store", "--init")
	h.Resolver(b, linuxnet.Addr4)
	h.WriteFile(b, "/etc/resolv.conf", good, 0o644)
	lixfix := linuxnet.Program(b, "github.com/lixfix/lixfix/cmd/lixfix")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		b.Fatal(err)
	}
	h.WriteFile(b, "/busybox", string(data), 0o755)
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
		{"nix doctor", func() []string {
			return []string{"/usr/bin/nix", "--extra-experimental-features", "nix-command", "doctor"}
		}, -1},
	} {
		b.Run(c.name, func(b *testing.B) {
			// On a machine with other work, the shortest run and the processor's time tell more than the mean.
			shortest, busy, most := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64), int64(0)
			for b.Loop() {
				argv := c.argv()
				cmd := h.Command(argv[0], argv[1:]...)
				began := time.Now()
				out, err := cmd.CombinedOutput()
				shortest = min(shortest, time.Since(began))
				if cmd.ProcessState == nil || c.exit >= 0 && cmd.ProcessState.ExitCode() != c.exit {
					b.Fatalf("%v: %v\n%s", argv, err, out)
				}
				busy = min(busy, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
				if used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
					most = max(most, used.Maxrss)
				}
			}
			b.ReportMetric(float64(shortest.Microseconds())/1000, "min-ms")
			b.ReportMetric(float64(busy.Microseconds())/1000, "cpu-ms")
			b.ReportMetric(float64(most)/1024, "MiB")
		})
	}
}

// BenchmarkRecord records a healthy host, beside the check that it records.
func BenchmarkRecord(b *testing.B) {
	h := linuxnet.New(b, linuxnet.Options{Nix: true})
	h.Run(b, "/usr/bin/nix-store", "--init")
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
