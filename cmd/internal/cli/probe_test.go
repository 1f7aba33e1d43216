package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/sandbox"
)

// elfHeader is a program without segments, and so without an interpreter: as far as the header tells, a static one.
const elfHeader = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x02\x00\x3e\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x40\x00\x38\x00\x00\x00\x40\x00\x00\x00\x00\x00"

// nix puts tools of Nix into the world that build nothing: realise is what the script of nix-build does to build, and
// the report is in the log, with the nonce in the place of NONCE.
func (w *world) nix(realise string, report sandbox.Report) {
	w.t.Helper()
	for _, dir := range []string{"usr/bin", "etc/nix", "nix/var/nix/db", "proc/sys/kernel"} {
		w.mkdir(dir)
	}
	w.write("usr/bin/lixfix", elfHeader)
	report.Nonce = "NONCE"
	data, err := json.Marshal(report)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("log", "hostile \x1b]0;title\x07 log\r\n"+sandbox.Prefix+`{"nonce":"nsomebodyelse","uid":0}`+"\n"+sandbox.Prefix+string(data)+"\n")
	w.tool("nix", `echo "nix (Lix, like Nix) 2.95.3"`)
	w.tool("nix-build", `while [ "$1" != nonce ]; do shift; done
nonce=$2
echo "$nonce" >"$root/nonce"
out=/nix/store/00000000000000000000000000000000-lixfix-dns-probe-$nonce
set -- "" "$out.drv"
printf 'this derivation will be built:\n  %s\n' "$2" >&2
`+realise)
	w.tool("nix-store", `nonce=$(cat "$root/nonce")
case $1 in
--read-log) sed "s/NONCE/$nonce/" "$root/log" ;;
--delete) shift; echo "$@" >>"$root/deleted" ;;
esac`)
}

func (w *world) tool(name, script string) {
	w.t.Helper()
	w.write("usr/bin/"+name, "#!/bin/sh\nroot="+w.root+"\n"+script+"\n")
	if err := os.Chmod(filepath.Join(w.root, "usr/bin", name), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// broken is what a builder sees behind pasta, where the first server of the host is dead.
func broken() sandbox.Report {
	return sandbox.Report{
		UID: 1000, GID: 100, Cwd: "/build", NetNS: "net:[4026532789]", UserNS: "user:[4026532792]", Tun: "absent",
		Files: map[string]sandbox.File{
			sandbox.ResolvConf: {Data: []byte("search corp.example\n\nnameserver 169.254.1.1\n\x1b[2Jnameserver\t10.0.0.1\r\n")},
			sandbox.NSSwitch:   {Data: []byte("hosts: files dns\nservices: files\n")},
			sandbox.Hosts:      {Error: "absent"},
		},
		Interfaces: []sandbox.Interface{
			{Name: "lo", Up: true, Loopback: true, Addresses: []string{"127.0.0.1/8"}},
			{Name: "eth0", Up: true, Addresses: []string{"169.254.1.2/16"}},
		},
		Routes: []sandbox.Route{{Family: 4, To: "0.0.0.0/0", Via: "169.254.1.1", Interface: "eth0"}},
		Queries: []sandbox.Query{
			{Server: "169.254.1.1", Protocol: "udp", Name: "cache.nixos.org", Type: "A", Error: "timeout", RCode: -1, Millis: 2000},
			{Server: "169.254.1.1", Protocol: "tcp", Name: "cache.nixos.org", Type: "A", RCode: 5, Millis: 3},
		},
	}
}

func TestProbe(t *testing.T) {
	w := newWorld(t)
	w.nix(`echo "building '$2'..." >&2; echo "$out"`, broken())
	w.write("etc/resolv.conf", "# Generated for alice by nobody\n; of wonderland\nnameserver 192.0.2.1\t\ndomain home.example\nsearch nix sandbox\n")
	w.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n")
	w.write("etc/hostname", "wonderland\n")
	w.write("etc/nix/nix.conf", "sandbox = true\naccess-tokens = github.com=secret\ntrusted-users = root alice\npasta-path = /home/alice/pasta\n")

	r := w.run("probe").ends(Problems)
	r.says("built by", "Lix 2.95.3", "without a daemon", "sandbox", "behind pasta", "169.254.1.1 udp A timeout", "REFUSED",
		"nameserver<TAB>10.0.0.1<CR>", "no name server answers in the build sandbox")
	deleted, err := os.ReadFile(filepath.Join(w.root, "deleted"))
	if err != nil || strings.Count(string(deleted), "-lixfix-dns-probe-") != 2 || strings.Contains(string(deleted), sandbox.BuilderName) {
		t.Errorf("deleted %q: %v", deleted, err)
	}

	doc := w.run("probe", "--format", "json").ends(Problems).report()
	if p := doc.Probe; p == nil || p.Outcome != sandbox.Ran || p.Network != sandbox.PastaNetwork || !p.Sandbox || p.Implementation != "Lix" {
		t.Errorf("%+v", doc.Probe)
	}

	r = w.run("probe", "--text").ends(Problems)
	r.says("Lix 2.95.3", "nameserver [ipv4-1]<TAB>", "domain (1 names)", "search (1 names)", "nameserver<TAB>[private-ipv4-1]<CR>", "hosts: files dns",
		"169.254.1.1 udp A: timeout", "sandbox = true", "trusted-users = [2 words]", "pasta-path = /home/user1/pasta",
		"(2 lines of comments left out)", "search (2 names)", "no name server answers in the build sandbox")
	// A search domain that is a word of everyday stays one elsewhere.
	r.not("Generated", "by nobody")
	for _, secret := range []string{"secret", "alice", "corp.example", "home.example", "wonderland"} {
		if strings.Contains(r.out, secret) {
			t.Errorf("%s is in the text:\n%s", secret, r.out)
		}
	}
	if strings.Count(r.out, "```")%2 != 0 {
		t.Errorf("a block is not closed:\n%s", r.out)
	}
	w.run("probe", "--text", "--format", "json").ends(Problems)
}

func TestProbeWorks(t *testing.T) {
	w := newWorld(t)
	report := broken()
	report.Queries[0] = sandbox.Query{
		Server: "169.254.1.1", Protocol: "udp", Name: "cache.nixos.org", Type: "A", Answers: []string{"192.0.2.4"},
	}
	w.nix(`echo "$out"`, report)
	w.run("probe").ends(Healthy).says("cache.nixos.org can be looked up in the build sandbox")
}

func TestProbeFails(t *testing.T) {
	timeout := `printf 'Failed to open() /dev/net/tun: Permission denied\n\033[31;1merror:\033[0m sandbox network setup timed out, please check\n' >&2
exit 1`
	for name, test := range map[string]struct {
		realise string
		code    Code
		says    []string
	}{
		"network of the sandbox": {timeout, Problems, []string{"its network does not come up", "pasta said", "Permission denied", "last lines"}},
		"no room":                {`echo "error: No space left on device" >&2; exit 1`, Failed, []string{"could not be built: No space left"}},
		"no log":                 {`rm "$root/log"; echo "$out"`, Failed, []string{"its output is lost"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.nix(test.realise, broken())
			if test.code != Failed || name != "no log" {
				w.write("log", "")
			}
			w.run("probe").ends(test.code).says(test.says...)
			w.run("probe", "--format", "json").ends(test.code)
			w.run("probe", "--text").ends(test.code)
		})
	}
}

func TestProbeRefuses(t *testing.T) {
	w := newWorld(t)
	for _, args := range []string{
		"--name a..b", "--name -x", "--name x;y", "--store relative", "--store /a/../b", "--store ssh://host", "--store /a?b", "extra",
	} {
		w.run(append([]string{"probe"}, strings.Split(args, " ")...)...).ends(Usage)
	}
	// Nothing in the world looks like Nix, and lixfix itself is not where it should be.
	w.run("probe").ends(Failed).says("could not tell whether")
	w.mkdir("usr/bin")
	w.write("usr/bin/lixfix", elfHeader)
	w.run("probe").ends(Failed).says("no Nix", "/usr/bin")
	w.run("probe", "--text").ends(Failed).says("built by: nobody; client: no Nix tool", "(no Nix was asked)")
	// The interpreter of a dynamic program is in a segment of type 3.
	w.write("usr/bin/lixfix", elfHeader[:32]+"\x40\x00\x00\x00\x00\x00\x00\x00"+elfHeader[40:56]+"\x01\x00"+elfHeader[58:]+
		"\x03\x00\x00\x00\x04\x00\x00\x00"+strings.Repeat("\x00", 48))
	w.run("probe").ends(Failed).says("dynamically linked", "CGO_ENABLED=0")
}
