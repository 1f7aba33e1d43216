package resolvconf

import (
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
)

// places are where owners keep their file.
var places = []struct {
	prefix string
	owner  Owner
}{
	{"/run/systemd/resolve/", Resolved},
	{"/usr/lib/systemd/resolv.conf", Resolved},
	{"/run/NetworkManager/", NetworkManager},
	{"/var/run/NetworkManager/", NetworkManager},
	{"/run/resolvconf/", Resolvconf},
	{"/etc/resolvconf/run/", Resolvconf},
	{"/run/connman/", ConnMan},
	{"/var/run/connman/", ConnMan},
	{"/run/netconfig/", Netconfig},
	{"/var/run/netconfig/", Netconfig},
	{"/mnt/wsl/", WSL},
	{"/etc/static/", NixOS},
	{"/nix/store/", NixOS},
}

// ownerOf tells whose the file is. A place tells more than a header, for the header of a copy stays when its owner is
// long gone, and NixOS more than either, for there even a file of NetworkManager's follows from its configuration.
func ownerOf(t *trace, header string, nixos, mounted, container bool) Owner {
	if nixos {
		return NixOS
	}
	for _, l := range append([]node{{name: t.end}}, t.links...) {
		for _, p := range places {
			if strings.HasPrefix(l.name, p.prefix) {
				return p.owner
			}
		}
	}
	header = strings.ToLower(header)
	for _, h := range headers {
		if strings.Contains(header, h.text) {
			return h.owner
		}
	}
	switch {
	case mounted && container:
		return Container
	case mounted:
		return Mount
	case len(t.links) > 0:
		return Stranger
	}
	return Nobody
}

// terms are how an owner is told of a server, and how its service is called.
type terms struct {
	how  fix.Words // to have other servers in the file; {address} is one that answers, where one is known
	unit string    // of systemd, that writes the file or answers; "" for none
	stub string    // a file of the owner's that a link may lead to; "" for none
}
