package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
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
)

const (
	// Lix waits for the network of a sandbox, and no option shortens that: 152 s with 2.95.3, on a machine that has nothing
	// else to do.
	lixLimit   = 170 * time.Second
	otherLimit = 60 * time.Second

	noticeAfter = 5 * time.Second // when to say what is being waited for
	deadAfter   = 3 * time.Second // when to look for a pasta that has ended
	deadPause   = 500 * time.Millisecond
	tidyLimit   = 20 * time.Second

	stderrLines = 20 // of a result
)

// Expression is the derivation. It needs nothing that is not in every Nix since 2.3, and no other store path than the
// builder's.
const Expression = `{ nonce, builder, name, far }:
derivation {
  name = "lixfix-dns-probe-${nonce}";
  system = builtins.currentSystem;
  builder = builtins.path { name = "` + BuilderName + `"; path = /. + builder; };
  args = [ "` + Mode + `" nonce name (builtins.placeholder "out") far ];
  outputHashMode = "flat";
  outputHashAlgo = "sha256";
  outputHash = builtins.hashString "sha256" nonce;
  preferLocalBuild = true;
  allowSubstitutes = false;
}`

var (
	nameForm = pattern.New(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?$`)
	drvForm  = pattern.New(`^/[A-Za-z0-9+._?=/-]+/[a-z0-9]{32}-lixfix-dns-probe-[a-z0-9]+\.drv$`)
	outForm  = pattern.New(`^/[A-Za-z0-9+._?=/-]+/[a-z0-9]{32}-lixfix-dns-probe-[a-z0-9]+$`)
	optForm  = pattern.New(`^[a-z][a-z0-9-]{0,60}$`)

	// named is a derivation in what Nix says of what it will build.
	named = pattern.New(`/[A-Za-z0-9+._?=/-]+/[a-z0-9]{32}-lixfix-dns-probe-([a-z0-9]+)\.drv`)
)

// ValidName reports whether a name can be looked up by the probe.
func ValidName(name string) bool { return nameForm.MatchString(name) && !strings.Contains(name, "..") }

// ValidStore reports whether a value is one that --store takes.
func ValidStore(store string) bool {
	return store == "" || store == "daemon" || store == "local" ||
		path.IsAbs(store) && path.Clean(store) == store && !strings.ContainsAny(store, "?&#%\x00\n")
}

// Run builds the probe and tells what came of it. It fails only where it was asked for something impossible; a probe
// that cannot be built is a result. What it leaves is the copy of the builder in the store and the log.
func Run(ctx context.Context, b platform.Builder, o Options) (Result, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	switch {
	case b.Facts().OS != platform.Linux:
		return Result{}, errors.New("probe the sandbox: only builds on Linux have one with a network of its own")
	case !ValidName(o.Name):
		return Result{}, fmt.Errorf("probe the sandbox: %q is not a valid host name", o.Name)
	case !ValidStore(o.Store):
		return Result{}, fmt.Errorf(
			"probe the sandbox: %q is neither daemon, local nor the absolute name of a directory", o.Store)
	case !path.IsAbs(o.Builder):
		return Result{}, fmt.Errorf("probe the sandbox: the builder %q has no absolute name", o.Builder)
	}
	for _, e := range o.Extra {
		if !optForm.MatchString(e[0]) || strings.ContainsAny(e[1], "\x00\n\r") {
			return Result{}, fmt.Errorf("probe the sandbox: %q = %q is no setting", e[0], e[1])
		}
	}
	began := time.Now()
	ctx = installation.Share(ctx, installation.Of(ctx, b))
	p := &prober{b: b, o: o, result: Result{Exit: -1}}
	p.probe(ctx)
	p.result.Millis = float64(time.Since(began).Microseconds()) / 1000
	return p.result, nil
}

// prober is one run.
type prober struct {
	b      platform.Builder
	o      Options
	nix    *nix
	nonce  string
	drv    string
	out    string
	result Result
	// greeting is the version that the daemon has given.
	greeting string
	// daemon is a daemon that has answered and waits for work; nil for none.
	daemon *nixdaemon.Conn
	// gone gets what could not be removed; nil before removing has begun.
	gone chan []string
}

func (p *prober) end(o Outcome, reason string) { p.result.Outcome, p.result.Reason = o, reason }

func (p *prober) probe(ctx context.Context) {
	static, err := isStatic(ctx, p.b, p.o.Builder)
	if err != nil {
		p.end(Other, "could not tell whether "+p.o.Builder+" is statically linked: "+err.Error())
		return
	}
	if !static {
		p.end(DynamicBinary, p.o.Builder+" is dynamically linked, and the sandbox has none of the libraries that it needs; "+
			"use a released lixfix, or one from \"make build\", or run it with: CGO_ENABLED=0 go run ./cmd/lixfix probe")
		return
	}
	n, reason := find(ctx, p.b, p.o.Store)
	if n == nil {
		p.end(NoNix, reason)
		p.interrupted(ctx)
		return
	}
	p.nix = n
	p.result.Daemon = n.remote == "daemon"
	// Nix would make a store where there is none: the host is not to be given one by a look at it.
	if _, err := p.b.Stat(ctx, database); n.remote == "local" && errors.Is(err, fs.ErrNotExist) {
		p.end(NoNix, "there is "+n.dir+"/nix-store, but no store yet: "+database+" does not exist")
		return
	}
	if info, err := p.b.Stat(ctx, ResolvConf); err == nil && info.Mode&fs.ModeNamedPipe != 0 {
		// Nix would wait in the build for somebody to write to it.
		p.end(SetupFailed, ResolvConf+" is a named pipe, and a build waits for what comes out of it")
		return
	}
	lent, done, err := p.b.Lend(ctx, p.o.Builder, n.as)
	if err != nil {
		p.end(Other, err.Error())
		return
	}
	defer done()
	p.o.Builder = lent
	defer func() {
		if p.daemon != nil {
			_ = p.daemon.Close()
		}
	}()
	judge := p.build(ctx)
	p.clear(ctx)
	if judge {
		p.judge(context.WithoutCancel(ctx))
	}
	p.result.Left = <-p.gone
}

// clear begins to remove what was built. Nothing that is still to be read may be among it.
func (p *prober) clear(ctx context.Context) {
	if p.gone != nil {
		return
	}
	p.gone = make(chan []string, 1)
	go func() { p.gone <- p.tidy(context.WithoutCancel(ctx)) }()
}

// who is what the tools and the daemon say of themselves, or why they cannot be used.
type who struct {
	reason   string
	greeting greeting
}

// ask has the tools and the daemon tell who they are.
func (p *prober) ask(ctx context.Context) (w who) {
	var both sync.WaitGroup
	both.Go(func() { w.reason = p.nix.ask(ctx) })
	if p.result.Daemon {
		both.Go(func() { w.greeting = p.greet(ctx) })
	}
	both.Wait()
	return w
}

// interrupted makes the end of ctx the outcome; it reports whether that is so.
func (p *prober) interrupted(ctx context.Context) bool {
	if ctx.Err() == nil {
		return false
	}
	p.end(Interrupted, context.Cause(ctx).Error())
	return true
}

// isStatic reports whether a program needs no other file to start, as it has to in a sandbox with nothing in it.
func isStatic(ctx context.Context, v platform.View, name string) (bool, error) {
	// The headers are at the beginning of eight megabytes.
	head, err := platform.ReadHead(ctx, v, name, platform.SmallLimit)
	if err != nil {
		return false, err
	}
	if interpreted, ok := interpreter(head); ok {
		return !interpreted, nil
	}
	return false, fmt.Errorf("read %s: not a 64-bit program with its headers at the beginning", name)
}

// interpreter reports whether the beginning of a program of 64 bits asks for an interpreter. It is not ok where that is
// not to be seen from it. The places are those of elf(5); debug/elf would bring its readers of debug information along,
// which are 150 KB of lixfix.
func interpreter(head []byte) (interpreted, ok bool) {
	const (
		class64LE = "\x7fELF\x02\x01"
		header    = 64
		typeSize  = 4
		asks      = 3 // PT_INTERP
	)
	if len(head) < header || string(head[:len(class64LE)]) != class64LE {
		return false, false
	}
	offset, size, n := binary.LittleEndian.Uint64(head[32:]), binary.LittleEndian.Uint16(head[54:]), binary.LittleEndian.Uint16(head[56:])
	for i := range uint64(n) {
		at := offset + i*uint64(size)
		if at < offset || at > uint64(len(head)-typeSize) {
			return false, false
		}
		if binary.LittleEndian.Uint32(head[at:]) == asks {
			return true, true
		}
	}
	return false, true
}

// overrides are given to every tool: what would change the meaning of the expression, or build elsewhere, and what was asked
// for.
func overrides(extra [][2]string) []string {
	// A hook of the user's would be handed the output, and could upload it.
	args := []string{
		"--option", "substitute", "false", "--option", "builders", "", "--option", "post-build-hook", "",
	}
	for _, e := range extra {
		args = append(args, "--option", e[0], e[1])
	}
	return args
}

// evaluate makes a derivation of an expression. With false, the result says why there is none.
func (p *prober) evaluate(ctx context.Context, expression string, arguments ...string) bool {
	args := slices.Concat(
		[]string{"--expr", expression, "--argstr", "nonce", p.nonce}, arguments,
		[]string{"--option", "restrict-eval", "false"}, overrides(p.o.Extra),
	)
	// The copy of the builder has some megabytes; a loaded machine takes its time for them.
	built, held, err := p.patient(ctx, otherLimit, "nix-instantiate", nil, args...)
	drv := strings.TrimSpace(string(built.Stdout))
	if err == nil && built.Exit == 0 && drvForm.MatchString(drv) && p.made(strings.TrimSuffix(drv, ".drv")) {
		p.drv = drv
		return true
	}
	p.result.Exit, p.result.Stderr = built.Exit, lines(built.Stderr, stderrLines)
	if p.interrupted(ctx) || p.held(held) {
		return false
	}
	outcome, reason := classify(ended{exit: built.Exit, stderr: built.Stderr})
	switch {
	case err != nil:
		outcome, reason = Other, err.Error()
	case outcome == NoLog, outcome == SetupFailed:
		// What these mean is about a build, and there was none yet.
		outcome = Other
	}
	p.end(outcome, reason)
	return false
}

// errDead ends a build that waits for a dead pasta, errUseless one of whose tools or daemon nothing can come.
var (
	errDead    = errors.New("pasta has ended")
	errUseless = errors.New("no build is possible")
)

// build makes the derivation, builds it, and reads what the builder says. It asks meanwhile who the tools and the daemon
// are: each call costs as much as a part of the build. It reports whether there was a build to judge.
func (p *prober) build(ctx context.Context) bool {
	// Nobody can guess it, so nobody can have built it, or print a report that is taken for this one's.
	p.nonce = "n" + strings.ToLower(rand.Text())
	far := ModeEnough
	if p.o.All {
		far = ModeAll
	}
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var told who
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if told = p.ask(ctx); told.reason != "" || told.greeting.held != "" || told.greeting.err != nil {
			stop(errUseless)
		}
	}()
	started := make(chan int, 1)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watch(inner, stop, started, asked)
	}()
	args := slices.Concat([]string{
		"--no-out-link", "--expr", Expression, "--argstr", "nonce", p.nonce, "--argstr", "builder", p.o.Builder,
		"--argstr", "name", p.o.Name, "--argstr", "far", far, "-j1", "--option", "restrict-eval", "false",
	}, overrides(p.o.Extra))
	built, held, err := p.patient(inner, lixLimit, "nix-build", func(pid int) { started <- pid }, args...)
	cause := context.Cause(inner)
	stop(nil)
	<-watched
	<-asked

	p.result.Client = p.nix.client
	p.result.Exit = built.Exit
	p.result.Stderr = lines(built.Stderr, stderrLines+1)
	// The report is told otherwise, and better.
	p.result.Stderr = slices.DeleteFunc(p.result.Stderr, func(l string) bool { return strings.Contains(l, Prefix) })
	for _, m := range named.FindAllSubmatch(built.Stderr, -1) {
		if string(m[1]) == p.nonce {
			p.drv = string(m[0])
		}
	}
	if out := strings.TrimSpace(string(built.Stdout)); p.made(out) {
		p.out = out
	}
	switch {
	case told.reason != "" && ctx.Err() == nil:
		p.end(NoNix, told.reason)
		return false
	case p.interrupted(ctx), !p.greeted(told.greeting):
		return false
	}
	said := Extract(built.Stderr, p.nonce)
	if said != nil { // else the log is to be read
		p.clear(ctx)
	}
	if p.out != "" {
		p.result.Hook = p.hook(ctx)
	}
	if p.o.Settings {
		p.result.Settings, p.result.SettingsError = p.nix.settings(ctx)
	}
	if p.held(held) {
		return p.drv != ""
	}
	if p.drv == "" {
		p.unbuilt(built, err)
		return false
	}
	if said == nil {
		said = p.logged(context.WithoutCancel(ctx))
	}
	p.result.Report = said
	p.built(built, err, errors.Is(cause, errDead))
	return true
}

// made reports whether a store path is the output of this very build, so that it may be deleted.
func (p *prober) made(out string) bool {
	return outForm.MatchString(out) && strings.HasSuffix(out, "-lixfix-dns-probe-"+p.nonce)
}

// unbuilt says why there was nothing to build.
func (p *prober) unbuilt(built platform.Built, err error) {
	outcome, reason := classify(ended{exit: built.Exit, stderr: built.Stderr})
	switch {
	case err != nil:
		outcome, reason = Other, err.Error()
	case outcome == NoLog, outcome == SetupFailed:
		outcome = Other // what these mean is about a build
	}
	p.end(outcome, reason)
}

// built says how the build ended.
func (p *prober) built(built platform.Built, err error, dead bool) {
	p.result.PastaDead = dead
	outcome, reason := classify(ended{
		exit: built.Exit, stderr: built.Stderr, report: p.result.Report != nil, pastaDead: dead,
	})
	if p.result.Report == nil && err != nil && !dead {
		switch {
		case errors.Is(err, context.DeadlineExceeded) && outcome != PastaNotRun:
			outcome, reason = SetupTimeout, fmt.Sprintf("the builder did not report within %s", p.nix.limit())
		case !errors.Is(err, context.DeadlineExceeded):
			outcome, reason = Other, err.Error()
		}
	}
	p.end(outcome, reason)
	if p.nix.implementation != "Nix" {
		p.result.Pasta = pastaWords(built.Stderr)
	}
}

// limit is how long a build may take. It is known when the tools have said what they are.
func (n *nix) limit() time.Duration {
	if n.implementation == "Nix" {
		return otherLimit
	}
	return lixLimit
}

// watch says what is waited for, and ends a build that waits in vain.
func (p *prober) watch(ctx context.Context, stop context.CancelCauseFunc, started <-chan int, asked <-chan struct{}) {
	var pid int
	select {
	case pid = <-started:
	case <-ctx.Done():
		return
	}
	began := time.Now()
	notice := time.NewTimer(noticeAfter)
	defer notice.Stop()
	look := time.NewTimer(deadAfter)
	defer look.Stop()
	var late <-chan time.Time
	before, byNix := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
			asked, byNix = nil, p.nix.implementation == "Nix"
			late = time.After(p.nix.limit() - time.Since(began))
		case <-late:
			stop(context.DeadlineExceeded)
			return
		case <-notice.C:
			if p.o.Waiting == nil {
				continue
			}
			what := "waiting for the build of the probe"
			if !byNix {
				what = "waiting for the network of the sandbox, for which Lix waits up to 2½ minutes"
			}
			p.o.Waiting(what)
		case <-look.C:
			if byNix && !p.result.Daemon {
				continue // it has no pasta, and may be slow to reap a builder
			}
			// Twice: at the end of every build, pasta is killed and lies there for an instant.
			dead := deadPasta(ctx, p.b, pid)
			if dead && before {
				if p.o.Waiting != nil {
					p.o.Waiting("pasta has exited; not waiting any longer")
				}
				stop(errDead)
				return
			}
			before = dead
			look.Reset(deadPause)
		}
	}
}

// logged reads the stored log, for the report of a builder that the tool has not printed.
func (p *prober) logged(ctx context.Context) *Report {
	log, err := p.nix.run(ctx, "nix-store", "--read-log", p.drv)
	if err != nil || log.Exit != 0 {
		return nil
	}
	return Extract(log.Stdout, p.nonce)
}

// judge tells who built the probe, and where the builder was.
func (p *prober) judge(ctx context.Context) {
	r := &p.result
	if p.result.Outcome == Interrupted {
		return
	}
	if rep := r.Report; rep != nil {
		r.Sandbox = sandboxed(rep, namespace(ctx, p.b, "user"))
		r.Network = network(rep, namespace(ctx, p.b, "net"))
	}
	if !r.Daemon {
		r.Implementation, r.Version = p.nix.implementation, p.nix.version
		return
	}
	version := p.greeting
	r.Implementation, r.Version, r.DaemonSince = p.nix.daemon(ctx)
	if r.Version == "" {
		r.Version = version
		// One installation has one version; two that differ in more have two.
		if version != "" && version == p.nix.version {
			r.Implementation = p.nix.implementation
		}
	}
	// Nobody but Lix puts a build behind pasta.
	if r.Implementation == "" && (r.Network == PastaNetwork || r.Outcome == PastaNotRun) {
		r.Implementation = "Lix"
	}
}

// namespace names the one that lixfix is in; "" where that cannot be told.
func namespace(ctx context.Context, v platform.View, kind string) string {
	info, err := v.Stat(ctx, "/proc/self/ns/"+kind)
	if err != nil {
		return ""
	}
	return info.Target
}

// tidy removes the output and the derivation. The copy of the builder is left to the garbage collector: Lix would
// delete with it whatever refers to it. What could not be removed is left.
func (p *prober) tidy(ctx context.Context) (left []string) {
	if p.drv == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tidyLimit)
	defer cancel()
	paths := []string{p.drv}
	if p.out != "" {
		paths = []string{p.out, p.drv}
	}
	if p.deleted(ctx, paths) {
		return nil
	}
	const tries = 3 // the daemon may not have noticed yet that its client is gone
	for i := range tries {
		if i > 0 {
			time.Sleep(deadPause)
		}
		built, err := p.nix.run(ctx, "nix-store", append([]string{"--delete"}, paths...)...)
		if err == nil && built.Exit == 0 {
			return nil
		}
	}
	return paths
}

// deleted has the daemon that has answered delete store paths, which spares the start of a tool. It reports whether that
// was done.
func (p *prober) deleted(ctx context.Context, paths []string) bool {
	const first, last = 2 * time.Millisecond, 256 * time.Millisecond
	for pause := first; p.daemon != nil && pause <= last; pause *= 2 {
		err := p.daemon.Delete(ctx, paths...)
		if err == nil {
			return true
		}
		if !errors.Is(err, nixdaemon.ErrDeclined) {
			return false
		}
		time.Sleep(pause) // it may not have noticed yet that the client that built is gone
	}
	return false
}
