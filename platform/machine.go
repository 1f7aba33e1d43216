package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/plistfile"
	"github.com/lixfix/lixfix/platform/trust"
)

const (
	fileLimit = 16 << 20         // bytes of one file; the largest that is read, a receipt, has about 100 KiB
	fileTime  = 10 * time.Second // for one file operation: a dead network mount must not hang a check
)

// factsFrom is "sw_vers" in the black-box build of the Makefile and empty in every other: only the linker can set it.
// It makes a Linux binary take the facts from what sw_vers prints, as on macOS.
var factsFrom string

// Machine is a Host whose files and tools are found through one function.
type Machine struct {
	resolve func(name string) (string, error)
	facts   func() Facts
	log     *slog.Logger
	sockets func(context.Context) ([]Socket, error)
	ruled   func(context.Context, Rules) (bool, error)
	signal  func(ctx context.Context, m *Machine, p ProcessID, s syscall.Signal) error
	ask     func(context.Context, netip.AddrPort, dnsquery.Protocol, string, dnsquery.Type) dnsquery.Answer
	getenv  func(string) string // for who has called lixfix
	tools   func(file string, args []string) (Answered, bool)
}

var _ Host = (*Machine)(nil)

// At returns the machine whose absolute file and tool names resolve maps to where they really are. It exists for
// tests; the product calls Local.
func At(resolve func(name string) (string, error), facts func() Facts) *Machine {
	return &Machine{resolve: resolve, facts: sync.OnceValue(facts), log: slog.New(slog.DiscardHandler), getenv: func(string) string { return "" }}
}

// SetSockets makes the machine answer Sockets with f. It exists for tests: a machine of At has no sockets of its own,
// and no processes that could be sent a signal.
func (m *Machine) SetSockets(f func(context.Context) ([]Socket, error)) { m.sockets = f }

// SetAsk makes the machine answer Ask with f. It exists for tests: a machine of At has no network of its own.
func (m *Machine) SetAsk(f func(context.Context, netip.AddrPort, dnsquery.Protocol, string, dnsquery.Type) dnsquery.Answer) {
	m.ask = f
}

// Answered is what a call of a tool that was not started would have printed, and its exit status.
type Answered struct {
	Stdout, Stderr []byte
	Exit           int
}

// SetTools makes the machine ask f for a tool's answer instead of starting the tool. It exists for tests: a simulated Mac
// answers thousands of calls without a process for each.
func (m *Machine) SetTools(f func(file string, args []string) (Answered, bool)) { m.tools = f }

// SetEnvironment makes the machine ask f who called lixfix. It exists for tests: nobody has called a machine of At.
func (m *Machine) SetEnvironment(f func(string) string) { m.getenv = f }

// Local returns the machine that lixfix runs on.
func Local() *Machine {
	m := &Machine{
		resolve: func(name string) (string, error) { return name, nil },
		log:     slog.New(slog.DiscardHandler),
		sockets: kernelSockets,
		ruled:   kernelRuled,
		signal:  signalProcess,
		ask:     dnsquery.Ask,
		getenv:  os.Getenv,
	}
	m.facts = sync.OnceValue(func() Facts {
		f := Facts{OS: runtime.GOOS, Arch: runtime.GOARCH, UID: os.Geteuid()}
		if f.OS == Darwin || factsFrom == "sw_vers" {
			return m.SwVers(context.Background(), f)
		}
		if data, err := ReadSmall(context.Background(), m, "/etc/os-release"); err == nil {
			osRelease(&f, data)
		}
		return f
	})
	return m
}

// SystemVersion is the file that sw_vers(1) prints. The kernel gives programs that were linked for macOS 10.15 or
// earlier, and those with SYSTEM_VERSION_COMPAT=1 in their environment, another one in its place, which says 10.16.
const SystemVersion = "/System/Library/CoreServices/SystemVersion.plist"

// SwVers reads the facts of a Mac, starting from the given ones: from SystemVersion or, if that is of no use, from
// sw_vers. If both fail, the version stays empty.
func (m *Machine) SwVers(ctx context.Context, f Facts) Facts {
	var file struct{ ProductName, ProductVersion, ProductBuildVersion string }
	data, err := ReadSmall(ctx, m, SystemVersion)
	if err == nil {
		err = plistfile.Decode(data, &file)
	}
	f.Product, f.Version, f.Build = file.ProductName, file.ProductVersion, file.ProductBuildVersion
	if err != nil || f.Product == "" || f.Version == "" || f.Version == "10.16" {
		f = m.askSwVers(ctx, f)
	}
	if f.Product == "macOS" || f.Product == "Mac OS X" {
		f.OS = Darwin
	}
	return f
}

// askSwVers takes what sw_vers prints, with an environment that misleads nobody.
func (m *Machine) askSwVers(ctx context.Context, f Facts) Facts {
	f.Product, f.Version, f.Build = "", "", ""
	out, err := m.Query(ctx, "/usr/bin/sw_vers")
	if err != nil {
		return f
	}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "ProductName":
			f.Product = value
		case "ProductVersion":
			f.Version = value
		case "BuildVersion":
			f.Build = value
		}
	}
	return f
}

// osRelease takes the names from os-release(5).
func osRelease(f *Facts, data []byte) {
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"'`); key {
		case "PRETTY_NAME":
			f.Product = value
		case "VERSION_ID":
			f.Version = value
		}
	}
}

// SetLogger makes the machine log every tool call: arguments, exit status, milliseconds, the start of the output.
func (m *Machine) SetLogger(log *slog.Logger) { m.log = log }

// Facts describes the machine.
func (m *Machine) Facts() Facts {
	f := m.facts()
	f.PID = os.Getpid()
	return f
}

// Now implements View.
func (m *Machine) Now() time.Time { return time.Now() }

// Pause implements View.
func (m *Machine) Pause(ctx context.Context, _ string, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// StateDir is where journals are kept: /var/db/lixfix on macOS, /var/lib/lixfix elsewhere. It is not below /nix,
// which may be what is broken.
func (m *Machine) StateDir() string {
	name := "/var/lib/lixfix"
	if m.Facts().OS == Darwin {
		name = "/var/db/lixfix"
	}
	// The parent is resolved and not the directory, so that a link in its place is seen as one and refused.
	parent, err := m.resolve(filepath.Dir(name))
	if err != nil {
		return name
	}
	return filepath.Join(parent, filepath.Base(name))
}

// bound runs f, and gives up waiting for it when its time is over. A system call on a dead mount cannot be ended,
// so f may go on; it must not write to anything that the caller still uses.
func bound[T any](ctx context.Context, what, name string, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	work(func() {
		v, err := f()
		done <- answer{v, err}
	})
	late := time.NewTimer(fileTime)
	defer late.Stop()
	var none T
	select {
	case a := <-done:
		return a.value, a.err
	case <-late.C:
		return none, fmt.Errorf("%s %s: %w", what, name, context.DeadlineExceeded)
	case <-ctx.Done():
		return none, fmt.Errorf("%s %s: %w", what, name, context.Cause(ctx))
	}
}

// idle are workers that wait for something to do.
var idle = make(chan chan func(), 8)

// work runs f beside the caller. Workers are kept: a check makes hundreds of small calls, and a new goroutine would take
// longer to grow its stack than most of them take.
func work(f func()) {
	var w chan func()
	select {
	case w = <-idle:
	default:
		w = make(chan func(), 1)
		go func() {
			for f := range w {
				f()
				select {
				case idle <- w:
				default:
					return // there are enough of them
				}
			}
		}()
	}
	w <- f
}

// parent resolves the directory of name and leaves its last component alone, for calls that must not follow a link.
func (m *Machine) parent(name string) (string, error) {
	if err := throughProcess("look at", name, false); err != nil {
		return "", err
	}
	dir, err := m.resolve(filepath.Dir(name))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(name)), nil
}

// Stat implements View.
func (m *Machine) Stat(ctx context.Context, name string) (FileInfo, error) {
	return bound(ctx, "stat", name, func() (FileInfo, error) { return m.stat(name) })
}

func (m *Machine) stat(name string) (FileInfo, error) {
	file, err := m.parent(name)
	if err != nil {
		return FileInfo{}, err
	}
	return lstat(file, name)
}

// Stated is what Stat returns.
type Stated struct {
	FileInfo
	Err error
}

// StatAll is View.Stat of many names. Where the view is the machine itself, all of them have one time limit together.
func StatAll(ctx context.Context, v View, names []string) []Stated {
	if m, ok := v.(interface {
		statAll(ctx context.Context, names []string) []Stated
	}); ok {
		return m.statAll(ctx, names)
	}
	all := make([]Stated, len(names))
	for i, name := range names {
		all[i].FileInfo, all[i].Err = v.Stat(ctx, name)
	}
	return all
}

func (m *Machine) statAll(ctx context.Context, names []string) []Stated {
	all, err := bound(ctx, "stat", "files", func() ([]Stated, error) {
		all := make([]Stated, len(names))
		for i, name := range names {
			all[i].FileInfo, all[i].Err = m.stat(name)
		}
		return all, nil
	})
	if err != nil {
		all = slices.Repeat([]Stated{{Err: err}}, len(names))
	}
	return all
}

func (m *Memo) statAll(ctx context.Context, names []string) []Stated {
	return StatAll(ctx, m.Host, names)
}

// looked is what there is to say of a file.
type looked struct {
	info   fs.FileInfo
	target string // of a link
	acl    bool
	// The device of a socket's file system as sock_diag(7) tells it, where that is known.
	major, minor uint32
	device       bool
}

func lstat(file, name string) (FileInfo, error) {
	l, err := look(file)
	if err != nil {
		return FileInfo{}, renamed(err, name)
	}
	info := l.info
	out := FileInfo{Mode: info.Mode(), Size: info.Size(), Modified: info.ModTime(), Target: l.target, ACL: l.acl}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		out.UID, out.GID, out.Inode = int(sys.Uid), int(sys.Gid), sys.Ino
		out.Links = uint64(sys.Nlink) //nolint:unconvert // it is a uint16 on macOS
		on := uint64(sys.Dev)         //nolint:unconvert // it is an int32 on macOS
		out.File = FileID{unix.Major(on), unix.Minor(on), sys.Ino}
		if info.Mode()&fs.ModeDevice != 0 {
			device := uint64(sys.Rdev) //nolint:unconvert // it is an int32 on macOS
			out.Major, out.Minor = unix.Major(device), unix.Minor(device)
		}
	}
	if l.device {
		out.File.Major, out.File.Minor = l.major, l.minor
	}
	return out, nil
}

// renamed gives an error of package os the name that the caller knows.
func renamed(err error, name string) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: p.Op, Path: name, Err: p.Err}
	}
	return err
}

// ReadFile implements View.
func (m *Machine) ReadFile(ctx context.Context, name string) ([]byte, error) {
	return bound(ctx, "read", name, func() ([]byte, error) {
		fd, err := m.open(name, trust.End, unix.S_IFREG)
		if err != nil {
			return nil, err
		}
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		limit := limitOf(ctx)
		if line, ok := ctx.Value(paragraphKey{}).(string); ok {
			data, err := readParagraph(f, line, limit)
			return data, renamed(err, name)
		}
		var data bytes.Buffer
		// The size is a hint, which spares large files from being copied as they grow in memory: those of /proc have none.
		if info, err := f.Stat(); err == nil {
			data.Grow(int(min(info.Size(), int64(limit))) + bytes.MinRead)
		}
		if _, err := data.ReadFrom(io.LimitReader(f, int64(limit)+1)); err != nil {
			return nil, renamed(err, name)
		}
		if data.Len() > limit && ctx.Value(headKey{}) == nil {
			return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
		}
		return data.Bytes(), nil
	})
}

// ReadDir implements View.
func (m *Machine) ReadDir(ctx context.Context, name string) ([]string, error) {
	return bound(ctx, "list", name, func() ([]string, error) {
		names, _, err := m.some(name, -1)
		slices.Sort(names)
		return names, err
	})
}

// some lists a directory, in no order: at most so many names, -1 for all of them, and whether there are more.
func (m *Machine) some(name string, most int) (names []string, more bool, err error) {
	fd, err := m.open(name, trust.End, unix.S_IFDIR)
	if err != nil {
		return nil, false, err
	}
	d := os.NewFile(uintptr(fd), name)
	defer d.Close()
	names, more, err = some(d, most)
	return names, more, renamed(err, name)
}

// Locked implements View.
func (m *Machine) Locked(ctx context.Context, name string) (bool, error) {
	return bound(ctx, "test the lock on", name, func() (bool, error) {
		fd, err := m.open(name, trust.Link, unix.S_IFREG)
		if err != nil {
			return false, err
		}
		defer unix.Close(fd)
		switch err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB); {
		case errors.Is(err, unix.EWOULDBLOCK):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("test the lock on %s: %w", name, err)
		}
		return false, nil
	})
}

// Query implements View.
func (m *Machine) Query(ctx context.Context, tool string, args ...string) ([]byte, error) {
	if !readOnly(tool, args) {
		return nil, fmt.Errorf("%s %s: %w", tool, strings.Join(args, " "), ErrReadOnly)
	}
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	return m.execute(ctx, tool, args)
}

// Run implements Host.
func (m *Machine) Run(ctx context.Context, tool string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	_, err := m.execute(ctx, tool, args)
	return err
}

func (m *Machine) execute(ctx context.Context, tool string, args []string) ([]byte, error) {
	if !path.IsAbs(tool) {
		return nil, fmt.Errorf("run %s: a tool is named by its absolute path", tool)
	}
	var as *Account
	if path.Base(tool) == "nix" && believed() != nil {
		id, err := m.Installer(ctx, tool)
		if err != nil {
			return nil, &ToolError{Tool: tool, Args: args, Err: err}
		}
		as = &id
	}
	return m.spawn(ctx, tool, args, as)
}

// spawn runs a tool to its end, as somebody else where that is not nil.
func (m *Machine) spawn(ctx context.Context, tool string, args []string, as *Account) ([]byte, error) {
	uid := 0
	if as != nil {
		uid = as.UID
	}
	p, err := m.program(tool, uid)
	if err != nil {
		return nil, &ToolError{Tool: tool, Args: args, Err: err}
	}
	defer p.close()
	if m.tools != nil && as == nil && ctx.Err() == nil {
		if told, ok := m.tools(p.name, args); ok {
			return told.end(m.log, tool, args)
		}
	}
	return execute(ctx, m.log, p, as, tool, args)
}

// end is the end of the process that was not started.
func (a Answered) end(log *slog.Logger, tool string, args []string) ([]byte, error) {
	log.Debug("tool", "tool", tool, "args", args, "exit", a.Exit, "stdout", excerpt(a.Stdout), "stderr", excerpt(a.Stderr))
	if a.Exit != 0 {
		return nil, &ToolError{Tool: tool, Args: args, Exit: a.Exit, Stdout: excerpt(a.Stdout), Stderr: string(a.Stderr)}
	}
	return a.Stdout, nil
}

// Memo is a Host that remembers the answers to queries, so that a detector and a planner that ask the same spawn a
// tool once. A Run of a tool makes it forget what that tool answered; so does a context of Fresh.
type Memo struct {
	Host
	mu      sync.Mutex
	answers map[string]*answer
}

type answer struct {
	mu   sync.Mutex
	data []byte
	ok   bool
}

// NewMemo returns a Memo of h.
func NewMemo(h Host) *Memo { return &Memo{Host: h, answers: map[string]*answer{}} }

// Query implements View. Errors are not remembered. Callers share the answer and must not change it.
func (m *Memo) Query(ctx context.Context, tool string, args ...string) ([]byte, error) {
	key := tool + "\x00" + strings.Join(args, "\x00")
	if IsSecond(ctx) {
		key += "\x00\x00again"
	}
	m.mu.Lock()
	a := m.answers[key]
	if a == nil || IsFresh(ctx) {
		a = &answer{}
		m.answers[key] = a
	}
	m.mu.Unlock()

	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ok {
		return a.data, nil
	}
	data, err := m.Host.Query(ctx, tool, args...)
	if err != nil {
		return nil, err
	}
	a.data, a.ok = data, true
	return data, nil
}

// Run implements Host.
func (m *Memo) Run(ctx context.Context, tool string, args ...string) error {
	// Before and after: what is asked meanwhile may show either side of the change.
	m.forget(tool)
	defer m.forget(tool)
	return m.Host.Run(ctx, tool, args...)
}

func (m *Memo) forget(tool string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.answers, func(key string, _ *answer) bool { return strings.HasPrefix(key, tool+"\x00") })
}
