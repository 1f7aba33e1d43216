// Package cli is the command line of lixfix: what it asks, what it prints, and how it ends.
//
// Results go to standard output. Progress, questions, logs and errors go to standard error or to the terminal, so that
// a script can keep them apart.
package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/ui"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/record"
)

// Config is all that the command line takes from its surroundings. Host and Fixes are needed; what else is left out is
// taken from the process.
type Config struct {
	Host  platform.Host
	Fixes []fix.Fix   // in the order in which they are shown
	Known []*fix.Kind // troubles that no fix finds
	// Inherited are the descriptors beside the standard streams that lixfix was started with, for a command that it runs.
	Inherited []int
	Stdin     io.Reader
	Stdout    io.Writer
	Stderr    io.Writer
	Args      []string // without the name of the program
	Getenv    func(string) string
	OpenTTY   func() (io.ReadWriteCloser, error) // the terminal of the user
	Program   func() (string, error)             // the absolute name of the running program, without links
	Now       func() time.Time
	Random    io.Reader
	Notify    func(chan<- os.Signal) (stop func()) // sends the signals that end lixfix
	Name      string                               // of the program, as the user typed it
	Version   string
}

func (c *Config) complete() {
	if c.Stdin == nil {
		c.Stdin = os.Stdin
	}
	if c.Stdout == nil {
		c.Stdout = os.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.OpenTTY == nil {
		c.OpenTTY = ui.OpenTTY
	}
	if c.Program == nil {
		c.Program = sync.OnceValues(executable)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Notify == nil {
		c.Notify = notify
	}
	if !strings.Contains(c.Name, "/") {
		c.Name = filepath.Base(c.Name)
	}
	// Whoever starts a program names it as they like; this is printed as part of commands to type.
	if c.Name == "" || c.Name == "." || platform.Quote(c.Name) != c.Name || c.Name[0] == '-' || len(c.Name) > longestName {
		c.Name = program
	}
	if c.Version == "" {
		c.Version = "devel"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			c.Version = strings.TrimPrefix(info.Main.Version, "v")
		}
	}
}

const program = "lixfix"

// app is one run of the program: what all commands share. Each of them is a type of its own around it.
type app struct {
	Config
	catalogue catalogue

	out, err *ui.Sink
	stdout   ui.Terminal
	stderr   ui.Terminal
	sig      *signals
	log      *slog.Logger
	progress *ui.Progress

	format  string
	events  bool          // --format jsonl
	limit   time.Duration // after which a command ends as by SIGTERM; 0 for never
	color   string
	debug   bool
	quiet   bool
	verbose bool

	host   string         // --host: a record to look at instead of this machine
	replay *record.Record // what is in it

	started bool // whether a command has begun: errors before that are in how it was called
	code    Code
}

func newApp(cfg Config) *app {
	cfg.complete()
	a := &app{
		Config: cfg, catalogue: catalogue{fixes: cfg.Fixes, known: cfg.Known}, out: ui.NewSink(cfg.Stdout), err: ui.NewSink(cfg.Stderr),
		stdout: ui.Describe(cfg.Stdout, cfg.Getenv), stderr: ui.Describe(cfg.Stderr, cfg.Getenv),
		log: slog.New(slog.DiscardHandler), format: text, color: string(ui.Auto),
	}
	a.progress = ui.NewProgress(a.err, a.stderr, false)
	return a
}

// Run runs the program and returns its exit code.
func Run(ctx context.Context, cfg Config) int {
	hasten(cfg)
	a := newApp(cfg)
	sig, ctx, stop := watch(ctx, a.Notify, a.notice)
	defer stop()
	a.sig = sig

	root := commandTree{a}.root(a.Args...)
	root.SetArgs(a.Args)
	root.SetIn(a.Stdin)
	root.SetOut(a.out)
	root.SetErr(a.err)
	if err := a.execute(ctx, root); err != nil {
		if !a.started {
			err = a.misuse(err)
		}
		a.code = codeOf(err)
		a.fail(err)
	}
	if err := a.out.Err(); err != nil && !brokenPipe(err) && a.code == Healthy {
		a.code = Failed
		a.fail(fmt.Errorf("write the result: %w", err))
	}
	return int(a.code)
}

// execute runs the command. A panic becomes an error, because the exit code of a crashed Go program means usage here;
// what a plan holds is let go of on the way.
func (a *app) execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		if p := recover(); p != nil {
			stack := debug.Stack()
			a.log.Debug("panic", "stack", string(stack))
			a.started = true
			err = &failure{
				code: Failed, err: fmt.Errorf("internal error: %v at %s", p, thrower(stack)),
				next: "report it at https://github.com/lixfix/lixfix/issues; \"" + a.Name + " check\" tells whether a repair waits",
			}
		}
	}()
	return root.ExecuteContext(ctx)
}

// misuse makes an error of cobra one of usage.
func (a *app) misuse(err error) error {
	// The format may be asked for behind the mistake, where cobra has not come to.
	for i, arg := range a.Args {
		format, ok := strings.CutPrefix(arg, "--format=")
		if arg == "--format" && i+1 < len(a.Args) {
			format, ok = a.Args[i+1], true
		}
		if ok && (format == jsonFormat || format == jsonLines) {
			a.format = jsonFormat
		}
	}
	if codeOf(err) == Usage {
		return err
	}
	return usagef(a.Name+" --help lists commands and flags", "%w", err)
}

// run makes the function of a command of what it does.
func (a *app) run(f func(ctx context.Context, cmd *cobra.Command, args []string) (Code, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := a.settle(cmd); err != nil {
			return err
		}
		if cmd.Flags().Changed(limitFlag) && a.limit <= 0 {
			return usagef("say how long it may take, such as --limit 15m", "--limit: %v leaves no time to work in", a.limit)
		}
		a.started = true
		if err := a.fromRecord(cmd); err != nil {
			return err
		}
		if a.limit > 0 {
			// The clock is lixfix's own: another process could only send a signal to a number, and whom that belongs to once
			// lixfix has ended nobody knows.
			defer time.AfterFunc(a.limit, a.sig.timeUp).Stop()
		}
		code, err := f(cmd.Context(), cmd, args)
		a.code = code
		return err
	}
}

// settle checks the global flags and sets up what they ask for.
func (a *app) settle(cmd *cobra.Command) error {
	_, draw := cmd.Annotations[draws]
	_, measure := cmd.Annotations[measures]
	switch {
	case a.format == text, a.format == jsonFormat:
	case a.format == jsonLines:
		a.format, a.events = jsonFormat, true
	case a.format == prometheusFormat && measure:
	case a.format == prometheusFormat:
		return usagef("use it with: "+a.Name+" check", "--format prometheus: %s measures nothing", cmd.Name())
	case a.format == dotFormat && draw && len(a.catalogue.drawers()) > 0:
	case a.format == dotFormat && len(a.catalogue.drawers()) > 0:
		return usagef("use it with: "+a.Name+" check "+a.catalogue.drawers()[0], "--format dot: %s draws nothing", cmd.Name())
	default:
		return usagef("use --format text, --format json or --format jsonl", "--format: %q is not a format", a.format)
	}
	switch ui.When(a.color) {
	case ui.Auto, ui.Always, ui.Never:
	default:
		return usagef("use --color auto, --color always or --color never", "--color: %q is not known", a.color)
	}
	if a.debug {
		a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{
			Level: slog.LevelDebug, ReplaceAttr: render.LogAttr,
		}))
		if h, ok := a.Host.(interface{ SetLogger(*slog.Logger) }); ok {
			h.SetLogger(a.log)
		}
		// A line that is written over would swallow what is logged.
		a.stderr.Rewrite = false
	}
	a.progress = ui.NewProgress(a.err, a.stderr, a.quiet || a.machine())
	return nil
}

const (
	text       = "text"
	jsonFormat = "json"
	jsonLines  = "jsonl" // JSON as well, with what happens until the report
)

// machine reports whether standard error is read by a program as well.
func (a *app) machine() bool { return a.format == jsonFormat && !a.stderr.Is }

// style is how text on a terminal is to look.
func (a *app) style(t ui.Terminal) render.Style {
	return render.Style{
		Width: t.Width, Color: ui.Color(ui.When(a.color), t, a.Getenv), ASCII: ui.ASCII(a.Getenv),
		Verbose: a.verbose, Quiet: a.quiet, Rename: a.as,
	}
}

// page prints text to standard output, unless JSON is wanted.
func (a *app) page(draw func(*render.Text)) {
	if a.format == jsonFormat {
		return
	}
	t := render.NewText(a.style(a.stdout))
	t.Recorded(a.recorded())
	draw(t)
	a.progress.Close()
	_, _ = t.WriteTo(a.out)
}

// emit prints the report: all of it as JSON, or the text that draw makes of it.
func (a *app) emit(r *render.Report, code Code, draw func(*render.Text)) (Code, error) {
	r.Exit = int(code)
	if a.events {
		return code, render.EventJSON(a.out, render.Event{Event: render.Verdict, Report: r})
	}
	if a.format == jsonFormat {
		return code, render.JSON(a.out, *r)
	}
	a.page(draw)
	return code, nil
}

// report starts the report of a command.
func (a *app) report(command string) *render.Report {
	return &render.Report{Schema: render.Schema, Lixfix: a.Version, Command: command, Recorded: a.recorded()}
}

// hosted is a report that says which host it is about.
func (a *app) hosted(command string) *render.Report {
	r := a.report(command)
	f := a.Host.Facts()
	r.Host = &render.Host{Facts: f, Root: f.Root()}
	return r
}

// fail prints an error.
func (a *app) fail(err error) {
	a.progress.Close()
	a.log.Debug("failed", "error", err)
	p := problem(err, a.code)
	p.Message, p.Next = a.as(p.Message), a.as(p.Next)
	if a.format == jsonFormat {
		_ = render.ProblemJSON(a.err, p)
		return
	}
	t := render.NewText(a.style(a.stderr))
	t.Problem(p)
	_, _ = t.WriteTo(a.err)
}

// notice tells the user something at once.
func (a *app) notice(text string) {
	if a.machine() {
		return
	}
	a.progress.Say(program + ": " + render.Clean(a.as(text)))
}

// event tells a program what happens, where it wants to know that.
func (a *app) event(e render.Event) {
	if a.events {
		_ = render.EventJSON(a.out, e) // the stream remembers that nobody listens any more
	}
}
