package sequoia

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/receipt"
	"github.com/lixfix/lixfix/platform/words"
)

// halfMade reports whether an existing user lacks more than a user ID.
func (b *builder) halfMade(u *user) bool {
	return len(u.uids) == 0 || len(b.lacks(u, incomplete)) > 0 || b.wrongGroup(u)
}

// make plans a missing user. The user ID comes last, so that an unfinished user can be told from a finished one; the
// primary group comes first, so that it can be told whose it is.
func (b *builder) make(u *user, targets map[string]int) error {
	guid, err := newGUID(b.random)
	if err != nil {
		return err
	}
	b.guids[u.name] = guid
	b.add(missing, account.CreateRecord{Record: u.path(), GeneratedUID: guid})
	for _, a := range [][2]string{
		{dscl.PrimaryGroupID, strconv.Itoa(b.gid)},
		{dscl.NFSHomeDirectory, home},
		{dscl.UserShell, shell},
		{dscl.RealName, b.realName(u)},
		{dscl.IsHidden, "1"},
		{dscl.UniqueID, strconv.Itoa(targets[u.name])},
	} {
		if a[0] == dscl.RealName && !b.realNames() {
			continue // as with the others
		}
		b.add(missing, account.SetAttribute{Record: u.path(), Key: a[0], To: []string{a[1]}, GeneratedUID: guid, New: true})
		// macOS was seen to kill dscl here, and it only keeps the user out of the login window.
		b.writes[len(b.writes)-1].Optional = a[0] == dscl.IsHidden
	}
	return nil
}

// complete plans what an existing user lacks, or all of a missing one.
func (b *builder) complete(u *user, targets map[string]int, everything bool) error {
	if u.record == nil {
		if !everything {
			return nil
		}
		return b.make(u, targets)
	}
	own := u.record.First(dscl.GeneratedUID)
	set := func(of *fix.Kind, key, to string) {
		b.add(of, account.SetAttribute{Record: u.path(), Key: key, From: u.record.Values(key), To: []string{to}, GeneratedUID: own})
	}
	flaws := b.flaws(u)
	if len(flaws) > 0 && flaws[0].key == dscl.GeneratedUID {
		guid, err := newGUID(b.random)
		if err != nil {
			return err
		}
		b.guids[u.name] = guid
		own = "" // it is just that which changes
		set(incomplete, dscl.GeneratedUID, guid)
		own, flaws = guid, flaws[1:]
	}
	if b.wrongGroup(u) {
		of := wrongGroup
		if u.uid < 0 {
			of = incomplete
		}
		set(of, dscl.PrimaryGroupID, strconv.Itoa(b.gid))
	}
	for _, f := range flaws {
		set(f.of, f.key, f.want)
		b.writes[len(b.writes)-1].Optional = f.key == dscl.IsHidden
	}
	if u.uid < 0 && len(u.uids) < 2 && b.halfMade(u) {
		set(incomplete, dscl.UniqueID, strconv.Itoa(targets[u.name]))
	}
	return nil
}

// keepNames has undo see to the names of users whom the group named before they were made.
func (b *builder) keepNames() {
	if b.record == nil {
		return
	}
	names := b.record.Values(dscl.GroupMembership)
	var made []string
	for _, u := range b.users {
		if u.record == nil && slices.Contains(names, u.name) {
			made = append(made, u.name)
		}
	}
	if len(made) > 0 {
		b.add(missing, account.KeepNames{Record: "/Groups/" + b.group, Names: names, Made: made})
	}
}

// lists plans the group's lists. Each is written whole, so that undo restores its values and their order.
func (b *builder) lists(groupIsNew bool) {
	guid := func(u *user) string {
		if id := b.guids[u.name]; id != "" {
			return id
		}
		return u.record.First(dscl.GeneratedUID)
	}
	path := "/Groups/" + b.group
	names := b.memberNames()
	if groupIsNew {
		var ids []string
		for _, u := range b.users {
			if id := guid(u); id != "" {
				ids = append(ids, id)
			}
		}
		b.add(groupMissing, account.SetAttribute{Record: path, Key: dscl.GroupMembership, To: names, GeneratedUID: b.groupGUID, New: true})
		b.add(groupMissing, account.SetAttribute{Record: path, Key: dscl.GroupMembers, To: ids, GeneratedUID: b.groupGUID, New: true})
		return
	}
	old := b.record.Values(dscl.GroupMembership)
	own := b.record.First(dscl.GeneratedUID)
	if !slices.Equal(old, names) {
		of := notListed
		if len(names) < len(old) {
			of = doubled
		}
		b.add(of, account.SetAttribute{Record: path, Key: dscl.GroupMembership, From: old, To: names, GeneratedUID: own})
	}
	old = b.record.Values(dscl.GroupMembers)
	ids := b.memberIDs(guid)
	switch {
	case slices.ContainsFunc(ids, func(id string) bool { return !dscl.HasID(old, id) }):
		b.add(staleIDs, account.SetAttribute{Record: path, Key: dscl.GroupMembers, From: old, To: ids, GeneratedUID: own})
	case repeats(old):
		b.add(doubled, account.SetAttribute{Record: path, Key: dscl.GroupMembers, From: old, To: ids, GeneratedUID: own})
	}
}

// repeats reports whether a list names something more than once.
func repeats(list []string) bool {
	seen := map[string]bool{}
	for _, s := range list {
		seen[strings.ToUpper(s)] = true
	}
	return len(seen) < len(list)
}

// receipt plans to bring the receipt in line with the directory as it will be.
func (b *builder) receipt() {
	if b.survey.receipt == nil || b.receiptErr != nil {
		return
	}
	changes := b.survey.receipt.Compare(b.uids, b.gid)
	if len(changes) == 0 {
		return
	}
	old := b.receiptFile
	next := step.NewFileState(platform.Content{
		Data: b.survey.receipt.Edit(changes), Mode: old.Mode, UID: old.UID, GID: old.GID,
	})
	b.file = append(b.file, plan.Entry{For: receiptStale.ID, Step: step.WriteFile{
		Name: receipt.File, Before: old, After: next, Why: recordNumbers.Fill(fix.With{"changes": words.Count(len(changes), "place")}),
	}})
}
