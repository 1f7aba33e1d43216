package resolvconf

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// Replaced is a file of the host that sandbox-paths puts over one of the sandbox's own.
type Replaced struct {
	Target   string // in the sandbox: "/etc/resolv.conf"
	Source   string // on the host
	Optional bool   // left out where it is missing
	Data     []byte
	Open     Truth // to build users; diagnose says so
	Missing  bool
	Setting  string // "extra-sandbox-paths in /etc/nix/nix.conf"
	end      node   // the file itself
}

// replaceable are the files of the sandbox that lookups depend on.
var replaceable = []string{conf.File, nsswitch, sandbox.Hosts}

// sandboxPaths reads the value of sandbox-paths as nix shows it: a list of words before Nix 2.3x, an object since.
func sandboxPaths(raw json.RawMessage) []string {
	var words []string
	if json.Unmarshal(raw, &words) == nil {
		return words
	}
	var object map[string]struct {
		Source   string `json:"source"`
		Optional bool   `json:"optional"`
	}
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	for target, o := range object {
		word := target
		if o.Source != "" {
			word += "=" + o.Source
		}
		if o.Optional {
			word += "?"
		}
		words = append(words, word)
	}
	slices.Sort(words)
	return words
}

// readMounts reads the files that sandbox-paths puts over those that lookups depend on.
func (s *survey) readMounts(ctx context.Context, v platform.View) {
	for _, word := range s.nix.paths {
		word, optional := strings.CutSuffix(word, "?")
		target, source, named := strings.Cut(word, "=")
		if !named {
			source = target
		}
		if !slices.Contains(replaceable, target) || source == target && target != nsswitch {
			continue
		}
		r := Replaced{Target: target, Source: source, Optional: optional, Setting: "sandbox-paths"}
		if len(s.nix.confPaths) > 0 {
			r.Setting += inPaths.Fill(fix.With{"files": strings.Join(s.nix.confPaths, and)})
		}
		way := follow(ctx, v, source)
		switch way.shape {
		case Missing, Dangling, Loop:
			if r.Missing = true; optional {
				continue
			}
		case Regular:
			data, err := platform.ReadUpTo(ctx, v, source, conf.Limit)
			if err != nil {
				continue
			}
			r.Data = data
			r.end = way.last()
		default:
			continue
		}
		s.mounts = append(s.mounts, r)
	}
}
