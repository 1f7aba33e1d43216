package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/plan"
)

// seatRow is a run of neighbouring numbers to which the same happens.
type seatRow struct {
	first, last   int
	before, after []string
	made, gone    bool // whether after was nowhere before, and before is nowhere after
}

// seatRows folds the seats of a plan.
func seatRows(seats []plan.Seat) []seatRow {
	seats = slices.Clone(seats)
	slices.SortStableFunc(seats, func(a, b plan.Seat) int { return a.ID - b.ID })
	was, is := map[string]bool{}, map[string]bool{}
	for _, s := range seats {
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
	fate := func(s plan.Seat) string {
		return fmt.Sprint(fate(s), among(was, s.After), among(is, s.Before))
	}
	var rows []seatRow
	var last plan.Seat
	for _, s := range seats {
		n := len(rows)
		if n > 0 && s.ID == last.ID+1 && fate(s) == fate(last) {
			rows[n-1].last = s.ID
		} else {
			rows = append(rows, seatRow{
				first: s.ID, last: s.ID, made: s.After != "" && !among(was, s.After), gone: s.Before != "" && !among(is, s.Before),
			})
			n++
		}
		r := &rows[n-1]
		if s.Before != "" {
			r.before = append(r.before, s.Before)
		}
		if s.After != "" {
			r.after = append(r.after, s.After)
		}
		last = s
	}
	return rows
}

// fate is the same for seats that may share a row. Accounts without a number, those of macOS for instance, share one
// when they stay.
func fate(s plan.Seat) string {
	family := func(name string) string {
		switch {
		case name == "":
			return "free"
		case strings.Contains(name, ","):
			return "several at " + strconv.Itoa(s.ID)
		}
		if stem, _, ok := numbered(name); ok {
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

// seats draws who holds which number before and after.
func (t *Text) seats(seats []plan.Seat) {
	var rows [][]string
	for _, r := range seatRows(seats) {
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
		rows = append(rows, []string{id, before, after})
	}
	heading := []string{"UID", "before", "after"}
	if t.table(2, heading, rows) {
		return
	}
	for _, row := range rows {
		t.para(2, piece{text: row[0], width: 10}, row[1]+" → "+row[2])
	}
}

// holders names who sits there.
func holders(names []string) string {
	if len(names) == 0 {
		return "free"
	}
	text := Names(names)
	const enough = 30
	if width(text) > enough && len(names) > 1 {
		if short := names[0] + ", …"; strings.Contains(text, ",") {
			return short + " (" + itoa(len(names)) + ")"
		}
	}
	return text
}
