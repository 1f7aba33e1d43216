package platform

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const socketsByFamily = 20 // SOCK_DIAG_BY_FAMILY

// kernelSockets asks sock_diag(7), which needs no root.
func kernelSockets(ctx context.Context) ([]Socket, error) {
	n, err := dialNetlink(unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("list the sockets: %w", err)
	}
	defer n.close()
	var all []Socket
	list := func(req []byte, parse func([]byte) (Socket, error)) error {
		return n.dump(ctx, socketsByFamily, req, func(body []byte) error {
			s, err := parse(body)
			if err == nil {
				all = append(all, s)
			}
			return err
		})
	}
	unixReq := make([]byte, 24) // struct unix_diag_req
	unixReq[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(unixReq[4:], ^uint32(0))
	binary.NativeEndian.PutUint32(unixReq[12:], 1|2|4|16) // UDIAG_SHOW_NAME, _VFS, _PEER, _RQLEN
	if err := list(unixReq, parseUnix); err != nil {
		return nil, fmt.Errorf("list the Unix sockets: %w", err)
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		req := make([]byte, 56) // struct inet_diag_req_v2
		req[0], req[1], req[2] = family, unix.IPPROTO_TCP, 1<<1
		binary.NativeEndian.PutUint32(req[4:], 1<<SocketEstablished|1<<SocketSynSent|1<<SocketCloseWait)
		if err := list(req, parseTCP); err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("list the TCP sockets: %w", err)
		}
	}
	return all, nil
}
