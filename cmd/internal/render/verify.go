package render

import "strings"

// buildView is how far a build came.
type buildView struct{ *writer }

// show shows how far a build came, as a ladder.
func (v buildView) show(r Report) {
	l := r.Verify
	v.para(0, piece{}, "Building as "+l.Who())
	v.blank()
	v.figure(l.Figure())
	if len(l.Left) > 0 {
		v.blank()
		v.para(0, piece{text: "left", color: dim, width: 6}, strings.Join(l.Left, " "))
	}
	v.blank()
	verdict(v.writer, r)
	if worst := l.Worst(); worst != nil {
		for i, command := range worst.Next {
			label := ""
			if i == 0 {
				label = "next"
			}
			v.para(0, piece{text: label, color: dim, width: 6}, command)
		}
	}
}
