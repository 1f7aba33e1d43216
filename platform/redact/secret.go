package redact

import (
	neturl "net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/pattern"
)

// cutter takes secrets out of texts, and also where no rule would know them, once it has seen them.
type cutter struct {
	seen  map[string]bool // in small letters
	count int             // how many were taken out
	skip  string          // a rule that is left out, for tests
}

// of takes the secrets out of a text, and remembers what they were.
func (c *cutter) of(s string, several bool) string {
	t := c.rules().apply(s)
	if several {
		more := within
		if c.skip != "" {
			more = within.without(c.skip)
		}
		t = more.apply(t)
	}
	if t != s {
		c.remember(s, t)
	}
	return t
}

// remember notes what was cut out of a text, where it is long and odd enough to be a secret wherever it stands.
func (c *cutter) remember(before, after string) {
	c.count += strings.Count(after, Mark) - strings.Count(before, Mark)
	left := map[string]int{}
	for w := range strings.FieldsFuncSeq(after, outside) {
		left[w]++
	}
	for w := range strings.FieldsFuncSeq(before, outside) {
		if left[w]--; left[w] < 0 && odd(w) {
			c.seen[strings.ToLower(w)] = true
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
func (c *cutter) swept(s string) string {
	if len(c.seen) == 0 {
		return s
	}
	var b strings.Builder
	last, start := 0, -1
	end := func(i int) {
		if start >= 0 && c.is(s[start:i]) {
			b.WriteString(s[last:start])
			b.WriteString(Mark)
			last = i
			c.count++
		}
		start = -1
	}
	for i, r := range s {
		switch out := outside(r); {
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

// is reports whether a word is a secret that was seen.
func (c *cutter) is(w string) bool {
	const short = 8
	if len(w) < short {
		return false
	}
	if c.seen[strings.ToLower(w)] {
		return true
	}
	if strings.Contains(w, "%") {
		if plain, err := neturl.PathUnescape(w); err == nil {
			return c.seen[strings.ToLower(plain)]
		}
	}
	return false
}

// escaped are words with bytes written as %XX.
var escaped = pattern.New(`[^\s"'<>]*%[0-9A-Fa-f]{2}[^\s"'<>]*`)

// encoded replaces what is written with bytes as %XX where it says what is to be replaced.
func (c *cutter) encoded(s string, names func(string) string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	return escaped.ReplaceAllStringFunc(s, func(w string) string {
		plain, err := neturl.PathUnescape(w)
		if err != nil || plain == w || !utf8.ValidString(plain) || strings.ContainsFunc(plain, unicode.IsControl) {
			return w
		}
		if done := names(c.swept(c.of(plain, false))); done != plain {
			return done
		}
		return w
	})
}

// rules are the rules for secrets, for tests without one of them.
func (c *cutter) rules() ruleset {
	if c.skip == "" {
		return everywhere
	}
	return everywhere.without(c.skip)
}
