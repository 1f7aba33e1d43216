package installation_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

var (
	linux = platform.Facts{OS: platform.Linux, Arch: "amd64"}
	user  = platform.Facts{OS: platform.Linux, Arch: "amd64", UID: 1000}
	mac   = platform.Facts{OS: platform.Darwin, Arch: "arm64"}
	macU  = platform.Facts{OS: platform.Darwin, Arch: "arm64", UID: 501}
)

const (
	lixPath = "/nix/store/00000000000000000000000000000000-lix-2.95.1"
	nixPath = "/nix/store/11111111111111111111111111111111-nix-2.34.8"
	detPath = "/nix/store/22222222222222222222222222222222-determinate-nix-3.11.2"

	accountsText = `
/etc/passwd = root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nnixbld1:x:30001:30000::/var/empty:/bin/false\nnixbld2:x:30002:30000::/var/empty:/bin/false\n
/etc/group = root:x:0:\nnixbld:x:30000:nixbld1,nixbld2,nixbld3\n
0700 0 /root/
`
	store = `
/nix/var/nix/db/db.sqlite = x
/nix/var/nix/daemon-socket/socket socket
`
	noStore = `
/nix/var/nix/daemon-socket/
`
)

// in is a profile with the programs of a store path.
func in(profile, path string) string {
	return path + "/bin/nix = x\n" + path + "/bin/nix-daemon -> nix\n" + path + "/bin/nix-store -> nix\n" +
		profile + "-1-link -> /nix/store/33333333333333333333333333333333-profile\n" + profile + " -> " + profile + "-1-link\n" +
		"/nix/store/33333333333333333333333333333333-profile/bin -> " + path + "/bin\n"
}

// linked are the units of an installer that links them, as those of a store path are.
func linked(path, service string) string {
	const lib = "/nix/var/nix/profiles/default/lib/systemd/system/"
	return "/nix/store/33333333333333333333333333333333-profile/lib -> " + path + "/lib\n" +
		path + "/lib/systemd/system/nix-daemon.socket = [Socket]\\nListenStream=/nix/var/nix/daemon-socket/socket\\n\n" +
		path + "/lib/systemd/system/nix-daemon.service = " + service + "\n" +
		"/etc/systemd/system/nix-daemon.socket -> " + lib + "nix-daemon.socket\n/etc/systemd/system/nix-daemon.service -> " + lib + "nix-daemon.service\n"
}

const profile = "/nix/var/nix/profiles/default"

func service(path string) string {
	return `[Unit]\nConditionPathIsReadWrite=/nix/var/nix/daemon-socket\n[Service]\nExecStart=@` + path + `/bin/nix-daemon nix-daemon --daemon\nKillMode=process\n`
}

func job(label, path string) string {
	return "/Library/LaunchDaemons/" + label + ".plist = " + strings.ReplaceAll(`<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>Label</key><string>`+label+`</string>
<key>EnvironmentVariables</key><dict><key>SECRET</key><string>x</string><key>OBJC_DISABLE_INITIALIZE_FORK_SAFETY</key><string>YES</string></dict>
<key>ProgramArguments</key><array><string>/bin/sh</string><string>-c</string>
<string>/bin/wait4path `+path+` &amp;&amp; exec `+path+`</string></array></dict></plist>`, "\n", `\n`) + "\n"
}

func lixReceipt(planner string) string {
	return `/nix/receipt.json = {"version":"0.17.1","actions":[],"planner":{"planner":"` + planner + `","settings":{"nix_build_group_name":"nixbld","enable_flakes":true}}}` + "\n"
}

var hosts = []struct {
	name   string
	system platform.Facts
	files  string
	line   string
	// fields are some of those that are shown: NAME: VALUE (FROM), or NAME? why it is not known.
	fields []string
}{
	{
		"no Nix", linux, accountsText, "no Nix here",
		[]string{
			"present: no (there is none in /run/current-system/sw/bin, /nix/var/nix/profiles/default/bin, /root/.nix-profile/bin, " +
				"/root/.local/state/nix/profile/bin, /nix/var/nix/profiles/per-user/root/profile/bin, /usr/local/bin, /usr/bin)",
			"release? there is no Nix", "daemon:  (systemd has no unit of a daemon)",
		},
	},
	{"no Nix, and root's home is closed", user, accountsText, "no Nix here", []string{"daemon:  (systemd has no unit of a daemon)"}},
	{"no Nix on a Mac", mac, "/etc/passwd = \n", "no Nix here", nil},
	{"no Nix on a Mac, and root's home is closed", macU, "/etc/passwd = \n0700 0 /var/root/\n", "no Nix here", nil},
	{
		"a store whose Nix can only be in root's closed home", user, accountsText + store,
		"Nix or Lix of an unknown version, multi-user",
		[]string{"programs? lstat /root/.nix-profile/bin/nix: permission denied (root)", "present: yes (/nix/var/nix/db/db.sqlite)"},
	},
	{
		"a store whose Nix is elsewhere, and root's home is closed", user, accountsText + store + in(profile, lixPath) + linked(lixPath, service(lixPath)) + lixReceipt("linux"),
		"Lix 2.95.1, multi-user, installed by the Lix installer", nil,
	},
	{
		"leftover directories", linux, accountsText + "/nix/store/\n/nix/var/nix/profiles/\n/etc/nix/nix.conf = build-users-group = nixbld\n",
		"no Nix here; left of one: /nix/store, /nix/var/nix, /etc/nix/nix.conf",
		[]string{"leftovers: /nix/store, /nix/var/nix, /etc/nix/nix.conf (they are there)"},
	},
	{
		"leftover directories, seen by a user", user, accountsText + "/nix/store/\n/etc/nix/nix.conf = build-users-group = nixbld\n/etc/systemd/system/nix-daemon.service -> /nix/gone\n",
		"no Nix here; left of one: /nix/store, /etc/nix/nix.conf, /etc/systemd/system/nix-daemon.service", nil,
	},
	{
		"a profile that leads to nothing", linux, accountsText + store + profile + " -> default-1-link\n" + linked(lixPath, service(lixPath)),
		"a store of Nix or Lix, without its programs, multi-user",
		[]string{"release? there is none in /run/current-system/sw/bin, "},
	},
	{
		"Debian's nix-bin, before its first use", linux,
		accountsText + "/usr/bin/nix = x\n/usr/bin/nix-store -> nix\n/var/lib/dpkg/info/nix-bin.list = /.\\n/usr/bin\\n/usr/bin/nix\\n\n" +
			"/var/lib/dpkg/status = Package: nix\\nVersion: 9\\n\\nPackage: nix-bin\\nStatus: install ok installed\\nVersion: 2.8.0+dfsg1-1.1+b1\\n\\nPackage: x\\n\n",
		"Nix 2.8.0, installed by the Debian package nix-bin",
		[]string{
			"release: Nix 2.8.0 (/var/lib/dpkg/status)", "mode? there is no store", "store? /nix/store is not there",
			"build-users: 2 members of nixbld (30000), without an account: nixbld3 (default of Nix 2.8, /etc/group)", "programs: /usr/bin/nix (where Nix is looked for)",
		},
	},
	{
		"Debian's nix-setup-systemd", linux,
		accountsText + store + "/usr/bin/nix = x\n/usr/bin/nix-daemon = x\n/var/lib/dpkg/info/nix-bin.list = /usr/bin/nix\\n/usr/bin/nix-daemon\\n\n" +
			"/var/lib/dpkg/status = Package: nix-bin\\nVersion: 2.8.0-1\\n\n" +
			"/lib/systemd/system/nix-daemon.service = [Service]\\nExecStart=@/usr/bin/nix-daemon nix-daemon --daemon\\n\n/lib/systemd/system/nix-daemon.socket = [Socket]\\n\n",
		"Nix 2.8.0, multi-user, installed by the Debian package nix-bin",
		[]string{
			"daemon: systemd: /lib/systemd/system/nix-daemon.socket, /lib/systemd/system/nix-daemon.service (Nix 2.8.0) (/lib/systemd/system/nix-daemon.socket)",
			"socket: /nix/var/nix/daemon-socket/socket (it is there)",
		},
	},
	{
		"the Lix installer on Linux", linux,
		accountsText + store + in(profile, lixPath) + linked(lixPath, service(lixPath)) + lixReceipt("linux") + "/etc/nix/nix.conf = build-users-group = nixbld\\nextra-experimental-features = nix-command flakes\\n\n",
		"Lix 2.95.1, multi-user, installed by the Lix installer",
		[]string{
			"release: Lix 2.95.1 (" + lixPath + "/bin/nix)", "profile: /nix/var/nix/profiles/default (/nix/var/nix/profiles/default/bin/nix)",
			"manager:  (neither NixOS nor nix-darwin is there)", "configuration: /etc/nix/nix.conf (read as Lix 2.95.1 does)",
			"build-users: 2 members of nixbld (30000), without an account: nixbld3 (/etc/nix/nix.conf:1, /etc/group)",
		},
	},
	{
		"upgraded, and the unit still of the old one", linux,
		accountsText + store + in(profile, lixPath) + linked(lixPath, service(nixPath)) + lixReceipt("linux"),
		"Lix 2.95.1, multi-user, installed by the Lix installer",
		[]string{"daemon: systemd: /etc/systemd/system/nix-daemon.socket, /etc/systemd/system/nix-daemon.service (Nix 2.34.8) (/etc/systemd/system/nix-daemon.socket)", "configuration:  (read as Nix 2.34.8 does)"},
	},
	{
		"Determinate Nix", linux,
		accountsText + store + in(profile, detPath) + `/nix/receipt.json = {"version":"3.11.2","actions":[],"planner":{"planner":"linux","settings":{"determinate_nix":true}}}` + "\n" +
			"/usr/local/bin/determinate-nixd = x\n/etc/systemd/system/nix-daemon.service = [Service]\\nExecStart=@/usr/local/bin/determinate-nixd determinate-nixd daemon\\n\n",
		"Determinate Nix 3.11.2, multi-user, installed by the installer of Determinate Systems",
		[]string{"daemon: systemd: /etc/systemd/system/nix-daemon.service (/usr/local/bin/determinate-nixd) (/etc/systemd/system/nix-daemon.service)"},
	},
	{
		"plain Nix of nix-installer", linux,
		accountsText + store + in(profile, nixPath) + linked(nixPath, service(nixPath)) + `/nix/receipt.json = {"version":"0.27.0","actions":[],"planner":{"planner":"linux","settings":{"nix_build_user_count":32}}}` + "\n",
		"Nix 2.34.8, multi-user, installed by nix-installer", nil,
	},
	{
		"the script, multi-user", linux,
		accountsText + store + in(profile, nixPath) + linked(nixPath, service(nixPath)) + "/etc/bash.bashrc.backup-before-nix = x\n",
		"Nix 2.34.8, multi-user, installed by the script installer of the Nix project",
		[]string{"installer: the script installer of the Nix project (/etc/bash.bashrc.backup-before-nix)"},
	},
	{
		"multi-user, by nobody knows whom", linux, accountsText + store + in(profile, nixPath) + linked(nixPath, service(nixPath)),
		"Nix 2.34.8, multi-user",
		[]string{"installer? nothing here says so: neither "},
	},
	{
		"the script, single-user", linux,
		accountsText + strings.ReplaceAll(in("/home/alice/.local/state/nix/profiles/profile", nixPath), "\n/home", "\n0755 1000 /home") +
			"0755 1000 /nix/\n0755 1000 /nix/var/nix/db/\n0755 1000 /nix/store/\n/nix/var/nix/db/db.sqlite = x\n0755 1000 /home/alice/\n" +
			"/home/alice/.nix-profile -> /home/alice/.local/state/nix/profiles/profile\n/home/alice/.config/nix/nix.conf = experimental-features = flakes\\n\n",
		"Nix 2.34.8, single-user (alice), installed by the script installer of the Nix project",
		[]string{
			"owner: alice (1000) (owner of /nix/var/nix/db)", "profile: /home/alice/.nix-profile (/home/alice/.nix-profile/bin/nix)",
			"mode: single-user (owner of /nix/var/nix/db, and no daemon)", "configuration: /home/alice/.config/nix/nix.conf (read as Nix 2.34.8 does)",
			"build-users: nobody: builds run as whoever asked for them (default of Nix 2.34)",
		},
	},
	{
		"a name that somebody else can turn", linux,
		accountsText + store + "0755 1000 /opt/x/\n/opt/x/nix = x\n/nix/var/nix/profiles/default/bin/nix -> /opt/x/nix\n" + linked(nixPath, service(nixPath)),
		"Nix or Lix of an unknown version, multi-user",
		[]string{"release? /nix/var/nix/profiles/default/bin/nix leads through /opt/x, which can be changed by user 1000"},
	},
	{
		"NixOS", linux,
		accountsText + store + "/etc/NIXOS = \n/run/current-system -> /nix/store/44444444444444444444444444444444-nixos-system\n" +
			"/nix/store/44444444444444444444444444444444-nixos-system/sw/bin/nix -> " + lixPath + "/bin/nix\n" + lixPath + "/bin/nix = x\n" +
			"/etc/systemd/system/nix-daemon.socket -> " + lixPath + "/lib/nix-daemon.socket\n/etc/systemd/system/nix-daemon.service -> /nix/store/55555555555555555555555555555555-unit/nix-daemon.service\n" +
			"/nix/store/55555555555555555555555555555555-unit/nix-daemon.service = [Service]\\nEnvironment=\"NIX_CONF_DIR=/etc/nix2\" 'X=y z'\\nExecStart=@" + lixPath + "/bin/nix-daemon nix-daemon --daemon\\n\n" +
			"/etc/nix/nix.conf = cores = 1\n/etc/nix2/nix.conf -> /etc/static/nix.conf\n/etc/static/nix.conf = cores = 2\n",
		"Lix 2.95.1, multi-user, managed by NixOS",
		[]string{"configuration: /etc/nix2/nix.conf (read as Lix 2.95.1 does)", "installer: NixOS (/etc/NIXOS)"},
	},
	{
		"variables of the daemon in a file", linux,
		accountsText + store + in(profile, lixPath) + "/etc/nix/nix.conf = cores = 1\n/etc/nix2/nix.conf = cores = 2\n" +
			linked(lixPath, `[Service]\nEnvironment=NIX_CONF_DIR=/etc/nix3\nEnvironmentFile=-/etc/gone\nEnvironmentFile=/etc/default/nix\n`+`ExecStart=`+lixPath+`/bin/nix-daemon --daemon\n`) + "/etc/default/nix = # mine\\nPROXY=\"a b\" c\\nNIX_CONF_DIR='/etc/nix2'\\nTOKEN=x\\\\\\ny\n",
		"Lix 2.95.1, multi-user",
		[]string{"configuration: /etc/nix2/nix.conf (read as Lix 2.95.1 does)"},
	},
	{
		"variables of the daemon in a file that is not understood", linux,
		accountsText + store + in(profile, lixPath) + "/etc/nix/nix.conf = cores = 1\n/etc/nix2/nix.conf = cores = 2\n" +
			linked(lixPath, `[Service]\nEnvironment=NIX_CONF_DIR=/etc/nix3\nEnvironmentFile=/etc/default/nix\n`+`ExecStart=`+lixPath+`/bin/nix-daemon --daemon\n`) + "/etc/default/nix = NIX_CONFIG=\"cores = 2\\nx = y\"\n",
		"Lix 2.95.1, multi-user",
		[]string{"store? EnvironmentFile= of /etc/systemd/system/nix-daemon.service: lixfix does not understand line 1 of /etc/default/nix", "build-users? not all of the configuration could be read: EnvironmentFile= of /etc/systemd/system/nix-daemon.service: lixfix does not understand line 1 of /etc/default/nix"},
	},
	{
		"variables of the daemon in a file that only root may read", user,
		accountsText + store + in(profile, lixPath) + "/etc/nix/nix.conf = cores = 1\n/etc/nix2/nix.conf = cores = 2\n" +
			linked(lixPath, `[Service]\nEnvironment=NIX_CONF_DIR=/etc/nix3\nEnvironmentFile=/etc/default/nix\n`+`ExecStart=`+lixPath+`/bin/nix-daemon --daemon\n`) + "0600 0 /etc/default/nix = NIX_CONFIG=x\n",
		"Lix 2.95.1, multi-user",
		[]string{"state? EnvironmentFile= of /etc/systemd/system/nix-daemon.service: open /etc/default/nix: permission denied"},
	},
	{
		"variables of the daemon in files by a pattern", linux,
		accountsText + store + in(profile, lixPath) + "/etc/nix/nix.conf = cores = 1\n/etc/nix2/nix.conf = cores = 2\n" +
			linked(lixPath, `[Service]\nEnvironment=NIX_CONF_DIR=/etc/nix3\nEnvironmentFile=/etc/default/nix*\n`+`ExecStart=`+lixPath+`/bin/nix-daemon --daemon\n`) + "",
		"Lix 2.95.1, multi-user",
		[]string{"socket? EnvironmentFile= of /etc/systemd/system/nix-daemon.service: lixfix does not read files with a name such as /etc/default/nix*"},
	},
	{
		"a Lix of the installer on a Mac, with nix-darwin", mac,
		store + in(profile, lixPath) + job("org.nixos.nix-daemon", profile+"/bin/nix-daemon") + lixReceipt("macos") +
			"/run/current-system/darwin-version = 6.25.05\n/etc/nix/nix.conf -> /etc/static/nix/nix.conf\n/etc/static/nix/nix.conf = build-users-group = nixbld\\nsandbox = false\\n\n",
		"Lix 2.95.1, multi-user, installed by the Lix installer, managed by nix-darwin",
		[]string{
			"daemon: launchd: /Library/LaunchDaemons/org.nixos.nix-daemon.plist (Lix 2.95.1) (/Library/LaunchDaemons/org.nixos.nix-daemon.plist)",
			"build-users? the accounts of a Mac are in its directory service", "manager: nix-darwin (/run/current-system/darwin-version)",
		},
	},
	{
		"Determinate Nix on a Mac", mac,
		store + in(profile, detPath) + job("systems.determinate.nix-daemon", "/usr/local/bin/determinate-nixd") + "/usr/local/bin/determinate-nixd = x\n" +
			`/nix/receipt.json = {"version":"3.11.2","actions":[],"planner":{"planner":"macos","settings":{}}}` + "\n",
		"Determinate Nix 3.11.2, multi-user, installed by the installer of Determinate Systems", nil,
	},
	{
		"a Mac whose store is not mounted", mac, job("org.nixos.nix-daemon", profile+"/bin/nix-daemon") + "/nix/\n",
		"no Nix here; left of one: /Library/LaunchDaemons/org.nixos.nix-daemon.plist", nil,
	},
	{
		"a container", linux,
		accountsText + "/nix/var/nix/db/db.sqlite = x\n" + in(profile, nixPath) + "/etc/nix/nix.conf = build-users-group =\\nsandbox = false\\n\n",
		"Nix 2.34.8, single-user (root)",
		[]string{"build-users: nobody: builds run as whoever asked for them (/etc/nix/nix.conf:1)", "owner: root (0) (owner of /nix/var/nix/db)"},
	},
	{
		"a container without accounts", linux, "/nix/var/nix/db/db.sqlite = x\n" + in("/root/.nix-profile", lixPath),
		"Lix 2.95.1, single-user",
		[]string{"build-users? open /etc/group: file does not exist", "profile: /root/.nix-profile (/root/.nix-profile/bin/nix)"},
	},
	{
		"Arch Linux", linux, accountsText + store + "/usr/bin/nix = x\n/var/lib/pacman/local/nix-busybox-1.36-1/\n/var/lib/pacman/local/nix-2.31.2-1/\n/usr/lib/systemd/system/nix-daemon.service = [Service]\n",
		"Nix 2.31.2, multi-user, installed by the Arch Linux package nix", nil,
	},
	{
		"Alpine Linux", linux, accountsText + "/nix/var/nix/db/db.sqlite = x\n/usr/bin/nix = x\n/lib/apk/db/installed = P:musl\\nV:1\\n\\nC:x\\nP:nix\\nV:2.24.10-r0\\n\n",
		"Nix 2.24.10, single-user (root), installed by the Alpine Linux package nix", nil,
	},
	{
		"Gentoo", linux, accountsText + store + "/usr/bin/nix = x\n/var/db/pkg/sys-apps/lix-2.93.3/\n", "Lix 2.93.3, multi-user, installed by the Gentoo package lix", nil,
	},
	{
		"Fedora", linux, accountsText + store + "/usr/bin/nix = x\n/usr/lib/sysimage/rpm/rpmdb.sqlite = x\n",
		"Nix or Lix of an unknown version, multi-user, installed by the distribution's package",
		[]string{"release? it is in /usr/lib/sysimage/rpm/rpmdb.sqlite, which only rpm can read"},
	},
	{
		"compiled by hand", linux, accountsText + store + "/usr/local/bin/nix = x\n/usr/lib/sysimage/rpm/rpmdb.sqlite = x\n",
		"Nix or Lix of an unknown version, multi-user",
		[]string{"release? no package database that lixfix can read knows /usr/local/bin/nix"},
	},
	{
		"a receipt that lixfix may not read", user, accountsText + store + in(profile, lixPath) + "0600 0 /nix/receipt.json = {}\n",
		"Lix 2.95.1, multi-user",
		[]string{"installer? open /nix/receipt.json: permission denied (root)"},
	},
	{
		"a receipt that is none", linux, accountsText + store + in(profile, lixPath) + "/nix/receipt.json = []\n",
		"Lix 2.95.1, multi-user",
		[]string{"installer? /nix/receipt.json is not a receipt that lixfix understands"},
	},
	{
		"a socket's directory that is closed", user, accountsText + "/nix/var/nix/db/db.sqlite = x\n0700 0 /nix/var/nix/daemon-socket/\n" + in(profile, nixPath),
		"Nix 2.34.8",
		[]string{"mode? lstat /nix/var/nix/daemon-socket/socket: permission denied (root)", "socket? lstat /nix/var/nix/daemon-socket/socket: permission denied (root)"},
	},
	{
		"a nix.conf that lixfix may not read", user, accountsText + store + in(profile, lixPath) + "0600 0 /etc/nix/nix.conf = x\n",
		"Lix 2.95.1, multi-user",
		[]string{"configuration? open /etc/nix/nix.conf: permission denied", "build-users? not all of the configuration could be read: "},
	},
}

func shown(p installation.Page) []string {
	var list []string
	for _, f := range p.Fields {
		line := f.Name + ": " + f.Value + " (" + f.From + ")"
		if f.Unknown != "" {
			line = f.Name + "? " + f.Unknown
			if f.Root {
				line += " (root)"
			}
		}
		list = append(list, line)
	}
	return list
}

func TestHosts(t *testing.T) {
	for _, host := range hosts {
		t.Run(host.name, func(t *testing.T) {
			h := memory.New(host.system, host.files)
			in := installation.At(h)
			page := in.Page(t.Context())
			if page.Summary != host.line {
				t.Errorf("got  %s\nwant %s", page.Summary, host.line)
			}
			have := shown(page)
			for _, want := range host.fields {
				if !slices.ContainsFunc(have, func(l string) bool {
					return l == want || strings.HasPrefix(want[strings.IndexAny(want, ":?"):], "?") && strings.HasPrefix(l, want)
				}) {
					t.Errorf("there is no %q in\n%s", want, strings.Join(have, "\n"))
				}
			}
			for _, f := range page.Fields {
				if (f.From == "") == (f.Unknown == "") && f.Name != "configuration" {
					t.Errorf("%+v says neither where it was read nor why it is not known, or both", f)
				}
			}
			data, err := json.Marshal(page)
			if err != nil || strings.Contains(string(data), "SECRET") {
				t.Errorf("%s %v", data, err)
			}
			asked := len(h.Asked)
			in.Page(t.Context())
			if len(h.Asked) != asked {
				t.Errorf("the second page was read again: %v", h.Asked[asked:])
			}
			for _, name := range h.Asked {
				if strings.HasPrefix(name, "query") {
					t.Errorf("it ran %s", name)
				}
			}
		})
	}
}

// What is not asked for is not read.
func TestLazy(t *testing.T) {
	h := memory.New(linux, accountsText+store+in(profile, lixPath))
	in := installation.At(h)
	if len(h.Asked) != 0 {
		t.Errorf("it has read %v", h.Asked)
	}
	in.Found(t.Context())
	if slices.ContainsFunc(h.Asked, func(n string) bool { return strings.HasSuffix(n, "nix.conf") || n == "/etc/group" }) {
		t.Errorf("the configuration was read: %v", h.Asked)
	}
}

func TestShared(t *testing.T) {
	h := memory.New(linux, accountsText)
	in := installation.At(h)
	ctx := installation.Share(t.Context(), in)
	if installation.Of(ctx, h) != in {
		t.Error("it is not shared")
	}
	if installation.Of(platform.Fresh(ctx), h) == in || installation.Of(t.Context(), h) == in {
		t.Error("it is shared with who wants to look anew")
	}
}
