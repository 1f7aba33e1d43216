//go:build linux

package staged

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// manual is what people are told to do by hand: a build that prints its resolv.conf, looks a name up, and fails, so that
// nothing is left to be found valid. It needs no nixpkgs here, whose evaluation would come on top.
const manual = `derivation {
  name = "resolvconf"; system = builtins.currentSystem;
  builder = "/bin/sh"; args = [ "-c" "/bin/cat /etc/resolv.conf; /usr/bin/getent ahosts probe.test" ];
  outputHashMode = "flat"; outputHashAlgo = "sha256";
  outputHash = "0000000000000000000000000000000000000000000000000000";
}`

// BenchmarkBeside probes beside the build by hand and nix doctor, each in turn on the same host, and takes the median.
func BenchmarkBeside(b *testing.B) {
	for name, conf := range map[string]string{
		"healthy":    good,
		"first-dead": "nameserver " + linuxnet.Silent4 + "\n" + good,
		"all-dead":   "nameserver " + linuxnet.Silent4 + "\n",
	} {
		b.Run(name, func(b *testing.B) {
			h := benched(b, conf)
			took := map[string][]time.Duration{}
			for b.Loop() {
				for way, argv := range ways {
					_, d := timed(b, h, argv)
					took[way] = append(took[way], d)
				}
			}
			for way, all := range took {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, way+"-ms")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkLix probes behind pasta beside the same build by hand, in turn on one host: what a probe adds are the calls
// around it. The stand-in starts as slowly as Lix 2.95.3, with and without a daemon.
func BenchmarkLix(b *testing.B) {
	for _, daemon := range []bool{false, true} {
		b.Run(map[bool]string{false: "local", true: "daemon"}[daemon], func(b *testing.B) {
			h := host(b, linuxnet.Options{Nix: true})
			h.Lix(b, linuxnet.Lix{Start: 25})
			h.WriteFile(b, "/etc/resolv.conf", good, 0o644)
			h.Resolver(b, linuxnet.Addr4)
			remote := "local"
			if daemon {
				h.LixDaemon(b)
				remote = "daemon"
			}
			var ours, hand []time.Duration
			n := 0
			for b.Loop() {
				_, d := timed(b, h, append([]string{program}, asked...))
				ours = append(ours, d)
				n++
				out, d := timed(b, h, []string{
					"/usr/bin/env", "NIX_REMOTE=" + remote, "/nix/var/nix/profiles/default/bin/nix-build", "--expr", sandbox.Expression,
					"--argstr", "nonce", fmt.Sprintf("nbyhand%d", n), "--argstr", "builder", program, "--argstr", "name", linuxnet.Name, "--argstr", "far", "enough",
				})
				if !strings.Contains(out, sandbox.Prefix) {
					b.Fatal(out)
				}
				hand = append(hand, d)
			}
			slices.Sort(ours)
			slices.Sort(hand)
			a, c := ours[len(ours)/2], hand[len(hand)/2]
			b.ReportMetric(float64(a.Microseconds())/1000, "lixfix-ms")
			b.ReportMetric(float64(c.Microseconds())/1000, "by-hand-ms")
			b.ReportMetric(float64(a)/float64(c), "times")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// ways are what one can do to learn why builds resolve no names.
var ways = map[string][]string{
	"lixfix": append([]string{program}, asked...),
	"manual": {"/usr/bin/nix-build", "--no-out-link", "--option", "substitute", "false", "--expr", manual},
	"doctor": {"/usr/bin/nix", "--extra-experimental-features", "nix-command", "doctor"},
}

// benched stages a host on which the build by hand has a shell, cat and getent.
func benched(tb testing.TB, conf string) *linuxnet.Host {
	tb.Helper()
	h := host(tb, linuxnet.Options{Nix: true})
	h.WriteFile(tb, "/etc/resolv.conf", conf, 0o644)
	h.WriteFile(tb, "/etc/nix/nix.conf", "build-users-group = nixbld\nsandbox = true\nsandbox-fallback = false\nsubstitute = false\n"+
		"extra-sandbox-paths = /bin /lib /lib64? /usr\n", 0o644)
	h.Resolver(tb, linuxnet.Addr4)
	return h
}

// timed runs one of the ways; how it ends is its own affair.
func timed(tb testing.TB, h *linuxnet.Host, argv []string) (string, time.Duration) {
	tb.Helper()
	var out bytes.Buffer
	cmd := h.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	return out.String(), time.Since(began)
}

// TestBeside holds what the benchmark compares: all three really run, and one of them says which server is dead.
func TestBeside(t *testing.T) {
	t.Parallel()
	h := benched(t, "nameserver "+linuxnet.Silent4+"\n"+good)
	said := map[string]string{}
	for way, argv := range ways {
		said[way], _ = timed(t, h, argv)
	}
	if s := said["lixfix"]; !strings.Contains(s, `"server":"`+linuxnet.Silent4+`","protocol":"udp"`) || !strings.Contains(s, `"error":"timeout"`) {
		t.Errorf("lixfix: %s", s)
	}
	// The answer comes from the second server, and nothing shows that the first is dead.
	if s := said["manual"]; !strings.Contains(s, "nameserver "+linuxnet.Silent4) || !strings.Contains(s, "127.0.0.1") || strings.Contains(s, "timeout") {
		t.Errorf("by hand: %s", s)
	}
	if s := said["doctor"]; !strings.Contains(s, "Running checks against store") || strings.Contains(s, linuxnet.Silent4) {
		t.Errorf("nix doctor: %s", s)
	}
}
