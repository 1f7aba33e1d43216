package messages

import (
	"math"
	"slices"
	"strings"
)

// nearest is how long a text is at most for being compared with messages that it does not show word by word.
const nearest = 64 << 10

// How much of a message a line has to have for looking like it.
const (
	nearShare = 0.75 // of the weight of its words
	nearWords = 4
	wordShort = 2 // letters and digits of a word that counts
)

// nearness compares lines with messages by the words that both have: the rarer a word, the more it weighs.
type nearness struct {
	groups []group
	weight map[string]float64
	having map[string][]int // groups, by word
	total  []float64
	tells  []bool // whether a message has a word of Nix in it, which a line then has to have as well
}

func newNearness(groups []group) nearness {
	n := nearness{groups: groups, weight: map[string]float64{}, having: map[string][]int{}, total: make([]float64, len(groups)), tells: make([]bool, len(groups))}
	for i, g := range groups {
		for _, w := range wordsOf(fixedPart(g.message)) {
			n.having[w] = append(n.having[w], i)
		}
	}
	for w, having := range n.having {
		n.weight[w] = 1 + math.Log(float64(len(groups))/float64(len(having)))
	}
	for i, g := range groups {
		n.tells[i] = tells(g.message)
		for _, w := range wordsOf(fixedPart(g.message)) {
			n.total[i] += n.weight[w]
		}
	}
	return n
}

// fixedPart is a message without severities and without what differs from host to host.
func fixedPart(message string) string {
	message = loosened(bare(message))
	// What errno says is said of many things.
	for _, e := range errnoEnglish() {
		if before, ok := strings.CutSuffix(message, e); ok && strings.TrimSpace(before) != "" {
			return before
		}
	}
	return message
}

// common words say nothing.
const common = " the of to is in for and not that this are was you with from at on an or be by it which no such as has have can cannot could error "

// wordsOf are the words of a text, each once, in lower case and in order.
func wordsOf(text string) []string {
	var words []string
	var b []rune
	flush := func() {
		w := string(b)
		if len(b) >= wordShort && !strings.Contains(common, " "+w+" ") && !slices.Contains(words, w) {
			words = append(words, w)
		}
		b = b[:0]
	}
	scan(text, func(c char) {
		if c.before&gapBefore != 0 {
			flush()
		}
		b = append(b, c.r)
	})
	flush()
	return words
}

// search finds the messages that lines look like.
func (n nearness) search(text string) []Match {
	best := make([]Match, len(n.groups))
	at, number := 0, 0
	for line := range strings.Lines(text) {
		number++
		has, words := map[int]float64{}, map[int]int{}
		for _, w := range wordsOf(line[:min(len(line), longestLine)]) {
			for _, g := range n.having[w] {
				has[g] += n.weight[w]
				words[g]++
			}
		}
		for g, weight := range has {
			if words[g] < nearWords || weight < nearShare*n.total[g] || n.tells[g] && !tells(line) {
				continue
			}
			if score := int(1000 * weight / n.total[g]); score > best[g].score {
				best[g] = Match{
					Message: n.groups[g].message, Kinds: n.groups[g].kinds, Fixes: n.groups[g].fixes, Number: number,
					score: score, start: 2 * number, end: 2*number + 1, at: at, group: g,
				}
			}
		}
		at += len(line)
	}
	return slices.DeleteFunc(best, func(m Match) bool { return m.score == 0 })
}

// How many letters and digits a piece of a message has at least: of one message alone, and of several.
const (
	shortPiece  = 8
	commonPiece = 16
)

// pieces finds the messages that have a whole line of the text within them: people paste the half of a line as well.
func (x *Index) pieces(text string) []Match {
	best := make([]Match, len(x.groups))
	try := func(text string, at, number int, broken bool) {
		if len(text) > longestLine {
			return
		}
		piece := spaced(text[strings.LastIndexByte(strings.TrimRight(text, "\r\n"), '\r')+1:])
		for _, s := range severities {
			piece = strings.TrimPrefix(piece, " "+strings.TrimSuffix(s, ":"))
		}
		letters := len([]rune(piece)) - strings.Count(piece, " ")
		joined := strings.ReplaceAll(piece, " ", "")
		var of []int
		for g := range x.groups {
			if strings.Contains(x.whole[g], piece) || broken && letters >= manyLetters && strings.Contains(x.joined[g], joined) {
				of = append(of, g)
			}
		}
		if letters < shortPiece || letters < commonPiece && len(of) > 1 {
			return
		}
		for _, g := range of {
			if letters <= best[g].score {
				continue
			}
			best[g] = Match{
				Message: x.groups[g].message, Kinds: x.groups[g].kinds, Fixes: x.groups[g].fixes, Number: number,
				Sure:  letters >= manyLetters || letters >= someLetters && tells(text),
				score: letters, start: 2 * number, end: 2*number + 1, at: at, group: g,
			}
		}
	}
	at, number := 0, 0
	for line := range strings.Lines(text) {
		number++
		try(line, at, number, false)
		at += len(line)
	}
	if number > 1 && number <= fewLines {
		try(text, 0, 1, true)
	}
	return slices.DeleteFunc(best, func(m Match) bool { return m.score == 0 })
}

// spaced are the words of a text, with a blank before and behind each.
func spaced(text string) string {
	var b strings.Builder
	scan(text, func(c char) {
		if c.before&gapBefore != 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c.r)
	})
	b.WriteByte(' ')
	return b.String()
}
