package sequoia

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/launchd"
	"github.com/lixfix/lixfix/platform/processes"
	"github.com/lixfix/lixfix/platform/receipt"
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
	if len(h.users) == 0 {
		return b.Plan, nil
	}
	sick := !h.uninstalled && h.unused == "" && fix.Worst(h.broken()) == fix.Broken
	if sick || h.move {
		if err := b.directory(); err != nil {
			return plan.Plan{}, err
		}
	}
	// A receipt that lags behind users who are where they belong is what an interrupted repair leaves.
	if sick || h.move || fix.Worst(h.atRisk()) != fix.AtRisk {
		b.receipt()
	}
	if err := b.frame(ctx, v); err != nil {
		return plan.Plan{}, err
	}
	return b.Plan, nil
}

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
// before.
func (b *builder) directory() error {
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
		if u.record == nil || b.moves(u, b.move) {
			movers = append(movers, u)
		}
	}
	targets, err := assign(movers, b.holders, b.gids, b.group)
	if err != nil {
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
		if err := b.complete(u, targets); err != nil {
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
	if b.record != nil && len(b.record.Values(dscl.PrimaryGroupID)) > 0 && b.gid >= 0 {
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
	if holder := b.gids[b.gid]; holder != "" {
		return false, refuse(fmt.Sprintf("the ID %d of the group %s belongs to the group %s now", b.gid, b.group, holder))
	}
	if b.record != nil {
		b.add(idGroupNoGID, plan.SetAttribute{
			Record: "/Groups/" + b.group, Key: dscl.PrimaryGroupID, From: b.record.Values(dscl.PrimaryGroupID), To: []string{strconv.Itoa(b.gid)},
			GeneratedUID: b.record.First(dscl.GeneratedUID),
		})
		return false, nil
	}
	return true, nil
}

func (b *builder) createGroup() error {
	guid, err := newGUID(b.random)
	if err != nil {
		return err
	}
	path := "/Groups/" + b.group
	b.groupGUID = guid
	b.add(idGroupMissing, plan.CreateRecord{Record: path, GeneratedUID: guid})
	for _, a := range [][2]string{
		{dscl.PrimaryGroupID, strconv.Itoa(b.gid)},
		{dscl.RealName, "Nix build group for nix-daemon"},
	} {
		b.add(idGroupMissing, plan.SetAttribute{Record: path, Key: a[0], To: []string{a[1]}, GeneratedUID: guid, New: true})
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
		b.add(b.reason(u), plan.SetAttribute{
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

// halfMade reports whether an existing user lacks more than a user ID.
func (b *builder) halfMade(u *user) bool {
	return len(u.uids) == 0 || len(b.lacks(u)) > 0 || b.wrongGroup(u)
}

// complete plans what an existing user lacks, or all of a missing one. The user ID comes last, so that an unfinished
// user can be told from a finished one; the primary group comes first, so that it can be told whose it is.
func (b *builder) complete(u *user, targets map[string]int) error {
	gid := strconv.Itoa(b.gid)
	number := strconv.Itoa(u.number)
	if u.record == nil {
		guid, err := newGUID(b.random)
		if err != nil {
			return err
		}
		b.guids[u.name] = guid
		b.add(idMissing, plan.CreateRecord{Record: u.path(), GeneratedUID: guid})
		for _, a := range [][2]string{
			{dscl.PrimaryGroupID, gid},
			{dscl.NFSHomeDirectory, home},
			{dscl.UserShell, shell},
			{dscl.RealName, "Nix build user " + number},
			{dscl.IsHidden, "1"},
			{dscl.UniqueID, strconv.Itoa(targets[u.name])},
		} {
			b.add(idMissing, plan.SetAttribute{Record: u.path(), Key: a[0], To: []string{a[1]}, GeneratedUID: guid, New: true})
			// macOS was seen to kill dscl here, and it only keeps the user out of the login window.
			b.writes[len(b.writes)-1].Optional = a[0] == dscl.IsHidden
		}
		return nil
	}
	set := func(id, key string, to string) {
		b.add(id, plan.SetAttribute{Record: u.path(), Key: key, From: u.record.Values(key), To: []string{to}, GeneratedUID: b.guid(u)})
	}
	lacking := b.lacks(u)
	if u.record.First(dscl.GeneratedUID) == "" {
		guid, err := newGUID(b.random)
		if err != nil {
			return err
		}
		b.guids[u.name] = guid
		set(idIncomplete, dscl.GeneratedUID, guid)
	}
	if b.wrongGroup(u) {
		id := idWrongGroup
		if u.uid < 0 {
			id = idIncomplete
		}
		set(id, dscl.PrimaryGroupID, gid)
	}
	if slices.Contains(lacking, dscl.NFSHomeDirectory) {
		set(idIncomplete, dscl.NFSHomeDirectory, home)
	}
	if slices.Contains(lacking, dscl.UserShell) {
		set(idIncomplete, dscl.UserShell, shell)
	}
	if u.uid >= 0 || len(u.uids) > 1 || !b.halfMade(u) {
		return nil
	}
	if u.record.First(dscl.RealName) == "" {
		set(idIncomplete, dscl.RealName, "Nix build user "+number)
	}
	if u.record.First(dscl.IsHidden) == "" {
		set(idIncomplete, dscl.IsHidden, "1")
		b.writes[len(b.writes)-1].Optional = true
	}
	set(idIncomplete, dscl.UniqueID, strconv.Itoa(targets[u.name]))
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
		b.add(idMissing, plan.KeepNames{Record: "/Groups/" + b.group, Names: names, Made: made})
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
		b.add(idGroupMissing, plan.SetAttribute{Record: path, Key: dscl.GroupMembership, To: names, GeneratedUID: b.groupGUID, New: true})
		b.add(idGroupMissing, plan.SetAttribute{Record: path, Key: dscl.GroupMembers, To: ids, GeneratedUID: b.groupGUID, New: true})
		return
	}
	old := b.record.Values(dscl.GroupMembership)
	own := b.record.First(dscl.GeneratedUID)
	if !slices.Equal(old, names) {
		b.add(idNotInGroup, plan.SetAttribute{Record: path, Key: dscl.GroupMembership, From: old, To: names, GeneratedUID: own})
	}
	old = b.record.Values(dscl.GroupMembers)
	ids := b.memberIDs(guid)
	for _, id := range ids {
		if !slices.Contains(old, id) {
			b.add(idStaleGUIDs, plan.SetAttribute{Record: path, Key: dscl.GroupMembers, From: old, To: ids, GeneratedUID: own})
			return
		}
	}
}

// receipt plans to bring the receipt in line with the directory as it will be.
func (b *builder) receipt() {
	if b.host.receipt == nil || b.receiptErr != nil {
		return
	}
	changes := b.host.receipt.Compare(b.uids, b.gid)
	if len(changes) == 0 {
		return
	}
	old := b.receiptFile
	next := plan.NewFileState(platform.Content{
		Data: b.host.receipt.Edit(changes), Mode: old.Mode, UID: old.UID, GID: old.GID,
	})
	b.file = append(b.file, plan.Entry{For: idReceiptStale, Step: plan.WriteFile{
		Name: receipt.File, Before: old, After: next, Why: fmt.Sprintf("record the new numbers, in %s", counted(len(changes), "place")),
	}})
}

// frame puts the steps around the writes: consent first, the daemon out, nobody building; afterwards everything is
// read again before the receipt says so, and the daemon comes back. A daemon that is out although nothing is left to
// do comes back as well: a repair that was killed, and whose journal is gone, leaves it so.
func (b *builder) frame(ctx context.Context, v platform.View) error {
	var stop, start []plan.Entry
	pids := map[int]bool{}
	for _, label := range daemons {
		_, err := v.Stat(ctx, daemonPlist(label))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s, err := launchd.Read(ctx, v, label)
		if err != nil {
			return err
		}
		if s.Loaded && len(b.writes) == 0 {
			continue
		}
		if s.Loaded {
			stop = append(stop, plan.Entry{Step: plan.StopService{Label: label, Plist: daemonPlist(label)}})
		}
		if s.PID > 0 {
			pids[s.PID] = true
		}
		start = append(start, plan.Entry{For: idDaemonOut, Step: plan.StartService{Label: label, Plist: daemonPlist(label)}})
	}
	if len(b.writes) == 0 {
		b.Entries = slices.Concat(b.file, start)
		return nil
	}
	idle := plan.RequireIdle{Pool: pool, UIDs: b.watched()}
	if err := b.refuseBusy(ctx, v, idle, pids); err != nil {
		return err
	}
	b.Entries = slices.Concat(b.probe(), stop, []plan.Entry{{Step: idle}}, b.writes, []plan.Entry{{Step: plan.ReadBack{}}}, b.file,
		[]plan.Entry{{Step: plan.FlushAccounts{}, Optional: true}}, start)
	return nil
}

// probe asks for consent with a user who is there.
func (b *builder) probe() []plan.Entry {
	for _, u := range b.users {
		if u.uid < 0 || len(u.shared) > 0 || u.twin != "" {
			continue
		}
		probe := plan.ProbeConsent{Record: u.path(), Key: dscl.UniqueID, Value: strconv.Itoa(u.uid)}
		if to := b.uids[u.name]; to != u.uid {
			probe.Later = strconv.Itoa(to)
		}
		return []plan.Entry{{Step: probe}}
	}
	return nil
}

// watched returns the user IDs under which a process would be a build: those of the build users, and those that they
// get. An ID that another account has as well is not among them.
func (b *builder) watched() []int {
	var ids []int
	for _, u := range b.users {
		if u.uid >= 0 && len(u.shared) == 0 {
			ids = append(ids, u.uid)
		}
		ids = append(ids, b.uids[u.name])
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// refuseBusy refuses while builds run: what descends from the daemon, what runs as a build user, locks in the pool.
func (b *builder) refuseBusy(ctx context.Context, v platform.View, idle plan.RequireIdle, daemons map[int]bool) error {
	list, err := processes.List(ctx, v)
	if err != nil {
		return err
	}
	working := map[int]bool{}
	for pid := range daemons {
		for _, p := range processes.Descendants(list, pid) {
			working[p.PID] = true
		}
	}
	busy, err := idle.Busy(ctx, v, func(p processes.Process) bool { return working[p.PID] })
	if errors.Is(err, fs.ErrPermission) && !b.facts.Root() {
		b.Notes = append(b.Notes, "Without root it cannot be told whether builds are running; the repair itself looks again.")
		return nil
	}
	if err != nil {
		return err
	}
	if len(busy) > 0 {
		return &fix.Refusal{
			ID: "sequoia/builds-running", Reason: plan.ErrBusy.Error() + ": " + shorten(busy), Err: nil,
			Next: "Wait until they have ended, or stop them, and run the command again.",
		}
	}
	return nil
}

// seats draws who sits where before and after.
func (b *builder) seats(targets map[string]int) {
	before, after := map[int][]string{}, map[int][]string{}
	show := func(id int) bool { return id >= 300 && id <= lastSafe }
	for id, names := range b.holders {
		for _, name := range names {
			to, moved := targets[name]
			if show(id) || moved {
				before[id] = append(before[id], name)
				if !moved {
					after[id] = append(after[id], name)
				}
			}
			if moved && !slices.Contains(after[to], name) {
				after[to] = append(after[to], name)
			}
		}
	}
	for name, id := range targets {
		if !slices.Contains(after[id], name) {
			after[id] = append(after[id], name)
		}
	}
	var ids []int
	for id := range before {
		ids = append(ids, id)
	}
	for id := range after {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		slices.Sort(before[id])
		slices.Sort(after[id])
		b.Seats = append(b.Seats, plan.Seat{ID: id, Before: strings.Join(before[id], ", "), After: strings.Join(after[id], ", ")})
	}
}

// darwin tells the user of nix-darwin what to set so that its next activation finds what it expects.
func (b *builder) darwin() {
	if !b.nixDarwin {
		return
	}
	base, known := 0, false
	for _, u := range b.users {
		d := b.uids[u.name] - u.number
		if known && d != base {
			b.Notes = append(b.Notes, "nix-darwin manages this Mac, and the new user IDs do not follow each other, which its option "+
				"ids.uids.nixbld cannot express: set nix.configureBuildUsers = false, or free the IDs from 351 up first.")
			return
		}
		base, known = d, true
	}
	b.Notes = append(b.Notes, fmt.Sprintf("nix-darwin manages this Mac. So that its next activation agrees, set ids.uids.nixbld = %d "+
		"(350 is its default) and ids.gids.nixbld = %d in its configuration.", base, b.gid))
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
