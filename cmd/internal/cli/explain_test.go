package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/fix"
)

func TestExplain(t *testing.T) {
	w := newWorld(t)
	w.run("explain", "paint").ends(Healthy).says("Symptoms", "Somebody painted them.", "How to undo", "https://example.org/walls", "PAINT_TINT", "sudo lixfix repair paint")
	w.run("explain", "paint", "--format", "json").ends(Healthy)
	w.run("explain", "piant").ends(Problems).says(`did you mean "lixfix explain paint"?`)
	w.run("explain", "nothing like that").ends(Problems).says("no known issue matches", "lixfix check")
	w.run("explain", "nothing", "--format", "json").ends(Problems)
	w.run("explain", "").ends(Usage)
	w.run("explain", "<dscl_cmd>", "DS", "Error:", "-14136", "(eDSRecordNotFound)").ends(Usage).says("put the error text in quotes")
	w.run("explain", "--", "<dscl_cmd>", "DS", "Error:", "-14136", "(eDSRecordNotFound)").ends(Healthy).says("The text matches")
	w.stdin = "log\x1b[31;1merror:\x1b[0m the wall\n  \"/walls/7\" of the user ‘painter3’ is red and not blue\n"
	w.run("explain", "-").ends(Healthy).says("The text matches", "more lixfix explain paint")
	w.run("explain", "-", "--format", "json").ends(Healthy)
	w.stdin = strings.Repeat("x", pasted+1)
	w.run("explain", "-").ends(Usage).says("longer than 256 KiB")
}

func TestExplainFinding(t *testing.T) {
	w := newWorld(t)
	w.run("explain", "paint/wall-3").ends(Healthy).says("wall 3 is not blue", "Everybody can see it.", "not blue", "the wall is dry",
		"paints WALL", "sudo lixfix repair paint", "paints it back", "build a wall", "lixfix check paint")
	w.run("explain", "paint/wal-3").ends(Usage).says(`did you mean "paint/wall-3"?`, "lixfix list paint")
	r := w.run("explain", "paint/wall-3", "--format", "json").ends(Healthy).report()
	if len(r.Kinds) != 1 || r.Kinds[0].ID != "paint/wall-3" || len(r.Kinds[0].Remedies) != 2 {
		t.Errorf("got %+v", r.Kinds)
	}
	w.run("explain", "paint").ends(Healthy).says("Findings", "paint/wall-9")
	w.run("list", "paint").ends(Healthy).says("paint/wall-9", "broken", "safe, advice")
	w.run("list", "piant").ends(Usage).says(`did you mean "paint"?`)
	w.run("list", "paint", "paint").ends(Usage)
	if l := w.run("list", "--format", "json").ends(Healthy).report().Listed; len(l) == 0 || len(l[0].Kinds) != 10 {
		t.Errorf("got %+v", l)
	}
}

// The schema that is printed has each ID that a finding can have, and no other.
func TestSchemaKnowsFindings(t *testing.T) {
	w := newWorld(t)
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(w.run("schema").ends(Healthy).out), &s); err != nil {
		t.Fatal(err)
	}
	id := s.Defs["finding-id"]
	if n := len(id.Enum); n != 11 || id.Enum[3] != "paint/wall-3" || id.Enum[10] != "paint/not-checked" {
		t.Errorf("the schema knows %v", id.Enum)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, id := range map[bool]string{true: "paint/wall-3", false: "paint/wall-77"} {
		doc := map[string]any{"schema": 1, "lixfix": "1", "command": "check", "summary": "", "exit": 0, "fixes": []any{map[string]any{
			"name": "paint", "title": "", "status": "ok", "findings": []any{map[string]any{"id": id, "status": "ok", "summary": ""}},
		}}}
		if err := resolved.Validate(doc); (err == nil) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestMatching(t *testing.T) {
	sequoia := fixes.All()[0]
	for _, text := range []string{
		"error: the user '_nixbld7' in the group 'nixbld' does not exist",
		"the user '_nixbld32' in the group 'nixbld' does not exist",
		"ERROR: the user `_nixbld12' in the group \"nixbld\"\n   does not exist",
		"error:\n       … while building\n\n       error: the user '_nixbld1' in the group 'nixbld' does not exist\n\nhint: see the wiki",
		"\x1b[31;1merror:\x1b[0m the user '\x1b[35;1m_nixbld1\x1b[0m' in the group '\x1b[35;1mnixbld\x1b[0m' does not exist",
		"error: the user 'builder3' in the group 'builders' does not exist",
		"warning: existing user '_nixbld9' has unexpected uid 400, skipping...",
	} {
		if matching(sequoia, text) == "" {
			t.Errorf("no symptom matches %q", text)
		}
	}
	for _, text := range []string{"", "x", "nixbld", "the user does not exist", "error: the store does not exist", "'_nixbld1'"} {
		if s := matching(sequoia, text); s != "" {
			t.Errorf("%q matches %q", text, s)
		}
	}
}

// Every symptom that a fix lists is found again by its own words.
func TestSymptomsMatchThemselves(t *testing.T) {
	for _, f := range append(fixes.All(), fix.Fix(&paint{name: "paint"})) {
		for _, s := range f.Doc().Symptoms {
			if matching(f, s) == "" {
				t.Errorf("%s: %q does not match itself", f.Name(), s)
			}
		}
	}
}

func FuzzMatching(f *testing.F) {
	f.Add("error: the wall '/walls/1' of the user 'painter1' is red and not blue", "the … wall")
	f.Fuzz(func(_ *testing.T, text, symptom string) {
		for _, loosely := range []bool{false, true} {
			if p := pattern(symptom, loosely); p != nil {
				p.MatchString(normal(text, loosely))
			}
		}
	})
}
