package fix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/words"
)

// Kind is what all findings with one ID have in common. A fix lists its kinds in kinds.go, as values; a detector says
// which kind it found, with what, and on what evidence. Every word about a finding comes from its kind, wherever it is
// printed: in a check, in list and explain, on the man page and in the fix's README.
type Kind struct {
	// ID is the fix's name, a slash and a slug: "sequoia/users-missing". It never changes.
	ID string
	// Status is that of every finding of the kind, unless the fix says that it depends; then it is the worst.
	Status Status
	Also   []Status
	// Title says what is wrong in general, in one line without a full stop: "build users are missing".
	Title string
	// Means says what follows from it for the user, and why.
	Means string
	// Messages are texts that users see because of it, as they stand on the terminal; "…" stands for any text.
	Messages []string
	// Says is the summary of a finding. Or has summaries for special cases, by a name that only the fix uses.
	Says Words
	Or   map[string]Words
	// Remedies are what can be done about it. One without a case is part of every finding of the kind.
	Remedies []Remedial
	// Refusal marks a kind that is never found, but is the reason why a plan is refused.
	Refusal bool
	Sources []string
}

// Remedial is what can be done about findings of a kind, in a certain case.
type Remedial struct {
	Case string // a name that only the fix uses; "" where there is one remedy, whatever the case
	When string // the case in words, after "when": "another server answers"; "" where Case is
	// Class of the remedy. Changes, Command and Undo are as in a Remedy. Without a Command, that of a safe remedy is
	// "sudo lixfix repair FIX", and a risky one has the ID accepted as well.
	Class   Class
	Changes Words
	Command Words
	Undo    Words
}

// Words is a text with parameters in it: "{count} of {all} are missing".
type Words = words.Template

// With are the parameters of words, by name.
type With = words.With

// Fix is the name of the fix that a kind belongs to.
func (k *Kind) Fix() string { name, _, _ := strings.Cut(k.ID, "/"); return name }

// Slug is the ID without the name of the fix.
func (k *Kind) Slug() string { _, slug, _ := strings.Cut(k.ID, "/"); return slug }

// Classes are the classes of the kind's remedies, each once.
func (k *Kind) Classes() []Class {
	var all []Class
	for _, r := range k.Remedies {
		if !slices.Contains(all, r.Class) {
			all = append(all, r.Class)
		}
	}
	return all
}

// KindOf returns the kind of a fix's findings that has an ID, nil for none.
func KindOf(f Fix, id string) *Kind {
	for _, k := range f.Kinds() {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// Found makes a finding of the kind.
func (k *Kind) Found(p With, evidence ...Evidence) Finding {
	return k.found(k.Says, p, evidence)
}

// FoundAs makes a finding of the kind in a special case, one of the names in Or.
func (k *Kind) FoundAs(special string, p With, evidence ...Evidence) Finding {
	return k.found(k.Or[special], p, evidence)
}

func (k *Kind) found(says Words, p With, evidence []Evidence) Finding {
	if says == "" {
		says = Words(k.Title)
	}
	f := Finding{ID: k.ID, Status: k.Status, Summary: says.Fill(p), Evidence: evidence}
	if i := slices.IndexFunc(k.Remedies, func(r Remedial) bool { return r.Case == "" }); i >= 0 {
		f.Remedy = k.remedy(k.Remedies[i], p)
	}
	return f
}

// Remedy is the remedy of the kind in a case; nil where the kind has none for it.
func (k *Kind) Remedy(name string, p With) *Remedy {
	i := slices.IndexFunc(k.Remedies, func(r Remedial) bool { return r.Case == name })
	if i < 0 {
		return nil
	}
	return k.remedy(k.Remedies[i], p)
}

func (k *Kind) remedy(r Remedial, p With) *Remedy {
	out := &Remedy{Class: r.Class, Changes: r.Changes.Fill(p), Command: r.Command.Fill(p), Undo: r.Undo.Fill(p)}
	if out.Command == "" {
		out.Command = k.Command(r)
	}
	return out
}

// Command is the command line of a remedy whose words name none; "" for advice.
func (k *Kind) Command(r Remedial) string {
	switch r.Class {
	case Safe:
		return "sudo lixfix repair " + k.Fix()
	case Risky:
		return "sudo lixfix repair " + k.Fix() + " --accept " + k.ID
	}
	return ""
}

var slugForm = pattern.New(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Validate returns what is wrong with the table of a fix, nil for nothing. It is a test's.
func Validate(name string, kinds []*Kind) []error {
	var wrong []error
	seen := map[string]bool{}
	for _, k := range kinds {
		bad := func(format string, args ...any) {
			wrong = append(wrong, fmt.Errorf("%s: "+format, append([]any{k.ID}, args...)...))
		}
		switch {
		case k.Fix() != name || !slugForm.MatchString(k.Slug()):
			bad("is no ID of %s", name)
		case seen[k.ID]:
			bad("stands in the table twice")
		case k.Title == "" || strings.HasSuffix(k.Title, "."):
			bad("the title %q is empty or ends in a full stop", k.Title)
		case k.Means == "":
			bad("does not say what it means")
		}
		seen[k.ID] = true
		if _, ok := severity[k.Status]; !ok {
			bad("has the status %q", k.Status)
		}
		cases := map[string]bool{}
		for _, r := range k.Remedies {
			switch does := r.Class == Safe || r.Class == Risky; {
			case cases[r.Case]:
				bad("has two remedies for the case %q", r.Case)
			case r.Case == "" && len(k.Remedies) > 1:
				bad("has a remedy for every case, and others beside it")
			case (r.Case == "") != (r.When == ""):
				bad("the case %q and its words %q do not go together", r.Case, r.When)
			case !does && r.Class != Advice:
				bad("has a remedy of the class %q", r.Class)
			case does && r.Undo == "":
				bad("does not say how the remedy %q is undone", r.Changes)
			case r.Changes == "":
				bad("has a remedy that changes nothing")
			}
			cases[r.Case] = true
		}
	}
	return wrong
}
