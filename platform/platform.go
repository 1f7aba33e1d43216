// Package platform is the machine that lixfix looks at and repairs: its files, its tools, its locks.
//
// A detector holds a View, which cannot change anything. Only a step of a plan is given a Host. The packages below
// this one know one tool or one file format each.
package platform

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/nixdaemon"
)

// Operating systems, as Facts.OS names them.
const (
	Darwin = "darwin"
	Linux  = "linux"
)

var (
	// ErrReadOnly is returned by View.Query for a tool, or a form of its arguments, that is not known to leave the
	// machine as it is.
	ErrReadOnly = errors.New("not on the list of read-only tool calls")
	// ErrTooLarge is returned where a file or the output of a tool is larger than lixfix is willing to read.
	// Nothing of it is returned, because half of an answer would be taken for the whole.
	ErrTooLarge = errors.New("larger than lixfix reads")
	// ErrNotRegular is returned by ReadFile for anything that is not a regular file, so that a FIFO cannot hang it.
	ErrNotRegular = errors.New("not a regular file")
	// ErrNotLink is returned by SetLink for anything that is neither a symbolic link nor nothing.
	ErrNotLink = errors.New("not a symbolic link")
	// ErrGone is returned by Signal for a process that has ended.
	ErrGone = errors.New("the process has ended")
)

// Facts describe the machine; they are read once.
type Facts struct {
	OS      string `json:"os"`                // Darwin or Linux
	Product string `json:"product,omitempty"` // "macOS", "Debian GNU/Linux 12 (bookworm)"
	Version string `json:"version,omitempty"` // "15.1", "12"; empty when it could not be read
	Build   string `json:"build,omitempty"`   // "24B83"; macOS alone has it
	Arch    string `json:"arch"`              // Go's name: "arm64", "amd64"
	UID     int    `json:"-"`                 // effective user ID of lixfix
	PID     int    `json:"-"`                 // of lixfix itself, as ps(1) shows it
}

// Root reports whether lixfix runs as root.
func (f Facts) Root() bool { return f.UID == 0 }

// FileInfo is what lstat tells of a file.
type FileInfo struct {
	Mode   fs.FileMode
	UID    int
	GID    int
	Size   int64
	Target string // of a symbolic link, as it is written there
	Inode  uint64
	// File is the inode with its device, that of a socket as sock_diag(7) tells it; zero in a Burst.
	File FileID
	// ACL: an access control list grants or may grant other access than Mode shows; only on Linux is it looked for.
	ACL bool
	// Links is how many names the file has; 0 where that was not asked.
	Links uint64
	// Major and Minor are the numbers of a device.
	Major, Minor uint32
	// Modified is when its content was last written to.
	Modified time.Time
}

// Content is what a file is to hold, and who is to own it. Mode holds permission bits only.
type Content struct {
	Data []byte
	Mode fs.FileMode
	UID  int
	GID  int
}

// View is the machine as a detector sees it: nothing in it changes the machine. Every call ends within a time limit
// of its own, or earlier with its context. Names are absolute.
type View interface {
	Facts() Facts
	// Now is the time on the machine.
	Now() time.Time
	// Pause waits for d, or until ctx ends; the error is then its cause. what says what is waited for, and tells one wait
	// from another.
	Pause(ctx context.Context, what string, d time.Duration) error
	// StateDir is the directory of the journals. It may not exist.
	StateDir() string
	// Stat describes name without following a link at its end. The error of a missing file wraps fs.ErrNotExist.
	Stat(ctx context.Context, name string) (FileInfo, error)
	// ReadFile returns the content of a regular file, following links. It fails with ErrTooLarge above 16 MiB, with
	// ErrNotRegular, and with an *Untrusted if somebody could have pointed the name at what they may not read: root does
	// not read for them.
	ReadFile(ctx context.Context, name string) ([]byte, error)
	// ReadDir returns the names in a directory, sorted.
	ReadDir(ctx context.Context, name string) ([]string, error)
	// Locked reports whether somebody holds an exclusive flock(2) on name. It tries a shared lock for an instant, so
	// it belongs into a repair and not into a check.
	Locked(ctx context.Context, name string) (bool, error)
	// Guarded returns nil if only root can change the directory of name and those on the way to it. The error is an
	// *Untrusted that names the directory and its owner, or says why that could not be looked at. The writing verbs of
	// Host refuse the same names.
	Guarded(ctx context.Context, name string) error
	// Trusted returns where name leads, with all links resolved, if nobody but root can make it lead elsewhere. If somebody
	// can, the error is an *Untrusted that says who, and Trusted still returns where the name leads now.
	Trusted(ctx context.Context, name string) (string, error)
	// Burst runs f with a reader of many small files, such as those below /proc, within one time limit for all of
	// them. After an error f may still be running, so nothing that it writes to may be used.
	Burst(ctx context.Context, what string, f func(Files) error) error
	// Sockets lists the Unix and TCP sockets of lixfix's network namespace. The error wraps errors.ErrUnsupported
	// where the system has no way to ask.
	Sockets(ctx context.Context) ([]Socket, error)
	// Ruled reports whether the kernel has rules of a kind in lixfix's network namespace. False is proven: the kernel listed
	// all of them. The error wraps errors.ErrUnsupported where the system has no way to ask.
	Ruled(ctx context.Context, what Rules) (bool, error)
	// Ask puts one question to one name server, from lixfix's network namespace. The answer says what happened; the error
	// wraps errors.ErrUnsupported if the machine has no network.
	Ask(ctx context.Context, server netip.AddrPort, p dnsquery.Protocol, name string, t dnsquery.Type) (dnsquery.Answer, error)
	// Greet connects to the Unix socket of a Nix daemon and exchanges greetings. The answer says what happened; the error
	// says why lixfix did not connect: fs.ErrNotExist, an *Untrusted. Root connects only to a socket of root's that nobody
	// else can have put there, and sends nothing unless root listens. If systemd listens, it starts the daemon.
	Greet(ctx context.Context, socket string) (nixdaemon.Answer, error)
	// Free returns how many bytes ordinary users can still write to the file system that holds name.
	Free(ctx context.Context, name string) (uint64, error)
	// Query runs a tool, named by its absolute path, in a form that is known to change nothing, and returns its
	// standard output. The error is a *ToolError, or wraps ErrReadOnly.
	Query(ctx context.Context, tool string, args ...string) ([]byte, error)
}

// Rules are a kind of rules of the kernel's.
type Rules string

// Kinds of rules. Where the kernel has none, there is nothing that a tool could tell of them.
const (
	FirewallTables Rules = "tables of the firewall"     // those that nft(8) lists; without a table there is no rule
	RoutesByUser   Rules = "rules of routing for users" // ip-rule(8) calls that a uidrange
)

// Host is a View with the verbs that change the machine. Only the steps of a plan are given one.
type Host interface {
	View
	// WriteFile replaces or creates name: it writes a file beside it, makes that durable, and renames it over name. A kill
	// leaves the old or the new content; it can also leave the file beside it, which Tidy removes. The error wraps
	// ErrIrreplaceable for a file that would lose something.
	WriteFile(ctx context.Context, name string, c Content) error
	// Tidy removes what an interrupted WriteFile of name has left beside it.
	Tidy(ctx context.Context, name string) error
	// Remove removes a file, and makes that durable. A file that is not there is no error.
	Remove(ctx context.Context, name string) error
	// SetMode sets the permission bits of name, which is no symbolic link, and makes that durable. Other bits stay.
	SetMode(ctx context.Context, name string, mode fs.FileMode) error
	// SetLink atomically makes name a symbolic link to target, replacing a link or nothing. The error wraps ErrNotLink if
	// something else is there. Tidy removes what a kill leaves beside it.
	SetLink(ctx context.Context, name, target string) error
	// MakeDir makes a directory with that mode (permission bits) and owner, atomically. Tidy removes what a kill leaves
	// beside it. The error wraps fs.ErrExist if something is there.
	MakeDir(ctx context.Context, name string, mode fs.FileMode, uid, gid int) error
	// RemoveDir removes an empty directory. One that is not there is no error.
	RemoveDir(ctx context.Context, name string) error
	// Run runs a tool, named by its absolute path, in a process group of its own, so that Ctrl-C on the terminal does
	// not reach it. Only the end of ctx cuts it short. The error is a *ToolError.
	Run(ctx context.Context, tool string, args ...string) error
	// Signal sends a signal to a process if it is still the one that p names. Otherwise the error wraps ErrGone: another
	// process that was given the same number is never sent anything.
	Signal(ctx context.Context, p ProcessID, s syscall.Signal) error
}

// ProcessID names one process for good: the kernel reuses numbers, but not with the same start.
type ProcessID struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // ticks since boot on Linux, the "lstart" of ps on macOS
	Boot  string `json:"boot,omitempty"`
}

type freshKey struct{}

// Fresh returns a context whose queries are answered by the machine, even where a Memo remembers an answer.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

type secondKey struct{}

// Second returns a context whose queries are asked a second time; a Memo keeps that answer beside the first one.
func Second(ctx context.Context) context.Context { return context.WithValue(ctx, secondKey{}, true) }

// IsSecond reports whether a context is one of Second.
func IsSecond(ctx context.Context) bool { return ctx.Value(secondKey{}) != nil }

// IsFresh reports whether a context is one of Fresh.
func IsFresh(ctx context.Context) bool { return ctx.Value(freshKey{}) != nil }
