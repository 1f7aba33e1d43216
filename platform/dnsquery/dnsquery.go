// Package dnsquery puts one question to one name server, and tells what came of it. It goes around the resolver of the
// system: a lookup that succeeds says nothing about a single server.
package dnsquery

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// Limit is how long one question waits for its answer, unless its context has a deadline of its own: as long as glibc
	// waits.
	Limit = 5 * time.Second
	// Port is where name servers listen.
	Port = 53
)

// Protocol is how a question is sent.
type Protocol string

// Both ways to ask.
const (
	UDP Protocol = "udp"
	TCP Protocol = "tcp"
)

// Type is what is asked for.
type Type string

// The types of address records.
const (
	A    Type = "A"
	AAAA Type = "AAAA"
)

// Classes of failures. What is none of them is the text of its error.
const (
	Timeout     = "timeout"
	Refused     = "refused"     // nobody listens on the port
	Unreachable = "unreachable" // no route, or the network says so
	Denied      = "denied"      // the host forbids to send, for example a firewall
	Closed      = "closed"      // the connection ended without an answer
	Malformed   = "malformed"   // what came over TCP is no answer to the question
	Cancelled   = "cancelled"   // by the caller
	NotWaited   = "not-waited"  // the verdict stood before, so that nobody waited for the answer
	BadName     = "bad-name"    // no question can be made of the name; nothing was sent
)

// The response codes (RFC 1035, 4.1.1) that mean something to lixfix.
const (
	NoError  = 0
	ServFail = 2
	NXDomain = 3
	RefusedQ = 5 // the server refuses to answer this question
)

// Answer is what came of a question.
type Answer struct {
	// Error is the class of the failure, empty where a server answered, whatever it said.
	Error string
	// RCode is the response code of the answer, -1 without one.
	RCode int
	// Addresses are those of the answer, of the type that was asked for.
	Addresses []netip.Addr
	// Truncated says that the answer did not fit and is to be asked for over TCP.
	Truncated bool
	// Lame says that the server knows nothing and refers to nobody: no answer, not its own zone, no recursion. Resolvers
	// turn to the next server then.
	Lame bool
	Took time.Duration
}

// Answered reports whether the server said anything.
func (a Answer) Answered() bool { return a.Error == "" }

// Good reports whether the server is of use: it knows the name, or knows that there is none.
func (a Answer) Good() bool { return a.Answered() && (a.RCode == NoError || a.RCode == NXDomain) }

// Server is the usual port of an address, which may have a zone.
func Server(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, Port) }

// Ask sends one question and waits for its answer: no second try, no other server. Of what arrives over UDP, all is
// ignored that is not from this server or not an answer to this question.
func Ask(ctx context.Context, server netip.AddrPort, protocol Protocol, name string, kind Type) Answer {
	began := time.Now()
	a := ask(ctx, server, protocol, name, kind)
	a.Took = time.Since(began)
	return a
}

func ask(ctx context.Context, server netip.AddrPort, protocol Protocol, name string, kind Type) Answer {
	if _, given := ctx.Deadline(); !given {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Limit)
		defer cancel()
	}
	query, question, err := pack(name, kind)
	if err != nil {
		return Answer{Error: BadName, RCode: -1}
	}
	// A connected UDP socket is handed only what this server sent, and the error where it has no such port.
	conn, err := (&net.Dialer{}).DialContext(ctx, string(protocol), server.String())
	if err != nil {
		return failed(ctx, err)
	}
	defer conn.Close()
	// The end of the context, early or not, ends what waits on the connection.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	exchange := overUDP
	if protocol == TCP {
		exchange = overTCP
	}
	a, err := exchange(conn, query, question)
	if err != nil {
		return failed(ctx, err)
	}
	return a
}

// pack makes a query with a random ID that asks for recursion.
func pack(name string, kind Type) ([]byte, dnsmessage.Question, error) {
	qtype := dnsmessage.TypeA
	switch kind {
	case A:
	case AAAA:
		qtype = dnsmessage.TypeAAAA
	default:
		return nil, dnsmessage.Question{}, fmt.Errorf("%q is not a type that can be asked for", kind)
	}
	qname, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, dnsmessage.Question{}, fmt.Errorf("ask for %q: %w", name, err)
	}
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails
	question := dnsmessage.Question{Name: qname, Type: qtype, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true},
		Questions: []dnsmessage.Question{question},
	}
	query, err := m.Pack()
	return query, question, err
}

func overUDP(conn net.Conn, query []byte, question dnsmessage.Question) (Answer, error) {
	if _, err := conn.Write(query); err != nil {
		return Answer{}, err
	}
	const largest = 64 << 10
	buf := make([]byte, largest)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return Answer{}, err
		}
		if a, ok := parse(buf[:n], query, question); ok {
			return a, nil
		}
	}
}

var errMalformed = errors.New("what came is no answer to the question")

func overTCP(conn net.Conn, query []byte, question dnsmessage.Question) (Answer, error) {
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	if _, err := conn.Write(framed); err != nil {
		return Answer{}, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return Answer{}, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return Answer{}, err
	}
	a, ok := parse(buf, query, question)
	if !ok {
		return Answer{}, errMalformed
	}
	return a, nil
}

// parse reads a message, and reports whether it answers the query: the same ID, a response, and the same question.
func parse(data, query []byte, question dnsmessage.Question) (Answer, bool) {
	var p dnsmessage.Parser
	h, err := p.Start(data)
	if err != nil || h.ID != binary.BigEndian.Uint16(query) || !h.Response {
		return Answer{}, false
	}
	a := Answer{RCode: int(h.RCode), Truncated: h.Truncated}
	asked, err := p.AllQuestions()
	// A server that could not even read the question may leave it out of its error (RFC 1035, 4.1.1).
	if err != nil || len(asked) == 0 {
		return a, err == nil && h.RCode == dnsmessage.RCodeFormatError
	}
	if len(asked) != 1 || asked[0].Type != question.Type || asked[0].Class != question.Class ||
		!strings.EqualFold(asked[0].Name.String(), question.Name.String()) {
		return Answer{}, false
	}
	answers := 0
	for ; ; answers++ {
		r, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			a.Lame = answers == 0 && !h.Truncated && h.RCode == dnsmessage.RCodeSuccess && !h.Authoritative && !h.RecursionAvailable
			return a, true
		}
		if err != nil {
			// A truncated answer may be cut anywhere.
			return a, h.Truncated
		}
		switch {
		case r.Type == dnsmessage.TypeA && r.Type == question.Type:
			var v dnsmessage.AResource
			if v, err = p.AResource(); err == nil {
				a.Addresses = append(a.Addresses, netip.AddrFrom4(v.A))
			}
		case r.Type == dnsmessage.TypeAAAA && r.Type == question.Type:
			var v dnsmessage.AAAAResource
			if v, err = p.AAAAResource(); err == nil {
				a.Addresses = append(a.Addresses, netip.AddrFrom16(v.AAAA))
			}
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return a, h.Truncated
		}
	}
}

// failed makes an answer of an error.
func failed(ctx context.Context, err error) Answer { return Answer{Error: class(ctx, err), RCode: -1} }

func class(ctx context.Context, err error) string {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return Cancelled
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, syscall.ETIMEDOUT):
		return Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL),
		errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EAFNOSUPPORT):
		return Unreachable
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return Denied
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Closed
	case errors.Is(err, errMalformed):
		return Malformed
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
