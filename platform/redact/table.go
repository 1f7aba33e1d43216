package redact

import (
	"fmt"
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

// table has the names that are known, and the pseudonyms that stand for them. How they are known from a text is up to
// users, machines and addresses.
type table struct {
	kinds map[string]kind // by key
	// words is how many words the longest name has that begins with this one.
	words  map[string]int
	ends   map[string]bool   // the last labels of names with dots, and of domains
	pseudo map[string]string // by key, those that were given out
	things map[string]string // the same of what has no name: addresses, IDs
	counts map[string]int    // how many were given out, by their prefix
	used   map[string]int    // how often something was replaced, by what it was
	// shaped pseudonyms can be read by what reads the names: an address stays one. Records have them.
	shaped bool
}

func newTable() *table {
	return &table{
		kinds: map[string]kind{}, words: map[string]int{}, ends: map[string]bool{}, pseudo: map[string]string{},
		things: map[string]string{}, counts: map[string]int{}, used: map[string]int{},
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
func (t *table) add(name string, k kind) {
	name = key(name)
	old, known := t.kinds[name]
	if harmless(name) || len(t.kinds) >= most && !known || known && old >= k {
		return
	}
	t.kinds[name] = k
	t.ends[name[strings.LastIndexByte(name, '.')+1:]] = true
	first, count := "", 0
	eachWord(name, func(start, end int) {
		if count++; count == 1 {
			first = name[start:end]
		}
	})
	const longest = 16 // words of a name
	t.words[first] = max(t.words[first], min(count, longest))
	// Where a text is printed, bytes that are no UTF-8 can be question marks.
	if strings.ContainsRune(name, utf8.RuneError) {
		t.add(strings.ReplaceAll(name, "\uFFFD", "?"), k)
	}
}

// known replaces the names that are known, wherever they stand between words. The longest one counts.
func (t *table) known(s string) string {
	var starts, ends []int
	eachWord(s, func(start, end int) { starts, ends = append(starts, start), append(ends, end) })
	var b strings.Builder
	last := 0
	for i := 0; i < len(starts); i++ {
		longest, ok := t.words[strings.ToLower(s[starts[i]:ends[i]])]
		if !ok {
			continue
		}
		for j := min(i+longest, len(starts)) - 1; j >= i; j-- {
			k := strings.ToLower(s[starts[i]:ends[j]])
			of, known := t.kinds[k]
			if !known {
				continue
			}
			// A search domain of one label can be a word that a report is full of. That one names something only at the
			// end of a name; any other, such as a company's, wherever it stands.
			if of == domain && everyday[k] && (starts[i] == 0 || s[starts[i]-1] != '.') || t.shaped && asked()[k] {
				continue
			}
			if of != account {
				b.WriteString(s[last:starts[i]])
				b.WriteString(t.given(k))
				last = ends[j]
			}
			i = j
			break
		}
	}
	b.WriteString(s[last:])
	return b.String()
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

// prefixes of pseudonyms.
var prefixes = map[kind]string{person: "user", group: "group", machine: "host", domain: "domain", own: "host"}

// given is the pseudonym of a name.
func (t *table) given(k string) string {
	of, known := t.kinds[k]
	if !known {
		of = person // there are too many to keep in mind
	}
	t.used[prefixes[of]]++
	if p := t.pseudo[k]; p != "" {
		return p
	}
	p := "this-host"
	if of != own {
		p = t.next(prefixes[of])
	}
	// How many dots a name has decides how it is looked up.
	if t.shaped && strings.Contains(k, ".") && (of == machine || of == domain || of == own) {
		p += ".example"
	}
	t.pseudo[k] = p
	return p
}

// numbered is a pseudonym in brackets, the same for the same thing.
func (t *table) numbered(what, thing string) string {
	if t.shaped && isShape(what, thing) {
		return thing
	}
	t.used[sorts[what]]++
	if t.things[thing] == "" {
		p := "[" + t.next(what+"-") + "]"
		if t.shaped {
			p = shapeOf(what, t.counts[what+"-"])
		}
		t.things[thing] = p
	}
	return t.things[thing]
}

// next numbers what has the same prefix.
func (t *table) next(prefix string) string {
	t.counts[prefix]++
	return fmt.Sprintf("%s%d", prefix, t.counts[prefix])
}
