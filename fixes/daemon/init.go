package daemon

import (
	"context"
	"path"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
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
	{initScripts, "init", "", []string{"/etc/init.d/nix-daemon"}},
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
		return wsl1, startDaemon.Fill(fix.With{"program": program})
	case in.wsl == 2 && in.wanted:
		return wslRestart, startDaemon.Fill(fix.With{"program": program})
	case in.wsl == 2:
		return wslSetting, startDaemon.Fill(fix.With{"program": program})
	case in.name == "" || in.has == "":
		name := in.name
		if name == "" {
			name = anInit
		}
		return noService.Fill(fix.With{"name": name}), startDaemon.Fill(fix.With{"program": program})
	}
	switch in.name {
	case "OpenRC":
		return byOpenRC, startOpenRC
	case "runit":
		if strings.HasSuffix(dir, "/sv/") {
			to := "/var/service/"
			if dir == "/etc/runit/sv/" {
				to = "/run/runit/service/"
			}
			return runitOff, linkRunit.Fill(fix.With{"service": in.has, "to": to})
		}
		return byRunit, startRunit
	case "s6":
		if dir == "/run/service/" {
			return byS6, startS6.Fill(fix.With{"service": in.has})
		}
		return byS6, startS6RC.Fill(fix.With{"service": base})
	case "dinit":
		return byDinit, startDinit
	}
	return byScript, startScript.Fill(fix.With{"script": in.has})
}
