package account

import (
	"context"
	"slices"
	"strconv"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

// reading is what steps compare with: one reading of the directory, kept up to date with what the plan itself has
// done since, so that a step costs no reading of its own. What somebody else writes in the seconds after it was taken
// is noticed by "dscl -change", and otherwise when ReadBack compares.
type reading struct {
	view    platform.View
	records map[dscl.Path]*dscl.Record // nil until the directory is read
	shared  map[dscl.Path]bool         // records that another reading holds too; copied before they change
	holders map[string][]string        // UniqueID → names of users
	in      *plan.Pass
	of      *reading // this one was forked from, until the directory is read

	missed  int  // how often ReadBack found that something was not kept
	ignored bool // dscl -change was seen to report success and to change nothing, twice

	expected map[cell][]string  // what the plan has set
	made     map[dscl.Path]bool // records that this run has made
	second   *second            // shared with the readings that were forked from this one
	dropped  map[dscl.Path]bool
}

// readingOf is the one of a pass.
func readingOf(in *plan.Pass) *reading {
	return plan.Keep(in, func(in *plan.Pass) *reading { return &reading{view: in.View(), in: in} })
}

// second is a second list of each type of records, taken where the first lacks a record that a step is about.
type second struct {
	fresh bool // the first came from the machine itself, so this one has to
	lists map[string][]*dscl.Record
}

// cell is one attribute of one record.
type cell struct {
	path dscl.Path
	key  string
}

// expect records what ReadBack should find.
func (r *reading) expect(p dscl.Path, key string, values []string) {
	if r.expected == nil {
		r.expected = map[cell][]string{}
	}
	r.expected[cell{p, key}] = values
}

// expectNothing records that ReadBack need not look.
func (r *reading) expectNothing(p dscl.Path, key string) { delete(r.expected, cell{p, key}) }

// values returns what an attribute of a record is in the reading.
func (r *reading) values(c cell) []string {
	if rec := r.records[c.path]; rec != nil {
		return rec.Values(c.key)
	}
	return nil
}

// load reads the directory, if that was not done.
func (r *reading) load(ctx context.Context) error {
	if r.records != nil {
		return nil
	}
	if r.of != nil {
		return r.copy(ctx)
	}
	ctx = r.in.Fresh(ctx)
	r.second = &second{fresh: platform.IsFresh(ctx), lists: map[string][]*dscl.Record{}}
	d, err := dscl.Read(ctx, r.view)
	if err != nil {
		return err
	}
	r.records = make(map[dscl.Path]*dscl.Record, len(d.Users)+len(d.Groups))
	r.holders = make(map[string][]string, len(d.Users))
	for _, u := range d.Users {
		r.records[dscl.Path{Type: dscl.Users, Name: u.Name}] = u
		r.join(u.Name, u.Values(dscl.UniqueID))
	}
	for _, g := range d.Groups {
		r.records[dscl.Path{Type: dscl.Groups, Name: g.Name}] = g
	}
	r.aliases(dscl.Users, d.Users)
	r.aliases(dscl.Groups, d.Groups)
	return nil
}

// aliases enters records under their further names, where no record has that as its first: a path with an alias leads
// to the record as well, so nothing can be created there.
func (r *reading) aliases(kind string, records []*dscl.Record) {
	for _, rec := range records {
		for _, name := range rec.Values(dscl.RecordName) {
			if p := (dscl.Path{Type: kind, Name: name}); r.records[p] == nil {
				r.records[p] = rec
			}
		}
	}
}

// again forgets the reading; the next step takes a new one.
func (r *reading) again() { r.records, r.holders, r.shared, r.dropped = nil, nil, nil, nil }

// Renew implements Kept.
func (r *reading) Renew() { r.again() }

// Fork implements Kept.
func (r *reading) Fork() plan.Kept { return &reading{view: r.view, in: r.in, of: r} }

// copy takes the records of the reading that r was forked from, so that steps can be tried without touching that one.
func (r *reading) copy(ctx context.Context) error {
	from := r.of
	if err := from.load(ctx); err != nil {
		return err
	}
	r.of, r.second = nil, from.second
	r.records = make(map[dscl.Path]*dscl.Record, len(from.records))
	r.shared = make(map[dscl.Path]bool, len(from.records))
	for p, rec := range from.records {
		r.records[p] = rec
		r.shared[p] = true
	}
	r.holders = make(map[string][]string, len(from.holders))
	for id, names := range from.holders {
		r.holders[id] = slices.Clone(names)
	}
	return nil
}

// record returns a record, nil when the list has none. Who goes on from there being none has to prove it.
func (r *reading) record(ctx context.Context, p dscl.Path) (*dscl.Record, error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	return r.records[p], nil
}

// sought returns a record that should be there; nil when two lists are without it, or the plan itself removed it. dscl
// leaves records out of valid lists at times.
func (r *reading) sought(ctx context.Context, p dscl.Path) (*dscl.Record, error) {
	rec, err := r.record(ctx, p)
	if err != nil || rec != nil || r.dropped[p] {
		return rec, err
	}
	list, ok := r.second.lists[p.Type]
	if !ok {
		ctx = platform.Second(ctx)
		if r.second.fresh {
			ctx = platform.Fresh(ctx)
		}
		if list, err = dscl.Look(ctx, r.view, p.Type, nil); err != nil {
			return nil, err
		}
		r.second.lists[p.Type] = list
	}
	for _, found := range list {
		if found.Name != p.Name && !slices.Contains(found.Values(dscl.RecordName), p.Name) {
			continue
		}
		r.enter(p, found)
		return r.records[p], nil
	}
	return nil, nil //nolint:nilnil // absent is an answer
}

// enter adds a record that the first list lacked.
func (r *reading) enter(p dscl.Path, found *dscl.Record) {
	r.records[p] = found.Clone()
	if p.Type == dscl.Users {
		r.join(found.Name, found.Values(dscl.UniqueID))
	}
}

// number is a user ID as macOS takes it: 0352 is 352.
func number(id string) string {
	if n, err := strconv.Atoi(id); err == nil {
		return strconv.Itoa(n)
	}
	return id
}

// join records that a user holds user IDs.
func (r *reading) join(name string, ids []string) {
	for _, id := range ids {
		r.holders[number(id)] = append(r.holders[number(id)], name)
	}
}

// holder returns a user, other than those excepted, who has the user ID; "" when there is none.
func (r *reading) holder(id string, except []string) string {
	for _, name := range r.holders[number(id)] {
		if !slices.Contains(except, name) {
			return name
		}
	}
	return ""
}

// set records values of an attribute.
func (r *reading) set(p dscl.Path, key string, values []string) {
	rec := r.records[p]
	switch {
	case rec == nil:
		rec = dscl.NewRecord(p.Name, map[string][]string{dscl.RecordName: {p.Name}})
	case r.shared[p]:
		rec = rec.Clone()
		delete(r.shared, p)
	}
	r.records[p] = rec
	if p.Type == dscl.Users && key == dscl.UniqueID {
		r.leave(rec)
		r.join(p.Name, values)
	}
	rec.Set(key, values)
}

// make records that the plan has made a record.
func (r *reading) make(p dscl.Path) {
	if r.made == nil {
		r.made = map[dscl.Path]bool{}
	}
	r.made[p] = true
}

// drop records that a record is gone.
func (r *reading) drop(p dscl.Path) {
	if rec := r.records[p]; rec != nil && p.Type == dscl.Users {
		r.leave(rec)
	}
	delete(r.records, p)
	if r.dropped == nil {
		r.dropped = map[dscl.Path]bool{}
	}
	r.dropped[p] = true
}

func (r *reading) leave(rec *dscl.Record) {
	for _, id := range rec.Values(dscl.UniqueID) {
		id = number(id)
		r.holders[id] = slices.DeleteFunc(slices.Clone(r.holders[id]), func(n string) bool { return n == rec.Name })
	}
}
