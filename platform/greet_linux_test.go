package platform_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixdaemon"
)

// TestGreetable: root connects only where nobody else can have led it. The one exception is the directory of Debian's
// package, in which a group can make names: what stands there itself has to be root's, with one name.
func TestGreetable(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root")
	}
	for _, tt := range []struct {
		name    string
		spoil   func(dir, socket string) error // what stands at dir/socket is a socket of root's on which root listens
		allowed bool
	}{
		{"root's own", func(string, string) error { return nil }, true},
		{"in a directory that a group can write to", func(dir, _ string) error { return os.Chmod(dir, 0o770) }, true},
		{"in a sticky directory", func(dir, _ string) error { return os.Chmod(dir, 0o777|fs.ModeSticky) }, true},
		{"in a user's directory", func(dir, _ string) error { return os.Chown(dir, 1234, 1234) }, false},
		{"a user's socket", func(_, socket string) error { return os.Chown(socket, 1234, 1234) }, false},
		{"below a directory that a group can write to", func(dir, socket string) error {
			return errors.Join(os.Chmod(filepath.Dir(dir), 0o775), os.Rename(socket, socket)) //nolint:gosec // that is the point
		}, false},
		{"a link to it, where a group can write", func(dir, socket string) error {
			other := filepath.Join(filepath.Dir(dir), "other")
			return errors.Join(os.Rename(socket, other), os.Symlink(other, socket), os.Chmod(dir, 0o770))
		}, false},
		{"a link of root's to it", func(dir, socket string) error {
			other := filepath.Join(filepath.Dir(dir), "other")
			return errors.Join(os.Rename(socket, other), os.Symlink(other, socket))
		}, true},
		{"with a second name", func(dir, socket string) error {
			return errors.Join(os.Chmod(dir, 0o770), os.Link(socket, filepath.Join(filepath.Dir(dir), "other")))
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, err := os.MkdirTemp("", "g") //nolint:usetesting // names of sockets are short
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(base)
			dir := filepath.Join(base, "dir")
			socket := filepath.Join(dir, "s")
			if err := errors.Join(os.Chmod(base, 0o755), os.Mkdir(dir, 0o755)); err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			defer l.Close()
			var met atomic.Int64
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					met.Add(1)
					for _, w := range []uint64{0x6478696f, 0x115, 0x616c7473} {
						_ = binary.Write(c, binary.LittleEndian, w)
					}
					_, _ = c.Read(make([]byte, 32))
					c.Close()
				}
			}()
			if err := tt.spoil(dir, socket); err != nil {
				t.Fatal(err)
			}
			a, err := identity().Greet(t.Context(), socket)
			switch {
			case tt.allowed && (err != nil || a.Outcome != nixdaemon.Old || a.Peer.PID != os.Getpid()):
				t.Errorf("%+v, %v", a, err)
			case !tt.allowed && (!errors.Is(err, platform.ErrUntrusted) || met.Load() > 0):
				t.Errorf("%+v, %v; it connected %d times", a, err, met.Load())
			}
		})
	}
	for name, want := range map[string]error{"/nowhere/at/all": fs.ErrNotExist, "/etc/passwd": nil, "/proc/self/cwd/x": platform.ErrThroughProcess} {
		if a, err := identity().Greet(t.Context(), name); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
