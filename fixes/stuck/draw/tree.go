package draw

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/say"
)

const width = 80 // characters of a line

// Tree draws a diagnosis: one line for each process and lock from the user's command down to what everything waits
// for, which is marked. Lines are 80 characters wide at most.
func Tree(r *diagnose.Report, d diagnose.Diagnosis) []string {
	t := &tree{report: r, root: d.Root, shown: map[string]bool{}}
	if d.Subject != "" {
		t.draw(d.Subject, "", "", "")
	}
	return t.lines
}

type tree struct {
	report *diagnose.Report
	root   string
	shown  map[string]bool
	path   []string
	lines  []string
}

const maxLines = 200 // of one tree

func (t *tree) line(left, right string) {
	if right == "" {
		t.lines = append(t.lines, say.Middle(left, width))
		return
	}
	room := width - diagnose.Column - 1
	if short := utf8.RuneCountInString(right); short < diagnose.Column {
		room = width - short - 1
	}
	left = say.Middle(left, room)
	pad := max(1, width-diagnose.Column-utf8.RuneCountInString(left))
	if utf8.RuneCountInString(left)+pad+utf8.RuneCountInString(right) > width {
		pad = 1
	}
	t.lines = append(t.lines, left+strings.Repeat(" ", pad)+say.Clip(right, diagnose.Column))
}

func (t *tree) draw(n, first, rest, suffix string) {
	if len(t.lines) >= maxLines {
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
		t.line(first+"(back to "+title+")", "")
		return
	}
	mark := ""
	if n == t.root {
		mark = "► "
		if len(t.path) == 0 {
			mark = ""
		}
	}
	t.line(first+mark+title+suffix, text)
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
				client = "probably " + client
			}
		}
	}
	if client != "" {
		branch := "├─ "
		if len(edges) == 0 {
			branch = "└─ "
		}
		t.line(rest+branch+"for "+client, "")
	}
	for i, e := range edges {
		branch, deeper := "├─ ", "│  "
		if i == len(edges)-1 && hidden == 0 {
			branch, deeper = "└─ ", "   "
		}
		suffix := ""
		if e.Certainty != diagnose.Certain && slices.Contains([]diagnose.EdgeKind{diagnose.EdgeGuess, diagnose.EdgePoll, diagnose.EdgeUnit, diagnose.EdgeLeft}, e.Kind) {
			branch = strings.ReplaceAll(branch, "─", "┄")
			suffix = " (probably)"
		}
		t.draw(e.To, rest+branch, rest+deeper, suffix)
	}
	if hidden > 0 {
		t.line(fmt.Sprintf("%s└─ and %d more", rest, hidden), "")
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
		fmt.Fprintf(&b, "\t%s [%s, label=%s];\n", quote(p.Node), style, quote(p.Title+"\n"+p.Text))
	}
	for _, l := range r.Locks {
		fmt.Fprintf(&b, "\t%s [shape=ellipse, label=%s];\n", quote(l.Node), quote(say.ShortPath(l.Path)))
	}
	for _, e := range r.Edges {
		style := "solid"
		if e.Certainty != diagnose.Certain {
			style = "dotted"
		}
		fmt.Fprintf(&b, "\t%s -> %s [style=%s, "+
			"label=%s];\n", quote(e.From), quote(e.To), style, quote(string(e.Kind)))
	}
	b.WriteString("}\n")
	return b.String()
}

// quote writes a string of the dot language, in which only the quotation mark and the backslash are special.
func quote(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' || c == 0x7f {
			return '?'
		}
		return c
	}, s)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
