package sequoia

import (
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/words"
)

// aboutChoice says that a repair must not write to the group that was chosen, or that nix.conf names one that is not
// Nix's. The chosen one of nix.conf is said once.
func (d *diagnosis) aboutChoice() []fix.Finding {
	var list []fix.Finding
	if wrong := d.foreign(d.group); wrong != nil && (d.source(optGroup) != sourceConf || len(wrong.names) > 0) {
		f := notNix.Found(fix.With{"group": d.group, "fault": wrong},
			fix.Evidence{Source: "/Groups/" + d.group, Expected: onlyBuildUsers, Observed: wrong.short()})
		f.Remedy = notNix.Remedy(d.which(wrong), fix.With{"group": d.group})
		if d.which(wrong) == caseOthers {
			f.Remedy.Command = d.evict(d.record) // also those who are members in other ways than by name
		}
		list = append(list, f)
	}
	if f, ok := d.wrongConf(); ok {
		list = append(list, f)
	}
	return list
}

// which is the case of a fault of the chosen group.
func (h *host) which(wrong *fault) string {
	switch {
	case len(wrong.names) == 0:
		return caseAlone
	case h.otherwise(h.group):
		return caseRenamed
	}
	return caseOthers
}

// wrongConf says that builds fail, or run as people, because of the group that nix.conf names, or that the daemon uses
// because it names none.
func (d *diagnosis) wrongConf() (fix.Finding, bool) {
	name, file, says := d.conf.group, d.conf.file, ""
	if name == "" {
		name, file, says = d.conf.other, nixconf.File, caseDefault
	}
	if name == "" || says == caseDefault && name == d.group {
		return fix.Finding{}, false
	}
	with := fix.With{"group": name, "file": file, "better": d.group}
	remedy := caseUnknown
	if name != d.group && d.foreign(d.group) == nil {
		remedy = caseKnown
	}
	expected := onlyBuildUsers
	wrong := d.foreign(name)
	switch {
	case wrong != nil && name == d.group && len(wrong.names) > 0:
		return fix.Finding{}, false // said
	case wrong == nil:
		if wrong = d.unfit(); wrong == nil {
			return fix.Finding{}, false
		}
		expected = groupOfBuildUsers
		if g := d.groupNamed(name); g != nil && len(g.Values(dscl.GroupMembership)) > 0 {
			remedy = caseMended
		}
	}
	with["fault"] = wrong
	seen := fix.Evidence{Source: groupSetting.Fill(fix.With{"file": file}), Expected: expected, Observed: name}
	f := confGroup.Found(with, seen)
	if says == caseDefault {
		seen.Observed = notSetSo.Fill(fix.With{"group": name})
		f = confGroup.FoundAs(says, with, seen)
	}
	f.Remedy = confGroup.Remedy(remedy, with)
	return f, true
}

// refuseGroup refuses to plan anything for a group that is not Nix's.
func (h *host) refuseGroup() error {
	wrong := h.foreign(h.group)
	if wrong == nil {
		return nil
	}
	with := fix.With{
		"group": h.group, "from": h.source(optGroup), "fault": wrong, "file": h.conf.file, "command": h.evict(h.record),
	}
	switch which := h.which(wrong); {
	case which != caseAlone:
		return refusal(notNix, caseUnplaced, which, with, nil)
	case h.source(optGroup) == sourceConf:
		return refusal(confGroup, caseUnplaced, caseNext, with, nil)
	}
	return refusal(notNix, caseUnplaced, caseNext, with, nil)
}

// aboutGroup says that the group is not there, or has no ID.
func (d *diagnosis) aboutGroup() []fix.Finding {
	switch {
	case d.record == nil:
		f := groupMissing.Found(fix.With{"group": d.group}, fix.Evidence{Source: "/Groups/" + d.group, Expected: aGroup, Observed: "missing"})
		f.Remedy = groupMissing.Remedy(caseTogether, nil)
		return []fix.Finding{f}
	case !d.numbered:
		return []fix.Finding{groupNoID.Found(fix.With{"group": d.group}, fix.Evidence{
			Source: groupIDOf.Fill(fix.With{"group": d.group}), Expected: oneNumber, Observed: orNone(d.record.Values(dscl.PrimaryGroupID)),
		})}
	}
	return nil
}

// aboutMembers looks at the lists of the group. The daemon takes the names; membership services of macOS take the GUIDs
// where there are any. Tools that count the primary group as membership (dseditgroup, id) see no trouble in an empty
// list, and the daemon still stops (NixOS/nix#12343).
func (d *diagnosis) aboutMembers() []fix.Finding {
	if d.record == nil {
		return nil
	}
	names := membersOf.Fill(fix.With{"group": d.group})
	if d.assumed {
		with := fix.With{"group": d.group, "count": len(d.users)}
		f := groupEmpty.FoundAs(caseAssumed, with, fix.Evidence{Source: names, Expected: words.Count(len(d.users), "name"), Observed: notSet})
		f.Remedy = groupEmpty.Remedy(caseAssumed, with)
		return []fix.Finding{f}
	}
	var list []fix.Finding
	present := d.pick(func(u *user) bool { return u.record != nil })
	outside := called(d.pick(func(u *user) bool { return u.record != nil && !u.named }))
	switch {
	case len(d.record.Values(dscl.GroupMembership)) == 0 && len(d.users) > 0:
		f := groupEmpty.Found(fix.With{"group": d.group, "users": words.Count(len(present), "user")},
			fix.Evidence{Source: names, Expected: words.Count(len(d.users), "name"), Observed: notSet})
		f.Remedy = groupEmpty.Remedy(caseTogether, nil)
		list = append(list, f)
	case len(outside) > 0:
		list = append(list, notListed.Found(fix.With{"users": words.Count(len(outside), buildUser), "group": d.group},
			fix.Evidence{Source: names, Expected: namesAll, Observed: without.Fill(fix.With{"names": shorten(outside)})}))
	}
	if ids := d.record.Values(dscl.GroupMembers); len(ids) > 0 {
		stale := called(d.pick(func(u *user) bool {
			return u.record != nil && u.named && u.record.First(dscl.GeneratedUID) != "" && !dscl.HasID(ids, u.record.First(dscl.GeneratedUID))
		}))
		if len(stale) > 0 {
			list = append(list, staleIDs.Found(fix.With{"users": words.Count(len(stale), buildUser), "group": d.group}, fix.Evidence{
				Source: memberIDsOf.Fill(fix.With{"group": d.group}), Expected: allMemberIDs, Observed: withoutIDsOf.Fill(fix.With{"names": shorten(stale)}),
			}))
		}
	}
	var gone []string
	for _, name := range d.strangers {
		if d.names[name] == nil {
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		list = append(list, strangers.Found(fix.With{"group": d.group, "names": quoted(gone)},
			fix.Evidence{Source: names, Expected: namedLikeThem.Fill(fix.With{"prefix": d.prefix}), Observed: shorten(gone)}))
	}
	return list
}

// evict is the command that takes whoever is no build user out of a group: by name, by GeneratedUID, and by primary
// group, who then belongs to staff as people do. dseditgroup would look for each account first, and stop at one that
// does not exist.
func (h *host) evict(g *dscl.Record) string {
	if g == nil {
		return ""
	}
	path := platform.Quote("/Groups/" + g.Name)
	var commands []string
	del := func(key string, values []string) {
		if len(values) > 0 {
			commands = append(commands, deleteValues.Fill(fix.With{"path": path, "key": key, "values": quoted(values)}))
		}
	}
	del(dscl.NestedGroups, g.Values(dscl.NestedGroups))
	del(dscl.GroupMembership, h.unlike(g))
	var ids, primary []string
	for _, r := range h.directory.Users {
		if h.buildName(r) {
			continue
		}
		for _, id := range g.Values(dscl.GroupMembers) {
			if dscl.SameID(id, r.First(dscl.GeneratedUID)) {
				ids = append(ids, id)
			}
		}
		if n, err := r.Number(dscl.PrimaryGroupID); err == nil && n == h.gid && len(h.sharing(g.Name, h.gid)) == 0 {
			primary = append(primary, makePrimary.Fill(fix.With{"path": platform.Quote("/Users/" + r.Name)}))
		}
	}
	del(dscl.GroupMembers, ids)
	return strings.Join(append(commands, primary...), " && ")
}

// quoted are names as a shell takes them.
func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = platform.Quote(name)
	}
	return strings.Join(list, " ")
}

// called are the names of users.
func called(users []*user) []string {
	var names []string
	for _, u := range users {
		names = append(names, u.name)
	}
	return names
}
