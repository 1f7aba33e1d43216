package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/platform/pattern"
)

func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) }

// commandTree is the commands with their help.
type commandTree struct{ *app }

// root builds the commands. Nothing is read from the host for it. Of a line that begins with the name of a command, only
// that one is built: to build all of them takes longer than to run some.
func (t commandTree) root(args ...string) *cobra.Command {
	root := &cobra.Command{
		Use:   program + " COMMAND",
		Short: "Find and repair known issues of Lix and Nix installations",
		Long: "lixfix finds known issues of Lix and Nix installations and repairs them.\n\n" +
			"\"lixfix check\" only looks. \"lixfix repair\" shows every step before it asks,\n" +
			"writes it down before it does it, and can take it back.\n\n" + exitHelp(),
		Example:       "  lixfix check\n  lixfix list\n  lixfix version",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef(t.Name+" --help lists the commands", "%q is not a command%s", args[0], didYouMean(args[0], commands))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVar(&t.format, "format", t.format, "`FORMAT` of results and errors: text, json or jsonl; also dot for some commands, and prometheus for check")
	flags.StringVar(&t.color, "color", t.color, "`WHEN` to colour: auto, always or never")
	flags.BoolVarP(&t.quiet, "quiet", "q", false, "print only problems and results")
	flags.BoolVar(&t.debug, "debug", false, "log to standard error, with every tool call")
	root.SetHelpFunc(t.help)
	root.SetUsageFunc(func(cmd *cobra.Command) error { t.help(cmd, nil); return nil })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
			if err := t.flagOfAFix(cmd, unknown.GetSpecifiedName()); err != nil {
				return err
			}
		}
		return usagef(t.called(cmd)+" --help lists its flags", "%w", err)
	})
	_ = root.RegisterFlagCompletionFunc("format", completeFormats)
	_ = root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	root.SetHelpCommand(t.helpCommand())
	a := t.app
	builders := map[string]func() *cobra.Command{
		"check": newChecker(a).command, "report": newDescriber(a).command, "record": recorder{a}.command, "probe": prober{a}.command,
		"verify": newVerifier(a).command, "repair": repairer{a}.command, "resume": resumer{a}.command, "undo": undoer{a}.command,
		"history": newHistorian(a).command, "schedule": scheduler{a}.command, "list": lister{a}.command,
		"explain": newExplainer(a).command, "run": newWrapper(a).command, "version": about{a}.version,
		completionName: about{a}.completion, "schema": about{a}.schema,
	}
	if len(args) > 0 && args[0] != completionName && builders[args[0]] != nil {
		root.AddCommand(builders[args[0]]())
		return root
	}
	for _, name := range commands {
		if build := builders[name]; build != nil { // help is built above
			root.AddCommand(build())
		}
	}
	return root
}

// completionName is the command that writes scripts about all the others.
const completionName = "completion"

// commands are listed in the order in which a user meets them.
var commands = []string{"check", "report", "record", "probe", "verify", "repair", "resume", "undo", "history", "list", "explain", "run", "version", "schedule", "completion", "schema", "help"}

// rank is the place of a command in a list: below the root as above, elsewhere that of its fix.
func (t commandTree) rank(cmd *cobra.Command) int {
	if i := slices.Index(commands, cmd.Name()); i >= 0 {
		return i
	}
	return len(commands) + t.catalogue.find(cmd.Name())
}

// called is a command as the user has to type it.
func (a *app) called(cmd *cobra.Command) string {
	return strings.TrimSpace(a.Name + " " + strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), program), " "))
}

// verbosely adds -v to a command.
func (a *app) verbosely(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&a.verbose, "verbose", "v", false, "show every step and all evidence")
}

// helpWidth is what help texts fit into.
const helpWidth = 80

// paragraph breaks a text of a help page into lines, with a blank one below.
func paragraph(text string) string { return strings.Join(render.Wrap(text, helpWidth), "\n") + "\n\n" }

// help prints the help of a command.
func (t commandTree) help(cmd *cobra.Command, _ []string) {
	var b strings.Builder
	b.WriteString(cmd.Long + "\n\nUsage:\n  " + cmd.UseLine() + "\n")
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		wide := 0
		list := slices.Clone(cmd.Commands())
		slices.SortStableFunc(list, func(x, y *cobra.Command) int { return t.rank(x) - t.rank(y) })
		for _, c := range list {
			wide = max(wide, len(c.Name()))
		}
		for _, c := range list {
			if c.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-*s  %s\n", wide, c.Name(), c.Short)
			}
		}
	}
	section := func(heading string, flags *pflag.FlagSet) {
		if flags.HasAvailableFlags() {
			b.WriteString("\n" + heading + ":\n" + strings.TrimRight(flags.FlagUsagesWrapped(helpWidth), "\n") + "\n")
		}
	}
	section("Flags", cmd.LocalFlags())
	section("Global flags", cmd.InheritedFlags())
	if cmd.Example != "" {
		b.WriteString("\nExamples:\n" + cmd.Example + "\n")
	}
	_, _ = t.out.Write([]byte(t.named(b.String())))
}

// typed finds the name of the program in a text where it is what the user types.
var typed = pattern.New(`(?m)(^|[^/\w-])lixfix($| [a-z[-]| COMMAND)`)

// named puts the name that the program was called by into a text: Lix runs it as lix-fix.
func (t commandTree) named(text string) string {
	name := filepath.Base(t.Name)
	if name == program {
		return text
	}
	return typed.ReplaceAllString(text, "${1}"+strings.ReplaceAll(name, "$", "$$")+"${2}")
}

func (t commandTree) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND|automation]",
		Short: "Show the help of a command, or what scripts can rely on",
		Long: "Show the help of a command. \"lixfix help automation\" shows what scripts and\n" +
			"other installers can rely on.\n\n" + exitHelp(Healthy, Usage),
		Example:   "  lixfix help repair\n  lixfix help automation",
		ValidArgs: []string{automation},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == automation {
				_, _ = t.out.Write([]byte(t.named(Automation())))
				return nil
			}
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef(t.Name+" --help lists the commands", "%q is not a command", strings.Join(args, " "))
			}
			t.help(target, nil)
			return nil
		},
	}
}

// flagOfAFix is the error for a flag that another fix has, or a bare command lacks; nil where no fix has it.
func (t commandTree) flagOfAFix(cmd *cobra.Command, flag string) error {
	for cmd.HasParent() && cmd.Parent().HasParent() {
		cmd = cmd.Parent()
	}
	if cmd.Name() != "check" && cmd.Name() != "report" {
		return nil
	}
	for _, f := range t.Fixes {
		for _, o := range f.Options() {
			if o.Look && o.Name == flag {
				return usagef(t.called(cmd)+" "+f.Name()+" --"+flag, "--%s is an option of %s", flag, f.Name())
			}
		}
	}
	return nil
}

// didYouMean is the end of a message about an unknown word.
func didYouMean(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// nearest is the known word that is a few typing errors away, "" when none is.
func nearest(word string, known []string) string {
	best, least := "", 1+max(2, len(word)/3)
	for _, k := range known {
		d := distance(strings.ToLower(word), k)
		if len(word) >= 3 && strings.HasPrefix(k, strings.ToLower(word)) {
			d = 1
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		corner := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := corner
			if a[i-1] != b[j-1] {
				cost = 1 + min(corner, row[j], row[j-1])
			}
			corner, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}

// noArgs refuses arguments.
func (a *app) noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(a.called(cmd)+" --help", "%q: %s takes no arguments", args[0], cmd.Name())
	}
	return nil
}
