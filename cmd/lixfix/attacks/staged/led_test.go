//go:build linux

package staged

import (
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// TestLed: /etc/resolv.conf leads through what alice can change, and she lets it lead on to a file that nobody but root
// may read. A repair that opens the way for build users would open that file to everybody. No race.
func TestLed(t *testing.T) {
	t.Parallel()
	const hidden = "/opt/root/sub/resolv.conf"
	tests := []struct {
		name string
		root string // what root has prepared
		hers string // what she makes of it
		says string // who can change what
	}{
		{
			"a link to the file", "mkdir /etc/alice; chown alice /etc/alice; ln -sfn /etc/alice/resolv.conf /etc/resolv.conf",
			"ln -s " + hidden + " /etc/alice/resolv.conf", "user alice (1234) can change /etc/alice",
		},
		{
			"a link to its directory",
			"mkdir /etc/alice; chown alice /etc/alice; ln -sfn ../etc/alice/run/resolv.conf /etc/resolv.conf",
			"ln -s ../../opt/root/sub /etc/alice/run", "user alice (1234) can change /etc/alice",
		},
		{
			"a link in a sticky directory", "ln -sfn /srv/sticky/resolv.conf /etc/resolv.conf",
			"ln -s " + hidden + " /srv/sticky/resolv.conf", "can change /srv/sticky",
		},
		{
			"a link in a directory of her group",
			"mkdir -m 2775 /opt/group; chgrp alice /opt/group; ln -sfn /opt/group/a/resolv.conf /etc/resolv.conf",
			"ln -s /opt/root/sub /opt/group/a", "can change /opt/group",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := stage(t, linuxnet.Options{})
			s.sh("set -e; mkdir -p /opt/root/sub; echo nameserver 192.0.2.10 >" + hidden + "; chmod 0600 " + hidden + "\n" +
				tt.root)
			s.alice(tt.hers)
			if got := s.sh("readlink -f /etc/resolv.conf"); got != hidden {
				t.Fatalf("/etc/resolv.conf leads to %s", got)
			}
			s.armed()
			repair := []string{
				"repair", "resolv-conf", "--yes", "--passive", "--name", linuxnet.Name, "--accept",
				"resolv-conf/not-readable-by-builders",
			}
			for _, c := range []struct {
				row  string
				args []string
			}{{"repair --dry-run", append(slices.Clip(repair), "--dry-run")}, {"repair", repair}} {
				e := s.assault(c.row, files, 1, call{}, c.args...)
				if got := s.sh("stat -c %a " + hidden); got != "600" {
					t.Fatalf("%v made root's file %s:\n%s", c.args, got, e.stdout)
				}
				said := strings.Join(strings.Fields(string(e.stdout)+string(e.stderr)), " ")
				if !strings.Contains(said, tt.says) || strings.Contains(said, "set the mode") {
					t.Errorf("%v does not say that %s:\n%s\n%s", c.args, tt.says, e.stdout, e.stderr)
				}
			}
		})
	}
}
