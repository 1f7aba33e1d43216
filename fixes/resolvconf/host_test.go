package resolvconf_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
)

// host is a Linux machine below a directory, with name servers that say what a test wants.
type host struct {
	*fixtest.Host
	t       testing.TB
	servers map[string]dnsquery.Answer // by address; others are silent, on the loopback they refuse
}

var (
	good     = dnsquery.Answer{RCode: dnsquery.NoError, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.80")}, Took: 3 * time.Millisecond}
	unknown  = dnsquery.Answer{RCode: dnsquery.NXDomain}
	servfail = dnsquery.Answer{RCode: dnsquery.ServFail}
	silent   = dnsquery.Answer{RCode: -1, Error: dnsquery.Timeout, Took: 5 * time.Second}
	refused  = dnsquery.Answer{RCode: -1, Error: dnsquery.Refused}
)

const (
	lix    = "nix (Lix, like Nix) 2.95.3"
	oldLix = "nix (Lix, like Nix) 2.93.4"
	cppnix = "nix (Nix) 2.28.3"
	live   = "192.0.2.10"
	dead   = "192.0.2.53"

	newPasta = "passt 2026_10_02.cba3570 --dns-host --dns-forward"
	oldPasta = "unknown version --dns-forward"
)

// newHost makes a host on which everything is well: Lix with a pasta of 2026, both families, one server that answers.
func newHost(t testing.TB) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these hosts have devices and files of other users; run the test as root")
	}
	h := &host{
		Host: fixtest.At(t, platform.Facts{OS: platform.Linux, Arch: "amd64"}), t: t,
		servers: map[string]dnsquery.Answer{live: good},
	}
	for _, dir := range []string{"etc/nix", "run", "usr/bin", "usr/sbin", "dev/net", "proc/net", "proc/self", "nix/store", "sys/module", "var/lib"} {
		h.Must(os.MkdirAll(filepath.Join(h.Root, dir), 0o755))
	}
	h.Put("etc/resolv.conf", "nameserver "+live+"\n", 0o644)
	h.Put("etc/nsswitch.conf", "passwd: files\nhosts: files dns # all\n", 0o644)
	h.Put("etc/group", "root:x:0:\nnixbld:x:30000:nixbld1,nixbld2\n", 0o644)
	h.Put("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnixbld1:x:30001:30000:build:/var/empty:/bin/false\n", 0o644)
	h.Put("proc/self/mountinfo", "22 1 0:20 / / rw - ext4 /dev/sda1 rw\n", 0o644)
	h.routes("dual")
	h.nix(lix, "/usr/bin/pasta")
	h.Put("usr/bin/pasta", newPasta, 0o755)
	h.tun(0o666)
	h.SetAsk(func(_ context.Context, s netip.AddrPort, _ dnsquery.Protocol, _ string, kind dnsquery.Type) dnsquery.Answer {
		if a, ok := h.servers[s.Addr().String()+" "+string(kind)]; ok {
			return a
		}
		if a, ok := h.servers[s.Addr().String()]; ok {
			return a
		}
		if s.Addr().IsLoopback() {
			return refused
		}
		return silent
	})
	return h
}

func (h *host) link(target string) {
	h.t.Helper()
	file := filepath.Join(h.Root, "etc/resolv.conf")
	_ = os.Remove(file)
	h.Must(os.Symlink(target, file))
}

// conf writes /etc/resolv.conf.
func (h *host) conf(data string) { h.Put("etc/resolv.conf", data, 0o644) }

// sparse makes a file seem large.
func (h *host) sparse(name string, size int64) {
	h.t.Helper()
	h.Must(os.Truncate(filepath.Join(h.Root, name), size))
}

// device puts another device than that of tun in its place.
func (h *host) device(major, minor uint32) {
	h.t.Helper()
	file := filepath.Join(h.Root, "dev/net/tun")
	h.Must(os.Remove(file))
	h.Must(unix.Mknod(file, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor))))
	h.Must(os.Chmod(file, 0o666))
}

// acl gives a file a list that lets nixbld1 do all (linux/posix_acl_xattr.h). Its mask becomes that of the group.
func (h *host) acl(name string) {
	h.t.Helper()
	const nobody = 0xffffffff
	list := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{0x01, 6, nobody}, {0x02, 7, 30001}, {0x04, 0, nobody}, {0x10, 7, nobody}, {0x20, 0, nobody}} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.perm)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	h.Must(unix.Lsetxattr(filepath.Join(h.Root, name), "system.posix_acl_access", list, 0))
}

func (h *host) tun(mode os.FileMode) {
	h.t.Helper()
	file := filepath.Join(h.Root, "dev/net/tun")
	_ = os.Remove(file)
	if mode == 0 {
		return
	}
	h.Must(unix.Mknod(file, unix.S_IFCHR|uint32(mode), int(unix.Mkdev(10, 200))))
	h.Must(os.Chmod(file, mode))
}

// nix puts a nix in place, which was built to use that pasta, and reads nix.conf for another one. Without a pasta it does
// not know the setting. It starts no other program, because it is asked some thousand times.
func (h *host) nix(version, pasta string) {
	setting, value, arg := "", "", ""
	if pasta != "-" {
		setting = `,"pasta-path":{"value":"%s"}`
		value = fmt.Sprintf("value pasta-path '%s'\n", strings.ReplaceAll(pasta, "'", `'\''`))
		arg = ` "$said"`
	}
	h.Put("usr/bin/nix", fmt.Sprintf(`#!/bin/sh
[ "$1" != --version ] || { echo '%s'; exit; }
line() { # KEY LINE
	rest=${2%%%%#*}
	while [ "$rest" != "${rest%% }" ]; do rest=${rest%% }; done
	case $rest in "$1"*) rest=${rest#"$1"} ;; *) return 0 ;; esac
	while [ "$rest" != "${rest# }" ]; do rest=${rest# }; done
	case $rest in =*) rest=${rest#=} ;; *) return 0 ;; esac
	while [ "$rest" != "${rest# }" ]; do rest=${rest# }; done
	last=$rest
}
value() { # KEY DEFAULT
	line "$1" "$1 = $2"
	if [ -r '%[2]s/etc/nix/nix.conf' ]; then
		while IFS= read -r text || [ -n "$text" ]; do line "$1" "$text"; done <'%[2]s/etc/nix/nix.conf'
	fi
	said=
	while [ "$last" != "${last#*\"}" ]; do
		said=$said${last%%%%\"*}\\\"
		last=${last#*\"}
	done
	said=$said$last
}
value sandbox true
sandbox=$said
%[4]sprintf '{"sandbox":{"value":%%s},"build-users-group":{"value":"nixbld"}%[3]s}\n' "$sandbox"%[5]s
`, version, h.Root, setting, value, arg), 0o755)
}

func (h *host) routes(families string) {
	v4, v6 := "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n", "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
	if families == "dual" || families == "v4" {
		v4 += "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	}
	if families == "dual" || families == "v6" {
		v6 += "00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
	}
	h.Put("proc/net/route", v4, 0o644)
	h.Put("proc/net/ipv6_route", v6, 0o644)
}

// unit installs a unit of systemd. A fake systemctl says that it does not run, until it is started. Of one that runs, a
// file has what nix.conf was when it started.
func (h *host) unit(name string) {
	h.Put("usr/lib/systemd/system/"+name, "[Unit]\n", 0o644)
	h.Put("usr/bin/systemctl", fmt.Sprintf(`#!/bin/sh
verb=$1
unit=$3
state='%s/run/active-'$unit
start() { { echo started; cat '%[1]s/etc/nix/nix.conf'; } >"$state" 2>/dev/null; :; }
case $verb in
is-active) if [ -e "$state" ]; then echo active; else echo inactive; exit 3; fi ;;
start) start ;;
stop) rm -f "$state" ;;
try-restart) if [ -e "$state" ]; then start; fi ;;
*) exit 1 ;;
esac
`, h.Root), 0o755)
}

// daemon installs the unit of the daemon, which has read that nix.conf.
func (h *host) daemon(read string) {
	h.unit("nix-daemon.service")
	h.Put(running, "started\n"+read, 0o644)
}

// running is a file of a host whose daemon runs.
const running = "run/active-nix-daemon.service"

// age makes the files of a host older.
func (h *host) age(by time.Duration) {
	h.t.Helper()
	then := time.Now().Add(-by)
	for _, name := range []string{"etc/resolv.conf", "etc/nsswitch.conf"} {
		h.Must(os.Chtimes(filepath.Join(h.Root, name), then, then))
	}
}
