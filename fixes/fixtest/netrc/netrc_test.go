package netrc_test

import (
	"testing"

	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/fixtest/netrc"
)

func TestNetrc(t *testing.T) {
	host := func(archive string) func(testing.TB) *fixtest.Host {
		return func(t testing.TB) *fixtest.Host { return fixtest.Txtar(t, archive) }
	}
	const passwords = "-- etc/nix/netrc --\nmachine cache.example.org password x\n"
	fixtest.Run(t, netrc.New(), []fixtest.Case{
		{Name: "no file", Make: host("dir 0755 /etc/nix\n"), Finds: []string{"netrc/private"}},
		{Name: "only root can read it", Make: host("mode 0600 /etc/nix/netrc\n" + passwords), Finds: []string{"netrc/private"}},
		{
			Name: "everybody can read it", Make: host(passwords),
			Finds: []string{"netrc/readable"}, Repaired: []string{"netrc/private"},
		},
	})
}
