// Package nixconf reads nix.conf(5).
package nixconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// File is where every installer puts the configuration of the daemon.
const File = "/etc/nix/nix.conf"

const maxIncludes = 32 // files; a file that includes itself must end

// Setting is a value and the file that gave it.
type Setting struct {
	Value string
	File  string
}

// Conf holds the settings of nix.conf and of what it includes. As in Nix, the last value of a name counts.
type Conf map[string]Setting

// Read reads a configuration file. One that does not exist is an empty configuration.
func Read(ctx context.Context, v platform.View, name string) (Conf, error) {
	c := Conf{}
	left := maxIncludes
	return c, c.read(ctx, v, name, true, &left)
}

// read adds the settings of a file. Where it is optional it may be missing, but not what it includes itself.
func (c Conf) read(ctx context.Context, v platform.View, name string, optional bool, left *int) error {
	if *left == 0 {
		return fmt.Errorf("read %s: more than %d included files", name, maxIncludes)
	}
	*left--
	data, err := v.ReadFile(ctx, name)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case len(words) == 2 && (words[0] == "include" || words[0] == "!include"):
			file := words[1]
			if !path.IsAbs(file) {
				file = path.Join(path.Dir(name), file)
			}
			// "!include" tolerates a file that is not there, "include" does not.
			if err := c.read(ctx, v, file, words[0] == "!include", left); err != nil {
				return fmt.Errorf("%s, line %d: %w", name, n, err)
			}
		case len(words) < 2 || words[1] != "=":
			return fmt.Errorf("%s, line %d: neither a setting nor an include", name, n)
		default:
			c[words[0]] = Setting{Value: strings.Join(words[2:], " "), File: name}
		}
	}
	return nil
}
