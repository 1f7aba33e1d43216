package redact

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when a text first needs it. There are about seventy, which take
// longer to compile than all that most commands do; and most texts need few of them.
type pattern struct {
	text    string
	compile func() *regexp.Regexp
}

func lazily(text string) *pattern {
	return &pattern{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

// MatchString is that of regexp.
func (p *pattern) MatchString(s string) bool { return p.compile().MatchString(s) }

// FindAllStringSubmatchIndex is that of regexp.
func (p *pattern) FindAllStringSubmatchIndex(s string, n int) [][]int {
	return p.compile().FindAllStringSubmatchIndex(s, n)
}
