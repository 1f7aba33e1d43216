package redact

import (
	"strings"
	"unicode"

	"github.com/lixfix/lixfix/platform/pattern"
)

// inComment reports whether what follows a text is in a comment of a file with settings: behind # or ; at the start of the
// line, or behind # after white space.
func inComment(before string) bool {
	line := before[strings.LastIndexByte(before, '\n')+1:]
	start := strings.TrimLeft(line, " \t\uFEFF")
	return strings.HasPrefix(start, "#") || strings.HasPrefix(start, ";") || strings.Contains(line, " #") || strings.Contains(line, "\t#")
}

// spoken hides, among the words that follow the name of a secret, those that no text has: what is in a comment is prose
// otherwise, and stays. Further words are about something else.
func spoken(s string) string {
	const near = 8
	var b strings.Builder
	words := 0
	for len(s) > 0 {
		end := strings.IndexFunc(s, unicode.IsSpace)
		if end == 0 {
			end = len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace))
			b.WriteString(s[:end])
			s = s[end:]
			continue
		}
		if end < 0 {
			end = len(s)
		}
		word := s[:end]
		if words++; words > 1 && words <= near+1 {
			word = unspoken(word)
		}
		b.WriteString(word)
		s = s[end:]
	}
	return b.String()
}

// around is what stands around words of a text.
const around = "\"'`.,;:!?()[]{}<>\u201c\u201d\u2018\u2019"

// unspoken hides a word that nobody would say: one of letters and digits, or with signs between them, or that changes
// between small letters and capitals more than names do.
func unspoken(word string) string {
	w := strings.Trim(word, around)
	const short = 6
	if len(w) < short || strings.Contains(word, Mark) || strings.ContainsAny(w, "/@=") || technical.MatchString(w) {
		return word
	}
	var digit, letter, sign bool
	turns, before := 0, rune(0)
	for _, c := range w {
		switch {
		case unicode.IsDigit(c):
			digit = true
		case unicode.IsLetter(c):
			letter = true
			if unicode.IsUpper(c) && unicode.IsLower(before) {
				turns++
			}
		case strings.ContainsRune("!$%^&*+#~?", c):
			sign = true
		}
		before = c
	}
	if letter && (digit || sign) || turns > 1 {
		return strings.Replace(word, w, Mark, 1)
	}
	return word
}

// technical are words with digits in them that are names of methods, machines and versions.
var technical = pattern.New(`(?i)^(?:sha-?[0-9]+(?:sum)?|(?:ssh-)?ed25519|x25519|curve25519|rsa-?[0-9]+|aes-?[0-9]+(?:-[a-z]+)?|ecdsa[a-z0-9-]*|pbkdf2|argon2i?d?|` +
	`base[0-9]+|x86_64|aarch64|i[3-6]86|wpa[23]?-[a-z]+|rfc-?[0-9]+|_?nixbld[0-9]+|v?[0-9]+(?:\.[0-9a-z]+)+|python[0-9.]+|oauth2?|http2|` +
	`[0-9]+(?:st|nd|rd|th|bit|bits|bytes|chars|days|hours|months|years)|[0-9]+-[a-z]+|[a-z]+-[0-9]{1,2}|1password|bitlocker|systemd-[a-z]+[0-9]?)$`)
