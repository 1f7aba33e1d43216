package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
)

// pasted is how many bytes of an error text are looked at.
const pasted = 256 << 10

func (a *app) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain {FIX | FIX/FINDING | ERROR TEXT... | -}",
		Short: "Explain a known issue, a finding, or an error",
		Long: "Explain a known issue: its symptoms, its cause, what the repair changes, and how\n" +
			"that is undone. Or explain one finding, by the ID that a check prints. Or find\n" +
			"the issues whose symptoms match an error text, given as arguments or, with \"-\",\n" +
			"on standard input.\n\n" + exitHelp(Healthy, Problems, Usage) + "\n" +
			"1 says that no known issue matches.",
		Example: "  lixfix list\n" + a.exampleKind() +
			"  lixfix explain \"the user '_nixbld1' in the group 'nixbld' does not exist\"",
		ValidArgsFunction: a.completeKinds,
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usagef("put the error text in quotes, behind --", "%w", err)
	})
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("name one of: "+strings.Join(a.names(), ", ")+"; or paste an error in quotes", "explain: what?")
		}
		return nil
	}
	cmd.RunE = a.run(func(_ context.Context, _ *cobra.Command, args []string) (Code, error) {
		return a.explain(args)
	})
	return cmd
}

func (a *app) explain(args []string) (Code, error) {
	r := a.report("explain")
	show := func(t *render.Text) { t.Explain(*r) }
	if i := a.find(args[0]); i >= 0 && len(args) == 1 {
		r.Explained = []render.Explained{explained(a.Fixes[i], "")}
		return a.emit(r, Healthy, show)
	}
	if name, _, ok := strings.Cut(args[0], "/"); ok && len(args) == 1 && a.find(name) >= 0 {
		return a.explainKind(r, a.Fixes[a.find(name)], args[0])
	}
	words := strings.Join(args, " ")
	if words == "-" {
		data, err := io.ReadAll(io.LimitReader(a.Stdin, pasted+1))
		if err != nil {
			return Failed, fmt.Errorf("read standard input: %w", err)
		}
		words = string(data)
	}
	if len(words) > pasted {
		return Usage, usagef("paste the error alone", "explain: the text is longer than %d KiB", pasted>>10)
	}
	if strings.TrimSpace(words) == "" {
		return Usage, &failure{code: Usage, err: errors.New("explain: the text is empty")}
	}
	for _, f := range a.Fixes {
		if symptom := matching(f, words); symptom != "" {
			r.Explained = append(r.Explained, explained(f, symptom))
		}
	}
	if len(r.Explained) == 0 {
		r.Summary = "no known issue matches this text"
		if near := nearest(words, a.names()); near != "" && !strings.Contains(words, " ") {
			r.Summary += fmt.Sprintf("; did you mean \"%s explain %s\"?", a.Name, near)
		} else {
			r.Summary += "; \"" + a.Name + " check\" looks for all of them on this host"
		}
		return a.emit(r, Problems, show)
	}
	return a.emit(r, Healthy, show)
}

func (a *app) explainKind(r *render.Report, f fix.Fix, id string) (Code, error) {
	k := fix.KindOf(f, id)
	if k == nil {
		var known []string
		for _, k := range f.Kinds() {
			known = append(known, k.ID)
		}
		return Usage, usagef(a.Name+" list "+f.Name()+" lists its findings", "%q is not a finding of %s%s", id, f.Name(),
			a.didYouMean(id, known))
	}
	r.Kinds = []render.Kind{kindOf(k)}
	return a.emit(r, Healthy, func(t *render.Text) { t.ExplainKind(r.Kinds[0], f.Name()) })
}

// exampleKind is an example with the first finding of the first fix.
func (a *app) exampleKind() string {
	for _, f := range a.Fixes {
		for _, k := range f.Kinds() {
			if k.Status == fix.Broken {
				return "  lixfix explain " + f.Name() + "\n  lixfix explain " + k.ID + "\n"
			}
		}
	}
	return ""
}

// completeKinds completes the names of fixes and, behind a slash, of findings.
func (a *app) completeKinds(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	name, _, ok := strings.Cut(word, "/")
	i := a.find(name)
	if !ok || i < 0 {
		return a.completeFixes(cmd, args, word)
	}
	var words []string
	for _, k := range a.Fixes[i].Kinds() {
		words = append(words, cobra.CompletionWithDesc(k.ID, k.Title))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func explained(f fix.Fix, matched string) render.Explained {
	d := f.Doc()
	e := render.Explained{
		Name: f.Name(), Title: d.Title, Matched: matched, Symptoms: append([]string{}, d.Symptoms...), Cause: d.Cause,
		Changes: d.Changes, Undo: d.Undo, Sources: append([]string{}, d.Sources...),
	}
	if matched == "" {
		e.Kinds = kindsOf(f)
		for _, s := range d.More {
			e.More = append(e.More, render.Section(s))
		}
	}
	for _, o := range f.Options() {
		opt := render.Option{Flag: "--" + o.Name, Env: o.Env, Usage: o.Usage}
		if o.Name == noConfirm {
			opt.Flag = "--yes"
			if opt.Usage == "" {
				opt.Usage = "do not ask; decides for safe remedies only"
			}
		} else if !o.Bool {
			opt.Flag += " VALUE"
		}
		e.Options = append(e.Options, opt)
	}
	return e
}

// matching returns the symptom of a fix that text shows, "" for none. What differs from host to host is no difference:
// white space, quotation marks, numbers, and, if nothing matches otherwise, whatever stands in quotation marks.
func matching(f fix.Fix, text string) string {
	for _, loosely := range []bool{false, true} {
		have := normal(text, loosely)
		for _, s := range f.Doc().Symptoms {
			if p := pattern(s, loosely); p != nil && p.MatchString(have) {
				return s
			}
		}
	}
	return ""
}

var (
	colors   = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)
	quotes   = strings.NewReplacer("`", "'", "‘", "'", "’", "'", "“", "'", "”", "'", `"`, "'", "«", "'", "»", "'")
	digits   = regexp.MustCompile(`[0-9]+`)
	quoted   = regexp.MustCompile(`'[^']*'`)
	gap      = regexp.MustCompile(`…|\.\.\.`)
	severity = regexp.MustCompile(`^(?:error|warning|fatal):\s*`) // people leave it out
	spelling = regexp.MustCompile(`\s+`)
)

// normal spells a text as it is compared.
func normal(s string, loosely bool) string {
	s = strings.ToLower(quotes.Replace(colors.ReplaceAllString(s, "")))
	s = digits.ReplaceAllString(s, "0")
	if loosely {
		s = quoted.ReplaceAllString(s, "''")
	}
	return strings.TrimSpace(spelling.ReplaceAllString(s, " "))
}

// pattern makes a symptom an expression; nil when too little is left of it to tell anything.
func pattern(symptom string, loosely bool) *regexp.Regexp {
	var parts []string
	letters := 0
	for _, p := range gap.Split(severity.ReplaceAllString(symptom, ""), -1) {
		p = normal(p, loosely)
		for _, r := range strings.ReplaceAll(p, "''", "") {
			if r >= 'a' && r <= 'z' {
				letters++
			}
		}
		if p != "" {
			parts = append(parts, regexp.QuoteMeta(p))
		}
	}
	const few = 8
	if letters < few {
		return nil
	}
	p, err := regexp.Compile(strings.Join(parts, `.*?`))
	if err != nil {
		return nil
	}
	return p
}
