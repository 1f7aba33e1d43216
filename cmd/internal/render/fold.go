package render

import (
	"fmt"

	"github.com/lixfix/lixfix/fixes/plan"
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
		groups = append(groups, Group{First: i, Last: j - 1, Text: folded(steps)})
		i = j
	}
	return groups
}

// Short is a step in a few words, as a group of one.
func Short(s plan.Step) string { return folded([]plan.Step{s}) }

func sortOf(s plan.Step) string {
	if f, ok := s.(plan.Folder); ok {
		return f.Sort()
	}
	return ""
}

func folded(steps []plan.Step) string {
	text := ""
	if f, ok := steps[0].(plan.Folder); ok {
		text = f.Fold(steps)
	}
	switch {
	case text != "":
		return text
	case len(steps) == 1:
		return steps[0].String()
	}
	return fmt.Sprintf("%s, and %d more like it", steps[0], len(steps)-1)
}
