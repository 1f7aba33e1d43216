package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	queryLimit   = 30 * time.Second // of one read-only tool call; the largest directory seen takes two
	runLimit     = 10 * time.Minute // of one writing tool call: macOS may be asking the user for consent meanwhile
	killGrace    = 2 * time.Second  // for pipes to close after a tool was killed
	reapGrace    = 5 * time.Second  // for the kernel to tell of the end of what was killed
	outputLimit  = 64 << 20         // of standard output; 10,000 users make 10 MiB
	stderrLimit  = 64 << 10
	debugExcerpt = 2 << 10 // of each stream, in the log
)

// ToolError says how a tool failed: Err is set when it could not be started, ran into its time limit, or wrote too
// much; Signal when it was killed; otherwise Exit tells.
type ToolError struct {
	Tool   string
	Args   []string
	Exit   int
	Signal syscall.Signal
	Err    error
	Stdout string // at most 2 KiB
	Stderr string // at most 64 KiB
}

// Last returns the last line of standard error that is not blank, which is where the tools of macOS say what happened.
func (e *ToolError) Last() string {
	lines := strings.Split(strings.TrimRight(e.Stderr, " \t\r\n"), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

func (e *ToolError) Error() string {
	var b strings.Builder
	b.WriteString(strings.Join(append([]string{e.Tool}, e.Args...), " "))
	switch {
	case e.Err != nil:
		fmt.Fprintf(&b, ": %v", e.Err)
	case e.Signal != 0:
		fmt.Fprintf(&b, ": killed by signal %d (%v)", int(e.Signal), e.Signal)
	default:
		fmt.Fprintf(&b, ": exit status %d", e.Exit)
	}
	if last := e.Last(); last != "" {
		b.WriteString(": " + last)
	}
	return b.String()
}

func (e *ToolError) Unwrap() error { return e.Err }

// environment is all that a tool gets to see of ours. It keeps the language of messages fixed and lets nobody smuggle
// a library (DYLD_*, LD_*) or a search path into a process that runs as root.
func environment() []string {
	return []string{"LANG=C", "LC_ALL=C", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + environmentHome}
}

// environmentHome is a home in which there is nothing.
const environmentHome = "/var/empty"

// command prepares a tool to be run in a process group of its own, with nothing of lixfix's surroundings.
func (p *program) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, args...)
	// By its name some programs know which of many tools they are to be.
	cmd.Args[0] = p.name
	if p.file != nil {
		cmd.ExtraFiles = []*os.File{p.file}
	}
	cmd.Env = environment()
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// bounded keeps the first limit bytes and remembers whether there were more. It must not embed the buffer: io.Copy
// would find its ReadFrom and go around Write.
type bounded struct {
	kept  bytes.Buffer
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - b.kept.Len(); len(p) > room {
		b.over = true
		b.kept.Write(p[:room])
		return len(p), nil
	}
	return b.kept.Write(p)
}

// execute runs p as tool. The tool leads a process group of its own; when ctx ends, the whole group is killed.
func execute(
	ctx context.Context, log *slog.Logger, p *program, as *Account, tool string, args []string,
) ([]byte, error) {
	stdout, stderr := &bounded{limit: outputLimit}, &bounded{limit: stderrLimit}
	cmd := p.command(ctx, args)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killGrace

	began := time.Now()
	err := start(cmd, as)
	if err == nil {
		err = await(ctx, cmd.WaitDelay, cmd.Wait)
	}
	if errors.Is(err, errUnreaped) {
		stdout, stderr = &bounded{}, &bounded{} // the others may still be written to
	}
	e := &ToolError{Tool: tool, Args: args, Stdout: excerpt(stdout.kept.Bytes()), Stderr: stderr.kept.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		e.Err = context.Cause(ctx)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			e.Err = fmt.Errorf("no answer within %s: %w", time.Since(began).Round(time.Second), context.DeadlineExceeded)
		}
	case errors.As(err, &exit):
		e.Exit = exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			e.Signal = status.Signal()
		}
	case errors.Is(err, exec.ErrWaitDelay):
		// The tool itself ended well; a child of its own still holds the pipe.
		err = nil
	case err != nil:
		e.Err = err
	}
	if err == nil && stdout.over {
		e.Err, err = fmt.Errorf("standard output: %w", ErrTooLarge), ErrTooLarge
	}
	log.Debug("tool", "tool", tool, "args", args, "exit", e.Exit, "signal", int(e.Signal), "error", e.Err,
		"ms", time.Since(began).Milliseconds(), "stdout", e.Stdout, "stderr", excerpt(stderr.kept.Bytes()))
	if err != nil {
		return nil, e
	}
	return stdout.kept.Bytes(), nil
}

// errUnreaped is of a process that was killed, and whose end the kernel keeps from its parent.
var errUnreaped = errors.New("it was killed, and something keeps it from ending")

// await is wait, the end of a process, which the end of ctx kills after delay at the latest. Where that is not told even
// then, it is not waited for: a process that runs as a user can be traced by another one of that user's, and then its end
// is told to its tracer first, which may never ask (ptrace(2)). What the process has written cannot be used then.
func await(ctx context.Context, delay time.Duration, wait func() error) error {
	done := make(chan error, 1)
	go func() { done <- wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(delay + reapGrace)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return errUnreaped
	}
}

func excerpt(b []byte) string {
	if len(b) > debugExcerpt {
		return string(b[:debugExcerpt]) + "…"
	}
	return string(b)
}
