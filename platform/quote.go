package platform

import (
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

var plainWord = pattern.New(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Quote makes a word one word of a shell.
func Quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
