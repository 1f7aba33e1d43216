package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// secretOwl is a part of every secret of the hosts in these tests: it must not leave lixfix in any form.
const secretOwl = "Secr3tOwl"

// leaked are names of the hosts in these tests: they must not stand in what is made to be pasted.
var leaked = []string{
	"alice", "Liddell", "mallory", "zo\u00eb", "\u00e5se", "hatter", "caterpillar", "skunkworks", "bigbox", "acme", "hush", "cheshire",
	"203.0.113", "2001:db8", "52:54:00", "wonder",
}

// owlArguments are arguments with a secret in each.
var owlArguments = []string{
	"nix-build", "--option", "access-tokens", "github.com=Secr3tOwl1", "--argstr", "password", "Secr3tOwl2",
	"https://me:Secr3tOwl3@hush.example/x,https://me:Secr3tOwl4@hush.example/y?token=Secr3tOwl5", "--option", "substituters",
	"https://cache.nixos.org https://me:Secr3tOwl6@acme.example", "API_TOKEN=Secr3tOwl7", "-H", "Authorization: Bearer Secr3tOwl8",
	"s3://wonder?X-Amz-Signature=Secr3tOwl9", "/home/alice/x",
}

const owlLog = `accepted connection from pid 9840, user mallory
accepted connection from pid 9841, user root (trusted)
error: alice may not fetch https://me:Secr3tOwl@hush.example/token/Secr3tOwl
curl: (6) Could not resolve host: cheshire
sudo:  hatter : TTY=pts/0 ; PWD=/home/caterpillar ; USER=root ; COMMAND=/bin/sh
> Authorization: Bearer Secr3tOwl
> Cookie: id=Secr3tOwl; x=y
AWS_SECRET_ACCESS_KEY=Secr3tOwl password: x Secr3tOwl
machine hush login mallory password Secr3tOwl
-----BEGIN OPENSSH ` + "PRIVATE" + ` KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAESecr3tOwlbm9uZQAAAAAAAAABAAAAMwAAAA
-----END OPENSSH PRIVATE KEY-----
talks to 2001:db8::17 and ::ffff:203.0.113.9 from 52:54:00:12:34:56, <b>@mallory</b>
Accepted publickey for zoë from 203.0.113.9, mallory@acme.example; ÅSE's bigbox.acme.example
`

// owls are files of a host with names and secrets in them.
var owls = map[string]string{
	"etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:Alice Liddell:/home/alice:/bin/sh\nzo\u00eb:x:1001:1001::/home/zo\u00eb:/bin/sh\n" +
		"\u00e5se:x:1002:1002::/srv/wonder/\u00e5se:/bin/sh\nbob:x:1003:1003:::\nnixbld1:x:30001:30000::/:\n",
	"etc/group": "root:x:0:\nnixbld:x:30000:nixbld1\nskunkworks:x:1500:hatter\n", "etc/hostname": "bigbox\n",
	"proc/sys/kernel/hostname": "bigbox\n", "proc/sys/kernel/osrelease": "6.18.0-bigbox\n",
	"etc/resolv.conf": "search acme.example hush.example\n; token=Secr3tOwl for alice\nnameserver 203.0.113.9\nnameserver 2001:db8::17\n",
	"etc/nix/nix.conf": "max-jobs = 3\nsubstituters = https://me:Secr3tOwl@hush.example?key=Secr3tOwl https://cache.nixos.org\n" +
		"builders = ssh://alice@hush.example x86_64-linux /home/alice/.ssh/key\naccess-tokens = github.com=ghp_Secr3tOwl\n" +
		"trusted-users = root alice\npost-build-hook = /home/alice/hook\npasta-path = /home/zo\u00eb/pasta\n",
}

func plant(t *testing.T, root string, files map[string]string, mode os.FileMode) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), mode), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// nameless checks that a text that is made to be pasted has no names in it, and that those of lixfix's own in it do not
// hide that something is left.
func (r result) nameless() result {
	r.t.Helper()
	lower := strings.ToLower(r.out)
	for _, name := range leaked {
		if strings.Contains(lower, strings.ToLower(name)) {
			r.t.Errorf("%q is in\n%s", name, r.out)
		}
	}
	return r
}

func (r result) secretless() result {
	r.t.Helper()
	r.not(secretOwl, "Secr3t", base64.StdEncoding.EncodeToString([]byte(secretOwl))[:8])
	// Files are base64 in JSON, where a text starts at one of three places of a group.
	for line := range strings.Lines(r.out) {
		var doc struct {
			Probe *struct{ Report *sandbox.Report }
		}
		if json.Unmarshal([]byte(line), &doc) != nil || doc.Probe == nil || doc.Probe.Report == nil {
			continue
		}
		for name, f := range doc.Probe.Report.Files {
			if strings.Contains(string(f.Data), secretOwl) {
				r.t.Errorf("it is in %s", name)
			}
		}
	}
	return r
}

func TestStuckLeaksNothing(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	plant(t, s.Root, owls, 0o644)
	plant(t, s.Root, map[string]string{"proc/9840/cmdline": strings.Join(owlArguments, "\x00") + "\x00"}, 0o644)
	plant(t, s.Root, map[string]string{"usr/bin/journalctl": "#!/bin/sh\ncat <<'EOF'\n" + owlLog + "EOF\n"}, 0o755)
	r := s.run("report", "stuck").ends(Healthy).secretless().nameless()
	r.says("### Log of the daemon", "user root (trusted)", "connection from pid 9840, user user", "https://cache.nixos.org", "builders = [1 machine]",
		"gc.lock", "stuck/gc-stopped", "sudo: user")
	if strings.Count(r.out, "\n```\n")%2 != 0 {
		t.Errorf("a block is not closed:\n%s", r.out)
	}
	s.run("report", "stuck", "--format", "json").ends(Healthy).secretless().nameless().valid()
	s.run("report", "stuck", "--debug").ends(Healthy).secretless().says("tool=/usr/bin/journalctl")
	for _, format := range []string{"text", "json", "jsonl", "dot"} {
		s.run("check", "stuck", "--format", format).secretless().says("9840")
	}
	s.run("check", "stuck", "--format", "prometheus").secretless().nameless().says("stuck/gc-stopped")
	s.run("check", "stuck", "--format", "json").says("--argstr", "[redacted]", "access-tokens", "https://cache.nixos.org")
	s.run("repair", "stuck", "--dry-run", "--format", "json").secretless()
	s.run("check", "--debug").secretless()
}

// brokenLines are those that Nix quotes when it does not read its configuration, with what Nix and Lix say.
var brokenLines = map[string]string{
	"a token":           "illegal configuration line 'access-tokens github.com=Secr3tOwl' in '/etc/nix/nix.conf'",
	"a password":        "syntax error in configuration line 'substituters https://alice:Secr3tOwl@hush.example' in '/etc/nix/nix.conf'",
	"in colour":         "illegal configuration line '\\033[35;1maccess-tokens github.com=Secr3tOwl\\033[0m' in '/etc/nix/nix.conf'",
	"a token alone":     "illegal configuration line '  github.com=Secr3tOwl' in '/etc/nix/nix.conf'",
	"another name":      "illegal configuration line 'netrc machine hush.example alice Secr3tOwl' in '/etc/nix/nix.conf'",
	"a value":           "setting 'access-tokens' has invalid value 'Secr3tOwl'",
	"a setting":         "unknown setting 'ghp_Secr3tOwl'\\nerror: illegal configuration line 'x' in '/etc/nix/nix.conf'",
	"an included file":  "file '/etc/nix/https:/alice:Secr3tOwl@hush.example/x' included from '/etc/nix/nix.conf' not found",
	"a very long value": "illegal configuration line 'access-tokens " + strings.Repeat("x", 500) + "Secr3tOwl" + strings.Repeat("y", 100<<10) + " Secr3tOwl' in '/etc/nix/nix.conf'",
}

func TestProbeLeaksNothing(t *testing.T) {
	for name, says := range brokenLines {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			hidden := "redacted"
			if name == "a setting" {
				hidden = "line 'x'" // what comes after it is the reason
			}
			w.nix(`exit 1`, broken())
			plant(t, w.root, owls, 0o644)
			for _, tool := range []string{"nix", "nix-build", "nix-store"} {
				w.tool(tool, "printf '\\033[31;1merror:\\033[0m "+strings.ReplaceAll(says, "'", `'"'"'`)+"\\n' >&2\nexit 1")
			}
			for _, args := range [][]string{{}, {"--format", "json"}, {"--debug"}, {"--text", "--debug"}} {
				w.run(append([]string{"probe"}, args...)...).ends(Failed).secretless().says(hidden)
			}
			w.run("probe", "--text").ends(Failed).secretless().nameless().says("cannot read its configuration")
			w.run("probe", "--text", "--format", "json").ends(Failed).secretless().nameless()
			w.run("probe", "--text", "--format", "jsonl").ends(Failed).secretless().nameless()

			// The fix quotes the same.
			w.fixes = []fix.Fix{resolvconf.With(probe.Run, nil)}
			for _, args := range [][]string{{}, {"--format", "json"}, {"--format", "jsonl"}, {"--debug"}, {"--passive"}, {"-v"}} {
				r := w.run(append([]string{"check", "resolv-conf"}, args...)...).secretless()
				if len(args) == 0 {
					r.says("resolv-conf/bad-nix-conf", hidden)
				}
			}
			w.run("repair", "resolv-conf", "--dry-run").secretless()
			w.run("repair", "resolv-conf", "--dry-run", "--format", "json").secretless()
		})
	}
}

// TestProbeOfSandboxLeaksNothing has a build that reports, and says what it should not.
func TestProbeOfSandboxLeaksNothing(t *testing.T) {
	w := newWorld(t)
	seen := broken()
	seen.Files[sandbox.ResolvConf] = sandbox.File{Data: []byte("search hush.example acme.example\n# token=Secr3tOwl\nnameserver 2001:db8::17\n")}
	seen.Files[sandbox.Hosts] = sandbox.File{Data: []byte("127.0.0.1 localhost bigbox # password: Secr3tOwl\n")}
	seen.Queries = append(seen.Queries, sandbox.Query{Server: "203.0.113.9", Protocol: "udp", Name: "cheshire.hush.example", Type: "A", Error: "from mallory@acme.example"})
	w.nix(`echo "pasta: token=Secr3tOwl of mallory@acme.example" >&2; echo "building '$2'..." >&2; echo "API_TOKEN=Secr3tOwl" >&2; echo "$out"`, seen)
	plant(t, w.root, owls, 0o644)
	for _, args := range [][]string{{}, {"-v"}, {"--format", "json"}, {"--debug"}, {"--name", "cheshire.hush.example"}} {
		w.run(append([]string{"probe"}, args...)...).ends(Problems).secretless()
	}
	w.run("probe", "--text", "--name", "cheshire.hush.example").ends(Problems).secretless().nameless().
		says("built by: `Lix 2.95.3`", "nameserver [ipv6-1]", "[ipv4-1] udp A", "search (2 names)", "trusted-users = [2 words]", "pasta-path = /home/user")
	w.run("probe", "--text", "--format", "json").ends(Problems).secretless().nameless()
}

// TestErrorsLeakNothing has errors quote what they are about.
func TestErrorsLeakNothing(t *testing.T) {
	w := newWorld(t, "red")
	for _, args := range [][]string{
		{"https://me:Secr3tOwl@host"},
		{"check", "--format", "token=Secr3tOwl"},
		{"repair", "token=Secr3tOwl"},
		{"undo", "password: Secr3tOwl"},
		{"probe", "--name", "token=Secr3tOwl"},
		{"explain", "token=Secr3tOwl"},
		{"check", "--token=Secr3tOwl"},
		{"check", "--color", "ghp_Secr3tOwl"},
	} {
		w.run(args...).secretless()
		w.run(append(args, "--format=json")...).secretless()
		w.run(append(args, "--debug")...).secretless()
	}
}

// TestPlanWithASecret prints the plan without it, and keeps it in the journal: only root can read that, and a step that
// did not know its own value could be neither done nor taken back.
func TestPlanWithASecret(t *testing.T) {
	w := newWorld(t, "red")
	w.env["PAINT_TINT"] = "token=Secr3tOwl"
	dry := w.run("repair", "paint", "--dry-run", "--format", "json").ends(Problems).secretless()
	dry.says(`"value":"token=[redacted]"`)
	w.run("repair", "paint", "--dry-run", "-v").ends(Problems).secretless()
	w.run("repair", "paint", "--yes", "--format", "jsonl").secretless()
	data, err := os.ReadFile(filepath.Join(w.state(), w.journals()[0]))
	if err != nil || !strings.Contains(string(data), "token=Secr3tOwl") {
		t.Errorf("the journal has not: %v\n%s", err, data)
	}
}

var _ platform.Host = (*site)(nil)
