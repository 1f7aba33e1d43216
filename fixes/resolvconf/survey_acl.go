package resolvconf

import (
	"context"
	"io/fs"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// entry is one line of an access control list: "user:30001:r--".
type entry struct {
	kind   string // "user", "group", "mask", "other"
	id     int    // -1 for the owner, or the group, of the file
	rights fs.FileMode
}

// aclOf reads the list of a file that has one, through getfacl(1), which not every host has.
func aclOf(ctx context.Context, v platform.View, name string) []entry {
	for _, tool := range platform.SystemTool("getfacl") {
		if !exists(ctx, v, tool) {
			continue
		}
		out, err := v.Query(ctx, tool, "-cpn", "--", name)
		if err != nil {
			return nil
		}
		return parseACL(string(out))
	}
	return nil
}

func parseACL(text string) []entry {
	var list []entry
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 { // a default for what is made in a directory has more
			continue
		}
		e := entry{kind: f[0], id: -1}
		if f[1] != "" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				return nil
			}
			e.id = n
		}
		for i, r := range "rwx" {
			if strings.ContainsRune(f[2], r) {
				e.rights |= 4 >> i
			}
		}
		list = append(list, e)
	}
	return list
}

// mayBy follows acl(5), "access check algorithm", for a user who is not the owner.
func (u who) mayBy(list []entry, info platform.FileInfo, right fs.FileMode) Truth {
	mask := fs.FileMode(7)
	for _, e := range list {
		if e.kind == "mask" {
			mask = e.rights
		}
	}
	truth := func(ok bool) Truth {
		if ok {
			return Yes
		}
		return No
	}
	grouped := false
	for _, e := range list {
		switch {
		case e.kind == "user" && e.id == u.UID:
			return truth(e.rights&mask&right == right)
		case e.kind == "group" && (e.id == u.GID || e.id < 0 && info.GID == u.GID):
			if grouped = true; e.rights&mask&right == right {
				return Yes
			}
		}
	}
	if grouped {
		return No
	}
	for _, e := range list {
		if e.kind == "other" {
			return truth(e.rights&right == right)
		}
	}
	return Unclear
}

// denies is the line of a list that a user has to thank for, "" for none.
func (u who) denies(n node) string {
	for _, e := range n.acl {
		switch {
		case e.kind == "user" && e.id == u.UID:
			return "user:" + strconv.Itoa(e.id)
		case e.kind == "group" && e.id == u.GID:
			return "group:" + strconv.Itoa(e.id)
		}
	}
	return ""
}
