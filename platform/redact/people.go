package redact

import (
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

// users knows people by their names and their homes.
type users struct {
	*table
	homes  map[string]string // directories of people and their names
	tops   []string          // the first directories of homes
	series map[string]bool   // stems of accounts of the system that have numbers
}

// user is the pseudonym of a user, who is made known: where the name stands says what it is.
func (u *users) user(name string) string {
	k := key(name)
	if harmless(k) {
		return name
	}
	u.add(name, person)
	if u.kinds[k] == account {
		return name
	}
	return u.given(k)
}

// home makes the directory of a person known.
func (u *users) home(dir, name string) {
	dir = strings.TrimRight(dir, "/")
	if strings.Count(dir, "/") < 2 || len(u.homes) >= most {
		return // "/", "/root" and the like are nobody's name
	}
	switch {
	case strings.HasPrefix(dir, "/var/empty"), strings.HasPrefix(dir, "/usr/"), strings.HasPrefix(dir, "/nix/"),
		strings.HasPrefix(dir, "/run/"), strings.HasPrefix(dir, "/var/lib/"):
		return
	}
	u.homes[dir] = name
	top := dir[:1+strings.IndexByte(dir[1:]+"/", '/')]
	if !slices.Contains(u.tops, top) {
		u.tops = append(u.tops, top)
	}
}

// atHome reports whether a text has a directory in it that a home is below.
func (u *users) atHome(s string) bool {
	return slices.ContainsFunc(u.tops, func(top string) bool { return strings.Contains(s, top) })
}

// elsewhere replaces homes that are not where homes are.
func (u *users) elsewhere(s string) string {
	if len(u.homes) == 0 || !strings.Contains(s, "/") {
		return s
	}
	return replace(absolute, s, func(m []string, _, _ string) string {
		const deep = 12 // directories above a home
		who, rest := "", ""
		for i, end := 0, 0; i < deep && end < len(m[0]); i++ {
			next := strings.IndexByte(m[0][end+1:], '/')
			if end += 1 + next; next < 0 {
				end = len(m[0])
			}
			if name, ok := u.homes[m[0][:end]]; ok {
				who, rest = name, m[0][end:]
			}
		}
		if who == "" {
			return m[0]
		}
		return "/home/" + u.user(who) + rest
	})
}

var absolute = pattern.New(`/[^\s'"` + "`" + `:;,()<>]+`)
