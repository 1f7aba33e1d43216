package mac

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
)

// bookkeeping is the folder below the root that is the stand-in's own and no
// part of the Mac.
const bookkeeping = ".standin"

// configuration is the file of a [Config] in it.
const configuration = "config.json"

// Program is the stand-in's program, which each tool is a link to.
const Program = "/" + bookkeeping + "/program"

// Config is what the Mac is besides its files: .standin/config.json.
type Config struct {
	Product string `json:"product"`
	Version string `json:"version"`
	Build   string `json:"build"`

	// Root makes callers of the tools count as root, whoever they are: tests
	// run unprivileged. With RealUser the effective user ID decides instead.
	Root     bool `json:"root"`
	RealUser bool `json:"realUser,omitempty"`

	// Consent is the TCC grant (SystemPolicySysAdminFiles) of the caller.
	// Without it even root gets eDSPermissionError on some writes.
	Consent bool `json:"consent"`

	// Session is what "launchctl managername" prints: Aqua or Background.
	Session string `json:"session"`

	Switches  Switches   `json:"switches"`
	Services  []Service  `json:"services,omitempty"`
	Processes []Process  `json:"processes,omitempty"`
	OpenFiles []OpenFile `json:"openFiles,omitempty"`

	// Network holds accounts that /Search has and "." does not.
	Network []Record `json:"network,omitempty"`

	Faults []Fault `json:"faults,omitempty"`
}

// Switches turn what is not known of a real Mac, or differs between Macs. The
// zero value is the likelier side; a test should pass on both.
type Switches struct {
	// NilList makes "-plist -readall" of an empty record type print nothing
	// instead of <array/>; the source allows both.
	NilList bool `json:"nilList,omitempty"`
	// ControlReferences writes control characters as &#27; into plists instead
	// of raw. Neither is legal XML 1.0.
	ControlReferences bool `json:"controlReferences,omitempty"`
	// FreeGeneratedUID lets two users have one GeneratedUID.
	FreeGeneratedUID bool `json:"freeGeneratedUID,omitempty"`
	// FreeChange lets -change, -changei, -append and -merge set a UniqueID that
	// another user holds; the check was only ever seen with -create.
	FreeChange bool `json:"freeChange,omitempty"`
	// UniqueGID makes the node refuse a GID that another group holds.
	UniqueGID bool `json:"uniqueGID,omitempty"`
	// ConsentToCreate makes new records need Consent.
	ConsentToCreate bool `json:"consentToCreate,omitempty"`
	// ConsentToGroups makes every write to a group need Consent.
	ConsentToGroups bool `json:"consentToGroups,omitempty"`
	// ConsentToAll makes every attribute of a user need Consent.
	ConsentToAll bool `json:"consentToAll,omitempty"`
	// RefuseRecordDelete is the Mac without a secure token: eDSPermissionError
	// for deleting a record (DeterminateSystems/nix-installer#33).
	RefuseRecordDelete bool `json:"refuseRecordDelete,omitempty"`
	// DeletePrunesGroups takes a deleted user out of the groups that name it.
	DeletePrunesGroups bool `json:"deletePrunesGroups,omitempty"`
	// NativePrefixDelete makes "-delete PATH dsAttrTypeNative:K" work, as the
	// source says; on macOS 26 it exits 0 and deletes nothing.
	NativePrefixDelete bool `json:"nativePrefixDelete,omitempty"`
	// AbsentKeyStatus is the status of -delete of an attribute that is not
	// there; 0 stands for -14134, 1 for success.
	AbsentKeyStatus int `json:"absentKeyStatus,omitempty"`
	// ChangeStatus, when set, is what every -change of a UniqueID fails with:
	// no capture of a successful one exists.
	ChangeStatus int `json:"changeStatus,omitempty"`
	// WithoutUID is the user ID that getpwnam gives for a user without
	// UniqueID: "" is no such user, else "-2" or "0".
	WithoutUID string `json:"withoutUID,omitempty"`
	// SharedNames makes -read look at every record's aliases, so two records
	// of one name give two documents.
	SharedNames bool `json:"sharedNames,omitempty"`
	// BootstrapInProgress is launchctl's other answer for a loaded service:
	// 37, "Operation already in progress", instead of 5.
	BootstrapInProgress bool `json:"bootstrapInProgress,omitempty"`
	// BootoutLeavesChildren keeps the descendants of a stopped service alive.
	BootoutLeavesChildren bool `json:"bootoutLeavesChildren,omitempty"`
	// BootoutInProgress makes a bootout that works exit 36, "Operation now in
	// progress", as launchctl does when the service takes its time.
	BootoutInProgress bool `json:"bootoutInProgress,omitempty"`
	// FreeLaunchctl keeps launchctl's verbs out of the count of writes.
	FreeLaunchctl bool `json:"freeLaunchctl,omitempty"`
}

// Service is a launchd job of the system domain.
type Service struct {
	Label   string   `json:"label"`
	Plist   string   `json:"plist"`
	Program []string `json:"program,omitempty"`
	// Command is what ps shows for the job, the program it executes in the end;
	// the first word of Program if empty.
	Command string `json:"command,omitempty"`
	Loaded  bool   `json:"loaded"`
	// PID is 0 for a loaded service that is not running.
	PID int `json:"pid,omitempty"`
}

// Process is a row of ps.
type Process struct {
	PID     int    `json:"pid"`
	PPID    int    `json:"ppid"`
	UID     int    `json:"uid"`
	State   string `json:"state,omitempty"` // "S" if empty
	Command string `json:"command"`
	Args    string `json:"args,omitempty"`
	// Server is the process whose end it does not survive; 0 for none.
	Server int `json:"server,omitempty"`
}

// OpenFile is a row of lsof. Lock is lsof's lock character, "W" for a whole-file
// write lock, empty for none.
type OpenFile struct {
	PID  int    `json:"pid"`
	Path string `json:"path"`
	Lock string `json:"lock,omitempty"`
}

// IsRoot says whether a caller may write.
func (c *Config) IsRoot() bool {
	if c.RealUser {
		return os.Geteuid() == 0
	}
	return c.Root
}

// Service finds a loaded or unloaded service by its label.
func (c *Config) Service(label string) *Service {
	for i := range c.Services {
		if c.Services[i].Label == label {
			return &c.Services[i]
		}
	}
	return nil
}

// Start gives a service a process; it keeps the one it has.
func (c *Config) Start(s *Service) {
	s.Loaded = true
	if s.PID != 0 {
		return
	}
	pid := 100
	for _, p := range c.Processes {
		pid = max(pid, p.PID)
	}
	s.PID = pid + 1
	command := s.Command
	if command == "" && len(s.Program) > 0 {
		command = s.Program[0]
	}
	c.Processes = append(c.Processes, Process{PID: s.PID, PPID: 1, Command: command})
}

// Stop ends a service's process, and its descendants unless they may stay.
func (c *Config) Stop(s *Service) {
	gone := map[int]bool{s.PID: s.PID != 0}
	if !c.Switches.BootoutLeavesChildren {
		for grown := true; grown; {
			grown = false
			for _, p := range c.Processes {
				if (gone[p.PPID] || gone[p.Server]) && !gone[p.PID] {
					gone[p.PID], grown = true, true
				}
			}
		}
	}
	var left []Process
	for _, p := range c.Processes {
		if gone[p.PID] {
			continue
		}
		if gone[p.PPID] {
			p.PPID = 1
		}
		left = append(left, p)
	}
	var open []OpenFile
	for _, f := range c.OpenFiles {
		if !gone[f.PID] {
			open = append(open, f)
		}
	}
	c.Processes, c.OpenFiles, s.PID = left, open, 0
}

func (m *Mac) own(name string) string {
	return m.Root + "/" + bookkeeping + "/" + name
}

// lock takes the one lock of the stand-in; closing the file frees it, and so
// does any death of the holder.
func (m *Mac) lock() (*os.File, error) {
	f, err := os.OpenFile(m.own("lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return f, nil
		}
		if err != syscall.EINTR {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", m.Root, err)
		}
	}
}

func (m *Mac) loadJSON(name string, v any) error {
	data, err := os.ReadFile(m.own(name))
	if err != nil {
		return err
	}
	return m.parseJSON(name, data, v)
}

func (m *Mac) parseJSON(name string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", m.own(name), err)
	}
	return nil
}

func (m *Mac) saveJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return m.replace(m.own(name), append(data, '\n'), 0o666)
}

// Config edits the configuration under the stand-in's lock.
func (m *Mac) Config(edit func(*Config)) error {
	l, err := m.lock()
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := m.ReadConfig()
	if err != nil {
		return err
	}
	version := c.Version
	edit(c)
	if c.Version != version {
		if err := m.writeVersion(c); err != nil {
			return err
		}
	}
	return m.saveJSON(configuration, c)
}

// ReadConfig is the configuration as it is now.
func (m *Mac) ReadConfig() (*Config, error) {
	c := new(Config)
	return c, m.loadJSON(configuration, c)
}
