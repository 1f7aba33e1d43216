package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// debVersion is testVersion as Debian and RPM sort it.
const debVersion = "1.2.3~rc.1-1"

func packageOf(dir, version, format string) string {
	return filepath.Join(dir, "lixfix_"+version+"_"+here().Arch+"."+format)
}

// before makes packages of a version before, with a program that says so, and with a page that is gone since.
func before(t *testing.T) string {
	t.Helper()
	d := Dist{Out: t.TempDir(), Version: "1.2.2", Time: time.Unix(1_700_000_000, 0).UTC(), Log: io.Discard, nfpm: theRelease(t).nfpm}
	files := []File{
		{Name: "lixfix", Mode: 0o755, Data: []byte("#!/bin/sh\necho lixfix 1.2.2\n")},
		{Name: "lix-fix", Target: "lixfix"},
		{Name: "LICENSE", Mode: 0o644, Data: []byte("MIT\n")},
		{Name: "CHANGELOG.md", Mode: 0o644, Data: []byte("# Changelog\n")},
		{Name: "man/lixfix-gone.1", Mode: 0o644, Data: []byte(".TH LIXFIX-GONE 1\n")},
	}
	if err := d.packages(t.Context(), here(), files); err != nil {
		t.Fatal(err)
	}
	return d.Out
}

// managers are package managers, each with what it is told to do. $1 is a package, and "lixfix" the name of the installed.
var managers = map[string]struct{ install, upgrade, files, verify, remove, gone string }{
	"deb": {
		install: `dpkg -i "$1"`, upgrade: `dpkg -i "$1"`, files: "dpkg -L lixfix", verify: "dpkg --verify lixfix", remove: "dpkg --purge lixfix",
		gone: "dpkg -s lixfix",
	},
	// Debian's rpm warns those who mean dpkg, and has no database that knows of /bin/sh.
	"rpm": {
		install: `rpm -i --force-debian --nodeps "$1"`, upgrade: `rpm -U --force-debian --nodeps "$1"`, files: "rpm -ql lixfix",
		verify: "rpm -V --nodeps lixfix", remove: "rpm -e --nodeps lixfix", gone: "rpm -q lixfix",
	},
}

// TestPackages installs the version before, upgrades, checks the host after each start, and removes: for real, on a
// copy-on-write view of this system's root. What is left are the journals.
func TestPackages(t *testing.T) {
	b := theRelease(t)
	old := before(t)
	for format, m := range managers {
		t.Run(format, func(t *testing.T) {
			code := fmt.Sprintf(`
set -eu
mkdir o
mount -t tmpfs overlay o
mkdir o/upper o/work o/root
mount -t overlay -o lowerdir=/,upperdir=o/upper,workdir=o/work overlay o/root
cp '%s' o/root/old
cp '%s' o/root/new
mount --rbind /proc o/root/proc
mount --rbind /dev o/root/dev
cat >o/root/test <<'EOF'
set -eu
cd /
unset TMPDIR
mkdir -p /var/lib/rpm
rm -f /var/lib/man-db/auto-update # the index of all pages would be made again, three times
list() { find /usr /etc /opt /srv /var/lib /var/log -xdev \( -type f -o -type l \) ! -path '/var/lib/dpkg/*' ! -path '/var/lib/rpm/*' ! -path '/var/log/dpkg*' | sort; }
list >/before
set -- /old
%s >/said 2>&1 || { cat /said; exit 1; }
lixfix version
[ -e /usr/share/man/man1/lixfix-gone.1.gz ]
set -- /new
%s >/said 2>&1 || { cat /said; exit 1; }
[ ! -e /usr/share/man/man1/lixfix-gone.1.gz ] || echo "a page of the old version is left"
lixfix version
lix-fix version
%s | while read -r f; do [ -d "$f" ] || [ -L "$f" ] || stat -c "%%a %%U:%%G %%n" "$f"; done
gzip -dc /usr/share/man/man1/lixfix-check.1.gz /usr/share/man/man1/lix-fix.1.gz >/dev/null
%s
mkdir -m 0755 /var/lib/metrics
lixfix schedule install --yes --prometheus /var/lib/metrics/lixfix.prom >/dev/null
lixfix check --format prometheus --output /var/lib/metrics/lixfix.prom >/dev/null || true
for f in /etc/systemd/system/lixfix-check.service /etc/systemd/system/lixfix-check.timer /var/lib/metrics/lixfix.prom; do
	[ -e "$f" ] || echo "there is no $f"
done
%s >/said 2>&1 || { cat /said; exit 1; }
list >/after
diff /before /after | grep '^[<>]' | sed 's/[0-9]\{8\}-[0-9]*-schedule-[0-9a-f]*/ID/' || true
if [ -e /usr/bin/lixfix ] || %s >/dev/null 2>&1; then echo "it is still there"; fi
echo all gone
EOF
chroot o/root env HOME=/root sh /test
umount -l o/root o
rmdir o
`, packageOf(old, "1.2.2", format), packageOf(b.dir, testVersion, format), m.install, m.upgrade, m.files, m.verify, m.remove, m.gone)
			flags := "-m"
			if os.Geteuid() != 0 {
				flags = "-Urm"
			}
			r := do(t, call{argv: []string{"unshare", flags, "sh", "-c", code}, dir: t.TempDir()})
			r.want(t, 0, "")
			manual, copyright := "/usr/share/man/man1/lixfix.1.gz", "/usr/share/doc/lixfix/copyright"
			if format == "rpm" {
				copyright = "/usr/share/licenses/lixfix/LICENSE"
			}
			for _, want := range []string{
				"lixfix 1.2.2", "lixfix " + testVersion, "755 root:root /usr/bin/lixfix", "644 root:root " + manual,
				"644 root:root /usr/share/bash-completion/completions/lixfix", "644 root:root " + copyright, "644 root:root /usr/share/lixfix/lixfix.rules.yml",
			} {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("%q is missing in:\n%s%s", want, r.stdout, r.stderr)
				}
			}
			// The journals tell what was done: that the job was installed, and that it was removed.
			_, left, _ := strings.Cut(r.stdout, "lixfix.rules.yml\n")
			for line := range strings.Lines(left) {
				line = strings.TrimSpace(line)
				if _, name, ok := strings.Cut(line, " "); ok && strings.HasPrefix(line, "> /var/lib/lixfix/") && !strings.Contains(name, "metrics") {
					continue
				}
				if line != "all gone" && !strings.Contains(line, ":root /usr/") {
					t.Errorf("left or missing: %s", line)
				}
			}
			if !strings.Contains(left, "> /var/lib/lixfix/") || !strings.Contains(left, "all gone") {
				t.Errorf("left:\n%s", left)
			}
		})
	}
}

// TestLintian has Debian's own tool look through the packages.
func TestLintian(t *testing.T) {
	b := theRelease(t)
	deb := packageOf(b.dir, testVersion, "deb")
	if out, err := exec.CommandContext(t.Context(), "lintian", "--fail-on=error,warning", "--allow-root", deb).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := tool(t.Context(), nil, "dpkg-deb", "-f", deb, "Version"); err != nil || strings.TrimSpace(out) != debVersion {
		t.Errorf("version %q %v", out, err)
	}
}

// TestFormula reads the formula for Homebrew with Ruby, and takes its steps.
func TestFormula(t *testing.T) {
	b := theRelease(t)
	formula := filepath.Join(b.dir, formulaName)
	if out, err := tool(t.Context(), nil, "ruby", "-wc", formula); err != nil || strings.TrimSpace(out) != "Syntax OK" {
		t.Errorf("%v\n%s", err, out)
	}
	for _, target := range targets() {
		prefix := t.TempDir()
		system := map[string]string{"darwin": "macos", "linux": "linux"}[target.OS]
		arch := map[string]string{"arm64": "arm", "amd64": "intel"}[target.Arch]
		args := []string{"-w", "scripts/release/testdata/formula.rb", formula, b.dir, system, arch, prefix}
		if target == here() {
			args = append(args, "test")
		}
		out, err := tool(t.Context(), nil, "ruby", args...)
		if err != nil || !strings.Contains(out, prefix+"/bin/lixfix /opt/lixfix/bin/lixfix") {
			t.Errorf("%s: %v\n%s", target, err, out)
		}
		for _, name := range []string{
			"bin/lixfix", "share/man/man1/lixfix.1", "share/man/man7/lixfix-sequoia.7", "etc/bash_completion.d/lixfix", "share/zsh/site-functions/_lixfix",
			"share/fish/vendor_completions.d/lixfix.fish", "share/lixfix/installer-hook.sh",
		} {
			if info, err := os.Lstat(filepath.Join(prefix, name)); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s: %s: %v", target, name, err)
			}
		}
		if to, err := os.Readlink(filepath.Join(prefix, "bin/lix-fix")); err != nil || to != "lixfix" {
			t.Errorf("%s: lix-fix leads to %q: %v", target, to, err)
		}
	}
	// Another archive than the one that was released.
	spoiled := copyOf(t, b.dir)
	write(t, archiveName(spoiled, Target{"darwin", "arm64"}), []byte("something else"))
	if out, err := tool(t.Context(), nil, "ruby", "scripts/release/testdata/formula.rb", formula, spoiled, "macos", "arm", t.TempDir()); err == nil ||
		!strings.Contains(err.Error(), "is not what the formula says") {
		t.Errorf("%v\n%s", err, out)
	}
}
