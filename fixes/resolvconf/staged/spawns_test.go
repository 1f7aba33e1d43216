//go:build linux

package staged

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

var spawned = regexp.MustCompile(`msg=(?:tool|build) tool=\S*/(\S+) args="?\[([^\]]*)\]`)

// TestSpawns: a passive look on a healthy host with Nix runs no tool but those that tell the rules of the firewall and of
// routing, which decide what build users get. Its time would be theirs.
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
	for _, m := range spawned.FindAllStringSubmatch(stderr.String(), -1) {
		if m[1] == "nft" || m[1] == "ip" {
			continue
		}
		t.Errorf("%s %s is run, and decides nothing", m[1], m[2])
	}
}
