package resolvconf

import (
	"fmt"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

// TestApart reads both tables of mounts as a machine gives them: the second one in the place of the first.
func TestApart(t *testing.T) {
	t.Parallel()
	const rest = " rw - ext4 /dev/sda1 rw\\n"
	for _, tt := range []struct{ name, own, its, want string }{
		{"the same", "22 1 8:1 / /" + rest, "22 1 8:1 / /" + rest, "[]"},
		// A namespace has numbers of its own for its mounts, and those of the daemon are older.
		{"longer numbers", "1022 1001 8:1 / /" + rest + "1023 1022 0:5 / /dev" + rest, "22 1 8:1 / /" + rest + "23 22 0:5 / /dev" + rest, "[]"},
		{"shorter numbers", "22 1 8:1 / /" + rest + "23 22 0:5 / /dev" + rest, "1022 1001 8:1 / /" + rest + "1023 1022 0:5 / /dev" + rest, "[]"},
		{"another root", "22 1 8:1 / /" + rest, "22 1 8:2 / /" + rest, "[/etc/resolv.conf, from the mount on /]"},
		{"more", "22 1 8:1 / /" + rest, "22 1 8:1 / /" + rest + "30 22 8:1 /srv/dead /etc/resolv.conf" + rest, "[/etc/resolv.conf, from the mount on /etc/resolv.conf]"},
		{"less", "22 1 8:1 / /" + rest + "30 22 8:1 /srv/dead /etc/resolv.conf" + rest, "22 1 8:1 / /" + rest, "[/etc/resolv.conf, from the mount on /]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := memory.New(platform.Facts{OS: platform.Linux}, "/proc/self/mountinfo = "+tt.own+"\n/proc/7/mountinfo = "+tt.its+"\n")
			var got []string
			if err := h.Burst(t.Context(), "mounts", func(f platform.Files) error {
				got = apart(f, "/proc/7", []string{"/etc/resolv.conf"})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if s := fmt.Sprint(got); s != tt.want {
				t.Errorf("%s, want %s", s, tt.want)
			}
		})
	}
}

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
