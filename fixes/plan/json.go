package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Kind is a kind of steps, as a reader of plans has to know it.
type Kind struct {
	name   string
	decode func([]byte) (Step, error)
}

// KindOf returns the kind of steps that have the type S.
func KindOf[S Step]() Kind {
	var zero S
	return Kind{name: zero.Kind(), decode: decode[S]}
}

// Name is the tag of the kind in JSON.
func (k Kind) Name() string { return k.name }

// Kinds are those that a reader of plans knows.
type Kinds []Kind

func decode[S Step](data []byte) (Step, error) {
	var step S
	if bytes.Equal(data, []byte("null")) {
		return nil, errors.New("it is empty")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&step); err != nil {
		return nil, err
	}
	return step, nil
}

type entryJSON struct {
	Kind     string          `json:"kind"`
	For      string          `json:"for,omitempty"`
	Optional bool            `json:"optional,omitempty"`
	Step     json.RawMessage `json:"step"`
}

// MarshalJSON writes the kind beside the step.
func (e Entry) MarshalJSON() ([]byte, error) {
	step, err := json.Marshal(e.Step)
	if err != nil {
		return nil, err
	}
	return json.Marshal(entryJSON{Kind: e.Step.Kind(), For: e.For, Optional: e.Optional, Step: step})
}

// Entry decodes an entry of a plan. It refuses kinds that are not among k: a step that is passed over would be a repair
// left half done.
func (k Kinds) Entry(data []byte) (Entry, error) {
	var raw entryJSON
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		return Entry{}, err
	}
	for _, kind := range k {
		if kind.name != raw.Kind {
			continue
		}
		step, err := kind.decode(raw.Step)
		if err != nil {
			return Entry{}, fmt.Errorf("step of the kind %q: %w", raw.Kind, err)
		}
		return Entry{Step: step, For: raw.For, Optional: raw.Optional}, nil
	}
	return Entry{}, fmt.Errorf("step of the kind %q: %w", raw.Kind, ErrSchema)
}

// Plan decodes a plan. It checks the version before anything else is read.
func (k Kinds) Plan(data []byte) (Plan, error) {
	var v struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return Plan{}, err
	}
	if v.Schema != Schema {
		return Plan{}, fmt.Errorf("plan of schema %d: %w", v.Schema, ErrSchema)
	}
	var raw struct {
		Plan
		Entries []json.RawMessage `json:"steps"` // in place of those of the plan
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return Plan{}, err
	}
	p := raw.Plan
	if raw.Entries != nil {
		p.Entries = make([]Entry, 0, len(raw.Entries))
	}
	for _, data := range raw.Entries {
		e, err := k.Entry(data)
		if err != nil {
			return Plan{}, err
		}
		p.Entries = append(p.Entries, e)
	}
	return p, nil
}
