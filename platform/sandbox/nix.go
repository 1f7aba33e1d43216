package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/procfs"
)

// Socket is where the daemon listens.
const Socket = installation.Socket

// database is what every store has.
const database = "/nix/var/nix/db"

// toolTime is for what answers at once, unless the machine is very busy or the daemon hangs.
const toolTime = 20 * time.Second

// nix are the tools of one installation, and whom they run as.
type nix struct {
	b      platform.Builder
	dir    string
	as     platform.Account
	remote string
	store  string // of --store

	implementation, version string
	client                  string
}

// find chooses who is to build, and looks for the tools. It returns nil with a reason where there are none. The first that
// are there count: were they passed over because they do not run, another Nix would be asked about, that the user may not
// know of.
func find(ctx context.Context, b platform.Builder, store string) (*nix, string) {
	n := &nix{b: b}
	if err := n.choose(ctx, store); err != nil {
		return nil, err.Error()
	}
	programs := installation.Of(ctx, b).Found(ctx).Programs
	reason := programs.Unknown
	if programs.Known() {
		reason = "there is no nix-store: " + programs.From
	}
	for _, p := range programs.Value {
		dir := path.Dir(p.Path)
		if _, err := b.Stat(ctx, dir+"/nix-store"); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				reason = err.Error()
			}
			continue
		}
		n.dir = dir
		if r := p.Release; n.told(ctx, p) && (r.Implementation == nixconf.Lix || r.Implementation == nixconf.Nix) {
			n.implementation, n.version, n.client = r.Implementation, r.Version, Plain(path.Base(p.Path)+" of "+r.Implementation+" "+r.Version)
		}
		return n, ""
	}
	return nil, reason
}

// told reports whether what a program is need not be asked: a store path is what its name says, and what a distribution's
// package has put in its place is what the database says, unless somebody else than root can have replaced it.
func (n *nix) told(ctx context.Context, p installation.Program) bool {
	if _, ok := installation.ReleaseOf(p.Real); ok {
		return true
	}
	if p.Unknown != "" || p.Release.Version == "" {
		return false
	}
	to, err := n.b.Trusted(ctx, n.dir+"/nix")
	if err != nil {
		return false
	}
	info, err := n.b.Stat(ctx, to)
	const others = 0o022
	return err == nil && info.UID == 0 && info.Mode&others == 0 && !info.ACL
}

// ask has the tools tell what they are; it returns why they cannot be used.
func (n *nix) ask(ctx context.Context) (reason string) {
	if n.version != "" {
		return ""
	}
	// With a daemon for its store, no Nix makes one where there is none: nix-store of 2.8 does even for --version.
	asking := *n
	asking.remote, asking.store = "daemon", ""
	out, err := asking.run(ctx, "nix", "--version")
	if err != nil {
		return err.Error()
	}
	first, _, _ := strings.Cut(string(out.Stdout), "\n")
	implementation, version, ok := ParseVersion(first)
	if ok {
		n.implementation, n.version, n.client = implementation, version, Plain(first)
		return ""
	}
	o, why := classify(ended{exit: out.Exit, stderr: out.Stderr})
	switch {
	case o == BadConfig: // it is there; what is wrong with it comes out when it is to build
		return ""
	case why == "":
		why = fmt.Sprintf("exit %d, and no version", out.Exit)
	}
	return n.dir + "/nix --version: " + why
}

var versionForm = pattern.New(`^\S+ \((.+)\) (\d+\.\d+\S*)\s*$`)

// ParseVersion reads the first line of what a tool of Nix prints for --version.
func ParseVersion(line string) (implementation, version string, ok bool) {
	m := versionForm.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
	if m == nil {
		return "", "", false
	}
	switch {
	case strings.HasPrefix(m[1], "Lix"):
		return "Lix", m[2], true
	case m[1] == "Nix":
		return "Nix", m[2], true
	}
	return Plain(m[1]), m[2], true
}

// in adds the store to the arguments of a tool, where one was named.
func (n *nix) in(args []string) []string {
	if n.store == "" {
		return args
	}
	return append(args, "--store", n.store)
}

// run runs one of the tools for at most toolTime.
func (n *nix) run(ctx context.Context, tool string, args ...string) (platform.Built, error) {
	return n.b.Build(ctx, platform.Build{
		Tool: n.dir + "/" + tool, Args: n.in(args), As: n.as, Remote: n.remote, Limit: toolTime,
	})
}

// choose decides who is to build: the daemon where there is a socket of one, because that is who builds for everybody,
// and else who owns the store.
func (n *nix) choose(ctx context.Context, store string) (err error) {
	n.as = n.b.Invoker(ctx)
	switch store {
	case "daemon":
		n.remote = store
		return nil
	case "local":
	case "":
		n.remote = "daemon"
		if _, err := n.b.Stat(ctx, Socket); !errors.Is(err, fs.ErrNotExist) || !n.owns(ctx) {
			return nil
		}
	default:
		n.store = store
		n.as, err = n.b.Owner(ctx, store)
		return err
	}
	n.remote = "local"
	n.as, err = n.b.Owner(ctx, "/")
	return err
}

// owns reports whether this user can write to the store: root can, and the user of a single-user installation.
func (n *nix) owns(ctx context.Context) bool {
	uid := n.b.Facts().UID
	if uid == 0 {
		return true
	}
	info, err := n.b.Stat(ctx, database)
	return err == nil && info.UID == uid
}

// daemon tells what the process is that listens on the socket of the daemon, and since when it has been running.
func (n *nix) daemon(ctx context.Context) (implementation, version string, since time.Time) {
	_, exe, since := listener(ctx, n.b)
	implementation, version = n.made(ctx, exe)
	return implementation, version, since
}

// made tells what a program is that serves as the daemon: it is one of those that the system has, and has not been
// replaced since. It is not run to be asked.
func (n *nix) made(ctx context.Context, exe string) (implementation, version string) {
	if exe == "" {
		return "", ""
	}
	dirs := []string{n.dir}
	for _, p := range installation.Of(ctx, n.b).Found(ctx).Programs.Value {
		dirs = append(dirs, path.Dir(p.Path))
	}
	for _, dir := range dirs {
		for _, tool := range []string{"/nix-daemon", "/nix"} {
			if to, err := n.b.Trusted(ctx, dir+tool); err != nil || to != exe {
				continue
			}
			if r, ok := installation.ReleaseOf(exe); ok {
				return r.Implementation, r.Version
			}
			if dir == n.dir { // the same program as the one that was asked
				return n.implementation, n.version
			}
		}
	}
	return "", ""
}

// Listener is the process that listens on the daemon's socket, and when it was started; 0 where that cannot be told.
func Listener(ctx context.Context, v platform.View) (pid int, since time.Time) {
	pid, _, since = listener(ctx, v)
	return pid, since
}

// listener is the program of the process that listens on the daemon's socket, and when that was started; "" and no time
// where that cannot be told: only root sees what others have open. A name is no proof, for anybody can bind a socket of
// that name in a mount namespace of their own: it is a process of root's, in lixfix's user namespace, and its socket is
// bound to the very file that is there. Its mount namespace tells nothing, for Nix gives its daemon one of its own.
func listener(ctx context.Context, v platform.View) (pid int, exe string, since time.Time) {
	file, err := v.Stat(ctx, Socket)
	if err != nil {
		return 0, "", since
	}
	sockets, err := v.Sockets(ctx)
	if err != nil {
		return 0, "", since
	}
	inodes := map[string]bool{}
	for _, s := range sockets {
		if !s.TCP && s.State == platform.SocketListening && s.Path == Socket && s.File.Is(file.File) {
			inodes[fmt.Sprintf("socket:[%d]", s.Inode)] = true
		}
	}
	if len(inodes) == 0 {
		return 0, "", since
	}
	var found struct {
		pid   int
		exe   string
		since time.Time
	}
	// After an error, which is a time limit, the function may still be running: nothing of it is used then.
	err = v.Burst(ctx, "the listener on "+Socket, func(f platform.Files) error {
		pids, err := procfs.PIDs(f)
		if err != nil {
			return err
		}
		own, err := f.Link("/proc/self/ns/user")
		if err != nil {
			return err
		}
		for _, pid := range pids {
			dir := procfs.Dir(pid)
			// Under systemd, the manager listens as well.
			if ns, err := f.Link(dir + "/ns/user"); err != nil || ns != own || pid == 1 || !rootRuns(f, dir) {
				continue
			}
			fds, err := f.Names(dir + "/fd")
			if err != nil {
				continue
			}
			for _, fd := range fds {
				if to, err := f.Link(dir + "/fd/" + fd); err == nil && inodes[to] {
					if found.exe, err = f.Link(dir + "/exe"); err == nil {
						found.pid, found.since = pid, started(v, f, pid)
						return nil
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, "", since
	}
	return found.pid, found.exe, found.since
}

// rootRuns reports whether all user IDs of a process are root's.
func rootRuns(f platform.Files, dir string) bool {
	data, err := f.Read(dir + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			return strings.Join(strings.Fields(ids), " ") == "0 0 0 0"
		}
	}
	return false
}

// started is when a process was started, to some hundredths of a second; no time where that cannot be told.
func started(v platform.View, f platform.Files, pid int) time.Time {
	data, err := f.Read("/proc/uptime")
	if err != nil {
		return time.Time{}
	}
	now := v.Now()
	first, _, _ := strings.Cut(string(data), " ")
	up, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return time.Time{}
	}
	if data, err = f.Read(procfs.Dir(pid) + "/stat"); err != nil {
		return time.Time{}
	}
	s, err := procfs.ParseStat(data)
	if err != nil {
		return time.Time{}
	}
	age := up - float64(s.Start)/procfs.TicksPerSecond
	return now.Add(-time.Duration(age * float64(time.Second)))
}

const (
	// pingLimit is for the greeting of a daemon by a tool.
	pingLimit = 12 * time.Second
	// greetLimit is how long to wait for a greeting before a tool is asked, which is watched for what it waits for.
	greetLimit = time.Second
)

// greet asks the daemon who it is. A tool is asked only what the greeting does not say: it says to who is connected whether
// that user is trusted, and a daemon that says nothing may be waiting for something.
func (p *prober) greet(ctx context.Context) greeting {
	soon, cancel := context.WithTimeout(ctx, greetLimit)
	defer cancel()
	conn, a, err := p.b.Daemon(soon, Socket)
	if err != nil || conn == nil {
		return p.ping(ctx)
	}
	p.daemon = conn
	told := greeting{version: Plain(a.Version)}
	switch {
	case a.Trust == "": // it tells nobody
	case p.nix.as.UID == p.b.Facts().UID:
		trusted := a.Trust == nixdaemon.Trusted
		told.trusted = &trusted
	default:
		g := p.ping(ctx)
		if g.version == "" {
			g.version = told.version
		}
		return g
	}
	return told
}

// ping asks the store for its version and whether it trusts this user; Nix 2.8 cannot tell, but shows that it answers.
// The error is that of a tool that did not end in time.
func (p *prober) ping(ctx context.Context) (g greeting) {
	ask := []string{"--extra-experimental-features", "nix-command", "store", "ping"}
	out, held, err := p.patient(ctx, pingLimit, "nix", nil, append(ask, "--json")...)
	if g.held, g.err = held, err; held != "" || err != nil {
		return g
	}
	if out.Exit != 0 {
		if strings.Contains(string(out.Stderr), "--json") {
			_, g.held, g.err = p.patient(ctx, pingLimit, "nix", nil, ask...)
		}
		return g
	}
	var answer struct {
		Trusted json.RawMessage `json:"trusted"`
		Version string          `json:"version"`
	}
	if json.Unmarshal(out.Stdout, &answer) != nil {
		return g // it did answer, in words that this version does not know
	}
	yes, no := true, false
	switch string(answer.Trusted) {
	case "true", "1":
		g.trusted = &yes
	case "false", "0":
		g.trusted = &no
	}
	g.version = Plain(answer.Version)
	return g
}

// greeting is what a daemon says of itself.
type greeting struct {
	trusted *bool // nil where it does not tell
	version string
	held    string // what it waited for, where it did not answer
	err     error
}

// deadPasta reports whether something that a build of a client has started has ended and lies unreaped: the sign that Nix
// waits for a network that nobody sets up. What it was started as tells nothing: a wrapper has any name, a pasta that
// could not be executed that of its parent, and Nix reaps everything else as soon as it ends. The parent is the client,
// or the daemon's process for it.
func deadPasta(ctx context.Context, v platform.View, client int) bool {
	dead := false
	err := v.Burst(ctx, "processes", func(f platform.Files) error {
		pids, err := procfs.PIDs(f)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			data, err := f.Read(procfs.Dir(pid) + "/stat")
			if err != nil {
				continue
			}
			s, err := procfs.ParseStat(data)
			if err != nil || s.State != 'Z' {
				continue
			}
			if s.Parent == client {
				dead = true
				return nil
			}
			if data, err = f.Read(procfs.Dir(s.Parent) + "/cmdline"); err != nil {
				continue
			}
			// Arguments are what a process likes to have: only root's daemon serves a client.
			served, worker := procfs.Serves(procfs.ParseArguments(data))
			if worker && served == client && rootRuns(f, procfs.Dir(s.Parent)) {
				dead = true
				return nil
			}
		}
		return nil
	})
	return err == nil && dead
}
