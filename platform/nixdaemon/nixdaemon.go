// Package nixdaemon greets a Nix daemon: the first words of its protocol, as Lix, Nix and Determinate Nix speak it. After
// them it can ask for one thing only, that store paths be deleted. It needs no Nix, and reads no more than a bound.
package nixdaemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Bounds of one greeting.
const (
	// Time is for all of it, the connection included. The first answer of Nix 2.8 after an idle start took up to 2 s on a
	// busy machine, so a caller that is told Silent should look again before it names a culprit.
	Time = 2 * time.Second
	// Limit is how many bytes are read.
	Limit = 1 << 20
)

// Words of the protocol (src/libstore/worker-protocol.hh of Nix, lix/libstore/worker-protocol.hh of Lix). Each is sent
// as 64 bits, little-endian.
const (
	magicClient = 0x6e697863
	magicDaemon = 0x6478696f
	// offered is the version that the greeting offers: 1.35. Lix requires it since 2.94 and stays at it; from 1.38 on, Nix
	// sends a list of features that this greeting does not read.
	offered = 0x123

	wordLast     = 0x616c7473 // the daemon waits for work
	wordError    = 0x63787470
	wordNext     = 0x6f6c6d67 // a line of its log
	wordStart    = 0x53545254 // an activity
	wordStop     = 0x53544f50
	wordResult   = 0x52534c54
	wordsAtMost  = 1 << 10 // of those before the last
	fieldsAtMost = 64
	// textAtMost is how long a text of the daemon may be, in bytes.
	textAtMost = 64 << 10
)

// Outcome is how a greeting ended.
type Outcome string

// Outcomes. The first four leave Answer.Err set.
const (
	NoConnection Outcome = "no connection" // Err says why: ECONNREFUSED, ENOENT, EACCES
	Stranger     Outcome = "stranger"      // nothing was sent: the listener is not root's
	Closed       Outcome = "closed"        // accepted and closed, before the greeting was over
	Silent       Outcome = "silent"        // accepted, and no greeting within Time
	Garbage      Outcome = "garbage"       // what answers is no Nix daemon; Err says what is wrong
	Old          Outcome = "old"           // a daemon whose protocol no Lix since 2.94 talks to; the greeting was finished
	Refused      Outcome = "refused"       // the daemon sent an error: Text
	Greeted      Outcome = "greeted"
)

// Trust is what the daemon says of the client.
type Trust string

// Trusts; "" is of a daemon that does not say, such as Nix before 2.15.
const (
	Trusted    Trust = "trusted"
	NotTrusted Trust = "not trusted"
)

// Peer is who listens, as the kernel has it: whoever called listen(2), not whoever answers. PID is 0 where it is in
// another namespace, and -1, as UID then is, where the system does not tell.
type Peer struct {
	PID int
	UID int
}

// Answer is what came of a greeting.
type Answer struct {
	Outcome  Outcome
	Peer     Peer
	Protocol uint64 // major version times 256, plus the minor one; 0 where it was not told
	Version  string // of the daemon, such as "2.95.3", which does not say whose it is; since protocol 1.33
	Trust    Trust  // since protocol 1.35
	Text     string // of an error
	Err      error
	Took     time.Duration
}

// Minor returns the parts of the protocol's version.
func (a Answer) Minor() (major, minor uint64) { return a.Protocol >> 8, a.Protocol & 0xff }

// Up reports whether a daemon of Nix answered, and waits for work.
func (a Answer) Up() bool { return a.Outcome == Greeted || a.Outcome == Old }

// Dial connects to the Unix socket at path and greets who answers there. With root, nothing is sent to a listener that
// is not root's. All of it ends within Time.
func Dial(ctx context.Context, path string, root bool) Answer {
	c, a := Open(ctx, path, root)
	if c != nil {
		_ = c.Close()
	}
	return a
}

// Open does what Dial does, and keeps the connection of a daemon that is Up; it is nil for any other.
func Open(ctx context.Context, path string, root bool) (*Conn, Answer) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, Time)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		// A queue of connections that is full is a daemon that does not accept: connect(2) waits there.
		out := NoConnection
		if ctx.Err() != nil || errors.Is(err, syscall.EAGAIN) || errors.Is(err, os.ErrDeadlineExceeded) {
			out = Silent
		}
		return nil, Answer{Outcome: out, Peer: Peer{-1, -1}, Err: err, Took: time.Since(began)}
	}
	p := peer(conn)
	if root && p.UID != 0 {
		_ = conn.Close()
		return nil, Answer{
			Outcome: Stranger, Peer: p, Took: time.Since(began),
			Err: fmt.Errorf("user %d listens there, and root talks only to listeners of its own", p.UID),
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	a := Greet(conn)
	a.Peer, a.Took = p, time.Since(began)
	if !stop() || !a.Up() {
		_ = conn.Close()
		return nil, a
	}
	return &Conn{conn: conn, version: min(a.Protocol, offered)}, a
}

// Greet sends the greeting and reads the answer. It reads at most Limit bytes and does not close the stream; how long it
// takes is up to the stream.
func Greet(stream io.ReadWriter) Answer {
	a := Answer{Peer: Peer{-1, -1}}
	var hello [32]byte // the magic, the version, no CPU affinity, no reserve
	binary.LittleEndian.PutUint64(hello[:], magicClient)
	binary.LittleEndian.PutUint64(hello[8:], offered)
	// A daemon that turns clients away closes before it reads, so what it says matters more than that writing failed.
	_, sent := stream.Write(hello[:])
	r := &reader{r: io.LimitReader(stream, Limit)}
	a.Outcome, a.Err = r.answer(&a)
	if a.Err != nil && a.Outcome == "" {
		a.Outcome = outcome(a.Err)
	}
	if a.Outcome == Closed && sent != nil && isTimeout(sent) {
		a.Outcome = Silent
	}
	return a
}

// errOdd is wrapped by what makes an answer none of a Nix daemon.
var errOdd = errors.New("this is not an answer from a Nix daemon")

func outcome(err error) Outcome {
	switch {
	case errors.Is(err, errOdd):
		return Garbage
	case isTimeout(err):
		return Silent
	}
	return Closed
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// answer reads the daemon's side of the greeting.
func (r *reader) answer(a *Answer) (Outcome, error) {
	if magic := r.word(); r.err == nil && magic != magicDaemon {
		return Garbage, fmt.Errorf("%w: it begins with %016x", errOdd, magic)
	}
	version := r.word()
	if r.err == nil && (version>>8 != 1 || version > 0xffff) {
		return Garbage, fmt.Errorf("%w: the version of its protocol is %#x", errOdd, version)
	}
	if r.err != nil {
		return "", r.err
	}
	a.Protocol = version
	both := min(version, offered)
	if both >= 0x121 {
		a.Version = r.text()
	}
	if both >= 0x123 {
		switch trust := r.word(); {
		case r.err != nil:
		case trust == 1:
			a.Trust = Trusted
		case trust == 2:
			a.Trust = NotTrusted
		case trust != 0:
			return Garbage, fmt.Errorf("%w: its level of trust is %d", errOdd, trust)
		}
	}
	text, err := r.messages(both)
	switch {
	case errors.Is(err, errFailed):
		a.Text = text
		return Refused, nil
	case err != nil:
		return "", err
	case both < offered:
		return Old, nil
	}
	return Greeted, nil
}

// errFailed is of a daemon that has sent an error, whose message is returned beside it.
var errFailed = errors.New("the daemon has sent an error")

// messages reads what a daemon says until it waits for work, or has sent an error.
func (r *reader) messages(version uint64) (text string, err error) {
	for range wordsAtMost {
		switch word := r.word(); {
		case r.err != nil:
			return "", r.err
		case word == wordLast:
			return "", nil
		case word == wordError:
			text := r.failure(version)
			if r.err != nil && text == "" {
				return "", r.err
			}
			return text, errFailed
		case word == wordNext:
			r.text()
		case word == wordStart:
			r.word()
			r.word()
			r.word()
			r.text()
			r.fields()
			r.word()
		case word == wordStop:
			r.word()
		case word == wordResult:
			r.word()
			r.word()
			r.fields()
		default:
			return "", fmt.Errorf("%w: %#x stands where the end of what it says belongs", errOdd, word)
		}
	}
	return "", fmt.Errorf("%w: its messages do not end", errOdd)
}

// reader reads words until the first error, and zeroes from there on.
type reader struct {
	r   io.Reader
	err error
}

func (r *reader) full(b []byte) {
	if r.err == nil {
		_, r.err = io.ReadFull(r.r, b)
	}
}

func (r *reader) word() uint64 {
	var b [8]byte
	r.full(b[:])
	if r.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

// text reads a length, so many bytes, and zeroes up to the next multiple of eight.
func (r *reader) text() string {
	size := r.word()
	if r.err == nil && size > textAtMost {
		r.err = fmt.Errorf("%w: a text has %d bytes", errOdd, size)
	}
	if r.err != nil {
		return ""
	}
	b := make([]byte, (size+7)&^7)
	r.full(b)
	if r.err != nil {
		return ""
	}
	for _, pad := range b[size:] {
		if pad != 0 {
			r.err = fmt.Errorf("%w: a text is not padded with zeroes", errOdd)
			return ""
		}
	}
	return strings.ToValidUTF8(string(b[:size]), "\ufffd")
}

// fields reads what an activity has: numbers and texts.
func (r *reader) fields() {
	n := r.word()
	if r.err == nil && n > fieldsAtMost {
		r.err = fmt.Errorf("%w: an activity has %d fields", errOdd, n)
	}
	for ; n > 0 && r.err == nil; n-- {
		switch kind := r.word(); {
		case r.err != nil:
		case kind == 0:
			r.word()
		case kind == 1:
			r.text()
		default:
			r.err = fmt.Errorf("%w: a field is of the kind %d", errOdd, kind)
		}
	}
}

// failure reads the message of an error: since protocol 1.26 a type, a level and a name stand before it. What follows is
// not read.
func (r *reader) failure(version uint64) string {
	if version >= 0x11a {
		r.text()
		r.word()
		r.text()
	}
	return r.text()
}
