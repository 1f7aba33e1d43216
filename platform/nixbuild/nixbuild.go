// Package nixbuild makes the smallest real build: a derivation of a few bytes that Nix itself builds, through the daemon,
// as whoever called lixfix, and removes it again. It proves what a greeting cannot: that the daemon has a store that it
// can write to, build users, and a sandbox that can be set up.
//
// It needs no shell, no network, no other store path and no feature that has to be switched on.
package nixbuild

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/redact"
)

const (
	// Limit is how long a build may take, all in all. On a busy machine it takes two seconds.
	Limit = time.Minute
	// askLimit is how long a login shell and its client may take to ask for one: a daemon that takes connections and
	// hangs is nothing to wait a minute for.
	askLimit = 30 * time.Second
	// tidyLimit is for the removal of what was built.
	tidyLimit  = 20 * time.Second
	againLimit = 5 * time.Second // for one that answers
	tidyTries  = 3
	tidyPause  = 500 * time.Millisecond
)

// expression is a profile of nothing. "builtin:buildenv" is a part of every Nix since 1.12 and of every Lix, because
// "nix-env" needs it: the daemon runs it in its own process, where it would run any other builder, as a build user and in
// the sandbox (src/libstore/builtins/buildenv.cc). The network is not needed, as with "builtin:fetchurl", and no /bin/sh.
const expression = `{ nonce }:
derivation {
  name = "lixfix-build-${nonce}";
  system = "builtin";
  builder = "builtin:buildenv";
  derivations = "";
  manifest = "/dev/null";
  preferLocalBuild = true;
  allowSubstitutes = false;
}`

var (
	drvForm = pattern.New(`^/[A-Za-z0-9+._?=/-]+/[a-z0-9]{32}-lixfix-build-[a-z0-9]+\.drv$`)
	outForm = pattern.New(`^/[A-Za-z0-9+._?=/-]+/[a-z0-9]{32}-lixfix-build-[a-z0-9]+$`)
)

// Outcome says how far it came.
type Outcome string

// Outcomes of a build.
const (
	Built   Outcome = "built"
	Untried Outcome = "untried" // nobody could ask for it; that says nothing of the daemon
	Failed  Outcome = "failed"
	Late    Outcome = "late" // it took longer than it may
)

// Stage is how far a build has come: each stands on the one before it.
type Stage string

// Stages of a build.
const (
	Shell      Stage = "shell"      // a login shell finds the client
	Connection Stage = "connection" // the client reaches the daemon, which adds a derivation to its store
	Building   Stage = "build"      // the daemon builds it
)

// Result is what came of a build.
type Result struct {
	Outcome Outcome
	// Stage is the one that it has ended at.
	Stage Stage
	Found string // the client that a login shell has found; "" where none was asked, or it found none
	// Terminal says that only an interactive shell finds the client.
	Terminal bool
	As       platform.Account // who asked for it
	Why      string           // it was not built, in the words of Nix as far as there are any; one line
	Took     time.Duration
	Left     []string // store paths that could not be removed again; a garbage collection removes them
}

// Through are the ways to ask for a build.
type Through struct {
	Tools  string // the directory of nix-instantiate and nix-store
	Socket string // of the daemon
	// Shell is a login shell that looks for the tools, and with which settings they run; "" for those in Tools.
	Shell string
	// Owner is whose store it is, where no daemon is needed: Tools write to it as that user. It is nil for the daemon's.
	Owner *platform.Account
}

// Tools returns the directory of the tools of Nix with which users build; "" where there are none, with the reason.
func Tools(ctx context.Context, v platform.View) (dir, why string) {
	programs := installation.Of(ctx, v).Found(ctx).Programs
	if !programs.Known() {
		return "", programs.Unknown
	}
	for _, p := range programs.Value {
		dir := path.Dir(p.Path)
		if _, err := v.Stat(ctx, dir+"/nix-instantiate"); err != nil {
			continue
		}
		if _, err := v.Stat(ctx, dir+"/nix-store"); err == nil {
			return dir, ""
		}
	}
	return "", "there is no nix-store: " + programs.From
}

// Run makes the build, and removes what it made. It ends within Limit and the time to tidy up.
func Run(ctx context.Context, b platform.Builder, t Through) Result { return RunAll(ctx, b, t)[0] }

// RunAll makes a build in each of the ways, side by side, and removes what they made when all of them have ended. The
// results are in the order of the ways.
func RunAll(ctx context.Context, b platform.Builder, ways ...Through) []Result {
	began := time.Now()
	all := make([]*build, len(ways))
	var each sync.WaitGroup
	for i, t := range ways {
		one := &build{b: b, t: t, r: Result{Outcome: Untried}}
		all[i] = one
		each.Go(func() {
			if t.Owner != nil {
				one.r.As = *t.Owner
			} else {
				one.r.As = b.Invoker(ctx)
			}
			one.run(ctx)
			one.r.Took = time.Since(began)
			if one.asked {
				one.left(ctx)
			}
		})
	}
	each.Wait()
	tidy(context.WithoutCancel(ctx), b, all)
	results := make([]Result, len(all))
	for i, one := range all {
		results[i] = one.r
	}
	return results
}

type build struct {
	b        platform.Builder
	t        Through
	r        Result
	nonce    string
	asked    bool // for a derivation
	drv, out string
}

func (o *build) end(outcome Outcome, why string) { o.r.Outcome, o.r.Why = outcome, why }

func (o *build) run(ctx context.Context) {
	if why := o.barred(ctx); why != "" {
		o.end(Untried, why)
		return
	}
	inner, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	o.nonce = strings.ToLower(rand.Text())
	drv, ok := o.ask(inner)
	if !ok {
		return
	}
	if !o.derived(drv) {
		o.end(Failed, "nix-instantiate printed no name of a derivation")
		return
	}
	o.drv, o.r.Stage = drv, Building
	out, ok := o.call(inner, Limit, "nix-store", append([]string{"--realise", drv, "-j1"}, settings()...)...)
	if !ok {
		return
	}
	if !o.made(out) {
		o.end(Failed, "nix-store printed no name of an output")
		return
	}
	o.out = out
	o.end(Built, "")
}

// derived reports whether a store path is the derivation of this very build: nothing else is built, or deleted.
func (o *build) derived(drv string) bool {
	return drvForm.MatchString(drv) && strings.HasSuffix(drv, "-lixfix-build-"+o.nonce+".drv")
}

// made reports whether a store path is the output of this very build.
func (o *build) made(out string) bool {
	return outForm.MatchString(out) && strings.HasSuffix(out, "-lixfix-build-"+o.nonce)
}

// settings are what keeps others from giving the expression another meaning, or having somebody else build it. A hook
// would be handed the output, and could upload it.
func settings() []string {
	return []string{"--option", "substitute", "false", "--option", "builders", "", "--option", "post-build-hook", ""}
}

// ask has the client add the derivation to the daemon's store. A login shell that does not find the client is asked as
// terminals have it as well: some installers write only into files that such shells read.
func (o *build) ask(ctx context.Context) (string, bool) {
	args := append([]string{"--expr", expression, "--argstr", "nonce", o.nonce, "--option", "restrict-eval", "false"}, settings()...)
	o.r.Stage = Connection
	if o.t.Shell == "" {
		return o.call(ctx, Limit, "nix-instantiate", args...)
	}
	drv, ok := o.call(ctx, askLimit, "nix-instantiate", args...)
	if !ok && o.r.Stage == Shell && o.r.Outcome == Failed {
		o.r.Stage, o.r.Terminal = Connection, true
		drv, ok = o.call(ctx, askLimit, "nix-instantiate", args...)
	}
	return drv, ok
}

// barred says why who is to build cannot reach the daemon, as far as the modes tell; "" where they can, or where that is
// not known.
func (o *build) barred(ctx context.Context) string {
	if o.t.Owner != nil {
		return ""
	}
	dir := path.Dir(o.t.Socket)
	info, err := o.b.Stat(ctx, dir)
	if err != nil || info.ACL || o.r.As.UID == info.UID {
		return ""
	}
	search := fs.FileMode(0o001)
	if o.r.As.GID == info.GID || slices.Contains(o.r.As.Groups, info.GID) {
		search = 0o010
	}
	if info.Mode&search != 0 {
		return ""
	}
	return fmt.Sprintf("%s has no access to %s, which has mode %04o and belongs to group %d", o.who(), dir, info.Mode.Perm(), info.GID)
}

func (o *build) who() string {
	if o.r.As.Name == "nobody" {
		return "the user nobody"
	}
	return fmt.Sprintf("user %d", o.r.As.UID)
}

// build is a call of a tool of Nix, by its name.
func (o *build) build(limit time.Duration, tool string, args ...string) platform.Build {
	if o.t.Shell == "" {
		remote := "daemon"
		if o.t.Owner != nil {
			remote = "local"
		}
		return platform.Build{Tool: path.Join(o.t.Tools, tool), Args: args, As: o.r.As, Remote: remote, Limit: limit}
	}
	return platform.Build{Tool: tool, Args: args, As: o.r.As, Limit: limit, Login: &platform.Login{Shell: o.t.Shell, Interactive: o.r.Terminal}}
}

// call runs a tool of Nix and returns what it printed. With false, the result says why not.
func (o *build) call(ctx context.Context, limit time.Duration, tool string, args ...string) (string, bool) {
	o.asked = true
	built, err := o.b.Build(ctx, o.build(limit, tool, args...))
	if o.t.Shell != "" {
		if built.Found == "" {
			o.r.Stage = Shell
		} else if o.r.Found == "" {
			o.r.Found = built.Found
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded) && o.r.Stage == Shell:
		o.end(Late, fmt.Sprintf("did not get to run a command within %s: its startup files wait for something", limit))
		return "", false
	case errors.Is(err, context.DeadlineExceeded):
		o.end(Late, fmt.Sprintf("%s did not finish within %s", tool, limit))
		return "", false
	case err != nil:
		o.end(Untried, err.Error())
		return "", false
	case o.r.Stage == Shell:
		o.end(Failed, tool+" is not on its PATH")
		return "", false
	case built.Exit != 0:
		o.end(Failed, complaint(built.Stderr, built.Exit))
		return "", false
	}
	return strings.TrimSpace(string(built.Stdout)), true
}

// left finds out what the build has left in the store. It is for the end of lixfix as well: then, nobody has heard the
// name of the derivation, but its nonce gives the same one again.
func (o *build) left(ctx context.Context) {
	over := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyLimit)
	defer cancel()
	if o.drv == "" && over && o.r.Stage == Connection {
		soon, cancel := context.WithTimeout(ctx, againLimit) // somebody waits for the end
		defer cancel()
		again := *o
		if drv, ok := again.ask(soon); ok && o.derived(drv) {
			o.drv = drv
		}
	}
	if o.drv == "" {
		return
	}
	o.r.Left = []string{o.drv}
	if o.out != "" {
		o.r.Left = []string{o.out, o.drv}
	} else if over {
		// It may have been built all the same.
		if built, err := o.b.Build(ctx, o.build(tidyLimit, "nix-store", "--query", "--outputs", o.drv)); err == nil && built.Exit == 0 {
			if out := strings.TrimSpace(string(built.Stdout)); o.made(out) {
				o.r.Left = []string{out, o.drv}
			}
		}
	}
}

// tidy removes what builds have left. A daemon is asked once for all that is in the store of this host, which spares a start
// of Nix for each of them. What is still there then, or is elsewhere because a shell uses another store, the tool deletes
// that has built it.
func tidy(ctx context.Context, b platform.Builder, all []*build) {
	ctx, cancel := context.WithTimeout(ctx, tidyLimit)
	defer cancel()
	var paths []string
	socket := ""
	for _, o := range all {
		if o.t.Owner == nil && (socket == "" || o.t.Socket == socket) && o.here(ctx) {
			socket, paths = o.t.Socket, append(paths, o.r.Left...)
		}
	}
	deleteAll(ctx, b, socket, paths)
	var each sync.WaitGroup
	for _, o := range all {
		o.r.Left = slices.DeleteFunc(o.r.Left, func(p string) bool {
			if !slices.Contains(paths, p) {
				return false
			}
			_, err := b.Stat(ctx, p)
			return errors.Is(err, fs.ErrNotExist)
		})
		if len(o.r.Left) > 0 {
			each.Go(func() { o.delete(ctx) })
		}
	}
	each.Wait()
}

// here reports whether all that a build has left is in the store of this host. A daemon says that it has deleted what was
// never there. A name that leads elsewhere is not looked at: it is the word of a shell that can be anybody's.
func (o *build) here(ctx context.Context) bool {
	for _, p := range o.r.Left {
		if p != installation.StoreDir+"/"+path.Base(p) {
			return false
		}
		if _, err := o.b.Stat(ctx, p); err != nil {
			return false
		}
	}
	return len(o.r.Left) > 0
}

// deleteAll asks the daemon at a socket to delete store paths.
func deleteAll(ctx context.Context, b platform.Builder, socket string, paths []string) {
	if len(paths) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, againLimit)
	defer cancel()
	daemon, _, err := b.Daemon(ctx, socket)
	if err != nil || daemon == nil {
		return
	}
	defer func() { _ = daemon.Close() }()
	const first, last = 2 * time.Millisecond, 256 * time.Millisecond
	for pause := first; pause <= last; pause *= 2 {
		if err := daemon.Delete(ctx, paths...); !errors.Is(err, nixdaemon.ErrDeclined) {
			return
		}
		time.Sleep(pause) // it may not have noticed yet that a client that built is gone
	}
}

// delete has the tool that has built something delete it.
func (o *build) delete(ctx context.Context) {
	for i := range tidyTries { // the daemon may not have noticed yet that its client is gone
		if i > 0 {
			time.Sleep(tidyPause)
		}
		gone, err := o.b.Build(ctx, o.build(tidyLimit, "nix-store", append([]string{"--delete"}, o.r.Left...)...))
		if err == nil && gone.Exit == 0 {
			o.r.Left = nil
			return
		}
	}
}

// escapes are what Nix colours its messages with, also where nobody asked it to.
var escapes = pattern.New(`\x1b\[[0-?]*[ -/]*[@-~]`)

// complaint is the last error that a tool of Nix has printed: one line, without colours and secrets, and no longer than
// anybody would read.
func complaint(stderr []byte, exit int) string {
	const enough, longest = 64 << 10, 400
	if len(stderr) > enough {
		stderr = stderr[len(stderr)-enough:]
	}
	text := redact.Block(escapes.ReplaceAllString(strings.ToValidUTF8(string(stderr), "\ufffd"), ""))
	last := ""
	lines := strings.Split(text, "\n")
	for _, line := range slices.Backward(lines) {
		line = strings.TrimSpace(line)
		if last == "" {
			last = line
		}
		if _, what, ok := strings.Cut(line, "error:"); ok && strings.TrimSpace(what) != "" {
			return redact.Cut(strings.TrimSpace(what), longest)
		}
	}
	if last == "" {
		return fmt.Sprintf("exit status %d, and no error message", exit)
	}
	return redact.Cut(last, longest)
}
