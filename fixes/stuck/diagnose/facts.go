package diagnose

import (
	"fmt"
	"slices"

	"github.com/lixfix/lixfix/fixes/stuck/say"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/words"
)

// hostFacts are facts about the host that matter to those who develop Nix.
func hostFacts(s *scene) []string {
	var list []string
	for i, dir := range slices.Concat(s.Stores, s.States) {
		what := "store"
		if i >= len(s.Stores) {
			what = "state of Nix"
		}
		if m, ok := s.Mount(dir); ok {
			free := ""
			if n, ok := s.Free[dir]; ok {
				free = ", " + say.Bytes(n) + " free"
			}
			list = append(list, fmt.Sprintf("%s on %s%s", what, say.Plain(m.Type), free))
		}
	}
	return append(list, words.Count(len(s.Builders), "build user"))
}

// socketQueues tells how much waits to be read from the sockets between processes: what is queued for one that does not read
// says who is not listening.
func socketQueues(s *scene, p *proc) []string {
	var list []string
	for inode, fd := range p.Sockets {
		sock, ok := s.Sockets[inode]
		if !ok {
			continue
		}
		what := "unix, " + words.Count(int(sock.Received), "byte") + " not read"
		switch {
		case sock.State == platform.SocketListening && !sock.TCP:
			what = "listens, " + words.Count(int(sock.Received), "connection") + " not accepted"
		case sock.State == platform.SocketListening:
			what = "listens"
		case sock.TCP:
			what = fmt.Sprintf("TCP, state %d, idle for %s, %d "+
				"retransmits", sock.State, say.Seconds(sock.Idle), sock.Retransmits)
		case sock.Peer == 0:
			what += ", no other side"
		}
		list = append(list, fmt.Sprintf("%s: socket %d: %s", title(s, p), fd, what))
	}
	slices.Sort(list)
	return list
}
