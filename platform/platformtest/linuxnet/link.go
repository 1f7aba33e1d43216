//go:build linux

package linuxnet

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"
)

// Link connects two hosts by a cable of their own: peer gets the interface link0 with the address there, by which it
// reaches here, an address that h can have on many cables.
func (h *Host) Link(t testing.TB, peer *Host, here, there string) {
	t.Helper()
	name := "to" + strconv.Itoa(peer.pid)
	// Of the namespaces of h, only that of the network: the command names the peer by its number on this side.
	out, err := exec.Command("nsenter", "--target", strconv.Itoa(h.pid), "--net", "--",
		"ip", "link", "add", name, "type", "veth", "peer", "name", "link0", "netns", strconv.Itoa(peer.pid)).CombinedOutput()
	if err != nil {
		t.Fatalf("connect two hosts: %v\n%s", err, out)
	}
	for _, end := range []struct {
		host          *Host
		dev, own, far string
	}{{h, name, here, there}, {peer, "link0", there, here}} {
		script := fmt.Sprintf("ip addr add %s peer %s dev %s && ip link set %[3]s up", end.own, end.far, end.dev)
		if out, err := end.host.Command("sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("connect two hosts: %v\n%s", err, out)
		}
	}
}
