// Package nixwire writes what daemons of Nix say, for tests that play one.
package nixwire

import (
	"encoding/binary"
	"fmt"
)

// Packet writes numbers (int) and texts (string) as the protocol has them: eight bytes, little-endian, for a number, and for
// the length of a text, which is padded with zeros to a multiple of eight.
func Packet(parts ...any) (b []byte) {
	for _, part := range parts {
		switch v := part.(type) {
		case int:
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		case string:
			b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
			b = append(append(b, v...), make([]byte, -len(v)&7)...)
		default:
			panic(fmt.Sprintf("nixwire: the protocol has no %T", part))
		}
	}
	return b
}
