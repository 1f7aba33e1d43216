package redact

import (
	"fmt"
	"strings"
)

// Names knows the people and machines of a host, and gives each a pseudonym that is the same throughout one report.
type Names struct {
	table     *table
	users     *users
	machines  *machines
	addresses addresses
	secrets   *cutter
	skip      string // a rule that is left out, for tests
}

// NewNames returns a Names that knows nobody yet.
func NewNames() *Names {
	t := newTable()
	return &Names{
		table: t, users: &users{table: t, homes: map[string]string{}, series: map[string]bool{}}, machines: &machines{table: t},
		addresses: addresses{t}, secrets: &cutter{seen: map[string]bool{}},
	}
}

// Person makes the name of a user known.
func (n *Names) Person(name string) { n.table.add(name, person) }

// Home makes the directory of a person known.
func (n *Names) Home(dir, name string) { n.users.home(dir, name) }

// Host makes the name of this machine known: in full and in short, and the domain that it is in.
func (n *Names) Host(name string) { n.machines.this(name) }

// Domain makes a domain known.
func (n *Names) Domain(name string) { n.machines.domain(name) }

// Machine makes the name of another machine known, or another name of this one.
func (n *Names) Machine(name string) { n.machines.machine(name) }

// Learn reads names from a text that says of them what they are, so that they are also found where it does not.
func (n *Names) Learn(texts ...string) {
	for _, s := range texts {
		s = n.secrets.of(strings.ToValidUTF8(s, "\uFFFD"), false)
		n.allOf(s, true)
	}
}

// Text returns a text without secrets and names. It is valid UTF-8. Text of the result is the result.
func (n *Names) Text(s string) string {
	s = n.secrets.swept(n.secrets.of(strings.ToValidUTF8(s, "\uFFFD"), false))
	return n.all(n.secrets.encoded(s, n.all))
}

// all applies all rules for names.
func (n *Names) all(s string) string { return n.allOf(s, false) }

// allOf applies all rules for names, or only those that learn some.
func (n *Names) allOf(s string, learn bool) string {
	if s == "" {
		return s
	}
	m := hinted(s)
	for i := range nameRules {
		r := &nameRules[i]
		if !m.has(nameBits+i) || learn && !r.learns || r.name == n.skip || r.may != nil && !r.may(s) || r.known != nil && !r.known(n, s) {
			continue
		}
		t := ""
		if r.apply != nil {
			t = r.apply(n, s)
		} else {
			t = replace(r.find, s, func(m []string, _, _ string) string { return r.with(n, m) })
		}
		if !learn && t != s {
			s = t
			m = hinted(s)
		}
	}
	return s
}

// Setting returns the value of a setting of Nix without secrets and names. Where it is made of nothing else, only how
// many there are is told.
func (n *Names) Setting(name, value string) string {
	words := len(strings.Fields(value))
	count := func(what string, k int) string {
		if k != 1 {
			what += "s"
		}
		return fmt.Sprintf("[%d %s]", k, what)
	}
	switch name {
	case "builders":
		machines := 0
		for m := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ';' || c == '\n' }) {
			if strings.TrimSpace(m) != "" {
				machines++
			}
		}
		switch {
		case strings.HasPrefix(value, "@"):
			return "[a file]"
		case machines == 0:
			return ""
		}
		return count("machine", machines)
	case "allowed-users", "trusted-users":
		return count("word", words)
	case "post-build-hook", "pre-build-hook", "diff-hook", "build-hook":
		if value == "" {
			return ""
		}
		return "[a program]"
	case "store":
		switch value {
		case "", "auto", "daemon", "local":
			return value
		}
		return "[another store]"
	}
	if secretName.MatchString(name) || strings.Contains(name, "netrc") {
		return Mark
	}
	return n.Text(value)
}
