package mactools

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// attributeStatus prints what dscl says when the node refuses a write, before
// the last line.
func (d *directory) attributeStatus(st status) status {
	if st != eDSNoErr {
		d.Errorf("<main> attribute status: %v\n", st)
	}
	return st
}

// create makes the record, gives it a GeneratedUID, and then sets the
// attribute: three writes of which any prefix can be left behind.
func (d *directory) create(args []string) (status, error) {
	parts := components(args[0])
	if args[0] == "." || len(parts) < 2 {
		// Nothing to make; dscl has no error for it, only for a bad type.
		_, err := d.walk(args[0])
		return 0, err
	}
	k, ok := kindOf(parts[0])
	if !ok || len(parts) > 2 {
		return 0, errInvalidPath
	}
	r, err := d.Mac.Find(k, parts[1])
	if errors.Is(err, mac.ErrNoRecord) {
		st, made, err := d.makeRecord(k, parts[1])
		if err != nil || st != eDSNoErr {
			return d.attributeStatus(st), err
		}
		r = made
	} else if err != nil {
		return 0, err
	}
	if len(args) == 1 {
		return 0, nil
	}
	if prefixed(args[1]) != args[1] {
		// A key that has its prefix needs no look-up.
		d.Stage(mac.StageLookup)
	}
	return d.modify(k, r, args[1], func(old []string) ([][]string, status) {
		if len(args) == 2 {
			return [][]string{nil}, eDSNoErr
		}
		if len(old) > 0 && !slices.Equal(old, args[2:]) {
			return [][]string{nil, args[2:]}, eDSNoErr
		}
		return [][]string{args[2:]}, eDSNoErr
	}, mac.StageRemoved)
}

func (d *directory) makeRecord(k mac.Kind, name string) (status, mac.Record, error) {
	c := d.Config
	switch {
	case d.search:
		return eDSPermissionError, nil, nil
	case !c.IsRoot(), c.Switches.ConsentToCreate && !c.Consent, k == mac.Groups && c.Switches.ConsentToGroups && !c.Consent:
		return eDSPermissionError, nil, nil
	}
	r := mac.Record{}
	r.Set("name", name)
	r.Set("record_daemon_version", "9040000")
	if k == mac.Users {
		r.Set("passwd", "********")
	}
	if err := d.Mac.Put(k, r); err != nil {
		return 0, nil, err
	}
	d.Stage(mac.StageRecord)
	r.Set("generateduid", d.Made(k, name))
	if err := d.Mac.Put(k, r); err != nil {
		return 0, nil, err
	}
	d.Stage(mac.StageGUID)
	return eDSNoErr, r, nil
}

// modify changes one attribute. plan gives the successive values it has on
// disk, the last being the result, and a status that is returned after them.
func (d *directory) modify(k mac.Kind, r mac.Record, key string, plan func(old []string) ([][]string, status), stage string) (status, error) {
	disk := mac.DiskName(prefixed(key))
	if st := d.allowed(k, disk); st != eDSNoErr {
		return d.attributeStatus(st), nil
	}
	steps, st := plan(r[disk])
	if stage == mac.StageRemoved {
		// The node refuses a value before it touches the old ones.
		if refused, err := d.unique(k, r, disk, steps[len(steps)-1]); err != nil || refused != eDSNoErr {
			return d.attributeStatus(refused), err
		}
	}
	for i, values := range steps {
		if stage != mac.StageRemoved {
			// An append that is refused keeps what it has added so far.
			if refused, err := d.unique(k, r, disk, values); err != nil || refused != eDSNoErr {
				return d.attributeStatus(refused), d.keep(k, r, i, err)
			}
		}
		r.Set(disk, values...)
		// Only a crash shows what lies between the first step and the last.
		if i == len(steps)-1 || d.Awaits(stage) {
			if err := d.Mac.Put(k, r); err != nil {
				return 0, err
			}
		}
		if i < len(steps)-1 {
			d.Stage(stage)
		}
	}
	return d.attributeStatus(st), nil
}

// keep stores the record after a step was refused, if there were steps before.
func (d *directory) keep(k mac.Kind, r mac.Record, steps int, err error) error {
	if err != nil || steps == 0 {
		return err
	}
	return d.Mac.Put(k, r)
}

func (d *directory) allowed(k mac.Kind, disk string) status {
	c := d.Config
	if d.search || !c.IsRoot() {
		return eDSPermissionError
	}
	if c.Consent {
		return eDSNoErr
	}
	// NixOS/nix#10892: UniqueID; install-darwin-multi-user.sh: NFSHomeDirectory.
	needs := k == mac.Users && (disk == "uid" || disk == "home" || c.Switches.ConsentToAll) ||
		k == mac.Groups && c.Switches.ConsentToGroups
	if needs {
		return eDSPermissionError
	}
	return eDSNoErr
}

// unique enforces the node's uniqueness rules.
func (d *directory) unique(k mac.Kind, r mac.Record, disk string, values []string) (status, error) {
	s := d.Config.Switches
	creating := d.verb == "create"
	checked := disk == "uid" && k == mac.Users && (creating || !s.FreeChange) ||
		disk == "generateduid" && !s.FreeGeneratedUID && (creating || !s.FreeChange) ||
		disk == "gid" && k == mac.Groups && s.UniqueGID
	if !checked {
		return eDSNoErr, nil
	}
	for _, v := range values {
		if slices.Contains(r[disk], v) {
			continue
		}
		other, err := d.Mac.Holder(k, mac.FullName(disk), v, r.Name())
		if err != nil {
			return 0, err
		}
		if other != nil {
			return eDSRecordAlreadyExists, nil
		}
	}
	return eDSNoErr, nil
}

func (d *directory) add(args []string, merge bool) (status, error) {
	at, err := d.walk(args[0])
	if err != nil || at.record == nil {
		return 0, err
	}
	return d.modify(at.kind, at.record, args[1], func(old []string) ([][]string, status) {
		var steps [][]string
		now := slices.Clone(old)
		for _, v := range args[2:] {
			if merge && slices.Contains(now, v) {
				continue
			}
			now = append(slices.Clip(now), v)
			steps = append(steps, now)
		}
		return steps, eDSNoErr
	}, mac.StageValue)
}

func (d *directory) append(args []string) (status, error) { return d.add(args, false) }

func (d *directory) merge(args []string) (status, error) { return d.add(args, true) }

func (d *directory) change(args []string) (status, error) {
	at, err := d.walk(args[0])
	if err != nil || at.record == nil {
		return 0, err
	}
	if st := status(d.Config.Switches.ChangeStatus); st != 0 && mac.DiskName(prefixed(args[1])) == "uid" {
		return d.attributeStatus(st), nil
	}
	return d.modify(at.kind, at.record, args[1], func(old []string) ([][]string, status) {
		return replaceAt(old, slices.Index(old, args[2]), args[3])
	}, mac.StageValue)
}

func (d *directory) changeIndex(args []string) (status, error) {
	at, err := d.walk(args[0])
	if err != nil || at.record == nil {
		return 0, err
	}
	return d.modify(at.kind, at.record, args[1], func(old []string) ([][]string, status) {
		n, _ := strconv.Atoi(args[2])
		return replaceAt(old, n-1, args[3])
	}, mac.StageValue)
}

func replaceAt(old []string, i int, v string) ([][]string, status) {
	if i < 0 || i >= len(old) {
		return nil, eDSAttributeNotFound
	}
	now := slices.Clone(old)
	now[i] = v
	return [][]string{now}, eDSNoErr
}

// remove is -delete: of a record, an attribute, or values. A path that ends at
// a record type deletes all its records (dscl/PathRecordType.m deleteItem).
func (d *directory) remove(args []string) (status, error) {
	at, err := d.walk(args[0])
	if err != nil || at.kind == "" {
		return 0, err
	}
	if len(args) == 1 {
		return d.removeRecords(at)
	}
	if at.record == nil {
		return 0, nil
	}
	key := args[1]
	if strings.HasPrefix(key, mac.NativePrefix) && !d.Config.Switches.NativePrefixDelete {
		return 0, nil
	}
	return d.modify(at.kind, at.record, key, func(old []string) ([][]string, status) {
		if len(args) == 2 {
			if len(old) == 0 {
				return nil, d.absentKey()
			}
			return [][]string{nil}, eDSNoErr
		}
		var steps [][]string
		now := slices.Clone(old)
		for _, v := range args[2:] {
			i := slices.Index(now, v)
			if i < 0 {
				return steps, eDSAttributeNotFound
			}
			now = slices.Delete(slices.Clone(now), i, i+1)
			steps = append(steps, now)
		}
		return steps, eDSNoErr
	}, mac.StageValue)
}

func (d *directory) absentKey() status {
	switch st := d.Config.Switches.AbsentKeyStatus; st {
	case 0:
		return eDSAttributeNotFound
	case 1:
		return eDSNoErr
	default:
		return status(st)
	}
}

func (d *directory) removeRecords(at place) (status, error) {
	var names []string
	if at.record != nil {
		names = []string{at.record.Name()}
	} else {
		all, err := d.Mac.All(at.kind)
		if err != nil {
			return 0, err
		}
		for _, r := range all {
			names = append(names, r.Name())
		}
	}
	for i, n := range names {
		if d.search || !d.Config.IsRoot() || d.Config.Switches.RefuseRecordDelete {
			d.Errorf("<main> delete status: %v\n", eDSPermissionError)
			return eDSPermissionError, nil
		}
		if err := d.Mac.Remove(at.kind, n); err != nil {
			return 0, err
		}
		if at.kind == mac.Users && d.Config.Switches.DeletePrunesGroups {
			if err := d.prune(n); err != nil {
				return 0, err
			}
		}
		if i < len(names)-1 {
			d.Stage(mac.StageValue)
		}
	}
	return 0, nil
}

func (d *directory) prune(user string) error {
	groups, err := d.Mac.All(mac.Groups)
	if err != nil {
		return err
	}
	for _, g := range groups {
		i := slices.Index(g["users"], user)
		if i < 0 {
			continue
		}
		g.Set("users", slices.Delete(slices.Clone(g["users"]), i, i+1)...)
		if err := d.Mac.Put(mac.Groups, g); err != nil {
			return err
		}
	}
	return nil
}
