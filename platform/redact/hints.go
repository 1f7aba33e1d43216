package redact

import (
	"strings"
	"sync"
	"sync/atomic"
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
	eachHints(add)
	// Room that is never written to costs nothing; to move the table as it grows does.
	s.next, s.out = make([]uint16, 0, states*s.classes), make([]marks, 0, states)
	s.state()
	eachHints(func(bit int, hints []string) {
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

// eachHints goes through the hints of all rules.
func eachHints(f func(bit int, hints []string)) {
	for i := range everywhere {
		f(everywhere[i].bit, everywhere[i].hints)
	}
	for i := range within {
		f(within[i].bit, within[i].hints)
	}
	for i := range nameRules {
		f(nameBits+i, nameRules[i].hints)
	}
}

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

// few is how many bytes are looked through without the scanner: what a check of a healthy host prints is no longer, and the
// scanner takes longer to build.
const few = 4 << 10

// seen are the bytes that have been looked through.
var seen atomic.Int64

// hinted are the rules that may change a text.
func hinted(text string) marks {
	if seen.Add(int64(len(text))) <= few {
		return starts().in(text)
	}
	return hints().in(text)
}

// index has the hints by their first byte, for a few short texts.
type index struct {
	from   [257]uint16 // of a byte's hints in list
	list   []hint
	always marks
}

type hint struct {
	rest string // without the first byte
	bit  int
}

var starts = sync.OnceValue(func() *index {
	x := &index{}
	eachHints(func(bit int, hints []string) {
		if len(hints) == 0 {
			x.always.set(bit)
		}
		for _, h := range hints {
			x.from[int(h[0])+1]++
		}
	})
	for c := range 256 {
		x.from[c+1] += x.from[c]
	}
	x.list = make([]hint, x.from[256])
	next := x.from
	eachHints(func(bit int, hints []string) {
		for _, h := range hints {
			x.list[next[h[0]]] = hint{h[1:], bit}
			next[h[0]]++
		}
	})
	return x
})

// in is what that of the scanner finds.
func (x *index) in(text string) marks {
	if wide(text) {
		return hints().all
	}
	m := x.always
	text = small(text)
	for i := range len(text) {
		for _, h := range x.list[x.from[text[i]]:x.from[int(text[i])+1]] {
			if strings.HasPrefix(text[i+1:], h.rest) {
				m.set(h.bit)
			}
		}
	}
	return m
}

// small makes capital letters of ASCII small, and nothing else: the scanner does not take a dotted capital I for an i either.
func small(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c - 'A' + 'a'
		}
	}
	return string(b)
}

// wide reports whether a text has one of the two letters outside of ASCII that are k and s where case does not count.
func wide(text string) bool {
	return strings.Contains(text, "\u212a") || strings.Contains(text, "\u017f")
}

// in are the rules that a text has a hint of, or that have none.
func (s *scanner) in(text string) marks {
	m := s.always
	at, ascii := 0, true
	for i := range len(text) {
		c := text[i]
		ascii = ascii && c < utf8.RuneSelf
		at = int(s.next[at*s.classes+int(s.class[c])])
		m[0] |= s.out[at][0]
		m[1] |= s.out[at][1]
	}
	if !ascii && wide(text) {
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
