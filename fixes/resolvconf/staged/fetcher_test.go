//go:build linux

package staged

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// cutting is a nix-store that has the name server taken away before the daemon's own fetcher is asked: what a builder
// sees and what the daemon sees then differs, as after a change that the daemon has missed. It runs as nobody.
const cutting = `#!/bin/sh
case "$*" in
--realise*-lixfix-dns-probe-f*)
	: >/run/cut/now
	until [ -e /run/cut/done ]; do sleep 0.05; done
	;;
esac
exec /usr/bin/nix-store "$@"
`

// TestFetcher: a real daemon whose fetcher resolves names, and one whose fetcher does not; neither leaves anything.
func TestFetcher(t *testing.T) {
	t.Parallel()
	h := linuxnet.New(t, linuxnet.Options{Nix: true})
	h.Store(t)
	h.WriteFile(t, "/etc/resolv.conf", good, 0o644)
	h.Daemon(t)
	downloads := func() int {
		entries, err := os.ReadDir(h.Path("/nix/var/log/nix/drvs"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, dir := range entries {
			logs, err := os.ReadDir(h.Path("/nix/var/log/nix/drvs/" + dir.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range logs {
				if strings.Contains(e.Name(), "-lixfix-dns-probe-f") {
					n++
				}
			}
		}
		entries, err = os.ReadDir(h.Path("/nix/store"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.Contains(e.Name(), "-lixfix-dns-probe-") && !strings.HasSuffix(e.Name(), ".lock") {
				t.Errorf("%s is left in the store", e.Name())
			}
		}
		return n
	}
	check := func(what, broken string, exit, begun int) {
		t.Helper()
		r := run(t, h, "check", "resolv-conf", "--name", linuxnet.Name)
		if having(r, fix.Broken) != broken || having(r, fix.OK) != "works" || r.Exit != exit {
			t.Errorf("%s: broken %q, ok %q, exit %d", what, having(r, fix.Broken), having(r, fix.OK), r.Exit)
		}
		if n := downloads(); n != begun {
			t.Errorf("%s: %d downloads, want %d", what, n, begun)
		}
	}
	dated := func(when time.Time) {
		t.Helper()
		for _, name := range []string{"/etc/resolv.conf", "/etc/nsswitch.conf"} {
			if err := os.Chtimes(h.Path(name), when, when); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.WriteFile(t, "/etc/nsswitch.conf", "hosts: files dns\n", 0o644)
	stop := h.Resolver(t, linuxnet.Addr4)
	dated(time.Now().Add(time.Hour)) // whenever this host comes to it, the daemon is the older one
	check("a fetcher that resolves", "", 0, 1)

	const tools = "/nix/var/nix/profiles/default/bin/"
	h.WriteFile(t, tools+"nix-store", cutting, 0o755)
	for _, name := range []string{"nix", "nix-build", "nix-instantiate"} {
		h.Symlink(t, "/usr/bin/"+name, tools+name)
	}
	h.Run(t, "/bin/mkdir", "-m", "777", "/run/cut")
	var cut sync.WaitGroup
	cut.Go(func() {
		for t.Context().Err() == nil {
			if _, err := os.Stat(h.Path("/run/cut/now")); err == nil {
				stop()
				_ = os.WriteFile(h.Path("/run/cut/done"), nil, 0o644)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	check("a fetcher that does not", "daemon-fetcher", 1, 2)
	cut.Wait()
}
