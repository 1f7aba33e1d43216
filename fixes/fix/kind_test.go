package fix_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
)

var dead = &fix.Kind{
	ID: "names/server-dead", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
	Title: "a server is silent", Means: "Builds wait for it.",
	Says: "the server {server} is silent; {other} answers",
	Or:   map[string]fix.Words{"alone": "the server {server} is silent"},
	Remedies: []fix.Remedial{
		{Case: "start", When: "its service is stopped", Class: fix.Safe, Changes: "start {unit}", Undo: "stops it"},
		{Case: "order", When: "another answers", Class: fix.Risky, Changes: "ask {other} first", Undo: "writes the old order"},
		{Case: "owner", When: "a manager writes the file", Class: fix.Advice, Changes: "tell {owner}", Command: "lixfix explain {topic}"},
	},
}

func TestFound(t *testing.T) {
	e := fix.Evidence{Source: "DNS", Expected: "an answer", Observed: "none"}
	got := dead.Found(fix.With{"server": "192.0.2.1", "other": "{unit}"}, e)
	want := fix.Finding{
		ID: "names/server-dead", Status: fix.Broken, Summary: "the server 192.0.2.1 is silent; {unit} answers", Evidence: []fix.Evidence{e},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := dead.FoundAs("alone", fix.With{"server": "192.0.2.1"}).Summary; got != "the server 192.0.2.1 is silent" {
		t.Errorf("alone: %q", got)
	}
	one := &fix.Kind{ID: "names/hot", Status: fix.AtRisk, Title: "it is hot", Means: "x", Remedies: []fix.Remedial{{Class: fix.Advice, Changes: "cool {it}"}}}
	if f := one.Found(fix.With{"it": "it"}); f.Summary != "it is hot" || f.Remedy == nil || f.Remedy.Changes != "cool it" || f.Remedy.Command != "" {
		t.Errorf("got %+v, remedy %+v", f, f.Remedy)
	}
}

func TestRemedy(t *testing.T) {
	for name, want := range map[string]*fix.Remedy{
		"start": {Class: fix.Safe, Changes: "start UNIT.service", Command: "sudo lixfix repair names", Undo: "stops it"},
		"order": {
			Class: fix.Risky, Changes: "ask {other} first", Undo: "writes the old order",
			Command: "sudo lixfix repair names --accept names/server-dead",
		},
		"owner":   {Class: fix.Advice, Changes: "tell {owner}", Command: "lixfix explain dns"},
		"nothing": nil,
	} {
		if diff := cmp.Diff(want, dead.Remedy(name, fix.With{"unit": "UNIT.service", "topic": "dns"})); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if got := dead.Remedies[2].Command.General(); got != "lixfix explain TOPIC" {
		t.Errorf("in general: %q", got)
	}
}

func TestValidate(t *testing.T) {
	if wrong := fix.Validate("names", []*fix.Kind{dead}); len(wrong) > 0 {
		t.Errorf("a good table: %v", wrong)
	}
	for what, change := range map[string]func(*fix.Kind){
		"no ID of":       func(k *fix.Kind) { k.ID = "other/x" },
		"full stop":      func(k *fix.Kind) { k.Title = "Wrong." },
		"what it means":  func(k *fix.Kind) { k.Means = "" },
		"the status":     func(k *fix.Kind) { k.Status = "bad" },
		"for every case": func(k *fix.Kind) { k.Remedies[0].Case, k.Remedies[0].When = "", "" },
		"two remedies":   func(k *fix.Kind) { k.Remedies[1].Case = "start" },
		"do not go":      func(k *fix.Kind) { k.Remedies[1].When = "" },
		"the class":      func(k *fix.Kind) { k.Remedies[1].Class = "" },
		"how the remedy": func(k *fix.Kind) { k.Remedies[1].Undo = "" },
		"a remedy that":  func(k *fix.Kind) { k.Remedies[2].Changes = "" },
	} {
		k := *dead
		k.Remedies = append([]fix.Remedial(nil), dead.Remedies...)
		change(&k)
		wrong := fix.Validate("names", []*fix.Kind{&k})
		if len(wrong) != 1 || !strings.Contains(wrong[0].Error(), what) {
			t.Errorf("%s: got %v", what, wrong)
		}
	}
	if wrong := fix.Validate("names", []*fix.Kind{dead, dead}); len(wrong) != 1 {
		t.Errorf("twice: %v", wrong)
	}
}

func TestWorst(t *testing.T) {
	for want, all := range map[fix.Status][]fix.Finding{
		fix.Unknown:       nil,
		fix.NotApplicable: {{Status: fix.NotApplicable}},
		fix.OK:            {{Status: fix.NotApplicable}, {Status: fix.OK}},
		fix.Broken:        {{Status: fix.Broken}, {Status: fix.Unknown}},
	} {
		if got := fix.Worst(all); got != want {
			t.Errorf("%v: %s, want %s", all, got, want)
		}
	}
}
