package stuck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
)

// telling are the settings that decide who waits for whom, and for how long.
var telling = [...]string{
	"auto-allocate-uids", "auto-optimise-store", "build-users-group", "builders", "builders-use-substitutes",
	"connect-timeout", "cores", "download-attempts", "experimental-features", "extra-experimental-features",
	"fallback", "fsync-metadata", "http-connections", "keep-derivations", "keep-outputs", "max-free", "max-jobs",
	"max-silent-time", "max-substitution-jobs", "min-free", "post-build-hook", "sandbox", "stalled-download-timeout",
	"store", "substituters", "extra-substituters", "timeout", "use-cgroups", "use-sqlite-wal",
}

// Paste implements fix.Reporter. It asks no Nix: one that hangs would hang here as well. Which versions there are is
// read from the names of their store paths.
func (stuck) Paste(ctx context.Context, v platform.View, set fix.Settings) ([]string, error) {
	r, err := Look(ctx, v, options(set))
	if err != nil {
		return nil, err
	}
	a := r.anonymizer(ctx, v)
	f := v.Facts()
	system := f.Product
	if !strings.Contains(system, f.Version) {
		system += " " + f.Version
	}
	if system = strings.TrimSpace(system); system == "" {
		system = f.OS
	}
	// Before it is drawn, so that the lines keep their width.
	for i := range r.Processes {
		r.Processes[i].Title, r.Processes[i].Text = a.text(r.Processes[i].Title), a.text(r.Processes[i].Text)
	}
	lines := []string{"### What hangs", ""}
	for _, d := range r.Diagnoses {
		lines = append(lines, fmt.Sprintf("`%s` (%s, %s): %s", d.ID, d.Status, d.Certainty, a.text(d.Sentence)), "")
		if tree := r.Tree(d); len(tree) > 0 {
			lines = append(lines, "```")
			for _, l := range tree {
				lines = append(lines, a.text(l))
			}
			lines = append(lines, "```", "")
		}
	}
	if len(r.Limits) > 0 {
		lines = append(lines, "### Not seen", "")
		for _, l := range r.Limits {
			lines = append(lines, "- "+a.text(l.What))
		}
		lines = append(lines, "")
	}
	if facts := r.facts(); len(facts) > 0 {
		lines = append(lines, "### Processes", "")
		for _, l := range facts {
			lines = append(lines, "- "+a.text(l))
		}
		lines = append(lines, "")
	}
	if log := r.journal(ctx, v); len(log) > 0 {
		lines = append(lines, "### Log of the daemon", "", "```")
		for _, l := range log {
			lines = append(lines, a.text(l))
		}
		lines = append(lines, "```", "")
	}
	root := "an ordinary user"
	if f.Root() {
		root = "root"
	}
	lines = append(lines, "### Host", "", fmt.Sprintf("- %s, %s, looked at as %s", system, f.Arch, root))
	if data, err := platform.ReadSmall(ctx, v, "/proc/sys/kernel/osrelease"); err == nil {
		lines = append(lines, "- kernel "+a.text(plain(strings.TrimSpace(string(data)))))
	}
	for _, n := range append(r.versions(ctx, v), r.surroundings...) {
		lines = append(lines, "- "+a.text(n))
	}
	conf, err := nixconf.Read(ctx, v, nixconf.File)
	if err != nil {
		lines = append(lines, "- nix.conf could not be read")
	}
	lines = append(lines, "", "### Settings", "", "```")
	n := len(lines)
	for _, name := range telling {
		if s, ok := conf[name]; ok {
			lines = append(lines, name+" = "+a.setting(name, plain(s.Value)))
		}
	}
	if len(lines) == n {
		lines = append(lines, "(none of those that matter here are set)")
	}
	return append(lines, "```"), nil
}

// facts are what was read of each process, without its arguments: they can name what is private.
func (r *Report) facts() []string {
	const most = 6 // threads
	var list []string
	for _, p := range r.Processes {
		words := []string{fmt.Sprintf("%s: %s, parent %d, %.0f %% CPU, %d bytes moved, %d MiB, signals blocked %s, pending %s", p.Title, p.State,
			p.Parent, p.CPU*100, p.Moved, p.RSSKiB>>10, p.Blocked, p.Pending)}
		for i, t := range p.Threads {
			if i == most {
				words = append(words, fmt.Sprintf("and %d more threads", len(p.Threads)-most))
				break
			}
			word := "thread " + t.Name + " " + t.State
			if t.Syscall >= 0 {
				word += fmt.Sprintf(" in call %d", t.Syscall)
			}
			if t.Channel != "" {
				word += " at " + t.Channel
			}
			words = append(words, word)
		}
		if len(p.Hidden) > 0 {
			words = append(words, "hidden: "+strings.Join(p.Hidden, ", "))
		}
		list = append(list, strings.Join(words, "; "))
	}
	list = append(list, r.connections...)
	for _, l := range r.Locks {
		list = append(list, fmt.Sprintf("lock %s: held by %v, queue %v", shortPath(l.Path), l.Holders, l.Waiters))
	}
	return list
}

const (
	journalctl   = "/usr/bin/journalctl"
	journalLines = 20
	journalWidth = 200 // characters of a line
)

// journal returns the last lines that the daemon and its workers in the report have logged, none where there is
// neither systemd nor a daemon.
func (r *Report) journal(ctx context.Context, v platform.View) []string {
	args := []string{"-q", "--no-pager", "-b", "-o", "cat", "-n", strconv.Itoa(journalLines)}
	n := len(args)
	for _, p := range r.Processes {
		if p.Role == Worker || p.Role == Listener {
			args = append(args, fmt.Sprintf("_PID=%d", p.PID)) // one or the other
		}
	}
	if _, err := v.Stat(ctx, journalctl); errors.Is(err, fs.ErrNotExist) || len(args) == n {
		return nil
	}
	out, err := v.Query(ctx, journalctl, args...)
	if err != nil {
		return []string{"could not be read: " + plain(err.Error())}
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		// A fence would end the one that it is put into.
		if line = colours.ReplaceAllString(strings.TrimRight(line, "\r\n"), ""); line != "" && !strings.HasPrefix(strings.TrimSpace(line), "```") {
			list = append(list, clip(plain(line), journalWidth))
		}
	}
	if len(list) == 0 {
		return []string{"(nothing was logged, or this user may not read it)"}
	}
	return list
}

// colours are what Nix puts around words for a terminal.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// storeName finds the package in a path of the store.
var storeName = regexp.MustCompile(`/[0-9a-z]{32}-((?:lix|nix)-[0-9][^/]*)`)

const links = 16 // that are followed from one name

// versions says which Nix the processes run, and which one new commands get.
func (r *Report) versions(ctx context.Context, v platform.View) []string {
	var list []string
	packaged := debian(ctx, v)
	// What can be read of /proc is read at once, with one limit of time.
	running := make(chan string, len(r.Processes)+1)
	_ = v.Burst(ctx, "the programs of processes", func(f platform.Files) error {
		for _, p := range r.Processes {
			if p.Role == Client || p.Role == Listener || p.Role == Worker {
				exe, err := f.Link(fmt.Sprintf("/proc/%d/exe", p.PID))
				if err == nil {
					running <- exe
				}
			}
		}
		return nil
	})
	for done := false; !done; {
		select {
		case exe := <-running:
			list = add(list, "running: "+packaged.version(exe))
		default:
			done = true
		}
	}
	for _, name := range []string{"/run/current-system/sw/bin/nix", "/nix/var/nix/profiles/default/bin/nix", "/usr/local/bin/nix", "/usr/bin/nix"} {
		if target, ok := follow(ctx, v, name); ok {
			list = add(list, name+": "+packaged.version(target))
		}
	}
	if len(list) == 0 {
		list = append(list, "no Nix found in the usual places")
	}
	return list
}

// packages are the versions of Nix that the system's own packages have, by package.
type packages map[string]string

// debian reads the database of dpkg. Where there is none it knows nothing.
func debian(ctx context.Context, v platform.View) packages {
	data, err := v.ReadFile(ctx, "/var/lib/dpkg/status")
	if err != nil {
		return nil
	}
	found := packages{}
	for record := range strings.SplitSeq(string(data), "\n\n") {
		name, rest, _ := strings.Cut(strings.TrimPrefix(record, "Package: "), "\n")
		if name != "nix-bin" && name != "nix" && name != "lix" || !strings.Contains(rest, "Status: install ok installed") {
			continue
		}
		for line := range strings.Lines(rest) {
			if version, ok := strings.CutPrefix(line, "Version: "); ok {
				found[name] = strings.TrimSpace(version)
			}
		}
	}
	return found
}

// version tells which Nix a program is, by the name of its package.
func (p packages) version(target string) string {
	if m := storeName.FindStringSubmatch(target); m != nil {
		return plain(m[1])
	}
	// What is in /usr belongs to packages, but for /usr/local.
	if strings.HasPrefix(target, "/usr/") && !strings.HasPrefix(target, "/usr/local/") && len(p) == 1 {
		for name, version := range p {
			return plain(name + " " + version + ", a package of Debian or of a relative")
		}
	}
	return "version unknown (" + path.Base(plain(target)) + " --version tells, unless it hangs)"
}

// follow follows the links in every part of a name, until it leads into a package of Nix.
func follow(ctx context.Context, v platform.View, name string) (string, bool) {
	for range links {
		if storeName.MatchString(name) {
			return name, true
		}
		next := ""
		parts := strings.Split(strings.TrimPrefix(path.Clean(name), "/"), "/")
		for i := range parts {
			dir := "/" + strings.Join(parts[:i+1], "/")
			info, err := v.Stat(ctx, dir)
			if err != nil {
				return "", false
			}
			if info.Target != "" {
				target := info.Target
				if !path.IsAbs(target) {
					target = path.Join(path.Dir(dir), target)
				}
				next = path.Join(append([]string{target}, parts[i+1:]...)...)
				break
			}
		}
		if next == "" {
			return name, true
		}
		name = next
	}
	return "", false
}

// anonymizer replaces names of people and machines, the same name by the same word.
type anonymizer struct {
	user  *regexp.Regexp
	users map[string]string
	hosts map[string]string
}

var (
	homes     = regexp.MustCompile(`(/home|/Users|/var/home)/[^/\s'"]+`)
	addresses = regexp.MustCompile(`\b([a-z][a-z0-9+.-]*)://[^\s'"/]*`)
	logins    = regexp.MustCompile(`[\w.+-]+@[\w.-]+`)
	numeric   = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{0,4}\b`)
	tokens    = regexp.MustCompile(`\b(?:gh[pousr]_|github_pat_|glpat-)\w+|\b(?i:token|password|secret)=\S+`)
	public    = []string{"cache.nixos.org", "cache.lix.systems", "github.com", "localhost"}
)

func (r *Report) anonymizer(ctx context.Context, v platform.View) *anonymizer {
	a := &anonymizer{users: map[string]string{}, hosts: map[string]string{}}
	var quoted []string
	for _, p := range r.Processes {
		build := strings.HasPrefix(strings.TrimPrefix(p.User, "_"), "nixbld")
		if p.User == "" || p.User == "root" || build || strings.HasPrefix(p.User, "user ID ") || a.users[p.User] != "" {
			continue
		}
		a.users[p.User] = fmt.Sprintf("user%d", len(a.users)+1)
		quoted = append(quoted, regexp.QuoteMeta(p.User))
	}
	for _, name := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		data, err := platform.ReadSmall(ctx, v, name)
		if h := strings.TrimSpace(string(data)); err == nil && h != "" && h != "localhost" && a.users[h] == "" {
			a.users[h] = "this-host"
			quoted = append(quoted, regexp.QuoteMeta(h))
		}
	}
	if len(quoted) > 0 {
		// The longest first, so that "bob" does not take the start of "bob-admin".
		slices.SortFunc(quoted, func(x, y string) int { return len(y) - len(x) })
		a.user = regexp.MustCompile(`\b(?:` + strings.Join(quoted, "|") + `)\b`)
	}
	return a
}

func (a *anonymizer) host(h string) string {
	if slices.Contains(public, h) {
		return h
	}
	if a.hosts[h] == "" {
		a.hosts[h] = fmt.Sprintf("host%d", len(a.hosts)+1)
	}
	return a.hosts[h]
}

func (a *anonymizer) text(s string) string {
	s = tokens.ReplaceAllString(s, "[redacted]")
	s = addresses.ReplaceAllStringFunc(s, func(u string) string {
		scheme, rest, _ := strings.Cut(u, "://")
		if rest == "" {
			return u
		}
		rest = rest[strings.LastIndexByte(rest, '@')+1:]
		if h, _, ok := strings.Cut(rest, "?"); ok {
			rest = h
		}
		return scheme + "://" + a.host(rest)
	})
	s = homes.ReplaceAllString(s, "$1/user")
	s = logins.ReplaceAllString(s, "user@host")
	s = numeric.ReplaceAllString(s, "[address]")
	if a.user != nil {
		s = a.user.ReplaceAllStringFunc(s, func(u string) string { return a.users[u] })
	}
	return s
}

// setting anonymises a value. Of builders and hooks only how many there are is told: their names and keys are not
// for others.
func (a *anonymizer) setting(name, value string) string {
	switch name {
	case "builders":
		n := len(strings.FieldsFunc(value, func(c rune) bool { return c == ';' || c == '\n' }))
		if n == 0 || strings.HasPrefix(value, "@") {
			return "[a file]"
		}
		return "[" + count(n, "machine") + "]"
	case "post-build-hook":
		return "[a program]"
	}
	return a.text(redactQuery(value))
}

// redactQuery removes the parameters of addresses, which can hold keys.
func redactQuery(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		if before, _, ok := strings.Cut(w, "?"); ok {
			words[i] = before + "?[redacted]"
		}
	}
	return strings.Join(words, " ")
}
