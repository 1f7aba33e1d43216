package redact

import (
	"encoding/base64"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/pattern"
)

// words are what names of secrets have in them: API_TOKEN, githubPassword, aws_secret_access_key.
const words = `tokens?|passw(?:or)?d|passwort|passphrase|passcode|secrets?|credentials?|api[_-]?key|access[_-]?key|` +
	`private[_-]?key|pre[_-]?shared[_-]?key|auth[_-]?key|signing[_-]?key|account[_-]?key|encryption[_-]?key|` +
	`session[_-]?(?:id|key)|shared[_-]?access[_-]?signature|pwd`

// wordHints are the parts of words that a text without any of them does not have.
var wordHints = []string{
	"token", "passw", "passphrase", "passcode", "secret", "credential", "key", "session",
	"signature", "pwd",
}

// shortHints are the names of secrets that are too short to be looked for without what follows them.
var shortHints = func() []string {
	var all []string
	for _, name := range []string{"auth", "sig", "signature", "otp", "pin", "psk", "sas", "jwt", "pat", "hmac", "key"} {
		all = append(all, name+"=", name+`"`, name+`\"`)
	}
	return all
}()

// Spellings of a value.
const (
	// In quotation marks, which may be escaped, as in JSON within a text; up to the end where they are not closed.
	quotedValue = `\\"(?:[^"\\\n]|\\[^"\n])*(?:\\")?|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?`
	// Without them, up to white space or the next parameter of an address.
	bareValue = `[^\s&"'][^\s&]*`
	// between an option and its value is white space, and the end of a line that a shell goes on with.
	between = `[ \t]+(?:\\\r?\n[ \t]*)?`
)

// keep returns a rule's function that leaves group i as it is and hides the rest of the match.
func keep(i int) func([]string, string, string) string {
	return func(m []string, _, _ string) string { return m[i] + Mark }
}

// value hides a value, but for the quotation marks around it and the punctuation behind it, so that what stands in
// quotes stays so.
func value(v string) string {
	if strings.HasPrefix(v, Mark) {
		return v
	}
	for _, q := range []string{`\"`, `"`, `'`} {
		if inner, ok := strings.CutPrefix(v, q); ok {
			if strings.HasPrefix(inner, Mark) {
				return v
			}
			if strings.HasSuffix(inner, q) {
				return q + Mark + q
			}
			return q + Mark
		}
	}
	return Mark + v[len(strings.TrimRight(v, "\"'`,;)}]>")):]
}

// line hides the rest of a line. It is kept from a quotation mark on that ends what was quoted before.
func line(v, before string) string {
	trimmed := strings.TrimLeft(v, " \t")
	lead := v[:len(v)-len(trimmed)]
	if trimmed == "" || strings.HasPrefix(strings.TrimLeft(trimmed, `\"'`), Mark) {
		return v
	}
	return lead + Mark + closing(trimmed, before)
}

// closing is what follows the quotation mark that was open before a value; "" where none was, or where it is not
// closed.
func closing(v, before string) string {
	start := strings.LastIndexByte(before, '\n') + 1
	open := byte(0)
	for i := start; i < len(before); i++ {
		switch c := before[i]; {
		case open == 0 && (c == '\'' || c == '"' || c == '`'):
			// An apostrophe in a word opens nothing.
			if i > start && isAlnum(before[i-1]) {
				continue
			}
			open = c
		case c == open:
			open = 0
		}
	}
	if open == 0 {
		return ""
	}
	// Passwords have quotation marks in them: only the last one counts, where nothing comes behind it, but for the file
	// that Nix names behind the line that it quotes.
	if i := strings.LastIndex(v, string(open)+" in "+string(open)); i >= 0 {
		return v[i:]
	}
	if i := strings.LastIndexByte(v, open); i >= 0 && strings.Trim(v[i:], "\"'`.,;:!)]} ") == "" {
		return v[i:]
	}
	return ""
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf
}

// shape is a rule for tokens that are known by how they look.
func shape(name, token string, hints ...string) rule {
	return rule{
		name: name, hints: hints, find: pattern.New(`(^|[^A-Za-z0-9])(?:` + token + `)`), with: keep(1),
	}
}

const (
	digits         = 40 // of a token
	telegramDigits = 8  // of the number of a bot
	lineOfKey      = 60 // bytes
)

// may gives a rule its may.
func may(may func(string) bool, r rule) rule {
	r.may = may
	return r
}

// everywhere are the rules for whatever lixfix prints.
var everywhere = numbered(0, ruleset{
	{
		name: "key block", hints: []string{"private key"},
		find: pattern.New(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?` +
			`(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z)`),
		with: func([]string, string, string) string { return Mark },
	},
	// Nix quotes the lines and values of nix.conf that it does not understand, and what is wrong with a line can be
	// that a token is in it.
	{
		name: "quoted line", hints: []string{"configuration line"},
		find: pattern.New(`(configuration line ')([^\n]*)(' in ')`),
		with: func(m []string, _, _ string) string { return m[1] + configLine(m[2]) + m[3] },
	},
	{
		name: "quoted line without an end", hints: []string{"configuration line"},
		find: pattern.New(`(configuration line ')([^\n]*)`),
		with: func(m []string, _, _ string) string {
			if strings.Contains(m[2], "' in '") {
				return m[0] // as above
			}
			return m[1] + configLine(m[2])
		},
	},
	{
		name: "quoted value", hints: []string{"value '"},
		find: pattern.New(`((?:setting|option) ')([^'\n]*)(' has (?:an )?invalid value ')([^\n]*)`),
		with: func(m []string, _, _ string) string {
			v := strings.TrimSuffix(m[4], "'")
			return m[1] + settingName(m[2]) + m[3] + settingValue(m[2], v) + m[4][len(v):]
		},
	},
	{
		name: "unknown setting", hints: []string{"unknown setting '"},
		find: pattern.New(`(unknown setting ')([^\n]*)`),
		with: func(m []string, _, _ string) string {
			v := strings.TrimSuffix(m[2], "'")
			return m[1] + settingName(v) + m[2][len(v):]
		},
	},
	{
		name: "access-tokens", hints: []string{"access-token"},
		find: pattern.New(`(?i)(access-tokens?\b['"]?[ \t]*[:=]?)([^\n]+)`),
		with: func(m []string, before, _ string) string {
			if strings.HasPrefix(m[2], ", because it is a restricted setting") || hiddenValue.MatchString(m[2]) {
				return m[0]
			}
			return m[1] + line(m[2], before+m[1])
		},
	},
	{
		name: "authorization", hints: []string{"authorization"},
		find: pattern.New(`(?i)((?:proxy-)?authorization["'\\]*[ \t]*[:=][ \t]*)([^\n]+)`),
		with: func(m []string, before, _ string) string { return m[1] + line(m[2], before) },
	},
	{
		name: "bearer", hints: []string{"bearer"},
		find: pattern.New(`(?i)(\bbearer[ \t:=]+)([^\s'"]+)`),
		with: func(m []string, _, _ string) string { return m[1] + value(m[2]) },
	},
	{
		name: "basic", hints: []string{"basic"},
		find: pattern.New(`(?i)(\bbasic[ \t]+)([A-Za-z0-9+/_-]{4,}={0,2})`),
		with: func(m []string, _, _ string) string {
			plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(m[2], "="))
			if err != nil || !strings.Contains(string(plain), ":") {
				return m[0]
			}
			return m[1] + Mark
		},
	},
	{
		name: "cookie", hints: []string{"cookie"},
		find: pattern.New(`(?i)(\b(?:set-)?cookie2?["'\\]*[ \t]*[:=][ \t]*)([^\n]+)`),
		with: func(m []string, before, _ string) string { return m[1] + line(m[2], before) },
	},
	{
		// Before netrc, whose password can be on the next line: that would take an option for one, and leave its value.
		name: "argument", hints: []string{"-arg", "-option", "-set", "-define"},
		// An option on the next line is the next option, and may have a value of its own.
		find: pattern.New(`(?i)((?:^|[\s'"])--?(?:argstr|arg|option|set|define)\s+['"]?[\w.-]*(?:` +
			words + `)[\w.-]*['"]?)(?:(` + between + `)(` + quotedValue + `|` + bareValue + `)|(\s+)(` + quotedValue + `|[^\s&"'-][^\s&]*))`),
		with: func(m []string, _, _ string) string { return m[1] + m[2] + m[4] + value(m[3]+m[5]) },
	},
	{
		name: "flag", hints: wordHints, may: least{'-': 2}.in,
		find: pattern.New(`(?i)((?:^|[\s'"])--[\w.-]*(?:` + words + `)[\w.-]*` + between + `)(` + quotedValue +
			`|` + bareValue + `)`),
		with: func(m []string, _, _ string) string { return m[1] + value(m[2]) },
	},
	{
		name: "netrc", hints: []string{"login"},
		find: pattern.New(`(?i)(\b(?:machine\s+\S+|default)\s+login\s+|\blogin\s+)(\S+)(\s+` +
			`(?:account\s+\S+\s+)?password\s+)(\S+)`),
		with: func(m []string, _, _ string) string { return m[1] + Mark + m[3] + value(m[4]) },
	},
	{
		name: "netrc, the password first", hints: []string{"machine"},
		find: pattern.New(`(?i)(\bmachine\s+\S+\s+(?:account\s+\S+\s+)?password\s+)(\S+)`),
		with: func(m []string, _, _ string) string { return m[1] + value(m[2]) },
	},
	{
		// The last @ ends it: passwords have others in them.
		name: "password in an address", hints: []string{"@"},
		find: pattern.New(`(?i)([a-z][a-z0-9+.-]*:(?:\\?/){2})([^\s/?#\\]*)@`),
		with: func(m []string, _, _ string) string { return m[1] + userinfo(m[1], m[2]) + "@" },
	},
	{
		// A password with a slash in it, which should have been written %2F. It can have an @ as well, as above.
		name: "password with a slash", hints: []string{"@"},
		find: pattern.New(`(?i)([a-z][a-z0-9+.-]*://)([^\s/@:?#\[]+:[0-9]*[^0-9\s@/?#\[][^\s@/?#\\]*[/?#\\][^\s@]*(?:@[^\s/?#\\@]*)*)@`),
		with: func(m []string, _, _ string) string {
			if strings.Contains(m[2], "://") {
				return m[0] // an address behind another one, and done above
			}
			return m[1] + userinfo(m[1], m[2]) + "@"
		},
	},
	{
		name: "password without a scheme", hints: []string{"@"},
		find: pattern.New(`(^|[^\w.%+@:-])([\w.+-]+:)([^\s@/]+)@`),
		with: func(m []string, _, after string) string {
			if strings.HasPrefix(after, "sha256:") || m[3] == Mark || strings.HasPrefix(m[3], "//") {
				return m[0] // a container image; an address
			}
			return m[1] + m[2] + Mark + "@"
		},
	},
	{
		name: "encoded address", hints: []string{"%3a%2f%2f"},
		find: pattern.New(`(?i)(%3a%2f%2f)[^\s&]*?(%40)`),
		with: func(m []string, _, _ string) string { return m[1] + Mark + m[2] },
	},
	{
		name: "parameter", hints: []string{"?", "&", `\u0026`},
		find: pattern.New(`((?:\?|&|&amp;|\\u0026)([A-Za-z0-9_.~%-]+)=)([^\s&]+)`),
		with: func(m []string, _, _ string) string { return parameters(m[0]) },
	},
	{
		name: "nameless parameter", hints: []string{"://"},
		find: pattern.New(`(://[^\s?"'<>]*\?)([^\s=&"'<>` + "`" + `]+)`),
		with: func(m []string, _, after string) string {
			if strings.HasPrefix(after, "=") || m[2] == Mark {
				return m[0]
			}
			return m[1] + value(m[2])
		},
	},
	{
		name: "path of an address", hints: []string{"://"},
		find: pattern.New(`(?i)(://[^\s/?#"'<>]+)(/[^\s?#"'<>]*)`),
		with: func(m []string, _, _ string) string { return m[1] + urlPath(m[2]) },
	},
	{
		name: "user and password", hints: []string{"-u", "--user", "--proxy-user"}, may: least{':': 1}.in,
		find: pattern.New(`(?i)((?:^|\s)(?:-u|--user|--proxy-user)[ =]+['"]?[^\s:'"]+:)(` + quotedValue +
			`|[^\s'"]+)`),
		with: func(m []string, _, _ string) string { return m[1] + value(m[2]) },
	},
	{
		name: "flag of a program", hints: []string{"sshpass", "docker", "podman", "skopeo", "mysql", "mariadb", "redis-cli"},
		find: pattern.New(`(\b(?:sshpass|docker login|podman login|skopeo login|mysql\w*|mariadb\w*|` +
			`redis-cli)\b(?:\s+[^-\s]\S*|\s+-[^pa\s]\S*)*\s+-[pa][= ]?)(\S+)`),
		with: func(m []string, _, _ string) string { return m[1] + value(m[2]) },
	},
	{
		// What has white space behind it can have more in the value.
		name: "named, to the end of the line", hints: wordHints, may: least{':': 1, '=': 1}.in,
		find: pattern.New(`(?i)((?:` + words + `)[\w.-]*["'\\\]]*(?:[ \t]*(?:=>|:=|[:=])[ \t]+|` +
			`[ \t]+(?:=>|:=|[:=])))([^\n]+)`),
		with: func(m []string, before, _ string) string {
			if isPath(before, m[1]) || isDirectory(before, m[1]) {
				return m[0]
			}
			return m[1] + line(m[2], before)
		},
	},
	{
		name: "named", hints: wordHints, may: least{':': 1, '=': 1, '%': 1}.in,
		find: pattern.New(`(?i)((?:` + words + `)[\w.-]*["'\\\]]*(?:=>|:=|[:=]|%3[ad]))(` + quotedValue +
			`|` + bareValue + `)`),
		with: func(m []string, before, _ string) string {
			if isDirectory(before, m[1]) {
				return m[0]
			}
			return m[1] + value(m[2])
		},
	},
	{
		name: "short name", hints: shortHints,
		find: pattern.New(`(?i)((?:^|[^\w])(?:_?auth|sig|[\w-]*signature|otp|pin|psk|sas|jwt|pat|` +
			`hmac|key)(?:=|\\?"[ \t]*:[ \t]*))(` +
			quotedValue + `|` + bareValue + `)`),
		with: func(m []string, _, _ string) string { return m[1] + value(m[2]) },
	},
	{
		// In a comment, people write as they speak: "# the router's password is hunter2".
		name: "word of a comment", hints: []string{"passw", "passphrase", "passcode", "pwd", "psk", "secret", "token", "key"},
		may:  least{'#': 1, ';': 1}.in,
		find: pattern.New(`(?i)\b(?:passw(?:or)?d|passwort|passphrase|passcode|pwd|psk|secret|token|key)\b[^\n]+`),
		with: func(m []string, before, _ string) string {
			if !inComment(before) {
				return m[0]
			}
			return spoken(m[0])
		},
	},
	shape("GitHub token", `gh[pousr]_[A-Za-z0-9]{3,}`, "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
	shape("GitHub fine-grained token", `github_pat_\w{3,}`, "github_pat_"),
	shape("GitLab token", `gl(?:pat|dt|rt|ptt|ft|imt|agent|oas|soat|cbt|ffct)-[\w-]{8,}`, "glpat-", "gldt-",
		"glrt-", "glptt-", "glft-", "glimt-",
		"glagent-", "gloas-", "glsoat-", "glcbt-", "glffct-"),
	shape("Slack token", `xox[a-z]-[\w-]{6,}|xapp-[\w-]{6,}`, "xox", "xapp-"),
	shape("Slack hook", `hooks\.slack\.com/services/[^\s'"]+`, "hooks.slack.com"),
	shape("AWS key", `(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}`, "akia", "asia", "abia", "acca"),
	shape("Google key", `AIza[\w-]{30,}|ya29\.[\w-]+`, "aiza", "ya29."),
	shape("JSON web token", `eyJ[\w-]+\.eyJ[\w-]*(?:\.[\w-]*)?`, "eyj"),
	shape("npm token", `npm_[A-Za-z0-9]{20,}`, "npm_"),
	shape("PyPI token", `pypi-[\w-]{16,}`, "pypi-"),
	shape("Hugging Face token", `hf_[A-Za-z0-9]{16,}`, "hf_"),
	shape("OpenAI key", `sk-[\w-]{20,}`, "sk-"),
	shape("Stripe key", `[rs]k_(?:live|test)_\w{8,}`, "k_live_", "k_test_"),
	shape("Vault token", `hv[sbr]\.[\w-]{16,}`, "hvs.", "hvb.", "hvr."),
	shape("Tailscale key", `tskey-[\w-]{6,}`, "tskey-"),
	shape("age key", `AGE-SECRET-KEY-1[A-Z0-9]{8,}`, "age-secret-key-1"),
	may(func(s string) bool { return run(s, telegramDigits, isDigit) }, shape("Telegram token", `(?:bot)?[0-9]{8,10}:[\w-]{35}`, ":")),
	// 64 bytes; a public key has 32.
	shape("key of a cache", `[\w.-]+:[A-Za-z0-9+/]{86}==`, "=="),
	{
		// As GitHub's tokens were until 2021. It is also how a revision of Git looks.
		name: "40 digits", may: func(s string) bool { return run(s, digits, isHex) },
		find: pattern.New(`[0-9a-fA-F]{40,}`),
		with: func(m []string, before, after string) string {
			outside := func(s string) bool { return s == "" || !isAlnum(s[0]) }
			if len(m[0]) != digits || before != "" && isAlnum(before[len(before)-1]) || !outside(after) ||
				isRevision(before) {
				return m[0]
			}
			return Mark
		},
	},
})

// within are the rules for what spans lines.
var within = numbered(withinBits, ruleset{
	{
		// The middle of a key whose first line was not seen: PEM has 64 characters in a line, OpenSSH 70.
		name: "lines of a key", may: func(s string) bool { return run(s, lineOfKey, isBase64) },
		find: pattern.New(`(?m)^([ \t]*)([A-Za-z0-9+/]{60,76}={0,2})[ \t\r]*$`),
		with: func(m []string, _, _ string) string {
			if strings.Trim(m[2], "0123456789abcdef") == "" {
				return m[0] // a hash
			}
			return m[1] + Mark
		},
	},
	{
		name: "lines of netrc", hints: []string{"password", "login", "account"},
		find: pattern.New(`(?im)^([ \t]*(?:login|password|account)[ \t]+)(\S+)[ \t\r]*$`),
		with: func(m []string, _, _ string) string { return m[1] + value(m[2]) },
	},
})

// hiddenValue is what the rule for quoted values has left.
var hiddenValue = pattern.New(`^has (?:an )?invalid value '\[redacted\]'?$`)

// harmlessParameters of addresses say what is meant, and let nobody in.
var harmlessParameters = set(
	"allrefs", "branch", "compress", "compression", "dir", "index-debug-info", "lastmodified", "lfs",
	"max-connections",
	"narhash", "parallel-compression", "priority", "real", "ref", "region", "remote-program", "remote-store", "rev",
	"revcount", "root", "scheme", "shallow", "state", "store", "submodules", "system-features", "trusted", "type",
	"unpack",
	"want-mass-query", "write-nar-listing",
)

// harmlessSettings are those whose values are numbers, switches and names of files.
var harmlessSettings = set(
	"auto-allocate-uids", "auto-optimise-store", "build-users-group", "builders-use-substitutes", "connect-timeout",
	"cores",
	"download-attempts", "experimental-features", "extra-experimental-features", "fallback", "fsync-metadata",
	"http-connections", "keep-build-log", "keep-derivations", "keep-outputs", "log-format", "max-free", "max-jobs",
	"max-silent-time", "max-substitution-jobs", "min-free", "pasta-path", "sandbox", "sandbox-fallback",
	"stalled-download-timeout", "substitute", "system", "timeout", "use-cgroups", "use-sqlite-wal",
)

// set is a set of words that is made when it is first looked into: most commands print little.
func set(names ...string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool {
		m := make(map[string]bool, len(names))
		for _, n := range names {
			m[n] = true
		}
		return m
	})
}

// setting is how the name of a setting looks. A token has digits or capitals in it.
var setting = pattern.New(`^[a-z]+(?:-[a-z0-9]{1,12})*$`)

func settingName(name string) string {
	if setting.MatchString(name) && len(name) <= 40 {
		return name
	}
	return Mark
}

// settingValue is a value as Nix quotes it. Only those are told that cannot be a secret.
func settingValue(name, v string) string {
	if harmlessSettings()[name] {
		return v
	}
	return Mark
}

// configLine is a line of nix.conf, of which only the name is told where the value can be a secret.
func configLine(l string) string {
	fields := strings.Fields(l)
	if len(fields) == 0 || harmlessSettings()[fields[0]] {
		return l
	}
	switch name := settingName(fields[0]); {
	case name == Mark, len(fields) == 1:
		return name
	default:
		return name + " " + Mark
	}
}

// sshScheme names addresses whose user is no secret: ssh asks for a password itself.
var sshScheme = pattern.New(`(?i)(?:^|[+.-])(?:ssh|ssh-ng|sftp)(?:-ng)?:`)

// parameters hides the values of parameters of an address, which are parted by what Go writes for & in JSON.
func parameters(s string) string {
	const and = `\u0026`
	parts := strings.Split(s, and)
	for i, p := range parts {
		name, v, ok := strings.Cut(p, "=")
		switch {
		case v == "", harmlessParameters()[strings.ToLower(strings.TrimLeft(strings.TrimPrefix(name, "&amp;"), "?&"))]:
		case ok:
			parts[i] = name + "=" + value(v)
		}
	}
	return strings.Join(parts, and)
}

func userinfo(scheme, info string) string {
	if user, _, password := strings.Cut(info, ":"); sshScheme.MatchString(scheme) {
		if !password {
			return info
		}
		return user + ":" + Mark
	}
	return Mark
}

// tokenSegment is what comes before a token in a path.
var tokenSegment = set("token", "tokens", "apikey", "api-key", "api_key", "apikeys", "secret", "secrets",
	"password", "auth", "key", "webhook", "webhooks")

// urlPath is the path of an address without its tokens.
func urlPath(p string) string {
	parts := strings.Split(p, "/")
	hidden := false
	for i, s := range parts {
		if hidden && s != "" && s != Mark || random(s) {
			parts[i] = Mark
		}
		hidden = tokenSegment()[strings.ToLower(s)]
	}
	return strings.Join(parts, "/")
}

// random reports whether a part of a path is none that a person has chosen: long, of small letters, capitals and
// digits, and without a word in it.
func random(s string) bool {
	const short, word = 20, 6
	if len(s) < short || strings.HasPrefix(s, Mark) {
		return false
	}
	var upper, lower, digit, run int
	for i := range len(s) {
		c := s[i]
		if c < 'a' || c > 'z' {
			run = 0
		}
		switch {
		case 'a' <= c && c <= 'z':
			lower++
			if run++; run >= word {
				return false
			}
		case 'A' <= c && c <= 'Z':
			upper++
		case '0' <= c && c <= '9':
			digit++
		case c != '-' && c != '_' && c != '.' && c != '~' && c != '=' && c != '%':
			return false
		}
	}
	return upper > 1 && lower > 1 && digit > 0
}

// isPath reports whether what looks like a name and its value is the name of a file and what is wrong with it: "read
// /etc/passwd: permission denied".
func isPath(before, match string) bool {
	word := before[strings.LastIndexAny(before, " \t\n'\"")+1:]
	return strings.Contains(word, "/") && strings.HasSuffix(strings.TrimRight(match, " \t"), ":")
}

// isDirectory reports whether the name is PWD, the variable that shells keep the working directory in.
func isDirectory(before, match string) bool {
	return strings.HasPrefix(match, "PWD=") && (before == "" || !isAlnum(before[len(before)-1]) ||
		strings.HasSuffix(before, "OLD")) ||
		strings.HasPrefix(match, "pwd:") && strings.TrimSpace(before) == ""
}

// revision is what stands before a revision of Git, or another hash of 160 bits that is public.
var revision = pattern.New(`(?i)(?:/nix/store/[0-9a-z]{32}-[^\s/]*|` +
	`/(?:archive|commits?|tarball|zipball|tree|blob|raw|zip|tar\.gz)/(?:refs/\w+/)?|\brev` +
	`(?:ision)?["']?[ :=]+["']?|` +
	`\b(?:github|gitlab|sourcehut):[^\s/]+/[^\s/]+/|\bcommit[ :'"]+|\bsha1[-:= ])$`)

func isRevision(before string) bool {
	const far = 160
	return revision.MatchString(before[max(0, len(before)-far):])
}
