package resolvconf

import (
	"io/fs"
	"testing"

	"github.com/lixfix/lixfix/platform"
)

// TestDropped holds which rules are about the questions of build users, as nft, iptables-save and ip print them.
func TestDropped(t *testing.T) {
	t.Parallel()
	u := who{UID: 30001, GID: 30000, Name: "nixbld1", Known: true}
	for rule, want := range map[string]bool{
		"meta skuid 30001 drop":                                                 true,
		"meta skuid 30001-30010 udp dport 53 drop":                              true,
		"meta skuid { 1000, 30001 } th dport { 53, 853 } counter reject":        true,
		"meta skgid 30000 drop":                                                 true,
		"meta skgid 30000 udp dport domain drop":                                true,
		"meta skgid != 1000 drop":                                               true,
		"meta skgid != 30000 drop":                                              false,
		"meta skuid 0 drop":                                                     false,
		"meta skgid 30000 accept":                                               false,
		"meta skgid 30000 tcp dport 25 drop":                                    false,
		"meta skgid 30000 tcp dport != 443 drop":                                true,
		"meta skuid 30001 meta skgid 1000 drop":                                 false,
		"oifname != \"wg0\" meta skgid 30000 drop":                              false,
		"ip daddr 10.0.0.0/8 meta skgid 30000 drop":                             false,
		"-A OUTPUT -m owner --uid-owner 30001 -j DROP":                          true,
		"-A OUTPUT -m owner --gid-owner 30000 -j REJECT":                        true,
		"-A OUTPUT -m owner ! --gid-owner 1000 -j DROP":                         true,
		"-A OUTPUT -m owner ! --gid-owner 30000 -j DROP":                        false,
		"-A OUTPUT -p tcp -m tcp --dport 25 -m owner --gid-owner 30000 -j DROP": false,
		"-A OUTPUT ! -o tun0 -m owner --gid-owner 30000 -j DROP":                false,
		"100: from all uidrange 30001-30032 blackhole":                          true,
		"100: from all uidrange 1000-1000 prohibit":                             false,
		"100: from all uidrange 30001-30032 lookup 51820":                       false,
		"meta skuid nixbld1 drop":                                               false,
	} {
		if got := u.dropped(rule); got != want {
			t.Errorf("%q: %t", rule, got)
		}
	}
}

// TestACL follows the lists of getfacl(1), the first of which was seen on a host with Lix.
func TestACL(t *testing.T) {
	t.Parallel()
	const closed = "user::rw-\ngroup::r--\ngroup:30000:---\nmask::r--\nother::r--\n"
	u := who{UID: 30001, GID: 30000, Known: true}
	for _, tt := range []struct {
		text  string
		right fs.FileMode
		group int
		want  Truth
	}{
		{closed, 4, 0, No},
		{"user::rw-\ngroup::---\ngroup:30000:r--\nmask::r--\nother::---\n", 4, 0, Yes},
		{"user::rw-\nuser:30001:r--\ngroup::r--\nmask::---\nother::r--\n", 4, 0, No},
		{"user::rw-\nuser:30001:rw-\t#effective:r--\ngroup::r--\nmask::r--\nother::---\n", 6, 0, No},
		{"user::rw-\nuser:1000:---\ngroup::r--\nmask::r--\nother::r--\n", 4, 0, Yes},
		{"user::rwx\ngroup::--x\nmask::--x\nother::---\n", 1, 30000, Yes},
		{"user::rwx\ngroup::---\nother::--x\ndefault:user::rwx\n", 1, 30000, No},
		{"", 4, 0, Unclear},
	} {
		n := node{info: platform.FileInfo{Mode: 0o644, ACL: true, GID: tt.group}, acl: parseACL(tt.text)}
		if got := u.may(n, tt.right); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := u.denies(node{acl: parseACL(closed)}); got != "group:30000" {
		t.Errorf("it is %q that denies", got)
	}
}
