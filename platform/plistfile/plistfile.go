// Package plistfile decodes the XML property lists that the tools of macOS print.
//
// It is stricter than the library below it, which takes an empty input for an empty dictionary (as an old OpenStep
// list), and which needs exponential time for some binary lists of 150 bytes.
package plistfile

import (
	"bytes"
	"errors"
	"fmt"

	"howett.net/plist"
)

var (
	// ErrNotXML is returned for anything that does not start as an XML property list, also for no bytes at all.
	ErrNotXML = errors.New("not an XML property list")
	// ErrTooDeep is returned for lists nested deeper than 32 levels.
	ErrTooDeep = errors.New("property list nested too deeply")
)

const maxDepth = 32

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
	format, err := plist.Unmarshal(sanitize(data), v)
	if err != nil {
		return fmt.Errorf("decode property list: %w", err)
	}
	if format != plist.XMLFormat {
		return ErrNotXML
	}
	return nil
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

// sanitize replaces what no XML reader accepts. It copies only when there is something to replace.
func sanitize(data []byte) []byte {
	bad := func(c byte) bool { return c < 0x20 && c != '\t' && c != '\n' && c != '\r' }
	if i := bytes.IndexFunc(data, func(r rune) bool { return r < 0x20 && bad(byte(r)) }); i >= 0 {
		data = bytes.Map(func(r rune) rune {
			if r < 0x20 && bad(byte(r)) {
				return '\uFFFD'
			}
			return r
		}, data)
	}
	return bytes.ToValidUTF8(data, []byte("\uFFFD"))
}

// depth returns how deep arrays and dictionaries are nested.
func depth(data []byte) int {
	deepest, level := 0, 0
	for {
		i := bytes.IndexByte(data, '<')
		if i < 0 {
			return deepest
		}
		data = data[i+1:]
		switch {
		case bytes.HasPrefix(data, []byte("array")), bytes.HasPrefix(data, []byte("dict")):
			if end := bytes.IndexByte(data, '>'); end > 0 && data[end-1] == '/' {
				continue
			}
			level++
			deepest = max(deepest, level)
		case bytes.HasPrefix(data, []byte("/array")), bytes.HasPrefix(data, []byte("/dict")):
			level--
		}
	}
}
