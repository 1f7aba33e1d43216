// Package figure has pictures as data: a ladder of looks, a tree of who waits for whom, a table of before and after. A fix
// says what is in its picture; how that is laid out is decided here, once.
package figure

import (
	"strings"
	"unicode/utf8"
)

// Columns is how wide a picture is at most where it is drawn as text.
const Columns = 80

// Marks stand in front of a row.
const (
	Good    = "✓"
	Risk    = "!"
	Bad     = "✗"
	Unknown = "?"
	Skipped = "·"
	Root    = "►" // of a tree: what everything waits for
)

// Figure is rows from the top, as a table, a list or a tree. The zero value is none.
type Figure struct {
	Title   string   // above it, where it stands among others
	Heading []string // of the columns of a table; nil for a list or a tree
	Rows    []Row
	// Right is how many characters at the right edge are for the second cell of a row; 0 for columns that are as wide as
	// what stands in them.
	Right int
}

// Row is a line of a picture.
type Row struct {
	// Depth is the place in a tree: what stands below a row, and deeper, hangs from it. It grows by one at most.
	Depth  int
	Unsure bool   // what a row hangs by is inferred
	Mark   string // "" for none
	Cells  []string
}

// Lines draws a figure as text, without its title and its heading.
func (f Figure) Lines() []string {
	var wide []int
	for _, r := range f.Rows {
		for i, c := range r.Cells {
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], utf8.RuneCountInString(c))
		}
	}
	lines := make([]string, 0, len(f.Rows))
	for i, r := range f.Rows {
		start := f.branches(i)
		if r.Mark != "" {
			start += r.Mark + " "
		}
		if f.Right > 0 {
			lines = append(lines, beside(start, r.Cells, f.Right))
			continue
		}
		for i, c := range r.Cells {
			start += c
			if i < len(r.Cells)-1 {
				const gap = 2
				start += strings.Repeat(" ", wide[i]-utf8.RuneCountInString(c)+gap)
			}
		}
		lines = append(lines, clip(start, Columns))
	}
	return lines
}

// branches are what a row of a tree hangs by.
func (f Figure) branches(at int) string {
	r := f.Rows[at]
	more := make([]bool, r.Depth+1) // by depth: something follows that hangs from the same row
	least := r.Depth
	for _, next := range f.Rows[at+1:] {
		if next.Depth <= least {
			more[next.Depth], least = true, next.Depth
		}
		if next.Depth == 0 {
			break
		}
	}
	var b strings.Builder
	for depth := 1; depth <= r.Depth; depth++ {
		branch := "   "
		switch {
		case depth == r.Depth && more[depth]:
			branch = "├─ "
		case depth == r.Depth:
			branch = "└─ "
		case more[depth]:
			branch = "│  "
		}
		if depth == r.Depth && r.Unsure {
			branch = strings.ReplaceAll(branch, "─", "┄")
		}
		b.WriteString(branch)
	}
	return b.String()
}

// beside writes the second of two cells at the right edge, where so many characters are kept for it.
func beside(start string, cells []string, right int) string {
	if len(cells) == 0 {
		return middle(start, Columns)
	}
	left := start + cells[0]
	if len(cells) == 1 || cells[1] == "" {
		return middle(left, Columns)
	}
	second := clip(cells[1], right)
	left = middle(left, Columns-1-utf8.RuneCountInString(second))
	return left + strings.Repeat(" ", max(1, Columns-right-utf8.RuneCountInString(left))) + second
}

// clip shortens s to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// middle shortens s to n characters by leaving out its middle.
func middle(s string, n int) string {
	r := []rune(s)
	if len(r) <= n || n < 3 {
		return s
	}
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Quote writes a string of the language of Graphviz, in which only the quotation mark and the backslash are special.
func Quote(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' || c == 0x7f {
			return '?'
		}
		return c
	}, s)
	return `"` + quoting.Replace(s) + `"`
}
