// Package redact takes out of text what is not for others.
//
// Secrets are for nobody: tokens, passwords, keys. Secrets takes them out of everything that lixfix prints, and cmd
// calls it at the one place where text, JSON and logs leave the program. Names are for those who sit at the host: who
// the users are, what the machines are called, which addresses they have. Names takes them out as well, of what is
// made to be pasted into an issue, and puts pseudonyms in their place that are the same throughout one report.
//
// Both work by rules that are data, in an order. Each rule is tested with text that only this rule hides. All of them
// take time in proportion to the text; names are looked up in a set, word by word, so that ten thousand accounts cost
// no more than ten.
//
// What stays, on purpose: hashes of the store (32 characters of base 32), SHA-256 in any spelling and revisions of Git
// where the text says that they are one, because they are public and tell developers what was built; names of packages
// and of system accounts; user IDs; addresses that are the same on every host, such as loopback.
package redact

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/pattern"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// Secrets returns a text without secrets. Everything else stays as it is, byte for byte, and Secrets of the result is
// the result.
func Secrets(s string) string { return everywhere.apply(s) }

// Block is Secrets for several lines of which some may belong together: a key that spans lines, or whose first line is
// missing, and a netrc file.
func Block(s string) string { return within.apply(everywhere.apply(s)) }

// Arguments returns the arguments of a program without secrets. An argument can be one because of the argument before
// it.
func Arguments(argv []string) []string { return everywhere.arguments(argv) }

// rule finds one sort of secret.
type rule struct {
	name string
	// hints are lower-case texts of which at least one is in every text that the rule changes. They keep the rest of
	// the text from the regular expression, which is slower.
	hints []string
	// may says more exactly than hints which texts the rule changes; nil for all.
	may  func(s string) bool
	find *pattern.Pattern
	// with returns what is to stand in the place of a match. m holds the match and its groups; before is the text in
	// front of it, and after what follows it.
	with func(m []string, before, after string) string
	bit  int // among marks
}

// ruleset is applied in its order.
type ruleset []rule

// without is the set without one of its rules, for tests.
func (r ruleset) without(name string) ruleset {
	var some ruleset
	for _, one := range r {
		if one.name != name {
			some = append(some, one)
		}
	}
	return some
}

func (r ruleset) apply(s string) string {
	if s == "" {
		return s
	}
	return r.marked(s, hinted(s))
}

// marked applies the rules that a text has the hints of.
func (r ruleset) marked(s string, m marks) string {
	for i := range r {
		one := &r[i]
		if !m.has(one.bit) || one.may != nil && !one.may(s) {
			continue
		}
		if t := one.apply(s); t != s {
			s = t
			m = hinted(s)
		}
	}
	return s
}

func (r *rule) apply(s string) string { return replace(r.find, s, r.with) }

// replace replaces every match by what with makes of it.
func replace(find *pattern.Pattern, s string, with func(m []string, before, after string) string) string {
	all := find.FindAllStringSubmatchIndex(s, -1)
	if all == nil {
		return s
	}
	var b strings.Builder
	last := 0
	var groups []string
	for _, at := range all {
		groups = groups[:0]
		for i := 0; i < len(at); i += 2 {
			if at[i] < 0 {
				groups = append(groups, "")
				continue
			}
			groups = append(groups, s[at[i]:at[i+1]])
		}
		b.WriteString(s[last:at[0]])
		b.WriteString(with(groups, s[:at[0]], s[at[1]:]))
		last = at[1]
	}
	b.WriteString(s[last:])
	return b.String()
}

// Arguments that make a secret of the one after them, by their names; see also secretFlag.
var (
	// An option that is followed by a name and a value: nix --argstr NAME VALUE.
	named = pattern.New(`^--?(?:argstr|arg|option|define|set|arg-from-stdin)$`)
	// A user and a password: curl -u NAME:PASSWORD.
	userFlag   = pattern.New(`^(?:-u|-U|--user|--proxy-user)$`)
	secretFlag = pattern.New(`(?i)^--?[\w.-]*(?:` + words + `)[\w.-]*[:=]?$`)
	secretWord = pattern.New(`(?i)^(?:(?:extra-)?access-tokens?|` + words + `)[:=]?$`)
	secretName = pattern.New(`(?i)(?:` + words + `)`)
	headerWord = pattern.New(`(?i)^['"]?(?:(?:proxy-)?authorization|(?:set-)?cookie|[\w-]*(?:` + words +
		`)[\w-]*):$`)
	// Programs that take a password with -p or -a.
	passwordProgram = pattern.New(`^(?:sshpass|docker|podman|skopeo|mysql\w*|mariadb\w*|redis-cli)$`)
	schemeWord      = pattern.New(`(?i)^(?:bearer|basic|negotiate|digest)$`)
)

const longestScheme = len("negotiate")

// secretive are the rules whose hints are in whatever makes a secret of the argument after it.
var secretive = func() (bits uint64) {
	for _, r := range everywhere {
		switch r.name {
		case "named", "authorization", "cookie":
			bits |= 1 << r.bit
		}
	}
	return bits
}()

func (r ruleset) arguments(argv []string) []string {
	list := make([]string, 0, len(argv))
	const (
		nothing = iota
		name    // of an argument or a setting
		secret
		login // user:password
	)
	next := nothing
	takesPassword := len(argv) > 0 && passwordProgram.MatchString(path.Base(argv[0]))
	for i, a := range argv {
		// The expressions below are for the few that look like what they are about.
		found := hinted(a)
		flag, secretive := strings.HasPrefix(a, "-"), found[0]&secretive != 0
		word := r.marked(a, found)
		now := next
		next = nothing
		switch now {
		case name:
			if secretName.MatchString(a) {
				next = secret
			}
		case secret:
			word = Mark
		case login:
			if user, _, ok := strings.Cut(word, ":"); ok {
				word = user + ":" + Mark
			}
		}
		if now != name {
			switch {
			case takesPassword && i > 0 && (a == "-p" || a == "-a"):
				next = secret
			case takesPassword && i > 0 && now == nothing && strings.HasPrefix(a, "-p"):
				word = "-p" + Mark
			case flag && named.MatchString(a):
				next = name
			case flag && userFlag.MatchString(a):
				next = login
			case secretive && (secretFlag.MatchString(a) || secretWord.MatchString(a) || headerWord.MatchString(a)),
				len(a) <= longestScheme && schemeWord.MatchString(a):
				next = secret
			}
		}
		list = append(list, word)
	}
	return list
}

// Cut shortens a text to at most n characters and says so with "…". A word that does not fit is left out as a whole,
// so that no rule meets a part of it: half of a name is none that is known.
func Cut(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	end, count := 0, 0
	for i := range s {
		if count == n-1 {
			end = i
			break
		}
		count++
	}
	s = s[:end]
	// A word without an end is cut all the same.
	const long = 4
	if i := strings.LastIndexFunc(s, unicode.IsSpace); i > len(s)/long {
		_, width := utf8.DecodeRuneInString(s[i:])
		s = s[:i+width]
	}
	return s + "…"
}
