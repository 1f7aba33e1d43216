package render

import (
	"strings"

	"github.com/lixfix/lixfix/platform/installation"
)

// hostView is what Nix is on the host.
type hostView struct{ *writer }

// show shows what Nix is on the host, each fact with where it was read.
func (v hostView) show(r Report) {
	v.para(0, piece{}, r.Summary)
	p := r.Installation
	v.blank()
	v.para(0, piece{}, p.Summary)
	v.blank()
	wide := 0
	for _, f := range p.Fields {
		wide = max(wide, len(f.Name)+2)
	}
	for _, f := range p.Fields {
		v.fact(wide, f)
	}
	if len(p.Settings) > 0 {
		v.blank()
		v.para(0, piece{}, "Settings of the process that writes to the store:")
	}
	for _, s := range p.Settings {
		v.setting(s)
	}
	v.labelled("broken", red, p.Broken)
	v.labelled("not read", yellow, p.Unread...)
	v.labelled("ignored", yellow, p.Ignored...)
}

func (v hostView) labelled(label string, c color, all ...string) {
	for i, text := range all {
		if text == "" {
			continue
		}
		if i == 0 {
			v.blank()
		}
		v.para(0, piece{text: label, color: c, width: len("not read") + 2}, text)
	}
}

// fact shows a value, and below it its origin.
func (v hostView) fact(wide int, f installation.Field) {
	label := piece{text: f.Name, width: wide}
	below := piece{width: wide}
	if f.Unknown != "" {
		why := f.Unknown
		if f.Root {
			why += " (root can tell)"
		}
		v.colored(0, label, yellow, "not known")
		v.para(0, below, why)
		return
	}
	value := f.Value
	if value == "" {
		value = "none"
	}
	v.para(0, label, value)
	v.colored(0, below, dim, f.From)
}

// setting shows a value as nix.conf has it, and below it its origin.
func (v hostView) setting(s installation.Setting) {
	if s.Value == nil {
		v.para(2, piece{}, s.Name+" is not known: "+s.Unknown)
		return
	}
	v.para(2, piece{}, strings.TrimRight(s.Name+" = "+*s.Value, " "))
	from := strings.Join(s.From, ", ")
	if len(s.Unless) > 0 {
		from += ", unless " + strings.Join(s.Unless, " or ") + " says otherwise"
	}
	v.colored(4, piece{}, dim, from)
}
