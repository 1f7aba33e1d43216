package account

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/words"
)

var _ = []plan.Folder{SetAttribute{}, CreateRecord{}, DeleteRecord{}}

func making(record string) string { return "make " + kindOf(record) }

// Sort implements plan.Folder.
func (s CreateRecord) Sort() string { return making(s.Record) }

// Fold implements plan.Folder.
func (s CreateRecord) Fold(steps []plan.Step) string { return describeNew(kindOf(s.Record), steps) }

// Sort implements plan.Folder.
func (s DeleteRecord) Sort() string { return "remove " + kindOf(s.Record) }

// Fold implements plan.Folder.
func (s DeleteRecord) Fold(steps []plan.Step) string {
	if len(steps) == 1 {
		return ""
	}
	names := make([]string, 0, len(steps))
	for _, s := range steps {
		names = append(names, nameOf(s.(DeleteRecord).Record))
	}
	return fmt.Sprintf("delete %s that lixfix made: %s", people(len(names), kindOf(s.Record)), words.Names(names))
}

// moves reports whether a step gives a user another ID.
func (s SetAttribute) moves() bool {
	return s.Key == dscl.UniqueID && len(s.From) == 1 && len(s.To) == 1 && kindOf(s.Record) == dscl.Users
}

// Sort implements plan.Folder.
func (s SetAttribute) Sort() string {
	switch {
	case s.New:
		return making(s.Record)
	case s.moves():
		return "move"
	}
	return "set " + kindOf(s.Record) + " " + s.Key
}

// Fold implements plan.Folder.
func (s SetAttribute) Fold(steps []plan.Step) string {
	switch {
	case s.New:
		return describeNew(kindOf(s.Record), steps)
	case s.moves():
		return describeMoves(steps)
	}
	return s.describeSets(steps)
}

func kindOf(record string) string {
	p, err := dscl.ParsePath(record)
	if err != nil {
		return record
	}
	return p.Type
}

func nameOf(record string) string { return record[strings.LastIndexByte(record, '/')+1:] }

func people(n int, kind string) string {
	if kind == dscl.Groups {
		return words.Count(n, "group")
	}
	return words.Count(n, "build user")
}

func describeMoves(steps []plan.Step) string {
	var names, from, to []string
	for _, s := range steps {
		m := s.(SetAttribute)
		names = append(names, nameOf(m.Record))
		from, to = append(from, m.From[0]), append(to, m.To[0])
	}
	if len(steps) == 1 {
		return fmt.Sprintf("move %s, UID %s → %s", names[0], from[0], to[0])
	}
	return fmt.Sprintf("move %d build users, UIDs %s → %s", len(distinct(names)), words.Numbers(from), words.Numbers(to))
}

// describeNew describes the making of records of one type, and of what they get.
func describeNew(kind string, steps []plan.Step) string {
	id, ids := "UID", []string(nil)
	key := dscl.UniqueID
	if kind == dscl.Groups {
		id, key = "GID", dscl.PrimaryGroupID
	}
	var made, given, keys []string
	for _, s := range steps {
		switch s := s.(type) {
		case CreateRecord:
			made = append(made, nameOf(s.Record))
		case SetAttribute:
			given, keys = append(given, nameOf(s.Record)), append(keys, s.Key)
			if s.Key == key {
				ids = append(ids, s.To...)
			}
		}
	}
	verb, names := "create", made
	if len(made) == 0 {
		// The records were made earlier in the plan.
		verb, names = "set "+strings.Join(distinct(keys), ", ")+" of", distinct(given)
		if len(distinct(keys)) > 3 {
			verb = "complete"
		}
	}
	text := fmt.Sprintf("%s %s", verb, people(len(names), kind))
	if len(names) == 1 {
		text = fmt.Sprintf("%s /%s/%s", verb, kind, names[0])
	}
	switch len(ids) {
	case 0:
		return text
	case 1:
		return text + ", " + id + " " + words.Numbers(ids)
	}
	return text + ", " + id + "s " + words.Numbers(ids)
}

// describeSets describes steps that set the same attribute of records of one type; "" where their String is better.
func (s SetAttribute) describeSets(steps []plan.Step) string {
	if len(steps) == 1 {
		switch {
		case len(s.To) > 0 && len(s.From) > 1 && len(s.To) != len(s.From):
			return fmt.Sprintf("set %s of %s (%s, before %d)", s.Key, s.Record, words.Count(len(s.To), "value"), len(s.From))
		case len(s.To) > 1:
			return fmt.Sprintf("set %s of %s (%s)", s.Key, s.Record, words.Count(len(s.To), "value"))
		}
		return ""
	}
	var names []string
	same := true
	for _, other := range steps {
		a := other.(SetAttribute)
		names = append(names, nameOf(a.Record))
		same = same && slices.Equal(a.To, s.To)
	}
	text := fmt.Sprintf("set %s of %s", s.Key, people(len(distinct(names)), kindOf(s.Record)))
	switch {
	case same && len(s.To) == 0:
		text = fmt.Sprintf("remove %s of %s", s.Key, people(len(distinct(names)), kindOf(s.Record)))
	case same && len(s.To) == 1:
		text += " to " + s.To[0]
	}
	return text + " (" + words.Names(distinct(names)) + ")"
}

func distinct(all []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
