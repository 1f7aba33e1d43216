package sandbox

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixconf"
)

// Setting is one setting as Nix has it after its files, its environment and its defaults. The daemon may have another.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"` // "(default)" or "(set)" where the value could name a person or a machine
}

// shown are the settings that are told; no other leaves the answer of Nix, which has tokens and names of users in it.
var shown = []string{
	"auto-allocate-uids", "build-users-group", "builders", "keep-build-log", "max-jobs", "pasta-path", "sandbox",
	"sandbox-fallback", "sandbox-paths", "store", "substitute", "system",
}

// private are those of them whose values name people or machines: only whether they are set is told.
var private = []string{"builders", "store"}

// settings asks Nix which of the settings that matter it has. Where that cannot be told, it returns a reason.
func (n *nix) settings(ctx context.Context) (list []Setting, reason string) {
	// The first is of Nix since 2.20, and of Lix; before, the only name was the second.
	commands := [][]string{{"config", "show"}, {"show-config"}}
	if r := (nixconf.Release{Implementation: n.implementation, Version: n.version}); n.implementation == nixconf.Nix && r.Before("2.20") {
		slices.Reverse(commands)
	}
	for i, command := range commands {
		args := append([]string{"--extra-experimental-features", "nix-command"}, command...)
		out, err := n.run(ctx, "nix", append(args, "--json")...)
		switch {
		case err != nil:
			return nil, err.Error()
		case out.Exit != 0:
			// Where the version is known, the second is what this Nix does not have.
			if i == 0 || n.version == "" {
				reason = complaint(strings.Join(lines(out.Stderr, stderrLines), "\n"))
			}
			continue
		}
		list, err := parseSettings(out.Stdout)
		if err != nil {
			return nil, "nix " + strings.Join(command, " ") + ": " + err.Error()
		}
		// Without a network the command, and no build, has another value here (maybeDisableNet in nix/main.cc).
		if strings.Contains(string(out.Stderr), "you don't have Internet access") {
			list = slices.DeleteFunc(list, func(s Setting) bool { return s.Name == "substitute" })
		}
		return list, ""
	}
	return nil, reason
}

// hook is the post-build-hook of a daemon that does not take an empty one from this user; "" where there is none. A daemon
// that does not say whether it trusts who asks, as that of Nix 2.8, trusts root.
func (p *prober) hook(ctx context.Context) string {
	trusted := p.nix.as.UID == 0
	if p.result.Trusted != nil {
		trusted = *p.result.Trusted
	}
	if !p.result.Daemon || trusted {
		return ""
	}
	return Plain(installation.Of(ctx, p.b).Config(ctx).Get("post-build-hook").Text)
}

// parseSettings reads the JSON of nix config show: by name, objects with a value and its default.
func parseSettings(data []byte) ([]Setting, error) {
	var all map[string]struct {
		Value   json.RawMessage `json:"value"`
		Default json.RawMessage `json:"defaultValue"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	var list []Setting
	for _, name := range shown {
		s, ok := all[name]
		if !ok || len(s.Value) == 0 {
			// pasta-path, where Nix knows of no pasta.
			continue
		}
		value := settingValue(s.Value)
		harmless := name == "store" && slices.Contains([]string{"auto", "daemon", "local"}, value)
		if slices.Contains(private, name) && !harmless && value != "" {
			value = "(set)"
			if string(s.Value) == string(s.Default) {
				value = "(default)"
			}
		}
		list = append(list, Setting{Name: name, Value: Plain(value)})
	}
	return list, nil
}

// settingValue writes a value as nix.conf would have it.
func settingValue(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return strings.Join(list, " ")
	}
	// sandbox-paths since Nix 2.34.
	var paths map[string]struct {
		Source   string `json:"source"`
		Optional bool   `json:"optional"`
	}
	if json.Unmarshal(raw, &paths) == nil {
		for target, p := range paths {
			entry := target
			if p.Source != "" && p.Source != target {
				entry += "=" + p.Source
			}
			if p.Optional {
				entry += "?"
			}
			list = append(list, entry)
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	return string(raw)
}
