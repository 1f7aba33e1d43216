package diagnose

import (
	"slices"

	"github.com/lixfix/lixfix/fixes/fix"
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
			what = stateOfNix
		}
		if m, ok := s.Mount(dir); ok {
			free := ""
			if n, ok := s.Free[dir]; ok {
				free = freeSpace.Fill(fix.With{"amount": say.Bytes(n)})
			}
			list = append(list, onFileSystem.Fill(fix.With{"what": what, "type": say.Plain(m.Type), "free": free}))
		}
	}
	return append(list, words.Count(len(s.Builders), buildUser))
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
		what := notReadYet.Fill(fix.With{"amount": words.Count(int(sock.Received), "byte")})
		switch {
		case sock.State == platform.SocketListening && !sock.TCP:
			what = notAccepted.Fill(fix.With{"amount": words.Count(int(sock.Received), "connection")})
		case sock.State == platform.SocketListening:
			what = "listens"
		case sock.TCP:
			what = tcpState.Fill(fix.With{"state": sock.State, "idle": say.Seconds(sock.Idle), "retransmits": sock.Retransmits})
		case sock.Peer == 0:
			what += noOtherSide
		}
		list = append(list, socketFacts.Fill(fix.With{"process": title(s, p), "fd": fd, "what": what}))
	}
	slices.Sort(list)
	return list
}
