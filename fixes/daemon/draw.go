package daemon

import (
	"context"
	"fmt"
	"strings"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
)

var _ fix.Drawer = daemon{}

var signs = map[Mark]string{
	Holds: figure.Good, AtRisk: figure.Risk, Broken: figure.Bad, Unknown: figure.Unknown, NotLooked: figure.Skipped,
}

// Draw implements fix.Drawer.
func (daemon) Draw(ctx context.Context, v platform.View, _ fix.Settings) (fix.Picture, error) {
	l, found := climb(ctx, look(ctx, v))
	p := fix.Picture{Findings: found, Graph: l, Dot: l.dot(), Moves: true, Figures: make([]figure.Figure, len(found))}
	if !found[0].Is(notHere) {
		p.Figures[0] = l.figure()
	}
	for _, f := range found {
		p.Moves = p.Moves && f.Status != fix.Broken
	}
	for _, r := range l.Rungs {
		p.Key += string(r.Mark) + " " + r.Finding + "\n"
	}
	return p, nil
}

// figure is the ladder, the first rung on top, as it is climbed.
func (l Ladder) figure() figure.Figure {
	var f figure.Figure
	for _, r := range l.Rungs {
		says := r.Says
		if r.Mark == NotLooked {
			says = notLookedAt
		}
		f.Rows = append(f.Rows, figure.Row{Mark: signs[r.Mark], Cells: []string{r.Name, says}})
	}
	return f
}

// dot draws it in the language of Graphviz.
func (l Ladder) dot() string {
	colors := map[Mark]string{Holds: "darkgreen", AtRisk: "orange", Broken: "red", Unknown: "gray40", NotLooked: "gray80"}
	var b strings.Builder
	b.WriteString("digraph daemon {\n  rankdir=BT;\n  node [shape=box];\n")
	for i, r := range l.Rungs {
		fmt.Fprintf(&b, "  r%d [label=%s, color=%s];\n", i, figure.Quote(r.Name+"\n"+r.Says), colors[r.Mark])
		if i > 0 {
			fmt.Fprintf(&b, "  r%d -> r%d;\n", i-1, i)
		}
	}
	b.WriteString("}\n")
	return b.String()
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
		return nowAnswers
	case was == is:
		return sameRung.Fill(fix.With{"rung": is})
	}
	return nextRung.Fill(fix.With{"rung": is})
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
