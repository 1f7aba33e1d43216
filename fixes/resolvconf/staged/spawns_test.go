//go:build linux

package staged

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// spawned finds, in a trace of a process and what it starts, the programs that were run, and with which arguments.
var spawned = regexp.MustCompile(`execve(?:at)?\([^"]*"([^"]*)", (\[[^\]]*\])`)

// TestSpawns counts the programs that a check as root runs: none, where the kernel has no rule that could treat build
// users differently, and else those that list such rules.
func TestSpawns(t *testing.T) {
	t.Parallel()
	lixfix := linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix")
	h := lookedAt(t)
	for _, c := range []struct {
		name string
		make []string
		runs []string
	}{
		{name: "a host without rules"},
		{
			name: "a rule of routing for everybody",
			make: []string{"ip", "rule", "add", "to", "192.0.2.99", "prohibit"},
		},
		{
			name: "a rule of routing for a user",
			make: []string{"ip", "-6", "rule", "add", "to", "2001:db8::99", "uidrange", "30001-30001", "prohibit"},
			runs: []string{`ip ["ip", "-6", "rule", "show"]`, `ip ["ip", "rule", "show"]`},
		},
		{
			name: "a table of the firewall",
			make: []string{"nft", "add", "table", "bridge", "t"},
			runs: []string{`ip ["ip", "-6", "rule", "show"]`, `ip ["ip", "rule", "show"]`, `nft ["nft", "list", "ruleset"]`},
		},
	} {
		if c.make != nil {
			h.Run(t, c.make[0], c.make[1:]...)
		}
		for _, argv := range [][]string{
			{lixfix, "check", "--passive"},
			{lixfix, "check", "resolv-conf", "--passive", "--name", linuxnet.Name},
		} {
			// How a check ends that finds something is not the matter here.
			trace := h.Run(t, "sh", append([]string{
				"-c", `strace -f -qq -s 200 -e trace=execve,execveat -e signal=none -o /run/trace "$@" >/dev/null; cat /run/trace`, "sh",
			}, argv...)...)
			var runs []string
			for _, m := range spawned.FindAllStringSubmatch(trace, -1) {
				if m[1] != lixfix {
					runs = append(runs, path.Base(m[1])+" "+regexp.MustCompile(`"[^"]*/`).ReplaceAllString(m[2], `"`))
				}
			}
			slices.Sort(runs)
			if !slices.Equal(runs, c.runs) {
				t.Errorf("%s, %v: runs %q, want %q\n%s", c.name, argv[1:], runs, c.runs, trace)
			}
		}
	}
}

// TestCalls counts what a passive check asks the kernel: on a host with hundreds of processes, each of them must cost little,
// and where none is Nix's, the kernel's tables of sockets are not gone through.
func TestCalls(t *testing.T) {
	t.Parallel()
	lixfix := linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix")
	h := lookedAt(t)
	calls := func() (n int) {
		t.Helper()
		trace := h.Run(t, "sh", "-c",
			`strace -f -qq -e trace=%file,%network,read,pread64,close,fstat,getdents64 -e signal=none -o /run/trace "$1" check --passive >/dev/null; cat /run/trace`,
			"sh", lixfix)
		if strings.Contains(trace, "NETLINK_SOCK_DIAG") {
			t.Error("the sockets of the kernel are listed, although no process of Nix runs")
		}
		for line := range strings.Lines(trace) {
			if !strings.Contains(line, "resumed>") { // the second half of a call
				n++
			}
		}
		return n
	}
	const many, each, most = 200, 8, 1500
	few := calls()
	if few > most || few < 100 {
		t.Errorf("%d calls on a host with few processes, which is not within 100 and %d", few, most)
	}
	h.Start(t, h.Command("sh", "-c", fmt.Sprintf("for i in $(seq %d); do sleep 100000 & done; wait", many)))
	for deadline := time.Now().Add(time.Minute); len(strings.Fields(h.Run(t, "sh", "-c", "pgrep -x sleep || true"))) < many; {
		if time.Now().After(deadline) {
			t.Fatal("the processes are not there within a minute")
		}
		time.Sleep(50 * time.Millisecond)
	}
	more := calls()
	t.Logf("%d calls, and %d with %d processes more", few, more, many)
	if more > few+many*each {
		t.Errorf("%d processes take %d calls more, want at most %d", many, more-few, many*each)
	}
}
