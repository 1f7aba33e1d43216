package resolvconf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/nixconf"
)

// nixFacts are what is known of the Nix or Lix of the host.
type nixFacts struct {
	program string // "" where there is none
	client  string // "nix (Lix, like Nix) 2.95.3"
	lix     bool
	known   bool // which it is
	major   int
	minor   int
	version string

	settings  bool   // could be read
	broken    string // why nix could not be asked: its last words
	pasta     string // value of pasta-path
	hasPasta  bool   // it knows the setting
	confPasta *nixconf.Setting
	conf      nixconf.Conf
	paths     []string // of sandbox-paths: "target=source?"
	sandbox   string   // "true", "false", "relaxed", "" where it is not known
	group     string
	present   bool // there is a store, a configuration or a program
}

var versionForm = regexp.MustCompile(`^\S+ \((.+)\) (\d+)\.(\d+)\S*$`)

// readNix finds out what nix it is and what its settings are.
func (s *survey) readNix(ctx context.Context) {
	n := &s.nix
	for _, dir := range platform.NixDirs(s.v.Facts().Root()) {
		if program := dir + "/nix"; exists(ctx, s.v, program) {
			n.program = program
			break
		}
	}
	n.present = n.program != "" || exists(ctx, s.v, nixconf.File) || exists(ctx, s.v, "/nix/store")
	c, confErr := nixconf.Read(ctx, s.v, nixconf.File)
	n.conf = c
	var all sync.WaitGroup
	var shown []byte
	var showErr error
	if n.program != "" {
		all.Go(func() {
			out, err := s.v.Query(ctx, n.program, "--version")
			if err != nil {
				return
			}
			first, _, _ := strings.Cut(string(out), "\n")
			if m := versionForm.FindStringSubmatch(strings.TrimSpace(first)); m != nil {
				n.client, n.known, n.lix = strings.TrimSpace(first), true, strings.Contains(m[1], "Lix")
				n.major, _ = strconv.Atoi(m[2])
				n.minor, _ = strconv.Atoi(m[3])
				n.version = strings.TrimPrefix(n.client[strings.LastIndexByte(n.client, ' ')+1:], "v")
			}
		})
		all.Go(func() {
			const feature = "--extra-experimental-features"
			// The old spelling works everywhere; newer ones warn about it on standard error, which is not looked at.
			shown, showErr = s.v.Query(ctx, n.program, feature, "nix-command", "show-config", "--json")
			if showErr != nil {
				shown, showErr = s.v.Query(ctx, n.program, feature, "nix-command", "config", "show", "--json")
			}
		})
		all.Wait()
		if showErr == nil {
			showErr = n.parse(shown)
		}
		if showErr != nil {
			n.broken = showErr.Error()
			switch e, ok := errors.AsType[*platform.ToolError](showErr); {
			case ok && e.Last() != "":
				n.broken = e.Last()
			case ok && e.Err != nil:
				n.broken = e.Err.Error()
			}
		}
	}
	if p, ok := c["pasta-path"]; ok {
		n.confPasta = &p
	}
	if n.settings || confErr != nil {
		return
	}
	// Without nix, its file tells what was written down, and not what was compiled in.
	if n.confPasta != nil {
		n.pasta, n.hasPasta = n.confPasta.Value, true
	}
	n.paths = paths(c)
	n.sandbox, n.group = c["sandbox"].Value, c["build-users-group"].Value
	if n.group == "" {
		n.group = "nixbld"
	}
}

// parse reads the settings as nix prints them.
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

// findUser finds the user that builds: the first of the group, or lixfix's own where nobody else is to build.
func (s *survey) findUser(ctx context.Context) {
	if s.nix.group == "" {
		if s.nix.settings {
			s.user = who{UID: s.v.Facts().UID, GID: -1, Name: "the user who builds", Known: true}
		}
		return
	}
	data, err := s.v.ReadFile(ctx, accounts.GroupFile)
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
	if data, err = s.v.ReadFile(ctx, accounts.PasswdFile); err != nil {
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

var passtVersion = regexp.MustCompile(`\b(20\d\d)_(\d\d)_(\d\d)\.[0-9a-f]{7}`)

// readPasta looks at the program that pasta-path names. It is not run: lixfix is root, and pasta is not to be.
func (s *survey) readPasta(ctx context.Context) {
	if !s.nix.usesPasta() || s.nix.quoted() {
		if s.nix.quoted() {
			s.runs = No
		}
		return
	}
	if !path.IsAbs(s.nix.pasta) {
		s.runs = No
		return
	}
	s.pasta = follow(ctx, s.v, s.nix.pasta)
	switch {
	case s.pasta.shape == Hidden:
		return
	case s.pasta.shape != Regular:
		s.runs = No
		return
	}
	if s.user.Known {
		s.runs = Yes
		for _, d := range s.pasta.dirs {
			s.runs = both(s.runs, s.user.may(d, 1))
		}
		s.runs = both(s.runs, s.user.may(s.pasta.last(), 1))
		if s.pasta.info.Mode.Perm()&0o111 == 0 {
			s.runs = No
		}
	}
	data, err := s.v.ReadFile(ctx, s.pasta.end)
	if err != nil {
		return
	}
	s.era = eraOf(data)
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
