package sequoia

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform/dscl"
)

// remedy is pure: a diagnosis in, steps out. Where they change accounts, idle is the step that makes sure that nobody
// builds, and is nil otherwise.
func remedy(d *diagnosis, random io.Reader) (p plan.Plan, idle *step.RequireIdle, err error) {
	b := &builder{diagnosis: d, random: random, uids: map[string]int{}}
	b.Settings = d.settings
	for _, u := range d.users {
		if u.uid >= 0 {
			b.uids[u.name] = u.uid
		}
	}
	if d.conf.unused == "" {
		if err := d.refuseGroup(); err != nil {
			return plan.Plan{}, nil, err
		}
	}
	if d.count > 0 && d.count < d.existing {
		return plan.Plan{}, nil, &fix.Misuse{
			Option: optCount, Reason: tooFew.Fill(fix.With{"count": d.count, "existing": d.existing}),
			Next: askForMore,
		}
	}
	everything := d.sick() || d.move && len(d.users) > 0
	if everything || d.used() && slices.ContainsFunc(d.untidy, mended) {
		if err := b.directory(everything); err != nil {
			return plan.Plan{}, nil, err
		}
	}
	// A receipt that lags behind users who are where they belong is what an interrupted repair leaves.
	if len(d.users) > 0 && (everything || len(d.atRisk) == 0) {
		b.receipt()
	}
	idle, err = b.frame()
	if err != nil {
		return plan.Plan{}, nil, err
	}
	return b.Plan, idle, nil
}

// mended reports whether a repair does something about a finding.
func mended(f fix.Finding) bool { return f.Remedy != nil && f.Remedy.Class == fix.Safe }

// builder puts a plan together.
type builder struct {
	plan.Plan
	*diagnosis
	random io.Reader
	writes []plan.Entry
	file   []plan.Entry
	uids   map[string]int // user IDs as they will be
	guids  map[string]string
	// groupGUID is the GeneratedUID of a group that the plan makes.
	groupGUID string
}

func (b *builder) add(k *fix.Kind, s plan.Write) {
	b.writes = append(b.writes, plan.Entry{Step: s, For: k.ID})
}

// directory plans what changes in the directory: new users first, because a user who is there after all, although two
// lists were without it, stops the plan before anything is changed; then moves, which never take a place that a new user
// gets; then the lists of the group, so that it never names a user that this plan has not finished, if it did not do so
// before. Unless everything is to be mended, users stay where they are.
func (b *builder) directory(everything bool) error {
	if len(b.impostors) > 0 {
		return refusal(taken, caseUnplaced, caseNext, fix.With{"names": shorten(b.impostors)}, nil)
	}
	groupIsNew, err := b.groupID()
	if err != nil {
		return err
	}
	var movers []*user
	for _, u := range b.users {
		if everything && (u.record == nil || b.moves(u, b.move)) {
			movers = append(movers, u)
		}
	}
	targets, err := assign(movers, b.holders, b.gids, b.group)
	switch {
	case err != nil && b.source(optCount) != "" && !b.assumed && b.count > b.existing:
		return &fix.Misuse{Option: optCount, Reason: err.Error(), Next: askForFewer}
	case err != nil:
		return refusal(uidsAtRisk, caseUnplaced, caseNext, nil, err)
	}
	maps.Copy(b.uids, targets)
	b.places(targets)
	if groupIsNew {
		if err := b.createGroup(); err != nil {
			return err
		}
	}
	b.keepNames()
	b.guids = map[string]string{}
	for _, u := range b.users {
		if err := b.complete(u, targets, everything); err != nil {
			return err
		}
	}
	if err := b.moveUsers(movers, targets); err != nil {
		return err
	}
	b.lists(groupIsNew)
	b.darwin()
	return nil
}

// groupID makes sure that the ID of the group is known, and reports whether the group has to be made.
func (b *builder) groupID() (isNew bool, err error) {
	if b.numbered {
		return false, nil
	}
	with := fix.With{"group": b.group, "gid": b.gid}
	refuse := func(why string) (bool, error) { return false, refusal(groupMissing, why, caseNext, with, nil) }
	if b.gid < 0 {
		return refuse(caseDisagree)
	}
	if old := b.groupIDs(); len(old) > 0 && !slices.Contains(old, strconv.Itoa(b.gid)) {
		with["ids"] = strings.Join(old, and)
		return refuse(caseDiffer)
	}
	if holders := b.sharing(b.group, b.gid); len(holders) > 0 {
		with["names"] = strings.Join(holders, and)
		return refuse(caseForeign)
	}
	if b.record != nil {
		b.add(groupNoID, account.SetAttribute{
			Record: "/Groups/" + b.group, Key: dscl.PrimaryGroupID, From: b.record.Values(dscl.PrimaryGroupID), To: []string{strconv.Itoa(b.gid)},
			GeneratedUID: b.record.First(dscl.GeneratedUID),
		})
		return false, nil
	}
	return true, nil
}

// groupIDs are the numbers that the group has as its ID: none, or several.
func (b *builder) groupIDs() []string {
	if b.record == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(b.record.Values(dscl.PrimaryGroupID)), func(id string) bool {
		_, err := strconv.Atoi(id)
		return err != nil
	})
}

func (b *builder) createGroup() error {
	guid, err := newGUID(b.random)
	if err != nil {
		return err
	}
	path := "/Groups/" + b.group
	b.groupGUID = guid
	b.add(groupMissing, account.CreateRecord{Record: path, GeneratedUID: guid})
	for _, a := range [][2]string{
		{dscl.PrimaryGroupID, strconv.Itoa(b.gid)},
		{dscl.RealName, groupRealName},
	} {
		b.add(groupMissing, account.SetAttribute{Record: path, Key: a[0], To: []string{a[1]}, GeneratedUID: guid, New: true})
	}
	return nil
}

// moveUsers plans the moves of users that exist.
func (b *builder) moveUsers(movers []*user, targets map[string]int) error {
	var moves []move
	byName := map[string]*user{}
	for _, u := range movers {
		if u.record == nil || u.uid < 0 && len(u.uids) < 2 && b.halfMade(u) {
			continue // a half-made user gets its ID last
		}
		byName[u.name] = u
		m := move{name: u.name, to: targets[u.name]}
		for _, id := range u.uids {
			if n, err := strconv.Atoi(id); err == nil {
				m.from = append(m.from, n)
			}
		}
		moves = append(moves, m)
	}
	next := firstParked
	spare := func() (int, error) {
		for ; next <= lastParked; next++ {
			if len(b.holders[next]) == 0 {
				next++
				return next - 1, nil
			}
		}
		return 0, fmt.Errorf("no user ID from %d to %d is free", firstParked, lastParked)
	}
	steps, err := order(moves, b.holders, spare)
	if err != nil {
		return refusal(shared, caseUnplaced, caseNext, nil, err)
	}
	now := map[string][]string{}
	for _, m := range steps {
		u := byName[m.name]
		from, ok := now[m.name]
		if !ok {
			from = u.uids
		}
		to := []string{strconv.Itoa(m.to)}
		now[m.name] = to
		b.add(b.reason(u), account.SetAttribute{
			Record: u.path(), Key: dscl.UniqueID, From: from, To: to, GeneratedUID: b.guid(u), Beside: b.beside(u.name, from),
		})
	}
	return nil
}

// guid is the GeneratedUID by which the steps of an existing user know it; "" for one that has none, or gets one.
func (b *builder) guid(u *user) string { return u.record.First(dscl.GeneratedUID) }

// beside returns the other users who hold one of some user IDs.
func (b *builder) beside(name string, ids []string) []string {
	var others []string
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			continue
		}
		for _, other := range b.holders[n] {
			if other != name && !slices.Contains(others, other) {
				others = append(others, other)
			}
		}
	}
	return others
}

// reason is the finding that a move mends.
func (b *builder) reason(u *user) *fix.Kind {
	switch {
	case !u.alone():
		return shared
	case u.zone() == nowhere:
		return incomplete
	case u.zone() == parked:
		return parkedUsers
	case u.zone() == high:
		return uidsHigh
	}
	return uidsAtRisk
}

// newGUID returns a random UUID of version 4 (RFC 9562), as macOS spells them.
func newGUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("choose a GeneratedUID: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := strings.ToUpper(hex.EncodeToString(b[:]))
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), nil
}
