package redact

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/pattern"
)

// kind is what a name is the name of. Where a name is several things, the highest kind counts.
type kind int

const (
	group kind = iota
	machine
	domain
	person
	account // of the system: it stays
	own     // this machine
)

// Names knows the people and machines of a host, and gives each a pseudonym that is the same throughout one report.
type Names struct {
	kinds map[string]kind // by key
	// words is how many words the longest name has that begins with this one.
	words    map[string]int
	pseudo   map[string]string // by key, those that were given out
	addrs    map[string]string
	counts   map[string]int
	homes    map[string]string // directories of people and their names
	tops     []string          // the first directories of homes
	ends     map[string]bool   // the last labels of names with dots, and of domains
	skip     string            // a rule that is left out, for tests
	ownShort string
	// shaped pseudonyms can be read by what reads the names: an address stays one. Records have them.
	shaped bool
	series map[string]bool // stems of accounts of the system that have numbers
	used   map[string]int  // how often something was replaced, by what it was
	// secrets, in small letters, are what a rule has cut out somewhere: they are cut out wherever else they stand.
	secrets map[string]bool
	cut     int // how many were
}

// NewNames returns a Names that knows nobody yet.
func NewNames() *Names {
	return &Names{
		kinds: map[string]kind{}, words: map[string]int{}, pseudo: map[string]string{}, addrs: map[string]string{},
		counts: map[string]int{}, homes: map[string]string{}, ends: map[string]bool{}, used: map[string]int{}, series: map[string]bool{},
		secrets: map[string]bool{},
	}
}

// nobody are names that name nobody: every host has them, or they are words that reports are made of.
var nobody = set(
	"root", "nobody", "nogroup", "daemon", "nix", "lix", "lixfix", "nix-daemon", "nixbld", "_nixbld", "git", "user",
	"users", "guest",
	"admin", "wheel", "staff", "sudo", "store", "build", "builder", "builders", "worker", "client", "host",
	"domain", "group",
	"home", "localhost", "localdomain", "linux", "darwin", "macos", "debian", "unknown", "redacted", "private",
	"address",
	"ipv4", "ipv6", "mac", "uuid", "id", "this", "path", "fingerprint", "malformed", "noreply",
	"no", "none", "null", "true", "false", "on", "off", "yes", "kernel", "systemd", "udp", "tcp", "dns", "shared",
	"nameserver",
	"search", "options", "the", "and", "a", "of", "for", "by", "link", "local", "unique", "machine", "machines",
	"word", "words",
	"program", "file", "another", "more",
	// The first users of images of these systems.
	"ubuntu", "fedora", "arch", "archlinux", "centos", "rocky", "almalinux", "alpine", "opensuse", "suse",
	"vagrant", "ec2-user", "core",
	"pi", "kali", "nixos", "cloud-user", "linuxbrew",
)

// pseudonym is how the names look that are put in the place of others.
var pseudonym = pattern.New(`^(?:(?:user|group|host|domain)[0-9]{1,9}|this-host)(?:\.example)?$`)

// key is how a name is compared: without case, and without what stands at its ends and belongs to no word.
func key(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	return strings.ToLower(strings.TrimFunc(name, func(r rune) bool { return !inWord(r) }))
}

// inWord reports whether a rune is part of a word. Whatever is not, ends one: \b knows ASCII alone.
func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r)
}

// build names the users that builds run as, with the number that each has.
var build = pattern.New(`^(?:nixbld|_nixbld|nixos-build|guixbuild)[0-9]*$`)

func harmless(k string) bool {
	return k == "" || nobody()[k] || build.MatchString(k) || pseudonym.MatchString(k) || strings.Trim(k,
		"0123456789") == ""
}

// most bounds what is kept in mind. Hosts with more accounts have them in a directory and not in a file.
const most = 200_000

// add makes a name known.
func (n *Names) add(name string, k kind) {
	name = key(name)
	old, known := n.kinds[name]
	if harmless(name) || len(n.kinds) >= most && !known || known && old >= k {
		return
	}
	n.kinds[name] = k
	n.ends[name[strings.LastIndexByte(name, '.')+1:]] = true
	first, count := "", 0
	eachWord(name, func(start, end int) {
		if count++; count == 1 {
			first = name[start:end]
		}
	})
	const longest = 16 // words of a name
	n.words[first] = max(n.words[first], min(count, longest))
	// Where a text is printed, bytes that are no UTF-8 can be question marks.
	if strings.ContainsRune(name, utf8.RuneError) {
		n.add(strings.ReplaceAll(name, "\uFFFD", "?"), k)
	}
}

// Person makes the name of a user known.
func (n *Names) Person(name string) { n.add(name, person) }

// Host makes the name of this machine known: in full and in short, and the domain that it is in.
func (n *Names) Host(name string) {
	full := strings.Trim(key(name), ".")
	n.add(full, own)
	if short, in, ok := strings.Cut(full, "."); ok {
		n.add(short, own)
		n.Domain(in)
		full = short
	}
	if n.ownShort == "" && !harmless(full) {
		n.ownShort = full
	}
}

// common are domains that all the world has.
var common = set(
	"lan", "local", "internal", "intranet", "corp", "localdomain", "home", "arpa", "com", "org", "net", "example",
	"test",
	"invalid", "svc", "cluster", "cluster.local", "svc.cluster.local", "home.arpa", "localhost", "local.lan",
)

// Domain makes a domain known.
func (n *Names) Domain(name string) {
	if d := strings.Trim(key(name), "."); !common()[d] {
		n.add(d, domain)
	}
}

// Machine makes the name of another machine known, or another name of this one.
func (n *Names) Machine(name string) {
	name = strings.Trim(key(name), ".")
	first, in, _ := strings.Cut(name, ".")
	switch {
	case isPublic(name), strings.HasPrefix(name, "localhost"), strings.HasPrefix(name, "ip6-"):
	case first == n.ownShort:
		n.add(name, own)
		n.Domain(in)
	default:
		n.add(name, machine)
	}
}

// prefixes of pseudonyms.
var prefixes = map[kind]string{person: "user", group: "group", machine: "host", domain: "domain", own: "host"}

// given is the pseudonym of a name.
func (n *Names) given(k string) string {
	of, known := n.kinds[k]
	if !known {
		of = person // there are too many to keep in mind
	}
	n.used[prefixes[of]]++
	if p := n.pseudo[k]; p != "" {
		return p
	}
	p := "this-host"
	if of != own {
		p = n.next(prefixes[of])
	}
	// How many dots a name has decides how it is looked up.
	if n.shaped && strings.Contains(k, ".") && (of == machine || of == domain || of == own) {
		p += ".example"
	}
	n.pseudo[k] = p
	return p
}

// next numbers what has the same prefix.
func (n *Names) next(prefix string) string {
	n.counts[prefix]++
	return fmt.Sprintf("%s%d", prefix, n.counts[prefix])
}

// user is the pseudonym of a user, who is made known: where the name stands says what it is.
func (n *Names) user(name string) string {
	k := key(name)
	if harmless(k) {
		return name
	}
	n.add(name, person)
	if n.kinds[k] == account {
		return name
	}
	return n.given(k)
}

// host is the pseudonym of a machine, which is made known.
func (n *Names) host(name string) string {
	k := strings.Trim(key(name), ".")
	first, _, _ := strings.Cut(k, ".")
	if harmless(k) || isPublic(k) || common()[k] || pseudonym.MatchString(first) {
		return name
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return name // the rules for addresses come later
	}
	n.Machine(k)
	if n.kinds[k] == account {
		return name
	}
	return n.given(k)
}

// Learn reads names from a text that says of them what they are, so that they are also found where it does not.
func (n *Names) Learn(texts ...string) {
	for _, s := range texts {
		s = n.secretsOf(strings.ToValidUTF8(s, "\uFFFD"), false)
		n.allOf(s, true)
	}
}

// Text returns a text without secrets and names. It is valid UTF-8. Text of the result is the result.
func (n *Names) Text(s string) string {
	s = n.swept(n.secretsOf(strings.ToValidUTF8(s, "\uFFFD"), false))
	return n.all(n.encoded(s, n.all))
}

// all applies all rules for names.
func (n *Names) all(s string) string { return n.allOf(s, false) }

// allOf applies all rules for names, or only those that learn some.
func (n *Names) allOf(s string, learn bool) string {
	if s == "" {
		return s
	}
	m := hinted(s)
	for i := range nameRules {
		r := &nameRules[i]
		if !m.has(nameBits+i) || learn && !r.learns || r.name == n.skip || r.may != nil && !r.may(s) || r.known != nil && !r.known(n, s) {
			continue
		}
		t := ""
		if r.apply != nil {
			t = r.apply(n, s)
		} else {
			t = replace(r.find, s, func(m []string, _, _ string) string { return r.with(n, m) })
		}
		if !learn && t != s {
			s = t
			m = hinted(s)
		}
	}
	return s
}

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

// eachWord calls f with the start and the end of every word.
func eachWord(s string, f func(start, end int)) {
	start := -1
	for i, r := range s {
		switch in := inWord(r); {
		case in && start < 0:
			start = i
		case !in && start >= 0:
			f(start, i)
			start = -1
		}
	}
	if start >= 0 {
		f(start, len(s))
	}
}

// everyday are words of reports that people also give to their networks.
var everyday = map[string]bool{
	"build": true, "builder": true, "daemon": true, "dns": true, "domain": true, "host": true, "internal": true, "lan": true,
	"lix": true, "local": true, "localdomain": true, "localhost": true, "name": true, "net": true, "network": true, "nix": true,
	"sandbox": true, "search": true, "server": true, "store": true, "test": true, "user": true,
}

// known replaces the names that are known, wherever they stand between words. The longest one counts.
func (n *Names) known(s string) string {
	var starts, ends []int
	eachWord(s, func(start, end int) { starts, ends = append(starts, start), append(ends, end) })
	var b strings.Builder
	last := 0
	for i := 0; i < len(starts); i++ {
		longest, ok := n.words[strings.ToLower(s[starts[i]:ends[i]])]
		if !ok {
			continue
		}
		for j := min(i+longest, len(starts)) - 1; j >= i; j-- {
			k := strings.ToLower(s[starts[i]:ends[j]])
			of, known := n.kinds[k]
			if !known {
				continue
			}
			// A search domain of one label can be a word that a report is full of. That one names something only at the
			// end of a name; any other, such as a company's, wherever it stands.
			if of == domain && everyday[k] && (starts[i] == 0 || s[starts[i]-1] != '.') || n.shaped && asked()[k] {
				continue
			}
			if of != account {
				b.WriteString(s[last:starts[i]])
				b.WriteString(n.given(k))
				last = ends[j]
			}
			i = j
			break
		}
	}
	b.WriteString(s[last:])
	return b.String()
}

// Setting returns the value of a setting of Nix without secrets and names. Where it is made of nothing else, only how
// many there are is told.
func (n *Names) Setting(name, value string) string {
	words := len(strings.Fields(value))
	count := func(what string, k int) string {
		if k != 1 {
			what += "s"
		}
		return fmt.Sprintf("[%d %s]", k, what)
	}
	switch name {
	case "builders":
		machines := 0
		for m := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ';' || c == '\n' }) {
			if strings.TrimSpace(m) != "" {
				machines++
			}
		}
		switch {
		case strings.HasPrefix(value, "@"):
			return "[a file]"
		case machines == 0:
			return ""
		}
		return count("machine", machines)
	case "allowed-users", "trusted-users":
		return count("word", words)
	case "post-build-hook", "pre-build-hook", "diff-hook", "build-hook":
		if value == "" {
			return ""
		}
		return "[a program]"
	case "store":
		switch value {
		case "", "auto", "daemon", "local":
			return value
		}
		return "[another store]"
	}
	if secretName.MatchString(name) || strings.Contains(name, "netrc") {
		return Mark
	}
	return n.Text(value)
}
