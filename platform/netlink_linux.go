package platform

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

var (
	errStranger = errors.New("the answer is not the kernel's")
	errChanged  = errors.New("what the kernel listed has changed meanwhile")
	errCut      = errors.New("the kernel's answer is larger than what it was to fit into")
)

// netlinkMost is what one message of an answer can have: no kernel makes larger ones for a dump (net/netlink/af_netlink.c
// of Linux).
const netlinkMost = 32 << 10

// netlink is a socket over which the kernel lists what it has (netlink(7)).
type netlink struct {
	fd  int
	seq uint32
	buf []byte
}

func dialNetlink(protocol int) (*netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &netlink{fd: fd, buf: make([]byte, netlinkMost)}, nil
}

func (n *netlink) close() { unix.Close(n.fd) }

// dump asks for all that there is of a kind, and calls each with every message of the answer. No error says that the
// answer was whole.
func (n *netlink) dump(ctx context.Context, kind uint16, req []byte, each func(body []byte) error) error {
	n.seq++
	msg := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(req))
	binary.NativeEndian.PutUint32(msg, uint32(unix.SizeofNlMsghdr+len(req)))
	binary.NativeEndian.PutUint16(msg[4:], kind)
	binary.NativeEndian.PutUint16(msg[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(msg[8:], n.seq)
	if err := unix.Sendto(n.fd, append(msg, req...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		size, from, err := unix.Recvfrom(n.fd, n.buf, unix.MSG_TRUNC) // which makes it tell the size of what it has cut
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		// Processes have other numbers than the kernel, which has none.
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			return errStranger
		}
		if size > len(n.buf) {
			return errCut
		}
		done, err := dumped(n.buf[:size], n.seq, each)
		if err != nil || done {
			return err
		}
	}
}

// dumped reads the messages of one datagram and reports whether the last one was among them.
func dumped(data []byte, seq uint32, each func(body []byte) error) (done bool, err error) {
	for len(data) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(data))
		if size < unix.SizeofNlMsghdr || size > len(data) {
			return false, errShort
		}
		if binary.NativeEndian.Uint32(data[8:]) != seq {
			return false, errStranger
		}
		if binary.NativeEndian.Uint16(data[6:])&unix.NLM_F_DUMP_INTR != 0 {
			return false, errChanged
		}
		body := data[unix.SizeofNlMsghdr:size]
		switch binary.NativeEndian.Uint16(data[4:]) {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			if len(body) < 4 {
				return false, errShort
			}
			if code := int32(binary.NativeEndian.Uint32(body)); code < 0 {
				return true, unix.Errno(-code)
			}
			return true, nil
		case unix.NLMSG_NOOP:
		case unix.NLMSG_OVERRUN:
			return false, errCut
		default:
			if err := each(body); err != nil {
				return false, err
			}
		}
		data = data[min((size+3)&^3, len(data)):]
	}
	return false, nil
}

// Requests and attributes of include/uapi/linux/netfilter/nf_tables.h and fib_rules.h of Linux.
const (
	getTable     = 10<<8 | 1 // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
	ruleHeader   = 12        // struct fib_rule_hdr
	ruleUIDRange = 20        // FRA_UID_RANGE; only rules that have one show it
)

var errFound = errors.New("one is enough")

// kernelRuled asks netlink(7); the rules of the firewall are told to root alone.
func kernelRuled(ctx context.Context, what Rules) (bool, error) {
	var protocol int
	var kind uint16
	var req []byte
	var counts func(body []byte) (bool, error)
	switch what {
	case FirewallTables:
		protocol, kind, req = unix.NETLINK_NETFILTER, getTable, make([]byte, 4) // struct nfgenmsg, of all families
		counts = func([]byte) (bool, error) { return true, nil }
	case RoutesByUser:
		protocol, kind, req = unix.NETLINK_ROUTE, unix.RTM_GETRULE, make([]byte, ruleHeader) // of all families
		counts = ranged
	default:
		return false, fmt.Errorf("look for %s: %w", what, errors.ErrUnsupported)
	}
	n, err := dialNetlink(protocol)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", what, err)
	}
	defer n.close()
	err = n.dump(ctx, kind, req, func(body []byte) error {
		if is, err := counts(body); err != nil || !is {
			return err
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look for %s: %w", what, err)
	}
	return false, nil
}

// ranged reports whether a rule of routing is for some users alone.
func ranged(body []byte) (is bool, err error) {
	if len(body) < ruleHeader {
		return false, errShort
	}
	err = attributes(body[ruleHeader:], func(kind int, _ []byte) { is = is || kind == ruleUIDRange })
	return is, err
}
