package render

import "strings"

// historyView is what was done on this host.
type historyView struct{ *writer }

// show shows what was done on this host, the oldest first.
func (v historyView) show(r Report) {
	undone := map[string]bool{}
	for _, p := range r.History {
		if p.Outcome == "finished" {
			undone[p.Undoes] = true
		}
	}
	var rows [][]string
	for _, p := range r.History {
		began := "-"
		if p.Began != nil {
			began = p.Began.UTC().Format("2006-01-02 15:04")
		}
		outcome := orDash(p.Outcome)
		switch {
		case p.Outcome == "finished" && p.Undoes != "":
			outcome = "took back " + tail(p.Undoes)
		case p.Outcome == "undoing" && p.Undoes != "":
			outcome = "taking back " + tail(p.Undoes) + ", unfinished"
		case p.Outcome == "undoing":
			outcome = "being taken back, unfinished"
		case p.Outcome == "finished" && undone[p.ID]:
			outcome = "taken back"
		}
		rows = append(rows, []string{p.ID, began, orDash(p.Fix), orDash(p.Version), outcome})
	}
	if len(rows) > 0 && !v.table(0, []string{"id", "began (UTC)", "fix", "by", "outcome"}, rows) {
		for _, row := range rows {
			v.line(0, piece{text: row[0], color: bold})
			v.para(2, piece{}, row[2]+", "+row[1]+" UTC, lixfix "+row[3]+": "+row[4])
		}
	}
	for _, id := range r.Pruned {
		v.line(0, piece{text: "removed", width: 9}, piece{text: id})
	}
	unread(v.writer, r.Problems)
	if len(rows) > 0 || len(r.Pruned) > 0 || len(r.Problems) > 0 {
		v.blank()
	}
	v.para(0, piece{}, r.Summary)
}

// setAside says which journal was moved out of the way, and what is not known any more.
func (v historyView) setAside(r Report) {
	const wide = len("kept as") + 2
	v.para(0, piece{text: "set aside", color: bold, width: len("set aside") + 2}, r.SetAside.ID)
	v.para(2, piece{text: "because", width: wide}, r.SetAside.Reason)
	v.line(2, piece{text: "kept as", width: wide}, piece{text: r.SetAside.File})
	v.bullets("Notes", r.Notes)
	v.blank()
}

// tail is the end of an ID, by which people tell it from others.
func tail(id string) string {
	return "…" + id[strings.LastIndexByte(id, '-')+1:]
}
