package nixconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// Dir is where nix.conf is, unless NIX_CONF_DIR names another directory.
const Dir = "/etc/nix"

// Sources are what one Nix process reads its configuration from. The zero value is that of an ordinary user's, who has
// no files of their own.
//
// Three things differ between the processes of one host, and so the caller has to say whose configuration is asked for:
// the variables of its environment, the home of whom it runs as, and whether that is root. The daemon's variables stand
// in its unit or its job. Variables of lixfix itself tell nothing of the daemon, and are nobody's here.
type Sources struct {
	Dir    string   // NIX_CONF_DIR; "" for /etc/nix
	User   []string // files read after nix.conf, in that order: the last one wins
	Inline string   // NIX_CONFIG, read last
	Home   string   // of whom Nix runs as; Lix reads ~/ in names of included files
	Remote string   // NIX_REMOTE
	Unread []Gap    // what could set these variables, and could not be read
	Root   bool     // Nix runs as root
	OS     string   // platform.Linux or platform.Darwin
}

// UserFiles returns the files that Nix reads after nix.conf for somebody with that home, the most important last
// (getUserConfigFiles of Nix). env has the variables of the process; nil for none.
func UserFiles(home string, env map[string]string) []string {
	if list, ok := env["NIX_USER_CONF_FILES"]; ok {
		files := slices.DeleteFunc(strings.Split(list, ":"), func(s string) bool { return s == "" })
		slices.Reverse(files)
		return files
	}
	dirs := []string{env["XDG_CONFIG_HOME"]}
	if dirs[0] == "" {
		dirs[0] = path.Join(home, ".config")
	}
	more := env["XDG_CONFIG_DIRS"]
	if more == "" {
		more = "/etc/xdg"
	}
	dirs = append(dirs, strings.Split(more, ":")...)
	var files []string
	for _, dir := range slices.Backward(dirs) {
		if path.IsAbs(dir) {
			files = append(files, path.Join(dir, "nix/nix.conf"))
		}
	}
	return files
}

// Config is a configuration as a release reads it.
type Config struct {
	Release Release
	Files   []string  // that were read, in that order
	Gaps    []Gap     // files that could not be read: what they set is not known
	Unseen  []Gap     // files of the user that Nix runs as, which lixfix may not read; they can overrule a value
	Err     *Error    // why no Nix starts with it; nil where it does
	Ignored []Warning // lines that do nothing

	sources  Sources
	lines    []statement
	features []string
	unsure   bool // features are not known
}

// Warning is a line that Nix passes over.
type Warning struct {
	Origin
	Message string // as Nix prints it
}

// Load reads the configuration of a release. It does not fail: what could not be read makes the settings unknown that
// it could change.
func Load(ctx context.Context, v platform.View, s Sources, release Release) *Config {
	if s.Dir == "" {
		s.Dir = Dir
	}
	r := &reader{view: v, release: release, home: s.Home}
	c := &Config{Release: release, sources: s}
	r.file(ctx, path.Join(s.Dir, "nix.conf"), Origin{})
	for _, name := range s.User {
		if r.err != nil {
			break
		}
		before := len(r.gaps)
		r.file(ctx, name, Origin{})
		// Of the others, root alone knows whether they have such a file.
		if len(r.gaps) > before && r.gaps[before].From.File == "" && errors.Is(r.gaps[before].Err, fs.ErrPermission) {
			c.Unseen = append(c.Unseen, r.gaps[before])
			r.gaps = r.gaps[:before]
		}
	}
	if r.err == nil {
		r.text(ctx, s.Inline, variable)
	}
	// What can name another nix.conf, and holds NIX_CONFIG, says more than all that was read.
	for _, g := range s.Unread {
		g.at = len(r.lines)
		r.gaps = append(r.gaps, g)
	}
	c.Files, c.Gaps, c.lines, c.Err = r.files, r.gaps, r.lines, r.err
	c.judge()
	return c
}

// judge finds the lines that do nothing, and those that no Nix starts with.
func (c *Config) judge() {
	features := c.raw("experimental-features")
	c.unsure = features.Unknown != ""
	for _, f := range features.Words {
		if isFeature(f, c.Release) {
			c.features = append(c.features, f)
			continue
		}
		c.Ignored = append(c.Ignored, Warning{last(features.Origins), "unknown experimental feature '" + f + "'"})
	}
	for _, l := range c.lines {
		e, _, ok := c.named(l.name)
		if !ok {
			c.Ignored = append(c.Ignored, Warning{l.Origin, "unknown setting '" + l.name + "'"})
			continue
		}
		if gate := e.gate(c.Release); gate != "" && !c.unsure && !slices.Contains(c.features, gate) {
			c.Ignored = append(c.Ignored, Warning{l.Origin, fmt.Sprintf(
				"Ignoring setting '%s' because experimental feature '%s' is not enabled", e.name, gate)})
			continue
		}
		if message := e.refuses(strings.Join(l.words, " "), c.Release); message != "" {
			// Releases that read all before they set anything end with what they cannot read.
			if c.Err == nil || c.setsAtOnce() {
				c.Err = &Error{Origin: l.Origin, Message: message}
			}
			return
		}
	}
}

// setsAtOnce reports whether a release sets each line as it reads it, so that the first mistake counts of whatever
// kind.
func (c *Config) setsAtOnce() bool {
	return c.Release.Implementation == Nix && c.Release.Before("2.16")
}

func last(list []Origin) Origin {
	if len(list) == 0 {
		return Origin{}
	}
	return list[len(list)-1]
}

// named returns the setting that a line is about, and whether it adds to it.
func (c *Config) named(name string) (e entry, adds, ok bool) {
	if e, ok = find(name, c.Release); ok {
		return e, false, true
	}
	if rest, extra := strings.CutPrefix(name, "extra-"); extra {
		e, ok = find(rest, c.Release)
		return e, true, ok && e.kind.appends()
	}
	return entry{}, false, false
}

// Effective is what a setting is.
type Effective struct {
	Name string
	// Exists is whether this release has the setting. All below is empty where it has not.
	Exists bool
	// Text is the value as "nix config show" prints it, and Words are those of a list, a set or a map.
	Text  string
	Words []string
	// Given are the words of the lines where the value is not known: what was compiled in comes on top of them, or a file
	// that could not be read may take them back.
	Given []string
	// Origins say where it stands: one line or a default, and a line more for each extra-NAME that adds to it.
	Origins []Origin
	// Unknown says why the value is not known; Text is then empty. Known returns the same.
	Unknown string
	// Unless are files that only others can read, and that can say something else.
	Unless []string
}

// Known reports whether the value is known.
func (e *Effective) Known() bool { return e.Exists && e.Unknown == "" }

// Set reports whether a file sets it.
func (e *Effective) Set() bool {
	return slices.ContainsFunc(e.Origins, func(o Origin) bool { return o.File != "" })
}

// secret are the settings whose values are not to be shown.
var secret = []string{"access-tokens", "impure-env"}

// Shown is the value for people: "(set)" for one that is a secret.
func (e *Effective) Shown() string {
	if slices.Contains(secret, e.Name) && e.Text != "" {
		return "(set)"
	}
	return e.Text
}

// Get returns a setting. A name that is an alias returns the setting that it stands for.
func (c *Config) Get(name string) Effective {
	out := c.raw(name)
	e, ok := find(name, c.Release)
	if !ok {
		return out
	}
	if gate := e.gate(c.Release); gate != "" && out.Set() {
		switch {
		case slices.Contains(c.features, gate):
		case c.unsure:
			out.Unknown = "it needs the experimental feature " + gate + ", and " + c.gapText()
		default:
			out = c.unset(e) // ignored, with a warning
		}
	}
	for _, g := range c.Unseen {
		out.Unless = append(out.Unless, g.File)
	}
	if c.Err != nil {
		out.Unknown = "no Nix starts with this configuration: " + c.Err.Error()
	}
	if out.Unknown != "" {
		out.Text, out.Words, out.Given = "", nil, out.Words
	} else if e.kind == setKind && name == "experimental-features" {
		out.Words = slices.DeleteFunc(out.Words, func(f string) bool { return !isFeature(f, c.Release) })
		out.Text = strings.Join(out.Words, " ")
	}
	return out
}

// All returns every setting that the configuration sets, by name.
func (c *Config) All() []Effective {
	var names []string
	for _, l := range c.lines {
		if e, _, ok := c.named(l.name); ok {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	var list []Effective
	for _, name := range slices.Compact(names) {
		list = append(list, c.Get(name))
	}
	return list
}

func (c *Config) gapText() string {
	if len(c.Gaps) == 0 {
		return "that is not known"
	}
	return "not all of the configuration could be read: " + c.Gaps[len(c.Gaps)-1].String()
}

// raw is the value as the lines have it, of whatever feature it needs.
func (c *Config) raw(name string) Effective {
	e, ok := find(name, c.Release)
	if !ok {
		return Effective{Name: name}
	}
	out := c.unset(e)
	plain := -1 // the line that sets it, whatever stands before
	for i, l := range c.lines {
		set, adds, ok := c.named(l.name)
		if !ok || set.name != e.name {
			continue
		}
		if !adds {
			out = Effective{Name: e.name, Exists: true}
			plain = i
		}
		out.Origins = append(out.Origins, l.Origin)
		if e.kind.appends() {
			out.Words = e.words(out.Words, l.words)
			out.Text = strings.Join(out.Words, " ")
			continue
		}
		out.Text = e.normal(strings.Join(l.words, " "), path.Dir(l.File), c.Release)
	}
	// A file that could not be read counts from where it is read: what is set behind it is as it stands there.
	for i := range c.Gaps {
		if c.Gaps[i].at > plain {
			out.Unknown = c.gapText()
		}
	}
	return out
}

// unset is a setting that no line sets.
func (c *Config) unset(e entry) Effective {
	out := Effective{Name: e.name, Exists: true}
	value, of, ok := e.defaultOf(c.Release)
	switch e.name {
	case "build-users-group":
		if !c.sources.Root {
			value = ""
		}
	case "netrc-file":
		value = path.Join(c.sources.Dir, "netrc")
	case "builders":
		value = "@" + path.Join(c.sources.Dir, "machines")
	case "store":
		if c.sources.Remote != "" {
			value = c.sources.Remote
		}
	case "sandbox":
		if c.sources.OS == platform.Darwin {
			value = "false"
		}
	}
	switch {
	case e.machine:
		out.Unknown = "the machine decides it, or who compiled " + c.Release.String()
	case !ok:
		out.Unknown = "lixfix does not know the default of " + c.Release.String()
	default:
		out.Text = value
		out.Origins = []Origin{{Default: of.String()}}
		if e.kind.appends() {
			out.Words = e.words(nil, strings.Fields(value))
			out.Text = strings.Join(out.Words, " ")
		}
	}
	return out
}

// words adds words to those of a list, a set or a map.
func (e *entry) words(to, more []string) []string {
	switch e.kind {
	case setKind:
		to = append(slices.Clone(to), more...)
		slices.Sort(to)
		return slices.Compact(to)
	case mapKind:
		to = slices.Clone(to)
		for _, word := range more {
			name, _, pair := strings.Cut(word, "=")
			// The first one of a name stays, and what is no pair is left out.
			if pair && !slices.ContainsFunc(to, func(w string) bool { return strings.HasPrefix(w, name+"=") }) {
				to = append(to, word)
			}
		}
		slices.Sort(to)
		return to
	}
	return append(slices.Clone(to), more...)
}

// normal is a value of one word as Nix prints it.
func (e *entry) normal(value, dir string, r Release) string {
	switch e.kind {
	case boolKind:
		return strconv.FormatBool(slices.Contains([]string{"true", "yes", "1"}, value))
	case uintKind, intKind, jobsKind:
		digits, factor := e.unit(value, r)
		if n, err := strconv.ParseUint(strings.TrimPrefix(digits, "+"), 10, 64); err == nil {
			return strconv.FormatUint(n*factor, 10)
		}
	case pathKind:
		if value == "" {
			return ""
		}
		if !path.IsAbs(value) && r.Implementation == Lix && r.AtLeast("2.92") {
			return path.Join(dir, value)
		}
		return path.Clean(value)
	}
	return value
}

// unit cuts K, M, G or T off a number. CppNix reads them since some version between 2.8 and 2.26, Lix does not.
func (e *entry) unit(value string, r Release) (digits string, factor uint64) {
	units := map[byte]uint64{'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40}
	if value == "" || e.kind == jobsKind || r.Implementation == Lix || r.Implementation == Nix && r.Version != "" && !r.AtLeast("2.9") {
		return value, 1
	}
	if f := units[value[len(value)-1]&^0x20]; f != 0 {
		return value[:len(value)-1], f
	}
	return value, 1
}

// refuses returns what Nix says to a value that it ends with, "" for any other.
func (e *entry) refuses(value string, r Release) string {
	switch e.kind {
	case boolKind:
		if !slices.Contains([]string{"true", "yes", "1", "false", "no", "0"}, value) {
			return fmt.Sprintf("Boolean setting '%s' has invalid value '%s'", e.name, value)
		}
	case sandboxKind:
		if !slices.Contains([]string{"true", "false", "relaxed"}, value) {
			return fmt.Sprintf("option '%s' has invalid value '%s'", e.name, value)
		}
	case jobsKind:
		if _, err := strconv.ParseUint(strings.TrimPrefix(value, "+"), 10, 32); err != nil && value != "auto" {
			return fmt.Sprintf("configuration setting '%s' should be 'auto' or an integer", e.name)
		}
	case uintKind, intKind:
		digits, _ := e.unit(value, r)
		digits = strings.TrimPrefix(digits, "+")
		var err error
		if e.kind == intKind {
			_, err = strconv.ParseInt(digits, 10, 64)
		} else {
			_, err = strconv.ParseUint(digits, 10, 64)
		}
		if err != nil {
			return fmt.Sprintf("setting '%s' has invalid value '%s'", e.name, value)
		}
	case pathKind:
		if value != "" && !path.IsAbs(value) && (r.Implementation != Lix || r.Before("2.92")) {
			return fmt.Sprintf("not an absolute path: '%s'", value)
		}
	case stringKind:
		strict := r.Implementation == Determinate || r.Implementation == Nix && r.AtLeast("2.34")
		if strict && slices.Contains([]string{"ssl-cert-file", "netrc-file"}, e.name) && !path.IsAbs(value) {
			return `not an absolute path: "` + value + `"`
		}
	}
	return ""
}
