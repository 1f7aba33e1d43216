package nixdaemon

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer is who listens at the other end (unix(4), LOCAL_PEERCRED and LOCAL_PEERPID).
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
		if cred, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err == nil {
			p.UID = int(cred.Uid)
		}
		if pid, err := unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID); err == nil {
			p.PID = pid
		}
	})
	return p
}
