//go:build linux

package nixdaemon

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/nixwire"
)

const path = "/nix/store/00000000000000000000000000000000-x"

// deletions are what daemons answer to a request to delete paths: in the order of wopCollectGarbage in src/libstore/daemon.cc
// of Nix and lix/libstore/daemon.cc of Lix.
var deletions = []struct {
	name     string
	bytes    []byte
	declined bool
	wrong    bool // no more can be asked
}{
	{name: "deleted", bytes: nixwire.Packet(wordLast, 1, path, 4096, 0)},
	{name: "with a log", bytes: nixwire.Packet(wordNext, "deleting '"+path+"'", wordStart, 7, 4, 0, "x", 1, 1, "field", 0, wordStop, 7, wordLast, 2, path, path, 0, 0)},
	{name: "was not there", bytes: nixwire.Packet(wordLast, 0, 0, 0)},
	{name: "alive", bytes: nixwire.Packet(wordError, "Error", 0, "Error", "cannot delete path: it is still alive", 0, 0), declined: true},
	{name: "alive, with a trace", bytes: nixwire.Packet(wordError, "Error", 0, "Error", "cannot delete path", 0, 2, 0, "while this", 0, "while that"), declined: true},
	{name: "ends within an error", bytes: nixwire.Packet(wordError, "Error", 0, "Error", "cannot delete path", 0), wrong: true},
	{name: "a trace without end", bytes: nixwire.Packet(wordError, "Error", 0, "Error", "x", 0, 1<<40), wrong: true},
	{name: "too many paths", bytes: nixwire.Packet(wordLast, 1<<40), wrong: true},
	{name: "ends within a path", bytes: nixwire.Packet(wordLast, 1, 40), wrong: true},
	{name: "ends before the sizes", bytes: nixwire.Packet(wordLast, 1, path), wrong: true},
	{name: "an odd word", bytes: nixwire.Packet(1), wrong: true},
	{name: "a log without end", bytes: bytes.Repeat(nixwire.Packet(wordNext, "x"), 2*wordsAtMost), wrong: true},
	{name: "hangs up", wrong: true},
}

func TestDeleted(t *testing.T) {
	for _, d := range deletions {
		err := deleted(bytes.NewReader(d.bytes), offered)
		if errors.Is(err, ErrDeclined) != d.declined || (err != nil) != (d.declined || d.wrong) {
			t.Errorf("%s: %v", d.name, err)
		}
		if d.declined && !strings.Contains(err.Error(), "cannot delete path") {
			t.Errorf("%s: %v", d.name, err)
		}
	}
}

// counting notes how much was read.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

// FuzzDeleted: whatever is answered, it ends within its limit.
func FuzzDeleted(f *testing.F) {
	for _, d := range deletions {
		f.Add(d.bytes)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &counting{Reader: bytes.NewReader(data)}
		err := deleted(c, offered)
		if c.n > Limit || err == nil && len(data) < 4*8 {
			t.Errorf("%d bytes read: %v", c.n, err)
		}
	})
}
