package platform

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/trust"
)

// Greet implements View.
func (m *Machine) Greet(ctx context.Context, socket string) (nixdaemon.Answer, error) {
	return bound(ctx, "greet", socket, func() (nixdaemon.Answer, error) {
		file, err := m.find("greet", socket, trust.End)
		if err != nil {
			return nixdaemon.Answer{}, err
		}
		if believed() == nil {
			return m.greet(ctx, socket, file, false), nil
		}
		f, err := trust.Walk(file, believed(), trust.End)
		if err != nil {
			return nixdaemon.Answer{}, renamed(err, socket)
		}
		defer f.Close()
		if err := greetable(f); err != nil {
			return nixdaemon.Answer{}, m.named(socket, err)
		}
		at := f.Path
		if f.FD >= 0 && throughDescriptors() {
			at = "/proc/self/fd/" + strconv.Itoa(f.FD)
		}
		return m.greet(ctx, socket, at, true), nil
	})
}

func (m *Machine) greet(ctx context.Context, socket, at string, root bool) nixdaemon.Answer {
	a := nixdaemon.Dial(ctx, at, root)
	m.log.Debug("greet", "socket", socket, "outcome", a.Outcome, "version", a.Version, "peer", a.Peer.PID, "error", a.Err,
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
