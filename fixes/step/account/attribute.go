package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/launchd"
)

const (
	attempts     = 10                     // of a write that fails in passing; peers try as often
	attemptsHide = 2                      // of setting IsHidden, where macOS was seen to kill dscl for good
	pause        = 500 * time.Millisecond // between attempts
)

// persist calls try until it does not ask for another attempt, at most so many times.
func persist(ctx context.Context, most int, try func() (again bool, err error)) error {
	for n := 1; ; n++ {
		again, err := try()
		if !again || n == most {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// SetAttribute sets an attribute of a directory record from the values From to the values To. No values mean that
// the attribute is absent.
type SetAttribute struct {
	Record string   `json:"record"` // "/Users/_nixbld1"
	Key    string   `json:"key"`
	From   []string `json:"from"`
	To     []string `json:"to"`
	// New is set when a CreateRecord of the same plan makes the record; its inverse removes the attribute as well.
	New bool `json:"new,omitempty"`
	// GeneratedUID is that of the record. A record of the same name with another GeneratedUID is somebody else's, and is
	// left alone. Empty if it was not known; journals of earlier versions have none.
	GeneratedUID string `json:"generated_uid,omitempty"`
	// Beside names other users who hold the user ID From. Only undo gives two users one ID again, and only to share it
	// with these; macOS may refuse that.
	Beside []string `json:"beside,omitempty"`
	// Back is set in the inverse of a step.
	Back bool `json:"back,omitempty"`
}

var _ interface {
	plan.Settler
	plan.Expecter
	plan.Exclusive
	plan.Subject
	plan.Part
	plan.Lenient
} = SetAttribute{}

// Kind implements Step.
func (SetAttribute) Kind() string { return "set-attribute" }

func (s SetAttribute) String() string {
	switch {
	case len(s.From) == 0:
		return fmt.Sprintf("set %s of %s to %s", s.Key, s.Record, values(s.To))
	case len(s.To) == 0:
		return fmt.Sprintf("remove %s of %s (%s)", s.Key, s.Record, values(s.From))
	}
	return fmt.Sprintf("change %s of %s from %s to %s", s.Key, s.Record, values(s.From), values(s.To))
}

func values(v []string) string {
	if len(v) > 4 {
		return fmt.Sprintf("%d values (%s … %s)", len(v), v[0], v[len(v)-1])
	}
	return strings.Join(v, " ")
}

// State implements Write. A user ID that another user holds is Foreign, because two users would share it.
func (s SetAttribute) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	r := readingOf(in)
	p, err := dscl.ParsePath(s.Record)
	if err != nil {
		return plan.Foreign, "", err
	}
	rec, err := r.sought(ctx, p)
	if err != nil {
		return plan.Foreign, "", err
	}
	if rec == nil {
		return plan.Foreign, s.Record + " is gone", nil
	}
	if id := rec.First(dscl.GeneratedUID); s.GeneratedUID != "" && id != s.GeneratedUID {
		return plan.Foreign, fmt.Sprintf("%s is another account now (GeneratedUID %s)", s.Record, orNone(rec.Values(dscl.GeneratedUID))), nil
	}
	now := rec.Values(s.Key)
	switch {
	case slices.Equal(now, s.To):
		return plan.Applied, "", nil
	case slices.Equal(now, s.From):
		if s.Key == dscl.UniqueID {
			for _, id := range s.To {
				if name := r.holder(id, append(s.beside(), p.Name)); name != "" {
					return plan.Foreign, fmt.Sprintf("user ID %s now belongs to %s", id, name), nil
				}
			}
		}
		return plan.Pending, "", nil
	case len(now) == 0, isPrefix(now, s.To), isPrefix(now, s.From):
		return plan.Torn, fmt.Sprintf("%s of %s is %s", s.Key, s.Record, orNone(now)), nil
	}
	return plan.Foreign, fmt.Sprintf("%s of %s is %s", s.Key, s.Record, orNone(now)), nil
}

func isPrefix(part, whole []string) bool {
	return len(part) < len(whole) && slices.Equal(part, whole[:len(part)])
}

func orNone(v []string) string {
	if len(v) == 0 {
		return "not set"
	}
	return values(v)
}

// Settle implements Settler.
func (s SetAttribute) Settle(in *plan.Pass) {
	if p, err := dscl.ParsePath(s.Record); err == nil {
		readingOf(in).set(p, s.Key, s.To)
	}
}

// Expect implements Expecter.
func (s SetAttribute) Expect(in *plan.Pass, holds bool) {
	switch p, err := dscl.ParsePath(s.Record); {
	case err != nil:
	case holds:
		readingOf(in).expect(p, s.Key, s.To)
	default:
		readingOf(in).expectNothing(p, s.Key)
	}
}

// Exclusive implements Exclusive.
func (SetAttribute) Exclusive() bool { return true }

// Subject implements Subject.
func (s SetAttribute) Subject() string { return s.Record }

// PartOf implements Part.
func (s SetAttribute) PartOf() string {
	if s.New {
		return s.Record
	}
	return ""
}

// Lenient implements Lenient: macOS keeps user IDs unique even where they were not.
func (s SetAttribute) Lenient() bool { return len(s.Beside) > 0 }

// Inverse implements Write.
func (s SetAttribute) Inverse() plan.Write {
	if s.New {
		return nil
	}
	return SetAttribute{
		Record: s.Record, Key: s.Key, From: s.To, To: s.From, GeneratedUID: s.GeneratedUID, Beside: s.Beside, Back: !s.Back,
	}
}

// beside returns the users who may hold the new user ID as well.
func (s SetAttribute) beside() []string {
	if !s.Back {
		return nil
	}
	return slices.Clone(s.Beside)
}

// Apply implements Step. A single value is replaced by "dscl -change", which fails when the old value has gone; the
// rest by -create, the verb that was seen to work on every macOS.
func (s SetAttribute) Apply(ctx context.Context, h platform.Host, in *plan.Pass) error {
	r := readingOf(in)
	p, err := dscl.ParsePath(s.Record)
	if err != nil {
		return err
	}
	change := len(s.From) == 1 && len(s.To) == 1 && !r.ignored
	if change {
		// An interrupted write can have lost the old value; then there is nothing to change.
		rec, err := r.record(ctx, p)
		if err != nil {
			return err
		}
		change = rec != nil && slices.Equal(rec.Values(s.Key), s.From)
	}
	most := attempts
	if s.Key == dscl.IsHidden {
		most = attemptsHide
	}
	return persist(ctx, most, func() (again bool, err error) {
		again, err = s.try(ctx, h, p, change)
		if errors.Is(err, errTryCreate) {
			change = false
			again, err = s.try(ctx, h, p, change)
		}
		if again {
			// The next attempt cannot change what an interrupted one has lost.
			change = false
		}
		return again, err
	})
}

// errTryCreate says that "dscl -change" left the old value in a way that nobody has described, so that -create is
// worth a try. No capture of -change is known.
var errTryCreate = errors.New("dscl -change did not change the value")

// try writes once, and reads back where the result is in doubt.
func (s SetAttribute) try(ctx context.Context, h platform.Host, p dscl.Path, change bool) (again bool, err error) {
	switch {
	case len(s.To) == 0:
		err = dscl.Delete(ctx, h, p, s.Key)
	case change:
		err = dscl.Change(ctx, h, p, s.Key, s.From[0], s.To[0])
	default:
		err = dscl.Create(ctx, h, p, s.Key, s.To...)
	}
	if err == nil {
		return false, nil // ReadBack finds out what macOS has ignored
	}
	rec, readErr := dscl.ReadRecord(ctx, h, p)
	switch {
	case readErr != nil:
		return false, errors.Join(err, readErr)
	case rec == nil:
		return false, errors.Join(err, fmt.Errorf("%s is gone", s.Record))
	case slices.Equal(rec.Values(s.Key), s.To):
		return false, nil
	case dscl.Passing(err):
		return true, explain(ctx, h, err)
	case change && slices.Equal(rec.Values(s.Key), s.From) && !dscl.Known(err):
		return false, errTryCreate
	}
	return false, explain(ctx, h, err)
}

// explain adds to a refusal of macOS what the user can do about it. The session tells whether macOS could have asked.
func explain(ctx context.Context, h platform.Host, err error) error {
	switch {
	case dscl.Refused(err):
		next := "macOS does not let your terminal administer user accounts. Allow it when macOS asks, or open System Settings > " +
			"Privacy & Security > Full Disk Access, add the terminal application and restart it; then run the command " +
			"again. (\"tccutil reset SystemPolicySysAdminFiles\" makes macOS ask again, for every program.)"
		if session, sErr := launchd.Session(ctx, h); sErr == nil && session != "Aqua" {
			next = "This is not a graphical session (" + session + "), so macOS cannot ask for permission. Either allow it in " +
				"System Settings > General > Sharing > Remote Login > \"Allow full disk access for remote users\", or " +
				"run the command in a terminal on the Mac itself."
		}
		return plan.Hint(err, next+" On a managed Mac, a management profile may forbid it.")
	case dscl.Killed(err):
		return plan.Hint(err, "macOS, a management profile or security software kills dscl. Ask the administrator of this Mac to "+
			"allow /usr/bin/dscl, or run the command in a terminal that has Full Disk Access.")
	case dscl.Taken(err):
		return plan.Hint(err, "Another account has taken the value in the meantime. Run \"lixfix check\" to see which.")
	}
	return err
}

// KeepNames records which names a group has before the plan makes users whom it names already. It writes nothing; its
// inverse puts the names back that macOS may take out of the group when undo deletes those users. Nobody has described
// whether it does (Determinate's installer expects it; macOS's own upgrade leaves the names).
type KeepNames struct {
	Record string   `json:"record"` // "/Groups/nixbld"
	Names  []string `json:"names"`  // GroupMembership, whole and in order, as it was before the plan
	Made   []string `json:"made"`   // those of them whom the plan makes
	Back   bool     `json:"back,omitempty"`
}

var _ interface {
	plan.Exclusive
	plan.Late
} = KeepNames{}

// Kind implements Step.
func (KeepNames) Kind() string { return "keep-names" }

func (s KeepNames) String() string {
	if s.Back {
		return fmt.Sprintf("put names back into %s, where macOS takes deleted users out of it", s.Record)
	}
	return fmt.Sprintf("note the names in %s (%d), for undo", s.Record, len(s.Names))
}

// State implements Write. The group is read from the machine itself, because what macOS does to it is not the plan's
// doing. A list that lacks none of the deleted users is nobody's business, whatever else is in it.
func (s KeepNames) State(ctx context.Context, in *plan.Pass) (plan.State, string, error) {
	if !s.Back {
		return plan.Applied, "", nil
	}
	r := readingOf(in)
	p, err := dscl.ParsePath(s.Record)
	if err != nil {
		return plan.Foreign, "", err
	}
	gone, err := s.gone(ctx, r)
	if err != nil || len(gone) == 0 {
		return plan.Applied, "", err
	}
	rec, err := dscl.ReadRecord(ctx, r.view, p)
	if err != nil {
		return plan.Foreign, "", err
	}
	if rec == nil {
		return plan.Foreign, s.Record + " is gone", nil
	}
	now := rec.Values(dscl.GroupMembership)
	without := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(name string) bool { return slices.Contains(gone, name) })
	}
	switch {
	case slices.Equal(without(now), without(s.Names)) && len(now) < len(s.Names):
		return plan.Pending, "", nil
	case isPrefix(now, s.Names):
		return plan.Torn, fmt.Sprintf("GroupMembership of %s is %s", s.Record, orNone(now)), nil
	case !slices.ContainsFunc(gone, func(name string) bool { return !slices.Contains(now, name) }):
		return plan.Applied, "", nil
	}
	return plan.Foreign, fmt.Sprintf("GroupMembership of %s is %s", s.Record, orNone(now)), nil
}

// gone returns the users of the plan who are not there.
func (s KeepNames) gone(ctx context.Context, r *reading) ([]string, error) {
	var gone []string
	for _, name := range s.Made {
		rec, err := r.record(ctx, dscl.Path{Type: dscl.Users, Name: name})
		if err != nil {
			return nil, err
		}
		if rec == nil {
			gone = append(gone, name)
		}
	}
	return gone, nil
}

// Exclusive implements Exclusive.
func (s KeepNames) Exclusive() bool { return s.Back }

// Late implements Late: what macOS makes of the group shows only when the users are gone.
func (s KeepNames) Late() bool { return s.Back }

// Inverse implements Write.
func (s KeepNames) Inverse() plan.Write {
	s.Back = !s.Back
	return s
}

// Apply implements Step.
func (s KeepNames) Apply(ctx context.Context, h platform.Host, in *plan.Pass) error {
	return SetAttribute{Record: s.Record, Key: dscl.GroupMembership, To: s.Names}.Apply(ctx, h, in)
}

// ProbeConsent writes a value that a record already has. macOS lets root change user IDs only with the user's consent,
// asks for it at the first such write, and offers no other way to find out whether it was given (NixOS/nix#10892).
type ProbeConsent struct {
	Record string `json:"record"`
	Key    string `json:"key"`
	Value  string `json:"value"`
	// Later is the value that the plan gives the record, if it does: resume and undo may find that one.
	Later string `json:"later,omitempty"`
}

var _ plan.Guard = ProbeConsent{}

// Kind implements Step.
func (ProbeConsent) Kind() string { return "probe-consent" }

func (s ProbeConsent) String() string {
	return fmt.Sprintf("ask macOS for permission: write %s of %s as it is", s.Key, s.Record)
}

// Protects implements Guard: without a record to write there is nothing to ask for.
func (ProbeConsent) Protects(s plan.Step) bool { return isRecordWrite(s) }

// Apply implements Step.
func (s ProbeConsent) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	p, err := dscl.ParsePath(s.Record)
	if err != nil {
		return err
	}
	value := s.Value
	return persist(ctx, attempts, func() (again bool, err error) {
		err = dscl.Change(ctx, h, p, s.Key, value, value)
		if dscl.NotThere(err) && s.Later != "" && value != s.Later {
			value = s.Later
			err = dscl.Change(ctx, h, p, s.Key, value, value)
		}
		if dscl.Refused(err) || dscl.Passing(err) {
			return dscl.Passing(err), explain(ctx, h, fmt.Errorf("ask for permission to change %s: %w", s.Record, err))
		}
		return false, nil // a failure that says nothing about permission is left to the steps that matter
	})
}

// FlushAccounts empties the caches of getpwnam(3) and getgrnam(3), which also remember who was not there.
type FlushAccounts struct{}

// Kind implements Step.
func (FlushAccounts) Kind() string { return "flush-accounts" }

func (FlushAccounts) String() string { return "flush the cache of account names" }

// Apply implements Step.
func (FlushAccounts) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return h.Run(ctx, "/usr/bin/dscacheutil", "-flushcache")
}
