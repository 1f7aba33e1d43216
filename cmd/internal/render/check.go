package render

// checkView is the page of "lixfix check".
type checkView struct{ *writer }

// show shows the whole of "lixfix check".
func (v checkView) show(r Report) {
	if r.Installation != nil && !v.Quiet && !v.Named {
		v.para(0, piece{}, r.Installation.Summary)
		v.blank()
	}
	v.waiting(r)
	findingsView(v).show(r.Fixes)
	unread(v.writer, r.Problems)
	if r.Moved != "" {
		v.blank()
		v.para(0, piece{}, r.Moved)
	}
	v.blank()
	verdict(v.writer, r)
}

// waiting tells of unfinished repairs.
func (v checkView) waiting(r Report) {
	const wide = len("unfinished") + 2
	way := func(what, command string) {
		v.line(2, piece{text: what, width: 14}, piece{text: command, color: bold})
	}
	for _, w := range r.Waiting {
		label, text := piece{text: "unfinished", color: red, width: wide}, w.ID+" (or another lixfix is at work on it)"
		if w.Undo {
			text = w.ID + ": it was being taken back (or another lixfix is at work on it)"
		}
		if w.Trouble != "" {
			label.text, text = "unusable", w.ID+": "+w.Trouble
		}
		v.para(0, label, text)
		switch {
		case w.Trouble != "":
			way("move it away", w.Next)
		case w.Undo:
			way("go on", "sudo lixfix undo")
		default:
			way("finish it", "sudo lixfix resume")
			way("take it back", "sudo lixfix undo")
		}
	}
	if len(r.Waiting) > 0 {
		v.blank()
	}
}
