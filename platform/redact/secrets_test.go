package redact

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// canary is what must not survive, wherever a test puts it.
const canary = "Canary0wl"

// hex is a canary of 40 digits.
const hex = "c0ffee0123456789c0ffee0123456789c0ffee01"

// secrets are texts by the rule that hides what is in them, and that no other rule hides. %s stands for the canary.
var secrets = []struct {
	rule string
	text string
	want string
	gone string // instead of the canary
}{
	{"key block", "x -----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn%s\nAAAA\n-----END OPENSSH PRIVATE KEY----- y", "x [redacted] y", ""},
	{"key block", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n%s", "[redacted]", ""},
	{"key block", `-----BEGIN RSA PRIVATE KEY-----\n%s`, "[redacted]", ""},
	{"word of a comment", "# password %s", "# password [redacted]", ""},
	{"word of a comment", "; the router's password is '%s', they say", "; the router's password is '[redacted]', they say", ""},
	{"word of a comment", "nameserver ::1 # psk for the guests: %s.", "nameserver ::1 # psk for the guests: [redacted].", ""},
	{"word of a comment", "# password hunter2hunter2", "# password [redacted]", "hunter2hunter2"},
	{"word of a comment", "# secret s4uce-of-the-house", "# secret [redacted]", "s4uce-of-the-house"},
	{"word of a comment", "# secret qWeRtYuI", "# secret [redacted]", "qWeRtYuI"},
	{
		"quoted line", "error: syntax error in configuration line 'netrc me %s' in '/etc/nix/nix.conf'",
		"error: syntax error in configuration line 'netrc [redacted]' in '/etc/nix/nix.conf'", "",
	},
	{
		"quoted line", "error: illegal configuration line '  %s=it's me' in '/etc/nix/nix.conf'",
		"error: illegal configuration line '[redacted]' in '/etc/nix/nix.conf'", "",
	},
	{"quoted line without an end", "illegal configuration line 'netrc me %s", "illegal configuration line 'netrc [redacted]", ""},
	{
		"quoted value", "error: setting 'substituters' has invalid value 'it's %s'",
		"error: setting 'substituters' has invalid value '[redacted]'", "",
	},
	{"quoted value", "option 'netrc' has an invalid value '%s", "option 'netrc' has an invalid value '[redacted]", ""},
	{"unknown setting", "warning: unknown setting '%s'", "warning: unknown setting '[redacted]'", ""},
	{"access-tokens", "access-tokens github.com=%s gitlab.com=%s", "access-tokens [redacted]", ""},
	{"access-tokens", "extra-access-tokens\ta = %s", "extra-access-tokens\t[redacted]", ""},
	{"authorization", "> Authorization: Digest username=%s, realm=%s", "> Authorization: [redacted]", ""},
	{"authorization", `{"Proxy-Authorization":"Negotiate %s"}`, `{"Proxy-Authorization":[redacted]"}`, ""},
	{"bearer", "curl sent bearer %s to it", "curl sent bearer [redacted] to it", ""},
	{"basic", "sent Basic bWU6Q2FuYXJ5MHds to it", "sent Basic [redacted] to it", "bWU6Q2FuYXJ5MHds"},
	{"cookie", "< Set-Cookie: id=%s; Path=/", "< Set-Cookie: [redacted]", ""},
	{"netrc", "default login %s password %s", "default login [redacted] password [redacted]", ""},
	{"netrc", "machine host login me password %s", "machine host login [redacted] password [redacted]", ""},
	{"netrc, the password first", "machine host password %s login me", "machine host password [redacted] login me", ""},
	{"password in an address", "git+https://%s@host/x", "git+https://[redacted]@host/x", ""},
	{"password in an address", "FTP://me:a@%s@host/x", "FTP://[redacted]@host/x", ""},
	{"password in an address", "https://a,https://%s@b,s3://%s@c", "https://a,https://[redacted]@b,s3://[redacted]@c", ""},
	{"password in an address", `https:\/\/%s@host`, `https:\/\/[redacted]@host`, ""},
	{"password with a slash", "https://me:pa/%s@host/x", "https://[redacted]@host/x", ""},
	{"password with a slash", "https://me:pa/ss@%s@host/x", "https://[redacted]@host/x", ""},
	{"password without a scheme", "proxy me:%s@host:3128", "proxy me:[redacted]@host:3128", ""},
	{"password without a scheme", "read /etc/nix/https:/me:%s@host/x", "read /etc/nix/https:/me:[redacted]@host/x", ""},
	{"encoded address", "to%%3A%%2F%%2Fme%%3A%s%%40host", "to%%3A%%2F%%2F[redacted]%%40host", ""},
	{"parameter", "https://host/x?rev=1&X-Amz-Expires=%s&dir=a", "https://host/x?rev=1&X-Amz-Expires=[redacted]&dir=a", ""},
	{"parameter", "/relative?sv=%s", "/relative?sv=[redacted]", ""},
	{"parameter", `"?ref=1\u0026se=%s\x"`, `"?ref=1\u0026se=[redacted]"`, ""},
	{"nameless parameter", "https://host/x?%s", "https://host/x?[redacted]", ""},
	{"path of an address", "https://host/token/%s/x", "https://host/token/[redacted]/x", ""},
	{"path of an address", "https://host/Canary0wlCanary0wlCanary0wl/x", "https://host/[redacted]/x", ""},
	{"argument", "x --argstr dbPassword\n--argstr password %s y", "x --argstr dbPassword\n--argstr password [redacted] y", ""},
	{"argument", "x --argstr password\n%s y", "x --argstr password\n[redacted] y", ""},
	{"argument", "x --argstr password \\\n  %s y", "x --argstr password \\\n  [redacted] y", ""},
	{"flag", "x --db-password \\\n  %s y", "x --db-password \\\n  [redacted] y", ""},
	{"argument", "nix-build --argstr dbPassword '%s it is' -A x", "nix-build --argstr dbPassword '[redacted]' -A x", ""},
	{"flag", "tool --github-token %s next", "tool --github-token [redacted] next", ""},
	{"user and password", "curl -u me:%s https://host", "curl -u me:[redacted] https://host", ""},
	{"flag of a program", "sshpass -p %s ssh me", "sshpass -p [redacted] ssh me", ""},
	{"flag of a program", "docker login -u me -p %s host", "docker login -u me -p [redacted] host", ""},
	{"flag of a program", "mysql -u root -p%s", "mysql -u root -p[redacted]", ""},
	{"named, to the end of the line", "password: a correct %s", "password: [redacted]", ""},
	{"named, to the end of the line", "error: 'db_passwd = a %s'", "error: 'db_passwd = [redacted]'", ""},
	{"named", "AWS_SECRET_ACCESS_KEY=%s x", "AWS_SECRET_ACCESS_KEY=[redacted] x", ""},
	{"named", "API_TOKEN=a'b,c;%s x", "API_TOKEN=[redacted] x", ""},
	{"named", `{"private_token":"%s \" x","a":1}`, `{"private_token":"[redacted]","a":1}`, ""},
	{"named", "PRIVATE-TOKEN:%s", "PRIVATE-TOKEN:[redacted]", ""},
	{"named", "/x#access_token=%s&b", "/x#access_token=[redacted]&b", ""},
	{"named", `{\"client_secret\":\"%s\"}`, `{\"client_secret\":\"[redacted]\"}`, ""},
	{"short name", "blob sig=%s x", "blob sig=[redacted] x", ""},
	{"short name", "X-Goog-Signature=%s", "X-Goog-Signature=[redacted]", ""},
	{"short name", `{"auth":"%s"}`, `{"auth":"[redacted]"}`, ""},
	{"short name", "_auth=%s", "_auth=[redacted]", ""},
	{"GitHub token", "got ghp_%s.", "got [redacted].", ""},
	{"GitHub fine-grained token", "got github_pat_11AA_%s.", "got [redacted].", ""},
	{"GitLab token", "got glpat-%s-x.", "got [redacted].", ""},
	{"Slack token", "got xoxb-12-%s.", "got [redacted].", ""},
	{"Slack hook", "to hooks.slack.com/services/T0/B0/%s.", "to [redacted]", ""},
	{"AWS key", "got AKIAC0FFEEC0FFEEC0FF.", "got [redacted].", "C0FFEE"},
	{"Google key", "got AIzaSy%s_0123456789-0123456789.", "got [redacted].", ""},
	{"JSON web token", "got eyJhbGci.eyJ%s.x-y_z.", "got [redacted].", ""},
	{"npm token", "got npm_%s0123456789012.", "got [redacted].", ""},
	{"PyPI token", "got pypi-%s-0123456789.", "got [redacted].", ""},
	{"Hugging Face token", "got hf_%s0123456789.", "got [redacted].", ""},
	{"OpenAI key", "got sk-proj-%s-0123456789.", "got [redacted].", ""},
	{"Stripe key", "got sk_live_%s.", "got [redacted].", ""},
	{"Vault token", "got hvs.%s-0123456789.", "got [redacted].", ""},
	{"Tailscale key", "got tskey-auth-%s.", "got [redacted].", ""},
	{"age key", "got AGE-SECRET-KEY-1C0FFEEC0FFEE.", "got [redacted].", "C0FFEE"},
	{"Telegram token", "to bot123456789:%s-0123456789012345678901234", "to [redacted]", ""},
	{
		"key of a cache", "got cache-1:" + strings.Repeat("Canary0wl+", 8) + "abcdef==",
		"got [redacted]", "Canary",
	},
	{"40 digits", "git at " + hex + ".", "git at [redacted].", hex},
	{"40 digits", "/cache/" + hex + "/x_" + hex, "/cache/[redacted]/x_[redacted]", hex},
}

// blocks are the same for texts of several lines.
var blocks = []struct{ rule, text, want string }{
	{
		"lines of a key", "QUJD\n" + strings.Repeat("Canary0wl+", 7) + "\nx", "QUJD\n[redacted]\nx",
	},
	{"lines of netrc", "more\n  password Canary0wl\r\nless", "more\n  password [redacted]\nless"},
}

// twice are texts in which more than one rule hides the same.
var twice = []struct{ text, want string }{
	{"access-tokens = github.com=%s", "access-tokens = [redacted]"},
	{"nix --option access-tokens 'a b %s'", "nix --option access-tokens [redacted]"},
	{"ssh-ng://me:a:%s@host", "ssh-ng://me:[redacted]@host"},
	{"machine host\n  login me\n  password %s\n", "machine host\n  login [redacted]\n  password [redacted]\n"},
	{"setting 'access-tokens' has invalid value '%s'", "setting 'access-tokens' has invalid value '[redacted]'"},
	{"setting 'access-tokens' may be '%s'", "setting 'access-tokens' [redacted]"},
	{"`setting 'access-tokens' [redacted]`", "`setting 'access-tokens' [redacted]`"},
	{"Authorization: Bearer %s", "Authorization: [redacted]"},
	{"AccountName=x;AccountKey=%s==;EndpointSuffix=y", "AccountName=x;AccountKey=[redacted]"},
	{"substituters https://user:%s@host", "substituters https://[redacted]@host"},
	{
		"error: illegal configuration line 'access-tokens github.com=%s' in '/etc/nix/nix.conf'",
		"error: illegal configuration line 'access-tokens [redacted]' in '/etc/nix/nix.conf'",
	},
	{
		"error: illegal configuration line 'substituters https://user:%s@host' in '/etc/nix/nix.conf'",
		"error: illegal configuration line 'substituters [redacted]' in '/etc/nix/nix.conf'",
	},
	{"https://s3/x?X-Amz-Algorithm=a&X-Amz-Signature=%s", "https://s3/x?X-Amz-Algorithm=[redacted]&X-Amz-Signature=[redacted]"},
	{"https://x.blob/x?sv=1&sig=%s%%3D", "https://x.blob/x?sv=[redacted]&sig=[redacted]"},
	{"https://raw.host/a?token=%s", "https://raw.host/a?token=[redacted]"},
	{"https://oauth2:glpat-%s@gitlab.example/x", "https://[redacted]@gitlab.example/x"},
}

func filled(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "%s", canary), "%%", "%")
}

// TestSecrets plants a canary for each rule, and takes the rule away: then the canary has to survive, or the rule would
// not be tested.
func TestSecrets(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range secrets {
		text, want, gone := filled(c.text), filled(c.want), c.gone
		if gone == "" {
			gone = canary
		}
		seen[c.rule] = true
		if got := Secrets(text); got != want || strings.Contains(got, gone) {
			t.Errorf("%s: of %q\n  got  %q\n  want %q", c.rule, text, got, want)
		}
		if got := Secrets(want); got != want {
			t.Errorf("%s: twice, %q became %q", c.rule, want, got)
		}
		some := everywhere.without(c.rule)
		if len(some) != len(everywhere)-1 {
			t.Errorf("there are %d rules %q", len(everywhere)-len(some), c.rule)
		}
		if got := some.apply(text); !strings.Contains(got, gone) {
			t.Errorf("%s: another rule hides it as well: %q", c.rule, got)
		}
	}
	for _, c := range blocks {
		seen[c.rule] = true
		if got := Block(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", c.rule, got, c.want)
		}
		if got := within.without(c.rule).apply(everywhere.apply(c.text)); !strings.Contains(got, canary) {
			t.Errorf("%s: another rule hides it as well: %q", c.rule, got)
		}
	}
	for _, r := range slices.Concat(everywhere, within) {
		if !seen[r.name] {
			t.Errorf("nothing tests the rule %q", r.name)
		}
	}
}

func TestTwice(t *testing.T) {
	for _, c := range twice {
		if got := Secrets(filled(c.text)); got != c.want {
			t.Errorf("%q became %q, want %q", filled(c.text), got, c.want)
		}
	}
}

// TestSpoken: short ones are hidden in a comment, though they are too short to be looked for elsewhere.
func TestSpoken(t *testing.T) {
	for text, want := range map[string]string{
		"# password hunter2":                     "# password [redacted]",
		"a = b # the key: ok, but psk $ecret":    "a = b # the key: ok, but psk [redacted]",
		"\t;passwd (s3same), not this one":       "\t;passwd ([redacted]), not this one",
		"# a token\n# of hunter2":                "# a token\n# of hunter2",
		"# secret of a b c d e f g h i hunter22": "# secret of a b c d e f g h i hunter22",
		"a#b password hunter2":                   "a#b password hunter2",
	} {
		if got := Secrets(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// TestKept lists what is no secret, and what people need to understand a message.
func TestKept(t *testing.T) {
	for _, s := range []string{
		"", "error: illegal configuration line 'sandbox true' in '/etc/nix/nix.conf'",
		"error: setting 'sandbox' has invalid value 'maybe'", "warning: unknown setting 'pasta-path'",
		"read /etc/passwd: permission denied", "read /etc/nix/secret.conf: permission denied",
		"open '/run/secrets/token': no such file or directory", "PWD=/home/x OLDPWD=/",
		"sudo: a password is required",
		"a login shell and no password", "hosts: files dns", "https://cache.nixos.org/nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.xz",
		"https://github.com/NixOS/nixpkgs/archive/" + hex + ".tar.gz", "github:NixOS/nixpkgs/" + hex + "?narHash=sha256-AAAA%3D",
		"/nix/store/00000000000000000000000000000000-nixpkgs-" + hex, "git rev = \"" + hex + "\"",
		"sha256:" + strings.Repeat("0f", 32), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"trusted-public-keys = cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
		"# password is wrong, and the key of NetworkManager was sha256 or ssh-ed25519 on x86_64", "password hunter2 is everybody's",
		"# no secret here since 2.95.1 of Lix", "# 12 passwords Canary0wl", "#key", "# Generated by NetworkManager", "# token t0k",
		"docker.io/alpine:3.19@sha256:abcd", "ssh://root@host", "nix-daemon@12-3774.service", "s3://cache?region=eu&compression=zstd",
		"--option substituters https://cache.nixos.org", "journalctl -u nix-daemon.service", "basic authentication",

		"ignoring the client-specified setting 'access-tokens', because it is a restricted setting and you are not a trusted user",
		"https://host:8080/x@y", "a? b=c", "12:34:56", "/nix/var/nix/daemon-socket/socket", "\xff\x00 bytes", "keys: 3",
	} {
		if got := Secrets(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct{ argv, want string }{
		{"nix build --option access-tokens github.com=%s --access-tokens x=%s", "nix build --option access-tokens [redacted] --access-tokens [redacted]"},
		{"nix-build --argstr dbPassword %s --argstr name %x", "nix-build --argstr dbPassword [redacted] --argstr name %x"},
		{"nix-build --argstr password --token %s", "nix-build --argstr password [redacted] [redacted]"},
		{"nix --option=access-tokens=%s", "nix --option=access-tokens=[redacted]"},
		{"curl -u me:%s -H Authorization: Bearer %s x", "curl -u me:[redacted] -H Authorization: [redacted] [redacted] x"},
		{"curl --user me -u", "curl --user me -u"},
		{"machine x login y password %s", "machine x login y password [redacted]"},
		{"tool --api-key= %s --password %s", "tool --api-key= [redacted] --password [redacted]"},
		{"git clone https://a:%s@b,https://%s@c?x=%s", "git clone https://[redacted]@b,https://[redacted]@c?x=[redacted]"},
		{"sshpass -p %s ssh -p 22", "sshpass -p [redacted] ssh -p [redacted]"},
		{"/usr/bin/mysql -p%s", "/usr/bin/mysql -p[redacted]"},
		{"nix-shell -p libsecret gnome-keyring", "nix-shell -p libsecret gnome-keyring"},
	} {
		got := Arguments(strings.Split(filled(c.argv), " "))
		if diff := cmp.Diff(strings.Split(c.want, " "), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.argv, diff)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"a user alice", 10, "a user …"},
		{strings.Repeat("ä", 50), 10, strings.Repeat("ä", 9) + "…"},
		{"ab" + strings.Repeat("c", 50), 10, "abccccccc…"},
	} {
		if got := Cut(c.text, c.n); got != c.want || utf8.RuneCountInString(got) > c.n {
			t.Errorf("%q cut to %d is %q", c.text, c.n, got)
		}
	}
}
