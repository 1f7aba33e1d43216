package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/messages"
)

// catalogue finds fixes and kinds of findings by their names.
type catalogue struct {
	fixes []fix.Fix
	known []*fix.Kind // troubles that no fix finds
}

// find returns the fix of a name.
func (c catalogue) find(name string) int {
	for i, f := range c.fixes {
		if f.Name() == name {
			return i
		}
	}
	return -1
}

func (c catalogue) names() []string {
	var names []string
	for _, f := range c.fixes {
		names = append(names, f.Name())
	}
	return names
}

// wanted are the fixes of these names, all of them for none.
func (c catalogue) wanted(names []string) ([]fix.Fix, error) {
	if len(names) == 0 {
		return c.fixes, nil
	}
	var wanted []fix.Fix
	for _, name := range names {
		i := c.find(name)
		if i < 0 {
			return nil, c.unknownFix(name)
		}
		if !slices.ContainsFunc(wanted, func(f fix.Fix) bool { return f.Name() == name }) {
			wanted = append(wanted, c.fixes[i])
		}
	}
	return wanted, nil
}

// unknownFix is the error for a name that no fix has.
func (c catalogue) unknownFix(name string) error {
	return usagef("known are: "+strings.Join(c.names(), ", "), "%q is not a fix%s", name, didYouMean(name, c.names()))
}

// kind is the kind with an ID: of a fix, or known without one; nil for none.
func (c catalogue) kind(id string) *fix.Kind {
	for _, f := range c.fixes {
		if k := fix.KindOf(f, id); k != nil {
			return k
		}
	}
	if i := slices.IndexFunc(c.known, func(k *fix.Kind) bool { return k.ID == id }); i >= 0 {
		return c.known[i]
	}
	return nil
}

// fixOf is the fix that finds a kind, nil where lixfix only knows it.
func (c catalogue) fixOf(k *fix.Kind) fix.Fix {
	for _, f := range c.fixes {
		if slices.Contains(f.Kinds(), k) || fix.KindOf(f, k.ID) != nil {
			return f
		}
	}
	return nil
}

// index finds messages of all that is known.
func (c catalogue) index() *messages.Index { return messages.New(c.fixes, c.known) }

// ids are all that a finding can have.
func (c catalogue) ids() []string {
	var ids []string
	for _, f := range c.fixes {
		for _, k := range f.Kinds() {
			ids = append(ids, k.ID)
		}
		ids = append(ids, notChecked(f))
	}
	return ids
}

// unfixed are the pages about what no fix finds.
func (c catalogue) unfixed() []render.Kind {
	var all []render.Kind
	for _, k := range c.known {
		one := kindOf(k)
		one.Unfixed = true
		all = append(all, one)
	}
	return all
}

// drawers are the names of the fixes that can be drawn.
func (c catalogue) drawers() []string {
	var names []string
	for _, f := range c.fixes {
		if _, ok := f.(fix.Drawer); ok {
			names = append(names, f.Name())
		}
	}
	return names
}

// probers are the names of the fixes that can look closer.
func (c catalogue) probers() []string {
	var names []string
	for _, f := range c.fixes {
		if _, ok := f.(fix.Prober); ok {
			names = append(names, f.Name())
		}
	}
	return names
}

// example is a line with the first fix.
func (c catalogue) example(format string) string {
	if len(c.fixes) == 0 {
		return ""
	}
	return fmt.Sprintf(format, c.fixes[0].Name())
}

// exampleKind is an example with the first finding of the first fix.
func (c catalogue) exampleKind() string {
	for _, f := range c.fixes {
		for _, k := range f.Kinds() {
			if k.Status == fix.Broken {
				return "  lixfix explain " + f.Name() + "\n  lixfix explain " + k.ID + "\n"
			}
		}
	}
	return ""
}

func (c catalogue) drawExamples() string {
	var lines []string
	for _, name := range c.drawers() {
		lines = append(lines, "  lixfix check "+name, "  lixfix check "+name+" --watch", "  lixfix check "+name+" --format dot")
	}
	return strings.Join(lines, "\n")
}

// completeFixes completes the names of fixes.
func (c catalogue) completeFixes(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, f := range c.fixes {
		words = append(words, cobra.CompletionWithDesc(f.Name(), f.Doc().Title))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completeKinds completes the names of fixes and, behind a slash, of findings.
func (c catalogue) completeKinds(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	name, _, ok := strings.Cut(word, "/")
	i := c.find(name)
	if !ok || i < 0 {
		return c.completeFixes(cmd, args, word)
	}
	var words []string
	for _, k := range slices.Concat(c.fixes[i].Kinds(), c.known) {
		words = append(words, cobra.CompletionWithDesc(k.ID, k.Title))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
