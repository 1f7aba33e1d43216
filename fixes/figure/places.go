package figure

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform/words"
)

// Place is a numbered place, such as a user ID, and who holds it before and after a change.
type Place struct {
	ID     int    `json:"id"`
	Before string `json:"before,omitempty"` // names, with ", " between several; "" for nobody
	After  string `json:"after,omitempty"`
}

// Back are the places of the change that takes a change back.
func Back(all []Place) []Place {
	var back []Place
	for _, p := range all {
		back = append(back, Place{ID: p.ID, Before: p.After, After: p.Before})
	}
	return back
}

// Legend says what the places of a picture are.
type Legend struct {
	Title string // "User IDs"
	ID    string // what a number is: "UID"
}

// Change is a table of who holds which places before and after a change, in which neighbours to whom the same happens
// share a row. Without places it is the zero value.
func Change(all []Place, l Legend) Figure {
	if len(all) == 0 {
		return Figure{}
	}
	f := Figure{Title: l.Title, Heading: []string{l.ID, "before", "after"}}
	for _, r := range runs(all) {
		id := strconv.Itoa(r.first)
		if r.last > r.first {
			id += "–" + strconv.Itoa(r.last)
		}
		before, after := holders(r.before), holders(r.after)
		switch {
		case slices.Equal(r.before, r.after):
			after = "stays"
			if len(r.before) > 1 {
				after = "stay"
			}
			if len(r.before) == 0 {
				after = "free"
			}
		case r.made:
			after += " (new)"
		}
		if r.gone {
			after += " (removed)"
		}
		f.Rows = append(f.Rows, Row{Cells: []string{id, before, after}})
	}
	return f
}

// run is neighbouring places to which the same happens.
type run struct {
	first, last   int
	before, after []string
	made, gone    bool // whether after was nowhere before, and before is nowhere after
}

// runs folds places.
func runs(all []Place) []run {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Place) int { return a.ID - b.ID })
	was, is := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		for name := range strings.SplitSeq(s.Before, ", ") { // several accounts can share a number
			was[name] = true
		}
		for name := range strings.SplitSeq(s.After, ", ") {
			is[name] = true
		}
	}
	among := func(all map[string]bool, names string) bool {
		for name := range strings.SplitSeq(names, ", ") {
			if all[name] {
				return true
			}
		}
		return false
	}
	same := func(a, b Place) bool {
		return fate(a) == fate(b) && among(was, a.After) == among(was, b.After) && among(is, a.Before) == among(is, b.Before)
	}
	var rows []run
	for i, s := range all {
		if i > 0 && s.ID == all[i-1].ID+1 && same(s, all[i-1]) {
			rows[len(rows)-1].last = s.ID
		} else {
			rows = append(rows, run{
				first: s.ID, last: s.ID, made: s.After != "" && !among(was, s.After), gone: s.Before != "" && !among(is, s.Before),
			})
		}
		r := &rows[len(rows)-1]
		if s.Before != "" {
			r.before = append(r.before, s.Before)
		}
		if s.After != "" {
			r.after = append(r.after, s.After)
		}
	}
	return rows
}

// fate is the same for places that may share a row. Accounts without a number, those of macOS for instance, share one
// when they stay.
func fate(s Place) string {
	family := func(name string) string {
		switch {
		case name == "":
			return "free"
		case len(strings.Split(name, ", ")) > 1:
			return "several at " + strconv.Itoa(s.ID)
		}
		if stem, _, ok := words.Numbered(name); ok {
			return "one of " + stem
		}
		if s.Before == s.After {
			return "someone"
		}
		return "named " + name
	}
	change := "stays"
	if s.Before != s.After {
		change = "changes"
	}
	return change + " " + family(s.Before) + " " + family(s.After)
}

// holders names who is there.
func holders(names []string) string {
	if len(names) == 0 {
		return "free"
	}
	const enough = 30
	text := words.Names(names)
	if len([]rune(text)) > enough && len(names) > 1 && strings.Contains(text, ",") {
		return fmt.Sprintf("%s, … (%d)", names[0], len(names))
	}
	return text
}
