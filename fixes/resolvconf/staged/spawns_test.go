//go:build linux

package staged

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

var spawned = regexp.MustCompile(`msg=(?:tool|build) tool=\S*/(\S+) args="?\[([^\]]*)\]`)

// TestSpawns: the time of a passive look on a healthy host is that of the tools that it runs, so these are counted.
func TestSpawns(t *testing.T) {
	t.Parallel()
	h := linuxnet.New(t, linuxnet.Options{Nix: true})
	h.Run(t, "/usr/bin/nix-store", "--init")
	h.Resolver(t, linuxnet.Addr4)
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	cmd := h.Command(linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"),
		"check", "resolv-conf", "--passive", "--debug", "--name", linuxnet.Name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	var got []string
	for _, m := range spawned.FindAllStringSubmatch(stderr.String(), -1) {
		// Of the firewall and of others, a machine has what it has.
		if m[1] == "nix" {
			got = append(got, strings.TrimSpace(m[1]+" "+m[2]))
		} else if !slices.Contains([]string{"nft", "ip", "iptables-save", "ip6tables-save", "dmesg", "lsattr"}, m[1]) {
			t.Errorf("%s is run", m[1])
		}
	}
	slices.Sort(got)
	if len(got) > 0 {
		t.Errorf("nix is run, although files tell all that is asked: %q", got)
	}
	t.Logf("%d tools", len(spawned.FindAllString(stderr.String(), -1)))
}
