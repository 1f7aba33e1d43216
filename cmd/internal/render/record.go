package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// recordView is about a host in a file.
type recordView struct{ *writer }

// recorded is the first line of every page about a host in a file; nothing for one that is none.
func (v recordView) recorded(r *Recorded) {
	if r == nil {
		return
	}
	v.para(0, piece{text: "recorded", color: yellow, width: len("recorded") + 2},
		fmt.Sprintf("This is not this machine: it is a host as it was on %s, recorded by lixfix %s.", r.When(), r.Lixfix))
	v.blank()
	if r.File != "" {
		v.on = " --host " + platform.Quote(r.File)
	}
}

// what is asked, as people call it, in the order in which it is listed.
var what = []struct {
	asks  []string
	one   string
	other string
}{
	{[]string{"read", "small read", "owned"}, "file read", "files read"},
	{[]string{"query"}, "tool called", "tools called"},
	{[]string{"ask"}, "question to a name server", "questions to name servers"},
	{[]string{"greet"}, "greeting of the daemon", "greetings of the daemon"},
	{[]string{"list", "names", "owned names", "some names"}, "directory listed", "directories listed"},
	{[]string{"stat", "small stat", "link", "trusted", "guarded", "locked", "free"}, "file looked at", "files looked at"},
}

func counted(n int, one, other string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, other)
}

// show tells what is in a record that was made.
func (v recordView) show(r Report) {
	rec := r.Record
	var parts []string
	for _, w := range what {
		n := 0
		for _, ask := range w.asks {
			n += rec.Questions[ask]
		}
		if n > 0 {
			parts = append(parts, counted(n, w.one, w.other))
		}
	}
	label := func(name, text string) { v.para(0, piece{text: name, width: 12}, text) }
	label("in it", strings.Join(parts, ", "))
	var gone []string
	for name := range rec.Replaced {
		gone = append(gone, name)
	}
	slices.Sort(gone)
	for i, name := range gone {
		gone[i] = fmt.Sprintf("%s %d×", name, rec.Replaced[name])
	}
	switch {
	case len(gone) == 0:
		label("replaced", "nothing")
	default:
		label("replaced", strings.Join(gone, ", "))
	}
	if rec.Names {
		label("kept", "names of people and machines, because of --keep-names; only secrets were taken out")
	}
	for _, u := range rec.Unseen {
		label("not seen", u)
	}
	for _, f := range r.Fixes {
		label(f.Name, string(f.Status)+" here, and the same in the record")
	}
	for _, d := range rec.Differs {
		v.para(0, piece{text: "differs", color: yellow, width: 12}, d)
	}
	v.blank()
	v.para(0, piece{}, r.Summary)
	v.line(2, piece{text: "look at it", width: 14}, piece{text: "tar -xzf " + rec.File + " && less lixfix-record/manifest.json", color: bold})
	v.line(2, piece{text: "send it", width: 14}, piece{text: "attach it to https://github.com/lixfix/lixfix/issues/new", color: bold})
}
