package platform

import (
	"encoding/binary"
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestKernelSockets finds sockets of this process.
func TestKernelSockets(t *testing.T) {
	if runtime.GOOS != Linux {
		return
	}
	name := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	d, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	time.Sleep(20 * time.Millisecond)
	list, err := Local().Sockets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var pending, connected bool
	for _, s := range list {
		if s.Path == name && s.State == SocketListening {
			pending = s.Received == 1
		}
		if s.TCP && s.Remote.String() == tcp.Addr().String() && s.State == SocketEstablished && s.Idle > 0 && s.Idle < time.Minute {
			connected = true
		}
	}
	if !pending {
		t.Error("the connection that waits to be accepted is not seen")
	}
	if !connected {
		t.Error("the TCP connection is not seen")
	}
}

func FuzzSockets(f *testing.F) {
	unix := make([]byte, 32)
	binary.NativeEndian.PutUint16(unix[16:], 8)
	binary.NativeEndian.PutUint16(unix[18:], 2)
	f.Add(unix)
	f.Add(make([]byte, 200))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = parseUnix(data)
		_, _ = parseTCP(data)
	})
}
