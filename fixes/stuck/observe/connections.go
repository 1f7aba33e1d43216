package observe

import (
	"context"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
)

func (c *collector) readSockets(ctx context.Context) (map[uint64]platform.Socket, error) {
	list, err := c.v.Sockets(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[uint64]platform.Socket, len(list))
	for _, s := range list {
		if s.Inode != 0 {
			all[s.Inode] = s
		}
	}
	return all, nil
}

// elsewhere adds the connections in other network namespaces: a fixed-output build has one of its own, in which pasta
// gives it the network.
func (c *collector) elsewhere(ctx context.Context) {
	var where []int // a process in each of them
	seen := map[string]bool{"": true, c.net: true}
	for _, pid := range c.Order {
		if p := c.Procs[pid]; p.Deep && !p.Gone && len(p.Sockets) > 0 && !seen[p.net] {
			seen[p.net] = true
			where = append(where, pid)
		}
	}
	if len(where) == 0 || c.Sockets == nil {
		return
	}
	var found []procfs.Connection
	err := c.v.Burst(ctx, "the connections of builds", func(f platform.Files) error {
		for _, pid := range where {
			for _, table := range []string{"/net/tcp", "/net/tcp6"} {
				if data, err := f.Read(procfs.Dir(pid) + table); err == nil {
					found = append(found, procfs.ParseConnections(data)...)
				}
			}
		}
		return nil
	})
	if err != nil {
		return
	}
	for _, l := range found {
		if _, known := c.Sockets[l.Inode]; !known && l.Inode != 0 && l.State != platform.SocketListening {
			// How long it is idle is not told there.
			c.Sockets[l.Inode] = platform.Socket{
				Inode: l.Inode, TCP: true, State: l.State, Remote: l.Remote, Retransmits: l.Retransmits, Unacked: int(min(l.Unsent, 1)),
			}
		}
	}
}
