//go:build linux

package staged

import (
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// TestDaemonApart: real daemons that see other files, or go by another configuration, than lixfix on a healthy host.
func TestDaemonApart(t *testing.T) {
	t.Parallel()
	const dead = "extra-sandbox-paths = /etc/resolv.conf=/etc/nix/dead"
	witness := fixtest.NewWitness(resolvconf.New())
	t.Run("all", func(t *testing.T) {
		for _, tt := range []struct {
			name, script string
			spoil, then  func(*testing.T, *linuxnet.Host)
			id           string
		}{
			{
				name: "another file", script: "mount --bind /etc/nix/dead /etc/resolv.conf; exec nix-daemon", spoil: conf(good, 0o644),
				then: nothing, id: "daemon-elsewhere",
			},
			{
				name: "a configuration of its own", script: "NIX_CONFIG='" + dead + "' exec nix-daemon", spoil: conf(good, 0o644),
				then: nothing, id: "daemon-configuration",
			},
			{
				name: "nix.conf was changed since", script: "exec nix-daemon", spoil: setting(dead), id: "daemon-configuration",
				then: func(t *testing.T, h *linuxnet.Host) {
					time.Sleep(time.Second) // the start of a process is known to the hundredth of a second
					h.WriteFile(t, "/etc/nix/nix.conf", "build-users-group = nixbld\n", 0o644)
				},
			},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				h := linuxnet.New(t, linuxnet.Options{Nix: true})
				h.Store(t)
				h.Resolver(t, linuxnet.Addr4)
				h.WriteFile(t, "/etc/nix/dead", silent, 0o644)
				tt.spoil(t, h)
				h.Start(t, h.Command("/usr/bin/unshare", "--mount", "/bin/sh", "-c", tt.script))
				h.AwaitDaemon(t)
				tt.then(t, h)
				r := recorded(t, h, "a daemon apart: "+tt.name)
				shown(t, witness, tt.name, r)
				if got := having(r, fix.Broken); got != tt.id || r.Exit != 1 {
					t.Errorf("broken %q, want %q; exit %d", got, tt.id, r.Exit)
				}
			})
		}
	})
	witness.Testify(t, "daemons")
}
