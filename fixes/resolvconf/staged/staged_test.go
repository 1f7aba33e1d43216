//go:build linux

// Package staged breaks real hosts of package linuxnet, and has lixfix, as it is released, find, mend and take back.
package staged

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// replays compares what is said of hosts with what is said of their records.
var replays replay.Table

func TestMain(m *testing.M) {
	// Hosts mostly wait for silent servers: all of them for an hour, with less than two minutes of work.
	flag.Parse()
	if err := flag.Set("test.parallel", "20"); err != nil {
		panic(err)
	}
	code := m.Run()
	fmt.Println(&replays)
	linuxnet.Clean()
	os.Exit(code)
}

// lixWays wraps the stand-in for Lix in what it leaves out: the value of pasta-path is that of nix.conf, or else what
// this Lix was built with, and it is told with the other settings.
const lixWays = `#!/bin/bash
version=%s
set -- "${0##*/}" "$@"
pasta=/usr/bin/pasta
paths=
while read -r name eq value; do
	[ "$name" = pasta-path ] && [ "$eq" = = ] && pasta=${value%%%%#*}
	[ "$name" = extra-sandbox-paths ] && paths=\"${value// /\",\"}\"
done </etc/nix/nix.conf
pasta=${pasta%%%% }
quoted=${pasta//\"/\\\"}
case "$*" in
*--version*)
	printf '%%s (Lix, like Nix) %%s\n' "$1" "$version"
	exit ;;
*show-config*)
	printf '{"sandbox":{"value":true},"build-users-group":{"value":"nixbld"},"pasta-path":{"value":"%%s"},"sandbox-paths":{"value":[%%s]}}\n' "$quoted" "$paths"
	exit ;;
esac
printf '{"version":"%%s","pasta":"%%s"}\n' "$version" "$quoted" >/nix/lixtool.json.$$
/bin/mv /nix/lixtool.json.$$ /nix/lixtool.json
exec -a "$1" "/nix/store/00000000000000000000000000000000-lix-$version/bin/nix" "${@:2}"
`

// lix makes Lix the Nix of a host.
func lix(t *testing.T, h *linuxnet.Host, version string) {
	t.Helper()
	h.Lix(t, linuxnet.Lix{Version: version})
	for _, name := range []string{"nix", "nix-build", "nix-instantiate", "nix-store"} {
		h.WriteFile(t, "/nix/var/nix/profiles/default/bin/"+name, fmt.Sprintf(lixWays, version), 0o755)
	}
	h.WriteFile(t, "/nix/lixtool.json", "{}", 0o644)
	// Where it does not run, lixfix would take the Nix in /usr/bin, on which much looks the same.
	if out := h.Run(t, "/nix/var/nix/profiles/default/bin/nix-store", "--version"); !strings.Contains(out, "Lix, like Nix) "+version) {
		t.Fatalf("the stand-in for Lix says it is %q", out)
	}
}

const (
	good   = "nameserver " + linuxnet.Addr4 + "\n"
	silent = "nameserver " + linuxnet.Silent4 + "\n"
	nix    = "Nix 2.8"
	newLix = "2.95.3"
	oldLix = "2.93.4"
)

func conf(text string, mode fs.FileMode) func(*testing.T, *linuxnet.Host) {
	return func(t *testing.T, h *linuxnet.Host) { h.WriteFile(t, "/etc/resolv.conf", text, mode) }
}

func nixConf(line string) func(*testing.T, *linuxnet.Host) {
	return func(t *testing.T, h *linuxnet.Host) {
		conf(good, 0o644)(t, h)
		data, err := os.ReadFile(h.Path("/etc/nix/nix.conf"))
		if err != nil {
			t.Fatal(err)
		}
		h.WriteFile(t, "/etc/nix/nix.conf", string(data)+line+" # mine\nmax-jobs = 1\n", 0o644)
	}
}

func dangling(t *testing.T, h *linuxnet.Host) {
	h.WriteFile(t, "/run/NetworkManager/resolv.conf", good, 0o644)
	h.Symlink(t, "/run/gone/resolv.conf", "/etc/resolv.conf")
}

func private(t *testing.T, h *linuxnet.Host) {
	h.WriteFile(t, "/var/private/resolv.conf", good, 0o644)
	if err := os.Chmod(h.Path("/var/private"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.Symlink(t, "/var/private/resolv.conf", "/etc/resolv.conf")
}

// faulty puts a name server with faults before a good one, or alone where rest is empty.
func faulty(rest string, faults ...string) func(*testing.T, *linuxnet.Host) {
	return func(t *testing.T, h *linuxnet.Host) {
		const at = "127.0.0.2"
		h.Faulty(t, at, faults...)
		conf("nameserver "+at+"\n"+rest, 0o644)(t, h)
	}
}

// setting adds lines to nix.conf, without a comment of its own.
func setting(lines string, files ...string) func(*testing.T, *linuxnet.Host) {
	return func(t *testing.T, h *linuxnet.Host) {
		nixConf("# ")(t, h)
		data, err := os.ReadFile(h.Path("/etc/nix/nix.conf"))
		if err != nil {
			t.Fatal(err)
		}
		h.WriteFile(t, "/etc/nix/nix.conf", string(data)+lines+"\n", 0o644)
		for i := 0; i+1 < len(files); i += 2 {
			h.WriteFile(t, files[i], files[i+1], 0o644)
		}
	}
}

// running spoils a host with a command.
func running(text string, script string) func(*testing.T, *linuxnet.Host) {
	return func(t *testing.T, h *linuxnet.Host) {
		conf(text, 0o644)(t, h)
		h.Run(t, "/bin/sh", "-c", script)
	}
}

func nothing(*testing.T, *linuxnet.Host) {}

// situation is a host on which builds cannot resolve names.
type situation struct {
	name    string
	by      string // Nix, or the version of Lix
	options linuxnet.Options
	spoil   func(*testing.T, *linuxnet.Host)
	id      string   // what is broken; "" for nothing
	risk    string   // what is at risk
	repair  []string // further arguments of the repair
	advice  bool     // lixfix does nothing about it
}

var named = []string{"--nameserver", linuxnet.Addr4}

var situations = []situation{
	{name: "healthy", by: nix, spoil: conf(good, 0o644)},
	{name: "dangling link, another manager", by: nix, spoil: dangling, id: "dangling-link"},
	{name: "no file", by: nix, spoil: nothing, id: "file-missing", repair: named},
	{name: "mode 0600", by: nix, spoil: conf(good, 0o600), id: "not-readable-by-builders"},
	{name: "CRLF", by: nix, spoil: conf("nameserver "+linuxnet.Addr4+"\r\n", 0o644), id: "glibc-skips-line"},
	{name: "byte order mark", by: nix, spoil: conf("\ufeff"+good, 0o644), id: "glibc-skips-line"},
	{name: "leading blank", by: nix, spoil: conf("  "+good, 0o644), id: "glibc-skips-line"},
	{name: "no nameserver", by: nix, spoil: conf("search example.test\n", 0o644), id: "no-nameserver", repair: named},
	{name: "only a dead server", by: nix, spoil: conf(silent, 0o644), id: "no-server-answers", repair: named},
	{name: "first dead: only slow", by: nix, spoil: conf(silent+good, 0o644), risk: "first-server-dead"},
	{name: "tab: no harm", by: nix, spoil: conf("nameserver\t"+linuxnet.Addr4+"\n", 0o644), risk: "pasta-skips-line"},

	{name: "healthy", by: newLix, spoil: conf(good, 0o644)},
	{name: "first dead", by: newLix, spoil: conf("# mine\n"+silent+good, 0o644), id: "first-server-dead"},
	{name: "first dead", by: oldLix, spoil: conf(silent+good, 0o644), id: "first-server-dead"},
	{name: "first refused", by: newLix, spoil: conf("nameserver 127.0.0.9\n"+good, 0o644), id: "first-server-refuses"},
	{name: "only a dead server", by: newLix, spoil: conf(silent, 0o644), id: "no-server-answers", repair: named},
	{name: "dangling link, another manager", by: newLix, spoil: dangling, id: "dangling-link"},
	{name: "dangling link, another manager", by: oldLix, spoil: dangling, id: "dangling-link"},
	{name: "no file", by: newLix, spoil: nothing, id: "file-missing", repair: named},
	{name: "mode 0600", by: newLix, spoil: conf(good, 0o600), id: "not-readable-by-builders"},
	{name: "link through a 0700 directory", by: newLix, spoil: private, id: "not-readable-by-builders"},
	{name: "tab", by: newLix, spoil: conf("nameserver\t"+linuxnet.Addr4+"\nsearch a\tb\n", 0o644), id: "pasta-skips-line"},
	{name: "trailing blank", by: oldLix, spoil: conf("nameserver "+linuxnet.Addr4+" \n", 0o644), id: "pasta-skips-line"},
	{name: "trailing comment", by: newLix, spoil: conf("nameserver "+linuxnet.Addr4+" # office\n", 0o644), id: "pasta-skips-line"},
	{name: "CRLF", by: newLix, spoil: conf("nameserver "+linuxnet.Addr4+"\r\n", 0o644), id: "glibc-skips-line"},
	{name: "byte order mark", by: newLix, spoil: conf("\ufeff"+good, 0o644), id: "glibc-skips-line"},
	{name: "no nameserver", by: newLix, spoil: conf("search example.test\n", 0o644), id: "no-nameserver", repair: named},
	{name: "tab, and mode 0600", by: newLix, spoil: conf("nameserver\t"+linuxnet.Addr4+"\n", 0o600), id: "not-readable-by-builders pasta-skips-line"},
	{name: "tun 0600", by: newLix, options: linuxnet.Options{Tun: 0o600}, spoil: conf(good, 0o644), id: "tun-not-accessible"},
	{name: "no tun", by: newLix, options: linuxnet.Options{NoTun: true}, spoil: conf(good, 0o644), id: "tun-missing", advice: true},
	{name: "pasta is gone", by: newLix, spoil: nixConf("pasta-path = /nix/store/gone/bin/pasta"), id: "pasta-not-usable"},
	{name: "pasta-path = \"\"", by: newLix, spoil: nixConf("pasta-path = \"\""), id: "pasta-path-quoted"},
	{name: "pasta-path = '', no pasta wanted", by: newLix, spoil: nixConf("pasta-path = ''"), id: "pasta-path-quoted", repair: []string{"--pasta-off"}},
	{name: "first knows no public name", by: nix, spoil: faulty(good, "nx"), id: "first-server-useless"},
	{name: "first knows no public name", by: newLix, spoil: faulty(good, "nx"), id: "first-server-useless"},
	{name: "first answers with nothing", by: nix, spoil: faulty(good, "empty"), id: "first-server-useless"},
	{name: "first answers with nothing", by: newLix, spoil: faulty(good, "empty"), id: "first-server-useless"},
	{name: "first truncates, no TCP", by: newLix, spoil: faulty(good, "truncate", "no-tcp"), id: "first-server-useless"},
	{name: "first truncates, with TCP: no harm", by: nix, spoil: faulty(good, "truncate")},
	{name: "truncates, pasta forwards no TCP", by: newLix, spoil: faulty("", "truncate"), id: "dns-over-tcp", advice: true},
	{name: "first is lame", by: nix, spoil: faulty(good, "lame"), risk: "first-server-refuses"},
	{name: "first is lame", by: newLix, spoil: faulty(good, "lame"), id: "first-server-refuses"},
	{name: "first refuses the question", by: newLix, spoil: faulty(good, "refuse"), id: "first-server-refuses"},
	{name: "first fails", by: nix, spoil: faulty(good, "servfail"), risk: "first-server-refuses"},
	{name: "the only one takes 3 s", by: nix, spoil: faulty("", "slow=3s"), risk: "slow-lookups"},
	{name: "the only one takes 3 s", by: newLix, spoil: faulty("", "slow=3s"), risk: "slow-lookups"},
	{name: "the only one takes 1 s: no harm", by: newLix, spoil: faulty("", "slow=1s")},
	{
		name: "1.5 s, and readers wait 1 s", by: newLix, spoil: faulty("options timeout:1 attempts:1\n", "slow=1500ms"),
		id: "no-server-answers", repair: named,
	},
	{name: "4 answers in 10 s: no harm", by: newLix, spoil: faulty("", "limit=4")},
	{name: "4 answers in 10 s: no harm", by: nix, spoil: faulty("", "limit=4")},
	{name: "use-vc, TCP closed", by: nix, spoil: faulty(good+"options use-vc\n", "no-tcp"), risk: "first-server-refuses"},
	{name: "use-vc: no harm", by: nix, spoil: conf(good+"options use-vc\n", 0o644)},
	{name: "use-vc, pasta forwards no TCP", by: newLix, spoil: conf(good+"options use-vc\n", 0o644), id: "dns-over-tcp", advice: true},
	{name: "ndots:5 and a search list: no harm", by: newLix, spoil: faulty("search a.test b.test\noptions ndots:5\n")},
	{name: "three dead ones of four", by: nix, spoil: conf(silent+"nameserver 192.0.2.54\nnameserver 192.0.2.55\n"+good, 0o644), id: "no-server-answers", repair: named},
	{
		name: "only a dead server, NetworkManager's", by: newLix, spoil: conf("# Generated by NetworkManager\n"+silent, 0o644),
		id: "no-server-answers", advice: true,
	},
}

const (
	nobodyAsks = "extra-sandbox-paths = /etc/nsswitch.conf=/etc/nix/nss"
	another    = "extra-sandbox-paths = /etc/resolv.conf=/etc/nix/resolv.conf"
	group      = "nft add table inet t; nft 'add chain inet t o { type filter hook output priority 0; }'; nft add rule inet t o "
)

// causes are what lies at hand where names do not resolve and DNS is healthy.
var causes = []situation{
	{name: "hosts: files, by sandbox-paths", by: nix, spoil: setting(nobodyAsks, "/etc/nix/nss", "hosts: files\n"), id: "sandbox-file-replaced", advice: true},
	{name: "hosts: files, by sandbox-paths", by: newLix, spoil: setting(nobodyAsks, "/etc/nix/nss", "hosts: files\n"), id: "sandbox-file-replaced", advice: true},
	{name: "hosts: files dns, by sandbox-paths: no harm", by: nix, spoil: setting(nobodyAsks, "/etc/nix/nss", "hosts: files dns\n")},
	{name: "a dead resolv.conf, by sandbox-paths", by: nix, spoil: setting(another, "/etc/nix/resolv.conf", silent), id: "sandbox-file-replaced", advice: true},
	{name: "a dead resolv.conf, by sandbox-paths", by: newLix, spoil: setting(another, "/etc/nix/resolv.conf", silent), id: "sandbox-file-replaced", advice: true},
	{name: "a good resolv.conf, by sandbox-paths: no harm", by: nix, spoil: setting(another, "/etc/nix/resolv.conf", good)},
	{name: "sandbox-paths names what is gone", by: nix, spoil: setting(another), id: "sandbox-file-replaced", advice: true},
	{name: "sandbox-paths names what is gone", by: newLix, spoil: setting(another), id: "sandbox-file-replaced", advice: true},
	{name: "a list denies the group the file", by: nix, spoil: running(good, "setfacl -m g:nixbld:--- /etc/resolv.conf"), id: "not-readable-by-builders", advice: true},
	{name: "a list denies the group the file", by: newLix, spoil: running(good, "setfacl -m g:nixbld:--- /etc/resolv.conf"), id: "not-readable-by-builders", advice: true},
	{name: "a list allows it, a mode would not: no harm", by: newLix, spoil: running(good, "chmod 600 /etc/resolv.conf; setfacl -m g:nixbld:r-- /etc/resolv.conf")},
	{name: "/dev/net 0700", by: newLix, spoil: running(good, "chmod 700 /dev/net"), id: "tun-not-accessible"},
	{name: "a list denies the group /dev/net/tun", by: newLix, spoil: running(good, "setfacl -m g:nixbld:--- /dev/net/tun"), id: "tun-not-accessible", advice: true},
	{name: "a rule by group", by: nix, spoil: running(good, group+"meta skgid 30000 udp dport 53 drop"), id: "firewall-by-user", advice: true},
	{name: "a rule by group", by: newLix, spoil: running(good, group+"meta skgid 30000 udp dport 53 drop"), id: "firewall-by-user", advice: true},
	{name: "a rule by group, about mail: no harm", by: newLix, spoil: running(good, group+"meta skgid 30000 tcp dport 25 drop"), risk: "firewall-by-user"},
	{
		name: "pasta says why it ends", by: newLix, id: "pasta-ends", advice: true,
		spoil: func(t *testing.T, h *linuxnet.Host) {
			nixConf("pasta-path = /usr/local/bin/mypasta")(t, h)
			h.WriteFile(t, "/usr/local/bin/mypasta", "#!/bin/sh\necho 'pasta: cannot' >&2\nexit 1\n", 0o755)
		},
	},
}

// others are hosts that nobody described: half of them healthy, or only slow.
var others = []situation{
	{name: "3 MB of comments", by: nix, spoil: conf(strings.Repeat("# comment of many\n", 160_000)+good, 0o644)},
	{name: "3 MB of comments", by: newLix, spoil: conf(strings.Repeat("# comment of many\n", 160_000)+good, 0o644)},
	{name: "a line of 9 kB behind the server", by: newLix, spoil: conf(good+"# "+strings.Repeat("x", 9000)+"\n", 0o644)},
	{name: "a line of 9 kB, and no pasta", by: nix, spoil: conf("# "+strings.Repeat("x", 9000)+"\n"+good, 0o644)},
	{name: "a line of 9 kB before the server", by: newLix, spoil: conf("# "+strings.Repeat("x", 9000)+"\n"+good, 0o644), id: "pasta-stops-at-line"},
	{name: "a line of 8 kB before the server", by: newLix, spoil: conf("# "+strings.Repeat("x", 8100)+"\n"+good, 0o644)},
	{name: "a search list of 9 kB", by: nix, spoil: conf(good+"search"+strings.Repeat(" a.test", 1300)+"\n", 0o644)},
	{name: "edns0, trust-ad, search", by: newLix, spoil: conf("; by hand\n"+good+"options edns0 trust-ad\nsearch corp.test\n", 0o644)},
	{name: "rotate", by: nix, spoil: conf(good+"options rotate\n", 0o644)},
	{name: "five servers, the first good", by: newLix, spoil: conf(good+silent+silent+silent+silent, 0o644)},
	{name: "two blanks, no end of line", by: newLix, spoil: conf("nameserver  "+linuxnet.Addr4, 0o644)},
	{name: "a word for a server, then a good one", by: newLix, spoil: conf("nameserver router\nnameserver\n"+good, 0o644)},
	{name: "an odd nsswitch.conf of the host", by: nix, spoil: func(t *testing.T, h *linuxnet.Host) {
		conf(good, 0o644)(t, h)
		h.WriteFile(t, "/etc/nsswitch.conf", "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n", 0o644)
	}},
	{name: "in hosts, and DNS is slow", by: nix, spoil: func(t *testing.T, h *linuxnet.Host) {
		faulty("", "slow=1s")(t, h)
		h.WriteFile(t, "/etc/hosts", "127.0.0.1 localhost\n192.0.2.80 "+linuxnet.Name+"\n", 0o644)
	}},
	{name: "7 s, and readers wait 10 s", by: nix, spoil: faulty("options timeout:10\n", "slow=7s"), risk: "slow-lookups"},
	{name: "2.5 s", by: newLix, spoil: faulty("", "slow=2500ms"), risk: "slow-lookups"},
	{name: "refuses all, alone", by: nix, spoil: faulty("", "refuse"), id: "no-server-answers", repair: named},
	{name: "fails all, alone", by: newLix, spoil: faulty("", "servfail"), id: "no-server-answers", repair: named},
	{name: "lame, alone", by: newLix, spoil: faulty("", "lame"), id: "no-server-answers", repair: named},
	{name: "truncates, no TCP, alone", by: nix, spoil: faulty("", "truncate", "no-tcp"), id: "no-server-answers", repair: named},
	{name: "7 s, and readers wait 5 s", by: nix, spoil: faulty("", "slow=7s"), id: "no-server-answers", repair: named},
	{name: "a ring of links", by: nix, spoil: func(t *testing.T, h *linuxnet.Host) { h.Symlink(t, "resolv.conf", "/etc/resolv.conf") }, id: "dangling-link", advice: true},
	{name: "a directory", by: newLix, spoil: func(t *testing.T, h *linuxnet.Host) { h.Run(t, "mkdir", "/etc/resolv.conf") }, id: "not-a-file", advice: true},
	{name: "another file for /dev/net/tun", by: newLix, options: linuxnet.Options{NoTun: true}, spoil: running(good, "touch /dev/net/tun; chmod 666 /dev/net/tun"), id: "tun-not-accessible", advice: true},
	{
		name: "two names for the file", by: nix, spoil: running("nameserver "+linuxnet.Addr4+"\r\n", "ln /etc/resolv.conf /etc/other"),
		id: "glibc-skips-line", advice: true,
	},
	{
		name: "a set-user-ID bit on the file", by: nix, spoil: running("nameserver "+linuxnet.Addr4+"\r\n", "chmod 4644 /etc/resolv.conf"),
		id: "glibc-skips-line", advice: true,
	},
	{name: "closed on the loopback, alone", by: newLix, spoil: conf("nameserver 127.0.0.9\n", 0o644), id: "first-server-refuses", repair: named},
}

// report is what lixfix --format json prints.
type report struct {
	Exit  int
	Fixes []struct {
		Status   fix.Status
		Findings []fix.Finding
	}
	After []struct {
		Status   fix.Status
		Findings []fix.Finding
	}
	Outcome struct{ Result, ID string }
}

func run(t *testing.T, h *linuxnet.Host, args ...string) report {
	t.Helper()
	cmd := h.Command(linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), append(args, "--format", "json")...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("lixfix %s: %v\n%s\n%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("lixfix %s: exit %d\n%s\n%s", strings.Join(args, " "), r.Exit, stdout.Bytes(), stderr.Bytes())
		}
	})
	return r
}

// shown keeps which kinds a check has shown. How early the builds of a host are, the machine decides, and that is no
// matter of the host's: where it is busy, any host behind pasta can show that as a risk.
func shown(t *testing.T, witness *fixtest.Witness, host string, r report) {
	t.Helper()
	for _, f := range r.Fixes {
		witness.Saw(t, host, slices.DeleteFunc(slices.Clone(f.Findings), func(found fix.Finding) bool {
			return found.ID == "resolv-conf/start-race" && found.Status == fix.AtRisk
		}))
	}
}

// recorded has a host checked and recorded in one look, with the build, and compares with what is said of the record outside
// of the host. The exit code is that of a check.
func recorded(t *testing.T, h *linuxnet.Host, name string) report {
	t.Helper()
	const file = "/root/record.tar.gz"
	r := run(t, h, "record", "resolv-conf", "--probe", "--name", linuxnet.Name, "-o", file)
	packed, err := os.ReadFile(h.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	m, exit := replays.Check(t, name, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), packed)
	if m != nil && !m.Manifest.Probed {
		t.Error("the record is without the build")
	}
	r.Exit = exit
	return r
}

func having(r report, s fix.Status) string {
	var ids []string
	for _, f := range r.Fixes {
		for _, found := range f.Findings {
			if found.Status == s {
				ids = append(ids, strings.TrimPrefix(found.ID, "resolv-conf/"))
			}
		}
	}
	return strings.Join(ids, " ")
}

// touched is what a repair can change on a host.
func touched(t *testing.T, h *linuxnet.Host) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{
		"/etc/resolv.conf", "/etc/nix/nix.conf", "/dev/net/tun", "/dev/net", "/var/private", "/var/private/resolv.conf", "/run/NetworkManager/resolv.conf",
	} {
		info, err := os.Lstat(h.Path(name))
		if errors.Is(err, fs.ErrNotExist) {
			all[name] = "absent"
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all[name] = info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(h.Path(name))
			if err != nil {
				t.Fatal(err)
			}
			all[name] += fmt.Sprintf(" %q", data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(h.Path(name))
			if err != nil {
				t.Fatal(err)
			}
			all[name] += " -> " + target
		}
	}
	entries, err := os.ReadDir(h.Path("/etc"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "lixfix") {
			all["/etc/"+e.Name()] = "left behind"
		}
	}
	return all
}

// line is what became of a situation, from the results of its test.
type line struct{ name, by, found, repaired, probe, undone string }

// TestSituations is the proof on the real thing. Its tables are printed with -v.
func TestSituations(t *testing.T) { tell(t, "situations", situations) }

// TestCauses: what keeps names from resolving where DNS is healthy is named.
func TestCauses(t *testing.T) { tell(t, "causes", causes) }

// TestOthers: a false alarm is as bad as a miss.
func TestOthers(t *testing.T) { tell(t, "others", others) }

// tell plays situations side by side, and prints what became of them.
func tell(t *testing.T, name string, all []situation) {
	t.Parallel()
	witness := fixtest.NewWitness(resolvconf.New())
	lines := make([]line, len(all))
	t.Run("all", func(t *testing.T) {
		for i, s := range all {
			t.Run(s.by+" "+s.name, func(t *testing.T) {
				t.Parallel()
				lines[i] = s.play(t, witness)
			})
		}
	})
	table := fmt.Sprintf("%-45s %-13s %-44s %-8s %-6s %s\n", "situation", "built by", "found", "repaired", "probe", "undone")
	for _, l := range lines {
		if l.name == "" {
			continue // not asked for with -run
		}
		table += fmt.Sprintf("%-45s %-13s %-44s %-8s %-6s %s\n", l.name, l.by, l.found, l.repaired, l.probe, l.undone)
	}
	t.Log("\n" + table)
	witness.Testify(t, name)
}

func (s situation) play(t *testing.T, witness *fixtest.Witness) line {
	l := line{name: s.name, by: s.by, found: "-", repaired: "-", probe: "-", undone: "-"}
	if s.by != nix {
		l.by = "as Lix " + s.by // a stand-in, behind the real pasta
	}
	s.options.Nix = true
	h := linuxnet.New(t, s.options)
	if s.by != nix {
		lix(t, h, s.by)
	} else {
		// A store of its own, as an installation leaves it.
		h.Store(t)
	}
	h.Resolver(t, linuxnet.Addr4)
	s.spoil(t, h)
	before := touched(t, h)

	check := []string{"check", "resolv-conf", "--name", linuxnet.Name}
	r := recorded(t, h, s.by+" "+s.name)
	shown(t, witness, s.by+" "+s.name, r)
	if l.found = having(r, fix.Broken); l.found != s.id {
		t.Errorf("broken: %q, want %q", l.found, s.id)
	}
	if got := having(r, fix.AtRisk); s.id == "" && got != s.risk {
		t.Errorf("at risk: %q, want %q", got, s.risk)
	}
	if s.id == "" {
		l.found = strings.TrimSpace(s.risk + " (works)")
		if r.Exit != 0 || having(r, fix.OK) != "works" {
			t.Errorf("exit %d, ok %q", r.Exit, having(r, fix.OK))
		}
		if s.by != nix && !strings.Contains(fmt.Sprint(r.Fixes), "Lix "+s.by) {
			t.Error("something else has built it")
		}
		return l
	}
	if r.Exit != 1 {
		t.Errorf("exit %d of a check that found something broken", r.Exit)
	}
	if t.Failed() {
		return l
	}

	repair := slices.Concat([]string{"repair", "resolv-conf", "--name", linuxnet.Name, "--yes"}, s.repair)
	for id := range strings.FieldsSeq(s.id) {
		repair = append(repair, "--accept", "resolv-conf/"+id)
	}
	r = run(t, h, repair...)
	if s.advice {
		l.repaired = "advice"
		if diff := cmp.Diff(before, touched(t, h)); diff != "" || r.Exit != 1 || r.Outcome.Result != "nothing-to-do" {
			t.Errorf("advice, and the repair ended with %d and %s:\n%s", r.Exit, r.Outcome.Result, diff)
		}
		return l
	}
	if r.Exit != 0 || r.Outcome.Result != "finished" {
		t.Errorf("the repair ended with %d and %q", r.Exit, r.Outcome.Result)
		return l
	}
	l.repaired = "yes"

	r = run(t, h, check...)
	if having(r, fix.Broken) != "" || !strings.Contains(having(r, fix.OK)+having(r, fix.AtRisk), "works") && having(r, fix.OK) == "" {
		t.Errorf("after the repair: broken %q, ok %q", having(r, fix.Broken), having(r, fix.OK))
		return l
	}
	l.probe = "good"

	if r = run(t, h, "undo", "--yes"); r.Exit != 0 {
		t.Errorf("undo ended with %d", r.Exit)
	}
	if diff := cmp.Diff(before, touched(t, h)); diff != "" {
		t.Errorf("after undo (-before +after):\n%s", diff)
		return l
	}
	l.undone = "as before"
	return l
}
