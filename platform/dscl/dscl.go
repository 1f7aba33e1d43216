// Package dscl reads and writes the local directory node of macOS through dscl(1).
//
// How dscl fails, and that every status keeps only its low eight bits as the exit status, was read in Apple's
// DSTools-162 (dscl/dscl.m, dscl/PathManager.m, DSObjCWrappers/DSoRecord.m).
package dscl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/plistfile"
)

// Tool is where macOS keeps dscl.
const Tool = "/usr/bin/dscl"

// node is the local directory node. "/Search" would also answer from network directories.
const node = "."

// Attributes of records, by the names that dscl accepts without a prefix.
const (
	RecordName       = "RecordName"
	UniqueID         = "UniqueID"
	PrimaryGroupID   = "PrimaryGroupID"
	GeneratedUID     = "GeneratedUID"
	NFSHomeDirectory = "NFSHomeDirectory"
	UserShell        = "UserShell"
	RealName         = "RealName"
	IsHidden         = "IsHidden" // not a standard attribute: dscl stores and returns it as a native one
	GroupMembership  = "GroupMembership"
	GroupMembers     = "GroupMembers"
	NestedGroups     = "NestedGroups"
)

// Types of records, as they stand in a path.
const (
	Users  = "Users"
	Groups = "Groups"
)

// keys are the attributes that Read asks for. Without a list dscl would print everything, also the picture of each
// human user as megabytes of hex.
var keys = map[string][]string{
	Users:  {RecordName, UniqueID, PrimaryGroupID, GeneratedUID, NFSHomeDirectory, UserShell, RealName, IsHidden},
	Groups: {RecordName, PrimaryGroupID, GeneratedUID, RealName, GroupMembership, GroupMembers, NestedGroups},
}

// ErrIncomplete is returned by Read when the answer lacks what every directory has. dscl exits 0 with no output when
// its list is nil, and such an answer would make every build user look missing.
var ErrIncomplete = errors.New("the answer is incomplete")

// nameForm is what may become part of a path. It keeps out "", "." and "..", with which "-delete /Users/…" deletes
// every user (dscl/PathRecordType.m deleteItem), and the characters that paths give a meaning to.
var nameForm = pattern.New(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)

// ValidName reports whether name may become part of a path.
func ValidName(name string) bool { return nameForm.MatchString(name) }

// Path names a record: its type and its name.
type Path struct {
	Type string // Users or Groups
	Name string
}

func (p Path) String() string { return "/" + p.Type + "/" + p.Name }

// ParsePath parses "/Users/_nixbld1". It refuses types other than Users and Groups, and names that are not valid.
func ParsePath(s string) (Path, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] != "" || (parts[1] != Users && parts[1] != Groups) || !ValidName(parts[2]) {
		return Path{}, fmt.Errorf("%q is not the path of a user or group that lixfix would touch", s)
	}
	return Path{Type: parts[1], Name: parts[2]}, nil
}

// check refuses, before anything is spawned, what a hand-made Path could hold.
func (p Path) check() error {
	_, err := ParsePath(p.String())
	return err
}

// Record is a user or a group.
type Record struct {
	Name  string // the first RecordName; others are aliases
	attrs map[string][]string
}

// NewRecord returns a record with the given attributes.
func NewRecord(name string, attrs map[string][]string) *Record {
	return &Record{Name: name, attrs: attrs}
}

// Values returns the values of an attribute, nil when it is absent. Nothing tells absent from empty.
func (r *Record) Values(key string) []string { return r.attrs[key] }

// First returns the first value of an attribute, "" when it is absent.
func (r *Record) First(key string) string {
	if v := r.attrs[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// SameID reports whether two GeneratedUIDs are one: macOS compares them without case.
func SameID(a, b string) bool { return strings.EqualFold(a, b) }

// HasID reports whether a list of GeneratedUIDs has one.
func HasID(list []string, id string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return SameID(s, id) })
}

// Number returns the one value of an attribute as a number. It fails when there is none, several, or when it is not
// made of digits: macOS reads such a value as 0.
func (r *Record) Number(key string) (int, error) {
	v := r.attrs[key]
	if len(v) != 1 {
		return 0, fmt.Errorf("%s of %s has %d values", key, r.Name, len(v))
	}
	n, err := strconv.Atoi(v[0])
	if err != nil || strings.HasPrefix(v[0], "+") {
		return 0, fmt.Errorf("%s of %s is %q, not a number", key, r.Name, v[0])
	}
	return n, nil
}

// Set replaces the values of an attribute in this copy, not on the machine.
func (r *Record) Set(key string, values []string) {
	if len(values) == 0 {
		delete(r.attrs, key)
		return
	}
	r.attrs[key] = slices.Clone(values)
}

// Bare reports whether the record is no more than what an interrupted creation leaves: it has no numeric ID and no home.
func (r *Record) Bare() bool {
	for _, key := range []string{UniqueID, PrimaryGroupID, NFSHomeDirectory, GroupMembership, GroupMembers} {
		if len(r.attrs[key]) > 0 {
			return false
		}
	}
	return true
}

// Blank reports whether the record is no more than what dscl leaves that was killed while it made it: a name, and at most
// a GeneratedUID. Somebody's account has more.
func (r *Record) Blank() bool {
	for key, values := range r.attrs {
		if key != RecordName && key != GeneratedUID && len(values) > 0 {
			return false
		}
	}
	return true
}

// Clone returns a copy that can be changed on its own.
func (r *Record) Clone() *Record { return &Record{Name: r.Name, attrs: maps.Clone(r.attrs)} }

// Directory is what the local node holds.
type Directory struct {
	Users  []*Record
	Groups []*Record
}

// Read reads all users and groups in two spawns, whatever their number. The attributes are those that this package
// names.
func Read(ctx context.Context, v platform.View) (*Directory, error) {
	type half struct {
		records []*Record
		err     error
	}
	groups := make(chan half, 1)
	go func() {
		r, err := readAll(ctx, v, Groups)
		groups <- half{r, err}
	}()
	users, err := readAll(ctx, v, Users)
	g := <-groups
	if err != nil {
		return nil, err
	}
	if g.err != nil {
		return nil, g.err
	}
	return &Directory{Users: users, Groups: g.records}, nil
}

// Look lists the records of one type a second time, and adds to the list what an earlier one has and this one has not: a list
// that leaves records out is valid and ends with status 0, and a record that is in either was there.
func Look(ctx context.Context, v platform.View, kind string, earlier []*Record) ([]*Record, error) {
	list, err := readAll(platform.Second(ctx), v, kind)
	if err != nil {
		return nil, err
	}
	has := make(map[string]bool, len(list))
	for _, r := range list {
		has[r.Name] = true
	}
	for _, r := range earlier {
		if !has[r.Name] {
			list = append(list, r)
		}
	}
	return list, nil
}

// anchors are in every directory: a list without them is not one.
var anchors = map[string]struct{ name, key string }{
	Users:  {"root", UniqueID},
	Groups: {"wheel", PrimaryGroupID},
}

const (
	attempts = 5                      // of a reading that fails in passing
	pause    = 300 * time.Millisecond // between them
)

// query reads, and tries again what fails in passing.
func query(ctx context.Context, v platform.View, args []string) ([]byte, error) {
	for n := 1; ; n++ {
		out, err := v.Query(ctx, Tool, args...)
		if err == nil || !Passing(err) || n == attempts {
			return out, failed(err)
		}
		select {
		case <-ctx.Done():
			return nil, failed(err)
		case <-time.After(pause):
		}
	}
}

func readAll(ctx context.Context, v platform.View, kind string) ([]*Record, error) {
	out, err := query(ctx, v, append([]string{"-plist", node, "-readall", "/" + kind}, keys[kind]...))
	if err != nil {
		return nil, fmt.Errorf("list /%s: %w", kind, err)
	}
	lists, err := plistfile.Records(out)
	if len(lists) != 1 {
		return nil, fmt.Errorf("list /%s: %d lists instead of one: %w", kind, len(lists), ErrIncomplete)
	}
	if err != nil {
		return nil, fmt.Errorf("list /%s: %w", kind, err)
	}
	dicts := lists[0]
	records := make([]*Record, len(dicts))
	for i, d := range dicts {
		if records[i], err = record(d); err != nil {
			return nil, fmt.Errorf("list /%s: record %d: %w", kind, i+1, err)
		}
	}
	a := anchors[kind]
	if !slices.ContainsFunc(records, func(r *Record) bool { return r.Name == a.name && r.First(a.key) == "0" }) {
		return nil, fmt.Errorf("list /%s: %s is not in it: %w", kind, a.name, ErrIncomplete)
	}
	return records, nil
}

// record takes the prefixes off the attribute names. Where a name is there both as a standard attribute and as a
// native one, the standard one counts: it is the one that dscl means without a prefix.
func record(dict map[string][]string) (*Record, error) {
	r := &Record{attrs: make(map[string][]string, len(dict))}
	for key, values := range dict {
		prefix, name, ok := strings.Cut(key, ":")
		if !ok {
			name = key
		} else if prefix != "dsAttrTypeStandard" && len(dict["dsAttrTypeStandard:"+name]) > 0 {
			continue
		}
		if len(values) > 0 {
			r.attrs[name] = slices.Clip(values) // others share them
		}
	}
	if r.Name = r.First(RecordName); r.Name == "" {
		return nil, errors.New("it has no RecordName")
	}
	return r, nil
}

// ReadRecord reads one record anew; nil and no error when it is proved to be absent.
func ReadRecord(ctx context.Context, v platform.View, p Path) (*Record, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	args := append([]string{"-plist", node, "-read", p.String()}, keys[p.Type]...)
	out, err := query(platform.Fresh(ctx), v, args)
	if Absent(err) {
		return nil, nil //nolint:nilnil // absent is an answer, and not an error
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	docs := plistfile.Documents(out)
	if len(docs) != 1 {
		return nil, fmt.Errorf("read %s: %d records of this name", p, len(docs))
	}
	var dict map[string][]string
	if err := plistfile.Decode(docs[0], &dict); err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	r, err := record(dict)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	return r, nil
}

// Create replaces all values of an attribute. It makes the record if there is none.
func Create(ctx context.Context, h platform.Host, p Path, key string, values ...string) error {
	if len(values) == 0 {
		return fmt.Errorf("set %s of %s: no values: dscl would remove the attribute", key, p)
	}
	if !nameForm.MatchString(key) {
		return fmt.Errorf("set %q of %s: not an attribute", key, p)
	}
	return write(ctx, h, p, "set "+key, append([]string{"-create", p.String(), key}, values...))
}

// Change replaces the one value old by the value next, and fails when old is not there; see Absent.
func Change(ctx context.Context, h platform.Host, p Path, key, old, next string) error {
	if !nameForm.MatchString(key) {
		return fmt.Errorf("change %q of %s: not an attribute", key, p)
	}
	return write(ctx, h, p, "change "+key, []string{"-change", p.String(), key, old, next})
}

// Delete removes an attribute. dscl can exit 0 without having removed it, so read it back.
func Delete(ctx context.Context, h platform.Host, p Path, key string) error {
	if !nameForm.MatchString(key) {
		return fmt.Errorf("remove %q of %s: not an attribute", key, p) // without a key the record would go
	}
	return write(ctx, h, p, "remove "+key, []string{"-delete", p.String(), key})
}

// DeleteRecord removes a record.
func DeleteRecord(ctx context.Context, h platform.Host, p Path) error {
	return write(ctx, h, p, "delete the record", []string{"-delete", p.String()})
}

func write(ctx context.Context, h platform.Host, p Path, what string, args []string) error {
	if err := p.check(); err != nil {
		return err
	}
	for _, a := range args {
		if strings.ContainsFunc(a, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return fmt.Errorf("%s of %s: %q holds a control character", what, p, a)
		}
	}
	return failed(h.Run(ctx, Tool, append([]string{node}, args...)...))
}
