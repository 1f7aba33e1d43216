package daemon

import (
	"context"
	"fmt"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
)

var _ fix.Drawer = daemon{}

const columns = 80

var signs = map[Mark]string{Holds: "✓", AtRisk: "!", Broken: "✗", Unknown: "?", NotLooked: "·"}

// Draw implements fix.Drawer.
func (daemon) Draw(ctx context.Context, v platform.View, _ fix.Settings) (fix.Picture, error) {
	l, found := climb(ctx, look(ctx, v))
	p := fix.Picture{Findings: found, Graph: l, Dot: l.dot(), Moves: true, Drawings: make([][]string, len(found))}
	if !found[0].Is(notHere) {
		p.Drawings[0] = l.lines()
	}
	for _, f := range found {
		p.Moves = p.Moves && f.Status != fix.Broken
	}
	for _, r := range l.Rungs {
		p.Key += string(r.Mark) + " " + r.Finding + "\n"
	}
	return p, nil
}

// lines draws the ladder, the first rung on top, as it is climbed.
func (l Ladder) lines() []string {
	var lines []string
	for _, r := range l.Rungs {
		says := r.Says
		if r.Mark == NotLooked {
			says = "not looked at"
		}
		lines = append(lines, short(fmt.Sprintf("%s %-14s %s", signs[r.Mark], r.Name, says)))
	}
	return lines
}

// short cuts a line to the columns that there are.
func short(line string) string {
	letters := []rune(line)
	if len(letters) <= columns {
		return line
	}
	return string(letters[:columns-1]) + "…"
}

// dot draws it in the language of Graphviz.
func (l Ladder) dot() string {
	colors := map[Mark]string{Holds: "darkgreen", AtRisk: "orange", Broken: "red", Unknown: "gray40", NotLooked: "gray80"}
	var b strings.Builder
	b.WriteString("digraph daemon {\n  rankdir=BT;\n  node [shape=box];\n")
	for i, r := range l.Rungs {
		fmt.Fprintf(&b, "  r%d [label=%s, color=%s];\n", i, quoted(r.Name+"\n"+r.Says), colors[r.Mark])
		if i > 0 {
			fmt.Fprintf(&b, "  r%d -> r%d;\n", i-1, i)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// quoted is a text as a string of Graphviz.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// Moved implements fix.Drawer.
func (daemon) Moved(before, after fix.Picture) string {
	b, ok := before.Graph.(Ladder)
	a, same := after.Graph.(Ladder)
	if !ok || !same {
		return ""
	}
	was, is := b.broken(), a.broken()
	switch {
	case is == "":
		return "the daemon answers"
	case was == is:
		return "the same rung is broken: " + is
	}
	return "the next rung is broken: " + is
}

// broken names the rung that is; "" for none.
func (l Ladder) broken() string {
	for _, r := range l.Rungs {
		if r.Mark == Broken {
			return r.Name
		}
	}
	return ""
}
