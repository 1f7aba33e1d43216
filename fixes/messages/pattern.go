package messages

import (
	"slices"
	"strings"
	"unicode"
)

// pattern is a message to be found: its parts, in order, with a gap of any text between two of them.
type pattern struct {
	group int
	parts []part
	// score is how many letters and digits have to be there. Of two matches the one with more of them says more.
	score int
	// strong ones need nothing else to be sure of. Others are sure only on a line that speaks of Nix.
	strong bool
	// strict ones have few words, and quotation marks have to be where they are in the message.
	strict bool
	// whole ones have next to no words, and nothing else may stand behind them on the line, and before them nothing but
	// what ends in a colon.
	whole bool
	// open ones end in a gap; what comes behind them begins with a quotation mark where closing is set.
	open, closing bool
}

// part is a piece of a message without a gap in it.
type part struct {
	text string // words run together
	// glued ones follow the part before at once; it is a text of errno, which has other forms.
	glued bool
	// quoted ones have a quotation mark before them.
	quoted bool
}

const (
	manyLetters = 24 // tell a message from all others
	someLetters = 12 // tell it on a line that speaks of Nix
)

// telling words are those of Nix alone.
var telling = []string{
	"nix", "lix", "nixbld", "nixos", "nixpkgs", "pasta", "drv", "derivation", "substituter", "validpaths",
}

// severities stand before messages, or are left out.
var severities = []string{"error:", "warning:", "fatal:"}

// bare is a message without what stands before it.
func bare(message string) string {
	for _, s := range severities {
		message = strings.TrimSpace(strings.TrimPrefix(message, s))
	}
	return message
}

// patternsOf are the forms in which a message is looked for: as it stands, and without what is in quotation marks or
// has digits in it, which differ from host to host.
func patternsOf(message string) []pattern {
	trimmed := bare(message)
	all := []pattern{patternOf(trimmed)}
	if loose := patternOf(loosened(trimmed)); !slices.Equal(loose.parts, all[0].parts) && loose.score >= someLetters {
		all = append(all, loose)
	}
	return all
}

// patternOf parses a message.
func patternOf(message string) pattern {
	var p pattern
	words := 0
	for piece := range strings.SplitSeq(strings.ReplaceAll(message, "...", "…"), "…") {
		text := compact(piece)
		if text == "" {
			continue
		}
		first := strings.IndexFunc(piece, lettered)
		p.parts = append(p.parts, split(text, len(p.parts) > 0 && strings.ContainsAny(piece[:first], quotationMarks))...)
		for _, r := range text {
			if unicode.IsLetter(r) {
				words++
			}
		}
		p.score += len([]rune(text))
	}
	p.strong = words >= manyLetters || words >= someLetters && tells(message)
	p.strict = !p.strong
	p.whole = words < someLetters
	_, tail, _ := cutLast(strings.ReplaceAll(message, "...", "…"), "…")
	p.open = compact(tail) == ""
	last := strings.LastIndexFunc(message, lettered)
	p.closing = p.whole && p.open && last >= 0 && strings.ContainsAny(message[last+1:], quotationMarks)
	return p
}

// cutLast is strings.Cut at the last place.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// split puts texts of errno into parts of their own.
func split(text string, quoted bool) []part {
	for english := range errnos() {
		if before, ok := strings.CutSuffix(text, english); ok {
			if before == "" {
				return []part{{text: text, quoted: quoted}}
			}
			return []part{{text: before, quoted: quoted}, {text: english, glued: true}}
		}
	}
	return []part{{text: text, quoted: quoted}}
}

// loosened is a message with gaps for what is in quotation marks, and for words with digits.
func loosened(message string) string {
	var b strings.Builder
	runes := []rune(message)
	inWord := func(i int) bool {
		return i > 0 && i+1 < len(runes) && lettered(runes[i-1]) && lettered(runes[i+1])
	}
	for i := 0; i < len(runes); i++ {
		if r := runes[i]; (r == '\'' || r == '"') && !inWord(i) {
			end := i + 1
			for end < len(runes) && (runes[end] != r || inWord(end)) {
				end++
			}
			if end < len(runes) {
				b.WriteString("'…'")
				i = end
				continue
			}
		}
		b.WriteRune(runes[i])
	}
	words := strings.Split(b.String(), " ")
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789") {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// tells reports whether a text has a word of Nix in it.
func tells(text string) bool {
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !lettered(r) }) {
		if slices.Contains(telling, strings.ToLower(w)) {
			return true
		}
	}
	return false
}
