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

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
)

// host is a Linux machine below a directory, with name servers that say what a test wants.
type host struct {
	*platform.Machine
	t       testing.TB
	root    string
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
	h := &host{t: t, root: t.TempDir(), servers: map[string]dnsquery.Answer{live: good}}
	for _, dir := range []string{"etc/nix", "run", "usr/bin", "usr/sbin", "dev/net", "proc/net", "proc/self", "nix/store", "sys/module", "var/lib"} {
		if err := os.MkdirAll(filepath.Join(h.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Root runs nix as nobody, who has to get there.
	for dir := h.root; len(dir) >= len(os.TempDir()); dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o005 != 0o005 {
			err = os.Chmod(dir, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h.put("etc/resolv.conf", "nameserver "+live+"\n", 0o644)
	h.put("etc/nsswitch.conf", "passwd: files\nhosts: files dns # all\n", 0o644)
	h.put("etc/group", "root:x:0:\nnixbld:x:30000:nixbld1,nixbld2\n", 0o644)
	h.put("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnixbld1:x:30001:30000:build:/var/empty:/bin/false\n", 0o644)
	h.put("proc/self/mountinfo", "22 1 0:20 / / rw - ext4 /dev/sda1 rw\n", 0o644)
	h.routes("dual")
	h.nix(lix, "/usr/bin/pasta")
	h.put("usr/bin/pasta", newPasta, 0o755)
	h.tun(0o666)
	h.Machine = platform.At(
		func(name string) (string, error) { return securejoin.SecureJoin(h.root, name) },
		func() platform.Facts { return platform.Facts{OS: platform.Linux, Arch: "amd64"} },
	)
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

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// put writes a file, with exactly that mode.
func (h *host) put(name, data string, mode os.FileMode) {
	h.t.Helper()
	file := filepath.Join(h.root, name)
	h.must(os.MkdirAll(filepath.Dir(file), 0o755))
	_ = os.Remove(file)
	h.must(os.WriteFile(file, []byte(data), mode))
	h.must(os.Chmod(file, mode))
}

func (h *host) read(name string) string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.root, name))
	h.must(err)
	return string(data)
}

func (h *host) link(target string) {
	h.t.Helper()
	file := filepath.Join(h.root, "etc/resolv.conf")
	_ = os.Remove(file)
	h.must(os.Symlink(target, file))
}

// conf writes /etc/resolv.conf.
func (h *host) conf(data string) { h.put("etc/resolv.conf", data, 0o644) }

// device puts another device than that of tun in its place.
func (h *host) device(major, minor uint32) {
	h.t.Helper()
	file := filepath.Join(h.root, "dev/net/tun")
	h.must(os.Remove(file))
	h.must(unix.Mknod(file, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor))))
	h.must(os.Chmod(file, 0o666))
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
	h.must(unix.Lsetxattr(filepath.Join(h.root, name), "system.posix_acl_access", list, 0))
}

func (h *host) tun(mode os.FileMode) {
	h.t.Helper()
	file := filepath.Join(h.root, "dev/net/tun")
	_ = os.Remove(file)
	if mode == 0 {
		return
	}
	h.must(unix.Mknod(file, unix.S_IFCHR|uint32(mode), int(unix.Mkdev(10, 200))))
	h.must(os.Chmod(file, mode))
}

// nix puts a nix in place. Without a pasta it does not know the setting.
func (h *host) nix(version, pasta string) {
	setting := ""
	if pasta != "-" {
		setting = fmt.Sprintf(`,"pasta-path":{"value":%q}`, pasta)
	}
	h.put("etc/settings.json", `{"sandbox":{"value":true},"build-users-group":{"value":"nixbld"}`+setting+"}\n", 0o644)
	h.put("usr/bin/nix", fmt.Sprintf("#!/bin/sh\ncase $1 in --version) echo '%s' ;; *) cat '%s/etc/settings.json' ;; esac\n", version, h.root), 0o755)
}

func (h *host) routes(families string) {
	v4, v6 := "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n", "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
	if families == "dual" || families == "v4" {
		v4 += "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	}
	if families == "dual" || families == "v6" {
		v6 += "00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
	}
	h.put("proc/net/route", v4, 0o644)
	h.put("proc/net/ipv6_route", v6, 0o644)
}

// unit installs a unit of systemd. A fake systemctl says that it does not run, until it is started.
func (h *host) unit(name string) {
	h.put("usr/lib/systemd/system/"+name, "[Unit]\n", 0o644)
	h.put("usr/bin/systemctl", fmt.Sprintf(`#!/bin/sh
verb=$1
unit=$3
state='%s/run/active-'$unit
case $verb in
is-active) if [ -e "$state" ]; then echo active; else echo inactive; exit 3; fi ;;
start) : >"$state" ;;
stop) rm -f "$state" ;;
try-restart) echo "$unit" >>'%[1]s/var/lib/restarts' ;;
*) exit 1 ;;
esac
`, h.root), 0o755)
}

// snapshot is all of the host but the journals: modes, contents and links.
func (h *host) snapshot() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	h.must(filepath.WalkDir(h.root, func(name string, e os.DirEntry, err error) error {
		if err != nil || strings.Contains(name, "/var/lib/") {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += " " + string(data)
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			text += " " + target
		}
		all[strings.TrimPrefix(name, h.root)] = text
		return nil
	}))
	return all
}

// age makes the files of a host older.
func (h *host) age(by time.Duration) {
	h.t.Helper()
	then := time.Now().Add(-by)
	for _, name := range []string{"etc/resolv.conf", "etc/nsswitch.conf"} {
		h.must(os.Chtimes(filepath.Join(h.root, name), then, then))
	}
}
