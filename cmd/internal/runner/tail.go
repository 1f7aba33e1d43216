package runner

import "strings"

// kept is how many bytes of the end of a stream are kept, and early how many of its beginning: the first error is often
// the one that matters.
const (
	kept  = 1 << 20
	early = 64 << 10
)

// tail keeps the beginning and the end of a stream.
type tail struct {
	first []byte
	ring  []byte
	at    int  // where the next byte goes
	full  bool // the ring has been filled once
}

func (t *tail) write(data []byte) {
	if room := early - len(t.first); room > 0 {
		n := min(room, len(data))
		t.first = append(t.first, data[:n]...)
		data = data[n:]
	}
	if len(data) > kept {
		data, t.at, t.full = data[len(data)-kept:], 0, true
	}
	if len(data) == 0 {
		return
	}
	if t.ring == nil {
		t.ring = make([]byte, kept)
	}
	n := copy(t.ring[t.at:], data)
	if n < len(data) {
		copy(t.ring, data[n:])
	}
	if t.at += len(data); t.at >= kept {
		t.at, t.full = t.at-kept, true
	}
}

// String is what was kept, with a blank line where something is missing.
func (t *tail) String() string {
	var b strings.Builder
	b.Write(t.first)
	if t.full {
		b.WriteString("\n\n")
		b.Write(t.ring[t.at:])
	}
	if t.ring != nil {
		b.Write(t.ring[:t.at])
	}
	return b.String()
}
