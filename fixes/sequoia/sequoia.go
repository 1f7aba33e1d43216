// Package sequoia repairs the build users whose user IDs macOS 15 and 26 took for accounts of their own.
//
// The upgrade deletes whoever holds the IDs that it wants and leaves the group naming them, so that the daemon stops
// with "the user '_nixbld1' in the group 'nixbld' does not exist". The repair makes the missing users again and moves
// the rest to IDs from 351 up, where no macOS has put an account so far.
package sequoia

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

// Options of the fix, by flag. The names and variables are those of the installers' "repair sequoia".
const (
	optMove   = "move-existing-users"
	optPrefix = "nix-build-user-prefix"
	optCount  = "nix-build-user-count"
	optGroup  = "nix-build-group-name"
)

type sequoia struct{}

// New returns the fix.
func New() fix.Fix { return sequoia{} }

func (sequoia) Name() string { return "sequoia" }

func (sequoia) Doc() fix.Doc {
	return fix.Doc{
		Title: "macOS 15 and 26 took the user IDs of the Nix build users", Builds: true,
		Places:   figure.Legend{Title: "User IDs", ID: "UID"},
		Symptoms: symptoms(),
		Cause: "Until 2024 the installers gave the build users the user IDs from 301 up. macOS 15 (Sequoia) uses 300 to 304 for " +
			"accounts of its own and macOS 26 (Tahoe) 305 to 308 as well; its upgrade deletes the build users that hold them. The " +
			"group of the build users still names them, so the daemon stops at the first that is missing.",
		Changes: "The missing users are created again, users with IDs from 300 to 350 get IDs from 351 up, and the group and the " +
			"installer's receipt are brought up to date. The Nix daemon is stopped for the seconds that this takes. The ID of the " +
			"group never changes, and accounts that are not build users are never touched.",
		Undo: "\"lixfix undo\" gives every user its old ID back, restores the lists of the group and the receipt, and deletes the " +
			"users that lixfix created, unless macOS refuses that.",
		More: []fix.Section{
			{
				Heading: "What it does and does not touch",
				Text: "When nothing is broken yet, \"lixfix check sequoia\" says who is at risk and a plain repair moves nobody; " +
					"\"sudo lixfix repair sequoia --" + optMove + "\" moves them now. When something is broken, the repair mends it and " +
					"moves all build users out of 300 to 350 as well.\n\n" +
					"The ID of the group never changes, because the store belongs to it. A group of macOS, or one with other members, " +
					"is refused wherever its name comes from, and so is a repair where another account has the name of a build user. " +
					"lixfix creates a user only after reading that very record and finding none. Undo deletes only what has the " +
					"GeneratedUID that lixfix wrote.",
			},
			{
				Heading: "In scripts",
				Text: "It takes the place of the installers' \"repair sequoia\", with the same flags and variables; --no-confirm is --yes. " +
					"What neither a flag nor a variable sets comes from the installer's receipt, then from nix.conf, then from the " +
					"installers' defaults. The plan says which.",
			},
			{
				Heading: "Limits",
				Text: "No Mac has run it yet. It was tested on a simulated Mac whose tools behave as Apple's source and public reports " +
					"say, in both ways where these leave it open. \"make machines\" prints every state that the tests know. If it " +
					"surprises you, please send a record of your Mac, without names and secrets: \"sudo lixfix record sequoia\".",
			},
		},
		Sources: []string{
			"https://github.com/NixOS/nix/issues/10892",
			"https://github.com/NixOS/nix/issues/11364",
			"https://github.com/DeterminateSystems/nix-installer/issues/1171",
			"https://github.com/nix-darwin/nix-darwin/issues/970",
		},
	}
}

func (sequoia) Options() []fix.Option {
	name := func(v string) error {
		if !dscl.ValidName(v) {
			return fmt.Errorf("%q is not a name: letters, digits, _ and - are allowed, and no digit or - at the start", v)
		}
		return nil
	}
	return []fix.Option{
		{
			Name: optMove, Env: "NIX_INSTALLER_MOVE_EXISTING_USERS", Bool: true,
			Usage: "move build users out of the way of macOS even though nothing is broken yet",
		},
		{
			Name: optPrefix, Env: "NIX_INSTALLER_NIX_BUILD_USER_PREFIX",
			Usage: "names of the build users without their number (default: as the receipt says, else _nixbld)",
			Check: func(v string) error {
				if err := name(v); err != nil {
					return err
				}
				if strings.ContainsAny(v[len(v)-1:], "0123456789") {
					return fmt.Errorf("%q ends in a digit, so the number of a user could not be told from it", v)
				}
				return nil
			},
		},
		{
			Name: optCount, Env: "NIX_INSTALLER_NIX_BUILD_USER_COUNT",
			Usage: "how many build users there should be (default: those that exist or that the group or the receipt names)",
			Check: func(v string) error {
				if n, err := strconv.Atoi(v); err != nil || n < 1 || n > maxUsers {
					return fmt.Errorf("%q is not a number from 1 to %d", v, maxUsers)
				}
				return nil
			},
		},
		{
			Name: optGroup, Env: "NIX_INSTALLER_NIX_BUILD_GROUP_NAME",
			Usage: "group of the build users (default: as the receipt or nix.conf says, else nixbld)",
			Check: name,
		},
		{Name: "no-confirm", Env: "NIX_INSTALLER_NO_CONFIRM", Bool: true},
	}
}

func (sequoia) AppliesTo(f platform.Facts) bool { return f.OS == platform.Darwin }

func (sequoia) Detect(ctx context.Context, v platform.View, given fix.Settings) ([]fix.Finding, error) {
	s, err := look(ctx, v, given)
	if err != nil {
		return nil, err
	}
	return diagnose(understand(s, given)).found, nil
}

func (sequoia) Plan(ctx context.Context, v platform.View, r fix.Request) (plan.Plan, error) {
	s, err := look(ctx, v, r.Settings)
	if err != nil {
		return plan.Plan{}, err
	}
	p, idle, err := remedy(diagnose(understand(s, r.Settings)), r.Random)
	if err != nil || idle == nil {
		return p, err
	}
	busy, err := s.builds(ctx, v, *idle)
	switch {
	case errors.Is(err, fs.ErrPermission) && !s.root:
		p.Notes = append(p.Notes, blindToBuilds)
	case err != nil:
		return plan.Plan{}, err
	case len(busy) > 0:
		return plan.Plan{}, refusal(building, caseUnplaced, caseNext, fix.With{"busy": step.ErrBusy, "names": shorten(busy)}, nil)
	}
	return p, nil
}
