package installation

import (
	"context"
	"fmt"
	"strings"

	"github.com/lixfix/lixfix/platform/nixconf"
)

// Field is one fact, as it is shown.
type Field struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`   // for people; "" also where there is none
	From    string `json:"from,omitempty"`    // where it was read
	Unknown string `json:"unknown,omitempty"` // why it is not known
	Root    bool   `json:"needs_root,omitempty"`
}

// Page is all that is known of an installation.
type Page struct {
	Summary  string    `json:"summary"` // Line
	Present  *bool     `json:"present"` // nil where it is not known
	Fields   []Field   `json:"fields,omitempty"`
	Settings []Setting `json:"settings,omitempty"`
	Broken   string    `json:"broken,omitempty"`  // why no Nix starts with the configuration
	Unread   []string  `json:"unread,omitempty"`  // files that can say more
	Ignored  []string  `json:"ignored,omitempty"` // lines that do nothing
}

// Setting is one that a file sets, or that decides who builds, where and with what.
type Setting struct {
	Name    string   `json:"name"`
	Value   *string  `json:"value"` // nil where it is not known; "(set)" for a secret
	From    []string `json:"from,omitempty"`
	Unknown string   `json:"unknown,omitempty"`
	Unless  []string `json:"unless,omitempty"` // files that only root can read, and that can say something else
}

func setting(e nixconf.Effective) Setting {
	s := Setting{Name: e.Name, Unknown: e.Unknown, Unless: e.Unless}
	if e.Known() {
		text := e.Shown()
		s.Value = &text
	}
	for _, o := range e.Origins {
		s.From = append(s.From, o.String())
	}
	return s
}

// Brief is what was found in one line, without the facts behind it.
func (f *Found) Brief() Page {
	p := Page{Summary: f.Line()}
	if f.Present.Known() {
		present := f.Present.Value
		p.Present = &present
	}
	return p
}

// show makes a field of a fact.
func show[T any](name string, f Fact[T], text func(T) string) Field {
	if !f.Known() {
		return Field{Name: name, Unknown: f.Unknown, Root: f.Root}
	}
	return Field{Name: name, Value: text(f.Value), From: f.From}
}

func same(s string) string { return s }

// matters are the settings that are shown though nothing sets them: those that decide who builds, where and with what.
var matters = []string{
	"allowed-users", "auto-allocate-uids", "build-users-group", "builders", "experimental-features", "max-jobs", "netrc-file",
	"pasta-path", "post-build-hook", "pre-build-hook", "sandbox", "sandbox-fallback", "sandbox-paths", "store", "substituters",
	"trusted-users", "use-cgroups",
}

// Page returns all that is known, for people and for programs.
func (in *Installation) Page(ctx context.Context) Page {
	f := in.Found(ctx)
	p := f.Brief()
	yes := func(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }
	p.Fields = []Field{
		show("present", f.Present, yes),
		show("release", f.Release, nixconf.Release.String),
		show("installer", f.Installer, same),
		show("manager", f.Manager, same),
		show("mode", f.Mode, func(m Mode) string { return string(m) }),
		show("programs", f.Programs, paths),
		show("profile", f.Profile, same),
		show("store", f.Store, same),
		show("state", f.State, same),
		show("daemon", f.Daemon, (*Daemon).String),
		show("socket", f.Socket, same),
	}
	if f.Mode.Value == SingleUser {
		p.Fields = append(p.Fields, show("owner", f.Owner, Owner.String))
	}
	if len(f.Leftovers) > 0 {
		p.Fields = append(p.Fields, Field{Name: "leftovers", Value: strings.Join(f.Leftovers, ", "), From: "they are there"})
	}
	if !f.Present.Known() || !f.Present.Value {
		return p
	}
	p.Fields = append(p.Fields, in.configuration(ctx, &p), show("build-users", in.Builders(ctx), Group.String))
	return p
}

// configuration adds the settings to the page, and returns the field that names their files.
func (in *Installation) configuration(ctx context.Context, p *Page) Field {
	c := in.Config(ctx)
	shown := map[string]bool{}
	for _, e := range c.All() {
		shown[e.Name] = true
		p.Settings = append(p.Settings, setting(e))
	}
	for _, name := range matters {
		if e := c.Get(name); e.Exists && !shown[e.Name] {
			p.Settings = append(p.Settings, setting(e))
		}
	}
	for i := range c.Gaps {
		p.Unread = append(p.Unread, c.Gaps[i].String())
	}
	for i := range c.Unseen {
		p.Unread = append(p.Unread, c.Unseen[i].String())
	}
	for _, w := range c.Ignored {
		p.Ignored = append(p.Ignored, w.String()+": "+w.Message)
	}
	if c.Err != nil {
		p.Broken = c.Err.Error()
	}
	field := Field{Name: "configuration", Value: strings.Join(c.Files, ", "), From: "read as " + c.Release.String() + " does"}
	if len(c.Gaps) > 0 {
		field.Unknown = c.Gaps[0].String()
	}
	return field
}

// paths are programs and where they really are.
func paths(list []Program) string {
	var words []string
	for _, p := range list {
		word := p.Path
		if p.Real != "" && p.Real != p.Path {
			word += " -> " + p.Real
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// String names the files, and the program that they start.
func (d *Daemon) String() string {
	if d == nil {
		return ""
	}
	text := d.Kind + ": " + strings.Join(d.Files, ", ")
	switch {
	case d.Release.Implementation != "":
		text += " (" + d.Release.String() + ")"
	case d.Program != "":
		text += " (" + d.Program + ")"
	}
	return text
}

func (o Owner) String() string {
	if o.Name == "" {
		return fmt.Sprintf("user %d", o.UID)
	}
	return fmt.Sprintf("%s (%d)", o.Name, o.UID)
}

func (g Group) String() string {
	switch {
	case g.Name == "":
		return "nobody: builds run as whoever asked for them"
	case g.GID < 0:
		return "members of " + g.Name + ", which does not exist"
	}
	text := fmt.Sprintf("%d members of %s (%d)", len(g.Users), g.Name, g.GID)
	if len(g.Lost) > 0 {
		text += ", without an account: " + strings.Join(g.Lost, ", ")
	}
	return text
}
