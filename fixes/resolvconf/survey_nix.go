package resolvconf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/pattern"
)

// nixFacts are what is known of the Nix or Lix of the host.
type nixFacts struct {
	program string // "" where there is none
	lix     bool
	known   bool // which it is
	major   int
	minor   int
	version string

	settings  bool   // all that matter are known
	broken    string // why they are not: what nix says
	mistake   bool   // because of a mistake in its configuration
	pasta     string // value of pasta-path
	hasPasta  bool   // it knows the setting
	confPasta *nixconf.Setting
	paths     []string // of sandbox-paths: "target=source?"
	confPaths []string // files that set it
	sandbox   string   // "true", "false", "relaxed", "" where it is not known
	group     string
	present   bool // there is a Nix, or that is not known
}

// readNix finds out what Nix it is and what its settings are. Nix itself is asked only for what the survey of the
// installation does not know: its release where no store path and no database tells it, and what was compiled in.
func (s *survey) readNix(ctx context.Context, v platform.View) {
	n := &s.nix
	in := installation.Of(ctx, v)
	f := in.Found(ctx)
	n.present = !f.Present.Known() || f.Present.Value
	if list := f.Programs.Value; len(list) > 0 {
		n.program = list[0].Path
	}
	if !n.present {
		return
	}
	n.release(in.Reader(ctx))
	n.read(in.Config(ctx))
	if n.mistake || n.program == "" {
		return
	}
	var all sync.WaitGroup
	if !n.known {
		all.Go(func() { n.askRelease(ctx, v) })
	}
	if !n.settings || !n.known {
		// The release decides what its defaults are.
		all.Go(func() { n.askSettings(ctx, v) })
	}
	all.Wait()
}

// release takes what is known of the release.
func (n *nixFacts) release(r nixconf.Release) {
	major, rest, ok := strings.Cut(r.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if r.Implementation == "" || !ok {
		return
	}
	var err error
	if n.major, err = strconv.Atoi(major); err != nil {
		return
	}
	if n.minor, err = strconv.Atoi(minor); err != nil {
		return
	}
	n.known, n.lix, n.version = true, r.Implementation == nixconf.Lix, r.Version
}

// read takes the settings from nix.conf and the defaults.
func (n *nixFacts) read(c *nixconf.Config) {
	if c.Err != nil {
		n.broken, n.mistake = c.Err.Error(), true
		return
	}
	pasta, sandbox, group := c.Get("pasta-path"), c.Get("sandbox"), c.Get("build-users-group")
	n.pasta, n.hasPasta = pasta.Text, pasta.Exists && (pasta.Known() || n.known)
	if pasta.Set() && pasta.Known() {
		n.confPasta = &nixconf.Setting{Value: pasta.Text, File: pasta.Origins[len(pasta.Origins)-1].File}
	}
	n.sandbox, n.group = sandbox.Text, group.Text
	mounted := c.Get("sandbox-paths")
	// What is compiled in is for /bin/sh alone.
	n.paths = slices.Concat(mounted.Words, mounted.Given)
	for _, o := range mounted.Origins {
		if o.File != "" && !slices.Contains(n.confPaths, o.File) {
			n.confPaths = append(n.confPaths, o.File)
		}
	}
	n.settings = n.known && (!pasta.Exists || pasta.Known()) && sandbox.Known() && group.Known()
	if !group.Known() {
		n.group = "nixbld"
	}
}

var versionForm = pattern.New(`^\S+ \((.+)\) (\d+\.\d+\S*)$`)

// askRelease has nix tell what it is.
func (n *nixFacts) askRelease(ctx context.Context, v platform.View) {
	out, err := v.Query(ctx, n.program, "--version")
	if err != nil {
		return
	}
	first, _, _ := strings.Cut(string(out), "\n")
	m := versionForm.FindStringSubmatch(strings.TrimSpace(first))
	if m == nil {
		return
	}
	r := nixconf.Release{Implementation: nixconf.Nix, Version: m[2]}
	if strings.Contains(m[1], "Lix") {
		r.Implementation = nixconf.Lix
	}
	n.release(r)
}

// askSettings has nix tell its settings.
func (n *nixFacts) askSettings(ctx context.Context, v platform.View) {
	const feature = "--extra-experimental-features"
	// The old spelling works everywhere; newer ones warn about it on standard error, which is not looked at.
	shown, err := v.Query(ctx, n.program, feature, "nix-command", "show-config", "--json")
	if err != nil {
		shown, err = v.Query(ctx, n.program, feature, "nix-command", "config", "show", "--json")
	}
	if err == nil {
		err = n.parse(shown)
	}
	if err == nil {
		return
	}
	n.broken = err.Error()
	switch e, ok := errors.AsType[*platform.ToolError](err); {
	case ok && e.Last() != "":
		n.broken = e.Last()
	case ok && e.Err != nil:
		n.broken = e.Err.Error()
	}
	n.mistake = strings.Contains(n.broken, "nix.conf") || strings.Contains(n.broken, "configuration")
}

// parse reads the settings as nix prints them. What its file says stands.
func (n *nixFacts) parse(data []byte) error {
	var all map[string]struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return fmt.Errorf("read the settings of nix: %w", err)
	}
	text := func(name string) (string, bool) {
		raw, ok := all[name]
		var s string
		if json.Unmarshal(raw.Value, &s) != nil {
			s = string(raw.Value) // a boolean
		}
		return s, ok
	}
	n.pasta, n.hasPasta = text("pasta-path")
	n.sandbox, _ = text("sandbox")
	n.group, _ = text("build-users-group")
	n.paths = sandboxPaths(all["sandbox-paths"].Value)
	n.settings = true
	return nil
}

// readUser reads who builds: the first of the group, or lixfix's own user where nobody else is to build.
func (s *survey) readUser(ctx context.Context, v platform.View) {
	if s.nix.group == "" {
		if s.nix.settings {
			s.user = who{UID: s.facts.UID, GID: -1, Name: whoBuilds, Known: true}
		}
		return
	}
	data, err := v.ReadFile(ctx, accounts.GroupFile)
	if err != nil {
		return
	}
	group, ok := accounts.GroupByName(accounts.Groups(data), s.nix.group)
	if !ok {
		return
	}
	s.user = who{GID: group.GID}
	if len(group.Members) == 0 {
		return
	}
	s.user.Name = group.Members[0]
	if data, err = v.ReadFile(ctx, accounts.PasswdFile); err != nil {
		return
	}
	if u, ok := accounts.ByName(accounts.Users(data), s.user.Name); ok {
		s.user.UID, s.user.Known = u.UID, true
	}
}

// quoted reports whether pasta-path consists of quotes, which Nix takes for a name.
func (n *nixFacts) quoted() bool { return n.pasta != "" && strings.Trim(n.pasta, `"'`) == "" }

// usesPasta reports whether builds are to have a network of their own.
func (n *nixFacts) usesPasta() bool { return n.hasPasta && n.pasta != "" && (!n.known || n.lix) }

var passtVersion = pattern.New(`\b(20\d\d)_(\d\d)_(\d\d)\.[0-9a-f]{7}`)

// readPasta looks at the program that pasta-path names. It is not run: lixfix is root, and pasta is not to be.
func (s *survey) readPasta(ctx context.Context, v platform.View) {
	if !s.nix.usesPasta() || !path.IsAbs(s.nix.pasta) {
		return
	}
	s.pasta = follow(ctx, v, s.nix.pasta)
	if s.pasta.shape != Regular {
		return
	}
	if data, err := v.ReadFile(ctx, s.pasta.end); err == nil {
		s.era = eraOf(data)
	}
}

// eraOf tells from the text in the program what pasta it is. Debian's of 2023 does not know its version, but none of
// that time has the option --dns-host.
func eraOf(program []byte) Era {
	if m := passtVersion.FindSubmatch(program); m != nil {
		year, _ := strconv.Atoi(string(m[1]))
		month, _ := strconv.Atoi(string(m[2]))
		switch when := year*100 + month; {
		case when >= 202610:
			return Era2026
		case when > 202505:
			return UnknownEra // when it began to keep both families is not known
		case when >= 202412:
			return Era2025
		}
		return Era2023
	}
	switch text := string(program); {
	case strings.Contains(text, "dns-host"):
		return Era2025
	case strings.Contains(text, "dns-forward"):
		return Era2023
	}
	return UnknownEra
}
