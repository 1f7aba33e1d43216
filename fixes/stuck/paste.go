package stuck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/draw"
	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/redact"
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
	names := redact.Read(ctx, v)
	for _, p := range r.Processes {
		const firstPerson = 500 // of macOS; on Linux, where it is 1000, accounts below that are in /etc/passwd
		if p.UID >= firstPerson && p.Named {
			names.Person(p.User)
		}
	}
	log := journal(ctx, r, v)
	// The log names users whose processes have ended. It is read before anything is drawn: the drawing shortens names.
	names.Learn(log...)
	rename(r, names.Text)
	page := redact.NewPage(names)
	page.Line(whatHangs)
	page.Line("")
	for _, d := range r.Diagnoses {
		page.Line("`"+d.ID+"` (%s, %s): %s", d.Status, d.Certainty, d.Sentence)
		page.Line("")
		if tree := draw.Tree(r, d); len(tree) > 0 {
			page.Code(tree, 0)
			page.Line("")
		}
	}
	if len(r.Limits) > 0 {
		page.Line(notSeenHeading)
		page.Line("")
		for _, l := range r.Limits {
			page.Item("%s", l.What)
		}
		page.Line("")
	}
	if facts := facts(r); len(facts) > 0 {
		page.Line(processesHeading)
		page.Line("")
		for _, l := range facts {
			page.Item("%s", l)
		}
		page.Line("")
	}
	if len(log) > 0 {
		page.Line(daemonLog)
		page.Line("")
		page.Code(log, journalWidth)
		page.Line("")
	}
	page.Line(hostHeading)
	page.Line("")
	hostItems(ctx, r, v, page)
	page.Heading("Settings")
	page.Code(settings(ctx, v, names), 0)
	return page.Lines(), nil
}

// hostItems tells what the host is.
func hostItems(ctx context.Context, r *diagnose.Report, v platform.View, page *redact.Page) {
	f := v.Facts()
	system := f.Product
	if !strings.Contains(system, f.Version) {
		system += " " + f.Version
	}
	if system = strings.TrimSpace(system); system == "" {
		system = f.OS
	}
	if f.Root() {
		page.Item(asRoot, system, f.Arch)
	} else {
		page.Item(asUser, system, f.Arch)
	}
	if data, err := platform.ReadSmall(ctx, v, "/proc/sys/kernel/osrelease"); err == nil {
		page.Item(kernelIs, say.Plain(strings.TrimSpace(string(data))))
	}
	for _, n := range append(versions(ctx, r, v), r.Surroundings...) {
		page.Item("%s", n)
	}
}

// settings are those of nix.conf that matter here.
func settings(ctx context.Context, v platform.View, names *redact.Names) []string {
	conf, err := nixconf.Read(ctx, v, nixconf.File)
	if err != nil {
		return []string{unreadable}
	}
	var lines []string
	for _, name := range telling {
		if s, ok := conf[name]; ok {
			lines = append(lines, name+" = "+names.Setting(name, say.Plain(s.Value)))
		}
	}
	if len(lines) == 0 {
		lines = []string{noneSet}
	}
	return lines
}

// rename changes what a report says of names. Nodes are renamed as well, because locks are known by their paths.
func rename(r *diagnose.Report, text func(string) string) {
	nodes := func(list []string) {
		for i := range list {
			list[i] = text(list[i])
		}
	}
	for i := range r.Processes {
		p := &r.Processes[i]
		p.Title, p.Text, p.User = text(p.Title), text(p.Text), text(p.User)
		for j := range p.Threads {
			p.Threads[j].Name = text(p.Threads[j].Name)
		}
	}
	for i := range r.Locks {
		l := &r.Locks[i]
		l.Node, l.Path = text(l.Node), text(l.Path)
	}
	for i := range r.Edges {
		e := &r.Edges[i]
		e.From, e.To = text(e.From), text(e.To)
	}
	for i := range r.Diagnoses {
		d := &r.Diagnoses[i]
		d.Sentence, d.Subject, d.Root = text(d.Sentence), text(d.Subject), text(d.Root)
		nodes(d.Chain)
		nodes(d.Cycle)
	}
	nodes(r.Connections)
	nodes(r.Surroundings)
}

// facts are what was read of each process, without its arguments: they can name what is private.
func facts(r *diagnose.Report) []string {
	const most = 6 // threads
	var list []string
	for _, p := range r.Processes {
		words := []string{processFacts.Fill(fix.With{"title": p.Title, "state": p.State, "parent": p.Parent, "cpu": fmt.Sprintf("%.0f", p.CPU*100), "moved": p.Moved, "memory": p.RSSKiB >> 10, "blocked": p.Blocked, "pending": p.Pending})}
		for i, t := range p.Threads {
			if i == most {
				words = append(words, moreThreads.Fill(fix.With{"count": len(p.Threads) - most}))
				break
			}
			word := threadIs.Fill(fix.With{"name": t.Name, "state": t.State})
			if t.Syscall >= 0 {
				word += inCall.Fill(fix.With{"call": t.Syscall})
			}
			if t.Channel != "" {
				word += atChannel.Fill(fix.With{"channel": t.Channel})
			}
			words = append(words, word)
		}
		if len(p.Hidden) > 0 {
			words = append(words, hiddenIs.Fill(fix.With{"what": strings.Join(p.Hidden, ", ")}))
		}
		list = append(list, strings.Join(words, "; "))
	}
	list = append(list, r.Connections...)
	for _, l := range r.Locks {
		list = append(list, lockFacts.Fill(fix.With{"path": say.ShortPath(l.Path), "holders": l.Holders, "waiters": l.Waiters}))
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
func journal(ctx context.Context, r *diagnose.Report, v platform.View) []string {
	args := []string{"-q", "--no-pager", "-b", "-o", "cat", "-n", strconv.Itoa(journalLines)}
	n := len(args)
	for _, p := range r.Processes {
		if p.Role == diagnose.Worker || p.Role == diagnose.Listener {
			args = append(args, fmt.Sprintf("_PID=%d", p.PID)) // one or the other
		}
	}
	if _, err := v.Stat(ctx, journalctl); errors.Is(err, fs.ErrNotExist) || len(args) == n {
		return nil
	}
	out, err := v.Query(ctx, journalctl, args...)
	if err != nil {
		return []string{notRead.Fill(fix.With{"error": say.Plain(err.Error())})}
	}
	const long = 4 << 10 // bytes of one line; no more of it is shown than a part
	var lines []string
	for line := range strings.Lines(string(out)) {
		lines = append(lines, redact.Cut(colours.ReplaceAllString(strings.TrimRight(line, "\r\n"), ""), long))
	}
	var list []string
	for line := range strings.SplitSeq(redact.Block(strings.Join(lines, "\n")), "\n") {
		if line = say.Plain(line); line != "" {
			list = append(list, line)
		}
	}
	if len(list) == 0 {
		return []string{nothingLogged}
	}
	return list
}

// colours are what Nix puts around words for a terminal.
var colours = pattern.New(`\x1b\[[0-9;]*m`)

// storeName finds the package in a path of the store.
var storeName = pattern.New(`/[0-9a-z]{32}-((?:lix|nix)-[0-9][^/]*)`)

const links = 16 // that are followed from one name

// versions says which Nix the processes run, and which one new commands get.
func versions(ctx context.Context, r *diagnose.Report, v platform.View) []string {
	var list []string
	packaged := debian(ctx, v)
	// What can be read of /proc is read at once, with one limit of time.
	running := make(chan string, len(r.Processes)+1)
	_ = v.Burst(ctx, "the programs of processes", func(f platform.Files) error {
		for _, p := range r.Processes {
			if p.Role == diagnose.Client || p.Role == diagnose.Listener || p.Role == diagnose.Worker {
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
			list = once(list, runningIs.Fill(fix.With{"program": packaged.version(exe)}))
		default:
			done = true
		}
	}
	for _, name := range []string{"/run/current-system/sw/bin/nix", "/nix/var/nix/profiles/default/bin/nix", "/usr/local/bin/nix", "/usr/bin/nix"} {
		if target, ok := follow(ctx, v, name); ok {
			list = once(list, name+": "+packaged.version(target))
		}
	}
	if len(list) == 0 {
		list = append(list, noNix)
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
		if name != "nix-bin" && name != "nix" && name != "lix" || !strings.Contains(rest, "Status: install ok "+
			"installed") {
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
		return say.Plain(m[1])
	}
	// What is in /usr belongs to packages, but for /usr/local.
	if strings.HasPrefix(target, "/usr/") && !strings.HasPrefix(target, "/usr/local/") && len(p) == 1 {
		for name, version := range p {
			return say.Plain(debianPackage.Fill(fix.With{"name": name, "version": version}))
		}
	}
	return unknownVersion.Fill(fix.With{"program": path.Base(say.Plain(target))})
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

// once adds what is not in a list yet.
func once(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}
