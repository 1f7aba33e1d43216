package sandbox

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"unicode"

	"github.com/lixfix/lixfix/platform/redact"
)

// lineLimit is how long the line of a report may be. Three files of 16 KiB in base64, and all lists full, have less
// than 200 KiB.
const lineLimit = 1 << 20

// Extract finds the report with the nonce in what a build printed, nil where there is none. Builders print what they
// like, also lines like the probe's: only the nonce, which nobody else knows, tells whose line it is.
func Extract(log []byte, nonce string) *Report {
	prefix := []byte(Prefix)
	for len(log) > 0 {
		var line []byte
		line, log, _ = bytes.Cut(log, []byte("\n"))
		// Nix may put a name before the line, and others may have left theirs unfinished; a report itself holds no second
		// prefix, because its files are in base64.
		i := bytes.LastIndex(line, prefix)
		if i < 0 || len(line)-i > lineLimit {
			continue
		}
		r := &Report{}
		if json.Unmarshal(bytes.TrimSpace(line[i+len(prefix):]), r) == nil && nonce != "" && r.Nonce == nonce {
			return r
		}
	}
	return nil
}

// escapes are what Nix colours its messages with, also where nobody asked it to.
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

// lines makes lines without control characters and secrets of what a tool printed: at most as many as wanted, the last
// ones.
func lines(data []byte, most int) []string {
	const enough, long = 64 << 10, 1 << 20
	if len(data) > enough {
		// From the start of a line on: of the end of one, nothing tells any more that it is a secret.
		start := bytes.LastIndexByte(data[:len(data)-enough], '\n') + 1
		if len(data)-start > long {
			start = len(data) - enough
			if next := bytes.IndexByte(data[start:], '\n'); next >= 0 {
				start += next + 1
			} else {
				start = len(data)
			}
		}
		data = data[start:]
	}
	// All at once, because a secret can go on in the next line, and without the colours that stand around it.
	text := redact.Block(escapes.ReplaceAllString(strings.ToValidUTF8(string(data), "\uFFFD"), ""))
	var out []string
	for line := range strings.Lines(text) {
		if line = Plain(line); strings.TrimSpace(line) != "" {
			out = append(out, line)
		}
	}
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return out
}

// Plain is one line without colours, control characters and secrets, and not longer than anybody would read.
func Plain(line string) string {
	const longest = 400
	line = strings.ToValidUTF8(escapes.ReplaceAllString(line, ""), "\uFFFD")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			if r == '\n' || r == '\r' {
				return -1
			}
			return ' '
		}
		return r
	}, line)
	return redact.Cut(strings.TrimRight(redact.Secrets(line), " "), longest)
}
