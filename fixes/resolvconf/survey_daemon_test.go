package resolvconf

import "testing"

func TestMountOf(t *testing.T) {
	t.Parallel()
	const own = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:5 / /dev rw - devtmpfs none rw\n"
	for _, tt := range []struct {
		name, its, file string
		same            bool
	}{
		{"the same", own, "/etc/resolv.conf", true},
		{"what Nix mounts", own + "30 22 8:1 /nix/store /nix/store ro - ext4 /dev/sda1 rw\n", "/etc/resolv.conf", true},
		{"ProtectSystem", own + "30 22 8:1 /etc /etc ro - ext4 /dev/sda1 rw\n", "/etc/resolv.conf", true},
		{"BindPaths", own + "30 22 8:1 /srv/resolv.conf /etc/resolv.conf ro - ext4 /dev/sda1 rw\n", "/etc/resolv.conf", false},
		{"PrivateDevices", own + "30 23 0:44 / /dev rw - tmpfs tmpfs rw\n", "/dev/net/tun", false},
		{"of another name", own + "30 22 0:44 / /etc2 rw - tmpfs tmpfs rw\n", "/etc/resolv.conf", true},
		{"RootDirectory", "22 1 8:2 / / rw - ext4 /dev/sdb1 rw\n", "/etc/nix/nix.conf", false},
	} {
		a, _ := mountOf([]byte(own), tt.file)
		b, at := mountOf([]byte(tt.its), tt.file)
		if (a == b) != tt.same {
			t.Errorf("%s: %q and %q on %s", tt.name, a, b, at)
		}
	}
}
