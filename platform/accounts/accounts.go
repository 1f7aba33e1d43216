// Package accounts reads the users and groups of a Linux host, from passwd(5) and group(5). Accounts of a directory
// service are not in these files.
package accounts

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// The files, and the IDs that belong to nobody (nobody and nogroup of the kernel, /proc/sys/kernel/overflowuid).
const (
	PasswdFile = "/etc/passwd"
	GroupFile  = "/etc/group"
	Overflow   = 65534
)

// User is a line of /etc/passwd.
type User struct {
	Name     string
	UID, GID int
	Home     string
	Shell    string
}

// Group is a line of /etc/group. Users whose primary group it is are not among its members.
type Group struct {
	Name    string
	GID     int
	Members []string
}

// Users reads /etc/passwd. Lines that are none are left out, as the C library leaves them out.
func Users(passwd []byte) []User {
	var list []User
	for f := range records(passwd, 7) {
		uid, uidErr := id(f[2])
		gid, gidErr := id(f[3])
		if uidErr == nil && gidErr == nil {
			list = append(list, User{Name: f[0], UID: uid, GID: gid, Home: f[5], Shell: f[6]})
		}
	}
	return list
}

// Groups reads /etc/group.
func Groups(group []byte) []Group {
	var list []Group
	for f := range records(group, 4) {
		gid, err := id(f[2])
		if err != nil {
			continue
		}
		members := strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' || r == ' ' })
		list = append(list, Group{Name: f[0], GID: gid, Members: members})
	}
	return list
}

// records are the lines that have n fields.
func records(data []byte, n int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for f := range Lines(data) {
			if len(f) == n && !yield(f) {
				return
			}
		}
	}
}

// Lines are the fields of each line of /etc/passwd or /etc/group that has a name, also where the C library would leave it
// out because the rest is missing or wrong. It is for those who look for names, wherever they stand.
func Lines(data []byte) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(string(data)) {
			f := strings.Split(strings.TrimRight(line, "\r\n"), ":")
			if f[0] != "" && !strings.HasPrefix(f[0], "#") && !yield(f) {
				return
			}
		}
	}
}

// id reads a user or group ID. The highest one means "leave as it is" to chown(2) and setuid(2), and so is none.
func id(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && n == 1<<32-1 {
		err = strconv.ErrRange
	}
	return int(n), err
}

// Find returns the first user that f accepts.
func Find(users []User, f func(User) bool) (User, bool) {
	i := slices.IndexFunc(users, f)
	if i < 0 {
		return User{}, false
	}
	return users[i], true
}

// ByUID returns the user with a user ID.
func ByUID(users []User, uid int) (User, bool) {
	return Find(users, func(u User) bool { return u.UID == uid })
}

// ByName returns the user with a name.
func ByName(users []User, name string) (User, bool) {
	return Find(users, func(u User) bool { return u.Name == name })
}

// GroupByName returns the group with a name.
func GroupByName(groups []Group, name string) (Group, bool) {
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, false
	}
	return groups[i], true
}

// Of returns the IDs of the groups that name a user as a member, without the primary one.
func Of(groups []Group, user User) []int {
	var ids []int
	for _, g := range groups {
		if g.GID != user.GID && slices.Contains(g.Members, user.Name) && !slices.Contains(ids, g.GID) {
			ids = append(ids, g.GID)
		}
	}
	return ids
}
