// Gendocs writes the man pages and the completions of lixfix below a directory: man/* and completions/*. With -readmes
// it writes the README of each fix below the directory of the fixes instead, and with -site the knowledge base as pages.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/cli"
	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/known"
)

func main() {
	out := flag.String("out", "", "directory to write to")
	version := flag.String("version", "devel", "version of lixfix")
	date := flag.String("date", "", "date of the pages, which is that of the release and not today")
	below := flag.String("readmes", "", "directory of the fixes")
	pages := flag.String("site", "", "directory for the site")
	flag.Parse()
	var err error
	if *pages != "" {
		err = site(fixes.All(), known.Pages(), *pages, *version)
	} else if *below != "" {
		err = readmes(fixes.All(), *below)
	} else {
		err = write(cli.Commands(fixes.All()), fixes.All(), *out, *version, *date)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

// readmes writes the README of each fix. A fix stands in the directory of its name, without a hyphen.
func readmes(all []fix.Fix, below string) error {
	for _, f := range all {
		if err := os.WriteFile(readme(f, below), markdown(f), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func readme(f fix.Fix, below string) string {
	return filepath.Join(below, strings.ReplaceAll(f.Name(), "-", ""), "README.md")
}

func write(root *cobra.Command, fixes []fix.Fix, out, version, date string) error {
	for _, dir := range []string{"man", "completions"} {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			return err
		}
	}
	for _, cmd := range all(root) {
		name := filepath.Join(out, "man", pageName(cmd)+".1")
		if err := os.WriteFile(name, page(cmd, version, date), 0o644); err != nil {
			return err
		}
	}
	for _, f := range fixes {
		name := filepath.Join(out, "man", fixPage(f)+".7")
		if err := os.WriteFile(name, manual(f, version, date), 0o644); err != nil {
			return err
		}
	}
	dir := filepath.Join(out, "completions")
	if err := root.GenBashCompletionFileV2(filepath.Join(dir, "lixfix.bash"), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(filepath.Join(dir, "_lixfix")); err != nil {
		return err
	}
	return root.GenFishCompletionFile(filepath.Join(dir, "lixfix.fish"), true)
}

// all lists a command and what is below it.
func all(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			list = append(list, all(sub)...)
		}
	}
	return list
}
