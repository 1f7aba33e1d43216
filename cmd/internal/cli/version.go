package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/platform/installation"
)

// about is the commands that tell of lixfix itself: version, schema and completion.
type about struct{ *app }

func (b about) version() *cobra.Command {
	var host bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, and with --host what Nix is here",
		Long: "Print the version, and what lixfix was built with and for.\n\n" +
			"With --host, also describe the Nix on this host: implementation and version,\n" +
			"who installed it, where it is, how its daemon is started, and the settings, each\n" +
			"with where it was read or why it is not known. No tool is run for that.\n\n" +
			exitHelp(Healthy, Usage, Failed),
		Example: "  lixfix version\n  sudo lixfix version --host\n  lixfix version --host --format json",
	}
	cmd.Flags().BoolVar(&host, "host", false, "describe the Nix on this host")
	cmd.Args = b.noArgs
	cmd.RunE = b.run(func(ctx context.Context, _ *cobra.Command, _ []string) (Code, error) {
		// Without --host the host is left out: on macOS its facts cost a tool call.
		r := b.report("version")
		if host {
			r = b.hosted("version")
		}
		r.Made = &render.Description{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" {
					r.Made.Revision = s.Value
				}
			}
		}
		r.Summary = fmt.Sprintf("lixfix %s (%s, %s/%s)", b.Version, r.Made.Go, r.Made.OS, r.Made.Arch)
		if !host {
			return b.emit(r, Healthy, func(t *render.Text) { t.Summary(*r) })
		}
		return b.onHost(ctx, r)
	})
	return cmd
}

// onHost tells what Nix is here. It fails where not even that could be told whether there is one.
func (b about) onHost(ctx context.Context, r *render.Report) (Code, error) {
	page, err := guarded(ctx, detectLimit, func(ctx context.Context) (installation.Page, error) {
		return installation.At(b.Host).Page(ctx), nil
	})
	if err != nil {
		return Failed, fmt.Errorf("read what Nix is here: %w", err)
	}
	r.Installation = &page
	code := Healthy
	if page.Present == nil {
		code = Failed
	}
	return b.emit(r, code, func(t *render.Text) { t.Host(*r) })
}

func (b about) schema() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of the documents that --format json prints",
		Long:    "Print the JSON Schema (2020-12) of the documents that --format json prints.\n\n" + exitHelp(Healthy, Usage),
		Example: "  lixfix schema",
	}
	cmd.Args = b.noArgs
	cmd.RunE = b.run(func(context.Context, *cobra.Command, []string) (Code, error) {
		_, err := b.out.Write(render.SchemaJSON(b.catalogue.ids()...))
		return Healthy, err
	})
	return cmd
}

func (b about) completion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion {bash|zsh|fish}",
		Short: "Print the completions of a shell",
		Long: "Print a script that completes commands, flags, fixes and IDs in a shell.\n\n" +
			"  bash  source <(lixfix completion bash)\n" +
			"  zsh   lixfix completion zsh > \"${fpath[1]}/_lixfix\"\n" +
			"  fish  lixfix completion fish | source\n\n" + exitHelp(Healthy, Usage),
		Example:   "  lixfix completion zsh",
		ValidArgs: []string{"bash", "zsh", "fish"},
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)(cmd, args); err != nil {
			return usagef("name one of bash, zsh, fish", "completion: which shell?")
		}
		return nil
	}
	cmd.RunE = b.run(func(_ context.Context, cmd *cobra.Command, args []string) (Code, error) {
		switch args[0] {
		case "bash":
			return Healthy, cmd.Root().GenBashCompletionV2(b.out, true)
		case "zsh":
			return Healthy, cmd.Root().GenZshCompletion(b.out)
		}
		return Healthy, cmd.Root().GenFishCompletion(b.out, true)
	})
	return cmd
}
