//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
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
		fmt.Fprintf(os.Stderr, "accepted connection from pid %d\n", client.Pid)
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
