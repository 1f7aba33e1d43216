package redact

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// This host has people, and accounts of the system that help to understand a report.
const (
	passwd = "root:x:0:0:root:/root:/bin/sh\npostgres:x:105:110:PostgreSQL:/var/lib/postgresql:/bin/sh\n" +
		"nobody:x:65534:65534:nobody:/nonexistent:/bin/false\nnixbld7:x:30007:30000:Nix build user 7:/var/empty:/bin/false\n" +
		"alice:x:1000:1000:Alice Liddell,Room 7,555-0199:/home/alice:/bin/sh\nzo\u00eb:x:1001:1001::/srv/wonder/zo\u00eb:/bin/sh\n" +
		"\u00e5se:x:1002:1002::/home/\u00e5se:/bin/sh\njean-luc.p:x:1003:1003:::\nbuilder:x:1004:1004::/home/builder:\n" +
		"lat\xefn:x:1005:1005:::\nold:x:600:600::/home/old:\nuser1:x:1006:1006:::\nbroken\n:::\n+nis::::::\n"
	groups = "root:x:0:\nwheel:x:10:alice,ldap-bob\nnixbld:x:30000:nixbld7,strangebuilder\nskunkworks:x:1500:alice\nalice:x:1000:\n"
	hosts  = "127.0.0.1 localhost\n127.0.1.1 bigbox.acme.example bigbox # me\n10.1.2.3 printer7 # old\n::1 ip6-localhost\n"
	conf   = "search acme.example sub.acme.example # is not\n; domain=hush.example\nnameserver 10.0.0.1\n"
)

func wonderland() *Names {
	n := NewNames()
	n.Host("bigbox")
	n.Passwd([]byte(passwd), firstPerson)
	n.Group([]byte(groups), firstPerson)
	n.Hosts(hosts)
	n.ResolvConf(conf)
	return n
}

// people are texts by the rule that hides what is in them, and that no other rule hides.
var people = []struct{ rule, text, want, gone string }{
	{"user in a log", "session closed for user mallory by pam", "session closed for user user1 by pam", "mallory"},
	{"user in a log", "Invalid user mallory from there", "Invalid user user1 from there", "mallory"},
	{"user in a log", "user=mallory x", "user=user1 x", "mallory"},
	{"user in a log", "user 'mallory' is not", "user 'user1' is not", "mallory"},
	{"user at the end", "New session 5 is user mallory.", "New session 5 is user user1.", "mallory"},
	{"user of a connection", "accepted connection from pid 12, user mal lory\u00ef (trusted)", "accepted connection from pid 12, user user1 (trusted)", "mal lory"},
	{"user of sshd", "Accepted publickey for mallory from there", "Accepted publickey for user1 from there", "mallory"},
	{"user of sudo", "sudo:  mallory : TTY=pts/0 ; USER=root", "sudo:  user1 : TTY=pts/0 ; USER=root", "mallory"},
	{"user in a variable", "SUDO_USER=mallory ruser=mallory", "SUDO_USER=user1 ruser=user1", "mallory"},
	{"user of a session", "(uid=0) by mallory(uid=1000)", "(uid=0) by user1(uid=1000)", "mallory"},
	{"name and number", "uid=1007(mallory) gid=0(root)", "uid=1007(user1) gid=0(root)", "mallory"},
	{"home", "/Users/mallory/x /var/home/carol", "/Users/user1/x /var/home/user2", "mallory"},
	{"home elsewhere", "/srv/wonder/zo\u00eb/x/y", "/home/user1/x/y", "wonder"},
	{"e-mail", "mallory@secret ssh", "user1@host1 ssh", "mallory"},
	{"e-mail", "m\u00e4x.m@g\u00fct.example", "user1@host1", "m\u00e4x"},
	{"address of a service", "https://hush:8080/team/x, ssh://bob@teapot?x", "https://host1:8080/[path], ssh://user1@host2/[path]", "hush"},
	{"address of a service", "https://github.com/acme/x.git.", "https://github.com/[path].", "acme"},
	{"repository", "github:wonderco/secret/main", "github:[path]", "wonderco"},
	{"host in a message", "Could not resolve host: hush", "Could not resolve host: host1", "hush"},
	{"host in a message", "rhost=hush", "rhost=host1", "hush"},
	{"machine of netrc", "machine hush login x", "machine host1 login x", "hush"},
	{"name of DNS", "talks to vault.hush.com:443", "talks to host1:443", "vault"},
	{"name of DNS", "no such name: mail.sub.acme.example.", "no such name: host1.", "mail"},
	{"IPv6", "at 2001:db8::17, [2001:db8::17]:53", "at [ipv6-1], [[ipv6-1]]:53", "db8"},
	{"IPv6", "at 2001:db8::17: no route", "at [ipv6-1]: no route", "db8"},
	{"IPv6", "fe80::5054:ff:fe12:3456%eth0 and fd00:17::1", "[link-local-ipv6-1]%eth0 and [unique-local-ipv6-1]", "5054"},
	{"IPv6", "2001:db8:1:2:3:4:5:6:7:8", "[malformed-ipv6-1]", "db8"},
	{"IPv4", "10.0.0.17 203.0.113.9:53 10.0.0.17", "[private-ipv4-1] [ipv4-1]:53 [private-ipv4-1]", "113"},
	{"IPv4", "nameserver 10.0.0.300", "nameserver [malformed-ipv4-1]", "10.0"},
	{"MAC", "at 52:54:00:12:34:56 or 52-54-00-12-34-57", "at [mac-1] or [mac-2]", "54"},
	{"UUID", "on 3e6be9de-8139-4d1c-9106-a43f08d823a6", "on [uuid-1]", "3e6b"},
	{"32 digits", "id 0123456789abcdef0123456789abcdef x", "id [id-1] x", "0123"},
	{"serial number", `"IOPlatformSerialNumber" = "C02ABCDEFGH1"`, `"IOPlatformSerialNumber" = "[serial-1]"`, "C02ABC"},
	{"serial number", "Serial Number (system): C02ABCDEFGH1", "Serial Number (system): [serial-1]", "C02ABC"},
	{"public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIcanarycanary x", "ssh-ed25519 [key] x", "canary"},
	{"MAC in a name", "enx525400123456 up", "enx[mac-1] up", "5254"},
	{"address in a name", "on ip-10-1-2-3 now", "on host1 now", "10-1"},
	{"name of DNS", "9.113.0.203.in-addr.arpa", "host1", "arpa"},
	{"fingerprint", "RSA SHA256:" + strings.Repeat("Ab1", 14) + "z", "RSA [fingerprint]", "Ab1"},
	{"known name", "alice, backup_Alice and ALICE-x", "user1, backup_user1 and user1-x", "lice"},
	{"known name", "Alice  Liddell is not Alice Liddell", "user1  Liddell is not user2", "Alice"},
	{"known name", "call 555-0199", "call user1", "555"},
	{"known name", "\u00c5se's \u00e5se, zo\u00eb.", "user1's user1, user2.", "\u00e5se"},
	{"known name", "jean-luc.p in jean-luc.p.x", "user1 in user1.x", "jean"},
	{"known name", "lat\xefn lat?n lat\uFFFDn", "user1 user2 user1", "lat"},
	{"known name", "group skunkworks of ldap-bob, nis, old", "group group1 of user1, user2, user3", "skunk"},
	{"known name", "bigbox, BIGBOX.nix, printer7", "this-host, this-host.nix, host1", "bigbox"},
}

// machines are texts in which more than one rule hides the same, or that need each other.
var together = []struct{ text, want string }{
	{"bigbox.acme.example. bigbox", "this-host. this-host"},
	{"bigbox.hidden.corp", "this-host"},
	{"ssh alice@bigbox.acme.example", "ssh user1@this-host"},
	{"::ffff:10.0.0.17 10.0.0.17", "[private-ipv4-1] [private-ipv4-1]"},
	{"https://me:pw@hush/x https://hush/y", "https://[redacted]@host1/[path] https://host1/[path]"},
	{"domain hush.example and acme.example", "domain domain1 and domain2"},
	{"http://[2001:db8::17]:80/x", "http://[[ipv6-1]]:80/[path]"},
	{"accepted connection from pid 9, user alice\nalice left", "accepted connection from pid 9, user user1\nuser1 left"},
}

// kept is what others may know, and need to.
var kept = []string{
	"", "root nobody nixbld7 postgres builder", "accepted connection from pid 1, user root (trusted)",
	"user 1000, group 100, in /build",
	"127.0.0.53 ::1 169.254.1.2/16 0.0.0.0/0 255.255.255.0 8.8.8.8 64:ff9b:1:4b8e:472e:a5c8:a9fe:101",
	"nix::Error std::string 12:34:56",
	"/nix/store/0c1x0l6d2p2cv8a5bdf0z0d9p3z4a5kb-lix-2.95.3/bin/nix", "https://cache.nixos.org/nar/x.nar.xz", "github:NixOS/nixpkgs/master",
	"https://github.com/NixOS/nixpkgs/pull/1", "nix.conf resolv.conf systemd-resolved.service org.nixos.nix-daemon flake.nix libc.so.6",
	"nix-daemon@12-3774.service", "git@github.com", "uid=0(root) gid=0(root)", "/root/x /var/empty /nix/var/nix",
	"4 build users",
	"an ordinary user", "file:///nix/x", "linux-6.18.0 nix-2.34.8 1.2.3", "00000000-0000-0000-0000-000000000000", "localhost", "user1 host1",
	"sandbox = true # a comment", "waits for a free build user", "unix, 0 bytes not read", "this is not",
}

func (n *Names) without(rule string) *Names { return n.Without(rule) }

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range people {
		seen[c.rule] = true
		n := wonderland()
		got := n.Text(c.text)
		if got != c.want || strings.Contains(got, c.gone) {
			t.Errorf("%s: %q became %q, want %q", c.rule, c.text, got, c.want)
		}
		if again := n.Text(got); again != got {
			t.Errorf("%s: twice, %q became %q", c.rule, got, again)
		}
		if got := wonderland().without(c.rule).Text(c.text); !strings.Contains(got, c.gone) {
			t.Errorf("%s: another rule hides it as well: %q", c.rule, got)
		}
	}
	for _, c := range together {
		if got := wonderland().Text(c.text); got != c.want {
			t.Errorf("%q became %q, want %q", c.text, got, c.want)
		}
	}
	for _, s := range kept {
		if got := wonderland().Text(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	for _, r := range nameRules {
		if !seen[r.name] {
			t.Errorf("nothing tests the rule %q", r.name)
		}
	}
}

// TestLearn finds a name in the first line that the last one tells of.
func TestLearn(t *testing.T) {
	n := wonderland()
	n.Learn("accepted connection from pid 7, user mallory", "in /home/caterpillar/x", "https://cheshire.acme.example/", "mail hatter@tea.acme.example")
	const want = "user1 and user2 of host1, user3"
	if got := n.Text("Mallory and caterpillar of cheshire.acme.example, hatter"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSetting(t *testing.T) {
	n := wonderland()
	for _, c := range []struct{ name, value, want string }{
		{"builders", "ssh://alice@mac x86_64-darwin ; ssh://b", "[2 machines]"},
		{"builders", "@/etc/nix/machines", "[a file]"},
		{"builders", "", ""},
		{"trusted-users", "root alice", "[2 words]"},
		{"allowed-users", "*", "[1 word]"},
		{"post-build-hook", "/home/alice/hook", "[a program]"},
		{"store", "daemon", "daemon"},
		{"store", "ssh-ng://alice@mac", "[another store]"},
		{"access-tokens", "github.com=x", Mark},
		{"netrc-file", "/home/alice/netrc", Mark},
		{"pasta-path", "/home/alice/pasta", "/home/user1/pasta"},
	} {
		if got := n.Setting(c.name, c.value); got != c.want {
			t.Errorf("%s = %s became %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

// TestMany takes no longer for ten thousand accounts than for ten, but for reading them.
func TestMany(t *testing.T) {
	n := NewNames()
	var b strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&b, "person-%d.x:x:%d:100:Per Son %d:/home/person-%d.x:/bin/sh\n", i, 1000+i, i, i)
	}
	n.Passwd([]byte(b.String()), firstPerson)
	text := strings.Repeat("a line of a log with person-77.x and /home/other/x at 10.0.0.1 and 2001:db8::1; ", 1<<20/80)
	began := time.Now()
	got := n.Text(text)
	if strings.Contains(got, "person-77") {
		t.Error("a name is left")
	}
	// It takes half a second; the limit is for what is quadratic.
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("1 MiB took %s", took)
	}
}

// TestLinear gives the rules what is expensive for expressions that look back or ahead.
func TestLinear(t *testing.T) {
	for _, unit := range []string{
		"a", "/", ":", "@", "://", "a://", "?a=", "&", "'", "\"", "\\", ".", "a.", "0", "0:", "password", "password:", "password= ", "-----BEGIN PRIVATE KEY-----",
		"configuration line '", "login x password ", " ' in '", "user ", "/home/", "a@b ", "token=' ", "--token ",
		"alice ", "1.2.3.4", "::", "mysql ", "search ", "a.b ",
	} {
		const size = 1 << 16
		text := strings.Repeat(unit, size/len(unit))
		began := time.Now()
		if out := wonderland().Text(text); !utf8.ValidString(out) {
			t.Errorf("%q: no UTF-8", unit)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("64 KiB of %q took %s", unit, took)
		} else if took > 2*time.Second {
			t.Logf("64 KiB of %q took %s", unit, took)
		}
	}
}

// FuzzText puts a canary into any surroundings, as a secret and as a name.
func FuzzText(f *testing.F) {
	for _, c := range secrets {
		f.Add(filled(c.text))
	}
	for _, c := range people {
		f.Add(c.text)
	}
	f.Add("'password: x' in 'y'")
	f.Fuzz(func(t *testing.T, s string) {
		once := Secrets(s)
		if again := Secrets(once); again != once {
			t.Fatalf("%q became %q, and that %q", s, once, again)
		}
		if utf8.ValidString(s) && !utf8.ValidString(once) {
			t.Fatalf("%q became %q", s, once)
		}
		n := wonderland()
		n.Learn(s)
		text := n.Text(s)
		if !utf8.ValidString(text) {
			t.Fatalf("%q became %q", s, text)
		}
		if again := n.Text(text); again != text {
			t.Fatalf("%q became %q, and that %q", s, text, again)
		}
		for _, name := range []string{"alice", "zo\u00eb", "\u00e5se"} {
			eachWord(text, func(start, end int) {
				if strings.ToLower(text[start:end]) == name {
					t.Fatalf("%q became %q", s, text)
				}
			})
		}
		if strings.Contains(s, canary) {
			return
		}
		for lead, end := range map[string]string{
			"ghp_": " ", "https://me:": "@host/", "https://host/?token=": "&", "API_TOKEN=": " ", "Authorization: Bearer ": " ",
			"--argstr password ": " ", "access-tokens = github.com=": " ", "machine a login b password ": "\n", "user = 'x' ghp_": "'",
		} {
			planted := s + "\n" + lead + canary + end + s
			if got := Secrets(planted); strings.Contains(got, canary) {
				t.Fatalf("%q became %q", planted, got)
			}
		}
		_ = Block(s)
		_ = Arguments(strings.Fields(s))
		_ = Cut(s, 10)
		markdown(t, n, s)
	})
}

// A search domain of one label is hidden wherever it stands, as that of a company, unless it is a word of everyday.
func TestSearchDomainsOfOneLabel(t *testing.T) {
	n := NewNames()
	n.ResolvConf("search umbrella sandbox\n")
	for text, want := range map[string]bool{
		"bind-mounted from /srv/umbrella/x":   false,
		"names of Umbrella do not resolve":    false,
		"db7.umbrella":                        false,
		"there is no network in the sandbox":  true,
		"cache.sandbox is not in the sandbox": false,
	} {
		if got := n.Text(text); (got == text) != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := n.Text("there is no network in the sandbox"); got != "there is no network in the sandbox" {
		t.Errorf("got %q", got)
	}
}
