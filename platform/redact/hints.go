package redact

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// A text is looked through once for the hints of all rules, before any of their expressions: those take some hundred times
// as long, and most of what a host says matches none of them. TestHints proves of each expression that what it matches has
// one of its hints in it.

// marks are the rules that a text has a hint of.
type marks [2]uint64

func (m marks) has(bit int) bool { return m[bit>>6]>>(bit&63)&1 != 0 }

func (m *marks) set(bit int) { m[bit>>6] |= 1 << (bit & 63) }

// Rules for secrets have the bits from 0, those for several lines and for names the ones from here.
const (
	withinBits = 64
	nameBits   = 72
)

// numbered gives rules their bits.
func numbered(from int, all ruleset) ruleset {
	for i := range all {
		all[i].bit = from + i
	}
	return all
}

// least is how often some byte has to be in what an expression matches.
type least map[byte]int

func (l least) in(s string) bool {
	for c, n := range l {
		if strings.Count(s, string(rune(c))) >= n {
			return true
		}
	}
	return len(l) == 0
}

// scanner finds many texts at once, as Aho and Corasick have described it.
type scanner struct {
	class   [256]uint8 // of bytes; 0 for those that are in no hint
	classes int
	next    []uint16 // states, by state and class
	out     []marks  // rules, by state
	always  marks    // rules without hints
	all     marks
}

// hints is built when a text is first looked through.
var hints = sync.OnceValue(func() *scanner {
	s := &scanner{classes: 1}
	states := 1 // at most
	add := func(bit int, hints []string) {
		s.all.set(bit)
		if len(hints) == 0 {
			s.always.set(bit)
		}
		for _, h := range hints {
			states += len(h)
			for i := range len(h) {
				if s.class[h[i]] == 0 {
					s.class[h[i]] = uint8(s.classes)
					s.classes++
				}
			}
		}
	}
	each := func(f func(bit int, hints []string)) {
		for _, r := range everywhere {
			f(r.bit, r.hints)
		}
		for _, r := range within {
			f(r.bit, r.hints)
		}
		for i, r := range nameRules {
			f(nameBits+i, r.hints)
		}
	}
	each(add)
	// Room that is never written to costs nothing; to move the table as it grows does.
	s.next, s.out = make([]uint16, 0, states*s.classes), make([]marks, 0, states)
	s.state()
	each(func(bit int, hints []string) {
		for _, h := range hints {
			at := 0
			for i := range len(h) {
				k := at*s.classes + int(s.class[h[i]])
				if s.next[k] == 0 {
					s.next[k] = s.state()
				}
				at = int(s.next[k])
			}
			s.out[at].set(bit)
		}
	})
	s.link()
	for c := byte('a'); c <= 'z'; c++ { // hints are in small letters
		s.class[c-'a'+'A'] = s.class[c]
	}
	return s
})

func (s *scanner) state() uint16 {
	s.next = s.next[:len(s.next)+s.classes]
	s.out = append(s.out, marks{})
	return uint16(len(s.out) - 1)
}

// link makes a table of what is a tree: where a state has no way on, that of its longest end which is a state counts.
func (s *scanner) link() {
	fail := make([]uint16, len(s.out))
	queue := append(make([]uint16, 0, len(s.out)), 0)
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		for c := range s.classes {
			k := int(at)*s.classes + c
			to := s.next[k]
			back := uint16(0)
			if at != 0 {
				back = s.next[int(fail[at])*s.classes+c]
			}
			if to == 0 {
				s.next[k] = back
				continue
			}
			fail[to] = back
			for i := range s.out[to] {
				s.out[to][i] |= s.out[back][i]
			}
			queue = append(queue, to)
		}
	}
}

// hinted are the rules that may change a text.
func hinted(text string) marks {
	s := hints()
	m := s.always
	at, odd := 0, false
	for i := range len(text) {
		c := text[i]
		odd = odd || c >= utf8.RuneSelf
		at = int(s.next[at*s.classes+int(s.class[c])])
		m[0] |= s.out[at][0]
		m[1] |= s.out[at][1]
	}
	// Where case does not count, these two are letters as well: k and s.
	if odd && (strings.Contains(text, "\u212a") || strings.Contains(text, "\u017f")) {
		return s.all
	}
	return m
}

// run reports whether a text has n bytes of a kind in a row.
func run(s string, n int, is func(byte) bool) bool {
	for end := n - 1; end < len(s); {
		i := end
		for i > end-n && is(s[i]) {
			i--
		}
		if i == end-n {
			return true
		}
		end = i + n
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isBase64(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '+' || c == '/'
}
