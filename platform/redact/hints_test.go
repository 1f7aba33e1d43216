package redact

import (
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/lixfix/lixfix/platform/pattern"
)

// TestHints proves from the syntax of each rule's expression that whatever it matches has one of the rule's hints in it.
func TestHints(t *testing.T) {
	prove := func(name string, find *pattern.Pattern, hints []string) {
		re, err := syntax.Parse(find.String(), syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if len(hints) > 0 && !has(re.Simplify(), hints) {
			t.Errorf("%s: %q can match without %q", name, find, hints)
		}
		for _, h := range hints {
			if h != strings.ToLower(h) || h == "" {
				t.Errorf("%s: %q", name, h)
			}
		}
	}
	for _, r := range slices.Concat(everywhere, within) {
		prove(r.name, r.find, r.hints)
	}
	for _, r := range nameRules {
		if r.find == nil {
			if len(r.hints) > 0 || r.may != nil {
				t.Errorf("%s: nothing tells what it changes", r.name)
			}
			continue
		}
		prove(r.name, r.find, r.hints)
	}
	for find, sets := range map[*pattern.Pattern]least{
		hardware: {':': 5, '-': 5}, uuid: {'-': 4}, quad: {'.': 3}, sixes: {':': 2},
	} {
		if !counts(parse(t, find.String()), sets) {
			t.Errorf("%q can match without %v", find, sets)
		}
	}
	if has(parse(t, `(?i)ab|c`), []string{"ab"}) || has(parse(t, `a*b`), []string{"a"}) || has(parse(t, `(?:ab)?c`), []string{"b"}) ||
		!has(parse(t, `x(?:ab|AC)[dD]`), []string{"bd", "cd"}) || counts(parse(t, `(?::x){4}`), least{':': 5}) {
		t.Error("what is not so was proved, or what is so was not")
	}
}

func parse(t *testing.T, s string) *syntax.Regexp {
	t.Helper()
	re, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	return re.Simplify()
}

// has reports whether it can be proved that every match has one of the hints in it.
func has(re *syntax.Regexp, hints []string) bool { return after([]string{""}, re, hints) }

// after is the same of what one of some texts stands before.
func after(before []string, re *syntax.Regexp, hints []string) bool {
	if all := exactly(re); all != nil {
		all = product(before, all)
		return all != nil && !slices.ContainsFunc(all, func(s string) bool {
			return !slices.ContainsFunc(hints, func(h string) bool { return strings.Contains(s, h) })
		})
	}
	switch re.Op {
	case syntax.OpConcat:
		for i, sub := range re.Sub {
			if after(before, sub, hints) {
				return true
			}
			for sub.Op == syntax.OpCapture {
				sub = sub.Sub[0]
			}
			all := exactly(sub)
			if all == nil && (sub.Op == syntax.OpAlternate || sub.Op == syntax.OpConcat) {
				// With each of its alternatives, or of its parts, in its place.
				var each [][]*syntax.Regexp
				if sub.Op == syntax.OpConcat {
					each = append(each, sub.Sub)
				} else {
					for _, one := range sub.Sub {
						each = append(each, []*syntax.Regexp{one})
					}
				}
				if !slices.ContainsFunc(each, func(one []*syntax.Regexp) bool {
					return !after(before, &syntax.Regexp{Op: syntax.OpConcat, Sub: slices.Concat(one, re.Sub[i+1:])}, hints)
				}) {
					return true
				}
			}
			if all != nil {
				all = product(before, all)
			}
			if before = all; before == nil {
				before = []string{""}
			}
		}
		return false
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !after(before, sub, hints) })
	case syntax.OpCapture, syntax.OpPlus:
		return after(before, re.Sub[0], hints)
	case syntax.OpRepeat:
		return re.Min > 0 && after(before, re.Sub[0], hints)
	}
	return false
}

const manyTexts = 600

func product(a, b []string) []string {
	if len(a)*len(b) > manyTexts {
		return nil
	}
	var all []string
	for _, x := range a {
		for _, y := range b {
			all = append(all, x+y)
		}
	}
	return all
}

// exactly lists the texts that an expression matches, in small letters; nil where there are many.
func exactly(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary,
		syntax.OpNoWordBoundary:
		return []string{""}
	case syntax.OpLiteral:
		return []string{strings.ToLower(string(re.Rune))}
	case syntax.OpCharClass:
		const few = 12
		var all []string
		for i := 0; i < len(re.Rune); i += 2 {
			if re.Rune[i+1]-re.Rune[i] > few {
				return nil
			}
			for c := re.Rune[i]; c <= re.Rune[i+1]; c++ {
				// What is no ASCII and means k or s lets all rules look.
				if c != '\u212a' && c != '\u017f' {
					all = append(all, string(unicode.ToLower(c)))
				}
			}
		}
		return slices.Compact(all)
	case syntax.OpCapture:
		return exactly(re.Sub[0])
	case syntax.OpQuest:
		if all := exactly(re.Sub[0]); all != nil {
			return append(slices.Clone(all), "")
		}
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			some := exactly(sub)
			if some == nil || len(all)+len(some) > manyTexts {
				return nil
			}
			all = append(all, some...)
		}
		return all
	case syntax.OpConcat:
		all := []string{""}
		for _, sub := range re.Sub {
			some := exactly(sub)
			if some == nil {
				return nil
			}
			if all = product(all, some); all == nil {
				return nil
			}
		}
		return all
	}
	return nil
}

// counts reports whether it can be proved that every match has one of the bytes as often as it says.
func counts(re *syntax.Regexp, l least) bool {
	for c, n := range l {
		if count(re, rune(c)) >= n {
			return true
		}
	}
	switch re.Op {
	case syntax.OpConcat:
		return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return counts(sub, l) })
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !counts(sub, l) })
	case syntax.OpCapture, syntax.OpPlus:
		return counts(re.Sub[0], l)
	case syntax.OpRepeat:
		return re.Min > 0 && counts(re.Sub[0], l)
	}
	return false
}

// count is how often a character is at least in what an expression matches.
func count(re *syntax.Regexp, c rune) int {
	n := 0
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r == c {
				n++
			}
		}
	case syntax.OpCharClass:
		if len(re.Rune) == 2 && re.Rune[0] == c && re.Rune[1] == c {
			n = 1
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			n += count(sub, c)
		}
	case syntax.OpAlternate:
		n = count(re.Sub[0], c)
		for _, sub := range re.Sub[1:] {
			n = min(n, count(sub, c))
		}
	case syntax.OpCapture, syntax.OpPlus:
		return count(re.Sub[0], c)
	case syntax.OpRepeat:
		return re.Min * count(re.Sub[0], c)
	}
	return n
}

// TestRun looks for runs where they begin, end, and are one short.
func TestRun(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "abcd": true, "abc": false, "xabc": false, "xabcdx": true, "abcxabcd": true, "abcxabcxabc": false, "xyzabcd": true,
		"ABC9": true, "x0123": true, "0x123": false, "abcdx": true, "zzzzzzzabcz": false,
	} {
		if got := run(text, 4, isHex); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzHinted compares the one look for all hints with one for each.
func FuzzHinted(f *testing.F) {
	f.Add("user alice said https://a@b from sha256: tokentokeN=x")
	f.Add("to\u212aen and pa\u017fsword")
	f.Add("%3A%2F%2f me %40 ghp_x pypi- ..::--(")
	f.Fuzz(func(t *testing.T, s string) {
		got := hints().in(s)
		if few := starts().in(s); few != got {
			t.Errorf("%q: %v, want %v", s, few, got)
		}
		low := strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}, s)
		all := strings.Contains(s, "\u212a") || strings.Contains(s, "\u017f")
		one := func(name string, bit int, hints []string) {
			want := all || len(hints) == 0 || slices.ContainsFunc(hints, func(h string) bool { return strings.Contains(low, h) })
			if got.has(bit) != want {
				t.Errorf("%q: %s: %v, want %v", s, name, got.has(bit), want)
			}
		}
		for _, r := range slices.Concat(everywhere, within) {
			one(r.name, r.bit, r.hints)
		}
		for i, r := range nameRules {
			one(r.name, nameBits+i, r.hints)
		}
	})
}

// TestIndex: the two ways to look a text through find the same, so that no secret is printed because little was.
func TestIndex(t *testing.T) {
	all := []string{"", "a", "-", "--", "K\u0130", "a token: pyp\u0130-x", "to\u212aen: x", "PA\u017f\u017fWORD=x", "\xff\xfepassword"}
	for _, text := range slices.Concat(SecretTexts(), BlockTexts(), NameTexts()) {
		all = append(all, text.Text, strings.ToUpper(text.Text), text.Text[:len(text.Text)/2], text.Text[len(text.Text)/2:])
	}
	for _, text := range all {
		if got, want := starts().in(text), hints().in(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
