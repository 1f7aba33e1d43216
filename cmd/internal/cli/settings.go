package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lixfix/lixfix/fixes/fix"
)

// noConfirm is the option that the program itself obeys. A fix that lists it names the variable that sets it.
const noConfirm = "no-confirm"

// options reads what the user has set for a fix.
type options struct{ app *app }

// of collects what was set for a fix: a flag, else the variable in the environment. flags is nil for commands that have
// no flags for it.
func (op options) of(f fix.Fix, flags *pflag.FlagSet) (fix.Settings, error) {
	s := fix.Settings{}
	for _, o := range f.Options() {
		if o.Name == noConfirm {
			continue
		}
		given, name := fix.Setting{}, ""
		if fl := lookup(flags, o.Name); fl != nil && fl.Changed {
			given, name = fix.Setting{Value: fl.Value.String(), Source: "flag"}, "--"+o.Name
		} else if v := op.env(o); v != "" {
			given, name = fix.Setting{Value: v, Source: "environment"}, o.Env
		}
		if name == "" && op.app.replay != nil {
			if was, ok := op.app.replay.Manifest.Settings[f.Name()][o.Name]; ok {
				given, name = fix.Setting(was), "the record"
			}
		}
		if name == "" {
			continue
		}
		if o.Bool {
			on, err := truth(given.Value)
			if err != nil {
				return nil, usagef("use true or false", "%s: %w", name, err)
			}
			given.Value = fmt.Sprint(on)
		}
		if o.Check != nil {
			if err := o.Check(given.Value); err != nil {
				command := "repair"
				if lookup(flags, "yes") == nil { // it only looks
					command = "check"
				}
				return nil, usagef(op.app.Name+" "+command+" "+f.Name()+" --help lists the options", "%s: %w", name, err)
			}
		}
		s[o.Name] = given
	}
	return s, nil
}

func lookup(flags *pflag.FlagSet, name string) *pflag.Flag {
	if flags == nil {
		return nil
	}
	return flags.Lookup(name)
}

func (op options) env(o fix.Option) string {
	if o.Env == "" || op.app.replay != nil { // the environment here is that of this machine
		return ""
	}
	return op.app.Getenv(o.Env)
}

// unasked reports whether the environment says that nobody is to be asked.
func (op options) unasked(f fix.Fix) (bool, error) {
	for _, o := range f.Options() {
		if v := op.env(o); o.Name == noConfirm && v != "" {
			on, err := truth(v)
			if err != nil {
				return false, usagef("use true or false", "%s: %w", o.Env, err)
			}
			return on, nil
		}
	}
	return false, nil
}

// truth reads a boolean as people write it into environments.
func truth(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "t", "true", "y", "yes", "on":
		return true, nil
	case "0", "f", "false", "n", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}
