package sequoia

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

// pool is where the daemon keeps a lock file for each user ID.
const pool = "/nix/var/nix/userpool"

// moves reports whether a user is to get another user ID: always when it has none of its own or was parked, out of the
// unsafe range whenever there is a repair, and from 500 up only when asked.
func (h *host) moves(u *user, asked bool) bool {
	if len(u.shared) > 0 || u.twin != "" {
		return true
	}
	switch u.zone() {
	case safe:
		return false
	case high:
		return asked
	}
	return true
}

func (sequoia) Plan(ctx context.Context, v platform.View, r fix.Request) (plan.Plan, error) {
	h, err := survey(ctx, v, r.Settings)
	if err != nil {
		return plan.Plan{}, err
	}
	b := &builder{host: h, random: r.Random, uids: map[string]int{}}
	b.Settings = h.settings
	for _, u := range h.users {
		if u.uid >= 0 {
			b.uids[u.name] = u.uid
		}
	}
	if h.unused == "" {
		if err := h.refuseGroup(); err != nil {
			return plan.Plan{}, err
		}
	}
	if h.count > 0 && h.count < h.existing {
		return plan.Plan{}, &fix.Misuse{
			Option: optCount, Reason: fmt.Sprintf("%d is fewer than the %d build users that exist or that the group or the receipt names", h.count, h.existing),
			Next: "Leave it out, or ask for more; lixfix removes no build users.",
		}
	}
	sick := len(h.users) > 0 && !h.uninstalled && h.unused == "" && fix.Worst(h.broken()) == fix.Broken
	untidy := len(h.users) > 0 && !h.uninstalled && h.unused == "" && slices.ContainsFunc(h.untidy(), mended)
	if sick || untidy || h.move && len(h.users) > 0 {
		if err := b.directory(sick || h.move); err != nil {
			return plan.Plan{}, err
		}
	}
	// A receipt that lags behind users who are where they belong is what an interrupted repair leaves.
	if len(h.users) > 0 && (sick || h.move || fix.Worst(h.atRisk()) != fix.AtRisk) {
		b.receipt()
	}
	if err := b.frame(ctx, v); err != nil {
		return plan.Plan{}, err
	}
	return b.Plan, nil
}

// mended reports whether a repair does something about a finding.
func mended(f fix.Finding) bool { return f.Remedy != nil && f.Remedy.Class == fix.Safe }

// builder puts a plan together.
type builder struct {
	plan.Plan
	*host
	random io.Reader
	writes []plan.Entry
	file   []plan.Entry
	uids   map[string]int // user IDs as they will be
	guids  map[string]string
	// groupGUID is the GeneratedUID of a group that the plan makes.
	groupGUID string
}

func (b *builder) add(id string, s plan.Write) {
	b.writes = append(b.writes, plan.Entry{Step: s, For: id})
}

// directory plans what changes in the directory: new users first, because a user who is there after all, although two
// lists were without it, stops the plan before anything is changed; then moves, which never take a place that a new user
// gets; then the lists of the group, so that it never names a user that this plan has not finished, if it did not do so
// before. Unless everything is to be mended, users stay where they are.
func (b *builder) directory(everything bool) error {
	if len(b.impostors) > 0 {
		return &fix.Refusal{
			ID: idImpostors, Reason: "accounts that are not build users have names that build users should have: " + shorten(b.impostors),
			Next: "Choose another prefix with --" + optPrefix + ", or find out what made these accounts.",
		}
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
		return &fix.Misuse{Option: optCount, Reason: err.Error(), Next: "Ask for fewer users, or remove accounts from that range."}
	case err != nil:
		return &fix.Refusal{
			ID: idAtRisk, Reason: "the build users cannot be placed", Err: err,
			Next: "Remove accounts from that range, or ask for fewer users; nothing was changed.",
		}
	}
	maps.Copy(b.uids, targets)
	b.seats(targets)
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
	refuse := func(reason string) error {
		return &fix.Refusal{
			ID: idGroupMissing, Reason: reason,
			Next: "Install again with the installer that you used: it makes the group. The store belongs to the group's ID, so lixfix does not choose one.",
		}
	}
	if b.gid < 0 {
		return false, refuse("the group " + b.group + " has no ID, and its users do not agree on one")
	}
	if old := b.groupIDs(); len(old) > 0 && !slices.Contains(old, strconv.Itoa(b.gid)) {
		return false, refuse(fmt.Sprintf("the group %s has the IDs %s, and its users %d as their primary group", b.group, strings.Join(old, " and "), b.gid))
	}
	if holders := b.sharing(b.group, b.gid); len(holders) > 0 {
		return false, refuse(fmt.Sprintf("the ID %d of the group %s belongs to the group %s now", b.gid, b.group, strings.Join(holders, " and ")))
	}
	if b.record != nil {
		b.add(idGroupNoGID, account.SetAttribute{
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
	b.add(idGroupMissing, account.CreateRecord{Record: path, GeneratedUID: guid})
	for _, a := range [][2]string{
		{dscl.PrimaryGroupID, strconv.Itoa(b.gid)},
		{dscl.RealName, "Nix build group for nix-daemon"},
	} {
		b.add(idGroupMissing, account.SetAttribute{Record: path, Key: a[0], To: []string{a[1]}, GeneratedUID: guid, New: true})
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
		return &fix.Refusal{ID: idShared, Reason: "the build users cannot be placed", Err: err, Next: "Run \"lixfix check\" to see who holds which user ID."}
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
func (b *builder) reason(u *user) string {
	switch {
	case len(u.shared) > 0 || u.twin != "":
		return idShared
	case u.zone() == nowhere:
		return idIncomplete
	case u.zone() == parked:
		return idParked
	case u.zone() == high:
		return idHigh
	}
	return idAtRisk
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
