//go:build linux

package linuxnet

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// The accounts of a host, as Debian has them on a new system: none of the machine's, which may have build users of its
// own, and people.
const (
	passwd = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin
systemd-timesync:x:997:997:systemd Time Synchronization:/:/usr/sbin/nologin
messagebus:x:100:101::/nonexistent:/usr/sbin/nologin
systemd-resolve:x:996:996:systemd Resolver:/:/usr/sbin/nologin
`
	group = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
lp:x:7:
mail:x:8:
man:x:12:
kmem:x:15:
dialout:x:20:
cdrom:x:24:
tape:x:26:
sudo:x:27:
audio:x:29:
www-data:x:33:
backup:x:34:
shadow:x:42:
utmp:x:43:
video:x:44:
staff:x:50:
users:x:100:
nogroup:x:65534:
systemd-journal:x:999:
systemd-network:x:998:
systemd-timesync:x:997:
systemd-resolve:x:996:
input:x:995:
sgx:x:994:
kvm:x:993:
render:x:992:
messagebus:x:101:
`
	nsswitch = `passwd: files
group: files
shadow: files
gshadow: files
hosts: files dns
networks: files
protocols: files
services: files
ethers: files
rpc: files
netgroup: files
`
)

// accounts gives the host its own users, groups and ways to find them.
func (h *Host) accounts(nix bool) error {
	users, groups := passwd, group
	if nix {
		var members []string
		for i := range BuildMax {
			name := fmt.Sprintf("nixbld%d", i+1)
			members = append(members, name)
			users += fmt.Sprintf("%s:x:%d:%d::/var/empty:/usr/sbin/nologin\n", name, BuildUID+i, BuildGID)
		}
		users += fmt.Sprintf("%s:x:%d:%d::/home/%s:/bin/sh\n", User, UserUID, UserGID, User)
		groups += fmt.Sprintf("nixbld:x:%d:%s\n%s:x:%d:\n", BuildGID, strings.Join(members, ","), User, UserGID)
	}
	locked := func(list string) string {
		var b strings.Builder
		for line := range strings.Lines(list) {
			name, _, _ := strings.Cut(line, ":")
			b.WriteString(name + ":*:19000:0:99999:7:::\n")
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"passwd": users, "group": groups, "nsswitch.conf": nsswitch, "shadow": locked(users), "gshadow": "", "subuid": "", "subgid": "",
	} {
		file := h.Path("/etc/" + name)
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, "shadow") {
			mode = 0o640
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			return err
		}
	}
	return nil
}
