package render

import (
	"bytes"
	_ "embed" // for the schema
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

//go:embed schema.json
var schemaJSON []byte

// SchemaJSON is the JSON Schema of every document that lixfix prints.
func SchemaJSON() []byte { return bytes.Clone(schemaJSON) }

// JSON writes a report on one line. Its plan has the very bytes that the journal stores.
func JSON(w io.Writer, r Report) error {
	r.Schema = Schema
	return encode(w, r)
}

// ProblemJSON writes an error on one line.
func ProblemJSON(w io.Writer, p Problem) error {
	return encode(w, struct {
		Schema int     `json:"schema"`
		Error  Problem `json:"error"`
	}{Schema, p})
}

func encode(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(escape(data), '\n'))
	return err
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
