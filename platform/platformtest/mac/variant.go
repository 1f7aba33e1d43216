package mac

import (
	"fmt"
)

// Variant is a state of a host, known from public reports or following from how
// the tools work, and what a check has to find in it.
type Variant struct {
	Name string
	// Doc says what happened to the host, and where it was reported.
	Doc     string
	Version string // of macOS, before Seed
	// Seed makes the state out of a Mac fresh from [New].
	Seed func(*Mac) error
	Want Want
}

// Want is what a check has to find. The lists of names are in number order and
// may overlap; nil is none.
type Want struct {
	// Broken says that something has to be mended now: builds fail, or fail as
	// soon as enough of them run, or could kill another account's processes, or
	// a user is not what its installer made. StaleGUIDs alone do not count.
	Broken bool
	// AtRisk says that a later macOS can take users that are there, for some hold
	// UIDs from 300 to 350.
	AtRisk bool
	// Untidy says that something does no harm and is mended by a plain repair.
	Untidy bool
	// GroupID says that the group's ID is none, or not one number.
	GroupID bool
	// DaemonOut says that the daemon's job is not loaded, and that a repair loads it.
	DaemonOut bool
	// Repairable says that a repair without further permission leads to a host
	// that is neither Broken nor AtRisk.
	Repairable bool
	// FlagOnly says that something could be better, but is moved only if asked.
	FlagOnly bool
	// NotApplicable says that no build users are wanted here.
	NotApplicable bool
	// Refusal is why a host that needs repair is not Repairable.
	Refusal string

	// Users are all that should exist; empty if NotApplicable.
	Users []string
	Group string
	GID   int

	Missing []string // no record
	// Incomplete is a record without a usable UniqueID, GeneratedUID, home, shell or group, or without the RealName that
	// the others have.
	Incomplete []string
	Low        []string // UID from 300 to 350
	Parked     []string // UID from 31000 to 39999
	High       []string // other UIDs from 500
	Shared     []string // UID that another account holds too
	Double     []string // two UniqueIDs
	WrongGroup []string // primary group is another than the build group
	Unnamed    []string // not in GroupMembership
	LikePeople []string // a home or a shell of people
	StaleGUIDs bool     // GroupMembers holds GUIDs of nobody or lacks a user's

	// ReceiptRewritten says that a repair that moves users also has a receipt it
	// can bring up to date; the others must keep their bytes.
	ReceiptRewritten bool
	// Untouchable are accounts that look like build users and are none.
	Untouchable []string
}

// New makes a Mac in this state.
func (v Variant) New(root string, o Options) (*Mac, error) {
	o.Version = v.Version
	m, err := New(root, o)
	if err != nil {
		return nil, err
	}
	if err := v.Seed(m); err != nil {
		return nil, fmt.Errorf("seed %s: %w", v.Name, err)
	}
	return m, nil
}
