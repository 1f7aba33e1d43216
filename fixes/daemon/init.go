package daemon

import (
	"context"
	"path"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// initd is what starts services on a host whose first process is not systemd.
type initd struct {
	name   string // for people; "" where it is not known
	has    string // the service of the daemon that it has; "" for none
	wsl    int    // 1 or 2; 0 elsewhere
	wanted bool   // /etc/wsl.conf asks for systemd
}

// inits are those that lixfix knows, by what shows that they run here: the name of the first process, or a name that they
// make at boot. A program that is only installed is no init.
var inits = []struct {
	name, first, made string
	services          []string // where a distribution's package puts the daemon
}{
	{"OpenRC", "openrc-init", "/run/openrc", []string{"/etc/init.d/nix-daemon"}},
	{"runit", "runit", "/run/runit", []string{"/var/service/nix-daemon", "/run/runit/service/nix-daemon", "/etc/service/nix-daemon", "/etc/sv/nix-daemon", "/etc/runit/sv/nix-daemon"}},
	{"s6", "s6-svscan", "/run/s6-rc", []string{"/run/service/nix-daemon", "/etc/s6/sv/nix-daemon", "/etc/s6-rc/source/nix-daemon"}},
	{"dinit", "dinit", "/run/dinitctl", []string{"/etc/dinit.d/nix-daemon"}},
	{"init scripts", "init", "", []string{"/etc/init.d/nix-daemon"}},
}

// findInit finds out what starts services here.
func findInit(ctx context.Context, v platform.View) initd {
	var in initd
	first := ""
	_ = v.Burst(ctx, "the first process and the kernel's version", func(f platform.Files) error {
		if data, err := f.Read("/proc/sys/kernel/osrelease"); err == nil {
			in.wsl = wslOf(string(data))
		}
		if data, err := f.Read("/proc/1/comm"); err == nil {
			first = strings.TrimSpace(string(data))
		}
		return nil
	})
	if in.wsl > 0 {
		if data, err := platform.ReadSmall(ctx, v, "/etc/wsl.conf"); err == nil {
			in.wanted = wantsSystemd(string(data))
		}
	}
	there := func(name string) bool {
		_, err := v.Stat(ctx, name)
		return name != "" && err == nil
	}
	for _, one := range inits {
		if one.first != first && !there(one.made) {
			continue
		}
		for _, s := range one.services {
			if there(s) {
				in.has = s
				break
			}
		}
		if one.made == "" && in.has == "" {
			continue // every first process may be called init
		}
		in.name = one.name
		break
	}
	return in
}

// wslOf reads the kernel's version: "4.4.0-19041-Microsoft" is that of WSL1, "5.15.0-microsoft-standard-WSL2" of WSL2.
func wslOf(release string) int {
	switch {
	case !strings.Contains(strings.ToLower(release), "microsoft"):
		return 0
	case strings.HasPrefix(release, "4.4.0-") && strings.Contains(release, "-Microsoft"):
		return 1
	}
	return 2
}

// wantsSystemd reads /etc/wsl.conf.
func wantsSystemd(text string) bool {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "["):
			section = strings.ToLower(strings.Trim(line, "[] "))
		case section == "boot" && strings.EqualFold(strings.TrimSpace(key), "systemd"):
			return strings.EqualFold(strings.TrimSpace(value), "true")
		}
	}
	return false
}

// start says how a daemon is started here, and the command that does it. program is the daemon's.
func (in initd) start(program string) (says, command string) {
	dir, base := path.Split(in.has)
	switch {
	case in.wsl == 1:
		return "WSL1 cannot run systemd, so start it in a terminal, or move to WSL2 with \"wsl --set-version\" in Windows", "sudo " + program + " --daemon"
	case in.wsl == 2 && in.wanted:
		return "/etc/wsl.conf asks for systemd, which WSL starts after \"wsl --shutdown\" in Windows", "sudo " + program + " --daemon"
	case in.wsl == 2:
		return "WSL2 runs systemd where /etc/wsl.conf has \"systemd=true\" below \"[boot]\", after \"wsl --shutdown\" in Windows", "sudo " + program + " --daemon"
	case in.name == "" || in.has == "":
		name := in.name
		if name == "" {
			name = "what starts services here"
		}
		return name + " has no service of it, so write one for it, or start it in a terminal", "sudo " + program + " --daemon"
	}
	switch in.name {
	case "OpenRC":
		return "OpenRC has a service of it", "sudo rc-update add nix-daemon default; sudo rc-service nix-daemon start"
	case "runit":
		if strings.HasSuffix(dir, "/sv/") {
			to := "/var/service/"
			if dir == "/etc/runit/sv/" {
				to = "/run/runit/service/"
			}
			return "runit has a service of it, which is not switched on", "sudo ln -s " + in.has + " " + to
		}
		return "runit has a service of it", "sudo sv up nix-daemon"
	case "s6":
		if dir == "/run/service/" {
			return "s6 has a service of it", "sudo s6-svc -u " + in.has
		}
		return "s6 has a service of it", "sudo s6-rc -u change " + base
	case "dinit":
		return "dinit has a service of it", "sudo dinitctl enable nix-daemon"
	}
	return "there is an init script of it", "sudo " + in.has + " start"
}
