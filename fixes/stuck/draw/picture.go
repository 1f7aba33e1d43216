// Package draw shows what was diagnosed: as trees of at most 80 columns, in the language of Graphviz, and what has moved
// between two looks. It is pure.
package draw

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
)

// Picture shows a report and what was found in it.
func Picture(r *diagnose.Report, found []fix.Finding) fix.Picture {
	p := fix.Picture{Findings: found, Graph: r, Dot: Dot(r), Moves: true}
	asked := askedFor(r)
	for _, d := range r.Diagnoses {
		tree := Figure(r, d)
		if d.Certainty == diagnose.Likely && len(tree.Rows) > 0 {
			tree.Rows = append(tree.Rows, figure.Row{Cells: []string{likely}})
		}
		p.Figures = append(p.Figures, tree)
		p.Key += keyOf(r, d) + "\n"
		p.Moves = p.Moves && (d.Moves() || !asked(d))
	}
	for _, l := range r.Limits {
		n := l.What
		if l.Command != "" {
			n += seesMore.Fill(fix.With{"command": l.Command})
		}
		p.Notes = append(p.Notes, n)
	}
	return p
}

// askedFor returns a function that reports whether a diagnosis is about the invocation that was asked for, and not about
// another one that waits for it. Where nothing was asked for, or what was is part of no invocation, all are.
func askedFor(r *diagnose.Report) func(diagnose.Diagnosis) bool {
	wanted := "process:" + strconv.Itoa(r.Asked)
	subject := func(d diagnose.Diagnosis) bool { return d.Subject == wanted }
	// Up to the first lock, all processes of a chain work for the same command.
	part := func(d diagnose.Diagnosis) bool {
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
	for _, is := range []func(diagnose.Diagnosis) bool{subject, part} {
		if r.Asked != 0 && slices.ContainsFunc(r.Diagnoses, is) {
			return is
		}
	}
	return func(diagnose.Diagnosis) bool { return true }
}

// keyOf tells one state of an invocation from the next.
func keyOf(r *diagnose.Report, d diagnose.Diagnosis) string {
	return strings.Join(append([]string{d.ID, string(d.Status), born(r, d.Subject), born(r, d.Root)}, d.Chain...), " ")
}

// born names a process for as long as the machine runs; its number alone can be given out again.
func born(r *diagnose.Report, n string) string {
	if p := r.Process(n); p != nil {
		return n + "/" + p.Start
	}
	return n
}

// WhatMoved compares two reports in one sentence.
func WhatMoved(b, a *diagnose.Report) string {
	var gone, moved, still []string
	for _, d := range b.Diagnoses {
		p := b.Process(d.Subject)
		if p == nil || d.Moves() {
			continue
		}
		i := slices.IndexFunc(a.Diagnoses, func(n diagnose.Diagnosis) bool { return born(a, n.Subject) == born(b, d.Subject) })
		switch {
		case i < 0:
			gone = append(gone, p.Title)
		case keyOf(a, a.Diagnoses[i]) == keyOf(b, d):
			still = append(still, p.Title)
		case !a.Diagnoses[i].Moves() && (a.Diagnoses[i].ID == d.ID || a.Diagnoses[i].Status == fix.Unknown):
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
		parts = append(parts, ended.Fill(fix.With{"processes": strings.Join(gone, ", ")}))
	}
	if len(still) > 0 {
		parts = append(parts, waitsAsBefore.Fill(fix.With{"processes": strings.Join(still, ", ")}))
	}
	switch {
	case len(parts) == 0:
		return nothingWaited
	case len(moved)+len(gone) == 0:
		return notMoved.Fill(fix.With{"how": strings.Join(parts, "; ")})
	}
	return hasMoved.Fill(fix.With{"how": strings.Join(parts, "; ")})
}
