package platform

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// kernelSockets asks sock_diag(7), which needs no root.
func kernelSockets(ctx context.Context) ([]Socket, error) {
	var all []Socket
	unixReq := make([]byte, 24) // struct unix_diag_req
	unixReq[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(unixReq[4:], ^uint32(0))
	binary.NativeEndian.PutUint32(unixReq[12:], 1|2|4|16) // UDIAG_SHOW_NAME, _VFS, _PEER, _RQLEN
	if err := diagnose(ctx, unixReq, parseUnix, &all); err != nil {
		return nil, fmt.Errorf("list the Unix sockets: %w", err)
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		req := make([]byte, 56) // struct inet_diag_req_v2
		req[0], req[1], req[2] = family, unix.IPPROTO_TCP, 1<<1
		binary.NativeEndian.PutUint32(req[4:], 1<<SocketEstablished|1<<SocketSynSent|1<<SocketCloseWait)
		if err := diagnose(ctx, req, parseTCP, &all); err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("list the TCP sockets: %w", err)
		}
	}
	return all, nil
}

func diagnose(ctx context.Context, req []byte, parse func([]byte) (Socket, error), all *[]Socket) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
		return err
	}
	msg := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(req))
	binary.NativeEndian.PutUint32(msg, uint32(unix.SizeofNlMsghdr+len(req)))
	binary.NativeEndian.PutUint16(msg[4:], 20) // SOCK_DIAG_BY_FAMILY
	binary.NativeEndian.PutUint16(msg[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(fd, append(msg, req...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		done, err := answers(buf[:n], parse, all)
		if err != nil || done {
			return err
		}
	}
}

// answers reads the messages of one datagram and reports whether the last one was among them.
func answers(data []byte, parse func([]byte) (Socket, error), all *[]Socket) (done bool, err error) {
	for len(data) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(data))
		if size < unix.SizeofNlMsghdr || size > len(data) {
			return false, errShort
		}
		body := data[unix.SizeofNlMsghdr:size]
		switch binary.NativeEndian.Uint16(data[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return false, errShort
			}
			return true, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
		default:
			s, err := parse(body)
			if err != nil {
				return false, err
			}
			*all = append(*all, s)
		}
		data = data[min((size+3)&^3, len(data)):]
	}
	return false, nil
}
