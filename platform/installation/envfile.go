package installation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
)

// environmentFile is what a unit says of a file with variables (EnvironmentFile= of systemd.exec(5)).
type environmentFile struct {
	name     string
	optional bool // it need not be there
	unit     string
}

// from keeps in mind that a unit names a file; an empty name forgets those before.
func (d *Daemon) from(unit, name string) {
	if name == "" {
		d.files = nil
		return
	}
	name, optional := strings.CutPrefix(name, "-")
	d.files = append(d.files, environmentFile{strings.Trim(name, `"'`), optional, unit})
}

// readFiles reads the files with variables, which overrule those of the units. One that cannot be read can set any of
// them.
func (h daemons) readFiles(ctx context.Context, d *Daemon) {
	for _, f := range d.files {
		env, err := h.variablesOf(ctx, f)
		if err != nil {
			d.unread = append(d.unread, nixconf.Gap{File: f.name, Err: fmt.Errorf("EnvironmentFile= of %s: %w", f.unit, err)})
			continue
		}
		d.keep(env)
	}
}

func (h daemons) variablesOf(ctx context.Context, f environmentFile) (map[string]string, error) {
	if !path.IsAbs(f.name) || strings.ContainsAny(f.name, `*?[]%\`) {
		return nil, fmt.Errorf("lixfix does not read files with a name such as %s", f.name)
	}
	data, err := platform.ReadSmall(ctx, h.v, f.name)
	if errors.Is(err, fs.ErrNotExist) && f.optional {
		return nil, nil //nolint:nilnil // no file sets nothing
	}
	if err != nil {
		return nil, err
	}
	env, line := assignments(string(data))
	if line > 0 {
		return nil, fmt.Errorf("lixfix does not understand line %d of %s", line, f.name)
	}
	return env, nil
}

// assignments reads NAME=VALUE lines as systemd does (load_env_file). It gives up, and says at which line, where a value
// in quotes goes on in the next line, and where one that matters is not plain.
func assignments(text string) (env map[string]string, line int) {
	env = map[string]string{}
	const joined = "\x00" // a line that goes on in the next one; a file with this in it is none that systemd reads
	next := 1
	for raw := range strings.Lines(strings.ReplaceAll(text, "\\\n", joined)) {
		n := next
		next += 1 + strings.Count(raw, joined)
		raw = strings.TrimSpace(strings.ReplaceAll(raw, joined, ""))
		if raw == "" || raw[0] == '#' || raw[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(raw, "=")
		if !ok {
			continue
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		bare, plain := unquote(value)
		switch {
		case !plain && slices.Contains(variables, name), !plain && !closed(value):
			return nil, n
		case plain:
			env[name] = bare
		}
	}
	return env, 0
}

// unquote returns a value that has no quotes, or one pair around all of it, and nothing that has to be read in another
// way than it stands there.
func unquote(value string) (string, bool) {
	const special = `"'\`
	if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		value = value[1 : len(value)-1]
	}
	return value, !strings.ContainsAny(value, special)
}

// closed reports whether the quotes of a value end in its line.
func closed(value string) bool {
	inside, escaped := rune(0), false
	for _, r := range value {
		switch {
		case escaped:
			escaped = false
		case r == '\\' && inside != '\'':
			escaped = true
		case inside == 0 && (r == '"' || r == '\''):
			inside = r
		case r == inside:
			inside = 0
		}
	}
	return inside == 0 && !escaped
}

// hidden says why it is not known what the daemon has for a variable; "" where that is known.
func (d *Daemon) hidden() string {
	if d == nil || len(d.unread) == 0 {
		return ""
	}
	return d.unread[0].String()
}
