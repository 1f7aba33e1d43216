package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
	"github.com/lixfix/lixfix/fixes/stuck/observe"
	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform/words"
)

// Moves reports whether an invocation does something itself, rather than wait for its turn.
func (d Diagnosis) Moves() bool {
	if d.Status != fix.OK {
		return false
	}
	return !slices.Contains([]*fix.Kind{
		kinds.WaitsForOutputLock, kinds.WaitsForStorePath, kinds.NoFreeBuildUser, kinds.WaitsForGC, kinds.WaitsForGCSilent, kinds.GCWaitsForClient, kinds.StoreUpgrade, kinds.ProfileLocked,
		kinds.EvalCacheLocked, kinds.FetchLocked, kinds.NoMachineSlot, kinds.UploadLock, kinds.BuilderWaitsForLock, kinds.BuilderSilent,
	}, d.Kind)
}

// variantOf tells which of the summaries of its kind fits a situation; "" for the usual one.
func variantOf(s *scene, k *fix.Kind, o *outcome) string {
	when := func(is bool, name string) string {
		if is {
			return name
		}
		return ""
	}
	_, holder := o.locked(k)
	switch k {
	case kinds.ForeignLockHolder:
		return when(holder == nil, kinds.Unseen)
	case kinds.SQLiteBusy:
		if holder != nil && holder == o.root {
			return when(o.root.Stopped(), kinds.Stopped)
		}
		return when(o.root != holder, kinds.Waits)
	case kinds.BuilderSilent:
		if o.reason.idle < quiet {
			return kinds.Quiet
		}
		return when(!loggedAt(s, o.root).IsZero(), kinds.Logged)
	case kinds.HeldByDebugger:
		return when(o.root.Status.Tracer == 0, kinds.Unseen)
	case kinds.OutputNotRead:
		switch reader := o.root.role == Reader; {
		case o.reason.how != "":
			return o.reason.how
		case observe.Terminal(o.reason.at):
			return kinds.Terminal
		default:
			return when(reader, kinds.Reader)
		}
	case kinds.WaitsForInput:
		return when(observe.Terminal(o.reason.at), kinds.Terminal)
	case kinds.SandboxNetwork:
		return when(o.root.role == Pasta, kinds.Pasta)
	case kinds.WorkerOrphaned:
		return when(o.root.Stopped(), kinds.Stopped)
	}
	return ""
}

// locked returns the lock that a situation is about, and who holds it: the first on the way, or, where the situation is
// named for what is at the end of the chain, the last.
func (o *outcome) locked(k *fix.Kind) (*observe.LockFile, *proc) {
	if len(o.kinds) > 0 && k == o.kinds[len(o.kinds)-1] {
		return o.lastLock, o.lastHolder
	}
	return o.lock, o.holder
}

// parameters are the parameters of the words about a situation.
func parameters(s *scene, k *fix.Kind, o *outcome, actions []Action) fix.With {
	lock, holder := o.locked(k)
	p := fix.With{
		"process": describe(s, o.root), "owner": ownerName(s, holder), "holder": describe(s, holder), "lock": say.ShortPath(lockName(lock)),
		"users": words.Count(len(s.Pool), buildUser), "slots": words.Count(len(s.Load), "slot"), "ring": words.Count(len(o.cycle), "process"),
		"dotfile": s.Dotfile, "full": fullDisk(s), "peer": o.reason.peer, "idle": say.Seconds(o.reason.idle), "file": say.Plain(o.reason.at),
	}
	if o.root != nil {
		p["age"], p["debugger"] = say.Seconds(ageOf(s, o.root)), tracerName(s, o.root)
		if at := loggedAt(s, o.root); !at.IsZero() {
			// The log is compressed, and lags behind.
			p["logged"] = say.Seconds(s.Now.Sub(at))
		}
	}
	var pids, continued, ended []string
	for _, a := range actions {
		switch {
		case a.Kind == actContinue:
			pids, continued = append(pids, strconv.Itoa(a.PID)), append(continued, a.Name)
		case !a.Named:
			ended = append(ended, a.Name)
		}
	}
	if len(pids) == 0 && o.root != nil {
		pids = []string{strconv.Itoa(o.root.PID)}
	}
	if len(ended) == 0 {
		ended = continued
	}
	p["pid"], p["processes"] = strings.Join(pids, " "), strings.Join(ended, ", ")
	return p
}

func lockName(lf *observe.LockFile) string {
	switch {
	case lf == nil:
		return ""
	case lf.Path == "":
		return lockOnFile.Fill(fix.With{"file": lf.File.String()})
	}
	return lf.Path
}

// diagnosisOf says of a chain what it is an example of, and what may be done about it.
func diagnosisOf(s *scene, o *outcome) Diagnosis {
	k := o.kind()
	actions := actionsFor(s, k, o)
	d := newDiagnosis(k, variantOf(s, k, o), o.status(), parameters(s, k, o, actions))
	d.Certainty, d.Actions = o.certainty(), actions
	if p := culprit(s, k, o); p != nil && slices.ContainsFunc(actions, func(a Action) bool { return a.PID == p.PID && a.Kind == ActEnd }) {
		d.End = p.PID
	}
	d.decide(o)
	for _, k := range o.kinds {
		d.Causes = append(d.Causes, k.ID)
	}
	if o.start != nil {
		d.Subject = node(o.start)
	}
	if o.root != nil {
		d.Root = node(o.root)
	}
	for i, p := range o.path {
		d.Chain = append(d.Chain, node(p))
		if o.cycle == nil && i < len(o.waits) && o.waits[i].lock != nil {
			d.Chain = append(d.Chain, lockNode(o.waits[i].lock))
		}
	}
	for _, p := range o.cycle {
		d.Cycle = append(d.Cycle, node(p))
	}
	return d
}

// newDiagnosis is a diagnosis of a kind.
func newDiagnosis(k *fix.Kind, variant string, status fix.Status, p fix.With) Diagnosis {
	d := Diagnosis{Kind: k, Variant: variant, With: p, ID: k.ID, Status: status}
	if variant == "" {
		d.Sentence = k.Found(p).Summary
	} else {
		d.Sentence = k.FoundAs(variant, p).Summary
	}
	return d
}

// decide chooses the remedy: what lixfix does when a person agrees, else what the user can do.
func (d *Diagnosis) decide(o *outcome) {
	yourself := kinds.Yourself
	if d.Kind == kinds.SQLiteBusy && (o.root == nil || !o.root.Stopped()) {
		yourself = kinds.Busy
	}
	if len(d.Kind.Remedies) == 1 {
		yourself = d.Kind.Remedies[0].Case
	}
	if rem := d.Kind.Remedy(yourself, d.With); rem != nil {
		d.Advice = rem.Changes
	}
	continues, ends := false, false
	for _, a := range d.Actions {
		if !a.Named && d.Certainty != Guess {
			continues, ends = continues || a.Kind == actContinue, ends || a.Kind == ActEnd
		}
	}
	switch {
	case continues && ends:
		d.Case = kinds.Revive
	case continues:
		d.Case = kinds.Continue
	case ends:
		d.Case = kinds.Reap
	case d.End > 0 && d.Status != fix.OK:
		d.Case = kinds.Named
		d.With["number"] = d.End
		for _, a := range d.Actions {
			if a.PID == d.End && a.Kind == ActEnd {
				d.With["culprit"], d.With["loss"] = a.Name, a.Costs
			}
		}
	default:
		d.Case = yourself
	}
}
