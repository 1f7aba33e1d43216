package cli

import (
	"strings"
	"unicode"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/pattern"
)

// runAgain is the variable in which install.sh says which line runs lixfix once more, where it installs nothing.
const runAgain = "LIXFIX_RUN_AGAIN"

// againForm is what install.sh says (its function again), and nothing else: a line to type as root must not be one that
// somebody has put into the environment.
var againForm = func() *pattern.Pattern {
	const (
		word    = `(?:[\w./+-]+|'(?:[^']|'\\'')*')`
		version = `(?: --version [\w.+~-]+)?`
	)
	return pattern.New(`^(?:sh ` + word + `(?: --from ` + word + `)?` + version + ` --` +
		`|curl -sSfL https?://[\w.:/%~+\[\]-]+/install\.sh \| sh -s(?: --` + version + `)? --)$`)
}()

// command finds the lines to type in a text: the name of the program before one of its commands.
var command = pattern.New(`(^|[^/\w-])(sudo )?lixfix (` + strings.Join(commands, "|") + `)\b`)

// as puts into a text how the program was called: what a user is to type has to be there.
func (a *app) as(text string) string {
	if !strings.Contains(text, program+" ") {
		return text
	}
	again := a.again()
	if again == "" && a.Name == program {
		return text
	}
	return command.ReplaceAllStringFunc(text, func(found string) string {
		m := command.FindStringSubmatch(found)
		if again == "" {
			return m[1] + m[2] + a.Name + " " + m[3]
		}
		line := again
		if m[2] != "" {
			line = "sudo " + again
			if before, shell, ok := strings.Cut(again, " | "); ok {
				line = before + " | sudo " + shell
			}
		}
		return m[1] + line + " " + m[3]
	})
}

// again is the line that runs lixfix once more without having it installed; "" where it is, or where it cannot be shown
// in one line.
func (a *app) again() string {
	const longest = 300
	line := a.Getenv(runAgain)
	if line == "" || len(line) > longest || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) ||
		!againForm.MatchString(line) {
		return ""
	}
	return line
}

// renamed are findings in which the program bears the name that it was called by.
func (a *app) renamed(list []fix.Finding) []fix.Finding {
	out := make([]fix.Finding, len(list))
	for i, f := range list {
		f.Reason = a.as(f.Reason)
		if f.Remedy != nil {
			r := *f.Remedy
			r.Changes, r.Command, r.Undo = a.as(r.Changes), a.as(r.Command), a.as(r.Undo)
			f.Remedy = &r
		}
		out[i] = f
	}
	return out
}
