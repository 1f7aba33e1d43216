// Package nixconf reads nix.conf(5).
package nixconf

import (
	"context"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// File is where every installer puts the configuration of the daemon.
const File = "/etc/nix/nix.conf"

// Setting is a value and the file that gave it.
type Setting struct {
	Value string
	File  string
}

// Conf holds the settings of nix.conf and of what it includes. As in Nix, the last value of a name counts.
type Conf map[string]Setting

// Read reads a configuration file with what it includes, whatever release it is for. One that does not exist is an
// empty configuration. The error is an *Error, or says which file could not be read.
func Read(ctx context.Context, v platform.View, name string) (Conf, error) {
	r := &reader{view: v}
	r.file(ctx, name, Origin{})
	c := Conf{}
	for _, l := range r.lines {
		c[l.name] = Setting{Value: strings.Join(l.words, " "), File: l.File}
	}
	switch {
	case r.err != nil:
		return c, r.err
	case len(r.gaps) > 0:
		return c, &r.gaps[0]
	}
	return c, nil
}
