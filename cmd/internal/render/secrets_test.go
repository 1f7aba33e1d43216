package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform/sandbox"
)

const owl = "Secr3tOwl"

// TestNothingSecretIsPrinted has every form of output print what nobody has redacted before.
func TestNothingSecretIsPrinted(t *testing.T) {
	const text = "https://me:Secr3tOwl@host/x,https://me:Secr3tOwl@host/y?token=Secr3tOwl"
	found := []Fix{{
		Name: "x", Title: text, Status: fix.Broken, Picture: &fix.Picture{
			Figures: []figure.Figure{{Rows: []figure.Row{{Depth: 1, Cells: []string{"a  " + text}}, {Depth: 1, Cells: []string{"password: a Secr3tOwl"}}}}}, Notes: []string{text},
		},
		Findings: []fix.Finding{{
			ID: "x/y", Status: fix.Broken, Summary: text, Reason: text, Evidence: []fix.Evidence{{Source: text, Expected: text, Observed: text}},
			Remedy: &fix.Remedy{Class: fix.Risky, Changes: text, Command: "sudo " + text, Undo: text},
		}},
	}}
	p := plan.Plan{
		Schema: 1, Fix: "x", Notes: []string{text}, Settings: []plan.Setting{{Name: "a", Value: text, Source: text}},
		Entries: []plan.Entry{{Step: step.SetLink{Name: "/x", From: text, To: text, Why: text}}},
	}
	r := Report{
		Command: "check", Summary: text, Fixes: found, After: found, Problems: []string{text}, Plan: &p, Moved: text,
		Refused: []Refused{{Step: text, Reason: text}}, Paste: []string{text, "`password: Secr3tOwl`"}, Graph: map[string]any{"a": []any{text, "x\ttoken=" + owl}},
		Host: &Host{}, Outcome: &Outcome{Result: Unfinished, Next: []string{text}, Error: text},
		Probe: &probe.Result{Result: sandbox.Result{
			Outcome: sandbox.Ran, Reason: text, Stderr: []string{text}, Pasta: []string{text},
			Report: &sandbox.Report{Files: map[string]sandbox.File{sandbox.ResolvConf: {Data: []byte("# " + text + "\n\tpassword\t" + owl + "\n")}}},
		}},
	}
	var b bytes.Buffer
	for _, named := range []bool{false, true} {
		b.WriteString(page(Style{Named: named, Verbose: true}, func(t *Text) {
			t.Check(r)
			t.Found(r)
			t.Ended(r)
			t.Probe(r)
			t.Verbatim(r.Paste)
			t.Problem(Problem{Message: text, Next: text})
		}))
	}
	b.WriteString(Dot("digraph {\n\"a\" [label=\"" + text + "\"];\n}\n"))
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: LogAttr}))
	log.Debug(text, "a", text, "b", []string{"--argstr", "password", owl}, "c", errors.New(text), "d", []byte(text), "e", fix.Setting{Value: text},
		"f", time.Second, "g", slog.GroupValue(slog.String("h", text)))
	var documents bytes.Buffer
	if err := errors.Join(JSON(&documents, r), ProblemJSON(&documents, Problem{Message: text}), EventJSON(&documents, Event{Event: Verdict, Report: &r})); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(documents.Bytes()) {
		var doc struct{ Probe *probe.Result }
		if err := json.Unmarshal(line, &doc); err != nil {
			t.Errorf("%v in %s", err, line)
		}
		if doc.Probe != nil {
			b.Write(doc.Probe.Report.Files[sandbox.ResolvConf].Data)
		}
	}
	b.Write(documents.Bytes())
	if got := b.String(); strings.Contains(got, owl) || strings.Count(got, "[redacted]") < 50 {
		for line := range strings.Lines(got) {
			if strings.Contains(line, owl) {
				t.Errorf("%s", line)
			}
		}
		t.Errorf("%d times redacted", strings.Count(got, "[redacted]"))
	}
	if !strings.Contains(string(r.Probe.Report.Files[sandbox.ResolvConf].Data), owl) {
		t.Error("the report itself was changed")
	}
}

func FuzzHideJSON(f *testing.F) {
	f.Add("token=x", "a\"\\\n\u2028<")
	f.Add("password\\", "\xff")
	f.Fuzz(func(t *testing.T, key, value string) {
		data, err := json.Marshal(map[string]any{key: []any{value, 1, nil, map[string]string{value: key}}, "x": value})
		if err != nil {
			t.Fatal(err)
		}
		var before, after any
		got := hideJSON(slices.Clone(data), nil)
		if err := errors.Join(json.Unmarshal(data, &before), json.Unmarshal(got, &after)); err != nil {
			t.Fatalf("%v: %s became %s", err, data, got)
		}
		if !strings.Contains(string(got), "[redacted]") && !bytes.Equal(data, got) {
			t.Fatalf("%s became %s", data, got)
		}
	})
}
