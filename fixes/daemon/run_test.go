//go:build linux

package daemon_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lixfix/lixfix/fixes/daemon"
	"github.com/lixfix/lixfix/fixes/fixtest"
)

const debianFiles = `dir 0755 /run/systemd/system
dir 0755 /nix/store
-- nix/var/nix/db/db.sqlite --
x
-- usr/bin/nix --
x
-- usr/bin/nix-daemon --
x
-- usr/lib/systemd/system/nix-daemon.socket --
[Socket]
ListenStream=/nix/var/nix/daemon-socket/socket
[Install]
WantedBy=sockets.target
-- usr/lib/systemd/system/nix-daemon.service --
[Service]
ExecStart=@/usr/bin/nix-daemon nix-daemon --daemon
`

// answering makes a host on which a daemon answers, and whose modes keep users from it.
func answering(dir, socket os.FileMode) func(testing.TB) *fixtest.Host {
	return func(t testing.TB) *fixtest.Host {
		t.Helper()
		h := fixtest.Txtar(t, debianFiles)
		at := filepath.Join(h.Root, "nix/var/nix/daemon-socket")
		must(t, os.Mkdir(at, 0o755))
		d, err := os.Open(at)
		must(t, err)
		defer d.Close()
		// Names of sockets are short.
		l, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/socket", d.Fd()))
		must(t, err)
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				for _, word := range []uint64{0x6478696f, 0x115, 0x616c7473} {
					_ = binary.Write(c, binary.LittleEndian, word)
				}
				_, _ = c.Read(make([]byte, 64))
				c.Close()
			}
		}()
		must(t, os.Chmod(at+"/socket", socket))
		must(t, os.Chmod(at, dir))
		return h
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestModes puts the repairs that need no systemd through a kill at each write.
func TestModes(t *testing.T) {
	shown := []string{"daemon/answers", "daemon/socket-dir-mode", "daemon/socket-mode"}
	var elsewhere []string
	for _, k := range daemon.New().Kinds() {
		if !slices.Contains(shown, k.ID) {
			elsewhere = append(elsewhere, k.ID)
		}
	}
	fixtest.Run(t, daemon.New(), []fixtest.Case{
		{Name: "open to all", Make: answering(0o755, 0o666), Finds: shown[:1]},
		{Name: "the directory closed", Make: answering(0o700, 0o666), Finds: shown[1:2], Repaired: shown[:1]},
		{Name: "the socket closed", Make: answering(0o755, 0o600), Finds: shown[2:], Repaired: shown[:1]},
	}, elsewhere...)
}
