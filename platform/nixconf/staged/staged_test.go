//go:build linux

// Package staged holds lixfix's own reading of nix.conf against what the Nix of this machine makes of it.
package staged

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
)

const nix = "/usr/bin/nix"

// shape is a configuration: the files by name, below the directory of nix.conf, and the variables.
type shape struct {
	name   string
	files  map[string]string
	inline string   // NIX_CONFIG
	user   []string // NIX_USER_CONF_FILES, below the directory
	crash  bool     // Nix crashes on it
}

func conf(text string) map[string]string { return map[string]string{"nix.conf": text} }

var shapes = []shape{
	{name: "no file"},
	{name: "an empty file", files: conf("")},
	{name: "as the script installer writes it", files: conf("build-users-group = nixbld\n")},
	{name: "comments and blanks", files: conf("# c\n   \n\t\ncores = 3 # tail\n")},
	{name: "tabs", files: conf("cores\t=\t3\n")},
	{name: "no blanks around the equals sign", files: conf("cores=3\n")},
	{name: "a blank in front of it alone", files: conf("cores =3\n")},
	{name: "a name alone", files: conf("max-jobs = 4\ncores\n")},
	{name: "a number without a value", files: conf("cores =\n")},
	{name: "a text without a value", files: conf("builders =\nsubstituters =\nbuild-users-group =\n")},
	{name: "quotes", files: conf("user-agent-suffix = \"a b\"\nsubstituters = \"https://a\"\n")},
	{name: "a hash in a value", files: conf("user-agent-suffix = a#b\ntrusted-users = root#alice\n")},
	{name: "CRLF", files: conf("cores = 3\r\nmax-jobs = 2\r\n\r\ntrusted-users = root alice\r\n")},
	{name: "CR alone", files: conf("cores = 3\rmax-jobs = 2\r")},
	{name: "no newline at the end", files: conf("cores = 3\nmax-jobs = 2")},
	{name: "a byte order mark", files: conf("\ufeffcores = 3\nmax-jobs = 2\n")},
	{name: "a byte order mark and a comment", files: conf("\ufeff# mine\nmax-jobs = 2\n")},
	{name: "a NUL in a comment's line", files: conf("# \x00\ncores = 3\n")},
	{name: "a no-break space", files: conf("cores\u00a0= 3\n")},
	{name: "a form feed", files: conf("user-agent-suffix = a\fb\v c\n")},
	{name: "a backslash continues nothing", files: conf("user-agent-suffix = a \\\n  b\n")},
	{name: "two settings on a line", files: conf("cores = 3 max-jobs = 2\n")},
	{name: "many blanks in a value", files: conf("user-agent-suffix =   a    b\t\tc  \n")},
	{name: "an equals sign in a value", files: conf("user-agent-suffix = a = b\naccess-tokens = github.com=x gitlab.com=PAT:y=z nothing\n")},
	{name: "a name twice in access-tokens", files: conf("access-tokens = a=1 a=2\nextra-access-tokens = a=3 b=4\n")},
	{name: "twice: the last one", files: conf("cores = 3\ncores = 4\ntrusted-users = a\ntrusted-users = b\n")},
	{name: "extra- before", files: conf("extra-trusted-users = b\ntrusted-users = a\n")},
	{name: "extra- after", files: conf("trusted-users = a\nextra-trusted-users = b c\nextra-trusted-users = b\n")},
	{name: "extra- of a default", files: conf("extra-substituters = https://b https://a\nextra-trusted-users = alice\nextra-allowed-users = bob\n")},
	{name: "extra- of a set", files: conf("trusted-substituters = z a z\nextra-trusted-substituters = m a\n")},
	{name: "extra- of a number", files: conf("extra-cores = 3\n")},
	{name: "extra- of a text", files: conf("extra-builders = x\nextra-sandbox = true\n")},
	{name: "extra- of an alias", files: conf("extra-binary-caches = https://b\nextra-build-sandbox-paths = /a=/b\n")},
	{name: "a setting that is called extra-", files: conf("extra-platforms = b a\nextra-extra-platforms = c\n")},
	{name: "aliases", files: conf("build-cores = 3\nbuild-max-jobs = 7\nbuild-use-sandbox = false\nbinary-caches = https://a\n")},
	{name: "an alias and its name", files: conf("build-cores = 3\ncores = 4\nmax-jobs = 2\nbuild-max-jobs = 5\n")},
	{name: "all aliases of the sandbox", files: conf("build-use-chroot = relaxed\nbuild-chroot-dirs = /x /y=/z\nbuild-timeout = 9\n" +
		"build-keep-log = no\ngc-keep-outputs = yes\nenv-keep-derivations = 1\ntrusted-binary-caches = https://c\n")},
	{name: "upper case", files: conf("Cores = 3\nSANDBOX = true\n")},
	{name: "unknown settings", files: conf("lazy-trees = true\nfoo-bar = 1\npasta-path = /x\nssl-cert-file = y\nuse-cgroups = true\n")},
	{name: "booleans", files: conf("keep-outputs = yes\nfallback = 1\nkeep-going = true\nrequire-sigs = no\nhttp2 = 0\nauto-optimise-store = false\n")},
	{name: "a boolean in upper case", files: conf("keep-outputs = True\n")},
	{name: "a boolean in quotes", files: conf("keep-outputs = \"true\"\n")},
	{name: "a boolean without a value", files: conf("keep-outputs =\n")},
	{name: "the sandbox is no boolean", files: conf("sandbox = yes\n")},
	{name: "a relaxed sandbox", files: conf("sandbox = relaxed\nsandbox-fallback = false\nsandbox-paths = /b /a=/c? /b\n")},
	{name: "numbers", files: conf("cores = 007\ntimeout = -1\nmax-silent-time = +5\nmin-free = 1073741824\nlog-lines = 0\n")},
	{name: "a negative number", files: conf("cores = -1\n")},
	{name: "a number that is none", files: conf("cores = many\n")},
	{name: "a number with a unit", files: conf("min-free = 1G\n")},
	{name: "hexadecimal", files: conf("min-free = 0x10\n")},
	{name: "max-jobs is auto", files: conf("max-jobs = auto\n")},
	{name: "cores is not", files: conf("cores = auto\n")},
	{name: "max-jobs is a word", files: conf("max-jobs = lots\n")},
	{name: "features", files: conf("experimental-features = flakes nix-command ca-derivations flakes\n")},
	{name: "an unknown feature", files: conf("experimental-features = nix-command pipe-operator foo\nextra-experimental-features = recursive-nix\n")},
	{name: "paths", files: conf("diff-hook = /a/../b//c\nsandbox-build-dir = /build/\nnetrc-file = n\npost-build-hook = ./h\n")},
	{name: "a relative path", files: conf("diff-hook = h\n")},
	{name: "an empty path", files: conf("sandbox-build-dir =\ndiff-hook =\n")},
	{name: "an include", files: map[string]string{"nix.conf": "cores = 3\ninclude a.conf\nmax-jobs = 5\n", "a.conf": "cores = 4\nmax-jobs = 6\n"}},
	{name: "an absolute include", files: map[string]string{"nix.conf": "include @/sub/a.conf\n", "sub/a.conf": "cores = 4\ninclude b.conf\n", "sub/b.conf": "max-jobs = 9\n"}},
	{name: "an include through ..", files: map[string]string{"nix.conf": "include sub/../a.conf\n", "a.conf": "cores = 4\n"}},
	{name: "an include that is missing", files: conf("include nowhere.conf\ncores = 3\n")},
	{name: "an optional one that is missing", files: conf("!include nowhere.conf\ncores = 3\n")},
	{name: "an optional one that is there", files: map[string]string{"nix.conf": "!include a.conf\n", "a.conf": "cores = 5\n"}},
	{name: "an optional one with a mistake", files: map[string]string{"nix.conf": "!include a.conf\n", "a.conf": "\nwrong line here\n"}},
	{name: "an optional one that includes a missing one", files: map[string]string{"nix.conf": "!include a.conf\n", "a.conf": "include b\n"}},
	{name: "an include of a directory", files: map[string]string{"nix.conf": "include d\ncores = 3\n", "d/": ""}},
	{name: "an include of a link to nothing", files: map[string]string{"nix.conf": "include l\ncores = 3\n", "l": "-> nowhere"}},
	{name: "an include through a link", files: map[string]string{"nix.conf": "include l/a.conf\n", "d/a.conf": "include b.conf\n", "l": "-> d", "d/b.conf": "cores = 6\n"}},
	{name: "an include below a file", files: map[string]string{"nix.conf": "!include a.conf/b\ncores = 3\n", "a.conf": ""}},
	{name: "an include of two", files: conf("include a b\n")},
	{name: "an include of none", files: conf("include\n")},
	{name: "an include with an equals sign", files: conf("include = a\n")},
	{name: "an include with a wildcard", files: map[string]string{"nix.conf": "include *.c\n", "x.c": "cores = 3\n"}},
	{name: "an include below the home", files: map[string]string{"nix.conf": "!include ~/a.conf\ncores = 3\n", "~/a.conf": "cores = 8\n", "a.conf": "cores = 9\n"}},
	{name: "it includes itself", files: conf("include nix.conf\n"), crash: true},
	{name: "two that include each other", files: map[string]string{"nix.conf": "!include a\n", "a": "!include nix.conf\n"}, crash: true},
	{name: "one file twice", files: map[string]string{"nix.conf": "include a\ncores = 2\ninclude a\n", "a": "cores = 4\n"}},
	{name: "nix.conf is a directory", files: map[string]string{"nix.conf/": ""}},
	{name: "nix.conf is a link", files: map[string]string{"nix.conf": "-> d/x.conf", "d/x.conf": "include a\n", "a": "cores = 4\n", "d/a": "cores = 5\n"}},
	{name: "the variable", files: conf("cores = 3\nmax-jobs = 2\n"), inline: "cores = 5\nextra-trusted-users = alice"},
	{name: "a mistake in the variable", files: conf("cores = 3\n"), inline: "no equals sign"},
	{name: "files of the user", files: map[string]string{"nix.conf": "cores = 3\nmax-jobs = 2\ntimeout = 1\n", "u1": "cores = 7\n", "u2": "cores = 8\nmax-jobs = 8\n"}, user: []string{"u1", "u2"}},
	{name: "a file of the user is missing", files: conf("cores = 3\n"), user: []string{"u1"}},
	{name: "everything about the daemon", files: conf("allowed-users = @wheel alice\ntrusted-users = root @wheel\nbuild-users-group = builders\nstore = daemon\n" +
		"sandbox = false\nsandbox-paths = /bin/sh=/x\nsubstituters = https://a https://b\nmax-jobs = 0\nbuilders = ssh://x ; ssh://y\n" +
		"post-build-hook = /h\npre-build-hook = /p\nnetrc-file = /n\ntrusted-public-keys = k:1 j:2\n")},
}

// lay writes the files of a shape. "@" in them is the directory.
func (s *shape) lay(t *testing.T, dir string) {
	t.Helper()
	names := make([]string, 0, len(s.files))
	for name := range s.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		file, text := filepath.Join(dir, name), strings.ReplaceAll(s.files[name], "@/", dir+"/")
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		target, link := strings.CutPrefix(text, "-> ")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(file, 0o755)
		case link:
			err = os.Symlink(target, file)
		default:
			err = os.WriteFile(file, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// asks asks the real Nix. Its answer is nil, and what it said returned, where it did not start.
func asks(t *testing.T, dir, home string, s *shape, args ...string) (out []byte, said string) {
	t.Helper()
	cmd := exec.Command(nix, append([]string{"--extra-experimental-features", "nix-command", "show-config"}, args...)...)
	var user []string
	for _, u := range s.user {
		user = append(user, filepath.Join(dir, u))
	}
	cmd.Env = []string{
		"HOME=" + home, "NIX_CONF_DIR=" + dir, "NIX_USER_CONF_FILES=" + strings.Join(user, ":"), "NIX_STORE_DIR=" + home + "/store",
		"NIX_STATE_DIR=" + home + "/var", "PATH=/usr/bin:/bin",
	}
	if s.inline != "" {
		cmd.Env = append(cmd.Env, "NIX_CONFIG="+s.inline)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err != nil {
		out = nil
		if stderr.Len() == 0 {
			stderr.WriteString(err.Error())
		}
	}
	return out, stderr.String()
}

func TestRealNix(t *testing.T) {
	version, err := exec.Command(nix, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	release := nixconf.Release{Implementation: nixconf.Nix, Version: string(bytes.TrimSpace(version[bytes.LastIndexByte(bytes.TrimSpace(version), ' ')+1:]))}
	if len(shapes) < 40 {
		t.Errorf("only %d shapes", len(shapes))
	}
	values, refused := 0, 0
	for i := range shapes {
		s := &shapes[i]
		t.Run(s.name, func(t *testing.T) {
			dir, home := t.TempDir(), t.TempDir()
			s.lay(t, dir)
			var user []string
			for _, u := range slices.Backward(s.user) {
				user = append(user, filepath.Join(dir, u))
			}
			c := nixconf.Load(t.Context(), platform.Local(), nixconf.Sources{
				Dir: dir, User: user, Inline: s.inline, Home: home, Root: os.Geteuid() == 0, OS: platform.Linux,
			}, release)
			if len(c.Gaps)+len(c.Unseen) > 0 {
				t.Fatalf("not read: %v %v", c.Gaps, c.Unseen)
			}
			out, said := asks(t, dir, home, s, "--json")
			if c.Err != nil || out == nil {
				refused++
				mistake(t, s, c, out, said)
				return
			}
			for _, w := range c.Ignored {
				if !strings.Contains(said, "warning: "+w.Message) {
					t.Errorf("Nix does not warn of %q: %q", w.Message, said)
				}
			}
			if n := strings.Count(said, "warning: unknown "); n != len(c.Ignored) {
				t.Errorf("Nix warns %d times, lixfix %d times: %q, %v", n, len(c.Ignored), said, c.Ignored)
			}
			plain, _ := asks(t, dir, home, s)
			values += compare(t, c, out, plain)
		})
	}
	t.Logf("%d shapes with Nix %s: %d values agree, %d configurations are refused by both", len(shapes), release.Version, values, refused)
}

// mistake compares what is said of a configuration that no Nix starts with.
func mistake(t *testing.T, s *shape, c *nixconf.Config, out []byte, said string) {
	t.Helper()
	switch {
	case c.Err == nil:
		t.Fatalf("Nix does not start, and lixfix has nothing to say: %s", said)
	case out != nil:
		t.Fatalf("Nix starts, and lixfix says that it does not: %v", c.Err)
	case s.crash:
		if !strings.Contains(said, "signal") && !strings.Contains(said, "segmentation") {
			t.Errorf("no crash: %q", said)
		}
	case !strings.Contains(said, "error: "+c.Err.Message+"\n"):
		t.Errorf("Nix says\n%s\nlixfix says\n%s", said, c.Err.Message)
	}
	if e := c.Get("cores"); e.Known() {
		t.Errorf("cores is known: %+v", e)
	}
}

// machine are the settings whose defaults the machine decides.
var machine = []string{"cores", "system", "system-features", "extra-platforms", "build-hook", "nix-path", "sandbox-paths"}

// compare compares every setting; it returns how many agree.
func compare(t *testing.T, c *nixconf.Config, out, plain []byte) int {
	t.Helper()
	var all map[string]struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	agree := 0
	for name, real := range all {
		e := c.Get(name)
		switch {
		case !e.Exists:
			t.Errorf("lixfix does not know %s", name)
			continue
		case !e.Known() && slices.Contains(machine, name):
			continue
		case !e.Known():
			t.Errorf("%s is not known: %s", name, e.Unknown)
			continue
		case name == "pure-eval": // the command itself turns it on
			continue
		case name == "max-jobs" && e.Text == "auto":
			if n, err := strconv.Atoi(string(real.Value)); err != nil || n < 1 {
				t.Errorf("max-jobs = auto is %s", real.Value)
			}
			continue
		}
		want, got := textOf(t, real.Value), e.Text
		if name == "experimental-features" { // a list of numbers in the JSON of 2.8
			want = line(plain, name)
			words := append(slices.Clone(e.Words), "nix-command") // of the command line
			slices.Sort(words)
			got = strings.Join(slices.Compact(words), " ")
		}
		if want != got {
			t.Errorf("%s: Nix has %q, lixfix %q from %v", name, want, got, e.Origins)
			continue
		}
		if len(e.Origins) == 0 {
			t.Errorf("%s comes from nowhere", name)
		}
		agree++
	}
	return agree
}

func line(plain []byte, name string) string {
	for l := range strings.Lines(string(plain)) {
		if v, ok := strings.CutPrefix(l, name+" ="); ok {
			words := strings.Fields(v)
			slices.Sort(words)
			return strings.Join(words, " ")
		}
	}
	return "(no line)"
}

// textOf is a value of the JSON as lixfix has it.
func textOf(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	switch v := v.(type) {
	case []any:
		var words []string
		for _, w := range v {
			words = append(words, fmt.Sprint(w))
		}
		return strings.Join(words, " ")
	case map[string]any:
		var words []string
		for key, w := range v {
			words = append(words, key+"="+fmt.Sprint(w))
		}
		slices.Sort(words)
		return strings.Join(words, " ")
	}
	return fmt.Sprint(v)
}
