package platform

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"time"
)

// States of a TCP socket that matter here, as in include/net/tcp_states.h of Linux. Unix sockets use the same numbers.
const (
	SocketEstablished = 1
	SocketSynSent     = 2
	SocketCloseWait   = 8
	SocketListening   = 10
)

// Socket is what the kernel tells everybody about a socket, through sock_diag(7).
type Socket struct {
	Inode uint64 // what /proc/PID/fd calls "socket:[INODE]"
	TCP   bool   // else Unix
	State int
	// Received is what the owner has not read yet; of a listener, how many connections it has not accepted. Sent is
	// what the peer has not taken: bytes of TCP, and of a Unix socket the size of its receive buffer where it listens.
	Received, Sent uint32

	Path string // of a Unix socket, as its owner has bound it: in another mount namespace it names another file
	// File is the file that a Unix socket is bound to; zero where there is none. Of its inode the kernel tells 32 bits.
	File FileID
	Peer uint64 // inode; 0 while the connection is not accepted, and where there is none

	Local, Remote netip.AddrPort
	Idle          time.Duration // since data last came in
	Retransmits   int           // of what is on its way now
	Unacked       int
	BytesReceived uint64
}

// FileID tells one file from another while the machine runs.
type FileID struct {
	Major, Minor uint32 // of the device that its file system is on
	Inode        uint64
}

// Is reports whether both are the same file, as far as can be told from the 32 bits of inode that sock_diag(7) has.
func (f FileID) Is(o FileID) bool {
	return f.Major == o.Major && f.Minor == o.Minor && uint32(f.Inode) == uint32(o.Inode) && f.Inode != 0
}

var errShort = errors.New("the kernel's answer ends too early")

// attributes calls f with each netlink attribute in data.
func attributes(data []byte, f func(kind int, value []byte)) error {
	for len(data) >= 4 {
		size := int(binary.NativeEndian.Uint16(data))
		if size < 4 || size > len(data) {
			return errShort
		}
		f(int(binary.NativeEndian.Uint16(data[2:])&0x3fff), data[4:size])
		data = data[min((size+3)&^3, len(data)):]
	}
	return nil
}

// parseUnix reads a struct unix_diag_msg and its attributes.
func parseUnix(data []byte) (Socket, error) {
	if len(data) < 16 {
		return Socket{}, errShort
	}
	s := Socket{State: int(data[2]), Inode: uint64(binary.NativeEndian.Uint32(data[4:]))}
	err := attributes(data[16:], func(kind int, v []byte) {
		switch {
		case kind == 0 && len(v) > 0: // UNIX_DIAG_NAME; the name of an abstract socket starts with NUL
			s.Path = strings.TrimRight(string(v), "\x00")
			if v[0] == 0 {
				s.Path = "@" + string(v[1:])
			}
		case kind == 1 && len(v) >= 8: // UNIX_DIAG_VFS; the device as the kernel has it, with 20 bits for the minor number
			device := binary.NativeEndian.Uint32(v[4:])
			s.File = FileID{device >> 20, device & (1<<20 - 1), uint64(binary.NativeEndian.Uint32(v))}
		case kind == 2 && len(v) >= 4: // UNIX_DIAG_PEER
			s.Peer = uint64(binary.NativeEndian.Uint32(v))
		case kind == 4 && len(v) >= 8: // UNIX_DIAG_RQLEN
			s.Received, s.Sent = binary.NativeEndian.Uint32(v), binary.NativeEndian.Uint32(v[4:])
		}
	})
	return s, err
}

// parseTCP reads a struct inet_diag_msg and its attributes.
func parseTCP(data []byte) (Socket, error) {
	if len(data) < 72 {
		return Socket{}, errShort
	}
	s := Socket{TCP: true, State: int(data[1])}
	addr := func(b []byte, port uint16) netip.AddrPort {
		a := netip.AddrFrom4([4]byte(b[:4]))
		if data[0] != 2 { // AF_INET
			a = netip.AddrFrom16([16]byte(b[:16])).Unmap()
		}
		return netip.AddrPortFrom(a, port)
	}
	s.Local = addr(data[8:24], binary.BigEndian.Uint16(data[4:]))
	s.Remote = addr(data[24:40], binary.BigEndian.Uint16(data[6:]))
	s.Received = binary.NativeEndian.Uint32(data[56:])
	s.Sent = binary.NativeEndian.Uint32(data[60:])
	s.Inode = uint64(binary.NativeEndian.Uint32(data[68:]))
	err := attributes(data[72:], func(kind int, v []byte) {
		// INET_DIAG_INFO is a struct tcp_info, which only ever grows at its end.
		if kind != 2 || len(v) < 60 {
			return
		}
		s.Retransmits = max(int(v[2]), int(v[4]))
		s.Unacked = int(binary.NativeEndian.Uint32(v[24:]))
		s.Idle = time.Duration(binary.NativeEndian.Uint32(v[52:])) * time.Millisecond
		if len(v) >= 136 {
			s.BytesReceived = binary.NativeEndian.Uint64(v[128:])
		}
	})
	return s, err
}
