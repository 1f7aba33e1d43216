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
	again := toType(a.Getenv(runAgain))
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

// toType is a line from the variable runAgain, where it may be shown as one to type; "" where not.
func toType(line string) string {
	const longest = 300
	if line == "" || len(line) > longest || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) ||
		!againForm.MatchString(line) {
		return ""
	}
	return line
}

// renamed are findings in which as has put how the program was called.
func renamed(list []fix.Finding, as func(string) string) []fix.Finding {
	out := make([]fix.Finding, len(list))
	for i, f := range list {
		f.Reason = as(f.Reason)
		if f.Remedy != nil {
			r := *f.Remedy
			r.Changes, r.Command, r.Undo = as(r.Changes), as(r.Command), as(r.Undo)
			f.Remedy = &r
		}
		out[i] = f
	}
	return out
}
