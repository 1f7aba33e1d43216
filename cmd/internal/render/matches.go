package render

import (
	"strings"

	"github.com/lixfix/lixfix/platform/words"
)

// matchView is what an error message points to.
type matchView struct{ *writer }

// mostCandidates is how many of the kinds that a message points to are named.
const mostCandidates = 4

// show shows what a text points to.
func (v matchView) show(all []Match) {
	for i, m := range all {
		if i > 0 {
			v.blank()
		}
		v.match(m)
	}
}

func (v matchView) match(m Match) {
	const wide = label + 1
	switch {
	case len(m.Kinds) == 1:
		v.para(0, piece{text: m.Kinds[0].ID, color: bold, width: width(v.clean(m.Kinds[0].ID)) + 2}, m.Kinds[0].Title)
	case len(m.Kinds) == 0:
		v.line(0, piece{text: strings.Join(m.Fixes, ", "), color: bold})
	default:
		v.para(0, piece{}, "one of "+words.Count(len(m.Kinds), "finding")+"; the message alone does not say which")
	}
	if m.Number > 0 {
		v.para(2, piece{text: "line", width: wide}, itoa(m.Number)+": "+m.Line)
	}
	if !m.Sure {
		v.para(2, piece{text: "unsure", color: yellow, width: wide}, "the text only looks like this: "+m.Message)
	}
	if len(m.Kinds) > 1 {
		v.candidates(m.Kinds)
	} else if len(m.Kinds) == 1 && m.Kinds[0].Here != nil {
		v.para(2, piece{text: "here", width: wide}, m.Kinds[0].Here.words())
	}
	if len(m.Kinds) == 1 && m.Kinds[0].Unfixed {
		v.para(2, piece{text: "note", width: wide}, "lixfix has no fix for it yet; the page says what you can do")
	}
	if len(m.Kinds) == 1 || len(m.Kinds) > 0 && m.Kinds[0].Here != nil && m.Kinds[0].Here.Is == Confirmed {
		v.line(2, piece{text: "more", width: wide}, piece{text: "lixfix explain " + m.Kinds[0].ID + v.on, color: bold})
	}
	if len(m.Fixes) > 0 {
		v.line(2, piece{text: "look", width: wide}, piece{text: "lixfix check " + strings.Join(m.Fixes, " ") + v.on, color: bold})
	}
}

// candidates lists kinds; where this host was looked at, those that say something.
func (v matchView) candidates(all []Candidate) {
	shown := all
	if all[0].Here != nil {
		shown = nil
		for _, c := range all {
			if c.Here.Is == Confirmed || c.Here.Is == NotKnown {
				shown = append(shown, c)
			}
		}
		if len(shown) == 0 {
			v.para(4, piece{}, "none of them is confirmed here")
			return
		}
	}
	for i, c := range shown {
		if i == mostCandidates && len(shown) > mostCandidates+1 {
			v.line(4, piece{text: "and " + itoa(len(shown)-i) + " more", color: dim})
			return
		}
		text := c.Title
		if c.Here != nil {
			text = c.Here.words()
		}
		v.para(4, piece{text: c.ID, color: bold, width: width(v.clean(c.ID)) + 2}, text)
	}
}

// after says below the output of a command what it points to: in mostAfter lines at most, none longer than the terminal.
func (v matchView) after(all []Match) {
	const (
		mostAfter = 6
		each      = 3
		mark      = "lixfix: "
	)
	cut := func(indent string, c color, text string) {
		text = v.clean(text)
		for width(text)+len(indent) > v.Width {
			runes := []rune(text)
			text = string(runes[:len(runes)-2]) + "…"
		}
		v.b.WriteString(indent + v.paint(c, text) + "\n")
	}
	indent := strings.Repeat(" ", len(mark))
	for i, m := range all {
		if i == mostAfter/each {
			return
		}
		first := func(h *Here) string {
			if h == nil {
				return ""
			}
			return " (" + h.verdict() + ")"
		}
		next := "lixfix check " + strings.Join(m.Fixes, " ")
		switch {
		case len(m.Kinds) == 0:
			cut(mark, bold, "this message points to "+strings.Join(m.Fixes, ", "))
		case len(m.Kinds) == 1 || m.Kinds[0].Here != nil && m.Kinds[0].Here.Is == Confirmed:
			k := m.Kinds[0]
			cut(mark, bold, k.ID+first(k.Here)+": "+k.Title)
			next = "lixfix explain " + k.ID
			if k.Here != nil && k.Here.Is == Confirmed && k.Here.Finding.Remedy != nil && k.Here.Finding.Remedy.Command != "" {
				next = k.Here.Finding.Remedy.Command
			}
		case len(m.Fixes) == 0: // lixfix has no fix for any of them, and so nothing to check
			cut(mark, bold, "one of "+words.Count(len(m.Kinds), "finding")+", such as "+m.Kinds[0].ID+": "+m.Kinds[0].Title)
			next = "lixfix explain " + m.Kinds[0].ID
		default:
			cut(mark, bold, "one of "+words.Count(len(m.Kinds), "finding")+" of "+strings.Join(m.Fixes, ", ")+first(m.Kinds[0].Here))
		}
		cut(indent, plain, m.Line)
		v.line(len(mark), piece{text: "next:", width: len("next: ")}, piece{text: next, color: bold})
	}
}
