// Package plistfile decodes the XML property lists that the tools of macOS print.
//
// It is stricter than the library below it, which takes an empty input for an empty dictionary (as an old OpenStep
// list), and which needs exponential time for some binary lists of 150 bytes.
package plistfile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"howett.net/plist"

	"github.com/lixfix/lixfix/platform/pattern"
)

var (
	// ErrNotXML is returned for anything that does not start as an XML property list, also for no bytes at all.
	ErrNotXML = errors.New("not an XML property list")
	// ErrTooDeep is returned for lists nested deeper than 32 levels.
	ErrTooDeep = errors.New("property list nested too deeply")
)

const maxDepth = 33 // 32, and the string or number in the innermost

// Decode decodes the first property list in data into v, as plist.Unmarshal does. Control characters, which dscl
// prints raw although XML does not allow them, become U+FFFD, as do bytes that are not UTF-8.
func Decode(data []byte, v any) error {
	data = bytes.TrimLeft(data, " \t\r\n")
	if !bytes.HasPrefix(data, []byte("<?xml")) && !bytes.HasPrefix(data, []byte("<!DOCTYPE plist")) &&
		!bytes.HasPrefix(data, []byte("<plist")) {
		return ErrNotXML
	}
	if !bytes.Contains(data, []byte("</plist>")) && !bytes.Contains(data, []byte("<plist/>")) {
		return fmt.Errorf("%w: it ends in the middle", ErrNotXML)
	}
	if depth(data) > maxDepth {
		return ErrTooDeep
	}
	data = sanitize(data)
	if known(data, v) {
		return nil
	}
	format, err := plist.Unmarshal(data, v)
	if err != nil {
		return fmt.Errorf("decode property list: %w", err)
	}
	if format != plist.XMLFormat {
		return ErrNotXML
	}
	return nil
}

// known decodes what dscl prints of records, into variables that are of that shape and still nil.
func known(data []byte, v any) bool {
	switch v := v.(type) {
	case *[]map[string][]string:
		list, one, ok := records(data)
		if ok = ok && !one && *v == nil; ok {
			*v = list
		}
		return ok
	case *map[string][]string:
		list, one, ok := records(data)
		if ok = ok && one && *v == nil; ok {
			*v = list[0]
		}
		return ok
	}
	return false
}

// Documents parts data that holds several property lists one after the other, as dscl prints them when two records
// bear one name.
func Documents(data []byte) [][]byte {
	var docs [][]byte
	end := []byte("</plist>")
	for {
		data = bytes.TrimLeft(data, " \t\r\n")
		if len(data) == 0 {
			return docs
		}
		i := bytes.Index(data, end)
		if i < 0 {
			return append(docs, data)
		}
		docs = append(docs, data[:i+len(end)])
		data = data[i+len(end):]
	}
}

// references are the numeric ones, as "&#27;".
var references = pattern.New(`&#(?:[0-9]+|x[0-9A-Fa-f]+);`)

// legal reports whether XML allows a character.
func legal(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF ||
		r == '\t' || r == '\n' || r == '\r'
}

// sanitize replaces what no XML reader accepts, raw or as a reference. It copies only when there is something to
// replace.
func sanitize(data []byte) []byte {
	if plain(data) {
		return data
	}
	if bytes.ContainsFunc(data, func(r rune) bool { return !legal(r) }) {
		data = bytes.Map(func(r rune) rune {
			if !legal(r) {
				return '\uFFFD'
			}
			return r
		}, data)
	}
	if bytes.Contains(data, []byte("&#")) {
		data = references.ReplaceAllFunc(data, func(ref []byte) []byte {
			digits, base := string(ref[2:len(ref)-1]), 10
			if digits[0] == 'x' {
				digits, base = digits[1:], 16
			}
			if n, err := strconv.ParseInt(digits, base, 32); err != nil || !legal(rune(n)) {
				return []byte("\uFFFD")
			}
			return ref
		})
	}
	return bytes.ToValidUTF8(data, []byte("\uFFFD"))
}

// plain reports whether there is nothing but printable ASCII, and no numeric reference, as in nearly every list.
func plain(data []byte) bool {
	for i, c := range data {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' && c != '\r' || c == '#' && i > 0 && data[i-1] == '&' {
			return false
		}
	}
	return true
}

// depth returns how deep elements are nested below the outermost, which is "plist". It may find too much, in text that
// no tool writes, and not too little: the reader below this package recurses, without a limit of its own.
func depth(data []byte) int {
	deepest, level := 0, 0
	for {
		i := bytes.IndexByte(data, '<')
		if i < 0 {
			return deepest
		}
		data = data[i+1:]
		switch {
		case bytes.HasPrefix(data, []byte("!--")):
			data = behind(data, "-->")
		case bytes.HasPrefix(data, []byte("![CDATA[")):
			data = behind(data, "]]>")
		case bytes.HasPrefix(data, []byte("!")):
			if level > 0 {
				return maxDepth + 1 // a directive, which can hide tags, has no place inside of a list
			}
		case bytes.HasPrefix(data, []byte("?")):
			data = behind(data, "?>")
		case bytes.HasPrefix(data, []byte("/")):
			level = max(level-1, 0)
		default:
			// An attribute could hold anything, also "/>"; only that of "plist" is expected.
			end := bytes.IndexAny(data, "\"'>")
			if end > 0 && data[end] == '>' && data[end-1] == '/' {
				continue
			}
			level++
			deepest = max(deepest, level-1)
		}
	}
}

func behind(data []byte, end string) []byte {
	_, rest, _ := bytes.Cut(data, []byte(end))
	return rest
}
