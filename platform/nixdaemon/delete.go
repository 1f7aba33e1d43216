package nixdaemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"
)

// Conn is a connection to a daemon that has been greeted and waits for work.
type Conn struct {
	conn    net.Conn
	version uint64 // of the protocol that both speak
}

// ErrDeclined is wrapped by the error of a daemon that did not do what it was asked, and says why. It still listens.
var ErrDeclined = errors.New("the daemon declined")

// Words of a request to delete store paths: the number of collectGarbage, and of its way to delete those that are named
// and nothing else. They and the order of what follows are the same in Nix since 1.0 and in Lix.
const (
	collectGarbage = 20
	deleteSpecific = 3
	// pathsAtMost is how many paths a daemon may say that it has deleted.
	pathsAtMost = 1 << 10
	// since is the protocol from which on the errors of a daemon have the form that is read here: that of Nix 2.4.
	since = 0x11a
)

// Delete asks the daemon to delete store paths that nothing refers to, as "nix-store --delete" does: those that are
// alive stay, and the error wraps ErrDeclined. After any other error, nothing more can be asked.
func (c *Conn) Delete(ctx context.Context, paths ...string) error {
	if c.version < since {
		return fmt.Errorf("delete store paths: %w", errors.ErrUnsupported)
	}
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Now()) })()
	ask := words(collectGarbage, deleteSpecific, uint64(len(paths)))
	for _, p := range paths {
		ask = append(ask, words(uint64(len(p)))...)
		ask = append(ask, p...)
		ask = append(ask, make([]byte, -len(p)&7)...)
	}
	// What is alive is not to be deleted, and deleting does not stop before all is done: 0 bytes would be the first path.
	const alive, bytes = 0, math.MaxUint64
	ask = append(ask, words(alive, bytes, 0, 0, 0)...)
	if _, err := c.conn.Write(ask); err != nil {
		return fmt.Errorf("delete store paths: %w", err)
	}
	if err := deleted(c.conn, c.version); err != nil {
		return fmt.Errorf("delete store paths: %w", err)
	}
	return nil
}

// deleted reads what a daemon answers. It reads at most Limit bytes.
func deleted(stream io.Reader, version uint64) error {
	r := &reader{r: io.LimitReader(stream, Limit)}
	text, err := r.messages(version)
	switch {
	case errors.Is(err, errFailed):
		r.places()
		if r.err == nil {
			return fmt.Errorf("%w: %s", ErrDeclined, text)
		}
		return r.err
	case err != nil:
		return err
	}
	n := r.word()
	if n > pathsAtMost {
		return fmt.Errorf("%w: it has deleted %d paths", errOdd, n)
	}
	for ; n > 0 && r.err == nil; n-- {
		r.text()
	}
	r.word() // how many bytes it has freed
	r.word()
	return r.err
}

// Close ends the connection.
func (c *Conn) Close() error { return c.conn.Close() }

func words(all ...uint64) []byte {
	var b []byte
	for _, w := range all {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// places reads what stands behind the message of an error: a place that nobody fills in, and a trace of places and texts.
func (r *reader) places() {
	r.word()
	n := r.word()
	if r.err == nil && n > fieldsAtMost {
		r.err = fmt.Errorf("%w: an error has a trace of %d", errOdd, n)
	}
	for ; n > 0 && r.err == nil; n-- {
		r.word()
		r.text()
	}
}
