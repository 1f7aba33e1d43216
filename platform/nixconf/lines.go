package nixconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/lixfix/lixfix/platform"
)

// mostFiles bounds how many files are read for one configuration; a file that includes itself must end.
const mostFiles = 64

// Origin is where a value comes from: a line of a file, or a default.
type Origin struct {
	File string `json:"file,omitempty"` // "$NIX_CONFIG" for that variable
	Line int    `json:"line,omitempty"`
	// Default says whose default it is: "Lix 2.95".
	Default string `json:"default,omitempty"`
}

func (o Origin) String() string {
	if o.Default != "" {
		return "default of " + o.Default
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// Error is why Nix does not start with a configuration: every command and the daemon end with it.
type Error struct {
	Origin
	// Message is what Nix prints behind "error: ". It can quote a line with a secret in it, which cmd hides as everywhere.
	Message string
	missing bool // a file that it includes
}

func (e *Error) Error() string { return e.Origin.String() + ": " + e.Message }

// Is lets errors.Is find fs.ErrNotExist where an included file is missing.
func (e *Error) Is(target error) bool { return e.missing && target == fs.ErrNotExist }

// Gap is a file that may say more and could not be read by lixfix. What it sets is not known.
type Gap struct {
	File string
	From Origin // the line that includes it; zero for a file that is read in any case
	Err  error
	at   int // how many lines were read before it
}

func (g *Gap) Error() string { return g.String() }

// Unwrap returns why the file could not be read.
func (g *Gap) Unwrap() error { return g.Err }

func (g *Gap) String() string {
	if g.From.File == "" {
		return g.Err.Error()
	}
	return fmt.Sprintf("included at %s: %v", g.From, g.Err)
}

// statement is a line that sets something.
type statement struct {
	name  string
	words []string
	Origin
}

// reader reads files as Nix does, one line after the other.
type reader struct {
	view    platform.View
	release Release
	home    string // of whom Nix runs as, for "~/"
	lines   []statement
	gaps    []Gap
	files   []string
	err     *Error
	open    []string // files that are being read, the innermost last
}

// file reads a file that is read in any case. One that is missing, and a directory, Nix takes for an empty one.
func (r *reader) file(ctx context.Context, name string, from Origin) {
	if len(r.files) >= mostFiles {
		r.gaps = append(r.gaps, Gap{name, from, fmt.Errorf("more than %d files are included", mostFiles), len(r.lines)})
		return
	}
	data, err := r.view.ReadFile(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case errors.Is(err, platform.ErrNotRegular) && isDir(ctx, r.view, name):
		return
	case err != nil:
		r.gaps = append(r.gaps, Gap{name, from, err, len(r.lines)})
		return
	}
	r.files = append(r.files, name)
	r.open = append(r.open, name)
	r.text(ctx, string(data), name)
	r.open = r.open[:len(r.open)-1]
}

func isDir(ctx context.Context, v platform.View, name string) bool {
	_, err := v.ReadDir(ctx, name)
	return err == nil
}

// text reads lines (AbstractConfig::applyConfig of Nix, in util/config.cc).
func (r *reader) text(ctx context.Context, text, name string) {
	n := 0
	for raw := range strings.SplitSeq(text, "\n") {
		n++
		at := Origin{File: name, Line: n}
		line := raw
		if i := strings.IndexByte(line, '#'); i >= 0 {
			line = line[:i]
		}
		words := strings.FieldsFunc(line, blank)
		if len(words) == 0 {
			continue
		}
		include := words[0] == "include" || words[0] == "!include"
		if len(words) < 2 || include && len(words) != 2 || !include && words[1] != "=" {
			r.fail(at, r.syntax(line, name))
			return
		}
		if !include {
			r.lines = append(r.lines, statement{name: words[0], words: words[2:], Origin: at})
			continue
		}
		if r.include(ctx, words[1], words[0] == "!include", at); r.err != nil {
			return
		}
	}
}

// include reads an included file. Nix looks with lstat whether it is there, and takes one that it cannot read for an
// empty one: a link to nothing, a directory.
func (r *reader) include(ctx context.Context, name string, optional bool, at Origin) {
	file := name
	switch rest, home := strings.CutPrefix(name, "~/"); {
	case home && r.home != "" && r.release.Implementation == Lix && at.File != variable:
		file = path.Join(r.home, rest)
	case !path.IsAbs(file) && at.File == variable:
		r.fail(at, "file '"+name+"' is included from "+variable+" without a directory")
		return
	case !path.IsAbs(file):
		file = path.Join(path.Dir(at.File), file)
	}
	file = path.Clean(file)
	if slices.Contains(r.open, file) {
		// Nix goes on until its stack is full.
		r.fail(at, "'"+file+"' includes itself; Nix crashes on it")
		return
	}
	_, err := r.view.Stat(ctx, file)
	missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	switch {
	case missing && optional:
	case missing:
		q := r.quote()
		r.fail(at, fmt.Sprintf("file %s%s%s included from %s%s%s not found", q, file, q, q, at.File, q))
		r.err.missing = true
	case err != nil:
		r.gaps = append(r.gaps, Gap{file, at, err, len(r.lines)})
	default:
		r.file(ctx, file, at)
	}
}

// variable stands for what is in NIX_CONFIG, in the way of Lix.
const variable = "$NIX_CONFIG"

func (r *reader) fail(at Origin, message string) {
	if r.err == nil {
		r.err = &Error{Origin: at, Message: message}
	}
}

// syntax is the message for a line that is neither a setting nor an include.
func (r *reader) syntax(line, name string) string {
	if name == variable && r.release.Implementation != Lix {
		name = "NIX_CONFIG"
	}
	if r.release.Implementation == Lix || r.release.Before("2.24") && r.release.Implementation == Nix {
		return fmt.Sprintf("illegal configuration line '%s' in '%s'", line, name)
	}
	q := r.quote()
	return fmt.Sprintf("syntax error in configuration line '%s' in %s%s%s", line, q, name, q)
}

// quote is what a release puts around the names of files.
func (r *reader) quote() string {
	if r.release.Implementation == Nix && r.release.AtLeast("2.34") || r.release.Implementation == Determinate {
		return `"`
	}
	return "'"
}
