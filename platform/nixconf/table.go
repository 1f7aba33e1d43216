package nixconf

import (
	_ "embed" // for the settings
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed settings.txt
var settingsText string

// kind is how the words of a value are read.
type kind string

const (
	boolKind    kind = "bool"
	uintKind    kind = "uint"
	intKind     kind = "int"
	stringKind  kind = "string"
	listKind    kind = "list"    // words in their order
	setKind     kind = "set"     // words, each once, sorted
	mapKind     kind = "map"     // NAME=VALUE
	sandboxKind kind = "sandbox" // true, false or relaxed
	jobsKind    kind = "jobs"    // a number, or auto
	pathKind    kind = "path"    // absolute; Lix since 2.92 takes a relative one from the directory of the file
	aliasKind   kind = "alias"
	featureKind kind = "feature"
)

// appends reports whether extra-NAME adds to a setting of this kind.
func (k kind) appends() bool { return k == listKind || k == setKind || k == mapKind }

// entry is a line of settings.txt.
type entry struct {
	name     string
	kind     kind
	releases map[string][]span // by implementation
	feature  map[string]string // that it needs, by implementation
	of       string            // of an alias: the setting
	machine  bool              // the default is decided by the machine, or by who compiled it
	defaults []recorded
}

// recorded is a default as one version was seen to have it.
type recorded struct {
	release Release
	value   string
}

// entries are the lines of a name: it can have been a setting and become an alias. A check asks for a few of the 230, often,
// so that they are read one by one, and once.
func entries(name string) []entry {
	if list, ok := lines.Load(name); ok {
		return list.([]entry)
	}
	list := search(name)
	if list != nil { // others can write any number of names into a file
		lines.Store(name, list)
	}
	return list
}

// lines are the entries of settings that were asked for.
var lines sync.Map

func search(name string) []entry {
	if strings.ContainsAny(name, "\t\n") {
		return nil
	}
	var list []entry
	for text := settingsText; ; {
		at := strings.Index(text, "\n"+name+"\t")
		if at < 0 {
			return list
		}
		line, _, _ := strings.Cut(text[at+1:], "\n")
		list = append(list, parseEntry(line))
		text = text[at+1+len(line):]
	}
}

// parseEntry reads a line of settings.txt.
func parseEntry(line string) entry {
	f := strings.Split(line, "\t")
	e := entry{
		name: f[0], kind: kind(f[1]),
		releases: map[string][]span{Lix: spans(f[2]), Nix: spans(f[3]), Determinate: spans(f[4])},
		feature:  map[string]string{Lix: strings.Trim(f[5], "-"), Nix: strings.Trim(f[6], "-")},
	}
	e.feature[Determinate] = e.feature[Nix]
	switch {
	case e.kind == aliasKind:
		e.of = f[7]
	case f[7] == "machine":
		e.machine = true
	case f[7] != "":
		for one := range strings.SplitSeq(f[7], " | ") {
			name, rest, _ := strings.Cut(one, " ")
			version, quoted, _ := strings.Cut(rest, " ")
			value, err := strconv.Unquote(quoted)
			if err != nil {
				panic("settings.txt: " + line)
			}
			implementation := Nix
			if name == "lix" {
				implementation = Lix
			}
			e.defaults = append(e.defaults, recorded{Release{implementation, version}, value})
		}
	}
	return e
}

// known reports whether a release has what the line describes. Of a release that is not known, it may have it.
func (e *entry) known(r Release) bool {
	if r.Implementation == "" {
		return true
	}
	list := e.releases[r.Implementation]
	v := numbers(r.Version)
	if len(v) == 0 {
		return len(list) > 0
	}
	return slices.ContainsFunc(list, func(s span) bool { return s.has(v) })
}

// find returns the setting of a name, or of an alias, in a release.
func find(name string, r Release) (entry, bool) {
	for _, e := range entries(name) {
		switch {
		case e.kind == featureKind || !e.known(r):
		case e.kind == aliasKind:
			return find(e.of, r)
		default:
			return e, true
		}
	}
	return entry{}, false
}

// isFeature reports whether a release has an experimental feature.
func isFeature(name string, r Release) bool {
	return slices.ContainsFunc(entries(name), func(e entry) bool { return e.kind == featureKind && e.known(r) })
}

// gate returns the experimental feature without which a release ignores the setting, "" for none. CppNix looks at that
// since 2.16.
func (e *entry) gate(r Release) string {
	if r.Implementation == Nix && !r.AtLeast("2.16") {
		return ""
	}
	return e.feature[r.Implementation]
}

// defaultOf returns the default of a release, and of which release it was recorded. Between two versions that differ
// nobody knows when it changed; beyond the ends, the nearest counts, and the origin names it.
func (e *entry) defaultOf(r Release) (value string, of Release, ok bool) {
	list := e.defaults
	implementation := r.Implementation
	if implementation == Determinate {
		implementation = Nix
	}
	if implementation != "" {
		list = slices.DeleteFunc(slices.Clone(list), func(d recorded) bool { return d.release.Implementation != implementation })
	}
	if len(list) == 0 {
		return "", Release{}, false
	}
	v := numbers(r.Version)
	if r.Implementation == "" || r.Implementation == Determinate || len(v) == 0 {
		for _, d := range list {
			if d.value != list[0].value {
				return "", Release{}, false
			}
		}
		return list[0].value, r, true
	}
	v = v[:min(2, len(v))]
	below, above := -1, -1
	for i, d := range list { // in the order of their versions
		c := compare(numbers(d.release.Version), v)
		if c <= 0 {
			below = i
		}
		if c >= 0 && above < 0 {
			above = i
		}
	}
	switch {
	case below < 0:
		return list[above].value, list[above].release, true
	case above < 0:
		return list[below].value, list[below].release, true
	case list[below].value != list[above].value:
		return "", Release{}, false
	case below == above:
		return list[below].value, list[below].release, true
	}
	return list[below].value, Release{r.Implementation, short(r.Version)}, true
}

// short is a version without its last part: 2.95 of 2.95.1.
func short(version string) string {
	n := numbers(version)
	if len(n) < 2 {
		return version
	}
	return strconv.Itoa(n[0]) + "." + strconv.Itoa(n[1])
}
