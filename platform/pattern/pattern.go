// Package pattern has regular expressions that are compiled when a text first needs them. There are more than a hundred,
// which together take longer to compile than all that most commands do, and each command needs few.
package pattern

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression. Its methods are those of regexp.Regexp, of the same names.
type Pattern struct {
	text    string
	compile func() *regexp.Regexp
}

// New takes an expression that is known to be sound: a test compiles all of them.
func New(text string) *Pattern {
	return &Pattern{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

func (p *Pattern) String() string { return p.text }

func (p *Pattern) Match(b []byte) bool            { return p.compile().Match(b) }
func (p *Pattern) MatchString(s string) bool      { return p.compile().MatchString(s) }
func (p *Pattern) FindString(s string) string     { return p.compile().FindString(s) }
func (p *Pattern) FindStringIndex(s string) []int { return p.compile().FindStringIndex(s) }

func (p *Pattern) FindStringSubmatch(s string) []string { return p.compile().FindStringSubmatch(s) }

func (p *Pattern) FindSubmatch(b []byte) [][]byte { return p.compile().FindSubmatch(b) }

func (p *Pattern) FindAllIndex(b []byte, n int) [][]int { return p.compile().FindAllIndex(b, n) }

func (p *Pattern) FindAllString(s string, n int) []string { return p.compile().FindAllString(s, n) }

func (p *Pattern) ReplaceAllString(src, repl string) string {
	return p.compile().ReplaceAllString(src, repl)
}

func (p *Pattern) FindAllStringSubmatch(s string, n int) [][]string {
	return p.compile().FindAllStringSubmatch(s, n)
}

func (p *Pattern) FindAllStringSubmatchIndex(s string, n int) [][]int {
	return p.compile().FindAllStringSubmatchIndex(s, n)
}

func (p *Pattern) ReplaceAllStringFunc(src string, repl func(string) string) string {
	return p.compile().ReplaceAllStringFunc(src, repl)
}

func (p *Pattern) ReplaceAllFunc(src []byte, repl func([]byte) []byte) []byte {
	return p.compile().ReplaceAllFunc(src, repl)
}

func (p *Pattern) FindAllSubmatch(b []byte, n int) [][][]byte {
	return p.compile().FindAllSubmatch(b, n)
}
