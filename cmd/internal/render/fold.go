package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform/dscl"
)

// Group is a run of entries of a plan that one line describes.
type Group struct {
	First, Last int // indices of entries
	Text        string
}

// Groups folds the entries of a plan: neighbours of the same sort become one group.
func Groups(entries []plan.Entry) []Group {
	var groups []Group
	for i := 0; i < len(entries); {
		sort := sortOf(entries[i].Step)
		j := i + 1
		for j < len(entries) && sort != "" && sortOf(entries[j].Step) == sort {
			j++
		}
		steps := make([]plan.Step, 0, j-i)
		for _, e := range entries[i:j] {
			steps = append(steps, e.Step)
		}
		groups = append(groups, Group{First: i, Last: j - 1, Text: describe(sort, steps)})
		i = j
	}
	return groups
}

// Short is a step in a few words, as a group of one.
func Short(s plan.Step) string { return describe(sortOf(s), []plan.Step{s}) }

// Sorts of steps. Those of the sort "" stay alone.
const (
	moving   = "move"
	making   = "make" // followed by the type of the record
	removing = "remove"
	setting  = "set" // followed by the type and the key
)

func sortOf(s plan.Step) string {
	switch s := s.(type) {
	case account.CreateRecord:
		return making + " " + kindOf(s.Record)
	case account.DeleteRecord:
		return removing + " " + kindOf(s.Record)
	case account.SetAttribute:
		switch {
		case s.New:
			return making + " " + kindOf(s.Record)
		case s.Key == dscl.UniqueID && len(s.From) == 1 && len(s.To) == 1 && kindOf(s.Record) == dscl.Users:
			return moving
		}
		return setting + " " + kindOf(s.Record) + " " + s.Key
	}
	return ""
}

func kindOf(record string) string {
	p, err := dscl.ParsePath(record)
	if err != nil {
		return record
	}
	return p.Type
}

func nameOf(record string) string { return record[strings.LastIndexByte(record, '/')+1:] }

// describe says what the steps of a group do. Every number and name in it comes from the steps.
func describe(sort string, steps []plan.Step) string {
	verb, rest, _ := strings.Cut(sort, " ")
	switch verb {
	case moving:
		return describeMoves(steps)
	case making:
		return describeNew(rest, steps)
	case removing:
		var names []string
		for _, s := range steps {
			names = append(names, nameOf(s.(account.DeleteRecord).Record))
		}
		if len(names) == 1 {
			break
		}
		return fmt.Sprintf("delete %s that lixfix made: %s", people(len(names), rest), Names(names))
	case setting:
		if text, ok := describeSets(steps); ok {
			return text
		}
	}
	if len(steps) == 1 {
		return steps[0].String()
	}
	return fmt.Sprintf("%s, and %d more like it", steps[0], len(steps)-1)
}

func describeMoves(steps []plan.Step) string {
	var names, from, to []string
	for _, s := range steps {
		m := s.(account.SetAttribute)
		names = append(names, nameOf(m.Record))
		from, to = append(from, m.From[0]), append(to, m.To[0])
	}
	if len(steps) == 1 {
		return fmt.Sprintf("move %s, UID %s → %s", names[0], from[0], to[0])
	}
	return fmt.Sprintf("move %d build users, UIDs %s → %s", len(distinct(names)), Numbers(from), Numbers(to))
}

func describeNew(kind string, steps []plan.Step) string {
	var made, given, ids, keys []string
	for _, s := range steps {
		switch s := s.(type) {
		case account.CreateRecord:
			made = append(made, nameOf(s.Record))
		case account.SetAttribute:
			given, keys = append(given, nameOf(s.Record)), append(keys, s.Key)
			if s.Key == idKey(kind) {
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
		text = fmt.Sprintf("%s %s", verb, "/"+kind+"/"+names[0])
	}
	if len(ids) > 0 {
		text += ", " + plural(map[string]string{dscl.Users: "UID"}[kind], "GID", len(ids)) + " " + Numbers(ids)
	}
	return text
}

func plural(one, otherwise string, n int) string {
	if one == "" {
		one = otherwise
	}
	if n > 1 {
		return one + "s"
	}
	return one
}

func idKey(kind string) string {
	if kind == dscl.Groups {
		return dscl.PrimaryGroupID
	}
	return dscl.UniqueID
}

func people(n int, kind string) string {
	if kind == dscl.Groups {
		return count(n, "group")
	}
	return count(n, "build user")
}

// describeSets describes steps that set the same attribute of records of one type; false where their String is better.
func describeSets(steps []plan.Step) (string, bool) {
	first := steps[0].(account.SetAttribute)
	if len(steps) == 1 {
		switch {
		case len(first.To) > 0 && len(first.From) > 1 && len(first.To) != len(first.From):
			return fmt.Sprintf("set %s of %s (%s, before %d)", first.Key, first.Record, count(len(first.To), "value"), len(first.From)), true
		case len(first.To) > 1:
			return fmt.Sprintf("set %s of %s (%s)", first.Key, first.Record, count(len(first.To), "value")), true
		}
		return "", false
	}
	var names []string
	same := true
	for _, s := range steps {
		a := s.(account.SetAttribute)
		names = append(names, nameOf(a.Record))
		same = same && slices.Equal(a.To, first.To)
	}
	text := fmt.Sprintf("set %s of %s", first.Key, people(len(distinct(names)), kindOf(first.Record)))
	switch {
	case same && len(first.To) == 0:
		text = fmt.Sprintf("remove %s of %s", first.Key, people(len(distinct(names)), kindOf(first.Record)))
	case same && len(first.To) == 1:
		text += " to " + first.To[0]
	}
	return text + " (" + Names(distinct(names)) + ")", true
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

const ranges = 3 // of numbers or names, before the rest is only counted

// Numbers shortens numbers to ranges: "305–332", or "301, 303–305".
func Numbers(all []string) string {
	var n []int
	for _, s := range all {
		i, err := strconv.Atoi(s)
		if err != nil {
			return some(all)
		}
		n = append(n, i)
	}
	slices.Sort(n)
	n = slices.Compact(n)
	parts := spans("", n)
	if len(parts) > ranges {
		return fmt.Sprintf("%d IDs from %d to %d", len(n), n[0], n[len(n)-1])
	}
	return strings.Join(parts, ", ")
}

func some(all []string) string {
	if len(all) > ranges {
		return strings.Join(all[:ranges], ", ") + fmt.Sprintf(", … (%d)", len(all))
	}
	return strings.Join(all, ", ")
}

// spans writes sorted numbers as ranges behind a prefix.
func spans(prefix string, n []int) []string {
	var parts []string
	for i := 0; i < len(n); {
		j := i
		for j+1 < len(n) && n[j+1] == n[j]+1 {
			j++
		}
		part := prefix + strconv.Itoa(n[i])
		if j > i {
			part += "–" + strconv.Itoa(n[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return parts
}

// Names shortens names that end in numbers: "_nixbld5–32".
func Names(all []string) string {
	var order []string
	numbers := map[string][]int{}
	for _, name := range all {
		stem, n, ok := numbered(name)
		if !ok {
			stem, n = name, -1
		}
		if _, seen := numbers[stem]; !seen {
			order = append(order, stem)
		}
		if ok {
			numbers[stem] = append(numbers[stem], n)
		} else {
			numbers[stem] = append(numbers[stem], -1)
		}
	}
	var parts []string
	for _, stem := range order {
		n := numbers[stem]
		slices.Sort(n)
		n = slices.Compact(n)
		if n[0] == -1 {
			parts, n = append(parts, stem), n[1:]
		}
		parts = append(parts, spans(stem, n)...)
	}
	return some(parts)
}

// numbered splits "_nixbld12" into "_nixbld" and 12. A number with leading zeros is part of the name.
func numbered(name string) (stem string, n int, ok bool) {
	stem = strings.TrimRight(name, "0123456789")
	digits := name[len(stem):]
	if digits == "" || stem == "" || digits[0] == '0' && len(digits) > 1 || len(digits) > 9 {
		return "", 0, false
	}
	n, err := strconv.Atoi(digits)
	return stem, n, err == nil
}
