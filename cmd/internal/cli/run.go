package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/runner"
	"github.com/lixfix/lixfix/cmd/internal/ui"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/messages"
)

const (
	// patience is how long a command is silent before anything is told. Nix itself says nothing while it waits for less.
	patience = time.Minute
	// afterFailure is how long the host is looked at once a command has failed.
	afterFailure = 10 * time.Second
)

// wrapper is "lixfix run".
type wrapper struct {
	*app
	explain explainer
}

func newWrapper(a *app) wrapper { return wrapper{app: a, explain: newExplainer(a)} }

func (w wrapper) command() *cobra.Command {
	var wait time.Duration
	keep := false
	cmd := &cobra.Command{
		DisableFlagsInUseLine: true,

		Use:   "run [FLAGS] [--] COMMAND [ARGUMENT...]",
		Short: "Run a command, and say what its errors point to",
		Long: paragraph("Run a command as if lixfix were not there: with the same terminal, input, output, signals and "+
			"exit code. If it fails with a message that lixfix knows, up to six lines on standard error say what the message "+
			"points to, whether this host has that problem, and what to type next. If it is silent for long, a line at the "+
			"bottom of the terminal says what it waits for. Nothing is added to standard output.") +
			paragraph("The command begins at the first word after the flags of run. \"lix fix run nix build\" works too, "+
				"as long as Lix can read its nix.conf; lixfix itself needs none.") +
			"Exit codes:\n    0  the command succeeded; other codes are the command's as well\n    2  also if the flags of run are wrong\n" +
			"  126  the command cannot be run\n  127  there is no such command\n  128  plus the number of the signal that ended the command",
		Example: "  lixfix run nix build .#thing\n  lixfix run --patience 5m -- nix-build -A thing",
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().DurationVar(&wait, "patience", patience, "after `TIME` of silence, such as 5m, say what the command waits for; 0 for never")
	cmd.Flags().BoolVar(&keep, "record", false, "if the command fails, write a record of this host, as \"lixfix record\" does")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(w.Name+" run nix build", "run: which command?")
		}
		return nil
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	cmd.RunE = w.run(func(ctx context.Context, _ *cobra.Command, args []string) (Code, error) {
		return w.runAlong(ctx, args, wait, keep)
	})
	return cmd
}

// runAlong runs a command and, where it fails, says what its messages point to.
func (w wrapper) runAlong(ctx context.Context, args []string, wait time.Duration, keep bool) (Code, error) {
	stdin, ok1 := w.Stdin.(*os.File)
	stdout, ok2 := w.Stdout.(*os.File)
	stderr, ok3 := w.Stderr.(*os.File)
	if !ok1 || !ok2 || !ok3 {
		return Failed, errors.New("run: the standard streams are not files")
	}
	program, err := w.Program()
	if err != nil {
		return Failed, err
	}
	c := runner.Command{
		Args: args, Stdin: stdin, Stdout: stdout, Stderr: stderr, Inherited: w.Inherited, Program: program, Patience: wait, Waits: w.waitsFor,
		Color: ui.Color(ui.When(w.color), w.stderr, w.Getenv),
	}
	out, err := c.Run(ctx)
	if start, ok := errors.AsType[*runner.StartError](err); ok {
		return Code(start.Code()), &failure{code: Code(start.Code()), err: err}
	}
	if err != nil {
		return Failed, err
	}
	if out.Code != 0 && !slices.Contains(byHand, out.Signal) {
		w.failedCommand(ctx, args, out)
		if keep {
			w.recordFailure(ctx)
		}
	}
	return Code(out.Code), nil
}

// byHand are the signals by which people end what they do not want any more.
var byHand = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE}

// failedCommand says below the output of a command that has failed what it points to.
func (w wrapper) failedCommand(ctx context.Context, args []string, out runner.Outcome) {
	found := slices.DeleteFunc(w.catalogue.index().Find(out.Output), func(m messages.Match) bool {
		return m.Harmless() || !m.Sure && !plainly(args[0], m.Line)
	})
	if len(found) == 0 {
		return
	}
	for i := range found {
		w.explain.narrow(&found[i])
	}
	r := w.report("run")
	r.Exit = out.Code
	r.Matches = w.explain.matched(found)
	// Whoever has pressed Ctrl-C may do so once more.
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, afterFailure)
	defer cancel()
	w.explain.confirm(ctx, r.Matches)
	if w.format == jsonFormat {
		_ = render.JSON(w.err, *r)
		return
	}
	t := render.NewText(w.style(w.stderr))
	t.After(r.Matches)
	_, _ = t.WriteTo(w.err)
}

// recordFailure writes down what the host looks like now. That it cannot is said, and changes nothing else.
func (w wrapper) recordFailure(ctx context.Context) {
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	settings := make([]fix.Settings, len(w.Fixes))
	for i, f := range w.Fixes {
		settings[i], _ = options{w.app}.of(f, nil)
	}
	r := w.hosted("run")
	err := recorder{w.app}.write(ctx, r, w.Fixes, settings, recording{})
	if err != nil {
		w.notice(message(err))
		return
	}
	w.notice("this host is recorded in " + r.Record.File + "; look at it before you send it")
}

// plainly reports whether a line is said by Nix itself: it is run, and it is what begins its errors so.
func plainly(command, line string) bool {
	name := filepath.Base(command)
	nix := strings.HasPrefix(name, "nix") || strings.HasPrefix(name, "lix") || strings.HasSuffix(name, "-rebuild") || name == "home-manager"
	return nix && (strings.HasPrefix(line, "error:") || strings.HasPrefix(line, "warning:"))
}

// optionPID is the option of a fix that looks at one process.
const optionPID = "pid"

// waitsFor says what a process waits for, "" where nobody can tell.
func (w wrapper) waitsFor(ctx context.Context, pid int) string {
	for _, f := range w.Fixes {
		if !slices.ContainsFunc(f.Options(), func(o fix.Option) bool { return o.Name == optionPID && o.Look }) || !f.AppliesTo(w.Host.Facts()) {
			continue
		}
		s := fix.Settings{optionPID: {Value: strconv.Itoa(pid), Source: "run"}}
		found, err := guarded(ctx, detectLimit, func(ctx context.Context) ([]fix.Finding, error) { return f.Detect(ctx, w.Host, s) })
		if err != nil {
			w.log.Debug("what the command waits for could not be told", "error", err)
			continue
		}
		found = slices.DeleteFunc(found, func(f fix.Finding) bool { return f.Status == fix.Unknown || f.Status == fix.NotApplicable })
		if len(found) > 0 {
			worst := slices.MaxFunc(found, func(x, y fix.Finding) int { return fix.Compare(x.Status, y.Status) })
			return render.Clean(worst.Summary)
		}
	}
	return ""
}
