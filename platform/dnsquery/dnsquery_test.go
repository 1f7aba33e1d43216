package dnsquery

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

var (
	v4 = netip.MustParseAddr("192.0.2.7")
	v6 = netip.MustParseAddr("2001:db8::7")
)

// serve answers on a port of the loopback, over UDP and TCP, with what reply makes of each query: any number of
// messages, of which a TCP connection is sent the first.
func serve(t *testing.T, reply func(q dnsmessage.Message) [][]byte) netip.AddrPort {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := tcp.Addr().(*net.TCPAddr).AddrPort()
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = tcp.Close(), udp.Close() })
	go func() {
		buf := make([]byte, 1024)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(buf[:n]) != nil {
				continue
			}
			for _, m := range reply(q) {
				_, _ = udp.WriteToUDPAddrPort(m, from)
			}
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var size [2]byte
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return
				}
				buf := make([]byte, binary.BigEndian.Uint16(size[:]))
				var q dnsmessage.Message
				if _, err := io.ReadFull(c, buf); err != nil || q.Unpack(buf) != nil {
					return
				}
				if all := reply(q); len(all) > 0 {
					_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(all[0]))), all[0]...))
				}
			}()
		}
	}()
	return at
}

// answer is the reply of a server that knows both addresses, changed by edit.
func answer(t *testing.T, q dnsmessage.Message, edit func(*dnsmessage.Message)) []byte {
	t.Helper()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true}, Questions: q.Questions}
	h := dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 1}
	m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("other.test.")}})
	if q.Questions[0].Type == dnsmessage.TypeA {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: v4.As4()}})
	} else {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: v6.As16()}})
	}
	if edit != nil {
		edit(&m)
	}
	data, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return data
}

func TestAsk(t *testing.T) {
	tests := []struct {
		name  string
		edits []func(*dnsmessage.Message) // of the messages that are sent, nil for the good one
		over  []Protocol                  // both unless given
		kind  Type
		want  Answer
	}{
		{name: "address", edits: []func(*dnsmessage.Message){nil}, kind: A, want: Answer{Addresses: []netip.Addr{v4}}},
		{name: "IPv6 address", edits: []func(*dnsmessage.Message){nil}, kind: AAAA, want: Answer{Addresses: []netip.Addr{v6}}},
		{name: "no such name", kind: A, want: Answer{RCode: NXDomain}, edits: []func(*dnsmessage.Message){func(m *dnsmessage.Message) {
			m.RCode, m.Answers = dnsmessage.RCodeNameError, nil
		}}},
		{name: "refused by the server", kind: A, want: Answer{RCode: RefusedQ}, edits: []func(*dnsmessage.Message){func(m *dnsmessage.Message) {
			m.RCode, m.Answers = dnsmessage.RCodeRefused, nil
		}}},
		{name: "truncated", kind: A, want: Answer{Truncated: true}, edits: []func(*dnsmessage.Message){func(m *dnsmessage.Message) {
			m.Truncated, m.Answers = true, nil
		}}},
		{name: "server that could not read the question", kind: A, want: Answer{RCode: 1}, edits: []func(*dnsmessage.Message){func(m *dnsmessage.Message) {
			m.RCode, m.Answers, m.Questions = dnsmessage.RCodeFormatError, nil, nil
		}}},
		{
			name: "forged answers first", kind: A, over: []Protocol{UDP}, want: Answer{Addresses: []netip.Addr{v4}},
			edits: []func(*dnsmessage.Message){
				func(m *dnsmessage.Message) { m.ID++ },
				func(m *dnsmessage.Message) { m.Response = false },
				func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("else.test.") },
				func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeTXT },
				func(m *dnsmessage.Message) { m.Questions = nil },
				nil,
			},
		},
		{name: "forged answer", kind: A, over: []Protocol{TCP}, want: Answer{RCode: -1, Error: Malformed}, edits: []func(*dnsmessage.Message){
			func(m *dnsmessage.Message) { m.ID++ },
		}},
		{name: "silent", kind: A, over: []Protocol{UDP}, want: Answer{RCode: -1, Error: Timeout}},
		{name: "hangs up", kind: A, over: []Protocol{TCP}, want: Answer{RCode: -1, Error: Closed}},
	}
	for _, tt := range tests {
		over := tt.over
		if over == nil {
			over = []Protocol{UDP, TCP}
		}
		for _, p := range over {
			t.Run(tt.name+" over "+string(p), func(t *testing.T) {
				t.Parallel()
				at := serve(t, func(q dnsmessage.Message) [][]byte {
					var out [][]byte
					for _, edit := range tt.edits {
						q := q
						q.Questions = append([]dnsmessage.Question{}, q.Questions...)
						out = append(out, answer(t, q, edit))
					}
					return out
				})
				got := Ask(t.Context(), at, p, "probe.test", tt.kind)
				if got.Took <= 0 {
					t.Errorf("took %v", got.Took)
				}
				got.Took = 0
				if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestStranger has another socket than the server's answer, with all that could be guessed from the outside right.
func TestStranger(t *testing.T) {
	t.Parallel()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	stranger, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	go func() {
		buf := make([]byte, 1024)
		n, from, err := server.ReadFrom(buf)
		var q dnsmessage.Message
		if err != nil || q.Unpack(buf[:n]) != nil {
			return
		}
		_, _ = stranger.WriteTo(answer(t, q, nil), from)
	}()
	at := server.LocalAddr().(*net.UDPAddr).AddrPort()
	if got := Ask(t.Context(), at, UDP, "probe.test", A); got.Error != Timeout {
		t.Errorf("the answer of a stranger was taken: %+v", got)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	for _, p := range []Protocol{UDP, TCP} {
		if got := Ask(t.Context(), at, p, "probe.test", A); got.Error != Refused || got.RCode != -1 || got.Answered() || got.Good() {
			t.Errorf("%s: %+v", p, got)
		}
	}
}

func TestBadQuestion(t *testing.T) {
	t.Parallel()
	at := Server(netip.MustParseAddr("127.0.0.1"))
	for _, name := range []string{strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 200), "a..b"} {
		if got := Ask(t.Context(), at, UDP, name, A); got.Error != BadName {
			t.Errorf("%q: %+v", name, got)
		}
	}
	if got := Ask(t.Context(), at, UDP, "probe.test", "MX"); got.Error != BadName {
		t.Errorf("MX: %+v", got)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	at := serve(t, func(dnsmessage.Message) [][]byte { return nil })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if got := Ask(ctx, at, UDP, "probe.test", A); got.Error != Cancelled || got.Took >= Limit {
		t.Errorf("%+v", got)
	}
}

func TestClass(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENETUNREACH:       Unreachable,
		syscall.EHOSTUNREACH:      Unreachable,
		syscall.EADDRNOTAVAIL:     Unreachable,
		syscall.EPERM:             Denied,
		syscall.ECONNRESET:        Closed,
		syscall.ETIMEDOUT:         Timeout,
		os.ErrDeadlineExceeded:    Timeout,
		errors.New("other error"): "other error",
	} {
		if got := class(t.Context(), &net.OpError{Op: "dial", Net: "udp", Err: err}); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// FuzzParse gives parse what a server might send: it must not panic, and take nothing without the ID of the query.
func FuzzParse(f *testing.F) {
	query, question, err := pack("probe.test", A)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(query)
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(query), Response: true},
		Questions: []dnsmessage.Question{question},
	}
	for range 2 {
		data, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: v4.As4()},
		})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, ok := parse(data, query, question)
		if ok && (len(data) < 12 || string(data[:2]) != string(query[:2]) || data[2]&0x80 == 0) {
			t.Errorf("%x was taken for an answer: %+v", data, a)
		}
	})
}
