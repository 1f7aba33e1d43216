package redact

import (
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

// nameRule finds one sort of name.
type nameRule struct {
	name   string
	learns bool                          // from where a name stands
	hints  []string                      // as those of rules
	may    func(s string) bool           // as that of rules
	known  func(n *Names, s string) bool // the same, where it depends on who is known
	find   *pattern.Pattern
	with   func(n *Names, m []string) string
	apply  func(n *Names, s string) string // instead of with
}

// Spellings of names.
const (
	// A name in a log ends where white space, a quotation mark or a bracket comes. A comma is left to the text.
	userName = `[^\s'"<>()\[\],;:=/]+`
	// A name that has a dot is one of DNS, or the name of a file.
	label = `[\p{L}\p{N}_](?:[\p{L}\p{N}\p{M}_-]*[\p{L}\p{N}\p{M}_])?`
)

// nameRules are applied in their order. What says by itself of whom it speaks comes first.
var nameRules = []nameRule{
	{
		// sshd, PAM, su, login, logind: "session opened for user alice", "Invalid user alice from", "of user alice."
		name: "user in a log", hints: []string{"user ", "user=", "user:", "username=", "username:"}, learns: true,
		find: pattern.New(
			`(?i)(\b(?:(?:for|of|by|invalid|illegal|authenticating|unknown|target|remote|as) user |user` +
				`(?:name)?[=:] ?|user ['"]))(` + userName + `)`),
		with: func(n *Names, m []string) string {
			if plainWord()[strings.ToLower(m[2])] || isNumber(m[2]) {
				return m[0]
			}
			return m[1] + n.users.user(m[2])
		},
	},
	{
		name: "user at the end", hints: []string{"user "}, learns: true,
		find: pattern.New(`(?i)(\buser )(` + userName + `)((?:[.)]?(?:\s|$)|[,(]))`),
		with: func(n *Names, m []string) string {
			end := strings.TrimSpace(m[3]) != "" || m[3] == ""
			if !end || plainWord()[strings.ToLower(m[2])] || isNumber(m[2]) {
				return m[0]
			}
			name := strings.TrimRight(m[2], ".")
			return m[1] + n.users.user(name) + m[2][len(name):] + m[3]
		},
	},
	{
		name: "user of a connection", hints: []string{"connection from pid "}, learns: true,
		find: pattern.New(`(?i)(\bconnection from pid [0-9]+, user )([^\n]+?)` +
			`((?: \((?:un)?trusted\))?(?:[\n'"]|$))`),
		with: func(n *Names, m []string) string { return m[1] + n.users.user(m[2]) + m[3] },
	},
	{
		name: "user of sshd", hints: []string{" from "}, learns: true,
		find: pattern.New(
			`(\b(?:Accepted|Failed|Postponed|Partial) [\w/-]+ for (?:invalid user )?)(` + userName + `)( from )`),
		with: func(n *Names, m []string) string { return m[1] + n.users.user(m[2]) + m[3] },
	},
	{
		name: "user of sudo", hints: []string{" : "}, learns: true,
		find: pattern.New(`(\bsudo(?:\[[0-9]+\])?:\s+)(` + userName + `)( : )`),
		with: func(n *Names, m []string) string { return m[1] + n.users.user(m[2]) + m[3] },
	},
	{
		name: "user in a variable", hints: []string{"logname", "sudo_user", "ruser", "acct"}, learns: true,
		find: pattern.New(
			`(\b(?:LOGNAME|SUDO_USER|ruser|logname|acct)=["']?)(` + userName + `)`),
		with: func(n *Names, m []string) string {
			if isNumber(m[2]) {
				return m[0]
			}
			return m[1] + n.users.user(m[2])
		},
	},
	{
		name: "user of a session", hints: []string{" by "}, learns: true,
		find: pattern.New(`(\(uid=[0-9]+\) by )(` + userName + `)(\()`),
		with: func(n *Names, m []string) string { return m[1] + n.users.user(m[2]) + m[3] },
	},
	{
		name: "name and number", hints: []string{"("}, may: numberedName, learns: true, // id(1): "uid=1000(alice)"
		find: pattern.New(`(\b(?:uid|euid|auid|gid|egid|suid|groups)=[0-9]+\(|,[0-9]+\()(` +
			userName + `)(\))`),
		with: func(n *Names, m []string) string { return m[1] + n.users.user(m[2]) + m[3] },
	},
	{
		name: "home", hints: []string{"/home", "/users", `c:\users`}, learns: true,
		find: pattern.New(`((?:/home|/Users|/var/home|/export/home|/usr/home|` +
			`\bC:\\Users\\?)[/\\])([^/\s'"\\` + "`" + `:;,()<>]+)`),
		with: func(n *Names, m []string) string { return m[1] + n.users.user(m[2]) },
	},
	{
		name: "home elsewhere", hints: []string{"/"}, find: absolute,
		known: func(n *Names, s string) bool { return n.users.atHome(s) },
		apply: func(n *Names, s string) string { return n.users.elsewhere(s) },
	},
	{
		name: "address of a service", hints: []string{"://"}, learns: true, find: url,
		with: inURL,
	},
	{
		name: "e-mail", hints: []string{"@"}, learns: true, find: login,
		with: userAtHost,
	},
	{
		name: "repository", hints: []string{"github:", "gitlab:", "sourcehut:"}, find: flake,
		with: func(_ *Names, m []string) string {
			if strings.EqualFold(m[2], "NixOS") || strings.EqualFold(m[2], "nix-community") || strings.EqualFold(m[2],
				"lix-project") {
				return m[0]
			}
			return m[1] + hiddenPath
		},
	},
	{
		name: "host in a message", hints: []string{"rhost=", "host ", "host:", "hostname ", "hostname:", "resolve '", `resolve "`}, learns: true,
		find: pattern.New(
			`(?i)(\brhost=|\b(?:resolve|connect to|to|from|unknown|remote|lookup|on) host(?:name)?:? ['"]?|` +
				`\bresolve ['"]|\bhost(?:name)? ['"])(` +
				label + `(?:\.` + label + `)*)`),
		with: func(n *Names, m []string) string {
			if plainWord()[strings.ToLower(m[2])] {
				return m[0]
			}
			return m[1] + n.machines.host(m[2])
		},
	},
	{
		name: "machine of netrc", hints: []string{"machine "}, learns: true,
		find: pattern.New(`(?i)(\bmachine )(` + label + `(?:\.` + label + `)*)( (?:login|account|password) )`),
		with: func(n *Names, m []string) string { return m[1] + n.machines.host(m[2]) + m[3] },
	},
	{
		name: "name of DNS", hints: []string{"."}, find: dotted,
		known: func(n *Names, s string) bool { return n.machines.mayDotted(s) },
		with:  func(n *Names, m []string) string { return n.machines.dotted(m) },
	},
	{name: "IPv6", hints: []string{":"}, may: least{':': 2}.in, find: sixes, apply: func(n *Names, s string) string { return n.addresses.ipv6(s) }},
	{
		name: "IPv4", hints: []string{"."}, may: least{'.': 3}.in, find: quad,
		with: func(n *Names, m []string) string { return n.addresses.ipv4(m) },
	},
	{
		name: "MAC", hints: []string{":", "-"}, may: least{':': 5, '-': 5}.in, find: hardware,
		with: func(n *Names, m []string) string {
			return m[1] + n.table.numbered("mac",
				strings.ToLower(m[2]))
		},
	},
	{
		name: "UUID", hints: []string{"-"}, may: least{'-': 4}.in, find: uuid,
		with: func(n *Names, m []string) string {
			if strings.Trim(m[0], "0-") == "" {
				return m[0]
			}
			return n.table.numbered("uuid", strings.ToLower(m[0]))
		},
	},
	{name: "32 digits", may: func(s string) bool { return run(s, idDigits, isHex) }, find: id32, apply: func(n *Names, s string) string { return n.addresses.machineID(s) }},
	{
		// ioreg(8), system_profiler(8), udevadm(8): "IOPlatformSerialNumber" = "C02ABC", "Serial Number (system): C02ABC"
		name: "serial number", hints: []string{"serial"},
		find: pattern.New(`(?i)(serial[ _-]?(?:number|short|no)?(?: \([a-z ]+\))?["']?\s*[:=]\s*["']?)([A-Z0-9][A-Z0-9_-]{5,})`),
		with: func(n *Names, m []string) string { return m[1] + n.table.numbered("serial", m[2]) },
	},
	{
		name: "public key", hints: []string{"aaaa"}, find: publicKey,
		with: func(_ *Names, m []string) string { return m[1] + "[key]" },
	},
	{
		name: "MAC in a name", hints: []string{"x"}, may: func(s string) bool { return run(s, macDigits, isHex) }, find: enx,
		with: func(n *Names, m []string) string {
			return m[1] +
				n.table.numbered("mac", strings.ToLower(m[2]))
		},
	},
	{
		name: "address in a name", hints: []string{"ip-"}, learns: true, find: ipName,
		with: func(n *Names,
			m []string,
		) string {
			return n.machines.host(m[0])
		},
	},
	{
		name: "fingerprint", hints: []string{"sha256:"}, find: fingerprint,
		with: func(*Names, []string) string { return "[fingerprint]" },
	},
	{name: "known name", apply: func(n *Names, s string) string { return n.table.known(s) }},
}

// How many digits these have.
const (
	idDigits  = 32
	macDigits = 12
)

// plainWord are words that follow "user" in sentences.
var plainWord = set(
	"id", "ids", "is", "and", "has", "or", "of", "in", "to", "for", "not", "names", "name", "namespace",
	"namespaces", "manager",
	"slice", "sessions", "session", "was", "with", "that", "the", "can", "cannot", "may", "does", "who", "lookup",
	"database", "logged",
	"specified", "authentication", "unit", "units", "service", "services", "runtime", "mode", "space", "time",
	"host", "port",
	"environment", "from", "at", "on", "by", "its", "a", "daemon", "store", "socket", "group", "settings",
	"profile", "interaction",
	"input", "error", "agent", "data", "defined", "account", "accounts", "key", "keys", "part", "end",
)

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// numberedName reports whether a bracket stands behind a digit.
func numberedName(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i] == '(' && isDigit(s[i-1]) {
			return true
		}
	}
	return false
}
