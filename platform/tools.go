package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

// tools runs programs by their absolute names: it finds them, refuses those that root must not run, and waits for their
// end. It logs what was run. It asks the people whom a nix is run as, which is never root.
type tools struct {
	tree    *tree
	people  *people
	log     *slog.Logger
	instead func(file string, args []string) (Answered, bool) // asked instead of starting a tool; nil for nobody
}

// Answered is what a call of a tool that was not started would have printed, and its exit status.
type Answered struct {
	Stdout, Stderr []byte
	Exit           int
}

// SetTools makes the machine ask f for a tool's answer instead of starting the tool. It exists for tests: a simulated Mac
// answers thousands of calls without a process for each.
func (t *tools) SetTools(f func(file string, args []string) (Answered, bool)) { t.instead = f }

// Query implements View.
func (t *tools) Query(ctx context.Context, tool string, args ...string) ([]byte, error) {
	if !readOnly(tool, args) {
		return nil, fmt.Errorf("%s %s: %w", tool, strings.Join(args, " "), ErrReadOnly)
	}
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	return t.execute(ctx, tool, args)
}

// Run implements Host.
func (t *tools) Run(ctx context.Context, tool string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	_, err := t.execute(ctx, tool, args)
	return err
}

func (t *tools) execute(ctx context.Context, tool string, args []string) ([]byte, error) {
	if !path.IsAbs(tool) {
		return nil, fmt.Errorf("run %s: a tool is named by its absolute path", tool)
	}
	var as *Account
	if path.Base(tool) == "nix" && believed() != nil {
		id, err := t.people.Installer(ctx, tool)
		if err != nil {
			return nil, &ToolError{Tool: tool, Args: args, Err: err}
		}
		as = &id
	}
	return t.spawn(ctx, tool, args, as)
}

// spawn runs a tool to its end, as somebody else where that is not nil.
func (t *tools) spawn(ctx context.Context, tool string, args []string, as *Account) ([]byte, error) {
	uid := 0
	if as != nil {
		uid = as.UID
	}
	p, err := t.program(tool, uid)
	if err != nil {
		return nil, &ToolError{Tool: tool, Args: args, Err: err}
	}
	defer p.close()
	if t.instead != nil && as == nil && ctx.Err() == nil {
		if told, ok := t.instead(p.name, args); ok {
			return told.end(t.log, tool, args)
		}
	}
	return execute(ctx, t.log, p, as, tool, args)
}

// end is the end of the process that was not started.
func (a Answered) end(log *slog.Logger, tool string, args []string) ([]byte, error) {
	log.Debug("tool", "tool", tool, "args", args, "exit", a.Exit, "stdout", excerpt(a.Stdout), "stderr", excerpt(a.Stderr))
	if a.Exit != 0 {
		return nil, &ToolError{Tool: tool, Args: args, Exit: a.Exit, Stdout: excerpt(a.Stdout), Stderr: string(a.Stderr)}
	}
	return a.Stdout, nil
}

// program is a tool, opened to be run.
type program struct {
	name  string // where the tool is, links not followed
	found *trust.Found
	file  *os.File // nil where it is run by its name
	path  string   // what to execute, in a process that has file as its first extra file: the tool's directory
}

// close closes the program; it can be closed once the process has been started.
func (p *program) close() {
	if p.file != nil {
		p.file.Close()
	}
	if p.found != nil {
		p.found.Close()
	}
}

// descriptor is what a process finds its first extra file under: of a tool, the directory that it stands in. Through a
// descriptor of the tool itself the kernel would call the process "3", and ps(1) would show that.
const descriptor = "/proc/self/fd/3"

// program opens a tool for root to run it, in the name of user as: nobody but root and that user can have put it where
// it is, or can write to it. On Linux it is run by its descriptor.
func (t *tools) program(tool string, as int) (*program, error) {
	file, err := t.tree.resolve(tool)
	if err != nil {
		return nil, err
	}
	owners := believed(as)
	if owners == nil {
		return &program{name: file, path: file}, nil
	}
	f, err := trust.Walk(file, owners, trust.End)
	if err != nil {
		return nil, renamed(err, tool)
	}
	p := &program{name: file, found: f, path: f.Path}
	untrusted := []error{f.Trusted(), f.Own(owners)}
	if f.Shared != nil {
		untrusted = append(untrusted, f.Shared)
	}
	switch err := errors.Join(untrusted...); {
	case f.Type() != unix.S_IFREG:
		p.close()
		return nil, &fs.PathError{Op: "run", Path: tool, Err: ErrNotRegular}
	case err != nil:
		p.close()
		return nil, fmt.Errorf("root does not run it: %w", t.tree.named(tool, err))
	}
	if throughDescriptors() {
		p.file, p.path = os.NewFile(uintptr(f.Dir), path.Dir(f.Path)), path.Join(descriptor, f.Base)
		f.Dir = -1 // p.file's
	}
	return p, nil
}

// throughDescriptors reports whether /proc shows the descriptors of a process, as it does wherever it is mounted.
func throughDescriptors() bool {
	var stat unix.Stat_t
	return unix.Stat(path.Dir(descriptor), &stat) == nil
}

// trusted refuses, for a user who is not root, a program that a third one owns or that everybody can write to.
func (t *tools) trusted(tool string) error {
	if os.Geteuid() == 0 {
		return nil // program looks closer
	}
	file, err := t.tree.resolve(tool)
	if err != nil {
		return err
	}
	f, err := trust.Walk(file, nil, trust.End)
	if err != nil {
		return renamed(err, tool)
	}
	defer f.Close()
	err = f.Own([]int{0, os.Geteuid()})
	if u, ok := errors.AsType[*Untrusted](err); ok && (u.UID != trust.Anybody || u.Mode&0o002 != 0) {
		return t.tree.named(tool, err)
	}
	return nil
}
