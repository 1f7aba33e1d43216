package nixdaemon

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer is who listens at the other end (unix(7), SO_PEERCRED).
func peer(conn net.Conn) Peer {
	p := Peer{-1, -1}
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return p
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return p
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			p = Peer{int(cred.Pid), int(cred.Uid)}
		}
	})
	return p
}
