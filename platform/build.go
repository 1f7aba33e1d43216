package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/platform/nixdaemon"
)

// Builder is a View that can also run the tools of Nix, which write to its store. Only the probe of the build sandbox
// and the build that proves a repair get one: what they build is new, their own, and removed again.
type Builder interface {
	View
	// Invoker is the user who called lixfix, never root if that was somebody else. The daemon is asked as this user.
	Invoker(ctx context.Context) Account
	// Owner is the user that Nix runs as if it writes to a store without a daemon; root is the directory that holds
	// nix/store. The error is an *Untrusted if the store is not one user's.
	Owner(ctx context.Context, root string) (Account, error)
	// Lend copies a file of lixfix's own to where as can read it; done removes the copy. If as can read the file where it
	// is, nothing is copied.
	Lend(ctx context.Context, name string, as Account) (lent string, done func(), err error)
	// Build runs a tool of Nix, named by its absolute path, to its end. The end of ctx sends it SIGINT, as Ctrl-C
	// does, and later SIGKILL. If the tool fails, Built says so, and there is no error.
	Build(ctx context.Context, b Build) (Built, error)
	// Daemon greets a daemon as Greet does. If the daemon is Up, it returns the connection, which the caller must close;
	// otherwise nil. To the daemon, the client is the user that lixfix runs as.
	Daemon(ctx context.Context, socket string) (*nixdaemon.Conn, nixdaemon.Answer, error)
}

var _ Builder = (*Machine)(nil)

// AsBuilder returns a host as one that can be asked for a build. ok is false for a host that cannot.
func AsBuilder(h Host) (b Builder, ok bool) {
	if m, is := h.(*Memo); is {
		h = m.Host
	}
	b, ok = h.(Builder)
	return b, ok
}

// Build is one call of a tool of Nix.
type Build struct {
	Tool   string // by its absolute name; with a Login the name alone
	Args   []string
	As     Account       // whom it runs as: of root, no more than lixfix itself is
	Remote string        // the value of NIX_REMOTE; not set where it is empty
	Limit  time.Duration // how long it may take
	// Started is called with the number of the process as soon as there is one; nil for nobody.
	Started func(pid int)
	// Enough is called with all of standard error whenever there is more of it. If it returns true, the tool is ended as by
	// Ctrl-C. nil lets the tool end by itself.
	Enough func(stderr []byte) bool
	// Login is the login shell that looks for the tool and becomes it, as the user As and with nothing in its environment;
	// nil runs the tool itself. With Login, Remote is not used.
	Login *Login
}

// Built is how a tool of Nix ended.
type Built struct {
	Exit   int // -1 where a signal ended it
	Stdout []byte
	// Stderr is the beginning of standard error, up to 16 MiB: builders may write any amount.
	Stderr []byte
	Cut    bool // there was more of one of them
	// Found is where a login shell found the tool; "" if it did not, and then the exit status is 127.
	Found string
}

const (
	buildOutput   = 16 << 20         // of each stream: 10 MB of log of a build is not rare
	interruptWait = 10 * time.Second // for Nix to end its builders after SIGINT
)

// ErrNotBuilder is returned by Build for a program that is not a tool of Nix.
var ErrNotBuilder = errors.New("not a tool of Nix")

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
var buildTools = []string{"nix", "nix-build", "nix-instantiate", "nix-store"}

// nixTools runs the tools of Nix that write to its store, as a user who is told, and lends that user files of lixfix's. It
// owns nothing. What it runs is opened, and judged, as any other tool.
type nixTools struct {
	tree  *tree
	tools *tools
}

// Build implements Builder.
func (n *nixTools) Build(ctx context.Context, b Build) (Built, error) {
	as, err := become(b.As)
	if err != nil {
		return Built{}, fmt.Errorf("run %s: %w", b.Tool, err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.Limit)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	cmd, mark, done, err := n.prepare(ctx, b)
	if err != nil {
		return Built{}, fmt.Errorf("run %s: %w", b.what(), err)
	}
	defer done()
	stdout, stderr := &bounded{limit: buildOutput}, &bounded{limit: buildOutput}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if b.Enough != nil {
		cmd.Stderr = &heard{stderr, func() {
			if b.Enough(stderr.kept.Bytes()) {
				end(errEnough)
			}
		}}
	}
	cmd.WaitDelay = interruptWait

	began := time.Now()
	begin, release := start, func() {}
	if b.Login != nil {
		begin, release = tethered()
	}
	defer release()
	if err = begin(cmd, as); err == nil {
		if b.Started != nil {
			b.Started(cmd.Process.Pid)
		}
		err = await(ctx, cmd.WaitDelay, func() error {
			// Before it is reaped, because until then nobody else can be given the number of its group.
			if ended(cmd.Process.Pid) && (ctx.Err() != nil || b.Login != nil) {
				// What it has left behind, after SIGKILL, or what a shell's files have started, holds nothing that is needed.
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			}
			return cmd.Wait()
		})
	}
	out := Built{Exit: -1}
	if !errors.Is(err, errUnreaped) { // else they may still be written to
		out.Stdout, out.Stderr, out.Cut = stdout.kept.Bytes(), stderr.kept.Bytes(), stdout.over || stderr.over
		if cmd.ProcessState != nil {
			out.Exit = cmd.ProcessState.ExitCode()
		}
	}
	var lost error
	if b.Login != nil {
		lost = marked(&out, mark)
	}
	n.tools.log.Debug("build", "tool", b.what(), "args", b.Args, "remote", b.Remote, "as", b.As.UID, "exit", out.Exit, "error", err,
		"ms", time.Since(began).Milliseconds(), "stdout", excerpt(out.Stdout), "stderr", excerpt(out.Stderr))
	var exit *exec.ExitError
	switch {
	case errors.Is(err, errUnreaped):
		return out, fmt.Errorf("run %s: %w (%w)", b.what(), context.Cause(ctx), err)
	case errors.Is(context.Cause(ctx), errEnough):
		return out, nil
	case ctx.Err() != nil:
		return out, fmt.Errorf("run %s: %w", b.what(), context.Cause(ctx))
	case err == nil, errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay):
		if lost != nil {
			return out, fmt.Errorf("run %s: %w", b.what(), lost)
		}
		return out, nil
	}
	return out, fmt.Errorf("run %s: %w", b.what(), err)
}

// what names what is run.
func (b Build) what() string {
	if b.Login != nil {
		return b.Login.Shell
	}
	return b.Tool
}

// prepare opens what is to be run, and makes a command of it; done closes it. Of a login shell, mark is what comes before
// the output of the tool.
func (n *nixTools) prepare(ctx context.Context, b Build) (cmd *exec.Cmd, mark string, done func(), err error) {
	if b.Login != nil {
		return n.login(ctx, b)
	}
	if !path.IsAbs(b.Tool) || !slices.Contains(buildTools, path.Base(b.Tool)) {
		return nil, "", nil, ErrNotBuilder
	}
	if err := n.tools.trusted(b.Tool); err != nil {
		return nil, "", nil, err
	}
	p, err := n.tools.program(b.Tool, b.As.UID)
	if err != nil {
		return nil, "", nil, err
	}
	// Of its own group, so that a Ctrl-C reaches it once, and from here.
	cmd = p.command(ctx, b.Args)
	if b.Remote != "" {
		cmd.Env = append(cmd.Env, "NIX_REMOTE="+b.Remote)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd, "", p.close, nil
}

// become is whom a tool is started as: nil where that is who lixfix is already.
func become(as Account) (*Account, error) {
	switch euid := os.Geteuid(); {
	case as.UID == euid:
		return nil, nil //nolint:nilnil // nobody else
	case euid != 0:
		return nil, fmt.Errorf("as user %d: only root can", as.UID)
	}
	return &as, nil
}
