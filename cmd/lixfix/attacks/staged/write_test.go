//go:build linux

package staged

import (
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// repairs are the turns of each command that writes, in each place.
var repairs = linuxnet.Turns(30)

// TestTurned: what /etc/resolv.conf leads to lies in a directory of alice's, who exchanges it with a link to a
// directory of root's all the time. A repair of it writes nothing there, takes nothing back there, and says whose it is.
func TestTurned(t *testing.T) {
	t.Parallel()
	places := []struct{ name, stage, id string }{
		{"the file of a link", "ln -sfn /etc/alice/hers/resolv.conf /etc/resolv.conf", "not-readable-by-builders"},
		{"a directory on the way", `
			mkdir -m 0700 /etc/alice/hers/closed ` + secrets + `/conf/closed
			mv /etc/alice/hers/resolv.conf /etc/alice/hers/closed
			chmod 0644 /etc/alice/hers/closed/resolv.conf
			cp -p /etc/alice/hers/closed/resolv.conf ` + secrets + `/conf/closed
			ln -sfn /etc/alice/hers/closed/resolv.conf /etc/resolv.conf`, "not-readable-by-builders"},
		{"a file that nix.conf includes", `
			printf 'max-jobs = 1\npasta-path = ""\n' | tee /etc/alice/hers/nix.conf >` + secrets + `/conf/nix.conf
			echo '!include /etc/alice/hers/nix.conf' >>/etc/nix/nix.conf
			chmod 0644 /etc/resolv.conf
			mkdir -p /nix/var/nix/profiles/default/bin
			cat >/nix/var/nix/profiles/default/bin/nix <<'END'
#!/bin/bash
case "$*" in
*--version*) echo 'nix (Lix, like Nix) 2.95.3' ;;
*show*) echo '{"sandbox":{"value":true},"build-users-group":{"value":"nixbld"},"pasta-path":{"value":"\"\""}}' ;;
esac
END
			chmod 0755 /nix/var/nix/profiles/default/bin/nix`, "pasta-path-quoted"},
	}
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := stage(t, linuxnet.Options{})
			s.sh(`set -e
				rm -f /usr/sbin/{nft,iptables-save,ip6tables-save} /usr/bin/{dmesg,journalctl}
				mkdir -p /etc/alice/hers
				echo nameserver 192.0.2.10 >/etc/alice/hers/resolv.conf
				chmod 0600 /etc/alice/hers/resolv.conf
				mkdir -m 0700 ` + secrets + `/conf
				cp -p /etc/alice/hers/resolv.conf ` + secrets + `/conf
				` + p.stage + `
				chown alice /etc/alice /etc/alice/hers`)
			repair := []string{
				"repair", "resolv-conf", "--yes", "--passive", "--name", linuxnet.Name, "--accept",
				"resolv-conf/" + p.id,
			}
			s.armed()
			for _, c := range []struct {
				row  string
				args []string
			}{{"check FIX", []string{"check", "resolv-conf", "--passive", "-v"}}, {"repair --dry-run", append(repair,
				"--dry-run")}, {"repair", repair}} {
				e := s.assault(c.row, files, 1, call{}, c.args...)
				if said := strings.Join(strings.Fields(string(e.stdout)+string(e.stderr)), " "); !strings.Contains(said,
					"/etc/alice") || !strings.Contains(said, "alice (1234)") {
					t.Errorf("%v does not say whose directory it is:\n%s\n%s", c.args, e.stdout, e.stderr)
				}
			}
			// Root has made this one when the directory was still root's own.
			s.sh("cp -a /etc/alice /opt/before; chown root /etc/alice /etc/alice/hers")
			if e := s.run(call{}, repair...); !strings.Contains(string(e.stdout), "lixfix undo 20") {
				t.Fatalf("the repair was not made where nobody else has a say: exit %d\n%s\n%s", e.exit, e.stdout, e.stderr)
			}
			s.sh("cp -a " + journals + " /opt/journals; cp -a /etc/alice /opt/after")
			for _, c := range []struct {
				row, etc string
				args     []string
			}{{"undo", "/opt/after", []string{"undo", "--yes"}}, {"repair", "/opt/before", repair}, {
				"resume",
				"/opt/before",
				[]string{"resume", "--yes"},
			}} {
				s.sh("rm -rf /etc/alice " + journals + "; cp -a " + c.etc + " /etc/alice; cp -a /opt/journals " + journals)
				if c.row == "resume" {
					s.unfinish()
				}
				s.sh("chown alice /etc/alice /etc/alice/hers; ln -s " + secrets + "/conf /etc/alice/other; " +
					"chown -h alice /etc/alice/other")
				_, stop := s.attack(s.byAlice("swap", "/etc/alice/hers", "/etc/alice/other"))
				s.raceOf(c.row, files, repairs, []string{lixfix}, append(c.args, "--wait", "30s")...)
				stop()
				s.unchanged(c.row)
			}
		})
	}
}

// unchanged fails the test where root's secrets are not as they were.
func (s *site) unchanged(after string) {
	s.t.Helper()
	if broken := s.breaches(ended{args: []string{after}}); len(broken) > 0 {
		s.t.Errorf("%s", strings.Join(broken, "\n"))
	}
}
