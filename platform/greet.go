package platform

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/trust"
)

// greeter connects to Nix daemons, if their sockets are where only root can have put them, and logs how they answer.
type greeter struct {
	tree *tree
	log  *slog.Logger
}

// Greet implements View.
func (g *greeter) Greet(ctx context.Context, socket string) (nixdaemon.Answer, error) {
	return bound(ctx, "greet", socket, func() (a nixdaemon.Answer, err error) {
		err = g.reach(socket, func(at string, root bool) { a = g.greeted(socket, nixdaemon.Dial(ctx, at, root)) })
		return a, err
	})
}

// Daemon implements Builder.
func (g *greeter) Daemon(ctx context.Context, socket string) (*nixdaemon.Conn, nixdaemon.Answer, error) {
	type met struct {
		conn   *nixdaemon.Conn
		answer nixdaemon.Answer
	}
	got, err := bound(ctx, "greet", socket, func() (got met, err error) {
		err = g.reach(socket, func(at string, root bool) { got.conn, got.answer = nixdaemon.Open(ctx, at, root) })
		g.greeted(socket, got.answer)
		return got, err
	})
	return got.conn, got.answer, err
}

// reach gives dial the name of a socket of a daemon that lixfix may connect to.
func (g *greeter) reach(socket string, dial func(at string, root bool)) error {
	file, err := g.tree.find("greet", socket, trust.End)
	if err != nil {
		return err
	}
	if believed() == nil {
		dial(file, false)
		return nil
	}
	f, err := trust.Walk(file, believed(), trust.End)
	if err != nil {
		return renamed(err, socket)
	}
	defer f.Close()
	if err := greetable(f); err != nil {
		return g.tree.named(socket, err)
	}
	at := f.Path
	if f.FD >= 0 && throughDescriptors() {
		at = "/proc/self/fd/" + strconv.Itoa(f.FD)
	}
	dial(at, true)
	return nil
}

func (g *greeter) greeted(socket string, a nixdaemon.Answer) nixdaemon.Answer {
	g.log.Debug("greet", "socket", socket, "outcome", a.Outcome, "version", a.Version, "peer", a.Peer.PID, "error", a.Err,
		"ms", a.Took.Milliseconds())
	return a
}

// greetable returns nil for a socket that root may connect to: one of root's, with one name, on whose way nobody but
// root makes names. Debian's package lets a group make names beside the socket. They can have moved another socket of
// root's there, out of a directory of theirs, but neither made one nor led the name elsewhere; and what is sent to whom
// is decided again when the kernel has said who listens.
func greetable(f *trust.Found) error {
	if f.Type() != unix.S_IFSOCK {
		return &fs.PathError{Op: "greet", Path: f.Path, Err: unix.ENOTSOCK}
	}
	for i := range f.Weak {
		if f.Weak[i].UID != trust.Anybody || f.Weak[i].Mounted || f.Weak[i].Dir != path.Dir(f.Path) {
			return &f.Weak[i]
		}
	}
	if owners := believed(); !slices.Contains(owners, int(f.Stat.Uid)) {
		return &Untrusted{
			Name: f.Path, Dir: f.Path, UID: int(f.Stat.Uid), GID: int(f.Stat.Gid), Mode: fs.FileMode(trust.Mode(&f.Stat) & 0o7777),
		}
	}
	if f.Stat.Nlink != 1 {
		return fmt.Errorf("%w: it has %d names", ErrUntrusted, f.Stat.Nlink)
	}
	return nil
}
