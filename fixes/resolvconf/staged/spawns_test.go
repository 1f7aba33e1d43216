//go:build linux

package staged

import (
	"path"
	"regexp"
	"slices"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// spawned finds, in a trace of a process and what it starts, the programs that were run, and with which arguments.
var spawned = regexp.MustCompile(`execve(?:at)?\([^"]*"([^"]*)", (\[[^\]]*\])`)

// TestSpawns counts the programs that a check as root runs: none, where the kernel has no rule that could treat build
// users differently, and else those that list such rules.
func TestSpawns(t *testing.T) {
	t.Parallel()
	lixfix := linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix")
	h := linuxnet.New(t, linuxnet.Options{Nix: true})
	h.Run(t, "/usr/bin/nix-store", "--init")
	h.Resolver(t, linuxnet.Addr4)
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
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
