package messages

import (
	"slices"
	"strings"
)

// What a match may stretch over.
const (
	widestGap  = 400 // letters and digits
	mostBreaks = 4   // of lines, between the beginning and the end
)

// progress is how far a pattern has been seen.
type progress struct {
	begin, end  int // in the stream, of what has been seen
	first, last int // lines
	block       int
	at          int // offset in the text
	seen        bool
}

// ring keeps the last characters of the stream.
const ring = 1024

// search finds the messages of a text, each at its best place.
func (x *Index) search(text string) []Match {
	states := make([][]progress, len(x.patterns))
	backing := make([]progress, 0, len(x.patterns)*3)
	for i, p := range x.patterns {
		n := len(backing)
		backing = append(backing, make([]progress, len(p.parts))...)
		states[i] = backing[n:len(backing):len(backing)]
	}
	best := make([]Match, len(x.groups))
	var chars [ring]char
	n := 0 // how many characters there were
	var at int32
	// A word that ends with the last character counts once it is known that the next one begins another.
	settle := func(next uint8) {
		if next&gapBefore == 0 {
			return
		}
		for out := x.words.nodes[at].out; out != 0; out = x.words.nodes[x.words.nodes[out].fail].out {
			w := &x.words.nodes[out]
			begin := n - int(w.depth)
			if chars[begin%ring].before&gapBefore == 0 {
				continue
			}
			for _, pl := range x.atoms[w.atom] {
				x.advance(states[pl.pattern], pl, begin, n, &chars, next, text, best)
			}
		}
	}
	scan(text, func(c char) {
		settle(c.before)
		chars[n%ring] = c
		n++
		at = x.words.step(at, c.r)
	})
	settle(gapBefore | lineBefore)
	return slices.DeleteFunc(best, func(m Match) bool { return m.score == 0 })
}

// advance takes note of a part of a pattern that was seen in the stream from begin to end.
func (x *Index) advance(state []progress, pl place, begin, end int, chars *[ring]char, next uint8, text string, best []Match) {
	p := &x.patterns[pl.pattern]
	first, last := &chars[begin%ring], &chars[(end-1)%ring]
	now := progress{begin: begin, end: end, first: first.line, last: last.line, block: last.block, at: first.at, seen: true}
	if first.block != last.block {
		return
	}
	this := p.parts[pl.part]
	if p.strict && this.quoted && first.before&quoteBefore == 0 {
		return
	}
	if pl.part > 0 {
		before := &state[pl.part-1]
		gap := begin - before.end
		switch {
		case !before.seen, gap < 0, this.glued && gap != 0, gap > widestGap, before.block != now.block, now.last-before.first > mostBreaks:
			return
		}
		now.begin, now.first, now.at = before.begin, before.first, before.at
	}
	state[pl.part] = now
	if pl.part < len(p.parts)-1 {
		return
	}
	switch {
	case p.whole && chars[now.begin%ring].before&(lineBefore|colonBefore|quoteBefore) == 0,
		p.whole && !p.open && next&lineBefore == 0,
		p.closing && next&quoteBefore == 0,
		// A sentence of few words goes on: it is another one.
		p.strict && !p.open && len(p.parts) == 1 && next&(commaBefore|lineBefore) == commaBefore:
		return
	}
	m := &best[p.group]
	sure := p.strong || p.score >= someLetters && !p.whole && tells(around(text, now.at, last.at))
	if m.score > p.score || m.score == p.score && (m.Sure || !sure) {
		return
	}
	g := &x.groups[p.group]
	*m = Match{
		Message: g.message, Kinds: g.kinds, Fixes: g.fixes, Number: now.first, Sure: sure,
		score: p.score, start: now.begin, end: now.end, at: now.at, group: p.group,
	}
}

// around are the lines from one offset to another, as far as they are not endless.
func around(text string, from, to int) string {
	begin := max(strings.LastIndexByte(text[:from], '\n')+1, from-longestLine)
	end := min(len(text), to+longestLine)
	if i := strings.IndexByte(text[to:end], '\n'); i >= 0 {
		end = to + i
	}
	return text[begin:end]
}
