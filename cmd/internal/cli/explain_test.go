package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/messages"
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
	w.run("explain", "--", "<dscl_cmd>", "DS", "Error:", "-14136", "(eDSRecordNotFound)").ends(Healthy).says("DS Error: -14136", "look lixfix check paint")
	w.stdin = "log\x1b[31;1merror:\x1b[0m the wall\n  \"/walls/7\" of the user ‘painter3’ is red and not blue\n"
	w.run("explain", "-").ends(Healthy).says("line 1: logerror: the wall", "look lixfix check paint")
	w.run("explain", "-", "--format", "json").ends(Healthy)
	w.stdin = strings.Repeat("x", messages.Longest+1)
	w.run("explain", "-").ends(Usage).says("longer than 16 MiB")
}

// What a text points to: several findings, one without a fix, and whether this host has them.
func TestExplainText(t *testing.T) {
	w := newWorld(t, "red", "blue", "dark")
	w.run("explain", "the wall '/walls/1' is not blue").ends(Healthy).says("one of 10 findings", "paint/wall-0", "and 6 more", "only looks like",
		"look lixfix check paint")
	m := w.run("explain", "the wall '/walls/1' is not blue", "--here", "--format", "json").ends(Healthy).report().Matches
	if len(m) != 1 || m[0].Sure || m[0].Number != 1 || len(m[0].Kinds) != 10 || m[0].Kinds[0].Here == nil || m[0].Kinds[0].Here.Is != render.Confirmed {
		t.Errorf("got %+v", m)
	}
	w.run("explain", "--here", "--", "roof: the rain comes in through the roof").ends(Healthy).says("roof/open it rains", "not looked for", "no fix for it yet",
		"more lixfix explain roof/open")
	w.run("explain", "roof/open").ends(Healthy).says("The roof is open.", "mend the roof", "It has no fix for it yet")
	w.run("explain", "roof/closed").ends(Problems).says("no known issue matches")
	w.run("explain", "paint", "--here").ends(Usage)
	w.run("list").ends(Healthy).says("1 more problem without a fix", "lixfix list known")
	w.run("list", "known").ends(Healthy).says("roof/open", "it rains")
	if k := w.run("list", "--format", "json").ends(Healthy).report().Known; len(k) != 1 || !k[0].Unfixed {
		t.Errorf("got %+v", k)
	}
}

// "--here" prints the host's evidence below the page.
func TestExplainHere(t *testing.T) {
	w := newWorld(t, "red", "blue", "dark")
	for id, says := range map[string][]string{
		"paint/wall-1": {"On this host", "broken wall 1 is red", "/walls/1", "sudo lixfix repair paint"},
		"paint/wall-3": {"On this host", "could not tell: it is dark in there; root could"},
		"paint/wall-8": {"On this host", "could not tell"},
	} {
		w.run("explain", id, "--here").ends(Healthy).says(says...)
	}
	w.write("walls/3", "blue\n")
	w.run("explain", "paint/wall-8", "--here").ends(Healthy).says("not confirmed here")
	w.run("explain", "paint/wall-3", "--here").ends(Healthy).says("ok wall 3 is blue")
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
