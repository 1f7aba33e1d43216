// Package stuck explains why an invocation of Nix hangs: who waits for whom, down to what everybody waits for, and ends or
// continues what may safely be. Its rooms are packages, and each knows only those before it: observe reads the host, diagnose
// tells what it means, draw shows it; kinds holds the words, say writes names and amounts. What is done about it is planned
// here.
package stuck

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/draw"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/platform"
)

// Options of the fix, by flag.
const (
	optEnd   = "end"
	optStore = "store-dir"
	optState = "state-dir"
	optGroup = "nix-build-group-name"
	optPID   = "pid"
)

const (
	graceMS    = 5000
	settleTime = 6 * time.Second         // until one that retries every five has done so
	doubtTime  = 2500 * time.Millisecond // until one that writes to a slow reader has gone on
)

type stuck struct{}

var (
	_ fix.Drawer   = stuck{}
	_ fix.Hastener = stuck{}
	_ fix.Reporter = stuck{}
)

// New returns the fix.
func New() fix.Fix { return stuck{} }

func (stuck) Name() string { return "stuck" }

func (stuck) Hastens() string { return observe.LockTable }

func (stuck) Doc() fix.Doc {
	return fix.Doc{
		Title: "a Nix command hangs",
		Symptoms: []string{
			"waiting for lock on '…'...",
			"waiting for the big garbage collector lock...",
			"waiting for the big Nix store lock...",
			"waiting for a free build user ID for '…'...",
			"waiting for lock on profile '…'",
			"waiting for exclusive access to the Nix store...",
			"waiting for a machine to build '…'",
			"SQLite database '…' is busy",
		},
		Cause: "Nix commands wait for each other: for a build of the same output, a garbage collection, a build " +
			"user, the database, a profile, a download, another machine. Usually that ends by itself, but not if a " +
			"process is stopped or orphaned, a program outside Nix holds a lock, or builds wait for each other in a " +
			"ring. Often nothing is printed.",
		Changes: "It ends workers and builders that work for nobody, and continues stopped processes, also in the " +
			"sandbox of a build. It ends a command that others wait for only when you name it with --end.",
		Undo: "Ending a process cannot be taken back. A build that was ended starts from zero; the store is not harmed.",
		More: []fix.Section{
			{
				Heading: "How it looks",
				Text: "\"lixfix check stuck\" finds every command, daemon, worker and builder of Nix on the host, looks at " +
					"them twice within half a second, and draws what each command waits for, down to what everything waits " +
					"for (►). It reads what the kernel shows, and attaches to nothing: it needs no strace, no debugger, and no " +
					"Nix that answers. If nothing explains a wait, it looks for six seconds more, because a command " +
					"can be between two tries.\n\nA chain continues to whatever reads a command's output (a pager, " +
					"tee, a terminal after Ctrl-S), to locks that builds take for themselves, and to programs set " +
					"in nix.conf: hooks and pasta.\n\nWithout root it shows what it can see, and infers which " +
					"worker serves which command if the daemon does not say (\"probably\"). It says what it could " +
					"not see, and which command " +
					"would show it.\n\n--pid N explains the command that process N is part of, or the one that it " +
					"started, as sudo or a script does. --watch draws it again and again until something moves; with " +
					"--format jsonl, it prints a line of JSON for each change. --format json and --format dot give the " +
					"whole graph, for programs and for Graphviz.",
			},
			{
				Heading: "What counts as stuck",
				Text: "Anything that ends by itself is ok: a build, a garbage collection, an evaluation, and " +
					"waiting for one of these. A build whose processes all sleep is at risk after a minute without " +
					"output. A lock held by a program outside Nix is a problem, whatever the lock is for; one held " +
					"for another command is not.",
			},
			{
				Heading: "Who is ended",
				Text: "No process is ended or continued unless you agree, or pass --accept ID or --end PID. lixfix " +
					"proposes the same process to every user: the root of the chain. The plan says what is lost, " +
					"and whether it takes SIGKILL; afterwards lixfix looks again and says whether the chain has " +
					"moved.\n\n\"lixfix report stuck\" describes all of it for an issue, without names of people and " +
					"machines.",
			},
			{
				Heading: "Limits",
				Text: "On macOS lixfix has only ps and lsof. They do not say who holds a lock, so it assumes that " +
					"the process with the lock file open does. It has never run on a real Mac. The tests stage the " +
					"findings below with Nix 2.8, and replay captures of Lix 2.93 and 2.95 and of Nix 2.34.",
			},
		},
		Sources: []string{
			"https://github.com/NixOS/nix/issues/4261",
			"https://github.com/NixOS/nix/issues/2029",
			"https://github.com/NixOS/nix/issues/8758",
			"https://github.com/NixOS/nix/issues/13813",
		},
	}
}

func number(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 2 {
		return fmt.Errorf("%q is not the number of a process", v)
	}
	return nil
}

func directory(v string) error {
	if !strings.HasPrefix(v, "/") {
		return fmt.Errorf("%q is not an absolute name", v)
	}
	return nil
}

func (stuck) Options() []fix.Option {
	return []fix.Option{
		{Name: optEnd, Usage: "end this process, one that \"lixfix check stuck\" shows and allows to " +
			"be ended", Check: number},
		{Name: optPID, Usage: "look only at the command that this process is part of", Look: true, Check: number},
		{Name: optStore, Usage: "where the store is (default: /nix/store)", Look: true, Check: directory},
		{Name: optState, Usage: "where the state of Nix is (default: /nix/var/nix)", Look: true, Check: directory},
		{Name: optGroup, Usage: "group of the build users (default: nixbld)", Look: true},
	}
}

func (stuck) AppliesTo(f platform.Facts) bool {
	return f.OS == platform.Linux || f.OS == platform.Darwin
}

func options(s fix.Settings) observe.Options {
	o := observe.Options{StoreDir: strings.TrimRight(s[optStore].Value, "/"), StateDir: strings.TrimRight(s[optState].Value, "/"), Group: s[optGroup].Value}
	pid, start, _ := strings.Cut(s[optPID].Value, "/")
	o.PID, _ = strconv.Atoi(pid)
	o.Start = start
	return o
}

// Options say what to look at.
type Options = observe.Options

// Look reads the host and explains what every invocation waits for. What nothing explains it looks at again: that may be
// so for a moment only.
func Look(ctx context.Context, v platform.View, opts observe.Options) (*diagnose.Report, error) {
	doubt := time.Time{}
	for deadline := v.Now().Add(settleTime); ; {
		s, err := observe.Look(ctx, v, opts)
		if err != nil {
			return nil, err
		}
		scene := diagnose.Of(s)
		if err := observe.Closer(ctx, v, opts, s, scene.Questions()); err != nil {
			return nil, err
		}
		r := scene.Explain(opts)
		now := v.Now()
		if r.Doubtful && doubt.IsZero() {
			doubt = now
		}
		if now.After(deadline) || !r.Unsettled && (!r.Doubtful || now.Sub(doubt) >= doubtTime) {
			return r, nil
		}
		ctx = platform.Fresh(ctx)
	}
}

func (stuck) Detect(ctx context.Context, v platform.View, set fix.Settings) ([]fix.Finding, error) {
	r, err := Look(ctx, v, options(set))
	if err != nil {
		return nil, err
	}
	return Findings(r), nil
}

// Draw implements fix.Drawer.
func (stuck) Draw(ctx context.Context, v platform.View, set fix.Settings) (fix.Picture, error) {
	r, err := Look(ctx, v, options(set))
	if err != nil {
		return fix.Picture{}, err
	}
	p := draw.Picture(r, Findings(r))
	if r.AskedStart != "" {
		p.Again = maps.Clone(set)
		p.Again[optPID] = fix.Setting{Value: fmt.Sprintf("%d/%s", r.Asked, r.AskedStart), Source: set[optPID].Source}
	}
	return p, nil
}

// Moved implements fix.Drawer.
func (stuck) Moved(before, after fix.Picture) string {
	b, ok := before.Graph.(*diagnose.Report)
	a, same := after.Graph.(*diagnose.Report)
	if !ok || !same {
		return ""
	}
	return draw.WhatMoved(b, a)
}

func (stuck) Plan(ctx context.Context, v platform.View, req fix.Request) (plan.Plan, error) {
	var p plan.Plan
	r, err := Look(ctx, v, options(req.Settings))
	if err != nil {
		return p, err
	}
	if p, err = remedy(ctx, r, v, req); err != nil {
		return p, err
	}
	// What is looked at afterwards, also by a resume, is what was looked at before.
	for _, name := range []string{optPID, optStore, optState, optGroup} {
		if s, ok := req.Settings[name]; ok && !p.Empty() {
			p.Settings = append(p.Settings, plan.Setting{Name: name, Value: s.Value, Source: s.Source})
		}
	}
	return p, nil
}
