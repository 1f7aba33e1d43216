package render

import (
	"io"

	"github.com/lixfix/lixfix/fixes/plan"
)

// Events beside those of the steps, which are "step-" and their phase.
const (
	Found   = "found"
	Planned = "planned"
	Verdict = "verdict" // the last one
)

// Event is one thing that happens while a command runs.
type Event struct {
	Schema int        `json:"schema"`
	Event  string     `json:"event"`
	Fix    *Fix       `json:"fix,omitempty"`
	Plan   *plan.Plan `json:"plan,omitempty"`
	Step   *At        `json:"step,omitempty"`
	Report *Report    `json:"report,omitempty"`
}

// At is a step as it is done or taken back.
type At struct {
	Index  int    `json:"index"`
	Count  int    `json:"count"`
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Acts   bool   `json:"acts,omitempty"` // it does something to the host; the others look
	Reason string `json:"reason,omitempty"`
}

// StepEvent is the event of a step. reason says why one was refused or failed.
func StepEvent(e plan.Event, reason string) Event {
	return Event{
		Event: "step-" + string(e.Phase),
		Step:  &At{Index: e.Index, Count: e.Count, Kind: e.Step.Kind(), Text: e.Step.String(), Acts: plan.Acts(e.Step), Reason: reason},
	}
}

// EventJSON writes an event on one line.
func EventJSON(w io.Writer, e Event) error {
	e.Schema = Schema
	if e.Report != nil {
		r := *e.Report
		r.Schema, r.Probe = Schema, shown(r.Probe)
		e.Report = &r
	}
	return encode(w, e, nil)
}
