package redact

import (
	"strings"
)

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
		name: "user in a log", learns: true,
		apply: byGroup(lazily(
			`(?i)(\b(?:(?:for|of|by|invalid|illegal|authenticating|unknown|target|remote|as) user |user`+
				`(?:name)?[=:] ?|user ['"]))(`+userName+`)`),
			func(n *Names, m []string) string {
				if plainWord[strings.ToLower(m[2])] || isNumber(m[2]) {
					return m[0]
				}
				return m[1] + n.user(m[2])
			}),
	},
	{
		name: "user at the end", learns: true,
		apply: byGroup(lazily(`(?i)(\buser )(`+userName+`)((?:[.)]?(?:\s|$)|[,(]))`),
			func(n *Names, m []string) string {
				end := strings.TrimSpace(m[3]) != "" || m[3] == ""
				if !end || plainWord[strings.ToLower(m[2])] || isNumber(m[2]) {
					return m[0]
				}
				name := strings.TrimRight(m[2], ".")
				return m[1] + n.user(name) + m[2][len(name):] + m[3]
			}),
	},
	{
		name: "user of a connection", learns: true,
		apply: byGroup(lazily(`(?i)(\bconnection from pid [0-9]+, user )([^\n]+?)`+
			`((?: \((?:un)?trusted\))?(?:[\n'"]|$))`),
			func(n *Names, m []string) string { return m[1] + n.user(m[2]) + m[3] }),
	},
	{
		name: "user of sshd", learns: true,
		apply: byGroup(lazily(
			`(\b(?:Accepted|Failed|Postponed|Partial) [\w/-]+ for (?:invalid user )?)(`+userName+`)( from )`),
			func(n *Names, m []string) string { return m[1] + n.user(m[2]) + m[3] }),
	},
	{
		name: "user of sudo", learns: true,
		apply: byGroup(lazily(`(\bsudo(?:\[[0-9]+\])?:\s+)(`+userName+`)( : )`),
			func(n *Names, m []string) string { return m[1] + n.user(m[2]) + m[3] }),
	},
	{
		name: "user in a variable", learns: true,
		apply: byGroup(lazily(
			`(\b(?:LOGNAME|SUDO_USER|ruser|logname|acct)=["']?)(`+userName+`)`),
			func(n *Names, m []string) string {
				if isNumber(m[2]) {
					return m[0]
				}
				return m[1] + n.user(m[2])
			}),
	},
	{
		name: "user of a session", learns: true,
		apply: byGroup(lazily(`(\(uid=[0-9]+\) by )(`+userName+`)(\()`),
			func(n *Names, m []string) string { return m[1] + n.user(m[2]) + m[3] }),
	},
	{
		name: "name and number", learns: true, // id(1): "uid=1000(alice)"
		apply: byGroup(lazily(`(\b(?:uid|euid|auid|gid|egid|suid|groups)=[0-9]+\(|,[0-9]+\()(`+
			userName+`)(\))`),
			func(n *Names, m []string) string { return m[1] + n.user(m[2]) + m[3] }),
	},
	{
		name: "home", learns: true,
		apply: byGroup(lazily(`((?:/home|/Users|/var/home|/export/home|/usr/home|`+
			`\bC:\\Users\\?)[/\\])([^/\s'"\\`+"`"+`:;,()<>]+)`),
			func(n *Names, m []string) string { return m[1] + n.user(m[2]) }),
	},
	{name: "home elsewhere", apply: (*Names).elsewhere},
	{name: "address of a service", learns: true, apply: byGroup(url, (*Names).url)},
	{name: "e-mail", learns: true, apply: byGroup(login, (*Names).login)},
	{name: "repository", apply: byGroup(flake, func(_ *Names, m []string) string {
		if strings.EqualFold(m[2], "NixOS") || strings.EqualFold(m[2], "nix-community") || strings.EqualFold(m[2],
			"lix-project") {
			return m[0]
		}
		return m[1] + hiddenPath
	})},
	{
		name: "host in a message", learns: true,
		apply: byGroup(lazily(
			`(?i)(\brhost=|\b(?:resolve|connect to|to|from|unknown|remote|lookup|on) host(?:name)?:? ['"]?|`+
				`\bresolve ['"]|\bhost(?:name)? ['"])(`+
				label+`(?:\.`+label+`)*)`),
			func(n *Names, m []string) string {
				if plainWord[strings.ToLower(m[2])] {
					return m[0]
				}
				return m[1] + n.host(m[2])
			}),
	},
	{
		name: "machine of netrc", learns: true,
		apply: byGroup(lazily(`(?i)(\bmachine )(`+label+`(?:\.`+label+`)*)( (?:login|account|password) )`),
			func(n *Names, m []string) string { return m[1] + n.host(m[2]) + m[3] }),
	},
	{name: "name of DNS", apply: byGroup(dotted, (*Names).dotted)},
	{name: "IPv6", apply: (*Names).ipv6},
	{name: "IPv4", apply: byGroup(quad, (*Names).ipv4)},
	{name: "MAC", apply: byGroup(hardware, func(n *Names, m []string) string {
		return m[1] + n.numbered("mac",
			strings.ToLower(m[2]))
	})},
	{name: "UUID", apply: byGroup(uuid, func(n *Names, m []string) string {
		if strings.Trim(m[0], "0-") == "" {
			return m[0]
		}
		return n.numbered("uuid", strings.ToLower(m[0]))
	})},
	{name: "32 digits", apply: machineID},
	{
		// ioreg(8), system_profiler(8), udevadm(8): "IOPlatformSerialNumber" = "C02ABC", "Serial Number (system): C02ABC"
		name: "serial number",
		apply: byGroup(lazily(`(?i)(serial[ _-]?(?:number|short|no)?(?: \([a-z ]+\))?["']?\s*[:=]\s*["']?)([A-Z0-9][A-Z0-9_-]{5,})`),
			func(n *Names, m []string) string { return m[1] + n.numbered("serial", m[2]) }),
	},
	{name: "public key", apply: byGroup(publicKey, func(_ *Names, m []string) string { return m[1] + "[key]" })},
	{name: "MAC in a name", apply: byGroup(enx, func(n *Names, m []string) string {
		return m[1] +
			n.numbered("mac", strings.ToLower(m[2]))
	})},
	{name: "address in a name", learns: true, apply: byGroup(ipName, func(n *Names,
		m []string,
	) string {
		return n.host(m[0])
	})},
	{name: "fingerprint", apply: byGroup(fingerprint, func(*Names, []string) string { return "[fingerprint]" })},
	{name: "known name", apply: (*Names).known},
}

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

// byGroup makes a rule's function of an expression and what to do with its matches.
func byGroup(find *pattern, with func(n *Names, m []string) string) func(*Names, string) string {
	return func(n *Names, s string) string {
		return replace(find, s, func(m []string, _, _ string) string { return with(n, m) })
	}
}

// Home makes the directory of a person known.
func (n *Names) Home(dir, name string) {
	dir = strings.TrimRight(dir, "/")
	if strings.Count(dir, "/") < 2 || len(n.homes) >= most {
		return // "/", "/root" and the like are nobody's name
	}
	switch {
	case strings.HasPrefix(dir, "/var/empty"), strings.HasPrefix(dir, "/usr/"), strings.HasPrefix(dir, "/nix/"),
		strings.HasPrefix(dir, "/run/"), strings.HasPrefix(dir, "/var/lib/"):
		return
	}
	n.homes[dir] = name
}

// elsewhere replaces homes that are not where homes are.
func (n *Names) elsewhere(s string) string {
	if len(n.homes) == 0 || !strings.Contains(s, "/") {
		return s
	}
	return replace(absolute, s, func(m []string, _, _ string) string {
		const deep = 12 // directories above a home
		who, rest := "", ""
		for i, end := 0, 0; i < deep && end < len(m[0]); i++ {
			next := strings.IndexByte(m[0][end+1:], '/')
			if end += 1 + next; next < 0 {
				end = len(m[0])
			}
			if name, ok := n.homes[m[0][:end]]; ok {
				who, rest = name, m[0][end:]
			}
		}
		if who == "" {
			return m[0]
		}
		return "/home/" + n.user(who) + rest
	})
}

var absolute = lazily(`/[^\s'"` + "`" + `:;,()<>]+`)
