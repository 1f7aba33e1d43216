package cli

import (
	"errors"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/pattern"
)

// message is the text of an error on one line.
func message(err error) string {
	var many *multierror.Error
	text := ""
	if errors.As(err, &many) && err.Error() == many.Error() {
		text = flat(many.Errors)
	} else {
		text = err.Error()
	}
	out := ""
	for line := range strings.Lines(text) {
		// A multierror deep inside has been made text already.
		line = strings.TrimPrefix(strings.TrimSpace(heading.ReplaceAllString(line, "")), "* ")
		switch {
		case line == "":
		case out == "":
			out = line
		case strings.HasSuffix(out, ":"):
			out += " " + line
		default:
			out += "; " + line
		}
	}
	return out
}

var heading = pattern.New(`[0-9]+ errors? occurred:\s*$`)

// flat puts errors behind each other.
func flat(errs []error) string {
	parts := make([]string, 0, len(errs))
	for _, e := range errs {
		parts = append(parts, message(e))
	}
	return strings.Join(parts, "; ")
}

// problem is an error as the user gets to see it.
func problem(err error, code Code) render.Problem {
	f, ok := errors.AsType[*failure](err)
	p := render.Problem{Message: message(err), Next: nextOf(err), Code: int(code), Typed: ok && f.typed}
	if r, ok := errors.AsType[*fix.Refusal](err); ok && strings.Contains(r.ID, "/") {
		p.Finding = r.ID
	}
	return p
}
