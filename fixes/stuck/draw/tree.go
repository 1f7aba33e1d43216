package draw

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/say"
)

// Tree draws a diagnosis: one line for each process and lock from the user's command down to what everything waits
// for, which is marked.
func Tree(r *diagnose.Report, d diagnose.Diagnosis) []string { return Figure(r, d).Lines() }

// Figure is the tree as data.
func Figure(r *diagnose.Report, d diagnose.Diagnosis) figure.Figure {
	t := &tree{report: r, root: d.Root, shown: map[string]bool{}}
	if d.Subject != "" {
		t.draw(d.Subject, 0, false)
	}
	return figure.Figure{Rows: t.rows, Right: diagnose.Column}
}

type tree struct {
	report *diagnose.Report
	root   string
	shown  map[string]bool
	path   []string
	rows   []figure.Row
}

const maxLines = 200 // of one tree

func (t *tree) row(depth int, unsure bool, mark string, cells ...string) {
	t.rows = append(t.rows, figure.Row{Depth: depth, Unsure: unsure, Mark: mark, Cells: cells})
}

func (t *tree) draw(n string, depth int, unsure bool) {
	if len(t.rows) >= maxLines {
		return
	}
	title, text := strings.TrimPrefix(n, "lock:"), ""
	switch p := t.report.Process(n); {
	case p != nil:
		title, text = p.Title, p.Text
	case strings.HasPrefix(n, "lock:"):
		dir, base := cutPath(say.ShortPath(title))
		title = base + "  " + dir
	}
	if slices.Contains(t.path, n) {
		t.row(depth, unsure, "", backTo.Fill(fix.With{"process": title}))
		return
	}
	mark := ""
	if n == t.root && depth > 0 {
		mark = figure.Root
	}
	if unsure {
		title += probable
	}
	t.row(depth, unsure, mark, title, text)
	if t.shown[n] {
		return
	}
	t.shown[n] = true
	t.path = append(t.path, n)
	defer func() { t.path = t.path[:len(t.path)-1] }()
	var edges []diagnose.Edge
	for _, e := range t.report.Edges {
		if e.From == n {
			edges = append(edges, e)
		}
	}
	const few = 12
	hidden := 0
	if len(edges) > few {
		hidden = len(edges) - few
		edges = edges[:few]
	}
	client := ""
	leads := func(e diagnose.Edge) bool {
		p := t.report.Process(n)
		return p != nil && e.To == fmt.Sprintf("process:%d", p.Client)
	}
	if p := t.report.Process(n); p != nil && p.Client != 0 && !slices.ContainsFunc(edges, leads) && !slices.Contains(t.path, fmt.Sprintf("process:%d", p.Client)) {
		if c := t.report.Process(fmt.Sprintf("process:%d", p.Client)); c != nil {
			client = c.Title
			if p.Pairing != "" {
				client = probablyFor.Fill(fix.With{"client": client})
			}
		}
	}
	if client != "" {
		t.row(depth+1, false, "", forClient.Fill(fix.With{"client": client}))
	}
	for _, e := range edges {
		guessed := e.Certainty != diagnose.Certain && slices.Contains([]diagnose.EdgeKind{
			diagnose.EdgeGuess, diagnose.EdgePoll, diagnose.EdgeUnit, diagnose.EdgeLeft,
		}, e.Kind)
		t.draw(e.To, depth+1, guessed)
	}
	if hidden > 0 {
		t.row(depth+1, false, "", moreHidden.Fill(fix.With{"count": hidden}))
	}
}

func cutPath(name string) (dir, base string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// Dot draws the whole graph in the language of Graphviz.
func Dot(r *diagnose.Report) string {
	var b strings.Builder
	b.WriteString("digraph stuck {\n\trankdir=TB;\n\tnode [fontname=\"sans-serif\"];\n")
	roots := map[string]bool{}
	for _, d := range r.Diagnoses {
		roots[d.Root] = fix.Compare(d.Status, fix.OK) > 0
	}
	for _, p := range r.Processes {
		style := "shape=box"
		if roots[p.Node] {
			style += ", color=red, penwidth=2"
		}
		fmt.Fprintf(&b, "\t%s [%s, label=%s];\n", figure.Quote(p.Node), style, figure.Quote(p.Title+"\n"+p.Text))
	}
	for _, l := range r.Locks {
		fmt.Fprintf(&b, "\t%s [shape=ellipse, label=%s];\n", figure.Quote(l.Node), figure.Quote(say.ShortPath(l.Path)))
	}
	for _, e := range r.Edges {
		style := "solid"
		if e.Certainty != diagnose.Certain {
			style = "dotted"
		}
		fmt.Fprintf(&b, "\t%s -> %s [style=%s, "+
			"label=%s];\n", figure.Quote(e.From), figure.Quote(e.To), style, figure.Quote(string(e.Kind)))
	}
	b.WriteString("}\n")
	return b.String()
}
