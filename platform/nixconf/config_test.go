package nixconf_test

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
)

// Stat finds the files, and knows that what cannot be read is there.
func (f files) Stat(_ context.Context, name string) (platform.FileInfo, error) {
	if _, ok := f.text[name]; !ok {
		return platform.FileInfo{}, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	return platform.FileInfo{Mode: 0o644}, nil
}

// texts are files; "-" stands for one that cannot be read.
func texts(all map[string]string) files {
	f := files{text: map[string]*string{}}
	for name, text := range all {
		f.text[name] = &text
		if text == "-" {
			f.text[name] = nil
		}
	}
	return f
}

var (
	lix95 = nixconf.Release{Implementation: nixconf.Lix, Version: "2.95.1"}
	lix93 = nixconf.Release{Implementation: nixconf.Lix, Version: "2.93.4"}
	nix8  = nixconf.Release{Implementation: nixconf.Nix, Version: "2.8.0"}
	nix20 = nixconf.Release{Implementation: nixconf.Nix, Version: "2.20.9"}
	nix34 = nixconf.Release{Implementation: nixconf.Nix, Version: "2.34.8"}
	detsy = nixconf.Release{Implementation: nixconf.Determinate, Version: "3.11.2"}
	some  nixconf.Release
)

const (
	main    = nixconf.File
	absent  = "(absent)"
	unknown = "(unknown)"
)

// said is a setting in one word, and where it is from.
func said(e nixconf.Effective) (value, from string) {
	var list []string
	for _, o := range e.Origins {
		list = append(list, o.String())
	}
	from = strings.Join(list, ", ")
	switch {
	case !e.Exists:
		return absent, from
	case !e.Known():
		return unknown, from
	}
	return e.Text, from
}

func TestGet(t *testing.T) {
	at := func(n string) string { return main + ":" + n }
	for _, test := range []struct {
		name    string
		release nixconf.Release
		files   map[string]string
		sources nixconf.Sources
		get     string
		want    string
		from    string
	}{
		{"a line", lix95, map[string]string{main: "# x\nsandbox = relaxed\n"}, nixconf.Sources{}, "sandbox", "relaxed", at("2")},
		{"an alias is the setting", lix95, map[string]string{main: "build-use-sandbox = false\n"}, nixconf.Sources{}, "sandbox", "false", at("1")},
		{"asked by an alias", lix95, map[string]string{main: "sandbox = false\n"}, nixconf.Sources{}, "build-use-chroot", "false", at("1")},
		{"a default", lix95, nil, nixconf.Sources{OS: platform.Linux}, "sandbox", "true", "default of Lix 2.95"},
		{"of a Mac", lix95, nil, nixconf.Sources{OS: platform.Darwin}, "sandbox", "false", "default of Lix 2.95"},
		{"of an older Lix, as 2.93 has it", nixconf.Release{Implementation: nixconf.Lix, Version: "2.91.0"}, nil, nixconf.Sources{}, "max-jobs", "1", "default of Lix 2.93"},
		{"of a newer Nix, as 2.34 has it", nixconf.Release{Implementation: nixconf.Nix, Version: "2.40.0"}, nil, nixconf.Sources{}, "connect-timeout", "15", "default of Nix 2.34"},
		{"of a Nix between two that differ", nix20, nil, nixconf.Sources{}, "connect-timeout", unknown, ""},
		{"of a Nix between two that agree", nix20, nil, nixconf.Sources{}, "max-jobs", "1", "default of Nix 2.20"},
		{"of an unknown release that all agree on", some, nil, nixconf.Sources{}, "max-jobs", "1", "default of Nix or Lix"},
		{"of an unknown release that they do not agree on", some, nil, nixconf.Sources{}, "accept-flake-config", unknown, ""},
		{"of Determinate Nix", detsy, nil, nixconf.Sources{}, "sandbox", "true", "default of Determinate Nix 3.11.2"},
		{"the daemon's group", lix95, nil, nixconf.Sources{Root: true}, "build-users-group", "nixbld", "default of Lix 2.95"},
		{"nobody else's", lix95, nil, nixconf.Sources{}, "build-users-group", "", "default of Lix 2.95"},
		{"beside nix.conf", nix8, nil, nixconf.Sources{Dir: "/opt/etc"}, "netrc-file", "/opt/etc/netrc", "default of Nix 2.8"},
		{"NIX_REMOTE", nix8, nil, nixconf.Sources{Remote: "daemon"}, "store", "daemon", "default of Nix 2.8"},
		{"compiled in", lix95, nil, nixconf.Sources{}, "pasta-path", unknown, ""},
		{"added to what is compiled in", lix95, map[string]string{main: "extra-sandbox-paths = /x\n"}, nixconf.Sources{}, "sandbox-paths", unknown, at("1")},
		{"nothing of it is left", lix95, map[string]string{main: "sandbox-paths = /y\nextra-sandbox-paths = /x\n"}, nixconf.Sources{}, "sandbox-paths", "/x /y", at("1") + ", " + at("2")},
		{"Lix alone has it", nix34, map[string]string{main: "pasta-path = /x\n"}, nixconf.Sources{}, "pasta-path", absent, ""},
		{"a Lix before it", nixconf.Release{Implementation: nixconf.Lix, Version: "2.93.0"}, nil, nixconf.Sources{}, "pasta-path", absent, ""},
		{"a Lix with it", nixconf.Release{Implementation: nixconf.Lix, Version: "2.91.2"}, map[string]string{main: "pasta-path = /x\n"}, nixconf.Sources{}, "pasta-path", "/x", at("1")},
		{"an alias of later", lix95, map[string]string{main: "connect-timeout = 7\n"}, nixconf.Sources{}, "max-connect-timeout", "7", at("1")},
		{"which was a setting", lix93, map[string]string{main: "connect-timeout = 7\n"}, nixconf.Sources{}, "connect-timeout", "7", at("1")},
		{"without its feature", lix95, map[string]string{main: "use-cgroups = true\n"}, nixconf.Sources{}, "use-cgroups", "false", "default of Lix 2.95"},
		{"with it, wherever", lix95, map[string]string{main: "use-cgroups = true\nextra-experimental-features = cgroups\n"}, nixconf.Sources{}, "use-cgroups", "true", at("1")},
		{"which it does not need", nix34, map[string]string{main: "use-cgroups = true\n"}, nixconf.Sources{}, "use-cgroups", "true", at("1")},
		{"auto-allocate-uids does", nix34, map[string]string{main: "auto-allocate-uids = true\n"}, nixconf.Sources{}, "auto-allocate-uids", "false", "default of Nix 2.34"},
		{"a path beside its file", lix95, map[string]string{main: "diff-hook = bin/h\n"}, nixconf.Sources{}, "diff-hook", "/etc/nix/bin/h", at("1")},
		{"a unit", nix34, map[string]string{main: "min-free = 2G\n"}, nixconf.Sources{}, "min-free", "2147483648", at("1")},

		{"a file that cannot be read", lix95, map[string]string{main: "-"}, nixconf.Sources{}, "sandbox", unknown, "default of Lix 2.95"},
		{"an include that cannot be read: what stands before it", lix95, map[string]string{main: "sandbox = true\ninclude a\n", "/etc/nix/a": "-"}, nixconf.Sources{}, "sandbox", unknown, at("1")},
		{"an include that cannot be read: what stands behind it", lix95, map[string]string{main: "include a\nsandbox = true\n", "/etc/nix/a": "-"}, nixconf.Sources{}, "sandbox", "true", at("2")},
		{"an include that cannot be read: what is added behind it", lix95, map[string]string{main: "include a\nextra-trusted-users = x\n", "/etc/nix/a": "-"}, nixconf.Sources{}, "trusted-users", unknown, "default of Lix 2.95, " + at("2")},
		{"an include that cannot be read, and the features", lix95, map[string]string{main: "include a\nuse-cgroups = true\n", "/etc/nix/a": "-"}, nixconf.Sources{}, "use-cgroups", unknown, at("2")},
		{"an optional one that cannot be read", lix95, map[string]string{main: "!include a\n", "/etc/nix/a": "-"}, nixconf.Sources{}, "sandbox", unknown, "default of Lix 2.95"},
		{"an include of somebody's file", lix95, map[string]string{main: "include /home/a/n.conf\n", "/home/a/n.conf": "cores = 4\n\nsandbox = false"}, nixconf.Sources{}, "sandbox", "false", "/home/a/n.conf:3"},
		{"below the home, for Lix", lix95, map[string]string{main: "include ~/n.conf\n", "/root/n.conf": "sandbox = false"}, nixconf.Sources{Home: "/root"}, "sandbox", "false", "/root/n.conf:1"},
		{"root's own file wins", lix95, map[string]string{main: "cores = 1", "/root/.config/nix/nix.conf": "cores = 2", "/etc/xdg/nix/nix.conf": "cores = 3"}, nixconf.Sources{User: nixconf.UserFiles("/root", nil)}, "cores", "2", "/root/.config/nix/nix.conf:1"},
		{"nothing of a broken one", lix95, map[string]string{main: "cores = 1\nx\n"}, nixconf.Sources{}, "cores", unknown, at("1")},
		{"no setting at all", lix95, nil, nixconf.Sources{}, "nonsense", absent, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := nixconf.Load(t.Context(), texts(test.files), test.sources, test.release)
			value, from := said(c.Get(test.get))
			if value != test.want || from != test.from {
				t.Errorf("%s is %q from %q, want %q from %q", test.get, value, from, test.want, test.from)
			}
		})
	}
}

// TestGiven: what lines add to a value that is compiled in is known, though the whole is not.
func TestGiven(t *testing.T) {
	c := nixconf.Load(t.Context(), texts(map[string]string{main: "extra-sandbox-paths = /x /y=/z\n"}), nixconf.Sources{}, lix95)
	if e := c.Get("sandbox-paths"); e.Known() || len(e.Words) > 0 || strings.Join(e.Given, " ") != "/x /y=/z" {
		t.Errorf("%+v", e)
	}
	if e := c.Get("trusted-users"); len(e.Given) > 0 {
		t.Errorf("%+v", e)
	}
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		release nixconf.Release
		files   map[string]string
		want    string
	}{
		{lix95, map[string]string{main: "\nsandbox=true\n"}, main + ":2: illegal configuration line 'sandbox=true' in '" + main + "'"},
		{nix8, map[string]string{main: "sandbox\n"}, main + ":1: illegal configuration line 'sandbox' in '" + main + "'"},
		{nixconf.Release{Implementation: nixconf.Nix, Version: "2.26.3"}, map[string]string{main: "sandbox\n"}, main + ":1: syntax error in configuration line 'sandbox' in '" + main + "'"},
		{nix34, map[string]string{main: "sandbox\n"}, main + `:1: syntax error in configuration line 'sandbox' in "` + main + `"`},
		{nix34, map[string]string{main: "include a\n"}, main + `:1: file "/etc/nix/a" included from "` + main + `" not found`},
		{lix95, map[string]string{main: "include /etc/nix/gone.conf\n"}, main + ":1: file '/etc/nix/gone.conf' included from '" + main + "' not found"},
		{lix95, map[string]string{main: "sandbox = maybe\n"}, main + ":1: option 'sandbox' has invalid value 'maybe'"},
		{lix95, map[string]string{main: "cores = many\n"}, main + ":1: setting 'cores' has invalid value 'many'"},
		{lix95, map[string]string{main: "min-free = 1G\n"}, main + ":1: setting 'min-free' has invalid value '1G'"},
		{lix95, map[string]string{main: "cores = many\nx\n"}, main + ":2: illegal configuration line 'x' in '" + main + "'"},
		{nix8, map[string]string{main: "cores = many\nx\n"}, main + ":1: setting 'cores' has invalid value 'many'"},
		{nix34, map[string]string{main: "netrc-file = n\n"}, main + `:1: not an absolute path: "n"`},
		{lix95, map[string]string{main: "include a\n", "/etc/nix/a": "ok = 1\n!include nix.conf"}, "/etc/nix/a:2: '" + main + "' includes itself; Nix crashes on it"},
		{lix95, map[string]string{main: "no-such = x\n"}, ""},
	} {
		c := nixconf.Load(t.Context(), texts(test.files), nixconf.Sources{}, test.release)
		got := ""
		if c.Err != nil {
			got = c.Err.Error()
		}
		if got != test.want {
			t.Errorf("%v with %v: %q, want %q", test.release, test.files, got, test.want)
		}
	}
}

// What only root can look at is told beside a value, and does not take it away.
func TestUnseen(t *testing.T) {
	const own = "/root/.config/nix/nix.conf"
	c := nixconf.Load(t.Context(), texts(map[string]string{main: "sandbox = false", own: "-"}),
		nixconf.Sources{User: nixconf.UserFiles("/root", nil)}, lix95)
	e := c.Get("sandbox")
	if e.Text != "false" || !e.Known() || !slices.Equal(e.Unless, []string{own}) || len(c.Gaps) > 0 {
		t.Errorf("%+v, gaps %v", e, c.Gaps)
	}
}

func TestSecretsStayInside(t *testing.T) {
	c := nixconf.Load(t.Context(), texts(map[string]string{main: "access-tokens = github.com=ghp_x\nsandbox = true\n"}), nixconf.Sources{}, nix34)
	e := c.Get("access-tokens")
	if e.Text != "github.com=ghp_x" || e.Shown() != "(set)" {
		t.Errorf("%+v is shown as %q", e, e.Shown())
	}
}

func TestUserFiles(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "/etc/xdg/nix/nix.conf /h/.config/nix/nix.conf"},
		{map[string]string{"XDG_CONFIG_HOME": "/c", "XDG_CONFIG_DIRS": "/a:/b"}, "/b/nix/nix.conf /a/nix/nix.conf /c/nix/nix.conf"},
		{map[string]string{"NIX_USER_CONF_FILES": "/1:/2", "XDG_CONFIG_HOME": "/c"}, "/2 /1"},
		{map[string]string{"NIX_USER_CONF_FILES": ""}, ""},
	} {
		if got := strings.Join(nixconf.UserFiles("/h", test.env), " "); got != test.want {
			t.Errorf("%v: %q, want %q", test.env, got, test.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "cores = 3 # c\r\n", "include nix.conf\n", "!include x\n", "a=b", "\x00", "extra-trusted-users = a\ntrusted-users = b",
		"build-use-sandbox = maybe", "experimental-features = cgroups\nuse-cgroups = 1", "access-tokens = a=b c a=d",
	} {
		for _, version := range []string{"", "2.8.0", "2.34.8", "2.95.1"} {
			f.Add(seed, seed, version, len(version) > 5)
		}
	}
	f.Fuzz(func(t *testing.T, text, included, version string, lix bool) {
		r := nixconf.Release{Implementation: nixconf.Nix, Version: version}
		if lix {
			r.Implementation = nixconf.Lix
		}
		c := nixconf.Load(t.Context(), texts(map[string]string{main: text, "/etc/nix/x": included}), nixconf.Sources{OS: platform.Linux}, r)
		lines := strings.Count(text, "\n") + strings.Count(included, "\n") + 2
		if c.Err != nil && (c.Err.Line < 1 || c.Err.Line > lines || c.Err.Message == "") {
			t.Fatalf("%+v", c.Err)
		}
		for _, name := range []string{"sandbox", "cores", "trusted-users", "experimental-features", "use-cgroups", "pasta-path"} {
			e := c.Get(name)
			switch {
			case c.Err != nil && e.Known(), !e.Known() && e.Text != "":
				t.Fatalf("%s is known although it is not: %+v", name, e)
			case e.Known() && len(e.Origins) == 0:
				t.Fatalf("%s comes from nowhere: %+v", name, e)
			case strings.ContainsAny(e.Text, "#\n\r"):
				t.Fatalf("%s is %q", name, e.Text)
			}
			for _, o := range e.Origins {
				if o.Default == "" && (o.Line < 1 || o.Line > lines) {
					t.Fatalf("%s comes from %v", name, o)
				}
			}
		}
		for _, e := range c.All() {
			if !e.Exists {
				t.Fatalf("%+v is set and is no setting", e)
			}
		}
	})
}
