package stuck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
)

// picture shows a report and what was found in it.
func (r *Report) picture(found []fix.Finding) fix.Picture {
	p := fix.Picture{Findings: found, Graph: r, Dot: r.Dot(), Moves: true}
	asked := r.asked()
	for _, d := range r.Diagnoses {
		lines := r.Tree(d)
		if d.Certainty == Likely && len(lines) > 0 {
			lines = append(lines, "(likely: inferred from what the processes do)")
		}
		p.Drawings = append(p.Drawings, lines)
		p.Key += r.key(d) + "\n"
		p.Moves = p.Moves && (d.moves() || !asked(d))
	}
	for _, l := range r.Limits {
		n := l.What
		if l.Command != "" {
			n += "; this sees more: " + l.Command
		}
		p.Notes = append(p.Notes, n)
	}
	return p
}

// asked returns a function that reports whether a diagnosis is about the invocation that was asked for, and not about
// another one that waits for it. Where nothing was asked for, or what was is part of no invocation, all are.
func (r *Report) asked() func(Diagnosis) bool {
	wanted := "process:" + strconv.Itoa(r.pid)
	subject := func(d Diagnosis) bool { return d.Subject == wanted }
	// Up to the first lock, all processes of a chain work for the same command.
	part := func(d Diagnosis) bool {
		for _, n := range d.Chain {
			if n == wanted {
				return true
			}
			if strings.HasPrefix(n, "lock:") {
				break
			}
		}
		return false
	}
	for _, is := range []func(Diagnosis) bool{subject, part} {
		if r.pid != 0 && slices.ContainsFunc(r.Diagnoses, is) {
			return is
		}
	}
	return func(Diagnosis) bool { return true }
}

// key tells one state of an invocation from the next.
func (r *Report) key(d Diagnosis) string {
	return strings.Join(append([]string{d.ID, string(d.Status), r.born(d.Subject), r.born(d.Root)}, d.Chain...), " ")
}

// born names a process for as long as the machine runs; its number alone can be given out again.
func (r *Report) born(n string) string {
	if p := r.Process(n); p != nil {
		return n + "/" + p.Start
	}
	return n
}

// moves reports whether an invocation does something itself, rather than wait for its turn.
func (d Diagnosis) moves() bool {
	if d.Status != fix.OK {
		return false
	}
	return !slices.Contains([]*fix.Kind{
		kinds.WaitsForOutputLock, kinds.WaitsForStorePath, kinds.NoFreeBuildUser, kinds.WaitsForGC, kinds.WaitsForGCSilent, kinds.GCWaitsForClient, kinds.StoreUpgrade, kinds.ProfileLocked,
		kinds.EvalCacheLocked, kinds.FetchLocked, kinds.NoMachineSlot, kinds.UploadLock, kinds.BuilderWaitsForLock, kinds.BuilderSilent,
	}, d.Kind)
}

// whatMoved compares two reports in one sentence.
func whatMoved(b, a *Report) string {
	var gone, moved, still []string
	for _, d := range b.Diagnoses {
		p := b.Process(d.Subject)
		if p == nil || d.moves() {
			continue
		}
		i := slices.IndexFunc(a.Diagnoses, func(n Diagnosis) bool { return a.born(n.Subject) == b.born(d.Subject) })
		switch {
		case i < 0:
			gone = append(gone, p.Title)
		case a.key(a.Diagnoses[i]) == b.key(d):
			still = append(still, p.Title)
		case !a.Diagnoses[i].moves() && (a.Diagnoses[i].ID == d.ID || a.Diagnoses[i].Status == fix.Unknown):
			// For another one in the same way, or for one that cannot be seen: a lock can pass to a child.
			still = append(still, fmt.Sprintf("%s (%s)", p.Title, a.Diagnoses[i].Sentence))
		default:
			moved = append(moved, fmt.Sprintf("%s: %s", p.Title, a.Diagnoses[i].Sentence))
		}
	}
	var parts []string
	if len(moved) > 0 {
		parts = append(parts, strings.Join(moved, "; "))
	}
	if len(gone) > 0 {
		parts = append(parts, "ended: "+strings.Join(gone, ", "))
	}
	if len(still) > 0 {
		parts = append(parts, "waits as before: "+strings.Join(still, ", "))
	}
	switch {
	case len(parts) == 0:
		return "nothing waited"
	case len(moved)+len(gone) == 0:
		return "the chain has not moved; " + strings.Join(parts, "; ")
	}
	return "the chain has moved; " + strings.Join(parts, "; ")
}
