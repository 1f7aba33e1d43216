package redact

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
)

// The user IDs of people begin here: login.defs(5), UID_MIN; macOS gives out 501 first.
const (
	firstPerson    = 1000
	firstMacPerson = 500
)

// homeDirs are where people have their homes.
var homeDirs = [...]string{"/home", "/Users", "/var/home"}

// Read returns a Names that knows the names on this host: users and groups, their full names and homes, the host, its
// domains, and the machines of /etc/hosts. What cannot be read is left out: the rules by which names are known from
// where they stand remain.
func Read(ctx context.Context, v platform.View) *Names {
	n := NewNames()
	first := firstPerson
	if v.Facts().OS == platform.Darwin {
		first = firstMacPerson
	}
	for _, name := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		if data, err := v.ReadFile(ctx, name); err == nil {
			n.Host(strings.TrimSpace(string(data)))
		}
	}
	if data, err := v.ReadFile(ctx, accounts.PasswdFile); err == nil {
		n.Passwd(data, first)
	}
	if data, err := v.ReadFile(ctx, accounts.GroupFile); err == nil {
		n.Group(data, first)
	}
	if data, err := v.ReadFile(ctx, "/etc/hosts"); err == nil {
		n.Hosts(string(data))
	}
	if data, err := v.ReadFile(ctx, "/etc/resolv.conf"); err == nil {
		n.ResolvConf(string(data))
	}
	// Not everybody is in /etc/passwd: macOS keeps people elsewhere, and so do directories of a network.
	for _, dir := range homeDirs {
		names, err := v.ReadDir(ctx, dir)
		if err != nil {
			continue
		}
		for _, name := range names {
			if name != "lost+found" && !strings.HasPrefix(name, ".") {
				n.Person(name)
			}
		}
	}
	return n
}

// Homes reports whether people have their homes in a directory.
func Homes(dir string) bool { return slices.Contains(homeDirs[:], dir) }

// FirstPerson is the lowest user ID that people have, on macOS or on Linux.
func FirstPerson(mac bool) int {
	if mac {
		return firstMacPerson
	}
	return firstPerson
}

// User makes an account known: as a person's from the user ID first on, and else as one of the system, whose name stays.
func (n *Names) User(name string, uid, first int) {
	switch {
	case strings.HasPrefix(name, "_") || uid < first || harmless(key(name)):
		n.table.add(name, account)
		n.users.series[stem(name)] = true
	default:
		n.Person(name)
	}
}

// stem is a name without the number at its end.
func stem(name string) string { return strings.TrimRight(key(name), "0123456789") }

// FullName makes the full name of a person known: all of it, and not the words that it is made of.
func (n *Names) FullName(name string) {
	const short = 4
	if name = strings.TrimSpace(name); len(name) >= short {
		n.Person(name)
	}
}

// GroupName makes a group known, where it is none of the system.
func (n *Names) GroupName(name string, gid, first int) {
	if gid >= first && !strings.HasPrefix(name, "_") && !build.MatchString(key(name)) {
		n.table.add(name, group)
	}
}

// Member makes a member of a group known. Accounts of the system are members as well, and those are known by then.
func (n *Names) Member(name string) {
	switch {
	case strings.HasPrefix(name, "_"), build.MatchString(key(name)):
	case stem(name) != key(name) && n.users.series[stem(name)]:
		n.table.add(name, account) // one of a series of accounts of the system, which may be missing
	default:
		n.Person(name)
	}
}

// Machines makes the machines known that a file of builders names, as nix.conf(5) has it under "builders".
func (n *Names) Machines(text string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		at := f[0]
		if _, rest, ok := strings.Cut(at, "://"); ok {
			at = rest
		}
		at, _, _ = strings.Cut(at, "?")
		if user, host, ok := strings.Cut(at, "@"); ok {
			n.users.user(user)
			at = host
		}
		at, _, _ = strings.Cut(at, ":")
		n.machines.host(strings.Trim(at, "/"))
	}
}

// Passwd makes the people in a passwd(5) known, and the accounts of the system, whose names stay. People have at least
// the user ID first, or a home where people have theirs. A line that is broken names somebody all the same.
func (n *Names) Passwd(passwd []byte, first int) {
	for f := range accounts.Lines(passwd) {
		const name, id, gecos, home, fields = 0, 2, 4, 5, 7
		for len(f) < fields {
			f = append(f, "")
		}
		uid, err := strconv.Atoi(f[id])
		at := slices.ContainsFunc(homeDirs[:], func(dir string) bool { return strings.HasPrefix(f[home], dir+"/") })
		if err == nil && uid < first && !at || harmless(key(f[name])) {
			n.table.add(f[name], account)
			continue
		}
		n.Person(f[name])
		n.Home(f[home], f[name])
		for part := range strings.SplitSeq(f[gecos], ",") {
			const short = 4
			if part = strings.TrimSpace(part); len(part) >= short {
				n.Person(part)
			}
		}
	}
}

// Group makes the groups of people in a group(5) known, and the members of all groups.
func (n *Names) Group(groups []byte, first int) {
	for f := range accounts.Lines(groups) {
		const name, id, members, fields = 0, 2, 3, 4
		for len(f) < fields {
			f = append(f, "")
		}
		builders := build.MatchString(key(f[name])) || key(f[name]) == "nixbld"
		for m := range strings.SplitSeq(f[members], ",") {
			if builders {
				n.table.add(m, account)
			} else {
				n.Person(m)
			}
		}
		if gid, err := strconv.Atoi(f[id]); (err != nil || gid >= first) && !builders {
			n.table.add(f[name], group)
		}
	}
}

// Hosts makes the machines in a hosts(5) known.
func (n *Names) Hosts(text string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		for i, name := range f {
			if i > 0 {
				n.Machine(name)
			}
		}
	}
}

// ResolvConf makes the domains in a resolv.conf(5) known, also those of a line that no resolver would read.
func (n *Names) ResolvConf(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(line, " \t\uFEFF")
		// In a comment, domains are told from words by their dots.
		active := !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";")
		f := strings.FieldsFunc(line, func(r rune) bool { return r <= ' ' || strings.ContainsRune(";=:,", r) })
		for len(f) > 0 && strings.Trim(f[0], "#") == "" {
			f = f[1:]
		}
		if len(f) == 0 {
			continue
		}
		switch strings.ToLower(strings.TrimLeft(f[0], "#")) {
		case "search", "domain":
			for _, d := range f[1:] {
				active = active && !strings.HasPrefix(d, "#")
				if d = strings.Trim(d, "~.#"); active || strings.Contains(d, ".") {
					n.Domain(d)
				}
			}
		}
	}
}
