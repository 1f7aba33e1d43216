package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Builder is a View that can also run the tools of Nix, which write to its store. Only the probe of the build sandbox
// is given one: what it builds is new, its own, and removed again.
type Builder interface {
	View
	// Build runs a tool of Nix, named by its absolute path, to its end. The end of ctx sends it SIGINT, as Ctrl-C
	// does, and later SIGKILL. A tool that fails is no error of Build: Built tells.
	Build(ctx context.Context, b Build) (Built, error)
}

var _ Builder = (*Machine)(nil)

// Build is one call of a tool of Nix.
type Build struct {
	Tool   string
	Args   []string
	Remote string        // the value of NIX_REMOTE; not set where it is empty
	Limit  time.Duration // how long it may take
	// Started is called with the number of the process as soon as there is one; nil for nobody.
	Started func(pid int)
	// Enough is called with all of standard error whenever there is more of it; where it returns true, the tool is ended
	// as by Ctrl-C. nil lets it end by itself.
	Enough func(stderr []byte) bool
}

// Built is how a tool of Nix ended.
type Built struct {
	Exit   int // -1 where a signal ended it
	Stdout []byte
	// Stderr is what came first, up to 16 MiB: builders may write any amount.
	Stderr []byte
	Cut    bool // there was more of one of them
}

const (
	buildOutput   = 16 << 20         // of each stream: 10 MB of log of a build is not rare
	interruptWait = 10 * time.Second // for Nix to end its builders after SIGINT
)

var (
	// ErrNotBuilder is returned by Build for a program that is no tool of Nix.
	ErrNotBuilder = errors.New("not a tool of Nix")
	// ErrUntrusted is returned by Build for a program that somebody else could replace.
	ErrUntrusted = errors.New("its file belongs to another user than root, so that running it would be to trust that user")
)

// errEnough ends a tool that has said what was to be known.
var errEnough = errors.New("it has said enough")

// heard is a stream that somebody listens to.
type heard struct {
	to   *bounded
	then func()
}

func (h *heard) Write(p []byte) (int, error) {
	n, err := h.to.Write(p)
	h.then()
	return n, err
}

// buildTools are the names of what Build runs.
var buildTools = []string{"nix", "nix-instantiate", "nix-store"}

// Build implements Builder.
func (m *Machine) Build(ctx context.Context, b Build) (Built, error) {
	if !path.IsAbs(b.Tool) || !slices.Contains(buildTools, path.Base(b.Tool)) {
		return Built{}, fmt.Errorf("run %s: %w", b.Tool, ErrNotBuilder)
	}
	file, err := m.resolve(b.Tool)
	if err != nil {
		return Built{}, fmt.Errorf("run %s: %w", b.Tool, err)
	}
	if err := m.trusted(file); err != nil {
		return Built{}, fmt.Errorf("run %s: %w", b.Tool, err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.Limit)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	stdout, stderr := &bounded{limit: buildOutput}, &bounded{limit: buildOutput}
	cmd := exec.CommandContext(ctx, file, b.Args...)
	// The name decides which tool a program is that is all of them.
	cmd.Args[0] = b.Tool
	cmd.Env = environment()
	if b.Remote != "" {
		cmd.Env = append(cmd.Env, "NIX_REMOTE="+b.Remote)
	}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if b.Enough != nil {
		cmd.Stderr = &heard{stderr, func() {
			if b.Enough(stderr.kept.Bytes()) {
				end(errEnough)
			}
		}}
	}
	// Of its own group, so that a Ctrl-C reaches it once, and from here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = interruptWait

	began := time.Now()
	if err = cmd.Start(); err == nil {
		if b.Started != nil {
			b.Started(cmd.Process.Pid)
		}
		err = cmd.Wait()
		// What it has left behind in its group, after SIGKILL, holds nothing that is needed.
		if ctx.Err() != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
	out := Built{Exit: -1, Stdout: stdout.kept.Bytes(), Stderr: stderr.kept.Bytes(), Cut: stdout.over || stderr.over}
	if cmd.ProcessState != nil {
		out.Exit = cmd.ProcessState.ExitCode()
	}
	m.log.Debug("build", "tool", b.Tool, "args", b.Args, "remote", b.Remote, "exit", out.Exit, "error", err,
		"ms", time.Since(began).Milliseconds(), "stdout", excerpt(out.Stdout), "stderr", excerpt(out.Stderr))
	var exit *exec.ExitError
	switch {
	case errors.Is(context.Cause(ctx), errEnough):
		return out, nil
	case ctx.Err() != nil:
		return out, fmt.Errorf("run %s: %w", b.Tool, context.Cause(ctx))
	case err == nil, errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay):
		return out, nil
	}
	return out, fmt.Errorf("run %s: %w", b.Tool, err)
}

// trusted refuses a program that is another user's: root would do for that user whatever is in it.
func (m *Machine) trusted(file string) error {
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return renamed(err, file)
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok || sys.Uid != 0 && int(sys.Uid) != os.Geteuid() || strings.HasPrefix(target, "/proc/") {
		return ErrUntrusted
	}
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%s can be written to by everybody: %w", target, ErrUntrusted)
	}
	return nil
}
