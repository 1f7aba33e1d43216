package render

import (
	"bytes"
	_ "embed" // for the schema
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform/redact"
	"github.com/lixfix/lixfix/platform/sandbox"
)

//go:embed schema.json
var schemaJSON []byte

// SchemaJSON is the JSON Schema of every document that lixfix prints. ids are all that a finding can have; with none,
// it takes any.
func SchemaJSON(ids ...string) []byte {
	if len(ids) == 0 {
		return bytes.Clone(schemaJSON)
	}
	const def = `"finding-id": {"type": "string", `
	list, err := json.MarshalIndent(ids, "      ", "  ")
	if err != nil {
		list = []byte("[]") // strings can always be encoded
	}
	return bytes.Replace(schemaJSON, []byte(def), slices.Concat([]byte(def+`"enum": `), list, []byte(", ")), 1)
}

// JSON writes a report on one line. Its plan has the very bytes that the journal stores, where no secret is in them: a
// plan tells of files by their hashes, and what a repair needs to know is in the journal, which root alone can read.
func JSON(w io.Writer, r Report) error {
	r.Schema = Schema
	r.Probe = shown(r.Probe)
	return encode(w, r, messages(r))
}

// messages are the error messages that kinds of findings are known by. They are lixfix's own, and say "…" for what is a
// secret in the message of a host: "illegal configuration line '…'".
func messages(r Report) map[string]bool {
	own := map[string]bool{}
	add := func(kinds []Kind) {
		for _, k := range kinds {
			for _, m := range k.Messages {
				own[m] = true
			}
		}
	}
	add(r.Kinds)
	add(r.Known)
	for _, l := range r.Listed {
		add(l.Kinds)
	}
	for _, e := range r.Explained {
		add(e.Kinds)
	}
	return own
}

// ProblemJSON writes an error on one line.
func ProblemJSON(w io.Writer, p Problem) error {
	return encode(w, struct {
		Schema int     `json:"schema"`
		Error  Problem `json:"error"`
	}{Schema, p}, nil)
}

func encode(w io.Writer, v any, own map[string]bool) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(escape(hideJSON(data, own)), '\n'))
	return err
}

// hideJSON takes the secrets out of the strings of a document, but of those that are lixfix's own. All JSON that lixfix
// prints comes through here.
func hideJSON(data []byte, own map[string]bool) []byte {
	var out []byte // nil as long as nothing has changed
	last := 0
	for i := 0; i < len(data); i++ {
		if data[i] != '"' {
			continue
		}
		end, escaped := i+1, false
		for ; end < len(data) && data[end] != '"'; end++ {
			if data[end] == '\\' {
				end, escaped = end+1, true
			}
		}
		if end >= len(data) {
			break // encoding/json closes its strings
		}
		text := string(data[i+1 : end])
		if escaped {
			if err := json.Unmarshal(data[i:end+1], &text); err != nil {
				break
			}
		}
		// What is followed by a colon is the name of a field.
		if key := end+1 < len(data) && data[end+1] == ':'; !key && !own[text] {
			if hidden := redact.Secrets(text); hidden != text {
				if word, err := json.Marshal(hidden); err == nil {
					out = append(append(out, data[last:i]...), word...)
					last = end + 1
				}
			}
		}
		i = end
	}
	if last == 0 {
		return data
	}
	return append(out, data[last:]...)
}

// shown is what the probe has seen without secrets in the files, which JSON has as base64.
func shown(p *probe.Result) *probe.Result {
	if p == nil || p.Report == nil {
		return p
	}
	out, report := *p, *p.Report
	report.Files = maps.Clone(report.Files)
	for name, f := range report.Files {
		f.Data = []byte(redact.Block(string(f.Data)))
		if len(f.Data) == 0 {
			f.Data = report.Files[name].Data
		}
		report.Files[name] = f
	}
	out.Report = &report
	return &out
}

// Dot takes the secrets out of a graph in the language of Graphviz.
func Dot(s string) string {
	lines := strings.SplitAfter(s, "\n")
	for i, l := range lines {
		lines[i] = redact.Secrets(l)
	}
	return strings.Join(lines, "")
}

// LogAttr takes the secrets out of an attribute of a log; it is a slog.HandlerOptions.ReplaceAttr.
func LogAttr(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(redact.Block(unreported(v)))
	case []string:
		a.Value = slog.AnyValue(redact.Arguments(v))
	case []byte:
		a.Value = slog.StringValue(redact.Block(string(v)))
	case error:
		a.Value = slog.StringValue(redact.Block(v.Error()))
	case fmt.Stringer:
		if a.Value.Kind() == slog.KindAny {
			a.Value = slog.StringValue(redact.Block(v.String()))
		}
	default:
		if a.Value.Kind() == slog.KindAny && v != nil {
			a.Value = slog.StringValue(redact.Block(fmt.Sprintf("%+v", v)))
		}
	}
	return a
}

// escape spells the characters that a terminal acts on as \u…; JSON asks for that below U+0020 only. It means the
// same to every reader.
func escape(data []byte) []byte {
	acts := func(r rune) bool { return r == 0x85 || hidden(r) }
	if !bytes.ContainsFunc(data, acts) {
		return data
	}
	var out []byte
	for _, r := range string(data) {
		switch {
		case !acts(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			a, b := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, a, b)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }

// unreported is what a tool printed without the report of a builder, which has files as base64.
func unreported(s string) string {
	if !strings.Contains(s, sandbox.Prefix) {
		return s
	}
	lines := strings.SplitAfter(s, "\n")
	for i, l := range lines {
		if before, _, ok := strings.Cut(l, sandbox.Prefix); ok {
			lines[i] = before + sandbox.Prefix + "…\n"
		}
	}
	return strings.Join(lines, "")
}
