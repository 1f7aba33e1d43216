//go:build linux

package nixdaemon_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/platformtest/nixwire"
)

const (
	magic = 0x6478696f
	done  = 0x616c7473
	next  = 0x6f6c6d67
	fails = 0x63787470
)

// greetings are what daemons say. Those of Nix 2.8, 2.26 and 2.34 were seen, to root and to nobody, as was that of Lix
// 2.95; Nix 2.3 follows from its source (src/nix-daemon/nix-daemon.cc).
var greetings = []struct {
	name  string
	bytes []byte
	want  nixdaemon.Answer
}{
	{"Nix 2.3", nixwire.Packet(magic, 0x115, done), nixdaemon.Answer{Outcome: nixdaemon.Old, Protocol: 0x115}},
	{"Nix 2.8", nixwire.Packet(magic, 0x122, "2.8.0", done), nixdaemon.Answer{Outcome: nixdaemon.Old, Protocol: 0x122, Version: "2.8.0"}},
	{"Nix 2.26, root", nixwire.Packet(magic, 0x126, "2.26.3", 1, done), nixdaemon.Answer{Outcome: nixdaemon.Greeted, Protocol: 0x126, Version: "2.26.3", Trust: nixdaemon.Trusted}},
	{"Nix 2.34, nobody", nixwire.Packet(magic, 0x126, "2.34.8", 2, done), nixdaemon.Answer{Outcome: nixdaemon.Greeted, Protocol: 0x126, Version: "2.34.8", Trust: nixdaemon.NotTrusted}},
	{"Lix 2.93 to 2.95, root", nixwire.Packet(magic, 0x123, "2.95.3", 1, done), nixdaemon.Answer{Outcome: nixdaemon.Greeted, Protocol: 0x123, Version: "2.95.3", Trust: nixdaemon.Trusted}},
	{"a store that does not say", nixwire.Packet(magic, 0x123, "2.95.3", 0, done), nixdaemon.Answer{Outcome: nixdaemon.Greeted, Protocol: 0x123, Version: "2.95.3"}},
	{"with lines of its log", nixwire.Packet(magic, 0x122, "2.8.0", next, "upgrading the store", next, "", done), nixdaemon.Answer{Outcome: nixdaemon.Old, Protocol: 0x122, Version: "2.8.0"}},
	{
		"with an activity", nixwire.Packet(magic, 0x123, "2.93.4", 2, 0x53545254, 7, 4, 0, "x", 2, 0, 9, 1, "field", 0, 0x52534c54, 7, 101, 1, 0, 5, 0x53544f50, 7, done),
		nixdaemon.Answer{Outcome: nixdaemon.Greeted, Protocol: 0x123, Version: "2.93.4", Trust: nixdaemon.NotTrusted},
	},
	{
		"an error", nixwire.Packet(magic, 0x123, "2.95.3", 1, fails, "Error", 0, "Error", "the store is corrupt", 0, 0),
		nixdaemon.Answer{Outcome: nixdaemon.Refused, Protocol: 0x123, Version: "2.95.3", Trust: nixdaemon.Trusted, Text: "the store is corrupt"},
	},
	{"an error of old", nixwire.Packet(magic, 0x115, fails, "the store is corrupt", 1), nixdaemon.Answer{Outcome: nixdaemon.Refused, Protocol: 0x115, Text: "the store is corrupt"}},
	{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), nixdaemon.Answer{Outcome: nixdaemon.Garbage}},
	{"protocol 2", nixwire.Packet(magic, 0x200, done), nixdaemon.Answer{Outcome: nixdaemon.Garbage}},
	{"an odd end", nixwire.Packet(magic, 0x115, 1), nixdaemon.Answer{Outcome: nixdaemon.Garbage, Protocol: 0x115}},
	{"a trust that is none", nixwire.Packet(magic, 0x123, "2.95.3", 7, done), nixdaemon.Answer{Outcome: nixdaemon.Garbage, Protocol: 0x123, Version: "2.95.3"}},
	{"a text of 4 GB", nixwire.Packet(magic, 0x123, 1<<32), nixdaemon.Answer{Outcome: nixdaemon.Garbage, Protocol: 0x123}},
	{"a padding that is none", append(nixwire.Packet(magic, 0x123, 1), "abcdefgh"...), nixdaemon.Answer{Outcome: nixdaemon.Garbage, Protocol: 0x123}},
	{"nothing", nil, nixdaemon.Answer{Outcome: nixdaemon.Closed}},
	{"half a word", []byte{0x6f, 0x69}, nixdaemon.Answer{Outcome: nixdaemon.Closed}},
	{"ends after its version", nixwire.Packet(magic, 0x126, "2.34.8"), nixdaemon.Answer{Outcome: nixdaemon.Closed, Protocol: 0x126, Version: "2.34.8"}},
	{"a log without end", bytes.Repeat(nixwire.Packet(next, "x"), 2<<10), nixdaemon.Answer{Outcome: nixdaemon.Garbage}},
}

type stream struct {
	io.Reader
	sent bytes.Buffer
	read int
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	s.read += n
	return n, err
}

func (s *stream) Write(b []byte) (int, error) { return s.sent.Write(b) }

func same(t *testing.T, got, want nixdaemon.Answer) {
	t.Helper()
	if (got.Err != nil) == got.Up() && got.Outcome != nixdaemon.Refused {
		t.Errorf("%q with the error %v", got.Outcome, got.Err)
	}
	got.Err, got.Took, got.Peer, want.Peer = nil, 0, nixdaemon.Peer{}, nixdaemon.Peer{}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestGreet(t *testing.T) {
	for _, g := range greetings {
		t.Run(g.name, func(t *testing.T) {
			s := &stream{Reader: bytes.NewReader(g.bytes)}
			same(t, nixdaemon.Greet(s), g.want)
			if want := nixwire.Packet(0x6e697863, 0x123, 0, 0); !bytes.Equal(s.sent.Bytes(), want) {
				t.Errorf("it sent %x, want %x", s.sent.Bytes(), want)
			}
		})
	}
}

// FuzzGreet: whatever is answered, the greeting ends, within its limit, and says how.
func FuzzGreet(f *testing.F) {
	for _, g := range greetings {
		f.Add(g.bytes)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &stream{Reader: bytes.NewReader(data)}
		a := nixdaemon.Greet(s)
		if a.Outcome == "" || s.read > nixdaemon.Limit {
			t.Errorf("%+v after %d bytes", a, s.read)
		}
		if a.Up() && (a.Err != nil || a.Protocol>>8 != 1) {
			t.Errorf("it is up: %+v", a)
		}
	})
}

// listen has f talk to the one who connects.
func listen(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	// Names of sockets have at most 107 bytes, and those of a test's directories are long.
	dir, err := os.MkdirTemp("", "d") //nolint:usetesting // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); f(c) }()
		}
	}()
	return name
}

// TestHostile: whatever listens, there is an answer in time.
func TestHostileDaemons(t *testing.T) {
	endless := make([]byte, 1<<20)
	for i := 0; i < len(endless); i += 24 {
		copy(endless[i:], nixwire.Packet(next, 8))
		copy(endless[min(i+16, len(endless)):], "xxxxxxxx")
	}
	for _, host := range []struct {
		name string
		f    func(net.Conn)
		want nixdaemon.Outcome
	}{
		{"silent", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, nixdaemon.Silent},
		{"closes at once", func(net.Conn) {}, nixdaemon.Closed},
		{"closes after the greeting", func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 32)) }, nixdaemon.Closed},
		{"resets", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }, nixdaemon.Closed},
		{"garbage", func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte("garbage "), 100)) }, nixdaemon.Garbage},
		{"one byte a second", func(c net.Conn) {
			for _, b := range nixwire.Packet(magic, 0x123, "2.95.3", 1, done) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, nixdaemon.Silent},
		{"4 GB of log", func(c net.Conn) {
			_, _ = c.Write(nixwire.Packet(magic, 0x115))
			for range 4 << 10 {
				if _, err := c.Write(endless); err != nil {
					return
				}
			}
		}, nixdaemon.Garbage},
		{"half a greeting, then silence", func(c net.Conn) {
			_, _ = c.Write(nixwire.Packet(magic, 0x126, "2.34.8"))
			_, _ = io.Copy(io.Discard, c)
		}, nixdaemon.Silent},
	} {
		t.Run(host.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			a := nixdaemon.Dial(t.Context(), listen(t, host.f), false)
			if took := time.Since(began); a.Outcome != host.want || a.Err == nil || took > nixdaemon.Time+time.Second {
				t.Errorf("%q after %v: %v; want %q", a.Outcome, took, a.Err, host.want)
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	name := filepath.Join(t.TempDir(), "s")
	if a := nixdaemon.Dial(t.Context(), name, false); a.Outcome != nixdaemon.NoConnection || !errors.Is(a.Err, syscall.ENOENT) {
		t.Errorf("%+v", a)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a := nixdaemon.Dial(t.Context(), name, false); a.Outcome != nixdaemon.NoConnection || !errors.Is(a.Err, syscall.ECONNREFUSED) {
		t.Errorf("%+v", a)
	}
}

// TestStranger: with root, nothing is said to a listener that is not root's.
func TestStranger(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root, to have somebody else listen")
	}
	dir, err := os.MkdirTemp("", "d") //nolint:usetesting // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "s")
	var got atomic.Int64
	got.Store(-1)
	listening, over := make(chan error, 1), make(chan struct{})
	go func() {
		// The thread becomes somebody else, after the socket has its name, and ends with this function.
		runtime.LockOSThread()
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: name})
		}
		if err == nil {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
				err = errno
			}
		}
		if err == nil {
			err = unix.Listen(fd, 1)
		}
		listening <- err
		if err != nil {
			return
		}
		if c, _, err := unix.Accept(fd); err == nil {
			n, _ := unix.Read(c, make([]byte, 99))
			got.Store(int64(n))
		}
		close(over)
	}()
	if err := <-listening; err != nil {
		t.Fatal(err)
	}
	a := nixdaemon.Dial(t.Context(), name, true)
	if a.Outcome != nixdaemon.Stranger || a.Peer != (nixdaemon.Peer{PID: os.Getpid(), UID: 65534}) {
		t.Errorf("%+v", a)
	}
	if <-over; got.Load() != 0 {
		t.Errorf("it was sent %d bytes", got.Load())
	}
}

// TestRealDaemon greets the machine's own nix-daemon, and has it delete what nobody needs.
func TestRealDaemon(t *testing.T) {
	const program, tool = "/usr/bin/nix-daemon", "/usr/bin/nix-store"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("this test needs Debian's nix-bin: %v", err)
	}
	dir, err := os.MkdirTemp("", "d") //nolint:usetesting // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(t.Context())
	environment := []string{"HOME=" + dir, "NIX_STATE_DIR=" + dir + "/v", "NIX_STORE_DIR=" + dir + "/s", "NIX_LOG_DIR=" + dir + "/l", "NIX_CONF_DIR=" + dir}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = environment
	if err := os.WriteFile(filepath.Join(dir, "nix.conf"), []byte("build-users-group =\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	name := filepath.Join(dir, "v/daemon-socket/socket")
	var conn *nixdaemon.Conn
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, a := nixdaemon.Open(ctx, name, os.Getuid() == 0)
		if a.Up() {
			major, minor := a.Minor()
			if a.Version == "" || major != 1 || minor < 33 || a.Peer.PID != cmd.Process.Pid || a.Peer.UID != os.Getuid() {
				t.Errorf("%+v", a)
			}
			conn = c
			break
		}
		if c != nil || a.Outcome != nixdaemon.NoConnection || time.Now().After(deadline) {
			t.Fatalf("%+v", a)
		}
	}
	defer func() { _ = conn.Close() }()

	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, tool, args...)
		cmd.Env = append(slices.Clone(environment), "NIX_REMOTE=daemon")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("nix-store %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	var paths []string
	for _, name := range []string{"one", "two", "needed"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, run("--add", file))
	}
	needed := paths[2]
	run("--realise", needed, "--add-root", filepath.Join(dir, "root"))
	if err := conn.Delete(ctx, needed); !errors.Is(err, nixdaemon.ErrDeclined) || !strings.Contains(err.Error(), needed) {
		t.Errorf("what is needed: %v", err)
	}
	if err := conn.Delete(ctx, paths[:2]...); err != nil {
		t.Error(err)
	}
	for _, p := range paths {
		if _, err := os.Stat(p); (err == nil) != (p == needed) {
			t.Errorf("%s: %v", p, err)
		}
	}
	// Not in the database any more either.
	if got := run("--query", "--requisites", needed); got != needed {
		t.Errorf("%q", got)
	}
	if out, err := exec.CommandContext(ctx, "/usr/bin/env", append(environment, "NIX_REMOTE=daemon", tool, "--query", "--hash", paths[0])...).CombinedOutput(); err == nil {
		t.Errorf("the store still knows %s: %s", paths[0], out)
	}
}

// TestDeleteEnds: a daemon that never answers is waited for as long as the caller says.
func TestDeleteEnds(t *testing.T) {
	asked := make(chan struct{})
	name := listen(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 32))
		_, _ = c.Write(nixwire.Packet(magic, 0x123, "2.95.3", 1, done))
		if _, err := c.Read(make([]byte, 8)); err == nil {
			close(asked)
		}
		_, _ = io.Copy(io.Discard, c)
	})
	c, a := nixdaemon.Open(t.Context(), name, false)
	if c == nil {
		t.Fatalf("%+v", a)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if err := c.Delete(ctx, "/nix/store/x"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// TestDeleteOfOld: a daemon whose errors have another form is asked for nothing.
func TestDeleteOfOld(t *testing.T) {
	name := listen(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 32))
		_, _ = c.Write(nixwire.Packet(magic, 0x115, done))
		if n, _ := c.Read(make([]byte, 8)); n > 0 {
			t.Error("it was asked")
		}
	})
	c, a := nixdaemon.Open(t.Context(), name, false)
	if c == nil {
		t.Fatalf("%+v", a)
	}
	if err := c.Delete(t.Context(), "/nix/store/x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
