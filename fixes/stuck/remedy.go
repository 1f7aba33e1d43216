package stuck

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
)

// Findings says the same as the diagnoses, one finding for each.
func Findings(r *diagnose.Report) []fix.Finding {
	var list []fix.Finding
	for _, d := range r.Diagnoses {
		f := fix.Finding{ID: d.ID, Status: d.Status, Summary: d.Sentence}
		if d.Certainty == diagnose.Guess && d.Kind != kinds.NothingRunning {
			f.Summary = kinds.Probably.Fill(fix.With{"summary": f.Summary})
		}
		if f.Status == fix.Unknown {
			f.Reason = kinds.NoCause
			for _, l := range r.Limits {
				if l.NeedsRoot {
					f.NeedsRoot, f.Reason = true, kinds.NotSeen.Fill(fix.With{"what": l.What})
				}
			}
		}
		for _, n := range d.Chain {
			f.Evidence = append(f.Evidence, evidence(r, n))
		}
		f.Remedy = remedyOf(&d)
		list = append(list, f)
	}
	for _, l := range r.Limits {
		next := kinds.Elsewhere
		if l.Command != "" {
			next = kinds.Sees.Fill(fix.With{"command": l.Command})
		}
		last := &list[len(list)-1]
		last.Evidence = append(last.Evidence, fix.Evidence{Source: notSeen, Expected: l.What, Observed: next})
	}
	return list
}

func evidence(r *diagnose.Report, n string) fix.Evidence {
	if p := r.Process(n); p != nil {
		return fix.Evidence{Source: p.Title, Expected: goesOn, Observed: p.Text}
	}
	return fix.Evidence{Source: say.ShortPath(strings.TrimPrefix(n, "lock:")), Expected: "free", Observed: "held"}
}

// remedyOf is what can be done about a diagnosis, with what is special about the end of the processes that it ends.
func remedyOf(d *diagnose.Diagnosis) *fix.Remedy {
	rem := d.Kind.Remedy(d.Case, d.With)
	if rem == nil {
		return nil
	}
	for _, a := range d.Actions {
		if a.How != "" && (d.Case == kinds.Named && a.PID == d.End || rem.Class == fix.Risky && !a.Named) {
			rem.Changes = kinds.Special.Fill(fix.With{"remedy": rem.Changes, "process": a.Name, "how": a.How})
		}
	}
	return rem
}

// remedy decides what of the actions is done.
func remedy(ctx context.Context, r *diagnose.Report, v platform.View, req fix.Request) (plan.Plan, error) {
	var p plan.Plan
	target, _ := strconv.Atoi(req.Settings[optEnd].Value)
	planned := map[string]bool{}
	found := false
	for _, d := range r.Diagnoses {
		for _, a := range d.Actions {
			if target != 0 && (a.PID != target && a.With != target || a.Kind != diagnose.ActEnd) {
				continue
			}
			if target == 0 && (a.Named || d.Certainty == diagnose.Guess || !req.Allowed(d.ID, fix.Risky)) {
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
					ID: d.ID, Reason: kinds.NotYours.Fill(fix.With{"process": a.Name}), Next: kinds.WithSudo,
				}
			}
			id, _, err := platform.Identity(ctx, v, a.PID)
			if err != nil {
				continue // it has ended meanwhile, which is what the step is for
			}
			id.Start = a.Start
			var s plan.Step = step.ContinueProcess{Process: id, Name: a.Name}
			if a.Kind == diagnose.ActEnd {
				s = step.EndProcess{Process: id, Name: a.Name, GraceMS: cmp.Or(a.Grace, graceMS), Kill: a.Kill}
			}
			p.Entries = append(p.Entries, plan.Entry{Step: s, For: d.ID})
			note := lost.Fill(fix.With{"what": a.What, "costs": a.Costs})
			if a.How != "" {
				note += "; " + a.How
			}
			p.Notes = append(p.Notes, note)
		}
	}
	if target != 0 && !found {
		return p, &fix.Refusal{
			ID: kinds.NotEnded.ID, Reason: kinds.NotEnded.Says.Fill(fix.With{"pid": target}),
			Next: rather(r, target),
		}
	}
	return p, nil
}

// rather says whom to name in place of a process that is not ended.
func rather(r *diagnose.Report, pid int) string {
	p := r.Process("process:" + strconv.Itoa(pid))
	if p != nil && p.Role == diagnose.Worker && p.Client != 0 {
		return kinds.UseCommand.Fill(fix.With{"number": p.Client})
	}
	return kinds.UseCheck
}
