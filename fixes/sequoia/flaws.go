package sequoia

import (
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dscl"
)

// flaw is an attribute of an existing build user that is not as the installers make it. The user ID and the primary
// group are looked at elsewhere.
type flaw struct {
	of   *fix.Kind
	key  string
	have string
	want string // "" where the plan chooses it
}

// flaws returns what is wrong with an existing user, in the order in which it is set.
func (h *host) flaws(u *user) []flaw {
	if u.record == nil {
		return nil
	}
	var list []flaw
	add := func(of *fix.Kind, key, want string) {
		list = append(list, flaw{of: of, key: key, have: u.record.First(key), want: want})
	}
	if !anyGUID.MatchString(u.record.First(dscl.GeneratedUID)) {
		add(incomplete, dscl.GeneratedUID, "")
	}
	switch where := u.record.First(dscl.NFSHomeDirectory); {
	case where == "":
		add(incomplete, dscl.NFSHomeDirectory, home)
	case homeOfPeople(where):
		add(likePeople, dscl.NFSHomeDirectory, home)
	}
	switch program := u.record.First(dscl.UserShell); {
	case program == "":
		add(incomplete, dscl.UserShell, shell)
	case shellOfPeople(program):
		add(likePeople, dscl.UserShell, shell)
	}
	// Installers of before November 2024 wrote no RealName at all. Where most have one, somebody did not come to it.
	if u.record.First(dscl.RealName) == "" && h.realNames() {
		add(incomplete, dscl.RealName, h.realName(u))
	}
	if !slices.Contains([]string{"1", "yes", "true"}, strings.ToLower(u.record.First(dscl.IsHidden))) {
		add(visible, dscl.IsHidden, "1")
	}
	return list
}

// lacks returns the flaws of one kind.
func (h *host) lacks(u *user, of *fix.Kind) []flaw {
	return slices.DeleteFunc(h.flaws(u), func(f flaw) bool { return f.of != of })
}

// realNames reports whether build users have a RealName here: most of those who are finished do, or nobody is.
func (h *host) realNames() bool {
	finished := h.pick(func(u *user) bool { return u.record != nil && u.uid >= 0 })
	with := slices.DeleteFunc(slices.Clone(finished), func(u *user) bool { return u.record.First(dscl.RealName) == "" })
	return len(finished) == 0 || len(with) > len(finished)/2
}

// realName is what the installers call a user.
func (h *host) realName(u *user) string {
	return buildUserName.Fill(fix.With{"number": strings.TrimPrefix(u.name, h.prefix)})
}

// homeOfPeople reports whether a home is where macOS puts those of people, or root's.
func homeOfPeople(name string) bool {
	name = path.Clean(strings.TrimPrefix(name, "/private"))
	return name == "/Users" || strings.HasPrefix(name, "/Users/") || name == "/var/root" || name == "/"
}

// shellOfPeople reports whether a shell lets somebody log in.
func shellOfPeople(program string) bool {
	return !slices.Contains([]string{"nologin", "false", "true", "null"}, path.Base(program))
}

// person reports whether an account that is called like a build user is somebody else's: it can be logged in to or has a
// home of people, and is not in the group of the build users. One that is in it has to be a person's in every respect;
// but where the names of the members are all that tells what build users are called, being a member tells nothing.
func (h *host) person(r *dscl.Record) bool {
	where, program := r.First(dscl.NFSHomeDirectory), r.First(dscl.UserShell)
	lives, logsIn := where != "" && homeOfPeople(where), program != "" && shellOfPeople(program)
	if primary, err := r.Number(dscl.PrimaryGroupID); err == nil && primary == h.gid && h.source(optPrefix) != sourceMembers {
		id, err := r.Number(dscl.UniqueID)
		return lives && logsIn && err == nil && id > lastSafe
	}
	return lives || logsIn
}
