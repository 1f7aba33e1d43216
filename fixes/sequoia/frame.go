package sequoia

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/installation"
)

// frame puts the steps around the writes: consent first, the daemon out, nobody building; afterwards everything is
// read again before the receipt says so, and the daemon comes back. A daemon that is out although nothing is left to
// do comes back as well: a repair that was killed, and whose journal is gone, leaves it so.
func (b *builder) frame() (*step.RequireIdle, error) {
	if b.serviceErr != nil {
		return nil, fmt.Errorf("look at the Nix daemon: %w", b.serviceErr)
	}
	var stop, start []plan.Entry
	out := b.stopped()
	for _, s := range b.services {
		if !s.Loaded && !out || s.Loaded && len(b.writes) == 0 {
			continue // one that is out beside one that runs is meant to be out
		}
		if s.Loaded {
			stop = append(stop, plan.Entry{Step: step.StopService{Label: s.label, Plist: installation.Plist(s.label)}})
		}
		start = append(start, plan.Entry{For: daemonOut.ID, Step: step.StartService{Label: s.label, Plist: installation.Plist(s.label)}})
	}
	if len(b.writes) == 0 {
		b.Entries = slices.Concat(b.file, start)
		return nil, nil
	}
	idle := step.RequireIdle{Pool: pool, UIDs: b.watched()}
	b.Entries = slices.Concat(b.probe(), stop, []plan.Entry{{Step: idle}}, b.writes, []plan.Entry{{Step: account.ReadBack{}}}, b.file,
		[]plan.Entry{{Step: account.FlushAccounts{}, Optional: true}}, start)
	return &idle, nil
}

// probe asks for consent with a user who is there.
func (b *builder) probe() []plan.Entry {
	for _, u := range b.users {
		if u.uid < 0 || !u.alone() {
			continue
		}
		probe := account.ProbeConsent{Record: u.path(), Key: dscl.UniqueID, Value: strconv.Itoa(u.uid)}
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

// places says who has which user ID before and after.
func (b *builder) places(targets map[string]int) {
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
		b.Places = append(b.Places, figure.Place{ID: id, Before: strings.Join(before[id], ", "), After: strings.Join(after[id], ", ")})
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
			b.Notes = append(b.Notes, darwinCannot)
			return
		}
		base, known = d, true
	}
	b.Notes = append(b.Notes, darwinShould.Fill(fix.With{"uid": base, "gid": b.gid}))
}
