//go:build linux

// Dnstool is a name server with a fault, for hosts that tests stage.
//
//	dnstool ADDRESS NAME FAULT...
//
// It answers A questions for NAME with 192.0.2.80 and AAAA questions with nothing. The faults: "nx" and "empty" for
// every name, "truncate" in every answer over UDP, "refuse", "servfail" and "lame", "no-tcp", "slow=3s" before every answer,
// "limit=6" answers in ten seconds and no more, "tcp-only".
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

type server struct {
	name   string
	faults []string
	slow   time.Duration
	limit  int

	mu   sync.Mutex
	sent []time.Time
}

func main() {
	fmt.Fprintln(os.Stderr, "dnstool:", run(os.Args[1:]))
	os.Exit(1)
}

// run serves until it cannot.
func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: dnstool ADDRESS NAME FAULT")
	}
	s := &server{name: strings.TrimSuffix(args[1], ".") + ".", faults: args[2:]}
	for _, f := range s.faults {
		name, value, _ := strings.Cut(f, "=")
		var err error
		switch name {
		case "slow":
			s.slow, err = time.ParseDuration(value)
		case "limit":
			s.limit, err = strconv.Atoi(value)
		}
		if err != nil {
			return err
		}
	}
	at := net.JoinHostPort(args[0], "53")
	udp, err := net.ListenPacket("udp", at)
	if err != nil {
		return err
	}
	if !s.has("no-tcp") {
		tcp, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		go s.streams(tcp)
	}
	fmt.Println("listening")
	buf := make([]byte, 4096)
	for {
		n, from, err := udp.ReadFrom(buf)
		if err != nil {
			return err
		}
		query := slices.Clone(buf[:n])
		go func() {
			if s.has("tcp-only") {
				return
			}
			if answer := s.answer(query, s.has("truncate")); answer != nil {
				_, _ = udp.WriteTo(answer, from)
			}
		}()
	}
}

func (s *server) has(fault string) bool { return slices.Contains(s.faults, fault) }

func (s *server) streams(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for {
				var size [2]byte
				if _, err := io.ReadFull(conn, size[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(conn, query); err != nil {
					return
				}
				answer := s.answer(query, false)
				if answer == nil {
					return
				}
				_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}
		}()
	}
}

// allowed counts answers where there is a limit.
func (s *server) allowed() bool {
	if s.limit == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.sent = slices.DeleteFunc(s.sent, func(t time.Time) bool { return now.Sub(t) > 10*time.Second })
	if len(s.sent) >= s.limit {
		return false
	}
	s.sent = append(s.sent, now)
	return true
}

func (s *server) answer(query []byte, truncate bool) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 || !s.allowed() {
		return nil
	}
	time.Sleep(s.slow)
	q := m.Questions[0]
	m.Header = dnsmessage.Header{
		ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: !s.has("lame"), Truncated: truncate,
	}
	m.Additionals, m.Authorities = nil, nil
	known := strings.EqualFold(q.Name.String(), s.name)
	switch {
	case s.has("refuse"):
		m.RCode = dnsmessage.RCodeRefused
	case s.has("servfail"):
		m.RCode = dnsmessage.RCodeServerFailure
	case s.has("empty"), s.has("lame"), truncate:
	case s.has("nx"), !known:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
			Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 80}},
		}}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}
