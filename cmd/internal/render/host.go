package render

import (
	"strings"

	"github.com/lixfix/lixfix/platform/installation"
)

// Host shows what Nix is on the host, each fact with where it was read.
func (t *Text) Host(r Report) {
	t.Summary(r)
	p := r.Installation
	t.blank()
	t.para(0, piece{}, p.Summary)
	t.blank()
	wide := 0
	for _, f := range p.Fields {
		wide = max(wide, len(f.Name)+2)
	}
	for _, f := range p.Fields {
		t.fact(wide, f)
	}
	if len(p.Settings) > 0 {
		t.blank()
		t.para(0, piece{}, "Settings of the process that writes to the store:")
	}
	for _, s := range p.Settings {
		t.setting(s)
	}
	t.labelled("broken", red, p.Broken)
	t.labelled("not read", yellow, p.Unread...)
	t.labelled("ignored", yellow, p.Ignored...)
}

func (t *Text) labelled(label string, c color, all ...string) {
	for i, text := range all {
		if text == "" {
			continue
		}
		if i == 0 {
			t.blank()
		}
		t.para(0, piece{text: label, color: c, width: len("not read") + 2}, text)
	}
}

// fact shows a value, and below it its origin.
func (t *Text) fact(wide int, f installation.Field) {
	label := piece{text: f.Name, width: wide}
	below := piece{width: wide}
	if f.Unknown != "" {
		why := f.Unknown
		if f.Root {
			why += " (root can tell)"
		}
		t.colored(0, label, yellow, "not known")
		t.para(0, below, why)
		return
	}
	value := f.Value
	if value == "" {
		value = "none"
	}
	t.para(0, label, value)
	t.colored(0, below, dim, f.From)
}

// setting shows a value as nix.conf has it, and below it its origin.
func (t *Text) setting(s installation.Setting) {
	if s.Value == nil {
		t.para(2, piece{}, s.Name+" is not known: "+s.Unknown)
		return
	}
	t.para(2, piece{}, strings.TrimRight(s.Name+" = "+*s.Value, " "))
	from := strings.Join(s.From, ", ")
	if len(s.Unless) > 0 {
		from += ", unless " + strings.Join(s.Unless, " or ") + " says otherwise"
	}
	t.colored(4, piece{}, dim, from)
}
