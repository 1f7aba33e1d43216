package render

import "strings"

// Built shows how far a build came, as a ladder.
func (t *Text) Built(r Report) {
	l := r.Verify
	t.para(0, piece{}, "Building as "+l.Who())
	t.blank()
	t.figure(l.Figure())
	if len(l.Left) > 0 {
		t.blank()
		t.para(0, piece{text: "left", color: dim, width: 6}, strings.Join(l.Left, " "))
	}
	t.blank()
	t.Verdict(r)
	if worst := l.Worst(); worst != nil {
		for i, command := range worst.Next {
			label := ""
			if i == 0 {
				label = "next"
			}
			t.para(0, piece{text: label, color: dim, width: 6}, command)
		}
	}
}
