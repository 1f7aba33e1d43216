// Package pattern has regular expressions that are compiled when a text first needs them. There are more than a hundred,
// which together take longer to compile than all that most commands do, and each command needs few.
package pattern

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression.
type Pattern struct {
	text    string
	compile func() *regexp.Regexp
}

// New takes an expression that is known to be sound: a test compiles all of them.
func New(text string) *Pattern {
	return &Pattern{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

// String is the text of the expression.
func (p *Pattern) String() string { return p.text }

// Match is that of regexp.
func (p *Pattern) Match(b []byte) bool { return p.compile().Match(b) }

// MatchString is that of regexp.
func (p *Pattern) MatchString(s string) bool { return p.compile().MatchString(s) }

// FindString is that of regexp.
func (p *Pattern) FindString(s string) string { return p.compile().FindString(s) }

// FindStringIndex is that of regexp.
func (p *Pattern) FindStringIndex(s string) []int { return p.compile().FindStringIndex(s) }

// FindStringSubmatch is that of regexp.
func (p *Pattern) FindStringSubmatch(s string) []string { return p.compile().FindStringSubmatch(s) }

// FindSubmatch is that of regexp.
func (p *Pattern) FindSubmatch(b []byte) [][]byte { return p.compile().FindSubmatch(b) }

// FindAllIndex is that of regexp.
func (p *Pattern) FindAllIndex(b []byte, n int) [][]int { return p.compile().FindAllIndex(b, n) }

// FindAllString is that of regexp.
func (p *Pattern) FindAllString(s string, n int) []string { return p.compile().FindAllString(s, n) }

// ReplaceAllString is that of regexp.
func (p *Pattern) ReplaceAllString(src, repl string) string {
	return p.compile().ReplaceAllString(src, repl)
}

// FindAllStringSubmatch is that of regexp.
func (p *Pattern) FindAllStringSubmatch(s string, n int) [][]string {
	return p.compile().FindAllStringSubmatch(s, n)
}

// FindAllStringSubmatchIndex is that of regexp.
func (p *Pattern) FindAllStringSubmatchIndex(s string, n int) [][]int {
	return p.compile().FindAllStringSubmatchIndex(s, n)
}

// ReplaceAllStringFunc is that of regexp.
func (p *Pattern) ReplaceAllStringFunc(src string, repl func(string) string) string {
	return p.compile().ReplaceAllStringFunc(src, repl)
}

// ReplaceAllFunc is that of regexp.
func (p *Pattern) ReplaceAllFunc(src []byte, repl func([]byte) []byte) []byte {
	return p.compile().ReplaceAllFunc(src, repl)
}

// FindAllSubmatch is that of regexp.
func (p *Pattern) FindAllSubmatch(b []byte, n int) [][][]byte {
	return p.compile().FindAllSubmatch(b, n)
}
