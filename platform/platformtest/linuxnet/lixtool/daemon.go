//go:build linux

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/platformtest/nixwire"
)

const (
	daemon = "nix-daemon"
	socket = "/nix/var/nix/daemon-socket/socket"
)

var (
	// words is where pasta's words go: to the user, or to the log of the daemon, which no client sees.
	words = os.Stderr
	// gone is closed where the client of this process of the daemon has ended; nil where there is no daemon.
	gone chan struct{}
	// trusted is whether the daemon trusts who asks: root alone, where nix.conf names nobody else.
	trusted = true
)

// ask has the daemon do what is asked of a tool, and ends as that ended.
func ask(argv []string) error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("could not connect to any lix socket (tried %s)", socket)
	}
	data, err := json.Marshal(argv)
	if err != nil {
		return err
	}
	// Its own output is the client's, which spares the stand-in a protocol for it.
	if _, _, err := conn.WriteMsgUnix(data, unix.UnixRights(1, 2), nil); err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	go func() {
		<-interrupted
		exit(errors.New("interrupted by the user"))
	}()
	status := make([]byte, 1)
	if _, err := conn.Read(status); err != nil {
		return fmt.Errorf("the daemon hung up: %w", err)
	}
	os.Exit(int(status[0]))
	return nil
}

// listen is the daemon.
func (c conf) listen() error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		return err
	}
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		f, err := conn.File()
		if err != nil {
			return err
		}
		client, err := unix.GetsockoptUcred(int(f.Fd()), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return err
		}
		trust := "untrusted"
		if client.Uid == 0 {
			trust = "trusted"
		}
		fmt.Fprintf(os.Stderr, "accepted connection from pid %d\nremote pid %[1]d is user %d (%s)\n", client.Pid, client.Uid, trust)
		cmd := exec.Command(filepath.Join(profile, daemon))
		// Lix 2.93 writes the number over its own arguments, and pads it with blanks.
		if cmd.Args = []string{daemon, fmt.Sprintf("%d      ", client.Pid)}; !c.old() {
			cmd.Args = []string{daemon, "--for", strconv.Itoa(int(client.Pid)), "--log-level", "3"}
		}
		cmd.Stdin, cmd.Stderr = f, os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		f.Close()
		_ = conn.Close()
		go func() { _ = cmd.Wait() }()
	}
}

// serve is the daemon's process for one client.
func (c conf) serve() error {
	conn, err := net.FileConn(os.Stdin)
	if err != nil {
		return err
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("standard input is no socket of a client")
	}
	client, err := unix.GetsockoptUcred(int(os.Stdin.Fd()), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return err
	}
	trusted = client.Uid == 0
	data, control := make([]byte, 64<<10), make([]byte, 256)
	n, m, _, _, err := u.ReadMsgUnix(data, control)
	if err != nil {
		return err
	}
	if n >= 8 && binary.LittleEndian.Uint64(data) == magicClient {
		return c.speak(u, data[:n])
	}
	var argv []string
	if err := json.Unmarshal(data[:n], &argv); err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(control[:m])
	if err != nil {
		return err
	}
	if len(messages) != 1 || len(argv) == 0 {
		return errors.New("the client asks for nothing")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 2 {
		return fmt.Errorf("the client has no output: %w", err)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	os.Stdout, os.Stderr = os.NewFile(uintptr(fds[0]), "stdout"), os.NewFile(uintptr(fds[1]), "stderr")
	gone = make(chan struct{})
	go func() {
		// Nothing more comes, until the client ends.
		_, _ = u.Read(make([]byte, 1))
		close(gone)
	}()
	status := byte(0)
	if err := c.do(argv[0], argv[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		status = 1
	}
	_, _ = u.Write([]byte{status})
	return nil
}

// Words of the protocol that the daemon of Lix speaks (lix/libstore/worker-protocol.hh).
const (
	magicClient    = 0x6e697863
	magicDaemon    = 0x6478696f
	protocol       = 0x123
	wordLast       = 0x616c7473
	wordError      = 0x63787470
	collectGarbage = 20
	deleteSpecific = 3
)

// speak serves a client that is none of the stand-in's tools, as far as lixfix goes: it greets and deletes store paths.
func (c conf) speak(conn io.ReadWriter, hello []byte) error {
	const longest = 32 // of a greeting
	if len(hello) < longest {
		if _, err := io.ReadFull(conn, make([]byte, longest-len(hello))); err != nil {
			return err
		}
	}
	trust := 2
	if trusted {
		trust = 1
	}
	if _, err := conn.Write(nixwire.Packet(magicDaemon, protocol, c.Version, trust, wordLast)); err != nil {
		return err
	}
	in := &incoming{r: conn}
	for {
		op := in.word()
		if errors.Is(in.err, io.EOF) {
			return nil // the client has gone
		}
		if action := in.word(); in.err == nil && (op != collectGarbage || action != deleteSpecific) {
			return fmt.Errorf("operation %d, action %d: not known to the stand-in", op, action)
		}
		var paths []string
		for n := in.word(); n > 0 && in.err == nil; n-- {
			paths = append(paths, in.text())
		}
		alive, limit := in.word(), in.word()
		for range 3 {
			in.word()
		}
		if in.err != nil {
			return in.err
		}
		if alive != 0 || limit != math.MaxUint64 {
			return errors.New("deleting what is alive, or up to a limit: not known to the stand-in")
		}
		answer := nixwire.Packet(wordLast, 0, 0, 0)
		for _, p := range paths {
			if err := os.Remove(p); err != nil {
				answer = nixwire.Packet(wordError, "Error", 0, "Error", err.Error(), 0, 0)
				break
			}
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// incoming reads what nixwire.Packet writes, up to the first error.
type incoming struct {
	r   io.Reader
	err error
}

func (w *incoming) full(n uint64) []byte {
	b := make([]byte, n)
	if w.err == nil {
		_, w.err = io.ReadFull(w.r, b)
	}
	return b
}

func (w *incoming) word() uint64 { return binary.LittleEndian.Uint64(w.full(8)) }

func (w *incoming) text() string {
	const longest = 4 << 10
	n := w.word()
	if n > longest {
		w.err = fmt.Errorf("a path has %d bytes", n)
		return ""
	}
	return string(w.full((n + 7) &^ 7)[:n])
}
