//go:build linux

package staged

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// spoiled plants secrets and names wherever a host has them, and leaves a daemon that does not start, so that its log is read.
const spoiled = `
printf '%s\n' 'queenie:x:1100:1100:Quentin Hearts:/home/queenie:/bin/sh' 'jabberwock:x:1101:1101::/srv/tulgey/jabberwock:/bin/sh' >>/etc/passwd
printf '%s\n' 'tweedledum:x:1200:queenie,jabberwock' >>/etc/group
mkdir -p /home/queenie /srv/tulgey/jabberwock
echo '203.0.113.77 cheshirecat.looking-glass.example cheshirecat' >>/etc/hosts
printf 'search walrus-and-carpenter.example.com\nnameserver 127.0.0.9\n' >/etc/resolv.conf
printf '%s\n' 'access-tokens = github.com=ghp_S3cretCanary01 gitlab.com=S3cretCanary02' 'netrc-file = /etc/nix/netrc' \
  'substituters = https://dormouse:S3cretCanary03@cache.teaparty.example?key=S3cretCanary04' \
  'builders = ssh://mockturtle@gryphon.example x86_64-linux' 'trusted-users = root queenie' 'S3cretCanary05 is no setting' >>/etc/nix/nix.conf
echo 'machine teaparty.example login dormouse password S3cretCanary06' >/etc/nix/netrc
echo 'ssh-ng://mockturtle@gryphon.example x86_64-linux /home/queenie/.ssh/key' >/etc/nix/machines
mkdir -p /etc/systemd/system/nix-daemon.service.d
printf '[Service]\n# asked for by queenie@looking-glass.example\nEnvironment=API_TOKEN=S3cretCanary07 HOME=/home/queenie\n' >/etc/systemd/system/nix-daemon.service.d/x.conf
systemctl daemon-reload
mkfifo /tmp/never
GITHUB_TOKEN=S3cretCanary08 NIX_CONFIG='access-tokens = x=S3cretCanary09' setpriv --reuid 1100 --regid 1100 --clear-groups \
  bash -c 'exec -a nix-build bash -c "read x" nix-build --argstr dbPassword S3cretCanary10 --option access-tokens a=S3cretCanary11 /home/queenie/wonderland.nix' <>/tmp/never >/dev/null 2>&1 &
echo 'error: user queenie at cheshirecat.looking-glass.example: Authorization: Bearer S3cretCanary12' | systemd-cat -t nix-daemon
systemctl restart nix-daemon.service || true
`

// names are those that spoiled plants, as they are looked for.
var names = []string{
	"queenie", "quentin hearts", "jabberwock", "tweedledum", "tulgey", "cheshirecat", "looking-glass", "203.0.113.77", "walrus-and-carpenter", "dormouse",
	"teaparty", "mockturtle", "gryphon",
}

// TestCanariesOnAHost: of what was planted on a real host, nothing is in what the released binary writes and prints, in any
// letter case or percent encoding. With --keep-names, which shows what was read, the names are there and the secrets are not.
func TestCanariesOnAHost(t *testing.T) {
	t.Parallel()
	h := stage(t, packaged)
	h.Run(t, "bash", "-c", spoiled)
	var secrets []string
	for i := range 12 {
		secrets = append(secrets, fmt.Sprintf("s3cretcanary%02d", i+1))
	}
	texts := map[string]string{
		"the record":            unpacked(t, h, "record", "-o"),
		"the record with names": unpacked(t, h, "record", "--keep-names", "-o"),
		"report":                h.Run(t, program, "report"),
		"report in JSON":        h.Run(t, program, "report", "--format", "json"),
		"report --with-record":  h.Run(t, "sh", "-c", "mkdir /root/with; cd /root/with; "+program+" report daemon --with-record"),
	}
	files, err := filepath.Glob(h.Path("/root/with/*.tar.gz"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	texts["the record beside a report"] = contents(t, files[0])
	for where, text := range texts {
		gone := slices.Concat(secrets, names)
		if where == "the record with names" {
			gone = secrets
			for _, name := range []string{"queenie", "jabberwock", "tweedledum", "walrus-and-carpenter", "cheshirecat"} {
				if !strings.Contains(strings.ToLower(text), name) {
					t.Errorf("%s was not read: nothing is shown by its absence", name)
				}
			}
		}
		for line := range strings.Lines(strings.ToLower(text)) {
			for _, canary := range gone {
				if strings.Contains(line, canary) || strings.Contains(line, url.QueryEscape(canary)) || strings.Contains(decode(line), canary) {
					t.Errorf("%s is in %s: %.300q", canary, where, line)
				}
			}
		}
	}
	t.Logf("%d secrets and %d names planted on a real host: none is in %d records and reports", len(secrets), len(names), len(texts))
}

// decode reads %XX, also where other things stand beside it.
func decode(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if len(s) >= 3 && s[0] == '%' {
			if plain, err := url.PathUnescape(s[:3]); err == nil {
				b.WriteString(strings.ToLower(plain))
				s = s[3:]
				continue
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

// unpacked runs lixfix, which writes a record, and returns what is in it.
func unpacked(t *testing.T, h *linuxnet.Host, args ...string) string {
	t.Helper()
	file := fmt.Sprintf("/root/%d.tar.gz", len(args))
	h.Run(t, program, append(args, file)...)
	return contents(t, h.Path(file))
}

// contents are the names and the contents of a record.
func contents(t *testing.T, file string) string {
	t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	r := tar.NewReader(zip)
	for {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(head.Name + "\n")
		if _, err := io.Copy(&all, r); err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n")
	}
}
