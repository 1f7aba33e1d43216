// Package messages finds out which kinds of findings a text speaks of: a line that somebody pasted, or a whole log.
//
// Text and messages are compared as words run together: letters and digits in lower case, and nothing else. So it does
// not matter which quotation marks somebody's Nix prints or a chat has left out, whether the text is coloured, and where
// a terminal has broken the lines. Where words begin and end is known beside that, and heeded.
package messages

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
)

// Limits of what is looked at and of what is told.
const (
	Most    = 5        // matches
	Longest = 16 << 20 // bytes of a text
)

// Harmless reports whether nothing is wrong where a message is seen.
func (m Match) Harmless() bool {
	return len(m.Kinds) > 0 && !slices.ContainsFunc(m.Kinds, func(k *fix.Kind) bool {
		return k.Status != fix.OK && k.Status != fix.NotApplicable
	})
}

// Match is a message that a text shows.
type Match struct {
	Line   string // of the text, where the message begins, without colours
	Number int    // of the line, from 1
	// Message is as it stands in the tables.
	Message string
	// Sure is unset where the text only looks like the message: too few words tell it from others, or not all are there.
	Sure bool
	// Kinds that have the message, in the order of the tables. Without any, it is a symptom of Fixes.
	Kinds []*fix.Kind
	Fixes []string // names of fixes that list the message as a symptom; they are those of Kinds where there are kinds

	score      int
	start, end int // in the stream of words
	at         int // offset in the text
	group      int
}

// Index finds messages.
type Index struct {
	groups   []group
	patterns []pattern
	words    automaton
	atoms    [][]place // by atom, where it stands in patterns
	near     nearness
	whole    []string // the messages of groups, as words
	joined   []string // the same, run together
}

// group is a message with all that have it.
type group struct {
	message string
	kinds   []*fix.Kind
	fixes   []string
	// vague is what is taken off its score for being the message of many.
	vague int
	// normal ones are printed where all is well; harmless ones look worse than they are.
	normal, harmless bool
}

// place is an atom's place in a pattern.
type place struct{ pattern, part int }

// New makes the index of the messages of fixes, and of kinds that belong to none.
func New(fixes []fix.Fix, known []*fix.Kind) *Index {
	x := &Index{}
	at := map[string]int{}
	add := func(message string, k *fix.Kind, name string) {
		key := compact(bare(message))
		i, ok := at[key]
		if !ok {
			i = len(x.groups)
			at[key] = i
			x.groups = append(x.groups, group{message: message})
			x.whole = append(x.whole, spaced(bare(message)))
			x.joined = append(x.joined, key)
		}
		g := &x.groups[i]
		if k != nil {
			g.kinds = append(g.kinds, k)
		}
		if name != "" && !slices.Contains(g.fixes, name) {
			g.fixes = append(g.fixes, name)
		}
	}
	for _, f := range fixes {
		for _, k := range f.Kinds() {
			for _, m := range k.Messages {
				add(m, k, f.Name())
			}
		}
	}
	for _, k := range known {
		for _, m := range k.Messages {
			add(m, k, "")
		}
	}
	for _, f := range fixes {
		for _, m := range f.Doc().Symptoms {
			if _, ok := at[compact(bare(m))]; !ok {
				add(m, nil, f.Name())
			}
		}
	}
	for i := range x.groups {
		x.groups[i].weigh()
	}
	ids := map[string]int{}
	for i, g := range x.groups {
		for _, p := range patternsOf(g.message) {
			p.group = i
			x.patterns = append(x.patterns, p)
			for n, part := range p.parts {
				id, ok := ids[part.text]
				if !ok {
					id = len(x.atoms)
					ids[part.text] = id
					x.atoms = append(x.atoms, nil)
					for _, spelling := range spellings(part.text) {
						x.words.add(spelling, id)
					}
				}
				x.atoms[id] = append(x.atoms[id], place{len(x.patterns) - 1, n})
			}
		}
	}
	x.words.link()
	x.near = newNearness(x.groups)
	return x
}

// weigh decides how much a message says.
func (g *group) weigh() {
	const (
		each = 2
		most = 12
	)
	g.vague = min(most, each*max(0, len(g.kinds)-1))
	g.harmless = Match{Kinds: g.kinds}.Harmless()
	g.normal = g.harmless && len(g.fixes) > 0
}

// fewLines is how many lines somebody picks out who wants to know of each; a longer text is a log.
const fewLines = 5

// Find returns the matches of a text, the most specific first. It takes time and memory in proportion to the text,
// whose end is cut off behind Longest bytes.
func (x *Index) Find(text string) []Match {
	if len(text) > Longest {
		text = text[:Longest]
	}
	best := x.search(text)
	if len(best) == 0 && len(text) <= nearest {
		if best = x.pieces(text); len(best) == 0 {
			best = x.near.search(text)
		}
	}
	if strings.Count(text, "\n") > fewLines {
		best = slices.DeleteFunc(best, func(m Match) bool { return x.groups[m.group].normal })
	}
	best = x.undominated(best)
	if len(best) > Most {
		best = best[:Most]
	}
	for i := range best {
		m := &best[i]
		m.Line = lineAt(text, m.at)
	}
	return best
}

// undominated sorts matches, and drops those that stand within a more specific one, and those that lead to the same.
func (x *Index) undominated(all []Match) []Match {
	var out []Match
	for _, m := range all {
		within := func(o Match) bool { return o.start <= m.start && m.end <= o.end && o.score > m.score }
		if !slices.ContainsFunc(all, within) {
			out = append(out, m)
		}
	}
	x.sort(out)
	all, out = out, nil
	for _, m := range all {
		same := func(o Match) bool { return slices.Equal(o.Kinds, m.Kinds) && slices.Equal(o.Fixes, m.Fixes) }
		if !slices.ContainsFunc(out, same) {
			out = append(out, m)
		}
	}
	return out
}

// sort puts the most specific first: what was found before what looks like it, trouble before what is harmless, and the
// longer message before the shorter one, unless it is that of many.
func (x *Index) sort(all []Match) {
	order := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b Match) int {
		ga, gb := &x.groups[a.group], &x.groups[b.group]
		return cmp.Or(
			order(b.Sure)-order(a.Sure), order(ga.harmless)-order(gb.harmless),
			cmp.Compare(b.score-gb.vague, a.score-ga.vague), cmp.Compare(a.at, b.at), cmp.Compare(a.group, b.group))
	})
}

// longestLine is how many bytes of a line are told.
const longestLine = 400

// lineAt is the line of a text around an offset, without colours and without what a progress bar was written over.
func lineAt(text string, at int) string {
	from := strings.LastIndexAny(text[:at], "\n\r") + 1
	to := len(text)
	if i := strings.IndexAny(text[at:], "\n\r"); i >= 0 {
		to = at + i
	}
	from = max(from, at-longestLine)
	to = min(to, at+longestLine)
	return strings.TrimSpace(plain(strings.ToValidUTF8(text[from:to], "")))
}
