package redact

import (
	neturl "net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/pattern"
)

// secretsOf takes the secrets out of a text, and remembers what they were.
func (n *Names) secretsOf(s string, several bool) string {
	t := n.everywhere().apply(s)
	if several {
		more := within
		if n.skip != "" {
			more = within.without(n.skip)
		}
		t = more.apply(t)
	}
	if t != s {
		n.remember(s, t)
	}
	return t
}

// remember notes what was cut out of a text, where it is long and odd enough to be a secret wherever it stands.
func (n *Names) remember(before, after string) {
	n.cut += strings.Count(after, Mark) - strings.Count(before, Mark)
	left := map[string]int{}
	for w := range strings.FieldsFuncSeq(after, outside) {
		left[w]++
	}
	for w := range strings.FieldsFuncSeq(before, outside) {
		if left[w]--; left[w] < 0 && odd(w) {
			n.secrets[strings.ToLower(w)] = true
		}
	}
}

// outside reports whether a rune ends what may be a secret.
func outside(c rune) bool {
	return c <= ' ' || strings.ContainsRune("\"'`=&;,:@/?#<>()[]{}|\\", c)
}

// odd reports whether a word is none that stands in texts anyway.
func odd(w string) bool {
	const short = 8
	if len(w) < short || asked()[strings.ToLower(w)] || strings.HasPrefix(w, "_nixbld") {
		return false
	}
	var digit, upper, lower bool
	for _, c := range w {
		digit = digit || unicode.IsDigit(c)
		upper = upper || unicode.IsUpper(c)
		lower = lower || unicode.IsLower(c)
	}
	return digit && (upper || lower) || upper && lower && strings.ToLower(w[1:]) != w[1:]
}

// swept takes out secrets that were found elsewhere.
func (n *Names) swept(s string) string {
	if len(n.secrets) == 0 {
		return s
	}
	var b strings.Builder
	last, start := 0, -1
	end := func(i int) {
		if start >= 0 && n.secret(s[start:i]) {
			b.WriteString(s[last:start])
			b.WriteString(Mark)
			last = i
			n.cut++
		}
		start = -1
	}
	for i, c := range s {
		switch out := outside(c); {
		case out:
			end(i)
		case start < 0:
			start = i
		}
	}
	end(len(s))
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}

func (n *Names) secret(w string) bool {
	const short = 8
	if len(w) < short {
		return false
	}
	if n.secrets[strings.ToLower(w)] {
		return true
	}
	if strings.Contains(w, "%") {
		if plain, err := neturl.PathUnescape(w); err == nil {
			return n.secrets[strings.ToLower(plain)]
		}
	}
	return false
}

// escaped are words with bytes written as %XX.
var escaped = pattern.New(`[^\s"'<>]*%[0-9A-Fa-f]{2}[^\s"'<>]*`)

// encoded replaces what is written with bytes as %XX where it says what is to be replaced.
func (n *Names) encoded(s string, names func(string) string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	return escaped.ReplaceAllStringFunc(s, func(w string) string {
		plain, err := neturl.PathUnescape(w)
		if err != nil || plain == w || !utf8.ValidString(plain) || strings.ContainsFunc(plain, unicode.IsControl) {
			return w
		}
		if done := names(n.swept(n.secretsOf(plain, false))); done != plain {
			return done
		}
		return w
	})
}

// everywhere are the rules for secrets, for tests without one of them.
func (n *Names) everywhere() ruleset {
	if n.skip == "" {
		return everywhere
	}
	return everywhere.without(n.skip)
}
