// Package stuck explains why an invocation of Nix hangs: who waits for whom, down to what everybody waits for, and
// ends or continues what may safely be.
//
// It reads what the kernel tells of processes, locks and sockets, twice within half a second, and never attaches to
// a process. What it could not see it says.
package stuck

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
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
	repairCommand = "sudo lixfix repair stuck"
	graceMS       = 5000
)

type stuck struct{}

// New returns the fix.
func New() fix.Fix { return stuck{} }

func (stuck) Name() string { return "stuck" }

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
		Cause: "Commands of Nix wait for each other: for a build of the same output, a garbage collection, a build user, the " +
			"database, a profile, a download, another machine. Mostly that ends by itself. It does not where a process is stopped or " +
			"orphaned, a stranger holds a lock, or builds wait for each other in a ring. Often nothing is printed.\n\n" +
			"\"lixfix check stuck\" draws who waits for whom; with --watch it goes on until that moves, with --pid for one command only. " +
			"\"lixfix report stuck\" writes it down without names, for an issue. Both read what the kernel tells, and attach to nothing.",
		Changes: "Workers and builders that belong to nobody any more are ended, and processes that are stopped are continued. " +
			"A command that others wait for is ended only when it is named with --end.",
		Undo: "Ending a process cannot be taken back. A build that was ended starts from zero; the store is not harmed.",
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
		{Name: optEnd, Usage: "end this process, one that \"lixfix check stuck\" shows and allows to be ended", Check: number},
		{Name: optPID, Usage: "look only at the command that this process is part of", Look: true, Check: number},
		{Name: optStore, Usage: "where the store is (default: /nix/store)", Look: true, Check: directory},
		{Name: optState, Usage: "where the state of Nix is (default: /nix/var/nix)", Look: true, Check: directory},
		{Name: optGroup, Usage: "group of the build users (default: nixbld)", Look: true},
	}
}

func (stuck) AppliesTo(f platform.Facts) bool {
	return f.OS == platform.Linux || f.OS == platform.Darwin
}

func options(s fix.Settings) Options {
	o := Options{StoreDir: strings.TrimRight(s[optStore].Value, "/"), StateDir: strings.TrimRight(s[optState].Value, "/"), Group: s[optGroup].Value}
	pid, start, _ := strings.Cut(s[optPID].Value, "/")
	o.PID, _ = strconv.Atoi(pid)
	o.start = start
	return o
}

func (stuck) Detect(ctx context.Context, v platform.View, set fix.Settings) ([]fix.Finding, error) {
	r, err := Look(ctx, v, options(set))
	if err != nil {
		return nil, err
	}
	return r.Findings(), nil
}

// Findings says the same as the diagnoses, one finding for each.
func (r *Report) Findings() []fix.Finding {
	var list []fix.Finding
	for _, d := range r.Diagnoses {
		f := fix.Finding{ID: d.ID, Status: d.Status, Summary: d.Sentence}
		if d.Certainty == Guess {
			f.Summary = "probably " + f.Summary
		}
		if f.Status == fix.Unknown {
			f.Reason = "no cause that lixfix knows fits"
			if d.ID == "stuck/"+idNothing {
				f.Summary = d.Sentence
			}
			for _, l := range r.Limits {
				if l.NeedsRoot {
					f.NeedsRoot, f.Reason = true, "lixfix could not see "+l.What
				}
			}
		}
		for _, n := range d.Chain {
			f.Evidence = append(f.Evidence, r.evidence(n))
		}
		f.Remedy = d.remedy()
		list = append(list, f)
	}
	for _, l := range r.Limits {
		next := "cannot be seen from here"
		if l.Command != "" {
			next = "run " + l.Command
		}
		last := &list[len(list)-1]
		last.Evidence = append(last.Evidence, fix.Evidence{Source: "not seen", Expected: l.What, Observed: next})
	}
	return list
}

func (r *Report) evidence(n string) fix.Evidence {
	if p := r.Process(n); p != nil {
		return fix.Evidence{Source: p.Title, Expected: "goes on", Observed: p.Text}
	}
	return fix.Evidence{Source: shortPath(strings.TrimPrefix(n, "lock:")), Expected: "free", Observed: "held"}
}

// Process returns the process of a node, nil when it is none of the report.
func (r *Report) Process(n string) *Process {
	for i := range r.Processes {
		if r.Processes[i].Node == n {
			return &r.Processes[i]
		}
	}
	return nil
}

func (d *Diagnosis) remedy() *fix.Remedy {
	var does []string
	for _, a := range d.Actions {
		if !a.Named && d.Certainty != Guess {
			does = append(does, a.does())
		}
	}
	switch {
	case len(does) > 0:
		return &fix.Remedy{
			Class: fix.Risky, Changes: strings.Join(does, "; "), Command: repairCommand + " --accept " + d.ID,
			Undo: "not possible; what is lost is said above",
		}
	case d.Advice == "":
		return nil
	}
	rem := &fix.Remedy{Class: fix.Advice, Changes: d.Advice}
	if d.End > 0 && d.Status != fix.OK {
		rem.Command = fmt.Sprintf("%s --%s %d", repairCommand, optEnd, d.End)
		for _, a := range d.Actions {
			if a.PID == d.End && a.How != "" {
				rem.Changes += ". To end " + a.Name + ": " + a.How
			}
		}
	}
	return rem
}

// does says what an action does, and what is lost by it.
func (a Action) does() string {
	verb, rest, _ := strings.Cut(a.What, " ")
	text := verb + "s " + rest + "; lost: " + a.Costs
	if a.How != "" {
		text += "; " + a.How
	}
	return text
}

func (stuck) Plan(ctx context.Context, v platform.View, req fix.Request) (plan.Plan, error) {
	var p plan.Plan
	r, err := Look(ctx, v, options(req.Settings))
	if err != nil {
		return p, err
	}
	if p, err = r.plan(ctx, v, req); err != nil {
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

// plan decides what of the actions is done.
func (r *Report) plan(ctx context.Context, v platform.View, req fix.Request) (plan.Plan, error) {
	var p plan.Plan
	target, _ := strconv.Atoi(req.Settings[optEnd].Value)
	planned := map[string]bool{}
	found := false
	for _, d := range r.Diagnoses {
		for _, a := range d.Actions {
			if target != 0 && (a.PID != target && a.With != target || a.Kind != "end") {
				continue
			}
			if target == 0 && (a.Named || d.Certainty == Guess || !req.Allowed(d.ID, fix.Risky)) {
				continue
			}
			found = true
			key := a.Kind + strconv.Itoa(a.PID)
			if planned[key] {
				continue
			}
			planned[key] = true
			if f := v.Facts(); !f.Root() && f.UID != a.UID {
				return p, &fix.Refusal{
					ID: d.ID, Reason: fmt.Sprintf("%s does not belong to you", a.Name), Next: "Run the command with sudo.",
				}
			}
			id, _, err := platform.Identity(ctx, v, a.PID)
			if err != nil {
				continue // it has ended meanwhile, which is what the step is for
			}
			id.Start = a.Start
			var s plan.Step = step.ContinueProcess{Process: id, Name: a.Name}
			if a.Kind == "end" {
				s = step.EndProcess{Process: id, Name: a.Name, GraceMS: cmp.Or(a.Grace, graceMS), Kill: a.Kill}
			}
			p.Entries = append(p.Entries, plan.Entry{Step: s, For: d.ID})
			note := a.What + ": lost is " + a.Costs
			if a.How != "" {
				note += "; " + a.How
			}
			p.Notes = append(p.Notes, note)
		}
	}
	if target != 0 && !found {
		return p, &fix.Refusal{
			ID: "stuck/" + optEnd, Reason: fmt.Sprintf("process %d is not one that lixfix ends", target),
			Next: r.rather(target),
		}
	}
	return p, nil
}

// rather says whom to name in place of a process that is not ended.
func (r *Report) rather(pid int) string {
	p := r.Process("process:" + strconv.Itoa(pid))
	if p != nil && p.Role == Worker && p.Client != 0 {
		return fmt.Sprintf("End the command that it works for, and it ends by itself: %s --%s %d. A signal to it would make Lix speak of a bug.",
			repairCommand, optEnd, p.Client)
	}
	return "Run \"lixfix check stuck\": it shows which processes take part, and whom to name."
}
