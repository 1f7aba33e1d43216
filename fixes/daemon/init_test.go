package daemon_test

import (
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/daemon"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

// TestInits: on hosts that systemd does not run, each is told what starts services there, and the command of it.
func TestInits(t *testing.T) {
	const (
		quiet = store + "/nix/var/nix/daemon-socket/\n/usr/bin/nix-instantiate -> nix\n" + debianNix
		wsl1  = "/proc/sys/kernel/osrelease = 4.4.0-19041-Microsoft\n"
		wsl2  = "/proc/sys/kernel/osrelease = 5.15.153.1-microsoft-standard-WSL2\n"
		first = "/proc/1/comm = "
		hand  = "sudo /usr/bin/nix-daemon --daemon"
	)
	for _, tt := range []struct {
		name, files string
		system      platform.Facts
		id          string
		status      fix.Status
		says        string // in the summary or in the remedy
		command     string
	}{
		{"OpenRC with a service", quiet + "/run/openrc/\n/etc/init.d/nix-daemon = x\n", user, "no-init", fix.Broken, "OpenRC has a service of it", "sudo rc-update add nix-daemon default; sudo rc-service nix-daemon start"},
		{"OpenRC without one", quiet + "/run/openrc/\n", root, "no-init", fix.Broken, "OpenRC has no service of it", hand},
		{"openrc-init", quiet + first + "openrc-init\n/etc/init.d/nix-daemon = x\n", user, "no-init", fix.Broken, "OpenRC starts services here", "sudo rc-update add nix-daemon default; sudo rc-service nix-daemon start"},
		{"OpenRC that is only installed", quiet + "/etc/init.d/nix-daemon = x\n", user, "no-init", fix.Broken, "systemd is not the first process", hand},
		{"runit with a service that is on", quiet + first + "runit\n/var/service/nix-daemon/\n", user, "no-init", fix.Broken, "runit has a service of it", "sudo sv up nix-daemon"},
		{"runit with a service that is off", quiet + first + "runit\n/etc/sv/nix-daemon/\n", user, "no-init", fix.Broken, "not switched on", "sudo ln -s /etc/sv/nix-daemon /var/service/"},
		{"runit of Artix", quiet + "/run/runit/\n/etc/runit/sv/nix-daemon/\n", user, "no-init", fix.Broken, "not switched on", "sudo ln -s /etc/runit/sv/nix-daemon /run/runit/service/"},
		{"runit without one", quiet + first + "runit\n", user, "no-init", fix.Broken, "runit has no service of it", hand},
		{"s6 with a service", quiet + first + "s6-svscan\n/run/service/nix-daemon/\n", user, "no-init", fix.Broken, "s6 has a service of it", "sudo s6-svc -u /run/service/nix-daemon"},
		{"s6-rc", quiet + "/run/s6-rc/\n/etc/s6/sv/nix-daemon/\n", user, "no-init", fix.Broken, "s6 has a service of it", "sudo s6-rc -u change nix-daemon"},
		{"dinit", quiet + first + "dinit\n/etc/dinit.d/nix-daemon = x\n", user, "no-init", fix.Broken, "dinit has a service of it", "sudo dinitctl enable nix-daemon"},
		{"init scripts", quiet + first + "init\n/etc/init.d/nix-daemon = x\n", user, "no-init", fix.Broken, "there is an init script of it", "sudo /etc/init.d/nix-daemon start"},
		{"an init that nobody knows", quiet + first + "init\n", user, "no-init", fix.Broken, "write one for it", hand},
		{"WSL1", quiet + wsl1, user, "no-init", fix.Broken, "WSL1 cannot run systemd", hand},
		{"WSL1, root", quiet + wsl1, root, "no-init", fix.Broken, "this is WSL1 without systemd", hand},
		{"WSL2 without systemd", quiet + wsl2, user, "no-init", fix.Broken, `"systemd=true" below "[boot]"`, hand},
		{"WSL2 that is to have systemd", quiet + wsl2 + "/etc/wsl.conf = [automount]\\nsystemd=false\\n[boot]\\nsystemd = true\\n\n", user, "no-init", fix.Broken, "/etc/wsl.conf asks for systemd", hand},
		{"WSL2 with a daemon that is gone", quiet + wsl2 + socket, user, "stale-socket", fix.Broken, "nobody listens", hand},
		{"a container, its users", quiet + "/.dockerenv = \n", user, "no-init", fix.Broken, "this is a container", hand},
		{"a container, root", quiet + "/run/.containerenv = \n", root, "no-init", fix.OK, "root needs none", ""},
		{"a single user's", passwd + "0755 1000 /nix/\n0755 1000 /nix/var/nix/\n0755 1000 /nix/var/nix/db/\n0755 1000 /nix/store/\n/nix/var/nix/db/db.sqlite = x\n/home/alice/.nix-profile/bin/nix -> " + nixPath + "/bin/nix\n" + nixPath + "/bin/nix = x\n", user, "not-needed", fix.OK, "the store belongs to", ""},
		{"a single user's, another one", passwd + "0755 1000 /nix/\n0755 1000 /nix/var/nix/\n0755 1000 /nix/var/nix/db/\n0755 1000 /nix/store/\n/nix/var/nix/db/db.sqlite = x\n/home/alice/.nix-profile/bin/nix -> " + nixPath + "/bin/nix\n" + nixPath + "/bin/nix = x\n", root, "not-needed", fix.OK, "the store belongs to", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := daemon.New().Detect(t.Context(), memory.New(tt.system, tt.files), nil)
			if err != nil || len(found) != 1 || found[0].ID != "daemon/"+tt.id || found[0].Status != tt.status {
				t.Fatalf("%+v, %v", found, err)
			}
			text, command := found[0].Summary, ""
			if r := found[0].Remedy; r != nil {
				text, command = text+"\n"+r.Changes, r.Command
			}
			if !strings.Contains(text, tt.says) || command != tt.command {
				t.Errorf("%s\n%s", text, command)
			}
		})
	}
}
