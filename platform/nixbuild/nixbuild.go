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
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/redact"
)

const (
	// Limit is how long a build may take, all in all. On a busy machine it takes two seconds.
	Limit = time.Minute
	// tidyLimit is for the removal of what was built.
	tidyLimit = 20 * time.Second
	tidyTries = 3
	tidyPause = 500 * time.Millisecond
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
	drvForm = regexp.MustCompile(`^/[A-Za-z0-9+._?=/-]+/[a-z0-9]{32}-lixfix-build-[a-z0-9]+\.drv$`)
	outForm = regexp.MustCompile(`^/[A-Za-z0-9+._?=/-]+/[a-z0-9]{32}-lixfix-build-[a-z0-9]+$`)
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

// Result is what came of a build.
type Result struct {
	Outcome Outcome
	As      platform.Account // who asked for it
	Why     string           // it was not built, in the words of Nix as far as there are any; one line
	Took    time.Duration
	Left    []string // store paths that could not be removed again; a garbage collection removes them
}

// Through are the ways to ask for a build.
type Through struct {
	Tools  string // the directory of nix-instantiate and nix-store
	Socket string // of the daemon
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
func Run(ctx context.Context, b platform.Builder, t Through) Result {
	began := time.Now()
	one := &build{b: b, t: t, r: Result{Outcome: Untried, As: b.Invoker(ctx)}}
	one.run(ctx)
	one.r.Took = time.Since(began)
	return one.r
}

type build struct {
	b        platform.Builder
	t        Through
	r        Result
	drv, out string
}

func (o *build) end(outcome Outcome, why string) { o.r.Outcome, o.r.Why = outcome, why }

func (o *build) run(ctx context.Context) {
	if why := o.barred(ctx); why != "" {
		o.end(Untried, why)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	defer o.tidy(context.WithoutCancel(ctx))
	// What would give the expression another meaning, or have somebody else build it. A hook would be handed the output,
	// and could upload it.
	settings := []string{"--option", "substitute", "false", "--option", "builders", "", "--option", "post-build-hook", ""}
	args := append([]string{"--expr", expression, "--argstr", "nonce", strings.ToLower(rand.Text()), "--option", "restrict-eval", "false"}, settings...)
	drv, ok := o.call(ctx, "nix-instantiate", args...)
	if !ok {
		return
	}
	if !drvForm.MatchString(drv) {
		o.end(Failed, "nix-instantiate printed no name of a derivation")
		return
	}
	o.drv = drv
	out, ok := o.call(ctx, "nix-store", append([]string{"--realise", drv, "-j1"}, settings...)...)
	if !ok {
		return
	}
	if !outForm.MatchString(out) {
		o.end(Failed, "nix-store printed no name of an output")
		return
	}
	o.out = out
	o.end(Built, "")
}

// barred says why who is to build cannot reach the daemon, as far as the modes tell; "" where they can, or where that is
// not known.
func (o *build) barred(ctx context.Context) string {
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
	return fmt.Sprintf("%s may not enter %s, which has mode %04o and belongs to group %d", o.who(), dir, info.Mode.Perm(), info.GID)
}

func (o *build) who() string {
	if o.r.As.Name == "nobody" {
		return "nobody"
	}
	return fmt.Sprintf("user %d", o.r.As.UID)
}

// call runs a tool of Nix and returns what it printed. With false, the result says why not.
func (o *build) call(ctx context.Context, tool string, args ...string) (string, bool) {
	built, err := o.b.Build(ctx, platform.Build{
		Tool: path.Join(o.t.Tools, tool), Args: args, As: o.r.As, Remote: "daemon", Limit: Limit,
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		o.end(Late, fmt.Sprintf("%s did not end within %s", tool, Limit))
		return "", false
	case err != nil:
		o.end(Untried, err.Error())
		return "", false
	case built.Exit != 0:
		o.end(Failed, complaint(built.Stderr, built.Exit))
		return "", false
	}
	return strings.TrimSpace(string(built.Stdout)), true
}

// tidy removes the output and the derivation.
func (o *build) tidy(ctx context.Context) {
	if o.drv == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tidyLimit)
	defer cancel()
	paths := []string{o.drv}
	if o.out != "" {
		paths = []string{o.out, o.drv}
	}
	for i := range tidyTries { // the daemon may not have noticed yet that its client is gone
		if i > 0 {
			time.Sleep(tidyPause)
		}
		gone, err := o.b.Build(ctx, platform.Build{
			Tool: path.Join(o.t.Tools, "nix-store"), Args: append([]string{"--delete"}, paths...), As: o.r.As, Remote: "daemon", Limit: tidyLimit,
		})
		if err == nil && gone.Exit == 0 {
			return
		}
	}
	o.r.Left = paths
}

// escapes are what Nix colours its messages with, also where nobody asked it to.
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

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
		return fmt.Sprintf("it ended with exit status %d, and said nothing", exit)
	}
	return redact.Cut(last, longest)
}
