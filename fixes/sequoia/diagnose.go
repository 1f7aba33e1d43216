package sequoia

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/launchd"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/receipt"
	"github.com/lixfix/lixfix/platform/words"
)

const (
	fewEvidence = 8 // lines; a directory can be wrong in hundreds of places
	fewPlaces   = 3 // likewise, in a receipt
)

// diagnosis is what is wrong with a host. It is decided once, for the findings and for the remedy.
type diagnosis struct {
	*host
	broken []fix.Finding // of the users and the group
	atRisk []fix.Finding // user IDs that are no trouble yet
	untidy []fix.Finding // what does no harm by itself
	found  []fix.Finding // all that is said
}

// sick reports whether a repair is due without being asked for.
func (d *diagnosis) sick() bool { return d.used() && fix.Worst(d.broken) == fix.Broken }

// used reports whether there are build users, and a daemon to use them.
func (d *diagnosis) used() bool { return len(d.users) > 0 && !d.uninstalled && d.conf.unused == "" }

// threatened reports whether nothing is wrong but user IDs that are at risk.
func (d *diagnosis) threatened() bool {
	return fix.Worst(slices.Concat(d.broken, d.atRisk)) == fix.AtRisk
}

// diagnose is pure: what was understood in, what is wrong out.
func diagnose(h *host) *diagnosis {
	d := &diagnosis{host: h}
	d.broken, d.untidy = d.aboutUsers(), d.aboutTidiness()
	if h.record != nil || len(h.users) > 0 {
		d.broken = slices.Concat(d.aboutGroup(), d.broken, d.aboutMembers(), d.aboutNames())
	}
	d.atRisk = d.aboutPlaces()
	d.found = append(d.aboutDaemon(), d.aboutConf()...)
	switch {
	case h.conf.unused != "" && (h.record != nil || len(h.users) > 0):
		d.say(unused.FoundAs(h.conf.unused, fix.With{"file": h.conf.why}))
		return d
	case h.conf.unused == "":
		d.say(d.aboutChoice()...)
		if h.foreign(h.group) != nil {
			return d // who its build users would be is nobody's business
		}
	}
	switch {
	case len(h.users) == 0 && h.record == nil:
		d.say(d.nothing())
		return d
	case h.uninstalled:
		d.say(d.leftOver())
		return d
	}
	if len(d.broken)+len(d.atRisk)+len(d.untidy) == 0 {
		d.say(healthy.Found(fix.With{"users": words.Count(len(h.users), buildUser), "group": h.group, "ids": words.Ranges(uids(h.users))}))
	}
	d.say(d.broken...)
	d.say(d.atRisk...)
	d.say(d.untidy...)
	d.say(d.aboutReceipt()...)
	return d
}

func (d *diagnosis) say(f ...fix.Finding) { d.found = append(d.found, f...) }

// nothing is about a host without group and without users. An installation for one user needs none, but a daemon does.
func (d *diagnosis) nothing() fix.Finding {
	with := fix.With{"group": d.group, "prefix": d.prefix}
	if d.conf.unused != "" || d.uninstalled || len(d.services) == 0 {
		return noUsers.Found(with)
	}
	words := caseBare
	if d.conf.alone {
		words = caseAllocate
	}
	f := groupMissing.FoundAs(words, with, fix.Evidence{Source: "/Groups/" + d.group, Expected: aGroup, Observed: "missing"})
	f.Remedy = groupMissing.Remedy(caseBare, with)
	return f
}

// aboutDaemon says that the daemon is stopped: a repair that was killed can leave it so, and nothing else would tell.
func (d *diagnosis) aboutDaemon() []fix.Finding {
	switch {
	case d.uninstalled:
		return nil
	case d.serviceErr != nil:
		return []fix.Finding{unreadable(daemonUnknown.Found(nil), launchd.Tool, d.serviceErr)}
	case !d.stopped():
		return nil
	}
	var evidence []fix.Evidence
	for _, s := range d.services {
		evidence = append(evidence, fix.Evidence{Source: launchdJob.Fill(fix.With{"label": s.label}), Expected: "loaded", Observed: notLoaded})
	}
	return []fix.Finding{daemonOut.Found(fix.With{"plist": installation.Plist(d.services[0].label)}, evidence...)}
}

// aboutConf says that nix.conf cannot be read, where it would have had a say.
func (d *diagnosis) aboutConf() []fix.Finding {
	stronger := []string{sourceFlag, sourceEnvironment, sourceReceipt}
	if d.conf.err == nil || slices.Contains(stronger, d.source(optGroup)) {
		return nil
	}
	return []fix.Finding{unreadable(confBroken.Found(nil), nixconf.File, d.conf.err)}
}

// unreadable makes a finding one about something that could not be read.
func unreadable(f fix.Finding, source string, err error) fix.Finding {
	f.Status, f.Reason, f.NeedsRoot = fix.Unknown, err.Error(), errors.Is(err, fs.ErrPermission)
	f.Evidence = []fix.Evidence{{Source: source, Expected: "readable", Observed: err.Error()}}
	return f
}

func (d *diagnosis) leftOver() fix.Finding {
	if !slices.ContainsFunc(d.users, func(u *user) bool { return u.record == nil || d.moves(u, true) }) {
		f := leftOver.FoundAs(caseSettled, fix.With{"users": words.Count(len(d.users), buildUser)})
		f.Status = fix.OK
		return f
	}
	there := d.pick(func(u *user) bool { return u.record != nil })
	f := leftOver.Found(fix.With{"users": words.Count(len(there), buildUser)}, fix.Evidence{
		Source: idsOfUsers.Fill(fix.With{"prefix": d.prefix}), Expected: noneThere.Fill(fix.With{"first": firstSafe, "last": lastSafe}),
		Observed: words.Ranges(uids(d.users)),
	})
	f.Remedy = leftOver.Remedy(caseAlone, nil)
	return f
}

// about makes a finding of a kind about the users that want picks, none where there are none.
func (d *diagnosis) about(k *fix.Kind, want func(*user) bool, evidence func(*user) []fix.Evidence) []fix.Finding {
	users := d.pick(want)
	if len(users) == 0 {
		return nil
	}
	var all []fix.Evidence
	for _, u := range users {
		all = append(all, evidence(u)...)
	}
	with := fix.With{"users": words.Count(len(users), buildUser), "group": d.group}
	if k == missing {
		with["count"], with["users"] = len(users), words.Count(len(d.users), buildUser)
	}
	return []fix.Finding{k.Found(with, few(all)...)}
}

// few cuts evidence to what can be read.
func few(evidence []fix.Evidence) []fix.Evidence {
	if n := len(evidence) - fewEvidence; n > 1 {
		return append(evidence[:fewEvidence:fewEvidence], fix.Evidence{Source: more.Fill(fix.With{"count": n})})
	}
	return evidence
}

// flawed is the evidence for flaws of one kind.
func (d *diagnosis) flawed(u *user, of *fix.Kind) []fix.Evidence {
	var all []fix.Evidence
	for _, f := range d.lacks(u, of) {
		e := fix.Evidence{Source: u.path() + " " + f.key, Expected: f.want, Observed: f.have}
		if e.Expected == "" {
			e.Expected = "set"
		}
		if e.Observed == "" {
			e.Observed = notSet
		}
		all = append(all, e)
	}
	return all
}

// aboutUsers says which users are broken.
func (d *diagnosis) aboutUsers() []fix.Finding {
	id := func(u *user, key, expected, observed string) []fix.Evidence {
		return []fix.Evidence{{Source: u.path() + " " + key, Expected: expected, Observed: observed}}
	}
	var list []fix.Finding
	if !d.assumed {
		list = append(list, d.about(missing, func(u *user) bool { return u.record == nil }, func(u *user) []fix.Evidence {
			return []fix.Evidence{{Source: u.path(), Expected: aUser, Observed: "missing"}}
		})...)
	}
	return slices.Concat(list,
		d.about(incomplete, func(u *user) bool { return u.record != nil && (u.uid < 0 || len(d.lacks(u, incomplete)) > 0) },
			func(u *user) []fix.Evidence {
				if u.uid < 0 {
					return id(u, dscl.UniqueID, oneNumber, orNone(u.uids))
				}
				return d.flawed(u, incomplete)
			}),
		d.about(likePeople, func(u *user) bool { return len(d.lacks(u, likePeople)) > 0 },
			func(u *user) []fix.Evidence { return d.flawed(u, likePeople) }),
		d.about(shared, func(u *user) bool { return !u.alone() }, func(u *user) []fix.Evidence {
			holders := slices.Clone(u.shared)
			if u.twin != "" {
				holders = append(holders, u.twin)
			}
			return id(u, dscl.UniqueID, ownUserID, alsoOf.Fill(fix.With{"id": u.uid, "names": strings.Join(holders, ", ")}))
		}),
		d.about(parkedUsers, func(u *user) bool { return u.zone() == parked },
			func(u *user) []fix.Evidence { return id(u, dscl.UniqueID, safeIDs, strconv.Itoa(u.uid)) }),
		d.about(wrongGroup, func(u *user) bool { return u.record != nil && u.uid >= 0 && d.wrongGroup(u) },
			func(u *user) []fix.Evidence {
				return id(u, dscl.PrimaryGroupID, strconv.Itoa(d.gid), orNone(u.record.Values(dscl.PrimaryGroupID)))
			}),
	)
}

// aboutNames says that names of build users belong to other accounts.
func (d *diagnosis) aboutNames() []fix.Finding {
	if len(d.impostors) == 0 {
		return nil
	}
	var evidence []fix.Evidence
	for _, name := range d.impostors {
		evidence = append(evidence, fix.Evidence{Source: "/Users/" + name, Expected: aBuildUser, Observed: d.impostor(name)})
	}
	return []fix.Finding{taken.Found(nil, evidence...)}
}

// impostor says what an account that is no build user is like.
func (d *diagnosis) impostor(name string) string {
	r := d.names[name]
	switch {
	case r == nil:
		return anotherAccount
	case appleGUID.MatchString(r.First(dscl.GeneratedUID)):
		return accountOfMacOS
	case r.Name != name:
		return anotherNameOf.Fill(fix.With{"name": r.Name})
	}
	return accountOfPerson.Fill(fix.With{"uid": orNone(r.Values(dscl.UniqueID)), "home": orNone(r.Values(dscl.NFSHomeDirectory)), "shell": orNone(r.Values(dscl.UserShell))})
}

// aboutPlaces says which user IDs are at risk.
func (d *diagnosis) aboutPlaces() []fix.Finding {
	at := func(k *fix.Kind, z zone, expected string) []fix.Finding {
		users := d.pick(func(u *user) bool { return u.zone() == z && u.alone() })
		if len(users) == 0 {
			return nil
		}
		f := k.Found(fix.With{"users": words.Count(len(users), buildUser)}, fix.Evidence{
			Source: idsOfUsers.Fill(fix.With{"prefix": d.prefix}), Expected: expected, Observed: words.Ranges(uids(users)),
		})
		if k == uidsAtRisk {
			f.Remedy = k.Remedy(caseAlone, nil)
			if len(d.broken) > 0 {
				f.Remedy = k.Remedy(caseTogether, nil)
			}
		}
		return []fix.Finding{f}
	}
	return append(at(uidsAtRisk, unsafe, safeIDsAndWhy),
		at(uidsHigh, high, safeIDs)...)
}

// aboutTidiness is about what does no harm by itself.
func (d *diagnosis) aboutTidiness() []fix.Finding {
	list := d.about(visible, func(u *user) bool {
		return len(d.lacks(u, visible)) > 0 && u.uid >= 0 && len(d.lacks(u, incomplete)) == 0
	}, func(u *user) []fix.Evidence { return d.flawed(u, visible) })
	if twice := d.repeated(); len(twice) > 0 {
		list = append(list, doubled.Found(fix.With{"group": d.group, "members": words.Count(len(twice), "member")},
			fix.Evidence{Source: "/Groups/" + d.group, Expected: memberOnce, Observed: listedTwice.Fill(fix.With{"names": shorten(twice)})}))
	}
	if d.record != nil && d.gid >= 0 {
		if groups := d.sharing(d.group, d.gid); len(groups) > 0 {
			list = append(list, sharedGID.Found(fix.With{"gid": d.gid, "group": d.group, "names": strings.Join(groups, ", ")}, fix.Evidence{
				Source: groupIDOf.Fill(fix.With{"group": d.group}), Expected: ownGroupID,
				Observed: alsoOf.Fill(fix.With{"id": d.gid, "names": shorten(groups)}),
			}))
		}
	}
	return list
}

// aboutReceipt compares the receipt with the directory.
func (d *diagnosis) aboutReceipt() []fix.Finding {
	switch {
	case d.receiptErr != nil && errors.Is(d.receiptErr, fs.ErrPermission):
		return []fix.Finding{unreadable(receiptBroken.FoundAs(caseClosed, nil), receipt.File, d.receiptErr)}
	case d.receiptErr != nil:
		f := receiptBroken.Found(nil, fix.Evidence{Source: receipt.File, Expected: "JSON", Observed: d.receiptErr.Error()})
		f.Remedy = receiptBroken.Remedy(caseBare, fix.With{"file": receipt.File})
		return []fix.Finding{f}
	case d.receipt == nil || d.uninstalled:
		return nil
	}
	ids := map[string]int{}
	for _, u := range d.users {
		if u.uid >= 0 {
			ids[u.name] = u.uid
		}
	}
	changes := d.receipt.Compare(ids, d.gid)
	if len(changes) == 0 {
		return nil
	}
	var evidence []fix.Evidence
	for i, c := range changes {
		if i == fewPlaces {
			evidence = append(evidence, fix.Evidence{Source: more.Fill(fix.With{"count": len(changes) - i})})
			break
		}
		evidence = append(evidence, fix.Evidence{Source: receipt.File + " " + c.Field, Expected: strconv.Itoa(c.To), Observed: c.From})
	}
	f := receiptStale.Found(fix.With{"places": words.Count(len(changes), "place")}, evidence...)
	f.Remedy = receiptStale.Remedy(caseTogether, nil)
	if d.threatened() {
		f.Remedy = receiptStale.Remedy(caseAlone, nil)
	}
	return []fix.Finding{f}
}

func orNone(values []string) string {
	if len(values) == 0 {
		return notSet
	}
	return strings.Join(values, and)
}

func shorten(names []string) string {
	const few = 4
	if len(names) > few {
		return andMore.Fill(fix.With{"names": strings.Join(names[:few], ", "), "count": len(names) - few})
	}
	return strings.Join(names, ", ")
}
