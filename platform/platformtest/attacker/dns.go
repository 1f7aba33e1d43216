//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
)

// asked counts the queries, so that each is answered in another way.
var asked atomic.Uint32

// dns serves a hostile resolver on port 53 of the addresses that are named.
func dns(args []string) error {
	for _, address := range args {
		p, err := net.ListenPacket("udp", net.JoinHostPort(address, "53"))
		if err != nil {
			return err
		}
		go func() {
			buf := make([]byte, 64<<10)
			for {
				n, from, err := p.ReadFrom(buf)
				if err != nil {
					return
				}
				for _, a := range lies(buf[:n], false) {
					_, _ = p.WriteTo(a, from)
				}
			}
		}()
		l, err := net.Listen("tcp", net.JoinHostPort(address, "53"))
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go stream(c)
			}
		}()
	}
	return forever()
}

// stream answers one query over TCP, with a length that may be a lie, and leaves the connection open.
func stream(c net.Conn) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(head))
	if _, err := io.ReadFull(c, query); err != nil {
		return
	}
	for _, a := range lies(query, true) {
		size := uint16(len(a))
		if asked.Load()%3 == 0 {
			size = 65535 // and the rest never comes
		}
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, size), a...))
	}
}

const escapes = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n"

// label is a part of a name on the wire.
func label(s string) []byte { return append([]byte{byte(len(s))}, s...) }

// lies are answers to a query, each of its own kind.
func lies(q []byte, tcp bool) [][]byte {
	if len(q) < 12 {
		return nil
	}
	head := func(answers uint16) []byte {
		a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1}, byte(answers>>8), byte(answers))
		return append(append(a, 0, 0, 0, 0), q[12:]...)
	}
	record := func(name []byte, kind uint16, data []byte) []byte {
		r := binary.BigEndian.AppendUint16(append([]byte{}, name...), kind)
		r = append(r, 0, 1, 0, 0, 0, 60)
		return append(binary.BigEndian.AppendUint16(r, uint16(len(data))), data...)
	}
	self := []byte{0xc0, 12}
	n := asked.Add(1)
	switch n % 10 {
	case 0: // a CNAME whose name drives a terminal
		return [][]byte{append(head(1), record(self, 5, append(label(escapes), 0))...)}
	case 1: // a pointer to itself
		at := uint16(0xc000 | len(q))
		return [][]byte{append(head(1), record(binary.BigEndian.AppendUint16(nil, at), 1, []byte{127, 0, 0, 1})...)}
	case 2: // two CNAMEs that lead to each other
		return [][]byte{append(append(head(2), record(self, 5, self)...), record(self, 5, self)...)}
	case 3: // as large as an answer can be
		a := head(3000)
		for len(a) < 64000 {
			a = append(a, record(self, 16, label(strings.Repeat("\x1b", 255)))...)
		}
		if !tcp {
			a = a[:60000]
		}
		return [][]byte{a}
	case 4: // more records than bytes
		return [][]byte{head(65535)}
	case 5: // cut off in the header, then noise
		return [][]byte{q[:min(len(q), 7)], []byte(escapes), append([]byte{q[0], q[1]}, escapes...)}
	case 6: // records whose length goes beyond the end
		r := record(self, 1, []byte{127, 0, 0, 1})
		r[len(r)-5] = 0xff
		return [][]byte{append(head(1), r...)}
	case 7: // another question's answer, a hundred times, and then none
		a := append(head(1), record(self, 1, []byte{127, 0, 0, 1})...)
		a[0] ^= 0xff
		return slicesOf(a, 100)
	case 8: // an address record of a length that no address has
		return [][]byte{append(head(2), append(record(self, 1, []byte(escapes)), record(self, 28, []byte{1})...)...)}
	}
	// Refused, with a text in it.
	a := append(head(1), record(self, 16, label(fmt.Sprintf("%s %d", escapes, n)))...)
	a[3] |= 5
	return [][]byte{a}
}

func slicesOf(a []byte, n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = a
	}
	return all
}
