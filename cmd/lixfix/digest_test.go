package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/fix"
)

// document is what the stories of TestStates look at in the JSON that lixfix prints. Words are left out: a golden file
// that holds no sentence does not change with one.
type document struct {
	Fixes []told `json:"fixes"`
	After []told `json:"after"`
	Plan  *struct {
		Settings []struct{ Name, Value, Source string }
		Seats    []struct {
			ID            int
			Before, After string
		}
		Notes []string
		Steps []struct {
			Kind, For string
			Optional  bool
			Step      json.RawMessage
		}
	} `json:"plan"`
	Refused []json.RawMessage `json:"refused"`
	Outcome *struct {
		Result      string
		Done, Total int
	} `json:"outcome"`
	Error *struct {
		Finding string `json:"finding"`
	} `json:"error"`
}

// told is what is told of a fix.
type told struct {
	Status   fix.Status
	Findings []fix.Finding
}

// documents reads what a command printed: a report, an error, or a report and the error that it ended with.
func documents(t *testing.T, out string) []document {
	t.Helper()
	var all []document
	d := json.NewDecoder(strings.NewReader(out))
	for {
		var one document
		switch err := d.Decode(&one); {
		case err == io.EOF:
			return all
		case err != nil:
			t.Fatalf("%v in\n%s", err, out)
		}
		all = append(all, one)
	}
}

// digest writes down findings, steps and outcome of a command.
func digest(docs []document) (findings, plan, end string) {
	var p, e strings.Builder
	for _, d := range docs {
		findings += digestFindings(d.Fixes)
		if d.Plan != nil {
			for _, s := range d.Plan.Settings {
				fmt.Fprintf(&p, "  %s = %s (%s)\n", s.Name, s.Value, s.Source)
			}
			for _, s := range d.Plan.Seats {
				if s.Before != s.After {
					fmt.Fprintf(&p, "  seat %d: %s -> %s\n", s.ID, orNobody(s.Before), orNobody(s.After))
				}
			}
			for _, s := range d.Plan.Steps {
				fmt.Fprintf(&p, "  %s%s%s%s\n", s.Kind, between(" (", s.For, ")"), values(s.Step), map[bool]string{true: " optional"}[s.Optional])
			}
			if n := len(d.Plan.Notes); n > 0 {
				fmt.Fprintf(&p, "  notes: %d\n", n)
			}
		}
		if d.Error != nil {
			e.WriteString("  error" + between(" ", d.Error.Finding, "") + "\n")
		}
		if d.Outcome != nil {
			fmt.Fprintf(&e, "  %s: %d of %d steps", d.Outcome.Result, d.Outcome.Done, d.Outcome.Total)
			fmt.Fprintf(&e, "%s\n", between(", refused: ", count(len(d.Refused)), ""))
		}
		if d.After != nil {
			e.WriteString("  after:\n" + digestFindings(d.After))
		}
	}
	return findings, p.String(), e.String()
}

func digestFindings(fixes []told) string {
	var b strings.Builder
	for _, f := range fixes {
		for _, one := range f.Findings {
			fmt.Fprintf(&b, "  %s %s", one.Status, one.ID)
			if one.Remedy != nil {
				fmt.Fprintf(&b, " [%s%s]", one.Remedy.Class, between(": ", strings.TrimPrefix(one.Remedy.Command, "sudo lixfix "), ""))
			}
			b.WriteString("\n")
			for _, e := range one.Evidence {
				b.WriteString("    " + e.Source + between(": ", e.Observed, "") + "\n")
			}
		}
	}
	return guidForm.ReplaceAllString(b.String(), "GUID")
}

func between(before, s, after string) string {
	if s == "" {
		return ""
	}
	return before + s + after
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func orNobody(s string) string {
	if s == "" {
		return "nobody"
	}
	return s
}

// values writes the fields of a step in alphabetical order. Identifiers that lixfix chose are another each time, and the
// contents of files are long.
func values(raw json.RawMessage) string {
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return " " + string(raw)
	}
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		if name == "why" || name == "generated_uid" {
			continue
		}
		switch v := fields[name].(type) {
		case map[string]any:
			continue
		case []any:
			words := make([]string, len(v))
			for i, one := range v {
				words[i] = fmt.Sprint(one)
			}
			fmt.Fprintf(&b, " %s=%s", name, strings.Join(words, ","))
		case nil:
			fmt.Fprintf(&b, " %s=", name)
		default:
			fmt.Fprintf(&b, " %s=%v", name, v)
		}
	}
	return guidForm.ReplaceAllString(b.String(), "GUID")
}
