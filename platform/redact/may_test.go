package redact

import (
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// ruled is a rule of either sort.
type ruled struct {
	name string
	re   *syntax.Regexp
	may  func(n *Names, s string) bool // whether the rule is applied to a text
	does func(n *Names, s string) string
}

func allRuled(f *testing.F) []ruled {
	f.Helper()
	parse := func(text string) *syntax.Regexp {
		re, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			f.Fatal(err)
		}
		return re
	}
	var all []ruled
	for _, r := range slices.Concat(everywhere, within) {
		all = append(all, ruled{
			r.name, parse(r.find.String()),
			func(_ *Names, s string) bool { return hinted(s).has(r.bit) && (r.may == nil || r.may(s)) },
			func(_ *Names, s string) string { return r.apply(s) },
		})
	}
	for i, r := range nameRules {
		if r.find == nil {
			continue // it looks at every text
		}
		all = append(all, ruled{
			r.name, parse(r.find.String()),
			func(n *Names, s string) bool {
				return hinted(s).has(nameBits+i) && (r.may == nil || r.may(s)) && (r.known == nil || r.known(n, s))
			},
			func(n *Names, s string) string {
				if r.apply != nil {
					return r.apply(n, s)
				}
				return replace(r.find, s, func(m []string, _, _ string) string { return r.with(n, m) })
			},
		})
	}
	return all
}

// FuzzMay makes texts that one of the rules is for, out of its expression, and gives them surroundings: a rule that is kept
// from one must not be able to change it. Texts that are mutated without the expression hardly ever match one.
func FuzzMay(f *testing.F) {
	rules := allRuled(f)
	for i := range rules {
		f.Add(uint16(i), []byte{}, "", "")
		f.Add(uint16(i), []byte("\x01\x05\x02\x09\x03\x01\x04\x07"), "x ", " y")
	}
	host := wonderland()
	f.Fuzz(func(t *testing.T, which uint16, chosen []byte, before, behind string) {
		if len(chosen)+len(before)+len(behind) > 400 {
			return
		}
		r := rules[int(which)%len(rules)]
		w := writer{chosen: chosen}
		w.write(r.re)
		s := before + w.text.String() + behind
		if r.may(host, s) {
			return
		}
		if after := r.does(wonderland(), s); after != s {
			t.Errorf("%s is kept from %q, which would become %q", r.name, s, after)
		}
	})
}

// TestWriter: what is written for the fuzzing is what the rules are for: nearly all of it changes.
func TestWriter(t *testing.T) {
	changed, all := 0, 0
	for _, r := range slices.Concat(everywhere, within) {
		re := parse(t, r.find.String())
		for i := range 20 {
			w := writer{chosen: []byte(strings.Repeat(string(rune(i+1))+"\x02\x07\x01\x05", 40))}
			w.write(re)
			all++
			if s := "x " + w.text.String() + " y"; r.apply(s) != s {
				changed++
			}
		}
	}
	if changed*2 < all {
		t.Errorf("%d of %d texts are changed by the rule that they were written for", changed, all)
	}
	t.Logf("%d of %d texts are changed by the rule that they were written for", changed, all)
}

// writer writes a text that an expression matches. Where there is a choice, the next byte makes it.
type writer struct {
	chosen []byte
	text   strings.Builder
}

func (w *writer) choose(of int) int {
	if len(w.chosen) == 0 || of < 2 {
		return 0
	}
	c := int(w.chosen[0])
	w.chosen = w.chosen[1:]
	return c % of
}

func (w *writer) write(re *syntax.Regexp) {
	const more = 4 // times, above the least
	repeat := func(low, high int) {
		if high < 0 || high > low+more {
			high = low + more
		}
		for range low + w.choose(high-low+1) {
			w.write(re.Sub[0])
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				for range w.choose(3) {
					r = unicode.SimpleFold(r)
				}
			}
			w.text.WriteRune(r)
		}
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			// The first ranges and the first runes of each: those of classes like [^x] go on and on.
			i := 2 * w.choose(len(re.Rune)/2)
			w.text.WriteRune(re.Rune[i] + rune(w.choose(int(min(re.Rune[i+1]-re.Rune[i]+1, 256)))))
		}
	case syntax.OpAnyCharNotNL, syntax.OpAnyChar:
		w.text.WriteRune(rune(' ' + w.choose('~'-' '+1)))
	case syntax.OpStar:
		repeat(0, -1)
	case syntax.OpPlus:
		repeat(1, -1)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		repeat(re.Min, re.Max)
	case syntax.OpAlternate:
		w.write(re.Sub[w.choose(len(re.Sub))])
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			w.write(sub)
		}
	}
}
