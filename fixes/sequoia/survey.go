package sequoia

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/launchd"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/processes"
	"github.com/lixfix/lixfix/platform/receipt"
)

// pool is where the daemon keeps a lock file for each user ID.
const pool = "/nix/var/nix/userpool"

const autoAllocate = "auto-allocate-uids"

// survey is all that the fix knows of the host. It reads, and decides nothing.
type survey struct {
	root        bool
	records     *dscl.Directory
	receipt     *receipt.Receipt
	receiptFile *step.FileState
	receiptErr  error // why the receipt cannot be used, although it is there
	conf        conf
	services    []service // the daemon's jobs that are installed
	serviceErr  error     // why it could not be told whether they are loaded
	nixDarwin   bool
	uninstalled bool // Nix is gone
}

// conf is what nix.conf says about build users.
type conf struct {
	group  string // that it names; "" where it names none
	file   string // that names the group
	other  string // the default of Nix, where it names none
	unused string // a case of the kind unused: why the daemon uses no build users; "" when it does
	why    string // the file that says so
	err    error  // why that is not known

	// group alone is missing: auto-allocate-uids is on, which needs no users
	alone bool
}

// service is a job of the Nix daemon.
type service struct {
	label string
	launchd.Service
}

// look reads the host. dscl was seen to leave records out of a valid list, so a list without one that should be there is
// looked at twice before it is believed; which those are depends on the settings.
func look(ctx context.Context, v platform.View, given fix.Settings) (*survey, error) {
	s := &survey{root: v.Facts().Root()}
	var err error
	if s.records, err = dscl.Read(ctx, v); err != nil {
		return nil, err
	}
	if err := s.files(ctx, v); err != nil {
		return nil, err
	}
	s.readConf(ctx, v)
	looked := map[string]bool{}
	for {
		kind := understand(s, given).lacking(looked)
		if kind == "" {
			break
		}
		looked[kind] = true
		list := &s.records.Users
		if kind == dscl.Groups {
			list = &s.records.Groups
		}
		if *list, err = dscl.Look(ctx, v, kind, *list); err != nil {
			return nil, err
		}
	}
	if err := s.jobs(ctx, v); err != nil {
		return nil, err
	}
	return s, nil
}

// readConf reads which group builds run as.
func (s *survey) readConf(ctx context.Context, v platform.View) {
	c := installation.Of(ctx, v).Config(ctx)
	group, alone, features := c.Get("build-users-group"), c.Get(autoAllocate), c.Get("experimental-features")
	file := func(e nixconf.Effective) string { return e.Origins[len(e.Origins)-1].File }
	switch {
	case c.Err != nil:
		s.conf.err = c.Err
		return
	case group.Unknown != "" && len(c.Gaps) > 0:
		s.conf.err = &c.Gaps[len(c.Gaps)-1]
		return
	case group.Unknown != "":
		s.conf.err = errors.New(group.Unknown)
		return
	}
	if !group.Set() {
		s.conf.other = group.Text
	} else {
		s.conf.group, s.conf.file = group.Text, file(group)
		if group.Text == "" {
			s.conf.unused, s.conf.why = caseEmpty, s.conf.file
		}
	}
	// Without the experimental feature of the same name every Nix that has it ignores the setting, also one whose release
	// is not known.
	if alone.Set() && alone.Text == "true" && slices.Contains(features.Words, autoAllocate) {
		s.conf.unused, s.conf.why = caseAllocate, file(alone)
	}
}

// jobs looks at the daemon's jobs. Whether they are loaded is worth an answer of its own.
func (s *survey) jobs(ctx context.Context, v platform.View) error {
	for _, label := range installation.Labels {
		_, err := v.Stat(ctx, installation.Plist(label))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		job, err := launchd.Read(ctx, v, label)
		if err != nil {
			s.serviceErr = err
			continue
		}
		s.services = append(s.services, service{label, job})
	}
	return nil
}

// files reads what stands beside the directory. Only a receipt that cannot be used is worth an answer of its own.
func (s *survey) files(ctx context.Context, v platform.View) error {
	state, err := step.ReadFileState(ctx, v, receipt.File)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.receiptErr = err
	case state != nil:
		s.receiptFile = state
		s.receipt, s.receiptErr = receipt.Parse(state.Data())
		if errors.Is(s.receiptErr, receipt.ErrUsers) {
			s.receiptErr = nil // of an installation without build users, or of none that we know; leave it alone
		}
	}
	exists := func(names ...string) (bool, error) {
		for _, n := range names {
			_, err := v.Stat(ctx, n)
			if err == nil {
				return true, nil
			}
			// A component that is no directory cannot hold the file either.
			if !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
		return false, nil
	}
	if s.nixDarwin, err = exists("/run/current-system/darwin-version", "/run/current-system/darwin-version.json"); err != nil {
		return fmt.Errorf("look for nix-darwin: %w", err)
	}
	installed, err := exists("/nix/store", "/nix/var/nix", installation.Plist(installation.Labels[0]), installation.Plist(installation.Labels[1]))
	if err != nil {
		return fmt.Errorf("look for an installation: %w", err)
	}
	s.uninstalled = !installed
	return nil
}

// builds returns what builds now: what descends from the daemon, what runs as a build user, locks in the pool. Without
// root it cannot be told, and the error is fs.ErrPermission.
func (s *survey) builds(ctx context.Context, v platform.View, idle step.RequireIdle) ([]string, error) {
	list, err := processes.List(ctx, v)
	if err != nil {
		return nil, err
	}
	working := map[int]bool{}
	for _, job := range s.services {
		if job.PID > 0 {
			for _, p := range processes.Descendants(list, job.PID) {
				working[p.PID] = true
			}
		}
	}
	return idle.Busy(ctx, v, func(p processes.Process) bool { return working[p.PID] })
}
