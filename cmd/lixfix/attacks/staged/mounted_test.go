//go:build linux

package staged

import (
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// mounts lets alice mount a directory of hers at another place that is hers, as everybody can where /etc/fuse.conf says
// user_allow_other. There, all is root's by its numbers.
func (s *site) mounts(from, at string) {
	s.t.Helper()
	s.sh(`set -e
		mknod -m 0666 /run/fuse c 10 229
		mount --bind /run/fuse /dev/fuse
		echo user_allow_other >>/etc/fuse.conf`)
	s.alice("bindfs --force-user=root --force-group=root --perms=u+rwX:go+rX:go-w -o allow_other " + from + " " + at)
	s.t.Cleanup(func() { s.alice("! mountpoint -q " + at + " || fusermount3 -u -z " + at) })
	if got := s.sh("stat -c '%u %g' " + at); got != "0 0" {
		s.t.Fatalf("what alice has mounted is not root's by its numbers: %s", got)
	}
}

// TestMountedStore: /nix is alice's, as in a single-user installation, and she mounts a file system of her own there.
func TestMountedStore(t *testing.T) {
	t.Parallel()
	s := owned(t)
	s.alice(`set -e
		mkdir -p ~/nix/store ~/nix/var/nix/db ~/nix/var/nix/profiles/default/bin
		for tool in nix nix-store nix-build nix-instantiate; do cp ` + hers + ` ~/nix/var/nix/profiles/default/bin/$tool; done
		chmod -R u+w /nix/*
		rm -rf /nix/*`)
	s.mounts("/home/alice/nix", "/nix")
	s.armed()
	s.records()
	for _, l := range looks {
		s.assault(l.row, files, 1, call{}, l.args...)
	}
	s.run(call{}, looks[0].args...)
	ran := s.records()
	if len(ran) == 0 {
		t.Error("her Nix was not run at all, so that nothing is proven")
	}
	for _, r := range ran {
		if uid := r.numbers("Uid"); len(uid) == 0 || uid[0] != linuxnet.UserUID {
			t.Errorf("her Nix was run as %v, and not as alice", uid)
		}
	}
}

// TestMountedLinks: root has given alice a directory, /etc/resolv.conf leads into it, and what she has mounted there
// leads on to a file of root's, which a repair would open to everybody.
func TestMountedLinks(t *testing.T) {
	t.Parallel()
	s := stage(t, linuxnet.Options{})
	s.sh(`set -e
		mkdir /etc/alice /opt/root
		chown alice /etc/alice
		echo nameserver 192.0.2.10 >/opt/root/conf
		chmod 0600 /opt/root/conf
		ln -sfn /etc/alice/resolv.conf /etc/resolv.conf`)
	s.alice("mkdir ~/conf && ln -s /opt/root/conf ~/conf/resolv.conf")
	s.mounts("/home/alice/conf", "/etc/alice")
	s.armed()
	repair := []string{
		"repair", "resolv-conf", "--yes", "--passive", "--name", linuxnet.Name, "--accept",
		"resolv-conf/not-readable-by-builders",
	}
	for _, c := range []struct {
		row  string
		args []string
	}{
		{"check FIX", []string{"check", "resolv-conf", "--passive", "-v"}},
		{"repair --dry-run", append(slices.Clip(repair), "--dry-run")},
		{"repair", repair},
	} {
		e := s.assault(c.row, files, 1, call{}, c.args...)
		said := strings.Join(strings.Fields(string(e.stdout)+string(e.stderr)), " ")
		if !strings.Contains(said, "/etc/alice") || !strings.Contains(said, "alice (1234)") {
			t.Errorf("%v does not say whose directory it is:\n%s\n%s", c.args, e.stdout, e.stderr)
		}
		if got := s.sh("stat -c %a /opt/root/conf"); got != "600" {
			t.Fatalf("%v made root's file %s", c.args, got)
		}
	}
	// Nor is a program there one that root is to run after each start of the system.
	s.alice("cp " + lixfix + " ~/conf/lixfix")
	out, err := s.Command("/etc/alice/lixfix", "schedule", "install", "--dry-run").CombinedOutput()
	if said := strings.Join(strings.Fields(string(out)), " "); err == nil || !strings.Contains(said, "user 1234") &&
		!strings.Contains(said, "alice (1234)") {
		t.Errorf("a job that runs alice's program: %v\n%s", err, out)
	}
	// What root has mounted is believed: the same file system, and the same repair.
	s.alice("fusermount3 -u -z /etc/alice")
	s.sh("bindfs -o allow_other /home/alice/conf /etc/alice && bindfs --force-user=root --force-group=root -o allow_other " +
		"/home/alice/conf /etc/alice -o nonempty")
	s.run(call{}, repair...)
	if got := s.sh("stat -c %a /opt/root/conf; umount /etc/alice; umount /etc/alice"); got != "644" {
		t.Errorf("a repair of what root has mounted made the file %s", got)
	}
}
